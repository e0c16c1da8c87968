/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ip4.c - the options of an IPv4 header
 *
 * Total: every turn of the walk consumes at least one byte and nothing reads past hdr_len. The
 * options themselves are not acted upon (RFC 1122 3.2.1.8 lets a host ignore all but source
 * routes). Context: none, pure. Called by: stack/ip/ip4_in.c.
 */
#include "stack/wire/ip4.h"

enum ip4_option { OPT_END = 0, OPT_NOP = 1, OPT_LSRR = 131, OPT_SSRR = 137 };

bool ip4_options_ok(const uint8_t *p, uint32_t hdr_len, bool *ret_source_route)
{
	uint32_t at = IP4_LEN;
	bool routed = false;

	while (at < hdr_len && p[at] != OPT_END) {
		if (p[at] == OPT_NOP) {
			at++;
			continue;
		}
		if (hdr_len - at < 2 || p[at + 1] < 2 || p[at + 1] > hdr_len - at)
			return false;
		routed |= p[at] == OPT_LSRR || p[at] == OPT_SSRR;
		at += p[at + 1];
	}
	*ret_source_route = routed;
	return true;
}
