/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ss_find.c - which processes run on sock7, and their arena in our address space
 *
 * A process on sock7 has a descriptor of its arena's memfd ("/memfd:sock7"); processes of one fork
 * family have the same inode, and only one of them is taken. The mapping is read-only, at the
 * address that the pointers inside expect.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stack/run/tables.h"
#include "tools/tools.h"

/* The arena's descriptor in a process: number and inode; false if it has none. */
static bool arena_of(uint32_t pid, struct ss_arena *ret_arena)
{
	static const char want[] = "/memfd:sock7 ";
	char dir_path[32], path[64], link[64];
	struct dirent *entry;
	struct stat st;
	bool found = false;
	ssize_t len;
	DIR *dir;

	snprintf(dir_path, sizeof(dir_path), "/proc/%u/fd", pid);
	dir = opendir(dir_path);
	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "%s/%.16s", dir_path, entry->d_name);
		len = readlink(path, link, sizeof(link) - 1);
		if (len < (ssize_t)sizeof(want) - 1 || memcmp(link, want, sizeof(want) - 1))
			continue;
		if (stat(path, &st))
			continue;
		ret_arena->inode = st.st_ino;
		ret_arena->pid = pid;
		ret_arena->fd = atoi(entry->d_name);
		found = true;
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool known(const struct ss_arena *arenas, uint32_t count, uint64_t inode)
{
	uint32_t i;

	for (i = 0; i < count; i++)
		if (arenas[i].inode == inode)
			return true;
	return false;
}

uint32_t ss_find(uint32_t pid, struct ss_arena *ret_arenas, uint32_t max)
{
	struct dirent *entry;
	uint32_t count = 0;
	DIR *proc;

	if (pid)
		return arena_of(pid, ret_arenas);
	proc = opendir("/proc");
	while (proc && count < max && (entry = readdir(proc))) {
		struct ss_arena arena;

		pid = (uint32_t)strtoul(entry->d_name, NULL, 10);
		if (pid && arena_of(pid, &arena) && !known(ret_arenas, count, arena.inode))
			ret_arenas[count++] = arena;
	}
	if (proc)
		closedir(proc);
	return count;
}

int ss_map(const struct ss_arena *arena, const struct s7_arena **ret_arena)
{
	const struct s7_arena *map;
	char path[64];
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "/proc/%u/fd/%d", arena->pid, arena->fd);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		close(fd);
		return -errno;
	}
	map = mmap((void *)S7_ARENA_BASE, (size_t)st.st_size, PROT_READ,
		   MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, fd, 0);
	close(fd);
	if (map != (void *)S7_ARENA_BASE)
		return map == MAP_FAILED ? -errno : -EEXIST;
	if (map->magic != S7_ARENA_MAGIC || map->version != S7_ARENA_VERSION ||
	    map->layout != inst_layout()) {
		munmap((void *)map, (size_t)st.st_size);
		return -EPROTO;
	}
	*ret_arena = map;
	return 0;
}

void ss_unmap(const struct s7_arena *arena)
{
	munmap((void *)arena, arena->size);
}
