/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gen_names.h - names for docs/compliance.md, in the order of their manual pages
 *
 * What becomes of an option is not said here but found in the stack's tables; a note adds what
 * those cannot know. Flags, ancillary data, requests and signals have no tables: their rows are
 * written here, beside the code that they describe. Only tools/gen_compliance.c includes this.
 */
#ifndef S7_GEN_NAMES_H
#define S7_GEN_NAMES_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <sys/socket.h>

/* linux/in6.h, which does not go together with libc's. */
enum {
	IPV6_FLOWINFO = 11,
	IPV6_FLOWLABEL_MGR = 32,
	IPV6_FLOWINFO_SEND = 33,
};

/* Linux 6.3; the headers of Debian 12 are older. */
#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

struct opt_name {
	const char *name; /* NULL ends the list */
	int value;
	const char *note;
};

#define SOL_PACKET_ 263
static const struct opt_name packet_names[] = {
	{ "PACKET_ADD_MEMBERSHIP", 1, "of a kernel interface: the kernel's half joins" },
	{ "PACKET_DROP_MEMBERSHIP", 2, NULL },
	{ "PACKET_AUXDATA", 8, NULL },
	{ "PACKET_FANOUT", 18, "with DEFRAG: EOPNOTSUPP" },
	{ "PACKET_FANOUT_DATA", 22, NULL },
	{ "PACKET_LOSS", 14, NULL },
	{ "PACKET_RESERVE", 12, NULL },
	{ "PACKET_RX_RING", 5, "mmap of the descriptor maps it" },
	{ "PACKET_STATISTICS", 6, "of a dual socket: both halves" },
	{ "PACKET_TIMESTAMP", 17, NULL },
	{ "PACKET_TX_RING", 13, NULL },
	{ "PACKET_VERSION", 10, NULL },
	{ "PACKET_QDISC_BYPASS", 20, NULL },
	{ "PACKET_HDRLEN", 11, NULL },
	{ "PACKET_ORIGDEV", 9, NULL },
	{ "PACKET_COPY_THRESH", 7, NULL },
	{ "PACKET_IGNORE_OUTGOING", 23, NULL },
	{ "PACKET_ROLLOVER_STATS", 21, NULL },
	{ "PACKET_TX_HAS_OFF", 19, NULL },
	{ "PACKET_VNET_HDR", 15, "refused on a socket of the stack" },
	{ "PACKET_VNET_HDR_SZ", 24, "refused on a socket of the stack" },
	{ NULL, 0, NULL },
};

struct fact {
	const char *name, *text;
};

static const struct opt_name socket_names[] = {
	{ "SO_ACCEPTCONN", SO_ACCEPTCONN, NULL },
	{ "SO_ATTACH_FILTER", SO_ATTACH_FILTER, NULL },
	{ "SO_ATTACH_BPF", SO_ATTACH_BPF, NULL },
	{ "SO_ATTACH_REUSEPORT_CBPF", SO_ATTACH_REUSEPORT_CBPF, NULL },
	{ "SO_ATTACH_REUSEPORT_EBPF", SO_ATTACH_REUSEPORT_EBPF, NULL },
	{ "SO_DETACH_REUSEPORT_BPF", 68, NULL },
	{ "SO_DETACH_FILTER", SO_DETACH_FILTER, NULL },
	{ "SO_LOCK_FILTER", SO_LOCK_FILTER, NULL },
	{ "SO_BINDTOIFINDEX", 62, NULL },
	{ "SO_BINDTODEVICE", SO_BINDTODEVICE,
	  "a device that only the kernel has takes the socket there" },
	{ "SO_BROADCAST", SO_BROADCAST, NULL },
	{ "SO_CNX_ADVICE", 53, NULL },
	{ "SO_BUF_LOCK", 72, NULL },
	{ "SO_BSDCOMPAT", SO_BSDCOMPAT, NULL },
	{ "SO_BUSY_POLL", SO_BUSY_POLL, NULL },
	{ "SO_BUSY_POLL_BUDGET", SO_BUSY_POLL_BUDGET, NULL },
	{ "SO_PREFER_BUSY_POLL", SO_PREFER_BUSY_POLL, NULL },
	{ "SO_COOKIE", SO_COOKIE, NULL },
	{ "SO_DEVMEM_DONTNEED", 80, NULL },
	{ "SO_DEBUG", SO_DEBUG, NULL },
	{ "SO_DOMAIN", SO_DOMAIN, NULL },
	{ "SO_DONTROUTE", SO_DONTROUTE, NULL },
	{ "SO_ERROR", SO_ERROR, NULL },
	{ "SO_INCOMING_CPU", SO_INCOMING_CPU, NULL },
	{ "SO_INCOMING_NAPI_ID", SO_INCOMING_NAPI_ID, NULL },
	{ "SO_KEEPALIVE", SO_KEEPALIVE, NULL },
	{ "SO_LINGER", SO_LINGER, NULL },
	{ "SO_MARK", SO_MARK, NULL },
	{ "SO_MAX_PACING_RATE", SO_MAX_PACING_RATE, NULL },
	{ "SO_NETNS_COOKIE", 71, NULL },
	{ "SO_MEMINFO", SO_MEMINFO, NULL },
	{ "SO_NO_CHECK", SO_NO_CHECK, NULL },
	{ "SO_NOFCS", SO_NOFCS, NULL },
	{ "SO_OOBINLINE", SO_OOBINLINE, NULL },
	{ "SO_PASSPIDFD", 76, NULL },
	{ "SO_PASSRIGHTS", 83, NULL },
	{ "SO_PASSCRED", SO_PASSCRED, NULL },
	{ "SO_PASSSEC", SO_PASSSEC, NULL },
	{ "SO_PEEK_OFF", SO_PEEK_OFF, NULL },
	{ "SO_PEERGROUPS", 59, NULL },
	{ "SO_PEERCRED", SO_PEERCRED, NULL },
	{ "SO_PEERPIDFD", 77, NULL },
	{ "SO_PEERNAME", SO_PEERNAME, NULL },
	{ "SO_PEERSEC", SO_PEERSEC, NULL },
	{ "SO_PRIORITY", SO_PRIORITY, NULL },
	{ "SO_PROTOCOL", SO_PROTOCOL, NULL },
	{ "SO_RCVBUF", SO_RCVBUF, NULL },
	{ "SO_RCVBUFFORCE", SO_RCVBUFFORCE, NULL },
	{ "SO_RCVMARK", 75, NULL },
	{ "SO_RCVPRIORITY", 82, NULL },
	{ "SO_RCVLOWAT", SO_RCVLOWAT, NULL },
	{ "SO_SNDLOWAT", SO_SNDLOWAT, NULL },
	{ "SO_RCVTIMEO", SO_RCVTIMEO, NULL },
	{ "SO_RCVTIMEO_NEW", 66, NULL },
	{ "SO_SNDTIMEO", SO_SNDTIMEO, NULL },
	{ "SO_SNDTIMEO_NEW", 67, NULL },
	{ "SO_RESERVE_MEM", SO_RESERVE_MEM, NULL },
	{ "SO_REUSEADDR", SO_REUSEADDR, NULL },
	{ "SO_REUSEPORT", SO_REUSEPORT, NULL },
	{ "SO_RXQ_OVFL", SO_RXQ_OVFL, NULL },
	{ "SO_SELECT_ERR_QUEUE", SO_SELECT_ERR_QUEUE, NULL },
	{ "SO_SNDBUF", SO_SNDBUF, NULL },
	{ "SO_SNDBUFFORCE", SO_SNDBUFFORCE, NULL },
	{ "SO_TIMESTAMP", SO_TIMESTAMP, NULL },
	{ "SO_TIMESTAMPNS", SO_TIMESTAMPNS, NULL },
	{ "SO_TIMESTAMP_NEW", 63, NULL },
	{ "SO_TIMESTAMPNS_NEW", 64, NULL },
	{ "SO_TIMESTAMPING", SO_TIMESTAMPING, NULL },
	{ "SO_TIMESTAMPING_NEW", SO_TIMESTAMPING_NEW, NULL },
	{ "SO_TXREHASH", 74, NULL },
	{ "SO_TXTIME", SO_TXTIME, NULL },
	{ "SO_TYPE", SO_TYPE, NULL },
	{ "SO_WIFI_STATUS", SO_WIFI_STATUS, NULL },
	{ "SO_ZEROCOPY", SO_ZEROCOPY, NULL },
	{ NULL, 0, NULL },
};

static const struct opt_name tcp_names[] = {
	{ "TCP_AO_REPAIR", 42, NULL },
	{ "TCP_CC_INFO", 26, NULL },
	{ "TCP_CONGESTION", TCP_CONGESTION, NULL },
	{ "TCP_CORK", TCP_CORK, NULL },
	{ "TCP_DEFER_ACCEPT", TCP_DEFER_ACCEPT, NULL },
	{ "TCP_DELACK_MAX_US", 46, NULL },
	{ "TCP_FASTOPEN", TCP_FASTOPEN, NULL },
	{ "TCP_FASTOPEN_CONNECT", TCP_FASTOPEN_CONNECT, NULL },
	{ "TCP_FASTOPEN_KEY", 33, NULL },
	{ "TCP_FASTOPEN_NO_COOKIE", 34, NULL },
	{ "TCP_INFO", TCP_INFO, NULL },
	{ "TCP_INQ", TCP_INQ, NULL },
	{ "TCP_IS_MPTCP", 43, NULL },
	{ "TCP_KEEPCNT", TCP_KEEPCNT, NULL },
	{ "TCP_KEEPIDLE", TCP_KEEPIDLE, NULL },
	{ "TCP_KEEPINTVL", TCP_KEEPINTVL, NULL },
	{ "TCP_LINGER2", TCP_LINGER2, NULL },
	{ "TCP_MAXSEG", TCP_MAXSEG, NULL },
	{ "TCP_MD5SIG", TCP_MD5SIG, NULL },
	{ "TCP_NODELAY", TCP_NODELAY, NULL },
	{ "TCP_NOTSENT_LOWAT", TCP_NOTSENT_LOWAT, NULL },
	{ "TCP_QUEUE_SEQ", 21, NULL },
	{ "TCP_QUICKACK", TCP_QUICKACK, NULL },
	{ "TCP_REPAIR", TCP_REPAIR, NULL },
	{ "TCP_RTO_MAX_MS", 44, NULL },
	{ "TCP_RTO_MIN_US", 45, NULL },
	{ "TCP_SAVE_SYN", TCP_SAVE_SYN, NULL },
	{ "TCP_SAVED_SYN", TCP_SAVED_SYN, NULL },
	{ "TCP_SYNCNT", TCP_SYNCNT, NULL },
	{ "TCP_THIN_DUPACK", 17, NULL },
	{ "TCP_THIN_LINEAR_TIMEOUTS", 16, NULL },
	{ "TCP_TIMESTAMP", 24, NULL },
	{ "TCP_TX_DELAY", TCP_TX_DELAY, NULL },
	{ "TCP_ULP", TCP_ULP, NULL },
	{ "TCP_USER_TIMEOUT", TCP_USER_TIMEOUT, NULL },
	{ "TCP_WINDOW_CLAMP", TCP_WINDOW_CLAMP, NULL },
	{ "TCP_ZEROCOPY_RECEIVE", TCP_ZEROCOPY_RECEIVE, NULL },
	{ NULL, 0, NULL },
};

static const struct opt_name ip_names[] = {
	{ "IP_ADD_MEMBERSHIP", IP_ADD_MEMBERSHIP, NULL },
	{ "IP_DROP_MEMBERSHIP", IP_DROP_MEMBERSHIP, NULL },
	{ "IP_ADD_SOURCE_MEMBERSHIP", IP_ADD_SOURCE_MEMBERSHIP, NULL },
	{ "IP_DROP_SOURCE_MEMBERSHIP", IP_DROP_SOURCE_MEMBERSHIP, NULL },
	{ "IP_BLOCK_SOURCE", IP_BLOCK_SOURCE, NULL },
	{ "IP_UNBLOCK_SOURCE", IP_UNBLOCK_SOURCE, NULL },
	{ "IP_MSFILTER", IP_MSFILTER, NULL },
	{ "IP_BIND_ADDRESS_NO_PORT", IP_BIND_ADDRESS_NO_PORT, NULL },
	{ "IP_CHECKSUM", IP_CHECKSUM, NULL },
	{ "IP_FREEBIND", IP_FREEBIND, NULL },
	{ "IP_HDRINCL", IP_HDRINCL, NULL },
	{ "IP_LOCAL_PORT_RANGE", IP_LOCAL_PORT_RANGE, NULL },
	{ "IP_MINTTL", IP_MINTTL, NULL },
	{ "IP_MTU", IP_MTU, NULL },
	{ "IP_MTU_DISCOVER", IP_MTU_DISCOVER, NULL },
	{ "MCAST_BLOCK_SOURCE", MCAST_BLOCK_SOURCE, NULL },
	{ "MCAST_JOIN_GROUP", MCAST_JOIN_GROUP, NULL },
	{ "MCAST_JOIN_SOURCE_GROUP", MCAST_JOIN_SOURCE_GROUP, NULL },
	{ "MCAST_LEAVE_GROUP", MCAST_LEAVE_GROUP, NULL },
	{ "MCAST_LEAVE_SOURCE_GROUP", MCAST_LEAVE_SOURCE_GROUP, NULL },
	{ "MCAST_MSFILTER", MCAST_MSFILTER, NULL },
	{ "MCAST_UNBLOCK_SOURCE", MCAST_UNBLOCK_SOURCE, NULL },
	{ "IP_MULTICAST_ALL", IP_MULTICAST_ALL, NULL },
	{ "IP_MULTICAST_IF", IP_MULTICAST_IF, NULL },
	{ "IP_MULTICAST_LOOP", IP_MULTICAST_LOOP, NULL },
	{ "IP_MULTICAST_TTL", IP_MULTICAST_TTL, NULL },
	{ "IP_NODEFRAG", IP_NODEFRAG, "raw sockets only: ENOPROTOOPT on others" },
	{ "IP_OPTIONS", IP_OPTIONS, NULL },
	{ "IP_PASSSEC", IP_PASSSEC, NULL },
	{ "IP_PROTOCOL", 52, NULL },
	{ "IP_PKTINFO", IP_PKTINFO, NULL },
	{ "IP_RECVERR", IP_RECVERR, NULL },
	{ "IP_RECVERR_RFC4884", 26, NULL },
	{ "IP_RECVFRAGSIZE", IP_RECVFRAGSIZE, NULL },
	{ "IP_RECVOPTS", IP_RECVOPTS, NULL },
	{ "IP_RECVORIGDSTADDR", IP_RECVORIGDSTADDR, NULL },
	{ "IP_RECVTOS", IP_RECVTOS, NULL },
	{ "IP_RECVTTL", IP_RECVTTL, NULL },
	{ "IP_RETOPTS", IP_RETOPTS, NULL },
	{ "IP_ROUTER_ALERT", IP_ROUTER_ALERT, "raw sockets only" },
	{ "IP_TOS", IP_TOS, NULL },
	{ "IP_TRANSPARENT", IP_TRANSPARENT, NULL },
	{ "IP_TTL", IP_TTL, NULL },
	{ "IP_UNICAST_IF", IP_UNICAST_IF, NULL },
	{ NULL, 0, NULL },
};

static const struct opt_name ipv6_names[] = {
	{ "IPV6_2292HOPLIMIT", IPV6_2292HOPLIMIT, NULL },
	{ "IPV6_2292DSTOPTS", IPV6_2292DSTOPTS, NULL },
	{ "IPV6_2292HOPOPTS", IPV6_2292HOPOPTS, NULL },
	{ "IPV6_2292PKTINFO", IPV6_2292PKTINFO, NULL },
	{ "IPV6_2292RTHDR", IPV6_2292RTHDR, NULL },
	{ "IPV6_2292PKTOPTIONS", IPV6_2292PKTOPTIONS, NULL },
	{ "IPV6_ADD_MEMBERSHIP", IPV6_ADD_MEMBERSHIP, NULL },
	{ "IPV6_DROP_MEMBERSHIP", IPV6_DROP_MEMBERSHIP, NULL },
	{ "IPV6_ADDR_PREFERENCES", IPV6_ADDR_PREFERENCES, NULL },
	{ "IPV6_ADDRFORM", IPV6_ADDRFORM, NULL },
	{ "IPV6_AUTOFLOWLABEL", IPV6_AUTOFLOWLABEL, NULL },
	{ "IPV6_CHECKSUM", IPV6_CHECKSUM, "not of IPPROTO_ICMPV6: there at level IPPROTO_RAW" },
	{ "IPV6_DONTFRAG", IPV6_DONTFRAG, NULL },
	{ "IPV6_DSTOPTS", IPV6_DSTOPTS, NULL },
	{ "IPV6_FLOWINFO", IPV6_FLOWINFO, NULL },
	{ "IPV6_FLOWINFO_SEND", IPV6_FLOWINFO_SEND, NULL },
	{ "IPV6_FLOWLABEL_MGR", IPV6_FLOWLABEL_MGR, NULL },
	{ "IPV6_FREEBIND", IPV6_FREEBIND, NULL },
	{ "IPV6_HDRINCL", 36, "RAW sockets only" },
	{ "IPV6_HOPOPTS", IPV6_HOPOPTS, NULL },
	{ "IPV6_MINHOPCOUNT", IPV6_MINHOPCOUNT, NULL },
	{ "IPV6_MINHOPCOUNT", IPV6_MINHOPCOUNT, NULL },
	{ "IPV6_MTU", IPV6_MTU, NULL },
	{ "IPV6_MTU_DISCOVER", IPV6_MTU_DISCOVER, NULL },
	{ "MCAST_BLOCK_SOURCE", MCAST_BLOCK_SOURCE, NULL },
	{ "MCAST_JOIN_GROUP", MCAST_JOIN_GROUP, NULL },
	{ "MCAST_JOIN_SOURCE_GROUP", MCAST_JOIN_SOURCE_GROUP, NULL },
	{ "MCAST_LEAVE_GROUP", MCAST_LEAVE_GROUP, NULL },
	{ "MCAST_LEAVE_SOURCE_GROUP", MCAST_LEAVE_SOURCE_GROUP, NULL },
	{ "MCAST_MSFILTER", MCAST_MSFILTER, NULL },
	{ "MCAST_UNBLOCK_SOURCE", MCAST_UNBLOCK_SOURCE, NULL },
	{ "IPV6_MULTICAST_ALL", 29, NULL },
	{ "IPV6_MULTICAST_HOPS", IPV6_MULTICAST_HOPS, NULL },
	{ "IPV6_MULTICAST_IF", IPV6_MULTICAST_IF, NULL },
	{ "IPV6_MULTICAST_LOOP", IPV6_MULTICAST_LOOP, NULL },
	{ "IPV6_PATHMTU", IPV6_PATHMTU, NULL },
	{ "IPV6_PKTINFO", IPV6_PKTINFO, "TCP does not look at it, as in Linux" },
	{ "IPV6_RECVDSTOPTS", IPV6_RECVDSTOPTS, NULL },
	{ "IPV6_RECVERR", IPV6_RECVERR, NULL },
	{ "IPV6_RECVFRAGSIZE", IPV6_RECVFRAGSIZE, NULL },
	{ "IPV6_RECVERR_RFC4884", 31, NULL },
	{ "IPV6_RECVHOPLIMIT", IPV6_RECVHOPLIMIT, NULL },
	{ "IPV6_RECVHOPOPTS", IPV6_RECVHOPOPTS, NULL },
	{ "IPV6_RECVORIGDSTADDR", IPV6_RECVORIGDSTADDR, NULL },
	{ "IPV6_RECVPATHMTU", IPV6_RECVPATHMTU, NULL },
	{ "IPV6_RECVPKTINFO", IPV6_RECVPKTINFO, NULL },
	{ "IPV6_RECVTCLASS", IPV6_RECVTCLASS, NULL },
	{ "IPV6_RECVRTHDR", IPV6_RECVRTHDR, NULL },
	{ "IPV6_ROUTER_ALERT", IPV6_ROUTER_ALERT, NULL },
	{ "IPV6_ROUTER_ALERT_ISOLATE", 30, NULL },
	{ "IPV6_RTHDR", IPV6_RTHDR, NULL },
	{ "IPV6_RTHDRDSTOPTS", IPV6_RTHDRDSTOPTS, NULL },
	{ "IPV6_TCLASS", IPV6_TCLASS, NULL },
	{ "IPV6_TRANSPARENT", IPV6_TRANSPARENT, NULL },
	{ "IPV6_UNICAST_HOPS", IPV6_UNICAST_HOPS, NULL },
	{ "IPV6_UNICAST_IF", IPV6_UNICAST_IF, NULL },
	{ "IPV6_UNICAST_IF", IPV6_UNICAST_IF, NULL },
	{ "IPV6_V6ONLY", IPV6_V6ONLY, NULL },
	{ NULL, 0, NULL },
};

static const struct opt_name udp_names[] = {
	{ "UDP_CORK", UDP_CORK, NULL },
	{ "UDP_ENCAP", UDP_ENCAP, NULL },
	{ "UDP_GRO", UDP_GRO, NULL },
	{ "UDP_NO_CHECK6_TX", UDP_NO_CHECK6_TX, NULL },
	{ "UDP_NO_CHECK6_RX", UDP_NO_CHECK6_RX, NULL },
	{ "UDP_SEGMENT", UDP_SEGMENT, NULL },
	{ NULL, 0, NULL },
};

static const struct opt_name raw_names[] = {
	{ "ICMP_FILTER", 1, "sockets of IPPROTO_ICMP: EOPNOTSUPP on others" },
	{ "IPV6_CHECKSUM", IPV6_CHECKSUM, NULL },
	{ "IPV6_HDRINCL", 36, NULL },
	{ NULL, 0, NULL },
};

static const struct opt_name icmp6_names[] = {
	{ "ICMP6_FILTER", 1, "sockets of IPPROTO_ICMPV6: EOPNOTSUPP on others" },
	{ NULL, 0, NULL },
};

static const struct fact flag_facts[] = {
	{ "MSG_PEEK", "done" },
	{ "MSG_WAITALL", "done on streams, without effect on datagrams as in Linux" },
	{ "MSG_TRUNC", "done: TCP drops instead of copying, UDP tells the whole length" },
	{ "MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE", "done" },
	{ "MSG_OOB",
	  "done on TCP; sending by UDP over IPv4, raw and ping sockets: `EOPNOTSUPP`; by "
	  "UDP over IPv6 it means nothing, as in Linux" },
	{ "MSG_ERRQUEUE", "done: ICMP and local errors with IP_RECVERR, IPV6_RECVERR" },
	{ "MSG_CTRUNC, MSG_CMSG_CLOEXEC, MSG_WAITFORONE", "done" },
	{ "MSG_DONTROUTE", "done on UDP; TCP does not look at it, as in Linux" },
	{ "MSG_CONFIRM", "done on UDP, raw and ping sockets" },
	{ "MSG_PROBE", "datagrams: the way is looked at, nothing is sent" },
	{ "MSG_FASTOPEN", "done on TCP: diff fastopen_sendto; means nothing elsewhere" },
	{ "MSG_ZEROCOPY", "copies; with SO_ZEROCOPY the completion says so" },
	{ "MSG_PROXY, MSG_EOR, MSG_RST and all other bits",
	  "mean nothing, as in Linux; bit 31 is `EINVAL` from sendmsg, recvmsg and kin. Every bit "
	  "on every kind of socket, both ways: diff flags_*" },
	{ NULL, NULL },
};

/* The page's table, and the cases in which poll, select, epoll and SIGIO tell each of it. */
static const struct fact event_facts[] = {
	{ "POLLIN: new data",
	  "done: diff ready_tcp_client, ready_udp, ready_raw, ready_ping (and over IPv6)" },
	{ "POLLIN: a connection setup has been completed",
	  "done: diff ready_listener, ready_listener6" },
	{ "POLLIN: the end of the stream", "done: diff ready_tcp_client, ready_tcp_server" },
	{ "POLLHUP: both directions are over, or the connection broke",
	  "done: diff ready_tcp_shut_both, ready_tcp_reset, ready_tcp_reset_after_end; SIGPIPE: "
	  "stream_sigpipe" },
	{ "POLLRDHUP: the other end has shut down one direction",
	  "done: diff ready_tcp_client, ready_tcp_server, ready_tcp_shut_read" },
	{ "POLLOUT: enough send buffer space",
	  "done: diff ready_tcp_space, ready_udp_corked; unit "
	  "sndbuf_bounds_what_waits_for_a_neighbour, "
	  "sndbuf_bounds_what_a_full_device_leaves" },
	{ "POLLIN | POLLOUT: an outgoing connect finished",
	  "done: diff ready_tcp_client, ready_tcp_refused" },
	{ "POLLERR: an asynchronous error occurred",
	  "done: diff ready_tcp_refused, ready_udp, ready_error_queue" },
	{ "POLLPRI: urgent data; SIGURG", "done: diff ready_tcp_client, owner_urgent" },
	{ "POLLPRI with SO_SELECT_ERR_QUEUE, select's exceptfds",
	  "done: diff ready_error_queue_pri" },
	{ "SO_RCVLOWAT and readiness", "done: diff ready_tcp_lowat" },
	{ "SIGIO instead of poll, after each of these", "done: all of them, owner_*" },
	{ NULL, NULL },
};

static const struct fact control_facts[] = {
	{ "SO_TIMESTAMP, SO_TIMESTAMPNS, SO_TIMESTAMPING, SO_RXQ_OVFL", "received as asked for" },
	{ "SO_TIMESTAMPING, SCM_TS_OPT_ID", "sent: time stamps of this packet, its number" },
	{ "IP_RECVERR, IPV6_RECVERR", "beside an entry of the error queue" },
	{ "IP_RECVFRAGSIZE", "received as asked for" },
	{ "IP_ORIGDSTADDR, IPV6_ORIGDSTADDR, UDP_GRO", "received as asked for" },
	{ "UDP_SEGMENT", "sent: the size of the datagrams that the call is cut into" },
	{ "IP_PKTINFO, IP_TTL, IP_TOS; IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS; "
	  "IPV6_2292PKTINFO, IPV6_2292HOPLIMIT",
	  "received as asked for; sent with UDP" },
	{ "IPV6_FLOWINFO, IPV6_HOPOPTS, IPV6_DSTOPTS, IPV6_RTHDRDSTOPTS, IPV6_RTHDR, those of "
	  "RFC 2292; IPV6_PATHMTU, IPV6_RECVFRAGSIZE",
	  "received as asked for; sent with UDP and RAW, the last two received only" },
	{ "SCM_RIGHTS, SCM_CREDENTIALS", "not looked at on internet sockets, as in Linux" },
	{ "others",
	  "sending them is `EINVAL`; messages of levels that the protocol does not read pass" },
	{ NULL, NULL },
};

static const struct fact request_facts[] = {
	{ "FIONREAD, SIOCINQ, TIOCOUTQ, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK",
	  "done; `EINVAL` on a listener for the queues" },
	{ "SIOCGSTAMP, SIOCGSTAMPNS, old and new",
	  "done; `ENOENT` before the first datagram is read, and on streams" },
	{ "FIONBIO, F_SETFL and F_GETFL with O_NONBLOCK", "done" },
	{ "FIOASYNC, F_SETFL with O_ASYNC, F_SETOWN, F_SETSIG, FIOSETOWN, SIOCSPGRP and kin",
	  "done; shared by duplicates and forked processes" },
	{ "F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD", "done: descriptors are real" },
	{ "F_SETFL", "O_APPEND, O_NOATIME, O_NONBLOCK, O_ASYNC are kept; O_DIRECT: `EINVAL`" },
	{ "FIOCLEX, FIONCLEX, SIOCGIF*, SIOCGIFCONF and all others", "the kernel answers" },
	{ "each on every kind of socket, in several states", "diff requests_*" },
	{ NULL, NULL },
};

/* Kept by hand: what test/app/cpython.sh said last. */
static const struct fact cpython_facts[] = {
	{ "test_socket (without VSOCK)", "608 ok, 104 skipped; kernel 608 ok, 104 skipped" },
	{ "test_selectors", "72 ok, 39 skipped; kernel the same" },
	{ "test_poll", "7 ok; kernel the same" },
	{ "test_epoll", "10 ok; kernel the same" },
	{ "test_socketserver", "27 ok; kernel the same" },
	{ "test_httplib", "115 ok, 5 skipped; kernel the same" },
	{ "test_ftplib", "95 ok, 1 skipped; kernel the same" },
	{ "test_asyncio.test_sock_lowlevel", "39 ok; kernel the same" },
	{ "test_asyncio.test_server", "2 ok, 1 skipped; kernel the same" },
	{ "test_asyncio.test_streams (without TLS)", "62 ok; kernel the same" },
	{ "test_asyncio.test_selector_events (without TLS)", "109 ok; kernel the same" },
	{ "stress-ng sock, sockmany, udp, udp-flood, epoll, poll, sockdiag, 30 s each",
	  "no failure (test/app/stress.sh)" },
	{ NULL, NULL },
};

/*
 * Kept by hand: other suites, beside the kernel in a namespace each. Parts that a suite starts by
 * exec have a stack each and do not meet: such tests were left out.
 */
static const struct fact suite_facts[] = {
	{ "libuv 1.44.2, 157 tests of tcp, udp, poll, fork, ... (helpers forked, not exec'd)",
	  "149 ok, 2 failed, 6 skipped, 4 of them run again alone; kernel the same" },
	{ "libevent 2.1.12, regress (without ssl, tags, heap)",
	  "309 ok, 33 skipped; kernel the same" },
	{ "Twisted 22.4, trial twisted.internet.test.test_{tcp,udp,socket} "
	  "twisted.test.test_{tcp,udp}",
	  "714 ok, 417 skipped, 12 errors; kernel the same" },
	{ "Tornado 6.2, 12 modules of tornado.test",
	  "735 run, 2 errors, 8 skipped; kernel the same" },
	{ "Ruby 3.1.2, test/socket", "176 run, 1 failed (it wants a route); kernel the same" },
	{ "Node 20.20, test-net-* and test-dgram-* of 18.20.4",
	  "212 run, 2 failed; kernel the same" },
	{ "Node 20.20, test-http-* of 18.20.4",
	  "357 run, 50 failed (another version's tests), 3 run again alone; kernel the same" },
	{ "Linux 6.1 selftests: socket, reuseaddr_conflict, reuseaddr_ports_exhausted, "
	  "reuseport_{addr_any,bpf,bpf_cpu,bpf_numa,dualstack}, sk_bind_sendto_listen, "
	  "sk_connect_zero_addr, so_netns_cookie, tcp_inq, tcp_fastopen_backup_key, "
	  "rxtimestamp, ipv6_flowlabel_mgr, psock_tpacket, txring_overwrite",
	  "all pass; kernel the same" },
	{ "... udpgso, 7 forms", "all pass; kernel the same" },
	{ "... psock_snd, 12 forms",
	  "as the kernel, VLAN tags too; but for the forms with virtio headers" },
	{ "... ip_defrag, 4 forms",
	  "2 pass (overlaps); without them packets have more than 256 fragments; kernel 4 pass" },
	{ "... ipv6_flowlabel, psock_fanout", "pass; kernel the same" },
	{ "... cmsg_sender (102 forms), msg_zerocopy (8), udpgso_bench (32), txtimestamp (42), "
	  "nettest (100), bind_bhash, stress_reuseport_listen, tun, epoll_wakeup_test",
	  "as the kernel; times of ACKs and the order of lines that two processes write aside" },
	{ "... tcp_mmap (8 forms)",
	  "transfers all; the server's -z falls back to read(), as there is nothing to map" },
	{ "Linux 6.18 selftests, their steps: bind_wildcard, bind_timewait, ip_local_port_range, "
	  "sk_so_peek_off, so_incoming_cpu, so_rcv_listener, icmp_rfc4884, epoll_busy_poll",
	  "all results equal" },
	{ "... tcp_port_share",
	  "a source port is not shared by connections from different addresses" },
	{ "Linux Test Project: the calls of its socket, socketpair, bind, listen, connect, accept, "
	  "getsockname, getpeername, getsockopt, setsockopt, shutdown, send*, recv*, sendfile, "
	  "splice, tee, poll, select, epoll, fcntl, ioctl, dup, close_range, multicast and IPv6 "
	  "API tests and CVE races",
	  "2800 results equal but 5: mmap of a TCP socket, select beyond the descriptor table" },
	{ "nng 1.5.2, tcpsupp and httpserver", "ok; kernel the same" },
	{ "memcached 1.6.18, 57 files of t/ (ascii, binary, UDP, threads, UNIX socket, restart, "
	  "watchers)",
	  "133063 tests, all ok; kernel the same" },
	{ "redis 7.0.15, its Tcl suite: 34 files of unit and integration, servers and Tcl clients "
	  "preloaded",
	  "1112 ok, none failed; integration/replication ends early as on the kernel, where a busy "
	  "machine cut 4 files short besides" },
	{ NULL, NULL },
};

/* /proc/sys/net/core: read when it counts, so what the host changes counts at once. */
static const struct fact limit_facts[] = {
	{ "rmem_default, wmem_default, rmem_max, wmem_max",
	  "done: diff sysctl_buffers; keys of the configuration override them" },
	{ "optmem_max", "done: control messages, filters, memberships; diff sysctl_optmem" },
	{ "netdev_max_backlog, message_cost, message_burst",
	  "the kernel's own input queues and warnings: the stack polls its device and has "
	  "neither; what is lost is counted by name (sock7 ss -s)" },
	{ NULL, NULL },
};

static const struct fact signal_facts[] = {
	{ "SIGPIPE", "with `EPIPE` on a stream that is shut for sending, not with MSG_NOSIGNAL" },
	{ "SIGURG, SIGIO, F_SETSIG's signal",
	  "done, with si_code, si_band, si_fd and the kernel's rule of who may be sent; a process "
	  "group sees a plain SI_USER" },
	{ "SIGSEGV, SIGBUS",
	  "a bad pointer of a call is EFAULT; every other fault is the program's, with its "
	  "own handler, mask and flags" },
	{ "pthread_cancel",
	  "every blocking call is a cancellation point, also when it need not wait: diff "
	  "cancel_deferred; an asynchronous one waits until the stack is left: diff "
	  "cancel_asynchronous, cancel_asynchronous_busy" },
	{ "handlers", "one that fires while the stack is locked runs after the unlock" },
	{ NULL, NULL },
};

#endif
