/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gen.c - prints conf/sock7.conf and docs/configuration.md from the table of keys
 *
 * `s7_confgen ini` and `s7_confgen md` write to standard output; a test compares that with the
 * files that are committed, so neither can lag behind keys.c. Context: a build-time program of one
 * thread.
 */
#include "conf/keys.h"

#include <stdio.h>
#include <string.h>

#define WRAP 96

static const char *const section_help[CONF_SEC_COUNT] = {
	[CONF_SEC_GLOBAL] = "Settings of the whole program.",
	[CONF_SEC_INTERFACE] = "One section for each interface that sock7 drives.",
};

/* Prints text as comment lines of at most WRAP columns. */
static void print_comment(const char *text)
{
	size_t column = 0;
	const char *at = text;

	while (*at) {
		size_t len = strcspn(at, " ");

		if (column && column + 1 + len > WRAP) {
			putchar('\n');
			column = 0;
		}
		column += (size_t)printf("%s%.*s", column ? " " : "# ", (int)len, at);
		at += len;
		at += *at == ' ';
	}
	putchar('\n');
}

static void print_ini_key(const struct conf_key *key)
{
	char allowed[256];

	conf_key_allowed(key, allowed, sizeof(allowed));
	putchar('\n');
	print_comment(key->help);
	printf("# Allowed: %s.\n", allowed);
	printf("#%s =%s%s\n", key->name, key->initial[0] ? " " : "", key->initial);
}

static void print_ini(void)
{
	enum conf_section section;
	size_t i;

	puts("# sock7.conf - every key with its default, generated from conf/keys.c\n"
	     "#\n"
	     "# Copy it to /etc/sock7.conf, or elsewhere and name it in SOCK7_CONF; then "
	     "uncomment\n"
	     "# what you want to change. Sizes take K, M and G. A comment begins with # or ;.");
	for (section = 0; section < CONF_SEC_COUNT; section++) {
		putchar('\n');
		print_comment(section_help[section]);
		puts(section == CONF_SEC_GLOBAL ? "[global]" : "#[interface veth0]");
		for (i = 0; i < conf_key_count; i++) {
			if (conf_keys[i].section == section)
				print_ini_key(&conf_keys[i]);
		}
	}
}

static void print_md_head(void)
{
	puts("# Configuration\n"
	     "\n"
	     "This page is generated from the table of keys in `conf/keys.c`.\n"
	     "\n"
	     "sock7 takes the first of these that is there:\n"
	     "\n"
	     "1. `SOCK7_CONF=PATH`: a file with the sections below.\n"
	     "2. `SOCK7_INTERFACE=NAME[:DRIVER][,NAME...]`: these interfaces, everything else at\n"
	     "   its default. Enough for a netdev of the kernel, whose addresses, routes and MTU\n"
	     "   are adopted.\n"
	     "3. `/etc/sock7.conf`.\n"
	     "\n"
	     "With none of them the program runs on the kernel.\n"
	     "\n"
	     "A file has lines `key = value` under `[global]` and `[interface NAME]`; a comment\n"
	     "begins with `#` or `;`, within a line behind a space. Sizes take K, M and G (powers "
	     "of\n"
	     "1024). A key stands once, except where it says that it may be repeated. NAME is "
	     "yours to\n"
	     "choose, but `lo` is sock7's own loopback. An unknown section or key is an error. "
	     "Errors are told in this form:\n"
	     "\n"
	     "```\n"
	     "/etc/sock7.conf:3: mtu = 12: auto or a number from 68 to 65535\n"
	     "```");
}

/* A cell of a table must not contain a bar. */
static void print_cell(const char *text)
{
	for (; *text; text++) {
		if (*text == '|')
			putchar('\\');
		putchar(*text);
	}
}

static void print_md(void)
{
	enum conf_section section;
	char allowed[256];
	size_t i;

	print_md_head();
	for (section = 0; section < CONF_SEC_COUNT; section++) {
		printf("\n## %s\n\n%s\n\n", conf_section_title(section), section_help[section]);
		puts("| key | default | allowed | meaning |\n|---|---|---|---|");
		for (i = 0; i < conf_key_count; i++) {
			const struct conf_key *key = &conf_keys[i];

			if (key->section != section)
				continue;
			conf_key_allowed(key, allowed, sizeof(allowed));
			printf("| `%s` | %s | ", key->name, key->initial);
			print_cell(allowed);
			printf(" | ");
			print_cell(key->help);
			puts(" |");
		}
	}
	puts("\nTCP settings that stand in both sections: a socket has those of `[global]` until "
	     "the\n"
	     "interface that carries its connection is known. That is at connect(), and for an "
	     "accepted\n"
	     "connection when its SYN comes; from then on it has those of the interface. What "
	     "the program\n"
	     "set itself (TCP_CONGESTION, SO_RCVBUF, SO_SNDBUF) stays, and is inherited from a "
	     "listener.\n"
	     "The interface `lo` has those of `[global]`.");
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "ini"))
		print_ini();
	else if (argc == 2 && !strcmp(argv[1], "md"))
		print_md();
	else
		return fputs("usage: s7_confgen ini|md\n", stderr), 2;
	return 0;
}
