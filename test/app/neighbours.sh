#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Several programs, each with a stack of its own, at one netdev: they share a port (SO_REUSEPORT), also when one is killed.
. "$(dirname "$0")/lib/net.sh"
net_up
neighbours=$S7_TOP/test/app/lib/neighbours.py
start() # start NAME: until it listens
{
	local i
	bg_s "$1" "${S7_ENV[@]}" /usr/bin/python3 "$neighbours" serve "$1" 8003
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
[ "$(opened)" = "$before" ] && ok "no connection was the kernel's" || not_ok "connections were the kernel's: $before, $(opened)"
finish
