/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet.c - packet sockets: which of their two halves serves, the kernel's or the stack's
 *
 * Idea (docs/packet.md): the kernel sees the frames of its interfaces, the stack those of the
 * interfaces that only it has; no frame is seen by both. A socket bound to one interface belongs to
 * who sees that one; a socket of all interfaces is dual: the same descriptor receives in the
 * kernel, and recv and poll look at both queues.
 *    not bound, no protocol      open: nobody receives
 *    all interfaces              dual
 *    an interface of the stack   the stack; the kernel's half is deaf: bound to a protocol that no
 *                                frame has
 *    one that both see (af_xdp)  dual
 *    one of the kernel           the kernel: the socket leaves our tables; with a ring or in a
 *                                fanout group it stays dual, and the stack's half sees nothing
 * A ring of a dual socket is the stack's; packet_feed.c puts the kernel's frames in it.
 * The kernel's half lives as long as the socket and is asked first for every option, so that
 * values, errno and privileges are its own.
 * Context: any thread, no lock held. Called by: calls_conn.c, calls_opt.c, io.c, early.c.
 */
#include "shim/packet.h"
#include "shim/bpf.h"

#include <fcntl.h>

#include "stack/base/sys.h"
#include "stack/base/user.h"
#include "stack/sock/sock.h"

#define PROTO_DEAF 0x01f5 /* below 0x600 there are lengths, not types; nobody has this one */

static long kernel_bind(int fd, int ifindex, uint16_t proto)
{
	struct sockaddr_ll name = { .sll_family = AF_PACKET,
				    .sll_ifindex = ifindex,
				    .sll_protocol = htons(proto) };

	return s7_sys3(SYS_bind, fd, &name, sizeof(name));
}

static long kernel_set(int fd, int level, int name, const void *val, socklen_t len)
{
	return s7_sys6(SYS_setsockopt, fd, level, name, (long)val, len, 0);
}

/* ---- life ---- */

static bool is_ours(int type)
{
	int base = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);

	return (base == SOCK_RAW || base == SOCK_DGRAM) && ifname_any_tapped();
}

/* proto not 0: the kernel's half receives since it was made. */
static int enter(int fd, int type, uint16_t proto)
{
	struct s7_sock *sk;
	int err;

	err = sock_packet_create(boot_inst(), type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC), proto,
				 host_now(), &sk);
	if (err) {
		s7_sys1(SYS_close, fd);
		return err;
	}
	if (type & SOCK_NONBLOCK)
		atomic_store(&sk->file.status, O_NONBLOCK);
	if (proto) {
		sk->file.side = SIDE_DUAL;
		keeper_need();
	}
	fd_install(fd, &sk->file);
	return fd;
}

int packet_socket(int fd, int type, int protocol)
{
	uint16_t proto = ntohs((uint16_t)protocol);
	enum boot_state state = boot_conf();

	if (state == BOOT_KERNEL || !is_ours(type))
		return fd;
	/* one that receives of all interfaces from now on needs the stack now */
	if (state == BOOT_NOT_YET && proto)
		boot_stack();
	else if (state == BOOT_NOT_YET)
		early_note(fd);
	if (!boot_running() || fd_get(fd))
		return fd;
	return enter(fd, type, proto);
}

/* A kernel packet socket that nothing was decided about yet: not bound, no protocol. */
void packet_adopt(int fd, int type, void (*import)(struct s7_sock *sk, int fd))
{
	struct sockaddr_ll name = { 0 };
	socklen_t len = sizeof(name);
	struct s7_sock *sk;
	long flags;

	if (!is_ours(type) || s7_sys3(SYS_getsockname, fd, &name, &len) < 0 || name.sll_ifindex)
		return;
	if (sock_packet_create(boot_inst(), type, ntohs(name.sll_protocol), host_now(), &sk))
		return;
	import(sk, fd);
	flags = s7_sys3(SYS_fcntl, fd, F_GETFL, 0);
	atomic_store(&sk->file.status, (uint32_t)flags & (O_NONBLOCK | O_ASYNC));
	owner_import(sk, fd);
	if (name.sll_protocol)
		sk->file.side = SIDE_DUAL;
	fd_install(fd, &sk->file);
}

bool packet_is_kernels(const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_ll ll;

	if (len < sizeof(ll) || !user_get(&ll, addr, sizeof(ll)))
		return true;
	if (!ll.sll_ifindex || ifname_by_index(ll.sll_ifindex))
		return false;
	if (ll.sll_ifindex == 1)
		return boot_config()->loopback == CONF_LOOPBACK_KERNEL;
	for (uint32_t i = 0; i < boot_config()->iface_count; i++)
		if (boot_config()->iface[i].driver == CONF_DRV_AF_XDP)
			return false; /* perhaps this one: the running stack knows */
	return true;
}

/* ---- bind ---- */

static void side_set(struct s7_sock *sk, int fd, enum s7_side side)
{
	if (sk->file.side == side)
		return;
	sk->file.side = side;
	epoll_side_changed(sk, fd);
}

/* The stack's half alone receives. */
static int bind_stack(struct s7_sock *sk, int fd, uint32_t device, uint16_t proto)
{
	int err = sock_packet_bind(sk, device, proto, false, host_now());

	if (err)
		return err;
	if (sk->file.side == SIDE_DUAL)
		kernel_bind(fd, 0, PROTO_DEAF);
	side_set(sk, fd, SIDE_STACK);
	return 0;
}

/* What the kernel's half is bound by: 0 would leave it what it has. */
static uint16_t kernel_proto(const struct s7_sock *sk, uint16_t proto)
{
	return proto || sk->file.side == SIDE_OPEN ? proto : PROTO_DEAF;
}

static int bind_both(struct s7_sock *sk, int fd, uint32_t device, int ifindex, uint16_t proto)
{
	long err = kernel_bind(fd, ifindex, kernel_proto(sk, proto));

	if (!err)
		err = sock_packet_bind(sk, device, proto, false, host_now());
	if (!err && (proto || sk->file.side != SIDE_OPEN))
		side_set(sk, fd, SIDE_DUAL);
	return (int)err;
}

static int bind_kernel(struct s7_sock *sk, int fd, int ifindex, uint16_t proto)
{
	long err = kernel_bind(fd, ifindex, kernel_proto(sk, proto));

	if (err)
		return (int)err;
	if (!sock_packet_is_fixed(sk)) {
		kernel_side_hand_over(sk, fd);
		return 0;
	}
	err = sock_packet_bind(sk, 0, proto, true, host_now());
	side_set(sk, fd, SIDE_DUAL);
	return (int)err;
}

int packet_bind_sock(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len)
{
	struct s7_inst *inst = sk->inst;
	struct sockaddr_ll ll;
	uint32_t device;
	uint16_t proto;
	int err;

	if (len < sizeof(ll) || !user_get(&ll, addr, sizeof(ll)) || ll.sll_family != AF_PACKET)
		return (int)s7_sys3(SYS_bind, fd, addr, len); /* the kernel has the errno */
	proto = ll.sll_protocol ? ntohs(ll.sll_protocol) : sock_packet_proto(sk);
	device = ll.sll_ifindex ? sock_device_of(inst, (uint32_t)ll.sll_ifindex) : 0;
	if (!ll.sll_ifindex || sock_packet_shares(inst, device))
		err = bind_both(sk, fd, device, ll.sll_ifindex, proto);
	else if (device != SOCK_DEVICE_KERNEL && sock_packet_serves(inst, device))
		err = bind_stack(sk, fd, device, proto);
	else
		err = bind_kernel(sk, fd, ll.sll_ifindex, proto);
	if (!err)
		keeper_need();
	return err || sk->file.side == SIDE_KERNEL ? err : packet_feed_update(sk, fd);
}

int packet_getname(struct s7_sock *sk, struct sockaddr *addr, socklen_t *len)
{
	struct sockaddr_ll name;
	socklen_t room, full;

	if (!user_get(&room, len, sizeof(room)))
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	sock_packet_name(sk, &name);
	full = offsetof(struct sockaddr_ll, sll_addr) + name.sll_halen;
	if (!user_put(addr, &name, s7_min(room, full)) || !user_put(len, &full, sizeof(full)))
		return -EFAULT;
	return 0;
}

/* ---- options ---- */

/*
 * What a ring fixes, and what the stack's half has not: in the kernel's half it would do nothing.
 */
static const struct special {
	int level, name;
	enum { BEFORE_RING = 1, NOT_HERE_IF_SET } how;
} specials[] = {
	{ SOL_PACKET, PACKET_VERSION, BEFORE_RING },
	{ SOL_PACKET, PACKET_RESERVE, BEFORE_RING },
	{ SOL_PACKET, PACKET_LOSS, BEFORE_RING },
	{ SOL_PACKET, PACKET_VNET_HDR, NOT_HERE_IF_SET },
	{ SOL_PACKET, 24 /* PACKET_VNET_HDR_SZ */, NOT_HERE_IF_SET },
};

static const struct special *special_of(int level, int name)
{
	for (size_t i = 0; i < S7_ARRAY_LEN(specials); i++)
		if (specials[i].level == level && specials[i].name == name)
			return &specials[i];
	return NULL;
}

/* What a fresh socket of the kernel says to it. */
static int fresh_says(const struct s7_sock *sk, int level, int name, const void *val, socklen_t len)
{
	long fd = s7_sys3(SYS_socket, AF_PACKET, sk->type | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return 0;
	err = kernel_set((int)fd, level, name, val, len);
	s7_sys1(SYS_close, fd);
	return (int)err;
}

static bool is_on(const void *val, socklen_t len)
{
	uint32_t num = 0;

	return len >= sizeof(num) && user_get(&num, val, sizeof(num)) && num;
}

/* 0: go on; -errno. */
static int special_check(const struct s7_sock *sk, int fd, const struct special *special,
			 const void *val, socklen_t len)
{
	int err;

	if (special->how == BEFORE_RING && !sock_packet_has_ring(sk))
		return 0;
	if (special->how == NOT_HERE_IF_SET && !is_on(val, len))
		return 0;
	err = fresh_says(sk, special->level, special->name, val, len);
	if (err)
		return err;
	if (special->how == BEFORE_RING)
		return -EBUSY;
	shim_log(LOG_WARN, "descriptor %d: option %d of level %d is not to be had on a packet "
		 "socket of the stack", fd, special->name, special->level);
	return -ENOPROTOOPT;
}

static int set_own(struct s7_sock *sk, int fd, int level, int name, const void *val, socklen_t len)
{
	int err;

	err = sock_setsockopt(sk, level, name, val, len, host_now());
	if (!err && name == PACKET_RX_RING)
		return packet_feed_update(sk, fd);
	if (err == OPT_ASK_KERNEL)
		return (int)kernel_set(fd, level, name, val, len);
	if (err == -EINVAL && name == PACKET_FANOUT_DATA && len == sizeof(int))
		bpf_prog_judge(val, len, fd); /* a line, if it is the program */
	/* both halves of a dual one share with others */
	if (!err && (name == PACKET_FANOUT || name == PACKET_FANOUT_DATA) &&
	    sk->file.side == SIDE_DUAL)
		return (int)kernel_set(fd, level, name, val, len);
	return err;
}

int packet_setsockopt(struct s7_sock *sk, int fd, int level, int name, const void *val,
		      socklen_t len)
{
	const struct special *special = special_of(level, name);
	int err = 0;

	if (sock_option_is_own(sk, level, name))
		return set_own(sk, fd, level, name, val, len);
	if (special)
		err = special_check(sk, fd, special, val, len);
	else if (bpf_is_attach(level, name) && bpf_prog_judge(val, len, -1)) {
		err = fresh_says(sk, level, name, val, len);
		return err ? err : bpf_prog_judge(val, len, fd);
	}
	if (!err)
		err = (int)kernel_set(fd, level, name, val, len);
	if (err)
		return err;
	err = sock_setsockopt(sk, level, name, val, len, host_now());
	if (s7_unlikely(sk->bits & SKB_FED) && (name == PACKET_AUXDATA || level == SOL_SOCKET))
		packet_feed_options(sk, fd);
	return err == OPT_ASK_KERNEL ? 0 : err;
}

/* The kernel's half of a dual socket counts for itself. */
static void take_kernel_counts(struct s7_sock *sk, int fd)
{
	struct tpacket_stats_v3 stats = { 0 };
	socklen_t len = sizeof(stats);

	if (s7_sys6(SYS_getsockopt, fd, SOL_PACKET, PACKET_STATISTICS, (long)&stats, (long)&len, 0))
		return;
	/* what it fed to the ring was counted there */
	sock_packet_count(sk, sk->bits & SKB_FED ? 0 : stats.tp_packets - stats.tp_drops,
			  stats.tp_drops, host_now());
}

int packet_getsockopt(struct s7_sock *sk, int fd, int level, int name, void *val, socklen_t *len)
{
	if (!sock_option_is_answered(sk, level, name))
		return (int)s7_sys6(SYS_getsockopt, fd, level, name, (long)val, (long)len, 0);
	if (level == SOL_PACKET && name == PACKET_STATISTICS && sk->file.side == SIDE_DUAL)
		take_kernel_counts(sk, fd);
	return sock_getsockopt(sk, level, name, val, len, host_now());
}
