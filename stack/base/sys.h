/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sys.h - system calls made without libc
 *
 * libsock7 stands in front of libc's names, so its inside must not call them. These return the
 * kernel's answer as it is: >= 0, or -errno. errno is untouched; no cancellation point.
 */
#ifndef S7_SYS_H
#define S7_SYS_H

#include <sys/syscall.h>

#if defined(__x86_64__)
static inline long s7_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	long ret;

	__asm__ volatile("syscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return ret;
}
#elif defined(__aarch64__)
static inline long s7_sys6(long nr, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = nr;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#else
#error "sock7 knows the system call convention of x86-64 and arm64 only"
#endif

#define s7_sys0(nr) s7_sys6(nr, 0, 0, 0, 0, 0, 0)
#define s7_sys1(nr, a) s7_sys6(nr, (long)(a), 0, 0, 0, 0, 0)
#define s7_sys2(nr, a, b) s7_sys6(nr, (long)(a), (long)(b), 0, 0, 0, 0)
#define s7_sys3(nr, a, b, c) s7_sys6(nr, (long)(a), (long)(b), (long)(c), 0, 0, 0)
#define s7_sys4(nr, a, b, c, d) s7_sys6(nr, (long)(a), (long)(b), (long)(c), (long)(d), 0, 0)

#endif
