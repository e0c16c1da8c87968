#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# loopback = stack: servers and clients of one process, and of processes that forked from one, over sock7's own lo; then
# with programs beside them.
#
# Without a network: the namespace's lo stays down, so what arrives was carried by sock7.
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
ip netns add "$S7_NS_S"
ip netns add "$S7_NS_C"
in_s ip link set lo up # a namespace that never had an address lets bind() take any
in_s ip link set lo down
printf '[global]\nloopback = stack\nhugepages = no\n' >"$S7_TMP/s.conf"

server timeout 240 /usr/bin/python3 "$S7_TOP/test/app/lib/loopback.py" 127.0.0.1 >"$S7_TMP/loopback.out" 2>&1
code=$?
while read -r line; do
	case $line in
	"ok - "*) ok "${line#ok - }" ;;
	"not ok - "*) not_ok "${line#not ok - }" ;;
	esac
done <"$S7_TMP/loopback.out"
# the same numbers closed, opened and used by many threads: no call acts on a stranger, nothing is left
gcc -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-result -pthread -o "$S7_TMP/storm" "$S7_TOP/test/app/progs/storm.c" ||
	not_ok "storm.c compiles"
if server timeout 60 "$S7_TMP/storm" 5 >"$S7_TMP/storm.out" 2>&1; then
	ok "storm: $(cat "$S7_TMP/storm.out")"
else
	not_ok "storm: code $? $(tail -n 5 "$S7_TMP/storm.out" | tr '\n' ' ')"
fi
# with the kernel's lo: other programs, each with a stack of its own or on the kernel, and sockets that are passed to them
in_c ip link set lo up
in_c ip addr add 10.98.0.1/24 dev lo
in_c env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/s.conf" timeout 120 /usr/bin/python3 \
	"$S7_TOP/test/app/lib/beside.py" >"$S7_TMP/beside.out" 2>"$S7_TMP/beside.err" ||
	not_ok "beside.py ended with $?: $(tail -n 3 "$S7_TMP/beside.err" | tr '\n' ' ')"
while read -r line; do
	case $line in
	"ok - "*) ok "${line#ok - }" ;;
	"not ok - "*) not_ok "${line#not ok - }" ;;
	esac
done <"$S7_TMP/beside.out"
[ $code = 0 ] || not_ok "loopback.py ended with $code: $(tail -n 3 "$S7_TMP/loopback.out" | tr '\n' ' ')"
finish
