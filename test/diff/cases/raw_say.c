// SPDX-License-Identifier: BSD-3-Clause
/* raw_say.c - sending to loopback and saying what came, for the cases about raw and ping sockets */
#include "test/diff/raw.h"

#include <arpa/inet.h>
#include <netinet/ip.h>

struct sockaddr_in6 raw_loop6(uint16_t port)
{
	return (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_port = htons(port),
				      .sin6_addr = IN6ADDR_LOOPBACK_INIT };
}

static socklen_t loop_of(int domain, uint16_t port, struct sockaddr_storage *at)
{
	struct sockaddr_in in = loop_addr(port);
	struct sockaddr_in6 in6 = raw_loop6(port);

	memcpy(at, domain == AF_INET ? (void *)&in : (void *)&in6,
	       domain == AF_INET ? sizeof(in) : sizeof(in6));
	return domain == AF_INET ? sizeof(in) : sizeof(in6);
}

int raw_bind(int fd, int domain, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = loop_of(domain, port, &at);

	return bind(fd, (struct sockaddr *)&at, len);
}

int raw_connect(int fd, int domain, uint16_t port)
{
	struct sockaddr_storage at;
	socklen_t len = loop_of(domain, port, &at);

	return connect(fd, (struct sockaddr *)&at, len);
}

ssize_t raw_sendto(int fd, int domain, const void *data, size_t len)
{
	struct sockaddr_storage at;
	socklen_t alen = loop_of(domain, 0, &at);

	return sendto(fd, data, len, 0, (struct sockaddr *)&at, alen);
}

uint16_t raw_sum(const void *data, size_t len)
{
	const unsigned char *at = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += at[i] << 8 | (i + 1 < len ? at[i + 1] : 0);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons((uint16_t)~sum);
}

static int domain_of(int fd)
{
	return get_int(fd, SOL_SOCKET, SO_DOMAIN);
}

static void say_packet(const char *text, unsigned char *p, ssize_t len, int fd)
{
	struct iphdr ip;

	if (get_int(fd, SOL_SOCKET, SO_TYPE) == SOCK_RAW && domain_of(fd) == AF_INET && len >= 20) {
		memcpy(&ip, p, sizeof(ip));
		say("%s: ihl %d tos %d len %d id %s off %x ttl %d proto %d sum %s", text, ip.ihl,
		    ip.tos, ntohs(ip.tot_len), !ip.id ? "0" : ntohs(ip.id) == 77 ? "77" : "some",
		    ntohs(ip.frag_off), ip.ttl, ip.protocol,
		    raw_sum(p, ip.ihl * 4u) ? "wrong" : "right");
		memset(p + 4, 0, 2);
		memset(p + 10, 0, 2);
	}
	say_bytes(text, p, len);
}

void raw_say_all(const char *text, int fd)
{
	unsigned char data[4096];
	struct sockaddr_storage from;
	socklen_t alen = sizeof(from);
	ssize_t len;

	settle();
	while ((len = recvfrom(fd, data, sizeof(data), MSG_DONTWAIT, (struct sockaddr *)&from,
			       &alen)) >= 0) {
		say_packet(text, data, len, fd);
		say_addr("from", &from, alen);
		alen = sizeof(from);
	}
	say("%s: %s", text, err_name(errno));
}

void raw_drain(int fd)
{
	unsigned char data[4096];
	int count = 0;

	while (recv(fd, data, sizeof(data), MSG_DONTWAIT) >= 0)
		count++;
	say("%d read, then %s", count, err_name(errno));
}

void raw_say_control(const char *text, int fd, int flags)
{
	char data[512], control[512], label[64];
	struct sockaddr_storage from;
	struct iovec iov = { data, sizeof(data) };
	struct msghdr hdr = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &from,
			      .msg_namelen = sizeof(from), .msg_control = control,
			      .msg_controllen = sizeof(control) };
	ssize_t len = recvmsg(fd, &hdr, flags | MSG_DONTWAIT);

	say_result(text, len);
	if (len < 0)
		return;
	say("flags %x", hdr.msg_flags);
	say_addr("name", &from, hdr.msg_namelen);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&hdr); c; c = CMSG_NXTHDR(&hdr, c)) {
		snprintf(label, sizeof(label), "level %d type %d", c->cmsg_level, c->cmsg_type);
		say_bytes(label, CMSG_DATA(c), (long)(c->cmsg_len - CMSG_LEN(0)));
	}
}
