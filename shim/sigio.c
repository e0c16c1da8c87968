/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sigio.c - sends SIGIO and SIGURG as the kernel would
 *
 * Idea: a thread may send itself any siginfo, and a signal sent to its own number is the process's,
 * so the usual case (the owner is the process that drives) is exact to the last field. Towards
 * other threads and processes the kernel admits no si_code of its own; they are sent SI_SIGIO with
 * the true code beside it, and signal.c puts it right before a handler, or who calls sigwaitinfo,
 * sees it. Who may be sent is Linux's rule (sigio_perm): the user who set the owner, against the
 * real and saved user of the target. A full queue of real-time signals falls back to plain SIGIO.
 * Context: no instance lock held (or one, when very many come at once); handlers are put off.
 * Called by: inst_unlock.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shim/internal.h"

#define SI_KERNEL_CODE 0x80
#define STATUS_BYTES 1024

/* As the kernel's band_table, by POLL_IN... */
static const long bands[] = {
	[POLL_IN] = EPOLLIN | EPOLLRDNORM,
	[POLL_OUT] = EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND,
	[POLL_MSG] = EPOLLIN | EPOLLRDNORM | EPOLLMSG,
	[POLL_ERR] = EPOLLERR,
	[POLL_PRI] = EPOLLPRI | EPOLLRDBAND,
	[POLL_HUP] = EPOLLHUP | EPOLLERR,
};

/* Signals whose si_code has a meaning of its own are told SI_SIGIO instead of the band. */
static bool has_own_codes(int signo)
{
	static const uint8_t own[] = { SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP, SIGCHLD, SIGSYS };

	for (size_t i = 0; i < S7_ARRAY_LEN(own); i++)
		if (own[i] == signo)
			return true;
	return false;
}

static void story(const struct s7_signal *sig, siginfo_t *info)
{
	int signo = sig->band ? sig->sig : SIGURG;

	memset(info, 0, sizeof(*info));
	if (!sig->band || !sig->sig) {
		info->si_signo = signo ? signo : SIGIO;
		info->si_code = SI_KERNEL_CODE;
		return;
	}
	info->si_signo = signo;
	info->si_code = has_own_codes(signo) ? SI_SIGIO : sig->band;
	info->si_band = bands[sig->band];
	info->si_fd = sig->fd;
}

static void dress(siginfo_t *info)
{
	if (info->si_code == SI_SIGIO)
		return;
	info->si_errno = SIGIO_DRESSED | info->si_code;
	info->si_code = SI_SIGIO;
}

/* ---- who it is ---- */

struct target {
	uint32_t tgid, uid, suid;
};

/* The number after `field` in /proc/PID/status, of its columns the one wanted. */
static uint32_t status_number(const char *text, const char *field, int column)
{
	const char *at = strstr(text, field);
	char *end = NULL;
	unsigned long n = 0;

	if (!at)
		return UINT32_MAX;
	at += strlen(field);
	for (int i = 0; i <= column; i++) {
		n = strtoul(at, &end, 10);
		at = end;
	}
	return (uint32_t)n;
}

static int target_read(int pid, struct target *ret)
{
	uid_t uid, euid, suid;
	char path[32], text[STATUS_BYTES];
	long len;

	if (pid == (int)s7_sys0(SYS_getpid)) {
		s7_sys3(SYS_getresuid, &uid, &euid, &suid);
		*ret = (struct target){ .tgid = (uint32_t)pid, .uid = uid, .suid = suid };
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	len = proc_file_read(path, text, sizeof(text));
	if (len <= 0)
		return len ? (int)len : -ESRCH;
	ret->tgid = status_number(text, "\nTgid:", 0);
	ret->uid = status_number(text, "\nUid:", 0);
	ret->suid = status_number(text, "\nUid:", 2);
	return 0;
}

static bool permitted(const struct s7_signal *sig, const struct target *to)
{
	return sig->euid == 0 || sig->euid == to->suid || sig->euid == to->uid ||
	       sig->uid == to->suid || sig->uid == to->uid;
}

/* ---- sending ---- */

static long send_thread(const struct s7_signal *sig, const struct target *to, siginfo_t *info)
{
	if (sig->pid != (int)lock_self())
		dress(info);
	return s7_sys4(SYS_rt_tgsigqueueinfo, to->tgid, sig->pid, info->si_signo, info);
}

static long send_process(const struct s7_signal *sig, const struct target *to, siginfo_t *info)
{
	bool own = to->tgid == (uint32_t)s7_sys0(SYS_getpid);

	if (!own)
		dress(info);
	return s7_sys3(SYS_rt_sigqueueinfo, own ? (long)lock_self() : sig->pid, info->si_signo,
		       info);
}

static long send_one(const struct s7_signal *sig, siginfo_t *info)
{
	struct target to;
	long err = target_read(sig->pid, &to);

	if (err)
		return err;
	if (!permitted(sig, &to))
		return 0;
	return sig->type == OWNER_TID ? send_thread(sig, &to, info) : send_process(sig, &to, info);
}

/* The kernel alone knows who is in the group: the story is told to this process at most. */
static long send_group(const struct s7_signal *sig, const siginfo_t *info)
{
	return s7_sys2(SYS_kill, -sig->pid, info->si_signo);
}

static long send_story(const struct s7_signal *sig, siginfo_t *info)
{
	return sig->type == OWNER_PGRP ? send_group(sig, info) : send_one(sig, info);
}

void sigio_send(const struct s7_signal *sig)
{
	struct s7_signal plain = *sig;
	siginfo_t info;
	long err;

	story(sig, &info);
	err = send_story(sig, &info);
	if (err == -EAGAIN) {
		plain.sig = 0;
		story(&plain, &info);
		err = send_story(&plain, &info);
	}
	if (err && err != -ESRCH && err != -ENOENT)
		stat_add(s7_arena->inst[0], STAT_SIGNALS_LOST, 1);
}
