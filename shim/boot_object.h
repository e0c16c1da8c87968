/* SPDX-License-Identifier: BSD-3-Clause */
/* boot_object.h - firewalls from ELF objects (boot_object.c), for boot_filter.c */
#ifndef S7_SHIM_BOOT_OBJECT_H
#define S7_SHIM_BOOT_OBJECT_H

#include "stack/bpf/ebpf.h"

/*
 * Loads what the key says, FILE[:SECTION]. 0 with the program, to be given back by bpf_prog_put;
 * -errno with the reason.
 */
int boot_object_load(const char *text, const struct ebpf_prog **ret_prog, char *ret_why,
		     size_t len);

#endif
