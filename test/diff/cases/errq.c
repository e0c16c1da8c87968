// SPDX-License-Identifier: BSD-3-Clause
/*
 * errq.c - the error queue: who hears what, in which order, with which payload and messages beside
 */
#include <arpa/inet.h>
#include <linux/errqueue.h>

#include "test/diff/diff.h"

static char buf[4096], control[512];

static void say_err(const struct sock_extended_err *ee, const void *offender, socklen_t len)
{
	say("  err %s origin %u type %u code %u pad %u info %u data %u",
	    err_name((int)ee->ee_errno), ee->ee_origin, ee->ee_type, ee->ee_code, ee->ee_pad,
	    ee->ee_info, ee->ee_data);
	say_addr("  offender", offender, len);
}

static void say_control(struct msghdr *hdr)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		char *data = (char *)CMSG_DATA(c);

		say(" message %d:%d of %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
		if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR &&
		    c->cmsg_len >= CMSG_LEN(32))
			say_err((void *)data, data + 16, 16);
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR &&
			 c->cmsg_len >= CMSG_LEN(44))
			say_err((void *)data, data + 16, 28);
		else if (c->cmsg_level == SOL_SOCKET)
			continue; /* a time */
		else
			say_bytes("  bytes", data, (long)(c->cmsg_len - CMSG_LEN(0)));
	}
}

static void take(int fd, size_t room, size_t croom)
{
	struct sockaddr_storage name = { 0 };
	struct iovec iov = { buf, room };
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &name, .msg_namelen = sizeof(name),
		.msg_control = croom ? control : NULL, .msg_controllen = croom,
	};
	long n;

	memset(control, 0, sizeof(control));
	errno = 0;
	n = say_result("recvmsg ERRQUEUE", recvmsg(fd, &hdr, MSG_ERRQUEUE));
	if (n < 0)
		return;
	say_bytes(" payload", buf, n);
	say(" flags %x control %zu", (unsigned int)hdr.msg_flags, hdr.msg_controllen);
	say_addr(" name", &name, hdr.msg_namelen);
	say_control(&hdr);
}

static void to(int fd, uint16_t port, const char *text)
{
	struct sockaddr_in at = loop_addr(port);

	say_result(text, sendto(fd, text, strlen(text), 0, (struct sockaddr *)&at, sizeof(at)));
}

CASE(errq_unconnected)
{
	uint16_t dead = dead_port(), dead2 = dead_port();
	int a = sock(SOCK_DGRAM);

	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	say("%d", get_int(a, IPPROTO_IP, IP_RECVERR));
	take(a, 64, 512);
	to(a, dead, "first");
	settle();
	say_poll("one waits", a, 0);
	to(a, dead2, "second");
	T(recv(a, buf, 8, MSG_DONTWAIT));
	to(a, dead2, "third");
	settle();
	say_so_error(a);
	say_poll("SO_ERROR read", a, 0);
	take(a, 64, 512);
	say_so_error(a);
	take(a, 3, 512);
	take(a, 64, 512);
	say_poll("empty", a, 0);
	say_so_error(a);
}

CASE(errq_connected_order)
{
	uint16_t dead = dead_port();
	int a = sock(SOCK_DGRAM);

	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	T(conn(a, dead));
	T(send(a, "one", 3, 0));
	settle();
	T(send(a, "two", 3, 0));
	T(send(a, "two", 3, 0));
	settle();
	take(a, 64, 512);
	take(a, 64, 512);
	take(a, 64, 512);
	T(send(a, "x", 1, 0));
	settle();
	T(set_int(a, IPPROTO_IP, IP_RECVERR, 0));
	take(a, 64, 512);
	say_poll("off", a, 0);
	T(recv(a, buf, 8, MSG_DONTWAIT));
	say_poll("then", a, 0);
}

CASE(errq_truncated_control)
{
	static const size_t rooms[] = { 0, 8, 15, 16, 17, 32, 40, 47, 48, 56 };
	uint16_t dead = dead_port();
	int a = sock(SOCK_DGRAM);

	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	for (size_t i = 0; i < COUNT(rooms); i++) {
		to(a, dead, "payload");
		settle();
		take(a, 4, rooms[i]);
		say_so_error(a);
	}
	to(a, dead, "plain");
	settle();
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), MSG_ERRQUEUE));
	to(a, dead, "peek");
	settle();
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), MSG_ERRQUEUE | MSG_PEEK));
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), MSG_ERRQUEUE | MSG_TRUNC));
	to(a, dead, "nowhere");
	settle();
	T(recv(a, (void *)1, 4, MSG_ERRQUEUE));
	T(recv(a, buf, 4, MSG_ERRQUEUE));
}

CASE(errq_beside)
{
	uint16_t dead = dead_port();
	int a = sock(SOCK_DGRAM);

	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	T(set_int(a, IPPROTO_IP, IP_PKTINFO, 1));
	T(set_int(a, IPPROTO_IP, IP_RECVTTL, 1));
	T(set_int(a, IPPROTO_IP, IP_RECVTOS, 1));
	T(set_int(a, SOL_SOCKET, SO_TIMESTAMP, 1));
	to(a, dead, "with all");
	settle();
	take(a, 64, 512);
}

CASE(errq_local_emsgsize)
{
	static char big[65508];
	struct sockaddr_in to_dead = loop_addr(dead_port());
	uint16_t port;
	int a = sock(SOCK_DGRAM), b = udp_bound(&port), mtu;

	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	T(set_int(a, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO));
	T(set_int(a, SOL_SOCKET, SO_SNDBUF, 200000));
	T(sendto(a, big, 65508, 0, (struct sockaddr *)&to_dead, sizeof(to_dead)));
	take(a, 64, 512);
	T(conn(a, port));
	mtu = get_int(a, IPPROTO_IP, IP_MTU);
	T(send(a, big, 65507, 0));
	say("mtu %d", mtu);
	take(a, 64, 512);
	say_poll("after", a, 0);
	say_so_error(a);
	close(b);
}

CASE(errq_select_pri)
{
	uint16_t dead = dead_port();
	struct pollfd pfd;
	int a = sock(SOCK_DGRAM);

	pfd = (struct pollfd){ .fd = a, .events = POLLPRI };
	T(set_int(a, SOL_SOCKET, SO_SELECT_ERR_QUEUE, 5));
	say("%d", get_int(a, SOL_SOCKET, SO_SELECT_ERR_QUEUE));
	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	to(a, dead, "x");
	settle();
	T(poll(&pfd, 1, 100));
	say_events("revents", (uint16_t)pfd.revents);
	say_so_error(a);
	T(poll(&pfd, 1, 0));
	say_events("revents", (uint16_t)pfd.revents);
	take(a, 64, 512);
	T(poll(&pfd, 1, 0));
}

/* An entry that waits is no reason for a blocking call to return, nor to spin. */
CASE(errq_blocking_recv_sleeps)
{
	struct timeval tv = { 0, 120000 };
	uint16_t dead = dead_port();
	struct rusage_like {
		struct timespec cpu;
	} from, until;
	int64_t start;
	int a = sock(SOCK_DGRAM);

	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	to(a, dead, "x");
	settle();
	say_so_error(a);
	T(setsockopt(a, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	start = now_ms();
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from.cpu);
	T(recv(a, buf, 8, 0));
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &until.cpu);
	say_took("waited", start, 100, 1000);
	say("spun: %d", (until.cpu.tv_sec - from.cpu.tv_sec) * 1000000000 +
				(until.cpu.tv_nsec - from.cpu.tv_nsec) > 60000000);
	take(a, 64, 512);
}

CASE(errq_bounded_by_rcvbuf)
{
	uint16_t dead = dead_port();
	int a = sock(SOCK_DGRAM), n = 0;

	T(set_int(a, SOL_SOCKET, SO_RCVBUF, 4000));
	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	for (int i = 0; i < 40; i++) {
		to(a, dead, "x");
		say_so_error(a);
	}
	settle();
	while (recv(a, buf, 1, MSG_ERRQUEUE) >= 0)
		n++;
	say("some: %d, not all: %d", n > 2, n < 40);
}

CASE(errq_options)
{
	int a = sock(SOCK_DGRAM), s = sock(SOCK_STREAM), v6 = socket(AF_INET6, SOCK_DGRAM, 0);

	T(set_int(a, IPPROTO_IP, IP_RECVERR, 7));
	say("%d", get_int(a, IPPROTO_IP, IP_RECVERR));
	T(set_int(a, IPPROTO_IP, IP_RECVERR_RFC4884, 2));
	T(set_int(a, IPPROTO_IP, IP_RECVERR_RFC4884, 1));
	say("%d", get_int(a, IPPROTO_IP, IP_RECVERR_RFC4884));
	T(setsockopt(a, IPPROTO_IP, IP_RECVERR, NULL, 0));
	T(setsockopt(a, IPPROTO_IP, IP_RECVERR, NULL, 4));
	T(setsockopt(a, IPPROTO_IP, IP_RECVERR, "\1", 1));
	say("%d", get_int(a, IPPROTO_IP, IP_RECVERR));
	T(set_int(s, IPPROTO_IP, IP_RECVERR, 1));
	say("%d", get_int(s, IPPROTO_IP, IP_RECVERR));
	T(set_int(s, IPPROTO_IPV6, IPV6_RECVERR, 1));
	T(set_int(v6, IPPROTO_IPV6, IPV6_RECVERR, 3));
	say("%d", get_int(v6, IPPROTO_IPV6, IPV6_RECVERR));
	T(set_int(v6, IPPROTO_IPV6, IPV6_RECVERR_RFC4884, 3));
	T(set_int(v6, IPPROTO_IPV6, IPV6_RECVERR_RFC4884, 1));
	say("%d", get_int(v6, IPPROTO_IPV6, IPV6_RECVERR_RFC4884));
	T(setsockopt(v6, IPPROTO_IPV6, IPV6_RECVERR, "\1", 1));
	T(recv(s, buf, 1, MSG_ERRQUEUE));
}

CASE(errq_mapped)
{
	uint16_t dead = dead_port();
	struct sockaddr_in6 at = { .sin6_family = AF_INET6, .sin6_port = htons(dead) };
	int a = socket(AF_INET6, SOCK_DGRAM, 0);

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &at.sin6_addr);
	T(set_int(a, IPPROTO_IPV6, IPV6_RECVERR, 1));
	T(sendto(a, "x", 1, 0, (struct sockaddr *)&at, sizeof(at)));
	settle();
	take(a, 64, 512);
	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	T(set_int(a, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1));
	T(set_int(a, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1));
	T(set_int(a, IPPROTO_IP, IP_RECVTTL, 1));
	T(sendto(a, "yy", 2, 0, (struct sockaddr *)&at, sizeof(at)));
	settle();
	take(a, 64, 512);
}

CASE(errq_stream_empty)
{
	int a, b;

	tcp_pair(&a, &b);
	T(set_int(a, IPPROTO_IP, IP_RECVERR, 1));
	T(recv(a, buf, 8, MSG_ERRQUEUE));
	T(recv(a, buf, 8, MSG_ERRQUEUE | MSG_DONTWAIT));
	close(b);
	settle();
	take(a, 8, 512);
	say_bytes("end", buf, recv(a, buf, 8, 0));
}
