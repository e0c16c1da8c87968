// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_hdr.c - the TCP header between bytes and values
 *
 * Idea: one read and one write, by unaligned loads and stores of the wire layout. Invariant: no
 * byte beyond `len` is read; a header that is returned has 20 <= hdr_len <= len.
 * Context: any. Called by: tcp_in.c, tcp_out.c, tests.
 */
#include "stack/wire/tcp_hdr.h"

#include <arpa/inet.h>
#include <errno.h>

struct wire {
	uint16_t src, dst;
	uint32_t seq, ack;
	uint8_t off, flags;
	uint16_t wnd, csum, urg;
};

static_assert(sizeof(struct wire) == TCP_HDR_LEN, "TCP header layout");

int tcp_hdr_read(const uint8_t *bytes, uint32_t len, struct tcp_hdr *ret_hdr)
{
	struct wire w;
	uint32_t hdr_len;

	if (len < TCP_HDR_LEN)
		return -EINVAL;
	memcpy(&w, bytes, sizeof(w));
	hdr_len = (uint32_t)(w.off >> 4) * 4;
	if (hdr_len < TCP_HDR_LEN || hdr_len > len)
		return -EINVAL;
	ret_hdr->src = ntohs(w.src);
	ret_hdr->dst = ntohs(w.dst);
	ret_hdr->seq = ntohl(w.seq);
	ret_hdr->ack = ntohl(w.ack);
	ret_hdr->hdr_len = (uint8_t)hdr_len;
	ret_hdr->flags = w.flags;
	ret_hdr->wnd = ntohs(w.wnd);
	ret_hdr->csum = w.csum;
	ret_hdr->urg = ntohs(w.urg);
	return 0;
}

void tcp_hdr_write(uint8_t *bytes, const struct tcp_hdr *hdr)
{
	struct wire w = {
		.src = htons(hdr->src),
		.dst = htons(hdr->dst),
		.seq = htonl(hdr->seq),
		.ack = htonl(hdr->ack),
		.off = (uint8_t)(hdr->hdr_len / 4 << 4),
		.flags = hdr->flags,
		.wnd = htons(hdr->wnd),
		.csum = hdr->csum,
		.urg = htons(hdr->urg),
	};

	memcpy(bytes, &w, sizeof(w));
}
