// SPDX-License-Identifier: BSD-3-Clause
/*
 * dgram.c - UDP: connect and disconnect, truncation, errors, many at once, control messages
 */
#include "test/diff/diff.h"

static char buf[256];

CASE(dgram_truncation)
{
	struct sockaddr_in from;
	struct iovec iov = { buf, 3 };
	struct msghdr hdr = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from, .msg_namelen = sizeof(from)
	};
	int a, b, n;

	udp_pair(&a, &b);
	conn(b, port_of(a));
	send(b, "abcdef", 6, 0);
	send(b, "ghijkl", 6, 0);
	send(b, "mnopqr", 6, 0);
	send(b, "", 0, 0);
	send(b, "stu", 3, 0);
	settle();
	T(ioctl(a, FIONREAD, &n));
	say("%d", n);
	say_bytes("cut", buf, recv(a, buf, 2, 0));
	T(recv(a, buf, 2, MSG_TRUNC | MSG_PEEK));
	T(recv(a, buf, 2, MSG_TRUNC));
	T(recvmsg(a, &hdr, 0));
	say("flags %x", hdr.msg_flags);
	say_addr("from", &from, hdr.msg_namelen);
	T(ioctl(a, FIONREAD, &n));
	say("%d", n);
	say_poll("empty one", a, 0);
	T(recv(a, buf, sizeof(buf), 0));
	T(recv(a, (void *)1, 3, 0));
	T(recv(a, buf, 3, MSG_DONTWAIT));
}

CASE(dgram_connect)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in to;
	int a, b, c;
	uint16_t port;

	udp_pair(&a, &b);
	c = udp_bound(&port);
	say_names("bound", a);
	T(conn(a, port_of(b)));
	say_names("connected", a);
	to = loop_addr(port_of(a));
	T(sendto(c, "stranger", 8, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(b, "friend", 6, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), MSG_DONTWAIT));
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), MSG_DONTWAIT));
	to = loop_addr(port);
	T(sendto(a, "elsewhere", 9, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	say_bytes("recv", buf, recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	T(conn(a, port));
	say_names("again", a);
	T(connect(a, &none, sizeof(none)));
	say_names("disconnected", a);
	T(send(a, "x", 1, 0));
	T(connect(a, &none, sizeof(none)));
	close(a);
	a = sock(SOCK_DGRAM);
	T(conn(a, port));
	say_names("fresh connected", a);
	T(connect(a, &none, sizeof(none)));
	say_names("fresh disconnected", a);
}

CASE(dgram_connect_chosen_port)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in at = loop_addr(dead_port()), to;
	uint16_t port;
	int a = sock(SOCK_DGRAM), b = udp_bound(&port);

	T(bind(a, (struct sockaddr *)&at, sizeof(at)));
	T(conn(a, port));
	T(connect(a, &none, sizeof(none)));
	say_names("kept", a);
	to = at;
	T(sendto(b, "there", 5, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), MSG_DONTWAIT));
	T(bind(a, (struct sockaddr *)&at, sizeof(at)));
}

CASE(dgram_refused)
{
	int a = sock(SOCK_DGRAM);
	struct sockaddr_in dead = loop_addr(dead_port());

	T(sendto(a, "x", 1, 0, (struct sockaddr *)&dead, sizeof(dead)));
	settle();
	say_poll("unconnected hears nothing", a, 0);
	T(connect(a, (struct sockaddr *)&dead, sizeof(dead)));
	T(send(a, "x", 1, 0));
	settle();
	say_poll("refused", a, 0);
	T(recv(a, buf, 1, MSG_DONTWAIT));
	T(recv(a, buf, 1, MSG_DONTWAIT));
	T(send(a, "x", 1, 0));
	settle();
	T(send(a, "x", 1, 0));
	T(send(a, "x", 1, 0));
	settle();
	say_so_error(a);
	say_so_error(a);
}

CASE(dgram_limits)
{
	static char big[70000];
	struct sockaddr_in to, zero;
	uint16_t port;
	int a = sock(SOCK_DGRAM), b = udp_bound(&port);

	to = loop_addr(port);
	T(sendto(a, big, 65508, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(a, big, 65507, 0, (struct sockaddr *)&to, sizeof(to)));
	settle();
	T(recv(b, big, sizeof(big), MSG_DONTWAIT));
	T(send(a, "x", 1, 0));
	T(send(a, "", 0, 0));
	zero = loop_addr(0);
	T(sendto(a, "x", 1, 0, (struct sockaddr *)&zero, sizeof(zero)));
	T(sendto(a, "x", 1, MSG_OOB, (struct sockaddr *)&to, sizeof(to)));
	T(recv(a, buf, 1, MSG_OOB | MSG_DONTWAIT));
	T(sendto(a, "x", 1, 0, (struct sockaddr *)&to, 3));
	to.sin_family = AF_UNIX;
	T(sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	to.sin_family = AF_UNSPEC;
	T(sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	T(listen(a, 1));
	T(accept(a, NULL, NULL));
	T(sendto(a, (void *)1, 5, 0, (struct sockaddr *)&zero, sizeof(zero)));
	to = loop_addr(port);
	T(sendto(a, (void *)1, 5, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(a, "x", 1, 0, (struct sockaddr *)1, sizeof(to)));
}

CASE(dgram_many)
{
	struct iovec iov[4];
	char bytes[4][8] = { "one", "two2", "three", "" };
	struct mmsghdr out[4] = { 0 }, in[6] = { 0 };
	struct timespec wait = { 0, 50000000 };
	char room[6][8];
	struct iovec iin[6];
	int a, b;

	udp_pair(&a, &b);
	conn(b, port_of(a));
	for (int i = 0; i < 4; i++) {
		iov[i] = (struct iovec){ bytes[i], strlen(bytes[i]) };
		out[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	for (int i = 0; i < 6; i++) {
		iin[i] = (struct iovec){ room[i], 4 };
		in[i].msg_hdr = (struct msghdr){ .msg_iov = &iin[i], .msg_iovlen = 1 };
	}
	T(sendmmsg(b, out, 4, 0));
	for (int i = 0; i < 4; i++)
		say("%u", out[i].msg_len);
	settle();
	T(recvmmsg(a, in, 6, MSG_DONTWAIT, NULL));
	for (int i = 0; i < 4; i++)
		say("%u flags %x", in[i].msg_len, in[i].msg_hdr.msg_flags);
	T(recvmmsg(a, in, 6, MSG_DONTWAIT, NULL));
	T(sendmmsg(b, out, 2, 0));
	settle();
	T(recvmmsg(a, in, 6, MSG_WAITFORONE, NULL));
	T(sendmmsg(b, out, 0, 0));
	T(recvmmsg(a, in, 0, 0, NULL));
	wait.tv_nsec = -1;
	T(recvmmsg(a, in, 6, 0, &wait));
	wait.tv_sec = 100; /* all that was asked for is there: no wait, or this case never ends */
	wait.tv_nsec = 50000000;
	T(sendmmsg(b, out, 2, 0));
	settle();
	T(recvmmsg(a, in, 2, 0, &wait));
	out[1].msg_hdr.msg_iovlen = 5000;
	T(sendmmsg(b, out, 3, 0));
}

static void say_control(struct msghdr *hdr)
{
	say("controllen %zu flags %x", hdr->msg_controllen, hdr->msg_flags);
	for (struct cmsghdr *m = CMSG_FIRSTHDR(hdr); m; m = CMSG_NXTHDR(hdr, m)) {
		bool time = m->cmsg_level == SOL_SOCKET;

		say("  level %d type %d len %zu", m->cmsg_level, m->cmsg_type, (size_t)m->cmsg_len);
		if (!time)
			say_bytes("  ", CMSG_DATA(m), (long)(m->cmsg_len - CMSG_LEN(0)));
	}
}

CASE(dgram_control)
{
	static const size_t rooms[] = { 0, 8, 16, 20, 24, 40, 64, 256 };
	char control[256];
	struct iovec iov = { buf, sizeof(buf) };
	int a, b, on = 1;

	udp_pair(&a, &b);
	conn(b, port_of(a));
	T(setsockopt(a, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)));
	T(setsockopt(a, IPPROTO_IP, IP_RECVTTL, &on, sizeof(on)));
	T(setsockopt(a, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on)));
	T(setsockopt(a, SOL_SOCKET, SO_TIMESTAMP, &on, sizeof(on)));
	for (size_t i = 0; i < COUNT(rooms); i++) {
		struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
				      .msg_controllen = rooms[i] };

		memset(control, 0, sizeof(control));
		send(b, "x", 1, 0);
		settle();
		T(recvmsg(a, &hdr, MSG_DONTWAIT));
		say_control(&hdr);
	}
}

CASE(dgram_shutdown)
{
	int a, b;

	udp_pair(&a, &b);
	conn(a, port_of(b));
	conn(b, port_of(a));
	T(shutdown(a, SHUT_RD));
	T(send(b, "x", 1, 0));
	settle();
	say_poll("rd", a, 0);
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), 0));
	say_bytes("recv", buf, recv(a, buf, sizeof(buf), 0));
	T(shutdown(b, SHUT_WR));
	T(send(b, "x", 1, MSG_NOSIGNAL));
	say_poll("wr", b, 0);
}
