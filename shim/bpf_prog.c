/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_prog.c - the programs that this process, or an ancestor, has loaded
 *
 * Idea: what the kernel tells of a loaded program is rewritten for the kernel, so the instructions
 * are kept as they were given to BPF_PROG_LOAD. A record has the kernel's number of the program as
 * its key: a descriptor, its dup, one from BPF_PROG_GET_FD_BY_ID or BPF_OBJ_GET all lead to it, in
 * forked children too. With it are descriptors of the program's maps, duplicates of our own, since
 * a loader closes its own.
 * Bound: RECORDS_MOST. Records of programs that are gone are dropped when a new one comes (who may
 * not ask for a number keeps them; then the oldest goes).
 * Context: any thread; `records_lock`, behind the instance lock.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "shim/bpf.h"
#include "stack/base/user.h"

#define RECORDS_MOST 512u

struct record {
	struct ebpf_prog prog; /* first: prog_put gets it */
	struct record *next;
	uint32_t id, refs;
	size_t bytes;
	const char *why; /* it cannot run on the stack; NULL: it can */
	uint32_t where;
	uint32_t judged; /* judge_run that came by */
	struct bpf_insn *insns;
};

static struct record *records;
static uint32_t record_count;
static uint32_t judge_run;
static struct s7_lock records_lock;

void bpf_forked(void)
{
	memset(&records_lock, 0, sizeof(records_lock));
}

int bpf_info_of(int fd, void *ret_info, uint32_t bytes)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	memset(ret_info, 0, bytes);
	attr.info.bpf_fd = (uint32_t)fd;
	attr.info.info = (uintptr_t)ret_info;
	attr.info.info_len = bytes;
	return (int)bpf_sys(BPF_OBJ_GET_INFO_BY_FD, &attr);
}

/* ---- life ---- */

static void record_free(struct record *record)
{
	for (uint32_t i = 0; i < record->prog.map_count; i++) {
		fd_unmark_internal(record->prog.maps[i].fd);
		s7_sys1(SYS_close, record->prog.maps[i].fd);
	}
	s7_sys2(SYS_munmap, record, record->bytes);
}

bool bpf_is_gone(int fd_by_id, uint32_t id)
{
	union bpf_attr attr;
	long fd;

	memset(&attr, 0, sizeof(attr));
	attr.prog_id = id; /* map_id lies there too */
	fd = bpf_sys(fd_by_id, &attr);
	if (fd >= 0)
		s7_sys1(SYS_close, fd);
	return fd == -ENOENT;
}

/* Lock held. */
static void drop_gone(void)
{
	struct record **link = &records;
	bool full = record_count >= RECORDS_MOST;

	while (*link) {
		struct record *record = *link;

		if (record->refs ||
		    !((full && !record->next) || bpf_is_gone(BPF_PROG_GET_FD_BY_ID, record->id))) {
			link = &record->next;
			continue;
		}
		*link = record->next;
		record_count--;
		record_free(record);
	}
}

/* ---- what a program refers to ---- */

/* Could its values be mapped? A value with a lock or a timer in it cannot. */
static bool is_direct(int fd, const struct bpf_map_info *info)
{
	void *at;

	if (info->type != BPF_MAP_TYPE_ARRAY || !(info->map_flags & BPF_F_MMAPABLE))
		return false;
	at = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return false;
	munmap(at, 1);
	return true;
}

/* The map's place among the record's. -errno. */
static int map_index(struct record *record, int fd)
{
	struct ebpf_prog *prog = &record->prog;
	struct bpf_map_info info;
	long own;
	int err = bpf_info_of(fd, &info, sizeof(info));

	if (err)
		return err;
	for (uint32_t i = 0; i < prog->map_count; i++)
		if (prog->maps[i].id == info.id)
			return (int)i;
	if (prog->map_count == EBPF_MAPS_EACH)
		return -E2BIG;
	own = s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	if (own < 0)
		return (int)own;
	prog->maps[prog->map_count] = (struct ebpf_map){
		.id = info.id, .type = info.type, .key_bytes = info.key_size,
		.value_bytes = info.value_size, .entries = info.max_entries,
		.flags = info.map_flags, .direct = is_direct(fd, &info),
		.fd = fd_make_internal((int)own),
	};
	return (int)prog->map_count++;
}

/* A wide constant that means a map: by index from now on. */
static int take_map(struct record *record, struct bpf_insn *insn, uint64_t fd_array)
{
	bool by_index = insn->src_reg == BPF_PSEUDO_MAP_IDX ||
			insn->src_reg == BPF_PSEUDO_MAP_IDX_VALUE;
	bool value = insn->src_reg == BPF_PSEUDO_MAP_VALUE ||
		     insn->src_reg == BPF_PSEUDO_MAP_IDX_VALUE;
	int32_t fd = insn->imm;
	int at;

	if (by_index && !user_get(&fd, (const int32_t *)(uintptr_t)fd_array + insn->imm,
				  sizeof(fd)))
		return -EFAULT;
	at = map_index(record, fd);
	if (at < 0)
		return at;
	insn->imm = at;
	insn->src_reg = value ? BPF_PSEUDO_MAP_VALUE : BPF_PSEUDO_MAP_FD;
	return 0;
}

static const char *take_maps(struct record *record, uint64_t fd_array)
{
	for (uint32_t pc = 0; pc < record->prog.count; pc++) {
		struct bpf_insn *insn = &record->insns[pc];
		bool is_map = insn->src_reg == BPF_PSEUDO_MAP_FD ||
			      insn->src_reg == BPF_PSEUDO_MAP_VALUE ||
			      insn->src_reg == BPF_PSEUDO_MAP_IDX ||
			      insn->src_reg == BPF_PSEUDO_MAP_IDX_VALUE;

		if (insn->code != (BPF_LD | BPF_IMM | BPF_DW))
			continue;
		record->where = pc;
		if (is_map && take_map(record, insn, fd_array))
			return "a map that could not be held (32 a program)";
		pc++;
	}
	return NULL;
}

/* Tries the translation, in memory that goes again. */
static const char *try_translation(struct record *record)
{
	size_t insns = record->prog.count * sizeof(struct bpf_insn);
	size_t bytes = insns + (record->prog.count + 1) * sizeof(uint32_t);
	struct ebpf_code code;
	const char *why;

	code.insns = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code.insns == MAP_FAILED)
		return "no memory";
	code.work = (void *)((char *)code.insns + insns);
	why = ebpf_translate(&record->prog, &code);
	record->where = code.where;
	munmap(code.insns, bytes);
	return why;
}

static struct record *record_make(const union bpf_attr *attr)
{
	size_t insns = attr->insn_cnt * sizeof(struct bpf_insn);
	struct record *record = mmap(NULL, sizeof(*record) + insns, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (record == MAP_FAILED)
		return NULL;
	record->bytes = sizeof(*record) + insns;
	record->insns = (void *)(record + 1);
	record->prog.type = attr->prog_type;
	record->prog.count = attr->insn_cnt;
	record->prog.insns = record->insns;
	if (!user_get(record->insns, (const void *)(uintptr_t)attr->insns, insns)) {
		record_free(record);
		return NULL;
	}
	if (attr->core_relo_cnt)
		record->why = "places that the kernel relocates";
	else
		record->why = take_maps(record, attr->fd_array);
	if (!record->why)
		record->why = try_translation(record);
	return record;
}

void bpf_prog_note(int fd, const union bpf_attr *attr)
{
	struct bpf_prog_info info;
	struct record *record;

	if ((attr->prog_type != BPF_PROG_TYPE_SOCKET_FILTER &&
	     attr->prog_type != BPF_PROG_TYPE_SK_REUSEPORT) ||
	    !attr->insn_cnt || attr->insn_cnt > BPF_INSNS_MAX ||
	    bpf_info_of(fd, &info, sizeof(info)))
		return;
	record = record_make(attr);
	if (!record)
		return;
	record->id = info.id;
	lock_take(&records_lock);
	drop_gone();
	record->next = records;
	records = record;
	record_count++;
	host_unlock(&records_lock);
}

/* ---- finding ---- */

/* Lock held. */
static struct record *find(uint32_t id)
{
	struct record *record = records;

	while (record && record->id != id)
		record = record->next;
	return record;
}

int bpf_prog_map_fd(uint32_t id)
{
	int fd = -1;

	lock_take(&records_lock);
	for (struct record *record = records; record && fd < 0; record = record->next)
		for (uint32_t i = 0; i < record->prog.map_count; i++)
			if (record->prog.maps[i].id == id)
				fd = record->prog.maps[i].fd;
	if (fd >= 0)
		fd = (int)s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);
	lock_give(&records_lock);
	return fd;
}

int bpf_prog_of_id(uint32_t id, const struct ebpf_prog **ret_prog)
{
	uint32_t pid = (uint32_t)s7_sys0(SYS_getpid);
	struct record *record;
	int err = 0;

	lock_take(&records_lock);
	record = find(id);
	if (!record || record->why) {
		err = -EINVAL;
	} else {
		record->refs++;
		for (uint32_t i = 0; i < record->prog.map_count; i++)
			record->prog.maps[i].pid = pid;
		*ret_prog = &record->prog;
	}
	lock_give(&records_lock);
	return err;
}

int bpf_prog_get(int fd, const struct ebpf_prog **ret_prog)
{
	struct bpf_prog_info info;
	int err = bpf_info_of(fd, &info, sizeof(info));

	if (err)
		return err == -EBADFD ? -EBADF : err;
	return bpf_prog_of_id(info.id, ret_prog);
}

void bpf_prog_put(const struct ebpf_prog *prog)
{
	struct record *record = s7_container(prog, struct record, prog);

	lock_take(&records_lock);
	record->refs--;
	lock_give(&records_lock);
}

/* ---- can it run? ---- */

/* Why a program cannot, and which of those that it may go on to that is. */
struct verdict {
	const char *why;
	uint32_t id, where;
};

static void judge(uint32_t id, struct verdict *ret);

/* All that stand in a map of programs now. Lock held. */
static void judge_entries(const struct ebpf_map *map, struct verdict *ret)
{
	union bpf_attr attr;
	uint32_t id;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map->fd;
	attr.value = (uintptr_t)&id;
	for (uint32_t i = 0; i < map->entries && !ret->why; i++) {
		attr.key = (uintptr_t)&i;
		if (!bpf_sys(BPF_MAP_LOOKUP_ELEM, &attr))
			judge(id, ret);
	}
}

/* Lock held. */
static void judge(uint32_t id, struct verdict *ret)
{
	struct record *record = find(id);

	if (record && record->judged == judge_run)
		return;
	ret->id = id;
	ret->where = record ? record->where : 0;
	ret->why = record ? record->why :
			    "its instructions were not seen: another process loaded it";
	if (!record)
		return;
	record->judged = judge_run;
	for (uint32_t i = 0; i < record->prog.map_count && !ret->why; i++)
		if (record->prog.maps[i].type == BPF_MAP_TYPE_PROG_ARRAY)
			judge_entries(&record->prog.maps[i], ret);
}

int bpf_prog_judge_fd(int prog, int fd)
{
	struct verdict verdict = { 0 };
	struct bpf_prog_info info;

	if (bpf_info_of(prog, &info, sizeof(info)))
		return 0;
	lock_take(&records_lock);
	judge_run++;
	judge(info.id, &verdict);
	host_unlock(&records_lock);
	if (!verdict.why)
		return 0;
	if (fd >= 0)
		shim_log(LOG_WARN, "descriptor %d: the eBPF program %u (%.15s) cannot run on the "
			 "stack: %s%s, instruction %u", fd, info.id, info.name,
			 verdict.id == info.id ? "" : "in a program that it goes on to: ",
			 verdict.why, verdict.where);
	return -EINVAL;
}

int bpf_prog_judge(const void *val, socklen_t len, int fd)
{
	int prog;

	if (len < sizeof(prog) || !user_get(&prog, val, sizeof(prog)))
		return 0;
	return bpf_prog_judge_fd(prog, fd);
}
