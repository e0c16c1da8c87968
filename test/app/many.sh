#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Many connections: 100,000 opened and closed one after another leave nothing; an idle nginx costs nothing; a killed one
# leaves nothing in the kernel.
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1
mkdir web && echo hello >web/index.html
cat >nginx.conf <<-CONF
	worker_processes 1; daemon off; pid $S7_TMP/nginx.pid; error_log $S7_TMP/error.log; user root;
	events { worker_connections 4096; }
	http { access_log off; server { listen 80; root $S7_TMP/web; keepalive_timeout 0; } }
CONF
bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
wait_port "$S7_NS_C" $S7_IP_S 80 || not_ok "nginx answers: $(tail -3 nginx.log)"
pid=$(cat nginx.pid)
# the client closes first in half of them; its own TIME_WAIT must not run out of ports
in_c sysctl -qw net.ipv4.ip_local_port_range="2000 65000" net.ipv4.tcp_tw_reuse=1
cat >conns.py <<'PY'
import socket, struct, sys
host, count = sys.argv[1], int(sys.argv[2])
request = b"GET / HTTP/1.0\r\n\r\n"
for i in range(count):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if i % 2:  # a reset instead of TIME_WAIT on the client's side
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.connect((host, 80))
    s.sendall(request)
    data = b""
    while True:
        part = s.recv(4096)
        if not part:
            break
        data += part
    assert data.endswith(b"hello\n"), data
    s.close()
print("done", count)
PY
sock7() { "$S7_TOP/build/release/sock7" "$@"; }
in_c timeout 30 python3 conns.py $S7_IP_S 200 >/dev/null
# a connection in TIME_WAIT is an entry of the flow table and a timer: those are told apart, and have 60 s; what is 0 is not printed
in_use() { sock7 ss -p "$pid" -s | awk '$1 == "use" {print $2, $3}'; }
time_waits() { in_use | awk '$1 == "tcp_time_wait" {n = $2} END {print n + 0}'; }
usage() { in_use | awk '{use[$1] = $2} END {use["flows"] -= use["tcp_time_wait"]; use["timers"] -= use["tcp_time_wait"]
	for (name in use) if (name != "tcp_time_wait" && use[name]) print name "=" use[name]}' | sort | tr '\n' ' '; }
connections() { sock7 ss -p "$(pgrep -P "$pid")" | awk 'NR > 1 && $2 != "LISTEN"' | wc -l; }
sleep 1
use_before=$(usage)
in_c timeout 240 python3 conns.py $S7_IP_S ${S7_CONNS:-100000} >conns.out 2>&1 &&
	ok "${S7_CONNS:-100000} connections one after another" || not_ok "connections one after another: $(tail -1 conns.out)"
for i in $(seq 70); do
	left=$(($(connections) + $(time_waits)))
	[ "$left" = 0 ] && break
	sleep 1
done
[ "$left" = 0 ] && ok "sock7 ss shows no connection left" || not_ok "sock7 ss shows $left connections left"
use_after=$(usage)
[ "$use_before" = "$use_after" ] && ok "arena and packets are back where they were ($use_after)" ||
	not_ok "use before: $use_before; after: $use_after"

ticks() { for p in "$@"; do awk '{print $14+$15}' "/proc/$p/stat"; done | awk '{s+=$1} END {print s}'; }
all="$pid $(pgrep -P "$pid" | tr '\n' ' ')"
before=$(ticks $all)
sleep 10
after=$(ticks $all)
[ $((after - before)) -le 10 ] && ok "idle nginx: $((after - before)) ticks of 1000 in 10 s" ||
	not_ok "idle nginx costs $((after - before)) ticks of 1000 in 10 s"

for p in $all; do kill -9 "$p"; done
sleep 0.5
in_s timeout 5 python3 -c "
import socket
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(('', 80)); s.listen()
s.settimeout(4); c, a = s.accept(); c.sendall(b'kernel'); c.close()" &
server=$!
for i in $(seq 30); do
	said=$(in_c timeout 4 bash -c "cat </dev/tcp/$S7_IP_S/80" 2>/dev/null) && break
	sleep 0.1
done
[ "$said" = kernel ] && ok "after kill -9 of all the kernel serves the port again" ||
	not_ok "after kill -9 of all the kernel serves the port again"
wait $server
finish
