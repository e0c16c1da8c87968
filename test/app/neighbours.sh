#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Several programs, each with a stack of its own, at one netdev: they share a port (SO_REUSEPORT), also when one is killed;
# a listener is passed on (SCM_RIGHTS) in the middle of its work, as when a proxy is started anew.
. "$(dirname "$0")/lib/net.sh"
net_up
neighbours=$S7_TOP/test/app/lib/neighbours.py
start() # start NAME [VERB ARGS]: until it listens
{
	local i name=$1
	shift
	[ $# != 0 ] || set -- serve "$name" 8003
	bg_s "$name" "${S7_ENV[@]}" /usr/bin/python3 "$neighbours" "$@"
	set -- "$name"
	for i in $(seq 100); do grep -q ready "$S7_TMP/$1.log" && return; sleep 0.1; done
	not_ok "$1 listens: $(tail -n 2 "$S7_TMP/$1.log")"
}
answer() # answer TEXT NAMES: exactly these answer
{
	local got
	got=$(in_c timeout 60 /usr/bin/python3 "$neighbours" ask $S7_IP_S 8003 60 2>&1)
	[ "$got" = "$2" ] && ok "$1: $2" || not_ok "$1: $2, not $(tail -n 1 <<<"$got")"
}
opened() { in_s cat /proc/net/snmp | awk '/^Tcp:/ {v = $7} END {print v}'; }

before=$(opened)
start A
answer "one program" A
start B
start C
answer "three programs, each connection and datagram has one answer" ABC
kill -9 "$PID_A"
wait "$PID_A" 2>/dev/null
answer "one of them was killed" BC
stop B
answer "one of them ended" C
stop C
[ "$(opened)" = "$before" ] && ok "no connection was the kernel's" || not_ok "connections were the kernel's: $before, $(opened)"

# the receiver is on the kernel's sockets, where the listener is the kernel's too
start giver give 8004 "$S7_TMP/meeting"
bg_s taker /usr/bin/python3 "$neighbours" take "$S7_TMP/meeting" B
check "a listener is passed on: nobody is refused, and a connection of the old program goes on" \
	in_c timeout 60 /usr/bin/python3 "$neighbours" cross $S7_IP_S 8004
[ "$(opened)" -ge $((before + 40)) ] && ok "new connections are the kernel's then" || not_ok "connections of the kernel's: $(opened)"
finish
