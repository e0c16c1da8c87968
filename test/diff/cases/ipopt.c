// SPDX-License-Identifier: BSD-3-Clause
/*
 * ipopt.c - IP_OPTIONS, IP_RECVOPTS, IP_RETOPTS: what leaves, what arrives, what answers
 *
 * Times are shown as T. Everything is on 127.0.0.1, so that both ends record that.
 */
#include "test/diff/raw.h"

#include <arpa/inet.h>
#include <linux/icmp.h>

#define ROOM 60

struct sample {
	const char *name;
	uint8_t bytes[ROOM];
	socklen_t len;
};

static const struct sample samples[] = {
	{ "record route", { 7, 15, 4 }, 15 },
	{ "record route, full", { 7, 7, 8, 9, 9, 9, 9 }, 7 },
	{ "record route, one slot", { 1, 7, 7, 4, 0, 0, 0, 0 }, 8 },
	{ "times", { 68, 12, 5, 0 }, 12 },
	{ "times and addresses", { 68, 28, 5, 1 }, 28 },
	{ "times of given hosts", { 68, 20, 5, 3, 127, 0, 0, 1, 0, 0, 0, 0, 127, 0, 0, 1 }, 20 },
	{ "times of others", { 68, 12, 5, 3, 10, 9, 9, 9 }, 12 },
	{ "times, full", { 68, 8, 9, 0x30, 1, 2, 3, 4 }, 8 },
	{ "router alert", { 148, 4, 0, 0 }, 4 },
	{ "a list that ends", { 148, 4, 0, 0, 0, 7, 7, 7 }, 8 },
	{ "all of it", { 7, 11, 4, [11] = 68, 20, 5, 1, [31] = 148, 4 }, 36 },
	{ "forty bytes", { 7, 39, 4 }, 40 },
	{ "too many", { 7, 39, 4 }, 41 },
	{ "none", { 0 }, 0 },
	{ "unknown", { 85, 4, 0, 0 }, 4 },
	{ "security", { 130, 11 }, 11 },
	{ "source route without a host", { 131, 3, 4 }, 3 },
	{ "bad pointer", { 7, 7, 2 }, 7 },
	{ "twice", { 7, 7, 4, 0, 0, 0, 0, 7, 7, 4 }, 14 },
};

/* Time stamps are moments: of each, only that it is there. */
static void say_options(const char *text, const uint8_t *p, size_t len)
{
	bool time[ROOM] = { false };

	for (size_t at = 0; at + 1 < len && p[at]; at += p[at] == 1 ? 1 : p[at + 1]) {
		size_t step = p[at + 3] & 15 ? 8 : 4, first = p[at + 3] & 15 ? 4 : 0;

		if (p[at] != 1 && (p[at + 1] < 2 || at + p[at + 1] > len))
			break;
		if (p[at] != 68)
			continue;
		for (size_t s = at + 4 + first; s + 4 <= at + p[at + 1]; s += step)
			for (size_t i = 0; i < 4; i++)
				time[s + i] = p[s] | p[s + 1] | p[s + 2] | p[s + 3];
	}
	printf("    %s:", text);
	for (size_t i = 0; i < len; i++)
		time[i] ? fputs(" T", stdout) : (void)printf(" %u", p[i]);
	say("%s", "");
}

static void say_set(int fd)
{
	uint8_t buf[ROOM];
	socklen_t len = sizeof(buf);

	if (getsockopt(fd, IPPROTO_IP, IP_OPTIONS, buf, &len))
		say("    get: %s", err_name(errno));
	else
		say_options("set", buf, len);
}

/* `skip` bytes of what arrived are a header with things that only Linux makes so */
static void take(int fd, size_t skip)
{
	uint8_t buf[256];
	char control[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (poll(&pfd, 1, 1000) <= 0) {
		say("    nothing arrived");
		return;
	}
	n = recvmsg(fd, &hdr, MSG_DONTWAIT);
	say("    %zd bytes, %s", n, hdr.msg_flags & MSG_CTRUNC ? "cut" : "whole");
	if (skip && n > 20)
		say_options("header", buf + 20, (buf[0] & 15) * 4 - 20);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c))
		say_options(c->cmsg_type == IP_RECVOPTS ? "recvopts" :
			    c->cmsg_type == IP_RETOPTS	? "retopts" :
							  "other",
			    CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

static void want(int fd)
{
	set_int(fd, IPPROTO_IP, IP_RECVOPTS, 1);
	set_int(fd, IPPROTO_IP, IP_RETOPTS, 1);
}

static int err_of(int ret)
{
	return ret ? errno : 0;
}

static int set_options(int fd, const struct sample *s)
{
	return err_of(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, s->bytes, s->len));
}

CASE(ipopt_udp)
{
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct sockaddr_in to;
		uint16_t port;
		int far = udp_bound(&port), fd = sock(SOCK_DGRAM), err;

		to = loop_addr(port);
		want(far);
		err = set_options(fd, &samples[i]);
		say("  %s: %s", samples[i].name, err_name(err));
		say_set(fd);
		say("    sent %zd", sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
		take(far, 0);
		sendto(fd, "abc", 3, MSG_MORE, (struct sockaddr *)&to, sizeof(to));
		setsockopt(fd, IPPROTO_IP, IP_OPTIONS, NULL, 0);
		sendto(fd, "def", 3, 0, (struct sockaddr *)&to, sizeof(to));
		take(far, 0);
		close(fd);
		close(far);
	}
}

static ssize_t send_beside(int fd, uint16_t port, const struct sample *s)
{
	struct sockaddr_in to = loop_addr(port);
	struct iovec iov = { (char[]){ "abcd" }, 4 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(ROOM)];
	} control = { .room = "" };
	struct msghdr hdr = { .msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov,
			      .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(s->len) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);

	c->cmsg_level = IPPROTO_IP;
	c->cmsg_type = IP_RETOPTS;
	c->cmsg_len = CMSG_LEN(s->len);
	memcpy(CMSG_DATA(c), s->bytes, s->len);
	return sendmsg(fd, &hdr, 0);
}

CASE(ipopt_beside_a_send)
{
	for (size_t i = 0; i < COUNT(samples); i++) {
		uint16_t port;
		int far = udp_bound(&port), fd = sock(SOCK_DGRAM);

		want(far);
		set_options(fd, &samples[8]);
		say("  %s: %s", samples[i].name,
		    err_name(send_beside(fd, port, &samples[i]) < 0 ? errno : 0));
		take(far, 0);
		close(fd);
		close(far);
	}
}

CASE(ipopt_sizes)
{
	static char big[65536];
	struct sockaddr_in to;
	uint16_t port;
	int far = udp_bound(&port), fd = sock(SOCK_DGRAM);

	to = loop_addr(port);
	set_options(fd, &samples[0]);
	for (size_t len = 65485; len <= 65507; len += 2)
		say("  %zu: %s", len,
		    err_name(sendto(fd, big, len, 0, (struct sockaddr *)&to, sizeof(to)) < 0 ?
				     errno : 0));
	close(fd);
	close(far);
}

CASE(ipopt_tcp)
{
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct sockaddr_in to;
		uint16_t port;
		int l = tcp_listener(2, &port), fd = sock(SOCK_STREAM), peer, err;
		char buf[8];

		to = loop_addr(port);
		set_options(l, &samples[8]); /* counts for nobody */
		err = set_options(fd, &samples[i]);
		say("  %s: %s", samples[i].name, err_name(err));
		T(connect(fd, (struct sockaddr *)&to, sizeof(to)));
		peer = accept(l, NULL, NULL);
		say_set(fd);
		say_set(peer);
		T(send(fd, "abc", 3, 0));
		T(recv(peer, buf, sizeof(buf), 0));
		T(send(peer, "defg", 4, 0));
		T(recv(fd, buf, sizeof(buf), 0));
		say("    %s", err_name(set_options(peer, &samples[0])));
		say_set(peer);
		close(fd);
		close(peer);
		close(l);
	}
}

/* Segments are shorter by the options; what is announced is not. */
CASE(ipopt_tcp_mss)
{
	for (size_t i = 0; i < 12; i += 11) {
		struct tcp_info a, b;
		socklen_t len = sizeof(a);
		uint16_t port;
		int l = tcp_listener(2, &port), fd = sock(SOCK_STREAM), peer;

		set_int(fd, IPPROTO_TCP, TCP_MAXSEG, 1000);
		conn(fd, port);
		peer = accept(l, NULL, NULL);
		getsockopt(fd, IPPROTO_TCP, TCP_INFO, &a, &len);
		set_options(fd, &samples[i]);
		len = sizeof(b);
		getsockopt(fd, IPPROTO_TCP, TCP_INFO, &b, &len);
		say("  %s: %d less, announced %d less", samples[i].name,
		    (int)a.tcpi_snd_mss - (int)b.tcpi_snd_mss,
		    (int)a.tcpi_advmss - (int)b.tcpi_advmss);
		close(l);
		close(fd);
		close(peer);
	}
}

CASE(ipopt_raw)
{
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct sockaddr_in to = loop_addr(0);
		int far = socket(AF_INET, SOCK_RAW, 253), fd = socket(AF_INET, SOCK_RAW, 253);
		int on = 1;

		want(far);
		say("  %s: %s", samples[i].name, err_name(set_options(fd, &samples[i])));
		say_set(fd);
		say("    sent %zd", sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
		take(far, 1);
		setsockopt(fd, IPPROTO_IP, IP_HDRINCL, &on, sizeof(on));
		if (samples[i].len && sendto(fd, "abc", 3, 0, (struct sockaddr *)&to,
					     sizeof(to)) < 0)
			say("    with a header of its own: %s", err_name(errno));
		close(fd);
		close(far);
	}
}

CASE(ipopt_ping)
{
	for (size_t i = 0; i < COUNT(samples); i++) {
		struct icmphdr h = { .type = ICMP_ECHO };
		struct sockaddr_in to = loop_addr(0);
		int fd = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);

		want(fd);
		say("  %s: %s", samples[i].name, err_name(set_options(fd, &samples[i])));
		say("    sent %zd", sendto(fd, &h, sizeof(h), 0, (struct sockaddr *)&to,
					   sizeof(to)));
		take(fd, 0);
		close(fd);
	}
}

/* Malformed options can only be sent with a header of one's own. */
CASE(ipopt_parameter_problem)
{
	static const struct sample bad[] = {
		{ "beyond the header", { 7, 9, 4, 0 }, 4 },
		{ "no length", { 1, 1, 1, 7 }, 4 },
		{ "pointer", { 68, 8, 5, 1 }, 8 },
		{ "no room for more", { 68, 8, 9, 0xf0, 1, 2, 3, 4 }, 8 },
		{ "two routes", { 7, 7, 4, 0, 0, 0, 0, 7, 7, 4 }, 16 },
		{ "label", { 134, 10, 0, 0, 0, 1, 1, 4, 0, 1 }, 12 },
		{ "source route", { 131, 7, 8, 127, 0, 0, 1 }, 8 },
	};

	for (size_t i = 0; i < COUNT(bad); i++) {
		int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
		int icmp = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
		struct sockaddr_in to = loop_addr(0);
		struct pollfd pfd = { .fd = icmp, .events = POLLIN };
		uint8_t p[ROOM] = { 0x45, [8] = 64, 253, [12] = 127, 0, 0, 1, 127, 0, 0, 1 };
		uint8_t got[256];
		ssize_t n;

		p[0] = (uint8_t)(p[0] + bad[i].len / 4);
		memcpy(p + 20, bad[i].bytes, bad[i].len);
		say("  %s: %zd", bad[i].name,
		    sendto(fd, p, 24 + bad[i].len, 0, (struct sockaddr *)&to, sizeof(to)));
		if (poll(&pfd, 1, 200) > 0) {
			size_t l4;

			n = recv(icmp, got, sizeof(got), MSG_DONTWAIT);
			l4 = (got[0] & 15) * 4u;
			say("    %zd bytes, type %u code %u, at %u", n, got[l4], got[l4 + 1],
			    got[l4 + 4]);
			say_options("of the error", got + 20, l4 - 20);
		}
		close(fd);
		close(icmp);
	}
}
