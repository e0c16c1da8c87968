#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Clients on sock7 against servers on kernel sockets: curl, wrk, redis-benchmark, iperf3, python.
. "$(dirname "$0")/lib/net.sh"
net_up
# here the kernel serves: it is the server's device that must not leave work to hardware that is not there
cd "$S7_TMP" || exit 1
mkdir web
head -c 5000000 /dev/urandom >web/5m
echo hello >web/hello
cat >nginx.conf <<-CONF
	worker_processes 1; daemon off; pid $S7_TMP/nginx.pid; error_log $S7_TMP/error.log; user root;
	events { worker_connections 4096; }
	http { access_log off; client_max_body_size 100m; server { listen 80; root $S7_TMP/web; } }
CONF
bg_s nginx nginx -c "$S7_TMP/nginx.conf"
bg_s redis redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save ''
bg_s iperf iperf3 -s -4
wait_port "$S7_NS_C" $S7_IP_S 80
wait_port "$S7_NS_C" $S7_IP_S 6379
opens() { in_c cat /proc/net/snmp | awk '/^Tcp:/ {v = $6} END {print v}'; }
opens_before=$(opens)

in_c "${S7_ENV_C[@]}" curl -sS --max-time 20 http://$S7_IP_S/5m 2>curl.err | cmp - web/5m &&
	ok "curl: 5 MB byte for byte" || not_ok "curl: 5 MB byte for byte: $(tail -1 curl.err)"
check "curl: a refused port says so" bash -c "ip netns exec $S7_NS_C ${S7_ENV_C[*]} curl -sv --max-time 5 http://$S7_IP_S:81/ 2>&1 | grep -qi refused"
check "curl: 20 connections in one run" in_c "${S7_ENV_C[@]}" curl -sS --max-time 20 -Z -o /dev/null "http://$S7_IP_S/5m?[1-20]"
in_c "${S7_ENV_C[@]}" timeout 30 wrk -t2 -c50 -d2 http://$S7_IP_S/hello >wrk.out 2>&1
if grep -q 'requests in' wrk.out && ! grep -Eq 'Socket errors|Non-2xx' wrk.out; then ok "wrk: $(grep -o '[0-9]* requests in' wrk.out) 2 s"; else not_ok "wrk: $(tail -4 wrk.out | tr '\n' ' ')"; fi
check "redis-benchmark -c 50" in_c "${S7_ENV_C[@]}" timeout 60 redis-benchmark -h $S7_IP_S -c 50 -n 50000 -t get,set -q
check "redis-benchmark -P 16" in_c "${S7_ENV_C[@]}" timeout 60 redis-benchmark -h $S7_IP_S -c 50 -P 16 -n 200000 -t get,set -q
check "iperf3 out" in_c "${S7_ENV_C[@]}" timeout 30 iperf3 -4 -c $S7_IP_S -t 2
check "iperf3 in" in_c "${S7_ENV_C[@]}" timeout 30 iperf3 -4 -c $S7_IP_S -t 2 -R
check "iperf3 8 streams" in_c "${S7_ENV_C[@]}" timeout 30 iperf3 -4 -c $S7_IP_S -t 2 -P 8
check "iperf3 UDP" in_c "${S7_ENV_C[@]}" timeout 30 iperf3 -4 -c $S7_IP_S -t 2 -u -b 50M
in_c "${S7_ENV_C[@]}" timeout 30 /usr/bin/python3 - $S7_IP_S >py.out 2>&1 <<'PY' && ok "python asyncio: 100 requests at once" || not_ok "python asyncio: $(tail -2 py.out)"
import asyncio, sys
async def one(host):
    r, w = await asyncio.open_connection(host, 80)
    w.write(b"GET /hello HTTP/1.0\r\n\r\n")
    data = await r.read()
    w.close()
    await w.wait_closed()
    return data
async def main():
    got = await asyncio.gather(*(one(sys.argv[1]) for _ in range(100)))
    assert all(g.endswith(b"hello\n") for g in got), got[0]
asyncio.run(main())
PY
opened=$(($(opens) - opens_before))
[ "$opened" = 0 ] && ok "no client connection was the kernel's" || not_ok "$opened client connections were the kernel's"

# an option that only the kernel has is never lost: the socket is the kernel's, before the stack runs and after
in_c "${S7_ENV_C[@]}" timeout 30 /usr/bin/python3 - $S7_IP_S >option.out 2>&1 <<'PY' && ok "an option of the kernel alone holds" || not_ok "an option of the kernel alone holds: $(tail -2 option.out)"
import socket, struct, sys
key = struct.pack("=HH4s120xBBHi80s", socket.AF_INET, 0, socket.inet_aton("192.0.2.1"), 0, 0, 6, 0, b"secret")
for turn in range(2):
    s = socket.socket()
    s.setsockopt(socket.IPPROTO_TCP, 14, key)  # TCP_MD5SIG, for another peer
    s.connect((sys.argv[1], 80))
    s.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
    assert s.recv(4)
    other = socket.create_connection((sys.argv[1], 80))  # starts the stack
PY
opened=$(($(opens) - opens_before))
[ "$opened" = 2 ] && ok "its 2 connections are the kernel's, no other" || not_ok "$opened connections were the kernel's, not 2"
finish
