/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf.h - the filter machine: programs in the eBPF instruction set, a packet, two engines
 *
 * A program is an array of struct bpf_insn. Classic programs are translated to it (cbpf.h). Two
 * engines run it with the same results: bpf_interp() anywhere, and machine code that jit.h makes.
 * Neither checks memory accesses: a program is our own translation of a checked classic one, or one
 * that the kernel's verifier has accepted. bpf_check() makes sure of the rest (opcodes, registers,
 * jumps), so that an engine never leaves the program. What differs from the kernel's machine:
 * LD_ABS and LD_IND take the packet from the view and change R0 alone, the number of a CALL is an
 * index into struct bpf_calls, and a map is the number of its slot (maps.h): both tables are the
 * caller's own, so machine code holds no address and is right in every process that has it mapped.
 * Pure: no state, no lock. The view is the caller's, on its stack.
 */
#ifndef S7_BPF_H
#define S7_BPF_H

#include <linux/bpf.h>
#include <linux/filter.h>

#include "stack/core/pkt.h"

#ifndef BPF_MEMSX
#define BPF_MEMSX 0x80 /* load with sign, Linux 6.6 */
#endif

#define BPF_STACK_BYTES 512
#define BPF_INSNS_MAX (1u << 20)
#define BPF_DEPTH 8 /* frames of functions that call each other */
#define BPF_NOWHERE INT32_MIN /* a header that the packet has not */
#define BPF_LINK_LEN 14	      /* of every link here; lo has none and shows an empty one, as Linux */

struct bpf_view;
struct bpf_map_here;
struct bpf_map_slot;
struct s7_bind;
struct s7_filter;
struct s7_inst;
struct s7_sock;

/* R1..R5, and the packet of the run. */
typedef uint64_t (*bpf_helper)(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
			       struct bpf_view *view);

/* Numbers that CALL has in a program of ours. */
enum bpf_call {
	CALL_RANDOM,
	CALL_PAY_OFFSET, /* (view) */
	CALL_NLATTR,	 /* (view, A, X) */
	CALL_NLATTR_NEST,
	/* the kernel's helpers, helpers.c; off of LOOKUP: slot + 1 of an array, if it is known */
	CALL_MAP_LOOKUP,
	CALL_MAP_UPDATE,
	CALL_MAP_DELETE,
	CALL_MAP_PUSH,
	CALL_MAP_POP,
	CALL_MAP_PEEK,
	CALL_KTIME,
	CALL_KTIME_BOOT,
	CALL_KTIME_COARSE,
	CALL_PRANDOM,
	CALL_CPU,
	CALL_NUMA_NODE,
	CALL_PRINTK,
	CALL_LOAD_BYTES,
	CALL_LOAD_BYTES_RELATIVE,
	CALL_SOCKET_COOKIE,
	CALL_SOCKET_UID,
	CALL_SELECT_REUSEPORT,
	CALL_STRNCMP,
	CALL_TAIL,	  /* tail.h; not 0: the function ends with view->tail_ret */
	CALL_TAIL_INSIDE, /* the same from a function that is not the main one */
	CALL_COUNT
};

/* What machine code calls. One a process image, constant. */
struct bpf_calls {
	/* size bytes at offset, big endian, or negative: not there */
	int64_t (*load)(const struct bpf_view *view, int32_t offset, uint32_t size);
	bpf_helper helper[CALL_COUNT];
};

extern const struct bpf_calls bpf_calls;

/*
 * A packet as a program sees it. `data` is where offset 0 is; `head` bytes from there lie together,
 * the rest is in the buffers of `chain`. `back` bytes before data are the packet's too: headers
 * that were taken off, found by SKF_NET_OFF and SKF_LL_OFF.
 */
struct bpf_view {
	const uint8_t *data;
	uint32_t head, len;
	const struct bpf_calls *calls;
	const struct s7_pkt *chain; /* behind the head; NULL: head is all */
	int32_t net, link;	    /* where headers begin, from data, or BPF_NOWHERE */
	uint32_t back;
	/* SKF_AD_*; filled only for programs that ask (BPF_USES_META) */
	uint32_t protocol; /* EtherType, host order */
	uint32_t pkt_type, ifindex, hatype, mark, queue, rxhash, cpu;
	uint32_t vlan_tag, vlan_present, vlan_tpid;
	uint64_t random; /* state; each use moves it on */
	uint32_t priority;
	/* of eBPF programs (ebpf.h) */
	bool copied;	    /* values of maps were copied for this run: to be written back */
	uint32_t flow_hash; /* SK_REUSEPORT */
	const struct bpf_map_here *maps; /* this process's, by slot */
	struct s7_inst *inst;
	const struct s7_sock *sk; /* whose packet it is, or would be */
	struct s7_bind *selected; /* SK_REUSEPORT: the member that the program named */
	/* tail calls: what runs next, what a function that made one returns, how many there were */
	struct s7_filter *tail;
	uint64_t tail_ret;
	uint32_t tails, depth;
	bool failed; /* no verdict */
};

enum bpf_uses {
	BPF_USES_PACKET = 1 << 0, /* LD_ABS, LD_IND */
	BPF_USES_META = 1 << 1,	  /* fields of the view behind `back`: its maker says so */
	BPF_USES_CALL = 1 << 2,
	BPF_USES_STACK = 1 << 3,
	BPF_WRITES_R1 = 1 << 4, /* so that the view is not to be found there */
	BPF_OWN_CTX = 1 << 5,	/* R1 begins as something else than the view: its maker says so */
	BPF_USES_MAPS = 1 << 6, /* values of a map by address */
	BPF_USES_HELP = 1 << 7, /* helpers that no engine has in line: the whole view */
	BPF_USES_AD = 1 << 16,	/* from here a bit for each ancillary value: BPF_AD() */
};

/* Is SKF_AD_<which> read? */
#define BPF_AD(which) ((uint32_t)BPF_USES_AD << (SKF_AD_##which) / 4)

struct bpf_code {
	const struct bpf_insn *insns;
	uint32_t count;
	uint32_t uses; /* enum bpf_uses, by bpf_check */
	/* where functions begin that the program calls, in order; NULL: none */
	const uint32_t *funcs;
	uint32_t func_count;
	const struct bpf_map_slot *maps; /* all of the instance */
};

/*
 * Opcodes, registers, jumps into the program, no way out of its end. Fills `uses` but for what only
 * the maker of a program knows. 0, -EINVAL.
 */
int bpf_check(const struct bpf_insn *insns, uint32_t count, uint32_t *ret_uses);

/* Runs a checked program with R1 = ctx. Returns R0. */
uint64_t bpf_interp(const struct bpf_code *code, struct bpf_view *view, void *ctx);

/* bpf_calls.load: offset as classic programs count, SKF_NET_OFF and SKF_LL_OFF included. */
int64_t bpf_load(const struct bpf_view *view, int32_t offset, uint32_t size);

static inline uint32_t bpf_size_bytes(uint8_t code)
{
	static const uint8_t bytes[] = { 4, 2, 1, 8 }; /* W H B DW */

	return bytes[BPF_SIZE(code) >> 3];
}

#endif
