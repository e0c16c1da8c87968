/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_udp.c - datagrams with chosen ports and destinations, header raw or with a right checksum,
 * and answers to them */
#include "stack/wire/csum.h"
#include "stack/wire/udp.h"
#include "test/support/fuzz.h"

static void one_datagram(struct mini *m, struct fuzz_in *in)
{
	static const char *const to[] = { MINI_US, "10.0.0.255", "224.0.0.1", "255.255.255.255" };
	static const uint16_t ports[] = { 7, 9, 53, 77 };
	uint8_t body[1480], frame[S7_PKT_ROOM];
	uint32_t how = fuzz_byte(in);
	struct mini_ip ip = { .dst = to[how & 3], .proto = IPPROTO_UDP, .data = body };
	struct s7_ip src = mini_addr(MINI_PEER), dst = mini_addr(ip.dst);

	ip.len = fuzz_blob(in, body, sizeof(body));
	if (ip.len >= UDP_LEN && how & 16) {
		put_be16(body, 1000);
		put_be16(body + 2, ports[how >> 2 & 3]);
		if (how & 32)
			put_be16(body + 4, (uint16_t)ip.len);
		put_raw16(body + 6, 0);
		put_raw16(body + 6, csum_fold(csum_partial(body, ip.len,
							   ip_pseudo_sum(&src, &dst, 17, ip.len))));
	}
	mini_in(m, frame, mini_frame_ip(frame, &ip));
}

static void one_send(struct mini *m, struct fuzz_in *in)
{
	static const uint8_t data[4000];
	struct s7_sock *sk = list_first(&m->inst->socks, struct s7_sock, all);
	struct iovec iov = { (void *)data, fuzz_word(in) % sizeof(data) };
	struct s7_msg msg = { .iov = &iov, .iovcnt = 1, .len = iov.iov_len };

	msg.flags = fuzz_byte(in) & 1 ? MSG_MORE : 0;
	msg.name.ip = ip_from_v4(htonl(0x0a000000 + fuzz_byte(in)));
	msg.name.port = 7;
	msg.name.valid = true;
	sk_ops(sk)->send(sk, &msg);
	if (msg.flags & MSG_MORE) { /* nothing stays behind for the next input */
		msg.flags = 0;
		msg.skip = 0;
		sk_ops(sk)->send(sk, &msg);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_in in = { data, size };
	struct mini *m = fuzz_instance();

	while (in.left) {
		if (fuzz_byte(&in) & 1)
			one_send(m, &in);
		else
			one_datagram(m, &in);
	}
	fuzz_settle(m);
	return 0;
}
