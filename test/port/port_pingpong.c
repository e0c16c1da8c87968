/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_pingpong.c - two processes, each with a port, and frames both ways through netdev.h
 *
 * One run is one link: `port_pingpong LINK`. The parent forks both ends before EAL exists in
 * either; an end brings its port up and plays its half of the phases: small frames; held chains;
 * large TCP segments with offloads where the port has them; sleeping on the port's descriptor;
 * going on in a forked child after the parent died. The pools must be whole in the end. Exit 0
 * passed, 77 skipped with a reason, else failed. port_links.sh prepares the links and runs this.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "test/port/port_end.h"

#define PINGS 4000
#define PATIENCE (3 * S7_SEC)
#define SKIP 77

struct link {
	const char *name;
	struct { enum conf_driver driver; const char *device, *devargs; } end[2];
	enum conf_hugepages hugepages;
	uint32_t must; /* capabilities that both ends have to have */
	bool alone;    /* one port that hears itself */
	bool split;    /* a packet may be longer than a buffer of the link */
};

static const struct link links[] = {
	{ "memif",
	  { { CONF_DRV_MEMIF, "/tmp/s7-memif.sock", "role=server" },
	    { CONF_DRV_MEMIF, "/tmp/s7-memif.sock", "" } },
	  CONF_HUGEPAGES_NO,
	  NETDEV_MULTI_SEG | NETDEV_SLEEP,
	  false,
	  true },
	{ "memif_zero_copy",
	  { { CONF_DRV_MEMIF, "/tmp/s7-memifz.sock", "role=server" },
	    { CONF_DRV_MEMIF, "/tmp/s7-memifz.sock", "zero-copy=yes" } },
	  CONF_HUGEPAGES_YES,
	  NETDEV_MULTI_SEG | NETDEV_SLEEP,
	  false,
	  false },
	{ "virtio",
	  { { CONF_DRV_VHOST, "/tmp/s7-vhost.sock", "" },
	    { CONF_DRV_VIRTIO_USER, "/tmp/s7-vhost.sock", "" } },
	  CONF_HUGEPAGES_YES,
	  NETDEV_MULTI_SEG | NETDEV_TX_L4_CSUM | NETDEV_RX_CSUM | NETDEV_TSO | NETDEV_LRO |
		  NETDEV_SLEEP,
	  false,
	  false },
	{ "virtio_plain_pages",
	  { { CONF_DRV_VHOST, "/tmp/s7-vhostp.sock", "" },
	    { CONF_DRV_VIRTIO_USER, "/tmp/s7-vhostp.sock", "" } },
	  CONF_HUGEPAGES_NO,
	  NETDEV_TSO | NETDEV_SLEEP,
	  false,
	  false },
	{ "af_packet",
	  { { CONF_DRV_AF_PACKET, "s7portA", "" }, { CONF_DRV_AF_PACKET, "s7portB", "" } },
	  CONF_HUGEPAGES_NO,
	  NETDEV_MULTI_SEG | NETDEV_TX_L4_CSUM | NETDEV_RX_CSUM | NETDEV_TSO | NETDEV_LRO |
		  NETDEV_SLEEP | NETDEV_SHARED,
	  false,
	  false },
	{ "af_xdp",
	  { { CONF_DRV_AF_XDP, "s7portA", "" }, { CONF_DRV_AF_XDP, "s7portB", "" } },
	  CONF_HUGEPAGES_NO,
	  NETDEV_SLEEP,
	  false,
	  false },
	{ "ring",
	  { { CONF_DRV_RING, "", "" }, { CONF_DRV_RING, "", "" } },
	  CONF_HUGEPAGES_NO,
	  0,
	  true,
	  false },
};

static void fail(const struct end *end, const char *what, long value)
{
	printf("FAIL %s: %s (%ld)\n", end->name, what, value);
	fflush(stdout);
	_exit(1);
}

static void expect(const struct end *end, bool ok, const char *what, long value)
{
	if (!ok)
		fail(end, what, value);
}

/* ---- the phases; `first` is the end that begins ---- */

static void phase_small(struct end *end, bool first)
{
	struct s7_pkt *pkt;
	uint32_t i;

	for (i = 0; i < PINGS; i++) {
		if (first)
			end_send(end, KIND_SMALL, i, 60);
		pkt = end_recv(end, KIND_SMALL, PATIENCE);
		expect(end, pkt && frame_seq(pkt) == i && pkt->total >= 60, "small frame lost", i);
		end_free(end, pkt);
		if (!first)
			end_send(end, KIND_SMALL, i, 60);
	}
}

/*
 * A header with two held payloads behind it; the payloads must come back to us with our own
 * reference only.
 */
static void phase_chain(struct end *end, bool first)
{
	struct s7_pkt *held[2], *pkt;
	uint32_t i;

	for (i = 0; i < 500; i++) {
		if (first) {
			end_send_chain(end, i, held);
		}
		pkt = end_recv(end, KIND_CHAIN, PATIENCE);
		expect(end, pkt != NULL, "chain lost", i);
		expect(end, frame_chain_ok(pkt, end->part), "chain damaged", (long)pkt->total);
		end_free(end, pkt);
		if (!first)
			end_send_chain(end, i, held);
		end_release_held(end, held);
	}
}

static void phase_tso(struct end *end, bool first)
{
	const uint32_t payload = 32000;
	struct s7_pkt *pkt;
	uint32_t i, got;

	for (i = 0; i < 200; i++) {
		if (first)
			end_send_tso(end, payload);
		for (got = 0; got < payload; got += pkt->total - 54, end_free(end, pkt)) {
			pkt = end_recv_tcp(end, PATIENCE);
			expect(end, pkt != NULL, "TSO segment lost", (long)got);
			expect(end, pkt->flags & PKT_RX_L4_GOOD, "checksum not vouched for",
			       pkt->flags);
			expect(end, frame_tcp_ok(pkt, got), "TSO bytes wrong", (long)got);
			if (end->info.caps & NETDEV_LRO)
				expect(end, pkt->total == payload + 54, "not received as one",
				       (long)pkt->total);
		}
		if (!first)
			end_send_tso(end, payload);
	}
}

/* One sleeps, the other sends after 30 ms; the descriptor must wake, not the timeout. */
static void phase_sleep(struct end *end, bool first)
{
	const struct timespec while_asleep = { 0, 30000000 };
	s7_time begun;
	uint32_t i;

	for (i = 0; i < 6; i++) {
		if (first == (i % 2 == 0)) {
			nanosleep(&while_asleep, NULL);
			end_send(end, KIND_SLEEP, i, 60);
			continue;
		}
		begun = end_now();
		expect(end, end_sleep_recv(end, KIND_SLEEP, i, 1000), "not woken", i);
		expect(end, end_now() - begun < 500 * S7_MS, "woken late",
		       (long)((end_now() - begun) / S7_MS));
	}
}

/* The starter of the port is gone; its child drives on. */
static void phase_fork(struct end *end, bool first)
{
	pid_t parent = getpid(), child;

	fflush(stdout);
	child = fork();
	expect(end, child >= 0, "fork", errno);
	if (child)
		_exit(0);
	while (getppid() == parent)
		usleep(1000);
	phase_small(end, first);
	phase_chain(end, first);
}

static int end_main(const struct link *link, uint32_t which, int done_fd)
{
	struct end end;
	char byte = 'k';
	int err;

	err = end_open(&end, link->end[which].driver, link->end[which].device,
		       link->end[which].devargs, link->hugepages);
	if (err) {
		printf("%s %s: %s\n", err == -ENOMEM ? "SKIP" : "FAIL", link->name, end.why);
		return err == -ENOMEM ? SKIP : 1;
	}
	printf("%s: %s eal %.1f ms, pool %.1f ms, port %.1f ms, caps %#x mtu %u, sleep fd %d\n",
	       link->name, end.name, end.ms_eal, end.ms_pool, end.ms_port, end.info.caps,
	       end.info.mtu, end.ops->sleep_fd(end.port, 0));
	expect(&end, (end.info.caps & link->must) == link->must, "capabilities missing",
	       end.info.caps);
	expect(&end, end_sync(&end, which == 1, PATIENCE), "no peer", 0);
	phase_small(&end, which == 1);
	phase_chain(&end, which == 1);
	if (link->split) {
		end.part = CHAIN_PART_LONG;
		phase_chain(&end, which == 1);
		end.part = CHAIN_PART;
	}
	if (link->must & NETDEV_TSO)
		phase_tso(&end, which == 1);
	if (end.info.caps & NETDEV_SLEEP)
		phase_sleep(&end, which == 1);
	phase_fork(&end, which == 1);
	end_settle(&end);
	expect(&end, end_whole(&end), "buffers lost", end_lost(&end));
	printf("%s: %s ok, frames, chains%s%s, fork; %ld buffers in rings\n", link->name, end.name,
	       link->must & NETDEV_TSO ? ", tso+lro" : "",
	       end.info.caps & NETDEV_SLEEP ? ", sleep" : "", end_lost(&end));
	fflush(stdout);
	if (write(done_fd, &byte, 1) != 1)
		return 1;
	return 0;
}

/* net_ring: what is sent comes back, and a held buffer must not be the one received. */
static int alone_main(const struct link *link)
{
	struct s7_pkt *held[2], *pkt;
	struct end end;
	uint32_t i;

	if (end_open(&end, link->end[0].driver, "", "", link->hugepages)) {
		printf("FAIL %s: %s\n", link->name, end.why);
		return 1;
	}
	for (i = 0; i < 1000; i++) {
		end_send_chain(&end, i, held);
		pkt = end_recv(&end, KIND_CHAIN, PATIENCE);
		expect(&end, pkt && frame_chain_ok(pkt, end.part), "chain", i);
		expect(&end, pkt != held[0] && pkt != held[1], "held buffer received", i);
		end_free(&end, pkt);
		end_release_held(&end, held);
	}
	end_settle(&end);
	expect(&end, end_whole(&end), "buffers lost", end_lost(&end));
	port_close(end.port);
	printf("%s: ok\n", link->name);
	return 0;
}

static int run_pair(const struct link *link)
{
	int done[2], status, ret = 0;
	struct pollfd ready;
	pid_t pid[2];
	uint32_t i;
	char byte;

	if (pipe(done))
		return 1;
	for (i = 0; i < 2; i++) {
		fflush(stdout);
		pid[i] = fork();
		if (!pid[i]) {
			close(done[0]);
			ret = end_main(link, i, done[1]);
			fflush(stdout);
			_exit(ret);
		}
	}
	close(done[1]);
	for (i = 0; i < 2; i++) {
		waitpid(pid[i], &status, 0);
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			ret = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
		if (ret == SKIP) {
			kill(pid[1 - i], SIGKILL);
			return SKIP;
		}
	}
	/* The forked children report for themselves. */
	ready = (struct pollfd){ .fd = done[0], .events = POLLIN };
	for (i = 0; !ret && i < 2; i++)
		ret = poll(&ready, 1, 20000) == 1 && read(done[0], &byte, 1) == 1 ? 0 : 1;
	return ret;
}

int main(int argc, char **argv)
{
	uint32_t i;
	int ret;

	for (i = 0; argc == 2 && i < S7_ARRAY_LEN(links); i++) {
		if (strcmp(argv[1], links[i].name))
			continue;
		ret = links[i].alone ? alone_main(&links[i]) : run_pair(&links[i]);
		printf("%s: %s\n", links[i].name,
		       ret == SKIP   ? "skipped"
			       : ret ? "FAILED"
				     : "passed");
		return ret;
	}
	fprintf(stderr, "usage: port_pingpong LINK, one of:");
	for (i = 0; i < S7_ARRAY_LEN(links); i++)
		fprintf(stderr, " %s", links[i].name);
	fprintf(stderr, "\n");
	return 2;
}
