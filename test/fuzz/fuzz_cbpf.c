/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_cbpf.c - any bytes as a classic program and a packet: check, translation, both engines */
#include <stdlib.h>

#include "test/support/engines.h"
#include "test/support/fuzz.h"

#define INSNS 512

static void split(struct bpf_view *view, struct s7_pkt *rest, const uint8_t *data, uint32_t len,
		  uint32_t how)
{
	uint32_t before = how & 15 & (len > 15 ? 15 : 0), head = (len - before) / (1 + (how >> 7));

	*view = engines_view(data + before, head);
	view->len = len - before;
	view->back = before;
	view->net = -(int32_t)before;
	view->link = view->net - BPF_LINK_LEN;
	rest->data = (uint8_t *)(uintptr_t)data + before + head;
	rest->len = view->len - head;
	rest->frag = NULL;
	view->chain = rest->len ? rest : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct sock_filter prog[INSNS];
	uint8_t packet[256];
	uint32_t how = fuzz_byte(&in), n, len;
	struct bpf_view view;
	struct bpf_code code;
	struct s7_pkt rest;
	bool same = true;

	len = fuzz_blob(&in, packet, sizeof(packet));
	n = (uint32_t)s7_min(in.left / sizeof(prog[0]), INSNS);
	memcpy(prog, in.p, n * sizeof(prog[0]));
	if (engines_classic(prog, n, &code))
		return 0;
	split(&view, &rest, packet, len, how);
	engines_run(&code, &view, &view, &same);
	if (!same)
		abort();
	return 0;
}
