/* SPDX-License-Identifier: BSD-3-Clause */
/* engines.c - see engines.h */
#include "test/support/engines.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stack/bpf/ebpf.h"

#define CODE_BYTES (4u << 20)
#define INSNS_MOST (CBPF_INSNS_EACH * BPF_MAXINSNS + CBPF_INSNS_EXTRA)

static uint32_t places[INSNS_MOST + 1];
static struct bpf_insn translated[INSNS_MOST];

const void *engines_map_code(void *base, uint64_t bytes)
{
	int fd = memfd_create("code", 0);
	void *code;

	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		abort();
	if (mmap(base, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) != base)
		abort();
	code = mmap(NULL, bytes, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	close(fd);
	return code == MAP_FAILED ? NULL : code;
}

static const void *code_memory(uint8_t **ret_write)
{
	static uint8_t *rw;
	static const void *rx;

	if (!rw) {
		rw = mmap(NULL, CODE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			  0);
		if (rw == MAP_FAILED)
			abort();
		rx = engines_map_code(rw, CODE_BYTES);
	}
	*ret_write = rw;
	return rx;
}

uint64_t engines_native(const struct bpf_code *code, struct bpf_view *view, void *ctx)
{
	uint8_t *rw;
	const void *rx = code_memory(&rw);

	if (!jit_possible() || !rx)
		return bpf_interp(code, view, ctx);
	if (code->count >= INSNS_MOST || !jit_compile(code, rw, CODE_BYTES, places))
		abort();
	return ((bpf_native)(uintptr_t)rx)(view, ctx, view->maps);
}

uint64_t engines_run(const struct bpf_code *code, struct bpf_view *view, void *ctx, bool *same)
{
	struct bpf_view copy = *view; /* random numbers move its state on */
	uint64_t slow = bpf_interp(code, &copy, ctx == view ? &copy : ctx);
	uint64_t fast = engines_native(code, view, ctx);

	if (slow != fast) {
		fprintf(stderr, "interpreter %#llx, machine code %#llx\n", (unsigned long long)slow,
			(unsigned long long)fast);
		*same = false;
	}
	return slow;
}

int engines_classic(const struct sock_filter *prog, uint32_t len, struct bpf_code *ret_code)
{
	uint32_t uses;
	int err;

	err = cbpf_check(prog, len);
	if (err)
		return err;
	cbpf_translate(prog, len, translated, places, ret_code);
	if (bpf_check(ret_code->insns, ret_code->count, &uses))
		abort(); /* our own translation */
	ret_code->uses |= uses;
	return 0;
}

int engines_ebpf(const struct bpf_insn *prog, uint32_t len, struct bpf_code *ret_code)
{
	static struct ebpf_code code = { .insns = translated, .work = places };
	struct ebpf_prog from = { .type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = prog,
				  .count = len };

	if (ebpf_translate(&from, &code))
		return -EINVAL;
	*ret_code = (struct bpf_code){ .insns = translated, .count = len, .uses = code.uses,
				       .funcs = code.func, .func_count = code.func_count };
	return 0;
}

struct bpf_view engines_view(const void *data, uint32_t len)
{
	return (struct bpf_view){ .data = data,
				  .head = len,
				  .len = len,
				  .calls = &bpf_calls,
				  .net = BPF_NOWHERE,
				  .link = BPF_NOWHERE,
				  .random = 1 };
}
