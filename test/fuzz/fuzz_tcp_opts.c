/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_tcp_opts.c - the parser of TCP headers and options; what it accepts is written and read back
 * alike */
#include <stdlib.h>

#include "stack/wire/tcp_hdr.h"
#include "stack/wire/tcp_opts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t out[TCP_OPTS_MAX + 96];
	struct tcp_opts o, again;
	struct tcp_hdr h;
	uint32_t len;

	if (!tcp_hdr_read(data, (uint32_t)size, &h) &&
	    (h.hdr_len < TCP_HDR_LEN || h.hdr_len > size))
		abort();
	if (size < 1)
		return 0;
	len = (uint32_t)s7_min(size - 1, TCP_OPTS_MAX);
	if (tcp_opts_read(data + 1, len, data[0] & 1, &o))
		return 0;
	if (o.sack_count > TCP_SACKS_MAX)
		abort();
	len = tcp_opts_len(&o);
	if (len > sizeof(out))
		abort();
	if (tcp_opts_write(out, &o) != len || len % 4)
		abort();
	if (len > TCP_OPTS_MAX)
		return 0;
	if (tcp_opts_read(out, len, data[0] & 1, &again) || again.bits != o.bits ||
	    again.sack_count != o.sack_count)
		abort();
	if (o.bits & TCPO_FASTOPEN && (again.cookie.len != o.cookie.len ||
				       memcmp(again.cookie.bytes, o.cookie.bytes, o.cookie.len)))
		abort();
	return 0;
}
