/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * sockopt.c - the engine of the option tables
 *
 * A row says what an option is; this says once how every option behaves: which errno a short buffer
 * gets, that a bool reads back as 0 or 1, that a length is cut to what there is, that what is
 * read-only cannot be written. An option that no table has is OPT_ASK_KERNEL: the shim then asks
 * the kernel socket behind.
 * Invariant: a row is implemented with effect. Nothing is accepted and ignored.
 * Context: no lock held on entry. Callers: shim/calls_opt.c.
 */
#include <errno.h>

#include "stack/base/user.h"
#include "stack/sock/sock_int.h"

const struct s7_opt_table *const s7_opt_tables[] = {
	&socket7_table, &socket7_more_table, &tcp7_table, &ip7_table, &ipv6_7_table,
	&filter_socket_table, &errq_socket_table, &errq_ip_table, &errq_ipv6_table,
	&ip_rare_table, &ipv6_rare_table, &ipv6_headers_table, &udp7_table,
	&mcast_ip_table, &mcast_ipv6_table,
	&raw_ip_table, &raw_ipv6_table, &raw_raw_table, &raw_icmp6_table, &packet7_table,
};
const uint32_t s7_opt_table_count = S7_ARRAY_LEN(s7_opt_tables);

static const struct s7_opt *opt_find(int level, int name)
{
	for (uint32_t t = 0; t < S7_ARRAY_LEN(s7_opt_tables); t++) {
		const struct s7_opt_table *table = s7_opt_tables[t];

		if (table->level != level)
			continue;
		for (uint32_t i = 0; i < table->count; i++)
			if (table->opts[i].name == name)
				return &table->opts[i];
	}
	return NULL;
}

/* A row can be for another kind of socket: then it is as if there were none. */
static bool opt_applies(const struct s7_sock *sk, const struct s7_opt *opt)
{
	static const uint8_t kind[PROTO_COUNT] = {
		[PROTO_TCP] = ON_TCP, [PROTO_UDP] = ON_UDP, [PROTO_RAW] = ON_RAW,
		[PROTO_PING] = ON_PING,
	};

	if ((opt->on & ON_V6) && sk->domain != AF_INET6)
		return false;
	if (s7_unlikely(sk->proto == PROTO_PACKET))
		return packet_has_option(opt->level, opt->name);
	return opt->on & kind[sk->proto];
}

bool sock_option_needs_kernel(const struct s7_sock *sk, int level, int name)
{
	const struct s7_opt *opt = opt_find(level, name);

	return opt && (opt->access & OPT_ASK) && opt_applies(sk, opt);
}

bool sock_option_is_behind(const struct s7_sock *sk, int level, int name)
{
	const struct s7_opt *opt = opt_find(level, name);

	return opt && (opt->access & OPT_BEHIND) && (!sk || opt_applies(sk, opt));
}

bool sock_option_is_lease(const struct s7_sock *sk, int level, int name)
{
	const struct s7_opt *opt = opt_find(level, name);

	return opt && (opt->access & OPT_LEASE) && opt_applies(sk, opt);
}

bool sock_option_is_own(const struct s7_sock *sk, int level, int name)
{
	const struct s7_opt *opt = opt_find(level, name);

	return opt && (opt->access & OPT_OWN) && opt_applies(sk, opt);
}

bool sock_option_is_answered(const struct s7_sock *sk, int level, int name)
{
	const struct s7_opt *opt = opt_find(level, name);

	return opt && (opt->access & (OPT_RD | OPT_BEHIND)) == OPT_RD && opt_applies(sk, opt);
}

bool sock_option_is_group(const struct s7_sock *sk, int level, int name)
{
	const struct s7_opt *opt = opt_find(level, name);

	return opt && (opt->access & OPT_GROUP) && opt_applies(sk, opt);
}

const char *sock_option_text(int level, int name)
{
	const struct s7_opt *opt = opt_find(level, name);

	return opt ? opt->text : NULL;
}

static void *opt_field(struct s7_sock *sk, const struct s7_opt *opt)
{
	return (char *)sk + opt->field;
}

static uint32_t *opt_bits(struct s7_sock *sk, const struct s7_opt *opt)
{
	return opt->bits_at ? (uint32_t *)(void *)((char *)sk + opt->bits_at) : &sk->bits;
}

/* ---- set ---- */

static int value_int(const struct s7_opt *opt, const void *val, socklen_t len,
		     struct opt_value *ret)
{
	uint8_t byte = 0;
	bool there = true;

	if (len >= sizeof(int))
		there = user_get(&ret->num, val, sizeof(int));
	else if ((opt->type == OPT_IP_INT || opt->type == OPT_IP_ZERO) && len >= 1)
		there = user_get(&byte, val, 1);
	else if (opt->type == OPT_IP_ZERO || opt->type == OPT_BOOL_ZERO)
		ret->num = 0;
	else
		return -EINVAL;
	if (!there)
		return -EFAULT;
	if (len < sizeof(int))
		ret->num = byte;
	if (opt->type == OPT_BOOL || opt->type == OPT_BOOL_ZERO)
		ret->num = ret->num != 0;
	if (opt->min < opt->max && (ret->num < opt->min || ret->num > opt->max))
		return -EINVAL;
	return 0;
}

static int value_read(const struct s7_opt *opt, const void *val, socklen_t len,
		      struct opt_value *ret)
{
	socklen_t need = opt->type == OPT_TIMEVAL ? sizeof(ret->time) : sizeof(ret->linger);

	ret->len = len;
	if (opt->type == OPT_BYTES) {
		if (len > OPT_BYTES_MAX)
			ret->len = OPT_BYTES_MAX;
		return user_get(ret->bytes, val, ret->len) ? 0 : -EFAULT;
	}
	if (opt->type != OPT_TIMEVAL && opt->type != OPT_LINGER)
		return value_int(opt, val, len, ret);
	if (len < need)
		return -EINVAL;
	return user_get(ret->bytes, val, need) ? 0 : -EFAULT;
}

static int opt_store(struct s7_sock *sk, const struct s7_opt *opt, const struct opt_value *value)
{
	if (opt->set)
		return opt->set(sk, value);
	if (opt->bit) {
		uint32_t *bits = opt_bits(sk, opt);

		*bits = value->num ? *bits | opt->bit : *bits & ~opt->bit;
		return 0;
	}
	memcpy(opt_field(sk, opt), &value->num, sizeof(value->num));
	return 0;
}

/* What is wrong before the value is looked at, in the order of the kernel's checks. */
static int set_check(const struct s7_opt *opt, const void *val, socklen_t len)
{
	bool is_int = opt->type != OPT_BYTES;
	socklen_t touched = is_int ? (socklen_t)s7_min(len, sizeof(int)) :
				    (socklen_t)s7_min(len, OPT_BYTES_MAX);

	if ((int32_t)len < 0 || (!is_int && opt->min > (int)len))
		return -EINVAL;
	/* level IP knows the name first */
	if (opt->level == IPPROTO_IP && !(opt->access & OPT_WR))
		return -ENOPROTOOPT;
	/* but for level IP, which has options of one byte, an int is read before the name is */
	if (opt->level != IPPROTO_IP && opt->level != IPPROTO_IPV6 &&
	    (is_int || !(opt->access & OPT_WR)) && len < sizeof(int))
		return -EINVAL;
	/* level PACKET reads a value of its own when it comes to it */
	if (opt->take && opt->level == SOL_PACKET)
		return 0;
	if (touched && !user_readable(val, touched))
		return -EFAULT;
	return opt->access & OPT_WR ? 0 : -ENOPROTOOPT;
}

int sock_setsockopt(struct s7_sock *sk, int level, int name, const void *val, socklen_t len,
		    s7_time now)
{
	static const int zero;
	const struct s7_opt *opt = opt_find(level, name);
	struct opt_value value;
	int err;

	if (!opt || !opt_applies(sk, opt) || opt->access & OPT_BEHIND)
		return OPT_ASK_KERNEL;
	/* level IPV6 takes no pointer for a pointer to 0, or to nothing */
	if (level == IPPROTO_IPV6 && !val) {
		val = &zero;
		len = opt->type == OPT_BYTES ? 0 : len;
	}
	err = set_check(opt, val, len);
	if (err)
		return err;
	if (opt->take)
		return opt->take(sk, val, len, now);
	err = value_read(opt, val, len, &value);
	if (err)
		return err;

	err = sock_enter(sk, 0, now);
	if (err)
		return err;
	err = opt_store(sk, opt, &value);
	if (!err && sk_ops(sk)->opt_changed)
		sk_ops(sk)->opt_changed(sk, level, name);
	sock_leave(sk->inst);
	return err;
}

/* ---- get ---- */

static int opt_load(struct s7_sock *sk, const struct s7_opt *opt, struct opt_value *ret)
{
	if (opt->get)
		return opt->get(sk, ret);
	if (opt->bit)
		ret->num = !!(*opt_bits(sk, opt) & opt->bit);
	else
		memcpy(&ret->num, opt_field(sk, opt), sizeof(ret->num));
	return 0;
}

/* Level IP answers a buffer of one to three bytes with one byte, if the value fits it. */
static bool short_ip_int(const struct s7_opt *opt, const struct opt_value *value, socklen_t len)
{
	return opt->level == IPPROTO_IP && opt->type != OPT_BYTES && len > 0 && len < sizeof(int) &&
	       value->num >= 0 && value->num <= 255;
}

static int value_write(const struct s7_opt *opt, const struct opt_value *value, void *val,
		       socklen_t room, socklen_t *len)
{
	const void *from = &value->num;
	socklen_t size = sizeof(value->num);
	uint8_t byte = (uint8_t)value->num;

	if (opt->type == OPT_TIMEVAL || opt->type == OPT_LINGER || opt->type == OPT_BYTES) {
		from = value->bytes;
		size = opt->type == OPT_TIMEVAL ? sizeof(value->time) :
		       opt->type == OPT_LINGER	? sizeof(value->linger) :
						  value->len;
	} else if (short_ip_int(opt, value, room)) {
		from = &byte;
		size = 1;
	}
	size = (socklen_t)s7_min(room, size);
	return user_put(val, from, size) && user_put(len, &size, sizeof(size)) ? 0 : -EFAULT;
}

int sock_getsockopt(struct s7_sock *sk, int level, int name, void *val, socklen_t *len, s7_time now)
{
	const struct s7_opt *opt = opt_find(level, name);
	struct opt_value value;
	socklen_t room;
	int err;

	/* it was AF_INET6 before IPV6_ADDRFORM; the socket behind still is */
	if (level == IPPROTO_IPV6 && sk->domain == AF_INET)
		return -EOPNOTSUPP;
	if (!opt || !opt_applies(sk, opt) || opt->access & OPT_BEHIND)
		return OPT_ASK_KERNEL;
	if (!user_get(&room, len, sizeof(room)))
		return -EFAULT;
	/* level IPV6 takes a negative length for a very long one */
	if ((int32_t)room < 0 && level != IPPROTO_IPV6)
		return -EINVAL;
	if (!(opt->access & OPT_RD))
		return -ENOPROTOOPT;
	memset(&value, 0, sizeof(value));
	value.len = room;
	err = sock_enter(sk, 0, now);
	if (err)
		return err;
	err = opt->copy ? opt->copy(sk, val, room, &room) : opt_load(sk, opt, &value);
	sock_leave(sk->inst);
	if (err)
		return err;
	if (opt->copy)
		return user_put(len, &room, sizeof(room)) ? 0 : -EFAULT;
	return value_write(opt, &value, val, room, len);
}
