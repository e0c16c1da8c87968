/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz.c - see fuzz.h */
#include "test/support/fuzz.h"

#include <errno.h>
#include <stdlib.h>

#include "stack/core/ext.h"
#include "stack/raw/raw.h"
#include "test/support/mini6.h"

static void fuzz_socket(struct mini *m, const char *ip, uint16_t port, bool connected)
{
	bool v6 = strchr(ip, ':');
	struct s7_ip local = v6 ? mini_addr6(ip) : mini_addr(ip);
	struct s7_ip peer = v6 ? mini_addr6(MINI_PEER6) : mini_addr(MINI_PEER);
	struct s7_sock *sk;

	if (sk_create(m->inst, PROTO_UDP, v6 ? AF_INET6 : AF_INET, &sk) || !sk_ext(sk))
		abort();
	sk->bits |= SKB_REUSEADDR | SKB_REUSEPORT | SKB_BROADCAST | SKB_RECVERR | SKB_RECVERR6;
	sk->mtu_discover = IP_PMTUDISC_WANT;
	if (sk_bind(sk, &local, port) || (connected && sk_ops(sk)->connect(sk, &peer, 1000)))
		abort();
}

/* A raw socket, and a ping socket with identifier 0x101. */
static void fuzz_raw(struct mini *m, bool v6, uint8_t num)
{
	int domain = v6 ? AF_INET6 : AF_INET;
	struct s7_ip any = v6 ? (struct s7_ip){ 0 } : ip_from_v4(0);
	struct s7_sock *raw, *ping;

	if (sk_create(m->inst, PROTO_RAW, domain, &raw) ||
	    sk_create(m->inst, PROTO_PING, domain, &ping) || !sk_ext(raw) || !sk_ext(ping) ||
	    sk_bind(ping, &any, 0x101))
		abort();
	raw_set_number(raw, num);
	raw->bits |= SKB_RECVERR | SKB_RECVERR6;
	ping->bits |= SKB_RECVERR | SKB_RECVERR6;
}

struct mini *fuzz_instance(void)
{
	static struct mini *m;

	if (m)
		return m;
	m = mini_new(IFACE_UP, true);
	mini_know_peer(m);
	fuzz_socket(m, "0.0.0.0", 7, false);
	fuzz_socket(m, "0.0.0.0", 7, false);
	fuzz_socket(m, "0.0.0.0", 9, true);
	fuzz_socket(m, MINI_US, 53, false);
	fuzz_raw(m, false, IPPROTO_ICMP);
	fuzz_raw(m, false, IPPROTO_UDP);
	return m;
}

struct mini *fuzz6_instance(void)
{
	static struct mini *m;

	if (m)
		return m;
	m = mini6_new(IFACE_UP | IFACE_TRUST_CSUM, true, 0);
	mini_know_peer6(m);
	fuzz_socket(m, "::", 7, false);
	fuzz_socket(m, "::", 7, false);
	fuzz_socket(m, "::", 9, true);
	fuzz_socket(m, MINI_US6, 53, false);
	fuzz_raw(m, true, IPPROTO_ICMPV6);
	return m;
}

static void fuzz_read(struct s7_sock *sk)
{
	uint8_t buf[256];
	struct iovec iov = { buf, sizeof(buf) };
	ssize_t n;

	do {
		struct s7_msg msg = {
			.iov = &iov, .iovcnt = 1, .len = sizeof(buf), .flags = MSG_TRUNC
		};

		n = sk_ops(sk)->recv(sk, &msg);
	} while (n != -EAGAIN);
}

static void fuzz_empty(struct mini *m, const struct s7_list *socks)
{
	struct s7_list *pos;

	list_for_each(pos, socks)
	{
		struct s7_sock *sk = list_entry(pos, struct s7_sock, owner_list);

		fuzz_read(sk);
		udp_cork_drop(udp_sock(sk));
		errq_purge(m->inst, &sk->ext->errq);
	}
}

void fuzz_settle(struct mini *m)
{
	mini_wait(m, 45 * S7_SEC);
	fuzz_empty(m, &m->inst->udp->socks);
	fuzz_empty(m, &m->inst->raw->socks);
	m->sent_count = 0;
	if (bed_missing(&m->bed, m->inst))
		abort();
}

uint32_t fuzz_byte(struct fuzz_in *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

uint32_t fuzz_word(struct fuzz_in *in)
{
	uint32_t low = fuzz_byte(in);

	return low | fuzz_byte(in) << 8;
}

uint32_t fuzz_blob(struct fuzz_in *in, uint8_t *dst, uint32_t max)
{
	uint32_t n = fuzz_word(in);

	n = (uint32_t)s7_min(s7_min(n, max), in->left);
	if (!n)
		return 0;
	memcpy(dst, in->p, n);
	in->p += n;
	in->left -= n;
	return n;
}
