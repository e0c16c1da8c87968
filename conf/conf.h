/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conf.h - the configuration as plain structs
 *
 * Text becomes these structs by one table of keys (keys.c): section, key, type, range, default,
 * help. Nothing here points into the text. conf/ knows no other part of sock7.
 */
#ifndef S7_CONF_H
#define S7_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/filter.h>

#define CONF_IFACES_MAX 8
#define CONF_ADDRS_MAX 8
#define CONF_ROUTES_MAX 32
#define CONF_NAME_MAX 32
#define CONF_TEXT_MAX 256
#define CONF_EXPR_MAX 896	/* a line has at most 1000 characters */
#define CONF_FILTER_INSNS 4096 /* BPF_MAXINSNS */
#define CONF_FILE_MAX (1024 * 1024) /* a larger configuration is refused */
#define CONF_WHY_MAX 512	     /* room that holds every message in full */

enum conf_loopback { CONF_LOOPBACK_KERNEL, CONF_LOOPBACK_STACK };
enum conf_hugepages { CONF_HUGEPAGES_AUTO, CONF_HUGEPAGES_YES, CONF_HUGEPAGES_NO };
enum conf_on_error { CONF_ON_ERROR_KERNEL, CONF_ON_ERROR_ABORT };
enum conf_log { CONF_LOG_ERROR, CONF_LOG_WARN, CONF_LOG_INFO, CONF_LOG_DEBUG };
enum conf_rx_checksum { CONF_RX_CSUM_VERIFY, CONF_RX_CSUM_TRUST };
enum conf_tso { CONF_TSO_AUTO, CONF_TSO_OFF };
enum conf_driver {
	CONF_DRV_AF_PACKET,
	CONF_DRV_AF_XDP,
	CONF_DRV_MEMIF,
	CONF_DRV_VIRTIO_USER,
	CONF_DRV_VHOST,
	CONF_DRV_TAP,
	CONF_DRV_RING,
	CONF_DRV_NULL,
	CONF_DRV_PCI,
	CONF_DRV_COUNT
};

/* An address with a prefix length. IPv4 is held v4-mapped (::ffff:a.b.c.d); network order. */
struct conf_prefix {
	uint8_t ip[16];
	uint8_t len; /* of the family: 0..32 for v4, 0..128 for v6 */
	bool is_v6;
};

struct conf_route {
	struct conf_prefix to;
	uint8_t via[16]; /* all zero: on link */
};

struct conf_iface {
	char name[CONF_NAME_MAX];
	enum conf_driver driver;
	char device[CONF_TEXT_MAX];  /* netdev, PCI address or socket path; empty: name */
	char devargs[CONF_TEXT_MAX]; /* appended to the DPDK device string as is */
	struct conf_prefix address[CONF_ADDRS_MAX];
	uint32_t address_count;	     /* 0 and a kernel netdev below: adopt the kernel's */
	uint8_t gateway[2][16];	     /* IPv4, IPv6; all zero: none */
	struct conf_route route[CONF_ROUTES_MAX];
	uint32_t route_count;
	uint32_t mtu;		     /* 0: the device's */
	uint8_t mac[6];
	bool has_mac;
	uint32_t queues;	     /* default 1 */
	uint32_t rx_ring, tx_ring;   /* descriptors; 0: the driver's default */
	bool accept_ra;		     /* routers of the link are believed */
	uint32_t spin_us;	     /* a blocking call polls so long before it sleeps */
	enum conf_rx_checksum rx_checksum;
	enum conf_tso tso;
	/* of connections over this interface; empty, 0 and 0 0 0: [global]'s */
	char tcp_congestion[CONF_NAME_MAX];
	uint32_t tcp_init_cwnd;
	uint32_t tcp_delayed_ack_ms;
	uint32_t backlog;
	uint32_t rmem[3], wmem[3];
	char filter[CONF_EXPR_MAX];	 /* what may come in; empty: everything */
	char filter_object[CONF_TEXT_MAX]; /* likewise, FILE[:SECTION] */
};

/* A classic program for Ethernet frames. */
struct conf_filter {
	uint32_t count;
	struct sock_filter insns[CONF_FILTER_INSNS];
};

struct conf {
	/* [global] */
	enum conf_loopback loopback;
	bool kernel_fallback;
	bool tx_batch; /* an event loop's answers leave together */
	uint64_t memory;	   /* bytes: arena and frame memory together */
	enum conf_hugepages hugepages;
	enum conf_log log;
	char log_file[CONF_TEXT_MAX]; /* empty: stderr */
	enum conf_on_error on_error;
	uint32_t max_sockets;	   /* sockets and connections, all processes */
	uint32_t max_time_wait;	   /* TIME_WAIT entries; beyond: forgotten at once, counted */
	uint32_t exit_linger_ms;   /* how long exit() may drive closing connections */
	/* TCP; a socket has these until its interface is known */
	char tcp_congestion[CONF_NAME_MAX];
	uint32_t tcp_init_cwnd;	   /* segments */
	uint32_t tcp_delayed_ack_ms;
	uint32_t tcp_min_rto_ms;
	uint32_t tcp_time_wait_ms;
	uint32_t tcp_syn_backlog;  /* half-open connections a listener holds before SYN cookies */
	uint32_t backlog; /* upper bound of listen()'s backlog; 0: the kernel's somaxconn */
	/* min default max, TCP; 0 0 0: the kernel's tcp_rmem / tcp_wmem */
	uint32_t rmem[3], wmem[3];
	uint32_t rmem_default, rmem_max, wmem_default, wmem_max; /* 0: /proc/sys/net/core */
	/* [interface NAME] */
	struct conf_iface iface[CONF_IFACES_MAX];
	uint32_t iface_count;
};

/* Every key at its default, no interface. */
void conf_defaults(struct conf *ret_conf);

/*
 * Reads a file. 0, or -errno with one line in `ret_why` that names file, line, key,
 * value and what is allowed (-EINVAL), or why the file cannot be read.
 */
int conf_read(const char *path, struct conf *ret_conf, char *ret_why, size_t why_len);

/* The same from memory; `name` stands for the file in messages. The text need not end in NUL. */
int conf_parse_text(const char *text, size_t len, const char *name, struct conf *ret_conf,
		    char *ret_why, size_t why_len);

/* The short form, SOCK7_INTERFACE=name[:driver][,name...]: defaults and these interfaces. */
int conf_short(const char *text, struct conf *ret_conf, char *ret_why, size_t why_len);

/*
 * What the environment asks for: SOCK7_CONF, else SOCK7_INTERFACE, else /etc/sock7.conf. Returns
 * 1 with *ret_conf, 0 when there is nothing to read (the program runs on the kernel), -errno with
 * ret_why.
 */
int conf_from_env(struct conf *ret_conf, char *ret_why, size_t why_len);

/*
 * Compiles the interface's `filter`, which is not empty. 0, -EINVAL, or another -errno; ret_why
 * (CONF_WHY_MAX) then says why.
 */
int conf_filter_compile(const struct conf_iface *iface, struct conf_filter *ret_filter,
			char *ret_why, size_t why_len);

/* Cuts FILE[:SECTION] at the last colon; returns the section, "" if there is none. */
const char *conf_object_section(char *text);

const char *conf_driver_name(enum conf_driver driver);

#endif
