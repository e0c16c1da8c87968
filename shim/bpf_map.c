/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bpf_map.c - the kernel's maps, for programs that run on the stack in this process
 *
 * Idea: an array that can be mapped is: its values are the kernel's own memory, read and written by
 * the program's instructions. Of any other map a lookup makes a copy of the value, the same one for
 * the same key during a run; when the run is over, copies that the program changed are written
 * back, if the key is still there. So what another CPU or process changes between the two is lost;
 * docs/filters.md says what that costs and who can meet it.
 * A per-CPU map's value is that of the CPU that polled the device (bpf_get_smp_processor_id says
 * the same one).
 * A process that did not load the program (forked before) takes the map by its number, or from the
 * process that attached it.
 * Bound: COPIES_MOST values a run and map; memory is kept for the next run.
 * Context: instance lock; tables are the process's own, one for each instance.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "shim/bpf.h"
#include "stack/bpf/area.h"

#define COPIES_MOST 4096u
#define CHUNK_BYTES (64u << 10)
#define POSSIBLE "/sys/devices/system/cpu/possible"

struct copy {
	struct copy *next;
	bool dead; /* its element is another by now, or none */
	/* behind it: key, what the map had, what the program sees; each to a multiple of 8 */
	uint64_t bytes[];
};

struct chunk {
	struct chunk *next;
	size_t bytes;
	char room[];
};

struct copies {
	struct copy *first, **end; /* `used` of them are of the run in hand */
	uint32_t used, made;
	struct chunk *chunks;
	char *room, *room_end;
	char *all; /* per-CPU: the values of all */
	size_t all_bytes;
	uint32_t cpus;
};

static struct bpf_map_here here[S7_INSTS_MAX][BPF_SLOTS];
/* slots with copies of the run in hand */
static uint32_t touched[S7_INSTS_MAX][BPF_SLOTS];
static uint32_t touched_count[S7_INSTS_MAX];

int bpf_map_boot(void)
{
	for (uint32_t i = 0; i < S7_INSTS_MAX; i++)
		s7_boot.env->maps[i] = here[i];
	return 0;
}

static const struct ebpf_map *shape_of(const struct s7_inst *inst, uint32_t slot)
{
	return &inst->filters->maps[slot].shape;
}

static void *take_memory(size_t bytes)
{
	void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void copies_free(struct copies *copies)
{
	while (copies->chunks) {
		struct chunk *chunk = copies->chunks;

		copies->chunks = chunk->next;
		munmap(chunk, chunk->bytes);
	}
	if (copies->all)
		munmap(copies->all, copies->all_bytes);
	munmap(copies, sizeof(*copies));
}

/* ---- open ---- */

static int fd_by_id(uint32_t id)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_id = id;
	return (int)bpf_sys(BPF_MAP_GET_FD_BY_ID, &attr);
}

static int fd_from_process(uint32_t pid, int32_t fd)
{
	long process = s7_sys2(SYS_pidfd_open, pid, 0), copy;

	if (process < 0)
		return (int)process;
	copy = s7_sys3(SYS_pidfd_getfd, process, fd, 0);
	s7_sys1(SYS_close, process);
	return (int)copy;
}

static bool is_map(int fd, uint32_t id)
{
	struct bpf_map_info info;

	return fd >= 0 && !bpf_info_of(fd, &info, sizeof(info)) && info.id == id;
}

static int find_fd(const struct ebpf_map *shape)
{
	int fd = bpf_prog_map_fd(shape->id);

	if (fd < 0)
		fd = fd_by_id(shape->id);
	if (fd < 0)
		fd = fd_from_process(shape->pid, shape->fd);
	if (is_map(fd, shape->id))
		return fd;
	if (fd >= 0)
		s7_sys1(SYS_close, fd);
	return fd < 0 ? fd : -ENOENT;
}

/* Programs may not write into some, and a writable mapping would keep them from being frozen. */
static char *map_values(const struct ebpf_map *shape, int fd, uint64_t bytes)
{
	int prot = shape->flags & BPF_F_RDONLY_PROG ? PROT_READ : PROT_READ | PROT_WRITE;
	void *at = mmap(NULL, bytes, prot, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		at = mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0);
	return at == MAP_FAILED ? NULL : at;
}

static void close_map(struct s7_inst *inst, uint32_t slot)
{
	struct bpf_map_here *map = &here[inst->index][slot];

	if (!map->id)
		return;
	if (map->mem)
		munmap(map->mem, map->mem_bytes);
	fd_unmark_internal(map->fd);
	s7_sys1(SYS_close, map->fd);
	if (map->copies)
		copies_free(map->copies);
	map->copies = NULL;
	map->id = 0;
	map->mem = NULL;
}

static bool open_map(struct s7_inst *inst, uint32_t slot)
{
	const struct ebpf_map *shape = shape_of(inst, slot);
	struct bpf_map_here *map = &here[inst->index][slot];
	int fd;

	close_map(inst, slot);
	fd = find_fd(shape);
	if (fd < 0) {
		shim_log(LOG_ERROR, "map %u of an eBPF program cannot be opened in this process "
			 "(%s): packets for it are dropped", shape->id, strerrordesc_np(-fd));
		return false;
	}
	map->mem_bytes = (uint64_t)shape->entries * bpf_map_stride(shape);
	map->mem = shape->direct ? map_values(shape, fd, map->mem_bytes) : NULL;
	map->fd = fd_make_internal(fd);
	map->id = shape->id;
	if (!shape->direct || map->mem)
		return true;
	close_map(inst, slot);
	return false;
}

/* ---- copies ---- */

static uint32_t up8(uint32_t bytes)
{
	return (bytes + 7) & ~7u;
}

static bool is_percpu(const struct ebpf_map *shape)
{
	return shape->type == BPF_MAP_TYPE_PERCPU_ARRAY ||
		shape->type == BPF_MAP_TYPE_PERCPU_HASH ||
		shape->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

/* CPUs that there may ever be: the kernel writes a value for each. 0: not known. */
static uint32_t possible_cpus(void)
{
	char text[64], *last;
	long n = proc_file_read(POSSIBLE, text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	last = strrchr(text, '-');
	if (!last)
		last = strrchr(text, ',');
	return (uint32_t)strtoul(last ? last + 1 : text, NULL, 10) + 1;
}

static bool copies_init(struct copies *copies, const struct ebpf_map *shape)
{
	copies->end = &copies->first;
	if (!is_percpu(shape))
		return true;
	copies->cpus = possible_cpus();
	copies->all_bytes = (size_t)copies->cpus * up8(shape->value_bytes);
	if (copies->cpus)
		copies->all = take_memory(copies->all_bytes);
	return copies->all != NULL;
}

/* Of the slot's map, made at the first want. NULL: no memory. */
static struct copies *copies_of(struct s7_inst *inst, uint32_t slot)
{
	struct bpf_map_here *map = &here[inst->index][slot];
	const struct ebpf_map *shape = shape_of(inst, slot);
	struct copies *copies = map->copies;

	if (s7_likely(copies != NULL))
		return copies;
	copies = take_memory(sizeof(*copies));
	if (!copies)
		return NULL;
	if (!copies_init(copies, shape)) {
		copies_free(copies);
		return NULL;
	}
	map->copies = copies;
	return copies;
}

static void *key_of(struct copy *copy)
{
	return copy->bytes;
}

static void *had_of(const struct ebpf_map *shape, struct copy *copy)
{
	return (char *)copy->bytes + up8(shape->key_bytes);
}

static void *value_of(const struct ebpf_map *shape, struct copy *copy)
{
	return (char *)had_of(shape, copy) + up8(shape->value_bytes);
}

static bool chunk_new(struct copies *copies, uint32_t least)
{
	size_t bytes = s7_max(CHUNK_BYTES, sizeof(struct chunk) + least);
	struct chunk *chunk = take_memory(bytes);

	if (!chunk)
		return false;
	chunk->bytes = bytes;
	chunk->next = copies->chunks;
	copies->chunks = chunk;
	copies->room = chunk->room;
	copies->room_end = (char *)chunk + bytes;
	return true;
}

static struct copy *copy_new(struct copies *copies, const struct ebpf_map *shape)
{
	uint32_t bytes = (uint32_t)sizeof(struct copy) + up8(shape->key_bytes) +
			 2 * up8(shape->value_bytes);
	struct copy *copy;

	if (copies->made == COPIES_MOST ||
	    (copies->room_end - copies->room < bytes && !chunk_new(copies, bytes)))
		return NULL;
	copy = (void *)copies->room;
	copies->room += bytes;
	copy->next = NULL;
	*copies->end = copy;
	copies->end = &copy->next;
	copies->made++;
	return copy;
}

/* The copy of the key in this run; else *ret_free is one to be used, or NULL. */
static struct copy *copy_find(struct copies *copies, const struct ebpf_map *shape, const void *key,
			      struct copy **ret_free)
{
	struct copy *copy = copies->first;
	uint32_t i;

	for (i = 0; i < copies->used; i++, copy = copy->next)
		if (!copy->dead && !memcmp(key_of(copy), key, shape->key_bytes))
			return copy;
	*ret_free = copy;
	return NULL;
}

/* ---- calls of the kernel ---- */

static long element(enum bpf_cmd cmd, const struct bpf_map_here *map, const void *key, void *value,
		    uint64_t flags)
{
	union bpf_attr attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = (uint32_t)map->fd;
	attr.key = (uintptr_t)key;
	attr.value = (uintptr_t)value;
	attr.flags = flags;
	return bpf_sys(cmd, &attr);
}

/* This CPU's among the values of all. */
static char *slice(const struct copies *copies, const struct s7_inst *inst,
		   const struct ebpf_map *shape)
{
	uint32_t cpu = inst->rx_cpu < 0 ? 0 : (uint32_t)inst->rx_cpu;

	return copies->all + (size_t)(cpu % copies->cpus) * up8(shape->value_bytes);
}

static long value_read(struct s7_inst *inst, uint32_t slot, const void *key, void *to)
{
	const struct ebpf_map *shape = shape_of(inst, slot);
	struct bpf_map_here *map = &here[inst->index][slot];
	struct copies *copies = map->copies;
	long err;

	if (!copies->all)
		return element(BPF_MAP_LOOKUP_ELEM, map, key, to, 0);
	err = element(BPF_MAP_LOOKUP_ELEM, map, key, copies->all, 0);
	if (!err)
		memcpy(to, slice(copies, inst, shape), shape->value_bytes);
	return err;
}

/* A per-CPU map takes the values of all CPUs at once: the others' as they are now. */
static long value_write(struct s7_inst *inst, uint32_t slot, const void *key, const void *from,
			uint64_t flags)
{
	const struct ebpf_map *shape = shape_of(inst, slot);
	struct bpf_map_here *map = &here[inst->index][slot];
	struct copies *copies = map->copies;

	if (!copies->all)
		return element(BPF_MAP_UPDATE_ELEM, map, key, (void *)(uintptr_t)from, flags);
	if (element(BPF_MAP_LOOKUP_ELEM, map, key, copies->all, 0))
		memset(copies->all, 0, copies->all_bytes);
	memcpy(slice(copies, inst, shape), from, shape->value_bytes);
	return element(BPF_MAP_UPDATE_ELEM, map, key, copies->all, flags);
}

/* ---- for programs ---- */

static void touch(struct s7_inst *inst, uint32_t slot)
{
	struct copies *copies = here[inst->index][slot].copies;

	if (!copies->used++)
		touched[inst->index][touched_count[inst->index]++] = slot;
}

static void *map_lookup(struct s7_inst *inst, uint32_t slot, const void *key)
{
	const struct ebpf_map *shape = shape_of(inst, slot);
	struct copies *copies = copies_of(inst, slot);
	struct copy *copy, *fresh;

	if (!copies)
		return NULL;
	copy = copy_find(copies, shape, key, &fresh);
	if (copy)
		return value_of(shape, copy);
	copy = fresh ? fresh : copy_new(copies, shape);
	if (!copy || value_read(inst, slot, key, had_of(shape, copy)))
		return NULL;
	memcpy(key_of(copy), key, shape->key_bytes);
	memcpy(value_of(shape, copy), had_of(shape, copy), shape->value_bytes);
	copy->dead = false;
	touch(inst, slot);
	return value_of(shape, copy);
}

static void write_back(struct s7_inst *inst, uint32_t slot, struct copy *copy)
{
	const struct ebpf_map *shape = shape_of(inst, slot);

	if (copy->dead || !memcmp(had_of(shape, copy), value_of(shape, copy), shape->value_bytes))
		return;
	value_write(inst, slot, key_of(copy), value_of(shape, copy), BPF_EXIST);
	memcpy(had_of(shape, copy), value_of(shape, copy), shape->value_bytes);
}

static void run_end(struct s7_inst *inst)
{
	for (uint32_t i = 0; i < touched_count[inst->index]; i++) {
		uint32_t slot = touched[inst->index][i];
		struct copies *copies = here[inst->index][slot].copies;
		struct copy *copy = copies->first;

		for (; copies->used; copies->used--, copy = copy->next)
			write_back(inst, slot, copy);
	}
	touched_count[inst->index] = 0;
}

/* A new value makes a new element, but in an array and in per-CPU maps. */
static bool keeps_element(const struct ebpf_map *shape)
{
	return shape->type == BPF_MAP_TYPE_ARRAY || is_percpu(shape);
}

static int64_t map_update(struct s7_inst *inst, uint32_t slot, const void *key, const void *value,
			  uint64_t flags)
{
	const struct ebpf_map *shape = shape_of(inst, slot);
	struct copies *copies = copies_of(inst, slot);
	struct copy *copy, *fresh;
	long err;

	if (!copies)
		return -ENOMEM;
	copy = copy_find(copies, shape, key, &fresh);
	err = value_write(inst, slot, key, value, flags);
	if (err || !copy)
		return err;
	copy->dead = !keeps_element(shape);
	memcpy(had_of(shape, copy), value, shape->value_bytes);
	memcpy(value_of(shape, copy), value, shape->value_bytes);
	return 0;
}

static int64_t map_delete(struct s7_inst *inst, uint32_t slot, const void *key)
{
	struct copies *copies = copies_of(inst, slot);
	struct copy *copy, *fresh;
	long err;

	if (!copies)
		return -ENOMEM;
	copy = copy_find(copies, shape_of(inst, slot), key, &fresh);
	err = element(BPF_MAP_DELETE_ELEM, &here[inst->index][slot], key, NULL, 0);
	if (!err && copy)
		copy->dead = true;
	return err;
}

static int64_t map_change(struct s7_inst *inst, uint32_t slot, enum ebpf_change what,
			  const void *key, void *value, uint64_t flags)
{
	const struct bpf_map_here *map = &here[inst->index][slot];

	switch (what) {
	case EBPF_UPDATE:
		return map_update(inst, slot, key, value, flags);
	case EBPF_DELETE:
		return map_delete(inst, slot, key);
	case EBPF_PUSH:
		return element(BPF_MAP_UPDATE_ELEM, map, NULL, value, flags);
	case EBPF_POP:
		return element(BPF_MAP_LOOKUP_AND_DELETE_ELEM, map, NULL, value, 0);
	default:
		return element(BPF_MAP_LOOKUP_ELEM, map, NULL, value, 0);
	}
}

/* What user space reads from such a map is the number of the program. */
static int64_t map_prog(struct s7_inst *inst, uint32_t slot, uint32_t index)
{
	uint32_t id = 0;
	long err = element(BPF_MAP_LOOKUP_ELEM, &here[inst->index][slot], &index, &id, 0);

	return err ? err : id;
}

/* ---- time and place ---- */

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	return (uint64_t)at.tv_sec * S7_SEC + (uint64_t)at.tv_nsec;
}

static uint64_t ask(enum ebpf_ask what)
{
	unsigned int cpu, node = 0;

	switch (what) {
	case EBPF_MONOTONIC:
		return clock_ns(CLOCK_MONOTONIC);
	case EBPF_BOOT:
		return clock_ns(CLOCK_BOOTTIME);
	case EBPF_COARSE:
		return clock_ns(CLOCK_MONOTONIC_COARSE);
	default: /* EBPF_NUMA_NODE */
		s7_sys3(SYS_getcpu, &cpu, &node, NULL);
		return node;
	}
}

const struct s7_bpf_host bpf_host = {
	.prog_get = bpf_prog_get,
	.prog_by_id = bpf_prog_of_id,
	.prog_put = bpf_prog_put,
	.map_open = open_map,
	.map_close = close_map,
	.map_lookup = map_lookup,
	.map_change = map_change,
	.map_prog = map_prog,
	.run_end = run_end,
	.ask = ask,
};
