/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * spawn_plan.c - what a child of posix_spawn does to its descriptors before it executes
 *
 * Idea: libc's child shares our memory and calls nothing of ours, so its list of file actions is
 * followed here, on the copy of the table that it will have: the kernel's descriptors and the
 * table's entries end up alike. What an action that fails would leave does not matter: then there
 * is no child.
 * The list is libc's private memory; its form has been the same since 2.24, with kinds added at the
 * end. An action of a kind that is not known ends the following: what comes behind it may be seen
 * wrongly, and carry_in.c lets go of entries whose descriptor is not a socket.
 * Context: the table's lock. Called by: calls_exec.c.
 */
#include "shim/carry.h"

enum plan_kind { PLAN_CLOSE, PLAN_DUP2, PLAN_OPEN, PLAN_CHDIR, PLAN_FCHDIR, PLAN_CLOSEFROM };

struct plan_step {
	int kind;
	union {
		int fd;
		struct {
			int from, to;
		} dup2;
		struct {
			int fd;
			char *path;
			int flags;
			mode_t mode;
		} open;
	};
};

static_assert(sizeof(struct plan_step) == 32, "as libc lays it out");

static void plan_dup2(struct s7_proc *slot, int from, int to)
{
	if (from < 0 || to < 0 || (uint32_t)from >= S7_FDS_MAX || from == to)
		return;
	fd_table_put(slot, (uint32_t)to, slot->fd[from]);
}

static void plan_closefrom(struct s7_proc *slot, int from)
{
	for (uint32_t fd = from < 0 ? 0 : (uint32_t)from; fd < slot->fd_high; fd++)
		fd_table_put(slot, fd, NULL);
}

bool spawn_plan_wants(const posix_spawn_file_actions_t *actions)
{
	const struct plan_step *step = actions ? (const void *)actions->__actions : NULL;

	for (int i = 0; step && i < actions->__used; i++, step++)
		if (step->kind == PLAN_DUP2 && fd_is_sock(step->dup2.from))
			return true;
	return false;
}

void spawn_plan_follow(struct s7_proc *slot, const posix_spawn_file_actions_t *actions)
{
	const struct plan_step *step = actions ? (const void *)actions->__actions : NULL;

	for (int i = 0; step && i < actions->__used; i++, step++) {
		switch (step->kind) {
		case PLAN_CLOSE:
			fd_table_put(slot, (uint32_t)step->fd, NULL);
			break;
		case PLAN_OPEN:
			fd_table_put(slot, (uint32_t)step->open.fd, NULL);
			break;
		case PLAN_DUP2:
			plan_dup2(slot, step->dup2.from, step->dup2.to);
			break;
		case PLAN_CLOSEFROM:
			plan_closefrom(slot, step->fd);
			break;
		case PLAN_CHDIR:
		case PLAN_FCHDIR:
			break;
		default:
			return;
		}
	}
}
