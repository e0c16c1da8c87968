/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sweep.c - the references that a killed thread had in hand
 *
 * Between a table of descriptors and the socket (accept, socket, close, dup, fork) a reference is
 * in a register for some instructions; a process killed there leaves a socket that no one can
 * close. After a death the keeper counts, SAMPLES times, what refers to each open file: entries of
 * all tables, blocking calls, wait nodes. A file that has more references than can be found, the
 * same number each time, gets the number that was found, and is closed if that is none. One that
 * has no reference and yet does not close (its last owner died on the way) is closed again.
 * Why this is right: a living thread has a reference in hand for microseconds, so it is not seen in
 * the same state over a second; while a process is stopped (who knows where) nothing is given back.
 * Bound: SUSPECTS files at once; a walk over tables and sockets SAMPLES times a death.
 * Context: the active keeper's thread; takes the instance locks, one at a time.
 */
#include "shim/internal.h"
#include "stack/tcp/tcp.h"

#define SAMPLES 3
#define TURNS_MORE 40 /* at most, while a file is looked at that was not yet seen that often */
#define SUSPECTS 256

struct suspect {
	struct s7_file *file;
	uint64_t cookie; /* tells it from its successor in the same memory */
	uint32_t refs, counted;
	uint32_t seen, turn;
};

static struct suspect suspects[SUSPECTS];
static uint32_t turns_left, turns_more, turn;

void sweep_want(void)
{
	turns_left = SAMPLES + 2;
	turns_more = TURNS_MORE;
}

/* What was in use meanwhile may have been seen in two states: it is looked at again. */
static void sweep_on(void)
{
	bool some = false;

	for (uint32_t i = 0; i < SUSPECTS; i++)
		some |= suspects[i].turn == turn && suspects[i].seen;
	if (turns_left || !some || !turns_more)
		return;
	turns_more--;
	turns_left = 1;
}

static void count_nodes(struct s7_file *file, const struct s7_list *waitq)
{
	struct s7_list *pos;

	list_for_each(pos, waitq)
		file->counted += list_entry(pos, struct s7_wait, node)->kind == WAIT_THREAD;
}

static void count_tables(void)
{
	for (uint32_t i = 0; i < S7_PROCS_MAX; i++) {
		const struct s7_proc *proc = &s7_arena->proc[i];

		if (atomic_load(&proc->state) == PROC_FREE)
			continue;
		for (uint32_t fd = 0; fd < proc->fd_high; fd++) {
			struct s7_file *file = __atomic_load_n(&proc->fd[fd], __ATOMIC_RELAXED);

			if (file)
				file->counted++;
		}
	}
}

static struct suspect *suspect_of(const struct s7_file *file)
{
	struct suspect *unused = NULL;

	for (uint32_t i = 0; i < SUSPECTS; i++) {
		if (suspects[i].file == file)
			return &suspects[i];
		if (!unused && suspects[i].turn + 1 < turn)
			unused = &suspects[i];
	}
	return unused;
}

/* Nobody's, but not on its way out either. */
static bool is_stuck(const struct s7_file *file)
{
	const struct s7_sock *sk = file_sock((struct s7_file *)(uintptr_t)file);

	return file->kind != FILE_SOCK || sk->proto != PROTO_TCP || tcp_is_stuck(sk);
}

static void judge(struct s7_file *file)
{
	uint64_t cookie = atomic_load(&file->cookie);
	uint32_t refs = atomic_load(&file->refs);
	struct suspect *s;

	if (refs ? refs <= file->counted : !is_stuck(file))
		return;
	s = suspect_of(file);
	if (!s)
		return;
	if (s->file != file || s->cookie != cookie || s->refs != refs ||
	    s->counted != file->counted || s->turn + 1 != turn)
		s->seen = 0;
	s->file = file;
	s->cookie = cookie;
	s->refs = refs;
	s->counted = file->counted;
	s->turn = turn;
	s->seen++;
}

/* Under the lock: forgets old counts (first walk), or counts the last and judges (second). */
static void walk_inst(struct s7_inst *inst, bool second)
{
	struct s7_list *pos;

	inst_lock(inst, host_now());
	list_for_each(pos, &inst->socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, all);

		if (!second)
			sk->file.counted = 0;
		else
			count_nodes(&sk->file, &sk->waitq);
		/* one in its listener's queue is referred to by that */
		if (second && !(sk->proto == PROTO_TCP && tcp_is_queued(sk)))
			judge(&sk->file);
	}
	for (uint32_t k = 0; k < s7_arena->inst_count; k++) {
		struct s7_epoll *ep;
		uint32_t id = 0;

		while ((ep = epoll_next_set(s7_arena->inst[k], &id))) {
			if (!second)
				ep->file.counted = 0;
			else
				count_nodes(&ep->file, &ep->part[inst->index].waitq);
		}
	}
	inst_unlock(inst);
}

static void judge_sets(struct s7_inst *inst)
{
	struct s7_epoll *ep;
	uint32_t id = 0;

	inst_lock(inst, host_now());
	while ((ep = epoll_next_set(inst, &id)))
		judge(&ep->file);
	inst_unlock(inst);
}

/* Without a reference for all that time: what its last owner had begun. */
static void close_again(struct s7_file *file)
{
	if (file->kind == FILE_EPOLL)
		epoll_release(file_epoll(file), host_now());
	else
		sock_release_once(file_sock(file), atomic_load(&file->cookie), host_now());
}

static void give_back(struct suspect *s)
{
	uint32_t refs = s->refs;

	s->seen = 0;
	if (!refs) {
		stat_add_shared(s7_arena->inst[s->file->inst], STAT_REFS_SWEPT, 1);
		close_again(s->file);
		return;
	}
	if (!atomic_compare_exchange_strong(&s->file->refs, &refs, s->counted ? s->counted : 1))
		return;
	stat_add_shared(s7_arena->inst[s->file->inst], STAT_REFS_SWEPT, s->refs - s->counted);
	if (!s->counted)
		file_put(s->file);
}

void sweep_turn(void)
{
	uint32_t i;

	if (!turns_left)
		return;
	if (proc_any_stopped()) {
		turns_left = SAMPLES + 2;
		return;
	}
	turns_left--;
	turn++;
	for (i = 0; i < s7_arena->inst_count; i++)
		walk_inst(s7_arena->inst[i], false);
	count_tables();
	wait_count_holds();
	rights_count_held();
	for (i = 0; i < s7_arena->inst_count; i++)
		walk_inst(s7_arena->inst[i], true);
	for (i = 0; i < s7_arena->inst_count; i++)
		judge_sets(s7_arena->inst[i]);
	for (i = 0; i < SUSPECTS; i++)
		if (suspects[i].turn == turn && suspects[i].seen == SAMPLES)
			give_back(&suspects[i]);
	sweep_on();
}
