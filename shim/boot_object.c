/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * boot_object.c - the key `filter_object`: a firewall from an ELF object, loaded by libbpf
 *
 * libbpf is opened by name when a section has the key, as in dpdk_port/lazy.c: nobody else pays for
 * it. It opens the object, makes its maps and loads the one program; its bpf(2) calls go by the
 * wrapper like those of any program (s7_inside is put aside meanwhile), so that the instructions
 * are remembered and arrays can be mapped. Then the object is closed: what stays is a descriptor of
 * the program, out of the host's way, and those of its maps with the record.
 * Context: boot, one thread, no lock held. Called by: boot_filter.c.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "shim/boot_object.h"
#include "shim/bpf.h"

#define LIBRARY "libbpf.so.1"

struct bpf_object;
struct bpf_program;

typedef int (*printer)(int level, const char *fmt, va_list args);

static struct lib {
	struct bpf_object *(*open_file)(const char *path, const void *opts);
	struct bpf_program *(*next_program)(const struct bpf_object *obj, struct bpf_program *prev);
	const char *(*section_name)(const struct bpf_program *prog);
	int (*type)(const struct bpf_program *prog);
	int (*set_autoload)(struct bpf_program *prog, bool on);
	int (*load)(struct bpf_object *obj);
	int (*fd)(const struct bpf_program *prog);
	void (*close)(struct bpf_object *obj);
	printer (*set_print)(printer print);
} lib;

static const char *const lib_names[] = {
	"bpf_object__open_file", "bpf_object__next_program", "bpf_program__section_name",
	"bpf_program__type", "bpf_program__set_autoload", "bpf_object__load", "bpf_program__fd",
	"bpf_object__close", "libbpf_set_print",
};

static char last_said[160]; /* of libbpf's warnings */

static int refuse(char *ret_why, size_t len, const char *fmt, ...) S7_PRINTF(3, 4);
static int refuse(char *ret_why, size_t len, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(ret_why, len, fmt, args);
	va_end(args);
	return -EINVAL;
}

static int lib_open(char *ret_why, size_t len)
{
	void *from = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL), *at[S7_ARRAY_LEN(lib_names)];

	static_assert(sizeof(at) == sizeof(lib), "a pointer each");
	if (!from)
		return refuse(ret_why, len, "needs %s: apt install libbpf1", LIBRARY);
	for (size_t i = 0; i < S7_ARRAY_LEN(lib_names); i++) {
		at[i] = dlsym(from, lib_names[i]);
		if (!at[i])
			return refuse(ret_why, len, "%s has no %s", LIBRARY, lib_names[i]);
	}
	memcpy(&lib, at, sizeof(lib));
	return 0;
}

/* Warnings are kept, the last one is told; what the program prints libbpf's words with comes back.
 */
static int keep_warning(int level, const char *fmt, va_list args)
{
	if (level)
		return 0;
	vsnprintf(last_said, sizeof(last_said), fmt, args);
	last_said[strcspn(last_said, "\n")] = '\0';
	return 0;
}

/* The program of that section, or the first that is a filter of sockets; no other is loaded. */
static struct bpf_program *choose(const struct bpf_object *obj, const char *section)
{
	struct bpf_program *found = NULL;

	for (struct bpf_program *prog = lib.next_program(obj, NULL); prog;
	     prog = lib.next_program(obj, prog)) {
		bool fits = section[0] ? !strcmp(lib.section_name(prog), section) :
					 lib.type(prog) == BPF_PROG_TYPE_SOCKET_FILTER;

		lib.set_autoload(prog, fits && !found);
		if (fits && !found)
			found = prog;
	}
	return found;
}

/* A descriptor of the loaded program. */
static int load_from(struct bpf_object *obj, const char *section, char *ret_why, size_t len)
{
	struct bpf_program *prog = choose(obj, section);
	int err;

	if (!prog)
		return refuse(ret_why, len,
			      section[0] ? "no section %s" : "no program of SEC(\"socket\")%s",
			      section);
	if (lib.type(prog) != BPF_PROG_TYPE_SOCKET_FILTER)
		return refuse(ret_why, len, "section %s is no filter of sockets: SEC(\"socket\")",
			      section);
	err = lib.load(obj);
	if (err)
		return refuse(ret_why, len, "%s (%.120s)", strerrordesc_np(-err), last_said);
	return fd_make_internal((int)s7_sys3(SYS_fcntl, lib.fd(prog), F_DUPFD_CLOEXEC, 0));
}

static int load(const char *path, const char *section, char *ret_why, size_t len)
{
	uint32_t inside = s7_inside;
	struct bpf_object *obj;
	printer before;
	int fd;

	last_said[0] = '\0';
	before = lib.set_print(keep_warning);
	s7_inside = 0;
	obj = lib.open_file(path, NULL);
	fd = obj ? load_from(obj, section, ret_why, len) :
		   refuse(ret_why, len, "%s (%.120s)", strerrordesc_np(errno), last_said);
	if (obj)
		lib.close(obj);
	s7_inside = inside;
	lib.set_print(before);
	return fd;
}

int boot_object_load(const char *text, const struct ebpf_prog **ret_prog, char *ret_why, size_t len)
{
	char path[CONF_TEXT_MAX];
	const char *section;
	int fd, err;

	snprintf(path, sizeof(path), "%s", text);
	section = conf_object_section(path);
	err = lib_open(ret_why, len);
	if (err)
		return err;
	fd = load(path, section, ret_why, len);
	if (fd < 0)
		return fd;
	/* the descriptor stays, so that the record of the program and its maps does */
	if (bpf_prog_judge(&fd, sizeof(fd), fd) || bpf_prog_get(fd, ret_prog))
		return refuse(ret_why, len, "the program cannot run on the stack");
	return 0;
}
