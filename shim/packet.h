/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet.h - packet sockets between the kernel and the stack, and interfaces that only sock7 has
 */
#ifndef S7_SHIM_PACKET_H
#define S7_SHIM_PACKET_H

#include <net/if.h>

#include "shim/internal.h"
#include "stack/core/link.h"

struct ifaddrs;

/* ---- packet.c ---- */
/* socket(AF_PACKET) made fd: whose it is. fd, or -errno with fd closed. */
int packet_socket(int fd, int type, int protocol);
/* Makes a socket of the stack of a kernel packet socket, when the stack runs. */
void packet_adopt(int fd, int type, void (*import)(struct s7_sock *sk, int fd));
/* Is a bind to this, or a send, the kernel's business alone? */
bool packet_is_kernels(const struct sockaddr *addr, socklen_t len);

int packet_bind_sock(struct s7_sock *sk, int fd, const struct sockaddr *addr, socklen_t len);
int packet_getname(struct s7_sock *sk, struct sockaddr *addr, socklen_t *len);
int packet_setsockopt(struct s7_sock *sk, int fd, int level, int name, const void *val,
		      socklen_t len);
int packet_getsockopt(struct s7_sock *sk, int fd, int level, int name, void *val, socklen_t *len);

/* ---- packet_feed.c ---- */
/* Side or ring of the socket changed: whether the kernel's half feeds its ring. 0, -errno. */
int packet_feed_update(struct s7_sock *sk, int fd);
/* What its kernel's half must tell beside a frame. */
void packet_feed_options(const struct s7_sock *sk, int fd);

static inline bool is_packet(const struct s7_sock *sk)
{
	return s7_unlikely(sk->domain == AF_PACKET);
}

/* ---- ifname.c: interfaces that the kernel does not have ---- */
#define IFINDEX_OWN 0x7000 /* and on, by their place in the configuration */
/* Whether a packet socket on this interface of the configuration is (also) the stack's. */
bool ifname_is_tapped(const struct conf_iface *conf);
/* Whether there is any interface on which packet sockets are the stack's. Reads the configuration.
 */
bool ifname_any_tapped(void);
/* One of sock7 alone, by name or index; NULL: none. Reads the configuration, starts nothing. */
const struct conf_iface *ifname_by_name(const char *name, int *ret_index);
const struct conf_iface *ifname_by_index(int index);
/* An ioctl about an interface that the kernel does not know: 0, -errno, IFNAME_NOT_OURS. */
#define IFNAME_NOT_OURS 1
int ifname_ioctl(unsigned long request, void *arg);
/* SIOCGIFCONF: the kernel has filled what arg points to, of a buffer of `room` bytes. */
void ifname_conf(void *arg, int room);

#endif
