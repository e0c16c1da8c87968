#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Frames that no decent host sends, against nginx (backlog 8), redis and a UDP echo on sock7: after each kind every server
# lives and serves a real client, sock7 ss -s names what was dropped, and in the end all memory is back.
#   hostile.sh [SCENARIO...]
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1
ulimit -n 8192
tool=$(dirname "$S7_LIB")/sock7
gcc -std=gnu11 -O2 -Wall -Wextra -o inject "$S7_TOP/test/app/progs/inject.c" || { not_ok "inject.c compiles"; finish; }
in_s ip route add default via $S7_IP_C
in_c sysctl -qw net.ipv4.ip_forward=0 net.ipv4.tcp_tw_reuse=1

mkdir web
head -c 10000000 /dev/urandom >web/10m
echo hello >web/index.html
cat >nginx.conf <<-CONF
	worker_processes 1; daemon off; pid $S7_TMP/nginx.pid; error_log $S7_TMP/error.log; user root;
	events { worker_connections 4096; }
	http { access_log off; sendfile on; send_timeout 10s; keepalive_timeout 5s; client_header_timeout 5s; reset_timedout_connection on;
	  server { listen 80 backlog=8; root $S7_TMP/web; } }
CONF
bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
bg_s redis "${S7_ENV[@]}" redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --timeout 10
cat >echo.py <<'PY'
import socket
s = socket.socket(type=socket.SOCK_DGRAM)
s.bind(("", 9000))
while True:
    data, addr = s.recvfrom(65535)
    if addr[1]:
        s.sendto(data, addr)
PY
bg_s echo "${S7_ENV[@]}" /usr/bin/python3 echo.py
cat >ask.py <<'PY'
"""Every server once, as an ordinary client: prints what fails."""
import socket, sys, urllib.request
host, bad = sys.argv[1], []
try:
    if urllib.request.urlopen("http://%s/" % host, timeout=8).read() != b"hello\n":
        bad.append("nginx: wrong bytes")
except OSError as e:
    bad.append("nginx: %s" % e)
try:
    with socket.create_connection((host, 6379), 8) as s:
        s.sendall(b"PING\r\n")
        if s.recv(100) != b"+PONG\r\n":
            bad.append("redis: wrong answer")
except OSError as e:
    bad.append("redis: %s" % e)
with socket.socket(type=socket.SOCK_DGRAM) as s:
    s.settimeout(1)
    s.connect((host, 9000))
    for _ in range(5):  # a datagram may be lost beside a flood
        try:
            s.send(b"there?" * 400)
            if s.recv(5000) == b"there?" * 400:
                break
        except OSError:
            pass
    else:
        bad.append("UDP echo: no answer")
print("; ".join(bad))
sys.exit(bool(bad))
PY
wait_port "$S7_NS_C" $S7_IP_S 80 && wait_port "$S7_NS_C" $S7_IP_S 6379 || { not_ok "servers answer: $(tail -2 nginx.log redis.log)"; finish; }
sleep 0.5
ask() { in_c timeout 30 python3 ask.py $S7_IP_S; }
check "servers answer" ask
nginx_pid=$(cat nginx.pid) redis_pid=$(in_s ss -Hltnp 'sport = :6379' | grep -o 'pid=[0-9]*' | head -1 | cut -d= -f2)
echo_pid=$PID_echo
mac=$(in_s cat "/sys/class/net/$S7_DEV_S/address")
pids="$nginx_pid $(pgrep -P "$nginx_pid" | tr '\n' ' ') $redis_pid $echo_pid"
usage() { for p in $nginx_pid $redis_pid $echo_pid; do "$tool" ss -p "$p" --usage 2>&1 | sed "s/^/$p: /"; done; }
# named drops, and what is counted of SYN cookies
drops() { for p in $nginx_pid $redis_pid $echo_pid; do "$tool" ss -s -p "$p" 2>/dev/null; done | awk '$1 == "drop" || $2 ~ /COOKIES/ {n[$2] += $3} END {for (d in n) print d, n[d]}' | sort; }

# attack NAME DROPS: the scenario; each of the drops is counted, all go on
attack()
{
	local name=$1 want=$2 before after d bad="" meanwhile=0 tried=0 i load
	[ ${#only[@]} = 0 ] || [[ " ${only[*]} " == *" $name "* ]] || return
	before=$(drops)
	in_c timeout 120 ./inject "$S7_DEV_C" "$mac" $S7_IP_S $S7_IP_C "$name" >"inject.$name" 2>&1 &
	load=$!
	while [ $tried -lt 3 ] || { [ $tried -lt 40 ] && kill -0 $load 2>/dev/null; }; do # while it lasts
		tried=$((tried + 1))
		in_c timeout 20 curl -sS --max-time 15 -o /dev/null http://$S7_IP_S/ 2>>curl.err && meanwhile=$((meanwhile + 1))
		sleep 0.1
	done
	wait $load || bad="$bad; inject ends with $?"
	[ $meanwhile = $tried ] || bad="$bad; $meanwhile of $tried clients served meanwhile"
	for i in $pids; do [ -d "/proc/$i" ] || bad="$bad; process $i died"; done
	sleep 0.3
	ask >ask.out || bad="$bad; $(cat ask.out)"
	after=$(drops)
	for d in $want; do
		[ "$(awk -v d="$d" '$1 == d {print $2}' <<<"$after")" != "$(awk -v d="$d" '$1 == d {print $2}' <<<"$before")" ] ||
			bad="$bad; $d not counted"
	done
	comm -13 <(echo "$before") <(echo "$after") >"drops.$name"
	[ -z "$bad" ] && ok "$name ($(tr '\n' ' ' <"drops.$name"))" || not_ok "$name: ${bad#; } ($(tr '\n' ' ' <"drops.$name") $(cat "inject.$name" | tail -2 | tr '\n' ' '))"
}

# Nowhere more in use than before (the clients that asked before may have left a TIME_WAIT then).
back()
{
	paste -d' ' <(echo "$used_before") <(echo "$used_after") |
		awk '/instance/ {bad += $15 > $5 || $17 > $7 || $20 < $10} /objects/ {bad += $6 > $3} END {exit bad > 0 || !NR}'
}
only=("$@")
used_before=$(usage)
grep -q packets <<<"$used_before" || not_ok "sock7 ss --usage: $used_before"
attack garbage "ETH_TYPE ARP_BAD IP_PROTO"
attack truncated "IP_SHORT IP_TRUNCATED TCP_SHORT UDP_SHORT ICMP_SHORT ARP_BAD"
attack checksums "IP_CHECKSUM TCP_CHECKSUM UDP_CHECKSUM ICMP_CHECKSUM"
attack ip_headers "IP_VERSION IP_SOURCE IP_SHORT IP_OPTIONS"
attack land "IP_SOURCE"
attack fragments "FRAG_OVERLAP FRAG_BAD FRAG_FULL"
attack tcp_options ""
attack flags "TCP_FLAGS"
attack arp "ARP_BAD"
attack icmp_errors "ICMP_NO_FLOW"
attack blind ""
attack syn_flood "TCP_COOKIES_SENT TCP_COOKIES_OK"
attack zero_window ""
attack inside ""

for i in $(seq 90); do
	left=$(for p in $nginx_pid $redis_pid $echo_pid; do "$tool" ss -p "$p" --count; done | tr '\n' ' ')
	used_after=$(usage)
	back && break
	sleep 1
done
back && ok "arena and packets are back where they were (after $i s)" ||
	not_ok "use differs after $i s ($left connections): $(diff <(echo "$used_before") <(echo "$used_after") | tr '\n' ' ')"
for p in $pids; do [ -d "/proc/$p" ] || { not_ok "process $p died"; tail -3 ./*.log error.log; }; done
finish
