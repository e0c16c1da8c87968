/* SPDX-License-Identifier: BSD-3-Clause */
/* test_bpf_socket.c - filters on sockets of an instance: who gets what, how much of it, and what is
 * left of programs when they go. Each test runs interpreted and as machine code. */
#include <errno.h>

#include "stack/bpf/steer.h"
#include "stack/sock/sock.h"
#include "test/support/mini_both.h"

#define RET(k) BPF_STMT(BPF_RET | BPF_K, k)
#define LD(size, k) BPF_STMT(BPF_LD | BPF_ABS | (size), k)

static struct mini *open_mini(bool native)
{
	return both_new(native);
}

/* Nothing of any program stays behind. */
static void close_mini(struct mini *m)
{
	cr_expect_eq(m->inst->filters->used, 0);
	cr_assert_eq(mini_free(m), 0);
}

#define ATTACH(sk, ...) \
	filter_attach(sk, (struct sock_filter[]){ __VA_ARGS__ }, \
		      (uint32_t)S7_ARRAY_LEN(((struct sock_filter[]){ __VA_ARGS__ })))

Test(bpf, a_datagram_is_kept_cut_or_dropped)
{
	char buf[16];

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		/* byte 8 is the first of the payload: how many bytes of the datagram to keep */
		cr_assert_eq(ATTACH(sk, LD(BPF_B, 8), BPF_STMT(BPF_RET | BPF_A, 0)), 0);
		mini_in_udp(m, 7, 53, "\000abc", 4);
		mini_in_udp(m, 7, 53, "\012abc", 4);
		mini_in_udp(m, 7, 53, "\377abc", 4);
		mini_in_udp(m, 7, 53, "\003abc", 4); /* the header at least */
		mini_in_udp(m, 7, 53, "", 0);	      /* a load beyond the end */
		cr_expect_eq(take(sk, buf, 16), 2);
		cr_expect_eq(take(sk, buf, 16), 4);
		cr_expect_eq(take(sk, buf, 16), 0);
		cr_expect_eq(take(sk, buf, 16), -EAGAIN);
		cr_expect_eq(sk->drops, 2);
		cr_expect_eq(m->inst->drop[DROP_UDP_FILTER], 2);
		cr_expect_eq(m->inst->drop[DROP_UDP_RCVBUF], 0);
		done(sk);
	}
}

Test(bpf, headers_are_where_linux_has_them)
{
	char buf[4];

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		cr_assert_eq(ATTACH(sk, LD(BPF_H, 0), /* source port */
				    BPF_JUMP(BPF_JMP | BPF_JEQ, 7, 0, 9),
				    LD(BPF_B, (uint32_t)SKF_NET_OFF + 9),
				    BPF_JUMP(BPF_JMP | BPF_JEQ, IPPROTO_UDP, 0, 7),
				    LD(BPF_H, (uint32_t)SKF_LL_OFF + 12),
				    BPF_JUMP(BPF_JMP | BPF_JEQ, 0x0800, 0, 5),
				    LD(BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
				    BPF_JUMP(BPF_JMP | BPF_JEQ, 2, 0, 3),
				    LD(BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PAY_OFFSET)),
				    BPF_JUMP(BPF_JMP | BPF_JEQ, 8, 0, 1), RET(0xffff), RET(0)), 0);
		mini_in_udp(m, 7, 53, "x", 1);
		cr_expect_eq(take(sk, buf, 4), 1);
		mini_in_udp(m, 8, 53, "x", 1);
		cr_expect_eq(take(sk, buf, 4), -EAGAIN);
		done(sk);
	}
}

Test(bpf, each_member_of_a_group_filters_its_own_copy)
{
	uint8_t datagram[64], frame[128];
	char buf[8];

	ON_BOTH(m) {
		struct s7_sock *sk[3];
		struct mini_ip ip = { .dst = "10.0.0.255", .proto = IPPROTO_UDP, .data = datagram };

		for (int i = 0; i < 3; i++)
			sk[i] = open_at(m, "0.0.0.0", 53, SKB_REUSEADDR | SKB_BROADCAST);
		ATTACH(sk[0], RET(9));
		ATTACH(sk[1], LD(BPF_B, (uint32_t)SKF_NET_OFF + 19),
		       BPF_JUMP(BPF_JMP | BPF_JEQ, 255, 0, 1), RET(10), RET(0));
		ATTACH(sk[2], LD(BPF_W, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		       BPF_JUMP(BPF_JMP | BPF_JEQ, 1, 0, 1), RET(11), RET(0));
		ip.len = mini_udp(datagram, MINI_PEER, "10.0.0.255", 7, 53, "abc", 3);
		mini_frame_ip(frame, &ip);
		memset(frame, 0xff, 6);
		mini_in(m, frame, 34 + ip.len);
		for (int i = 0; i < 3; i++) {
			cr_expect_eq(take(sk[i], buf, 8), i + 1);
			done(sk[i]);
		}
	}
}

Test(bpf, a_filter_is_replaced_detached_and_locked)
{
	struct sock_filter broken = LD(BPF_W, 0);
	char buf[4];

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

		cr_expect_eq(filter_detach(sk), -ENOENT);
		cr_expect_eq(filter_attach(sk, &broken, 1), -EINVAL);
		cr_expect_eq(filter_attach(sk, &broken, 0), -EINVAL);
		cr_expect_eq(ATTACH(sk, RET(0)), 0);
		mini_in_udp(m, 7, 53, "x", 1);
		cr_expect_eq(filter_attach(sk, &broken, 1), -EINVAL); /* what was stays */
		mini_in_udp(m, 7, 53, "x", 1);
		cr_expect_eq(take(sk, buf, 4), -EAGAIN);
		cr_expect_eq(ATTACH(sk, RET(100)), 0);
		mini_in_udp(m, 7, 53, "x", 1);
		cr_expect_eq(take(sk, buf, 4), 1);
		sk->more |= SKM_LOCK_FILTER;
		cr_expect_eq(ATTACH(sk, RET(0)), -EPERM);
		cr_expect_eq(filter_detach(sk), -EPERM);
		sk->more &= ~(uint32_t)SKM_LOCK_FILTER;
		cr_expect_eq(filter_detach(sk), 0);
		cr_expect_eq(m->inst->filters->used, 0);
		done(sk);
	}
}

Test(bpf, memory_of_programs_is_bounded_and_comes_back)
{
	static struct sock_filter big[BPF_MAXINSNS];

	for (uint32_t i = 0; i < BPF_MAXINSNS; i++)
		big[i] = (struct sock_filter)LD(BPF_W, i);
	big[BPF_MAXINSNS - 1] = (struct sock_filter)RET(1);
	ON_BOTH(m) {
		struct s7_sock *sk[64];
		uint32_t n = 0, i;

		for (; n < 64; n++) {
			sk[n] = open_at(m, MINI_US, (uint16_t)(1000 + n), 0);
			if (filter_attach(sk[n], big, BPF_MAXINSNS))
				break;
		}
		cr_expect(n > 1 && n < 64, "%u", n);
		cr_expect_eq(filter_attach(sk[n], big, BPF_MAXINSNS), -ENOMEM);
		for (i = 0; i <= n; i++)
			done(sk[i]);
	}
}

/* Two sockets share one, a third has its own; the bits are lost, the count is wrong. */
Test(bpf, after_a_death_sockets_say_what_there_is)
{
	ON_BOTH(m) {
		struct s7_sock *a = open_at(m, MINI_US, 1, 0), *b = open_at(m, MINI_US, 2, 0);
		struct s7_sock *c = open_at(m, MINI_US, 3, 0);
		uint32_t used;

		ATTACH(a, RET(1));
		ATTACH(c, RET(2));
		filter_inherit(b, a);
		used = m->inst->filters->used;
		a->filter->refs = 9;
		cr_assert_not_null(area_alloc(m->inst->filters, 5000)); /* the dead one's */
		filter_mend(m->inst);
		cr_expect_eq(a->filter->refs, 2);
		cr_expect_eq(c->filter->refs, 1);
		cr_expect_eq(m->inst->filters->used, used);
		cr_expect_eq(ATTACH(c, RET(3)), 0);
		cr_expect_eq(a->filter->classic[0].k, 1);
		done(a);
		cr_expect_eq(b->filter->classic[0].k, 1);
		done(b);
		done(c);
	}
}

Test(bpf, options_are_linux_s)
{
	struct sock_filter prog[] = { LD(BPF_B, 0), BPF_STMT(BPF_RET | BPF_A, 0) }, back[4];
	struct sock_fprog fprog = { 2, prog };
	int zero = 0, one = 1, value;
	socklen_t len;

	ON_BOTH(m) {
		struct s7_sock *sk = open_at(m, MINI_US, 53, 0);

#define SET(name, val, n) sock_setsockopt(sk, SOL_SOCKET, name, val, n, m->inst->now)
#define GET(name, val, n) \
	(len = (n), sock_getsockopt(sk, SOL_SOCKET, name, val, &len, m->inst->now))
		cr_expect_eq(GET(SO_GET_FILTER, back, 4), 0);
		cr_expect_eq(len, 0);
		cr_expect_eq(SET(SO_DETACH_FILTER, &zero, 4), -ENOENT);
		cr_expect_eq(SET(SO_ATTACH_FILTER, &fprog, sizeof(fprog) - 1), -EINVAL);
		cr_expect_eq(SET(SO_ATTACH_FILTER, &fprog, sizeof(fprog)), 0);
		cr_expect_eq(GET(SO_GET_FILTER, NULL, 0), 0);
		cr_expect_eq(len, 2);
		cr_expect_eq(GET(SO_GET_FILTER, back, 1), -EINVAL);
		cr_expect_eq(GET(SO_GET_FILTER, back, 4), 0);
		cr_expect_eq(len, 2);
		cr_expect_arr_eq((uint8_t *)back, (uint8_t *)prog, sizeof(prog));
		cr_expect_eq(SET(SO_LOCK_FILTER, &zero, 4), 0);
		cr_expect_eq(SET(SO_LOCK_FILTER, &one, 4), 0);
		cr_expect_eq(SET(SO_LOCK_FILTER, &one, 4), 0);
		cr_expect_eq(SET(SO_LOCK_FILTER, &zero, 4), -EPERM);
		cr_expect_eq(GET(SO_LOCK_FILTER, &value, 4), 0);
		cr_expect_eq(value, 1);
		cr_expect_eq(SET(SO_ATTACH_FILTER, &fprog, sizeof(fprog)), -EPERM);
		cr_expect_eq(SET(SO_DETACH_FILTER, &zero, 4), -EPERM);
		done(sk);
	}
}

/* ---- groups ---- */

static void say_digit(struct mini *m, char digit)
{
	mini_in_udp(m, 7, 53, &digit, 1);
}

Test(bpf, a_group_is_steered_by_number)
{
	struct sock_filter by_digit[] = { LD(BPF_B, 0), BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, '0'),
					  BPF_STMT(BPF_RET | BPF_A, 0) };
	char buf[4];

	ON_BOTH(m) {
		struct s7_sock *sk[4];

		for (int i = 0; i < 4; i++)
			sk[i] = open_at(m, MINI_US, 53, SKB_REUSEPORT);
		cr_assert_eq(steer_attach(sk[3], by_digit, 3), 0);
		for (int i = 3; i >= 0; i--) {
			say_digit(m, (char)('0' + i));
			cr_expect_eq(take(sk[i], buf, 4), 1);
		}
		done(sk[0]); /* the last one has its number and the program */
		say_digit(m, '0');
		cr_expect_eq(take(sk[3], buf, 4), 1);
		say_digit(m, '3'); /* nobody's: the hash chooses */
		cr_expect_eq(take(sk[1], buf, 4) + take(sk[2], buf, 4) + take(sk[3], buf, 4),
			     1 - 2 * EAGAIN);
		cr_expect_eq(steer_detach(sk[1]), 0);
		cr_expect_eq(steer_detach(sk[2]), -ENOENT);
		cr_expect_eq(steer_attach(sk[1], by_digit, 3), 0);
		filter_mend(m->inst);
		say_digit(m, '2');
		cr_expect_eq(take(sk[2], buf, 4), 1);
		for (int i = 1; i < 4; i++)
			done(sk[i]);
	}
}
