/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * control.c - control messages: what recvmsg tells beside the bytes
 *
 * What a socket asked for (timestamps, drops, PKTINFO, TTL, TOS) in the order in which Linux writes
 * it. Truncation as put_cmsg: a message that does not fit whole is cut and MSG_CTRUNC says so.
 * Context: no lock held; user memory of the calling thread. Callers: shim/io.c.
 */
#include <errno.h>
#include <netinet/udp.h>

#include "stack/base/user.h"
#include "stack/core/ext.h"
#include "stack/ip/ip4_opts.h"
#include "stack/ip/route.h"
#include "stack/sock/control.h"

void cmsg_put(struct cmsg_out *out, int level, int type, const void *data, size_t len)
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
	if (!user_put(out->at, &head, sizeof(head)) ||
	    !user_put(out->at + CMSG_LEN(0), data, head.cmsg_len - CMSG_LEN(0)))
		return; /* as if there were none, as Linux */
	space = s7_min(CMSG_SPACE(len), out->left);
	out->at += space;
	out->left -= space;
}

static void put_time(struct s7_sock *sk, int64_t wall, struct cmsg_out *out)
{
	struct timespec ts = { wall / 1000000000, wall % 1000000000 };
	struct timeval tv = { ts.tv_sec, ts.tv_nsec / 1000 };

	bool is_new = sk->more & SKM_STAMP_NEW;

	if (sk->bits & SKB_TIMESTAMPNS)
		cmsg_put(out, SOL_SOCKET, is_new ? SO_TIMESTAMPNS_NEW : SO_TIMESTAMPNS, &ts,
			 sizeof(ts));
	else if (sk->bits & SKB_TIMESTAMP)
		cmsg_put(out, SOL_SOCKET, is_new ? SO_TIMESTAMP_NEW : SO_TIMESTAMP, &tv,
			 sizeof(tv));
}

/* Does the packet have a time, and the socket want it by SO_TIMESTAMPING? As Linux. */
static bool wants_timestamping(const struct s7_sock *sk, const struct s7_msg *msg)
{
	uint32_t tsflags = sk->ext ? sk->ext->tsflags : 0;
	bool is_error = msg->more && msg->more->is_error;
	bool stamped = sk->bits & (SKB_TIMESTAMP | SKB_TIMESTAMPNS);

	if (s7_likely(!(tsflags & SOF_TIMESTAMPING_SOFTWARE)))
		return false;
	if (is_error)
		stamped |= msg->more->entry.flags & ERRQ_STAMP ||
			   (tsflags & SOF_TIMESTAMPING_RX_SOFTWARE &&
			    msg->more->entry.flags & ERRQ_OFFENDER);
	else if (tsflags & SOF_TIMESTAMPING_RX_SOFTWARE)
		stamped = true;
	else if (tsflags & SOF_TIMESTAMPING_OPT_RX_FILTER_)
		stamped = false;
	return stamped;
}

static void put_times(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	int64_t wall = (int64_t)msg->rx_time + sk->inst->env->host->realtime_offset();
	struct scm_timestamping tss = { .ts = { { wall / 1000000000, wall % 1000000000 } } };

	put_time(sk, wall, out);
	if (wants_timestamping(sk, msg))
		cmsg_put(out, SOL_SOCKET,
			 sk_ext_has(sk, EXT_STAMP_NEW) ? SO_TIMESTAMPING_NEW : SO_TIMESTAMPING,
			 &tss, sizeof(tss));
}

int control_ifindex(const struct s7_sock *sk, uint8_t iface)
{
	return iface < sk->inst->iface_count ? sk->inst->iface[iface].ifindex : 0;
}

/*
 * The address by which one would answer: the same, but for broadcast and multicast; none beside an
 * error, as in Linux.
 */
static uint32_t spec_dst(const struct s7_sock *sk, const struct s7_msg *msg)
{
	const struct s7_inst *inst = sk->inst;
	struct s7_ip src;

	if (sk->proto == PROTO_PING)
		return 0;
	if (msg->more && msg->more->is_error)
		return msg->more->entry.flags & ERRQ_STAMP ? ip_v4(&msg->more->entry.offender) : 0;
	if (!ip_is_multicast(&msg->local) && !ip_is_broadcast(inst, &msg->local))
		return ip_v4(&msg->local);
	if (msg->name.iface >= inst->iface_count)
		return 0;
	src = iface_source(&inst->iface[msg->name.iface], &msg->name.ip);
	return ip_v4(&src);
}

/* The header's options as they came, and as they would go back. */
static void put_options(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	const struct s7_ip4_opts *opts = &msg->more->ip_opts;
	struct s7_ip4_opts back;
	int err;

	if (sk_ext_has(sk, EXT_RECVOPTS))
		cmsg_put(out, IPPROTO_IP, IP_RECVOPTS, opts->bytes, opts->len);
	if (!sk_ext_has(sk, EXT_RETOPTS))
		return;
	inst_lock(sk->inst, sk->inst->now);
	err = ip4_opts_turn(sk->inst, opts, &msg->name.ip, &back);
	inst_unlock(sk->inst);
	if (err)
		out->flags |= MSG_CTRUNC;
	else
		cmsg_put(out, IPPROTO_IP, IP_RETOPTS, back.bytes, back.len);
}

static void put_ip4(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	int ttl = msg->ttl;

	if (sk->bits & SKB_PKTINFO) {
		struct in_pktinfo info = { .ipi_ifindex = control_ifindex(sk, msg->name.iface) };

		info.ipi_addr.s_addr = ip_v4(&msg->local);
		info.ipi_spec_dst.s_addr = spec_dst(sk, msg);
		cmsg_put(out, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	}
	if (sk->bits & SKB_RECVTTL)
		cmsg_put(out, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl));
	if (sk->bits & SKB_RECVTOS)
		cmsg_put(out, IPPROTO_IP, IP_TOS, &msg->tos, sizeof(msg->tos));
	if (s7_unlikely(msg->more && msg->more->has_opts))
		put_options(sk, msg, out);
	if (sk_ext_has(sk, EXT_ORIGDST)) {
		struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(sk->flow.lport),
					  .sin_addr.s_addr = ip_v4(&msg->local) };

		cmsg_put(out, IPPROTO_IP, IP_ORIGDSTADDR, &to, sizeof(to));
	}
	if (sk_ext_has(sk, EXT_FRAGSIZE) && msg->more && msg->more->frag_max)
		cmsg_put(out, IPPROTO_IP, IP_RECVFRAGSIZE, &(int){ msg->more->frag_max },
			 sizeof(int));
}

/* An AF_INET6 socket hears of both families, as it asked for on the level of each. */
static void put_ip6(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	if (sk->ip6.bits & SK6_RECVPKTINFO)
		control_put_pktinfo6(sk, msg, IPV6_PKTINFO, out);
	if (ip_is_v4(&msg->local))
		put_ip4(sk, msg, out);
	else
		control_put_ip6(sk, msg, out);
}

void control_put_packet(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out)
{
	if (sk->domain == AF_INET6)
		put_ip6(sk, msg, out);
	else
		put_ip4(sk, msg, out);
}

void sock_control_write(struct s7_sock *sk, const struct s7_msg *msg, struct msghdr *hdr,
			uint32_t call_flags)
{
	struct cmsg_out out = { hdr->msg_control, hdr->msg_control ? hdr->msg_controllen : 0, 0 };
	uint32_t drops = msg->drops;

	if ((sk->bits & (SKB_TIMESTAMP | SKB_TIMESTAMPNS) || sk->ext) && msg->rx_time)
		put_times(sk, msg, &out);
	if (s7_unlikely(sk->more && msg->more && sk->proto == PROTO_TCP))
		control_put_more(sk, msg, &out);
	if (s7_unlikely(msg->more && msg->more->is_error)) {
		control_put_error(sk, msg, &out);
	} else if (s7_unlikely(msg->more && msg->more->path_mtu)) {
		control_put_mtu(sk, msg, &out);
	} else if (s7_unlikely(sk->proto == PROTO_PACKET)) {
		control_put_link(sk, msg, &out);
	} else if (sk->type != SOCK_STREAM && msg->name.valid) {
		if ((sk->bits & SKB_RXQ_OVFL) && drops && sk->proto != PROTO_PING)
			cmsg_put(&out, SOL_SOCKET, SO_RXQ_OVFL, &drops, sizeof(drops));
		if (s7_unlikely(sk->more && msg->more && sk->proto != PROTO_PING))
			control_put_more(sk, msg, &out);
		if (msg->more && msg->more->gro)
			cmsg_put(&out, IPPROTO_UDP, UDP_GRO, &(int){ msg->more->gro }, sizeof(int));
		control_put_packet(sk, msg, &out);
	}
	hdr->msg_controllen = (size_t)(out.at - (char *)hdr->msg_control);
	hdr->msg_flags = (int)(msg->out_flags | (call_flags & MSG_CMSG_CLOEXEC)) | out.flags;
}
