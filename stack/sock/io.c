/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * io.c - one attempt of a transfer, and the control messages beside it
 *
 * sock_send and sock_recv are the hot road: lock, protocol, flush, unlock. A receive that finds
 * nothing, and a send that finds no room, drive the instance once and try again before they say
 * -EAGAIN.
 * Control messages: what a socket asked for (timestamps, drops, PKTINFO, TTL, TOS) in the order in
 * which Linux writes them; what a program may ask of one datagram. Truncation as put_cmsg: a
 * message that does not fit whole is cut and MSG_CTRUNC says so.
 * Context: no lock held on entry; user memory of the calling thread. Callers: shim/calls_io.c,
 * shim/sendfile.c.
 */
#include <errno.h>
#include <limits.h>

#include "stack/sock/sock_int.h"

#define MAX_RW_COUNT 0x7ffff000ull

int sock_msg_init(struct s7_msg *msg, const struct iovec *iov, size_t iovcnt, uint32_t flags)
{
	uint64_t len = 0;
	bool bad = false;

	if (s7_unlikely(iovcnt > IOV_MAX))
		return -EMSGSIZE;
	for (size_t i = 0; i < iovcnt; i++) {
		if (s7_unlikely(iov[i].iov_len > SSIZE_MAX))
			return -EINVAL;
		if (s7_unlikely(!user_ok(iov[i].iov_base, iov[i].iov_len) && iov[i].iov_len))
			bad = true;
		len += iov[i].iov_len;
	}
	memset(msg, 0, sizeof(*msg));
	msg->bad = bad;
	msg->iov = iov;
	msg->iovcnt = (uint32_t)iovcnt;
	msg->flags = flags;
	msg->len = s7_min(len, MAX_RW_COUNT);
	return 0;
}

/* Where the bytes would come from is no memory: other errors come first, as in Linux. */
static ssize_t send_bad(struct s7_sock *sk, const struct s7_msg *msg)
{
	struct s7_msg none = { .flags = msg->flags };
	ssize_t n;

	if (sk->proto == PROTO_UDP && !msg->name.valid && !(sk->bits & SKB_CONNECTED))
		return -EDESTADDRREQ;
	if (sk->proto == PROTO_UDP && sk->err)
		return sk_take_error(sk);
	if (sk->proto == PROTO_UDP)
		return sk->shut & SK_SHUT_WR ? -EPIPE : -EFAULT;
	n = sk_ops(sk)->send(sk, &none);
	return n ? n : -EFAULT;
}

/* ... and where they would go to: a stream keeps them, a datagram is gone, as in Linux. */
static ssize_t recv_bad(struct s7_sock *sk, struct s7_msg *msg)
{
	struct s7_msg none = { .flags = msg->flags };
	uint32_t there = sk_ops(sk)->inq(sk);
	ssize_t n;

	/* no byte to move, or none to copy */
	if (!there || (sk->proto == PROTO_TCP && msg->flags & MSG_TRUNC && !(msg->flags & MSG_OOB)))
		return sk_ops(sk)->recv(sk, msg);
	if (sk->proto == PROTO_TCP)
		return -EFAULT;
	n = sk_ops(sk)->recv(sk, &none);
	return n < 0 ? n : -EFAULT;
}

ssize_t sock_send(struct s7_sock *sk, struct s7_msg *msg, s7_time now)
{
	ssize_t n = sock_enter(sk, now);

	if (s7_unlikely(n))
		return n;
	n = s7_unlikely(msg->bad) ? send_bad(sk, msg) : sk_ops(sk)->send(sk, msg);
	if (s7_unlikely(n == -EAGAIN && !msg->bad) && inst_drive(sk->inst))
		n = sk_ops(sk)->send(sk, msg);
	sock_leave(sk->inst);
	return n;
}

ssize_t sock_recv(struct s7_sock *sk, struct s7_msg *msg, s7_time now)
{
	ssize_t n = sock_enter(sk, now);

	if (s7_unlikely(n))
		return n;
	if (s7_unlikely(msg->flags & MSG_ERRQUEUE)) {
		n = -EAGAIN; /* no option fills an error queue */
	} else if (s7_unlikely(msg->bad)) {
		n = recv_bad(sk, msg);
	} else {
		n = sk_ops(sk)->recv(sk, msg);
		if (n == -EAGAIN && inst_drive(sk->inst))
			n = sk_ops(sk)->recv(sk, msg);
	}
	sock_leave(sk->inst);
	return n;
}

/* ---- control messages of a receive ---- */

struct cmsg_out {
	char *at;
	size_t left;
	int flags;
};

static void cmsg_put(struct cmsg_out *out, int level, int type, const void *data, size_t len)
{
	struct cmsghdr head = { .cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type };
	size_t space;

	if (out->left < sizeof(head)) {
		out->flags |= MSG_CTRUNC;
		return;
	}
	if (out->left < head.cmsg_len) {
		out->flags |= MSG_CTRUNC;
		head.cmsg_len = out->left;
	}
	memcpy(out->at, &head, sizeof(head));
	memcpy(out->at + CMSG_LEN(0), data, head.cmsg_len - CMSG_LEN(0));
	space = s7_min(CMSG_SPACE(len), out->left);
	out->at += space;
	out->left -= space;
}

static void put_time(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	int64_t wall = (int64_t)msg->rx_time + sk->inst->env->host->realtime_offset();

	if (sk->bits & SKB_TIMESTAMPNS) {
		struct timespec ts = { wall / 1000000000, wall % 1000000000 };

		cmsg_put(out, SOL_SOCKET, SO_TIMESTAMPNS, &ts, sizeof(ts));
	} else {
		struct timeval tv = { wall / 1000000000, wall % 1000000000 / 1000 };

		cmsg_put(out, SOL_SOCKET, SO_TIMESTAMP, &tv, sizeof(tv));
	}
}

static int ifindex_of(const struct s7_sock *sk, uint8_t iface)
{
	return iface < sk->inst->iface_count ? sk->inst->iface[iface].ifindex : 0;
}

static void put_ip4(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	int ttl = msg->ttl;

	if (sk->bits & SKB_PKTINFO) {
		struct in_pktinfo info = { .ipi_ifindex = ifindex_of(sk, msg->name.iface) };

		info.ipi_addr.s_addr = ip_v4(&msg->local);
		/*
		 * the address by which one would answer: the same, but for broadcast and multicast
		 */
		info.ipi_spec_dst.s_addr = ip_is_multicast(&msg->local) ? 0 : ip_v4(&msg->local);
		cmsg_put(out, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (sk->bits & SKB_RECVTTL)
		cmsg_put(out, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (sk->bits & SKB_RECVTOS)
		cmsg_put(out, IPPROTO_IP, IP_TOS, &msg->tos, sizeof(msg->tos));
}

static void put_pktinfo6(struct s7_sock *sk, const struct s7_msg *msg, int type,
			 struct cmsg_out *out)
{
	struct in6_pktinfo info;

	memcpy(&info.ipi6_addr, msg->local.b, sizeof(info.ipi6_addr));
	info.ipi6_ifindex = (unsigned int)ifindex_of(sk, msg->name.iface);
	cmsg_put(out, IPPROTO_IPV6, type, &info, sizeof(info));
}

/* An AF_INET6 socket hears of both families, as it asked for on the level of each. */
static void put_ip6(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	int hops = msg->ttl, tclass = msg->tos;
	uint32_t bits = sk->ip6.bits;

	if (bits & SK6_RECVPKTINFO)
		put_pktinfo6(sk, msg, IPV6_PKTINFO, out);
	if (ip_is_v4(&msg->name.ip)) {
		put_ip4(sk, msg, out);
		return;
	}
	if (bits & SK6_RECVHOPLIMIT)
		cmsg_put(out, IPPROTO_IPV6, IPV6_HOPLIMIT, &hops, sizeof(hops));
	if (bits & SK6_RECVTCLASS)
		cmsg_put(out, IPPROTO_IPV6, IPV6_TCLASS, &tclass, sizeof(tclass));
	if (bits & SK6_2292PKTINFO)
		put_pktinfo6(sk, msg, IPV6_2292PKTINFO, out);
	if (bits & SK6_2292HOPLIMIT)
		cmsg_put(out, IPPROTO_IPV6, IPV6_2292HOPLIMIT, &hops, sizeof(hops));
}

void sock_control_write(struct s7_sock *sk, const struct s7_msg *msg, struct msghdr *hdr,
			uint32_t call_flags)
{
	struct cmsg_out out = { hdr->msg_control, hdr->msg_control ? hdr->msg_controllen : 0, 0 };
	uint32_t drops = (uint32_t)sk->drops;

	if ((sk->bits & (SKB_TIMESTAMP | SKB_TIMESTAMPNS)) && msg->rx_time)
		put_time(sk, msg, &out);
	if (sk->type == SOCK_DGRAM && msg->name.valid) {
		if ((sk->bits & SKB_RXQ_OVFL) && drops)
			cmsg_put(&out, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof(drops));
		if (sk->domain == AF_INET6)
			put_ip6(sk, msg, &out);
		else
			put_ip4(sk, msg, &out);
	}
	hdr->msg_controllen = (size_t)(out.at - (char *)hdr->msg_control);
	hdr->msg_flags = (int)(msg->out_flags | (call_flags & MSG_CMSG_CLOEXEC)) | out.flags;
}

/* ---- control messages of a send ---- */

static int iface_by_ifindex(const struct s7_sock *sk, int ifindex, uint8_t *ret_iface)
{
	for (uint32_t i = 0; i < sk->inst->iface_count; i++) {
		if (sk->inst->iface[i].ifindex == ifindex) {
			*ret_iface = (uint8_t)i;
			return 0;
		}
	}
	return -ENODEV;
}

static int take_pktinfo(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	struct in_pktinfo info;

	if (len != sizeof(info))
		return -EINVAL;
	memcpy(&info, data, sizeof(info));
	if (info.ipi_spec_dst.s_addr)
		msg->local = ip_from_v4(info.ipi_spec_dst.s_addr);
	return info.ipi_ifindex ? iface_by_ifindex(sk, info.ipi_ifindex, &msg->name.iface) : 0;
}

static int take_pktinfo6(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	struct in6_pktinfo info;

	if (len < sizeof(info))
		return -EINVAL;
	memcpy(&info, data, sizeof(info));
	memcpy(msg->local.b, &info.ipi6_addr, sizeof(msg->local.b));
	if (!info.ipi6_ifindex)
		return 0;
	return iface_by_ifindex(sk, (int)info.ipi6_ifindex, &msg->name.iface);
}

static int take_ttl(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int ttl;

	(void)sk;
	if (len != sizeof(ttl))
		return -EINVAL;
	memcpy(&ttl, data, sizeof(ttl));
	if (ttl < 1 || ttl > 255)
		return -EINVAL;
	msg->ttl = (uint8_t)ttl;
	return 0;
}

static int take_tos(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg)
{
	int tos;

	(void)sk;
	if (len == sizeof(tos))
		memcpy(&tos, data, sizeof(tos));
	else if (len == 1)
		tos = *(const uint8_t *)data;
	else
		return -EINVAL;
	if (tos < 0 || tos > 255)
		return -EINVAL;
	msg->tos = (uint8_t)tos;
	return 0;
}

static const struct {
	int level, type;
	int (*take)(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
} send_controls[] = {
	{ IPPROTO_IP, IP_PKTINFO, take_pktinfo },
	{ IPPROTO_IP, IP_TTL, take_ttl },
	{ IPPROTO_IP, IP_TOS, take_tos },
	{ IPPROTO_IPV6, IPV6_PKTINFO, take_pktinfo6 },
	{ IPPROTO_IPV6, IPV6_HOPLIMIT, take_ttl },
	{ IPPROTO_IPV6, IPV6_TCLASS, take_tos },
};

static int take_control(struct s7_sock *sk, const struct cmsghdr *cmsg, struct s7_msg *msg)
{
	/* a descriptor or credentials on an internet socket: ignored by Linux too */
	if (cmsg->cmsg_level == SOL_SOCKET &&
	    (cmsg->cmsg_type == SCM_RIGHTS || cmsg->cmsg_type == SCM_CREDENTIALS))
		return 0;
	/* TCP looks at SOL_SOCKET alone */
	if (sk->proto == PROTO_TCP && cmsg->cmsg_level != SOL_SOCKET)
		return 0;
	for (size_t i = 0; i < S7_ARRAY_LEN(send_controls); i++)
		if (send_controls[i].level == cmsg->cmsg_level &&
		    send_controls[i].type == cmsg->cmsg_type)
			return send_controls[i].take(sk, CMSG_DATA(cmsg),
						     cmsg->cmsg_len - CMSG_LEN(0), msg);
	return -EINVAL;
}

int sock_control_read(struct s7_sock *sk, const struct msghdr *hdr, struct s7_msg *msg)
{
	const struct cmsghdr *cmsg;
	const char *end = (const char *)hdr->msg_control + hdr->msg_controllen;
	int err;

	if (!hdr->msg_control || hdr->msg_controllen < sizeof(*cmsg))
		return 0;
	for (cmsg = hdr->msg_control; cmsg;
	     cmsg = CMSG_NXTHDR((struct msghdr *)hdr, (struct cmsghdr *)cmsg)) {
		if (cmsg->cmsg_len < sizeof(*cmsg) ||
		    cmsg->cmsg_len > (size_t)(end - (const char *)cmsg))
			return -EINVAL;
		err = take_control(sk, cmsg, msg);
		if (err)
			return err;
	}
	return 0;
}
