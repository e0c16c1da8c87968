/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_filter.c - the filters of socket(7): attach, detach, lock, read back
 *
 * The kernel socket behind, or a fresh one, is asked first (OPT_ASK): privileges, lengths and what
 * makes a program refusable are its answers. What it accepts is attached here too (stack/bpf).
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/base/user.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/steer.h"
#include "stack/sock/sock_int.h"

typedef int (*attach)(struct s7_sock *sk, const struct sock_filter *user, uint32_t len);

static int attach_by(attach function, struct s7_sock *sk, const struct opt_value *value)
{
	struct sock_fprog prog;

	if (value->len != sizeof(prog))
		return -EINVAL;
	memcpy(&prog, value->bytes, sizeof(prog));
	return function(sk, prog.filter, prog.len);
}

static int set_filter(struct s7_sock *sk, const struct opt_value *value)
{
	return attach_by(filter_attach, sk, value);
}

static int set_steer(struct s7_sock *sk, const struct opt_value *value)
{
	return attach_by(steer_attach, sk, value);
}

static int set_steer_detach(struct s7_sock *sk, const struct opt_value *value)
{
	(void)value;
	return steer_detach(sk);
}

/* ---- programs by descriptor ---- */

typedef int (*attach_ebpf)(struct s7_sock *sk, const struct ebpf_prog *prog);

static int attach_by_fd(attach_ebpf function, struct s7_sock *sk, const struct opt_value *value)
{
	const struct s7_bpf_host *host = sk->inst->env->host->bpf;
	const struct ebpf_prog *prog;
	int err = host ? host->prog_get(value->num, &prog) : -EINVAL;

	if (err)
		return err;
	err = function(sk, prog);
	host->prog_put(prog);
	return err;
}

static int set_bpf(struct s7_sock *sk, const struct opt_value *value)
{
	return attach_by_fd(filter_attach_ebpf, sk, value);
}

static int set_steer_bpf(struct s7_sock *sk, const struct opt_value *value)
{
	return attach_by_fd(steer_attach_ebpf, sk, value);
}

/* `room` counts instructions, and 0 asks for their number. */
static int copy_filter(struct s7_sock *sk, void *val, socklen_t room, socklen_t *ret_len)
{
	const struct s7_filter *filter = sk->filter;

	if (filter && filter->type)
		return -EACCES; /* Linux: it has no classic form */
	*ret_len = filter ? filter->len : 0;
	if (!filter || !room)
		return 0;
	if (room < filter->len)
		return -EINVAL;
	return user_put(val, filter->classic, filter->len * sizeof(filter->classic[0])) ? 0 :
											    -EFAULT;
}

static int set_detach(struct s7_sock *sk, const struct opt_value *value)
{
	(void)value;
	return filter_detach(sk);
}

static int set_lock(struct s7_sock *sk, const struct opt_value *value)
{
	if (sk->more & SKM_LOCK_FILTER && !value->num)
		return -EPERM;
	if (value->num)
		sk->more |= SKM_LOCK_FILTER;
	return 0;
}

static int get_lock(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = !!(sk->more & SKM_LOCK_FILTER);
	return 0;
}

static const struct s7_opt filter_opts[] = {
	{ SOL_SOCKET, SO_ATTACH_FILTER, OPT_BYTES, OPT_RW | OPT_ASK, ON_ANY, .set = set_filter,
	  .copy = copy_filter,
	  .text = "a classic program keeps, cuts or drops what comes; read back as SO_GET_FILTER" },
	{ SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, OPT_BYTES, OPT_WR | OPT_ASK, ON_ANY,
	  .set = set_steer,
	  .text = "a classic program says which member of the group gets a packet, else the hash" },
	{ SOL_SOCKET, SO_ATTACH_BPF, OPT_INT, OPT_WR | OPT_ASK, ON_ANY, .set = set_bpf,
	  .text = "the same by an eBPF program, with its maps" },
	{ SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, OPT_INT, OPT_WR | OPT_ASK, ON_ANY,
	  .set = set_steer_bpf,
	  .text = "an eBPF program: a number of the group, or a socket of a map" },
	{ SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, OPT_INT, OPT_WR, ON_ANY, .set = set_steer_detach,
	  .text = "the hash chooses again" },
	{ SOL_SOCKET, SO_DETACH_FILTER, OPT_INT, OPT_WR, ON_ANY, .set = set_detach,
	  .text = "takes the filter off (SO_DETACH_BPF is the same number)" },
	{ SOL_SOCKET, SO_LOCK_FILTER, OPT_BOOL, OPT_RW, ON_ANY, .set = set_lock, .get = get_lock,
	  .text = "the filter stays as it is, also on accepted connections" },
};

const struct s7_opt_table filter_socket_table = { SOL_SOCKET, filter_opts,
						  S7_ARRAY_LEN(filter_opts) };
