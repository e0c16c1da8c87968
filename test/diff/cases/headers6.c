// SPDX-License-Identifier: BSD-3-Clause
/*
 * headers6.c - IPv6 extension headers: those that come in, and those that a program sends
 *
 * Packets are written whole by a raw socket, or sent with the headers that options and control
 * messages ask for; the receiver says all that it is told. A plain datagram is sent behind each:
 * when that has come, what did not come before will not.
 */
#include <netinet/icmp6.h>

#include "test/diff/cases/name6.h"

#define FRAGSIZE 77
#define MARK "mark"

struct header {
	uint8_t kind, len;
	uint8_t body[40]; /* behind next header and length */
};

static struct receiver {
	int fd, errors;
	uint16_t port;
} to;

static void receiver_make(void)
{
	static const int told[] = { IPV6_RECVHOPOPTS, IPV6_RECVDSTOPTS, IPV6_RECVRTHDR,
				    IPV6_2292HOPOPTS, IPV6_2292DSTOPTS, IPV6_2292RTHDR,
				    FRAGSIZE };
	struct timeval patience = { 3, 0 };
	union name name;
	socklen_t len = make_name("::", 0, &name);

	to.fd = sock6(SOCK_DGRAM);
	to.errors = socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
	bind(to.fd, &name.sa, len);
	for (size_t i = 0; i < COUNT(told); i++)
		T(set_int(to.fd, IPPROTO_IPV6, told[i], 1));
	setsockopt(to.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	to.port = port_of(to.fd);
}

static void say_control(struct msghdr *hdr)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		char text[600] = "";
		size_t n = c->cmsg_len - CMSG_LEN(0);

		for (size_t i = 0; i < n && i < 256; i++)
			snprintf(text + 2 * i, 3, "%02x", CMSG_DATA(c)[i]);
		say("    %d.%d: %s", c->cmsg_level, c->cmsg_type, text);
	}
}

/* One datagram; false: it was the mark, or none. */
static bool take_one(int fd)
{
	char control[2048];
	static char buf[70000];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &hdr, 0);

	if (n < 0) {
		say("    recvmsg: %s", err_name(errno));
		return false;
	}
	if (n == (ssize_t)strlen(MARK) && !memcmp(buf, MARK, (size_t)n))
		return false;
	say("    arrived: %zd%s", n, hdr.msg_flags & MSG_CTRUNC ? ", cut" : "");
	say_control(&hdr);
	return true;
}

static void take_errors(void)
{
	struct icmp6_hdr h;

	while (recv(to.errors, &h, sizeof(h), MSG_DONTWAIT) >= (ssize_t)sizeof(h))
		if (h.icmp6_type < 128)
			say("    error %d.%d at %u", h.icmp6_type, h.icmp6_code,
			    ntohl(h.icmp6_pptr));
}

/* All that came of what was sent. */
static void take_all(void)
{
	int fd = sock6(SOCK_DGRAM);
	union name name;
	socklen_t len = make_name("::1", to.port, &name);

	sendto(fd, MARK, strlen(MARK), 0, &name.sa, len);
	while (take_one(to.fd))
		;
	take_errors();
	close(fd);
}

/* ---- what comes in ---- */

static size_t add_udp(uint8_t *p, uint16_t port)
{
	static const uint8_t one[16] = { [15] = 1 };
	uint16_t words[24] = { 0 };
	uint32_t sum = 0;

	memset(p, 0, 12);
	p[0] = 0x17;
	p[1] = 0x70;
	p[2] = (uint8_t)(port >> 8);
	p[3] = (uint8_t)port;
	p[5] = 12;
	memcpy(p + 8, "abcd", 4);
	memcpy(words, one, 16);
	memcpy(words + 8, one, 16);
	words[17] = htons(12);
	words[18] = 0;
	words[19] = htons(IPPROTO_UDP);
	memcpy(words + 18 + 2, p, 8);
	for (size_t i = 0; i < COUNT(words); i++)
		sum += words[i];
	for (size_t i = 0; i < 2; i++) {
		uint16_t word;

		memcpy(&word, p + 8 + 2 * i, 2);
		sum += word;
	}
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	words[0] = (uint16_t)~sum;
	memcpy(p + 6, words, 2);
	return 12;
}

static size_t add_chain(uint8_t *p, const struct header *chain, uint8_t *first)
{
	size_t off = 0;

	*first = chain->len ? chain->kind : IPPROTO_UDP;
	for (; chain->len; chain++) {
		p[off] = chain[1].len ? chain[1].kind : IPPROTO_UDP;
		p[off + 1] = (uint8_t)((chain->len + 2) / 8 - 1);
		memcpy(p + off + 2, chain->body, chain->len);
		off += chain->len + 2u;
	}
	return off;
}

static void inject(int raw, const char *text, const struct header *chain)
{
	uint8_t p[400] = { 0x60, 0, 0, 0, [7] = 64, [23] = 1, [39] = 1 };
	union name name;
	socklen_t len = make_name("::1", 0, &name);
	size_t size = 40 + add_chain(p + 40, chain, p + 6);

	size += add_udp(p + size, to.port);
	p[5] = (uint8_t)(size - 40);
	say("%s", text);
	if (sendto(raw, p, size, 0, &name.sa, len) != (ssize_t)size)
		say("    sendto: %s", err_name(errno));
	take_all();
}

#define HOP(...) { 0, 6, { __VA_ARGS__ } }
#define DEST(...) { 60, 6, { __VA_ARGS__ } }
#define ROUTE(...) { 43, 6, { __VA_ARGS__ } }
#define ROUTE1(type) { 43, 22, { type, 1, [21] = 1 } }
#define FRAG { 44, 6, { 0, 0, 0, 0, 0, 9 } }
#define PAD 1, 4

static const struct injected {
	const char *text;
	struct header chain[8];
} injected[] = {
	{ "none", { { 0 } } },
	{ "hop-by-hop", { HOP(PAD) } },
	{ "destination", { DEST(PAD) } },
	{ "all", { HOP(PAD), DEST(PAD), ROUTE(0), DEST(PAD) } },
	{ "two destination", { DEST(PAD), DEST(PAD) } },
	{ "two routing", { ROUTE(0), ROUTE(1) } },
	{ "routing 2", { ROUTE(2) } },
	{ "routing 3", { ROUTE(3) } },
	{ "routing 4", { ROUTE(4) } },
	{ "routing 5", { ROUTE(5) } },
	{ "routing 0, a segment left", { ROUTE1(0) } },
	{ "routing 3, a segment left", { ROUTE1(3) } },
	{ "routing 4, a segment left", { ROUTE1(4) } },
	{ "routing 9, a segment left", { ROUTE1(9) } },
	{ "hop-by-hop second", { DEST(PAD), HOP(PAD) } },
	{ "hop-by-hop twice", { HOP(PAD), HOP(PAD) } },
	{ "unknown hop 00", { HOP(0x1e, 2, 1, 1, 1) } },
	{ "unknown hop 01", { HOP(0x5e, 2, 1, 1, 1) } },
	{ "unknown hop 10", { HOP(0x9e, 2, 1, 1, 1) } },
	{ "unknown hop 11", { HOP(0xde, 2, 1, 1, 1) } },
	{ "unknown dst 00", { DEST(0x1e, 2, 1, 1, 1) } },
	{ "unknown dst 01", { DEST(0x5e, 2, 1, 1, 1) } },
	{ "unknown dst 10", { DEST(0x9e, 2, 1, 1, 1) } },
	{ "unknown dst 11", { DEST(0xde, 2, 1, 1, 1) } },
	{ "option too long", { DEST(0x1e, 5, 1, 1, 1, 1) } },
	{ "padding with something", { DEST(1, 4, 0, 0, 1, 0) } },
	{ "14 bytes of Pad1", { { 60, 14, { 0 } } } },
	{ "PadN of 14", { { 60, 14, { 1, 12 } } } },
	{ "8 options", { { 60, 22, { 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0,
				     0x1e, 0, 1, 4 } } } },
	{ "9 options", { { 60, 22, { 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0, 0x1e, 0,
				     0x1e, 0, 0x1e, 0, 1, 2 } } } },
	{ "router alert", { HOP(5, 2, 0, 0, 1, 0) } },
	{ "router alert of 1", { HOP(5, 1, 0, 1, 1, 0) } },
	{ "jumbo", { HOP(0xc2, 4, 0, 1, 0, 1) } },
	{ "small jumbo", { HOP(0xc2, 4, 0, 0, 0, 1) } },
	{ "jumbo for the destination", { DEST(0xc2, 4, 0, 1, 0, 1) } },
	{ "a fragment alone", { FRAG } },
	{ "... between others", { HOP(PAD), FRAG, DEST(PAD) } },
	{ "two fragment headers", { FRAG, FRAG } },
	{ "mobility", { { 135, 6, { 0 } } } },
	{ "seven destination", { DEST(PAD), DEST(PAD), DEST(PAD), DEST(PAD), DEST(PAD), DEST(PAD),
				 DEST(PAD) } },
};

CASE(headers6_received)
{
	int raw = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);

	receiver_make();
	for (size_t i = 0; i < COUNT(injected); i++)
		inject(raw, injected[i].text, injected[i].chain);
}

/* A raw socket of a header's own number sees it, at it. */
CASE(headers6_raw)
{
	static const int protos[] = { 60, 43, 44, 0, 59 };
	int raw = socket(AF_INET6, SOCK_RAW, IPPROTO_RAW);
	uint8_t seen[64];

	receiver_make();
	for (size_t i = 0; i < COUNT(protos); i++) {
		int fd = F(socket(AF_INET6, SOCK_RAW, protos[i]));
		ssize_t n;

		if (fd < 0)
			continue;
		inject(raw, "all", injected[3].chain);
		inject(raw, "fragment", injected[36].chain);
		while ((n = recv(fd, seen, sizeof(seen), MSG_DONTWAIT)) >= 0)
			say("  of %d: %zd, %d %d", protos[i], n, seen[0], seen[1]);
		close(fd);
	}
}

/* ---- what is sent ---- */

static const struct {
	int type;
	const char *text;
} kinds[] = {
	{ IPV6_HOPOPTS, "HOPOPTS" },	 { IPV6_DSTOPTS, "DSTOPTS" },
	{ IPV6_RTHDRDSTOPTS, "RTHDRDSTOPTS" }, { IPV6_RTHDR, "RTHDR" },
	{ IPV6_2292HOPOPTS, "2292HOPOPTS" }, { IPV6_2292DSTOPTS, "2292DSTOPTS" },
	{ IPV6_2292RTHDR, "2292RTHDR" },
};

static const uint8_t options8[8] = { 0, 0, 1, 4 };
static const uint8_t options16[16] = { 0, 1, 0x1e, 3, 7, 7, 7, 0x1e, 7 };
static const uint8_t too_long[8] = { 0, 1, 1, 4 };
static const uint8_t refused[8] = { 0, 0, 0x9e, 2, 1, 1 };
static const uint8_t segments[24] = { 0, 2, 4, 0, 0, 0, 0, 0, [23] = 1 };
static const uint8_t mobile[24] = { 0, 2, 2, 1, 0, 0, 0, 0, [23] = 1 };

static const struct value {
	const void *data;
	socklen_t len;
	const char *text;
} values[] = {
	{ options8, 8, "8 bytes" },	  { options16, 16, "16 bytes" },
	{ options16, 8, "half of it" },	  { too_long, 8, "longer than it is" },
	{ options8, 1, "a byte" },	  { options8, 0, "nothing" },
	{ refused, 8, "one to refuse" },  { segments, 24, "segments" },
	{ mobile, 24, "routing type 2" },
};

struct asked {
	int type;
	const struct value *value;
};

static int send_asked(int fd, size_t bytes, const struct asked *asked, size_t count)
{
	static char buf[3000];
	struct iovec iov = { buf, bytes };
	union {
		struct cmsghdr align;
		char room[512];
	} control = { .room = "" };
	union name name;
	struct msghdr hdr = { .msg_name = &name, .msg_namelen = make_name("::1", to.port, &name),
			      .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&hdr);
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		c = (struct cmsghdr *)(void *)(control.room + used);
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = asked[i].type;
		c->cmsg_len = CMSG_LEN(asked[i].value->len);
		memcpy(CMSG_DATA(c), asked[i].value->data, asked[i].value->len);
		used += CMSG_SPACE(asked[i].value->len);
	}
	hdr.msg_controllen = used;
	if (!used)
		hdr.msg_control = NULL;
	return (int)sendmsg(fd, &hdr, 0);
}

static void become_nobody(void)
{
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		say("no nobody");
}

static void one_by_one(void)
{
	for (size_t k = 0; k < COUNT(kinds); k++) {
		for (size_t v = 0; v < COUNT(values); v++) {
			struct asked asked = { kinds[k].type, &values[v] };
			int fd = sock6(SOCK_DGRAM);

			say("%s of %s: %s", kinds[k].text, values[v].text,
			    tried(send_asked(fd, 5, &asked, 1)));
			take_all();
			if (k < 4) {
				say("  for good: %s",
				    tried(setsockopt(fd, IPPROTO_IPV6, kinds[k].type,
						     values[v].data, values[v].len)));
				say("  sent: %s", tried(send_asked(fd, 5, NULL, 0)));
				take_all();
			}
			close(fd);
		}
	}
}

CASE(headers6_sent)
{
	receiver_make();
	one_by_one();
}

CASE(headers6_sent_nobody)
{
	receiver_make();
	close(to.errors);
	become_nobody();
	one_by_one();
}

static int with_all(int type)
{
	int fd = socket(AF_INET6, type, type == SOCK_RAW ? 253 : 0);

	T(setsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, options8, 8));
	if (type == SOCK_DGRAM) /* what Linux makes of it on a stream has a wrong length */
		T(setsockopt(fd, IPPROTO_IPV6, IPV6_RTHDRDSTOPTS, options16, 16));
	T(setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, options8, 8));
	return fd;
}

/* Several at once; what a message asks for stands in place of all; MSG_MORE keeps the first. */
CASE(headers6_together)
{
	struct asked two[] = { { IPV6_HOPOPTS, &values[1] }, { IPV6_DSTOPTS, &values[0] } };
	struct asked twice[] = { { IPV6_HOPOPTS, &values[1] }, { IPV6_HOPOPTS, &values[0] } };
	struct asked old[] = { { IPV6_2292DSTOPTS, &values[1] }, { IPV6_2292DSTOPTS, &values[0] } };
	int fd, on = 1, off = 0;

	receiver_make();
	fd = with_all(SOCK_DGRAM);
	T(send_asked(fd, 5, NULL, 0));
	take_all();
	T(send_asked(fd, 5, two, 2));
	take_all();
	T(send_asked(fd, 5, two, 1));
	take_all();
	T(send_asked(fd, 5, twice, 2));
	T(send_asked(fd, 5, old, 2));
	take_all();
	T(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &on, sizeof(on)));
	T(send_asked(fd, 5, two, 2));
	T(send_asked(fd, 6, NULL, 0));
	T(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &off, sizeof(off)));
	take_all();
	T(setsockopt(fd, IPPROTO_IPV6, IPV6_HOPOPTS, NULL, 0));
	T(send_asked(fd, 5, NULL, 0));
	take_all();
}

/* The headers count when it is looked what fits. */
CASE(headers6_sizes)
{
	static const size_t sizes[] = {
		1000, 1192, 1207, 1208, 1209, 1216, 1217, 1224, 1232, 1233
	};
	int fd;

	receiver_make();
	T(set_int(to.fd, IPPROTO_IPV6, FRAGSIZE, 0));
	fd = with_all(SOCK_DGRAM);
	T(set_int(fd, IPPROTO_IPV6, IPV6_MTU, 1280));
	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < COUNT(sizes); i++) {
			say("%zu: %s", sizes[i], tried(send_asked(fd, sizes[i], NULL, 0)));
			take_all();
		}
		T(set_int(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1));
	}
}

/* ---- streams ---- */

static void say_packet_options(int fd, socklen_t room)
{
	char control[512];
	struct msghdr hdr = { .msg_control = control };
	socklen_t len = room;

	say("  packet options in %u: %s", room,
	    tried(getsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, control, &len)));
	say("  %u bytes", len);
	hdr.msg_controllen = len;
	if (room == sizeof(control))
		say_control(&hdr);
}

static void stream_told(int fd)
{
	static const int told[] = { IPV6_2292HOPOPTS, IPV6_2292DSTOPTS, IPV6_RECVHOPOPTS,
				    IPV6_RECVDSTOPTS, IPV6_RECVHOPLIMIT, IPV6_RECVTCLASS,
				    IPV6_2292HOPLIMIT };

	for (size_t i = 0; i < COUNT(told); i++)
		set_int(fd, IPPROTO_IPV6, told[i], 1);
}

CASE(headers6_stream)
{
	int listener = sock6(SOCK_STREAM), fd = with_all(SOCK_STREAM), child;
	union name name;
	socklen_t len = make_name("::1", 0, &name);
	char byte[8];

	bind(listener, &name.sa, len);
	stream_told(listener);
	stream_told(fd);
	T(listen(listener, 1));
	say_packet_options(fd, 512);
	len = make_name("::1", port_of(listener), &name);
	T(connect(fd, &name.sa, len));
	child = F(accept(listener, NULL, NULL));
	T(send(fd, "x", 1, 0));
	T(recv(child, byte, sizeof(byte), 0));
	say_packet_options(child, 512);
	say_packet_options(child, 40);
	T(setsockopt(child, IPPROTO_IPV6, IPV6_DSTOPTS, options16, 16));
	T(send(child, "xy", 2, 0));
	T(recv(fd, byte, sizeof(byte), 0));
	say_packet_options(fd, 512);
	T(setsockopt(child, IPPROTO_IPV6, IPV6_DSTOPTS, NULL, 0));
	T(send(child, "xyz", 3, 0));
	T(recv(fd, byte, sizeof(byte), 0));
	say_packet_options(fd, 512);
}

/* IPV6_2292PKTOPTIONS sets all headers at once. */
CASE(headers6_packet_options)
{
	union {
		struct cmsghdr align;
		char room[256];
	} control = { .room = "" };
	struct cmsghdr *c = &control.align;
	int fd = sock6(SOCK_DGRAM);

	receiver_make();
	for (size_t k = 0; k < COUNT(kinds); k++) {
		c->cmsg_level = IPPROTO_IPV6;
		c->cmsg_type = kinds[k].type;
		c->cmsg_len = CMSG_LEN(8);
		memcpy(CMSG_DATA(c), options8, 8);
		say("%s: %s", kinds[k].text,
		    tried(setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, &control,
				     CMSG_SPACE(8))));
		T(send_asked(fd, 5, NULL, 0));
		take_all();
	}
	T(setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, &control, 5));
	c->cmsg_len = 77;
	T(setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, &control, CMSG_SPACE(8)));
	T(setsockopt(fd, IPPROTO_IPV6, IPV6_2292PKTOPTIONS, &control, 0));
	T(send_asked(fd, 5, NULL, 0));
	take_all();
}
