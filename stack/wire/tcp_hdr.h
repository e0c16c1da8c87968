/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tcp_hdr.h - the TCP header (RFC 9293 3.1) between bytes and values
 *
 * Pure and total: reads nothing past the length it is given. Values are in host order.
 */
#ifndef S7_WIRE_TCP_HDR_H
#define S7_WIRE_TCP_HDR_H

#include "stack/base/base.h"

#define TCP_HDR_LEN 20
#define TCP_HDR_MAX 60
#define TCP_OPTS_MAX 40
#define TCP_HDR_CSUM_AT 16 /* offset of the checksum field */

enum tcp_flags {
	TCPF_FIN = 1 << 0,
	TCPF_SYN = 1 << 1,
	TCPF_RST = 1 << 2,
	TCPF_PSH = 1 << 3,
	TCPF_ACK = 1 << 4,
	TCPF_URG = 1 << 5,
	TCPF_ECE = 1 << 6,
	TCPF_CWR = 1 << 7,
};

struct tcp_hdr {
	uint16_t src, dst;
	uint32_t seq, ack;
	uint8_t hdr_len; /* bytes, options included */
	uint8_t flags;	 /* enum tcp_flags */
	uint16_t wnd;
	uint16_t csum;	 /* as on the wire, not swapped */
	uint16_t urg;
};

/* Reads a header from `len` contiguous bytes. 0, or -EINVAL: too short, or a data offset that
 * cannot be. */
int tcp_hdr_read(const uint8_t *bytes, uint32_t len, struct tcp_hdr *ret_hdr);

/* Writes TCP_HDR_LEN bytes; hdr_len counts the options that the caller writes behind them. */
void tcp_hdr_write(uint8_t *bytes, const struct tcp_hdr *hdr);

#endif
