// SPDX-License-Identifier: BSD-3-Clause
/*
 * ebpf.c - a server that lets libbpf load its programs: ebpf OBJECT IP
 *
 * An echo server on port 5310 behind `keep`; four processes on 5311, steered by by_byte_of_payload,
 * on 5312 by by_hash, on 5313 by by_cpu, who answer with their number. Says the numbers of its
 * maps, what became of `into_ring`, and ready; on a line of input, what its global variables hold.
 */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

#define WORKERS 4
#define PORTS 3

static const char *ip;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int udp(unsigned port, int share)
{
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, ip, &name.sin_addr);
	if (fd < 0 || (share && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &share, sizeof(share))) ||
	    bind(fd, (void *)&name, sizeof(name)))
		die("socket");
	return fd;
}

static int prog_fd(struct bpf_object *obj, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(obj, name));
}

static void say_map(struct bpf_object *obj, const char *name)
{
	struct bpf_map_info info = { 0 };
	__u32 len = sizeof(info);

	if (bpf_obj_get_info_by_fd(bpf_object__find_map_fd_by_name(obj, name), &info, &len))
		die(name);
	printf("map %s %u flags %#x\n", name, info.id, info.map_flags);
}

static void answer(int fd, int number)
{
	struct sockaddr_in who;
	socklen_t len = sizeof(who);
	char buf[256];
	ssize_t n = recvfrom(fd, buf, sizeof(buf) - 4, 0, (void *)&who, &len);

	if (n < 0)
		return;
	if (number >= 0)
		n += sprintf(buf + n, " %d", number);
	sendto(fd, buf, (size_t)n, 0, (void *)&who, len);
}

static void work(int number, const int *fd)
{
	struct pollfd p[PORTS];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0; i < PORTS; i++)
		p[i] = (struct pollfd){ fd[i * WORKERS + number], POLLIN, 0 };
	for (;;) {
		poll(p, PORTS, -1);
		for (int i = 0; i < PORTS; i++)
			if (p[i].revents)
				answer(p[i].fd, number);
	}
}

static void start_workers(struct bpf_object *obj)
{
	static const char *const how[PORTS] = { "by_byte_of_payload", "by_hash", "by_cpu" };
	int map = bpf_object__find_map_fd_by_name(obj, "workers"), fd[PORTS * WORKERS];

	for (int i = 0; i < PORTS * WORKERS; i++) {
		__u32 key = (__u32)i % WORKERS;
		__u64 value;

		fd[i] = udp(5311 + (unsigned)i / WORKERS, 1);
		value = (__u64)fd[i];
		/* the map is of one group */
		if (i < WORKERS && bpf_map_update_elem(map, &key, &value, BPF_ANY))
			die("workers");
	}
	for (int i = 0; i < PORTS; i++) {
		int prog = prog_fd(obj, how[i]);

		if (setsockopt(fd[i * WORKERS], SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &prog,
			       sizeof(prog)))
			die(how[i]);
	}
	for (int i = 0; i < WORKERS; i++)
		if (!fork())
			work(i, fd);
}

int main(int argc, char **argv)
{
	struct bpf_object *obj;
	const __u64 *globals;
	int echo, prog, err;

	setvbuf(stdout, NULL, _IOLBF, 0);
	ip = argc > 2 ? argv[2] : "127.0.0.1";
	obj = argc > 1 ? bpf_object__open(argv[1]) : NULL;
	if (!obj || bpf_object__load(obj))
		die("object");
	say_map(obj, "by_byte");
	say_map(obj, "by_length");
	start_workers(obj);
	echo = udp(5310, 0);
	prog = prog_fd(obj, "keep");
	if (setsockopt(echo, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog)))
		die("keep");
	prog = prog_fd(obj, "into_ring");
	err = setsockopt(echo, SOL_SOCKET, SO_ATTACH_BPF, &prog, sizeof(prog));
	printf("into_ring %s\n", err ? strerrorname_np(errno) : "0");
	globals = mmap(NULL, 4096, PROT_READ, MAP_SHARED,
		       bpf_object__find_map_fd_by_name(obj, ".bss"), 0);
	if (globals == MAP_FAILED)
		die(".bss");
	puts("ready");
	for (;;) {
		struct pollfd p[2] = { { echo, POLLIN, 0 }, { 0, POLLIN, 0 } };
		char line[8];

		poll(p, 2, -1);
		if (p[0].revents)
			answer(echo, -1);
		if (!p[1].revents)
			continue;
		if (read(0, line, sizeof(line)) <= 0)
			return 0;
		printf("seen %llu dropped %llu\n", (unsigned long long)globals[0],
		       (unsigned long long)globals[1]);
	}
}
