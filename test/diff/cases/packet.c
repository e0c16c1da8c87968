// SPDX-License-Identifier: BSD-3-Clause
/*
 * packet.c - AF_PACKET sockets on lo: what they are told of a frame, what they send, what is
 * refused
 */
#include <time.h>

#include <linux/errqueue.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <net/if.h>
#include <sys/mman.h>

#include "test/diff/diff.h"

#define LO 1
#define TYPE_TEST 0x88b5 /* for local experiments */

static int tap(int type, int proto, int ifindex)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons((uint16_t)proto),
				  .sll_ifindex = ifindex };
	int fd = socket(AF_PACKET, type, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&ll, sizeof(ll)))
		say("tap: %s", err_name(errno));
	nonblock(fd);
	return fd;
}

static void say_ll(const struct sockaddr_ll *ll, socklen_t len)
{
	say("  from: len %u family %u proto %04x if %d hatype %u type %u halen %u "
	    "%02x%02x%02x%02x%02x%02x",
	    len, ll->sll_family, ntohs(ll->sll_protocol), ll->sll_ifindex, ll->sll_hatype,
	    ll->sll_pkttype, ll->sll_halen, ll->sll_addr[0], ll->sll_addr[1], ll->sll_addr[2],
	    ll->sll_addr[3], ll->sll_addr[4], ll->sll_addr[5]);
}

/* What an earlier case's connection still sends on the kernel's lo; these cases have none. */
static bool is_stray(const unsigned char *frame, long len, int type, const struct sockaddr_ll *ll)
{
	int ip = type == SOCK_RAW ? 14 : 0;

	return ll->sll_protocol == htons(ETH_P_IP) && len > ip + 9 && frame[ip + 9] == IPPROTO_TCP;
}

static void say_frames(const char *who, int fd)
{
	struct sockaddr_ll ll;
	unsigned char buf[256];
	socklen_t len;
	long n;

	settle();
	for (;;) {
		memset(&ll, 0xee, sizeof(ll));
		len = sizeof(ll);
		errno = 0;
		n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&ll, &len);
		if (n < 0) {
			say("%s: %s", who, err_name(errno));
			return;
		}
		if (is_stray(buf, n, get_int(fd, SOL_SOCKET, SO_TYPE), &ll))
			continue;
		say("%s: %ld bytes", who, n);
		say_ll(&ll, len);
		say_bytes("  begins", buf, get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_RAW ? 14 : 4);
	}
}

static void send_udp(const char *text)
{
	struct pollfd arrived = { .events = POLLIN };
	int a, b;
	struct sockaddr_in to;
	socklen_t len = sizeof(to);

	udp_pair(&a, &b);
	getsockname(b, (struct sockaddr *)&to, &len);
	sendto(a, text, strlen(text), 0, (struct sockaddr *)&to, sizeof(to));
	/* the kernel may leave it to a thread of its own: then the frame's taps have it too */
	arrived.fd = b;
	poll(&arrived, 1, 5000);
	close(a);
	close(b);
}

static long send_type(int fd, uint16_t type, int ifindex, const void *data, size_t len)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET,
				  .sll_protocol = htons(type),
				  .sll_ifindex = ifindex,
				  .sll_halen = 6 };

	errno = 0;
	return sendto(fd, data, len, 0, (struct sockaddr *)&ll, sizeof(ll));
}

static void frame_of(unsigned char *frame, uint16_t type)
{
	memset(frame, 0, 12);
	frame[12] = (unsigned char)(type >> 8);
	frame[13] = (unsigned char)type;
}

CASE(packet_types)
{
	int all = tap(SOCK_RAW, ETH_P_ALL, LO), ip = tap(SOCK_RAW, ETH_P_IP, LO);
	int dgram = tap(SOCK_DGRAM, ETH_P_ALL, LO), six = tap(SOCK_RAW, ETH_P_IPV6, LO);

	send_udp("hello");
	say_frames("all", all);
	say_frames("ip", ip);
	say_frames("dgram", dgram);
	say_frames("ipv6", six);
}

CASE(packet_from_the_start)
{
	int fd = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_IP));

	nonblock(fd);
	send_udp("before bind");
	say_frames("of all interfaces", fd);
}

CASE(packet_without_protocol)
{
	int fd = tap(SOCK_RAW, 0, LO);

	send_udp("unseen");
	say_frames("protocol 0", fd);
}

CASE(packet_names)
{
	struct sockaddr_ll ll = { 0 };
	int fd = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_ARP));
	socklen_t len = sizeof(ll);

	T(getsockname(fd, (struct sockaddr *)&ll, &len));
	say_ll(&ll, len);
	close(fd);
	fd = tap(SOCK_RAW, ETH_P_IP, LO);
	memset(&ll, 0, sizeof(ll));
	len = sizeof(ll);
	T(getsockname(fd, (struct sockaddr *)&ll, &len));
	say_ll(&ll, len);
	len = 5;
	T(getsockname(fd, (struct sockaddr *)&ll, &len));
	say("len %u", len);
	len = (socklen_t)-1;
	T(getsockname(fd, (struct sockaddr *)&ll, &len));
	len = sizeof(ll);
	T(getpeername(fd, (struct sockaddr *)&ll, &len));
	close(fd);
}

CASE(packet_bind_errors)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL),
				  .sll_ifindex = LO };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	socklen_t len = sizeof(ll);

	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll) - 1));
	T(bind(fd, NULL, sizeof(ll)));
	ll.sll_family = AF_INET;
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_family = AF_PACKET;
	ll.sll_ifindex = 4711;
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_ifindex = -1;
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_ifindex = LO;
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_protocol = 0; /* stays what it is */
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	getsockname(fd, (struct sockaddr *)&ll, &len);
	say_ll(&ll, len);
	close(fd);
}

CASE(packet_bound_again)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IPV6),
				  .sll_ifindex = LO };
	int fd = tap(SOCK_RAW, ETH_P_IP, LO);

	send_udp("one");
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	send_udp("two");
	say_frames("what came before stays", fd);
	ll.sll_protocol = htons(ETH_P_IP);
	ll.sll_ifindex = 0;
	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	send_udp("three");
	say_frames("all interfaces", fd);
}

CASE(packet_calls_it_has_not)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = LO };
	int fd = tap(SOCK_RAW, ETH_P_ALL, LO);

	T(listen(fd, 5));
	T(accept(fd, NULL, NULL));
	T(connect(fd, (struct sockaddr *)&ll, sizeof(ll)));
	T(shutdown(fd, SHUT_RD));
	T(shutdown(fd, 77));
	T(lseek(fd, 0, SEEK_SET));
	close(fd);
	F(socket(AF_PACKET, SOCK_STREAM, 0));
	F(socket(AF_PACKET, SOCK_SEQPACKET, 0));
}

CASE(packet_truncation)
{
	int fd = tap(SOCK_RAW, ETH_P_IP, LO);
	unsigned char buf[64];
	struct iovec iov = { buf, 20 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	send_udp("0123456789");
	settle();
	T(recv(fd, buf, 10, MSG_PEEK));
	T(recv(fd, buf, 10, MSG_PEEK | MSG_TRUNC));
	T(recvmsg(fd, &msg, MSG_PEEK));
	say("flags %x", msg.msg_flags);
	T(recvmsg(fd, &msg, MSG_TRUNC));
	say("flags %x", msg.msg_flags);
	T(recv(fd, buf, 10, 0));
	send_udp("0123456789");
	settle();
	T(recv(fd, NULL, 0, 0));
	T(recv(fd, buf, 10, 0));
	send_udp("0123456789");
	settle();
	T(recv(fd, (void *)8, 10, 0));
	T(recv(fd, buf, 10, 0));
}

CASE(packet_recv_flags)
{
	static const int flags[] = { MSG_OOB, MSG_WAITALL, MSG_ERRQUEUE, MSG_CMSG_CLOEXEC,
				     MSG_NOSIGNAL, MSG_DONTROUTE, MSG_CTRUNC };
	int fd = tap(SOCK_RAW, ETH_P_IP, LO);
	char buf[100];

	send_udp("x");
	settle();
	for (size_t i = 0; i < COUNT(flags); i++) {
		say("flags %x", flags[i]);
		T(recv(fd, buf, sizeof(buf), flags[i]));
	}
	T(read(fd, buf, sizeof(buf)));
	T(read(fd, buf, sizeof(buf)));
}

CASE(packet_queue_questions)
{
	int fd = tap(SOCK_RAW, ETH_P_IP, LO), n = -1;
	char buf[100];

	T(ioctl(fd, FIONREAD, &n));
	say("%d", n);
	say_poll("empty", fd, 0);
	send_udp("x");
	send_udp("longer");
	settle();
	T(ioctl(fd, FIONREAD, &n));
	say("%d", n);
	T(ioctl(fd, TIOCOUTQ, &n));
	say("%d", n);
	say_poll("something", fd, 0);
	recv(fd, buf, sizeof(buf), 0);
	T(ioctl(fd, FIONREAD, &n));
	say("%d", n);
}

static void say_aux(int fd)
{
	unsigned char buf[128], control[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };
	long n = recvmsg(fd, &msg, 0);

	say("%ld bytes, flags %x", n, msg.msg_flags);
	for (struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		struct tpacket_auxdata aux;

		if (c->cmsg_level != SOL_PACKET) {
			say("  level %d type %d len %zu", c->cmsg_level, c->cmsg_type,
			    c->cmsg_len);
			continue;
		}
		memcpy(&aux, CMSG_DATA(c), sizeof(aux));
		say("  aux %zu: status %x len %u snap %u mac %u net %u vlan %x %x", c->cmsg_len,
		    aux.tp_status, aux.tp_len, aux.tp_snaplen, aux.tp_mac, aux.tp_net,
		    aux.tp_vlan_tci, aux.tp_vlan_tpid);
	}
}

CASE(packet_auxdata)
{
	int raw = tap(SOCK_RAW, ETH_P_ALL, LO), dgram = tap(SOCK_DGRAM, ETH_P_IP, LO);
	unsigned char frame[64] = { 0 };

	T(set_int(raw, SOL_PACKET, PACKET_AUXDATA, 1));
	T(set_int(dgram, SOL_PACKET, PACKET_AUXDATA, 1));
	T(set_int(dgram, SOL_SOCKET, SO_TIMESTAMP, 1));
	send_udp("hello");
	settle();
	say_aux(raw);
	say_aux(raw);
	say_aux(dgram);
	/* a tag is taken out of what comes in */
	frame_of(frame, ETH_P_8021Q);
	frame[14] = 0x21;
	frame[15] = 0x23;
	frame[16] = TYPE_TEST >> 8;
	frame[17] = TYPE_TEST & 255;
	T(send_type(dgram, ETH_P_8021Q, LO, frame + 14, 40));
	settle();
	say_aux(raw);
	say_aux(raw);
	say_frames("rest", raw);
}

CASE(packet_statistics)
{
	int fd = tap(SOCK_RAW, ETH_P_IP, LO);
	struct tpacket_stats_v3 stats;
	socklen_t len = sizeof(stats);

	send_udp("a");
	send_udp("b");
	settle();
	memset(&stats, 0xee, sizeof(stats));
	T(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("len %u: %u %u %x", len, stats.tp_packets, stats.tp_drops, stats.tp_freeze_q_cnt);
	len = 4;
	T(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("len %u: %u", len, stats.tp_packets);
	T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V3));
	send_udp("c");
	settle();
	len = sizeof(stats);
	T(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("len %u: %u %u %u", len, stats.tp_packets, stats.tp_drops, stats.tp_freeze_q_cnt);
	T(set_int(fd, SOL_PACKET, PACKET_STATISTICS, 0));
}

CASE(packet_overflow)
{
	int fd = tap(SOCK_RAW, TYPE_TEST, LO), from = tap(SOCK_DGRAM, 0, LO), size = 1;
	static char data[1000];
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	T(set_int(fd, SOL_SOCKET, SO_RXQ_OVFL, 1));
	T(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)));
	for (int i = 0; i < 20; i++)
		send_type(from, TYPE_TEST, LO, data, sizeof(data));
	settle();
	T(getsockopt(fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len));
	say("all of %u are counted, some of them dropped: %d", stats.tp_packets,
	    stats.tp_drops > 0 && stats.tp_drops < stats.tp_packets);
	while (recv(fd, data, sizeof(data), 0) > 0)
		;
	send_type(from, TYPE_TEST, LO, data, 100);
	settle();
	say_aux(fd);
}

CASE(packet_send)
{
	int a = tap(SOCK_RAW, TYPE_TEST, LO), b = tap(SOCK_DGRAM, ETH_P_ALL, LO);
	unsigned char frame[200] = { 0 };

	frame_of(frame, TYPE_TEST);
	T(send(a, frame, 60, 0));
	say_frames("sender of one type", a);
	say_frames("all", b);
	T(send_type(b, TYPE_TEST, LO, frame, 30));
	say_frames("sender of all types", b);
	say_frames("other", a);
	frame[0] = 2; /* somebody else's */
	T(write(a, frame, 60));
	frame[0] = 1;
	T(write(a, frame, 60));
	memset(frame, 0xff, 6);
	T(write(a, frame, 60));
	say_frames("others' addresses", a);
}

/* IPv4 with 127/8 in it and no route behind it is a martian, ::1 is not. */
CASE(packet_send_ip)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	unsigned char p[32] = { 0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0x7c, 0xca, 127, 0, 0, 1,
				127,  0, 0, 1,	0, 9, 0, 0, 0,	12 };
	unsigned char p6[52] = { 0x60, 0, 0, 0, 0, 12, 17, 64, [23] = 1, [39] = 1, [41] = 9,
				 [45] = 12 };
	int raw = tap(SOCK_DGRAM, 0, LO), udp = socket(AF_INET6, SOCK_DGRAM, 0);
	uint32_t sum = 1 + 1 + 17 + 12 + 9 + 12 + 0x7069 + 0x6e67;
	uint16_t port;
	char buf[16];

	T(bind(udp, (struct sockaddr *)&in6, sizeof(in6)));
	port = port_of(udp);
	memcpy(p + 22, &(uint16_t){ htons(port) }, 2);
	memcpy(p6 + 42, &(uint16_t){ htons(port) }, 2);
	memcpy(p + 28, "ping", 4);
	memcpy(p6 + 48, "ping", 4);
	for (sum += port; sum >> 16;)
		sum = (sum & 0xffff) + (sum >> 16);
	memcpy(p6 + 46, &(uint16_t){ htons((uint16_t)~sum) }, 2);
	nonblock(udp);
	T(send_type(raw, ETH_P_IP, LO, p, sizeof(p)));
	T(send_type(raw, ETH_P_IPV6, LO, p6, sizeof(p6)));
	settle();
	T(recv(udp, buf, sizeof(buf), 0));
	T(recv(udp, buf, sizeof(buf), 0));
}

CASE(packet_send_errors)
{
	static char big[70000];
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_ifindex = LO,
				  .sll_protocol = htons(TYPE_TEST), .sll_halen = 6 };
	int raw = tap(SOCK_RAW, TYPE_TEST, LO), dgram = tap(SOCK_DGRAM, TYPE_TEST, LO);
	int unbound = socket(AF_PACKET, SOCK_RAW, 0);

	T(send(raw, big, 13, 0));
	T(send(raw, big, 0, 0));
	T(send(raw, big, 14, 0));
	T(send(raw, big, 65536 + 14, 0));
	T(send(raw, big, 65536 + 15, 0));
	T(send(raw, big, 65536 + 19, 0));
	T(send(raw, (void *)8, 60, 0));
	T(send(dgram, big, 20, 0));
	T(send(dgram, big, 0, 0));
	T(send(dgram, big, 65537, 0));
	T(send(unbound, big, 60, 0));
	T(sendto(raw, big, 60, 0, (struct sockaddr *)&ll, sizeof(ll) - 1));
	T(sendto(raw, big, 60, 0, (struct sockaddr *)&ll, 10));
	ll.sll_halen = 8;
	T(sendto(raw, big, 60, 0, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_halen = 9;
	T(sendto(raw, big, 60, 0, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_halen = 0;
	T(sendto(dgram, big, 60, 0, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_ifindex = 4711;
	T(sendto(raw, big, 60, 0, (struct sockaddr *)&ll, sizeof(ll)));
	ll.sll_ifindex = 0;
	T(sendto(raw, big, 60, 0, (struct sockaddr *)&ll, sizeof(ll)));
	T(send(raw, big, 60, MSG_OOB));
	say_frames("what went", tap(SOCK_RAW, ETH_P_ALL, LO));
}

static void member(int fd, int opt, int type, int ifindex, int alen, socklen_t len)
{
	struct packet_mreq mreq = { .mr_ifindex = ifindex, .mr_type = (unsigned short)type,
				    .mr_alen = (unsigned short)alen, .mr_address = { 1, 0, 94 } };
	int ret;

	errno = 0;
	ret = setsockopt(fd, SOL_PACKET, opt, &mreq, len);
	say("%s type %d if %d alen %d len %u: %s",
	    opt == PACKET_ADD_MEMBERSHIP ? "add" : "drop", type, ifindex, alen, len,
	    ret ? err_name(errno) : "0");
}

CASE(packet_memberships)
{
	int fd = tap(SOCK_RAW, ETH_P_ALL, LO);
	const int add = PACKET_ADD_MEMBERSHIP, drop = PACKET_DROP_MEMBERSHIP;

	for (int type = 0; type < 5; type++)
		for (int alen = 0; alen < 10; alen += 3)
			member(fd, add, type, LO, alen, sizeof(struct packet_mreq));
	member(fd, add, PACKET_MR_PROMISC, 4711, 0, sizeof(struct packet_mreq));
	member(fd, drop, PACKET_MR_PROMISC, 4711, 0, sizeof(struct packet_mreq));
	member(fd, add, PACKET_MR_PROMISC, LO, 0, sizeof(struct packet_mreq) - 1);
	member(fd, add, PACKET_MR_PROMISC, LO, 0, sizeof(struct packet_mreq) + 8);
	for (int i = 0; i < 3; i++)
		member(fd, drop, PACKET_MR_PROMISC, LO, 0, sizeof(struct packet_mreq));
	member(fd, drop, PACKET_MR_MULTICAST, LO, 6, sizeof(struct packet_mreq));
	member(fd, drop, PACKET_MR_MULTICAST, LO, 6, sizeof(struct packet_mreq));
	member(fd, drop, PACKET_MR_ALLMULTI, LO, 3, sizeof(struct packet_mreq));
}

CASE(packet_outgoing)
{
	int quiet = tap(SOCK_RAW, ETH_P_ALL, LO), from = tap(SOCK_RAW, 0, LO);
	int all = tap(SOCK_RAW, ETH_P_ALL, LO);
	unsigned char frame[60] = { 0 };

	frame_of(frame, TYPE_TEST);
	T(set_int(quiet, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1));
	T(send(from, frame, sizeof(frame), 0));
	say_frames("ignores what goes out", quiet);
	say_frames("sees all", all);
	T(set_int(from, SOL_PACKET, PACKET_QDISC_BYPASS, 1));
	T(send(from, frame, sizeof(frame), 0));
	say_frames("sent past the queues", all);
}

CASE(packet_send_times)
{
	int fd = tap(SOCK_RAW, 0, LO);
	unsigned char frame[60], buf[128], control[256];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			      .msg_controllen = sizeof(control) };

	memset(frame, 0, sizeof(frame));
	frame_of(frame, TYPE_TEST);
	T(set_int(fd, SOL_SOCKET, SO_TIMESTAMPING,
		  SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE |
			  SOF_TIMESTAMPING_OPT_ID));
	T(send(fd, frame, sizeof(frame), 0));
	T(send(fd, frame, sizeof(frame), 0));
	settle();
	say_poll("sent", fd, 0);
	for (int i = 0; i < 2; i++) {
		msg.msg_controllen = sizeof(control);
		T(recvmsg(fd, &msg, MSG_ERRQUEUE));
		say("flags %x", msg.msg_flags);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
			struct sock_extended_err *ee = (void *)CMSG_DATA(c);

			say("  level %d type %d len %zu", c->cmsg_level, c->cmsg_type, c->cmsg_len);
			if (c->cmsg_level == SOL_PACKET)
				say("  errno %u origin %u info %u data %u", ee->ee_errno,
				    ee->ee_origin, ee->ee_info, ee->ee_data);
		}
	}
	T(recvmsg(fd, &msg, MSG_ERRQUEUE));
}

CASE(packet_timeout)
{
	struct timeval tv = { 0, 50000 };
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE_TEST),
				  .sll_ifindex = LO };
	int64_t from = now_ms();
	char buf[8];

	T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
	T(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	T(recv(fd, buf, sizeof(buf), 0));
	say_took("recv", from, 40, 2000);
}

CASE(packet_epoll)
{
	int fd = tap(SOCK_RAW, TYPE_TEST, LO), any = tap(SOCK_RAW, TYPE_TEST, 0);
	int from = tap(SOCK_DGRAM, 0, LO), ep = epoll_create1(0);
	struct epoll_event ev = { .events = EPOLLIN, .data.u32 = 1 }, out[4];

	T(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	ev.data.u32 = 2;
	T(epoll_ctl(ep, EPOLL_CTL_ADD, any, &ev));
	T(epoll_wait(ep, out, 4, 0));
	send_type(from, TYPE_TEST, LO, "abc", 3);
	settle();
	T(epoll_wait(ep, out, 4, 1000));
	say_frames("one", fd);
	T(epoll_wait(ep, out, 4, 0));
	say("left: %u %x", out[0].data.u32, out[0].events);
	say_frames("any", any);
	T(epoll_wait(ep, out, 4, 0));
}
