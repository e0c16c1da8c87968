// SPDX-License-Identifier: BSD-3-Clause
/*
 * stamps.c - SO_TIMESTAMPING and SO_ZEROCOPY: what comes by the error queue and beside the data
 *
 * Frames differ in their IP and TCP numbers, so of a payload its length, its link header and its
 * last bytes are said. Times are only there or not.
 */
#include "test/diff/diff.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

#define OPT_ID_TCP (1 << 16)
#define SW SOF_TIMESTAMPING_SOFTWARE
#define TX SOF_TIMESTAMPING_TX_SOFTWARE
#define ID SOF_TIMESTAMPING_OPT_ID

static char buf[70000], control[512];

static void say_time(const struct cmsghdr *c)
{
	const int64_t *t = (const void *)CMSG_DATA(c);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	say("  time %d%d%d, %s", t[0] != 0, t[2] != 0, t[4] != 0,
	    t[0] && (t[0] > now.tv_sec || t[0] < now.tv_sec - 20) ? "not of today" : "fine");
}

static void say_control(struct msghdr *hdr)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		const struct sock_extended_err *ee = (const void *)CMSG_DATA(c);

		say(" message %d:%d of %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
		if (c->cmsg_level == SOL_SOCKET &&
		    (c->cmsg_type == SO_TIMESTAMPING || c->cmsg_type == SO_TIMESTAMPING_NEW))
			say_time(c);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) {
			say("  err %s origin %u type %u code %u info %u data %u",
			    err_name((int)ee->ee_errno), ee->ee_origin, ee->ee_type, ee->ee_code,
			    ee->ee_info, ee->ee_data);
			say_addr("  offender", ee + 1, sizeof(struct sockaddr_in));
		} else if (c->cmsg_level != SOL_SOCKET) {
			say_bytes("  bytes", CMSG_DATA(c), (long)(c->cmsg_len - CMSG_LEN(0)));
		}
	}
}

static bool take(int fd, int flags)
{
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	long n = recvmsg(fd, &hdr, flags | MSG_DONTWAIT);

	if (n < 0) {
		say("recvmsg: %s", err_name(errno));
		return false;
	}
	say("got %ld flags %x", n, (unsigned int)hdr.msg_flags);
	if (n > 14)
		say_bytes(" link", buf, 14);
	say_bytes(" end", buf + (n > 4 ? n - 4 : 0), n > 4 ? 4 : n);
	say_control(&hdr);
	return true;
}

static void drain(int fd)
{
	settle();
	say_poll("before", fd, 0);
	while (take(fd, MSG_ERRQUEUE))
		;
}

static void stamp_on(int fd, int flags)
{
	T(set_int(fd, SOL_SOCKET, SO_TIMESTAMPING, flags));
}

static void datagrams(int flags)
{
	uint16_t port;
	int a = udp_bound(&port), b = udp_bound(&port);

	conn(a, port);
	stamp_on(a, flags);
	T(send(a, "first", 5, 0));
	T(send(a, "second", 6, 0));
	drain(a);
	T(send(a, "", 0, 0));
	drain(a);
	close(a);
	close(b);
}

CASE(stamp_dgram_plain)
{
	datagrams(SW | TX);
}

CASE(stamp_dgram_sched)
{
	datagrams(SW | TX | SOF_TIMESTAMPING_TX_SCHED | ID);
}

CASE(stamp_dgram_only_time)
{
	datagrams(SW | TX | ID | SOF_TIMESTAMPING_OPT_TSONLY);
}

CASE(stamp_dgram_cmsg)
{
	datagrams(SW | TX | ID | SOF_TIMESTAMPING_OPT_CMSG);
}

CASE(stamp_dgram_not_told)
{
	datagrams(TX | ID); /* made, but not wanted as messages */
}

CASE(stamp_dgram_no_tx)
{
	datagrams(SW);
}

CASE(stamp_dgram_fragments)
{
	uint16_t port;
	int a = udp_bound(&port), b = udp_bound(&port);

	conn(a, port);
	stamp_on(a, SW | TX | ID);
	memset(buf, 'x', sizeof(buf));
	T(send(a, buf, 60000, MSG_MORE));
	drain(a);
	T(send(a, "end", 3, 0));
	drain(a);
	T(recv(b, buf, sizeof(buf), 0));
}

static long send_with(int fd, int type, uint32_t value, size_t len)
{
	char room[CMSG_SPACE(8)] = { 0 };
	struct iovec iov = { buf, 4 };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room,
			      .msg_controllen = CMSG_SPACE(len) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), &value, sizeof(value));
	return sendmsg(fd, &hdr, 0);
}

CASE(stamp_by_cmsg)
{
	uint16_t port;
	int a = udp_bound(&port), b = udp_bound(&port), c, d;

	conn(a, port);
	T(send_with(a, SO_TIMESTAMPING, TX, 4));
	drain(a);
	stamp_on(a, SW | ID);
	T(send_with(a, SO_TIMESTAMPING, TX, 4));
	T(send(a, "no", 2, 0));
	T(send_with(a, SO_TIMESTAMPING, TX | SOF_TIMESTAMPING_TX_SCHED, 4));
	T(send_with(a, SO_TIMESTAMPING, SW, 4));
	T(send_with(a, SO_TIMESTAMPING, TX, 8));
	drain(a);
	tcp_pair(&c, &d);
	stamp_on(c, SW | ID);
	T(send_with(c, SO_TIMESTAMPING, TX, 4));
	T(send_with(c, SO_TIMESTAMPING, SW, 4));
	drain(c);
	close(b);
}

static void stream(int flags)
{
	int a, b;

	tcp_pair(&a, &b);
	stamp_on(a, flags);
	T(send(a, "hello", 5, 0));
	settle();
	T(send(a, "worldwide", 9, 0));
	drain(a);
	T(recv(b, buf, 100, 0));
	drain(a);
	close(a);
	close(b);
}

CASE(stamp_stream_all)
{
	stream(SW | TX | SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_ACK | ID);
}

CASE(stamp_stream_ack_only)
{
	stream(SW | SOF_TIMESTAMPING_TX_ACK | ID | SOF_TIMESTAMPING_OPT_TSONLY | OPT_ID_TCP);
}

CASE(stamp_receive)
{
	uint16_t port;
	int a = udp_bound(&port), b = udp_bound(&port), c, d;

	conn(b, port_of(a));
	stamp_on(a, SW | SOF_TIMESTAMPING_RX_SOFTWARE);
	settle(); /* Linux begins a little later */
	send(b, "one", 3, 0);
	settle();
	take(a, 0);
	T(set_int(a, SOL_SOCKET, SO_TIMESTAMP, 1));
	send(b, "two", 3, 0);
	settle();
	take(a, 0);
	stamp_on(a, 0);
	send(b, "three", 5, 0);
	settle();
	take(a, 0);
	tcp_pair(&c, &d);
	stamp_on(d, SW | SOF_TIMESTAMPING_RX_SOFTWARE);
	settle();
	send(c, "abc", 3, 0);
	settle();
	take(d, MSG_PEEK);
	take(d, 0);
	T(set_int(d, SOL_SOCKET, SO_TIMESTAMPNS, 1));
	send(c, "def", 3, 0);
	settle();
	take(d, 0);
}

static void get_stamping(int fd, int name)
{
	unsigned char out[16];
	socklen_t len = sizeof(out);

	memset(out, 0xee, sizeof(out));
	T(getsockopt(fd, SOL_SOCKET, name, out, &len));
	say_bytes("value", out, (long)len);
	len = 3;
	T(getsockopt(fd, SOL_SOCKET, name, out, &len));
	say("%u", len);
}

CASE(stamp_options)
{
	static const int odd[] = { -1, 1 << 20, OPT_ID_TCP, SOF_TIMESTAMPING_OPT_STATS,
				   SOF_TIMESTAMPING_BIND_PHC, SW | TX, 0 };
	int a = sock(SOCK_DGRAM), s = sock(SOCK_STREAM), c, d;
	int pair[2] = { SW, 0 };

	for (size_t i = 0; i < COUNT(odd); i++) {
		say("flags %x", (unsigned int)odd[i]);
		stamp_on(a, odd[i]);
		get_stamping(a, SO_TIMESTAMPING);
	}
	T(setsockopt(a, SOL_SOCKET, SO_TIMESTAMPING, pair, 8));
	T(setsockopt(a, SOL_SOCKET, SO_TIMESTAMPING, pair, 3));
	T(setsockopt(a, SOL_SOCKET, SO_TIMESTAMPING, pair, 0));
	T(setsockopt(a, SOL_SOCKET, SO_TIMESTAMPING, NULL, 4));
	get_stamping(a, SO_TIMESTAMPING_NEW);
	T(setsockopt(a, SOL_SOCKET, SO_TIMESTAMPING_NEW, pair, 8));
	get_stamping(a, SO_TIMESTAMPING_NEW);
	get_stamping(a, SO_TIMESTAMPING);
	stamp_on(s, SW | ID);
	tcp_pair(&c, &d);
	for (size_t i = 0; i < COUNT(odd); i++)
		stamp_on(c, odd[i]);
	stamp_on(d, SW | ID | OPT_ID_TCP);
	T(set_int(a, SOL_SOCKET, SO_ZEROCOPY, 2));
	T(set_int(a, SOL_SOCKET, SO_ZEROCOPY, -1));
	T(set_int(a, SOL_SOCKET, SO_ZEROCOPY, 1));
	say("%d", get_int(a, SOL_SOCKET, SO_ZEROCOPY));
	T(set_int(d, SOL_SOCKET, SO_ZEROCOPY, 1));
	say("%d", get_int(d, SOL_SOCKET, SO_ZEROCOPY));
}

static void zerocopy(int fd)
{
	T(send(fd, "without", 7, MSG_ZEROCOPY));
	drain(fd);
	T(set_int(fd, SOL_SOCKET, SO_ZEROCOPY, 1));
	for (int i = 0; i < 3; i++)
		T(send(fd, buf, 1000, MSG_ZEROCOPY));
	T(send(fd, "plain", 5, 0));
	T(send(fd, "", 0, MSG_ZEROCOPY));
	drain(fd);
	T(send(fd, buf, 1000, MSG_ZEROCOPY));
	drain(fd);
}

CASE(zerocopy_stream)
{
	int a, b;

	tcp_pair(&a, &b);
	zerocopy(a);
	close(b);
}

CASE(zerocopy_dgram)
{
	uint16_t port;
	int a = udp_bound(&port), b = udp_bound(&port);

	conn(a, port);
	zerocopy(a);
	close(b);
}
