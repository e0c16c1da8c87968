/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * internal.h - what the boot, process and descriptor files of shim/ share among themselves
 *
 * The wrappers (calls_*.c) and wait.c need shim.h only.
 */
#ifndef S7_SHIM_INTERNAL_H
#define S7_SHIM_INTERNAL_H

#include "dpdk_port/port.h"
#include "kern/kern.h"
#include "shim/shim.h"
#include "stack/base/sys.h"

/* ---- fdtab.c ---- */
/* Moves a descriptor of ours out of the program's way (high, close-on-exec) and protects it.
 * Returns the new number. */
int fd_make_internal(int fd);
/* Where such numbers begin. */
long fd_high_base(void);
void fd_unmark_internal(int fd);
/* Lets every number below limit be looked up in this process's slot. */
void fd_table_start(struct s7_proc *proc);
/* Takes the file out of every table of every process, dropping those references. */
void fd_forget_file(struct s7_file *file);
/*
 * fork: enters all files of this process into another slot, a reference each. From then on no
 * descriptor of ours changes, so that the child's are those that the slot has, until fd_table_thaw.
 */
void fd_table_copy(struct s7_proc *to);
void fd_table_thaw(void);
/* Has this process a descriptor of the stack? The stack runs. */
bool fd_any(void);
/*
 * exec: entries whose descriptor is closed by now, or is none of that kind, go. Returns how many
 * stay.
 */
uint32_t fd_table_carried(struct s7_proc *proc);
/* posix_spawn: a change of a slot's table whose process does not run yet. NULL: nothing there. */
void fd_table_put(struct s7_proc *proc, uint32_t fd, struct s7_file *file);
/* Empties a table (exit, reaping), giving its references back. Returns how many there were. */
uint32_t fd_table_drop(struct s7_proc *proc);
/* In a forked child: the lock and the tables of the parent's threads are nobody's. NULL: it has no
 * table. */
void fd_forked(struct s7_proc *proc);

/* ---- early.c ---- */
void early_note(int fd);
void early_forget(int fd);
/* setsockopt of a descriptor that is no socket of the stack, or not yet. */
int early_setsockopt(int fd, int level, int name, const void *val, socklen_t len);
void early_forget_range(uint32_t first, uint32_t last);
/* The stack runs now: makes sockets of the stack of all that are remembered. */
void early_adopt_all(void);
/* The stack will not run: they stay what they are. */
void early_drop_all(void);

/* ---- kernel_side.c ---- */
int kernel_side_bind(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len);
/* The kernel socket is bound (chosen: to a port that the program named): gives the stack's the same
 * name, decides the side. 0, -errno. */
int kernel_side_bound(struct s7_sock *sk, int fd, bool chosen);
/* Binds to every address and a port that the kernel picks, on both sides. */
int kernel_side_autobind(struct s7_sock *sk, int fd);
/* Source address and port for a connection to dst, reserved in the kernel where it has the address
 * too. */
int kernel_side_source(struct s7_sock *sk, int fd, const struct s7_ip *dst, uint16_t dport);
/*
 * A raw socket's side, as its address and device say: at its start (fd -1: in no epoll set yet) and
 * when the device changed.
 */
void kernel_side_raw(struct s7_sock *sk, int fd);
/*
 * Whose is a destination: as sock_route_owner, but the kernel's too where, with loopback = stack,
 * only a kernel socket is at that port of this host.
 */
int kernel_side_owner(struct s7_sock *sk, const struct s7_ip *dst, uint16_t port, uint32_t device);
/* The kernel's half waits or does not, as the program said: another one has it too. */
void kernel_side_status(const struct s7_sock *sk, int fd);
/* The stack has connected it: so does the kernel's half, if it can; else the stack alone serves. */
int kernel_side_connect_raw(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len);
/*
 * The socket has no peer any more: the side that its binding gives. One that was accepted gets a
 * kernel socket of its own under fd.
 */
void kernel_side_again(struct s7_sock *sk, int fd);
/* An accepted connection gets a kernel socket of its own under fd. */
void kernel_side_own(const struct s7_sock *sk, int fd);
/* IPV6_ADDRFORM made it a socket of AF_INET: so is its kernel socket then. */
void kernel_side_new_family(struct s7_sock *sk, int fd);
/* The kernel's part of a listener listens first, if it serves too: it may refuse. */
int kernel_side_listen(struct s7_sock *sk, int fd, int backlog);

/* ---- fastopen.c ---- */
/* Asks the kernel whether clients and servers may, and for a server's keys; fd -1: no keys. */
void fastopen_refresh(struct s7_sock *sk, int fd);

/* ---- calls_conn.c ---- */
/*
 * connect(); with data (MSG_FASTOPEN) it does not wait, and what left in the SYN is in data->skip.
 * 1: the socket is the kernel's now and the kernel shall do it. Else 0, -errno.
 */
int conn_connect(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len,
		 struct s7_msg *data);
/* Waits for the outcome, SO_SNDTIMEO at most: then -EINPROGRESS. */
int conn_finish(struct s7_sock *sk, int fd);

/* ---- boot.c ---- */
#define S7_PROCESS_SLOT_NONE UINT32_MAX

#define FRAME_PIECES_MAX 32

struct boot_iface {
	struct s7_port *port;
	struct s7_netdev_info info;
	int ifindex;	 /* of the kernel netdev below, 0 none */
	bool adopt;	 /* takes the kernel's addresses */
	bool silenced;
	struct kern_silencer silencer;
};

/* This process's knowledge of the stack that it (or an ancestor) started. Private; inherited by
 * fork. */
struct boot {
	struct conf conf;
	struct s7_env *env;
	struct boot_iface iface[CONF_IFACES_MAX]; /* parallel to conf.iface */
	uint32_t iface_count;
	uint32_t inst_count;
	void *pool[S7_INSTS_MAX];
	int arena_fd;
	int piece_fd[FRAME_PIECES_MAX]; /* of the frame memory, as in struct carry_book */
	int watch_fd; /* netlink; -1 none */
	uint32_t boot_pid;
	uint64_t mapped; /* bytes of address space that the start took */
	char why[256];
};

extern struct boot s7_boot;
/*
 * boot_adopt.c: the kernel's MTUs of adopted netdevs and, with loopback = stack, of lo. Any thread.
 */
void boot_adopt_mtu(void);
/* Whether boot_conf() would find a configuration, as far as can be told without reading it. */
bool boot_in_sight(void);
bool boot_running(void);
void boot_forked(void);
#define ARENA_BYTES (64ull << 30) /* address space */
/*
 * carry_in.c, after exec: the arena at its address (0, -errno), the private window likewise, and,
 * when all is in place and the slot is this process's, the stack runs.
 */
int boot_map_arena(void);
int boot_map_env(void);
void boot_attached(void);
/* The way back from both. */
void boot_unmap(void);
/* The process ends: every descriptor is foreign, new sockets are the kernel's. */
void boot_stopped(void);

/* boot_params.c */
void params_fill(const struct conf *conf, struct s7_params *ret_params);
/*
 * The kernel's numbers for TCP, again if they are old: for every instance. Takes their locks. By a
 * thread that makes a socket, never in the background: the files that are read have the lowest free
 * descriptors for a moment, which the program's own calls must not see.
 */
void params_look_again(void);
bool params_may(enum s7_host_cap cap); /* s7_host_ops.may */
/* flow6.c: s7_host_ops.label_free, and HOST_ROUTING2. */
bool flow6_label_free(uint32_t label);
bool flow6_routing2(void);
int params_cpu(void);		       /* s7_host_ops.cpu */
uint64_t params_put_off(void);	       /* s7_host_ops.put_off */
/* params' where the interface's section says nothing. */
struct s7_iface_tcp params_of_iface(const struct conf_iface *conf, const struct s7_params *params);

/* boot_iface.c: ports and silencers; each 0 or -errno with s7_boot.why */
int boot_ports(void);
int boot_ifaces(void);
int boot_silencers(void);
void boot_ports_close(void);
void boot_own_port(uint8_t proto, const struct s7_ip *ip, uint16_t port, enum s7_own own);
bool boot_shares(void); /* a netdev with the kernel */
void boot_beat(void);

/* neighbours.c: other programs on sock7 at the same netdevs. 0; s7_host_ops */
int boot_neighbours(void);
void neighbours_close(void);
/*
 * For carry.h: the number of the program's place, -1 none; its descriptor; the same place in
 * another program, which has the descriptor. 0, -errno.
 */
int neighbours_number(void);
int *neighbours_fd(void);
int neighbours_attach(int number);
void neighbours_own(uint8_t proto, uint16_t port, bool own); /* the first, the last address */
void neighbours_group(const struct s7_bind *bind, uint32_t members);
bool neighbours_give(const struct s7_bind *bind, const struct s7_flow *ends, int ifindex);
bool neighbours_own_too(uint8_t proto, uint16_t port, int ifindex);

/* boot_secret.c: s7_host_ops.random and .lasting */
void secret_random(void *buf, size_t len);
void secret_lasting(void *buf, size_t len);

/* boot_code.c: executable memory for filters. 0 */
int boot_code(void);
void boot_code_drop(void);

/* boot_filter.c: the firewalls of interfaces. 0, -errno with s7_boot.why */
int boot_filters(void);

/* boot_adopt.c: addresses and routes from the kernel and the configuration, into every instance */
int boot_adopt(void);

/* ---- owner.c, sigio.c ---- */
#define OWNER_NOT_ASKED 1 /* the call is about something else */
/* fcntl and ioctl about the owner of a socket of the stack. 0, -errno, OWNER_NOT_ASKED. */
int owner_fcntl(struct s7_sock *sk, int fd, int cmd, void *arg, int *ret_value);
int owner_ioctl(struct s7_sock *sk, int fd, unsigned long request, void *arg);
/* O_ASYNC of the socket's status changed. 0, -ENOMEM. */
int owner_async(struct s7_sock *sk, int fd, bool on);
/* A kernel socket that was given an owner before it became the stack's. */
void owner_import(struct s7_sock *sk, int fd);
void sigio_send(const struct s7_signal *sig); /* s7_host_ops.signal */
/* In si_errno, with the true si_code in the low bits: signal.c puts it right. */
#define SIGIO_DRESSED 0x53370000

/* ---- proc.c ---- */
/* Reads a small file of /proc whole; bytes, or -errno. */
long proc_file_read(const char *path, char *buf, size_t room);
int proc_init(struct s7_arena *arena);
/* A free slot in state STARTING, or NULL; reaps dead processes when none is free. */
struct s7_proc *proc_slot_take(void);
void proc_slot_free(struct s7_proc *proc);
/*
 * This process lives in the slot from now on (as a child, or again after exec). False: it took so
 * long that the slot was given to another, which its ticket shows.
 */
bool proc_slot_enter(struct s7_proc *proc, uint64_t ticket);
/* Whose a slot that was taken for a child is, unless the child said so itself (or is gone). */
void proc_slot_set_pid(struct s7_proc *proc, uint64_t ticket, uint32_t pid);
uint32_t proc_slot_id(const struct s7_proc *proc);
/* Reaps processes that died (or became another program by exec): returns how many others live. */
uint32_t proc_reap(void);
/* One of the processes is stopped (SIGSTOP, a debugger), wherever it was. */
bool proc_any_stopped(void);
void proc_bell_forked(void);
/*
 * Bells are found by names of a network namespace: a child that fork puts in another takes one of
 * this. Around that fork, in the parent.
 */
void proc_bell_before_fork(void);
void proc_bell_after_fork(void);
void proc_forget_self(void); /* the start failed: the arena goes away */

/* ---- keeper.c ---- */
int keeper_init(struct s7_arena *arena); /* at boot. 0, -errno */
void keeper_forked(void);
/* Adopts addresses and routes if the kernel says that they changed. Any thread, no lock. */
void keeper_look_at_kernel(void);
bool keeper_runs(void); /* in this process, active or not */
/*
 * After a quiet time the keeper looks seldom. A thread that packets woke from its sleep tells it
 * that there is something to look after: the thread may not come back for long.
 */
static inline bool keeper_naps(void)
{
	return atomic_load_explicit(&s7_arena->keeper_naps, memory_order_relaxed);
}
void keeper_wake(void);
/*
 * Before main: starts it and waits until it has made what it needs, so that the descriptors that
 * the program opens first have the numbers that it expects.
 */
void keeper_settle(void);
/* Their pointers into the arena, for carry.h. */
void *keeper_turn(void);
void keeper_attach(void *turn);
bool keeper_elsewhere(void); /* an active keeper lives in another process */
/*
 * Sleeps at most max_ns, and not beyond the next timer, on the ports of the instances in the mask
 * (and fd, if >= 0). True if something became readable.
 */
bool ports_sleep(uint32_t inst_mask, int fd, s7_time max_ns);

/* ---- sweep.c ---- */
/* A process was killed: the next turns of sweep_turn() look for what it had in hand. */
void sweep_want(void);
/* Every half second, by the active keeper. */
void sweep_turn(void);

/* ---- fork.c, exit.c ---- */
pid_t fork_process(void);
/* Without handlers, by a call that returns as fork does. */
pid_t fork_process_by(pid_t (*how)(void *arg), void *arg);
/* ... or whose child does not return from it, but begins with this. */
void fork_child_begins(void);
void exit_leave(void);
bool proc_is_alone(void); /* no other thread of the program runs in this process */

/* ---- calls_limit.c ---- */
uint64_t limit_mapped(void); /* bytes of address space in use */

/* ---- calls_clone.c: what syscall() was given ---- */
struct clone_args;
pid_t clone_by_words(long flags, long stack, long a, long b, long c);
pid_t clone_by_struct(const struct clone_args *args, size_t size);

/* ---- signal.c ---- */
void signals_block(sigset_t *ret_old);
void signals_restore(const sigset_t *old);
/*
 * A thread of ours, whose signals are blocked, gets those of its own faults: what it touches may be
 * gone (a memif peer's memory, a program's), which fault.c repairs.
 */
void signals_fault(void);
/* The program's action for a signal, as it gave it. */
const struct sigaction *sig_action(int sig);
void sig_action_set(int sig, const struct sigaction *act);

/* ---- libc_hook.c ---- */
void libc_hook_all(void); /* a configuration was found: libc's own calls come to the wrappers */

/* ---- rights.c ---- */
/*
 * sendmsg of a message with control data to a kernel socket; hdr: a copy of *msg. Sockets of the
 * stack that it passes go to the kernel, or are passed by a proxy.
 */
ssize_t rights_sendmsg(int fd, const struct msghdr *msg, const struct msghdr *hdr, int flags);
/* A kernel socket gave the program a message with control data: what came by proxy is entered. */
void rights_received(const struct msghdr *msg);
int rights_boot(void);	     /* a step of the start */
void rights_turn(void);	     /* the active keeper: messages that nobody will receive */
void rights_count_held(void); /* sweep.c: references of messages under way are counted */

/* ---- packet_feed.c ---- */
void packet_feed_start(void); /* a child that inherited fed sockets feeds them too */
void packet_feed_forked(void);

/* ---- fault.c ---- */
void fault_install(void); /* the stack starts */
bool fault_owns(int sig);
int fault_sigaction(int sig, const struct sigaction *act, struct sigaction *old);

#endif
