/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * errq_icmp.c - an ICMP or ICMPv6 error as an entry of the error queue
 *
 * The entry tells what the message said (type, code, information), who sent it, where the datagram
 * had been going to, and as payload what the message quotes behind the headers (IP_RECVERR of
 * ip(7)). With IP_RECVERR_RFC4884 ee_rfc4884 says where the message's extensions begin in that
 * payload, and whether they are well formed (RFC 4884 4 and 5).
 * Context: instance lock. Called by: udp, tcp.
 */
#include "stack/ip/errq_icmp.h"

#include "stack/core/ext.h"
#include "stack/ip/chain.h"
#include "stack/wire/bytes.h"
#include "stack/wire/csum.h"
#include "stack/wire/icmp.h"

#define RFC4884_MIN 128 /* a quote with extensions behind it is padded to this */
#define EXT_LEN 4	/* extension header, object header */
#define EXT_VERSION 2

/* Are the extensions at `at` well formed? What is of another version is not looked into. */
static bool rfc4884_valid(const struct s7_pkt *pkt, uint32_t at)
{
	uint8_t h[EXT_LEN];
	uint32_t len;

	pkt_read(pkt, at, h, EXT_LEN);
	if (h[0] >> 4 != EXT_VERSION)
		return true;
	if (get_raw16(h + 2) && csum_fold(chain_sum(pkt, at, pkt->total - at, 0)))
		return false;
	for (at += EXT_LEN; at < pkt->total; at += len) {
		if (pkt->total - at < EXT_LEN)
			return false;
		pkt_read(pkt, at, h, EXT_LEN);
		len = get_be16(h);
		if (len < EXT_LEN || len > pkt->total - at)
			return false;
	}
	return true;
}

/* `from`: where the payload begins in the message. */
static void rfc4884_fill(const struct s7_icmp_error *e, uint32_t from,
			 struct sock_ee_data_rfc4884 *ret)
{
	uint32_t len = e->orig_len * (e->v6 ? 8u : 4u);

	if (len < RFC4884_MIN || len < from - e->quote || e->quote + len + EXT_LEN > e->pkt->total)
		return;
	ret->len = (uint16_t)(e->quote + len - from);
	if (!rfc4884_valid(e->pkt, e->quote + len))
		ret->flags |= SO_EE_RFC4884_FLAG_INVALID;
}

static void quoted_destination(const struct s7_icmp_error *e,
			       struct s7_errq_entry *entry)
{
	uint8_t ports[4];
	uint32_t v4;

	pkt_read(e->pkt, e->l4, ports, sizeof(ports));
	entry->port = get_be16(ports + 2);
	if (e->v6) {
		pkt_read(e->pkt, e->quote + 24, entry->name.b, 16);
	} else {
		pkt_read(e->pkt, e->quote + 16, &v4, sizeof(v4));
		entry->name = ip_from_v4(v4);
	}
	entry->flags |= ERRQ_NAME;
}

/* A packet with these bytes; NULL: none is left, then the entry does without. */
static struct s7_pkt *head_pkt(struct s7_inst *inst, const void *bytes, uint32_t len)
{
	struct s7_pkt *head = pkt_alloc(inst);

	if (!head) {
		inst->drop[DROP_NO_PKT]++;
		return NULL;
	}
	memcpy(head->data, bytes, len);
	head->len = head->total = len;
	return head;
}

/* What the socket wants to know of the headers of the message. */
static struct s7_pkt *message_head(const struct s7_sock *sk, const struct s7_icmp_error *e)
{
	if (e->v6 && sk->ip6.bits & SK6_HEADERS && e->quote)
		return head_pkt(sk->inst, e->pkt->data - e->pkt->l3_len, e->pkt->l3_len);
	if (!e->v6 && e->rx->opts && sk_ext_has(sk, EXT_RECVOPTS | EXT_RETOPTS))
		return head_pkt(sk->inst, e->rx->opts, sizeof(*e->rx->opts));
	return NULL;
}

void errq_icmp(struct s7_sock *sk, const struct s7_icmp_error *e, uint32_t from)
{
	struct s7_errq_entry entry = {
		.ee = { .ee_errno = (uint32_t)e->err,
			.ee_origin = e->v6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP,
			.ee_type = e->type, .ee_code = e->code, .ee_info = e->info },
		.at = sk->inst->now,
		.flags = e->v6 ? ERRQ_V6 : 0,
	};
	struct s7_pkt *payload;

	if (!e->pkt || !e->rx || e->l4 + 4 > e->pkt->total || from > e->pkt->total)
		return;
	quoted_destination(e, &entry);
	if (sk->proto != PROTO_TCP && sk->proto != PROTO_UDP)
		entry.port = 0; /* nothing there that is one */
	entry.flags |= ERRQ_OFFENDER;
	entry.offender = e->rx->src;
	entry.local = e->rx->dst;
	entry.ttl = e->rx->ttl;
	entry.tos = e->rx->tos;
	entry.iface = e->rx->iface->index;
	if (sk_ext_has(sk, e->v6 ? EXT_RFC4884_6 : EXT_RFC4884))
		rfc4884_fill(e, from, &entry.ee.ee_rfc4884);
	entry.frag_max = e->rx->frag_max;
	payload = pkt_copy(sk->inst, e->pkt, from, e->pkt->total - from);
	if (!payload) {
		sk->inst->drop[DROP_NO_PKT]++;
		return;
	}
	entry.head = message_head(sk, e);
	errq_push(sk, payload, &entry);
}
