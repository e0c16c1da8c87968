/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * shim.h - what the files of shim/ share
 *
 * intercept.def is the one list of names; real.<name> are libc's own. fd_get() is the fast
 * predicate of every wrapper: foreign descriptors cost one bounds check and one load. What a call
 * does against the socket's being closed under it: fd_sock_at below.
 */
#ifndef S7_SHIM_H
#define S7_SHIM_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "conf/conf.h"
#include "stack/core/sk.h"
#include "stack/sock/epoll.h"
#include "stack/sock/sock.h"

/* ---- real.c: libc's functions, resolved by dlsym(RTLD_NEXT) on first use, generated from
 * intercept.def ---- */
#include "shim/real.h" /* struct s7_real real; */

/* ---- fdtab.c: this process's table of descriptors, in the arena ---- */
struct s7_fdtab {
	struct s7_file **fd; /* proc->fd, or NULL before the stack runs */
	uint32_t limit;	     /* 0 before the stack runs: everything is foreign */
};
extern struct s7_fdtab s7_fds;

static inline struct s7_file *fd_get(int fd)
{
	if (s7_likely((uint32_t)fd >= s7_fds.limit))
		return NULL;
	return __atomic_load_n(&s7_fds.fd[fd], __ATOMIC_ACQUIRE);
}

/*
 * A descriptor's file, and its cookie: they belong together, since the table leads to the file
 * before and after. What fd_get alone returns may be another's memory by now; it tells whether a
 * descriptor is ours, no more.
 */
static inline struct s7_file *fd_get_at(int fd, uint64_t *ret_cookie)
{
	struct s7_file *file, **at;

	if (s7_likely((uint32_t)fd >= s7_fds.limit))
		return NULL;
	at = &s7_fds.fd[fd];
	do {
		file = __atomic_load_n(at, __ATOMIC_ACQUIRE);
		if (!file)
			return NULL;
		*ret_cookie = atomic_load_explicit(&file->cookie, memory_order_acquire);
	} while (s7_unlikely(file != __atomic_load_n(at, __ATOMIC_ACQUIRE)));
	return file;
}

/*
 * How a call gets at its socket:
 *   quick ones (read, write, epoll_wait...)   fd_sock_at: costs no atomic; -SOCK_STALE means again
 *   short ones (bind, setsockopt...)          fd_hold_sock ... fd_unhold: a reference; handlers are
 *                                             put off meanwhile, so none leaves with it by longjmp
 *   those that may wait                       fd_sock_at, then wait_hold_begin (wait_int.h)
 */
static inline struct s7_sock_at fd_sock_at(int fd)
{
	struct s7_sock_at at = { .cookie = 0 };
	struct s7_file *file = fd_get_at(fd, &at.cookie);

	if (s7_likely(file && file->kind == FILE_SOCK))
		at.sk = file_sock(file);
	return at;
}

/* The descriptor's file with a reference of the caller's, or NULL. */
struct s7_file *fd_hold(int fd);
struct s7_sock *fd_hold_sock(int fd);
void fd_unhold(struct s7_file *file);

static inline bool fd_is_sock(int fd)
{
	return fd_sock_at(fd).sk;
}

/* Enters a file under a real descriptor (takes over one reference). */
void fd_install(int fd, struct s7_file *file);
/*
 * The descriptor and its entry change together, as others see it: close, dup and F_DUPFD (`cmd`),
 * dup3. The new number, or -errno; -EMFILE also: beyond the table, where it would be a bare kernel
 * socket.
 */
int fd_close(int fd);
int fd_dup(int fd, int cmd, long low);
int fd_dup_over(int fd, int to, int flags);
/* Drops a reference; the last one releases the socket or epoll set. */
void file_put(struct s7_file *file);
/* Is it a descriptor that sock7 itself needs (port, doorbell, arena...)? Programs may not close or
 * dup2 over it. */
bool fd_is_internal(int fd);
void fd_mark_internal(int fd);

/* What fd_placeholder_dup copies. listen makes it, so that a program with one descriptor left can
 * accept, as on Linux; -errno. */
int fd_placeholder_make(int domain);
/* A kernel descriptor like the one of a stack socket of this family, for accept: number, or -errno.
 * flags: SOCK_CLOEXEC. */
int fd_placeholder_dup(int domain, int flags);

/*
 * ---- early.c: sockets made while the stack is not running are plain kernel sockets, remembered
 * here. The first bind, connect, sendto or epoll_ctl that could be the stack's starts it and makes
 * them sockets of the stack (options imported from the kernel socket). fd_adopt comes before the
 * lookup in such calls; addr NULL: adopt in any case. calls_io.c uses it in sendto/sendmsg/sendmmsg
 * (addr: the destination), calls_epoll.c in epoll_ctl(ADD), calls_opt.c in fcntl(F_DUPFD*).
 */
extern uint32_t s7_early_count;

/*
 * Nothing is ours, nor will be by what a call says. The program's memory is not to be looked at
 * then: fault.c stands by from the first socket on.
 */
static inline bool shim_idle(void)
{
	return s7_unlikely(!s7_fds.limit && !s7_early_count);
}
struct s7_file *early_adopt(int fd, const struct sockaddr *addr, socklen_t len);

/*
 * Somebody is about to wait for datagrams on this descriptor, of which nothing is decided yet: it
 * becomes the stack's now. True if it did.
 */
bool early_adopt_waited(int fd);

static inline void fd_adopt(int fd, const struct sockaddr *addr, socklen_t len)
{
	if (s7_unlikely(s7_early_count) && !fd_get(fd))
		early_adopt(fd, addr, len);
}

/*
 * True in a thread that is inside boot or is the keeper: wrappers pass through (EAL, libbpf and
 * libmnl make sockets of their own), and internal descriptors may be closed.
 */
extern __thread uint32_t s7_inside __attribute__((tls_model("initial-exec")));

/* ---- boot.c ---- */
enum boot_state { BOOT_NOT_YET, BOOT_KERNEL, BOOT_RUNNING };
/* Reads the configuration at the first socket. Cheap when done before. */
enum boot_state boot_conf(void);
/* Starts the stack if the configuration asks for one. 0, or -errno after the one line; then
 * everything is the kernel's. */
int boot_stack(void);
struct s7_inst *boot_inst(void);     /* home instance of the calling thread */
const struct conf *boot_config(void);
extern struct s7_arena *s7_arena;

/*
 * ---- kernel_side.c: which side serves. O_NONBLOCK: file->status is the truth for the program
 * (F_GETFL); the kernel socket has the same bit, except that a listening dual socket's is always
 * set (F_SETFL must leave it so). recv on the kernel side of a dual datagram socket uses
 * MSG_DONTWAIT.
 */
/* Whose is a datagram to dst by this device (sock_device) on this socket: 1 the kernel's
 * (real.sendto on fd), 0 the stack's, -errno. Binds it if unbound. */
int kernel_side_for_send(struct s7_sock *sk, int fd, const struct s7_ip *dst, uint16_t port,
			 uint32_t device);
/* Gives the socket wholly to the kernel: every descriptor of it becomes foreign. For options that
 * only the kernel has. */
void kernel_side_hand_over(struct s7_sock *sk, int fd);

/* ---- time ---- */
s7_time host_now(void); /* CLOCK_MONOTONIC */

/* ---- wait.c: one sleep for everything ---- */
/*
 * Blocks until the socket has one of `events`, the deadline passes (-EAGAIN), or a signal handler
 * interrupts
 * (-EINTR, or goes on when every handler that ran has SA_RESTART and the call is restartable). fd:
 * the descriptor, whose kernel side is watched too when the socket is dual. Drives and spins first.
 */
#define WAIT_PEEK (1u << 27) /* beside EPOLLIN: data beyond SO_PEEK_OFF, see sock_peek_ready */
int wait_sock(struct s7_sock *sk, int fd, uint32_t events, s7_time deadline, bool restartable);
/* This thread's waiter record, made at the first sleep. NULL: none left. */
struct s7_waiter *wait_self(void);
/*
 * The primitive under poll, select, epoll_wait and wait_sock: the caller has queued its nodes under
 * the lock, checked readiness, stored SLEEPING and unlocked. Sleeps on `kfds` (program's kernel
 * descriptors, revents filled as ppoll), the doorbell, and, if this thread becomes the watcher, the
 * ports with a timeout at the next timer. Returns ppoll's count over kfds, or -EINTR; 0 also means:
 * look again. mask NULL: the thread's.
 */
struct pollfd;
int wait_sleep(struct s7_inst *inst, struct s7_waiter *self, struct pollfd *kfds, uint32_t nkfds,
	       s7_time deadline, const sigset_t *mask);

/*
 * What proc.c, fork.c, keeper.c and signal.c want of wait_self.c, which owns the waiter records (a
 * slab in the arena).
 */
int wait_init(struct s7_arena *arena);	   /* at boot: carves the slab. 0, -ENOMEM */
struct s7_slab *wait_records(void);	   /* for another program image, */
int wait_attach(struct s7_slab *records);  /* which takes them instead of wait_init. 0, -EAGAIN */
void wait_ring(
	struct s7_waiter *waiter); /* s7_host_ops.ring: bell, or proc_bell_ring(waiter->proc) */
void wait_ring_process(
	uint32_t slot); /* rings the bells of this process's waiters that have `rung` set */
void wait_forked(void); /* in a forked child: this thread has no waiter record any more */
void wait_reap_process(uint32_t slot); /* that process is dead: frees its waiters, the watcher role,
					  what its calls held */
void wait_handler_returned(void); /* ... and is over */
/*
 * What this thread's calls held that a handler left by longjmp is let go: the caller closes a
 * descriptor, and its file shall end with it.
 */
void wait_abandoned(void);
/* wait_role.c: the last watcher of this instance stayed away for too long */
void wait_was_absent(struct s7_inst *inst, s7_time now);
/* sweep.c: a reference that a blocking call holds is counted (file->counted) */
void wait_count_holds(void);
void wait_interrupted(void); /* a program's handler ran: if this thread is about to sleep it must
				not; signal safe */
/* calls_epoll.c: the socket became SIDE_DUAL or SIDE_KERNEL (file.side): fd goes into the real
 * epoll sets of its items too / only */
void epoll_side_changed(struct s7_sock *sk, int fd);
/* Threads that sleep on it look anew where it is served. */
void side_rouse(struct s7_sock *sk);

/* ---- proc.c: process slots; the doorbell by which other processes wake this one ---- */
struct s7_proc *proc_self(void);     /* this process's slot, NULL before the stack runs */
int proc_bell_fd(void); /* to be in the sleep of one thread of the process; made at first use; -1 if
			   it cannot */
void proc_bell_ring(uint32_t slot);
void proc_bell_pass(
	void); /* proc_bell_fd is readable: drains it and rings the process's own waiters */
/* ---- keeper.c: background thread; wait_self() calls this when it makes a record. Cheap when it
 * runs already. ---- */
void keeper_need(void);
/*
 * inst->watcher while the keeper sleeps on the ports for want of a program's thread. A thread of a
 * program that goes to sleep takes the role from it (cas WATCHER_KEEPER -> own id) and rings
 * nobody; the keeper notices when it wakes.
 */
#define WATCHER_KEEPER 0x80000000u

/*
 * ---- signal.c: sigaction and kin are wrapped; a handler that fires while its thread holds a lock
 * (s7_lock_depth) is put off until inst_unlock has rung the waiters. sig_interrupts counts handlers
 * without SA_RESTART that ran in this thread.
 */
extern __thread uint32_t s7_sig_interrupts __attribute__((tls_model("initial-exec")));
void sig_run_deferred(void); /* s7_host_ops.deferred */

/*
 * Between these the program's handlers are put off, as under a lock: none leaves by longjmp with
 * what the thread has in hand.
 */
static inline void handlers_off(void)
{
	lock_depth_add_(1);
}

static inline void handlers_on(void)
{
	lock_depth_add_(-1);
	if (s7_unlikely(s7_lock_pending && !s7_lock_depth))
		sig_run_deferred();
}

/*
 * Gives back a lock that is no instance's (inst_unlock sees to those): a handler that it put off
 * runs.
 */
static inline void host_unlock(struct s7_lock *lock)
{
	lock_give(lock);
	if (s7_unlikely(s7_lock_pending && !s7_lock_depth))
		sig_run_deferred();
}

/*
 * A call that POSIX makes a cancellation point is one also when it need not wait. Costs a load
 * until the program cancels a thread for the first time.
 */
extern uint32_t s7_cancels;

/* cancel.c: an asynchronous cancellation that came under a lock comes again. */
void cancel_again(void);

static inline void cancel_point(void)
{
	if (s7_unlikely(s7_cancels))
		pthread_testcancel();
}

/* optmem.c: may a send have so many bytes of control messages? 0, -ENOBUFS */
int optmem_allows(size_t control);

/* ---- errno, at one place ---- */
static inline long ret_errno(long ret)
{
	if (s7_unlikely(ret < 0)) {
		errno = (int)-ret;
		return -1;
	}
	return ret;
}

/* ---- log.c ---- */
void log_setup(const struct conf *conf);
void log_line(enum s7_log_level level, const char *line); /* s7_host_ops.log */
void shim_log(enum s7_log_level level, const char *fmt, ...) S7_PRINTF(2, 3);

#endif
