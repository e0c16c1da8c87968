/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sysctl.c - numbers of /proc/sys/net
 *
 * Idea: read when a socket needs them (they change between sockets, and with the network namespace
 * of the calling thread), parsed strictly: whole numbers apart by blanks, nothing else.
 * Context: any thread, no lock. Called by: shim/ (boot, socket creation).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "kern/kern.h"
#include "stack/base/sys.h"

#define SYSCTL_TEXT_MAX 128

static int read_text(const char *name, char text[SYSCTL_TEXT_MAX])
{
	char path[256];
	long fd, n;

	if (snprintf(path, sizeof(path), "/proc/sys/net/%s", name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = s7_sys4(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	if (fd < 0)
		return (int)fd;
	do {
		n = s7_sys3(SYS_read, fd, text, SYSCTL_TEXT_MAX - 1);
	} while (n == -EINTR);
	s7_sys1(SYS_close, fd);
	if (n < 0)
		return (int)n;
	text[n] = '\0';
	return 0;
}

static int read_numbers(const char *name, uint32_t *ret_values, uint32_t count)
{
	char text[SYSCTL_TEXT_MAX], *at = text;
	uint32_t values[3];
	int err;

	err = read_text(name, text);
	if (err)
		return err;
	for (uint32_t i = 0; i < count; i++) {
		unsigned long long value;
		char *end;

		while (isspace((unsigned char)*at))
			at++;
		if (!isdigit((unsigned char)*at))
			return -EINVAL;
		value = strtoull(at, &end, 10);
		values[i] = (uint32_t)s7_min(value, UINT32_MAX);
		at = end;
	}
	while (isspace((unsigned char)*at))
		at++;
	if (*at)
		return -EINVAL;
	memcpy(ret_values, values, count * sizeof(values[0]));
	return 0;
}

int kern_sysctl_u32(const char *name, uint32_t *ret_value)
{
	return read_numbers(name, ret_value, 1);
}

int kern_sysctl_triple(const char *name, uint32_t ret_values[3])
{
	return read_numbers(name, ret_values, 3);
}

/* "WORD-WORD-WORD-WORD", each 32 bits in hexadecimal, lowest byte of the key first. */
static int read_key(const char *at, uint8_t *key, const char **ret_end)
{
	for (int word = 0; word < 4; word++) {
		char *end;
		unsigned long value = strtoul(at, &end, 16);

		if (end == at || value > UINT32_MAX || (word < 3 && *end != '-'))
			return -EINVAL;
		for (int i = 0; i < 4; i++)
			key[word * 4 + i] = (uint8_t)(value >> (8 * i));
		at = word < 3 ? end + 1 : end;
	}
	*ret_end = at;
	return 0;
}

int kern_fastopen_keys(uint8_t ret_keys[KERN_FASTOPEN_KEYS])
{
	char text[SYSCTL_TEXT_MAX];
	const char *end;
	int err;

	err = read_text("ipv4/tcp_fastopen_key", text);
	if (!err)
		err = read_key(text, ret_keys, &end);
	if (err)
		return err;
	if (*end != ',')
		return 16;
	err = read_key(end + 1, ret_keys + 16, &end);
	return err ? err : 32;
}
