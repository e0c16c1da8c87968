/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz.h - what the fuzz targets of the internet layer share
 *
 * One instance lives as long as the process: building one for each input would cost more than the
 * input. After each input the clock moves past every timer and the sockets are emptied, so that a
 * crash repeats from its own input.
 */
#ifndef S7_FUZZ_H
#define S7_FUZZ_H

#include "test/support/mini.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* With UDP sockets at ports 7 (any address, twice), 9 (connected to the peer) and 53 (our address),
 * broadcast allowed. Beside them raw sockets (ICMP, UDP) and ping sockets. */
struct mini *fuzz_instance(void);
/* The same over IPv6 (mini6.h), AF_INET6 sockets; TCP and UDP checksums are taken as right. */
struct mini *fuzz6_instance(void);

/* Ends an input: timers, queues; aborts when buffers leak. */
void fuzz_settle(struct mini *m);

/* A cursor over the input; beyond the end it gives zeros. */
struct fuzz_in {
	const uint8_t *p;
	size_t left;
};

uint32_t fuzz_byte(struct fuzz_in *in);
uint32_t fuzz_word(struct fuzz_in *in);
/* Up to `max` bytes into dst, as many as a length word and the input allow. Returns how many. */
uint32_t fuzz_blob(struct fuzz_in *in, uint8_t *dst, uint32_t max);

#endif
