/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * opts.c - the command line, from one table
 *
 * Idea: an option is a row: name, kind, where its value goes, range, default, help; parsing and
 * --help read the rows. What options mean together is checked once, at the end, so that none is
 * silently without effect.
 * Called by: main.c.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lg.h"

enum opt_kind { OPT_FLAG, OPT_TEXT, OPT_NUMBER, OPT_MS, OPT_IP, OPT_PREFIX, OPT_MAC, OPT_PORTS };

static const struct opt {
	const char *name;
	enum opt_kind kind;
	size_t offset;
	double min, max, def; /* OPT_MS: seconds */
	const char *text, *def_text;
} opts[] = {
#define AT(field) offsetof(struct lg_conf, field)
	{ "dev", OPT_TEXT, AT(dev),
	  .text = "DPDK vdev: net_memif0,role=client,socket=/tmp/x,socket-abstract=no | "
		  "net_vhost0,iface=... | virtio_user0,path=... | net_af_packet0,iface=..." },
	{ "ip", OPT_PREFIX, AT(ip_be), .text = "own address and prefix: 10.7.0.2/24" },
	{ "mac", OPT_MAC, AT(mac), .text = "own MAC (default: the device's)" },
	{ "peer", OPT_IP, AT(peer_be), .text = "the server's address (--respond: the client's)" },
	{ "gw", OPT_IP, AT(gw_be), .text = "next hop to a peer outside the prefix" },
	{ "port", OPT_NUMBER, AT(port), 1, 65535, 80, .text = "the server's port" },
	{ "mode", OPT_TEXT, AT(mode), .text = "what to do; see below", .def_text = "http" },
	{ "respond", OPT_FLAG, AT(respond), .text = "be the server of the mode" },
	{ "conns", OPT_NUMBER, AT(conns), 1, 65000, 1,
	  .text = "connections (--respond: how many at most, default 16384)" },
	{ "pipeline", OPT_NUMBER, AT(pipeline), 1, 65535, 1, .text = "requests in a batch" },
	{ "path", OPT_TEXT, AT(path), .text = "HTTP path", .def_text = "/" },
	{ "host", OPT_TEXT, AT(host), .text = "HTTP Host (default: the peer's address)" },
	{ "client-close", OPT_FLAG, AT(client_close),
	  .text = "http-close: we send the first FIN, the request does not ask for it" },
	{ "key", OPT_TEXT, AT(key), .text = "redis key", .def_text = "loadgen" },
	{ "size", OPT_NUMBER, AT(size), 1, 1 << 24, 1,
	  .text = "bytes of an echo, of a redis value; --respond: of a body" },
	{ "seconds", OPT_MS, AT(seconds), 0, 1e6, 10, .text = "measured time; 0: until a signal" },
	{ "warmup", OPT_MS, AT(warmup), 0, 1e4, 1, .text = "time before that" },
	{ "requests", OPT_NUMBER, AT(requests), 0, 1e15, 0,
	  .text = "stop after so many; 0: no limit" },
	{ "wait", OPT_MS, AT(wait), 0, 1e5, 30,
	  .text = "how long the device and the peer may take to come" },
	{ "mtu", OPT_NUMBER, AT(mtu), 576, 9000, 1500, .text = "IP packet size" },
	{ "window", OPT_NUMBER, AT(window), 1024, 1 << 30, 262144, .text = "receive window" },
	{ "rto-ms", OPT_NUMBER, AT(rto_ms), 5, 10000, 200, .text = "first retransmission timeout" },
	{ "ports", OPT_PORTS, AT(port_lo), .text = "own ports: LOW-HIGH (default 10000-65535)" },
	{ "max-connecting", OPT_NUMBER, AT(max_connecting), 1, 65000, 256,
	  .text = "handshakes at a time" },
	{ "loss", OPT_NUMBER, AT(loss_permille), 0, 500, 0,
	  .text = "throw away so many of 1000 received frames" },
	{ "trust-csum", OPT_FLAG, AT(trust_csum), .text = "do not check received checksums" },
	{ "core", OPT_NUMBER, AT(core), 0, 1023, -1, .text = "CPU to run on (default: any)" },
	{ "huge", OPT_FLAG, AT(huge),
	  .text = "use hugepages (virtio_user, vhost, zero-copy memif)" },
	{ "yield", OPT_FLAG, AT(yield), .text = "sched_yield() when idle: for shared cores" },
	{ "cpu-of", OPT_TEXT, AT(cpu_of), .text = "PID[,PID...]: report their CPU time" },
	{ "json", OPT_FLAG, AT(json), .text = "one line of JSON to stdout, text to stderr" },
#undef AT
};

static const char *const mode_help =
	"modes: http (kept connections), http-close (a connection per request),\n"
	"       redis-get, redis-set, tcp-rr, udp-rr (echo of --size bytes),\n"
	"       tcp-bulk-rx, tcp-bulk-tx (seen from the client)\n";

static int complain(const struct opt *opt, const char *value, const char *want)
{
	fprintf(stderr, "loadgen: --%s %s: %s\n", opt->name, value, want);
	return -EINVAL;
}

static int put_number(const struct opt *opt, const char *value, void *at)
{
	bool ms = opt->kind == OPT_MS;
	char *end, want[80];
	double number = strtod(value, &end);
	uint64_t stored;

	if (end == value || *end || number < opt->min || number > opt->max ||
	    (!ms && number != (double)(uint64_t)number)) {
		snprintf(want, sizeof(want), "a number from %.0f to %.0f is needed", opt->min,
			 opt->max);
		return complain(opt, value, want);
	}
	stored = (uint64_t)(ms ? number * 1000 : number);
	memcpy(at, &stored, sizeof(stored));
	return 0;
}

static int put_prefix(const struct opt *opt, const char *value, struct lg_conf *conf)
{
	char text[INET_ADDRSTRLEN + 1];
	const char *slash = strchr(value, '/');
	size_t len = slash ? (size_t)(slash - value) : strlen(value);
	unsigned int bits = 0;
	char after;

	if (len >= sizeof(text) || !slash || sscanf(slash + 1, "%u%c", &bits, &after) != 1 ||
	    bits < 1 || bits > 32)
		return complain(opt, value, "ADDRESS/BITS is needed");
	memcpy(text, value, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, &conf->ip_be) != 1)
		return complain(opt, value, "ADDRESS/BITS is needed");
	conf->mask_be = htonl(0xffffffffu << (32 - bits));
	return 0;
}

static int put_mac(const struct opt *opt, const char *value, struct lg_conf *conf)
{
	uint8_t *m = conf->mac;
	char after;

	if (sscanf(value, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", m, m + 1, m + 2, m + 3, m + 4, m + 5,
		   &after) != 6 || (m[0] & 1))
		return complain(opt, value, "a unicast MAC is needed");
	conf->have_mac = true;
	return 0;
}

static int put_ports(const struct opt *opt, const char *value, struct lg_conf *conf)
{
	unsigned int lo, hi;
	char after;

	if (sscanf(value, "%u-%u%c", &lo, &hi, &after) != 2 || lo < 1 || hi < lo || hi > 65535)
		return complain(opt, value, "LOW-HIGH is needed");
	conf->port_lo = lo;
	conf->port_hi = hi;
	return 0;
}

static int put(const struct opt *opt, const char *value, struct lg_conf *conf)
{
	void *at = (char *)conf + opt->offset;

	switch (opt->kind) {
	case OPT_FLAG:
		*(bool *)at = true;
		return 0;
	case OPT_TEXT:
		*(const char **)at = value;
		return 0;
	case OPT_NUMBER:
	case OPT_MS:
		return put_number(opt, value, at);
	case OPT_IP:
		if (inet_pton(AF_INET, value, at) == 1)
			return 0;
		return complain(opt, value, "an IPv4 address is needed");
	case OPT_PREFIX:
		return put_prefix(opt, value, conf);
	case OPT_MAC:
		return put_mac(opt, value, conf);
	case OPT_PORTS:
		return put_ports(opt, value, conf);
	}
	return -EINVAL;
}

static void set_defaults(struct lg_conf *conf)
{
	const struct opt *opt;

	memset(conf, 0, sizeof(*conf));
	conf->port_lo = 10000;
	conf->port_hi = 65535;
	for (opt = opts; opt < opts + LG_ARRAY_LEN(opts); opt++) {
		if (opt->kind == OPT_NUMBER)
			*(int64_t *)((char *)conf + opt->offset) = (int64_t)opt->def;
		else if (opt->kind == OPT_MS)
			*(uint64_t *)((char *)conf + opt->offset) = (uint64_t)(opt->def * 1000);
		else if (opt->kind == OPT_TEXT)
			*(const char **)((char *)conf + opt->offset) = opt->def_text;
	}
	conf->conns = 0; /* not said: 1 or, for --respond, 16384 */
}

static void help(void)
{
	const struct opt *opt;
	char arg[40], def[40];

	printf("usage: loadgen --dev VDEV --ip ADDRESS/BITS --peer ADDRESS [options]\n"
	       "A closed-loop client (or its server) on a DPDK port, with a TCP of its own.\n\n");
	for (opt = opts; opt < opts + LG_ARRAY_LEN(opts); opt++) {
		snprintf(arg, sizeof(arg), "%s%s", opt->name, opt->kind == OPT_FLAG ? "" : " X");
		def[0] = '\0';
		if ((opt->kind == OPT_NUMBER || opt->kind == OPT_MS) && opt->def >= 0)
			snprintf(def, sizeof(def), " (%g)", opt->def);
		else if (opt->def_text)
			snprintf(def, sizeof(def), " (%s)", opt->def_text);
		printf("  --%-18s %s%s\n", arg, opt->text, def);
	}
	printf("\n%s", mode_help);
}

/* What each option allows alone may still make no sense together. */
static int check(struct lg_conf *conf)
{
	const char *why = NULL;

	if (conf->conns == 0)
		conf->conns = conf->respond ? 16384 : 1;
	if (!conf->dev || !conf->ip_be || !conf->peer_be)
		why = "--dev, --ip and --peer are needed";
	else if (!conf->gw_be && ((conf->ip_be ^ conf->peer_be) & conf->mask_be))
		why = "the peer is outside the prefix: --gw is needed";
	else if (conf->ip_be == conf->peer_be)
		why = "--ip and --peer are the same";
	else if (!conf->respond && conf->conns > conf->port_hi - conf->port_lo + 1)
		why = "more --conns than --ports";
	else if (conf->client_close && (conf->respond || strcmp(conf->mode, "http-close")))
		why = "--client-close belongs to the client of mode http-close";
	else if (!strcmp(conf->mode, "udp-rr") && conf->size + 28 > conf->mtu)
		why = "udp-rr: --size does not fit into one packet";
	if (!why)
		return 0;
	fprintf(stderr, "loadgen: %s\n", why);
	return -EINVAL;
}

static const struct opt *find(const char *arg)
{
	size_t i;

	if (strncmp(arg, "--", 2))
		return NULL;
	for (i = 0; i < LG_ARRAY_LEN(opts); i++)
		if (!strcmp(arg + 2, opts[i].name))
			return &opts[i];
	return NULL;
}

int opts_parse(int argc, char **argv, struct lg_conf *conf)
{
	const struct opt *opt;
	int i, err;

	set_defaults(conf);
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			help();
			return 1;
		}
		opt = find(argv[i]);
		if (!opt || (opt->kind != OPT_FLAG && i + 1 == argc)) {
			fprintf(stderr, "loadgen: %s: %s (--help lists the options)\n", argv[i],
				opt ? "a value is needed" : "unknown option");
			return -EINVAL;
		}
		err = put(opt, opt->kind == OPT_FLAG ? "" : argv[++i], conf);
		if (err)
			return err;
	}
	return check(conf);
}
