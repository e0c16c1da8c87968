/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * neighbours.c - other programs on sock7 at the same netdev
 *
 * Idea: each program's port sees every frame of a shared netdev, and a port may belong to several:
 * servers started apart with SO_REUSEPORT, a new server while the old one ends what it began. So
 * each says in a file of /run, mapped by all, which ports it owns and how many sockets it has in
 * each group of SO_REUSEPORT. From that all come to the same answer without a word: whose of a
 * group a packet is (a hash of its addresses, by the sockets each has), and that nobody refuses
 * what another may be waiting for.
 * Who lives: a program holds a lock on the byte of its place's number; the kernel lets it go with
 * the last process that has the descriptor, however that died.
 * Invariant: a place is written by its own program alone, an entry's members last. What a reader
 * sees in between costs one packet, which its sender repeats.
 * Bound: NB_PLACES programs a machine; a program without a place (or without /run) knows no
 * neighbours and is known to none, which a line says. Groups of one device (SO_BINDTODEVICE) are
 * not shared.
 * Context: boot, one thread; the rest under an instance lock. Called by: boot.c (s7_host_ops).
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "shim/internal.h"

#define NB_FILE "/run/sock7.ports"
#define NB_MAGIC 0x73376e6569676831ull
#define NB_PLACES 64
#define NB_GROUPS 128
#define NB_BELIEVED (1 * S7_MS) /* that who lived a moment ago still does */

struct nb_group {
	struct s7_ip ip;
	uint16_t port;
	uint8_t proto, pad;
	_Atomic uint32_t members; /* 0: the entry is free */
};

struct nb_place {
	uint64_t netns;
	uint32_t iface_count;
	int32_t ifindex[CONF_IFACES_MAX];
	struct s7_lock lock; /* of group[], between this program's instances */
	struct nb_group group[NB_GROUPS];
	_Atomic uint8_t owned[2][65536]; /* TCP, UDP: with so many addresses */
} __attribute__((aligned(4096)));

struct nb_file {
	uint64_t magic, seed;
	_Atomic uint64_t taken; /* places that may be somebody's */
	struct nb_place place[NB_PLACES];
} __attribute__((aligned(4096)));

static_assert(NB_PLACES == 64, "one word of bits");

/* Private, inherited by fork: the mapping and the lock are the program's. */
static struct {
	struct nb_file *file;
	struct nb_place *self;
	uint32_t number;
	int fd;
	struct {
		s7_time at;
		bool lives;
	} seen[NB_PLACES];
} here;

static bool lock_byte(int fd, uint32_t number)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = number, .l_len = 1 };

	return !s7_sys3(SYS_fcntl, fd, F_OFD_SETLK, &lock);
}

static bool lives(uint32_t number, s7_time now)
{
	struct flock lock = { .l_type = F_WRLCK, .l_start = number, .l_len = 1 };

	if (here.seen[number].at && now - here.seen[number].at < NB_BELIEVED)
		return here.seen[number].lives;
	here.seen[number].lives = !s7_sys3(SYS_fcntl, here.fd, F_OFD_GETLK, &lock) &&
				  lock.l_type != F_UNLCK;
	here.seen[number].at = now;
	return here.seen[number].lives;
}

/* ---- taking a place ---- */

static uint64_t netns_here(void)
{
	struct stat st;

	return stat("/proc/self/ns/net", &st) ? 0 : st.st_ino;
}

/* A file of another layout, or somebody else's, is left alone. */
static struct nb_file *file_map(int fd)
{
	struct nb_file *file;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
		return NULL;
	if (!st.st_size && ftruncate(fd, sizeof(*file)))
		return NULL;
	if (st.st_size && (size_t)st.st_size != sizeof(*file))
		return NULL;
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		return NULL;
	if (!file->magic) {
		secret_random(&file->seed, sizeof(file->seed));
		file->magic = NB_MAGIC;
	}
	if (file->magic == NB_MAGIC)
		return file;
	munmap(file, sizeof(*file));
	return NULL;
}

static bool place_take(int fd, struct nb_file *file)
{
	struct nb_place *place;
	uint32_t number = 0;

	while (number < NB_PLACES && !lock_byte(fd, number))
		number++;
	if (number == NB_PLACES)
		return false;
	place = &file->place[number];
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)((char *)place - (char *)file), sizeof(*place)))
		memset(place, 0, sizeof(*place));
	place->netns = netns_here();
	for (uint32_t i = 0; i < s7_boot.iface_count; i++)
		if (s7_boot.iface[i].silenced)
			place->ifindex[place->iface_count++] = s7_boot.iface[i].ifindex;
	here.file = file;
	here.self = place;
	here.number = number;
	here.fd = fd;
	atomic_fetch_or(&file->taken, 1ull << number);
	return true;
}

int boot_neighbours(void)
{
	struct nb_file *file = NULL;
	int fd;

	if (!boot_shares())
		return 0;
	fd = (int)s7_sys4(SYS_openat, AT_FDCWD, NB_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW,
			  0600);
	if (fd >= 0) {
		fd = fd_make_internal(fd);
		if (!s7_sys2(SYS_flock, fd, LOCK_EX)) {
			file = file_map(fd);
			if (file && !place_take(fd, file)) {
				munmap(file, sizeof(*file));
				file = NULL;
			}
			s7_sys2(SYS_flock, fd, LOCK_UN);
		}
	}
	if (file)
		return 0;
	shim_log(LOG_INFO, NB_FILE ": no place in it; do not share a port (SO_REUSEPORT) with "
			   "other programs on sock7");
	if (fd >= 0) {
		fd_unmark_internal(fd);
		s7_sys1(SYS_close, fd);
	}
	return 0;
}

/* ---- after exec: the same place, whose lock the descriptor carries ---- */

int neighbours_number(void)
{
	return here.self ? (int)here.number : -1;
}

int *neighbours_fd(void)
{
	return &here.fd;
}

int neighbours_attach(int number)
{
	struct nb_file *file;

	if ((uint32_t)number >= NB_PLACES)
		return -EBADMSG;
	file = mmap(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED, here.fd, 0);
	if (file == MAP_FAILED)
		return -errno;
	here.file = file;
	here.self = &file->place[number];
	here.number = (uint32_t)number;
	lock_orphan(&here.self->lock);
	return 0;
}

void neighbours_close(void)
{
	if (!here.self)
		return;
	atomic_fetch_and(&here.file->taken, ~(1ull << here.number));
	munmap(here.file, sizeof(*here.file));
	here.file = NULL;
	here.self = NULL;
	fd_unmark_internal(here.fd);
	s7_sys1(SYS_close, here.fd);
}

/* ---- saying ---- */

static uint32_t row_of(uint8_t proto)
{
	return proto == IPPROTO_UDP;
}

void neighbours_own(uint8_t proto, uint16_t port, bool own)
{
	_Atomic uint8_t *count;

	if (!here.self)
		return;
	count = &here.self->owned[row_of(proto)][port];
	if (own)
		atomic_fetch_add(count, 1);
	else if (atomic_load(count))
		atomic_fetch_sub(count, 1);
}

static struct nb_group *group_find(struct nb_place *place, const struct s7_bind *bind)
{
	for (uint32_t i = 0; i < NB_GROUPS; i++) {
		struct nb_group *group = &place->group[i];

		if (atomic_load_explicit(&group->members, memory_order_acquire) &&
		    group->port == bind->port && group->proto == bind->proto &&
		    ip_equal(&group->ip, &bind->ip))
			return group;
	}
	return NULL;
}

static struct nb_group *group_make(struct nb_place *place, const struct s7_bind *bind)
{
	for (uint32_t i = 0; i < NB_GROUPS; i++) {
		struct nb_group *group = &place->group[i];

		if (atomic_load(&group->members))
			continue;
		group->ip = bind->ip;
		group->port = bind->port;
		group->proto = bind->proto;
		return group;
	}
	return NULL;
}

static void forget_groups(void)
{
	for (uint32_t i = 0; i < NB_GROUPS; i++)
		atomic_store(&here.self->group[i].members, 0);
}

void neighbours_group(const struct s7_bind *bind, uint32_t members)
{
	struct nb_group *group;

	if (!here.self || (bind && bind->iface))
		return;
	if (!bind) {
		forget_groups();
		return;
	}
	lock_take(&here.self->lock);
	group = group_find(here.self, bind);
	if (!group && members)
		group = group_make(here.self, bind);
	if (group)
		atomic_store_explicit(&group->members, members, memory_order_release);
	host_unlock(&here.self->lock);
}

/* ---- asking ---- */

/* The program at place `number`, unless it is this one, dead, or at other netdevs. */
static struct nb_place *neighbour(uint32_t number, int ifindex)
{
	struct nb_place *place = &here.file->place[number];

	if (place == here.self || place->netns != here.self->netns)
		return NULL;
	for (uint32_t i = 0; i < place->iface_count && i < CONF_IFACES_MAX; i++)
		if (place->ifindex[i] == ifindex)
			return lives(number, host_now()) ? place : NULL;
	return NULL;
}

static uint64_t others(void)
{
	if (!here.self)
		return 0;
	return atomic_load_explicit(&here.file->taken, memory_order_acquire) &
		~(1ull << here.number);
}

bool neighbours_own_too(uint8_t proto, uint16_t port, int ifindex)
{
	for (uint64_t left = others(); left; left &= left - 1) {
		struct nb_place *place = &here.file->place[__builtin_ctzll(left)];

		if (atomic_load(&place->owned[row_of(proto)][port]) &&
		    neighbour((uint32_t)__builtin_ctzll(left), ifindex))
			return true;
	}
	return false;
}

static uint32_t members_at(struct nb_place *place, const struct s7_bind *bind)
{
	const struct nb_group *group = group_find(place, bind);

	return group ? atomic_load(&group->members) : 0;
}

static uint32_t hash_of(const struct s7_flow *tuple)
{
	const uint64_t odd = 0x9e3779b97f4a7c15ull;
	uint64_t hash = here.file->seed ^ (uint64_t)tuple->lport << 16 ^ tuple->rport;

	hash = (hash ^ tuple->remote.q[0]) * odd;
	hash = (hash ^ hash >> 32 ^ tuple->remote.q[1]) * odd;
	hash = (hash ^ hash >> 32 ^ tuple->local.q[0]) * odd;
	hash = (hash ^ hash >> 32 ^ tuple->local.q[1]) * odd;
	return (uint32_t)(hash >> 32);
}

bool neighbours_give(const struct s7_bind *bind, const struct s7_flow *tuple, int ifindex)
{
	uint32_t members[NB_PLACES] = { 0 }, own, all, pick;
	uint64_t left = others();

	if (s7_likely(!left) || bind->iface)
		return true;
	all = own = members[here.number] = members_at(here.self, bind);
	for (; left; left &= left - 1) {
		uint32_t number = (uint32_t)__builtin_ctzll(left), count;

		count = members_at(&here.file->place[number], bind);
		if (!count || !neighbour(number, ifindex))
			continue;
		members[number] = count;
		all += count;
	}
	if (!own || all == own)
		return true;
	pick = (uint32_t)((uint64_t)hash_of(tuple) * all >> 32);
	for (uint32_t i = 0; i < here.number; i++) {
		if (pick < members[i])
			return false;
		pick -= members[i];
	}
	return pick < own;
}
