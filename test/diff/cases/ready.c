// SPDX-License-Identifier: BSD-3-Clause
/*
 * ready.c - socket(7)'s table of I/O events: each way of being told, at each step of a life
 *
 * A socket is in a level, an edge and a oneshot epoll set and has O_ASYNC from its start; after
 * each step one line says what all of these, poll and select's three sets tell.
 */
#include "test/diff/cases/ready.h"

static char buf[256];

static void client_life(int domain)
{
	int l = ready_bound(domain, SOCK_STREAM), c = socket(domain, SOCK_STREAM, 0), s;
	struct watch w;

	listen(l, 4);
	nonblock(c);
	watch_begin(&w, c);
	watch_say(&w, "fresh");
	T(ready_connect(c, port_of(l)));
	watch_say(&w, "connected");
	T(ready_connect(c, port_of(l)));
	watch_say(&w, "again");
	s = accept(l, NULL, NULL);
	watch_say(&w, "accepted");
	T(send(s, "abc", 3, 0));
	watch_say(&w, "data");
	T(recv(c, buf, 1, 0));
	watch_say(&w, "read one");
	T(recv(c, buf, 1, MSG_PEEK));
	watch_say(&w, "peeked");
	T(recv(c, buf, 9, 0));
	watch_say(&w, "read all");
	T(send(c, "xyz", 3, 0));
	watch_say(&w, "sent");
	T(recv(s, buf, 9, 0));
	watch_say(&w, "they read");
	T(send(s, "!", 1, MSG_OOB));
	watch_say(&w, "urgent");
	T(recv(c, buf, 1, MSG_OOB));
	watch_say(&w, "urgent read");
	T(send(s, "m", 1, 0));
	watch_say(&w, "behind the mark");
	T(recv(c, buf, 9, 0));
	watch_say(&w, "read");
	T(shutdown(s, SHUT_WR));
	watch_say(&w, "they end");
	T(recv(c, buf, 9, 0));
	watch_say(&w, "end read");
	T(shutdown(c, SHUT_WR));
	watch_say(&w, "we end");
	T(close(s));
	watch_say(&w, "they close");
	watch_end(&w);
	close(c);
	close(l);
}

CASE(ready_tcp_client) { client_life(AF_INET); }
CASE(ready_tcp_client6) { client_life(AF_INET6); }

static void server_life(int domain)
{
	struct watch w;
	int c, s;

	ready_pair(domain, &c, &s);
	watch_begin(&w, s);
	watch_say(&w, "accepted");
	T(shutdown(s, SHUT_WR));
	watch_say(&w, "we end");
	T(send(c, "abc", 3, 0));
	watch_say(&w, "data");
	T(recv(s, buf, 9, 0));
	T(shutdown(c, SHUT_WR));
	watch_say(&w, "they end");
	T(shutdown(s, SHUT_RD));
	watch_say(&w, "deaf too");
	close(c);
	watch_say(&w, "they close");
	watch_end(&w);
	close(s);
}

CASE(ready_tcp_server) { server_life(AF_INET); }
CASE(ready_tcp_server6) { server_life(AF_INET6); }

CASE(ready_tcp_shut_read)
{
	struct watch w;
	int c, s;

	tcp_pair(&c, &s);
	watch_begin(&w, c);
	watch_forget(&w);
	T(shutdown(c, SHUT_RD));
	watch_say(&w, "deaf");
	T(send(s, "abc", 3, 0));
	watch_say(&w, "data");
	T(recv(c, buf, 9, MSG_DONTWAIT));
	watch_say(&w, "read");
	T(recv(c, buf, 9, MSG_DONTWAIT));
	T(shutdown(s, SHUT_WR));
	watch_say(&w, "they end");
	watch_end(&w);
}

CASE(ready_tcp_shut_both)
{
	struct watch w;
	int c, s;

	tcp_pair(&c, &s);
	watch_begin(&w, c);
	watch_forget(&w);
	T(shutdown(c, SHUT_RDWR));
	watch_say(&w, "both");
	T(send(s, "abc", 3, 0));
	watch_say(&w, "data");
	T(close(s));
	watch_say(&w, "they close");
	watch_end(&w);
}

CASE(ready_tcp_reset)
{
	struct watch w;
	int c, s;

	tcp_pair(&c, &s);
	watch_begin(&w, c);
	watch_forget(&w);
	T(send(s, "last words", 10, 0));
	ready_reset(s);
	watch_say(&w, "reset");
	T(recv(c, buf, 4, 0));
	watch_say(&w, "read");
	say_so_error(c);
	watch_say(&w, "asked");
	T(recv(c, buf, 4, 0));
	T(send(c, "x", 1, MSG_NOSIGNAL));
	watch_say(&w, "written");
	watch_end(&w);
}

CASE(ready_tcp_reset_after_end)
{
	struct watch w;
	int c, s;

	tcp_pair(&c, &s);
	watch_begin(&w, c);
	watch_forget(&w);
	T(close(s));
	watch_say(&w, "they close");
	T(send(c, "x", 1, MSG_NOSIGNAL));
	watch_say(&w, "reset");
	T(send(c, "x", 1, MSG_NOSIGNAL));
	watch_say(&w, "written");
	watch_end(&w);
}

static void refused(int domain)
{
	int c = socket(domain, SOCK_STREAM, 0);
	struct watch w;

	nonblock(c);
	watch_begin(&w, c);
	watch_forget(&w);
	T(ready_connect(c, dead_port()));
	watch_say(&w, "refused");
	say_so_error(c);
	watch_say(&w, "asked");
	T(send(c, "x", 1, MSG_NOSIGNAL));
	T(recv(c, buf, 1, 0));
	watch_say(&w, "used");
	T(ready_connect(c, dead_port()));
	watch_say(&w, "again");
	watch_end(&w);
	close(c);
}

CASE(ready_tcp_refused) { refused(AF_INET); }
CASE(ready_tcp_refused6) { refused(AF_INET6); }

static void listening(int domain)
{
	int l = ready_bound(domain, SOCK_STREAM), c = socket(domain, SOCK_STREAM, 0),
	    d = socket(domain, SOCK_STREAM, 0);
	struct watch w;

	watch_begin(&w, l);
	watch_say(&w, "bound");
	T(listen(l, 4));
	watch_say(&w, "listening");
	T(ready_connect(c, port_of(l)));
	watch_say(&w, "one");
	T(ready_connect(d, port_of(l)));
	watch_say(&w, "two");
	F(accept(l, NULL, NULL));
	watch_say(&w, "accepted");
	ready_reset(d);
	watch_say(&w, "the other reset");
	F(accept(l, NULL, NULL));
	watch_say(&w, "accepted");
	T(shutdown(l, SHUT_WR));
	watch_say(&w, "shut for writing");
	T(shutdown(l, SHUT_RD));
	watch_say(&w, "shut for reading");
	T(listen(l, 4));
	watch_say(&w, "again");
	watch_end(&w);
	close(c);
	close(l);
}

CASE(ready_listener) { listening(AF_INET); }
CASE(ready_listener6) { listening(AF_INET6); }

/* Full, and how much of it must be read before it is writable again. */
CASE(ready_tcp_space)
{
	static char block[65536];
	struct watch w;
	int c, s;

	tcp_pair(&c, &s);
	nonblock(c);
	watch_begin(&w, c);
	watch_forget(&w);
	while (send(c, block, sizeof(block), 0) > 0)
		;
	watch_forget(&w);
	watch_say(&w, "full");
	while (recv(s, block, sizeof(block), MSG_DONTWAIT) > 0 || !poll(NULL, 0, 20))
		if (recv(s, block, sizeof(block), MSG_DONTWAIT) <= 0)
			break;
	watch_say(&w, "room");
	T(send(c, block, 1, 0));
	watch_say(&w, "one more");
	watch_end(&w);
}

CASE(ready_tcp_lowat)
{
	struct watch w;
	int c, s;

	tcp_pair(&c, &s);
	T(set_int(c, SOL_SOCKET, SO_RCVLOWAT, 5));
	watch_begin(&w, c);
	watch_forget(&w);
	T(send(s, "abc", 3, 0));
	watch_say(&w, "three");
	T(send(s, "abc", 3, 0));
	watch_say(&w, "six");
	T(recv(c, buf, 2, 0));
	watch_say(&w, "four");
	T(shutdown(s, SHUT_WR));
	watch_say(&w, "end");
	watch_end(&w);
}

static void datagrams(int domain)
{
	int a = ready_bound(domain, SOCK_DGRAM), b = socket(domain, SOCK_DGRAM, 0);
	struct watch w;

	watch_begin(&w, b);
	watch_say(&w, "fresh");
	T(ready_connect(b, port_of(a)));
	watch_say(&w, "connected");
	T(ready_connect(a, port_of(b)));
	T(send(b, "x", 1, 0));
	watch_say(&w, "sent");
	T(send(a, "y", 1, 0));
	watch_say(&w, "one");
	T(send(a, "", 0, 0));
	watch_say(&w, "two");
	T(recv(b, buf, 9, MSG_PEEK));
	watch_say(&w, "peeked");
	T(recv(b, buf, 9, 0));
	watch_say(&w, "read one");
	T(recv(b, buf, 9, 0));
	watch_say(&w, "read both");
	T(recv(b, buf, 9, MSG_DONTWAIT));
	watch_say(&w, "nothing");
	close(a);
	T(send(b, "x", 1, 0));
	watch_say(&w, "refused");
	T(recv(b, buf, 9, MSG_DONTWAIT));
	watch_say(&w, "told");
	T(send(b, "x", 1, 0));
	watch_forget(&w);
	say_so_error(b);
	watch_say(&w, "asked");
	T(shutdown(b, SHUT_RD));
	watch_say(&w, "deaf");
	T(shutdown(b, SHUT_WR));
	watch_say(&w, "dumb");
	watch_end(&w);
	close(b);
}

CASE(ready_udp) { datagrams(AF_INET); }
CASE(ready_udp6) { datagrams(AF_INET6); }

static void error_queue(bool pri)
{
	int a = ready_bound(AF_INET, SOCK_DGRAM), b = sock(SOCK_DGRAM);
	struct msghdr m = { .msg_flags = 0 };
	struct watch w;

	T(set_int(b, IPPROTO_IP, IP_RECVERR, 1));
	T(set_int(b, SOL_SOCKET, SO_SELECT_ERR_QUEUE, pri));
	T(ready_connect(b, port_of(a)));
	close(a);
	watch_begin(&w, b);
	watch_forget(&w);
	T(send(b, "x", 1, 0));
	watch_say(&w, "refused");
	say_so_error(b);
	watch_say(&w, "asked");
	T(recvmsg(b, &m, MSG_ERRQUEUE));
	watch_say(&w, "queue read");
	T(send(b, "x", 1, 0));
	watch_forget(&w);
	T(recvmsg(b, &m, MSG_ERRQUEUE));
	watch_say(&w, "queue read first");
	say_so_error(b);
	watch_say(&w, "asked");
	watch_end(&w);
}

CASE(ready_error_queue) { error_queue(false); }
CASE(ready_error_queue_pri) { error_queue(true); }

/* A socket that is not bound yet and is watched already: bind brings it to the stack. */
CASE(ready_udp_before_bind)
{
	struct sockaddr_in at = loop_addr(0);
	int a = sock(SOCK_DGRAM), b = sock(SOCK_DGRAM);
	struct watch w;

	watch_begin(&w, b);
	watch_say(&w, "fresh");
	T(bind(b, (struct sockaddr *)&at, sizeof(at)));
	watch_say(&w, "bound");
	at.sin_port = htons(port_of(b));
	T(sendto(a, "x", 1, 0, (struct sockaddr *)&at, sizeof(at)));
	watch_say(&w, "data");
	watch_end(&w);
}

/* What is under construction counts against SO_SNDBUF. */
CASE(ready_udp_corked)
{
	int a = ready_bound(AF_INET, SOCK_DGRAM), b = sock(SOCK_DGRAM), out = -1;
	static const int sizes[] = { 1, 10, 100, 300, 500, 1000 };
	char block[1000] = "";
	struct watch w;

	T(set_int(b, SOL_SOCKET, SO_SNDBUF, 2304));
	T(ready_connect(b, port_of(a)));
	nonblock(b);
	watch_begin(&w, b);
	watch_forget(&w);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		T(send(b, block, (size_t)sizes[i], MSG_MORE));
		T(ioctl(b, TIOCOUTQ, &out));
		say("%d", out);
	}
	watch_say(&w, "more than half");
	T(send(b, block, 1, 0));
	T(ioctl(b, TIOCOUTQ, &out));
	say("%d", out);
	watch_say(&w, "sent");
	watch_end(&w);
}

static void raw_life(int domain)
{
	int a = socket(domain, SOCK_RAW, 253), b = socket(domain, SOCK_RAW, 253);
	struct watch w;

	watch_begin(&w, b);
	watch_say(&w, "fresh");
	T(ready_connect(a, 0));
	T(ready_connect(b, 0));
	watch_say(&w, "connected");
	T(send(b, "x", 1, 0));
	watch_say(&w, "heard itself");
	while (recv(b, buf, sizeof(buf), MSG_DONTWAIT) > 0)
		;
	watch_say(&w, "read");
	T(send(a, "y", 1, 0));
	watch_say(&w, "data");
	T(shutdown(b, SHUT_RD));
	watch_say(&w, "deaf");
	T(shutdown(b, SHUT_WR));
	watch_say(&w, "dumb");
	watch_end(&w);
	close(a);
	close(b);
}

CASE(ready_raw) { raw_life(AF_INET); }
CASE(ready_raw6) { raw_life(AF_INET6); }

static void ping_life(int domain)
{
	static const char echo4[] = "\x08\0\0\0\0\0\0\1hello", echo6[] = "\x80\0\0\0\0\0\0\1hello";
	int b = socket(domain, SOCK_DGRAM, domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
	struct watch w;

	watch_begin(&w, b);
	watch_say(&w, "fresh");
	T(ready_connect(b, 0));
	watch_say(&w, "connected");
	T(send(b, domain == AF_INET ? echo4 : echo6, 13, 0));
	watch_say(&w, "answered");
	T(recv(b, buf, sizeof(buf), MSG_DONTWAIT));
	watch_say(&w, "read");
	T(shutdown(b, SHUT_RDWR));
	watch_say(&w, "shut");
	watch_end(&w);
	close(b);
}

CASE(ready_ping) { ping_life(AF_INET); }
CASE(ready_ping6) { ping_life(AF_INET6); }
