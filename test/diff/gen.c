// SPDX-License-Identifier: BSD-3-Clause
/*
 * gen.c - generated cases: every option x values and lengths x kinds of sockets x states x users
 *
 * A group (kind, state, user) is one case and one process. For each option number it makes a
 * fresh socket in that state and writes one transcript, headed by "== GROUP LEVEL NUMBER": first
 * what get answers at every length, then every value set and what get shows after it, then lengths
 * that are too short, too long or negative, then pointers that are none. compare.c takes the
 * file apart at the headings.
 * A line: "s LEN VALUE ERR" (set) or "g LEN ERR RETURNED BYTES"; bytes of what the call left alone
 * are not printed. Sockets are closed with a reset, so that thousands of them leave nothing behind.
 */
#include "test/diff/gen.h"

#include <arpa/inet.h>
#include <linux/if_packet.h>

#define NOBODY 65534
#define TYPE_TEST 0x88b5 /* an EtherType for experiments */
#define GUARD 0xee
#define SHOWN 64 /* bytes of an answer */

enum family { V4, V6, MAPPED, LINK };

struct kind {
	const char *name;
	enum family family;
	int type, protocol;
};

static const struct kind kinds[] = {
	{ "tcp4", V4, SOCK_STREAM, 0 },
	{ "tcp6", V6, SOCK_STREAM, 0 },
	{ "tcp46", MAPPED, SOCK_STREAM, 0 },
	{ "udp4", V4, SOCK_DGRAM, 0 },
	{ "udp6", V6, SOCK_DGRAM, 0 },
	{ "udp46", MAPPED, SOCK_DGRAM, 0 },
	{ "raw4", V4, SOCK_RAW, IPPROTO_ICMP },
	{ "raw6", V6, SOCK_RAW, IPPROTO_ICMPV6 },
	{ "ping4", V4, SOCK_DGRAM, IPPROTO_ICMP },
	{ "ping6", V6, SOCK_DGRAM, IPPROTO_ICMPV6 },
	{ "packet", LINK, SOCK_RAW, 0 },
	{ "packetd", LINK, SOCK_DGRAM, 0 },
};

/* A socket under test and what keeps it in its state. */
struct subject {
	int fd, peer;
};

/* ---- addresses ---- */

struct addr {
	struct sockaddr_storage at;
	socklen_t len;
};

static struct addr loop_of(const struct kind *kind, uint16_t port)
{
	struct addr addr = { .len = sizeof(struct sockaddr_in6) };
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr.at;
	struct sockaddr_in *in = (struct sockaddr_in *)&addr.at;
	struct sockaddr_ll *ll = (struct sockaddr_ll *)&addr.at;

	if (kind->family == LINK) {
		ll->sll_family = AF_PACKET;
		ll->sll_protocol = htons(TYPE_TEST);
		ll->sll_ifindex = 1;
		addr.len = sizeof(*ll);
		return addr;
	}
	if (kind->family == V4) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		addr.len = sizeof(*in);
		return addr;
	}
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	inet_pton(AF_INET6, kind->family == V6 ? "::1" : "::ffff:127.0.0.1", &in6->sin6_addr);
	return addr;
}

static void need(bool good, const char *what)
{
	if (good)
		return;
	printf("starting point: %s: %s\n", what, err_name(errno));
	fflush(stdout);
	_exit(3);
}

static int fresh(const struct kind *kind)
{
	static const int domains[] = { AF_INET, AF_INET6, AF_INET6, AF_PACKET };
	int fd = socket(domains[kind->family], kind->type, kind->protocol);

	need(fd >= 0, "socket");
	return fd;
}

/*
 * Ping sockets get their numbers in a row, from 1 after a boot; one of a single byte is shown
 * otherwise (IP_PROTOCOL) and would stand on one side only.
 */
static bool is_short_number(const struct kind *kind, int fd)
{
	uint16_t number = port_of(fd);

	/* of a RAW socket it is the protocol's */
	return kind->type != SOCK_RAW && number && number < 256;
}

static int bound(const struct kind *kind)
{
	struct addr addr = loop_of(kind, 0);
	int fd;

	for (;;) {
		fd = fresh(kind);
		need(!bind(fd, (struct sockaddr *)&addr.at, addr.len), "bind");
		if (!is_short_number(kind, fd))
			return fd;
		close(fd);
	}
}

static void join(const struct kind *kind, int fd, uint16_t port)
{
	struct addr addr = loop_of(kind, port);

	need(!connect(fd, (struct sockaddr *)&addr.at, addr.len), "connect");
}

static struct subject pair_of(const struct kind *kind)
{
	struct subject s = { -1, -1 };
	int listener;

	if (kind->type != SOCK_STREAM) {
		s.peer = bound(kind);
		do {
			if (s.fd >= 0)
				close(s.fd);
			s.fd = fresh(kind);
			join(kind, s.fd, port_of(s.peer));
		} while (is_short_number(kind, s.fd));
		return s;
	}
	listener = bound(kind);
	need(!listen(listener, 4), "listen");
	s.fd = fresh(kind);
	join(kind, s.fd, port_of(listener));
	s.peer = accept(listener, NULL, NULL);
	need(s.peer >= 0, "accept");
	close(listener);
	return s;
}

static void reset(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void await(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	need(poll(&pfd, 1, 2000) == 1, "waiting for an event");
}

/* ---- states ---- */

static struct subject state_fresh(const struct kind *kind)
{
	return (struct subject){ fresh(kind), -1 };
}

static struct subject state_bound(const struct kind *kind)
{
	return (struct subject){ bound(kind), -1 };
}

static struct subject state_listening(const struct kind *kind)
{
	struct subject s = { bound(kind), -1 };

	need(!listen(s.fd, 4), "listen");
	return s;
}

static struct subject state_accepted(const struct kind *kind)
{
	struct subject s = pair_of(kind);

	return (struct subject){ s.peer, s.fd };
}

static struct subject state_shut(const struct kind *kind)
{
	struct subject s = pair_of(kind);

	need(!shutdown(s.fd, SHUT_WR), "shutdown");
	if (kind->type == SOCK_STREAM) { /* the FIN is there; data brings its ACK: FIN_WAIT_2 */
		await(s.peer, POLLIN);
		need(send(s.peer, "x", 1, 0) == 1, "send");
		await(s.fd, POLLIN);
	}
	return s;
}

/* The peer reset the connection; a datagram came back as refused. */
static struct subject state_reset(const struct kind *kind)
{
	struct subject s = pair_of(kind);

	reset(s.peer);
	s.peer = -1;
	if (kind->type == SOCK_DGRAM)
		need(send(s.fd, "x", 1, 0) == 1, "send");
	await(s.fd, POLLERR);
	return s;
}

static const struct state {
	const char *name;
	struct subject (*make)(const struct kind *kind);
	enum { ANY_KIND, STREAM_ONLY, WITH_PORTS } needs;
	bool link_too;
} states[] = {
	{ "fresh", state_fresh, ANY_KIND, true },
	{ "bound", state_bound, ANY_KIND, true },
	{ "listening", state_listening, STREAM_ONLY, false },
	{ "connected", pair_of, ANY_KIND, false },
	{ "accepted", state_accepted, STREAM_ONLY, false },
	{ "shut", state_shut, ANY_KIND, false },
	{ "reset", state_reset, WITH_PORTS, false },
};

/* ---- a transcript ---- */

static unsigned char value[GEN_ROOM], answer[GEN_ROOM];

static bool was_set; /* in this transcript, the option */

static void show_bytes(int level, int name, socklen_t len)
{
	const struct gen_mask *mask = gen_mask_of(level, name);
	int last = SHOWN;

	if (mask && mask->until_set && was_set)
		mask = NULL;
	while (last && last > (int)len && answer[last - 1] == GUARD)
		last--;
	putchar(' ');
	for (int i = 0; i < last; i++) {
		if (mask && mask->hidden >> (i < 63 ? i : 63) & 1)
			fputs("..", stdout);
		else
			printf("%02x", answer[i]);
	}
}

static void get(const struct subject *s, int level, int name, socklen_t len)
{
	socklen_t got = len;
	int ret;

	memset(answer, GUARD, SHOWN);
	memset(answer + SHOWN, 0, 512); /* what an option may read must not be the last answer */
	errno = 0;
	ret = getsockopt(s->fd, level, name, answer, &got);
	printf("g %d %s %d", (int)len, ret ? err_name(errno) : "0", (int)got);
	show_bytes(level, name, ret ? 0 : got);
	putchar('\n');
}

static int set(const struct subject *s, int level, int name, const void *data, socklen_t len)
{
	errno = 0;
	return setsockopt(s->fd, level, name, data, len) ? errno : 0;
}

/* "-1", or the bytes. */
static void set_and_show(const struct subject *s, int level, int name, const void *data,
			 socklen_t len, const char *text)
{
	int err = set(s, level, name, data, len);

	printf("s %d %s %s\n", (int)len, text, err_name(err));
	was_set |= !err;
	if (!err)
		get(s, level, name, SHOWN);
}

static void try_lengths(const struct subject *s, int level, int name)
{
	for (size_t i = 0; i < gen_len_count; i++) {
		memset(value, 0, sizeof(value));
		set_and_show(s, level, name, value, gen_lens[i], "zeros");
		value[0] = 1;
		set_and_show(s, level, name, value, gen_lens[i], "one");
		memset(value, 0xff, 512);
		set_and_show(s, level, name, value, gen_lens[i], "ones");
	}
}

static void try_pointers(const struct subject *s, int level, int name)
{
	socklen_t len = 4;
	int ret;

	set_and_show(s, level, name, NULL, 4, "NULL");
	set_and_show(s, level, name, NULL, 0, "NULL");
	set_and_show(s, level, name, (void *)8, 4, "wild");
	errno = 0;
	ret = getsockopt(s->fd, level, name, NULL, &len);
	printf("g NULL %s %d\n", ret ? err_name(errno) : "0", (int)len);
	errno = 0;
	ret = getsockopt(s->fd, level, name, answer, NULL);
	printf("g NULL length %s\n", ret ? err_name(errno) : "0");
}

static void try_values(const struct subject *s, int level, int name)
{
	char text[32];

	for (size_t i = 0; i < gen_int_count; i++) {
		snprintf(text, sizeof(text), "%d", gen_ints[i]);
		set_and_show(s, level, name, &gen_ints[i], sizeof(int), text);
	}
	for (size_t i = 0; i < gen_value_count; i++) {
		const struct gen_value *v = &gen_values[i];

		if (v->level != level || v->name != name)
			continue;
		snprintf(text, sizeof(text), "value%zu", i);
		memset(value, 0, sizeof(value));
		memcpy(value, v->data, v->len);
		set_and_show(s, level, name, value, v->len, text);
	}
}

static void transcript(const struct subject *s, int level, int name)
{
	was_set = false;
	for (size_t i = 0; i < gen_len_count; i++)
		get(s, level, name, gen_lens[i]);
	try_values(s, level, name);
	try_lengths(s, level, name);
	try_pointers(s, level, name);
	fflush(stdout);
}

static void run_range(const struct kind *kind, const struct state *state, const char *group,
		      const struct gen_range *range)
{
	for (int name = range->first; name <= range->last; name++) {
		struct subject s = state->make(kind);

		printf("== %s %s %d\n", group, range->name, name);
		transcript(&s, range->level, name);
		reset(s.fd);
		if (s.peer >= 0)
			reset(s.peer);
	}
}

/* ---- groups ---- */

struct group {
	struct diff_case entry;
	char name[40];
	const struct kind *kind;
	const struct state *state;
	bool nobody;
};

static struct group groups[2 * COUNT(kinds) * COUNT(states)];
static size_t group_count;

static void run_group(const char *name)
{
	const struct group *g = NULL;

	for (size_t i = 0; i < group_count; i++)
		if (!strcmp(groups[i].name, name))
			g = &groups[i];
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	alarm(60);
	close(bound(g->kind)); /* whatever starts at the first socket starts with root's rights */
	if (g->nobody)
		need(!setresgid(NOBODY, NOBODY, NOBODY) && !setresuid(NOBODY, NOBODY, NOBODY),
		     "becoming nobody");
	for (size_t i = 0; i < gen_range_count; i++)
		run_range(g->kind, g->state, name, &gen_ranges[i]);
}

static void group_add(const struct kind *kind, const struct state *state, bool nobody)
{
	struct group *g = &groups[group_count++];

	snprintf(g->name, sizeof(g->name), "gen_%s_%s_%s", kind->name, state->name,
		 nobody ? "nobody" : "root");
	g->kind = kind;
	g->state = state;
	g->nobody = nobody;
	g->entry.name = g->name;
	g->entry.run_named = run_group;
	diff_add(&g->entry);
}

__attribute__((constructor)) static void add_groups(void)
{
	for (size_t k = 0; k < COUNT(kinds); k++)
		for (size_t s = 0; s < COUNT(states); s++) {
			if (states[s].needs == STREAM_ONLY && kinds[k].type != SOCK_STREAM)
				continue;
			if (states[s].needs == WITH_PORTS && kinds[k].protocol)
				continue;
			if (kinds[k].family == LINK && !states[s].link_too)
				continue;
			group_add(&kinds[k], &states[s], false);
			/* nobody may have one of these */
			if (kinds[k].type != SOCK_RAW && kinds[k].family != LINK)
				group_add(&kinds[k], &states[s], true);
		}
}
