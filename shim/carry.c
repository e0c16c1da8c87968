/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * carry.c - exec: sockets of the stack go with their descriptors
 *
 * Idea (docs/exec.md): the table of descriptors is in the arena and stays there; the process keeps
 * its slot, so nothing is handed over that a failure would have to take back. What exec destroys is
 * the process's way to the arena. A datagram with the descriptors of arena, frame memory, ports and
 * silencers waits in one end of a socket pair, which alone is inherited; its number is in the
 * environment. The kernel's word who made the pair is what the receiver trusts (carry_in.c).
 * Invariants: nothing in this process changes but slot->carry_until, which keeps the reapers away
 * while it is between two programs; so exec may fail, and the program goes on.
 * Bound: a program that does not come within CARRY_WITHIN is taken for one that has no arena.
 * Context: any thread, no lock held (posix_spawn: the table's lock); no allocation, for children of
 * fork. Called by: calls_exec.c; boot.c.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "shim/carry.h"

#define CARRY_WITHIN (10 * S7_SEC)
#define PRELOAD "LD_PRELOAD="
#define OURS_MAX 1024

/* This library as LD_PRELOAD named it, for programs that exec with a smaller environment. */
static char ours[OURS_MAX];

struct carry_book *carry_book(void)
{
	return s7_arena->carry;
}

/* ---- the book ---- */

static int not_whole(struct carry_book *book, const char *why)
{
	snprintf(book->why_not, sizeof(book->why_not), "%s", why);
	shim_log(LOG_INFO, "sockets do not live on across exec: %s", why);
	return 0;
}

static struct s7_port *port_into_arena(const struct s7_port *port)
{
	void *at = arena_take(s7_arena, port_bytes(), S7_CACHELINE);

	if (at)
		port_copy(at, port);
	return at;
}

static int book_ifaces(struct carry_book *book)
{
	int fds[CARRY_FDS_MAX];

	for (uint32_t i = 0; i < s7_boot.iface_count; i++) {
		if (port_fds(s7_boot.iface[i].port, fds, CARRY_FDS_MAX) < 0)
			return -ENOTSUP;
		book->iface[i] = s7_boot.iface[i];
		book->iface[i].port = port_into_arena(s7_boot.iface[i].port);
		if (!book->iface[i].port)
			return -ENOMEM;
		for (uint32_t at = 1; at < S7_IFACES_MAX; at++)
			if (s7_boot.env->dev[at].dev == s7_boot.iface[i].port)
				book->dev[at] = (uint8_t)(i + 1);
	}
	book->iface_count = s7_boot.iface_count;
	return 0;
}

int carry_boot(void)
{
	struct carry_book *book = arena_take(s7_arena, sizeof(*book), S7_CACHELINE);
	int count;

	if (!book)
		return 0;
	s7_arena->carry = book;
	book->bytes = sizeof(*book);
	image_id(&book->image);
	book->conf = s7_boot.conf;
	book->inst_count = s7_boot.inst_count;
	memcpy(book->pool, s7_boot.pool, sizeof(book->pool));
	book->waiters = wait_records();
	book->turn = keeper_turn();
	count = frame_pieces(book->piece, FRAME_PIECES_MAX);
	if (count < 0)
		return not_whole(book, "frame memory without descriptors");
	book->piece_count = (uint32_t)count;
	book->neighbour = neighbours_number();
	for (int i = 0; i < count; i++)
		s7_boot.piece_fd[i] = book->piece[i].fd;
	if (book_ifaces(book))
		return not_whole(book, "a port that only the program that opened it can use");
	book->whole = true;
	return 0;
}

int carry_iface(struct boot_iface *iface, int fds[CARRY_FDS_MAX], carry_each each, void *arg)
{
	struct kern_silencer *s = &iface->silencer;
	int *const silencer[] = { &s->map_fd, &s->prog_fd, &s->link_fd, &s->beat_fd, &s->drops_fd };
	int count = port_fds(iface->port, fds, CARRY_FDS_MAX), err = 0;

	for (int i = 0; i < count && !err; i++)
		err = each(&fds[i], arg);
	for (size_t i = 0; i < S7_ARRAY_LEN(silencer) && iface->silenced && !err; i++)
		if (*silencer[i] >= 0)
			err = each(silencer[i], arg);
	return err;
}

int carry_visit(carry_each each, void *arg)
{
	int err = each(&s7_boot.arena_fd, arg), fds[CARRY_FDS_MAX];

	for (uint32_t i = 0; i < carry_book()->piece_count && !err; i++)
		err = each(&s7_boot.piece_fd[i], arg);
	for (uint32_t i = 0; i < s7_boot.iface_count && !err; i++)
		err = carry_iface(&s7_boot.iface[i], fds, each, arg);
	if (!err && carry_book()->neighbour >= 0)
		err = each(neighbours_fd(), arg);
	return err;
}

/* ---- the note ---- */

struct collect {
	int fds[CARRY_FDS_MAX];
	uint32_t count;
};

static int collect_one(int *fd, void *arg)
{
	struct collect *all = arg;

	if (all->count == CARRY_FDS_MAX)
		return -E2BIG;
	all->fds[all->count++] = *fd;
	return 0;
}

static long note_write(long to, const struct s7_proc *slot)
{
	union {
		char room[CMSG_SPACE(CARRY_FDS_MAX * sizeof(int))];
		struct cmsghdr head;
	} control;
	struct collect all = { .count = 0 };
	struct carry_note note = {
		.layout = s7_arena->layout,
		.ticket = slot->ticket,
		.slot = proc_slot_id(slot),
		.alone = proc_is_alone(),
	};
	struct iovec iov = { &note, sizeof(note) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	int err = carry_visit(collect_one, &all);

	if (err)
		return err;
	note.fd_count = all.count;
	msg.msg_controllen = CMSG_SPACE(all.count * sizeof(int));
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(all.count * sizeof(int));
	memcpy(CMSG_DATA(&control.head), all.fds, all.count * sizeof(int));
	return s7_sys3(SYS_sendmsg, to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A descriptor that survives exec, out of the way of small numbers; or -errno. */
static long note_make(const struct s7_proc *slot)
{
	int pair[2];
	long err = s7_sys4(SYS_socketpair, AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), fd;

	if (err < 0)
		return err;
	err = note_write(pair[1], slot);
	s7_sys1(SYS_close, pair[1]);
	fd = err < 0 ? err : s7_sys3(SYS_fcntl, pair[0], F_DUPFD, fd_high_base());
	s7_sys1(SYS_close, pair[0]);
	return fd;
}

/* ---- the environment ---- */

__attribute__((constructor)) static void remember_ours(void)
{
	const char *preload = getenv("LD_PRELOAD");
	Dl_info info;

	if (!preload || !dladdr(&s7_boot, &info) || strlen(info.dli_fname) >= sizeof(ours))
		return;
	if (strstr(preload, "libsock7"))
		memcpy(ours, info.dli_fname, strlen(info.dli_fname) + 1);
}

static bool is_named(const char *entry, const char *name, size_t len)
{
	return !strncmp(entry, name, len);
}

/*
 * The caller's environment, where to find the note, and LD_PRELOAD with us if it is not there: a
 * program that was given sockets of ours without us could do nothing with them.
 */
static bool env_make(struct carrying *c, char *const env[])
{
	static const size_t variable = sizeof(CARRY_VARIABLE "=") - 1,
			    preload = sizeof(PRELOAD) - 1;
	const char *theirs = NULL;
	size_t count = 0, n = 0, bytes;
	bool put_in = false;
	char *text;
	long map;

	while (env && env[count]) {
		if (is_named(env[count], PRELOAD, preload))
			theirs = env[count] + preload;
		count++;
	}
	bytes = (count + 3) * sizeof(char *) + 2 * preload + sizeof(ours) + 64 +
		(theirs ? strlen(theirs) : 0);
	map = s7_sys6(SYS_mmap, 0, (long)bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map < 0 && map > -4096)
		return false;
	c->env = (char **)map;
	c->env_bytes = bytes;
	text = (char *)(c->env + count + 3);
	c->env[n++] = text;
	text += sprintf(text, CARRY_VARIABLE "=%d", c->note) + 1;
	if (ours[0] && !(theirs && strstr(theirs, "libsock7"))) {
		c->env[n++] = text;
		sprintf(text, PRELOAD "%s%s%s", ours, theirs ? ":" : "", theirs ? theirs : "");
		put_in = true;
	}
	for (size_t i = 0; i < count; i++)
		if (!is_named(env[i], CARRY_VARIABLE "=", variable) &&
		    !(put_in && is_named(env[i], PRELOAD, preload)))
			c->env[n++] = env[i];
	return true;
}

/* ---- going ---- */

bool carry_wanted(const struct s7_proc *slot)
{
	for (uint32_t fd = 0; fd < slot->fd_high; fd++) {
		const struct s7_file *file = __atomic_load_n(&slot->fd[fd], __ATOMIC_ACQUIRE);
		long flags;

		if (s7_likely(!file) || file->kind != FILE_SOCK)
			continue;
		flags = s7_sys2(SYS_fcntl, fd, F_GETFD);
		if (flags >= 0 && !(flags & FD_CLOEXEC))
			return true;
	}
	return false;
}

/* Once in a family: it would be said again at every helper that a server starts. */
static bool cannot(const char *path, const char *why)
{
	if (!atomic_exchange(&carry_book()->told, true))
		shim_log(LOG_WARN, "%s gets none of the connections that it inherits: %s",
			 path ? path : "a program", why);
	return false;
}

bool carry_begin(struct s7_proc *slot, const char *path, char *const env[],
		 struct carrying *ret_c)
{
	struct carrying c = { .slot = slot };
	enum target target;

	if (!carry_book())
		return false;
	if (!carry_book()->whole)
		return cannot(path, carry_book()->why_not);
	target = path ? target_kind(path) : TARGET_OURS;
	if (target == TARGET_NONE)
		return false;
	if (target == TARGET_FOREIGN)
		return cannot(path, "it is static, or runs with another's rights");
	c.note = (int)note_make(slot);
	if (c.note < 0)
		return cannot(path, strerrordesc_np(-c.note));
	if (!env_make(&c, env)) {
		s7_sys1(SYS_close, c.note);
		return cannot(path, strerrordesc_np(ENOMEM));
	}
	atomic_store(&slot->carry_until, host_now() + CARRY_WITHIN);
	*ret_c = c;
	return true;
}

void carry_failed(struct carrying *c)
{
	atomic_store(&c->slot->carry_until, 0);
	carry_end(c);
}

void carry_end(struct carrying *c)
{
	s7_sys1(SYS_close, c->note);
	s7_sys2(SYS_munmap, c->env, c->env_bytes);
}
