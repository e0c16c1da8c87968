/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * chain.c - packets of several buffers
 *
 * Invariant of every function: total = sum of len over the chain, nsegs = buffers in the chain.
 * Buffers may be odd in length; the checksum accounts for that by offset. Only pullup writes
 * payload, and only to a head that nobody else holds. Context: instance lock. Called by: ip4_in,
 * frag, icmp, ip_out, udp.
 */
#include "stack/ip/chain.h"

#include "stack/wire/csum.h"

#define HEADERS_KEPT 248 /* an IP header with all options or extension headers */

uint32_t chain_sum(const struct s7_pkt *pkt, uint32_t offset, uint32_t len, uint32_t sum)
{
	uint32_t done = 0;

	if (s7_likely(offset + len <= pkt->len))
		return csum_partial(pkt->data + offset, len, sum);
	while (done < len) {
		uint32_t here;

		if (offset >= pkt->len) {
			offset -= pkt->len;
			pkt = pkt->frag;
			continue;
		}
		here = (uint32_t)s7_min(pkt->len - offset, len - done);
		sum = csum_add_at(sum, csum_partial(pkt->data + offset, here, 0), done);
		done += here;
		offset = 0;
		pkt = pkt->frag;
	}
	return sum;
}

void chain_trim(struct s7_inst *inst, struct s7_pkt *pkt, uint32_t len)
{
	struct s7_pkt *last = pkt, *rest;
	uint32_t left = len;

	pkt->total = len;
	if (s7_likely(!pkt->frag)) {
		pkt->len = len;
		return;
	}
	pkt->nsegs = 1;
	while (left > last->len && last->frag) {
		left -= last->len;
		last = last->frag;
		pkt->nsegs++;
	}
	last->len = left;
	rest = last->frag;
	last->frag = NULL;
	pkt_free(inst, rest);
}

/* Room for `more` bytes behind the data, found before it if need be. Headers just pulled off move
 * along. */
static bool chain_tailroom(struct s7_pkt *pkt, uint32_t more)
{
	uint32_t shift, keep;

	if (s7_likely(pkt_tailroom(pkt) >= more))
		return true;
	shift = more - pkt_tailroom(pkt);
	if (pkt_headroom(pkt) < shift)
		return false;
	keep = (uint32_t)s7_min(pkt_headroom(pkt) - shift, HEADERS_KEPT);
	memmove(pkt->data - keep - shift, pkt->data - keep, keep + pkt->len);
	pkt->data -= shift;
	return true;
}

bool chain_pullup(struct s7_inst *inst, struct s7_pkt *pkt, uint32_t len)
{
	if (s7_likely(pkt->len >= len))
		return true;
	if (pkt->total < len || pkt_is_shared(pkt) || !chain_tailroom(pkt, len - pkt->len))
		return false;
	while (pkt->len < len) {
		struct s7_pkt *part = pkt->frag;
		uint32_t here = (uint32_t)s7_min(part->len, len - pkt->len);

		memcpy(pkt->data + pkt->len, part->data, here);
		pkt->len += here;
		part->data += here;
		part->len -= here;
		if (part->len)
			break;
		pkt->frag = part->frag;
		pkt->nsegs--;
		part->frag = NULL;
		pkt_free(inst, part);
	}
	return true;
}

void chain_append(struct s7_pkt *pkt, struct s7_pkt *more)
{
	struct s7_pkt *last = pkt;

	while (last->frag)
		last = last->frag;
	last->frag = more;
	pkt->total += more->total;
	pkt->nsegs = (uint16_t)(pkt->nsegs + more->nsegs);
}
