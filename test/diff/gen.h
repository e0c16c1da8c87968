/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * gen.h - the generated cases: what gen.c (sockets, states, transcripts) wants of gen_values.c
 *
 * A group is one process: a kind of socket, a state, a user. In it every option number of every
 * level is tried on a socket of its own; that is one transcript, "LEVEL NUMBER" of the group.
 */
#ifndef S7_TEST_DIFF_GEN_H
#define S7_TEST_DIFF_GEN_H

#include "test/diff/diff.h"

/* Room in front of any value, and as much as any option may read: longer lengths are lies. */
#define GEN_ROOM 66000

/* Every number from first to last of a level is tried, whether anybody has it or not. */
struct gen_range {
	const char *name;
	int level, first, last;
};
extern const struct gen_range gen_ranges[];
extern const size_t gen_range_count;

/* The integers that every option is set to. */
extern const int gen_ints[];
extern const size_t gen_int_count;

/* Lengths, for get and for set. */
extern const socklen_t gen_lens[];
extern const size_t gen_len_count;

/* Values that are structures or text, for one option each. */
struct gen_value {
	int level, name;
	const void *data;
	socklen_t len;
};
extern const struct gen_value gen_values[];
extern const size_t gen_value_count;

/* What of an answer is a number of this machine or this moment, and not compared. */
struct gen_mask {
	int level, name;
	uint64_t hidden; /* bit n: byte n; the last bit: all from there on */
	bool until_set;	 /* only as long as nothing was set */
	const char *why;
};
const struct gen_mask *gen_mask_of(int level, int name);

#endif
