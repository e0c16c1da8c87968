// SPDX-License-Identifier: BSD-3-Clause
/*
 * compare.c - compares the transcripts of both sides and says what differs
 *
 * s7diffcmp KERNEL_DIR SOCK7_DIR JUSTIFIED RESULTS CASE...
 *
 * A hand-written case is one transcript. The file of a generated group holds many, each behind a
 * line "== GROUP LEVEL NUMBER"; they are told by option: one line an option, with the first
 * difference of one of them. JUSTIFIED has lines "PATTERN REASON"; a pattern (fnmatch) stands for
 * cases by name and for transcripts as "LEVEL:NUMBER:GROUP". RESULTS is written: "LEVEL NUMBER
 * EQUAL JUSTIFIED DIFFERENT" an option, "- - ..." for the cases written by hand.
 * A transcript that is not there, or that ends because its process failed, counts as different even
 * when both sides are alike.
 * The last line is "diff: N equal, J justified, D different". Exit code 1 when something differs
 * that should not, or when there are more than REASONS_MAX reasons.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REASONS_MAX 9
#define OPTIONS_MAX 1024
#define NO_TRANSCRIPT "no transcript\n"
#define SHOWN 3 /* groups named of an option that differs */

enum verdict { EQUAL, JUSTIFIED, DIFFERENT };

struct reason {
	char *pattern, *text;
	unsigned int used;
};

struct option {
	char level[24], number[8];
	unsigned int count[3];
	char first[1024]; /* of the first difference */
};

static struct reason reasons[64];
static size_t reason_count;
static struct option options[OPTIONS_MAX];
static size_t option_count;
static unsigned int total[3], by_hand[3];

static char *slurp(const char *dir, const char *name)
{
	char path[512], *text;
	size_t got;
	FILE *file;
	long size;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = fopen(path, "r");
	if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) < 0) {
		if (file)
			fclose(file);
		return strdup(NO_TRANSCRIPT);
	}
	rewind(file);
	text = malloc((size_t)size + 1);
	got = text ? fread(text, 1, (size_t)size, file) : 0;
	fclose(file);
	if (text)
		text[got] = 0;
	return text;
}

/* A case that was not run to its end says nothing, even when both sides agree so far. */
static bool complete(const char *text)
{
	static const char *const ends[] = { "died: ", "exit code " };
	size_t len = strlen(text), last = len;

	while (last > 1 && text[last - 2] != '\n')
		last--;
	last -= last > 0;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strncmp(text + last, ends[i], strlen(ends[i])))
			return false;
	return len && strcmp(text, NO_TRANSCRIPT);
}

static int read_reasons(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[1024];

	if (!file) {
		perror(path);
		return -1;
	}
	while (fgets(line, sizeof(line), file)) {
		char *at = line;

		line[strcspn(line, "\n")] = 0;
		while (*at && !isspace((unsigned char)*at))
			at++;
		if (at == line || *line == '#' || reason_count == 64)
			continue;
		reasons[reason_count].pattern = strndup(line, (size_t)(at - line));
		while (isspace((unsigned char)*at))
			at++;
		reasons[reason_count++].text = strdup(at);
	}
	fclose(file);
	return 0;
}

static struct reason *reason_for(const char *name)
{
	for (size_t i = 0; i < reason_count; i++)
		if (!fnmatch(reasons[i].pattern, name, FNM_EXTMATCH))
			return &reasons[i];
	return NULL;
}

/* The first line in which two texts differ, both sides. */
static void first_difference(const char *a, const char *b, size_t alen, size_t blen, char *out,
			     size_t room)
{
	const char *aend = a + alen, *bend = b + blen;

	while (a < aend && b < bend) {
		size_t al = strcspn(a, "\n"), bl = strcspn(b, "\n");

		if (al != bl || memcmp(a, b, al))
			break;
		a += al + 1;
		b += bl + 1;
	}
	snprintf(out, room, "kernel '%.*s' sock7 '%.*s'",
		 a < aend ? (int)strcspn(a, "\n") : 3, a < aend ? a : "end",
		 b < bend ? (int)strcspn(b, "\n") : 3, b < bend ? b : "end");
}

static struct option *option_of(const char *level, size_t level_len, const char *number)
{
	struct option *opt;

	for (size_t i = 0; i < option_count; i++)
		if (strlen(options[i].level) == level_len &&
		    !memcmp(options[i].level, level, level_len) &&
		    !strcmp(options[i].number, number))
			return &options[i];
	if (option_count == OPTIONS_MAX)
		return NULL;
	opt = &options[option_count++];
	snprintf(opt->level, sizeof(opt->level), "%.*s", (int)level_len, level);
	snprintf(opt->number, sizeof(opt->number), "%s", number);
	return opt;
}

/* One transcript: heading "== GROUP LEVEL NUMBER\n" and what follows, up to the next heading. */
struct part {
	const char *at;
	size_t head, len; /* of the heading line with its newline; of all */
};

static bool part_next(const char **at, struct part *ret)
{
	const char *start = strncmp(*at, "== ", 3) ? strstr(*at, "\n== ") : *at, *end;

	if (!start)
		return false;
	start += *start == '\n';
	end = strstr(start, "\n== ");
	ret->at = start;
	ret->head = strcspn(start, "\n") + 1;
	ret->len = end ? (size_t)(end + 1 - start) : strlen(start);
	*at = start + ret->len;
	return true;
}

static bool part_find(const char *text, const struct part *like, struct part *ret)
{
	while (part_next(&text, ret))
		if (ret->head == like->head && !memcmp(ret->at, like->at, like->head))
			return true;
	return false;
}

static void count_option(struct option *opt, enum verdict verdict, const char *group,
			 const char *what)
{
	size_t used = strlen(opt->first);

	total[verdict]++;
	opt->count[verdict]++;
	if (verdict != DIFFERENT || opt->count[DIFFERENT] > SHOWN)
		return;
	if (opt->count[DIFFERENT] == 1)
		snprintf(opt->first, sizeof(opt->first), "%s: %s", group, what);
	else
		snprintf(opt->first + used, sizeof(opt->first) - used, ", %s", group);
}

static void compare_part(const struct part *k, const struct part *s)
{
	char head[128], name[160], what[400] = "sock7 has no transcript";
	char *group, *level, *number;
	enum verdict verdict = EQUAL;
	struct reason *reason;
	struct option *opt;

	snprintf(head, sizeof(head), "%.*s", (int)k->head - 4, k->at + 3);
	group = head;
	level = strchr(head, ' ');
	number = strrchr(head, ' ');
	if (!level || level == number)
		return;
	*level++ = *number++ = 0;
	opt = option_of(level, strlen(level), number);
	if (!opt)
		return;
	if (!s || s->len != k->len || memcmp(s->at, k->at, k->len)) {
		if (s)
			first_difference(k->at, s->at, k->len, s->len, what, sizeof(what));
		snprintf(name, sizeof(name), "%s:%s:%s", level, number, group);
		reason = reason_for(name);
		verdict = reason ? JUSTIFIED : DIFFERENT;
		if (reason)
			reason->used++;
	}
	count_option(opt, verdict, group, what);
}

static void compare_group(const char *name, const char *kernel, const char *sock7)
{
	const char *at = kernel, *other = sock7;
	struct part k, s;

	while (part_next(&at, &k)) {
		bool found = part_next(&other, &s) && s.head == k.head &&
			     !memcmp(s.at, k.at, k.head);

		if (!found) { /* a process that died leaves a hole */
			other = sock7;
			found = part_find(sock7, &k, &s);
			other = found ? s.at + s.len : sock7 + strlen(sock7);
		}
		compare_part(&k, found ? &s : NULL);
	}
	if (!complete(kernel) || !complete(sock7)) {
		total[DIFFERENT]++;
		printf("not ok - %s: not run to its end\n", name);
	}
}

static void compare_case(const char *name, const char *kernel, const char *sock7)
{
	struct reason *reason = reason_for(name);
	enum verdict verdict = EQUAL;
	char what[400] = "not run to its end";

	if (strcmp(kernel, sock7))
		verdict = reason ? JUSTIFIED : DIFFERENT;
	else if (!complete(kernel))
		verdict = DIFFERENT;
	total[verdict]++;
	by_hand[verdict]++;
	if (verdict == EQUAL) {
		printf("ok - %s\n", name);
	} else if (verdict == JUSTIFIED) {
		reason->used++;
		printf("ok - %s (differs: %s)\n", name, reason->text);
	} else {
		if (strcmp(kernel, sock7))
			first_difference(kernel, sock7, strlen(kernel), strlen(sock7), what,
					 sizeof(what));
		printf("not ok - %s: %s\n", name, what);
	}
}

static void say_options(void)
{
	for (size_t i = 0; i < option_count; i++) {
		const struct option *opt = &options[i];

		if (opt->count[DIFFERENT])
			printf("not ok - %s %s: %u of %u transcripts, %s\n", opt->level,
			       opt->number, opt->count[DIFFERENT],
			       opt->count[EQUAL] + opt->count[JUSTIFIED] + opt->count[DIFFERENT],
			       opt->first);
		else
			printf("ok - %s %s: %u transcripts equal, %u justified\n", opt->level,
			       opt->number, opt->count[EQUAL], opt->count[JUSTIFIED]);
	}
}

static int write_results(const char *path)
{
	FILE *file = fopen(path, "w");

	if (!file) {
		perror(path);
		return 1;
	}
	fprintf(file, "- - %u %u %u\n", by_hand[0], by_hand[1], by_hand[2]);
	for (size_t i = 0; i < option_count; i++)
		fprintf(file, "%s %s %u %u %u\n", options[i].level, options[i].number,
			options[i].count[0], options[i].count[1], options[i].count[2]);
	return fclose(file) ? 1 : 0;
}

/* More than the rule allows, or one that nothing needs (whole runs only). */
static int judge_reasons(void)
{
	int bad = reason_count > REASONS_MAX;

	for (size_t i = 0; i < reason_count; i++)
		printf("# %s: %u: %s\n", reasons[i].pattern, reasons[i].used, reasons[i].text);
	if (bad)
		printf("not ok - %zu reasons, at most %d are allowed\n", reason_count, REASONS_MAX);
	return bad;
}

int main(int argc, char **argv)
{
	int bad;

	if (argc < 6 || read_reasons(argv[3])) {
		fputs("usage: s7diffcmp KERNEL_DIR SOCK7_DIR JUSTIFIED RESULTS CASE...\n", stderr);
		return 2;
	}
	for (int i = 5; i < argc; i++) {
		char *kernel = slurp(argv[1], argv[i]), *sock7 = slurp(argv[2], argv[i]);

		if (!kernel || !sock7)
			return 2;
		if (!strncmp(argv[i], "gen_", 4))
			compare_group(argv[i], kernel, sock7);
		else
			compare_case(argv[i], kernel, sock7);
		free(kernel);
		free(sock7);
	}
	say_options();
	bad = judge_reasons() | write_results(argv[4]);
	printf("diff: %u equal, %u justified, %u different\n", total[EQUAL], total[JUSTIFIED],
	       total[DIFFERENT]);
	return bad || total[DIFFERENT];
}
