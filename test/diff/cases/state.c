// SPDX-License-Identifier: BSD-3-Clause
/*
 * state.c - every call in every state: a fresh socket of the state for each call, non-blocking
 *
 * What each call says, and what poll and SO_ERROR say behind it.
 */
#include "test/diff/diff.h"


static int keep[4]; /* what must live as long as the socket under test */
static uint16_t other_port;
static bool odd_outq; /* Linux counts from a number it has made up: after a disconnect */

static int tcp_fresh(void)
{
	return sock(SOCK_STREAM);
}

static int tcp_bound(void)
{
	struct sockaddr_in any = loop_addr(0);
	int fd = sock(SOCK_STREAM);

	bind(fd, (struct sockaddr *)&any, sizeof(any));
	return fd;
}

static int tcp_listening(void)
{
	uint16_t port;

	return tcp_listener(3, &port);
}

static int tcp_connected(void)
{
	int fd;

	tcp_pair(&fd, &keep[0]);
	return fd;
}

static int tcp_accepted(void)
{
	int fd;

	tcp_pair(&keep[0], &fd);
	return fd;
}

static int tcp_peer_closed(void)
{
	int fd = tcp_connected();

	close(keep[0]);
	keep[0] = -1;
	settle();
	return fd;
}

static int tcp_peer_reset(void)
{
	struct linger now = { 1, 0 };
	int fd = tcp_connected();

	setsockopt(keep[0], SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(keep[0]);
	keep[0] = -1;
	settle();
	return fd;
}

static int tcp_shut_rd(void)
{
	int fd = tcp_connected();

	shutdown(fd, SHUT_RD);
	return fd;
}

static int tcp_shut_wr(void)
{
	int fd = tcp_connected();

	shutdown(fd, SHUT_WR);
	settle();
	return fd;
}

static int tcp_shut_both(void)
{
	int fd = tcp_connected();

	shutdown(fd, SHUT_RDWR);
	settle();
	return fd;
}

static int tcp_both_closed(void)
{
	int fd = tcp_connected();

	shutdown(keep[0], SHUT_WR);
	settle();
	shutdown(fd, SHUT_WR);
	settle();
	return fd;
}

static int tcp_refused(void)
{
	int fd = sock(SOCK_STREAM);

	conn(fd, dead_port());
	odd_outq = true;
	return fd;
}

static int tcp_refused_pending(void)
{
	int fd = sock(SOCK_STREAM);

	nonblock(fd);
	odd_outq = true;
	conn(fd, dead_port());
	settle();
	return fd;
}

static int tcp_with_data(void)
{
	int fd = tcp_connected();

	send(keep[0], "0123456789", 10, 0);
	settle();
	return fd;
}

static int tcp_fresh_shut(void)
{
	int fd = sock(SOCK_STREAM);

	shutdown(fd, SHUT_RDWR);
	return fd;
}

static int tcp_disconnected(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = tcp_connected();

	connect(fd, &none, sizeof(none));
	odd_outq = true;
	return fd;
}

static int tcp_was_listening(void)
{
	int fd = tcp_listening();

	odd_outq = true;
	shutdown(fd, SHUT_RD);
	return fd;
}

static int udp_fresh(void)
{
	return sock(SOCK_DGRAM);
}

static int udp_bound_only(void)
{
	uint16_t port;

	return udp_bound(&port);
}

static int udp_connected(void)
{
	int fd = sock(SOCK_DGRAM);
	uint16_t port;

	keep[0] = udp_bound(&port);
	conn(fd, port);
	return fd;
}

static int udp_refused(void)
{
	int fd = udp_connected();

	close(keep[0]);
	keep[0] = -1;
	send(fd, "x", 1, 0);
	settle();
	return fd;
}

static int udp_with_data(void)
{
	int fd;

	udp_pair(&fd, &keep[0]);
	conn(keep[0], port_of(fd));
	send(keep[0], "first", 5, 0);
	send(keep[0], "second!", 7, 0);
	settle();
	return fd;
}

static int udp_shut(void)
{
	int fd = udp_connected();

	shutdown(fd, SHUT_RDWR);
	return fd;
}

static int udp_fresh_shut(void)
{
	int fd = sock(SOCK_DGRAM);

	shutdown(fd, SHUT_RDWR);
	return fd;
}

/* ---- the calls ---- */

static void op_bind(int fd)
{
	struct sockaddr_in any = loop_addr(0);

	T(bind(fd, (struct sockaddr *)&any, sizeof(any)));
}

static void op_bind_short(int fd)
{
	struct sockaddr_in any = loop_addr(0);

	T(bind(fd, (struct sockaddr *)&any, 8));
}

static void op_bind_family(int fd)
{
	struct sockaddr_in any = loop_addr(0);

	any.sin_family = AF_UNIX;
	T(bind(fd, (struct sockaddr *)&any, sizeof(any)));
}

static void op_bind_far(int fd)
{
	struct sockaddr_in far = loop_addr(0);

	far.sin_addr.s_addr = htonl(0xc6336401);
	T(bind(fd, (struct sockaddr *)&far, sizeof(far)));
}

static void op_listen(int fd)
{
	T(listen(fd, 5));
}

static void op_accept(int fd)
{
	T(accept(fd, NULL, NULL));
}

static void op_accept_flags(int fd)
{
	T(accept4(fd, NULL, NULL, 12345));
}

static void op_connect(int fd)
{
	T(conn(fd, other_port));
	settle();
	T(conn(fd, other_port));
	T(conn(fd, other_port));
}

static void op_connect_dead(int fd)
{
	uint16_t port = dead_port();

	T(conn(fd, port));
	settle();
	say_poll("dead", fd, 0);
	T(conn(fd, port));
	settle();
	T(conn(fd, port));
}

static void op_connect_short(int fd)
{
	struct sockaddr_in to = loop_addr(other_port);

	T(connect(fd, (struct sockaddr *)&to, 8));
	T(connect(fd, (struct sockaddr *)&to, 1));
	T(connect(fd, (struct sockaddr *)&to, 0));
}

static void op_connect_family(int fd)
{
	struct sockaddr_in to = loop_addr(other_port);

	to.sin_family = AF_UNIX;
	T(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static void op_connect_zero(int fd)
{
	T(conn(fd, 0));
}

static void op_connect_broadcast(int fd)
{
	struct sockaddr_in to = loop_addr(other_port);

	to.sin_addr.s_addr = htonl(INADDR_BROADCAST);
	T(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

static void op_unspec(int fd)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };

	T(connect(fd, &none, sizeof(none)));
	say_names("after", fd);
}

static void op_send(int fd)
{
	T(send(fd, "abc", 3, 0));
	T(send(fd, "abc", 3, MSG_NOSIGNAL));
}

static void op_send_empty(int fd)
{
	T(send(fd, "", 0, 0));
	T(write(fd, "", 0));
}

static void op_sendto(int fd)
{
	struct sockaddr_in to = loop_addr(other_port);

	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	T(sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, 4));
}

static void op_send_oob(int fd)
{
	T(send(fd, "a", 1, MSG_OOB));
}

static void op_recv(int fd)
{
	char buf[64] = "";

	say_bytes("recv", buf, recv(fd, buf, sizeof(buf), 0));
	say_bytes("again", buf, recv(fd, buf, sizeof(buf), 0));
}

static void op_recv_zero(int fd)
{
	char buf[4];

	T(recv(fd, buf, 0, 0));
	T(read(fd, buf, 0));
}

static void op_recv_kinds(int fd)
{
	char buf[64] = "";

	say_bytes("peek", buf, recv(fd, buf, 3, MSG_PEEK));
	say_bytes("peek trunc", buf, recv(fd, buf, 3, MSG_PEEK | MSG_TRUNC));
	T(recv(fd, buf, 1, MSG_OOB));
	T(recv(fd, buf, 1, MSG_ERRQUEUE));
	T(recv(fd, buf, 2, MSG_TRUNC));
	say_bytes("waitall", buf, recv(fd, buf, 3, MSG_WAITALL));
}

static void op_recvfrom(int fd)
{
	struct sockaddr_storage addr = { 0 };
	socklen_t len = sizeof(addr);
	char buf[64] = "";

	say_bytes("recvfrom", buf,
		  recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&addr, &len));
	say_addr("from", &addr, len);
}

static void op_shutdown(int fd)
{
	T(shutdown(fd, SHUT_RD));
	say_poll("rd", fd, 0);
	T(shutdown(fd, SHUT_WR));
	settle();
	say_poll("wr", fd, 0);
	T(shutdown(fd, SHUT_RDWR));
	say_poll("both", fd, 0);
}

static void op_shutdown_bad(int fd)
{
	T(shutdown(fd, 3));
	T(shutdown(fd, -1));
}

static void op_shutdown_both(int fd)
{
	T(shutdown(fd, SHUT_RDWR));
	say_poll("both", fd, 0);
}

static void op_ioctl(int fd)
{
	int value = -5;

	T(ioctl(fd, FIONREAD, &value));
	say("%d", value);
	value = -5;
	T(ioctl(fd, TIOCOUTQ, &value));
	if (!odd_outq)
		say("%d", value);
	value = -5;
	T(ioctl(fd, 0x8905 /* SIOCATMARK */, &value));
	say("%d", value);
	T(ioctl(fd, 0x894B /* SIOCOUTQNSD */, &value));
	T(ioctl(fd, 0x5401 /* TCGETS */, &value));
	T(ioctl(fd, 0x12345678, &value));
}

static void op_info(int fd)
{
	say("ACCEPTCONN %d", get_int(fd, SOL_SOCKET, SO_ACCEPTCONN));
	say("TYPE %d", get_int(fd, SOL_SOCKET, SO_TYPE));
	say("PROTOCOL %d", get_int(fd, SOL_SOCKET, SO_PROTOCOL));
	say("DOMAIN %d", get_int(fd, SOL_SOCKET, SO_DOMAIN));
	say("MAXSEG %d", get_int(fd, IPPROTO_TCP, TCP_MAXSEG) > 0);
	say("TTL %d", get_int(fd, IPPROTO_IP, IP_TTL));
	say("MTU %s",
	    err_name(get_int(fd, IPPROTO_IP, IP_MTU) < 0 ? -get_int(fd, IPPROTO_IP, IP_MTU) : 0));
	if (get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_STREAM) {
		struct tcp_info info = { 0 };
		socklen_t len = sizeof(info);

		T(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
		say("tcpi_state %d", info.tcpi_state);
	}
}

static void op_bad_memory(int fd)
{
	socklen_t len = 16;

	T(getsockname(fd, NULL, &len));
	T(getpeername(fd, NULL, &len));
	T(bind(fd, NULL, 16));
	T(connect(fd, NULL, 16));
	T(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, NULL, 4));
	T(getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, NULL, &len));
	T(send(fd, NULL, 5, 0));
	T(recv(fd, NULL, 5, 0));
}

static void op_nothing(int fd)
{
	say_names("as is", fd);
	T(fcntl(fd, F_GETFL));
}

static const struct {
	const char *name;
	void (*run)(int fd);
} ops[] = {
	{ "nothing", op_nothing },
	{ "bind", op_bind },
	{ "bind short", op_bind_short },
	{ "bind family", op_bind_family },
	{ "bind far", op_bind_far },
	{ "listen", op_listen },
	{ "accept", op_accept },
	{ "accept flags", op_accept_flags },
	{ "connect", op_connect },
	{ "connect dead", op_connect_dead },
	{ "connect short", op_connect_short },
	{ "connect family", op_connect_family },
	{ "connect port 0", op_connect_zero },
	{ "connect broadcast", op_connect_broadcast },
	{ "unspec", op_unspec },
	{ "send", op_send },
	{ "send empty", op_send_empty },
	{ "sendto", op_sendto },
	{ "send oob", op_send_oob },
	{ "recv", op_recv },
	{ "recv zero", op_recv_zero },
	{ "recv kinds", op_recv_kinds },
	{ "recvfrom", op_recvfrom },
	{ "shutdown", op_shutdown },
	{ "shutdown bad", op_shutdown_bad },
	{ "shutdown both", op_shutdown_both },
	{ "ioctl", op_ioctl },
	{ "info", op_info },
	{ "bad memory", op_bad_memory },
};

static void try_all(int type, int (*make)(void))
{
	int other = type == SOCK_STREAM ? tcp_listener(64, &other_port) : udp_bound(&other_port);

	for (size_t i = 0; i < COUNT(ops); i++) {
		int fd;

		keep[0] = -1;
		fd = make();
		nonblock(fd);
		say("--- %s", ops[i].name);
		ops[i].run(fd);
		say_poll("then", fd, 0);
		say_so_error(fd);
		if (keep[0] >= 0)
			close(keep[0]);
		close(fd);
	}
	close(other);
}

#define STATE(type, name) CASE(state_##name) { try_all(type, name); }

STATE(SOCK_STREAM, tcp_fresh)
STATE(SOCK_STREAM, tcp_bound)
STATE(SOCK_STREAM, tcp_listening)
STATE(SOCK_STREAM, tcp_connected)
STATE(SOCK_STREAM, tcp_accepted)
STATE(SOCK_STREAM, tcp_peer_closed)
STATE(SOCK_STREAM, tcp_peer_reset)
STATE(SOCK_STREAM, tcp_shut_rd)
STATE(SOCK_STREAM, tcp_shut_wr)
STATE(SOCK_STREAM, tcp_shut_both)
STATE(SOCK_STREAM, tcp_both_closed)
STATE(SOCK_STREAM, tcp_refused)
STATE(SOCK_STREAM, tcp_refused_pending)
STATE(SOCK_STREAM, tcp_with_data)
STATE(SOCK_STREAM, tcp_fresh_shut)
STATE(SOCK_STREAM, tcp_disconnected)
STATE(SOCK_STREAM, tcp_was_listening)
STATE(SOCK_DGRAM, udp_fresh)
STATE(SOCK_DGRAM, udp_bound_only)
STATE(SOCK_DGRAM, udp_connected)
STATE(SOCK_DGRAM, udp_refused)
STATE(SOCK_DGRAM, udp_with_data)
STATE(SOCK_DGRAM, udp_shut)
STATE(SOCK_DGRAM, udp_fresh_shut)
