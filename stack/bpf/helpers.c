/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * helpers.c - what eBPF programs call, with the results that the kernel's helpers have
 *
 * The verifier has seen to it that pointers are good for as long as the program was told, and that
 * a map is of a kind that the helper takes. Values of an array that is mapped are the kernel's
 * memory; of any other map the host has copies (ebpf.h).
 * Context: of the run, instance lock.
 */
#include "stack/bpf/helpers.h"

#include <errno.h>

#include "stack/base/user.h"
#include "stack/bpf/area.h"
#include "stack/bpf/ebpf.h"
#include "stack/bpf/tail.h"
#include "stack/core/sk.h"

static const struct s7_bpf_host *host_of(const struct bpf_view *view)
{
	return view->inst->env->host->bpf;
}

static void *pointer(uint64_t reg)
{
	return (void *)(uintptr_t)reg;
}

/* ---- maps ---- */

static const struct ebpf_map *shape_of(const struct bpf_view *view, uint64_t slot)
{
	return &view->inst->filters->maps[slot].shape;
}

/* A value of an array that is mapped, NULL: there is none of that number. */
static void *direct_at(const struct bpf_view *view, uint64_t slot, uint64_t key)
{
	const struct ebpf_map *shape = shape_of(view, slot);
	uint32_t index;

	memcpy(&index, pointer(key), sizeof(index));
	if (index >= shape->entries)
		return NULL;
	return view->maps[slot].mem + (uint64_t)index * bpf_map_stride(shape);
}

BPF_HELPER(help_map_lookup)
{
	if (shape_of(view, a)->direct)
		return (uintptr_t)direct_at(view, a, b);
	view->copied = true;
	return (uintptr_t)host_of(view)->map_lookup(view->inst, (uint32_t)a, pointer(b));
}

BPF_HELPER(help_map_update)
{
	const struct ebpf_map *shape = shape_of(view, a);
	void *value;

	if (!shape->direct)
		return (uint64_t)host_of(view)->map_change(view->inst, (uint32_t)a, EBPF_UPDATE,
							   pointer(b), pointer(c), d);
	if (d > BPF_EXIST)
		return (uint64_t)-EINVAL;
	value = direct_at(view, a, b);
	if (!value)
		return (uint64_t)-E2BIG;
	if (d == BPF_NOEXIST)
		return (uint64_t)-EEXIST;
	memcpy(value, pointer(c), shape->value_bytes);
	return 0;
}

BPF_HELPER(help_map_delete)
{
	if (shape_of(view, a)->direct)
		return (uint64_t)-EINVAL;
	return (uint64_t)host_of(view)->map_change(view->inst, (uint32_t)a, EBPF_DELETE, pointer(b),
						   NULL, 0);
}

BPF_HELPER(help_map_push)
{
	return (uint64_t)host_of(view)->map_change(view->inst, (uint32_t)a, EBPF_PUSH, NULL,
						   pointer(b), c);
}

BPF_HELPER(help_map_pop)
{
	return (uint64_t)host_of(view)->map_change(view->inst, (uint32_t)a, EBPF_POP, NULL,
						   pointer(b), 0);
}

BPF_HELPER(help_map_peek)
{
	return (uint64_t)host_of(view)->map_change(view->inst, (uint32_t)a, EBPF_PEEK, NULL,
						   pointer(b), 0);
}

/* ---- time and place ---- */

BPF_HELPER(help_ktime)
{
	return host_of(view)->ask(EBPF_MONOTONIC);
}

BPF_HELPER(help_ktime_boot)
{
	return host_of(view)->ask(EBPF_BOOT);
}

BPF_HELPER(help_ktime_coarse)
{
	return host_of(view)->ask(EBPF_COARSE);
}

BPF_HELPER(help_numa_node)
{
	return host_of(view)->ask(EBPF_NUMA_NODE);
}

BPF_HELPER(help_prandom)
{
	return (uint32_t)(inst_random(view->inst) >> 32);
}

/* That polled the device. */
BPF_HELPER(help_cpu)
{
	return view->inst->rx_cpu < 0 ? 0 : (uint32_t)view->inst->rx_cpu;
}

/* ---- the packet and its socket ---- */

/* len bytes of the packet from offset, as bpf_load counts; false: some are not there. */
static bool packet_read(const struct bpf_view *view, int32_t offset, uint8_t *to, uint32_t len)
{
	if (offset >= 0 && (uint64_t)(uint32_t)offset + len <= view->head) {
		memcpy(to, view->data + offset, len);
		return true;
	}
	for (uint32_t i = 0; i < len; i++) {
		int64_t byte = bpf_load(view, offset + (int32_t)i, 1);

		if (byte < 0)
			return false;
		to[i] = (uint8_t)byte;
	}
	return true;
}

static uint64_t read_or_clear(const struct bpf_view *view, bool sane, int32_t offset, uint8_t *to,
			      uint32_t len)
{
	if (sane && packet_read(view, offset, to, len))
		return 0;
	memset(to, 0, len);
	return (uint64_t)-EFAULT;
}

BPF_HELPER(help_load_bytes)
{
	return read_or_clear(view, (uint32_t)b + (uint64_t)(uint32_t)d <= view->len, (int32_t)b,
			     pointer(c), (uint32_t)d);
}

BPF_HELPER(help_load_bytes_relative)
{
	int32_t from = e == BPF_HDR_START_NET ? SKF_NET_OFF : SKF_LL_OFF;

	return read_or_clear(view, (uint32_t)b <= 0xffff && e <= BPF_HDR_START_NET,
			     from + (int32_t)(uint16_t)b, pointer(c), (uint32_t)d);
}

BPF_HELPER(help_socket_cookie)
{
	return view->sk ? atomic_load(&view->sk->file.cookie) : 0;
}

#define UID_OVERFLOW 65534

BPF_HELPER(help_socket_uid)
{
	return view->sk ? view->sk->uid : UID_OVERFLOW;
}

BPF_HELPER(help_select_reuseport)
{
	struct s7_bind *named;
	uint32_t index;

	if (d)
		return (uint64_t)-EINVAL;
	memcpy(&index, pointer(c), sizeof(index));
	named = port_member_of_array(&view->inst->ports, &view->sk->bind, shape_of(view, b)->id,
				     index);
	if (!named)
		return (uint64_t)-ENOENT;
	view->selected = named;
	return 0;
}

/* ---- going on to another program ---- */

BPF_HELPER(help_tail)
{
	return tail_call(view, pointer(a), (uint32_t)b, (uint32_t)c, false);
}

BPF_HELPER(help_tail_inside)
{
	return tail_call(view, pointer(a), (uint32_t)b, (uint32_t)c, true);
}

/* ---- text ---- */

BPF_HELPER(help_strncmp)
{
	const char *left = pointer(a), *right = pointer(c);

	for (uint32_t i = 0; i < (uint32_t)b; i++) {
		if (left[i] != right[i])
			return (uint64_t)(int64_t)((uint8_t)left[i] - (uint8_t)right[i]);
		if (!left[i])
			break;
	}
	return 0;
}

#define PRINT_ROOM 256u
#define PRINT_MOST 50u /* lines a second */

struct print {
	char text[PRINT_ROOM];
	uint32_t n;
	uint64_t arg[3];
	uint32_t next;
};

static void print_char(struct print *p, char c)
{
	if (p->n + 1 < PRINT_ROOM)
		p->text[p->n++] = c;
}

static void print_number(struct print *p, uint64_t value, uint32_t base)
{
	char digits[24];
	uint32_t n = 0;

	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	while (n)
		print_char(p, digits[--n]);
}

static void print_string(struct print *p, uint64_t from)
{
	char c;

	for (uint32_t i = 0; i < PRINT_ROOM && user_get(&c, pointer(from + i), 1) && c; i++)
		print_char(p, c);
}

/* What follows a '%': the letter, after its width. Returns where to go on. */
static const char *print_arg(struct print *p, const char *at, const char *end)
{
	uint32_t longs = 0;
	uint64_t value = p->next < S7_ARRAY_LEN(p->arg) ? p->arg[p->next] : 0;

	for (; at < end && (*at == 'l' || (*at >= '0' && *at <= '9') || *at == '-'); at++)
		longs += *at == 'l';
	if (at == end)
		return at;
	p->next++;
	if (!longs && *at != 's' && *at != 'p')
		value = *at == 'd' || *at == 'i' ? (uint64_t)(int32_t)value : (uint32_t)value;
	switch (*at) {
	case 'd':
	case 'i':
		if ((int64_t)value < 0) {
			print_char(p, '-');
			value = 0 - value;
		}
		print_number(p, value, 10);
		break;
	case 'u':
		print_number(p, value, 10);
		break;
	case 's':
		print_string(p, value);
		break;
	case 'c':
		print_char(p, (char)value);
		break;
	case '%':
		p->next--;
		print_char(p, '%');
		break;
	default:
		print_number(p, value, 16);
	}
	return at + 1;
}

/* A program that prints for each packet does not fill the disk. */
static bool may_print(struct s7_inst *inst)
{
	struct s7_filter_area *area = inst->filters;

	if (inst->now - area->print_since > S7_SEC) {
		area->print_since = inst->now;
		area->printed = 0;
	}
	return area->printed++ < PRINT_MOST;
}

BPF_HELPER(help_printk)
{
	struct print p = { .arg = { c, d, e } };
	const char *at = pointer(a), *end = at + (uint32_t)b;

	while (at < end && *at) {
		if (*at == '%')
			at = print_arg(&p, at + 1, end);
		else if (*at != '\n')
			print_char(&p, *at++);
		else
			at++;
	}
	if (may_print(view->inst))
		inst_log(view->inst, LOG_INFO, "eBPF program: %s", p.text);
	return p.n;
}
