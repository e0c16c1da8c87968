/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * replay_main.c - runs a fuzz target without libFuzzer
 *
 * usage: fuzz_NAME [CORPUS_DIRECTORY|FILE]...
 * Feeds every file of the corpus, then mutations of them and random bytes, from a fixed seed, so
 * that every preset (and every compiler) runs each target for a second. A corpus that is missing is
 * an empty one.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INPUT_MAX 4096
#define SEEDS_MAX 256
#define GENERATED 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seed {
	size_t len;
	uint8_t *data;
};

struct seeds {
	size_t count;
	struct seed seed[SEEDS_MAX];
};

static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

/* An exact copy on the heap, so that a sanitizer sees a read behind the end. */
static void run_one(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void add_file(struct seeds *seeds, const char *path)
{
	uint8_t data[INPUT_MAX];
	struct seed *seed;
	FILE *file = fopen(path, "rbe");

	if (!file || seeds->count == SEEDS_MAX) {
		if (file)
			fclose(file);
		return;
	}
	seed = &seeds->seed[seeds->count];
	seed->len = fread(data, 1, sizeof(data), file);
	fclose(file);
	seed->data = malloc(seed->len ? seed->len : 1);
	if (!seed->data)
		abort();
	memcpy(seed->data, data, seed->len);
	seeds->count++;
}

static void add_path(struct seeds *seeds, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!dir) {
		add_file(seeds, path);
		return;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		add_file(seeds, name);
	}
	closedir(dir);
}

/* Starts from a seed (or nothing), changes some bytes, cuts or grows the end. */
static size_t generate(const struct seeds *seeds, uint64_t *state, uint8_t *data)
{
	size_t len = next_random(state) % 256, i, changes;

	for (i = 0; i < len; i++)
		data[i] = (uint8_t)next_random(state);
	if (seeds->count && next_random(state) % 4) {
		const struct seed *seed = &seeds->seed[next_random(state) % seeds->count];

		memcpy(data, seed->data, seed->len);
		if (seed->len > len || next_random(state) % 2)
			len = seed->len;
	}
	changes = len ? next_random(state) % 8 : 0;
	for (i = 0; i < changes; i++)
		data[next_random(state) % len] = (uint8_t)next_random(state);
	if (len && next_random(state) % 4 == 0)
		len = next_random(state) % len;
	return len;
}

int main(int argc, char **argv)
{
	static uint8_t data[INPUT_MAX];
	struct seeds seeds = { 0 };
	uint64_t state = 7;
	size_t i;
	int arg;

	for (arg = 1; arg < argc; arg++)
		add_path(&seeds, argv[arg]);
	run_one(data, 0);
	for (i = 0; i < seeds.count; i++)
		run_one(seeds.seed[i].data, seeds.seed[i].len);
	for (i = 0; i < GENERATED; i++)
		run_one(data, generate(&seeds, &state, data));
	printf("%zu corpus files, %d generated inputs\n", seeds.count, GENERATED);
	for (i = 0; i < seeds.count; i++)
		free(seeds.seed[i].data);
	return 0;
}
