/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_conf.c - any text is either a valid configuration or a refusal with a message
 *
 * Also holds: a configuration that was accepted keeps the bounds that others rely on. Texts with
 * the key `filter` are left out: libpcap is not what is tested here, and it asks the resolver.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition)
{
	if (!condition)
		abort();
}

static void check_accepted(const struct conf *conf)
{
	uint32_t i;

	must(conf->iface_count <= CONF_IFACES_MAX);
	must(conf->memory >= (32u << 20) && conf->rmem[0] <= conf->rmem[1]);
	for (i = 0; i < conf->iface_count; i++) {
		must(conf->iface[i].name[0] && memchr(conf->iface[i].name, 0, CONF_NAME_MAX));
		must(conf->iface[i].driver < CONF_DRV_COUNT && conf->iface[i].queues >= 1);
		must(conf->iface[i].address_count <= CONF_ADDRS_MAX);
		must(conf->iface[i].route_count <= CONF_ROUTES_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[CONF_WHY_MAX] = "", text[256];
	struct conf conf;
	size_t len = size < sizeof(text) ? size : sizeof(text) - 1;

	if (memmem(data, size, "filter", 6))
		return 0;
	if (conf_parse_text((const char *)data, size, "fuzz", &conf, why, sizeof(why)))
		must(why[0] != '\0');
	else
		check_accepted(&conf);

	memcpy(text, data, len);
	text[len] = '\0';
	why[0] = '\0';
	if (conf_short(text, &conf, why, sizeof(why)))
		must(why[0] != '\0');
	else
		check_accepted(&conf);
	return 0;
}
