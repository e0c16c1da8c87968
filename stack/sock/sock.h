/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sock.h - socket calls as the shim makes them: sockaddr and msghdr in, -errno out, never blocking
 *
 * Each takes the instance lock itself (`now` is read by the caller) and gives it back, flushing
 * what it sent. Blocking, partial transfers with MSG_WAITALL, time-outs, SIGPIPE and errno are the
 * shim's; so is the kernel side of a dual socket. User memory is read and written here and in the
 * transports, nowhere else.
 * The caller holds a reference of the file, but for the calls that take a cookie (or a message with
 * one): those may come with what was looked up alone, and say -SOCK_STALE when another thread has
 * closed it meanwhile.
 */
#ifndef S7_SOCK_H
#define S7_SOCK_H

#include <linux/sockios.h>
#include <sys/ioctl.h>

#include "stack/core/sk.h"
#include "stack/ip/ip.h"

/* No errno: the descriptor's file is another by now, it is to be looked up again. */
#define SOCK_STALE 4000

/*
 * domain AF_INET/AF_INET6, type SOCK_STREAM/SOCK_DGRAM/SOCK_RAW without flags, protocol as the
 * kernel granted it. 0, -ENOBUFS.
 */
int sock_create(struct s7_inst *inst, int domain, int type, int protocol, s7_time now,
		struct s7_sock **ret_sk);

/* The last reference is gone: closes (FIN, linger, RST as Linux) and lets go. */
void sock_release(struct s7_sock *sk, s7_time now);
/*
 * The same, if it is still the one of this cookie: whoever took the last reference away may be kept
 * from running for so long that the sweep (shim/sweep.c) closes it.
 */
void sock_release_once(struct s7_sock *sk, uint64_t cookie, s7_time now);

/* The family of a sockaddr of the program's: 0, -EINVAL (length), -EFAULT. */
int sock_addr_family(const struct sockaddr *addr, socklen_t len, sa_family_t *ret_family);
/*
 * Reads a sockaddr of the socket's domain. 0, -EINVAL (length), -EAFNOSUPPORT, -EFAULT. ret_scope:
 * the scope id as the program gave it, for sock_device().
 */
int sock_addr_read(const struct s7_sock *sk, const struct sockaddr *addr, socklen_t len,
		   struct s7_ip *ret_ip, uint16_t *ret_port, uint32_t *ret_scope);
/*
 * Writes as Linux: truncated to *len, *len becomes the full length. IPv4 in an AF_INET6 socket:
 * v4-mapped. device: index + 1 of the interface that a link-local address belongs to, 0 none. Both
 * pointers may be the program's: 0, -EFAULT, -EINVAL (a negative *len).
 */
int sock_addr_write(const struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
		     uint32_t device, struct sockaddr *addr, socklen_t *len);
/* The same without the socket. */
/* ... with sin6_flowinfo, network order. */
int sock_addr_write_flow(const struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
			 uint32_t device, uint32_t flow, struct sockaddr *addr, socklen_t *len);
int sock_addr_write_as(const struct s7_inst *inst, int domain, const struct s7_ip *ip,
		       uint16_t port, uint32_t device, struct sockaddr *addr, socklen_t *len);

/* An interface that only the kernel has. */
#define SOCK_DEVICE_KERNEL UINT32_MAX
/* The interface with this ifindex: index + 1, or SOCK_DEVICE_KERNEL. */
uint32_t sock_device_of(const struct s7_inst *inst, uint32_t ifindex);
/*
 * The interface by which the socket reaches an address: that of the scope id where the address
 * needs one, else the one it is bound to, else IPV6_PKTINFO's. Index + 1, 0 any,
 * SOCK_DEVICE_KERNEL.
 */
uint32_t sock_device(const struct s7_sock *sk, const struct s7_ip *ip, uint32_t scope);
/* ... by which a packet to it leaves: IP_MULTICAST_IF and IP_UNICAST_IF count too. */
uint32_t sock_device_out(const struct s7_sock *sk, const struct s7_ip *ip, uint32_t scope);

/* sin6_flowinfo of an address, where the socket wants it to count (IPV6_FLOWINFO_SEND). */
uint32_t sock_addr_flow(const struct s7_sock *sk, const struct sockaddr *addr, socklen_t len);
/* May the socket use the label in it? No lock held. */
bool sock_flow_allowed(struct s7_sock *sk, uint32_t flow);
/* The label of the connection to come. 0, -ENOBUFS. */
int sock_set_flow(struct s7_sock *sk, uint32_t flow, s7_time now);

/* Port and address as the kernel side granted them (port not 0). */
int sock_bind(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now);

/* Bound to an IPv4 address (also 0.0.0.0) as ::ffff:a.b.c.d, but meant for an IPv6 destination. */
static inline bool sock_other_family(const struct s7_sock *sk, const struct s7_ip *to)
{
	return sk->domain == AF_INET6 && sk->bits & SKB_BOUND && ip_is_v4(&sk->bind.ip) &&
	       !ip_is_v4(to);
}

/*
 * Who would carry a packet to this destination by this device (as sock_device tells it): enum
 * s7_route_owner, or -errno: nobody.
 */
int sock_route_owner(struct s7_sock *sk, const struct s7_ip *ip, uint32_t device, s7_time now);
/* The source address the stack would use, and whether the kernel has it too. */
int sock_route_source(struct s7_sock *sk, const struct s7_ip *ip, s7_time now,
		      struct s7_ip *ret_src, bool *ret_shared);
/* SO_BINDTODEVICE by way of a link-local address, as Linux does in bind and connect. */
void sock_set_device(struct s7_sock *sk, uint32_t device, s7_time now);

/* -EINPROGRESS ... */
int sock_connect(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now);
/* ... with MSG_FASTOPEN: what left in the SYN is in msg->skip. */
int sock_connect_data(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port,
		      struct s7_msg *msg, s7_time now);
/* connect() was told 0 and sent nothing: the SYN waits for the first bytes. */
bool sock_is_deferred(const struct s7_sock *sk);
/* Fast Open as the kernel has it now: net.ipv4.tcp_fastopen, and a listener's keys (or len 0). */
void sock_fastopen(struct s7_sock *sk, uint32_t sysctl, const void *keys, uint32_t len,
		   s7_time now);
int sock_disconnect(struct s7_sock *sk, s7_time now); /* connect(AF_UNSPEC) */
/* (ip, port) is of this host, and no socket of this protocol is bound to the port here. */
bool sock_nobody_at(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now);
/*
 * Whether a connected datagram socket has the port: it is in no table of ports. Looks at every
 * flow.
 */
bool sock_peer_at(struct s7_sock *sk, uint16_t port, s7_time now);
/* What connect() says before it looks at the address, see tcp_connect_state; 1: go on. */
int sock_connect_state(struct s7_sock *sk, s7_time now);
/*
 * Whether connections (TIME_WAIT included) that are not bound themselves keep a bind away from
 * (ip, port), as the children of a closed listener do. Looks at every flow: for bind() alone.
 */
bool sock_port_held(struct s7_sock *sk, const struct s7_ip *ip, uint16_t port, s7_time now);
/* It came from accept(): no kernel socket of its own stands behind it. */
bool sock_was_accepted(const struct s7_sock *sk);
/* A raw or ping socket: all that the kernel knows of it is asked of its kernel socket too. */
static inline bool sock_is_raw(const struct s7_sock *sk)
{
	return sk->proto == PROTO_RAW || sk->proto == PROTO_PING;
}
/* ... by which the stack has sent or received. */
bool sock_is_used(struct s7_sock *sk);
int sock_listen(struct s7_sock *sk, int backlog, s7_time now);
int sock_accept(struct s7_sock *sk, s7_time now, struct s7_sock **ret_child); /* -EAGAIN */
int sock_shutdown(struct s7_sock *sk, int how, s7_time now);

/*
 * One non-blocking attempt; bytes, or -EAGAIN, -EPIPE (no signal here), ... msg->skip advances.
 * What was not moved wholly tells msg->seen.
 */
ssize_t sock_send(struct s7_sock *sk, struct s7_msg *msg, s7_time now);
/*
 * A whole call with MSG_ZEROCOPY sent n bytes: with SO_ZEROCOPY its completion is or will be
 * queued.
 */
void sock_zerocopy_sent(struct s7_sock *sk, uint64_t cookie, uint64_t n, s7_time now);
/* `drive`: poll the ports first if nothing is queued. */
ssize_t sock_recv(struct s7_sock *sk, struct s7_msg *msg, s7_time now);
/*
 * Fills msg_control/msg_controllen/msg_flags of hdr from what sock_recv left in msg (ancillary data
 * the socket asked for).
 */
void sock_control_write(struct s7_sock *sk, const struct s7_msg *msg, struct msghdr *hdr,
			uint32_t call_flags);
/*
 * Reads the control messages of a send into msg (PKTINFO) and msg->ask, which the caller provides.
 * 0, -errno, or CONTROL_KERNEL: they name a source or an interface that the stack has not.
 */
#define CONTROL_KERNEL 1
int sock_control_read(struct s7_sock *sk, const struct msghdr *hdr, struct s7_msg *msg);

uint32_t sock_poll(struct s7_sock *sk, s7_time now);
/* Would a MSG_PEEK find something where SO_PEEK_OFF stands, or the end? Lock held. */
bool sock_peek_ready(struct s7_sock *sk);

/* EPOLL* bits true now, with the NORM bits that poll() knows them by too. Lock held. */
static inline uint32_t sock_ready_locked(struct s7_sock *sk)
{
	uint32_t events = sk_ops(sk)->poll(sk);

	if (events & EPOLLIN)
		events |= EPOLLRDNORM;
	if (events & EPOLLOUT)
		events |= EPOLLWRNORM; /* WRBAND: datagram sockets say so themselves */
	return events;
}

/* The plain bits by which a wait queue knows what somebody asked for. */
static inline uint32_t sock_interest(uint32_t events)
{
	if (events & EPOLLRDNORM)
		events |= EPOLLIN;
	if (events & (EPOLLWRNORM | EPOLLWRBAND))
		events |= EPOLLOUT;
	return events;
}

/*
 * One iovec and the flags become a message. 0, -EINVAL (a length beyond SSIZE_MAX, a negative
 * count), -EMSGSIZE (more than IOV_MAX). A stream's length is cut to
 * MAX_RW_COUNT as in Linux.
 */
int sock_msg_init(struct s7_msg *msg, const struct iovec *iov, size_t iovcnt, uint32_t flags);

/*
 * Whether the option's value can need a privilege: the shim asks a kernel socket of the same kind
 * before it is applied.
 */
bool sock_option_needs_kernel(const struct s7_sock *sk, int level, int name);
/* Whether the kernel socket behind keeps and answers it: Linux has no effect for it here either.
 * sk NULL: on any kind of socket. */
bool sock_option_is_behind(const struct s7_sock *sk, int level, int name);
/*
 * Whether it is about multicast groups: stack and kernel socket each do it on their interfaces.
 */
bool sock_option_is_group(const struct s7_sock *sk, int level, int name);

/* IP_MULTICAST_IF and IPV6_MULTICAST_IF, to be put back when the kernel refuses the new one. */
struct sock_mc_way {
	uint32_t address;
	int32_t ifindex6;
	uint8_t device, device6;
};
struct sock_mc_way sock_mc_way(const struct s7_sock *sk);
void sock_mc_way_back(struct s7_sock *sk, const struct sock_mc_way *way, s7_time now);
/* Whether the kernel socket behind, and no other, does it before the stack does. */
bool sock_option_is_lease(const struct s7_sock *sk, int level, int name);
/*
 * Packet sockets: the kernel's half is not asked first; the stack's half is the one that answers.
 */
bool sock_option_is_own(const struct s7_sock *sk, int level, int name);
bool sock_option_is_answered(const struct s7_sock *sk, int level, int name);
/* Level and name as text for a log line, or NULL when no table has it. */
const char *sock_option_text(int level, int name);
int sock_getname(struct s7_sock *sk, bool peer, struct sockaddr *addr, socklen_t *len);

/*
 * Options by table (opt_socket.c, opt_tcp.c, opt_ip.c, opt_ipv6.c, opt_udp.c). Returns 0, -errno,
 * or OPT_ASK_KERNEL: no row here; the shim applies it to the kernel socket behind and, if the
 * kernel accepts an option that the stack does not have, hands the socket over while it still can,
 * else refuses with -ENOPROTOOPT and a log line.
 */
#define OPT_ASK_KERNEL 1
int sock_setsockopt(struct s7_sock *sk, int level, int name, const void *val, socklen_t len,
		    s7_time now);
int sock_getsockopt(struct s7_sock *sk, int level, int name, void *val, socklen_t *len,
		    s7_time now);
/* ---- packet sockets (packet.c) ---- */

struct sockaddr_ll;

/* type SOCK_RAW or SOCK_DGRAM; proto (host order) not 0: it sees every interface. 0, -ENOBUFS. */
int sock_packet_create(struct s7_inst *inst, int type, uint16_t proto, s7_time now,
		       struct s7_sock **ret_sk);
/* Are packet sockets on this interface (index + 1) the stack's, alone or beside the kernel? */
bool sock_packet_serves(const struct s7_inst *inst, uint32_t device);
bool sock_packet_shares(const struct s7_inst *inst, uint32_t device);
uint16_t sock_packet_proto(const struct s7_sock *sk);
/* device: index + 1, 0 all; nowhere: the kernel's half alone receives. 0, -EINVAL, -EBADF. */
int sock_packet_bind(struct s7_sock *sk, uint32_t device, uint16_t proto, bool nowhere,
		     s7_time now);
/*
 * Where a send goes: 0 by the stack, *ret_link says where to; 1 by the kernel's half, which also
 * has the errno of an address that is none.
 */
int sock_packet_way(const struct s7_sock *sk, const struct msghdr *hdr,
		    struct s7_msg_link *ret_link);
/* Bound to an interface that the stack sends by. */
bool sock_packet_has_way(const struct s7_sock *sk);
/* It has what cannot go to the kernel with it: a ring, or a place in a fanout group. */
bool sock_packet_is_fixed(const struct s7_sock *sk);
bool sock_packet_has_rx_ring(const struct s7_sock *sk);
bool sock_packet_has_ring(const struct s7_sock *sk);
void sock_packet_name(const struct s7_sock *sk, struct sockaddr_ll *ret_name);
/*
 * A frame of the kernel's half goes into the ring. 0; -EBADF, -SOCK_STALE: the socket is gone.
 */
struct s7_packet_fed; /* stack/core/link.h */
int sock_packet_feed(struct s7_sock *sk, uint64_t cookie, const struct s7_packet_fed *fed,
		     s7_time now);
/* SKB_FED on or off. */
void sock_packet_fed(struct s7_sock *sk, bool fed, s7_time now);
/* Is it still the socket with that cookie, and fed? */
bool sock_packet_is_fed(struct s7_sock *sk, uint64_t cookie);
/* PACKET_AUXDATA, as the program set it. */
bool sock_packet_wants_aux(const struct s7_sock *sk);
/* What the kernel's half received and lost, told with the next PACKET_STATISTICS. */
void sock_packet_count(struct s7_sock *sk, uint32_t packets, uint32_t drops, s7_time now);
/*
 * Where the rings are in the arena: as many pieces as there are rings, receive ring first. Counts
 * them as mapped; sock_packet_unmap counts back.
 */
int sock_packet_map(struct s7_sock *sk, size_t len, char *ret_mem[2], size_t ret_len[2]);
void sock_packet_unmap(struct s7_sock *sk, uint64_t cookie);

/* The four requests for the time of the last packet: both of them, in the old and the new shape. */
static inline bool sock_asks_stamp(unsigned long request)
{
	return request == SIOCGSTAMP_OLD || request == SIOCGSTAMPNS_OLD ||
	       request == SIOCGSTAMP_NEW || request == SIOCGSTAMPNS_NEW;
}

/* SIOCINQ/FIONREAD, SIOCOUTQ, SIOCATMARK, FIONBIO is the shim's. -ENOIOCTLCMD (515): not ours. */
int sock_ioctl(struct s7_sock *sk, unsigned long request, void *arg, s7_time now);

#endif
