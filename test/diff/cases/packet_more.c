// SPDX-License-Identifier: BSD-3-Clause
/*
 * packet_more.c - what stands beside the frames of packet sockets: marks and priorities; rings of
 * every interface at once
 */
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/epoll.h>

#include "test/diff/diff.h"

#ifndef SO_RCVMARK
#define SO_RCVMARK 75
#endif
#ifndef SO_RCVPRIORITY
#define SO_RCVPRIORITY 82
#endif

#define LO 1
#define TYPE_TEST 0x88b5

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

static void say_beside(const char *who, int fd)
{
	struct sockaddr_ll ll;
	char buf[256], control[256];
	struct iovec iov = { buf, sizeof(buf) };
	long n;

	settle();
	for (;;) {
		struct msghdr hdr = { .msg_name = &ll, .msg_namelen = sizeof(ll), .msg_iov = &iov,
				      .msg_iovlen = 1, .msg_control = control,
				      .msg_controllen = sizeof(control) };

		n = recvmsg(fd, &hdr, 0);
		if (n < 0)
			break;
		say("%s: %ld bytes, type %d", who, n, ll.sll_pkttype);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
			uint32_t value = 0;

			memcpy(&value, CMSG_DATA(c), sizeof(value));
			say("  level %d type %d len %zu: %u", c->cmsg_level, c->cmsg_type,
			    c->cmsg_len, c->cmsg_type == PACKET_AUXDATA ? 0 : value);
		}
	}
	say("%s: %s", who, err_name(errno));
}

CASE(packet_marks)
{
	unsigned char frame[60] = { [12] = TYPE_TEST >> 8, [13] = TYPE_TEST & 255 };
	struct sockaddr_in to;
	socklen_t len = sizeof(to);
	int fd = tap(SOCK_RAW, ETH_P_ALL, LO), other = tap(SOCK_RAW, TYPE_TEST, LO), a, b;

	T(set_int(fd, SOL_SOCKET, SO_RCVMARK, 1));
	T(set_int(fd, SOL_SOCKET, SO_RCVPRIORITY, 1));
	T(get_int(fd, SOL_SOCKET, SO_RCVMARK));
	T(get_int(fd, SOL_SOCKET, SO_RCVPRIORITY));
	udp_pair(&a, &b);
	getsockname(b, (struct sockaddr *)&to, &len);
	sendto(a, "plain", 5, 0, (struct sockaddr *)&to, sizeof(to));
	T(set_int(a, SOL_SOCKET, SO_MARK, 42));
	T(set_int(a, SOL_SOCKET, SO_PRIORITY, 4));
	sendto(a, "marked", 6, 0, (struct sockaddr *)&to, sizeof(to));
	say_beside("udp", fd);
	T(set_int(other, SOL_SOCKET, SO_MARK, 17));
	T(set_int(other, SOL_SOCKET, SO_PRIORITY, 5));
	T(get_int(other, SOL_SOCKET, SO_MARK));
	T(get_int(other, SOL_SOCKET, SO_PRIORITY));
	T((int)send(other, frame, sizeof(frame), 0));
	say_beside("packet", fd);
	T(set_int(fd, SOL_PACKET, PACKET_AUXDATA, 1));
	T(get_int(fd, SOL_PACKET, PACKET_AUXDATA));
	T(set_int(fd, SOL_SOCKET, SO_RCVMARK, 0));
	T((int)send(other, frame, sizeof(frame), 0));
	say_beside("without mark", fd);
	T(set_int(fd, SOL_SOCKET, SO_RCVPRIORITY, 0));
	T((int)send(other, frame, sizeof(frame), 0));
	say_beside("without both", fd);
}

static void say_ring(char *map, unsigned int frames)
{
	for (unsigned int i = 0; i < frames; i++) {
		struct tpacket2_hdr *h = (void *)(map + 2048 * i);
		const struct sockaddr_ll *ll = (void *)((char *)h + TPACKET_ALIGN(sizeof(*h)));

		if (!(h->tp_status & TP_STATUS_USER))
			continue;
		say("frame %u: len %u snap %u mac %u net %u if %d type %u", i, h->tp_len,
		    h->tp_snaplen, h->tp_mac, h->tp_net, ll->sll_ifindex, ll->sll_pkttype);
	}
}

/* Before and behind the binding, all interfaces at once; who waits is told. */
CASE(packet_ring_any)
{
	unsigned char frame[60] = { [12] = TYPE_TEST >> 8, [13] = TYPE_TEST & 255 };
	struct tpacket_req req = { 4096, 2, 2048, 4 };
	struct epoll_event ev = { .events = EPOLLIN };
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(TYPE_TEST) };
	int sender = tap(SOCK_RAW, TYPE_TEST, LO), ep = epoll_create1(0);

	for (int first = 0; first < 2; first++) {
		int fd = socket(AF_PACKET, first ? SOCK_DGRAM : SOCK_RAW, 0);
		char buf[64], *map;

		nonblock(fd);
		T(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
		T(set_int(fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2));
		if (first)
			T(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)));
		T(bind(fd, (struct sockaddr *)&ll, sizeof(ll)));
		if (!first)
			T(setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)));
		map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		T(map == MAP_FAILED);
		T((int)send(sender, frame, sizeof(frame), 0));
		T(epoll_wait(ep, &ev, 1, 2000));
		say("%#x", ev.events);
		T((int)recv(fd, buf, sizeof(buf), 0));
		say_ring(map, 4);
		T(munmap(map, 8192));
		T(close(fd));
	}
}
