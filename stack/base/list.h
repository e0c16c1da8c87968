/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list.h - doubly linked list through a member of the object; head and nodes are the same struct
 *
 * A node that is in no list points at itself (list_init), so list_del on it is harmless. Killed at
 * any instruction of a change, a thread leaves the way forward whole (the stores that make it stand
 * in order); the way back is made anew by list_mend. A node that was cut from the way forward, but
 * not yet told, is known by its predecessor, which does not lead to it any more.
 */
#ifndef S7_LIST_H
#define S7_LIST_H

#include "stack/base/base.h"

struct s7_list {
	struct s7_list *next, *prev;
};

static inline void list_init(struct s7_list *list)
{
	list->next = list->prev = list;
}

static inline bool list_empty(const struct s7_list *list)
{
	return list->next == list;
}

static inline void list_insert_(struct s7_list *node, struct s7_list *prev, struct s7_list *next)
{
	node->next = next;
	node->prev = prev;
	s7_in_order();
	prev->next = node;
	next->prev = node;
}

static inline void list_add(struct s7_list *head, struct s7_list *node)
{
	list_insert_(node, head, head->next);
}

static inline void list_add_tail(struct s7_list *head, struct s7_list *node)
{
	list_insert_(node, head->prev, head);
}

/*
 * Whether a node is in a list (whose ways back are whole), and not on its way out of one: who took
 * it out died before it was self-linked.
 */
static inline bool list_linked(const struct s7_list *node)
{
	return node->next != node && node->prev->next == node;
}

/* Takes the node out and leaves it self-linked. */
static inline void list_del(struct s7_list *node)
{
	if (s7_likely(node->prev->next == node)) {
		node->prev->next = node->next;
		node->next->prev = node->prev;
	}
	s7_in_order();
	list_init(node);
}

/*
 * Who changed the list died in the middle: the way forward is whole at any instant, the way back is
 * made anew. Returns how many nodes there are.
 */
static inline uint32_t list_mend(struct s7_list *head)
{
	struct s7_list *pos;
	uint32_t count = 0;

	for (pos = head; pos->next != head; pos = pos->next, count++)
		pos->next->prev = pos;
	head->prev = pos;
	return count;
}

#define list_entry(node, type, member) s7_container(node, type, member)
#define list_first(head, type, member) list_entry((head)->next, type, member)

#define list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
#define list_for_each_safe(pos, tmp, head)                                                         \
	for (pos = (head)->next, tmp = pos->next; pos != (head); pos = tmp, tmp = pos->next)

#endif
