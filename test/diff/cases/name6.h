/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * name6.h - names of either family, written as text
 *
 * Shared by names6.c and dual6.c.
 */
#ifndef S7_TEST_DIFF_NAME6_H
#define S7_TEST_DIFF_NAME6_H

#include <arpa/inet.h>

#include "test/diff/diff.h"

union name {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	char room[128];
};

/* "v4 TEXT" is a sockaddr_in, anything else an IPv6 address with an optional %SCOPE number. */
static inline socklen_t make_name(const char *text, uint16_t port, union name *ret)
{
	char addr[64];
	char *scope;

	memset(ret, 0, sizeof(*ret));
	if (!strncmp(text, "v4 ", 3)) {
		ret->in.sin_family = AF_INET;
		ret->in.sin_port = htons(port);
		inet_pton(AF_INET, text + 3, &ret->in.sin_addr);
		return sizeof(ret->in);
	}
	snprintf(addr, sizeof(addr), "%s", text);
	scope = strchr(addr, '%');
	if (scope)
		*scope++ = 0;
	ret->in6.sin6_family = AF_INET6;
	ret->in6.sin6_port = htons(port);
	ret->in6.sin6_scope_id = scope ? (uint32_t)atoi(scope) : 0;
	inet_pton(AF_INET6, addr, &ret->in6.sin6_addr);
	return sizeof(ret->in6);
}

static inline int sock6(int type)
{
	return socket(AF_INET6, type, 0);
}

static inline const char *tried(int ret)
{
	return ret < 0 ? err_name(errno) : "ok";
}

#endif
