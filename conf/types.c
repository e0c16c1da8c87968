/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * types.c - what a type of value accepts, and how that is said
 *
 * Idea: one row a type with two functions, `set` (text to field) and `allowed` (the phrase of the
 * error message and of the documentation). Bounds, words and the field itself come from the key.
 * Invariants: `set` changes the field only when it returns 0; every input returns.
 * Context: any thread, no lock, no allocation.   Called by: parse.c, gen.c.
 */
#include "conf/keys.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct type_ops {
	int (*set)(const struct conf_key *key, const char *text, void *base);
	void (*allowed)(const struct conf_key *key, char *ret_text, size_t len);
};

static void *field_of(const struct conf_key *key, void *base)
{
	return (char *)base + key->offset;
}

static bool is_zero_word(const struct conf_key *key, const char *text)
{
	return key->zero && !strcmp(key->zero, text);
}

/* ---- words ---- */

static int word_index(const struct conf_key *key, const char *text)
{
	int i;

	for (i = 0; key->words[i]; i++) {
		if (!strcmp(key->words[i], text))
			return i;
	}
	return -EINVAL;
}

static int enum_set(const struct conf_key *key, const char *text, void *base)
{
	int index = word_index(key, text);
	uint32_t value = (uint32_t)index;

	if (index < 0)
		return index;
	memcpy(field_of(key, base), &value, sizeof(value));
	return 0;
}

static int word_set(const struct conf_key *key, const char *text, void *base)
{
	int index = is_zero_word(key, text) ? 0 : word_index(key, text);

	if (index < 0)
		return index;
	snprintf(field_of(key, base), key->width, "%s", is_zero_word(key, text) ? "" : text);
	return 0;
}

static void words_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	size_t used = (size_t)snprintf(ret_text, len, "%s%sone of", key->zero ? key->zero : "",
				       key->zero ? " or " : "");
	int i;

	for (i = 0; key->words[i] && used < len; i++)
		used += (size_t)snprintf(ret_text + used, len - used, "%s%s", i ? ", " : " ",
					 key->words[i]);
}

static int bool_set(const struct conf_key *key, const char *text, void *base)
{
	bool yes = !strcmp(text, "yes");

	if (!yes && strcmp(text, "no"))
		return -EINVAL;
	memcpy(field_of(key, base), &yes, sizeof(yes));
	return 0;
}

static void bool_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	(void)key;
	snprintf(ret_text, len, "yes or no");
}

/* ---- numbers ---- */

/* Decimal digits only, no sign, no space. *end is set behind them. */
static int digits(const char *text, const char **ret_end, uint64_t *ret_value)
{
	uint64_t value = 0;
	const char *at;

	for (at = text; isdigit((unsigned char)*at); at++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
			return -EINVAL;
	}
	if (at == text)
		return -EINVAL;
	*ret_end = at;
	*ret_value = value;
	return 0;
}

/* "4096", "64K", "256M", "1G" */
static int size_parse(const char *text, const char **ret_end, uint64_t *ret_value)
{
	static const char units[] = "KMG";
	const char *end, *unit;
	uint64_t value;
	int err;

	err = digits(text, &end, &value);
	if (err)
		return err;
	unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
	if (unit) {
		unsigned int shift = 10 * (unsigned int)(unit - units + 1);

		if (value > UINT64_MAX >> shift)
			return -EINVAL;
		value <<= shift;
		end++;
	}
	*ret_end = end;
	*ret_value = value;
	return 0;
}

static void size_print(uint64_t value, char *ret_text, size_t len)
{
	static const char units[] = " KMG";
	int unit = 0;

	while (unit < 3 && value && value % 1024 == 0) {
		value /= 1024;
		unit++;
	}
	snprintf(ret_text, len, unit ? "%" PRIu64 "%c" : "%" PRIu64, value, units[unit]);
}

static bool in_range(const struct conf_key *key, uint64_t value)
{
	if (key->power_of_two && (value & (value - 1)))
		return false;
	return value >= key->min && value <= key->max;
}

static void uint_store(const struct conf_key *key, void *base, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	if (key->width == sizeof(value))
		memcpy(field_of(key, base), &value, sizeof(value));
	else
		memcpy(field_of(key, base), &narrow, sizeof(narrow));
}

static int uint_set(const struct conf_key *key, const char *text, void *base,
		    int (*parse)(const char *text, const char **ret_end, uint64_t *ret_value))
{
	uint64_t value = 0;
	const char *end;
	int err;

	if (!is_zero_word(key, text)) {
		err = parse(text, &end, &value);
		if (err || *end || !in_range(key, value))
			return -EINVAL;
	}
	uint_store(key, base, value);
	return 0;
}

static int number_set(const struct conf_key *key, const char *text, void *base)
{
	return uint_set(key, text, base, digits);
}

static void number_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	snprintf(ret_text, len, "%s%s%s from %" PRIu64 " to %" PRIu64, key->zero ? key->zero : "",
		 key->zero ? " or " : "", key->power_of_two ? "a power of two" : "a number",
		 key->min, key->max);
}

static int size_set(const struct conf_key *key, const char *text, void *base)
{
	return uint_set(key, text, base, size_parse);
}

static void size_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	char min[24], max[24];

	size_print(key->min, min, sizeof(min));
	size_print(key->max, max, sizeof(max));
	snprintf(ret_text, len, "%s%sa size from %s to %s", key->zero ? key->zero : "",
		 key->zero ? " or " : "", min, max);
}

static int triple_set(const struct conf_key *key, const char *text, void *base)
{
	uint32_t value[3] = { 0, 0, 0 };
	const char *at = text;
	uint64_t size;
	int i;

	for (i = 0; i < 3 && !is_zero_word(key, text); i++) {
		if (size_parse(at, &at, &size) || !in_range(key, size))
			return -EINVAL;
		if (i && size < value[i - 1])
			return -EINVAL;
		if (i < 2 ? !isspace((unsigned char)*at) : *at != '\0')
			return -EINVAL;
		value[i] = (uint32_t)size;
		while (isspace((unsigned char)*at))
			at++;
	}
	memcpy(field_of(key, base), value, sizeof(value));
	return 0;
}

static void triple_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	char min[24], max[24];

	size_print(key->min, min, sizeof(min));
	size_print(key->max, max, sizeof(max));
	snprintf(ret_text, len, "%s or three sizes from %s to %s, none below the one before it",
		 key->zero, min, max);
}

/* ---- text ---- */

static int text_set(const struct conf_key *key, const char *text, void *base)
{
	const char *at;

	if (strlen(text) >= key->width)
		return -EINVAL;
	for (at = text; *at; at++) {
		if (iscntrl((unsigned char)*at))
			return -EINVAL;
	}
	snprintf(field_of(key, base), key->width, "%s", text);
	return 0;
}

static void text_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	snprintf(ret_text, len, "at most %zu printable characters", key->width - 1);
}

/* Whether it is one is seen when the section is whole (check.c). */
static void filter_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	snprintf(ret_text, len,
		 "an expression of libpcap (pcap-filter(7)) of at most %zu characters",
		 key->width - 1);
}

static void object_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	snprintf(ret_text, len, "FILE[:SECTION] of at most %zu printable characters",
		 key->width - 1);
}

/* ---- addresses ---- */

static bool is_v6(const uint8_t ip[16])
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(ip, mapped, sizeof(mapped)) != 0;
}

static int ip_parse(const char *text, uint8_t ret_ip[16])
{
	uint8_t ip[16] = { [10] = 0xff, [11] = 0xff };

	if (inet_pton(AF_INET, text, ip + 12) != 1) {
		/* A v4-mapped IPv6 literal would silently become the other family. */
		if (inet_pton(AF_INET6, text, ip) != 1 || !is_v6(ip))
			return -EINVAL;
	}
	memcpy(ret_ip, ip, sizeof(ip));
	return 0;
}

/* An address that a host can have: neither unspecified nor multicast nor 255.255.255.255. */
static bool is_host(const uint8_t ip[16])
{
	static const uint8_t any[16];

	if (is_v6(ip))
		return memcmp(ip, any, sizeof(any)) != 0 && ip[0] != 0xff;
	return ip[12] != 0 && ip[12] < 224;
}

static int prefix_parse(const char *text, struct conf_prefix *ret_prefix)
{
	struct conf_prefix prefix = { 0 };
	char ip[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/'), *end;
	uint64_t len;

	if (!slash || (size_t)(slash - text) >= sizeof(ip))
		return -EINVAL;
	memcpy(ip, text, (size_t)(slash - text));
	ip[slash - text] = '\0';
	if (ip_parse(ip, prefix.ip) || digits(slash + 1, &end, &len) || *end)
		return -EINVAL;
	prefix.is_v6 = is_v6(prefix.ip);
	if (len > (prefix.is_v6 ? 128u : 32u))
		return -EINVAL;
	prefix.len = (uint8_t)len;
	*ret_prefix = prefix;
	return 0;
}

static unsigned int prefix_bits(const struct conf_prefix *prefix)
{
	return prefix->len + (prefix->is_v6 ? 0u : 96u);
}

bool conf_prefix_covers(const struct conf_prefix *prefix, const uint8_t ip[16])
{
	unsigned int bits = prefix_bits(prefix), whole = bits / 8;

	if (prefix->is_v6 != is_v6(ip) || memcmp(prefix->ip, ip, whole))
		return false;
	return bits % 8 == 0 || (prefix->ip[whole] ^ ip[whole]) >> (8 - bits % 8) == 0;
}

/* True if no bit behind the prefix is set. */
static bool is_network(const struct conf_prefix *prefix)
{
	unsigned int bit;

	for (bit = prefix_bits(prefix); bit < 128; bit++) {
		if (prefix->ip[bit / 8] & (0x80 >> bit % 8))
			return false;
	}
	return true;
}

/* One more value of a repeatable key. */
static int append(const struct conf_key *key, void *base, const void *value)
{
	uint32_t *count = (uint32_t *)(void *)((char *)base + key->count_offset);
	size_t size = key->width / key->max;

	if (*count >= key->max)
		return -E2BIG;
	memcpy((char *)field_of(key, base) + *count * size, value, size);
	(*count)++;
	return 0;
}

static int prefix_set(const struct conf_key *key, const char *text, void *base)
{
	struct conf_prefix prefix;

	if (prefix_parse(text, &prefix) || !is_host(prefix.ip))
		return -EINVAL;
	return append(key, base, &prefix);
}

static void prefix_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	snprintf(ret_text, len,
		 "a host's ADDRESS/LENGTH such as 192.0.2.1/24 or 2001:db8::1/64, at most %" PRIu64,
		 key->max);
}

/* "NETWORK/LENGTH" or "NETWORK/LENGTH via ADDRESS" */
static int route_set(const struct conf_key *key, const char *text, void *base)
{
	struct conf_route route = { 0 };
	char to[64], word[8], via[64], rest;
	int n = sscanf(text, "%63s %7s %63s %c", to, word, via, &rest);

	if ((n != 1 && n != 3) || prefix_parse(to, &route.to) || !is_network(&route.to))
		return -EINVAL;
	if (n == 3) {
		if (strcmp(word, "via") || ip_parse(via, route.via) || !is_host(route.via))
			return -EINVAL;
		if (is_v6(route.via) != route.to.is_v6)
			return -EINVAL;
	}
	return append(key, base, &route);
}

static void route_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	snprintf(ret_text, len,
		 "NETWORK/LENGTH [via ADDRESS], no bits set behind LENGTH, at most %" PRIu64,
		 key->max);
}

static int gateway_set(const struct conf_key *key, const char *text, void *base)
{
	uint8_t(*slots)[16] = field_of(key, base), *slot, ip[16];
	static const uint8_t none[16];

	if (!*text) {
		memset(slots, 0, key->width);
		return 0;
	}
	if (ip_parse(text, ip) || !is_host(ip))
		return -EINVAL;
	slot = slots[is_v6(ip)];
	if (memcmp(slot, none, sizeof(none)))
		return -E2BIG;
	memcpy(slot, ip, sizeof(ip));
	return 0;
}

static void gateway_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	(void)key;
	snprintf(ret_text, len, "a host's IPv4 or IPv6 address, one of each family");
}

static int mac_set(const struct conf_key *key, const char *text, void *base)
{
	struct conf_iface *iface = base;
	uint8_t mac[6] = { 0 };
	bool given = !is_zero_word(key, text);
	const char *at = text;
	int i;

	for (i = 0; i < 6 && given; i++) {
		if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]))
			return -EINVAL;
		if (at[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		mac[i] = (uint8_t)strtoul(at, NULL, 16);
		at += 3;
	}
	if (given && (mac[0] & 1 || !memcmp(mac, "\0\0\0\0\0", 6)))
		return -EINVAL;
	memcpy(iface->mac, mac, sizeof(mac));
	iface->has_mac = given;
	return 0;
}

static void mac_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	snprintf(ret_text, len, "%s or a unicast address such as 02:00:5e:00:53:01", key->zero);
}

static const struct type_ops types[CONF_T_COUNT] = {
	[CONF_T_ENUM] = { enum_set, words_allowed },
	[CONF_T_BOOL] = { bool_set, bool_allowed },
	[CONF_T_NUMBER] = { number_set, number_allowed },
	[CONF_T_SIZE] = { size_set, size_allowed },
	[CONF_T_TRIPLE] = { triple_set, triple_allowed },
	[CONF_T_TEXT] = { text_set, text_allowed },
	[CONF_T_WORD] = { word_set, words_allowed },
	[CONF_T_PREFIX] = { prefix_set, prefix_allowed },
	[CONF_T_ROUTE] = { route_set, route_allowed },
	[CONF_T_GATEWAY] = { gateway_set, gateway_allowed },
	[CONF_T_MAC] = { mac_set, mac_allowed },
	[CONF_T_FILTER] = { text_set, filter_allowed },
	[CONF_T_OBJECT] = { text_set, object_allowed },
};

int conf_key_set(const struct conf_key *key, const char *text, void *base)
{
	return types[key->type].set(key, text, base);
}

void conf_key_allowed(const struct conf_key *key, char *ret_text, size_t len)
{
	types[key->type].allowed(key, ret_text, len);
}
