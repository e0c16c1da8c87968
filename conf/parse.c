/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * parse.c - text to struct conf
 *
 * Idea: libinih splits lines, the table of keys (keys.c) says what they mean. The library is fed
 * line by line from memory by next_line(), which counts, because Debian's build does not hand line
 * numbers to its handler; behind each section's title it slips in an empty pair, so that a section
 * without keys is seen too. Invariants: the result is written only on success, except that
 * *ret_conf's on_error holds what stood above the error; the first error stops and is the one that
 * is told. Context: any thread, no lock; allocates only inside libinih and stdio, nothing stays.
 * Called by: shim (boot), tools (check, run), tests.
 */
#include "conf/keys.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 1024
#define SHORT_SOURCE "SOCK7_INTERFACE"
#define DEFAULT_PATH "/etc/sock7.conf"

struct parser {
	struct conf *conf;
	const char *at, *end; /* text that is not read yet */
	const char *name;
	uint32_t line;	      /* of the line handed out last */
	bool title_pending;   /* the next thing handed out is the empty pair behind a title */
	bool title_now;	      /* the handler is called for that pair */
	int err;	      /* of the reader: the text ends there */
	enum conf_section section;
	bool in_section;
	struct conf_draft global, iface;
	char *why;
	size_t why_len;
};

static int complain(const struct parser *p, const char *key, const char *value, const char *text)
{
	struct conf_place place = { p->name, p->line };

	return conf_complain(&place, key, value, text, p->why, p->why_len);
}

static int complain_line(struct parser *p, const char *text)
{
	snprintf(p->why, p->why_len, "%.160s:%u: %s", p->name, p->line, text);
	return -EINVAL;
}

static void section_defaults(enum conf_section section, void *base)
{
	size_t i;

	for (i = 0; i < conf_key_count; i++) {
		if (conf_keys[i].section == section && conf_keys[i].initial[0])
			conf_key_set(&conf_keys[i], conf_keys[i].initial, base);
	}
}

void conf_defaults(struct conf *ret_conf)
{
	memset(ret_conf, 0, sizeof(*ret_conf));
	section_defaults(CONF_SEC_GLOBAL, ret_conf);
}

/* ---- sections ---- */

static const char *bad_iface_name(const struct conf *conf, const char *name)
{
	const char *at;
	uint32_t i;

	if (!name[0] || strlen(name) >= CONF_NAME_MAX)
		return "a name of 1 to 31 characters";
	for (at = name; *at; at++) {
		if (!isgraph((unsigned char)*at) || strchr(",/[]", *at))
			return "a name without spaces, commas, slashes and brackets";
	}
	if (!strcmp(name, "lo"))
		return "another name: lo is sock7's own loopback (loopback = stack)";
	for (i = 0; i < conf->iface_count; i++) {
		if (!strcmp(conf->iface[i].name, name))
			return "each interface once";
	}
	if (conf->iface_count == CONF_IFACES_MAX)
		return "at most 8 interfaces";
	return NULL;
}

static_assert(CONF_NAME_MAX == 32 && CONF_IFACES_MAX == 8, "the texts above say so");

static int iface_open(struct parser *p, const char *name)
{
	const char *text = bad_iface_name(p->conf, name);
	struct conf_iface *iface;

	if (text)
		return complain(p, "interface", name, text);
	iface = &p->conf->iface[p->conf->iface_count++];
	snprintf(iface->name, sizeof(iface->name), "%s", name);
	section_defaults(CONF_SEC_INTERFACE, iface);
	memset(&p->iface, 0, sizeof(p->iface));
	p->iface.place.name = p->name;
	p->iface.place.line = p->line;
	p->section = CONF_SEC_INTERFACE;
	return 0;
}

/* The section that ends here is whole: check it. */
static int section_close(struct parser *p)
{
	if (!p->in_section || p->section != CONF_SEC_INTERFACE)
		return 0;
	p->in_section = false;
	return conf_check_iface(p->conf, p->conf->iface_count - 1, &p->iface, p->why, p->why_len);
}

/* Without the space around it. */
static void trim(char *ret_text, size_t size, const char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	snprintf(ret_text, size, "%.*s", (int)len, text);
}

static int section_open(struct parser *p, const char *text)
{
	static const char prefix[] = "interface";
	char title[64];
	const char *name = title + sizeof(prefix) - 1;
	int err = section_close(p);

	if (err)
		return err;
	trim(title, sizeof(title), text);
	if (!strcmp(title, "global")) {
		p->section = CONF_SEC_GLOBAL;
	} else if (!strncmp(title, prefix, sizeof(prefix) - 1) &&
		   (!*name || isspace((unsigned char)*name))) {
		while (isspace((unsigned char)*name))
			name++;
		err = iface_open(p, name);
	} else {
		err = complain(p, "section", title, "[global] or [interface NAME]");
	}
	p->in_section = !err;
	return err;
}

/* ---- keys ---- */

/* How many letters of one word must be put in, left out or changed to make it the other. */
static uint32_t distance(const char *a, const char *b)
{
	uint32_t row[48], above, keep, j, cols = (uint32_t)strnlen(b, 47);

	for (j = 0; j <= cols; j++)
		row[j] = j;
	for (uint32_t i = 0; a[i]; i++) {
		above = row[0]++;
		for (j = 1; j <= cols; j++) {
			keep = above + (a[i] != b[j - 1]);
			above = row[j];
			row[j] = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
			row[j] = keep < row[j] ? keep : row[j];
		}
	}
	return row[cols];
}

static const char *nearest_key(enum conf_section section, const char *name)
{
	const char *best = "";
	uint32_t least = UINT32_MAX, far;

	for (size_t i = 0; i < conf_key_count; i++) {
		if (conf_keys[i].section != section)
			continue;
		far = distance(conf_keys[i].name, name);
		if (far < least) {
			least = far;
			best = conf_keys[i].name;
		}
	}
	return best;
}

static int unknown_key(const struct parser *p, const char *name, const char *value)
{
	enum conf_section other =
		p->section == CONF_SEC_GLOBAL ? CONF_SEC_INTERFACE : CONF_SEC_GLOBAL;
	char text[256];

	if (conf_key_find(other, name)) {
		snprintf(text, sizeof(text), "this key belongs in %s", conf_section_title(other));
		return complain(p, name, value, text);
	}
	snprintf(text, sizeof(text),
		 "a key of %s, the nearest is %s (docs/configuration.md has all)",
		 conf_section_title(p->section), nearest_key(p->section, name));
	return complain(p, name, value, text);
}

static void remember(struct parser *p, const struct conf_key *key, const char *value)
{
	struct conf_draft *draft = p->section == CONF_SEC_GLOBAL ? &p->global : &p->iface;
	struct conf_given *given = &draft->key[key - conf_keys];

	given->line = p->line;
	snprintf(given->value, sizeof(given->value), "%s", value);
	if (key->type == CONF_T_ROUTE)
		draft->route[p->conf->iface[p->conf->iface_count - 1].route_count - 1] = *given;
	if (key->type == CONF_T_GATEWAY)
		draft->gateway[strchr(value, ':') != NULL] = *given;
}

static int key_read(struct parser *p, const char *name, const char *value)
{
	const struct conf_key *key = conf_key_find(p->section, name);
	const struct conf_draft *draft;
	char text[256];
	void *base;

	if (!key)
		return unknown_key(p, name, value);
	draft = p->section == CONF_SEC_GLOBAL ? &p->global : &p->iface;
	base = p->section == CONF_SEC_GLOBAL ? (void *)p->conf :
					       (void *)&p->conf->iface[p->conf->iface_count - 1];
	if (draft->key[key - conf_keys].line && !conf_key_repeats(key)) {
		snprintf(text, sizeof(text), "once only; it stands on line %u already",
			 draft->key[key - conf_keys].line);
		return complain(p, name, value, text);
	}
	if (conf_key_set(key, value, base)) {
		conf_key_allowed(key, text, sizeof(text));
		return complain(p, name, value, text);
	}
	remember(p, key, value);
	return 0;
}

/* libinih's handler: 1 to go on, 0 to stop with p->why set. */
static int on_pair(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;
	int err;

	if (p->title_now)
		err = section_open(p, section);
	else if (!p->in_section)
		err = complain(p, name, value, "a section before it: [global] or [interface NAME]");
	else
		err = key_read(p, name, value);
	return err == 0;
}

/* ---- lines ---- */

static bool is_title(const char *line)
{
	while (isspace((unsigned char)*line))
		line++;
	return *line == '[';
}

/* libinih's reader, with the contract of fgets. */
static char *next_line(char *buf, int size, void *stream)
{
	struct parser *p = stream;
	const char *newline;
	size_t len;

	p->title_now = p->title_pending;
	if (p->title_pending) {
		p->title_pending = false;
		snprintf(buf, (size_t)size, "=\n");
		return buf;
	}
	if (p->at == p->end || p->err)
		return NULL;
	p->line++;
	newline = memchr(p->at, '\n', (size_t)(p->end - p->at));
	len = newline ? (size_t)(newline - p->at) : (size_t)(p->end - p->at);
	if (memchr(p->at, '\0', len)) {
		p->err = complain_line(p, "a NUL byte: this is not text");
		return NULL;
	}
	if (len + 1 >= (size_t)size) {
		p->err = complain_line(p, "a line of at most 1000 characters");
		return NULL;
	}
	memcpy(buf, p->at, len);
	buf[len] = '\0';
	p->at += len + (newline != NULL);
	p->title_pending = is_title(buf);
	return buf;
}

/*
 * libinih keeps its settings in globals of its own; ours are always the same values, so writing
 * them again is harmless.
 */
static void inih_settings(void)
{
	ini_allow_multiline = false;
	ini_allow_no_value = false;
	ini_inline_comment_prefixes = (char *)"#;";
	ini_use_stack = false;
	ini_initial_alloc = LINE_MAX_BYTES;
	ini_max_line = LINE_MAX_BYTES;
	ini_stop_on_first_error = true;
}

static int parse_all(struct parser *p)
{
	int bad;

	inih_settings();
	bad = ini_parse_stream(next_line, p, on_pair, p);
	if (bad == -2)
		return complain_line(p, "out of memory"), -ENOMEM;
	if (bad && !p->why[0])
		return complain_line(p, "'key = value', '[section]' or '# comment'");
	if (bad || p->err)
		return -EINVAL;
	if (section_close(p))
		return -EINVAL;
	return conf_check_global(p->conf, &p->global, p->why, p->why_len);
}

int conf_parse_text(const char *text, size_t len, const char *name, struct conf *ret_conf,
		    char *ret_why, size_t why_len)
{
	char scratch[CONF_WHY_MAX];
	struct conf conf;
	struct parser p = { .conf = &conf, .at = text, .end = text + len, .name = name,
			    .why = scratch, .why_len = sizeof(scratch),
			    .global.place.name = name };
	int err;

	scratch[0] = '\0';
	conf_defaults(&conf);
	err = parse_all(&p);
	if (err) {
		ret_conf->on_error = conf.on_error;
		snprintf(ret_why, why_len, "%s", scratch);
		return err;
	}
	*ret_conf = conf;
	return 0;
}

/* ---- sources ---- */

static int complain_path(const char *path, int err, char *ret_why, size_t why_len)
{
	snprintf(ret_why, why_len, "%.160s: %s", path, strerror(-err));
	return err;
}

/* Reads the whole stream into buf; its length or -errno. */
static ssize_t slurp(FILE *file, char *buf, size_t size)
{
	size_t len;

	errno = EIO;
	len = fread(buf, 1, size, file);
	if (ferror(file))
		return -errno;
	return len == size ? -EFBIG : (ssize_t)len;
}

int conf_read(const char *path, struct conf *ret_conf, char *ret_why, size_t why_len)
{
	char *text;
	ssize_t len;
	FILE *file;
	int err;

	ret_conf->on_error = CONF_ON_ERROR_KERNEL;
	text = malloc(CONF_FILE_MAX);
	if (!text)
		return complain_path(path, -ENOMEM, ret_why, why_len);
	file = fopen(path, "re");
	if (!file) {
		err = complain_path(path, -errno, ret_why, why_len);
		goto free_text;
	}
	len = slurp(file, text, CONF_FILE_MAX);
	err = len < 0 ? complain_path(path, (int)len, ret_why, why_len) :
			conf_parse_text(text, (size_t)len, path, ret_conf, ret_why, why_len);
	fclose(file);
free_text:
	free(text);
	return err;
}

/* One item of the short form: NAME or NAME:DRIVER. */
static int short_item(struct parser *p, char *item)
{
	char *driver = strchr(item, ':');
	int err;

	if (driver)
		*driver++ = '\0';
	err = iface_open(p, item);
	if (!err && driver)
		err = key_read(p, "driver", driver);
	if (!err)
		err = conf_check_iface(p->conf, p->conf->iface_count - 1, &p->iface, p->why,
				       p->why_len);
	return err;
}

int conf_short(const char *text, struct conf *ret_conf, char *ret_why, size_t why_len)
{
	char copy[CONF_IFACES_MAX * 2 * CONF_NAME_MAX], *at = copy, *item;
	struct conf conf;
	struct parser p = { .conf = &conf, .name = SHORT_SOURCE, .why = ret_why,
			    .why_len = why_len };
	int err = 0;

	ret_conf->on_error = CONF_ON_ERROR_KERNEL;
	conf_defaults(&conf);
	if (strlen(text) >= sizeof(copy))
		return complain(&p, "interface", text, "NAME[:DRIVER][,NAME...]");
	snprintf(copy, sizeof(copy), "%s", text);
	while (!err && (item = strsep(&at, ",")))
		err = short_item(&p, item);
	if (!err)
		*ret_conf = conf;
	return err;
}

int conf_from_env(struct conf *ret_conf, char *ret_why, size_t why_len)
{
	const char *path = secure_getenv("SOCK7_CONF");
	const char *names = secure_getenv("SOCK7_INTERFACE");
	int err;

	if (path && *path)
		err = conf_read(path, ret_conf, ret_why, why_len);
	else if (names && *names)
		err = conf_short(names, ret_conf, ret_why, why_len);
	else
		err = conf_read(DEFAULT_PATH, ret_conf, ret_why, why_len);
	if (err == -ENOENT && !(path && *path))
		return 0;
	return err ? err : 1;
}
