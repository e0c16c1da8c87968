/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * exec_target.c - will the program that is executed have this library in it? And the same build?
 *
 * Idea: what is carried to a program without us would keep descriptors of the arena open in it, and
 * its connections too, with nobody to read them. So its file is looked at first: an ELF program
 * needs an interpreter (PT_INTERP) to load anything, and the loader takes nothing from
 * LD_PRELOAD for one that gains rights (setuid, setgid, file capabilities). A script is what
 * interprets it. What may not be read is taken for an ordinary program.
 * Two builds whose structs are alike may still mean different things by what is in them (numbers of
 * tables), so a program says by the linker's hash which build it has.
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

#define NOTE_ALIGN 4
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

/* ---- which build this library is ---- */

/* One note of a segment: name and content, each padded. */
static void note_look(const ElfW(Nhdr) * note, const char *name, struct image_id *ret_id)
{
	const char *content = name + s7_round_up(note->n_namesz, NOTE_ALIGN);

	if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4))
		memcpy(ret_id->hash, content, s7_min(note->n_descsz, sizeof(ret_id->hash)));
}

static void notes_look(const char *at, size_t len, struct image_id *ret_id)
{
	ElfW(Nhdr) note;

	while (len >= sizeof(note)) {
		size_t bytes;

		memcpy(&note, at, sizeof(note));
		bytes = sizeof(note) + s7_round_up(note.n_namesz, NOTE_ALIGN) +
			s7_round_up(note.n_descsz, NOTE_ALIGN);
		if (bytes > len)
			return;
		note_look(&note, at + sizeof(note), ret_id);
		at += bytes;
		len -= bytes;
	}
}

/* The object that holds our own data, of all that the program has loaded. */
static int object_look(struct dl_phdr_info *info, size_t size, void *arg)
{
	const uintptr_t ours = (uintptr_t)&s7_boot;
	bool mine = false;

	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		mine |= part->p_type == PT_LOAD &&
			ours - info->dlpi_addr - part->p_vaddr < part->p_memsz;
	}
	for (int i = 0; mine && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_NOTE)
			notes_look((const char *)info->dlpi_addr + part->p_vaddr, part->p_memsz,
				   arg);
	}
	return mine;
}

void image_id(struct image_id *ret_id)
{
	memset(ret_id, 0, sizeof(*ret_id));
	dl_iterate_phdr(object_look, ret_id);
}
