// SPDX-License-Identifier: BSD-3-Clause
/* ready_watch.c - what poll, select, epoll and SIGIO say of one socket, in one line */
#include "test/diff/cases/ready.h"

#define ASKED \
	(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | \
	 EPOLLRDHUP)
#define STORIES 16

static struct story {
	int code;
	long band;
	int fd;
} stories[STORIES];
static volatile sig_atomic_t story_count;

static void on_story(int sig, siginfo_t *info, void *context)
{
	struct story s = { info->si_code, info->si_band, info->si_fd };
	int i;

	(void)sig;
	(void)context;
	for (i = 0; i < story_count; i++)
		if (stories[i].code == s.code && stories[i].band == s.band && stories[i].fd == s.fd)
			return;
	if (story_count == STORIES)
		return;
	/* in the order of their codes: which of two came first is a matter of microseconds */
	for (i = story_count; i && stories[i - 1].code > s.code; i--)
		stories[i] = stories[i - 1];
	stories[i] = s;
	story_count++;
}

static int add(int fd, uint32_t how)
{
	struct epoll_event ev = { .events = ASKED | how };
	int ep = epoll_create1(0);

	epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev);
	return ep;
}

void watch_begin(struct watch *w, int fd)
{
	struct sigaction sa = { .sa_sigaction = on_story, .sa_flags = SA_SIGINFO | SA_RESTART };

	sigaction(SIGRTMIN, &sa, NULL);
	w->fd = fd;
	w->level = add(fd, 0);
	w->edge = add(fd, EPOLLET);
	w->once = add(fd, EPOLLONESHOT);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETSIG, SIGRTMIN);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
	story_count = 0;
}

static void wait_a_while(void)
{
	int64_t end = now_ms() + 25;

	while (now_ms() < end)
		usleep(5000);
}

static void put_events(const char *text, uint32_t events)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ EPOLLIN, "IN" },	   { EPOLLPRI, "PRI" },	       { EPOLLOUT, "OUT" },
		{ EPOLLERR, "ERR" },	   { EPOLLHUP, "HUP" },	       { EPOLLRDHUP, "RDHUP" },
		{ EPOLLRDNORM, "rdnorm" }, { EPOLLRDBAND, "rdband" },  { EPOLLWRNORM, "wrnorm" },
		{ EPOLLWRBAND, "wrband" },
	};

	printf(" | %s", text);
	for (size_t i = 0; i < COUNT(names); i++)
		if (events & names[i].bit)
			printf(" %s", names[i].name);
}

static uint32_t take(int ep)
{
	struct epoll_event ev;

	return epoll_wait(ep, &ev, 1, 0) == 1 ? ev.events : 0;
}

static void put_select(int fd)
{
	struct timeval none = { 0, 0 };
	fd_set set[3];

	for (int i = 0; i < 3; i++) {
		FD_ZERO(&set[i]);
		FD_SET(fd, &set[i]);
	}
	printf(" | select %d", select(fd + 1, &set[0], &set[1], &set[2], &none));
	for (int i = 0; i < 3; i++)
		if (FD_ISSET(fd, &set[i]))
			printf(" %c", "rwx"[i]);
}

static void put_stories(int fd)
{
	printf(" | signals");
	for (int i = 0; i < story_count; i++)
		printf(" %d/%lx%s", stories[i].code, (unsigned long)stories[i].band,
		       stories[i].fd == fd ? "" : "/of another");
	story_count = 0;
}

void watch_say(struct watch *w, const char *text)
{
	struct pollfd p = { .fd = w->fd, .events = (short)ASKED };
	struct epoll_event again = { .events = ASKED | EPOLLONESHOT };

	wait_a_while();
	printf("%s: poll %d", text, poll(&p, 1, 0));
	put_events("", (uint16_t)p.revents);
	put_select(w->fd);
	put_events("level", take(w->level));
	put_events("edge", take(w->edge));
	put_events("once", take(w->once));
	put_events("disarmed", take(w->once));
	epoll_ctl(w->once, EPOLL_CTL_MOD, w->fd, &again);
	put_stories(w->fd);
	say("%s", "");
}

void watch_forget(struct watch *w)
{
	wait_a_while();
	take(w->level);
	take(w->edge);
	take(w->once);
	story_count = 0;
}

void watch_end(struct watch *w)
{
	fcntl(w->fd, F_SETFL, fcntl(w->fd, F_GETFL) & ~O_ASYNC);
	close(w->level);
	close(w->edge);
	close(w->once);
	story_count = 0;
}

/* ---- starting points of either family ---- */

static socklen_t loop_of(int domain, uint16_t port, struct sockaddr_storage *at)
{
	struct sockaddr_in in = loop_addr(port);
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	memset(at, 0, sizeof(*at));
	if (domain == AF_INET) {
		memcpy(at, &in, sizeof(in));
		return sizeof(in);
	}
	memcpy(at, &in6, sizeof(in6));
	return sizeof(in6);
}

int ready_bound(int domain, int type)
{
	struct sockaddr_storage at;
	socklen_t len = loop_of(domain, 0, &at);
	int fd = socket(domain, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len))
		say("starting point: %s", err_name(errno));
	return fd;
}

int ready_connect(int fd, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = loop_of(get_int(fd, SOL_SOCKET, SO_DOMAIN), port, &at);

	return connect(fd, (struct sockaddr *)&at, len);
}

void ready_pair(int domain, int *ret_client, int *ret_server)
{
	int listener = ready_bound(domain, SOCK_STREAM);

	listen(listener, 4);
	*ret_client = socket(domain, SOCK_STREAM, 0);
	if (ready_connect(*ret_client, port_of(listener)))
		say("starting point: connect: %s", err_name(errno));
	*ret_server = accept(listener, NULL, NULL);
	close(listener);
}

void ready_reset(int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}
