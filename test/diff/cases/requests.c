// SPDX-License-Identifier: BSD-3-Clause
/*
 * requests.c - ioctl and fcntl: every request of socket(7) and its neighbours, on every kind of
 * socket, in several states
 */
#include "test/diff/cases/ready.h"

#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/syscall.h>

/* Not in the headers that go with the others. */
#define TIOCINQ_ FIONREAD
#define FIOQSIZE_ 0x5460
#define FIGETBSZ_ 2
#define FIBMAP_ 1
#define SIOCGSKNS_ 0x894C
#define SIOCGSTAMP_NEW_ 0x80108906ul
#define SIOCGSTAMPNS_NEW_ 0x80108907ul
#define UNKNOWN 0x1234

struct request {
	const char *name;
	unsigned long number;
	bool value; /* the int that it leaves is said */
};

#define R(name) { #name, name, true }
#define Q(name) { #name, name, false } /* only whether it works */

static const struct request ints[] = {
	R(FIONREAD),  R(SIOCINQ),   R(TIOCOUTQ),   R(SIOCOUTQ),	 R(SIOCOUTQNSD), R(SIOCATMARK),
	R(FIOGETOWN), R(SIOCGPGRP), Q(SIOCGSTAMP_OLD), Q(SIOCGSTAMPNS_OLD), Q(SIOCGSTAMP_NEW_),
	Q(SIOCGSTAMPNS_NEW_), Q(FIOQSIZE_), R(FIGETBSZ_), R(FIBMAP_), R(TCGETS), R(TIOCSTI),
	R(TIOCGWINSZ), R(TIOCNOTTY), R(UNKNOWN), R(SIOCPROTOPRIVATE), R(SIOCDEVPRIVATE),
};

static void say_request(int fd, const struct request *r)
{
	long long value[16] = { -5, -5 };
	int got = ioctl(fd, r->number, value);

	if (got < 0)
		say("%s: %s", r->name, err_name(errno));
	else if (r->value)
		say("%s: %d %d", r->name, got, (int)value[0]);
	else
		say("%s: %d", r->name, got);
	say("%s to nowhere: %s", r->name, ioctl(fd, r->number, NULL) ? err_name(errno) : "0");
	say("%s to 1: %s", r->name, ioctl(fd, r->number, (void *)1) ? err_name(errno) : "0");
}

static void flags_of(int fd, const char *text)
{
	say("%s: status %x descriptor %x", text, (unsigned)fcntl(fd, F_GETFL),
	    (unsigned)fcntl(fd, F_GETFD));
}

static void say_flags(int fd)
{
	int on = 7, off = 0;

	flags_of(fd, "as is");
	T(ioctl(fd, FIOCLEX, NULL));
	flags_of(fd, "FIOCLEX");
	T(ioctl(fd, FIONCLEX, NULL));
	flags_of(fd, "FIONCLEX");
	T(ioctl(fd, FIONBIO, &on));
	flags_of(fd, "FIONBIO");
	T(ioctl(fd, FIOASYNC, &on));
	flags_of(fd, "FIOASYNC");
	T(ioctl(fd, FIONBIO, &off));
	T(ioctl(fd, FIOASYNC, &off));
	T(ioctl(fd, FIONBIO, NULL));
	T(ioctl(fd, FIOASYNC, NULL));
	T(fcntl(fd, F_SETFD, 7));
	flags_of(fd, "F_SETFD");
	T(fcntl(fd, F_SETFD, 0));
	T(fcntl(fd, F_SETFL, -1));
	flags_of(fd, "F_SETFL -1");
	T(fcntl(fd, F_SETFL, O_APPEND));
	flags_of(fd, "O_APPEND");
	T(fcntl(fd, F_SETFL, O_DIRECT));
	flags_of(fd, "O_DIRECT");
	T(fcntl(fd, F_SETFL, O_NOATIME));
	flags_of(fd, "O_NOATIME");
	T(fcntl(fd, F_SETFL, 0));
	flags_of(fd, "nothing");
}

static void say_fcntl(int fd)
{
	static const struct {
		const char *name;
		int cmd;
		long arg;
	} row[] = {
		{ "F_GETSIG", F_GETSIG, 0 },
		{ "F_GETPIPE_SZ", F_GETPIPE_SZ, 0 },
		{ "F_SETPIPE_SZ", F_SETPIPE_SZ, 4096 },
		{ "F_GETLEASE", F_GETLEASE, 0 },
		{ "F_SETLEASE", F_SETLEASE, F_RDLCK },
		{ "F_NOTIFY", F_NOTIFY, 0 },
		{ "F_GET_SEALS", F_GET_SEALS, 0 },
		{ "F_ADD_SEALS", F_ADD_SEALS, 0 },
		{ "F_GETLK", F_GETLK, 0 },
		{ "F_DUPFD -1", F_DUPFD, -1 },
		{ "F_DUPFD far", F_DUPFD, 1 << 30 },
		{ "unknown", 4711, 0 },
		{ "negative", -1, 0 },
	};

	for (size_t i = 0; i < COUNT(row); i++) {
		int got = fcntl(fd, row[i].cmd, row[i].arg);

		say("%s: %s", row[i].name, got < 0 ? err_name(errno) : "done");
	}
	{
		struct flock lock = { .l_type = F_WRLCK };
		int copy;

		T(fcntl(fd, F_SETLK, &lock));
		copy = F(fcntl(fd, F_DUPFD_CLOEXEC, 50));
		flags_of(copy, "copy");
		T(copy >= 50);
		nonblock(copy);
		flags_of(fd, "shared");
		fcntl(fd, F_SETFL, 0);
		close(copy);
	}
}

static void say_interfaces(int fd)
{
	static const struct {
		const char *name;
		unsigned long number;
	} row[] = {
		{ "SIOCGIFINDEX", SIOCGIFINDEX },   { "SIOCGIFFLAGS", SIOCGIFFLAGS },
		{ "SIOCGIFADDR", SIOCGIFADDR },	    { "SIOCGIFNETMASK", SIOCGIFNETMASK },
		{ "SIOCGIFBRDADDR", SIOCGIFBRDADDR }, { "SIOCGIFDSTADDR", SIOCGIFDSTADDR },
		{ "SIOCGIFMTU", SIOCGIFMTU },	    { "SIOCGIFHWADDR", SIOCGIFHWADDR },
		{ "SIOCGIFMETRIC", SIOCGIFMETRIC }, { "SIOCGIFTXQLEN", SIOCGIFTXQLEN },
		{ "SIOCGIFMAP", SIOCGIFMAP },	    { "SIOCSIFLINK", SIOCSIFLINK },
		{ "SIOCGIFENCAP", SIOCGIFENCAP },   { "SIOCGIFSLAVE", SIOCGIFSLAVE },
		{ "SIOCGIFBR", SIOCGIFBR },	    { "SIOCGIFVLAN", SIOCGIFVLAN },
		{ "SIOCGARP", SIOCGARP },	    { "SIOCETHTOOL", SIOCETHTOOL },
		{ "SIOCGMIIPHY", SIOCGMIIPHY },	    { "SIOCGHWTSTAMP", SIOCGHWTSTAMP },
	};
	static const char *const names[] = { "lo", "none0", "lo:1", "" };
	struct ifconf conf = { .ifc_len = 0, .ifc_buf = NULL };
	struct ifreq req;

	for (size_t n = 0; n < COUNT(names); n++)
		for (size_t i = 0; i < COUNT(row); i++) {
			memset(&req, 0, sizeof(req));
			strcpy(req.ifr_name, names[n]);
			say("%s '%s': %s", row[i].name, names[n],
			    ioctl(fd, row[i].number, &req) ? err_name(errno) : "0");
			say_bytes("  ", req.ifr_ifru.ifru_newname, 16);
		}
	memset(&req, 0, sizeof(req));
	req.ifr_ifindex = 1;
	T(ioctl(fd, SIOCGIFNAME, &req));
	say("%s", req.ifr_name);
	req.ifr_ifindex = 4711;
	T(ioctl(fd, SIOCGIFNAME, &req));
	T(ioctl(fd, SIOCGIFCONF, &conf));
	say("room for %d", conf.ifc_len);
	conf.ifc_buf = req.ifr_name;
	conf.ifc_len = sizeof(req);
	T(ioctl(fd, SIOCGIFCONF, &conf));
	say("%d of %s", conf.ifc_len, req.ifr_name);
	T(ioctl(fd, SIOCGIFCONF, NULL));
	T(ioctl(fd, SIOCGIFINDEX, NULL));
}

static void ask(const char *text, int fd)
{
	say("--- %s", text);
	for (size_t i = 0; i < COUNT(ints); i++)
		say_request(fd, &ints[i]);
	say_flags(fd);
	say_fcntl(fd);
}

static void of_streams(int domain)
{
	int c, s, l = ready_bound(domain, SOCK_STREAM), fresh = socket(domain, SOCK_STREAM, 0);

	ask("fresh", fresh);
	ask("bound", l);
	listen(l, 3);
	ask("listening", l);
	ready_pair(domain, &c, &s);
	ask("connected", c);
	send(c, "abcdef", 6, 0);
	send(c, "!", 1, MSG_OOB);
	settle();
	ask("with data", s);
	shutdown(c, SHUT_WR);
	settle();
	ask("they ended", s);
	ask("half closed", c);
	close(s);
	settle();
	ask("reset", c);
}

CASE(requests_tcp) { of_streams(AF_INET); }
CASE(requests_tcp6) { of_streams(AF_INET6); }

static void of_datagrams(int domain)
{
	int a = ready_bound(domain, SOCK_DGRAM), b = socket(domain, SOCK_DGRAM, 0);
	char buf[16];

	ask("fresh", b);
	ask("bound", a);
	ready_connect(b, port_of(a));
	ask("connected", b);
	send(b, "abcdef", 6, 0);
	send(b, "", 0, 0);
	settle();
	ask("with data", a);
	recv(a, buf, sizeof(buf), 0);
	ask("one empty", a);
	shutdown(a, SHUT_RDWR);
	ask("shut", a);
}

CASE(requests_udp) { of_datagrams(AF_INET); }
CASE(requests_udp6) { of_datagrams(AF_INET6); }

static void of_raw(int domain)
{
	int a = socket(domain, SOCK_RAW, 253);

	ask("fresh", a);
	ready_connect(a, 0);
	send(a, "abcdef", 6, 0);
	settle();
	ask("with data", a);
}

CASE(requests_raw) { of_raw(AF_INET); }
CASE(requests_raw6) { of_raw(AF_INET6); }

static void of_ping(int domain)
{
	static const char echo4[] = "\x08\0\0\0\0\0\0\1hello", echo6[] = "\x80\0\0\0\0\0\0\1hello";
	int a = socket(domain, SOCK_DGRAM, domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);

	ask("fresh", a);
	ready_connect(a, 0);
	send(a, domain == AF_INET ? echo4 : echo6, 13, 0);
	settle();
	ask("with data", a);
}

CASE(requests_ping) { of_ping(AF_INET); }
CASE(requests_ping6) { of_ping(AF_INET6); }

CASE(requests_interfaces)
{
	int c, s;

	say_interfaces(sock(SOCK_DGRAM));
	say_interfaces(socket(AF_INET6, SOCK_DGRAM, 0));
	tcp_pair(&c, &s);
	say_interfaces(s);
}

/* The time of the last packet that the program was given: not of one that it only peeked at. */
CASE(requests_stamps)
{
	struct timeval first, second;
	struct timespec fine;
	char buf[16];
	int a, b;

	udp_pair(&a, &b);
	conn(b, port_of(a));
	T(ioctl(a, SIOCGSTAMP_OLD, &first));
	send(b, "x", 1, 0);
	settle();
	T(ioctl(a, SIOCGSTAMP_OLD, &first));
	T(recv(a, buf, 16, MSG_PEEK));
	T(ioctl(a, SIOCGSTAMP_OLD, &first));
	T(recv(a, buf, 16, 0));
	T(ioctl(a, SIOCGSTAMP_OLD, &first));
	T(ioctl(a, SIOCGSTAMPNS_OLD, &fine));
	say("the same: %d", first.tv_sec == fine.tv_sec && first.tv_usec == fine.tv_nsec / 1000);
	send(b, "x", 1, 0);
	settle();
	T(recv(a, buf, 16, 0));
	T(ioctl(a, SIOCGSTAMP_OLD, &second));
	say("later: %d", timercmp(&second, &first, >));
	T(set_int(a, SOL_SOCKET, SO_TIMESTAMP, 1));
	send(b, "x", 1, 0);
	settle();
	T(recv(a, buf, 16, 0));
	T(ioctl(a, SIOCGSTAMP_OLD, &first));
	say("still that one: %d", !timercmp(&second, &first, !=));
}
