/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nl.h - one rtnetlink question and all of its answer
 *
 * Private to kern/ and its tests.
 */
#ifndef S7_KERN_NL_H
#define S7_KERN_NL_H

#include <libmnl/libmnl.h>

#include "kern/kern.h"

/*
 * The largest chunk kernels make of a dump; a longer message makes the buffer grow, up to the
 * limit.
 */
#define NL_BUF_BYTES 32768u
#define NL_BUF_BYTES_MAX (1u << 20)
#define NL_REQUEST_BYTES 256
#define NL_TRIES 5

struct nl {
	int fd;
	uint32_t seq;
	uint8_t *buf;
	size_t buf_bytes;
};

/* A request under construction; mnl_attr_put*() append to &req.head. */
union nl_request {
	struct nlmsghdr head;
	uint8_t bytes[NL_REQUEST_BYTES];
};

/* One message of the answer; non-zero ends the walk and is nl_ask()'s result. */
typedef int (*nl_each)(const struct nlmsghdr *msg, void *arg);

int nl_open(struct nl *ret_nl, size_t buf_bytes);
void nl_close(struct nl *nl);

/* Starts a request of `type` with a zeroed family header of `bytes`, which it returns. */
void *nl_begin(union nl_request *req, uint16_t type, uint16_t flags, size_t bytes);

/*
 * Sends it and walks the answer. 0, -errno of the kernel, or -EAGAIN: what was walked has holes
 * (the tables changed meanwhile, or a message did not fit and the buffer has grown): forget it and
 * ask again.
 */
int nl_ask(struct nl *nl, union nl_request *req, nl_each each, void *arg);

/* kern_view_get() on an open socket. -EAGAIN as above. */
int view_read(struct nl *nl, struct kern_view *ret_view);

/* Address attribute -> s7_ip. False if it is not an address of `family`. */
bool nl_ip(const struct nlattr *attr, uint8_t family, struct s7_ip *ret_ip);

#endif
