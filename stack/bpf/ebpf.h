/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ebpf.h - programs that the kernel's verifier has accepted, as filters of the stack
 *
 * "Load these instructions and maps -> a runnable filter": whoever has a program (a socket option
 * by way of the host's records, an object file of the configuration) describes it as struct
 * ebpf_prog; ebpf_load makes an s7_filter of it, which filter_exec runs and filter_put gives back.
 * The context that a program sees (struct __sk_buff, struct sk_reuseport_md) is laid out as in
 * Linux, so that its loads need no rewriting; only the words that some load could read are filled.
 */
#ifndef S7_EBPF_H
#define S7_EBPF_H

#include "stack/bpf/bpf.h"
#include "stack/bpf/maps.h"

#define EBPF_FUNCS 256u /* of a program */

/*
 * As it was loaded, before the kernel rewrote it. A wide constant that means a map (src_reg
 * BPF_PSEUDO_MAP_FD or _VALUE) has the index in `maps` as its imm. The kernel has verified it.
 */
struct ebpf_prog {
	uint32_t type; /* BPF_PROG_TYPE_SOCKET_FILTER, _SK_REUSEPORT */
	uint32_t count, map_count;
	const struct bpf_insn *insns;
	struct ebpf_map maps[EBPF_MAPS_EACH];
};

/* A translation: maps are still indices. */
struct ebpf_code {
	struct bpf_insn *insns; /* room for prog->count */
	uint32_t *work;		/* prog->count + 1 words */
	uint32_t uses;
	uint64_t fields; /* a bit for each word of the context that may be read */
	uint32_t func_count, func[EBPF_FUNCS];
	uint32_t where; /* instruction that cannot be had */
	bool tails;	/* goes on to others */
};

/* Pure. NULL, or why it cannot run here. insns and work are the caller's. */
const char *ebpf_translate(const struct ebpf_prog *prog, struct ebpf_code *code);

struct s7_filter;

/*
 * A filter without a reference. Instance lock. 0, -EINVAL (cannot run here: asked before by
 * ebpf_translate), -ENOMEM.
 */
int ebpf_load(struct s7_inst *inst, const struct ebpf_prog *prog, struct s7_filter **ret_filter);

/* The same for a program that others go on to (tail.h). */
int ebpf_make(struct s7_inst *inst, const struct ebpf_prog *prog, struct s7_filter **ret_filter);

/* Every map of the program is open in this process. */
bool ebpf_maps_open(struct s7_inst *inst, const struct s7_filter *filter);

/* A run inside of a run: the context and what is in the view for it are there. R0. */
uint64_t ebpf_run(struct bpf_view *view, struct s7_filter *held, void *ctx);

/*
 * Runs it; view->sk is set. Instance lock. R0, of which the lower half counts; view->selected for
 * an SK_REUSEPORT that returned SK_PASS. A packet has no verdict if a map of the program could not
 * be reached in this process, or a program that it went on to cannot run: 0, and for an
 * SK_REUSEPORT view->failed says so.
 */
uint64_t ebpf_exec(struct s7_inst *inst, const struct s7_filter *filter, struct bpf_view *view);

enum ebpf_ask { EBPF_MONOTONIC, EBPF_BOOT, EBPF_COARSE, EBPF_NUMA_NODE };
enum ebpf_change { EBPF_UPDATE, EBPF_DELETE, EBPF_PUSH, EBPF_POP, EBPF_PEEK };

/* What programs want of the process they run in; shim/. All under the instance lock. */
struct s7_bpf_host {
	/*
	 * The program behind a descriptor, held until prog_put. 0, -EINVAL (not ours to run),
	 * -EBADF.
	 */
	int (*prog_get)(int fd, const struct ebpf_prog **ret_prog);
	/* The one of that number, the same way. -EINVAL: not ours to run, or not known here. */
	int (*prog_by_id)(uint32_t id, const struct ebpf_prog **ret_prog);
	void (*prog_put)(const struct ebpf_prog *prog);
	/* Makes env->maps[][slot] right for the slot's map. */
	bool (*map_open)(struct s7_inst *inst, uint32_t slot);
	void (*map_close)(struct s7_inst *inst, uint32_t slot);
	/* Values are copies, until run_end writes back what the program changed in them. */
	void *(*map_lookup)(struct s7_inst *inst, uint32_t slot, const void *key);
	int64_t (*map_change)(struct s7_inst *inst, uint32_t slot, enum ebpf_change what,
			      const void *key, void *value, uint64_t flags);
	/* PROG_ARRAY: the number of the program there; 0 or less: none. */
	int64_t (*map_prog)(struct s7_inst *inst, uint32_t slot, uint32_t index);
	void (*run_end)(struct s7_inst *inst);
	uint64_t (*ask)(enum ebpf_ask what); /* times in ns */
};

#endif
