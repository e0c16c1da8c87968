/* SPDX-License-Identifier: BSD-3-Clause */
/* test_sock_io.c - addresses as programs spell them, control messages both ways, message checks */
#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>

#include "stack/core/ext.h"
#include "stack/sock/sock.h"
#include "test/support/mini.h"

static struct s7_sock *make(struct mini *m, int domain, int type)
{
	struct s7_sock *sk;

	cr_assert_eq(sock_create(m->inst, domain, type, 0, m->inst->now, &sk), 0);
	return sk;
}

static void end(struct mini *m, struct s7_sock *sk)
{
	atomic_store(&sk->file.refs, 0);
	sock_release(sk, m->inst->now);
	cr_assert_eq(mini_free(m), 0);
}

Test(sock_io, address_lengths_and_families)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(80) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_scope_id = 3 };
	struct mini *m = mini_new(0, true);
	struct s7_sock *sk = make(m, AF_INET, SOCK_STREAM);
	uint32_t scope = 9;
	uint16_t port = 0;
	struct s7_ip ip;

	cr_expect_eq(sock_addr_read(sk, (void *)&in, sizeof(in), &ip, &port, &scope), 0);
	cr_expect(ip_is_v4(&ip) && port == 80 && scope == 0);
	cr_expect_eq(sock_addr_read(sk, (void *)&in, sizeof(in) - 1, &ip, &port, &scope), -EINVAL);
	cr_expect_eq(sock_addr_read(sk, (void *)&in, 1, &ip, &port, &scope), -EINVAL);
	cr_expect_eq(sock_addr_read(sk, (void *)&in6, sizeof(in6), &ip, &port, &scope),
		     -EAFNOSUPPORT);
	sk->domain = AF_INET6;
	cr_expect_eq(sock_addr_read(sk, (void *)&in6, sizeof(in6), &ip, &port, &scope), 0);
	cr_expect_eq(scope, 3);
	cr_expect_eq(sock_addr_read(sk, (void *)&in6, 24, &ip, &port, &scope), 0);
	cr_expect_eq(sock_addr_read(sk, (void *)&in6, 23, &ip, &port, &scope), -EINVAL);
	/* too short for any address of the family, before the family is looked at */
	cr_expect_eq(sock_addr_read(sk, (void *)&in, sizeof(in), &ip, &port, &scope), -EINVAL);
	in6.sin6_family = AF_INET;
	cr_expect_eq(sock_addr_read(sk, (void *)&in6, sizeof(in6), &ip, &port, &scope),
		     -EAFNOSUPPORT);
	end(m, sk);
}

Test(sock_io, scope_of_link_local_names)
{
	struct mini *m = mini_new(0, true);
	struct s7_sock *sk = make(m, AF_INET6, SOCK_STREAM);
	struct s7_ip far = { .b = { 0xfe, 0x80, [15] = 1 } };
	struct s7_ip global = { .b = { 0xfd, 0x77, [15] = 1 } };
	struct sockaddr_in6 in6;
	socklen_t len = sizeof(in6);

	sock_addr_write(sk, &far, 80, 1, (struct sockaddr *)&in6, &len);
	cr_expect_eq(in6.sin6_scope_id, (uint32_t)m->inst->iface[0].ifindex);
	cr_expect_eq(sock_device(sk, &far, in6.sin6_scope_id), 1);
	cr_expect_eq(sock_device(sk, &far, 4711), SOCK_DEVICE_KERNEL);
	sock_addr_write(sk, &far, 80, 0, (struct sockaddr *)&in6, &len);
	cr_expect_eq(in6.sin6_scope_id, 0);
	sock_addr_write(sk, &global, 80, 1, (struct sockaddr *)&in6, &len);
	cr_expect_eq(in6.sin6_scope_id, 0);
	cr_expect_eq(sock_device(sk, &global, 4711), 0, "it counts for link-local ones alone");
	sk->bound_iface = 1;
	cr_expect_eq(sock_device(sk, &far, 0), 1);
	end(m, sk);
}

Test(sock_io, address_is_cut_and_tells_its_length)
{
	struct mini *m = mini_new(0, true);
	struct s7_sock *sk = make(m, AF_INET, SOCK_STREAM);
	struct s7_ip ip = mini_addr("1.2.3.4");
	unsigned char buf[16];
	socklen_t len = 4;

	memset(buf, 0xee, sizeof(buf));
	sock_addr_write(sk, &ip, 0x1234, 0, (struct sockaddr *)buf, &len);
	cr_expect_eq(len, sizeof(struct sockaddr_in));
	cr_expect(buf[2] == 0x12 && buf[3] == 0x34 && buf[4] == 0xee);
	end(m, sk);
}

Test(sock_io, names)
{
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	struct mini *m = mini_new(0, true);
	struct s7_sock *sk = make(m, AF_INET, SOCK_DGRAM);
	struct s7_ip ip = mini_addr("127.0.0.1");

	cr_expect_eq(sock_bind(sk, &ip, 53, m->inst->now), 0);
	cr_expect_eq(sock_bind(sk, &ip, 54, m->inst->now), -EINVAL);
	cr_expect_eq(sock_getname(sk, false, (void *)&in, &len), 0);
	cr_expect_eq(in.sin_port, htons(53));
	cr_expect_eq(sock_getname(sk, true, (void *)&in, &len), -ENOTCONN);
	cr_expect_eq(sock_connect(sk, &ip, 99, m->inst->now), 0);
	len = sizeof(in);
	cr_expect_eq(sock_getname(sk, true, (void *)&in, &len), 0);
	cr_expect_eq(in.sin_port, htons(99));
	len = (socklen_t)-1;
	cr_expect_eq(sock_getname(sk, true, (void *)&in, &len), -EINVAL);
	end(m, sk);
}

Test(sock_io, vectors_are_checked)
{
	static char byte;
	struct iovec iov[2] = { { &byte, SSIZE_MAX }, { &byte, 1 } };
	struct s7_msg msg;

	cr_expect_eq(sock_msg_init(&msg, iov, 1, 0), 0);
	cr_expect_eq(msg.len, 0x7ffff000);
	cr_expect_eq(sock_msg_init(&msg, iov, 2, 0), -EFAULT); /* as import_iovec */
	iov[0].iov_len = 1;
	iov[1].iov_len = (size_t)-1;
	cr_expect_eq(sock_msg_init(&msg, iov, 2, 0), -EINVAL);
	cr_expect_eq(sock_msg_init(&msg, iov, IOV_MAX + 1, 0), -EMSGSIZE);
	iov[0] = (struct iovec){ NULL, 1 };
	cr_expect_eq(sock_msg_init(&msg, iov, 1, 0), 0);
	iov[0] = (struct iovec){ (void *)-1ul, 1 };
	cr_expect_eq(sock_msg_init(&msg, iov, 1, 0), -EFAULT);
	iov[0] = (struct iovec){ NULL, 0 };
	cr_expect_eq(sock_msg_init(&msg, iov, 1, 0), 0);
}

static struct s7_msg received(void)
{
	return (struct s7_msg){ .name = { .valid = true, .iface = 0 },
				.local = mini_addr("127.0.0.1"),
				.ttl = 7,
				.tos = 8,
				.rx_time = 1500 * S7_US };
}

Test(sock_io, control_is_written_in_order)
{
	static const int types[] = { SO_TIMESTAMP, SO_RXQ_OVFL, IP_PKTINFO, IP_TTL, IP_TOS };
	union {
		char bytes[256];
		struct cmsghdr align;
	} buf;
	struct msghdr hdr = { .msg_control = buf.bytes, .msg_controllen = sizeof(buf) };
	struct mini *m = mini_new(0, true);
	struct s7_sock *sk = make(m, AF_INET, SOCK_DGRAM);
	struct s7_msg msg = received();
	struct cmsghdr *cmsg;
	size_t n = 0;

	sk->bits |= SKB_TIMESTAMP | SKB_RXQ_OVFL | SKB_PKTINFO | SKB_RECVTTL | SKB_RECVTOS;
	msg.drops = 5;
	sock_control_write(sk, &msg, &hdr, 0);
	for (cmsg = CMSG_FIRSTHDR(&hdr); cmsg; cmsg = CMSG_NXTHDR(&hdr, cmsg))
		cr_expect_eq(cmsg->cmsg_type, types[n++]);
	cr_expect_eq(n, S7_ARRAY_LEN(types));
	cr_expect_eq(hdr.msg_flags, 0);

	/* the second does not fit whole, the third not at all */
	hdr.msg_controllen = CMSG_SPACE(sizeof(struct timeval)) + CMSG_LEN(2);
	sock_control_write(sk, &msg, &hdr, MSG_CMSG_CLOEXEC);
	cmsg = CMSG_NXTHDR(&hdr, CMSG_FIRSTHDR(&hdr));
	cr_assert_not_null(cmsg);
	cr_expect_eq(cmsg->cmsg_len, CMSG_LEN(2));
	cr_expect_eq(hdr.msg_flags, MSG_CTRUNC | MSG_CMSG_CLOEXEC);
	end(m, sk);
}

Test(sock_io, control_of_a_send)
{
	union {
		char bytes[CMSG_SPACE(sizeof(struct in_pktinfo)) + CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} buf = { { 0 } };
	struct msghdr hdr = { .msg_control = &buf, .msg_controllen = sizeof(buf) };
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&hdr);
	struct in_pktinfo info = { .ipi_spec_dst.s_addr = htonl(0x7f000002) };
	struct mini *m = mini_new(0, true);
	struct s7_sock *sk = make(m, AF_INET, SOCK_DGRAM);
	struct s7_msg_ask ask = { 0 };
	struct s7_msg msg = { .ask = &ask };
	int ttl = 3;

	*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(info)), IPPROTO_IP, IP_PKTINFO };
	memcpy(CMSG_DATA(cmsg), &info, sizeof(info));
	cmsg = CMSG_NXTHDR(&hdr, cmsg);
	*cmsg = (struct cmsghdr){ CMSG_LEN(sizeof(ttl)), IPPROTO_IP, IP_TTL };
	memcpy(CMSG_DATA(cmsg), &ttl, sizeof(ttl));
	cr_expect_eq(sock_control_read(sk, &hdr, &msg), 0);
	cr_expect(ask.has == ASK_TTL && ask.ttl == 3 && msg.local.b[15] == 2);

	ttl = 256;
	memcpy(CMSG_DATA(cmsg), &ttl, sizeof(ttl));
	cr_expect_eq(sock_control_read(sk, &hdr, &msg), -EINVAL);
	cmsg->cmsg_type = IP_OPTIONS;
	cr_expect_eq(sock_control_read(sk, &hdr, &msg), -EINVAL);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cr_expect_eq(sock_control_read(sk, &hdr, &msg), 0);
	cmsg->cmsg_len = 1;
	cr_expect_eq(sock_control_read(sk, &hdr, &msg), -EINVAL);
	info.ipi_ifindex = 4711;
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&hdr)), &info, sizeof(info));
	cmsg->cmsg_len = CMSG_LEN(4);
	cr_expect_eq(sock_control_read(sk, &hdr, &msg), -ENODEV);
	end(m, sk);
}
