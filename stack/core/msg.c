/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * msg.c - between the program's iovec and flat buffers
 *
 * msg->skip is how far the transfer has come; these move it. They keep no cursor between calls:
 * programs pass few vectors, and a transfer that restarts after a wait restarts here. Memory that
 * turns out to be none sets msg->bad; the caller looks when it has copied, and takes nothing for
 * sent or read then.
 * Context: instance lock, in the thread whose memory it is.
 */
#include "stack/base/user.h"
#include "stack/core/sk.h"
#include "stack/wire/csum.h"

/* Finds the vector that holds byte msg->skip; *ret_off is the offset in it. */
static uint32_t msg_seek(const struct s7_msg *msg, uint64_t *ret_off)
{
	uint64_t off = msg->skip;
	uint32_t i;

	for (i = 0; i < msg->iovcnt && off >= msg->iov[i].iov_len; i++)
		off -= msg->iov[i].iov_len;
	*ret_off = off;
	return i;
}

void msg_copy_in(struct s7_msg *msg, void *dst, uint32_t len)
{
	char *out = dst;
	uint64_t off;
	uint32_t i = msg_seek(msg, &off);

	msg->skip += len;
	for (; len; i++, off = 0) {
		uint32_t here = (uint32_t)s7_min(msg->iov[i].iov_len - off, len);

		if (s7_unlikely(!user_get(out, (const char *)msg->iov[i].iov_base + off, here)))
			msg->bad = true;
		out += here;
		len -= here;
	}
}

void msg_copy_out(struct s7_msg *msg, const void *src, uint32_t len)
{
	const char *in = src;
	uint64_t off;
	uint32_t i = msg_seek(msg, &off);

	msg->skip += len;
	for (; len; i++, off = 0) {
		uint32_t here = (uint32_t)s7_min(msg->iov[i].iov_len - off, len);

		if (s7_unlikely(!user_put((char *)msg->iov[i].iov_base + off, in, here)))
			msg->bad = true;
		in += here;
		len -= here;
	}
}

uint32_t msg_copy_in_sum(struct s7_msg *msg, void *dst, uint32_t len)
{
	char *out = dst;
	uint32_t sum = 0, done = 0;
	uint64_t off;
	uint32_t i = msg_seek(msg, &off);

	msg->skip += len;
	for (; done < len; i++, off = 0) {
		uint32_t here = (uint32_t)s7_min(msg->iov[i].iov_len - off, len - done);
		uint32_t part = 0;

		if (s7_unlikely(!csum_copy_user(out + done,
						(const char *)msg->iov[i].iov_base + off, here,
						&part)))
			msg->bad = true;
		sum = csum_add_at(sum, part, done);
		done += here;
	}
	return sum;
}
