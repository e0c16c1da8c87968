/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ss_print.c - sockets and counters of one arena, as text or as JSON
 *
 * The arena is read while its program runs, without its locks: a list may change under our feet. So
 * every walk is bounded, every pointer is checked to lie in the arena, and a line may be a moment
 * old. TIME_WAIT and half-open connections have no socket; they are found in the flow table.
 */
#include <inttypes.h>
#include <stdio.h>

#include "stack/tcp/tcp.h"
#include "tools/tools.h"

#define OWNERS_TEXT 160
#define NAME_TEXT 80 /* [IPv6]%device:port */

struct sock_line {
	const char *proto, *state, *side;
	uint32_t recv_q, send_q;
	char local[NAME_TEXT], peer[NAME_TEXT], owners[OWNERS_TEXT];
	char owners_json[OWNERS_TEXT];
};

static bool inside(const struct s7_arena *arena, const void *pointer, size_t size)
{
	uint64_t at = (uint64_t)(uintptr_t)pointer - S7_ARENA_BASE;

	return at < arena->used && at + size <= arena->used;
}

/* An address as ss(8) writes it: [IPv6], and * for a wildcard of both families. */
static void host_text(char text[NAME_TEXT], const struct s7_ip *ip, bool in6, bool v6only)
{
	char addr[INET6_ADDRSTRLEN] = "";

	if (!in6 && ip_is_v4(ip))
		inet_ntop(AF_INET, &ip->b[12], text, NAME_TEXT);
	else if (ip_is_any(ip) && !ip_is_v4(ip) && !v6only)
		snprintf(text, NAME_TEXT, "*");
	else
		snprintf(text, NAME_TEXT, "[%s]", inet_ntop(AF_INET6, ip->b, addr, sizeof(addr)));
}

static void name_text(char text[NAME_TEXT], const char *host, const char *device, uint16_t port)
{
	int at = snprintf(text, NAME_TEXT, "%.46s%s%.15s:", host, device[0] ? "%" : "", device);

	if (port)
		snprintf(text + at, (size_t)(NAME_TEXT - at), "%u", port);
	else
		snprintf(text + at, (size_t)(NAME_TEXT - at), "*");
}

/* The interface that the socket is bound to, by its own will or by a link-local address. */
static const char *device_of(const struct s7_arena *arena, const struct s7_sock *sk)
{
	const struct s7_inst *inst = sk->inst;

	if (!sk->bound_iface || !inside(arena, inst, sizeof(*inst)) ||
	    sk->bound_iface > inst->iface_count || sk->bound_iface > S7_IFACES_MAX)
		return "";
	return inst->iface[sk->bound_iface - 1].name;
}

/* A socket of AF_INET without a peer shows 0.0.0.0 whatever stands there. */
static void sock_names(const struct s7_arena *arena, const struct s7_sock *sk,
		       struct sock_line *line)
{
	bool in6 = sk->domain == AF_INET6, v6only = sk->bits & SKB_V6ONLY;
	struct s7_ip local = sk->flow.local, peer = sk->flow.remote;
	bool both = in6 && !v6only;
	char host[NAME_TEXT];

	if (ip_is_any(&peer))
		peer = in6 ? (struct s7_ip){ .q = { 0, 0 } } : ip_from_v4(0);
	if (ip_is_any(&local) && in6 && !(sk->bits & SKB_BOUND))
		local = (struct s7_ip){ .q = { 0, 0 } };
	host_text(host, &local, in6, !both);
	name_text(line->local, host, device_of(arena, sk), sk->flow.lport);
	host_text(host, &peer, in6, !both);
	name_text(line->peer, host, "", sk->flow.rport);
}

/* Writes who has the file open; returns whether `pid` (0: anybody) is among them. */
static bool owners_text(const struct s7_arena *arena, const struct s7_file *file, uint32_t pid,
			struct sock_line *line)
{
	size_t at = 0, jat = 0;
	uint32_t i, fd, high;
	bool found = !pid;

	line->owners[0] = line->owners_json[0] = 0;
	for (i = 0; i < S7_PROCS_MAX; i++) {
		const struct s7_proc *proc = &arena->proc[i];

		if (proc->state == PROC_FREE)
			continue;
		high = (uint32_t)s7_min(proc->fd_high, S7_FDS_MAX);
		for (fd = 0; fd < high; fd++) {
			if (proc->fd[fd] != file)
				continue;
			found |= proc->pid == pid;
			if (at > OWNERS_TEXT - 48 || jat > OWNERS_TEXT - 48)
				return found;
			at += (size_t)snprintf(line->owners + at, OWNERS_TEXT - at,
					       "%s%.15s/%u/fd%u", at ? " " : "", proc->comm,
					       proc->pid, fd);
			jat += (size_t)snprintf(line->owners_json + jat, OWNERS_TEXT - jat,
						"%s{\"pid\":%u,\"fd\":%u}", jat ? "," : "",
						proc->pid, fd);
		}
	}
	return found;
}

static void line_print(const struct sock_line *line, struct ss_format *format)
{
	if (format->count_only) {
		format->lines++;
		return;
	}
	if (format->json)
		printf("%s\n{\"proto\":\"%s\",\"state\":\"%s\",\"recv_q\":%u,\"send_q\":%u,"
		       "\"local\":\"%s\","
		       "\"peer\":\"%s\",\"side\":\"%s\",\"owners\":[%s]}",
		       format->lines ? "," : "", line->proto, line->state, line->recv_q,
		       line->send_q, line->local, line->peer, line->side, line->owners_json);
	else
		printf("%-5s %-11s %7u %7u %22s %22s %-6s %s\n", line->proto, line->state,
		       line->recv_q, line->send_q, line->local, line->peer, line->side,
		       line->owners);
	format->lines++;
}

void ss_print_head(const struct ss_format *format)
{
	if (format->count_only)
		return;
	if (format->json)
		printf("[");
	else
		printf("%-5s %-11s %7s %7s %22s %22s %-6s %s\n", "proto", "state", "recv-q",
		       "send-q", "local", "peer", "side", "owner");
}

static void print_sock(const struct s7_arena *arena, const struct s7_sock *sk,
		       struct ss_format *format)
{
	static const char *const sides[] = { [SIDE_OPEN] = "open", [SIDE_STACK] = "stack",
					     [SIDE_DUAL] = "dual", [SIDE_KERNEL] = "kernel" };
	const struct s7_proto_ops *ops;
	struct sock_line line;

	if (sk->proto >= PROTO_COUNT || sk->file.side >= S7_ARRAY_LEN(sides))
		return;
	ops = sk_ops(sk);
	if (!owners_text(arena, &sk->file, format->pid, &line))
		return;
	line.proto = ops->name;
	line.state = ops->state_name(sk);
	line.side = sides[sk->file.side];
	if (sk->proto == PROTO_TCP && (sk->bits & SKB_LISTENING)) {
		tcp_accept_stats(sk, &line.recv_q, &line.send_q);
	} else {
		/*
		 * datagrams: the memory that they are charged, as ss(8); they themselves lie where
		 * this process sees nothing
		 */
		line.recv_q = sk->proto == PROTO_TCP ? ops->inq((struct s7_sock *)sk) : sk_rmem(sk);
		line.send_q = ops->outq((struct s7_sock *)sk);
	}
	sock_names(arena, sk, &line);
	line_print(&line, format);
}

static void print_flow(const struct s7_flow *flow, struct ss_format *format)
{
	struct sock_line line = { .proto = "tcp", .side = "stack" };
	char host[NAME_TEXT];

	line.state = flow->kind == FLOW_TCP_TW ? "TIME-WAIT" : "SYN-RECV";
	host_text(host, &flow->local, false, true);
	name_text(line.local, host, "", flow->lport);
	host_text(host, &flow->remote, false, true);
	name_text(line.peer, host, "", flow->rport);
	line_print(&line, format);
}

/* Connections without a socket. They belong to no process. */
static void print_flows(const struct s7_arena *arena, const struct s7_inst *inst,
			struct ss_format *format)
{
	uint32_t i, left = inst->flows.count + 64;
	const struct s7_flow *flow;

	for (i = 0; i <= inst->flows.mask; i++)
		for (flow = inst->flows.bucket[i]; left && inside(arena, flow, sizeof(*flow));
		     flow = flow->next, left--)
			if (flow->kind == FLOW_TCP_TW || flow->kind == FLOW_TCP_REQ)
				print_flow(flow, format);
}

static void print_inst(const struct s7_arena *arena, const struct s7_inst *inst,
		       struct ss_format *format)
{
	const struct s7_list *pos = inst->socks.next;
	uint32_t left = inst->sock_count + 64;

	while (pos != &inst->socks && inside(arena, pos, sizeof(*pos)) && left--) {
		print_sock(arena, list_entry(pos, const struct s7_sock, all), format);
		pos = pos->next;
	}
	if (!format->pid)
		print_flows(arena, inst, format);
}

void ss_print_socks(const struct s7_arena *arena, struct ss_format *format)
{
	uint32_t i;

	for (i = 0; i < arena->inst_count && i < S7_INSTS_MAX; i++)
		if (inside(arena, arena->inst[i], sizeof(struct s7_inst)))
			print_inst(arena, arena->inst[i], format);
}

/* ---- counters ---- */

static void print_count(struct ss_format *format, const char *what, uint32_t inst, const char *name,
			uint64_t value, const char *text)
{
	if (!value)
		return;
	if (format->json)
		printf("%s\n{\"%s\":\"%s\",\"inst\":%u,\"value\":%" PRIu64 "}",
		       format->lines ? "," : "", what, name, inst, value);
	else
		printf("  %-7s %-22s %12" PRIu64 "  %s\n", what, name, value, text);
	format->lines++;
}

/* What the device does itself, in words. */
static void caps_text(char text[NAME_TEXT], uint32_t caps)
{
	static const struct {
		uint32_t cap;
		const char *name;
	} names[] = {
		{ NETDEV_TX_L4_CSUM, "tx-csum" }, { NETDEV_RX_CSUM, "rx-csum" },
		{ NETDEV_TSO, "tso" },		  { NETDEV_LRO, "lro" },
		{ NETDEV_SLEEP, "sleep" },	  { NETDEV_SHARED, "shared" },
	};
	size_t at = 0;
	uint32_t i;

	text[0] = 0;
	for (i = 0; i < S7_ARRAY_LEN(names); i++)
		if (caps & names[i].cap)
			at += (size_t)snprintf(text + at, NAME_TEXT - at, "%s%s", at ? "," : "",
					       names[i].name);
}

static void print_ifaces(const struct s7_inst *inst, struct ss_format *format)
{
	char caps[NAME_TEXT];
	uint32_t i;

	for (i = 0; i < inst->iface_count && i < S7_IFACES_MAX; i++) {
		const struct s7_iface *iface = &inst->iface[i];

		caps_text(caps, iface->caps);
		if (format->json)
			printf("%s\n{\"iface\":\"%.15s\",\"inst\":%u,\"rx_pkts\":%" PRIu64
			       ",\"rx_bytes\":%" PRIu64 ",\"tx_pkts\":%" PRIu64
			       ",\"tx_bytes\":%" PRIu64 ",\"tx_dropped\":%" PRIu64
			       ",\"filtered\":%" PRIu64 ",\"caps\":\"%s\"}",
			       format->lines ? "," : "", iface->name, inst->index, iface->rx_pkts,
			       iface->rx_bytes, iface->tx_pkts, iface->tx_bytes, iface->tx_dropped,
			       iface->filtered, caps);
		else
			printf("  iface   %-16s mtu %u  rx %" PRIu64 " packets %" PRIu64
			       " bytes  tx %" PRIu64 " packets %" PRIu64
			       " bytes  tx dropped %" PRIu64 "  filtered %" PRIu64 "  %s\n",
			       iface->name, iface->mtu, iface->rx_pkts, iface->rx_bytes,
			       iface->tx_pkts, iface->tx_bytes, iface->tx_dropped, iface->filtered,
			       caps);
		format->lines++;
	}
}

static void print_use(const struct s7_arena *arena, const struct s7_inst *inst,
		      struct ss_format *format)
{
	const struct s7_tcp_inst *tcp = inst->tcp;

	print_count(format, "use", inst->index, "sockets", inst->sock_count,
		    "sockets, accept queues included");
	print_count(format, "use", inst->index, "flows", inst->flows.count,
		    "entries of the flow table");
	print_count(format, "use", inst->index, "timers", inst->wheel.armed, "timers armed");
	if (!inside(arena, tcp, sizeof(*tcp)))
		return;
	print_count(format, "use", inst->index, "tcp_sockets", tcp->socks.used, "TCP sockets");
	print_count(format, "use", inst->index, "tcp_half_open", tcp->reqs.used,
		    "half-open connections");
	print_count(format, "use", inst->index, "tcp_time_wait", tcp->tws.used,
		    "TIME_WAIT entries");
}

/*
 * What is in use, in a line an instance: two of them compare as text, so nothing stands there that
 * moves by itself.
 */
void ss_print_usage(const struct s7_arena *arena, struct ss_format *format)
{
	uint32_t k, objects = 0;

	for (k = 0; k < arena->slab_count && k < S7_SLABS_MAX; k++)
		if (inside(arena, arena->slab[k], sizeof(*arena->slab[k])) &&
		    !arena->slab[k]->is_cache)
			objects += arena->slab[k]->used;
	for (k = 0; k < arena->inst_count && k < S7_INSTS_MAX; k++) {
		const struct s7_inst *inst = arena->inst[k];

		if (!inside(arena, inst, sizeof(*inst)))
			continue;
		printf("instance %u sockets %u flows %u packets free %u\n", k, inst->sock_count,
		       inst->flows.count, inst->pkts_free);
		format->lines++;
	}
	printf("objects %u\n", objects);
}

void ss_print_counters(const struct s7_arena *arena, struct ss_format *format)
{
	uint32_t k, i;

	print_count(format, "arena", 0, "carved", arena->used,
		    "bytes of address space given to tables");
	for (k = 0; k < arena->inst_count && k < S7_INSTS_MAX; k++) {
		const struct s7_inst *inst = arena->inst[k];

		if (!inside(arena, inst, sizeof(*inst)))
			continue;
		if (!format->json)
			printf("instance %u\n", k);
		print_ifaces(inst, format);
		print_use(arena, inst, format);
		for (i = 0; i < STAT_COUNT; i++)
			print_count(format, "stat", k, s7_stat_info[i].name, inst->stat[i],
				    s7_stat_info[i].text);
		for (i = 1; i < DROP_COUNT; i++)
			print_count(format, "drop", k, s7_drop_info[i].name, inst->drop[i],
				    s7_drop_info[i].text);
	}
}
