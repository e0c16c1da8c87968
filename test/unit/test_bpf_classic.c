/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_classic.c - classic programs: what is refused, and what each instruction does, on both
 * engines */
#include <criterion/criterion.h>
#include <errno.h>

#include "test/support/engines.h"

#define LEN(prog) ((uint32_t)S7_ARRAY_LEN(prog))
#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
#define RET_A BPF_STMT(BPF_RET | BPF_A, 0)
#define LD(size, k) BPF_STMT(BPF_LD | BPF_ABS | (size), k)
#define AD(what) LD(BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_##what))

static uint64_t run_view(const struct sock_filter *prog, uint32_t len, struct bpf_view view)
{
	struct bpf_code code;
	bool same = true;
	uint64_t ret;

	cr_assert_eq(engines_classic(prog, len, &code), 0);
	ret = engines_run(&code, &view, &view, &same);
	cr_assert(same);
	return ret;
}

static uint64_t run(const struct sock_filter *prog, uint32_t len, const void *data, uint32_t bytes)
{
	return run_view(prog, len, engines_view(data, bytes));
}

#define RUN(prog, data, bytes) run(prog, LEN(prog), data, bytes)

static const uint8_t digits[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef };

Test(bpf, loads_in_network_order_and_nothing_beyond_the_end)
{
	struct sock_filter word[] = { LD(BPF_W, 1), RET_A }, half[] = { LD(BPF_H, 6), RET_A },
			   byte[] = { LD(BPF_B, 7), RET_A }, beyond[] = { LD(BPF_H, 7), RET(9) },
			   far[] = { LD(BPF_W, 0x7ffffffc), RET(9) };

	cr_expect_eq(RUN(word, digits, 8), 0x23456789);
	cr_expect_eq(RUN(half, digits, 8), 0xcdef);
	cr_expect_eq(RUN(byte, digits, 8), 0xef);
	cr_expect_eq(RUN(beyond, digits, 8), 0);
	cr_expect_eq(RUN(far, digits, 8), 0);
	cr_expect_eq(RUN(byte, digits, 7), 0);
}

Test(bpf, indirect_loads_count_modulo_32_bits)
{
	struct sock_filter plain[] = { BPF_STMT(BPF_LDX | BPF_IMM, 2),
				       BPF_STMT(BPF_LD | BPF_IND | BPF_H, 3), RET_A };
	struct sock_filter wraps[] = { BPF_STMT(BPF_LDX | BPF_IMM, 0xffffffff),
				       BPF_STMT(BPF_LD | BPF_IND | BPF_B, 3), RET_A };
	struct sock_filter beyond[] = { BPF_STMT(BPF_LDX | BPF_IMM, 5),
					BPF_STMT(BPF_LD | BPF_IND | BPF_W, 0), RET(7) };

	cr_expect_eq(RUN(plain, digits, 8), 0xabcd);
	cr_expect_eq(RUN(wraps, digits, 8), 0x45);
	cr_expect_eq(RUN(beyond, digits, 8), 0);
}

Test(bpf, the_header_length_idiom)
{
	struct sock_filter prog[] = { BPF_STMT(BPF_LD | BPF_IMM, 77),
				      BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 2),
				      BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), RET_A };
	struct sock_filter beyond[] = { BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 8), RET(1) };

	cr_expect_eq(RUN(prog, digits, 8), 77 + 5 * 4);
	cr_expect_eq(RUN(beyond, digits, 8), 0);
}

static uint64_t alu(uint16_t op, uint32_t a, uint32_t b, bool by_x)
{
	struct sock_filter prog[] = { BPF_STMT(BPF_LDX | BPF_IMM, b), BPF_STMT(BPF_LD | BPF_IMM, a),
				      BPF_STMT(BPF_ALU | op | (by_x ? BPF_X : BPF_K), by_x ? 0 : b),
				      RET_A };

	return RUN(prog, digits, 8);
}

Test(bpf, arithmetic_is_32_bits_wide)
{
	static const uint32_t values[] = { 0, 1, 2, 7, 31, 0x7fffffff, 0x80000000, 0xdeadbeef,
					   0xffffffff };

	for (uint32_t i = 0; i < S7_ARRAY_LEN(values); i++) {
		for (uint32_t k = 0; k < S7_ARRAY_LEN(values) * 2; k++) {
			uint32_t a = values[i], b = values[k / 2];
			bool x = k & 1;

			cr_expect_eq(alu(BPF_ADD, a, b, x), (uint32_t)(a + b));
			cr_expect_eq(alu(BPF_SUB, a, b, x), (uint32_t)(a - b));
			cr_expect_eq(alu(BPF_MUL, a, b, x), (uint32_t)(a * b));
			cr_expect_eq(alu(BPF_OR, a, b, x), (a | b));
			cr_expect_eq(alu(BPF_AND, a, b, x), (a & b));
			cr_expect_eq(alu(BPF_XOR, a, b, x), (a ^ b));
			if (b || x) { /* by 0: the program ends with 0 */
				cr_expect_eq(alu(BPF_DIV, a, b, x), b ? a / b : 0);
				cr_expect_eq(alu(BPF_MOD, a, b, x), b ? a % b : 0);
			}
			if (b < 32 || x) {
				cr_expect_eq(alu(BPF_LSH, a, b, x), a << (b & 31));
				cr_expect_eq(alu(BPF_RSH, a, b, x), a >> (b & 31));
			}
		}
	}
	cr_expect_eq(alu(BPF_NEG, 5, 0, false), (uint32_t)-5);
}

static bool jumps(uint16_t op, uint32_t a, uint32_t b, bool by_x)
{
	struct sock_filter prog[] = { BPF_STMT(BPF_LDX | BPF_IMM, b), BPF_STMT(BPF_LD | BPF_IMM, a),
				      BPF_JUMP(BPF_JMP | op | (by_x ? BPF_X : BPF_K), by_x ? 0 : b,
					       1, 0),
				      RET(0), RET(1) };
	struct sock_filter other[] = { prog[0], prog[1], prog[2], RET(0), RET(1) };
	struct sock_filter both[] = { prog[0], prog[1], prog[2], RET(5), RET(0), RET(1) };
	uint64_t ret = RUN(prog, digits, 8);

	other[2].jt = 0, other[2].jf = 1;
	cr_expect_eq(RUN(other, digits, 8), !ret);
	both[2].jt = 2, both[2].jf = 1;
	cr_expect_eq(RUN(both, digits, 8), ret);
	return ret;
}

Test(bpf, comparisons_are_unsigned)
{
	static const uint32_t values[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };

	for (uint32_t i = 0; i < 25 * 2; i++) {
		uint32_t a = values[i / 2 / 5], b = values[i / 2 % 5];

		cr_expect_eq(jumps(BPF_JEQ, a, b, i & 1), a == b);
		cr_expect_eq(jumps(BPF_JGT, a, b, i & 1), a > b);
		cr_expect_eq(jumps(BPF_JGE, a, b, i & 1), a >= b);
		cr_expect_eq(jumps(BPF_JSET, a, b, i & 1), !!(a & b));
	}
}

Test(bpf, memory_words_keep_both_registers)
{
	struct sock_filter prog[] = {
		BPF_STMT(BPF_LD | BPF_IMM, 3), BPF_STMT(BPF_ST, 0), BPF_STMT(BPF_LDX | BPF_IMM, 4),
		BPF_STMT(BPF_STX, 15), BPF_STMT(BPF_LD | BPF_MEM, 15),
		BPF_STMT(BPF_LDX | BPF_MEM, 0), BPF_STMT(BPF_ALU | BPF_LSH | BPF_X, 0),
		BPF_STMT(BPF_MISC | BPF_TAX, 0), BPF_STMT(BPF_LD | BPF_W | BPF_LEN, 0),
		BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_STMT(BPF_MISC | BPF_TXA, 0),
		BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0), BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
		RET_A,
	};

	cr_expect_eq(RUN(prog, digits, 8), (4 << 3) - 8);
}

Test(bpf, registers_begin_as_zero)
{
	struct sock_filter a[] = { RET_A };
	struct sock_filter x[] = { BPF_STMT(BPF_MISC | BPF_TXA, 0), RET_A };
	struct sock_filter jump[] = { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1), RET(1),
				      RET(2) };

	cr_expect_eq(RUN(a, digits, 8), 0);
	cr_expect_eq(RUN(x, digits, 8), 0);
	cr_expect_eq(RUN(jump, digits, 8), 1);
}

Test(bpf, a_packet_may_be_in_pieces)
{
	struct s7_pkt third = { .data = (uint8_t *)digits + 5, .len = 3 };
	struct s7_pkt second = { .data = (uint8_t *)digits + 3, .len = 2, .frag = &third };
	struct bpf_view view = engines_view(digits, 3);
	struct sock_filter word[] = { LD(BPF_W, 2), RET_A }, last[] = { LD(BPF_B, 7), RET_A };
	struct sock_filter keeps[] = { BPF_STMT(BPF_LDX | BPF_IMM, 9), LD(BPF_H, 4),
				       BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), RET_A };
	struct sock_filter beyond[] = { LD(BPF_H, 7), RET(1) };

	view.len = 8;
	view.chain = &second;
	cr_expect_eq(run_view(word, 2, view), 0x456789ab);
	cr_expect_eq(run_view(last, 2, view), 0xef);
	cr_expect_eq(run_view(keeps, 4, view), 0x89ab + 9);
	cr_expect_eq(run_view(beyond, 2, view), 0);
}

Test(bpf, headers_before_the_data)
{
	struct sock_filter net[] = { LD(BPF_H, (uint32_t)SKF_NET_OFF), RET_A };
	struct sock_filter through[] = { LD(BPF_W, (uint32_t)SKF_NET_OFF + 1), RET_A };
	struct sock_filter link[] = { LD(BPF_H, (uint32_t)SKF_LL_OFF + 12), RET_A };
	struct sock_filter nowhere[] = { LD(BPF_B, (uint32_t)SKF_LL_OFF - 1), RET(1) };
	struct sock_filter msh[] = { BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, (uint32_t)SKF_NET_OFF),
				     BPF_STMT(BPF_MISC | BPF_TXA, 0), RET_A };
	struct bpf_view view = engines_view(digits + 3, 5);

	cr_expect_eq(run_view(net, 2, view), 0);
	view.net = -3;
	view.back = 3;
	cr_expect_eq(run_view(net, 2, view), 0x0123);
	cr_expect_eq(run_view(through, 2, view), 0x23456789);
	cr_expect_eq(run_view(link, 2, view), 0);
	cr_expect_eq(run_view(nowhere, 2, view), 0);
	cr_expect_eq(run_view(msh, 3, view), 4);
	view.link = view.net - BPF_LINK_LEN; /* as on lo: it has none, and shows an empty one */
	cr_expect_eq(run_view(link, 2, view), 0x0800);
}

Test(bpf, ancillary_values)
{
	static const uint32_t ads[] = { SKF_AD_PROTOCOL, SKF_AD_PKTTYPE, SKF_AD_IFINDEX,
					SKF_AD_HATYPE,	 SKF_AD_MARK,	 SKF_AD_QUEUE,
					SKF_AD_RXHASH,	 SKF_AD_CPU,	 SKF_AD_VLAN_TAG,
					SKF_AD_VLAN_TAG_PRESENT, SKF_AD_VLAN_TPID };
	struct bpf_view view = engines_view(digits, 8);
	uint32_t *values[] = { &view.protocol, &view.pkt_type, &view.ifindex, &view.hatype,
			       &view.mark, &view.queue, &view.rxhash, &view.cpu, &view.vlan_tag,
			       &view.vlan_present, &view.vlan_tpid };
	struct sock_filter xors[] = { BPF_STMT(BPF_LD | BPF_IMM, 6), BPF_STMT(BPF_LDX | BPF_IMM, 5),
				     AD(ALU_XOR_X), RET_A };

	for (uint32_t i = 0; i < S7_ARRAY_LEN(ads); i++) {
		struct sock_filter prog[] = { LD(BPF_B, (uint32_t)SKF_AD_OFF + ads[i]), RET_A };

		*values[i] = 0x1000 + i;
		cr_expect_eq(run_view(prog, 2, view), 0x1000 + i);
	}
	cr_expect_eq(run_view(xors, 4, view), 3);
}

Test(bpf, calls_keep_x)
{
	static const uint8_t ip_udp[] = { 0x46, 0, 0, 36, 0, 0, 0, 0, 64, 17, [24] = 1, 2, 3, 4,
					  [35] = 9 };
	struct sock_filter poff[] = { BPF_STMT(BPF_LDX | BPF_IMM, 100), AD(PAY_OFFSET),
				      BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), RET_A };
	struct sock_filter random[] = { AD(RANDOM), BPF_STMT(BPF_MISC | BPF_TAX, 0), AD(RANDOM),
					BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1), RET(1),
					RET(2) };
	struct bpf_view view = engines_view(ip_udp, sizeof(ip_udp));

	view.net = 0;
	cr_expect_eq(run_view(poff, 4, view), 24 + 8 + 100);
	cr_expect_eq(run_view(random, 6, view), 2);
}

Test(bpf, netlink_attributes)
{
	/* type 1, four bytes; type 2, nested: type 3, one byte; then a broken one */
	static const uint8_t nla[] = { 8, 0, 1, 0, 9, 9, 9, 9, 12, 0, 2, 0x80, 5,
				       0, 3, 0, 7, 0, 0, 0, 2, 0, 0, 0 };
	struct sock_filter prog[] = { BPF_STMT(BPF_LD | BPF_IMM, 0), BPF_STMT(BPF_LDX | BPF_IMM, 2),
				      AD(NLATTR), BPF_STMT(BPF_LDX | BPF_IMM, 3), AD(NLATTR_NEST),
				      RET_A };
	struct sock_filter none[] = { BPF_STMT(BPF_LD | BPF_IMM, 0), BPF_STMT(BPF_LDX | BPF_IMM, 5),
				      AD(NLATTR), RET_A };

	cr_expect_eq(RUN(prog, nla, sizeof(nla)), 12);
	cr_expect_eq(RUN(none, nla, sizeof(nla)), 0);
	cr_expect_eq(RUN(prog, nla, 3), 0);
}

static int judge(struct sock_filter insn)
{
	struct sock_filter prog[] = { insn, RET(0) };

	return cbpf_check(prog, 2);
}

Test(bpf, what_linux_refuses_is_refused)
{
	struct sock_filter none[1] = { RET(0) };
	struct sock_filter no_return[] = { BPF_STMT(BPF_LD | BPF_IMM, 1) };
	struct sock_filter unwritten[] = { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
					   BPF_STMT(BPF_ST, 2), BPF_STMT(BPF_LD | BPF_MEM, 2),
					   RET_A };
	struct sock_filter written[] = { BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
					 BPF_STMT(BPF_ST, 2), BPF_STMT(BPF_ST, 2),
					 BPF_STMT(BPF_LD | BPF_MEM, 2), RET_A };

	cr_expect_eq(cbpf_check(none, 0), -EINVAL);
	cr_expect_eq(cbpf_check(none, 1), 0);
	cr_expect_eq(cbpf_check(none, BPF_MAXINSNS + 1), -EINVAL);
	cr_expect_eq(cbpf_check(no_return, 1), -EINVAL);
	cr_expect_eq(cbpf_check(unwritten, 4), -EINVAL);
	cr_expect_eq(cbpf_check(written, 5), 0);
	cr_expect_eq(judge((struct sock_filter)BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 0)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_STMT(BPF_ST, 16)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 0xffffffff)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ, 0, 1, 0)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ, 0, 0, 1)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)LD(BPF_W, (uint32_t)SKF_AD_OFF + 3)), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)LD(BPF_W, (uint32_t)SKF_AD_OFF + SKF_AD_MAX)),
		     -EINVAL);
	cr_expect_eq(judge((struct sock_filter)LD(BPF_W, (uint32_t)SKF_AD_OFF - 1)), 0);
	cr_expect_eq(judge((struct sock_filter){ .code = 0x100 }), -EINVAL);
	cr_expect_eq(judge((struct sock_filter)BPF_STMT(BPF_RET | BPF_X, 0)), -EINVAL);
}

Test(bpf, the_longest_program)
{
	static struct sock_filter prog[BPF_MAXINSNS];

	for (uint32_t i = 0; i < BPF_MAXINSNS; i++)
		prog[i] = (struct sock_filter)AD(NLATTR); /* the longest translation */
	prog[BPF_MAXINSNS - 1] = (struct sock_filter)RET(3);
	cr_expect_eq(RUN(prog, digits, 8), 3);
	prog[0] = (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, BPF_MAXINSNS - 2);
	cr_expect_eq(RUN(prog, digits, 8), 3);
}
