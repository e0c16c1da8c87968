/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * keys.h - one row a key: what parses it, bounds it, explains it and documents it
 *
 * Private to conf/ (parser, generator, tests). keys.c holds the table, types.c what a type means.
 */
#ifndef S7_CONF_KEYS_H
#define S7_CONF_KEYS_H

#include "conf/conf.h"

enum conf_section { CONF_SEC_GLOBAL, CONF_SEC_INTERFACE, CONF_SEC_COUNT };

enum conf_type {
	CONF_T_ENUM,   /* uint32_t-sized enum, index into words */
	CONF_T_BOOL,
	CONF_T_NUMBER, /* uint32_t */
	CONF_T_SIZE,   /* uint32_t or uint64_t, with K, M, G */
	CONF_T_TRIPLE, /* uint32_t[3], sizes that do not fall */
	CONF_T_TEXT,   /* char[] */
	CONF_T_WORD,   /* char[], one of words */
	CONF_T_PREFIX, /* struct conf_prefix[], repeatable */
	CONF_T_ROUTE,  /* struct conf_route[], repeatable */
	CONF_T_GATEWAY, /* uint8_t[2][16], one of each family, IPv4 as v4-mapped */
	CONF_T_MAC,    /* struct conf_iface's mac and has_mac */
	CONF_T_FILTER, /* char[], an expression of libpcap (filter.c) */
	CONF_T_OBJECT, /* char[], FILE[:SECTION] */
	CONF_T_COUNT
};

struct conf_key {
	enum conf_section section;
	enum conf_type type;
	const char *name;
	const char *initial;	  /* the default as one would write it; "" for none */
	const char *help;	  /* sentences for people */
	size_t offset;		  /* in struct conf or struct conf_iface */
	size_t width;		  /* of the whole field */
	size_t count_offset;	  /* repeatable types: its uint32_t counter */
	uint64_t min, max;	  /* numbers and sizes; repeatable types: max entries */
	const char *const *words; /* NULL-terminated */
	const char *zero;	  /* the word for 0 or empty ("auto", "global"), or NULL */
	bool power_of_two;
};

#define CONF_KEYS_MAX 64

extern const struct conf_key conf_keys[];
extern const size_t conf_key_count;

/* The key of that name, or NULL. */
const struct conf_key *conf_key_find(enum conf_section section, const char *name);

/* "[global]", "[interface NAME]" */
const char *conf_section_title(enum conf_section section);

/* True if the key may stand in a section more than once. */
bool conf_key_repeats(const struct conf_key *key);

/*
 * Stores `text` in the key's field of `base` (a struct conf or struct conf_iface). 0, -EINVAL when
 * it is not what conf_key_allowed() says, -E2BIG when a repeatable key has no room left.
 */
int conf_key_set(const struct conf_key *key, const char *text, void *base);

/* One phrase that says what is allowed. */
void conf_key_allowed(const struct conf_key *key, char *ret_text, size_t len);

/* True if the address lies in the prefix's network (both as 16 bytes). */
bool conf_prefix_covers(const struct conf_prefix *prefix, const uint8_t ip[16]);

/* Where a message points: a line of a file, or an environment variable (line 0). */
struct conf_place {
	const char *name;
	uint32_t line;
};

/* Writes "name:line: key = value: text" and returns -EINVAL. */
int conf_complain(const struct conf_place *place, const char *key, const char *value,
		  const char *text, char *ret_why, size_t why_len);

/* Where a value was written, so that a later check can point at it. Line 0: not given. */
struct conf_given {
	uint32_t line;
	char value[64]; /* its beginning */
};

/* A section while it is read. */
struct conf_draft {
	struct conf_place place;		  /* its title's line */
	struct conf_given key[CONF_KEYS_MAX];	  /* by index in conf_keys; of several the last */
	struct conf_given route[CONF_ROUTES_MAX]; /* by index in conf_iface.route */
	struct conf_given gateway[2];		  /* likewise */
};

/* What no single key can tell (check.c): the interface as a whole, and against those before it. */
int conf_check_iface(const struct conf *conf, uint32_t index, const struct conf_draft *draft,
		     char *ret_why, size_t why_len);
int conf_check_global(const struct conf *conf, const struct conf_draft *draft, char *ret_why,
		      size_t why_len);

#endif
