/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * addrinfo.c - getaddrinfo's AI_ADDRCONFIG beside interfaces that the kernel does not know
 *
 * Idea: with AI_ADDRCONFIG libc looks up only the families of which the host has an address, and
 * asks the kernel which those are. An interface that is sock7's alone is not in its answer, so a
 * family that only such an interface has would be hidden. The wrapper finds out what the union of
 * both has, takes the flag away and says the family by ai_family, which is what the flag means in
 * libc: one family is all that is looked up, a family asked for that nobody has is EAI_NONAME, and
 * with no address at all the flag means nothing. Where the configuration adds no family to the
 * kernel's, libc is left alone.
 * Context: any thread, no lock held; getifaddrs costs what libc's own question costs.
 * Defines: getaddrinfo.
 */
#include <ifaddrs.h>
#include <netdb.h>

#include "conf/conf.h"
#include "shim/internal.h"

enum families { HAS_V4 = 1, HAS_V6 = 2, HAS_BOTH = HAS_V4 | HAS_V6 };

/* Of the addresses that the configuration gives to interfaces. */
static int own_families(void)
{
	const struct conf *conf = boot_config();
	int has = 0;

	for (uint32_t i = 0; i < conf->iface_count; i++)
		for (uint32_t a = 0; a < conf->iface[i].address_count; a++) {
			struct s7_ip ip;

			memcpy(ip.b, conf->iface[i].address[a].ip, sizeof(ip.b));
			has |= ip_is_v4(&ip) ? HAS_V4 : HAS_V6;
		}
	return has;
}

/* As libc counts them: all but loopback's. */
static int kernel_families(void)
{
	struct ifaddrs *all, *at;
	struct s7_ip ip;
	int has = 0;

	if (real.getifaddrs(&all))
		return HAS_BOTH;
	for (at = all; at; at = at->ifa_next) {
		if (!at->ifa_addr)
			continue;
		if (at->ifa_addr->sa_family == AF_INET) {
			ip = ip_from_v4(
				((struct sockaddr_in *)(void *)at->ifa_addr)->sin_addr.s_addr);
			has |= ip_is_loopback(&ip) ? 0 : HAS_V4;
		} else if (at->ifa_addr->sa_family == AF_INET6) {
			memcpy(ip.b, &((struct sockaddr_in6 *)(void *)at->ifa_addr)->sin6_addr,
			       sizeof(ip.b));
			has |= ip_is_loopback(&ip) ? 0 : HAS_V6;
		}
	}
	freeifaddrs(all);
	return has;
}

/* *hints without the flag, saying the same by the family. 0, or what getaddrinfo says. */
static int say_by_family(struct addrinfo *hints, int has)
{
	if ((hints->ai_family == AF_INET && !(has & HAS_V4)) ||
	    (hints->ai_family == AF_INET6 && !(has & HAS_V6)))
		return EAI_NONAME;
	if (hints->ai_family == AF_UNSPEC && has != HAS_BOTH)
		hints->ai_family = has == HAS_V4 ? AF_INET : AF_INET6;
	hints->ai_flags &= ~AI_ADDRCONFIG;
	return 0;
}

S7_EXPORT int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			  struct addrinfo **res)
{
	struct addrinfo mine;
	int own, kernel, err;

	if (!hints || !(hints->ai_flags & AI_ADDRCONFIG) || s7_inside ||
	    boot_conf() == BOOT_KERNEL)
		return real.getaddrinfo(node, service, hints, res);
	own = own_families();
	kernel = own ? kernel_families() : 0;
	if (!(own & ~kernel))
		return real.getaddrinfo(node, service, hints, res);
	mine = *hints;
	err = say_by_family(&mine, own | kernel);
	return err ? err : real.getaddrinfo(node, service, &mine, res);
}
