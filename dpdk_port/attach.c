/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * attach.c - memory and ports of another program image, used without EAL
 *
 * Idea: a program that was started by exec with sockets of the stack has inherited the descriptors
 * of EAL's memory and of the ports, and nothing else of EAL. That is enough for what runs after the
 * start: pool.c takes buffers from an array in the memory, and a port of packet.c is a socket, a
 * mapping of its ring, and places in the memory. So the memory is mapped where it was, the ring
 * anywhere, and EAL is never started. Ports with a driver of DPDK's have state of their own outside
 * the memory, and threads: they cannot be had this way.
 * Invariants: the number of the pool operations in the memory means ours in this image too, else
 * nothing is attached. An attached port is never closed (its heap is not ours): it ends with the
 * process.
 * Context: the program's start, one thread. Callers: shim/carry.c, shim/carry_in.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <rte_memory.h>

#include "dpdk_port/internal.h"
#include "stack/base/sys.h"

struct walk {
	struct frame_piece *piece;
	uint32_t count, max;
	int err;
};

static int piece_add(const struct rte_memseg_list *list, const struct rte_memseg *seg, size_t len,
		     void *arg)
{
	struct walk *walk = arg;
	size_t offset;

	if (list->external)
		return 0;
	if (walk->count == walk->max)
		walk->err = -E2BIG;
	else if (rte_memseg_get_fd_offset_thread_unsafe(seg, &offset))
		walk->err = -ENOTSUP;
	if (walk->err)
		return -1;
	walk->piece[walk->count++] = (struct frame_piece){
		.base = seg->addr,
		.bytes = len,
		.offset = offset,
		.fd = rte_memseg_get_fd_thread_unsafe(seg),
	};
	if (walk->piece[walk->count - 1].fd < 0)
		walk->err = -ENOTSUP;
	return walk->err ? -1 : 0;
}

int frame_pieces(struct frame_piece *ret_pieces, uint32_t max)
{
	struct walk walk = { .piece = ret_pieces, .max = max };

	rte_memseg_contig_walk_thread_unsafe(piece_add, &walk);
	return walk.err ? walk.err : (int)walk.count;
}

int frame_attach(const struct frame_piece *piece, int fd)
{
	const int flags = MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE;
	long at = s7_sys6(SYS_mmap, (long)piece->base, (long)piece->bytes, PROT_READ | PROT_WRITE,
			  flags, fd, (long)piece->offset);

	if (at == (long)piece->base)
		return 0;
	if (at < 0 && at > -4096)
		return (int)at;
	s7_sys2(SYS_munmap, at, piece->bytes); /* a kernel that does not know the flag */
	return -EEXIST;
}

int port_fds(const struct s7_port *port, int *ret_fds, uint32_t max)
{
	if (port_is_ethdev(port))
		return -ENOTSUP;
	if (port->queues > max)
		return -E2BIG;
	for (uint16_t q = 0; q < port->queues; q++)
		ret_fds[q] = port->packet[q].fd;
	return port->queues;
}

size_t port_bytes(void)
{
	return sizeof(struct s7_port);
}

void port_copy(void *to, const struct s7_port *port)
{
	memcpy(to, port, sizeof(*port));
}

int port_attach(const struct s7_port *image, const int *fds, struct s7_port **ret_port)
{
	struct s7_port *port = malloc(sizeof(*port));
	int err;

	if (!port)
		return -ENOMEM;
	memcpy(port, image, sizeof(*port));
	err = packet_attach(port, fds);
	if (err) {
		free(port);
		return err;
	}
	*ret_port = port;
	return 0;
}
