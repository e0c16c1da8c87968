/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * owner.c - who owns a socket of the stack: F_SETOWN and kin, F_SETSIG, O_ASYNC
 *
 * Idea: the kernel judges. A socket that has a kernel socket of its own behind it passes every call
 * on to that (which also serves the kernel's half of a dual socket) and writes down what it said;
 * for an accepted connection, behind which stands a placeholder that others share, a fresh kernel
 * socket is asked and thrown away. What an owner is, and that a dead one reads back as nobody, is
 * told by giving the fresh socket the record and asking it.
 * Context: any thread, no lock held. Callers: calls_opt.c, early.c.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shim/internal.h"
#include "stack/base/user.h"

#ifndef F_GETOWNER_UIDS
#define F_GETOWNER_UIDS 17
#endif

static_assert((int)OWNER_TID == F_OWNER_TID && (int)OWNER_PID == F_OWNER_PID &&
		      (int)OWNER_PGRP == F_OWNER_PGRP,
	      "the kernel's words");

/* The kernel socket behind is this socket's alone. */
static bool own_kernel(const struct s7_sock *sk)
{
	return !sock_was_accepted(sk) || sk->file.side == SIDE_OPEN;
}

/* What the socket's record says; all zero without one. */
static struct s7_owner record_read(struct s7_sock *sk)
{
	struct s7_owner copy = { .pid = 0 };

	inst_lock(sk->inst, host_now());
	if (sk->owner)
		copy = *sk->owner;
	inst_unlock(sk->inst);
	return copy;
}

/* Writes down what a kernel socket knows. `uids`: of the caller, who set the owner just now. */
static int record_write(struct s7_sock *sk, int kernel, bool uids)
{
	struct f_owner_ex who = { .pid = 0 };
	struct s7_owner *owner;
	long sig;

	if (s7_sys3(SYS_fcntl, kernel, F_GETOWN_EX, &who) < 0)
		who.pid = 0;
	sig = s7_sys3(SYS_fcntl, kernel, F_GETSIG, 0);
	inst_lock(sk->inst, host_now());
	owner = owner_get(sk);
	if (owner) {
		owner->pid = who.pid;
		owner->type = (uint8_t)who.type;
		owner->sig = (uint8_t)(sig > 0 ? sig : 0);
		if (uids) {
			owner->uid = getuid();
			owner->euid = geteuid();
		}
	}
	inst_unlock(sk->inst);
	keeper_need();
	return owner ? 0 : -ENOMEM;
}

/* A kernel socket that knows what the record says, for an accepted connection; -errno. */
static int stand_in(struct s7_sock *sk)
{
	struct s7_owner owner = record_read(sk);
	struct f_owner_ex who = { .type = owner.type, .pid = owner.pid };
	long fd = s7_sys3(SYS_socket, sk->domain, sk->type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return (int)fd;
	if (owner.pid || owner.type) /* what kind it was is told of nobody too */
		s7_sys3(SYS_fcntl, fd, F_SETOWN_EX, &who); /* a dead one stays nobody */
	s7_sys3(SYS_fcntl, fd, F_SETSIG, owner.sig);
	return (int)fd;
}

/* The kernel socket to ask; stand_down when it has answered. */
static int kernel_of(struct s7_sock *sk, int fd)
{
	return own_kernel(sk) ? fd : stand_in(sk);
}

static void stand_down(int kernel, int fd)
{
	if (kernel != fd)
		s7_sys1(SYS_close, kernel);
}

/* The uids of who set the owner: the stand-in's are the caller's, the record's are right. */
static long uids_read(struct s7_sock *sk, int fd, void *arg)
{
	struct s7_owner owner = record_read(sk);
	uid_t uids[2] = { owner.uid, owner.euid };

	if (own_kernel(sk))
		return s7_sys3(SYS_fcntl, fd, F_GETOWNER_UIDS, arg);
	return user_put(arg, uids, sizeof(uids)) ? 0 : -EFAULT;
}

enum about { ABOUT_GET = 1, ABOUT_SET, ABOUT_SETOWN };

static enum about fcntl_about(int cmd)
{
	switch (cmd) {
	case F_GETOWN:
	case F_GETOWN_EX:
	case F_GETSIG:
		return ABOUT_GET;
	case F_SETSIG:
		return ABOUT_SET;
	case F_SETOWN:
	case F_SETOWN_EX:
		return ABOUT_SETOWN;
	default:
		return 0;
	}
}

int owner_fcntl(struct s7_sock *sk, int fd, int cmd, void *arg, int *ret_value)
{
	enum about about = fcntl_about(cmd);
	int kernel, n, err = 0;

	if (cmd == F_GETOWNER_UIDS) {
		*ret_value = 0;
		return (int)uids_read(sk, fd, arg);
	}
	if (!about)
		return OWNER_NOT_ASKED;
	kernel = kernel_of(sk, fd);
	if (kernel < 0)
		return kernel;
	n = real.fcntl(kernel, cmd, arg); /* knows a group from an error in F_GETOWN's answer */
	if (n == -1)
		err = -errno;
	else if (about != ABOUT_GET)
		err = record_write(sk, kernel, about == ABOUT_SETOWN);
	stand_down(kernel, fd);
	if (!err)
		*ret_value = n;
	return err;
}

int owner_ioctl(struct s7_sock *sk, int fd, unsigned long request, void *arg)
{
	bool set = request == FIOSETOWN || request == SIOCSPGRP;
	int kernel, err;

	if (!set && request != FIOGETOWN && request != SIOCGPGRP)
		return OWNER_NOT_ASKED;
	kernel = kernel_of(sk, fd);
	if (kernel < 0)
		return kernel;
	err = (int)s7_sys3(SYS_ioctl, kernel, request, arg);
	if (!err && set)
		err = record_write(sk, kernel, true);
	stand_down(kernel, fd);
	return err;
}

int owner_async(struct s7_sock *sk, int fd, bool on)
{
	struct s7_owner *owner;

	inst_lock(sk->inst, host_now());
	owner = owner_get(sk);
	if (owner)
		owner_set_async(sk, owner, fd, on);
	inst_unlock(sk->inst);
	keeper_need();
	return owner ? 0 : -ENOMEM;
}

void owner_import(struct s7_sock *sk, int fd)
{
	struct f_owner_ex who = { .pid = 0 };

	if (s7_sys3(SYS_fcntl, fd, F_GETOWN_EX, &who) == 0 && who.pid)
		record_write(sk, fd, true);
	if (atomic_load(&sk->file.status) & O_ASYNC)
		owner_async(sk, fd, true);
}
