/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check_steps.c - what sock7 check looks at
 *
 * Drivers are rows: what each needs of the machine. The silencer is tried on the interface itself:
 * with an empty map it drops nothing, and it is taken off again at once.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/un.h>
#include <unistd.h>

#include "kern/kern.h"
#include "tools/check.h"

#define CAP_BIT_NET_ADMIN 12
#define CAP_BIT_NET_RAW 13
#define CAP_BIT_BPF 39

enum need {
	NEED_NETDEV = 1 << 0, /* device is a kernel netdev, up */
	NEED_CAPS = 1 << 1,
	NEED_HUGE = 1 << 2,
	NEED_SOCKET = 1 << 3, /* device is a UNIX socket that the other side makes */
	NEED_PCI = 1 << 4,
};

static const uint32_t driver_needs[CONF_DRV_COUNT] = {
	[CONF_DRV_AF_PACKET] = NEED_NETDEV | NEED_CAPS,
	[CONF_DRV_AF_XDP] = NEED_NETDEV | NEED_CAPS,
	[CONF_DRV_VIRTIO_USER] = NEED_SOCKET,
	[CONF_DRV_TAP] = NEED_CAPS,
	[CONF_DRV_PCI] = NEED_PCI | NEED_HUGE,
};

static void check_config(struct check *check)
{
	char why[256] = "";
	int found = conf_from_env(&check->conf, why, sizeof(why));

	check->configured = found > 0;
	if (found > 0)
		check_ok(check, "configuration: %u interface(s), loopback on the %s",
			 check->conf.iface_count,
			 check->conf.loopback == CONF_LOOPBACK_STACK ? "stack" : "kernel");
	else if (found == 0)
		check_not_ok(
			check,
			"configuration: none; name an interface (-i IFACE), write /etc/sock7.conf "
			"or set SOCK7_CONF");
	else
		check_not_ok(check, "configuration: %s", why);
}

static uint64_t effective_caps(void)
{
	unsigned long long caps = 0;
	char line[128];
	FILE *file = fopen("/proc/self/status", "r");

	while (file && fgets(line, sizeof(line), file))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (file)
		fclose(file);
	return caps;
}

static void check_caps(struct check *check)
{
	static const struct {
		int bit;
		const char *name, *what;
	} caps[] = {
		{ CAP_BIT_NET_RAW, "CAP_NET_RAW", "packet sockets of af_packet and af_xdp" },
		{ CAP_BIT_NET_ADMIN, "CAP_NET_ADMIN",
		  "attaching the program that silences the kernel" },
		{ CAP_BIT_BPF, "CAP_BPF", "loading that program" },
	};
	uint64_t have = effective_caps();
	size_t i;

	for (i = 0; i < S7_ARRAY_LEN(caps); i++) {
		if (have >> caps[i].bit & 1)
			check_ok(check, "privilege: %s", caps[i].name);
		else
			check_not_ok(
				check,
				"privilege: %s is missing (%s): run as root, or give the program "
				"the capability (setcap does not go with LD_PRELOAD; use ambient "
				"capabilities, e.g. AmbientCapabilities= of systemd)",
				caps[i].name, caps[i].what);
	}
}

static unsigned long read_number(const char *path)
{
	unsigned long value = 0;
	FILE *file = fopen(path, "r");

	if (file && fscanf(file, "%lu", &value) != 1)
		value = 0;
	if (file)
		fclose(file);
	return value;
}

static bool wants_huge(const struct check *check)
{
	uint32_t i;

	if (check->conf.hugepages == CONF_HUGEPAGES_YES)
		return true;
	for (i = 0; i < check->conf.iface_count; i++)
		if (driver_needs[check->conf.iface[i].driver] & NEED_HUGE)
			return true;
	return false;
}

static void check_huge(struct check *check)
{
	unsigned long freed =
		read_number("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
	unsigned long want = (unsigned long)(check->conf.memory >> 21);

	if (!check->configured || check->conf.hugepages == CONF_HUGEPAGES_NO)
		return;
	if (!wants_huge(check))
		check_ok(check, "hugepages: not used by these drivers");
	else if (freed >= want)
		check_ok(check, "hugepages: %lu of 2 MB free, %lu wanted", freed, want);
	else if (check->conf.hugepages == CONF_HUGEPAGES_YES)
		check_not_ok(check,
			     "hugepages: %lu of 2 MB free, %lu wanted: echo %lu > "
			     "/proc/sys/vm/nr_hugepages",
			     freed, want, want);
	else
		check_ok(check,
			 "hugepages: %lu of 2 MB free, fewer than %lu: ordinary pages will do "
			 "(up to a fifth slower with large packets)",
			 freed, want);
}

static void check_memory(struct check *check)
{
	struct sysinfo info;
	uint64_t have;

	if (!check->configured || sysinfo(&info))
		return;
	have = ((uint64_t)info.freeram + info.bufferram) * info.mem_unit;
	if (have > check->conf.memory)
		check_ok(check, "memory: %llu MB wanted",
			 (unsigned long long)check->conf.memory >> 20);
	else
		check_not_ok(check, "memory: %llu MB wanted, %llu MB free: lower `memory`",
			     (unsigned long long)check->conf.memory >> 20,
			     (unsigned long long)have >> 20);
}

static const char *device_of(const struct conf_iface *iface)
{
	return iface->device[0] ? iface->device : iface->name;
}

static void check_netdev(struct check *check, const struct conf_iface *iface)
{
	const char *device = device_of(iface);
	struct kern_silencer silencer;
	struct kern_link link;
	char why[256] = "";

	if (kern_link_get(device, &link)) {
		check_not_ok(check,
			     "interface %s: there is no netdev %s in this network namespace: see "
			     "`ip link`",
			     iface->name, device);
		return;
	}
	if (link.up)
		check_ok(check, "interface %s: netdev %s is up, MTU %u", iface->name, device,
			 link.mtu);
	else
		check_not_ok(check, "interface %s: netdev %s is down: ip link set %s up",
			     iface->name, device, device);
	if (silencer_open(link.ifindex, &silencer, why, sizeof(why))) {
		check_not_ok(check, "interface %s: the kernel cannot be kept silent: %s",
			     iface->name, why);
		return;
	}
	check_ok(check, "interface %s: the kernel can be kept silent (%s)", iface->name,
		 silencer.clsact ? "clsact; this kernel has no TCX" : "TCX");
	silencer_close(&silencer);
}

static void check_addresses(struct check *check, const struct conf_iface *iface)
{
	static struct kern_view view;
	struct kern_link link;
	uint32_t i, v4 = 0, v6 = 0;

	if (iface->address_count || kern_link_get(device_of(iface), &link) || kern_view_get(&view))
		return;
	for (i = 0; i < view.addr_count; i++) {
		if (view.addr[i].ifindex != link.ifindex)
			continue;
		v4 += ip_is_v4(&view.addr[i].ip);
		v6 += !ip_is_v4(&view.addr[i].ip);
	}
	if (v4 || v6)
		check_ok(check,
			 "interface %s: %u IPv4 and %u IPv6 address(es) of the kernel to adopt",
			 iface->name, v4, v6);
	else
		check_not_ok(check,
			     "interface %s: the kernel has no address there (of IPv6 none whose "
			     "duplicate detection is over) and the configuration none: ip addr "
			     "add ..., or an address line",
			     iface->name);
}

static void check_socket(struct check *check, const struct conf_iface *iface)
{
	struct stat st;

	if (!stat(iface->device, &st) && S_ISSOCK(st.st_mode))
		check_ok(check, "interface %s: socket %s", iface->name, iface->device);
	else
		check_not_ok(check, "interface %s: no socket %s: start the other side first",
			     iface->name, iface->device);
}

static void check_pci(struct check *check, const struct conf_iface *iface)
{
	char path[320], driver[256] = "";
	const char *name;
	ssize_t len;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/driver", iface->device);
	len = readlink(path, driver, sizeof(driver) - 1);
	name = len > 0 ? strrchr(driver, '/') : NULL;
	if (name && (!strcmp(name, "/vfio-pci") || !strcmp(name, "/uio_pci_generic") ||
		     !strcmp(name, "/igb_uio")))
		check_ok(check, "interface %s: PCI device %s is bound to %s", iface->name,
			 iface->device, name + 1);
	else
		check_not_ok(check,
			     "interface %s: PCI device %s is bound to %s: dpdk-devbind.py -b "
			     "vfio-pci %s",
			     iface->name, iface->device, name ? name + 1 : "nothing",
			     iface->device);
}

static void check_ifaces(struct check *check)
{
	uint32_t i, needs;

	for (i = 0; i < check->conf.iface_count && check->configured; i++) {
		const struct conf_iface *iface = &check->conf.iface[i];

		needs = driver_needs[iface->driver];
		check_ok(check, "interface %s: driver %s", iface->name,
			 conf_driver_name(iface->driver));
		if (needs & NEED_NETDEV) {
			check_netdev(check, iface);
			check_addresses(check, iface);
		}
		if (needs & NEED_SOCKET)
			check_socket(check, iface);
		if (needs & NEED_PCI)
			check_pci(check, iface);
	}
}

void (*const check_steps[])(struct check *check) = {
	check_config, check_caps, check_memory, check_huge, check_ifaces,
};
const unsigned int check_step_count = S7_ARRAY_LEN(check_steps);
