/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * carry.h - sockets of the stack live on across exec (docs/exec.md)
 *
 * carry.c sends, carry_in.c receives, exec_target.c looks at what is executed, spawn_plan.c at what
 * posix_spawn's child does before; calls_exec.c has the wrappers.
 */
#ifndef S7_CARRY_H
#define S7_CARRY_H

#include <spawn.h>

#include "shim/internal.h"

#define CARRY_VARIABLE "SOCK7_CARRIED"
#define CARRY_FDS_MAX 160

/* The linker's hash of this library; zeroes where it makes none. */
struct image_id {
	uint8_t hash[20];
};
void image_id(struct image_id *ret_id);

/*
 * In the arena, written once at the start: what another program image needs to go on, in place of
 * a start of its own. `iface` holds the starter's numbers; of descriptors they only say whether
 * there is one.
 */
struct carry_book {
	uint64_t bytes; /* of this struct: another version's is refused */
	struct image_id image; /* ... and another build's, whose tables may differ */
	bool whole;	/* everything can be carried */
	_Atomic bool told; /* that a program got none of its sockets */
	char why_not[64];
	struct conf conf;
	struct boot_iface iface[CONF_IFACES_MAX]; /* port: a copy in the arena */
	uint32_t iface_count, inst_count;
	uint8_t dev[S7_IFACES_MAX]; /* interface + 1 behind each place of env->dev; 0 none */
	void *pool[S7_INSTS_MAX];
	struct frame_piece piece[FRAME_PIECES_MAX];
	uint32_t piece_count;
	int neighbour; /* its place among the programs on sock7, -1 none */
	struct s7_slab *waiters;
	void *turn; /* the keepers' */
};

/* The datagram in the descriptor that goes through exec; the descriptors come with it. */
struct carry_note {
	uint64_t layout, ticket;
	uint32_t slot, fd_count;
	bool alone; /* no thread could have had something in hand */
};

/* A step of the start: writes the book. 0: what cannot be carried is no failure. */
int carry_boot(void);
struct carry_book *carry_book(void);

/*
 * Every descriptor that a process needs to take part, always in the same order: the starter's
 * ports' and the book's presence of the silencer's say how many there are. each returns 0 to go on.
 */
typedef int (*carry_each)(int *fd, void *arg);
int carry_visit(carry_each each, void *arg);
/* Of these those of one interface: in `fds` its port's, in place its silencer's. */
int carry_iface(struct boot_iface *iface, int fds[CARRY_FDS_MAX], carry_each each, void *arg);

/* ---- going: carry.c ---- */
struct carrying {
	struct s7_proc *slot; /* whose sockets go */
	int note;	      /* its descriptor, open for the new program; -1 */
	char **env;	      /* the environment for it */
	size_t env_bytes;
};

/* Has this process sockets that a program executed now would inherit? */
bool carry_wanted(const struct s7_proc *slot);
/*
 * Makes ready what goes from the slot; `path` NULL: not known what is executed. False: nothing goes
 * (a line says so), the caller's environment is the one to use.
 */
bool carry_begin(struct s7_proc *slot, const char *path, char *const env[],
		 struct carrying *ret_c);
/* The child has its copy of the note; errno stays. */
void carry_end(struct carrying *c);
/* exec failed: this program goes on. */
void carry_failed(struct carrying *c);

/* ---- exec_target.c ---- */
#define TARGET_PATH_MAX 4096
/* Will the dynamic linker load this library into the program: not static, not setuid? */
enum target { TARGET_NONE, TARGET_FOREIGN, TARGET_OURS };
enum target target_kind(const char *path);
/* What execvp would take. False: nothing there, exec says why. */
bool target_find(const char *file, char ret_path[TARGET_PATH_MAX]);

/* ---- spawn_plan.c ---- */
/* Does it make a descriptor of a socket of ours that exec leaves open? */
bool spawn_plan_wants(const posix_spawn_file_actions_t *actions);
/* Does to a copy of the table what the child will do to its descriptors. */
void spawn_plan_follow(struct s7_proc *slot, const posix_spawn_file_actions_t *actions);

#endif
