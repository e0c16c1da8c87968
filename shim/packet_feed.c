/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_feed.c - a ring of frames of the kernel's and of the stack's interfaces (tcpdump -i any)
 *
 * Idea: the ring lies in the arena, and the stack alone fills it. So of a socket that receives from
 * both halves and has a receive ring a thread of the process reads the kernel's half, and what it
 * reads is put in the ring with the name, time and length that the kernel tells beside it. Such a
 * socket is *fed* (SKB_FED): to poll, epoll and recv its kernel's half is deaf, the ring is all.
 * Nothing is asked of the program: a ring is read without a call. The thread has a descriptor of
 * its own, so that the number of a closed one that was given away is never read, and closes that
 * itself. It looks every LOOK whether the socket is still there, sleeps otherwise, and ends with
 * the last one. Each process that has fed sockets has a thread: a child begins with its keeper;
 * what parent and child read is a frame each, in the ring of both.
 * Bound: FEEDS sockets a process; what is beyond the kernel half's SO_RCVBUF is counted there.
 * Context: feed_update: any thread, no lock held. The thread: signals blocked, s7_inside.
 */
#include <fcntl.h>
#include <linux/if_ether.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "shim/packet.h"
#include "stack/base/sys.h"
#include "stack/sock/sock.h"

#define FEEDS 32
#define LOOK_MS 1000
#define BURST 64
#define FRAME_MOST (512u << 10) /* the longest segment that a kernel joins */
#define RCVBUF_MOST (8 << 20)
#define STACK_BYTES (128u << 10)

static struct feed {
	int fd; /* ours, of the kernel's half; -1: free */
	struct s7_sock *sk;
	uint64_t cookie;
} feeds[FEEDS] = { [0 ... FEEDS - 1] = { .fd = -1 } };

static struct s7_lock feeds_lock;
static int bell = -1; /* rung when there is one more */
static bool running;

/* ---- a frame ---- */

static char bytes[FRAME_MOST]; /* the thread's */

union control {
	char room[CMSG_SPACE(sizeof(struct tpacket_auxdata)) + CMSG_SPACE(sizeof(struct timespec)) +
		  256];
	struct cmsghdr align;
};

static uint64_t wall_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * S7_SEC + (uint64_t)ts.tv_nsec;
}

static void read_beside(struct msghdr *hdr, struct tpacket_auxdata *aux, uint64_t *wall)
{
	struct timespec ts;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(hdr); c; c = CMSG_NXTHDR(hdr, c)) {
		if (c->cmsg_level == SOL_PACKET && c->cmsg_type == PACKET_AUXDATA) {
			memcpy(aux, CMSG_DATA(c), sizeof(*aux));
		} else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
			*wall = (uint64_t)ts.tv_sec * S7_SEC + (uint64_t)ts.tv_nsec;
		}
	}
}

/* True: there was one, and the socket is there. */
static bool feed_frame(const struct feed *feed)
{
	struct iovec iov = { bytes, sizeof(bytes) };
	struct tpacket_auxdata aux = { 0 };
	struct sockaddr_ll name = { 0 };
	union control control;
	struct msghdr hdr = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &iov,
			      .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	struct s7_packet_fed fed = { .name = &name, .aux = &aux, .bytes = (void *)bytes };
	long n = s7_sys3(SYS_recvmsg, feed->fd, &hdr, MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0)
		return n == -ENETDOWN; /* a device went down: told once */
	aux.tp_len = (uint32_t)n;
	aux.tp_net = ETH_HLEN;
	read_beside(&hdr, &aux, &fed.wall);
	if (!fed.wall)
		fed.wall = wall_now();
	fed.len = (uint32_t)s7_min(n, FRAME_MOST);
	return !sock_packet_feed(feed->sk, feed->cookie, &fed, host_now());
}

/* ---- the thread ---- */

static void feed_end(struct feed *feed)
{
	fd_unmark_internal(feed->fd);
	s7_sys1(SYS_close, feed->fd);
	feed->fd = -1;
}

/* Takes out who is gone; the descriptors of the others. False: none is left, the thread ends. */
static bool feeds_look(struct pollfd *fds, struct feed *ret_feeds, nfds_t *ret_count)
{
	nfds_t n = 0;

	lock_take(&feeds_lock);
	for (size_t i = 0; i < FEEDS; i++) {
		if (feeds[i].fd >= 0 && !sock_packet_is_fed(feeds[i].sk, feeds[i].cookie))
			feed_end(&feeds[i]);
		if (feeds[i].fd < 0)
			continue;
		ret_feeds[n] = feeds[i];
		fds[n++] = (struct pollfd){ .fd = feeds[i].fd, .events = POLLIN };
	}
	running = n;
	host_unlock(&feeds_lock);
	*ret_count = n;
	return n;
}

static void *feed_main(void *arg)
{
	struct timespec look = { LOOK_MS / 1000, 0 };
	struct pollfd fds[FEEDS + 1];
	struct feed now[FEEDS];
	uint64_t rung;
	nfds_t n;

	(void)arg;
	s7_inside = 1;
	signals_fault();
	prctl(PR_SET_NAME, "sock7-feed");
	while (feeds_look(fds, now, &n)) {
		fds[n] = (struct pollfd){ .fd = bell, .events = POLLIN };
		if (s7_sys6(SYS_ppoll, (long)fds, (long)n + 1, (long)&look, 0, 0, 0) <= 0)
			continue;
		for (nfds_t i = 0; i < n; i++)
			for (int k = 0; fds[i].revents && k < BURST && feed_frame(&now[i]); k++)
				;
		if (fds[n].revents)
			s7_sys3(SYS_read, bell, &rung, sizeof(rung));
	}
	return NULL;
}

/* feeds_lock held */
static int start_locked(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t old;
	int err;

	if (bell < 0)
		bell = fd_make_internal((int)s7_sys2(SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	signals_block(&old);
	s7_inside++;
	err = pthread_create(&thread, &attr, feed_main, NULL);
	s7_inside--;
	signals_restore(&old);
	pthread_attr_destroy(&attr);
	running = !err;
	return -err;
}

static void ring_bell(void)
{
	uint64_t one = 1;

	if (bell >= 0)
		s7_sys3(SYS_write, bell, &one, sizeof(one));
}

/* ---- who is fed ---- */

/* feeds_lock held. A place for the socket: the one it has still, or a free one. */
static struct feed *place_for(const struct s7_sock *sk)
{
	struct feed *free = NULL;

	for (size_t i = 0; i < FEEDS; i++) {
		if (feeds[i].fd >= 0 && feeds[i].sk == sk && feeds[i].cookie == sk->file.cookie)
			return &feeds[i];
		if (feeds[i].fd < 0 && !free)
			free = &feeds[i];
	}
	return free;
}

static int feed_add_locked(struct s7_sock *sk, int fd)
{
	struct feed *feed = place_for(sk);
	int err;

	if (!feed)
		return -ENOBUFS;
	if (feed->fd < 0) {
		int own = (int)s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, 0);

		if (own < 0)
			return own;
		*feed = (struct feed){ fd_make_internal(own), sk, sk->file.cookie };
	}
	err = running ? 0 : start_locked();
	if (err)
		feed_end(feed);
	return err;
}

static int feed_add(struct s7_sock *sk, int fd)
{
	int err;

	lock_take(&feeds_lock);
	err = feed_add_locked(sk, fd);
	host_unlock(&feeds_lock);
	ring_bell();
	return err;
}

static void set_int(int fd, int level, int name, int val)
{
	s7_sys6(SYS_setsockopt, fd, level, name, (long)&val, sizeof(val), 0);
}

void packet_feed_options(const struct s7_sock *sk, int fd)
{
	bool fed = sk->bits & SKB_FED;

	set_int(fd, SOL_PACKET, PACKET_AUXDATA, fed || sock_packet_wants_aux(sk));
	set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, fed || sk->bits & SKB_TIMESTAMPNS);
	if (!fed && sk->bits & SKB_TIMESTAMP)
		set_int(fd, SOL_SOCKET, SO_TIMESTAMP, 1);
	if (fed) {
		set_int(fd, SOL_SOCKET, SO_RCVBUF, RCVBUF_MOST);
		set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, RCVBUF_MOST);
	}
}

int packet_feed_update(struct s7_sock *sk, int fd)
{
	bool want = sk->file.side == SIDE_DUAL && sock_packet_has_rx_ring(sk);
	int err = 0;

	if (want == !!(sk->bits & SKB_FED))
		return 0;
	sock_packet_fed(sk, want, host_now());
	packet_feed_options(sk, fd);
	epoll_side_changed(sk, fd);
	if (want)
		err = feed_add(sk, fd);
	else
		ring_bell(); /* the thread sees that it is none any more */
	if (err)
		shim_log(LOG_WARN, "descriptor %d: frames of the kernel's interfaces do not come "
			 "into its ring: %s", fd, strerrordesc_np(-err));
	return err;
}

void packet_feed_start(void)
{
	bool some = false;

	lock_take(&feeds_lock);
	for (size_t i = 0; i < FEEDS; i++)
		some |= feeds[i].fd >= 0;
	if (some && !running)
		start_locked();
	host_unlock(&feeds_lock);
}

void packet_feed_forked(void)
{
	memset(&feeds_lock, 0, sizeof(feeds_lock));
	running = false;
	if (bell >= 0) {
		fd_unmark_internal(bell);
		s7_sys1(SYS_close, bell);
		bell = -1;
	}
}
