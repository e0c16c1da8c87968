/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * filters.c - random filter programs, ours and the kernel's
 *
 * usage: s7filters CLASSIC MACHINE [SEED]; in a network namespace whose lo is up
 *
 * Classic: each program is attached to a UDP socket of the kernel on lo and judged by cbpf_check:
 * both take it or both refuse it. Then datagrams are sent to it; what arrives, and how long it is,
 * must be what both of our engines say of the same bytes (all headers are known: fixed ports, DF,
 * no checksum). A second socket without filter tells that a datagram has had its chance.
 * Machine: random arithmetic, memory of the stack and functions, loaded and run by the kernel
 * (BPF_PROG_TEST_RUN), and by our engines.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "stack/wire/csum.h"
#include "test/support/bpfgen.h"
#include "test/support/engines.h"

#define INSNS 200
#define HEADERS (BPF_LINK_LEN + 20 + 8)
#define PAYLOAD_MOST 120
#define PACKETS_EACH 3
#define PORT_FROM 7001
#define PORT_TO 7002
#define PORT_PLAIN 7003

static int from, to, plain;
static uint8_t packet[HEADERS + PAYLOAD_MOST];

static void die(const char *what)
{
	printf("not ok - %s: %s\n", what, strerror(errno));
	exit(1);
}

static int udp_at(uint16_t port)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0), discover = IP_PMTUDISC_DO, on = 1;

	if (fd < 0 || bind(fd, (void *)&name, sizeof(name)) ||
	    setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)) ||
	    setsockopt(fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)))
		die("UDP on lo");
	return fd;
}

static void send_to(uint16_t port, const void *data, size_t len)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port),
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	if (sendto(from, data, len, 0, (void *)&name, sizeof(name)) != (ssize_t)len)
		die("sendto");
}

static void be16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* The frame that the kernel makes of a datagram of n bytes. */
static void headers(uint32_t n)
{
	static const uint8_t ip[20] = { 0x45, [6] = 0x40, [8] = 64, IPPROTO_UDP, [12] = 127, 0,
					0,    1,	  127,	    0,		 0,	     1 };
	uint8_t *l3 = packet + BPF_LINK_LEN, *l4 = l3 + 20;
	uint16_t sum;

	memset(packet, 0, HEADERS);
	be16(packet + 12, 0x0800);
	memcpy(l3, ip, sizeof(ip));
	be16(l3 + 2, 28 + n);
	sum = csum_fold(csum_partial(l3, 20, 0));
	memcpy(l3 + 10, &sum, sizeof(sum));
	be16(l4, PORT_FROM);
	be16(l4 + 2, PORT_TO);
	be16(l4 + 4, 8 + n);
}

static struct bpf_view view_of(uint32_t n, uint32_t cpu)
{
	struct bpf_view view = engines_view(packet + HEADERS - 8, n + 8);

	view.net = -20;
	view.link = -20 - BPF_LINK_LEN;
	view.back = 20 + BPF_LINK_LEN;
	view.protocol = 0x0800;
	view.ifindex = 1;
	view.hatype = ARPHRD_LOOPBACK;
	view.cpu = cpu;
	return view;
}

/* Payload bytes that arrive, -1: none. */
static long expected(const struct bpf_code *code, uint32_t n, uint32_t cpu, bool *same)
{
	struct bpf_view view = view_of(n, cpu);
	uint32_t keep = (uint32_t)engines_run(code, &view, &view, same);

	if (!keep)
		return -1;
	return (long)s7_min(s7_max(keep, 8), n + 8) - 8;
}

static long arrived(uint32_t n)
{
	char buf[PAYLOAD_MOST + 1];

	send_to(PORT_TO, packet + HEADERS, n);
	send_to(PORT_PLAIN, "", 0);
	if (recv(plain, buf, sizeof(buf), 0) < 0)
		die("the unfiltered socket");
	return recv(to, buf, sizeof(buf), MSG_DONTWAIT);
}

static void show(const struct sock_filter *prog, uint32_t len)
{
	for (uint32_t pc = 0; pc < len; pc++)
		printf("# %3u: { 0x%02x, %u, %u, 0x%08x }\n", pc, prog[pc].code, prog[pc].jt,
		       prog[pc].jf, prog[pc].k);
}

static bool same_verdicts(struct bpfgen *gen, const struct bpf_code *code, uint32_t cpu)
{
	for (int i = 0; i < PACKETS_EACH; i++) {
		uint32_t n = gen_below(gen, PAYLOAD_MOST + 1);
		bool same = true;
		long want, got;

		headers(n);
		for (uint32_t at = 0; at < n; at++)
			packet[HEADERS + at] = (uint8_t)(gen_below(gen, 3) ? gen_below(gen, 4) :
									     gen_next(gen));
		want = expected(code, n, cpu, &same);
		got = arrived(n);
		if (same && want == got)
			continue;
		printf("# of %u bytes: kernel %ld, ours %ld, engines %s\n", n, got, want,
		       same ? "agree" : "disagree");
		return false;
	}
	return true;
}

static int classic(struct bpfgen *gen, uint32_t count, uint32_t cpu)
{
	uint32_t taken = 0, differ = 0;

	for (uint32_t i = 0; i < count && differ < 10; i++) {
		struct sock_filter prog[INSNS];
		struct sock_fprog fprog = { .filter = prog };
		struct bpf_code code;
		int ours, kernels;

		fprog.len = (unsigned short)gen_classic(gen, prog, 1 + gen_below(gen, INSNS));
		ours = engines_classic(prog, fprog.len, &code);
		kernels = setsockopt(to, SOL_SOCKET, SO_ATTACH_FILTER, &fprog, sizeof(fprog)) ?
				  -errno : 0;
		taken += !kernels;
		if (ours == kernels && (ours || same_verdicts(gen, &code, cpu)))
			continue;
		printf("# program %u of %u: attach: kernel %d, ours %d\n", i, fprog.len, kernels,
		       ours);
		show(prog, fprog.len);
		differ++;
	}
	printf("%s - %u classic programs as on the kernel: %u taken, %u refused, %u datagrams "
	       "each\n",
	       differ ? "not ok" : "ok", count, taken, count - taken, PACKETS_EACH);
	return differ ? 1 : 0;
}

/* ---- the machine ---- */

static long bpf_call(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

static int load(const struct bpf_insn *prog, uint32_t len)
{
	static const char license[] = "BSD";
	union bpf_attr attr = { .prog_type = BPF_PROG_TYPE_SOCKET_FILTER };

	attr.insns = (uintptr_t)prog;
	attr.insn_cnt = len;
	attr.license = (uintptr_t)license;
	return (int)bpf_call(BPF_PROG_LOAD, &attr);
}

static uint32_t kernel_runs(int fd)
{
	static uint8_t data[64];
	union bpf_attr attr = { .test = { .prog_fd = (uint32_t)fd, .data_size_in = sizeof(data) } };

	attr.test.data_in = (uintptr_t)data;
	if (bpf_call(BPF_PROG_TEST_RUN, &attr))
		die("BPF_PROG_TEST_RUN");
	return attr.test.retval;
}

static int machine(struct bpfgen *gen, uint32_t count)
{
	uint32_t differ = 0, refused = 0;

	for (uint32_t i = 0; i < count && differ < 10; i++) {
		struct bpf_insn prog[GEN_MACHINE_INSNS];
		uint32_t count_insns = gen_machine(gen, prog), want, got;
		struct bpf_view view = engines_view("", 0);
		int fd = load(prog, count_insns);
		struct bpf_code code;
		bool same = true;

		if (fd < 0) {
			refused++;
			continue;
		}
		want = kernel_runs(fd);
		close(fd);
		if (engines_ebpf(prog, count_insns, &code))
			die("translation");
		got = (uint32_t)engines_run(&code, &view, NULL, &same);
		if (same && want == got)
			continue;
		printf("# program %u: kernel %#x, ours %#x\n", i, want, got);
		differ++;
	}
	printf("%s - %u programs of the machine give what they give in the kernel\n",
	       differ || refused > count / 10 ? "not ok" : "ok", count - refused);
	return differ || refused > count / 10;
}

int main(int argc, char **argv)
{
	struct bpfgen gen = { argc > 3 ? strtoull(argv[3], NULL, 0) : 1 };
	cpu_set_t one;
	int cpu = sched_getcpu(), bad;

	if (argc < 3)
		return 2;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	if (cpu < 0 || sched_setaffinity(0, sizeof(one), &one))
		die("one CPU");
	from = udp_at(PORT_FROM);
	to = udp_at(PORT_TO);
	plain = udp_at(PORT_PLAIN);
	bad = classic(&gen, (uint32_t)atoi(argv[1]), (uint32_t)cpu);
	bad |= machine(&gen, (uint32_t)atoi(argv[2]));
	return bad;
}
