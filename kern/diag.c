/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * diag.c - does a socket of the kernel receive what is sent to a local port?
 *
 * Idea: sock_diag(7) asked for one socket by address and port is the kernel's own demultiplexer
 * without a packet: wildcards, dual-stack listeners and SO_REUSEPORT included, and nothing is bound
 * or connected for it. The question of UDP names the local end as the destination, that of TCP as
 * the source (the kernel's interface, for historical reasons).
 * Context: any thread, signal handlers included: no lock, no heap, waits for no event. Called by:
 * shim/kernel_side.c.
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "kern/kern.h"
#include "stack/base/sys.h"

#define LO_IFINDEX 1
#define ANSWER_BYTES 1024

struct question {
	struct nlmsghdr head;
	struct inet_diag_req_v2 req;
};

static void end_put(__be32 to[4], const struct s7_ip *ip)
{
	if (ip_is_v4(ip))
		to[0] = ip_v4(ip);
	else
		memcpy(to, ip, sizeof(*ip));
}

/* from: NULL, or who sends it, as a connected socket of UDP wants to know. */
static void question_make(struct question *q, uint8_t proto, const struct s7_ip *ip, uint16_t port,
			  const struct kern_sender *from)
{
	struct inet_diag_sockid *id = &q->req.id;

	memset(q, 0, sizeof(*q));
	q->head.nlmsg_len = sizeof(*q);
	q->head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	q->head.nlmsg_flags = NLM_F_REQUEST;
	q->req.sdiag_family = ip_is_v4(ip) ? AF_INET : AF_INET6;
	q->req.sdiag_protocol = proto;
	q->req.idiag_states = ~0u;
	id->idiag_if = LO_IFINDEX;
	id->idiag_cookie[0] = id->idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	if (proto == IPPROTO_UDP) {
		end_put(id->idiag_dst, ip);
		id->idiag_dport = htons(port);
		if (from) {
			end_put(id->idiag_src, &from->ip);
			id->idiag_sport = htons(from->port);
		}
	} else {
		end_put(id->idiag_src, ip);
		id->idiag_sport = htons(port);
	}
}

union answer {
	struct nlmsghdr head;
	uint8_t bytes[ANSWER_BYTES];
};

static int ask(int fd, const struct question *q)
{
	union answer answer;
	long n = s7_sys6(SYS_sendto, fd, (long)q, sizeof(*q), 0, 0, 0);

	if (n >= 0) /* the kernel answers within the send */
		n = s7_sys6(SYS_recvfrom, fd, (long)&answer, sizeof(answer), MSG_DONTWAIT, 0, 0);
	if (n < 0)
		return (int)n;
	return n >= (long)sizeof(answer.head) && answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY;
}

int kern_port_served(uint8_t proto, const struct s7_ip *ip, uint16_t port,
		     const struct kern_sender *from)
{
	struct question q;
	int fd, ret;

	fd = (int)s7_sys3(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (fd < 0)
		return fd;
	question_make(&q, proto, ip, port, NULL);
	ret = ask(fd, &q);
	if (ret <= 0 && from) {
		question_make(&q, proto, ip, port, from);
		ret = ask(fd, &q);
	}
	s7_sys1(SYS_close, fd);
	return ret;
}
