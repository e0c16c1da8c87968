/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * flow6.c - what the kernel alone knows of IPv6 flow labels and routing headers
 *
 * Labels are leased within a network namespace (IPV6_FLOWLABEL_MGR): who has one for himself keeps
 * all others from using it. The kernel is asked with a socket that is thrown away, whenever a
 * program names a label that its socket did not lease: connecting a datagram socket with it sends
 * nothing and is refused in just that case. Whether routing headers of type 2 may be sent depends
 * on how the kernel was built. Context: any thread, no lock. Called through s7_host_ops.
 */
#include "shim/internal.h"
#include "stack/base/sys.h"

#define DISCARD_PORT 9
#define IPV6_FLOWINFO_SEND 33 /* linux/in6.h */

static long fresh_socket(void)
{
	return s7_sys3(SYS_socket, AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

bool flow6_label_free(uint32_t label)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(DISCARD_PORT),
				   .sin6_flowinfo = label, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	long fd = fresh_socket(), err;
	static const int one = 1;

	if (fd < 0)
		return true; /* nobody to ask */
	err = s7_sys6(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_FLOWINFO_SEND, (long)&one,
		      sizeof(one), 0);
	if (!err)
		err = s7_sys3(SYS_connect, fd, &to, sizeof(to));
	s7_sys1(SYS_close, fd);
	return err != -EINVAL;
}

bool flow6_routing2(void)
{
	static const uint8_t header[24] = { 0, 2, 2, 1, [23] = 1 };
	long fd = fresh_socket(), err;

	if (fd < 0)
		return false;
	err = s7_sys6(SYS_setsockopt, fd, IPPROTO_IPV6, IPV6_RTHDR, (long)header, sizeof(header),
		      0);
	s7_sys1(SYS_close, fd);
	return !err;
}
