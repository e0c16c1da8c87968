/* SPDX-License-Identifier: BSD-3-Clause */
/* raw.h - what the cases about raw and ping sockets share (raw_say.c) */
#ifndef S7_TEST_DIFF_RAW_H
#define S7_TEST_DIFF_RAW_H

#include "test/diff/diff.h"

struct sockaddr_in6 raw_loop6(uint16_t port); /* ::1; host order */
/* The family's loopback address and this port (host order). */
int raw_bind(int fd, int domain, uint16_t port);
int raw_connect(int fd, int domain, uint16_t port);
ssize_t raw_sendto(int fd, int domain, const void *data, size_t len);
/* The internet checksum, as it stands in a header. */
uint16_t raw_sum(const void *data, size_t len);
/* Reads and says all that has come; an IPv4 header's numbers are said as whether they are right. */
void raw_say_all(const char *text, int fd);
/* Reads all that has come, and says how much that was. */
void raw_drain(int fd);
/* One recvmsg: payload's length, name, flags and every control message. */
void raw_say_control(const char *text, int fd, int flags);

#endif
