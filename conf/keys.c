/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keys.c - THE table of configuration keys
 *
 * Idea: a key is one row here and nothing anywhere else: the parser, its error messages, the
 * defaults, conf/sock7.conf and docs/configuration.md (both printed by gen.c) come from it.
 * Invariants: rows of one section stand together in the order in which they are
 * documented; `initial` is text that the row's own type accepts, or "".
 * Context: constant data, no lock.   Called by: parse.c, check.c, gen.c.
 */
#include "conf/keys.h"

#include <assert.h>
#include <string.h>

static const char *const loopback_words[] = { "kernel", "stack", NULL };
static const char *const hugepages_words[] = { "auto", "yes", "no", NULL };
static const char *const log_words[] = { "error", "warn", "info", "debug", NULL };
static const char *const on_error_words[] = { "kernel", "abort", NULL };
static const char *const congestion_words[] = { "cubic", "reno", "newreno", NULL };
static const char *const rx_checksum_words[] = { "verify", "trust", NULL };
static const char *const tso_words[] = { "auto", "off", NULL };
static const char *const driver_words[] = {
	[CONF_DRV_AF_PACKET] = "af_packet",
	[CONF_DRV_AF_XDP] = "af_xdp",
	[CONF_DRV_MEMIF] = "memif",
	[CONF_DRV_VIRTIO_USER] = "virtio_user",
	[CONF_DRV_VHOST] = "vhost",
	[CONF_DRV_TAP] = "tap",
	[CONF_DRV_RING] = "ring",
	[CONF_DRV_NULL] = "null",
	[CONF_DRV_PCI] = "pci",
	[CONF_DRV_COUNT] = NULL,
};

#define FIELD(type, member) .offset = offsetof(type, member), .width = sizeof(((type *)0)->member)
#define GLOBAL(member) .section = CONF_SEC_GLOBAL, FIELD(struct conf, member)
#define IFACE(member) .section = CONF_SEC_INTERFACE, FIELD(struct conf_iface, member)
#define K(n) ((uint64_t)(n) << 10)
#define M(n) ((uint64_t)(n) << 20)
#define G(n) ((uint64_t)(n) << 30)

const struct conf_key conf_keys[] = {
	{ GLOBAL(loopback), .name = "loopback", .type = CONF_T_ENUM, .words = loopback_words,
	  .initial = "kernel",
	  .help = "Who serves 127.0.0.0/8 and ::1: the kernel, or sock7's own interface lo, which "
		  "needs no NIC and carries what processes of one program say to each other; what "
		  "other programs are asked for there goes by the kernel." },
	{ GLOBAL(kernel_fallback), .name = "kernel_fallback", .type = CONF_T_BOOL, .initial = "yes",
	  .help = "Whether traffic for addresses that sock7 does not own goes to the kernel. With "
		  "no, such a bind gives EADDRNOTAVAIL and such a connect or send ENETUNREACH." },
	{ GLOBAL(tx_batch), .name = "tx_batch", .type = CONF_T_BOOL, .initial = "yes",
	  .help = "Whether packets that a thread sends while it works off the events of one "
		  "epoll_wait leave in one burst. A program that takes longer than 200 us for it "
		  "is not batched for the next second." },
	{ GLOBAL(memory), .name = "memory", .type = CONF_T_SIZE, .min = M(32), .max = G(64),
	  .initial = "256M",
	  .help = "Arena and packet buffers together. Ordinary pages that are never touched cost "
		  "nothing; hugepages are taken at start." },
	{ GLOBAL(hugepages), .name = "hugepages", .type = CONF_T_ENUM, .words = hugepages_words,
	  .initial = "auto",
	  .help = "auto takes hugepages for PCI devices when enough of them are free and for "
		  "zero-copy memif, which needs them; yes refuses to start without them, no uses "
		  "ordinary pages. The kernel zeroes hugepages at start: 50 to 240 ms for 256M." },
	{ GLOBAL(log), .name = "log", .type = CONF_T_ENUM, .words = log_words, .initial = "warn",
	  .help = "The least severe message that is written." },
	{ GLOBAL(log_file), .name = "log_file", .type = CONF_T_TEXT, .initial = "",
	  .help = "Where messages are appended; empty for standard error." },
	{ GLOBAL(on_error), .name = "on_error", .type = CONF_T_ENUM, .words = on_error_words,
	  .initial = "kernel",
	  .help = "What a program does when sock7 cannot start (a port that does not open, a "
		  "missing privilege): run on the kernel, or stop with a message. While this "
		  "file itself cannot be read, a valid on_error line above the error counts." },
	{ GLOBAL(max_sockets), .name = "max_sockets", .type = CONF_T_NUMBER, .min = 64,
	  .max = 1 << 22, .initial = "65536",
	  .help = "Sockets and connections of all processes together. At the limit socket() gives "
		  "ENFILE and new connections are dropped, counted." },
	{ GLOBAL(max_time_wait), .name = "max_time_wait", .type = CONF_T_NUMBER, .max = 1 << 22,
	  .initial = "16384",
	  .help = "Connections kept in TIME_WAIT. Beyond it a connection is forgotten at once, "
		  "counted." },
	{ GLOBAL(exit_linger_ms), .name = "exit_linger_ms", .type = CONF_T_NUMBER, .max = 600000,
	  .initial = "3000",
	  .help = "How long exit() may go on driving connections that still have data or a FIN "
		  "unacknowledged." },
	{ GLOBAL(tcp_congestion), .name = "tcp_congestion", .type = CONF_T_WORD,
	  .words = congestion_words, .initial = "cubic",
	  .help = "Congestion control of a new connection; TCP_CONGESTION changes it per socket. "
		  "newreno is another word for reno." },
	{ GLOBAL(tcp_init_cwnd), .name = "tcp_init_cwnd", .type = CONF_T_NUMBER, .min = 1,
	  .max = 256, .initial = "10",
	  .help = "Initial congestion window in segments (RFC 6928)." },
	{ GLOBAL(tcp_delayed_ack_ms), .name = "tcp_delayed_ack_ms", .type = CONF_T_NUMBER, .min = 1,
	  .max = 500, .initial = "40",
	  .help = "Longest time an acknowledgement is held back (RFC 9293 3.8.6.3)." },
	{ GLOBAL(tcp_min_rto_ms), .name = "tcp_min_rto_ms", .type = CONF_T_NUMBER, .min = 1,
	  .max = 60000, .initial = "200",
	  .help = "Lower bound of the retransmission timeout. RFC 6298 asks for 1000; Linux and "
		  "sock7 use 200." },
	{ GLOBAL(tcp_time_wait_ms), .name = "tcp_time_wait_ms", .type = CONF_T_NUMBER, .min = 1,
	  .max = 600000, .initial = "60000", .help = "Length of TIME_WAIT." },
	{ GLOBAL(tcp_syn_backlog), .name = "tcp_syn_backlog", .type = CONF_T_NUMBER, .min = 1,
	  .max = 1 << 20, .initial = "1024",
	  .help = "Half-open connections a listener holds before it answers with SYN cookies." },
	{ GLOBAL(backlog), .name = "backlog", .type = CONF_T_NUMBER, .min = 1, .max = 1 << 20,
	  .zero = "kernel", .initial = "kernel",
	  .help = "Upper bound of listen()'s backlog; kernel is net.core.somaxconn." },
	{ GLOBAL(rmem), .name = "rmem", .type = CONF_T_TRIPLE, .min = K(1), .max = G(1),
	  .zero = "kernel", .initial = "kernel",
	  .help = "Least (while packets are short), initial and greatest receive buffer of a TCP "
		  "socket in bytes; kernel is "
		  "net.ipv4.tcp_rmem." },
	{ GLOBAL(wmem), .name = "wmem", .type = CONF_T_TRIPLE, .min = K(1), .max = G(1),
	  .zero = "kernel", .initial = "kernel",
	  .help = "Least (while packets are short), initial and greatest send buffer of a TCP "
		  "socket in bytes; kernel is "
		  "net.ipv4.tcp_wmem." },
	{ GLOBAL(rmem_default), .name = "rmem_default", .type = CONF_T_SIZE, .min = K(2),
	  .max = G(1), .zero = "kernel", .initial = "kernel",
	  .help = "Initial receive buffer of other sockets; kernel is net.core.rmem_default." },
	{ GLOBAL(rmem_max), .name = "rmem_max", .type = CONF_T_SIZE, .min = K(2), .max = G(1),
	  .zero = "kernel", .initial = "kernel",
	  .help = "Greatest value that SO_RCVBUF takes; kernel is net.core.rmem_max." },
	{ GLOBAL(wmem_default), .name = "wmem_default", .type = CONF_T_SIZE, .min = K(2),
	  .max = G(1), .zero = "kernel", .initial = "kernel",
	  .help = "Initial send buffer of other sockets; kernel is net.core.wmem_default." },
	{ GLOBAL(wmem_max), .name = "wmem_max", .type = CONF_T_SIZE, .min = K(2), .max = G(1),
	  .zero = "kernel", .initial = "kernel",
	  .help = "Greatest value that SO_SNDBUF takes; kernel is net.core.wmem_max." },

	{ IFACE(driver), .name = "driver", .type = CONF_T_ENUM, .words = driver_words,
	  .initial = "af_packet",
	  .help = "af_packet shares a kernel netdev; af_xdp takes its frames from the kernel "
		  "while it runs; tap makes one; memif, virtio_user "
		  "and vhost speak to another program over a socket; pci drives a NIC that is "
		  "bound "
		  "to vfio-pci; ring and null are for measurements." },
	{ IFACE(device), .name = "device", .type = CONF_T_TEXT, .initial = "",
	  .help = "The netdev (af_packet, af_xdp, tap), PCI address (pci) or socket path (memif, "
		  "virtio_user, vhost); empty for the section's name." },
	{ IFACE(devargs), .name = "devargs", .type = CONF_T_TEXT, .initial = "",
	  .help = "Appended to the DPDK device string as it stands, such as "
		  "role=client,zero-copy=yes for memif. af_packet with devargs is DPDK's own "
		  "driver." },
	{ IFACE(address), .name = "address", .type = CONF_T_PREFIX, .max = CONF_ADDRS_MAX,
	  .count_offset = offsetof(struct conf_iface, address_count), .initial = "",
	  .help = "An address that sock7 owns on this interface. May be repeated. Without any, "
		  "af_packet and af_xdp adopt the netdev's addresses, routes and MTU." },
	{ IFACE(gateway), .name = "gateway", .type = CONF_T_GATEWAY, .initial = "",
	  .help = "Next hop of the default route of its family. May be repeated, once for each "
		  "family; an IPv6 one may be link-local." },
	{ IFACE(route), .name = "route", .type = CONF_T_ROUTE, .max = CONF_ROUTES_MAX,
	  .count_offset = offsetof(struct conf_iface, route_count), .initial = "",
	  .help = "A further route; without via the network is on the link. May be repeated." },
	{ IFACE(mtu), .name = "mtu", .type = CONF_T_NUMBER, .min = 68, .max = 65535, .zero = "auto",
	  .initial = "auto", .help = "Greatest IP packet in bytes; auto is the device's." },
	{ IFACE(mac), .name = "mac", .type = CONF_T_MAC, .zero = "auto", .initial = "auto",
	  .help = "Link address; auto is the device's." },
	{ IFACE(queues), .name = "queues", .type = CONF_T_NUMBER, .min = 1, .max = 16,
	  .initial = "1", .help = "Queue pairs. Each is a stack instance of its own." },
	{ IFACE(rx_ring), .name = "rx_ring", .type = CONF_T_NUMBER, .min = 64, .max = 32768,
	  .power_of_two = true, .zero = "auto", .initial = "auto",
	  .help = "Receive descriptors of a queue; auto is the driver's default." },
	{ IFACE(tx_ring), .name = "tx_ring", .type = CONF_T_NUMBER, .min = 64, .max = 32768,
	  .power_of_two = true, .zero = "auto", .initial = "auto",
	  .help = "Transmit descriptors of a queue; auto is the driver's default." },
	{ IFACE(accept_ra), .name = "accept_ra", .type = CONF_T_BOOL, .initial = "yes",
	  .help = "Whether routers of the link are asked and believed: default routers, prefixes, "
		  "IPv6 addresses (SLAAC). For interfaces that are sock7's alone; on others the "
		  "kernel does." },
	{ IFACE(spin_us), .name = "spin_us", .type = CONF_T_NUMBER, .max = 1000000, .initial = "20",
	  .help = "How long a blocking call polls in microseconds before it sleeps. More buys "
		  "latency with CPU time; 0 sleeps at once." },
	{ IFACE(rx_checksum), .name = "rx_checksum", .type = CONF_T_ENUM,
	  .words = rx_checksum_words, .initial = "verify",
	  .help = "trust skips the TCP and UDP checksums of received packets, for a link that "
		  "cannot damage them." },
	{ IFACE(tso), .name = "tso", .type = CONF_T_ENUM, .words = tso_words, .initial = "auto",
	  .help = "Whether the device cuts large segments where it can." },
	{ IFACE(tcp_congestion), .name = "tcp_congestion", .type = CONF_T_WORD,
	  .words = congestion_words, .zero = "global", .initial = "global",
	  .help = "Congestion control of connections over this interface, unless the program "
		  "chose one with TCP_CONGESTION." },
	{ IFACE(tcp_init_cwnd), .name = "tcp_init_cwnd", .type = CONF_T_NUMBER, .min = 1,
	  .max = 256, .zero = "global", .initial = "global",
	  .help = "Initial congestion window in segments of connections over this interface." },
	{ IFACE(tcp_delayed_ack_ms), .name = "tcp_delayed_ack_ms", .type = CONF_T_NUMBER, .min = 1,
	  .max = 500, .zero = "global", .initial = "global",
	  .help = "Longest time an acknowledgement is held back on this interface." },
	{ IFACE(backlog), .name = "backlog", .type = CONF_T_NUMBER, .min = 1, .max = 1 << 20,
	  .zero = "global", .initial = "global",
	  .help = "Upper bound of the backlog of a listener at one of this interface's addresses. "
		  "Of any other listener, no connection over this interface is taken up "
		  "while more than so many wait for accept()." },
	{ IFACE(rmem), .name = "rmem", .type = CONF_T_TRIPLE, .min = K(1), .max = G(1),
	  .zero = "global", .initial = "global",
	  .help = "Least (while packets are short), initial and greatest receive buffer in bytes "
		  "of "
		  "connections over this "
		  "interface, unless the program set SO_RCVBUF." },
	{ IFACE(wmem), .name = "wmem", .type = CONF_T_TRIPLE, .min = K(1), .max = G(1),
	  .zero = "global", .initial = "global",
	  .help = "Least (while packets are short), initial and greatest send buffer in bytes of "
		  "connections over this "
		  "interface, unless the program set SO_SNDBUF." },
	{ IFACE(filter), .name = "filter", .type = CONF_T_FILTER, .initial = "",
	  .help = "Which frames come in, such as not (tcp port 23 or net 198.51.100.0/24). The "
		  "stack looks at each before anything else does, also before packet sockets, as "
		  "the device gives it: segments that it joined are one frame. The others are "
		  "dropped and counted (IFACE_FILTER). On a shared netdev what the kernel receives "
		  "for itself is not touched. Needs libpcap0.8; names are looked up at start." },
	{ IFACE(filter_object), .name = "filter_object", .type = CONF_T_OBJECT, .initial = "",
	  .help = "The same by an eBPF program of SEC(\"socket\") in an ELF object, the first or "
		  "that of SECTION, which sees frames from their Ethernet header on; its maps are "
		  "the kernel's. Needs libbpf1 and CAP_BPF. Not beside filter." },
};

const size_t conf_key_count = sizeof(conf_keys) / sizeof(conf_keys[0]);

static_assert(sizeof(conf_keys) / sizeof(conf_keys[0]) <= CONF_KEYS_MAX, "raise CONF_KEYS_MAX");

const struct conf_key *conf_key_find(enum conf_section section, const char *name)
{
	size_t i;

	for (i = 0; i < conf_key_count; i++) {
		if (conf_keys[i].section == section && !strcmp(conf_keys[i].name, name))
			return &conf_keys[i];
	}
	return NULL;
}

const char *conf_section_title(enum conf_section section)
{
	return section == CONF_SEC_GLOBAL ? "[global]" : "[interface NAME]";
}

bool conf_key_repeats(const struct conf_key *key)
{
	return key->type == CONF_T_PREFIX || key->type == CONF_T_ROUTE ||
	       key->type == CONF_T_GATEWAY;
}

const char *conf_driver_name(enum conf_driver driver)
{
	return (unsigned int)driver < CONF_DRV_COUNT ? driver_words[driver] : "?";
}
