#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# redis, memcached, iperf3 and python's http.server on sock7, kernel clients over a veth.
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1

# --- redis: commands, pipelines, BGSAVE under load
bg_s redis "${S7_ENV[@]}" redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --dir "$S7_TMP" --dbfilename t.rdb
redis() { in_c timeout 20 redis-cli -h $S7_IP_S "$@"; }
if wait_port "$S7_NS_C" $S7_IP_S 6379; then
	check "redis: set and get" bash -c "[ \$(ip netns exec $S7_NS_C redis-cli -h $S7_IP_S set k v) = OK ]"
	[ "$(redis get k)" = v ] && ok "redis: the value comes back" || not_ok "redis: the value comes back"
	bulk=$(head -c 300000 /dev/urandom | base64 -w0)
	printf '%s' "$bulk" | redis -x set big >/dev/null
	[ "$(redis get big)" = "$bulk" ] && ok "redis: 400 KB value" || not_ok "redis: 400 KB value"
	check "redis-benchmark -c 50" in_c timeout 60 redis-benchmark -h $S7_IP_S -c 50 -n 100000 -t get,set -q
	check "redis-benchmark -c 50 -P 16" in_c timeout 60 redis-benchmark -h $S7_IP_S -c 50 -P 16 -n 400000 -t get,set -q
	bg_c load timeout 30 redis-benchmark -h $S7_IP_S -c 20 -n 200000 -t set -r 100000 -q
	sleep 0.3
	redis bgsave >/dev/null
	for i in $(seq 100); do redis info persistence | grep -q 'rdb_bgsave_in_progress:0' && break; sleep 0.1; done
	redis info persistence | grep -q 'rdb_last_bgsave_status:ok' && [ -s t.rdb ] &&
		ok "redis: BGSAVE under load" || not_ok "redis: BGSAVE under load"
	wait "$PID_load" && ok "redis: the load went on meanwhile" || not_ok "redis: the load went on meanwhile"
	[ "$(redis get k)" = v ] && ok "redis: alive after BGSAVE" || not_ok "redis: alive after BGSAVE"
else
	not_ok "redis answers: $(tail -3 redis.log)"
fi
stop redis

# --- memcached, four threads
bg_s memcached "${S7_ENV[@]}" memcached -u root -l 0.0.0.0 -p 11211 -U 0 -t 4
if wait_port "$S7_NS_C" $S7_IP_S 11211; then
	in_c timeout 60 python3 - $S7_IP_S >mc.out 2>&1 <<-'PY' && ok "memcached: 40 connections on 4 threads, sets and gets" || not_ok "memcached: $(tail -2 mc.out)"
	import os, socket, sys
	conns = [socket.create_connection((sys.argv[1], 11211), 10) for _ in range(40)]
	data = os.urandom(5000).hex().encode()
	for round in range(20):
	    for i, c in enumerate(conns):
	        c.sendall(b"set k%d 0 0 %d\r\n%s\r\nget k%d\r\n" % (i, len(data), data, i))
	    for i, c in enumerate(conns):
	        want = b"STORED\r\nVALUE k%d 0 %d\r\n%s\r\nEND\r\n" % (i, len(data), data)
	        got = b""
	        while len(got) < len(want):
	            part = c.recv(65536)
	            assert part, "closed early"
	            got += part
	        assert got == want
	PY
else
	not_ok "memcached answers: $(tail -3 memcached.log)"
fi
stop memcached

# --- iperf3: both directions, 1 and 8 streams, UDP
bg_s iperf "${S7_ENV[@]}" iperf3 -s -4
sleep 1
iperf() { in_c timeout 30 iperf3 -4 -c $S7_IP_S -t 2 "$@"; }
check "iperf3: one stream in" iperf
check "iperf3: one stream out" iperf -R
check "iperf3: 8 streams in" iperf -P 8
check "iperf3: 8 streams out" iperf -P 8 -R
check "iperf3: UDP in" iperf -u -b 50M
check "iperf3: UDP out" iperf -u -b 50M -R
stop iperf

# --- python's http.server (threads, dual-stack wildcard)
head -c 3000000 /dev/urandom >file.bin
bg_s python "${S7_ENV[@]}" /usr/bin/python3 -m http.server 8000
if wait_port "$S7_NS_C" $S7_IP_S 8000; then
	in_c curl -sS --max-time 20 http://$S7_IP_S:8000/file.bin | cmp - file.bin &&
		ok "python http.server: 3 MB byte for byte" || not_ok "python http.server: 3 MB byte for byte"
	check "python http.server: 40 in parallel" bash -c "
		for i in \$(seq 40); do ip netns exec $S7_NS_C curl -sS --max-time 20 -o /dev/null http://$S7_IP_S:8000/file.bin & p=\"\$p \$!\"; done
		for j in \$p; do wait \$j || exit 1; done"
	in_s curl -sS --max-time 5 http://127.0.0.1:8000/file.bin | cmp - file.bin &&
		ok "python http.server: the kernel's loopback still reaches it" || not_ok "python http.server: through the kernel's loopback"
else
	not_ok "python http.server answers: $(tail -3 python.log)"
fi
stop python
finish
