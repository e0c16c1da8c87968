/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * check.c - what no single key can tell
 *
 * Idea: each rule is one row: a predicate over a finished section, the key its message points at,
 * and the text. A message names the key's own line, or the section's when the key was not given.
 * Context: any thread, no lock.   Called by: parse.c when a section ends.
 */
#include "conf/keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a driver needs of its section. */
static const struct driver_needs {
	bool address; /* no kernel netdev below whose addresses could be adopted */
	bool device;  /* a path or PCI address that a section's name cannot be */
	bool netdev;  /* device (or the name) is a netdev's name */
} needs[CONF_DRV_COUNT] = {
	[CONF_DRV_AF_PACKET] = { .netdev = true },
	[CONF_DRV_AF_XDP] = { .netdev = true },
	[CONF_DRV_MEMIF] = { .address = true, .device = true },
	[CONF_DRV_VIRTIO_USER] = { .address = true, .device = true },
	[CONF_DRV_VHOST] = { .address = true, .device = true },
	[CONF_DRV_TAP] = { .address = true, .netdev = true },
	[CONF_DRV_RING] = { .address = true },
	[CONF_DRV_NULL] = { .address = true },
	[CONF_DRV_PCI] = { .address = true },
};

static const struct driver_needs *needs_of(const struct conf_iface *iface)
{
	return &needs[iface->driver];
}

static const char *device_of(const struct conf_iface *iface)
{
	return iface->device[0] ? iface->device : iface->name;
}

static int lacks_address(const struct conf_iface *iface)
{
	return needs_of(iface)->address && !iface->address_count;
}

static int lacks_device(const struct conf_iface *iface)
{
	return needs_of(iface)->device && !iface->device[0];
}

static int no_netdev_name(const struct conf_iface *iface)
{
	const char *name = device_of(iface);

	return needs_of(iface)->netdev && (strlen(name) > 15 || strpbrk(name, "/: \t"));
}

static int no_pci_address(const struct conf_iface *iface)
{
	unsigned int domain, bus, dev, func;
	const char *text = device_of(iface);
	int end = -1;

	if (iface->driver != CONF_DRV_PCI)
		return false;
	if (sscanf(text, "%4x:%2x:%2x.%1x%n", &domain, &bus, &dev, &func, &end) == 4)
		return text[end] || dev > 31 || func > 7;
	end = -1;
	if (sscanf(text, "%2x:%2x.%1x%n", &bus, &dev, &func, &end) == 3)
		return text[end] || dev > 31 || func > 7;
	return true;
}

static bool is_zero(const uint8_t ip[16])
{
	static const uint8_t zero[16];

	return !memcmp(ip, zero, sizeof(zero));
}

/* Can the next hop be reached on the link, as far as the section tells? */
static bool on_link(const struct conf_iface *iface, const uint8_t hop[16])
{
	uint32_t i;

	if (!iface->address_count || is_zero(hop))
		return true;
	if (hop[0] == 0xfe && (hop[1] & 0xc0) == 0x80) /* link-local */
		return true;
	for (i = 0; i < iface->address_count; i++) {
		if (conf_prefix_covers(&iface->address[i], hop))
			return true;
	}
	for (i = 0; i < iface->route_count; i++) {
		if (is_zero(iface->route[i].via) && conf_prefix_covers(&iface->route[i].to, hop))
			return true;
	}
	return false;
}

static int gateway_off_link(const struct conf_iface *iface)
{
	if (!on_link(iface, iface->gateway[0]))
		return 1;
	return on_link(iface, iface->gateway[1]) ? 0 : 2;
}

static int via_off_link(const struct conf_iface *iface)
{
	uint32_t i;

	for (i = 0; i < iface->route_count; i++) {
		if (!on_link(iface, iface->route[i].via))
			return (int)i + 1;
	}
	return 0;
}

static int small_mtu_v6(const struct conf_iface *iface)
{
	uint32_t i;

	for (i = 0; i < iface->address_count; i++) {
		if (iface->address[i].is_v6)
			return iface->mtu && iface->mtu < 1280;
	}
	return false;
}

static int two_filters(const struct conf_iface *iface)
{
	return iface->filter[0] && iface->filter_object[0];
}

static int unreadable_object(const struct conf_iface *iface)
{
	char path[CONF_TEXT_MAX];

	if (!iface->filter_object[0])
		return 0;
	snprintf(path, sizeof(path), "%s", iface->filter_object);
	conf_object_section(path);
	return access(path, R_OK) != 0;
}

static const struct iface_rule {
	int (*broken)(const struct conf_iface *iface); /* 0, or 1 + index of the entry */
	const char *key;
	const char *text; /* %s: the driver's name */
} iface_rules[] = {
	{ lacks_address, "address",
	  "driver %s has no kernel netdev to adopt addresses from; give at least one "
	  "ADDRESS/LENGTH" },
	{ lacks_device, "device", "driver %s needs the path of a socket" },
	{ no_netdev_name, "device", "driver %s needs a netdev's name of at most 15 characters" },
	{ no_pci_address, "device", "driver %s needs a PCI address such as 0000:03:00.0" },
	{ gateway_off_link, "gateway",
	  "an address in the network of one of this interface's addresses" },
	{ via_off_link, "route",
	  "via an address in the network of one of this interface's addresses" },
	{ two_filters, "filter_object", "one of filter and filter_object" },
	{ unreadable_object, "filter_object",
	  "FILE[:SECTION], where FILE is an ELF object that can be read" },
	{ small_mtu_v6, "mtu", "at least 1280 on an interface with an IPv6 address (RFC 8200 5)" },
};

int conf_complain(const struct conf_place *place, const char *key, const char *value,
		  const char *text, char *ret_why, size_t why_len)
{
	char line[16] = "";

	if (place->line)
		snprintf(line, sizeof(line), "%u:", place->line);
	snprintf(ret_why, why_len, "%.160s:%s %.48s = %.64s: %s", place->name, line, key, value,
		 text);
	return -EINVAL;
}

/* The program itself is made again when it is loaded: a section stays a plain struct. */
static int check_filter(const struct conf_iface *iface, const struct conf_draft *draft,
			char *ret_why, size_t why_len)
{
	const struct conf_key *key = conf_key_find(CONF_SEC_INTERFACE, "filter");
	const struct conf_given *given = &draft->key[key - conf_keys];
	struct conf_place place = { draft->place.name, given->line };
	char text[384], said[256];
	struct conf_filter *filter;
	int err;

	if (!iface->filter[0])
		return 0;
	filter = malloc(sizeof(*filter));
	if (!filter)
		return -ENOMEM;
	err = conf_filter_compile(iface, filter, said, sizeof(said));
	free(filter);
	if (!err)
		return 0;
	snprintf(text, sizeof(text), "an expression of libpcap (pcap-filter(7)); %s", said);
	return conf_complain(&place, "filter", given->value, text, ret_why, why_len);
}

static int complain_rule(const struct conf_iface *iface, const struct iface_rule *rule, int entry,
			 const struct conf_draft *draft, char *ret_why, size_t why_len)
{
	const struct conf_key *key = conf_key_find(CONF_SEC_INTERFACE, rule->key);
	const struct conf_given *given = &draft->key[key - conf_keys];
	struct conf_place place = draft->place;
	char text[160];

	if (key->type == CONF_T_ROUTE)
		given = &draft->route[entry - 1];
	if (key->type == CONF_T_GATEWAY)
		given = &draft->gateway[entry - 1];
	if (given->line)
		place.line = given->line;
	snprintf(text, sizeof(text), rule->text, conf_driver_name(iface->driver));
	return conf_complain(&place, rule->key, given->value[0] ? given->value : "(none)", text,
			     ret_why, why_len);
}

int conf_check_iface(const struct conf *conf, uint32_t index, const struct conf_draft *draft,
		     char *ret_why, size_t why_len)
{
	const struct conf_iface *iface = &conf->iface[index];
	size_t r;
	uint32_t i;
	int entry;

	for (i = 0; i < index; i++) {
		if (!strcmp(device_of(&conf->iface[i]), device_of(iface)))
			return conf_complain(&draft->place, "device", device_of(iface),
					     "each interface needs a device of its own", ret_why,
					     why_len);
	}
	for (r = 0; r < sizeof(iface_rules) / sizeof(iface_rules[0]); r++) {
		entry = iface_rules[r].broken(iface);
		if (entry)
			return complain_rule(iface, &iface_rules[r], entry, draft, ret_why,
					     why_len);
	}
	return check_filter(iface, draft, ret_why, why_len);
}

/* A pair "default, greatest" of which both are set must not contradict itself. */
static int check_pair(const struct conf_draft *draft, const char *name, uint32_t initial,
		      uint32_t greatest, char *ret_why, size_t why_len)
{
	const struct conf_key *key = conf_key_find(CONF_SEC_GLOBAL, name);
	const struct conf_given *given = &draft->key[key - conf_keys];
	struct conf_place place = { draft->place.name, given->line };

	if (!initial || !greatest || initial <= greatest)
		return 0;
	return conf_complain(&place, name, given->value, "at most the greatest value (_max)",
			     ret_why, why_len);
}

int conf_check_global(const struct conf *conf, const struct conf_draft *draft, char *ret_why,
		      size_t why_len)
{
	int err;

	err = check_pair(draft, "rmem_default", conf->rmem_default, conf->rmem_max, ret_why,
			 why_len);
	if (err)
		return err;
	return check_pair(draft, "wmem_default", conf->wmem_default, conf->wmem_max, ret_why,
			  why_len);
}
