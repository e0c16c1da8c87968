/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exec_target.c - will the program that is executed have this library in it?
 *
 * Idea: what is carried to a program without us would keep descriptors of the arena open in it, and
 * its connections too, with nobody to read them. So its file is looked at first: an ELF program
 * needs an interpreter (PT_INTERP) to load anything, and the loader takes nothing from
 * LD_PRELOAD for one that gains rights (setuid, setgid, file capabilities). A script is what
 * interprets it. What may not be read is taken for an ordinary program.
 * Bound: SCRIPTS_MAX interpreters deep, as the kernel; headers within the first HEAD_BYTES.
 * Context: any thread; no allocation. Called by: carry.c, calls_exec.c.
 */
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "shim/carry.h"

#define SCRIPTS_MAX 5
#define HEAD_BYTES 4096

static bool gains_rights(long fd, const struct stat *st)
{
	char caps[64];

	if (st->st_mode & S_ISUID && st->st_uid != getuid())
		return true;
	if ((st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && st->st_gid != getgid())
		return true;
	return getuid() && s7_sys4(SYS_fgetxattr, fd, "security.capability", caps,
				   sizeof(caps)) > 0;
}

static bool has_loader(const char *head, size_t len)
{
	ElfW(Ehdr) elf;
	ElfW(Phdr) part;

	if (len < sizeof(elf))
		return false;
	memcpy(&elf, head, sizeof(elf));
	for (size_t i = 0; i < elf.e_phnum; i++) {
		size_t at = elf.e_phoff + i * sizeof(part);

		if (at > len - sizeof(part))
			return true; /* too far away to be seen */
		memcpy(&part, head + at, sizeof(part));
		if (part.p_type == PT_INTERP)
			return true;
	}
	return false;
}

/* "#! interpreter argument" */
static bool script_of(const char *head, size_t len, char ret_path[TARGET_PATH_MAX])
{
	size_t at = 2, n = 0;

	while (at < len && (head[at] == ' ' || head[at] == '\t'))
		at++;
	while (at < len && !strchr(" \t\n", head[at]) && n + 1 < TARGET_PATH_MAX)
		ret_path[n++] = head[at++];
	ret_path[n] = '\0';
	return n > 0;
}

/* Reads the beginning. Bytes, -1: the kind is known without it. */
static long head_read(const char *path, char head[HEAD_BYTES], enum target *ret_kind)
{
	long fd = s7_sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0);
	long len = -1;
	struct stat st;

	*ret_kind = fd == -ENOENT || fd == -ENOTDIR ? TARGET_NONE : TARGET_OURS;
	if (fd < 0)
		return -1;
	if (s7_sys2(SYS_fstat, fd, &st) || !S_ISREG(st.st_mode))
		*ret_kind = TARGET_NONE;
	else if (gains_rights(fd, &st))
		*ret_kind = TARGET_FOREIGN;
	else
		len = s7_sys4(SYS_pread64, fd, head, HEAD_BYTES, 0);
	s7_sys1(SYS_close, fd);
	return len;
}

enum target target_kind(const char *path)
{
	char head[HEAD_BYTES], script[TARGET_PATH_MAX];
	enum target kind;

	for (int i = 0; i < SCRIPTS_MAX; i++) {
		long len = head_read(path, head, &kind);

		if (len < (long)SELFMAG)
			return kind;
		if (head[0] == '#' && head[1] == '!' && script_of(head, (size_t)len, script)) {
			path = script;
			continue;
		}
		if (memcmp(head, ELFMAG, SELFMAG))
			return TARGET_OURS; /* libc's execvp gives it to the shell */
		return head[EI_CLASS] == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32) &&
				       has_loader(head, (size_t)len) ?
			       TARGET_OURS :
			       TARGET_FOREIGN;
	}
	return TARGET_OURS;
}

bool target_find(const char *file, char ret_path[TARGET_PATH_MAX])
{
	const char *dir = getenv("PATH");
	size_t len, room = strnlen(file, TARGET_PATH_MAX);

	if (room + 2 > TARGET_PATH_MAX)
		return false;
	if (strchr(file, '/')) {
		memcpy(ret_path, file, room + 1);
		return true;
	}
	for (dir = dir ? dir : "/bin:/usr/bin";; dir += len + 1) {
		len = strcspn(dir, ":");
		if (len + room + 2 <= TARGET_PATH_MAX) {
			memcpy(ret_path, dir, len);
			if (len)
				ret_path[len] = '/';
			memcpy(ret_path + len + (len != 0), file, room + 1);
			if (!s7_sys3(SYS_faccessat, AT_FDCWD, ret_path, X_OK))
				return true;
		}
		if (!dir[len])
			return false;
	}
}
