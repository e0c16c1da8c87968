/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_conf_text.c - whole configurations: files, the short form, the environment, and every
 * message
 */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/conf.h"

static int parse(const char *text, struct conf *conf, char why[CONF_WHY_MAX])
{
	why[0] = '\0';
	return conf_parse_text(text, strlen(text), "f", conf, why, CONF_WHY_MAX);
}

static void assert_v4(const uint8_t ip[16], const char *text)
{
	uint8_t want[16] = { [10] = 0xff, [11] = 0xff };

	cr_assert_eq(inet_pton(AF_INET, text, want + 12), 1);
	cr_assert_arr_eq(ip, want, 16);
}

Test(conf_text, a_whole_file)
{
	static const char text[] = "\xef\xbb\xbf# comment\r\n"
				   "[global]\r\n"
				   "  loopback = stack ; inline\n"
				   "memory=512M # inline\n"
				   "\n"
				   "[interface veth0]\n"
				   "address = 192.0.2.1/24\n"
				   "address = 2001:db8::1/64\n"
				   "gateway = 192.0.2.254\n"
				   "gateway = fe80::9\n"
				   "route = 2001:db8:1::/48 via 2001:db8::9\n"
				   "route = 198.51.100.0/24 via 192.0.2.9\n"
				   "route = 203.0.113.0/24\n"
				   "mac = 02:00:5e:00:53:01\n"
				   "[ interface   m0 ]\n"
				   "driver = memif\n"
				   "device = /run/m.sock\n"
				   "address = 10.0.0.1/8";
	char why[CONF_WHY_MAX];
	struct conf conf;

	cr_assert_eq(parse(text, &conf, why), 0, "%s", why);
	cr_assert_eq(conf.loopback, CONF_LOOPBACK_STACK);
	cr_assert_eq(conf.memory, 512ull << 20);
	cr_assert_eq(conf.iface_count, 2);
	cr_assert_str_eq(conf.iface[0].name, "veth0");
	cr_assert_eq(conf.iface[0].address_count, 2);
	assert_v4(conf.iface[0].address[0].ip, "192.0.2.1");
	cr_assert_eq(conf.iface[0].address[0].len, 24);
	cr_assert_eq(conf.iface[0].address[0].is_v6, false);
	cr_assert_eq(conf.iface[0].address[1].len, 64);
	cr_assert_eq(conf.iface[0].address[1].is_v6, true);
	cr_assert_eq(conf.iface[0].address[1].ip[0], 0x20);
	assert_v4(conf.iface[0].gateway[0], "192.0.2.254");
	cr_assert_eq(conf.iface[0].gateway[1][0], 0xfe);
	cr_assert_eq(conf.iface[0].gateway[1][15], 9);
	cr_assert_eq(conf.iface[0].route_count, 3);
	cr_assert(conf.iface[0].route[0].to.is_v6);
	cr_assert_eq(conf.iface[0].route[0].to.len, 48);
	cr_assert_eq(conf.iface[0].route[0].via[15], 9);
	assert_v4(conf.iface[0].route[1].via, "192.0.2.9");
	assert_v4(conf.iface[0].route[2].to.ip, "203.0.113.0");
	cr_assert_eq(conf.iface[0].route[2].via[11], 0);
	cr_assert(conf.iface[0].has_mac);
	cr_assert_arr_eq(conf.iface[0].mac, "\x02\0\x5e\0\x53\x01", 6);
	cr_assert_str_eq(conf.iface[1].name, "m0");
	cr_assert_eq(conf.iface[1].driver, CONF_DRV_MEMIF);
	cr_assert_str_eq(conf.iface[1].device, "/run/m.sock");
}

Test(conf_text, interface_defaults)
{
	char why[CONF_WHY_MAX];
	struct conf conf;
	const struct conf_iface *iface = &conf.iface[0];

	cr_assert_eq(parse("[interface veth0]\n", &conf, why), 0, "%s", why);
	cr_assert_eq(conf.iface_count, 1);
	cr_assert_eq(iface->driver, CONF_DRV_AF_PACKET);
	cr_assert_eq(iface->queues, 1);
	cr_assert_eq(iface->spin_us, 20);
	cr_assert_eq(iface->rx_checksum, CONF_RX_CSUM_VERIFY);
	cr_assert_eq(iface->tso, CONF_TSO_AUTO);
	cr_assert_eq(iface->mtu + iface->rx_ring + iface->tx_ring + iface->address_count, 0);
	cr_assert_not(iface->has_mac);
	cr_assert_str_empty(iface->device);
}

Test(conf_text, an_interface_has_tcp_settings_of_its_own)
{
	static const char text[] = "[global]\n"
				   "tcp_congestion = newreno\n"
				   "tcp_init_cwnd = 20\n"
				   "rmem = 4K 64K 1M\n"
				   "[interface a]\n"
				   "tcp_congestion = cubic\n"
				   "tcp_init_cwnd = 3\n"
				   "tcp_delayed_ack_ms = 5\n"
				   "backlog = 7\n"
				   "rmem = 4K 8K 16K\n"
				   "wmem = 4K 32K 64K\n"
				   "[interface b]\n"
				   "tcp_congestion = global\n"
				   "backlog = global\n"
				   "rmem = global\n"
				   "[interface c]\n";
	const struct conf_iface *iface;
	char why[CONF_WHY_MAX] = "";
	struct conf conf;

	cr_assert_eq(conf_parse_text(text, sizeof(text) - 1, "f", &conf, why, sizeof(why)), 0, "%s",
		     why);
	cr_assert_str_eq(conf.tcp_congestion, "newreno");
	cr_assert_eq(conf.tcp_init_cwnd, 20);
	cr_assert_eq(conf.rmem[1], 64 << 10);
	iface = &conf.iface[0];
	cr_assert_str_eq(iface->tcp_congestion, "cubic");
	cr_assert_eq(iface->tcp_init_cwnd, 3);
	cr_assert_eq(iface->tcp_delayed_ack_ms, 5);
	cr_assert_eq(iface->backlog, 7);
	cr_assert_eq(iface->rmem[1], 8 << 10);
	cr_assert_eq(iface->wmem[2], 64 << 10);
	for (iface = &conf.iface[1]; iface < &conf.iface[3]; iface++) {
		cr_assert_str_empty(iface->tcp_congestion);
		cr_assert_eq(iface->tcp_init_cwnd + iface->tcp_delayed_ack_ms + iface->backlog, 0);
		cr_assert_eq(iface->rmem[0] + iface->rmem[2] + iface->wmem[0] + iface->wmem[2], 0);
	}
}

Test(conf_text, nothing_is_valid)
{
	char why[CONF_WHY_MAX];
	struct conf conf;

	cr_assert_eq(parse("", &conf, why), 0);
	cr_assert_eq(parse("\n# x\n; y\n", &conf, why), 0);
	cr_assert_eq(conf.memory, 256ull << 20);
}

struct message {
	const char *text, *why;
};

#define MEMIF "[interface m]\ndriver = memif\n"

static const struct message messages[] = {
	{ "[global]\nmemory = 1M\n", "f:2: memory = 1M: a size from 32M to 64G" },
	{ "[global]\nlog = all\n", "f:2: log = all: one of error, warn, info, debug" },
	{ "[global]\nkernel_fallback = 1\n", "f:2: kernel_fallback = 1: yes or no" },
	{ "[global]\nmax_sockets =\n", "f:2: max_sockets = : a number from 64 to 4194304" },
	{ "[global]\nrmem = 1\n",
	  "f:2: rmem = 1: kernel or three sizes from 1K to 1G, none below the "
	  "one before it" },
	{ "[interface a]\n\nmtu = 12\n", "f:3: mtu = 12: auto or a number from 68 to 65535" },
	{ "[interface a]\nrx_ring = 100\n",
	  "f:2: rx_ring = 100: auto or a power of two from 64 to 32768" },
	{ "[interface a]\naddress = x\n",
	  "f:2: address = x: a host's ADDRESS/LENGTH such as 192.0.2.1/24 or 2001:db8::1/64, "
	  "at most 8" },
	{ "[interface a]\nmac = x\n",
	  "f:2: mac = x: auto or a unicast address such as 02:00:5e:00:53:01" },
	{ "[interface a]\ngateway = x\n",
	  "f:2: gateway = x: a host's IPv4 or IPv6 address, one of each family" },
	{ "[interface a]\ngateway = 10.0.0.1\ngateway = fe80::1\ngateway = 10.0.0.2\n",
	  "f:4: gateway = 10.0.0.2: a host's IPv4 or IPv6 address, one of each family" },
	{ "[interface a]\naddress = fd77::1/64\ngateway = fe80::1%a\n",
	  "f:3: gateway = fe80::1%a: a host's IPv4 or IPv6 address, one of each family" },
	{ "[interface a]\nroute = x\n",
	  "f:2: route = x: NETWORK/LENGTH [via ADDRESS], no bits set behind LENGTH, at most 32" },
	{ "[interface a]\ntcp_time_wait_ms = 4\n",
	  "f:2: tcp_time_wait_ms = 4: this key belongs in [global]" },
	{ "[interface a]\nbacklog = kernel\n",
	  "f:2: backlog = kernel: global or a number from 1 to 1048576" },
	{ "[interface a]\ntcp_congestion = bbr\n",
	  "f:2: tcp_congestion = bbr: global or one of cubic, reno, newreno" },
	{ "[global]\nmtu = 1500\n", "f:2: mtu = 1500: this key belongs in [interface NAME]" },
	{ "[interface a]\nmtux = 1\n",
	  "f:2: mtux = 1: a key of [interface NAME], the nearest is mtu "
	  "(docs/configuration.md has all)" },
	{ "[globals]\n", "f:1: section = globals: [global] or [interface NAME]" },
	{ "[interfaces a]\n", "f:1: section = interfaces a: [global] or [interface NAME]" },
	{ "mtu = 3\n", "f:1: mtu = 3: a section before it: [global] or [interface NAME]" },
	{ "[global]\nnonsense\n", "f:2: 'key = value', '[section]' or '# comment'" },
	{ "[global\n", "f:1: 'key = value', '[section]' or '# comment'" },
	{ "[global]\nlog = info\n\nlog = warn\n",
	  "f:4: log = warn: once only; it stands on line 2 "
	  "already" },
	{ "[interface]\n", "f:1: interface = : a name of 1 to 31 characters" },
	{ "[interface a b]\n",
	  "f:1: interface = a b: a name without spaces, commas, slashes and brackets" },
	{ "[interface lo]\n",
	  "f:1: interface = lo: another name: lo is sock7's own loopback "
	  "(loopback = stack)" },
	{ "[interface a]\n[global]\n[interface a]\n", "f:3: interface = a: each interface once" },
	{ "[interface a]\n[interface b]\ndevice = a\n",
	  "f:2: device = a: each interface needs a device of its own" },
	{ MEMIF "device = /s\n",
	  "f:1: address = (none): driver memif has no kernel netdev to adopt "
	  "addresses from; give at least one ADDRESS/LENGTH" },
	{ MEMIF "address = 10.0.0.1/8\n",
	  "f:1: device = (none): driver memif needs the path of a "
	  "socket" },
	{ "[interface a]\ndriver = pci\naddress = 10.0.0.1/8\n",
	  "f:1: device = (none): driver pci needs a PCI address such as 0000:03:00.0" },
	{ "[interface a]\ndevice = sixteen_letters_\n",
	  "f:2: device = sixteen_letters_: driver af_packet needs a netdev's name of at most 15 "
	  "characters" },
	{ "[interface a]\naddress = 10.0.0.1/24\ngateway = 10.0.1.1\n",
	  "f:3: gateway = 10.0.1.1: an address in the network of one of this interface's "
	  "addresses" },
	{ "[interface a]\naddress = 10.0.0.1/24\ngateway = 2001:db8::9\ngateway = 10.0.0.9\n",
	  "f:3: gateway = 2001:db8::9: an address in the network of one of this interface's "
	  "addresses" },
	{ "[interface a]\naddress = 10.0.0.1/24\nroute = 10.1.0.0/16 via 10.2.0.1\nroute = "
	  "10.3.0.0/16\n",
	  "f:3: route = 10.1.0.0/16 via 10.2.0.1: via an address in the network of one of this "
	  "interface's addresses" },
	{ "[interface a]\naddress = 2001:db8::1/64\nmtu = 1000\n",
	  "f:3: mtu = 1000: at least 1280 on an interface with an IPv6 address (RFC 8200 5)" },
	{ "[interface a]\nfilter_object = /nowhere/x.o:socket\n",
	  "f:2: filter_object = /nowhere/x.o:socket: FILE[:SECTION], where FILE is an ELF object "
	  "that can be read" },
	{ "[interface a]\nfilter_object = /dev/null\nfilter = tcp\n",
	  "f:2: filter_object = /dev/null: one of filter and filter_object" },
	{ "[global]\nrmem_default = 4M\nrmem_max = 1M\n",
	  "f:2: rmem_default = 4M: at most the greatest value (_max)" },
};

Test(conf_text, messages)
{
	char why[CONF_WHY_MAX];
	struct conf conf;
	size_t i;

	for (i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		cr_assert_eq(parse(messages[i].text, &conf, why), -EINVAL, "%s", messages[i].text);
		cr_expect_str_eq(why, messages[i].why, "%s", why);
	}
}

Test(conf_text, a_wrong_expression_is_told_with_what_libpcap_says)
{
	static const char begins[] = "f:3: filter = tcp prt 5: an expression of libpcap "
				     "(pcap-filter(7)); ";
	char why[CONF_WHY_MAX];
	struct conf conf;

	cr_assert_eq(parse("[interface a]\n\nfilter = tcp prt 5\n", &conf, why), -EINVAL);
	cr_expect(!strncmp(why, begins, sizeof(begins) - 1), "%s", why);
	cr_expect(strstr(why, "syntax error"), "%s", why);
	cr_assert_eq(parse("[interface a]\nfilter = ip broadcast\n", &conf, why), -EINVAL);
	cr_expect(strstr(why, "netmask not known"), "%s", why);
}

Test(conf_text, an_expression_becomes_a_program_for_ethernet)
{
	static const char text[] = "[interface a]\naddress = 10.1.2.3/16\n"
				   "filter = ether[0] = 3 or ip broadcast # inline\n";
	static struct conf_filter filter;
	char why[CONF_WHY_MAX];
	struct conf conf;
	bool broadcast = false;

	cr_assert_eq(parse(text, &conf, why), 0, "%s", why);
	cr_assert_str_eq(conf.iface[0].filter, "ether[0] = 3 or ip broadcast");
	cr_assert_eq(conf_filter_compile(&conf.iface[0], &filter, why, sizeof(why)), 0, "%s", why);
	cr_assert(filter.count > 5 && filter.count < CONF_FILTER_INSNS);
	cr_assert_eq(filter.insns[0].code, BPF_LD | BPF_B | BPF_ABS);
	cr_assert_eq(filter.insns[0].k, 0);
	/* the host's part of the section's network */
	for (uint32_t i = 0; i < filter.count; i++)
		broadcast |= filter.insns[i].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
			     filter.insns[i].k == 0xffff;
	cr_assert(broadcast);
}

Test(conf_text, drivers_without_a_netdev_need_an_address)
{
	static const char *const drivers[] = { "memif", "virtio_user", "vhost", "tap",
					       "ring",	"null",	       "pci" };
	char text[128], why[CONF_WHY_MAX];
	struct conf conf;
	size_t i;

	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
		snprintf(text, sizeof(text), "[interface x]\ndriver = %s\n", drivers[i]);
		cr_assert_eq(parse(text, &conf, why), -EINVAL);
		cr_assert(strstr(why, "f:1: address = (none): driver"), "%s", why);
	}
}

Test(conf_text, pci_addresses)
{
	static const char head[] = "driver = pci\naddress = 10.0.0.1/8\n";
	char text[128], why[CONF_WHY_MAX];
	struct conf conf;

	snprintf(text, sizeof(text), "[interface 0000:03:00.1]\n%s", head);
	cr_assert_eq(parse(text, &conf, why), 0, "%s", why);
	snprintf(text, sizeof(text), "[interface w]\n%sdevice = 03:1f.7\n", head);
	cr_assert_eq(parse(text, &conf, why), 0, "%s", why);
	snprintf(text, sizeof(text), "[interface w]\n%sdevice = 03:20.0\n", head);
	cr_assert_eq(parse(text, &conf, why), -EINVAL);
	snprintf(text, sizeof(text), "[interface w]\n%sdevice = 03:00.0x\n", head);
	cr_assert_eq(parse(text, &conf, why), -EINVAL);
}

Test(conf_text, repeatable_keys_are_bounded)
{
	char text[1024] = "[interface a]\n", why[CONF_WHY_MAX];
	struct conf conf;
	int i;

	for (i = 1; i <= CONF_ADDRS_MAX; i++)
		sprintf(text + strlen(text), "address = 10.0.0.%d/24\n", i);
	cr_assert_eq(parse(text, &conf, why), 0, "%s", why);
	cr_assert_eq(conf.iface[0].address_count, CONF_ADDRS_MAX);
	strcat(text, "address = 10.0.0.99/24\n");
	cr_assert_eq(parse(text, &conf, why), -EINVAL);
	cr_assert(strstr(why, "f:10: address = 10.0.0.99/24: "), "%s", why);
	cr_assert(strstr(why, "at most 8"), "%s", why);
}

Test(conf_text, too_many_interfaces)
{
	char text[256] = "", why[CONF_WHY_MAX];
	struct conf conf;
	int i;

	for (i = 0; i < CONF_IFACES_MAX; i++)
		sprintf(text + strlen(text), "[interface i%d]\n", i);
	cr_assert_eq(parse(text, &conf, why), 0, "%s", why);
	strcat(text, "[interface j]\n");
	cr_assert_eq(parse(text, &conf, why), -EINVAL);
	cr_assert_str_eq(why, "f:9: interface = j: at most 8 interfaces");
}

Test(conf_text, long_lines_and_nul_bytes)
{
	static const char nul[] = "[global]\nlog\0 = info\n";
	char text[3000] = "[interface a]\ndevargs = ", why[CONF_WHY_MAX];
	size_t used = strlen(text);
	struct conf conf;

	memset(text + used, 'x', 255);
	cr_assert_eq(parse(text, &conf, why), 0, "%s", why);
	cr_assert_eq(strlen(conf.iface[0].devargs), 255);
	memset(text + used, 'x', 2000);
	cr_assert_eq(parse(text, &conf, why), -EINVAL);
	cr_assert_str_eq(why, "f:2: a line of at most 1000 characters");
	cr_assert_eq(conf_parse_text(nul, sizeof(nul) - 1, "f", &conf, why, sizeof(why)), -EINVAL);
	cr_assert_str_eq(why, "f:2: a NUL byte: this is not text");
}

Test(conf_text, on_error_above_the_error_counts_and_nothing_else_is_written)
{
	char why[CONF_WHY_MAX];
	struct conf conf = { .memory = 7 };

	cr_assert_eq(parse("[global]\nmemory = 1G\non_error = abort\nlog = x\n", &conf, why),
		     -EINVAL);
	cr_assert_eq(conf.on_error, CONF_ON_ERROR_ABORT);
	cr_assert_eq(conf.memory, 7);
	cr_assert_eq(parse("[global]\nlog = x\non_error = abort\n", &conf, why), -EINVAL);
	cr_assert_eq(conf.on_error, CONF_ON_ERROR_KERNEL);
}

Test(conf_text, a_small_message_buffer_is_respected)
{
	char why[16];
	struct conf conf;

	memset(why, 'z', sizeof(why));
	cr_assert_eq(conf_parse_text("[x]", 3, "f", &conf, why, 8), -EINVAL);
	cr_assert_str_eq(why, "f:1: se");
	cr_assert_eq(why[8], 'z');
}

Test(conf_short, forms)
{
	char why[CONF_WHY_MAX];
	struct conf conf;

	cr_assert_eq(conf_short("veth0", &conf, why, sizeof(why)), 0);
	cr_assert_eq(conf.iface_count, 1);
	cr_assert_eq(conf.iface[0].driver, CONF_DRV_AF_PACKET);
	cr_assert_eq(conf_short("veth0:af_xdp", &conf, why, sizeof(why)), 0);
	cr_assert_eq(conf.iface[0].driver, CONF_DRV_AF_XDP);
	cr_assert_str_eq(conf.iface[0].name, "veth0");
	cr_assert_eq(conf_short("a,b", &conf, why, sizeof(why)), 0);
	cr_assert_eq(conf.iface_count, 2);
	cr_assert_str_eq(conf.iface[1].name, "b");
	cr_assert_eq(conf.memory, 256ull << 20);
}

Test(conf_short, messages)
{
	static const struct message rows[] = {
		{ "", "SOCK7_INTERFACE: interface = : a name of 1 to 31 characters" },
		{ "a,", "SOCK7_INTERFACE: interface = : a name of 1 to 31 characters" },
		{ "a,a", "SOCK7_INTERFACE: interface = a: each interface once" },
		{ "a:b",
		  "SOCK7_INTERFACE: driver = b: one of af_packet, af_xdp, memif, virtio_user, "
		  "vhost, tap, ring, null, pci" },
		{ "a:memif",
		  "SOCK7_INTERFACE: address = (none): driver memif has no kernel netdev to "
		  "adopt addresses from; give at least one ADDRESS/LENGTH" },
		{ "lo",
		  "SOCK7_INTERFACE: interface = lo: another name: lo is sock7's own loopback "
		  "(loopback = stack)" },
	};
	char why[CONF_WHY_MAX];
	struct conf conf;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(conf_short(rows[i].text, &conf, why, sizeof(why)), -EINVAL);
		cr_expect_str_eq(why, rows[i].why, "%s", why);
	}
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	cr_assert(file);
	fputs(text, file);
	fclose(file);
}

Test(conf_read, files)
{
	char path[] = "/tmp/s7confXXXXXX", why[CONF_WHY_MAX], want[CONF_WHY_MAX];
	struct conf conf;

	close(mkstemp(path));
	write_file(path, "[interface veth0]\nqueues = 2\n");
	cr_assert_eq(conf_read(path, &conf, why, sizeof(why)), 0);
	cr_assert_eq(conf.iface[0].queues, 2);
	write_file(path, "[interface veth0]\nqueues = 99\n");
	cr_assert_eq(conf_read(path, &conf, why, sizeof(why)), -EINVAL);
	snprintf(want, sizeof(want), "%s:2: queues = 99: a number from 1 to 16", path);
	cr_assert_str_eq(why, want);
	unlink(path);
	cr_assert_eq(conf_read(path, &conf, why, sizeof(why)), -ENOENT);
	snprintf(want, sizeof(want), "%s: No such file or directory", path);
	cr_assert_str_eq(why, want);
	cr_assert_eq(conf_read("/tmp", &conf, why, sizeof(why)), -EISDIR);
	cr_assert_str_eq(why, "/tmp: Is a directory");
	cr_assert_eq(conf_read("/dev/zero", &conf, why, sizeof(why)), -EFBIG);
}

Test(conf_env, sources_in_their_order)
{
	char path[] = "/tmp/s7confXXXXXX", why[CONF_WHY_MAX];
	struct conf conf;

	close(mkstemp(path));
	write_file(path, "[interface filed]\n");
	setenv("SOCK7_CONF", path, 1);
	setenv("SOCK7_INTERFACE", "short", 1);
	cr_assert_eq(conf_from_env(&conf, why, sizeof(why)), 1);
	cr_assert_str_eq(conf.iface[0].name, "filed");
	unlink(path);
	cr_assert_eq(conf_from_env(&conf, why, sizeof(why)), -ENOENT);
	setenv("SOCK7_CONF", "", 1);
	cr_assert_eq(conf_from_env(&conf, why, sizeof(why)), 1);
	cr_assert_str_eq(conf.iface[0].name, "short");
	unsetenv("SOCK7_INTERFACE");
	if (access("/etc/sock7.conf", F_OK))
		cr_assert_eq(conf_from_env(&conf, why, sizeof(why)), 0);
}

Test(conf_text, the_shipped_file_is_valid_and_changes_nothing)
{
	char why[CONF_WHY_MAX];
	struct conf conf, defaults;

	memset(&conf, 0, sizeof(conf));
	memset(&defaults, 0, sizeof(defaults));
	conf_defaults(&defaults);
	cr_assert_eq(conf_read(S7_SOURCE_DIR "/conf/sock7.conf", &conf, why, sizeof(why)), 0, "%s",
		     why);
	cr_assert_eq(conf.iface_count, 0);
	cr_assert_eq(conf.max_sockets, defaults.max_sockets);
	cr_assert_eq(conf.memory, defaults.memory);
}

Test(conf_text, driver_names)
{
	cr_assert_str_eq(conf_driver_name(CONF_DRV_VIRTIO_USER), "virtio_user");
	cr_assert_str_eq(conf_driver_name(CONF_DRV_COUNT), "?");
}
