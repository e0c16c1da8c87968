/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * logcap.c - where DPDK's log lines go
 *
 * Idea: DPDK explains its failures only in its log, on stderr and syslog of the program. Here its
 * stream is a cookie: the first error line since logcap_reset() is kept to end up in ret_why, and
 * with `log = debug` every line goes to sock7's log. port_say() writes lines of dpdk_port/ itself.
 * Context: boot time; EAL's threads log later (stdio locks the stream).   Callers: eal.c, port.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_log.h>

#include "dpdk_port/internal.h"
#include "stack/base/sys.h"

static struct {
	enum conf_log level;
	int fd; /* sock7's log: 2, or the log file's */
	char first[200];
	FILE *stream;
} logcap = { .fd = 2 };

static void line_out(const char *line, size_t len)
{
	s7_sys3(SYS_write, logcap.fd, line, len);
}

static ssize_t logcap_write(void *cookie, const char *buf, size_t len)
{
	size_t keep = len;

	(void)cookie;
	if (!logcap.first[0] && rte_log_cur_msg_loglevel() <= (int)RTE_LOG_ERR) {
		while (keep && (buf[keep - 1] == '\n' || buf[keep - 1] == ' '))
			keep--;
		keep = s7_min(keep, sizeof(logcap.first) - 1);
		memcpy(logcap.first, buf, keep);
		logcap.first[keep] = 0;
	}
	if (logcap.level >= CONF_LOG_DEBUG)
		line_out(buf, len);
	return (ssize_t)len;
}

int logcap_open(const struct conf *conf)
{
	const cookie_io_functions_t functions = { .write = logcap_write };
	long fd;

	logcap.level = conf->log;
	if (conf->log_file[0]) {
		fd = s7_sys4(SYS_openat, AT_FDCWD, conf->log_file,
			     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
		if (fd >= 0)
			logcap.fd = redirect_keep((int)fd);
	}
	logcap.stream = fopencookie(NULL, "w", functions);
	if (!logcap.stream)
		return -ENOMEM;
	setvbuf(logcap.stream, NULL, _IOLBF, BUFSIZ);
	rte_openlog_stream(logcap.stream);
	rte_log_set_global_level(conf->log >= CONF_LOG_DEBUG ? RTE_LOG_INFO : RTE_LOG_ERR);
	return 0;
}

void logcap_reset(void)
{
	logcap.first[0] = 0;
}

const char *logcap_last(void)
{
	return logcap.first;
}

void port_say(enum conf_log level, const char *fmt, ...)
{
	char line[320];
	va_list args;
	int at = snprintf(line, sizeof(line), "sock7: ");

	if (level > logcap.level)
		return;
	va_start(args, fmt);
	at += vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, args);
	va_end(args);
	at = (int)s7_min((uint64_t)at, sizeof(line) - 2);
	line[at++] = '\n';
	line_out(line, (size_t)at);
}
