/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * metrics.h - what a route says of the paths it leads to (RTA_METRICS of the kernel's)
 *
 * All zero: nothing, which is what most routes have.
 */
#ifndef S7_METRICS_H
#define S7_METRICS_H

#include "stack/base/base.h"

struct s7_metrics {
	uint32_t mtu;	     /* L3 bytes */
	uint32_t advmss;     /* the MSS that our SYNs announce */
	uint32_t window;     /* bounds the window, as TCP_WINDOW_CLAMP does */
	uint32_t init_cwnd;  /* segments */
	uint32_t rto_min_us;
	uint8_t hop_limit;   /* of sockets that chose none */
	uint8_t cc;	     /* congestion control: index + 1 */
	bool mtu_locked;     /* path MTUs that routers report are not believed, DF is not set */
	bool cc_locked;	     /* TCP_CONGESTION is refused */
	bool quickack;	     /* ACKs are not delayed */
};

#endif
