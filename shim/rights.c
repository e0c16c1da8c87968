/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * rights.c - sockets of the stack are passed over UNIX sockets (SCM_RIGHTS)
 *
 * A socket to which nothing has happened that the kernel would not know of (fresh, bound, or
 * listening with nobody in the queue, on both sides) goes to the kernel wholly, so that whoever
 * gets it and who keeps it have the same one: workers of a cluster, socket activation. A listener
 * on a shared netdev with connections on their way keeps those, and the kernel gets the new ones.
 *
 * A connection of the stack goes to processes of the same arena. What the kernel passes in its
 * place is a *proxy*: a UNIX datagram socket whose abstract name stands in a table in the arena
 * beside the file, of which the table has a reference. Who receives a descriptor with such a name
 * enters the file under it and puts a kernel socket in its place. A proxy exists as long as the
 * message, wherever it waits, and its name with it: when nothing answers to the name any more
 * (received, thrown away, killed), the keeper gives the reference back. A receiver on another
 * arena, or on none, has a socket that is at its end; a line says so, in the receiver. What can go
 * neither way (a listener with connections on lo, packet sockets) arrives as the kernel's half,
 * with a line in the sender.
 * Bound: PASSED_MAX connections under way; beyond, as what cannot go.
 * Context: any thread, no lock held; the table changes under arena->proc_lock.
 */
#include <stdio.h>
#include <sys/un.h>

#include "shim/internal.h"
#include "shim/packet.h"
#include "stack/base/user.h"
#include "stack/tcp/tcp.h"

#define RIGHTS_MAX 253 /* SCM_MAX_FD */
#define CONTROL_MAX 2048 /* of a message with proxies */
#define PASSED_MAX 256
#define NAME_HEAD "sock7-pass-"

/* In the arena. */
struct passed {
	struct s7_file *file; /* NULL: free */
	uint64_t number;      /* in the proxy's name */
};

struct rights_table {
	uint64_t family; /* tells names of one arena from those of another */
	_Atomic uint32_t count;
	struct passed passed[PASSED_MAX];
};

struct proxy_name {
	struct sockaddr_un un;
	socklen_t len;
};

static _Atomic bool told;

static struct rights_table *table(void)
{
	return s7_arena->rights;
}

int rights_boot(void)
{
	s7_arena->rights = arena_take(s7_arena, sizeof(struct rights_table), S7_CACHELINE);
	if (!s7_arena->rights)
		return -ENOMEM;
	secret_random(&table()->family, sizeof(table()->family));
	return 0;
}

/* ---- names ---- */

static void name_make(uint64_t number, struct proxy_name *ret)
{
	int len;

	memset(ret, 0, sizeof(*ret));
	ret->un.sun_family = AF_UNIX;
	len = snprintf(ret->un.sun_path + 1, sizeof(ret->un.sun_path) - 1, NAME_HEAD "%016lx-%lx",
		       (unsigned long)table()->family, (unsigned long)number);
	ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len);
}

/* Whether a received descriptor is a proxy; its number, 0: another arena's. */
static bool name_read(int fd, uint64_t *ret_number)
{
	struct proxy_name name = { .len = sizeof(name.un) - 1 };
	unsigned long family, number;
	const char *text = name.un.sun_path + 1;

	if (s7_sys3(SYS_getsockname, fd, &name.un, &name.len) < 0 ||
	    name.un.sun_family != AF_UNIX || strncmp(text, NAME_HEAD, sizeof(NAME_HEAD) - 1))
		return false;
	if (sscanf(text + sizeof(NAME_HEAD) - 1, "%lx-%lx", &family, &number) != 2)
		return false;
	*ret_number = family == table()->family ? number : 0;
	return true;
}

/* Nothing has the name any more: the message is gone, and so are its copies. */
static bool is_gone(uint64_t number)
{
	long fd = s7_sys3(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), err;
	struct proxy_name name;

	if (fd < 0)
		return false;
	name_make(number, &name);
	err = s7_sys3(SYS_connect, fd, &name.un, name.len);
	s7_sys1(SYS_close, fd);
	return err == -ECONNREFUSED;
}

/* ---- the table ---- */

/* Takes over the caller's reference. The number, 0: full. */
static uint64_t passed_add(struct s7_file *file, uint64_t number)
{
	bool added = false;

	lock_take(&s7_arena->proc_lock);
	for (uint32_t i = 0; i < PASSED_MAX && !added; i++) {
		struct passed *p = &table()->passed[i];

		if (p->file)
			continue;
		p->number = number;
		s7_in_order();
		__atomic_store_n(&p->file, file, __ATOMIC_RELEASE);
		atomic_fetch_add(&table()->count, 1);
		added = true;
	}
	host_unlock(&s7_arena->proc_lock);
	return added ? number : 0;
}

static void passed_drop(uint64_t number)
{
	struct s7_file *file = NULL;

	handlers_off();
	lock_take(&s7_arena->proc_lock);
	for (uint32_t i = 0; i < PASSED_MAX && !file; i++) {
		struct passed *p = &table()->passed[i];

		if (!p->file || p->number != number)
			continue;
		file = p->file;
		__atomic_store_n(&p->file, NULL, __ATOMIC_RELEASE);
		atomic_fetch_sub(&table()->count, 1);
	}
	host_unlock(&s7_arena->proc_lock);
	if (file)
		file_put(file);
	handlers_on();
}

/* A reference of the caller's, NULL: it is not there (any more). */
static struct s7_file *passed_get(uint64_t number)
{
	struct s7_file *file = NULL;

	lock_take(&s7_arena->proc_lock);
	for (uint32_t i = 0; i < PASSED_MAX && !file; i++) {
		struct passed *p = &table()->passed[i];

		if (p->file && p->number == number && file_try_ref(p->file))
			file = p->file;
	}
	host_unlock(&s7_arena->proc_lock);
	return file;
}

void rights_count_held(void)
{
	for (uint32_t i = 0; i < PASSED_MAX; i++) {
		struct s7_file *file = __atomic_load_n(&table()->passed[i].file, __ATOMIC_ACQUIRE);

		if (file)
			file->counted++;
	}
}

void rights_turn(void)
{
	if (!atomic_load(&table()->count))
		return;
	for (uint32_t i = 0; i < PASSED_MAX; i++) {
		uint64_t number = table()->passed[i].number;

		if (table()->passed[i].file && is_gone(number))
			passed_drop(number);
	}
}

/* ---- sending ---- */

static bool may_leave(struct s7_sock *sk)
{
	bool listening = sk->bits & SKB_LISTENING, idle;

	if (!sk->inst->params.kernel_fallback || is_packet(sk) || sock_is_raw(sk))
		return false;
	if (sk->file.side == SIDE_OPEN)
		return true;
	if (sk->file.side != SIDE_DUAL || sock_is_used(sk) || sk->bits & SKB_CONNECTED)
		return false;
	inst_lock(sk->inst, host_now());
	idle = !(sk_ops(sk)->poll(sk) & EPOLLIN);
	idle &= listening ? !tcp_tcb(sk)->request_count : !sk_ops(sk)->inq(sk);
	inst_unlock(sk->inst);
	return idle;
}

/* A proxy for the file, that is at its end for whoever knows nothing of it. -errno */
static int proxy_make(struct s7_file *file)
{
	uint64_t number = atomic_fetch_add(&s7_arena->next_cookie, 1);
	struct proxy_name name;
	long fd, err;

	fd = s7_sys3(SYS_socket, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	name_make(number, &name);
	err = s7_sys3(SYS_bind, fd, &name.un, name.len);
	if (!err)
		err = s7_sys2(SYS_shutdown, fd, SHUT_RDWR);
	if (err == -ENOTCONN) /* nobody is at the other end, but it is shut */
		err = 0;
	if (!err && file_try_ref(file) && !passed_add(file, number)) {
		file_put(file);
		err = -ENFILE;
	}
	if (!err)
		return (int)fd;
	s7_sys1(SYS_close, fd);
	return (int)err;
}

/*
 * A listener in the middle of its work: who is new goes to the kernel's half, which both have; what
 * has begun here is accepted here.
 */
static bool share(struct s7_sock *sk, int fd)
{
	if (!(sk->bits & SKB_LISTENING) || sk->file.side != SIDE_DUAL || !boot_shares())
		return false;
	inst_lock(sk->inst, host_now());
	sk_share_bound(sk);
	inst_unlock(sk->inst);
	kernel_side_status(sk, fd);
	return true;
}

/* What stands for the descriptor in the message: itself, or a proxy. */
static int pass(int fd)
{
	struct s7_sock *sk = fd_hold_sock(fd);
	int instead = fd, proxy;

	if (!sk)
		return fd;
	proxy = !may_leave(sk) && sk->file.side == SIDE_STACK ? proxy_make(&sk->file) : -ENOTSUP;
	if (proxy >= 0) {
		instead = proxy;
	} else if (may_leave(sk)) {
		shim_log(LOG_INFO, "descriptor %d goes to the kernel: it is passed to a process "
				   "(SCM_RIGHTS)", fd);
		kernel_side_hand_over(sk, fd);
	} else if (share(sk, fd)) {
		shim_log(LOG_INFO, "listener %d is passed to a process (SCM_RIGHTS): new "
				   "connections go to the kernel", fd);
	} else if (!atomic_exchange(&told, true)) {
		shim_log(LOG_WARN, "descriptor %d, a socket of the stack, is passed to another "
				   "process (SCM_RIGHTS): it arrives without its connection", fd);
	}
	fd_unhold(&sk->file);
	return instead;
}

/* A message that is sent in place of the program's. */
struct parcel {
	struct msghdr hdr;
	int proxy[RIGHTS_MAX];
	uint32_t proxies;
	union {
		char control[CONTROL_MAX];
		struct cmsghdr align;
	};
};

/* The descriptors of one control message. */
static void pass_all(struct parcel *parcel, char *at, size_t bytes)
{
	int fd, instead;

	for (size_t i = 0; i < RIGHTS_MAX && (i + 1) * sizeof(fd) <= bytes; i++) {
		memcpy(&fd, at + i * sizeof(fd), sizeof(fd));
		instead = pass(fd);
		if (instead == fd)
			continue;
		memcpy(at + i * sizeof(fd), &instead, sizeof(fd));
		if (parcel->proxies < RIGHTS_MAX)
			parcel->proxy[parcel->proxies++] = instead;
	}
}

static void pass_control(struct parcel *parcel)
{
	char *at = parcel->control;
	size_t left = parcel->hdr.msg_controllen, step;
	struct cmsghdr head;

	while (left >= sizeof(head)) {
		memcpy(&head, at, sizeof(head));
		if (head.cmsg_len < sizeof(head) || head.cmsg_len > left)
			return;
		if (head.cmsg_level == SOL_SOCKET && head.cmsg_type == SCM_RIGHTS)
			pass_all(parcel, at + CMSG_LEN(0), head.cmsg_len - CMSG_LEN(0));
		step = s7_min(CMSG_ALIGN(head.cmsg_len), left);
		at += step;
		left -= step;
	}
}

/* The kernel has its own of each by now, or the message was not sent. */
static void parcel_close(void *arg)
{
	const struct parcel *parcel = arg;
	int keep = errno;

	for (uint32_t i = 0; i < parcel->proxies; i++)
		s7_sys1(SYS_close, parcel->proxy[i]);
	errno = keep;
}

ssize_t rights_sendmsg(int fd, const struct msghdr *msg, const struct msghdr *hdr, int flags)
{
	struct parcel parcel;
	ssize_t n;

	if (!s7_fds.limit || hdr->msg_controllen > CONTROL_MAX ||
	    !user_get(parcel.control, hdr->msg_control, hdr->msg_controllen))
		return real.sendmsg(fd, msg, flags);
	parcel.hdr = *hdr;
	parcel.hdr.msg_control = parcel.control;
	parcel.proxies = 0;
	pass_control(&parcel);
	if (!parcel.proxies)
		return real.sendmsg(fd, msg, flags);
	pthread_cleanup_push(parcel_close, &parcel);
	n = real.sendmsg(fd, &parcel.hdr, flags);
	pthread_cleanup_pop(1);
	return n;
}

/* ---- receiving ---- */

static void take(int fd)
{
	struct s7_file *file;
	uint64_t number;

	if (!name_read(fd, &number))
		return;
	handlers_off();
	file = number ? passed_get(number) : NULL;
	if (file) {
		kernel_side_own(file_sock(file), fd);
		fd_install(fd, file);
		if (is_gone(number)) /* this was the last */
			passed_drop(number);
	}
	handlers_on();
	if (!file && !atomic_exchange(&told, true))
		shim_log(LOG_WARN, "descriptor %d was a socket of another program's stack when it "
				   "was passed (SCM_RIGHTS): it is without its connection", fd);
}

void rights_received(const struct msghdr *msg)
{
	int keep = errno, fd;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c;
	     c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = CMSG_LEN(0); at + sizeof(fd) <= c->cmsg_len; at += sizeof(fd)) {
			memcpy(&fd, (char *)c + at, sizeof(fd));
			take(fd);
		}
	}
	errno = keep;
}
