/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * common.h - what rr and bulk share: arguments, addresses, clocks
 */
#ifndef PINGPONG_COMMON_H
#define PINGPONG_COMMON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* Prints what failed with errno's text and ends the program with status 1. */
void die(const char *what) __attribute__((noreturn));

/* A numeric IPv4 or IPv6 address and a port; ends the program when it is neither. */
socklen_t parse_address(const char *text, const char *port, struct sockaddr_storage *ret_addr);

/* A decimal number within [min, max]; ends the program when it is not one. */
long parse_number(const char *text, long min, long max, const char *name);

/* Ends the program when an argument from `from` on is not in the list (NULL at its end). */
void only_flags(int argc, char **argv, int from, const char *const *known, const char *usage);

/* A socket that is bound with SO_REUSEADDR (and listens, when it is a stream). */
int open_server(int type, const struct sockaddr_storage *addr, socklen_t len);

/* A connected socket; a refused TCP connection is tried again for 10 s. */
int open_client(int type, const struct sockaddr_storage *addr, socklen_t len);

void set_nonblocking(int fd);
void set_nodelay(int fd);

/* CLOCK_MONOTONIC */
uint64_t now_ns(void);
/* User and system time of this process. */
double cpu_seconds(void);

#endif
