/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filter.c - nanoseconds a packet of the same filter here and in the kernel
 *
 * usage: filter RUNS; one JSON object a line: program, instructions, ours and kernel (lists, a run
 * each), interp (the engine for other machines). The last line has no program: a call that asks
 * whether the socket has a filter, it has none (ours), and the same call without the question
 * (bare).
 * Ours: filter_run() of a socket, with the view of the packet it makes. Kernel: kernel.h. Runs
 * alternate; CPU time of the thread, so that other work on the machine counts less. The packet is a
 * DNS question in UDP over IPv4 over Ethernet, data at its link header, the same bytes for both,
 * and both must come to the same verdict.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "bench/filter/kernel.h"
#include "stack/bpf/area.h"
#include "stack/bpf/cbpf.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/filter.h"

#define REPEAT 2000000u
#define RUNS_MOST 100
#define ARENA_BYTES (64u << 20)

#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)

static uint8_t packet[S7_PKT_HEADROOM + 128] = {
	[S7_PKT_HEADROOM] = 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00, /* Ethernet */
	0x45, 0, 0, 60, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1, /* IPv4 */
	0x12, 0x34, 0, 53, 0, 40, 0, 0, 0xab, 0xcd, 1, 0, 0, 1, /* UDP, DNS */
};
#define PACKET_LEN 74

static struct sock_filter accept_all[] = { RET(0x40000) };

/* as tcpdump -dd makes it of "udp port 53" */
static struct sock_filter port_53[] = {
	{ 0x28, 0, 0, 12 },	{ 0x15, 0, 6, 0x86dd }, { 0x30, 0, 0, 20 }, { 0x15, 0, 15, 17 },
	{ 0x28, 0, 0, 54 },	{ 0x15, 12, 0, 53 },	{ 0x28, 0, 0, 56 }, { 0x15, 10, 11, 53 },
	{ 0x15, 0, 10, 0x800 }, { 0x30, 0, 0, 23 },	{ 0x15, 0, 8, 17 }, { 0x28, 0, 0, 20 },
	{ 0x45, 6, 0, 0x1fff }, { 0xb1, 0, 0, 14 },	{ 0x48, 0, 0, 14 }, { 0x15, 2, 0, 53 },
	{ 0x48, 0, 0, 16 },	{ 0x15, 0, 1, 53 },	{ 0x06, 0, 0, 0x40000 }, { 0x06, 0, 0, 0 },
};

static struct sock_filter cpu_modulo[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU)),
	BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 1),
	BPF_STMT(BPF_RET | BPF_A, 0),
};

/* Loads, arithmetic and comparisons, every one of them executed. */
static struct sock_filter chain_40[40], chain_400[400];

static void make_chain(struct sock_filter *prog, uint32_t len)
{
	for (uint32_t i = 0; i + 1 < len; i++) {
		switch (i % 4) {
		case 0:
			prog[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, i % 60);
			break;
		case 1:
			prog[i] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0xff0f);
			break;
		case 2:
			prog[i] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, i);
			break;
		default:
			prog[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x12345,
							       0, 0);
			prog[i].jt = (uint8_t)s7_min(len - i - 2, 255);
		}
	}
	prog[len - 1] = (struct sock_filter)RET(0x40000);
}

static const struct program {
	const char *name;
	struct sock_filter *insns;
	uint32_t len;
} programs[] = {
	{ "accept all", accept_all, S7_ARRAY_LEN(accept_all) },
	{ "udp port 53", port_53, S7_ARRAY_LEN(port_53) },
	{ "40 instructions", chain_40, S7_ARRAY_LEN(chain_40) },
	{ "400 instructions", chain_400, S7_ARRAY_LEN(chain_400) },
	{ "cpu modulo n", cpu_modulo, S7_ARRAY_LEN(cpu_modulo) },
};

static void host_random(void *buf, size_t len)
{
	memset(buf, 7, len);
}

/* ---- an array of the kernel's, for a program that counts in it ---- */

#define ENTRIES 16u

static int array;
static struct bpf_map_here here[BPF_SLOTS];

static bool open_array(struct s7_inst *inst, uint32_t slot)
{
	void *values = mmap(NULL, ENTRIES * 8, PROT_READ | PROT_WRITE, MAP_SHARED, array, 0);

	here[slot].id = inst->filters->maps[slot].shape.id;
	here[slot].mem = values;
	return values != MAP_FAILED;
}

static const struct s7_bpf_host bpf_ops = { .map_open = open_array };
static const struct s7_host_ops host = { .random = host_random, .bpf = &bpf_ops };

/* value[0] += 1, keep all; `map`: a descriptor for the kernel, an index for us. */
#define COUNTER(map) { \
	{ .code = BPF_ST | BPF_MEM | BPF_W, .dst_reg = 10, .off = -4 }, \
	{ .code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = 2, .src_reg = 10 }, \
	{ .code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = 2, .imm = -4 }, \
	{ .code = BPF_LD | BPF_IMM | BPF_DW, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, \
	  .imm = map }, \
	{ .imm = 0 }, \
	{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_map_lookup_elem }, \
	{ .code = BPF_JMP | BPF_JEQ | BPF_K, .off = 2 }, \
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = 1 }, \
	{ .code = BPF_STX | BPF_ATOMIC | BPF_DW, .src_reg = 1, .imm = BPF_ADD }, \
	{ .code = BPF_ALU | BPF_MOV | BPF_K, .imm = 0x40000 }, \
	{ .code = BPF_JMP | BPF_EXIT }, \
}

/* As much of an instance as a filter needs. */
static struct s7_sock *socket_make(bool native)
{
	static struct s7_env env = { .host = &host };
	static struct s7_inst inst = { .env = &env };
	static struct s7_sock sk;
	int fd = memfd_create("filters", 0);
	char *base;

	if (fd < 0 || ftruncate(fd, ARENA_BYTES))
		exit(1);
	base = mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED)
		exit(1);
	inst.arena = arena_format(base, ARENA_BYTES);
	inst.rx_cpu = 0;
	if (area_inst_init(&inst))
		exit(1);
	env.maps[0] = here;
	memset(here, 0, sizeof(here));
	env.code[0] = !native ? NULL :
				mmap(NULL, area_bytes(inst.filters), PROT_READ | PROT_EXEC,
				     MAP_SHARED, fd, inst.filters->base - base);
	if (env.code[0] == MAP_FAILED)
		exit(1);
	sk = (struct s7_sock){ .inst = &inst };
	return &sk;
}

static double since(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
	return (double)(to.tv_sec - from->tv_sec) * 1e9 + (double)(to.tv_nsec - from->tv_nsec);
}

static double our_time(struct s7_sock *sk, uint32_t *ret_verdict)
{
	struct s7_pkt pkt = { .data = packet + S7_PKT_HEADROOM, .buf = packet, .len = PACKET_LEN,
			      .total = PACKET_LEN, .iface = 1 };
	struct timespec from;
	uint32_t verdict = 0;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (uint32_t i = 0; i < REPEAT; i++) {
		verdict = filter_run(sk, &pkt, 1);
		__asm__ volatile("" ::: "memory");
	}
	*ret_verdict = verdict;
	return since(&from) / REPEAT;
}

/* ---- no filter ---- */

/* As udp_give and the others ask. */
static S7_NOINLINE uint32_t kept_asked(const struct s7_sock *sk, const struct s7_pkt *pkt)
{
	if (s7_unlikely(sk->filter != NULL))
		return filter_run(sk, pkt, 8);
	return pkt->total + sk->domain;
}

static S7_NOINLINE uint32_t kept_bare(const struct s7_sock *sk, const struct s7_pkt *pkt)
{
	return pkt->total + sk->domain;
}

static double call_time(uint32_t (*kept)(const struct s7_sock *sk, const struct s7_pkt *pkt))
{
	static const struct s7_sock sk;
	struct s7_pkt pkt = { .total = PACKET_LEN };
	struct timespec from;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
	for (uint32_t i = 0; i < REPEAT * 8; i++) {
		kept(&sk, &pkt);
		__asm__ volatile("" ::: "memory");
	}
	return since(&from) / (REPEAT * 8);
}

static void say(const char *name, const double *values, int runs, bool last)
{
	printf("\"%s\": [", name);
	for (int i = 0; i < runs; i++)
		printf("%s%.2f", i ? ", " : "", values[i]);
	printf("]%s", last ? "}\n" : ", ");
}

static void say_all(const char *name, uint32_t len, const double *ours, const double *kernel,
		    const double *slow, int runs)
{
	printf("{\"program\": \"%s\", \"instructions\": %u, ", name, len);
	say("ours", ours, runs, false);
	say("kernel", kernel, runs, false);
	say("interp", slow, runs, true);
}

/* The same instructions on both sides, and one array. */
static void measure_counter(int runs)
{
	double ours[RUNS_MOST] = { 0 }, kernel[RUNS_MOST] = { 0 }, slow[RUNS_MOST] = { 0 };
	struct bpf_insn insns[] = COUNTER(0);
	struct ebpf_prog prog = { .type = BPF_PROG_TYPE_SOCKET_FILTER, .insns = insns,
				  .count = S7_ARRAY_LEN(insns), .map_count = 1 };
	uint32_t verdict, kernel_verdict;
	struct s7_sock *sk;
	int fd;

	array = kernel_array(ENTRIES);
	prog.maps[0] = (struct ebpf_map){ .id = 1, .type = BPF_MAP_TYPE_ARRAY, .key_bytes = 4,
					  .value_bytes = 8, .entries = ENTRIES, .direct = true };
	insns[3].imm = array;
	fd = kernel_load_ebpf(insns, prog.count);
	insns[3].imm = 0;
	if (fd < 0) {
		fprintf(stderr, "eBPF: not loaded: %s\n", strerrordesc_np(-fd));
		exit(1);
	}
	for (int i = 0; i < runs; i++) {
		for (int native = 0; native < 2; native++) {
			sk = socket_make(native);
			if (filter_attach_ebpf(sk, &prog))
				exit(1);
			(native ? ours : slow)[i] = our_time(sk, &verdict);
			munmap(sk->inst->arena, ARENA_BYTES);
		}
		kernel[i] = kernel_time(fd, packet + S7_PKT_HEADROOM, PACKET_LEN, REPEAT,
					&kernel_verdict);
		if (!verdict || verdict > kernel_verdict)
			exit(1);
	}
	close(fd);
	say_all("eBPF, one lookup in an array, counted", prog.count, ours, kernel, slow, runs);
}

static void measure(const struct program *program, int runs)
{
	static struct bpf_insn insns[CBPF_INSNS_EACH * BPF_MAXINSNS + CBPF_INSNS_EXTRA];
	static uint32_t at[BPF_MAXINSNS];
	double ours[RUNS_MOST] = { 0 }, kernel[RUNS_MOST] = { 0 }, slow[RUNS_MOST] = { 0 };
	uint32_t verdict, kernel_verdict;
	struct bpf_code code;
	struct s7_sock *sk;
	int fd;

	cbpf_translate(program->insns, program->len, insns, at, &code);
	fd = kernel_load(&code);
	if (fd < 0) {
		fprintf(stderr, "%s: not loaded: %s\n", program->name, strerrordesc_np(-fd));
		exit(1);
	}
	for (int i = 0; i < runs; i++) {
		for (int native = 0; native < 2; native++) {
			sk = socket_make(native);
			if (filter_attach(sk, program->insns, program->len))
				exit(1);
			(native ? ours : slow)[i] = our_time(sk, &verdict);
			munmap(sk->inst->arena, ARENA_BYTES);
		}
		kernel[i] = kernel_time(fd, packet + S7_PKT_HEADROOM, PACKET_LEN, REPEAT,
					&kernel_verdict);
		if (!!verdict != !!kernel_verdict) {
			fprintf(stderr, "%s: the verdicts differ\n", program->name);
			exit(1);
		}
	}
	close(fd);
	say_all(program->name, program->len, ours, kernel, slow, runs);
}

static void measure_none(int runs)
{
	double asked[RUNS_MOST], bare[RUNS_MOST];

	for (int i = 0; i < runs; i++) {
		asked[i] = call_time(kept_asked);
		bare[i] = call_time(kept_bare);
	}
	printf("{\"program\": null, ");
	say("ours", asked, runs, false);
	say("bare", bare, runs, true);
}

int main(int argc, char **argv)
{
	int runs = argc > 1 ? atoi(argv[1]) : 5;

	if (runs < 1 || runs > RUNS_MOST)
		return 2;
	make_chain(chain_40, S7_ARRAY_LEN(chain_40));
	make_chain(chain_400, S7_ARRAY_LEN(chain_400));
	for (uint32_t i = 0; i < S7_ARRAY_LEN(programs); i++)
		measure(&programs[i], runs);
	measure_counter(runs);
	measure_none(runs);
	return 0;
}
