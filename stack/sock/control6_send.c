/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control6_send.c - control messages that put extension headers and a flow into one packet
 *
 * Lengths, order of checks and errno are those of Linux: the header's own length field must fit the
 * message, hop-by-hop and destination options need CAP_NET_RAW, a routing header is of type 2 and
 * only where the kernel knows that type. What is taken is where the header is in the program's
 * memory; it is read under the lock (hdrs6_make). Any of them stands in place of all headers that
 * the socket has.
 * IPV6_2292PKTOPTIONS and a label's headers have the same form: control_headers_read.
 * Context: user memory of the calling thread. Callers: control_send.c, opt_ipv6_hdr.c.
 */
#include <errno.h>

#include "stack/base/user.h"
#include "stack/core/ext.h"
#include "stack/sock/control.h"

#define FLOW_MASK 0x0fffffffu
#define LABEL_MASK 0xfffffu
#define TYPE2 2
#define TYPE2_LEN 2

static uint32_t flow_so_far(const struct s7_sock *sk, const struct s7_msg *msg)
{
	if (msg->ask->has & ASK_FLOW)
		return msg->ask->flow;
	if (msg->name.valid)
		return msg->name.flow;
	return sk->ext ? sk->ext->flow_sent : 0;
}

int control_take_flow(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	uint32_t had = flow_so_far(sk, msg), flow;

	if (len < sizeof(flow))
		return -EINVAL;
	memcpy(&flow, data, sizeof(flow));
	if (had && flow & ~htonl(FLOW_MASK))
		return -EINVAL;
	if (!sock_flow_allowed(sk, flow))
		return -EINVAL;
	msg->ask->flow = flow & htonl(FLOW_MASK);
	msg->ask->has |= ASK_FLOW;
	return 0;
}

static bool may_send(const struct s7_sock *sk)
{
	return sk->inst->env->host->may(HOST_NET_RAW);
}

/* The header's length, 0: it is not all there. */
static uint16_t header_len(const uint8_t *h, size_t len)
{
	size_t own;

	if (len < 2)
		return 0;
	own = h[1] * 8u + 8;
	return own > len ? 0 : (uint16_t)own;
}

static struct s7_hdr6_at *slot(struct s7_msg *msg, enum s7_hdr6 which)
{
	if (!(msg->ask->has & ASK_HDRS))
		memset(msg->ask->hdr, 0, sizeof(msg->ask->hdr));
	msg->ask->has |= ASK_HDRS;
	return &msg->ask->hdr[which];
}

static bool has(const struct s7_msg *msg, enum s7_hdr6 which)
{
	return msg->ask->has & ASK_HDRS && msg->ask->hdr[which].len;
}

static int take_options(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg,
			enum s7_hdr6 which)
{
	uint16_t own = header_len(data, len);

	if (!own)
		return -EINVAL;
	if (!may_send(sk))
		return -EPERM;
	*slot(msg, which) = (struct s7_hdr6_at){ data, own };
	return 0;
}

int control_take_hop(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	return has(msg, HDR6_HOP) ? -EINVAL : take_options(sk, data, len, msg, HDR6_HOP);
}

int control_take_dst0(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	return take_options(sk, data, len, msg, HDR6_DST0);
}

int control_take_dst1(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	return take_options(sk, data, len, msg, HDR6_DST1);
}

int control_take_old_dst(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	if (has(msg, HDR6_DST1) && header_len(data, len) && may_send(sk))
		return -EINVAL;
	return take_options(sk, data, len, msg, HDR6_DST1);
}

int control_take_route(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	const uint8_t *h = data;
	uint16_t own;

	if (len < 4 || h[2] != TYPE2 || h[1] != TYPE2_LEN || h[3] != 1 ||
	    !sk->inst->env->host->may(HOST_ROUTING2))
		return -EINVAL;
	own = header_len(h, len);
	if (!own)
		return -EINVAL;
	*slot(msg, HDR6_ROUTE) = (struct s7_hdr6_at){ data, own };
	return 0;
}

/* In RFC 2292 the options that came before belong in front of it. */
int control_take_old_route(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int err = control_take_route(sk, data, len, msg);

	if (err || !has(msg, HDR6_DST1))
		return err;
	msg->ask->hdr[HDR6_DST0] = msg->ask->hdr[HDR6_DST1];
	msg->ask->hdr[HDR6_DST1].len = 0;
	return 0;
}

/* ---- the same messages as the value of an option ---- */

static const struct {
	int type;
	int (*take)(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
} header_rows[] = {
	{ IPV6_HOPOPTS, control_take_hop },	  { IPV6_2292HOPOPTS, control_take_hop },
	{ IPV6_DSTOPTS, control_take_dst1 },	  { IPV6_2292DSTOPTS, control_take_old_dst },
	{ IPV6_RTHDRDSTOPTS, control_take_dst0 }, { IPV6_RTHDR, control_take_route },
	{ IPV6_2292RTHDR, control_take_old_route },
};

static int take_header(struct s7_sock *sk, const struct cmsghdr *cmsg, struct s7_msg *msg)
{
	for (size_t i = 0; i < S7_ARRAY_LEN(header_rows); i++)
		if (header_rows[i].type == cmsg->cmsg_type)
			return header_rows[i].take(sk, CMSG_DATA(cmsg),
						   cmsg->cmsg_len - CMSG_LEN(0), msg);
	return 0; /* the kernel's socket has judged it */
}

int control_headers_read(struct s7_sock *sk, const void *from, size_t len, struct s7_msg *msg)
{
	struct msghdr hdr = { .msg_control = (void *)(uintptr_t)from, .msg_controllen = len };
	const char *end = (const char *)from + len;
	struct cmsghdr *cmsg;
	int err;

	if (len && !user_readable(from, len))
		return -EFAULT;
	for (cmsg = CMSG_FIRSTHDR(&hdr); cmsg; cmsg = CMSG_NXTHDR(&hdr, cmsg)) {
		if (cmsg->cmsg_len < sizeof(*cmsg) ||
		    cmsg->cmsg_len > (size_t)(end - (const char *)cmsg))
			return -EINVAL;
		err = cmsg->cmsg_level == IPPROTO_IPV6 ? take_header(sk, cmsg, msg) : 0;
		if (err)
			return err;
	}
	return 0;
}

bool sock_flow_allowed(struct s7_sock *sk, uint32_t flow)
{
	const struct s7_host_ops *host = sk->inst->env->host;
	uint32_t label = flow & htonl(LABEL_MASK);
	bool own;

	if (!label || !host->label_free)
		return true;
	inst_lock(sk->inst, sk->inst->now);
	own = lease6_find(sk, label) != NULL;
	inst_unlock(sk->inst);
	return own || host->label_free(label);
}
