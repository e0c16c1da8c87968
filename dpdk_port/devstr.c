/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * devstr.c - what each driver's device string is
 *
 * Idea: a row per driver, with a function that writes the key=value list which made it carry
 * frames; `devargs` of the configuration is merged in key by key, so that a user replaces exactly
 * what he names.
 * Context: boot.
 * Callers: eal.c, port.c.
 */
#include <errno.h>
#include <stdio.h>

#include "dpdk_port/internal.h"

#define FRAME_BYTES 2048  /* af_packet: with the kernel's header in front, 1982 of a frame fit */
#define BLOCK_BYTES 65536
#define AF_PACKET_FRAMES 2048 /* each way; the kernel zeroes them at open, 2 ms a MB */
#define RING_DEFAULT 1024

static const char *device_of(const struct conf_iface *iface)
{
	return iface->device[0] ? iface->device : iface->name;
}

static uint32_t log2_at_least(uint32_t n)
{
	uint32_t bits = 0;

	while ((1u << bits) < n)
		bits++;
	return bits;
}

static uint32_t ring_of(uint32_t asked, uint32_t max)
{
	return 1u << log2_at_least((uint32_t)s7_min(asked ? asked : RING_DEFAULT, max));
}

static int args_af_packet(const struct conf_iface *iface, char *ret_args, size_t len)
{
	uint32_t per_block = BLOCK_BYTES / FRAME_BYTES;
	uint32_t frames = (uint32_t)s7_round_up(iface->rx_ring ? iface->rx_ring : AF_PACKET_FRAMES,
						per_block);

	return snprintf(ret_args, len,
			"iface=%s,qpairs=%u,blocksz=%u,framesz=%u,framecnt=%u,qdisc_bypass=1",
			device_of(iface), iface->queues, BLOCK_BYTES, FRAME_BYTES, frames);
}

static int args_af_xdp(const struct conf_iface *iface, char *ret_args, size_t len)
{
	return snprintf(ret_args, len, "iface=%s,start_queue=0,queue_count=%u,busy_budget=0",
			device_of(iface), iface->queues);
}

/* A path beginning with @ is an abstract socket. */
static int args_memif(const struct conf_iface *iface, char *ret_args, size_t len)
{
	const char *path = device_of(iface);
	bool abstract = path[0] == '@';

	return snprintf(ret_args, len,
			"role=client,socket=%s,socket-abstract=%s,bsize=2048,rsize=%u",
			path + abstract, abstract ? "yes" : "no",
			log2_at_least(ring_of(iface->rx_ring, 16384)));
}

static int args_virtio_user(const struct conf_iface *iface, char *ret_args, size_t len)
{
	const uint8_t *mac = iface->mac;
	int at = snprintf(ret_args, len, "path=%s,queues=%u,queue_size=%u,packed_vq=1,in_order=1",
			  device_of(iface), iface->queues, ring_of(iface->rx_ring, 32768));

	if (iface->has_mac && at > 0 && (size_t)at < len)
		at += snprintf(ret_args + at, len - (size_t)at,
			       ",mac=%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3],
			       mac[4], mac[5]);
	return at;
}

static int args_vhost(const struct conf_iface *iface, char *ret_args, size_t len)
{
	return snprintf(ret_args, len, "iface=%s,queues=%u,tso=%u", device_of(iface), iface->queues,
			iface->tso != CONF_TSO_OFF);
}

static int args_tap(const struct conf_iface *iface, char *ret_args, size_t len)
{
	return snprintf(ret_args, len, "iface=%s", device_of(iface));
}

static int args_none(const struct conf_iface *iface, char *ret_args, size_t len)
{
	(void)iface;
	(void)len;
	ret_args[0] = 0;
	return 0;
}

static const struct port_driver drivers[] = {
	[CONF_DRV_AF_PACKET] = { .pmd = "net_af_packet",
				 .on_netdev = true,
				 .kernel_sees = true,
				 .args = args_af_packet },
	[CONF_DRV_AF_XDP] = { .pmd = "net_af_xdp", .on_netdev = true, .args = args_af_xdp },
	[CONF_DRV_MEMIF] = { .pmd = "net_memif", .has_socket = true, .args = args_memif },
	[CONF_DRV_VIRTIO_USER] = { .pmd = "virtio_user",
				   .has_socket = true,
				   .wants_intr = true,
				   .args = args_virtio_user },
	[CONF_DRV_VHOST] = { .pmd = "net_vhost",
			     .has_socket = true,
			     .wants_intr = true,
			     .args = args_vhost },
	[CONF_DRV_TAP] = { .pmd = "net_tap", .wants_intr = true, .args = args_tap },
	[CONF_DRV_RING] = { .pmd = "net_ring", .args = args_none },
	[CONF_DRV_NULL] = { .pmd = "net_null", .args = args_none },
	[CONF_DRV_PCI] = { .wants_intr = true, .args = args_none },
};

static_assert(S7_ARRAY_LEN(drivers) == CONF_DRV_COUNT, "a row per driver");

const struct port_driver *port_driver(enum conf_driver driver)
{
	return &drivers[driver];
}

const char *devargs_find(const char *list, const char *key, size_t *ret_len)
{
	size_t key_len = strlen(key);
	const char *at, *end;

	for (at = list; *at; at = *end ? end + 1 : end) {
		end = at + strcspn(at, ",");
		if ((size_t)(end - at) > key_len && at[key_len] == '=' &&
		    !strncmp(at, key, key_len)) {
			*ret_len = (size_t)(end - at) - key_len - 1;
			return at + key_len + 1;
		}
	}
	return NULL;
}

/* Appends one key=value to the list. */
static int list_append(char *list, size_t len, const char *item, size_t item_len)
{
	size_t at = strlen(list);

	if (at + item_len + 2 > len)
		return -ENAMETOOLONG;
	if (at)
		list[at++] = ',';
	memcpy(list + at, item, item_len);
	list[at + item_len] = 0;
	return 0;
}

int port_devargs(const struct conf_iface *iface, char *ret_args, size_t len)
{
	char own[PORT_ARGS_MAX], key[64];
	const char *at, *end;
	size_t value_len, key_len;
	int err = 0, wrote;

	wrote = drivers[iface->driver].args(iface, own, sizeof(own));
	if (wrote < 0 || (size_t)wrote >= sizeof(own))
		return -ENAMETOOLONG;
	ret_args[0] = 0;
	for (at = own; *at && !err; at = *end ? end + 1 : end) {
		end = at + strcspn(at, ",");
		key_len = strcspn(at, "=");
		if (key_len >= sizeof(key))
			return -ENAMETOOLONG;
		memcpy(key, at, key_len);
		key[key_len] = 0;
		if (!devargs_find(iface->devargs, key, &value_len))
			err = list_append(ret_args, len, at, (size_t)(end - at));
	}
	if (!err && iface->devargs[0])
		err = list_append(ret_args, len, iface->devargs, strlen(iface->devargs));
	return err;
}
