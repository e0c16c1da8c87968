// SPDX-License-Identifier: BSD-3-Clause
/*
 * pat_pass.c - connections that are passed over UNIX sockets (SCM_RIGHTS)
 */
#include "pat.h"

static void send_fds(int over, const int *fds, size_t count)
{
	union {
		char room[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr head;
	} control = { .room = "" };
	struct iovec iov = { "x", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = CMSG_SPACE(count * sizeof(int)) };

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.head), fds, count * sizeof(int));
	if (sendmsg(over, &msg, 0) != 1)
		say("sendmsg", -1);
}

static int receive_fd(int over, int flags)
{
	union {
		char room[CMSG_SPACE(4 * sizeof(int))];
		struct cmsghdr head;
	} control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	int fd = -1;

	if (recvmsg(over, &msg, flags) != 1 || msg.msg_controllen < CMSG_LEN(sizeof(fd)))
		say("recvmsg", -1);
	else
		memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

/* The other program; the listener that it inherits keeps it on the same stack. */
static void worker(int lfd, int over)
{
	int fd = receive_fd(over, MSG_CMSG_CLOEXEC);
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	char buf[64];
	ssize_t n;

	close(lfd);
	say("cloexec", fcntl(fd, F_GETFD));
	say("getpeername", getpeername(fd, (struct sockaddr *)&in, &len));
	printf("peer %s\n", in.sin_addr.s_addr == addr_peer(0).sin_addr.s_addr ? "is" : "is not");
	write_text(fd, "by the worker\n");
	n = read(fd, buf, sizeof(buf));
	write_text(fd, n == 7 ? "has read it\n" : "has not\n");
}

/* To a child by fork, which has not inherited it; the last to close it says goodbye. */
static void to_child(void)
{
	int lfd = server(), over[2], fds[2];
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, over);
	pid = fork();
	if (!pid) {
		int fd = receive_fd(over[1], 0);

		write_text(fd, "child\n");
		peer("conn %d", PORT); /* so that its session lives */
		close(fd);
		_exit(0);
	}
	fds[0] = accepted(lfd);
	send_fds(over[0], fds, 1);
	wait_for("child", pid);
	write_text(fds[0], "parent\n");
	close(fds[0]);
	for (int i = 0; i < 3; i++)
		printf("%s\n", peer("recv 0"));
}

/* To an executed worker; the passing program has closed its own before the worker looks. */
static void to_program(void)
{
	char words[2][16];
	int lfd = server(), over[2], fd;
	pid_t pid;

	socketpair(AF_UNIX, SOCK_DGRAM, 0, over);
	pid = fork();
	if (!pid) {
		snprintf(words[0], sizeof(words[0]), "%d", lfd);
		snprintf(words[1], sizeof(words[1]), "%d", over[1]);
		execl("/proc/self/exe", "pat_pass", "--worker", words[0], words[1], (char *)NULL);
	}
	fd = accepted(lfd);
	send_fds(over[0], &fd, 1);
	close(fd);
	printf("%s\n", peer("recv 0"));
	peer("send 0 a line");
	printf("%s\n", peer("recv 0"));
	printf("%s\n", peer("recv 0"));
	wait_for("worker", pid);
}

/* Messages that nobody takes: what was in them is closed. */
static void to_nobody(void)
{
	int lfd = server(), over[2], fds[2];
	pid_t pid;

	socketpair(AF_UNIX, SOCK_STREAM, 0, over);
	fds[0] = accepted(lfd);
	fds[1] = accepted(lfd);
	pid = fork();
	if (!pid)
		pause();
	send_fds(over[0], fds, 2);
	close(fds[0]);
	close(fds[1]);
	close(over[0]);
	close(over[1]);
	kill(pid, SIGKILL);
	wait_for("killed", pid);
	printf("%s\n", peer("recv 0"));
	printf("%s\n", peer("recv 1"));
}

/* Looked at before it is taken: two descriptors of one connection. */
static void peeked(void)
{
	int fd = accepted(server()), over[2], got[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, over);
	send_fds(over[0], &fd, 1);
	close(fd);
	got[0] = receive_fd(over[1], MSG_PEEK);
	got[1] = receive_fd(over[1], 0);
	write_text(got[0], "peeked\n");
	close(got[0]);
	write_text(got[1], "taken\n");
	close(got[1]);
	for (int i = 0; i < 3; i++)
		printf("%s\n", peer("recv 0"));
}

static const struct scenario table[] = {
	{ "to_child", to_child },
	{ "to_program", to_program },
	{ "to_nobody", to_nobody },
	{ "peeked", peeked },
};

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "--worker")) {
		setvbuf(stdout, NULL, _IOLBF, 0);
		worker(atoi(argv[2]), atoi(argv[3]));
		return 0;
	}
	return run_scenarios(table, sizeof(table) / sizeof(*table), argc, argv);
}
