/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gen_compliance.c - prints docs/compliance.md from the option tables and the list of calls
 *
 * Idea: the names that the manual pages have stand here, in their order; what becomes of each is
 * looked up in the tables that the stack itself uses (stack/sock/opt_*.c), so the page cannot
 * promise what the code does not do, what the differential test found (test/diff/results.txt), and
 * which test shows the effect (test/effects.txt). A row of those tables without a name here is an
 * error, since the page would hide it, and so is one that can be set without a test of its effect.
 * `s7_compliancegen INTERCEPT_DEF RESULTS JUSTIFIED EFFECTS` writes to standard output; a test
 * compares that with the file that is committed. Context: a build-time program of one thread.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stack/sock/sock_int.h"
#include "tools/gen_names.h"

struct page {
	int level;
	const char *title;
	const struct opt_name *names;
};

static const struct page pages[] = {
	{ SOL_SOCKET, "SOL_SOCKET: socket(7)", socket_names },
	{ IPPROTO_TCP, "IPPROTO_TCP: tcp(7)", tcp_names },
	{ IPPROTO_IP, "IPPROTO_IP: ip(7)", ip_names },
	{ IPPROTO_IPV6, "IPPROTO_IPV6: ipv6(7)", ipv6_names },
	{ IPPROTO_UDP, "IPPROTO_UDP: udp(7)", udp_names },
	{ IPPROTO_RAW, "IPPROTO_RAW: raw(7)", raw_names },
	{ IPPROTO_ICMPV6, "IPPROTO_ICMPV6: ipv6(7)", icmp6_names },
	{ SOL_PACKET_, "SOL_PACKET: packet(7)", packet_names },
};

static const char head[] =
	"# What becomes of each option and call\n"
	"\n"
	"This page is generated from the option tables in `stack/sock/opt_*.c`, the list of calls "
	"in\n"
	"`shim/intercept.def` and the names in `tools/gen_names.h`; `cmake --build build/release "
	"--target\n"
	"compliance_update` writes it, a test compares it. The specification is socket(7); where\n"
	"that page and the running kernel differ, the kernel is right.\n"
	"\n"
	"An option has one of these fates; none is accepted without effect:\n"
	"\n"
	"- **done**: the stack has it. While the program's own kernel socket stands behind the "
	"descriptor (before\n"
	"  bind and connect, and beside a listener) the kernel is asked first: ranges, privileges "
	"and\n"
	"  errno are its own.\n"
	"- **behind**: Linux has no effect for it on internet sockets. The kernel socket behind "
	"the "
	"descriptor\n"
	"  keeps and answers it, so that it is what the running kernel makes of it; the stack goes "
	"on serving.\n"
	"- **kernel**: the stack has it not. Set on a socket that nothing has happened to yet "
	"(and that the\n"
	"  kernel accepts it for), it hands the socket over: the kernel serves it from then on, "
	"with the option.\n"
	"  On a socket that the stack already serves, or with `kernel_fallback = no`, setting it "
	"is\n"
	"  `ENOPROTOOPT`. Reading asks the kernel socket behind. What the kernel refuses is "
	"refused\n"
	"  with the kernel's errno.\n"
	"\n"
	"A packet socket (docs/packet.md) keeps its kernel socket for life: it judges every value "
	"first and answers what the\n"
	"stack's half does not know better.\n"
	"\n"
	"The last column counts the transcripts of `test/diff` in which the option was tried on "
	"the "
	"kernel and on\n"
	"the stack (kinds of sockets x states x root and nobody; every value, length and pointer "
	"of "
	"`test/diff/gen_values.c`):\n"
	"equal, and those that differ for a reason given below. `test/diff/run.sh -u` writes the "
	"numbers. Before\n"
	"it stands which test shows the effect on the wire or by behaviour (`test/effects.txt`); "
	"an "
	"option\n"
	"that can be set without one is an error of the build.\n";

/* ---- what the differential test found: "LEVEL NUMBER EQUAL JUSTIFIED DIFFERENT" a line ---- */

#define RESULTS_MAX 1024

static struct result {
	char level[24];
	int number;
	unsigned int equal, justified, different;
} results[RESULTS_MAX];
static size_t result_count;

static int read_results(const char *path)
{
	FILE *file = fopen(path, "r");
	struct result *r = results;
	char number[16];

	if (!file) {
		perror(path);
		return -1;
	}
	while (result_count < RESULTS_MAX &&
	       fscanf(file, "%23s %15s %u %u %u", r->level, number, &r->equal, &r->justified,
		      &r->different) == 5) {
		r->number = atoi(number);
		r = &results[++result_count];
	}
	fclose(file);
	return 0;
}

static const char *result_text(int level, int name)
{
	static const struct {
		int level;
		const char *name;
	} names[] = { { SOL_SOCKET, "SOL_SOCKET" }, { IPPROTO_TCP, "IPPROTO_TCP" },
		      { IPPROTO_IP, "IPPROTO_IP" }, { IPPROTO_IPV6, "IPPROTO_IPV6" },
		      { IPPROTO_UDP, "IPPROTO_UDP" }, { IPPROTO_RAW, "IPPROTO_RAW" },
		      { IPPROTO_ICMPV6, "IPPROTO_ICMPV6" },
		      { SOL_PACKET_, "SOL_PACKET" } };
	static char text[64];

	text[0] = 0;
	for (size_t i = 0; i < result_count; i++) {
		const struct result *r = &results[i];

		for (size_t l = 0; l < S7_ARRAY_LEN(names); l++)
			if (names[l].level == level && !strcmp(names[l].name, r->level) &&
			    r->number == name)
				snprintf(text, sizeof(text),
					 r->justified ? "%u, %u justified" : "%u", r->equal,
					 r->justified);
	}
	return text;
}

/* ---- which tests show an option's effect: "NAME FILE:TEST..." a line ---- */

#define EFFECTS_MAX 512

static struct effect {
	char name[40], tests[256];
	bool used;
} effects[EFFECTS_MAX];
static size_t effect_count;

static int read_effects(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];

	if (!file) {
		perror(path);
		return -1;
	}
	while (effect_count < EFFECTS_MAX && fgets(line, sizeof(line), file)) {
		struct effect *e = &effects[effect_count];

		if (*line != '#' && sscanf(line, "%39s %255[^\n]", e->name, e->tests) == 2)
			effect_count++;
	}
	fclose(file);
	return 0;
}

/* "TEST, TEST" without their files, or NULL. */
static const char *effect_text(const char *name)
{
	static char text[512];
	char tests[256], *at, *save;

	for (size_t i = 0; i < effect_count; i++) {
		if (strcmp(effects[i].name, name))
			continue;
		effects[i].used = true;
		strcpy(tests, effects[i].tests);
		text[0] = 0;
		for (at = strtok_r(tests, " ", &save); at; at = strtok_r(NULL, " ", &save)) {
			const char *test = strrchr(at, ':');

			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%.*s %s",
				 *text ? ", " : "", (int)strcspn(at, "/"), at,
				 test ? test + 1 : "");
		}
		return text;
	}
	return NULL;
}

static int missing_effects;

/* A line of the list that is about no option. */
static int unused_effects(void)
{
	int count = 0;

	for (size_t i = 0; i < effect_count; i++)
		if (!effects[i].used && ++count)
			fprintf(stderr, "test/effects.txt: %s is no option of the stack's\n",
				effects[i].name);
	return count;
}

static void print_results(void)
{
	unsigned int sum[3] = { 0 };

	for (size_t i = 0; i < result_count; i++) {
		sum[0] += results[i].equal;
		sum[1] += results[i].justified;
		sum[2] += results[i].different;
	}
	printf("\n## The differential test\n\n"
	       "%zu options (numbers that nobody has included) and the cases written by hand: "
	       "%u transcripts equal, %u justified, %u different.\n\n"
	       "| differs | why |\n|---|---|\n",
	       result_count - 1, sum[0], sum[1], sum[2]);
}

/* test/diff/justified.txt: "PATTERN REASON" */
static int print_reasons(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[1024], *reason;

	if (!file) {
		perror(path);
		return 1;
	}
	while (fgets(line, sizeof(line), file)) {
		reason = strchr(line, ' ');
		if (*line == '#' || !reason)
			continue;
		*reason++ = 0;
		reason[strcspn(reason, "\n")] = 0;
		printf("| `");
		for (const char *at = line; *at; at++)
			printf(*at == '|' ? "\\|" : "%c", *at);
		printf("` | %s |\n", reason);
	}
	fclose(file);
	return 0;
}

static const struct s7_opt *row_of(int level, int name)
{
	uint32_t t, i;

	for (t = 0; t < s7_opt_table_count; t++) {
		const struct s7_opt_table *table = s7_opt_tables[t];

		for (i = 0; i < table->count; i++)
			if (table->opts[i].level == level && table->opts[i].name == name)
				return &table->opts[i];
	}
	return NULL;
}

static const char *sockets_of(const struct s7_opt *row)
{
	static const struct {
		uint8_t on;
		const char *text;
	} kinds[] = {
		{ ON_ANY, "all" },	 { ON_DGRAM, "all but TCP" }, { ON_TCP, "TCP" },
		{ ON_UDP, "UDP" },	 { ON_RAW, "RAW" },	      { ON_PING, "ping" },
		{ ON_ANY | ON_V6, "IPv6" }, { ON_DGRAM | ON_V6, "IPv6, all but TCP" },
		{ ON_RAW | ON_V6, "IPv6 RAW" }, { ON_PACKET, "packet" },
	};

	for (size_t i = 0; i < S7_ARRAY_LEN(kinds); i++)
		if (kinds[i].on == row->on)
			return kinds[i].text;
	return "some";
}

static const char *access_of(const struct s7_opt *row)
{
	static const char *const text[] = {
		[OPT_RD] = "get", [OPT_WR] = "set", [OPT_RW] = "get, set"
	};

	return text[row->access & OPT_RW];
}

static void print_option(int level, const struct opt_name *name)
{
	const struct s7_opt *row = row_of(level, name->value);
	const char *note = name->note ? name->note : "", *result = result_text(level, name->value);
	const char *effect = row ? effect_text(name->name) : NULL;
	bool behind = row && row->access & OPT_BEHIND;

	if (row && row->access & OPT_WR && !behind && !effect && ++missing_effects)
		fprintf(stderr, "test/effects.txt: no test shows what %s does\n", name->name);
	if (row)
		printf("| %s | %s | %s | %s | %s%s%s | %s | %s |\n", name->name,
		       behind ? "behind" : "**done**", sockets_of(row), access_of(row), row->text,
		       *note ? "; " : "", note, effect ? effect : "", result);
	else
		printf("| %s | kernel | | | %s | | %s |\n", name->name, note, result);
}

static void print_page(const struct page *page)
{
	const struct opt_name *name;

	printf("\n## %s\n\n| option | fate | sockets | access | note | effect shown by | "
	       "transcripts |\n|---|---|---|---|---|---|---|\n",
	       page->title);
	for (name = page->names; name->name; name++)
		print_option(page->level, name);
}

static bool is_named(const struct s7_opt *row)
{
	const struct opt_name *name;
	size_t i;

	for (i = 0; i < S7_ARRAY_LEN(pages); i++) {
		if (pages[i].level != row->level)
			continue;
		for (name = pages[i].names; name->name; name++)
			if (name->value == row->name)
				return true;
	}
	return false;
}

/* How many rows of the stack's tables have no name here. */
static int unnamed_rows(void)
{
	uint32_t t, i;
	int count = 0;

	for (t = 0; t < s7_opt_table_count; t++) {
		const struct s7_opt_table *table = s7_opt_tables[t];

		for (i = 0; i < table->count; i++) {
			if (is_named(&table->opts[i]))
				continue;
			fprintf(stderr, "gen_names.h: no name for option %d of level %d\n",
				table->opts[i].name, table->opts[i].level);
			count++;
		}
	}
	return count;
}

static void print_facts(const char *title, const char *column, const struct fact *facts)
{
	printf("\n## %s\n\n| %s | what sock7 does |\n|---|---|\n", title, column);
	for (; facts->name; facts++)
		printf("| %s | %s |\n", facts->name, facts->text);
}

/* "CALL(int, socket, ..." gives the name, a comment of one line before calls the group. */
static void print_call(const char *line)
{
	const char *name = strchr(line, ',');
	char *end = name ? strchr(name + 1, ',') : NULL;

	if (end)
		printf(" `%.*s`", (int)(end - name - 2), name + 2);
}

static int print_calls(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[512];

	if (!file) {
		perror(path);
		return 1;
	}
	puts("\n## Calls that libsock7.so stands in front of");
	while (fgets(line, sizeof(line), file)) {
		char *end = strstr(line, ": ");

		if (!strncmp(line, "/* ", 3) && end && !strncmp(line, "/* SPDX", 7) == 0)
			printf("\n- %.*s:", (int)(end - line - 3), line + 3);
		else if (!strncmp(line, "CALL(", 5))
			print_call(line);
	}
	putchar('\n');
	fclose(file);
	return 0;
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc != 5 || read_results(argv[2]) || read_effects(argv[4]))
		return fputs("usage: s7_compliancegen INTERCEPT_DEF RESULTS JUSTIFIED EFFECTS\n",
			     stderr), 2;
	fputs(head, stdout);
	for (i = 0; i < S7_ARRAY_LEN(pages); i++)
		print_page(&pages[i]);
	print_results();
	if (print_reasons(argv[3]))
		return 1;
	print_facts("I/O events", "event", event_facts);
	print_facts("Flags of send and recv", "flag", flag_facts);
	print_facts("Ancillary data", "message", control_facts);
	print_facts("ioctl and fcntl", "request", request_facts);
	print_facts("/proc/sys/net/core", "file", limit_facts);
	print_facts("Signals", "signal", signal_facts);
	print_facts("CPython's own network tests, loopback = stack", "suite", cpython_facts);
	print_facts("Other suites by hand, loopback = stack", "suite", suite_facts);
	return print_calls(argv[1]) || unnamed_rows() || missing_effects || unused_effects();
}
