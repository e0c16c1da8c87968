#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The device goes down, comes back, and is removed: the server neither ends nor spins, and says so.
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1
bg_s redis "${S7_ENV[@]}" redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save ''
wait_port "$S7_NS_C" $S7_IP_S 6379 || not_ok "redis answers: $(tail -3 redis.log)"
pid=$PID_redis
ticks() { awk '{print $14 + $15}' "/proc/$pid/stat"; }
idle() # idle TEXT: under 5 % of a core for 2 s
{
	local before
	before=$(ticks)
	sleep 2
	[ $(($(ticks) - before)) -le 10 ] && ok "$1: $(($(ticks) - before)) ticks of 200" || not_ok "$1: $(($(ticks) - before)) ticks of 200"
}
in_s ip link set "$S7_DEV_S" down
idle "device down"
in_s ip link set "$S7_DEV_S" up
sleep 1
[ "$(in_c timeout 10 redis-cli -h $S7_IP_S ping)" = PONG ] && ok "device up again: served again" ||
	not_ok "device up again: served again"
in_s ip link del "$S7_DEV_S"
idle "device removed"
kill -0 "$pid" && ok "the server lives" || not_ok "the server lives"
grep -q "sock7: .*interface" redis.log && ok "the log says so" || not_ok "the log says so: $(tail -2 redis.log)"
stop redis
finish
