/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * port_check.c - what can be said about an interface before DPDK is asked
 *
 * Idea: DPDK's own errors are late and vague ("probe failed"). The usual mistakes are found here:
 * no such netdev, netdev down, missing privilege, a socket path that cannot be, somebody else's
 * listener on it, keys that a driver cannot obey. Checks are rows, run in order; the first that
 * fails writes the line.
 * Context: boot.
 * Callers: port.c.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <linux/if_packet.h>

#include "dpdk_port/internal.h"
#include "dpdk_port/port_check.h"
#include "stack/base/sys.h"

#define MTU_AF_PACKET \
	1966 /* frame slot 2048, the kernel's header 66, ethernet's 14, rounded down */
#define MTU_MIN 68

static const char *device_of(const struct conf_iface *iface)
{
	return iface->device[0] ? iface->device : iface->name;
}

/* A name that was measured before, into one of the kernel's fixed fields. */
static void name_copy(char *to, size_t room, const char *name)
{
	size_t len = strnlen(name, room - 1);

	memcpy(to, name, len);
	to[len] = 0;
}

static int netdev_ioctl(const char *name, unsigned long request, struct ifreq *ifr)
{
	long fd = s7_sys3(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	long ret;

	if (fd < 0)
		return (int)fd;
	memset(ifr, 0, sizeof(*ifr));
	name_copy(ifr->ifr_name, sizeof(ifr->ifr_name), name);
	ret = s7_sys3(SYS_ioctl, fd, request, ifr);
	s7_sys1(SYS_close, fd);
	return (int)ret;
}

static int check_queues(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	if (iface->queues <= PORT_QUEUES_MAX)
		return 0;
	snprintf(ret_why, why_len, "interface %s: queues = %u, allowed are 1 to %u", iface->name,
		 iface->queues, PORT_QUEUES_MAX);
	return -EINVAL;
}

int port_netdev_check(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	const char *name = device_of(iface);
	struct ifreq ifr;

	if (!port_driver(iface->driver)->on_netdev)
		return 0;
	if (strlen(name) >= IFNAMSIZ || netdev_ioctl(name, SIOCGIFFLAGS, &ifr)) {
		snprintf(ret_why, why_len,
			 "interface %s: there is no network device %s here (ip link)", iface->name,
			 name);
		return -ENODEV;
	}
	if (!(ifr.ifr_flags & IFF_UP)) {
		snprintf(ret_why, why_len, "interface %s: %s is down: ip link set %s up",
			 iface->name, name, name);
		return -ENETDOWN;
	}
	if (iface->has_mac) {
		snprintf(ret_why, why_len,
			 "interface %s: mac cannot be set with driver %s: ip link set %s address "
			 "...",
			 iface->name, conf_driver_name(iface->driver), name);
		return -EINVAL;
	}
	return 0;
}

static int check_privilege(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	long fd;

	if (!port_driver(iface->driver)->on_netdev)
		return 0;
	/* Asks for the same capability; a packet socket would be slow to close. */
	fd = s7_sys3(SYS_socket, AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	if (fd < 0) {
		snprintf(ret_why, why_len,
			 "interface %s: no privilege for packet sockets: run as root or with "
			 "CAP_NET_RAW",
			 iface->name);
		return (int)fd;
	}
	s7_sys1(SYS_close, fd);
	return 0;
}

static int check_path(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	const char *path = device_of(iface);
	bool abstract = path[0] == '@' && iface->driver == CONF_DRV_MEMIF;

	if (!port_driver(iface->driver)->has_socket)
		return 0;
	if ((path[0] != '/' && !abstract) ||
	    strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path)) {
		snprintf(ret_why, why_len,
			 "interface %s: device = %s, wanted is the absolute path of a socket (< "
			 "108 bytes)",
			 iface->name, path);
		return -EINVAL;
	}
	return 0;
}

/* 1 somebody listens, 0 nobody (a stale file, or none). */
static int socket_listens(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	long fd = s7_sys3(SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	long err;

	if (fd < 0)
		return 0;
	name_copy(addr.sun_path, sizeof(addr.sun_path), path);
	err = s7_sys3(SYS_connect, fd, &addr, sizeof(addr));
	if (err == -EPROTOTYPE || err == -EAGAIN)
		err = 0; /* another type, or a full backlog: alive */
	s7_sys1(SYS_close, fd);
	return err == 0;
}

/* Servers find their own file of last time in the way. */
static int check_stale(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	const char *path = device_of(iface);
	size_t len;

	if (!(iface->driver == CONF_DRV_VHOST && !devargs_find(iface->devargs, "client", &len)) &&
	    !memif_is_server(iface))
		return 0;
	if (path[0] != '/')
		return 0;
	if (socket_listens(path)) {
		snprintf(ret_why, why_len, "interface %s: another process listens on %s",
			 iface->name, path);
		return -EADDRINUSE;
	}
	s7_sys1(SYS_unlink, path);
	return 0;
}

/* Zero-copy memif shares the pool's memory page by page, which plain pages are too many for. */
static int check_hugepages(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	if (!memif_is_zero_copy(iface) || eal_has_hugepages())
		return 0;
	snprintf(ret_why, why_len,
		 "interface %s: zero-copy=yes needs hugepages and DPDK was started without",
		 iface->name);
	return -ENOMEM;
}

/* Longer frames do not fit the ring of DPDK's driver; our own has another way for them. */
static bool has_slots(const struct conf_iface *iface)
{
	return iface->driver == CONF_DRV_AF_PACKET && !packet_is_ours(iface);
}

static int check_mtu(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	uint32_t most = has_slots(iface) ? MTU_AF_PACKET : UINT16_MAX;

	if (!iface->mtu || (iface->mtu >= MTU_MIN && iface->mtu <= most))
		return 0;
	snprintf(ret_why, why_len, "interface %s: mtu = %u, allowed with driver %s are %u to %u",
		 iface->name, iface->mtu, conf_driver_name(iface->driver), MTU_MIN, most);
	return -EINVAL;
}

static int check_library(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	return iface->driver == CONF_DRV_AF_XDP ? lazy_open(ret_why, why_len) : 0;
}

int port_check(const struct conf_iface *iface, char *ret_why, size_t why_len)
{
	static int (*const checks[])(const struct conf_iface *, char *, size_t) = {
		check_queues, port_netdev_check, check_privilege, check_path,
		check_stale,  check_hugepages, check_mtu,	check_library,
	};
	uint32_t i;
	int err = 0;

	for (i = 0; i < S7_ARRAY_LEN(checks) && !err; i++)
		err = checks[i](iface, ret_why, why_len);
	return err;
}

bool memif_is_zero_copy(const struct conf_iface *iface)
{
	const char *value;
	size_t len;

	value = iface->driver == CONF_DRV_MEMIF ? devargs_find(iface->devargs, "zero-copy", &len)
						: NULL;
	return value && len == 3 && !strncmp(value, "yes", 3);
}

bool memif_is_server(const struct conf_iface *iface)
{
	const char *role;
	size_t len;

	if (iface->driver != CONF_DRV_MEMIF)
		return false;
	role = devargs_find(iface->devargs, "role", &len);
	return role &&
		((len == 6 && !strncmp(role, "server", 6)) ||
		 (len == 6 && !strncmp(role, "master", 6)));
}

uint32_t mtu_of_port(const struct conf_iface *iface, uint32_t of_device)
{
	struct ifreq ifr;

	if (iface->mtu)
		return iface->mtu;
	if (port_driver(iface->driver)->on_netdev &&
	    !netdev_ioctl(device_of(iface), SIOCGIFMTU, &ifr))
		of_device = (uint32_t)ifr.ifr_mtu;
	return has_slots(iface) ? (uint32_t)s7_min(of_device, MTU_AF_PACKET) : of_device;
}
