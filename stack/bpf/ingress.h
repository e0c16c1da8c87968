/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * ingress.h - the firewall of an interface: a program that each received frame must pass
 *
 * Context: instance lock. Callers: boot of the host; drive.c, a burst at a time.
 */
#ifndef S7_BPF_INGRESS_H
#define S7_BPF_INGRESS_H

#include "stack/bpf/bpf.h"
#include "stack/core/inst.h"

struct ebpf_prog;

/*
 * The interface's program, of classic instructions, in place of what it had; len 0: none. Owned by
 * the instance, so every process of the family runs it. 0, -EINVAL, -ENOMEM.
 */
int ingress_set(struct s7_inst *inst, struct s7_iface *iface, const struct sock_filter *insns,
		uint32_t len);

/* The same with an eBPF program of type SOCKET_FILTER. */
int ingress_set_ebpf(struct s7_inst *inst, struct s7_iface *iface, const struct ebpf_prog *prog);

/*
 * Drops and counts what the interface's program returns 0 for. Returns how many are left, at the
 * front of pkts and in their order. The interface has a program.
 */
uint32_t ingress_run(struct s7_inst *inst, struct s7_iface *iface, struct s7_pkt **pkts,
		     uint32_t count);

#endif
