/* SPDX-License-Identifier: BSD-3-Clause */
/* test_udp_errq.c - the error queue of UDP sockets: ICMP, neighbours, time stamps, completions */
#include <errno.h>

#include "stack/wire/csum.h"
#include "stack/wire/eth.h"
#include "stack/wire/icmp.h"
#include "test/support/mini_udp.h"

/* An ICMP error from a router about a datagram of ours, with `more` behind the quote. */
static void in_icmp(struct mini *m, uint8_t type, uint8_t code, uint32_t info, const void *more,
		    uint32_t more_len)
{
	const struct mini_frame *sent = &m->sent[m->sent_count - 1];
	uint32_t quote = sent->len - ETH_LEN;
	struct s7_icmp icmp = { .type = type, .code = code, .info = info };
	uint8_t frame[1600], body[1500] = { 0 };
	struct mini_ip ip = { .src = "10.0.0.254", .proto = IPPROTO_ICMP, .data = body };

	icmp_write(body, &icmp);
	memcpy(body + ICMP_LEN, sent->data + ETH_LEN, quote);
	ip.len = ICMP_LEN + quote;
	if (more_len) {
		ip.len = ICMP_LEN + 128;
		memcpy(body + ip.len, more, more_len);
		ip.len += more_len;
	}
	put_raw16(body + 2, csum_fold(csum_partial(body, ip.len, 0)));
	mini_in(m, frame, mini_frame_ip(frame, &ip));
}

static ssize_t take_error_entry(struct s7_sock *sk, void *buf, size_t len,
				struct s7_errq_entry *entry)
{
	struct iovec iov = { buf, len };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = len };

	struct s7_msg_more more;
	ssize_t n = errq_recv(sk, &msg, &more);

	if (n >= 0)
		*entry = more.entry;
	return n;
}

Test(udp, a_router_s_error_is_queued)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_ip router = mini_addr("10.0.0.254"), peer = mini_addr(MINI_PEER);
	struct s7_errq_entry entry;
	char buf[64];

	mini_know_peer(m);
	want_errors(sk);
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	in_icmp(m, ICMP_T_UNREACH, ICMP_C_NEEDFRAG, 1400, NULL, 0);
	cr_assert_eq(sk->err, 0, "it quotes what was smaller: not believed");
	in_icmp(m, ICMP_T_TIME, 0, 0, NULL, 0);
	in_icmp(m, ICMP_T_PARAM, 0, 20u << 24, NULL, 0);
	cr_assert_eq(sk->err, EPROTO);
	cr_assert_eq(sk_ops(sk)->poll(sk) & (EPOLLERR | EPOLLPRI), EPOLLERR);
	cr_assert_eq(take_error_entry(sk, buf, sizeof(buf), &entry), 5);
	cr_assert(!memcmp(buf, "hello", 5) && ip_equal(&entry.offender, &router));
	cr_assert(ip_equal(&entry.name, &peer) && entry.port == 9);
	cr_assert(entry.ee.ee_errno == EHOSTUNREACH && entry.ee.ee_type == ICMP_T_TIME);
	cr_assert_eq(sk->err, EPROTO, "the next one's");
	cr_assert_eq(take_error_entry(sk, buf, 2, &entry), 2);
	cr_assert(entry.ee.ee_info == 20 && entry.ee.ee_origin == SO_EE_ORIGIN_ICMP);
	cr_assert_eq(sk->err, 0);
	cr_assert_eq(take_error_entry(sk, buf, 2, &entry), -EAGAIN);
	in_icmp(m, ICMP_T_TIME, 0, 0, NULL, 0);
	done(sk); /* with one in the queue */
	cr_assert_eq(m->inst->exts.used, 0);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, icmp_extensions_are_told)
{
	/* version 2, checksum 0, one object of 8 bytes */
	static const uint8_t good[] = { 0x20, 0, 0, 0, 0, 8, 1, 1, 1, 2, 3, 4 };
	static const uint8_t bad[] = { 0x20, 0, 0, 0, 0, 80, 1, 1, 1, 2, 3, 4 };
	static const uint8_t other[] = { 0xa0, 1, 2, 3, 0, 80, 1, 1, 1, 2, 3, 4 };
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_errq_entry entry;
	char buf[256];

	mini_know_peer(m);
	want_errors(sk);
	cr_assert_eq(sk_ext_bit(sk, EXT_RFC4884, true), 0);
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	in_icmp(m, ICMP_T_TIME, 0, 32u << 16, good, sizeof(good));
	in_icmp(m, ICMP_T_TIME, 0, 32u << 16, bad, sizeof(bad));
	in_icmp(m, ICMP_T_TIME, 0, 0, good, sizeof(good));
	in_icmp(m, ICMP_T_TIME, 0, 32u << 16, other, sizeof(other));
	cr_assert_eq(take_error_entry(sk, buf, sizeof(buf), &entry), 128 - 28 + 12);
	cr_assert_eq(entry.ee.ee_rfc4884.len, 100);
	cr_assert_eq(entry.ee.ee_rfc4884.flags, 0);
	cr_assert(!memcmp(buf + 100, good, sizeof(good)));
	cr_assert_eq(take_error_entry(sk, buf, sizeof(buf), &entry), 112);
	cr_assert_eq(entry.ee.ee_rfc4884.flags, SO_EE_RFC4884_FLAG_INVALID);
	cr_assert_eq(take_error_entry(sk, buf, sizeof(buf), &entry), 112);
	cr_assert_eq(entry.ee.ee_rfc4884.len, 0);
	cr_assert_eq(take_error_entry(sk, buf, sizeof(buf), &entry), 112);
	cr_assert_eq(entry.ee.ee_rfc4884.len, 100);
	cr_assert_eq(entry.ee.ee_rfc4884.flags, 0, "of a version that nobody knows");
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, the_error_queue_is_bounded)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);

	mini_know_peer(m);
	want_errors(sk);
	sk->rcvbuf = 4096;
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	for (int i = 0; i < 20; i++)
		in_icmp(m, ICMP_T_TIME, 0, 0, NULL, 0);
	cr_assert_lt(sk->ext->errq.bytes, 4096u);
	cr_assert_eq(sk->ext->errq.count + m->inst->drop[DROP_ERRQ_FULL], 20);
	cr_assert_gt(m->inst->drop[DROP_ERRQ_FULL], 10);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, a_neighbour_that_does_not_answer_is_told)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_ip us = mini_addr(MINI_US);
	struct s7_errq_entry entry;
	char buf[16];

	want_errors(sk);
	cr_assert_eq(give(sk, "10.0.0.77", 9, "hello", 5, 0), 5);
	mini_wait(m, 5 * S7_SEC);
	cr_assert_eq(take_error_entry(sk, buf, sizeof(buf), &entry), 5);
	cr_assert(entry.ee.ee_errno == EHOSTUNREACH && entry.ee.ee_code == ICMP_C_HOST);
	cr_assert(ip_equal(&entry.offender, &us));
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

static uint32_t entries_of(struct s7_sock *sk, uint32_t *ret_first_info)
{
	struct s7_errq_entry entry;
	uint32_t n = 0;
	char buf[256];

	for (; take_error_entry(sk, buf, sizeof(buf), &entry) >= 0; n++)
		if (!n && ret_first_info)
			*ret_first_info = entry.ee.ee_info;
	return n;
}

Test(udp, a_stamp_waits_for_the_neighbour_and_survives_its_socket)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_sock *gone = open_at(m, "0.0.0.0", 54, 0);

	cr_assert(sk_ext(sk) && sk_ext(gone));
	sk->ext->tsflags = gone->ext->tsflags = STAMP_TX | SOF_TIMESTAMPING_SOFTWARE;
	cr_assert_eq(give(sk, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(give(gone, MINI_PEER, 9, "hello", 5, 0), 5);
	cr_assert_eq(entries_of(sk, NULL), 0, "nothing has left yet");
	done(gone);
	mini_in_arp(m, 2, MINI_PEER, MINI_US);
	cr_assert_eq(m->sent_count, 3);
	cr_assert_eq(entries_of(sk, NULL), 2);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}

Test(udp, completions_are_joined_and_none_is_lost)
{
	struct mini *m = mini_new(IFACE_UP, false);
	struct s7_sock *sk = open_at(m, "0.0.0.0", 53, 0);
	struct s7_errq_entry entry;
	char buf[4];

	cr_assert_eq(sk_ext_bit(sk, EXT_ZEROCOPY, true), 0);
	errq_zerocopy(sk);
	errq_zerocopy(sk);
	cr_assert_eq(take_error_entry(sk, buf, 4, &entry), 0);
	cr_assert(entry.ee.ee_info == 0 && entry.ee.ee_data == 1);
	cr_assert_eq(entry.ee.ee_code, SO_EE_CODE_ZEROCOPY_COPIED);
	sk->ext->zc_next++; /* as if there had been no buffer to tell of it */
	errq_zerocopy(sk);
	cr_assert_eq(take_error_entry(sk, buf, 4, &entry), 0);
	cr_assert(entry.ee.ee_info == 2 && entry.ee.ee_data == 3);
	done(sk);
	cr_assert_eq(mini_free(m), 0);
}
