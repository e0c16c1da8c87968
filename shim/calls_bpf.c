/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * calls_bpf.c - bpf(2) as it goes by: syscall(SYS_bpf), which libbpf uses
 *
 * The kernel does all of it; here is noted what sockets of the stack need later.
 *    PROG_LOAD     the program as it was given (bpf_prog.c)
 *    MAP_CREATE    a plain array is made such that it can be mapped (BPF_F_MMAPABLE), so that what
 *                  a program on the stack adds to a value is added to the kernel's; the flag is
 *                  taken out of what BPF_OBJ_GET_INFO_BY_FD says again
 *    MAP_UPDATE_ELEM, MAP_DELETE_ELEM of a REUSEPORT_SOCKARRAY: the stack's socket behind the
 *                  descriptor gets its place too; a program that comes into a PROG_ARRAY which a
 *                  program of the stack goes on by is looked at, and compiled at once, since a
 *                  process that was forked before may not know it
 * Context: any thread, no lock. Called by: calls_syscall.c.
 */
#include "shim/bpf.h"
#include "stack/base/user.h"
#include "stack/bpf/area.h"
#include "stack/bpf/steer.h"
#include "stack/bpf/tail.h"

#define ATTR_ROOM 512u
#define FLAG_ADDED_MOST 1024u

/* Arrays that got the flag, by the kernel's number; the oldest are forgotten. */
static _Atomic uint32_t flag_added[FLAG_ADDED_MOST];
static _Atomic uint32_t flag_count;
static bool arrays_seen; /* maps of sockets: a deletion may be one from such a map */

static long pass(long cmd, void *attr, long size)
{
	return s7_sys3(SYS_bpf, cmd, attr, size);
}

/* The caller's attributes as far as this header knows them; false: the kernel shall say why not. */
static bool attr_get(union bpf_attr *to, const void *attr, long size)
{
	memset(to, 0, sizeof(*to));
	return size > 0 && user_get(to, attr, s7_min((size_t)size, sizeof(*to)));
}

/* ---- maps ---- */

static void flag_note(int fd)
{
	struct bpf_map_info info;

	if (!bpf_info_of(fd, &info, sizeof(info)))
		atomic_store(&flag_added[atomic_fetch_add(&flag_count, 1) % FLAG_ADDED_MOST],
			     info.id);
}

static bool flag_was_added(uint32_t id)
{
	uint32_t count = (uint32_t)s7_min(atomic_load(&flag_count), FLAG_ADDED_MOST);

	for (uint32_t i = 0; i < count; i++)
		if (atomic_load(&flag_added[i]) == id)
			return true;
	return false;
}

static long map_create(long cmd, void *attr, long size)
{
	union {
		union bpf_attr attr;
		char room[ATTR_ROOM];
	} copy;
	long fd;

	if (size > (long)sizeof(copy) || !attr_get(&copy.attr, attr, size) ||
	    copy.attr.map_type != BPF_MAP_TYPE_ARRAY || copy.attr.map_flags ||
	    !user_get(copy.room, attr, (size_t)size))
		return pass(cmd, attr, size);
	copy.attr.map_flags = BPF_F_MMAPABLE;
	fd = pass(cmd, &copy, size);
	if (fd < 0)
		return pass(cmd, attr, size);
	flag_note((int)fd);
	return fd;
}

static long obj_info(long cmd, void *attr, long size)
{
	long ret = pass(cmd, attr, size);
	struct bpf_map_info *info, own;
	union bpf_attr copy;
	uint32_t flags;

	if (ret || !atomic_load(&flag_count) || !attr_get(&copy, attr, size) ||
	    copy.info.info_len < offsetof(struct bpf_map_info, map_flags) + sizeof(flags) ||
	    bpf_info_of((int)copy.info.bpf_fd, &own, sizeof(own)))
		return ret;
	info = (void *)(uintptr_t)copy.info.info;
	/* of a map: a program's or a link's begins with other numbers */
	if (own.type != BPF_MAP_TYPE_ARRAY || !(own.map_flags & BPF_F_MMAPABLE) ||
	    !flag_was_added(own.id))
		return ret;
	flags = own.map_flags & ~(uint32_t)BPF_F_MMAPABLE;
	user_put(&info->map_flags, &flags, sizeof(flags));
	return ret;
}

/* ---- maps of sockets ---- */

/* The map's number if it is one of those, else 0. */
static uint32_t array_of(uint32_t map_fd, struct bpf_map_info *ret_info)
{
	if (bpf_info_of((int)map_fd, ret_info, sizeof(*ret_info)) ||
	    ret_info->type != BPF_MAP_TYPE_REUSEPORT_SOCKARRAY)
		return 0;
	arrays_seen = true;
	return ret_info->id;
}

static bool is_taken(struct s7_inst *inst, uint32_t array, uint32_t at)
{
	struct s7_list *pos;

	list_for_each(pos, &inst->socks)
	{
		const struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		if (sk->bind.array == array && sk->bind.array_at == at)
			return true;
	}
	return false;
}

/*
 * The kernel has no listener behind one that the stack alone serves, and refused it. What it would
 * have said of one.
 */
static long judge_alone(const struct s7_sock *sk, const struct bpf_map_info *info, uint32_t at,
			uint64_t flags)
{
	bool taken = is_taken(sk->inst, info->id, at);

	if (flags > BPF_EXIST)
		return -EINVAL;
	if (at >= info->max_entries)
		return -E2BIG;
	if (flags == BPF_NOEXIST && taken)
		return -EEXIST;
	if (flags == BPF_EXIST && !taken)
		return -ENOENT;
	return sk->bind.array && !bpf_is_gone(BPF_MAP_GET_FD_BY_ID, sk->bind.array) ? -EBUSY : 0;
}

static long socket_to_array(struct s7_sock *sk, const struct bpf_map_info *info, uint32_t at,
			    uint64_t flags, long kernel)
{
	long err = kernel == -EINVAL ? 0 : kernel;

	if (err || sk->file.side == SIDE_KERNEL)
		return kernel;
	inst_lock(sk->inst, host_now());
	if (kernel && (sk->file.side != SIDE_STACK || !sk->bind.grouped))
		err = kernel;
	else if (kernel)
		err = judge_alone(sk, info, at, flags);
	if (!err)
		steer_array_set(sk, info->id, at);
	inst_unlock(sk->inst);
	return err;
}

/* ---- maps of programs ---- */

/* Is the map one by which a program of the stack goes on to others? */
static bool goes_on_by(uint32_t map_fd, struct bpf_map_info *ret_info)
{
	bool any = false;

	if (!boot_running())
		return false;
	for (uint32_t i = 0; i < s7_boot.inst_count; i++)
		any |= s7_arena->inst[i]->filters->tail_roots != 0;
	return any && !bpf_info_of((int)map_fd, ret_info, sizeof(*ret_info)) &&
	       ret_info->type == BPF_MAP_TYPE_PROG_ARRAY;
}

static long program_to_array(long cmd, void *attr, long size, uint32_t map_id, int prog)
{
	bool watched[S7_INSTS_MAX] = { false }, any = false;
	struct bpf_prog_info info;
	long ret;

	for (uint32_t i = 0; i < s7_boot.inst_count; i++) {
		struct s7_inst *inst = s7_arena->inst[i];

		inst_lock(inst, host_now());
		any |= watched[i] = tail_is_watched(inst, map_id);
		inst_unlock(inst);
	}
	if (any && bpf_prog_judge_fd(prog, prog))
		return -EINVAL;
	ret = pass(cmd, attr, size);
	if (ret || !any || bpf_info_of(prog, &info, sizeof(info)))
		return ret;
	for (uint32_t i = 0; i < s7_boot.inst_count; i++) {
		if (!watched[i])
			continue;
		inst_lock(s7_arena->inst[i], host_now());
		tail_ready(s7_arena->inst[i], info.id);
		inst_unlock(s7_arena->inst[i]);
	}
	return ret;
}

static long map_update(long cmd, void *attr, long size)
{
	struct bpf_map_info info;
	union bpf_attr copy;
	struct s7_sock *sk;
	uint32_t key, fd;
	long ret;

	if (!attr_get(&copy, attr, size) || !copy.key || !copy.value ||
	    !user_get32(&fd, (const void *)(uintptr_t)copy.value))
		return pass(cmd, attr, size);
	if (goes_on_by(copy.map_fd, &info))
		return program_to_array(cmd, attr, size, info.id, (int)fd);
	if (!fd_is_sock((int)fd) || !array_of(copy.map_fd, &info) ||
	    !user_get32(&key, (const void *)(uintptr_t)copy.key))
		return pass(cmd, attr, size);
	sk = fd_hold_sock((int)fd);
	ret = pass(cmd, attr, size);
	if (!sk)
		return ret;
	ret = socket_to_array(sk, &info, key, copy.flags, ret);
	fd_unhold(&sk->file);
	return ret;
}

static long map_delete(long cmd, void *attr, long size)
{
	long ret = pass(cmd, attr, size);
	struct bpf_map_info info;
	union bpf_attr copy;
	uint32_t key;

	if (!arrays_seen || !boot_running() || (ret && ret != -ENOENT) ||
	    !attr_get(&copy, attr, size) || !array_of(copy.map_fd, &info) ||
	    !user_get32(&key, (const void *)(uintptr_t)copy.key))
		return ret;
	for (uint32_t i = 0; i < s7_boot.inst_count; i++) {
		struct s7_inst *inst = s7_arena->inst[i];

		inst_lock(inst, host_now());
		if (steer_array_clear(inst, info.id, key))
			ret = 0;
		inst_unlock(inst);
	}
	return ret;
}

/* ---- programs ---- */

static long prog_load(long cmd, void *attr, long size)
{
	union bpf_attr copy;
	long fd = pass(cmd, attr, size);

	if (fd >= 0 && attr_get(&copy, attr, size))
		bpf_prog_note((int)fd, &copy);
	return fd;
}

long bpf_intercepted(long cmd, void *attr, long size)
{
	static long (*const by_cmd[])(long cmd, void *attr, long size) = {
		[BPF_MAP_CREATE] = map_create,
		[BPF_MAP_UPDATE_ELEM] = map_update,
		[BPF_MAP_DELETE_ELEM] = map_delete,
		[BPF_PROG_LOAD] = prog_load,
		[BPF_OBJ_GET_INFO_BY_FD] = obj_info,
	};

	if (s7_inside || (unsigned long)cmd >= S7_ARRAY_LEN(by_cmd) || !by_cmd[cmd] ||
	    (!boot_running() && !boot_in_sight()))
		return pass(cmd, attr, size);
	return by_cmd[cmd](cmd, attr, size);
}
