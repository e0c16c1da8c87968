/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_epoll_set.c - epoll sets over sockets on lo: level, edge, oneshot, exclusive, nesting
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "stack/sock/epoll.h"
#include "stack/sock/sock.h"
#include "test/support/mini.h"

struct bed {
	struct mini *m;
	struct s7_epoll *ep;
	struct s7_sock *udp, *tx; /* udp is bound to 127.0.0.1:9 and watched; tx sends to it */
};

static s7_time now_of(const struct bed *b)
{
	return b->m->inst->now;
}

static struct s7_sock *udp_at(struct bed *b, uint16_t port)
{
	struct s7_ip ip = mini_addr("127.0.0.1");
	struct s7_sock *sk;

	cr_assert_eq(sock_create(b->m->inst, AF_INET, SOCK_DGRAM, 0, now_of(b), &sk), 0);
	cr_assert_eq(sock_bind(sk, &ip, port, now_of(b)), 0);
	return sk;
}

static struct bed bed_new(void)
{
	struct bed b = { .m = mini_new(0, true) };

	cr_assert_eq(epoll_create_in(b.m->inst, now_of(&b), &b.ep), 0);
	b.udp = udp_at(&b, 9);
	b.tx = udp_at(&b, 10);
	return b;
}

static void put(struct s7_sock *sk)
{
	if (atomic_fetch_sub(&sk->file.refs, 1) == 1)
		sock_release(sk, sk->inst->now);
}

static void bed_end(struct bed *b)
{
	put(b->udp);
	put(b->tx);
	cr_assert_eq(b->ep->part[0].item_count, 0);
	epoll_release(b->ep, now_of(b));
	cr_assert_eq(mini_free(b->m), 0);
}

static int ctl(struct bed *b, int op, int fd, struct s7_sock *sk, uint32_t events, uint64_t data)
{
	struct epoll_event event = { .events = events, .data.u64 = data };

	return epoll_ctl_sock(epoll_held(b->ep), op, fd, sock_held(sk), &event, now_of(b));
}

/* Events of one harvest, or'ed; -1 if none. */
static int look_in(struct bed *b, struct s7_epoll *ep)
{
	struct epoll_event events[4];
	int n = epoll_harvest(epoll_held(ep), events, 4, true, now_of(b));

	return n ? (int)events[0].events : -1;
}

static int look(struct bed *b)
{
	return look_in(b, b->ep);
}

static void say(struct bed *b, uint16_t port)
{
	struct iovec iov = { (char[]){ "x" }, 1 };
	struct s7_msg msg;

	cr_assert_eq(sock_msg_init(&msg, &iov, 1, 0), 0);
	msg.name =
		(struct s7_msg_name){ .ip = mini_addr("127.0.0.1"), .port = port, .valid = true };
	cr_assert_eq(sock_send(b->tx, &msg, now_of(b)), 1);
	inst_lock(b->m->inst, now_of(b));
	inst_drive(b->m->inst);
	inst_unlock(b->m->inst);
}

static ssize_t hear(struct bed *b, struct s7_sock *sk)
{
	char buf[8];
	struct iovec iov = { buf, sizeof(buf) };
	struct s7_msg msg;

	sock_msg_init(&msg, &iov, 1, 0);
	return sock_recv(sk, &msg, now_of(b));
}

Test(epoll, level_repeats_until_read)
{
	struct bed b = bed_new();

	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN, 1), 0);
	cr_assert_eq(look(&b), -1);
	say(&b, 9);
	cr_assert_eq(look(&b), EPOLLIN);
	cr_assert_eq(look(&b), EPOLLIN);
	cr_assert_eq(hear(&b, b.udp), 1);
	cr_assert_eq(look(&b), -1);
	bed_end(&b);
}

Test(epoll, edge_tells_once_an_arrival)
{
	struct bed b = bed_new();

	say(&b, 9);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN | EPOLLET, 1), 0);
	cr_assert_eq(look(&b), EPOLLIN, "what is there at ADD counts");
	cr_assert_eq(look(&b), -1);
	say(&b, 9);
	cr_assert_eq(look(&b), EPOLLIN, "new data, though the old was not read");
	cr_assert_eq(look(&b), -1);
	bed_end(&b);
}

Test(epoll, oneshot_is_armed_again_by_mod)
{
	struct bed b = bed_new();

	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN | EPOLLONESHOT, 1), 0);
	say(&b, 9);
	cr_assert_eq(look(&b), EPOLLIN);
	say(&b, 9);
	cr_assert_eq(look(&b), -1);
	cr_assert_eq(ctl(&b, EPOLL_CTL_MOD, 5, b.udp, EPOLLIN | EPOLLONESHOT, 1), 0);
	cr_assert_eq(look(&b), EPOLLIN, "MOD looks at what is true");
	cr_assert_eq(look(&b), -1);
	bed_end(&b);
}

Test(epoll, mod_changes_interest_and_datum)
{
	struct epoll_event event;
	struct bed b = bed_new();

	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN, 1), 0);
	cr_assert_eq(look(&b), -1);
	cr_assert_eq(ctl(&b, EPOLL_CTL_MOD, 5, b.udp, EPOLLOUT, 77), 0);
	cr_assert_eq(epoll_harvest(epoll_held(b.ep), &event, 1, false, now_of(&b)), 1);
	cr_assert_eq(event.events, EPOLLOUT);
	cr_assert_eq(event.data.u64, 77);
	cr_assert_eq(ctl(&b, EPOLL_CTL_MOD, 5, b.udp, 0, 77), 0);
	cr_assert_eq(look(&b), -1);
	bed_end(&b);
}

Test(epoll, refusals)
{
	struct bed b = bed_new();

	cr_assert_eq(ctl(&b, EPOLL_CTL_MOD, 5, b.udp, EPOLLIN, 0), -ENOENT);
	cr_assert_eq(ctl(&b, EPOLL_CTL_DEL, 5, b.udp, 0, 0), -ENOENT);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN, 0), 0);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN, 0), -EEXIST);
	cr_assert_eq(ctl(&b, 9, 5, b.udp, EPOLLIN, 0), -EINVAL);
	cr_assert_eq(ctl(&b, EPOLL_CTL_MOD, 5, b.udp, EPOLLIN | EPOLLEXCLUSIVE, 0), -EINVAL);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 6, b.udp, EPOLLONESHOT | EPOLLEXCLUSIVE, 0), -EINVAL);
	cr_assert_eq(epoll_ctl_sock(epoll_held(b.ep), EPOLL_CTL_MOD, 5, sock_held(b.udp), NULL,
				    now_of(&b)),
		     -EFAULT);
	cr_assert_eq(ctl(&b, EPOLL_CTL_DEL, 5, b.udp, 0, 0), 0);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN | EPOLLEXCLUSIVE, 0), 0);
	cr_assert_eq(ctl(&b, EPOLL_CTL_MOD, 5, b.udp, EPOLLIN, 0), -EINVAL);
	bed_end(&b);
}

Test(epoll, one_socket_by_two_descriptors)
{
	struct epoll_event events[4];
	struct bed b = bed_new();

	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN, 50), 0);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 6, b.udp, EPOLLIN, 60), 0);
	say(&b, 9);
	cr_assert_eq(epoll_harvest(epoll_held(b.ep), events, 4, false, now_of(&b)), 2);
	cr_assert_eq(events[0].data.u64 + events[1].data.u64, 110);
	cr_assert_eq(ctl(&b, EPOLL_CTL_DEL, 5, b.udp, 0, 0), 0);
	cr_assert_eq(epoll_harvest(epoll_held(b.ep), events, 4, false, now_of(&b)), 1);
	cr_assert_eq(events[0].data.u64, 60);
	bed_end(&b);
}

Test(epoll, small_arrays_take_turns)
{
	struct epoll_event event;
	struct bed b = bed_new();
	struct s7_sock *other = udp_at(&b, 11);
	uint64_t seen = 0;

	ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN, 1);
	ctl(&b, EPOLL_CTL_ADD, 6, other, EPOLLIN, 2);
	say(&b, 9);
	say(&b, 11);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(epoll_harvest(epoll_held(b.ep), &event, 1, false, now_of(&b)), 1);
		seen |= event.data.u64;
	}
	cr_assert_eq(seen, 3);
	put(other);
	cr_assert_eq(b.ep->part[0].item_count, 1, "closing removed the item");
	bed_end(&b);
}

Test(epoll, set_in_a_set)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = 3 };
	struct bed b = bed_new();
	struct s7_epoll *outer;

	cr_assert_eq(epoll_create_in(b.m->inst, now_of(&b), &outer), 0);
	cr_assert_eq(epoll_ctl_epoll(outer, EPOLL_CTL_ADD, 7, b.ep, &event, now_of(&b)), 0);
	cr_assert_eq(epoll_ctl_epoll(outer, EPOLL_CTL_ADD, 7, b.ep, &event, now_of(&b)), -EEXIST);
	cr_assert_eq(epoll_ctl_epoll(outer, EPOLL_CTL_ADD, 8, outer, &event, now_of(&b)), -EINVAL);
	ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN, 1);
	cr_assert_eq(look_in(&b, outer), -1);
	say(&b, 9);
	cr_assert_eq(look_in(&b, outer), EPOLLIN);
	cr_assert_eq(look(&b), EPOLLIN, "looking from outside takes nothing away");
	hear(&b, b.udp);
	cr_assert_eq(look_in(&b, outer), -1);
	cr_assert_eq(epoll_ctl_epoll(outer, EPOLL_CTL_DEL, 7, b.ep, NULL, now_of(&b)), 0);
	epoll_release(outer, now_of(&b));
	bed_end(&b);
}

/* ---- TCP ---- */

static void drive(struct bed *b)
{
	inst_lock(b->m->inst, now_of(b));
	for (int i = 0; i < 4; i++)
		inst_drive(b->m->inst);
	inst_unlock(b->m->inst);
}

Test(epoll, stream_tells_rdhup_and_hup)
{
	struct bed b = bed_new();
	struct s7_ip lo = mini_addr("127.0.0.1");
	struct s7_sock *listener, *client, *server;

	cr_assert_eq(sock_create(b.m->inst, AF_INET, SOCK_STREAM, 0, now_of(&b), &listener), 0);
	cr_assert_eq(sock_bind(listener, &lo, 80, now_of(&b)), 0);
	cr_assert_eq(sock_listen(listener, 5, now_of(&b)), 0);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 4, listener, EPOLLIN, 4), 0);
	cr_assert_eq(sock_create(b.m->inst, AF_INET, SOCK_STREAM, 0, now_of(&b), &client), 0);
	cr_assert_eq(ctl(&b, EPOLL_CTL_ADD, 5, client, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 5), 0);
	cr_assert_eq(look(&b) & EPOLLHUP, EPOLLHUP, "a fresh stream socket");
	cr_assert_eq(sock_bind(client, &lo, 4000, now_of(&b)), 0);
	cr_assert_eq(sock_connect(client, &lo, 80, now_of(&b)), -EINPROGRESS);
	drive(&b);
	cr_assert_eq(sock_accept(listener, now_of(&b), &server), 0);
	cr_assert_eq(look(&b), EPOLLOUT);

	cr_assert_eq(sock_shutdown(server, SHUT_WR, now_of(&b)), 0);
	drive(&b);
	cr_assert_eq(look(&b), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	cr_assert_eq(sock_shutdown(client, SHUT_WR, now_of(&b)), 0);
	drive(&b);
	cr_assert_eq(look(&b), EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLHUP);
	put(client);
	put(server);
	put(listener);
	mini_wait(b.m, 120 * S7_SEC);
	bed_end(&b);
}

/* ---- who is woken ---- */

static struct s7_wait thread_node(struct s7_waiter *waiter)
{
	return (struct s7_wait){
		.events = EPOLLIN, .kind = WAIT_THREAD, .exclusive = 1, .waiter = waiter
	};
}

static int rung(struct s7_waiter *waiter)
{
	return (int)atomic_exchange(&waiter->rung, 0);
}

Test(epoll, one_event_wakes_one_thread)
{
	struct bed b = bed_new();
	struct s7_sock *other = udp_at(&b, 11);
	struct s7_waiter w[2] = { { .state = WAITER_SLEEPING }, { .state = WAITER_SLEEPING } };
	struct s7_wait node[2] = { thread_node(&w[0]), thread_node(&w[1]) };

	ctl(&b, EPOLL_CTL_ADD, 5, b.udp, EPOLLIN | EPOLLET, 1);
	ctl(&b, EPOLL_CTL_ADD, 6, other, EPOLLIN | EPOLLET, 2);
	wait_add(&b.ep->part[0].waitq, &node[0]);
	wait_add(&b.ep->part[0].waitq, &node[1]);
	say(&b, 9);
	cr_assert_eq(atomic_load(&w[0].rung) + atomic_load(&w[1].rung), 1);
	say(&b, 11);
	cr_assert_eq(rung(&w[0]) + rung(&w[1]), 2, "the second event wakes the other thread");
	list_del(&node[0].node);
	list_del(&node[1].node);
	put(other);
	bed_end(&b);
}

Test(epoll, exclusive_sets_share_a_socket)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	struct s7_waiter w[2] = { { .state = WAITER_SLEEPING }, { .state = WAITER_SLEEPING } };
	struct s7_wait node[2] = { thread_node(&w[0]), thread_node(&w[1]) };
	struct bed b = bed_new();
	struct s7_epoll *other;

	cr_assert_eq(epoll_create_in(b.m->inst, now_of(&b), &other), 0);
	cr_assert_eq(epoll_ctl_sock(epoll_held(b.ep), EPOLL_CTL_ADD, 5, sock_held(b.udp), &event,
				    now_of(&b)),
		     0);
	cr_assert_eq(epoll_ctl_sock(epoll_held(other), EPOLL_CTL_ADD, 5, sock_held(b.udp), &event,
				    now_of(&b)),
		     0);
	wait_add(&b.ep->part[0].waitq, &node[0]);
	wait_add(&other->part[0].waitq, &node[1]);
	say(&b, 9);
	cr_assert_eq(rung(&w[0]) + rung(&w[1]), 1);
	list_del(&node[0].node);
	list_del(&node[1].node);
	epoll_release(other, now_of(&b));
	bed_end(&b);
}
