/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_conf_keys.c - every key: its default, values that are taken, values that are refused
 *
 * Idea: one row a key and value; a test asserts that each key of the table has rows of both kinds.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "conf/keys.h"

struct good {
	const char *key, *value;
	uint64_t number; /* what the field holds then; ignored for text */
};

static const struct good good[] = {
	{ "loopback", "stack", CONF_LOOPBACK_STACK },
	{ "loopback", "kernel", CONF_LOOPBACK_KERNEL },
	{ "kernel_fallback", "no", 0 },
	{ "kernel_fallback", "yes", 1 },
	{ "tx_batch", "no", 0 },
	{ "memory", "32M", 32ull << 20 },
	{ "memory", "64G", 64ull << 30 },
	{ "memory", "40000000", 40000000 },
	{ "memory", "32768k", 32ull << 20 },
	{ "hugepages", "yes", CONF_HUGEPAGES_YES },
	{ "hugepages", "no", CONF_HUGEPAGES_NO },
	{ "log", "error", CONF_LOG_ERROR },
	{ "log", "debug", CONF_LOG_DEBUG },
	{ "log_file", "/var/log/sock7.log", 0 },
	{ "on_error", "abort", CONF_ON_ERROR_ABORT },
	{ "max_sockets", "64", 64 },
	{ "max_sockets", "4194304", 4194304 },
	{ "max_time_wait", "0", 0 },
	{ "exit_linger_ms", "0", 0 },
	{ "exit_linger_ms", "600000", 600000 },
	{ "tcp_congestion", "newreno", 0 },
	{ "tcp_congestion", "cubic", 0 },
	{ "tcp_congestion", "reno", 0 },
	{ "tcp_init_cwnd", "1", 1 },
	{ "tcp_delayed_ack_ms", "500", 500 },
	{ "tcp_min_rto_ms", "1", 1 },
	{ "tcp_time_wait_ms", "1000", 1000 },
	{ "tcp_syn_backlog", "1", 1 },
	{ "backlog", "kernel", 0 },
	{ "backlog", "4096", 4096 },
	{ "rmem", "kernel", 0 },
	{ "rmem", "4096 131072 6291456", 4096 },
	{ "wmem", "4K 16K\t4M", 4096 },
	{ "wmem", "4K 4K 4K", 4096 },
	{ "rmem_default", "2K", 2048 },
	{ "rmem_max", "1G", 1u << 30 },
	{ "wmem_default", "kernel", 0 },
	{ "wmem_max", "4M", 4u << 20 },
	{ "driver", "af_packet", CONF_DRV_AF_PACKET },
	{ "driver", "pci", CONF_DRV_PCI },
	{ "device", "eth0", 0 },
	{ "filter", "not (tcp port 23 or vlan)", 0 },
	{ "filter_object", "/etc/sock7/firewall.o:socket", 0 },
	{ "devargs", "blocksz=65536,framesz=2048", 0 },
	{ "mtu", "68", 68 },
	{ "mtu", "auto", 0 },
	{ "queues", "16", 16 },
	{ "rx_ring", "auto", 0 },
	{ "rx_ring", "64", 64 },
	{ "tx_ring", "32768", 32768 },
	{ "accept_ra", "no", 0 },
	{ "spin_us", "0", 0 },
	{ "spin_us", "1000000", 1000000 },
	{ "rx_checksum", "trust", CONF_RX_CSUM_TRUST },
	{ "tso", "off", CONF_TSO_OFF },
	{ "address", "192.0.2.1/24", 0xc0 },
	{ "address", "2001:db8::1/64", 0 },
	{ "address", "127.0.0.5/32", 0 },
	{ "gateway", "192.0.2.254", 0 },
	{ "gateway", "fe80::1", 0 },
	{ "route", "198.51.100.0/24", 0 },
	{ "route", "0.0.0.0/0 via 192.0.2.9", 0 },
	{ "route", "2001:db8::/32  via  fe80::1", 0 },
	{ "mac", "02:00:5E:00:53:01", 0 },
	{ "mac", "auto", 0 },
};

struct bad {
	const char *key, *value;
};

static const struct bad bad[] = {
	{ "loopback", "Stack" },
	{ "loopback", "" },
	{ "kernel_fallback", "true" },
	{ "tx_batch", "1" },
	{ "memory", "31M" },
	{ "memory", "65G" },
	{ "memory", "256 M" },
	{ "memory", "-1" },
	{ "memory", "256MB" },
	{ "memory", "99999999999999999999" },
	{ "memory", "18014398509481984G" },
	{ "hugepages", "on" },
	{ "log", "warning" },
	{ "on_error", "stop" },
	{ "log_file", "a\x01" },
	{ "max_sockets", "63" },
	{ "max_sockets", "4194305" },
	{ "max_sockets", "64K" },
	{ "max_time_wait", "-1" },
	{ "exit_linger_ms", "600001" },
	{ "tcp_congestion", "bbr" },
	{ "tcp_init_cwnd", "0" },
	{ "tcp_delayed_ack_ms", "501" },
	{ "tcp_delayed_ack_ms", "0" },
	{ "tcp_min_rto_ms", "0" },
	{ "tcp_time_wait_ms", "0" },
	{ "tcp_syn_backlog", "0" },
	{ "backlog", "0" },
	{ "backlog", "auto" },
	{ "rmem", "4096" },
	{ "rmem", "1 2 3" },
	{ "rmem", "8K 4K 16K" },
	{ "rmem", "4K 8K 16K 32K" },
	{ "wmem", "4K 8K" },
	{ "wmem", "" },
	{ "wmem", "4K,8K,16K" },
	{ "rmem_default", "1K" },
	{ "rmem_max", "2G" },
	{ "wmem_default", "0" },
	{ "wmem_max", "many" },
	{ "driver", "vfio" },
	{ "driver", "" },
	{ "device", "a\tb" },
	{ "filter", "tcp\n" },
	{ "filter_object", "a\n" },
	{ "devargs", "a\nb" },
	{ "mtu", "67" },
	{ "mtu", "65536" },
	{ "mtu", "1500 " },
	{ "queues", "0" },
	{ "queues", "17" },
	{ "rx_ring", "1000" },
	{ "rx_ring", "32" },
	{ "tx_ring", "65536" },
	{ "accept_ra", "only" },
	{ "spin_us", "1000001" },
	{ "spin_us", "20us" },
	{ "rx_checksum", "off" },
	{ "tso", "on" },
	{ "address", "192.0.2.1" },
	{ "address", "192.0.2.1/33" },
	{ "address", "192.0.2.256/24" },
	{ "address", "::/64" },
	{ "address", "224.0.0.1/4" },
	{ "address", "0.0.0.0/0" },
	{ "address", "255.255.255.255/32" },
	{ "address", "2001:db8::1/129" },
	{ "address", "::ffff:192.0.2.1/120" },
	{ "address", "/" },
	{ "gateway", "192.0.2.0/24" },
	{ "gateway", "ff02::1" },
	{ "gateway", "0.0.0.0" },
	{ "route", "198.51.100.1/24" },
	{ "route", "198.51.100.0/24 192.0.2.9" },
	{ "route", "198.51.100.0/24 via" },
	{ "route", "198.51.100.0/24 dev 192.0.2.9" },
	{ "route", "198.51.100.0/24 via 2001:db8::1" },
	{ "route", "198.51.100.0/24 via 192.0.2.9 x" },
	{ "mac", "03:00:5e:00:53:01" },
	{ "mac", "00:00:00:00:00:00" },
	{ "mac", "02:00:5e:00:53" },
	{ "mac", "02:00:5e:00:53:01:02" },
	{ "mac", "02-00-5e-00-53-01" },
	{ "mac", "" },
};

static const struct conf_key *find(const char *name)
{
	const struct conf_key *key = conf_key_find(CONF_SEC_GLOBAL, name);

	return key ? key : conf_key_find(CONF_SEC_INTERFACE, name);
}

static const char *base_of(const struct conf_key *key, const struct conf *conf)
{
	return key->section == CONF_SEC_GLOBAL ? (const char *)conf : (const char *)&conf->iface[0];
}

static int set(const struct conf_key *key, const char *value, struct conf *conf)
{
	return conf_key_set(key, value, (void *)(uintptr_t)base_of(key, conf));
}

static uint64_t number_at(const struct conf_key *key, const struct conf *conf)
{
	const char *field = base_of(key, conf) + key->offset;
	uint64_t wide;
	uint32_t narrow;

	if (key->type == CONF_T_BOOL)
		return *(const unsigned char *)field;
	if (key->width == sizeof(wide)) {
		memcpy(&wide, field, sizeof(wide));
		return wide;
	}
	memcpy(&narrow, field, sizeof(narrow));
	return narrow;
}

static bool holds_number(const struct conf_key *key)
{
	return key->type <= CONF_T_TRIPLE;
}

Test(conf_keys, good_values_reach_their_field)
{
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct conf_key *key = find(good[i].key);
		struct conf conf = { 0 };

		cr_assert(key, "%s", good[i].key);
		cr_assert_eq(set(key, good[i].value, &conf), 0, "%s = %s", good[i].key,
			     good[i].value);
		if (holds_number(key))
			cr_assert_eq(number_at(key, &conf), good[i].number, "%s = %s", good[i].key,
				     good[i].value);
		if (key->type == CONF_T_TEXT || key->type == CONF_T_WORD)
			cr_assert_str_eq(base_of(key, &conf) + key->offset, good[i].value);
	}
}

Test(conf_keys, bad_values_are_refused_and_change_nothing)
{
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct conf_key *key = find(bad[i].key);
		struct conf conf, before;

		cr_assert(key, "%s", bad[i].key);
		memset(&conf, 0, sizeof(conf));
		before = conf;
		cr_assert_eq(set(key, bad[i].value, &conf), -22, "%s = %s", bad[i].key,
			     bad[i].value);
		cr_assert_eq(memcmp(&conf, &before, sizeof(conf)), 0, "%s", bad[i].key);
	}
}

Test(conf_keys, text_that_does_not_fit_is_refused)
{
	char text[CONF_TEXT_MAX + 1];
	struct conf conf = { 0 };

	memset(text, 'x', sizeof(text));
	text[CONF_TEXT_MAX] = '\0';
	cr_assert_eq(set(find("devargs"), text, &conf), -22);
	text[CONF_TEXT_MAX - 1] = '\0';
	cr_assert_eq(set(find("devargs"), text, &conf), 0);
	cr_assert_str_eq(conf.iface[0].devargs, text);
}

Test(conf_keys, every_key_has_a_good_and_a_bad_row)
{
	size_t i, j, n_good, n_bad;

	for (i = 0; i < conf_key_count; i++) {
		n_good = n_bad = 0;
		for (j = 0; j < sizeof(good) / sizeof(good[0]); j++)
			n_good += !strcmp(good[j].key, conf_keys[i].name);
		for (j = 0; j < sizeof(bad) / sizeof(bad[0]); j++)
			n_bad += !strcmp(bad[j].key, conf_keys[i].name);
		cr_assert(n_good && n_bad, "%s", conf_keys[i].name);
	}
}

Test(conf_keys, every_row_documents_itself_and_its_default_is_allowed)
{
	char text[256];
	size_t i;

	for (i = 0; i < conf_key_count; i++) {
		struct conf conf = { 0 };

		conf_key_allowed(&conf_keys[i], text, sizeof(text));
		cr_assert(strlen(text) > 4 && strlen(text) < sizeof(text) - 1, "%s",
			  conf_keys[i].name);
		cr_assert(strlen(conf_keys[i].help) > 10, "%s", conf_keys[i].name);
		if (conf_keys[i].initial[0])
			cr_assert_eq(set(&conf_keys[i], conf_keys[i].initial, &conf), 0, "%s",
				     conf_keys[i].name);
	}
}

Test(conf_keys, no_name_twice_and_no_field_twice)
{
	size_t i, j;

	for (i = 0; i < conf_key_count; i++) {
		for (j = i + 1; j < conf_key_count; j++) {
			if (conf_keys[i].section != conf_keys[j].section)
				continue;
			cr_assert_str_neq(conf_keys[i].name, conf_keys[j].name);
			cr_assert_neq(conf_keys[i].offset, conf_keys[j].offset);
		}
	}
}

Test(conf_keys, defaults)
{
	struct conf conf;

	conf_defaults(&conf);
	cr_assert_eq(conf.loopback, CONF_LOOPBACK_KERNEL);
	cr_assert(conf.kernel_fallback);
	cr_assert_eq(conf.memory, 256ull << 20);
	cr_assert_eq(conf.hugepages, CONF_HUGEPAGES_AUTO);
	cr_assert_eq(conf.log, CONF_LOG_WARN);
	cr_assert_str_empty(conf.log_file);
	cr_assert_eq(conf.on_error, CONF_ON_ERROR_KERNEL);
	cr_assert_eq(conf.max_sockets, 65536);
	cr_assert_eq(conf.max_time_wait, 16384);
	cr_assert_eq(conf.exit_linger_ms, 3000);
	cr_assert_str_eq(conf.tcp_congestion, "cubic");
	cr_assert_eq(conf.tcp_init_cwnd, 10);
	cr_assert_eq(conf.tcp_delayed_ack_ms, 40);
	cr_assert_eq(conf.tcp_min_rto_ms, 200);
	cr_assert_eq(conf.tcp_time_wait_ms, 60000);
	cr_assert_eq(conf.tcp_syn_backlog, 1024);
	cr_assert_eq(conf.backlog, 0);
	cr_assert_eq(conf.rmem[0] + conf.wmem[2] + conf.rmem_max + conf.wmem_default, 0);
	cr_assert_eq(conf.iface_count, 0);
}
