/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nl.c - one rtnetlink question and all of its answer
 *
 * Idea: a socket a question, closed with it; libmnl builds and walks messages, the system calls
 * are our own (shim/ stands in front of libc's). The descriptor is moved out of the program's low
 * numbers at once. A dump that the kernel marks as
 * interrupted, or whose chunk was cut, is read to its end (so the socket stays usable) and reported
 * as -EAGAIN.
 * Bound: the kernel makes its answers while we receive; ANSWER_SEC only guards against a kernel
 * that never ends one.
 * Context: any thread, no lock, blocks for no event. Called by: adopt.c, view.c, silencer_tc.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "kern/nl.h"
#include "stack/base/sys.h"

#ifndef NETLINK_GET_STRICT_CHK
#define NETLINK_GET_STRICT_CHK 12
#endif

#define ANSWER_SEC 2
#define FD_BASE 960 /* below the usual limit of 1024; with a lower limit the number stays low */

static int open_socket(void)
{
	int fd = (int)s7_sys3(SYS_socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int high;

	if (fd < 0)
		return fd;
	high = (int)s7_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, FD_BASE);
	if (high < 0)
		return fd;
	s7_sys1(SYS_close, fd);
	return high;
}

int nl_open(struct nl *ret_nl, size_t buf_bytes)
{
	struct timeval limit = { .tv_sec = ANSWER_SEC };
	struct nl nl = { .buf_bytes = buf_bytes };
	int one = 1, err;

	nl.buf = malloc(buf_bytes);
	if (!nl.buf)
		return -ENOMEM;
	nl.fd = open_socket();
	if (nl.fd < 0) {
		err = nl.fd;
		goto free_buf;
	}
	err = (int)s7_sys6(SYS_setsockopt, nl.fd, SOL_SOCKET, SO_RCVTIMEO, (long)&limit,
			   sizeof(limit), 0);
	if (err)
		goto close_fd;
	/* Before 4.20 the kernel ignores filters in a request instead; the walkers filter again. */
	(void)s7_sys6(SYS_setsockopt, nl.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, (long)&one,
		      sizeof(one), 0);
	*ret_nl = nl;
	return 0;
close_fd:
	s7_sys1(SYS_close, nl.fd);
free_buf:
	free(nl.buf);
	return err;
}

void nl_close(struct nl *nl)
{
	s7_sys1(SYS_close, nl->fd);
	free(nl->buf);
}

void *nl_begin(union nl_request *req, uint16_t type, uint16_t flags, size_t bytes)
{
	memset(req, 0, sizeof(*req));
	mnl_nlmsg_put_header(req);
	req->head.nlmsg_type = type;
	req->head.nlmsg_flags = NLM_F_REQUEST | flags;
	return mnl_nlmsg_put_extra_header(&req->head, bytes);
}

static int send_request(struct nl *nl, union nl_request *req)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	long n;

	req->head.nlmsg_seq = ++nl->seq;
	do {
		n = s7_sys6(SYS_sendto, nl->fd, (long)req, req->head.nlmsg_len, 0, (long)&kernel,
			    sizeof(kernel));
	} while (n == -EINTR);
	return n < 0 ? (int)n : 0;
}

/* One datagram from the kernel: its length in *ret_len. -EMSGSIZE: it was cut and is lost. */
static int receive(struct nl *nl, size_t *ret_len)
{
	struct sockaddr_nl from;
	struct iovec iov = { .iov_base = nl->buf, .iov_len = nl->buf_bytes };
	long n;

	for (;;) {
		struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof(from),
				      .msg_iov = &iov, .msg_iovlen = 1 };

		n = s7_sys3(SYS_recvmsg, nl->fd, &msg, 0);
		if (n == -EINTR)
			continue;
		if (n < 0)
			return n == -EAGAIN ? -ETIMEDOUT : (int)n;
		if (msg.msg_namelen != sizeof(from) || from.nl_pid != 0)
			continue;
		*ret_len = (size_t)n;
		return msg.msg_flags & MSG_TRUNC ? -EMSGSIZE : 0;
	}
}

/* A longer buffer for the next try. */
static int grow(struct nl *nl)
{
	uint8_t *buf;

	if (nl->buf_bytes >= NL_BUF_BYTES_MAX)
		return -EMSGSIZE;
	buf = realloc(nl->buf, nl->buf_bytes * 4);
	if (!buf)
		return -ENOMEM;
	nl->buf = buf;
	nl->buf_bytes *= 4;
	return 0;
}

struct answer {
	nl_each each;
	void *arg;
	uint32_t seq;
	bool many; /* ends with DONE (dump) or ERROR (acknowledged), not with the first message */
	bool ended;
	bool holes;
	int err;
};

/* The error code that ERROR and (since 4.20) DONE messages carry. */
static int carried_error(const struct nlmsghdr *msg)
{
	int code = 0;

	if (mnl_nlmsg_get_payload_len(msg) >= sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(msg), sizeof(code));
	return code < 0 ? code : 0;
}

static void walk(struct answer *answer, const uint8_t *buf, size_t len)
{
	const struct nlmsghdr *msg = (const struct nlmsghdr *)buf;
	int left = (int)len;

	for (; mnl_nlmsg_ok(msg, left) && !answer->ended; msg = mnl_nlmsg_next(msg, &left)) {
		if (msg->nlmsg_seq != answer->seq)
			continue;
		if (msg->nlmsg_flags & NLM_F_DUMP_INTR)
			answer->holes = true;
		if (msg->nlmsg_type == NLMSG_DONE || msg->nlmsg_type == NLMSG_ERROR) {
			answer->ended = true;
			if (!answer->err)
				answer->err = carried_error(msg);
			return;
		}
		if (msg->nlmsg_type >= NLMSG_MIN_TYPE && !answer->err)
			answer->err = answer->each(msg, answer->arg);
		if (!answer->many)
			answer->ended = true;
	}
}

int nl_ask(struct nl *nl, union nl_request *req, nl_each each, void *arg)
{
	uint16_t flags = req->head.nlmsg_flags;
	bool many = (flags & NLM_F_DUMP) == NLM_F_DUMP || flags & NLM_F_ACK;
	struct answer answer = { .each = each, .arg = arg, .many = many };
	size_t len = 0;
	int err;

	err = send_request(nl, req);
	if (err)
		return err;
	answer.seq = nl->seq;
	while (!answer.ended) {
		err = receive(nl, &len);
		if (err == -EMSGSIZE) {
			answer.holes = true;
			err = grow(nl);
			if (!err && !answer.many)
				return -EAGAIN;
			if (!err)
				continue;
		}
		if (err)
			return err;
		walk(&answer, nl->buf, len);
	}
	if (answer.err)
		return answer.err;
	return answer.holes ? -EAGAIN : 0;
}

bool nl_ip(const struct nlattr *attr, uint8_t family, struct s7_ip *ret_ip)
{
	const void *bytes = mnl_attr_get_payload(attr);
	uint32_t v4;

	if (family == AF_INET && mnl_attr_get_payload_len(attr) == sizeof(v4)) {
		memcpy(&v4, bytes, sizeof(v4));
		*ret_ip = ip_from_v4(v4);
		return true;
	}
	if (family == AF_INET6 && mnl_attr_get_payload_len(attr) == sizeof(*ret_ip)) {
		memcpy(ret_ip, bytes, sizeof(*ret_ip));
		return true;
	}
	return false;
}
