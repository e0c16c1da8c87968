/* SPDX-License-Identifier: BSD-3-Clause */
/* control.h - writing control messages, shared by control*.c */
#ifndef S7_SOCK_CONTROL_H
#define S7_SOCK_CONTROL_H

#include "stack/core/errq.h"
#include "stack/sock/sock_int.h"

/* Of linux/in6.h, which libc's headers do not get on with. */
#define IPV6_FLOWINFO_ 11
#define IPV6_ROUTER_ALERT_ISOLATE_ 30
#define IPV6_FLOWLABEL_MGR_ 32
#define IPV6_FLOWINFO_SEND_ 33

/* The program's msg_control, filled from the front. */
struct cmsg_out {
	char *at;
	size_t left;
	int flags; /* MSG_CTRUNC when something did not fit */
};

void cmsg_put(struct cmsg_out *out, int level, int type, const void *data, size_t len);

/* What the socket wants to know of a packet: PKTINFO, TTL, TOS and their like. */
void control_put_packet(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out);

/* control6.c: IPV6_PKTINFO or IPV6_2292PKTINFO, and all the rest of that level. */
void control_put_pktinfo6(struct s7_sock *sk, const struct s7_msg *msg, int type,
			  struct cmsg_out *out);
void control_put_ip6(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out);
/* ... and IPV6_PATHMTU, with IPV6_RECVPATHMTU. */
void control_put_mtu(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out);

/* control_more.c: SO_RCVMARK, SO_RCVPRIORITY, TCP_INQ; SO_MARK, SO_PRIORITY, SCM_TXTIME. */
void control_put_more(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out);
int control_take_mark(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_priority(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_txtime(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);

/* control6_send.c: IPV6_FLOWINFO, extension headers. */
int control_take_flow(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_hop(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_dst0(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_dst1(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_old_dst(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_route(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
int control_take_old_route(struct s7_sock *sk, const void *data, size_t len, struct s7_msg *msg);
/* The extension headers among the messages of `len` bytes: into msg->ask. 0, -errno. */
int control_headers_read(struct s7_sock *sk, const void *from, size_t len, struct s7_msg *msg);

/* control_link.c: what stands beside a frame of a packet socket. */
void control_put_link(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out);

/* control_err.c: what stands beside an entry of the error queue. */
void control_put_error(struct s7_sock *sk, const struct s7_msg *msg, struct cmsg_out *out);

/* The interface's number as programs know it, 0: none. */
int control_ifindex(const struct s7_sock *sk, uint8_t iface);

#endif
