/* SPDX-License-Identifier: BSD-3-Clause */
/* ext_rows.h - adapters for option rows that live in sk->ext (stack/core/ext.h) */
#ifndef S7_EXT_ROWS_H
#define S7_EXT_ROWS_H

#include "stack/core/ext.h"
#include "stack/sock/sock_int.h"

/* set_WHAT and get_WHAT of a bit of the extension. */
#define EXT_BOOL(what, bit)                                                                        \
	static int set_##what(struct s7_sock *sk, const struct opt_value *value)                   \
	{                                                                                          \
		return sk_ext_bit(sk, bit, value->num);                                            \
	}                                                                                          \
	static int get_##what(struct s7_sock *sk, struct opt_value *ret)                           \
	{                                                                                          \
		ret->num = sk_ext_has(sk, bit);                                                    \
		return 0;                                                                          \
	}

/* ... and of a number in it whose default is 0. */
#define EXT_NUMBER(what, member)                                                                   \
	static int set_##what(struct s7_sock *sk, const struct opt_value *value)                   \
	{                                                                                          \
		if (!value->num && !sk->ext)                                                       \
			return 0;                                                                  \
		if (!sk_ext(sk))                                                                   \
			return -ENOBUFS;                                                           \
		sk->ext->member = (__typeof__(sk->ext->member))value->num;                         \
		return 0;                                                                          \
	}                                                                                          \
	static int get_##what(struct s7_sock *sk, struct opt_value *ret)                           \
	{                                                                                          \
		ret->num = sk->ext ? sk->ext->member : 0;                                          \
		return 0;                                                                          \
	}

#define BOTH_WAYS(what) .set = set_##what, .get = get_##what

#endif
