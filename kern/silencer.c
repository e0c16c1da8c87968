/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * silencer.c - keeps the kernel from answering for what sock7 owns on a netdev
 *
 * Idea: a hash map of owned endpoints and a program at TC ingress that drops what matches
 * (silencer_prog.c). Packet sockets, and with them the af_packet port, see a frame before TC
 * ingress does, so only the kernel's own stack goes deaf.
 * Lifetime: as a TCX link (kernel 6.6) the attachment is a descriptor; it ends with the last
 * process that holds one, however that died. Without TCX: a clsact filter with a heartbeat
 * (silencer_tc.c). Which of both is found by trying.
 * Invariant: from silencer_open() on the map is the only state; own and disown are one system call,
 * atomic against frames in flight and against other processes that inherited the descriptors.
 * Context: no lock needed. Called by: shim/ (boot, bind, connect, close, keeper).
 */
#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "kern/bpf_sys.h"
#include "kern/kern.h"
#include "kern/silencer_prog.h"
#include "kern/silencer_tc.h"
#include "stack/base/sys.h"

#define OWNED_MAX 65536
#define CPUS_MAX 8192 /* NR_CPUS of the largest kernels */

static s7_time clock_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (s7_time)ts.tv_sec * S7_SEC + (s7_time)ts.tv_nsec;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		s7_sys1(SYS_close, *fd);
	*fd = -1;
}

static void close_all(struct kern_silencer *s)
{
	close_fd(&s->link_fd);
	close_fd(&s->prog_fd);
	close_fd(&s->beat_fd);
	close_fd(&s->drops_fd);
	close_fd(&s->map_fd);
}

/* One line for people; returns err. */
static int fail(int err, const char *what, char *ret_why, size_t why_len)
{
	const char *hint = "";

	if (err == -EPERM || err == -EACCES)
		hint = "; needs root or CAP_BPF and CAP_NET_ADMIN, before kernel 5.11 also "
		       "ulimit -l unlimited";
	else if (err == -ENOSYS || err == -EINVAL || err == -EOPNOTSUPP)
		hint = "; the kernel is too old or built without it (needs BPF_SYSCALL and "
		       "NET_CLS_BPF or TCX)";
	snprintf(ret_why, why_len, "%s: %s%s", what, strerrordesc_np(-err), hint);
	return err;
}

static int create_maps(struct kern_silencer *s, bool beat)
{
	static const struct bpf_map_shape owned = { "sock7_owned", BPF_MAP_TYPE_HASH,
						    sizeof(struct silencer_key), 1, OWNED_MAX,
						    BPF_F_NO_PREALLOC };
	static const struct bpf_map_shape drops = { "sock7_drops", BPF_MAP_TYPE_PERCPU_ARRAY,
						    sizeof(uint32_t), sizeof(uint64_t), 1, 0 };
	static const struct bpf_map_shape beats = { SILENCER_BEAT_NAME, BPF_MAP_TYPE_ARRAY,
						    sizeof(uint32_t), sizeof(s7_time), 1, 0 };

	s->map_fd = bpf_map_make(&owned);
	if (s->map_fd < 0)
		return s->map_fd;
	s->drops_fd = bpf_map_make(&drops);
	if (s->drops_fd < 0)
		return s->drops_fd;
	if (!beat)
		return 0;
	s->beat_fd = bpf_map_make(&beats);
	return s->beat_fd < 0 ? s->beat_fd : 0;
}

/* Do its frames begin at the IP header? The port says elsewhere which links it takes. */
static bool is_bare(int ifindex)
{
	long fd = s7_sys3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_ifindex = ifindex };
	bool bare = false;

	if (fd < 0)
		return false;
	if (!s7_sys3(SYS_ioctl, fd, SIOCGIFNAME, &ifr) &&
	    !s7_sys3(SYS_ioctl, fd, SIOCGIFHWADDR, &ifr))
		bare = ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER &&
		       ifr.ifr_hwaddr.sa_family != ARPHRD_LOOPBACK;
	s7_sys1(SYS_close, fd);
	return bare;
}

static int load_program(struct kern_silencer *s)
{
	struct silencer_prog prog;
	int err;

	err = silencer_prog_build(s->map_fd, s->drops_fd, s->beat_fd, is_bare(s->ifindex), &prog);
	if (err)
		return err;
	s->prog_fd = bpf_prog_make(SILENCER_PROG_NAME, prog.insn, prog.count, NULL, 0);
	return s->prog_fd < 0 ? s->prog_fd : 0;
}

static int attach(enum silencer_way way, struct kern_silencer *s)
{
	if (way == SILENCER_TCX) {
		s->link_fd = bpf_tcx_attach(s->prog_fd, s->ifindex);
		return s->link_fd < 0 ? s->link_fd : 0;
	}
	silencer_beat(s);
	(void)silencer_tc_reap(s->ifindex, clock_now());
	return silencer_tc_attach(s->ifindex, s->prog_fd, &s->handle);
}

int silencer_open_by(enum silencer_way way, int ifindex, struct kern_silencer *ret_s, char *ret_why,
		     size_t why_len)
{
	struct kern_silencer s = { .map_fd = -1,
				   .prog_fd = -1,
				   .link_fd = -1,
				   .beat_fd = -1,
				   .drops_fd = -1,
				   .ifindex = ifindex,
				   .clsact = way == SILENCER_CLSACT };
	const char *what = "creating BPF maps";
	int err;

	err = create_maps(&s, s.clsact);
	if (!err) {
		what = "loading the BPF program that silences the kernel";
		err = load_program(&s);
	}
	if (!err) {
		what = s.clsact ? "attaching a BPF filter to clsact ingress"
				: "attaching a BPF program to TCX ingress";
		err = attach(way, &s);
	}
	if (err) {
		close_all(&s);
		return fail(err, what, ret_why, why_len);
	}
	*ret_s = s;
	return 0;
}

int silencer_open(int ifindex, struct kern_silencer *ret_s, char *ret_why, size_t why_len)
{
	int err;

	err = silencer_open_by(SILENCER_TCX, ifindex, ret_s, ret_why, why_len);
	/* What a kernel says that does not know the attach type, or was built without it. */
	if (err == -EINVAL || err == -EOPNOTSUPP || err == -ENOSYS)
		err = silencer_open_by(SILENCER_CLSACT, ifindex, ret_s, ret_why, why_len);
	return err;
}

static struct silencer_key make_key(uint8_t proto, const struct s7_ip *ip, uint16_t port)
{
	struct silencer_key key = { .port = htons(port), .proto = proto };

	memcpy(key.ip, ip->b, sizeof(key.ip));
	return key;
}

static int own(const struct kern_silencer *s, uint8_t proto, const struct s7_ip *ip, uint16_t port,
	       uint8_t share)
{
	struct silencer_key key = make_key(proto, ip, port);

	return bpf_map_put(s->map_fd, &key, &share);
}

int silencer_own(const struct kern_silencer *s, uint8_t proto, const struct s7_ip *ip,
		 uint16_t port)
{
	return own(s, proto, ip, port, SILENCER_ALL);
}

int silencer_own_rest(const struct kern_silencer *s, uint8_t proto, const struct s7_ip *ip,
		      uint16_t port)
{
	return own(s, proto, ip, port, SILENCER_REST);
}

int silencer_disown(const struct kern_silencer *s, uint8_t proto, const struct s7_ip *ip,
		    uint16_t port)
{
	struct silencer_key key = make_key(proto, ip, port);
	int err;

	err = bpf_map_take(s->map_fd, &key);
	return err == -ENOENT ? 0 : err;
}

void silencer_beat(const struct kern_silencer *s)
{
	uint32_t slot = 0;
	s7_time now;

	if (s->beat_fd < 0)
		return;
	now = clock_now();
	(void)bpf_map_put(s->beat_fd, &slot, &now);
}

/* The kernel writes one number for each possible CPU and does not say how many. */
int silencer_drops(const struct kern_silencer *s, uint64_t *ret_drops)
{
	uint64_t *per_cpu, sum = 0;
	uint32_t slot = 0;
	int err;

	per_cpu = calloc(CPUS_MAX, sizeof(*per_cpu));
	if (!per_cpu)
		return -ENOMEM;
	err = bpf_map_read(s->drops_fd, &slot, per_cpu);
	for (size_t i = 0; i < CPUS_MAX; i++)
		sum += per_cpu[i];
	free(per_cpu);
	if (!err)
		*ret_drops = sum;
	return err;
}

void silencer_close(struct kern_silencer *s)
{
	if (s->clsact)
		(void)silencer_tc_detach(s->ifindex, s->handle);
	close_all(s);
}
