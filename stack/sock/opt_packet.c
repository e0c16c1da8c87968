/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opt_packet.c - level SOL_PACKET, in the order of packet(7)
 *
 * The kernel socket behind a packet socket is its own for all its life: it judges a value first
 * (OPT_OWN rows excepted, which are about interfaces and memory that it does not have), keeps it
 * and answers getsockopt. The rows here are what the stack's half makes of it, and the few answers
 * that only the stack's half has. Of SOL_SOCKET, packet_socket_opts names what has an effect here.
 * Context: instance lock. Callers: sockopt.c.
 */
#include <errno.h>

#include "stack/base/user.h"
#include "stack/core/ext.h"
#include "stack/packet/packet.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/filter.h"
#include "stack/sock/sock_int.h"

#define SO_RCVTIMEO_NEW_ 66
#define SO_SNDTIMEO_NEW_ 67
#define SO_RCVMARK_ 75
#define SO_RCVPRIORITY_ 82

static const int packet_socket_opts[] = {
	SO_ERROR, SO_RCVBUF, SO_RCVBUFFORCE, SO_RCVTIMEO, SO_RCVTIMEO_NEW_, SO_SNDTIMEO,
	SO_SNDTIMEO_NEW_, SO_RXQ_OVFL, SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMP_NEW,
	SO_TIMESTAMPNS_NEW, SO_TIMESTAMPING, SO_TIMESTAMPING_NEW, SO_SELECT_ERR_QUEUE,
	SO_BUSY_POLL, SO_BUSY_POLL_BUDGET, SO_PREFER_BUSY_POLL, SO_ATTACH_FILTER, SO_ATTACH_BPF,
	SO_DETACH_FILTER, SO_LOCK_FILTER, SO_MARK, SO_PRIORITY, SO_RCVMARK_, SO_RCVPRIORITY_,
};

bool packet_has_option(int level, int name)
{
	if (level == SOL_PACKET)
		return true;
	for (size_t i = 0; level == SOL_SOCKET && i < S7_ARRAY_LEN(packet_socket_opts); i++)
		if (packet_socket_opts[i] == name)
			return true;
	return false;
}

/* ---- memberships ---- */

static int member_request(struct s7_sock *sk, const struct opt_value *value,
			  struct packet_mreq *ret_mreq, uint32_t *ret_iface)
{
	socklen_t len = (socklen_t)s7_min(value->len, sizeof(*ret_mreq));
	uint32_t device;

	memcpy(ret_mreq, value->bytes, sizeof(*ret_mreq));
	if (len < ret_mreq->mr_alen + offsetof(struct packet_mreq, mr_address))
		return -EINVAL;
	device = sock_device_of(sk->inst, (uint32_t)ret_mreq->mr_ifindex);
	if (device == SOCK_DEVICE_KERNEL || !sock_packet_serves(sk->inst, device))
		return OPT_ASK_KERNEL;
	*ret_iface = device - 1;
	return 0;
}

static int add_membership(struct s7_sock *sk, const struct opt_value *value)
{
	struct packet_mreq mreq;
	uint32_t iface;
	int err = member_request(sk, value, &mreq, &iface);

	return err ? err : packet_member_add(packet_sock(sk), iface, &mreq);
}

static int drop_membership(struct s7_sock *sk, const struct opt_value *value)
{
	struct packet_mreq mreq;
	uint32_t iface;
	int err = member_request(sk, value, &mreq, &iface);

	return err ? err : packet_member_drop(packet_sock(sk), iface, &mreq);
}

/* ---- rings ---- */

static int set_ring(struct s7_sock *sk, const struct opt_value *value, bool tx)
{
	struct s7_packet_sock *ps = packet_sock(sk);
	size_t want = ps->version == TPACKET_V3 ? sizeof(struct tpacket_req3) :
						  sizeof(struct tpacket_req);
	struct tpacket_req3 req = { 0 };

	if (value->len < want)
		return -EINVAL;
	memcpy(&req, value->bytes, want);
	return packet_set_ring(ps, tx, &req);
}

static int set_rx_ring(struct s7_sock *sk, const struct opt_value *value)
{
	return set_ring(sk, value, false);
}

static int set_tx_ring(struct s7_sock *sk, const struct opt_value *value)
{
	return set_ring(sk, value, true);
}

static int set_version(struct s7_sock *sk, const struct opt_value *value)
{
	packet_sock(sk)->version = (uint8_t)value->num;
	return 0;
}

static int set_reserve(struct s7_sock *sk, const struct opt_value *value)
{
	packet_sock(sk)->reserve = (uint32_t)value->num;
	return 0;
}

static int set_copy_thresh(struct s7_sock *sk, const struct opt_value *value)
{
	packet_sock(sk)->copy_thresh = (uint32_t)value->num;
	return 0;
}

/* ---- what is or is not shown ---- */

static int set_bit(struct s7_sock *sk, uint32_t bit, const struct opt_value *value)
{
	struct s7_packet_sock *ps = packet_sock(sk);

	ps->bits = value->num ? ps->bits | bit : ps->bits & ~bit;
	return 0;
}

static int set_ignore_outgoing(struct s7_sock *sk, const struct opt_value *value)
{
	return set_bit(sk, PB_IGNORE_OUTGOING, value);
}

static int set_bypass(struct s7_sock *sk, const struct opt_value *value)
{
	return set_bit(sk, PB_BYPASS, value);
}

static int set_loss(struct s7_sock *sk, const struct opt_value *value)
{
	return set_bit(sk, PB_LOSS, value);
}

static int set_auxdata(struct s7_sock *sk, const struct opt_value *value)
{
	return set_bit(sk, PB_AUXDATA, value);
}

static int get_auxdata(struct s7_sock *sk, struct opt_value *ret)
{
	ret->num = !!(packet_sock(sk)->bits & PB_AUXDATA);
	return 0;
}

static int set_tx_has_off(struct s7_sock *sk, const struct opt_value *value)
{
	const struct s7_packet_sock *ps = packet_sock(sk);

	/* too late once there are rings, but no error, as in Linux */
	return ps->rx.mem || ps->tx.mem ? 0 : set_bit(sk, PB_TX_HAS_OFF, value);
}

/* ---- counts ---- */

static int get_statistics(struct s7_sock *sk, struct opt_value *ret)
{
	struct s7_packet_sock *ps = packet_sock(sk);
	struct tpacket_stats_v3 stats = { ps->packets + ps->drops, ps->drops, ps->freezes };

	ret->len = ps->version == TPACKET_V3 ? sizeof(stats) : sizeof(struct tpacket_stats);
	memcpy(ret->bytes, &stats, sizeof(stats));
	ps->packets = ps->drops = ps->freezes = 0;
	return 0;
}

static int get_rollover_stats(struct s7_sock *sk, struct opt_value *ret)
{
	struct s7_packet_sock *ps = packet_sock(sk);
	struct tpacket_rollover_stats stats = { ps->rolled, ps->rolled_huge, ps->roll_failed };

	if (!ps->group || (ps->group->type != PACKET_FANOUT_ROLLOVER &&
			   !(ps->group->flags & PACKET_FANOUT_FLAG_ROLLOVER)))
		return -EINVAL;
	ret->len = sizeof(stats);
	memcpy(ret->bytes, &stats, sizeof(stats));
	return 0;
}

/* ---- fanout ---- */

static int join_fanout(struct s7_sock *sk, const struct opt_value *value)
{
	struct fanout_args args = { 0 };

	if (value->len != sizeof(int) && value->len != sizeof(args))
		return -EINVAL;
	memcpy(&args, value->bytes, value->len);
	return packet_fanout_join(packet_sock(sk), &args);
}

static int set_fanout_classic(struct s7_packet_sock *ps, const struct opt_value *value)
{
	struct s7_filter *filter;
	struct sock_fprog prog;
	int err;

	memcpy(&prog, value->bytes, sizeof(prog));
	err = filter_load(ps->sk.inst, prog.filter, prog.len, &filter);
	if (!err)
		packet_fanout_program(ps, filter);
	return err;
}

static int set_fanout_ebpf(struct s7_packet_sock *ps, const struct opt_value *value)
{
	const struct s7_bpf_host *host = ps->sk.inst->env->host->bpf;
	const struct ebpf_prog *prog;
	struct s7_filter *filter;
	int err, fd;

	memcpy(&fd, value->bytes, sizeof(fd));
	err = host ? host->prog_get(fd, &prog) : -EINVAL;
	if (err)
		return err;
	err = prog->type == BPF_PROG_TYPE_SOCKET_FILTER ? ebpf_load(ps->sk.inst, prog, &filter) :
							  -EINVAL;
	host->prog_put(prog);
	if (!err)
		packet_fanout_program(ps, filter);
	return err;
}

/* Bytes of the value that the group wants; -EINVAL: its frames are shared otherwise. */
static int fanout_data_len(struct s7_packet_sock *ps)
{
	if (packet_fanout_by_program(ps, PACKET_FANOUT_CBPF))
		return ps->sk.more & SKM_LOCK_FILTER ? -EPERM : (int)sizeof(struct sock_fprog);
	if (packet_fanout_by_program(ps, PACKET_FANOUT_EBPF))
		return ps->sk.more & SKM_LOCK_FILTER ? -EPERM : (int)sizeof(int);
	return -EINVAL;
}

/* What the group is decides before the value is looked at. */
static int take_fanout_data(struct s7_sock *sk, const void *val, socklen_t len, s7_time now)
{
	struct s7_packet_sock *ps = packet_sock(sk);
	struct opt_value value = { .len = len };
	int want, err = sock_enter(sk, 0, now);

	if (err)
		return err;
	want = fanout_data_len(ps);
	sock_leave(sk->inst);
	if (want < 0 || (int)len != want)
		return want < 0 ? want : -EINVAL;
	if (!user_get(value.bytes, val, len))
		return -EFAULT;
	err = sock_enter(sk, 0, now);
	if (err)
		return err;
	if (fanout_data_len(ps) != want)
		err = -EINVAL;
	else
		err = want == sizeof(int) ? set_fanout_ebpf(ps, &value) :
					    set_fanout_classic(ps, &value);
	sock_leave(sk->inst);
	return err;
}

static int get_fanout(struct s7_sock *sk, struct opt_value *ret)
{
	const struct s7_packet_group *group = packet_sock(sk)->group;

	uint32_t num = group ? group->id | (uint32_t)group->type << 16 |
				       (uint32_t)group->flags << 16 :
			       0;

	ret->len = sizeof(num);
	memcpy(ret->bytes, &num, sizeof(num));
	return 0;
}

#define ROW(name_, type_, access_, ...)                                                            \
	{ .level = SOL_PACKET, .name = name_, .type = type_, .access = access_, .on = ON_PACKET,   \
	  __VA_ARGS__ }
/* Bytes, at least so many. */
#define BYTES_ROW(name_, access_, least_, ...)                                                     \
	ROW(name_, OPT_BYTES, access_, .min = least_, .max = 0, __VA_ARGS__)

static const struct s7_opt packet7_opts[] = {
	BYTES_ROW(PACKET_ADD_MEMBERSHIP, OPT_WR | OPT_OWN, sizeof(struct packet_mreq),
		  .set = add_membership, .text = "promiscuous, all groups or an address more"),
	BYTES_ROW(PACKET_DROP_MEMBERSHIP, OPT_WR | OPT_OWN, sizeof(struct packet_mreq),
		  .set = drop_membership, .text = "undoes one PACKET_ADD_MEMBERSHIP"),
	ROW(PACKET_AUXDATA, OPT_INT, OPT_RW, .set = set_auxdata, .get = get_auxdata,
	    .text = "struct tpacket_auxdata beside each frame"),
	BYTES_ROW(
		PACKET_FANOUT, OPT_RW | OPT_OWN, sizeof(int), .set = join_fanout, .get = get_fanout,
		.text = "sockets share frames: hash, turn, CPU, queue, chance, rollover, program"),
	BYTES_ROW(PACKET_FANOUT_DATA, OPT_WR | OPT_OWN, 0, .take = take_fanout_data,
		  .text = "the program that chooses among them: classic or a descriptor"),
	ROW(PACKET_LOSS, OPT_INT, OPT_WR, .set = set_loss,
	    .text = "a malformed frame of PACKET_TX_RING is passed over"),
	ROW(PACKET_RESERVE, OPT_INT, OPT_WR, .set = set_reserve,
	    .text = "room in front of each frame of a ring"),
	BYTES_ROW(PACKET_RX_RING, OPT_WR | OPT_OWN, sizeof(struct tpacket_req), .set = set_rx_ring,
		  .text = "frames in memory to be mapped, TPACKET_V1 to V3"),
	BYTES_ROW(PACKET_STATISTICS, OPT_RD, 0, .get = get_statistics,
		  .text = "frames and drops since the last look"),
	ROW(PACKET_TIMESTAMP, OPT_INT, OPT_RW | OPT_BEHIND,
	    .text = "hardware times in rings, which no interface here has: software's stand there"),
	BYTES_ROW(PACKET_TX_RING, OPT_WR | OPT_OWN, sizeof(struct tpacket_req), .set = set_tx_ring,
		  .text = "frames to send in memory to be mapped"),
	ROW(PACKET_VERSION, OPT_INT, OPT_WR, .set = set_version,
	    .text = "shape of a ring's frames and of PACKET_STATISTICS"),
	ROW(PACKET_QDISC_BYPASS, OPT_INT, OPT_WR, .set = set_bypass,
	    .text = "other packet sockets do not see what this one sends"),
	ROW(PACKET_HDRLEN, OPT_INT, OPT_RD | OPT_BEHIND,
	    .text = "bytes of a ring frame's header, of the version given"),
	ROW(PACKET_ORIGDEV, OPT_INT, OPT_RW | OPT_BEHIND,
	    .text = "no interface of the stack stands upon another: the index is the same"),
	ROW(PACKET_COPY_THRESH, OPT_INT, OPT_WR, .set = set_copy_thresh,
	    .text = "a frame that does not fit its place in the ring is queued too"),
	ROW(PACKET_IGNORE_OUTGOING, OPT_INT, OPT_WR, .set = set_ignore_outgoing,
	    .text = "what this host sends is not shown"),
	ROW(PACKET_TX_HAS_OFF, OPT_INT, OPT_WR, .set = set_tx_has_off,
	    .text = "a slot of PACKET_TX_RING says where its frame begins"),
	BYTES_ROW(PACKET_ROLLOVER_STATS, OPT_RD, 0, .get = get_rollover_stats,
		  .text = "how often a fanout group's full socket was passed over"),
};

const struct s7_opt_table packet7_table = { SOL_PACKET, packet7_opts, S7_ARRAY_LEN(packet7_opts) };
