/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_check.h - what can be said about an interface before DPDK is asked
 */
#ifndef S7_PORT_CHECK_H
#define S7_PORT_CHECK_H

#include "conf/conf.h"

/* 0, or -errno with one line that says what to do. Removes a socket file that nobody listens on. */
int port_check(const struct conf_iface *iface, char *ret_why, size_t why_len);

bool memif_is_server(const struct conf_iface *iface);
bool memif_is_zero_copy(const struct conf_iface *iface);

/*
 * What the stack may send: the configuration's MTU, else the kernel's or the device's, within what
 * a buffer holds.
 */
uint32_t mtu_of_port(const struct conf_iface *iface, uint32_t of_device);

#endif
