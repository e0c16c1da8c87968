// SPDX-License-Identifier: BSD-3-Clause
/*
 * tcp_fsm.c - the states of a connection and the only function that changes them (RFC 9293 3.3.2)
 *
 * Idea: a table says which state may follow which; tcp_set_state() asserts it, so a wrong path is
 * found where it is taken. TIME_WAIT has no row of its own: the socket goes to CLOSED while a
 * TIME_WAIT entry (tcp_tw.c) takes its place in the flow table. Passive opens arrive here as
 * CLOSED -> ESTABLISHED, their half-open time was a request's; those of Fast Open as CLOSED ->
 * SYN-RECEIVED.
 * Context: instance lock. Called by: everything in stack/tcp.
 */
#include "stack/tcp/tcp_int.h"

#define TO(state) (1u << TCPS_##state)

static const uint16_t tcp_next_states[TCPS_COUNT] S7_ASSERTED = {
	[TCPS_CLOSED] = TO(LISTEN) | TO(SYN_SENT) | TO(SYN_RCVD) | TO(ESTABLISHED) |
			TO(CLOSED),
	[TCPS_LISTEN] = TO(CLOSED),
	[TCPS_SYN_SENT] = TO(SYN_RCVD) | TO(ESTABLISHED) | TO(CLOSED),
	[TCPS_SYN_RCVD] = TO(ESTABLISHED) | TO(FIN_WAIT_1) | TO(CLOSED),
	[TCPS_ESTABLISHED] = TO(FIN_WAIT_1) | TO(CLOSE_WAIT) | TO(CLOSED),
	[TCPS_FIN_WAIT_1] = TO(FIN_WAIT_2) | TO(CLOSING) | TO(CLOSED),
	[TCPS_FIN_WAIT_2] = TO(CLOSED),
	[TCPS_CLOSE_WAIT] = TO(LAST_ACK) | TO(CLOSED),
	[TCPS_CLOSING] = TO(CLOSED),
	[TCPS_LAST_ACK] = TO(CLOSED),
	[TCPS_TIME_WAIT] = 0,
};

static const struct {
	const char *text;
	uint8_t number; /* of the kernel's enum */
} tcp_state_info[TCPS_COUNT] = {
	[TCPS_CLOSED] = { "CLOSE", 7 },
	[TCPS_LISTEN] = { "LISTEN", 10 },
	[TCPS_SYN_SENT] = { "SYN-SENT", 2 },
	[TCPS_SYN_RCVD] = { "SYN-RECV", 3 },
	[TCPS_ESTABLISHED] = { "ESTAB", 1 },
	[TCPS_FIN_WAIT_1] = { "FIN-WAIT-1", 4 },
	[TCPS_FIN_WAIT_2] = { "FIN-WAIT-2", 5 },
	[TCPS_CLOSE_WAIT] = { "CLOSE-WAIT", 8 },
	[TCPS_CLOSING] = { "CLOSING", 11 },
	[TCPS_LAST_ACK] = { "LAST-ACK", 9 },
	[TCPS_TIME_WAIT] = { "TIME-WAIT", 6 },
};

void tcp_set_state(struct s7_tcp_sock *ts, enum tcp_state state)
{
	assert(tcp_next_states[ts->tcb.state] & (1u << state));
	if (state == TCPS_CLOSED &&
	    (ts->tcb.state == TCPS_ESTABLISHED || ts->tcb.state == TCPS_CLOSE_WAIT))
		stat_add(ts->sk.inst, STAT_TCP_ESTAB_RESETS, 1);
	ts->tcb.state = (uint8_t)state;
}

const char *tcp_state_text(enum tcp_state state)
{
	return tcp_state_info[state].text;
}

uint8_t tcp_state_linux(const struct s7_sock *sk)
{
	return tcp_state_info[tcp_tcb(sk)->state].number;
}
