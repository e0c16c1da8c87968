/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.c - lines for people: set-up, rare events, nothing per packet
 *
 * A line is one write(2) of at most LINE_MAX bytes, so lines of several processes do not mix. Goes
 * to standard error, or to log_file, whose descriptor is ours (moved high, close-on-exec). Errno is
 * kept. Context: any thread, locks or not; never from a signal handler's depth (vsnprintf).
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "shim/internal.h"

#define LOG_LINE_MAX 512

static enum s7_log_level log_level = LOG_WARN;
static int log_fd = 2;

static_assert((int)CONF_LOG_ERROR == (int)LOG_ERROR && (int)CONF_LOG_DEBUG == (int)LOG_DEBUG,
	      "conf's levels are the stack's");

void log_setup(const struct conf *conf)
{
	long fd;

	log_level = (enum s7_log_level)conf->log;
	if (!conf->log_file[0])
		return;
	fd = s7_sys4(SYS_openat, AT_FDCWD, conf->log_file,
		     O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (fd < 0) {
		shim_log(LOG_WARN, "log_file %s: %s; logging to standard error", conf->log_file,
			 strerrordesc_np((int)-fd));
		return;
	}
	log_fd = fd_make_internal((int)fd);
}

/*
 * Standard error may be a connection (inetd): of ours, it is the client's and hears nothing of
 * this; of whomever, no line is worth a SIGPIPE.
 */
static void line_out(const char *text, int len)
{
	if (fd_get(log_fd))
		return;
	if (s7_sys6(SYS_sendto, log_fd, (long)text, len, MSG_NOSIGNAL, 0, 0) == -ENOTSOCK)
		s7_sys3(SYS_write, log_fd, text, len);
}

void log_line(enum s7_log_level level, const char *line)
{
	char text[LOG_LINE_MAX + 16];
	int len;

	if (level > log_level)
		return;
	len = snprintf(text, sizeof(text), "sock7: %.*s\n", LOG_LINE_MAX, line);
	line_out(text, len);
}

void shim_log(enum s7_log_level level, const char *fmt, ...)
{
	char line[LOG_LINE_MAX];
	int keep = errno;
	va_list args;

	if (level > log_level)
		return;
	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	log_line(level, line);
	errno = keep;
}
