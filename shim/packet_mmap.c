/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packet_mmap.c - mmap of a packet socket: its rings, which lie in the arena
 *
 * The arena is one file, so the program gets a mapping of its own of the ring's piece of it, at the
 * address that it or the kernel likes; two rings lie one behind the other, as in Linux. What is
 * mapped is noted, privately, so that munmap can be told to the socket: a ring in use cannot be
 * replaced (EBUSY). Of mappings that a child inherits, its parent's count.
 * Every other mapping costs a look at the number of the descriptor.
 * Context: any thread, also before the library is initialised. Defines: mmap mmap64 munmap.
 */
#include <sys/mman.h>

#include "shim/packet.h"
#include "stack/base/sys.h"

#define NOTES 64

static struct note {
	char *at; /* NULL: free */
	size_t len;
	struct s7_sock *sk;
	uint64_t cookie;
	uint32_t pid;
} notes[NOTES];
static uint32_t noted;
static struct s7_lock notes_lock;

static void note(char *at, size_t len, struct s7_sock *sk)
{
	lock_take(&notes_lock);
	for (size_t i = 0; i < NOTES; i++) {
		if (notes[i].at)
			continue;
		notes[i] = (struct note){ at, len, sk, sk->file.cookie,
					  (uint32_t)s7_sys0(SYS_getpid) };
		__atomic_fetch_add(&noted, 1, __ATOMIC_RELEASE);
		break;
	}
	host_unlock(&notes_lock);
}

/* The note of a mapping that ends, taken out. */
static bool note_take(const char *at, size_t len, struct note *ret_note)
{
	bool found = false;

	lock_take(&notes_lock);
	for (size_t i = 0; i < NOTES && !found; i++) {
		if (!notes[i].at || at > notes[i].at || at + len < notes[i].at + notes[i].len)
			continue;
		*ret_note = notes[i];
		notes[i].at = NULL;
		__atomic_fetch_sub(&noted, 1, __ATOMIC_RELEASE);
		found = true;
	}
	host_unlock(&notes_lock);
	return found;
}

static long map_piece(char *at, size_t len, int prot, int flags, const char *mem)
{
	uint64_t off = (uint64_t)(uintptr_t)mem - S7_ARENA_BASE;

	return s7_sys6(SYS_mmap, (long)at, (long)len, prot, (flags & ~MAP_PRIVATE) | MAP_SHARED,
		       s7_boot.arena_fd, (long)off);
}

/* One behind the other: the first mapping makes room for both. */
static long map_rings(struct s7_sock *sk, char *addr, size_t len, int prot, int flags)
{
	size_t size[2] = { 0 };
	char *mem[2];
	long at, second;
	int n = sock_packet_map(sk, len, mem, size);

	if (n < 0)
		return n;
	at = map_piece(addr, len, prot, flags, mem[0]);
	second = at;
	if (at >= 0 && n == 2)
		second = map_piece((char *)at + size[0], size[1], prot, flags | MAP_FIXED, mem[1]);
	if (at >= 0 && second < 0)
		s7_sys2(SYS_munmap, at, len);
	if (at < 0 || second < 0)
		sock_packet_unmap(sk, sk->file.cookie);
	else
		note((char *)at, len, sk);
	return second < 0 ? second : at;
}

static void *map_other(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	if (s7_likely(real_is_resolved()))
		return real.mmap(addr, len, prot, flags, fd, off);
	return (void *)ret_errno(s7_sys6(SYS_mmap, (long)addr, (long)len, prot, flags, fd, off));
}

S7_EXPORT void *mmap(void *addr, size_t len, int prot, int flags, int fd, off_t off)
{
	struct s7_sock *sk;
	long at;

	if (s7_likely(fd < 0 || !fd_get(fd)))
		return map_other(addr, len, prot, flags, fd, off);
	sk = fd_hold_sock(fd);
	if (!sk)
		return map_other(addr, len, prot, flags, fd, off);
	at = !is_packet(sk) ? -ENODEV : off ? -EINVAL : map_rings(sk, addr, len, prot, flags);
	fd_unhold(&sk->file);
	return (void *)ret_errno(at);
}

S7_EXPORT void *mmap64(void *addr, size_t len, int prot, int flags, int fd, off64_t off)
{
	return mmap(addr, len, prot, flags, fd, off);
}

S7_EXPORT int munmap(void *addr, size_t len)
{
	struct note gone;
	int ret;

	if (s7_unlikely(!real_is_resolved()))
		return (int)ret_errno(s7_sys2(SYS_munmap, addr, len));
	ret = real.munmap(addr, len);
	if (s7_likely(!__atomic_load_n(&noted, __ATOMIC_ACQUIRE)) || ret)
		return ret;
	if (note_take(addr, len, &gone) && gone.pid == (uint32_t)s7_sys0(SYS_getpid))
		sock_packet_unmap(gone.sk, gone.cookie);
	return 0;
}
