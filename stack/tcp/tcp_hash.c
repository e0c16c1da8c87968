// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_hash.c - numbers that an outsider cannot guess: initial sequence numbers, timestamp
 * offsets, cookies
 *
 * Idea: SipHash-1-3 (a keyed hash for short inputs) under keys that outlive the process
 * (s7_host_ops.lasting); SipHash-2-4 where the kernel must come to the same number (Fast Open). The
 * ISN is RFC 6528's: a clock plus a hash of the four-tuple, so a reused tuple continues above its
 * last incarnation. The timestamp offset depends on the two addresses only, so that timestamps stay
 * monotonic between two hosts (TIME_WAIT reuse, RFC 6191).
 * Context: any. Called by: tcp_conn.c, tcp_req.c, tcp_cookie.c, tcp_fastopen*.c.
 */
#include "stack/tcp/tcp_int.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int n)
{
	return x << n | x >> (64 - n);
}

static void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v0 = rotl(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v2 = rotl(s->v2, 32);
}

/* SipHash with c rounds a word and d at the end; `len` is a multiple of 8. */
static inline uint64_t siphash(const uint64_t key[2], const void *data, uint32_t len, int c, int d)
{
	struct sip s = { key[0] ^ 0x736f6d6570736575ull, key[1] ^ 0x646f72616e646f6dull,
			 key[0] ^ 0x6c7967656e657261ull, key[1] ^ 0x7465646279746573ull };
	const char *p = data;

	for (uint32_t at = 0; at <= len; at += 8) {
		uint64_t m = (uint64_t)len << 56; /* the closing word */

		if (at < len)
			memcpy(&m, p + at, 8);
		s.v3 ^= m;
		for (int i = 0; i < c; i++)
			sip_round(&s);
		s.v0 ^= m;
	}
	s.v2 ^= 0xff;
	for (int i = 0; i < d; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

uint64_t tcp_keyed_hash(const uint64_t key[2], const void *data, uint32_t len)
{
	return siphash(key, data, len, 1, 3);
}

uint64_t tcp_siphash24(const uint64_t key[2], const void *data, uint32_t len)
{
	return siphash(key, data, len, 2, 4);
}

uint32_t tcp_isn(struct s7_inst *inst, const struct s7_flow *flow)
{
	uint64_t words[5] = { flow->local.q[0] ^ flow->remote.q[0], flow->local.q[1],
			      flow->remote.q[1], (uint64_t)flow->lport << 16 | flow->rport, 1 };

	return (uint32_t)tcp_keyed_hash(inst->tcp->key[0], words, sizeof(words)) +
	       (uint32_t)(inst->now >> 6);
}

uint32_t tcp_ts_offset(struct s7_inst *inst, const struct s7_ip *local, const struct s7_ip *remote)
{
	uint64_t words[4] = { local->q[0], local->q[1], remote->q[0], remote->q[1] };

	if (inst->params.tcp.timestamps != 1) /* 2: without an offset */
		return 0;
	return (uint32_t)tcp_keyed_hash(inst->tcp->key[1], words, sizeof(words));
}
