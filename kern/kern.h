/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * kern.h - the kernel beside us: what it knows of a netdev, and how to keep it silent
 *
 * Adoption reads addresses, routes, neighbours and MTU over netlink (libmnl), so that the user
 * restates nothing. Silence is a BPF program at TC ingress that drops, for the kernel only, what
 * sock7 owns: (protocol, local address or any, local port) in a hash map. Attached as a TCX link
 * (gone with the last process that holds its descriptor); on kernels without TCX as a clsact filter
 * whose program stops dropping when its heartbeat is older than 2 s. Used by shim/ (boot, bind,
 * close, keeper); knows conf-like plain data only.
 */
#ifndef S7_KERN_H
#define S7_KERN_H

#include "stack/core/ip.h"
#include "stack/core/metrics.h"

#define KERN_ROUTES_MAX 256
#define KERN_ADDRS_MAX 64

struct kern_addr {
	int ifindex;
	struct s7_ip ip;
	uint8_t prefix_len; /* of the family */
	bool temporary, home; /* RFC 8981, RFC 6275 */
	bool deprecated;    /* not to be chosen as a source (RFC 4862 5.5.4) */
};

struct kern_route {
	int ifindex;
	struct s7_ip to;
	uint8_t prefix_len;
	struct s7_ip via;    /* all zero: on link */
	struct s7_ip source; /* preferred source, all zero: none */
	uint32_t metric;
	uint8_t type;	     /* RTN_UNICAST, RTN_LOCAL, RTN_BROADCAST, RTN_BLACKHOLE, ... */
	bool has_metrics;    /* any of these; metrics.cc is not told, but its name */
	struct s7_metrics metrics;
	char cc[16];	     /* congestion control, "" none */
};

struct kern_view {
	uint32_t addr_count, route_count;
	struct kern_addr addr[KERN_ADDRS_MAX];
	struct kern_route route[KERN_ROUTES_MAX]; /* tables main and local, longest prefix first */
	bool truncated;				  /* more routes than fit: said in the log */
};

struct kern_link {
	int ifindex;
	uint32_t mtu;
	uint8_t mac[6];
	bool up;
	char kind[16]; /* "veth", "tun", ... or "" */
};

int kern_link_get(const char *name, struct kern_link *ret_link);
/* The MTU that a netdev has now: asked without netlink and heap. 0 or -errno. */
int kern_mtu_get(int ifindex, uint32_t *ret_mtu);

/*
 * Snapshot of the network namespace's addresses (usable ones: duplicate detection done) and of the
 * routes of tables main and local, all types; not policy rules' tables. 0 or -errno with ret_view
 * spoilt.
 */
int kern_view_get(struct kern_view *ret_view);

/*
 * A non-blocking netlink socket that becomes readable when addresses, routes or links change; or
 * -errno.
 */
int kern_watch_open(void);
/* Drains it; 1 if something changed, 0 if not. */
int kern_watch_drain(int fd);

/* The gateway's or a neighbour's link address as the kernel knows it. 0, -ENOENT, -errno. */
int kern_neigh_get(int ifindex, const struct s7_ip *ip, uint8_t ret_mac[6]);

/*
 * A number of /proc/sys/net of the caller's network namespace, as it is now: "core/rmem_max",
 * "core/somaxconn". A value beyond 32 bits counts as UINT32_MAX. 0, -ENOENT, -EINVAL (not a
 * number), -errno.
 */
int kern_sysctl_u32(const char *name, uint32_t *ret_value);
/* Three numbers: "ipv4/tcp_rmem" (min, default, max). */
int kern_sysctl_triple(const char *name, uint32_t ret_values[3]);
/* "ipv4/tcp_fastopen_key" as TCP_FASTOPEN_KEY has it: bytes (one key of 16 or two), or -errno. */
#define KERN_FASTOPEN_KEYS 32
int kern_fastopen_keys(uint8_t ret_keys[KERN_FASTOPEN_KEYS]);

struct kern_sender {
	struct s7_ip ip;
	uint16_t port;
};

/*
 * Whether a kernel socket of this network namespace would receive what comes by lo to (ip, port):
 * 1, 0 (also where the kernel has no sock_diag), or -errno. UDP: a socket that is connected hears
 * its peer alone; from, unless NULL, is who would send. Signal safe.
 */
int kern_port_served(uint8_t proto, const struct s7_ip *ip, uint16_t port,
		     const struct kern_sender *from);

/* Plain numbers, so that a child by fork may use a copy. All descriptors are close-on-exec. */
struct kern_silencer {
	int map_fd, prog_fd, link_fd, beat_fd; /* link_fd -1: clsact fallback; beat_fd -1: TCX */
	int drops_fd;
	int ifindex;
	uint32_t handle; /* of the clsact filter */
	bool clsact;
};

/*
 * Attaches to a netdev of the caller's network namespace. 0 or -errno with one line in ret_why
 * (privilege, kernel too old...). On the clsact path filters that dead owners left on the netdev
 * are removed.
 */
int silencer_open(int ifindex, struct kern_silencer *ret_s, char *ret_why, size_t why_len);

/*
 * Owns / disowns (proto, address or any, port in host order) on the netdev. Idempotent; counting is
 * the caller's. An entry for IPv4-any and for IPv6-any are different (::ffff:0.0.0.0 and ::). "Any"
 * silences every destination that is this host's (broadcast and multicast included), whichever
 * netdev has the address, as long as the frame came in by this one and untagged; packets that the
 * kernel forwards, and frames for other stations or VLANs, pass. A specific address also matches
 * inside VLAN tags. Effective for the next frame. Own before the first packet leaves. -E2BIG: 65536
 * entries. Disowning what is not owned is no error.
 */
int silencer_own(const struct kern_silencer *s, uint8_t proto, const struct s7_ip *ip,
		 uint16_t port);
/*
 * TCP: owns on there only what is left: a SYN, and what belongs to a connection of the kernel's, is
 * the kernel's. silencer_own takes it all again.
 */
int silencer_own_rest(const struct kern_silencer *s, uint8_t proto, const struct s7_ip *ip,
		      uint16_t port);
int silencer_disown(const struct kern_silencer *s, uint8_t proto, const struct s7_ip *ip,
		    uint16_t port);

/* Call at least once a second while alive (needed for clsact only; cheap otherwise). */
void silencer_beat(const struct kern_silencer *s);

/* Frames kept from the kernel so far. 0 or -errno. */
int silencer_drops(const struct kern_silencer *s, uint64_t *ret_drops);

/*
 * Gives the descriptors back. TCX: the kernel hears again once every process that inherited them
 * has. clsact: at once, for all of them, so the last process calls it; one that just dies leaves a
 * filter that passes everything after 2 s.
 */
void silencer_close(struct kern_silencer *s);

#endif
