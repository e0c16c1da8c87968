/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * silencer_prog.c - the BPF program that makes the kernel deaf for what sock7 owns
 *
 * Idea: the program is written by a small assembler with forward labels, because map descriptors
 * are part of the text and no compiler is there at run time. Forward jumps only, so it ends by
 * construction and the kernel's verifier has nothing to guess. Headers are read with
 * bpf_skb_load_bytes, which also reaches frames whose headers lie in fragments, and which fails
 * (so the frame passes) instead of reading beyond a short one.
 *
 * What it decides, in this order:
 *   frame for another station (PACKET_OTHERHOST: bridge, macvlan)    pass
 *   neither IPv4 nor IPv6 under at most two VLAN tags, malformed     pass
 *   neither TCP nor UDP                                              pass
 *   fragment other than the first (dies silently without its first)  pass
 *   (proto, dst, port) owned                                         drop (*)
 *   (proto, any, port) owned, VLAN id not 0 (another netdev's)       pass
 *   (proto, any, port) owned, the kernel would forward it elsewhere  pass
 *   (proto, any, port) owned                                         drop (*)
 *   (*) of what is owned as SILENCER_REST: a SYN, a segment of a connection that the kernel has
 *                                                                    pass
 * "Drop" is the kernel's share only: packet sockets have seen the frame already. A drop is
 * TC_ACT_SHOT (= TCX_DROP), a pass TC_ACT_UNSPEC (= TCX_NEXT), so that programs behind this one go
 * on.
 *
 * Registers: r6 context, r7 offset of the next header, r8 protocol, r9 word 2 of the address (its
 * family).
 * Context: pure; called by silencer.c and tests.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>

#include "kern/silencer_prog.h"

#define IP6_EXT_HEADERS_MAX 4
#define VLAN_TAGS_MAX 2
#define FIXUPS_MAX 128

/* Stack frame, relative to r10. */
enum frame {
	FRAME_SHARE = -4,	/* u32: enum silencer_share of what was found */
	FRAME_VLAN = -8,	/* u32: VLAN id, any byte order, 0 = none */
	FRAME_KEY = -32,	/* struct silencer_key */
	FRAME_BUF = -72,	/* 40 bytes: header being read; later the wildcard key */
	FRAME_SLOT = FRAME_BUF, /* u32: index into the drop counter */
	FRAME_FIB = -136,	/* struct bpf_fib_lookup; later struct bpf_sock_tuple */
	FRAME_SRC = -152,	/* the source address, IPv4 in the first word */
};

static_assert(sizeof(struct bpf_fib_lookup) == 64, "bpf_fib_lookup changed its size");

enum label { L_IP4, L_IP6, L_L4, L_MATCH, L_DROP, L_PASS, L_LOCAL, L_COUNT = 96 };

struct fixup {
	uint32_t at;
	uint32_t label;
};

struct assembler {
	struct silencer_prog *prog;
	uint32_t count; /* may exceed SILENCER_INSNS_MAX: nothing is stored then */
	uint32_t fixup_count;
	uint32_t next_label;
	uint32_t label_at[L_COUNT];
	struct fixup fixup[FIXUPS_MAX];
};

static void emit(struct assembler *as, uint8_t code, uint8_t dst, uint8_t src, int16_t off,
		 int32_t imm)
{
	if (as->count < SILENCER_INSNS_MAX)
		as->prog->insn[as->count] = (struct bpf_insn){
			.code = code, .dst_reg = dst, .src_reg = src, .off = off, .imm = imm
		};
	as->count++;
}

static uint32_t new_label(struct assembler *as)
{
	return as->next_label++;
}

static void place(struct assembler *as, uint32_t label)
{
	if (label < L_COUNT)
		as->label_at[label] = as->count;
}

static void fix_later(struct assembler *as, uint32_t label)
{
	if (as->fixup_count < FIXUPS_MAX)
		as->fixup[as->fixup_count] = (struct fixup){ .at = as->count, .label = label };
	as->fixup_count++;
}

static void move(struct assembler *as, uint8_t dst, uint8_t src)
{
	emit(as, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

/* 32-bit move: the upper half becomes zero. */
static void set(struct assembler *as, uint8_t dst, uint32_t value)
{
	emit(as, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, (int32_t)value);
}

static void alu(struct assembler *as, uint8_t op, uint8_t dst, int32_t imm)
{
	emit(as, BPF_ALU64 | op | BPF_K, dst, 0, 0, imm);
}

static void load(struct assembler *as, uint8_t size, uint8_t dst, uint8_t base, int off)
{
	emit(as, BPF_LDX | BPF_MEM | size, dst, base, (int16_t)off, 0);
}

static void store(struct assembler *as, uint8_t size, int frame_off, uint8_t src)
{
	emit(as, BPF_STX | BPF_MEM | size, BPF_REG_10, src, (int16_t)frame_off, 0);
}

static void store_imm(struct assembler *as, uint8_t size, int frame_off, int32_t imm)
{
	emit(as, BPF_ST | BPF_MEM | size, BPF_REG_10, 0, (int16_t)frame_off, imm);
}

/* Compares 32 bits, unsigned or signed as `op` says. */
static void jump_if(struct assembler *as, uint8_t op, uint8_t reg, uint32_t imm, uint32_t label)
{
	fix_later(as, label);
	emit(as, BPF_JMP32 | op | BPF_K, reg, 0, 0, (int32_t)imm);
}

static void jump(struct assembler *as, uint32_t label)
{
	fix_later(as, label);
	emit(as, BPF_JMP | BPF_JA, 0, 0, 0, 0);
}

static void call(struct assembler *as, int helper)
{
	emit(as, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/*
 * Two instructions: a map (BPF_PSEUDO_MAP_FD) or the address of its first value
 * (BPF_PSEUDO_MAP_VALUE).
 */
static void set_map(struct assembler *as, uint8_t dst, uint8_t pseudo, int fd)
{
	emit(as, BPF_LD | BPF_DW | BPF_IMM, dst, pseudo, 0, fd);
	emit(as, 0, 0, 0, 0, 0);
}

static void set_frame_addr(struct assembler *as, uint8_t dst, int frame_off)
{
	move(as, dst, BPF_REG_10);
	alu(as, BPF_ADD, dst, frame_off);
}

/* `bytes` of the frame at r7 into FRAME_BUF; passes the frame if it is shorter. */
static void read_header(struct assembler *as, uint32_t bytes)
{
	move(as, BPF_REG_1, BPF_REG_6);
	move(as, BPF_REG_2, BPF_REG_7);
	set_frame_addr(as, BPF_REG_3, FRAME_BUF);
	set(as, BPF_REG_4, bytes);
	call(as, BPF_FUNC_skb_load_bytes);
	jump_if(as, BPF_JNE, BPF_REG_0, 0, L_PASS);
}

/*
 * Ethernet, or what the kernel says where there is no link header; the tag the kernel took off
 * already, up to two tags in the frame. Leaves r7 at the IP header.
 */
static void build_link(struct assembler *as, bool bare)
{
	uint32_t untagged = new_label(as), network = new_label(as);

	move(as, BPF_REG_6, BPF_REG_1);
	load(as, BPF_W, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, pkt_type));
	jump_if(as, BPF_JEQ, BPF_REG_1, PACKET_OTHERHOST, L_PASS);

	store_imm(as, BPF_W, FRAME_VLAN, 0);
	load(as, BPF_W, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, vlan_present));
	jump_if(as, BPF_JEQ, BPF_REG_1, 0, untagged);
	load(as, BPF_W, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, vlan_tci));
	alu(as, BPF_AND, BPF_REG_1, 0xfff);
	store(as, BPF_W, FRAME_VLAN, BPF_REG_1);
	place(as, untagged);

	set(as, BPF_REG_7, 0);
	if (bare) {
		load(as, BPF_W, BPF_REG_8, BPF_REG_6, offsetof(struct __sk_buff, protocol));
	} else {
		read_header(as, ETH_HLEN);
		set(as, BPF_REG_7, ETH_HLEN);
		load(as, BPF_H, BPF_REG_8, BPF_REG_10, FRAME_BUF + 12);
	}
	for (int i = 0; i < VLAN_TAGS_MAX; i++) {
		uint32_t tag = new_label(as);

		jump_if(as, BPF_JEQ, BPF_REG_8, htons(ETH_P_8021Q), tag);
		jump_if(as, BPF_JNE, BPF_REG_8, htons(ETH_P_8021AD), network);
		place(as, tag);
		read_header(as, 4);
		alu(as, BPF_ADD, BPF_REG_7, 4);
		load(as, BPF_H, BPF_REG_8, BPF_REG_10, FRAME_BUF + 2);
		load(as, BPF_H, BPF_REG_1, BPF_REG_10, FRAME_BUF);
		alu(as, BPF_AND, BPF_REG_1, htons(0xfff));
		load(as, BPF_W, BPF_REG_2, BPF_REG_10, FRAME_VLAN);
		emit(as, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
		store(as, BPF_W, FRAME_VLAN, BPF_REG_1);
	}
	place(as, network);
	jump_if(as, BPF_JEQ, BPF_REG_8, htons(ETH_P_IP), L_IP4);
	jump_if(as, BPF_JEQ, BPF_REG_8, htons(ETH_P_IPV6), L_IP6);
	jump(as, L_PASS);
}

/* RFC 791: version, header length, total length with room for ports, first fragment. */
static void build_ip4(struct assembler *as)
{
	place(as, L_IP4);
	read_header(as, 20);
	load(as, BPF_B, BPF_REG_1, BPF_REG_10, FRAME_BUF);
	move(as, BPF_REG_2, BPF_REG_1);
	alu(as, BPF_RSH, BPF_REG_2, 4);
	jump_if(as, BPF_JNE, BPF_REG_2, 4, L_PASS);
	alu(as, BPF_AND, BPF_REG_1, 0xf);
	jump_if(as, BPF_JLT, BPF_REG_1, 5, L_PASS);
	alu(as, BPF_LSH, BPF_REG_1, 2);

	load(as, BPF_H, BPF_REG_2, BPF_REG_10, FRAME_BUF + 2);
	emit(as, BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_2, 0, 0, 16);
	emit(as, BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_2, BPF_REG_1, 0, 0);
	jump_if(as, BPF_JSLT, BPF_REG_2, 8, L_PASS);

	load(as, BPF_H, BPF_REG_2, BPF_REG_10, FRAME_BUF + 6);
	jump_if(as, BPF_JSET, BPF_REG_2, htons(0x1fff), L_PASS);

	emit(as, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_7, BPF_REG_1, 0, 0);
	load(as, BPF_B, BPF_REG_8, BPF_REG_10, FRAME_BUF + 9);
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_BUF + 12);
	store(as, BPF_W, FRAME_SRC, BPF_REG_1);
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_BUF + 16);
	set(as, BPF_REG_9, htonl(0xffff));
	store_imm(as, BPF_W, FRAME_KEY, 0);
	store_imm(as, BPF_W, FRAME_KEY + 4, 0);
	store(as, BPF_W, FRAME_KEY + 8, BPF_REG_9);
	store(as, BPF_W, FRAME_KEY + 12, BPF_REG_1);
	jump(as, L_L4);
}

/*
 * One extension header at r7 (RFC 8200 4): hop-by-hop, routing, destination options, fragment. A
 * routing header that has not come to its end leads elsewhere: pass.
 */
static void build_ip6_ext(struct assembler *as)
{
	uint32_t options = new_label(as), fragment = new_label(as), next = new_label(as);
	uint32_t routing = new_label(as);

	jump_if(as, BPF_JEQ, BPF_REG_8, IPPROTO_HOPOPTS, options);
	jump_if(as, BPF_JEQ, BPF_REG_8, IPPROTO_ROUTING, routing);
	jump_if(as, BPF_JEQ, BPF_REG_8, IPPROTO_DSTOPTS, options);
	jump_if(as, BPF_JEQ, BPF_REG_8, IPPROTO_FRAGMENT, fragment);
	jump(as, L_L4);

	place(as, routing);
	read_header(as, 4);
	load(as, BPF_B, BPF_REG_1, BPF_REG_10, FRAME_BUF + 3);
	jump_if(as, BPF_JNE, BPF_REG_1, 0, L_PASS);

	place(as, options);
	read_header(as, 2);
	load(as, BPF_B, BPF_REG_8, BPF_REG_10, FRAME_BUF);
	load(as, BPF_B, BPF_REG_1, BPF_REG_10, FRAME_BUF + 1);
	alu(as, BPF_ADD, BPF_REG_1, 1);
	alu(as, BPF_LSH, BPF_REG_1, 3);
	emit(as, BPF_ALU64 | BPF_ADD | BPF_X, BPF_REG_7, BPF_REG_1, 0, 0);
	jump(as, next);

	place(as, fragment);
	read_header(as, 8);
	load(as, BPF_B, BPF_REG_8, BPF_REG_10, FRAME_BUF);
	load(as, BPF_H, BPF_REG_1, BPF_REG_10, FRAME_BUF + 2);
	jump_if(as, BPF_JSET, BPF_REG_1, htons(0xfff8), L_PASS);
	alu(as, BPF_ADD, BPF_REG_7, 8);
	place(as, next);
}

/*
 * RFC 8200. A v4-mapped destination is not legal on the wire and would be mistaken for IPv4: pass.
 */
static void build_ip6(struct assembler *as)
{
	uint32_t native = new_label(as);

	place(as, L_IP6);
	read_header(as, 40);
	load(as, BPF_B, BPF_REG_1, BPF_REG_10, FRAME_BUF);
	alu(as, BPF_RSH, BPF_REG_1, 4);
	jump_if(as, BPF_JNE, BPF_REG_1, 6, L_PASS);
	load(as, BPF_B, BPF_REG_8, BPF_REG_10, FRAME_BUF + 6);
	for (int i = 0; i < 4; i++) {
		load(as, BPF_W, BPF_REG_5, BPF_REG_10, FRAME_BUF + 8 + 4 * i);
		store(as, BPF_W, FRAME_SRC + 4 * i, BPF_REG_5);
		load(as, BPF_W, (uint8_t)(BPF_REG_1 + i), BPF_REG_10, FRAME_BUF + 24 + 4 * i);
		store(as, BPF_W, FRAME_KEY + 4 * i, (uint8_t)(BPF_REG_1 + i));
	}
	emit(as, BPF_ALU64 | BPF_OR | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
	jump_if(as, BPF_JNE, BPF_REG_1, 0, native);
	jump_if(as, BPF_JEQ, BPF_REG_3, htonl(0xffff), L_PASS);
	place(as, native);
	set(as, BPF_REG_9, 0);
	alu(as, BPF_ADD, BPF_REG_7, 40);
	for (int i = 0; i < IP6_EXT_HEADERS_MAX; i++)
		build_ip6_ext(as);
}

/* r0 = map[key] */
static void build_lookup(struct assembler *as, int map_fd, int key_off)
{
	set_map(as, BPF_REG_1, BPF_PSEUDO_MAP_FD, map_fd);
	set_frame_addr(as, BPF_REG_2, key_off);
	call(as, BPF_FUNC_map_lookup_elem);
}

/* Ports; the exact endpoint, then any address of the family. */
static void build_l4(struct assembler *as, int map_fd)
{
	uint32_t known = new_label(as), wildcard = new_label(as);

	place(as, L_L4);
	jump_if(as, BPF_JEQ, BPF_REG_8, IPPROTO_TCP, known);
	jump_if(as, BPF_JNE, BPF_REG_8, IPPROTO_UDP, L_PASS);
	place(as, known);
	read_header(as, 4);
	load(as, BPF_H, BPF_REG_1, BPF_REG_10, FRAME_BUF + 2);
	store(as, BPF_H, FRAME_KEY + 16, BPF_REG_1);
	store(as, BPF_B, FRAME_KEY + 18, BPF_REG_8);
	store_imm(as, BPF_B, FRAME_KEY + 19, 0);
	build_lookup(as, map_fd, FRAME_KEY);
	fix_later(as, wildcard);
	emit(as, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	load(as, BPF_B, BPF_REG_1, BPF_REG_0, 0);
	store(as, BPF_W, FRAME_SHARE, BPF_REG_1);
	jump(as, L_MATCH);

	place(as, wildcard);
	store_imm(as, BPF_W, FRAME_BUF, 0);
	store_imm(as, BPF_W, FRAME_BUF + 4, 0);
	store(as, BPF_W, FRAME_BUF + 8, BPF_REG_9);
	store_imm(as, BPF_W, FRAME_BUF + 12, 0);
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_KEY + 16);
	store(as, BPF_W, FRAME_BUF + 16, BPF_REG_1);
	build_lookup(as, map_fd, FRAME_BUF);
	fix_later(as, L_PASS);
	emit(as, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	load(as, BPF_B, BPF_REG_1, BPF_REG_0, 0);
	store(as, BPF_W, FRAME_SHARE, BPF_REG_1);
}

/*
 * After a wildcard hit: is it for this host at all? Broadcast and multicast are. For the rest the
 * kernel's own routing answers; NOT_FWDED (local) and FWD_DISABLED (no router) mean yes.
 */
static void build_is_local(struct assembler *as)
{
	uint32_t v6 = new_label(as), ask = new_label(as);

	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_VLAN);
	jump_if(as, BPF_JNE, BPF_REG_1, 0, L_PASS);
	load(as, BPF_W, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, pkt_type));
	jump_if(as, BPF_JNE, BPF_REG_1, PACKET_HOST, L_MATCH);

	for (int i = 0; i < 8; i++)
		store_imm(as, BPF_DW, FRAME_FIB + 8 * i, 0);
	load(as, BPF_W, BPF_REG_1, BPF_REG_6, offsetof(struct __sk_buff, ifindex));
	store(as, BPF_W, FRAME_FIB + (int)offsetof(struct bpf_fib_lookup, ifindex), BPF_REG_1);
	jump_if(as, BPF_JEQ, BPF_REG_9, 0, v6);
	store_imm(as, BPF_B, FRAME_FIB, AF_INET);
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_KEY + 12);
	store(as, BPF_W, FRAME_FIB + (int)offsetof(struct bpf_fib_lookup, ipv4_dst), BPF_REG_1);
	jump(as, ask);
	place(as, v6);
	store_imm(as, BPF_B, FRAME_FIB, AF_INET6);
	for (int i = 0; i < 4; i++) {
		load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_KEY + 4 * i);
		store(as, BPF_W, FRAME_FIB + (int)offsetof(struct bpf_fib_lookup, ipv6_dst) + 4 * i,
		      BPF_REG_1);
	}
	place(as, ask);
	move(as, BPF_REG_1, BPF_REG_6);
	set_frame_addr(as, BPF_REG_2, FRAME_FIB);
	set(as, BPF_REG_3, sizeof(struct bpf_fib_lookup));
	set(as, BPF_REG_4, 0);
	call(as, BPF_FUNC_fib_lookup);
	jump_if(as, BPF_JEQ, BPF_REG_0, BPF_FIB_LKUP_RET_NOT_FWDED, L_MATCH);
	jump_if(as, BPF_JEQ, BPF_REG_0, BPF_FIB_LKUP_RET_FWD_DISABLED, L_MATCH);
	jump_if(as, BPF_JSLT, BPF_REG_0, 0, L_MATCH);
	jump(as, L_PASS);
}

/* struct bpf_sock_tuple at FRAME_FIB: source, destination (from the key), ports. r3: its size. */
static void build_tuple(struct assembler *as)
{
	uint32_t v6 = new_label(as), done = new_label(as);

	jump_if(as, BPF_JEQ, BPF_REG_9, 0, v6);
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_SRC);
	store(as, BPF_W, FRAME_FIB, BPF_REG_1);
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_KEY + 12);
	store(as, BPF_W, FRAME_FIB + 4, BPF_REG_1);
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_BUF);
	store(as, BPF_W, FRAME_FIB + 8, BPF_REG_1);
	set(as, BPF_REG_3, sizeof(((struct bpf_sock_tuple *)0)->ipv4));
	jump(as, done);
	place(as, v6);
	for (int i = 0; i < 4; i++) {
		load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_SRC + 4 * i);
		store(as, BPF_W, FRAME_FIB + 4 * i, BPF_REG_1);
		load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_KEY + 4 * i);
		store(as, BPF_W, FRAME_FIB + 16 + 4 * i, BPF_REG_1);
	}
	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_BUF);
	store(as, BPF_W, FRAME_FIB + 32, BPF_REG_1);
	set(as, BPF_REG_3, sizeof(((struct bpf_sock_tuple *)0)->ipv6));
	place(as, done);
}

/* Of SILENCER_REST: who is new, and what the kernel has a connection for, passes. */
static void build_rest(struct assembler *as)
{
	uint32_t ours = new_label(as);

	load(as, BPF_W, BPF_REG_1, BPF_REG_10, FRAME_SHARE);
	jump_if(as, BPF_JNE, BPF_REG_1, SILENCER_REST, ours);
	jump_if(as, BPF_JNE, BPF_REG_8, IPPROTO_TCP, ours);
	read_header(as, 14);
	load(as, BPF_B, BPF_REG_1, BPF_REG_10, FRAME_BUF + 13);
	alu(as, BPF_AND, BPF_REG_1, 0x12); /* SYN, ACK */
	jump_if(as, BPF_JEQ, BPF_REG_1, 0x02, L_PASS);
	build_tuple(as);
	move(as, BPF_REG_1, BPF_REG_6);
	set_frame_addr(as, BPF_REG_2, FRAME_FIB);
	emit(as, BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, BPF_F_CURRENT_NETNS);
	set(as, BPF_REG_5, 0);
	call(as, BPF_FUNC_skc_lookup_tcp);
	fix_later(as, ours);
	emit(as, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	load(as, BPF_W, BPF_REG_8, BPF_REG_0, offsetof(struct bpf_sock, state));
	move(as, BPF_REG_1, BPF_REG_0);
	call(as, BPF_FUNC_sk_release);
	jump_if(as, BPF_JNE, BPF_REG_8, BPF_TCP_LISTEN, L_PASS);
	place(as, ours);
}

/* The owner lives (clsact only), count, drop. */
static void build_verdict(struct assembler *as, int drops_fd, int beat_fd)
{
	place(as, L_MATCH);
	build_rest(as);
	if (beat_fd >= 0) {
		set_map(as, BPF_REG_1, BPF_PSEUDO_MAP_VALUE, beat_fd);
		load(as, BPF_DW, BPF_REG_7, BPF_REG_1, 0);
		call(as, BPF_FUNC_ktime_get_ns);
		emit(as, BPF_ALU64 | BPF_SUB | BPF_X, BPF_REG_0, BPF_REG_7, 0, 0);
		fix_later(as, L_PASS);
		emit(as, BPF_JMP | BPF_JSGT | BPF_K, BPF_REG_0, 0, 0, (int32_t)SILENCER_STALE_NS);
	}
	store_imm(as, BPF_W, FRAME_SLOT, 0);
	build_lookup(as, drops_fd, FRAME_SLOT);
	fix_later(as, L_DROP);
	emit(as, BPF_JMP | BPF_JEQ | BPF_K, BPF_REG_0, 0, 0, 0);
	load(as, BPF_DW, BPF_REG_1, BPF_REG_0, 0);
	alu(as, BPF_ADD, BPF_REG_1, 1);
	emit(as, BPF_STX | BPF_MEM | BPF_DW, BPF_REG_0, BPF_REG_1, 0, 0);
	place(as, L_DROP);
	set(as, BPF_REG_0, TC_ACT_SHOT);
	emit(as, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
	place(as, L_PASS);
	set(as, BPF_REG_0, (uint32_t)TC_ACT_UNSPEC);
	emit(as, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

int silencer_prog_build(int map_fd, int drops_fd, int beat_fd, bool bare,
			struct silencer_prog *ret_prog)
{
	struct assembler as = { .prog = ret_prog, .next_label = L_LOCAL };

	build_link(&as, bare);
	build_ip4(&as);
	build_ip6(&as);
	build_l4(&as, map_fd);
	build_is_local(&as);
	build_verdict(&as, drops_fd, beat_fd);
	if (as.count > SILENCER_INSNS_MAX || as.fixup_count > FIXUPS_MAX || as.next_label > L_COUNT)
		return -E2BIG;
	for (uint32_t i = 0; i < as.fixup_count; i++) {
		const struct fixup *fix = &as.fixup[i];

		ret_prog->insn[fix->at].off = (int16_t)(as.label_at[fix->label] - fix->at - 1);
	}
	ret_prog->count = as.count;
	return 0;
}
