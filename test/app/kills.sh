#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 and SIGSTOP at any instant: who survives goes on, no lock stays taken, nothing is left behind.
#   S7_KILLS=50      how often one of two processes is killed at a random instant
#   S7_STEP_KILLS=150, S7_SEED   how often at a chosen instruction of a call (progs/killed.c), and a run to repeat
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1
tool=$(dirname "$S7_LIB")/sock7

# --- at chosen instructions of the library's calls, over sock7's own lo
gcc -std=gnu11 -O1 -g -Wall -Wextra -Wno-unused-result -pthread -rdynamic -o killed "$S7_TOP/test/app/progs/killed.c" ||
	{ not_ok "killed.c compiles"; finish; }
printf '[global]\nloopback = stack\nhugepages = no\nmemory = 64M\ntcp_time_wait_ms = 50\n' >killed.conf
cat >usage <<-U
	#!/bin/sh
	env -u LD_PRELOAD "$tool" ss -p \$S7_PARENT --usage | awk '\$1 == "instance" {print \$4, \$9}'
U
cat >show <<-U
	#!/bin/bash
	env -u LD_PRELOAD "$tool" ss
	for pid in \$(pgrep -x killed); do
		timeout 20 env -u LD_PRELOAD gdb -p \$pid -batch -ex 'thread apply all bt' 2>/dev/null | grep -E '^(Thread|#)' | cut -c1-150
	done
U
chmod +x usage show
in_s env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/killed.conf" S7_USAGE="$S7_TMP/usage" S7_SHOW="$S7_TMP/show" S7_CHECK_EVERY=50 \
	timeout 150 bash -c 'export S7_PARENT=$$; exec ./killed "$@"' _ "${S7_STEP_KILLS:-150}" ${S7_SEED:-} >killed.out 2>&1
code=$?
grep -E '^not ok' killed.out | grep -v kills, | cut -c10- | while read -r line; do echo "# $line"; done
[ $code = 0 ] && ok "$(sed -n 's/^ok - //p' killed.out)" || { not_ok "kills at instructions: code $code"; grep -E '^# seed' killed.out; grep -A 16 'sockets left' killed.out; tail -60 killed.out | cut -c1-150; }
ulimit -c unlimited
mkdir web
head -c 10000000 /dev/urandom >web/10m
head -c 100 /dev/urandom | base64 -w0 >web/100
cat >nginx.conf <<-CONF
	worker_processes 2; daemon off; pid $S7_TMP/nginx.pid; error_log $S7_TMP/error.log; user root;
	events { worker_connections 4096; }
	http { access_log off; sendfile on; keepalive_requests 1000000; server { listen 80; root $S7_TMP/web; } }
CONF
workers() { pgrep -P "$master" | tr '\n' ' '; }
get() { in_c timeout 10 curl -sS --max-time 8 "http://$S7_IP_S/$1" 2>>curl.err | cmp -s - "web/$1"; }
stacks() { for p in $master $(workers); do timeout 20 gdb -p "$p" -batch -ex 'thread apply all bt' 2>/dev/null | grep -E '^(Thread|#)' | cut -c1-150; done; }
served() # served TEXT: 10 requests in a row, each within its time
{
	local i
	for i in $(seq 10); do
		get 100 && continue
		not_ok "$1: request $i is not served"
		stacks
		return 1
	done
	ok "$1"
}
start()
{
	bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
	wait_port "$S7_NS_C" $S7_IP_S 80 || { not_ok "nginx answers: $(tail -2 nginx.log)"; finish; }
	master=$(cat nginx.pid)
}
start

# --- a worker under load: its connections end, the others' go on, the master makes a new one
cat >hold.py <<'PY'
"""Connections that stay; says how many ended when told to look, and that none hangs in between."""
import select, socket, sys
SIZE = int(sys.argv[2])


def fetch(c):
    c.sendall(b"GET /100 HTTP/1.1\r\nHost: x\r\n\r\n")
    data = b""
    while b"\r\n\r\n" not in data or len(data.split(b"\r\n\r\n", 1)[1]) < SIZE:
        part = c.recv(4096)
        if not part:
            return False
        data += part
    return True


conns = [socket.create_connection((sys.argv[1], 80), 8) for _ in range(40)]
for c in conns:
    c.settimeout(4)
    fetch(c)
print("ready", flush=True)
sys.stdin.readline()
poll = select.poll()
for c in conns:
    poll.register(c, select.POLLIN)
ended = len(poll.poll(4000))
alive = 0
for c in conns:
    try:
        alive += fetch(c)
    except OSError:
        pass
print("ended", ended, "alive", alive, flush=True)
PY
mkfifo go
in_c timeout 60 python3 hold.py $S7_IP_S $(stat -c %s web/100) <go >hold.out &
holder=$!
exec 9>go
for i in $(seq 50); do grep -q ready hold.out && break; sleep 0.1; done
in_c timeout 20 wrk -t1 -c20 -d3 http://$S7_IP_S/100 >wrk.out 2>&1 &
load=$!
sleep 1
victim=$(workers | cut -d' ' -f1)
kill -9 "$victim"
sleep 1.5
echo look >&9
wait $holder
read -r _ ended _ alive < <(tail -1 hold.out)
[ $((ended + alive)) = 40 ] && ok "a worker killed: $ended of its connections ended, $alive of the other's go on" ||
	not_ok "a worker killed: $ended connections ended and $alive go on, of 40"
wait $load
[ "$(workers | wc -w)" = 2 ] && ok "the master made a new worker" || not_ok "workers now: $(workers)"
served "requests after the worker's death"

# --- one of the two at random instants, again and again, under load
in_c timeout 120 wrk -t1 -c50 -d60 http://$S7_IP_S/100 >wrk.out 2>&1 &
load=$!
sleep 1
"$tool" ss -p "$master" --usage >use.before
bad=0
for i in $(seq "${S7_KILLS:-50}"); do
	set -- $(workers)
	[ $# -gt 0 ] && kill -9 "${@:$((RANDOM % $# + 1)):1}"
	usleep $((RANDOM * 12)) 2>/dev/null || sleep 0.$((RANDOM % 400 + 100))
	get 100 && continue
	bad=$((bad + 1))
	echo "# kill $i: not served: $(tail -1 curl.err)"
	[ $bad = 1 ] && stacks >stacks.out
done
[ $bad = 0 ] && ok "${S7_KILLS:-50} kills under load: served after each" || not_ok "${S7_KILLS:-50} kills under load: $bad times not served"
kill "$load" 2>/dev/null
for p in $(ip netns pids "$S7_NS_C"); do kill "$p"; done
wait $load 2>/dev/null
grep -aE 'exited on signal (6|7|11)|core dumped' error.log >crashes && not_ok "crashes: $(sort crashes | uniq -c | tail -3 | tr '\n' ' ')"
[ -d "/proc/$master" ] || not_ok "the master died too"
for c in core*; do
	[ -f "$c" ] && timeout 60 gdb -batch -ex bt "$(command -v nginx)" "$c" 2>/dev/null | grep '^#' | cut -c1-150 | head -25
done
[ -d "/proc/$master" ] || finish
served "requests afterwards"
for i in $(seq 75); do
	left=$("$tool" ss -p "$master" --count)
	[ "$left" -le 2 ] && break
	sleep 1
done
"$tool" ss -p "$master" --usage >use.after
"$tool" ss -p "$master" -s | grep -E 'OWNER_DIED|TX_RING' | sed 's/^/# /'
sockets() { awk '$1 == "instance" {print $4}' "$1"; }
packets() { awk '$1 == "instance" {print $9}' "$1"; }
[ "$left" -le 2 ] && ok "no sockets left ($left; $(sockets use.after) at rest)" || not_ok "sockets left: $left ($(tr '\n' ' ' <use.after))"
# what a thread held in the very instant of its death may be lost: a burst of packets a kill
lost=$(($(packets use.before) - $(packets use.after)))
[ "$lost" -le $((${S7_KILLS:-50} * 64)) ] && ok "packets lost in kills: $lost" || not_ok "packets lost in kills: $lost"

# --- stopped, not dead: nobody takes its lock; all go on when it does
died() { "$tool" ss -p "$master" -s | awk '$2 == "OWNER_DIED" {print $3}'; }
before=$(died)
set -- $(workers)
in_c timeout 30 wrk -t1 -c20 -d5 --timeout 10 http://$S7_IP_S/100 >wrk.out 2>&1 &
load=$!
for i in 1 2 3; do
	sleep 0.3
	kill -STOP "$1"
	sleep $((i == 1 ? 2 : 0)).2
	kill -CONT "$1"
done
wait $load
[ "$(died)" = "$before" ] && ok "a stopped process is not taken for dead" || not_ok "a stopped process was taken for dead"
served "after SIGSTOP for 2 s and SIGCONT"

# --- the master: its workers go on; everything: the port is the kernel's again
kill -9 "$master"
disown -a
sleep 0.7
served "the master killed: its workers serve"
for p in $(ip netns pids "$S7_NS_S"); do kill -9 "$p"; done
for i in $(seq 100); do in_s ss -Hltn 'sport = :80' | grep -q . || break; sleep 0.1; done
in_s ss -Hltn 'sport = :80' | grep -q . && not_ok "port 80 is still taken" || ok "all killed: nothing is left"
start
served "a new nginx at once"
stop nginx

# --- redis: the child that saves
bg_s redis "${S7_ENV[@]}" redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save '' --dir "$S7_TMP" --rdb-key-save-delay 1000
if wait_port "$S7_NS_C" $S7_IP_S 6379; then
	redis() { in_c timeout 10 redis-cli -h $S7_IP_S "$@"; }
	redis debug populate 20000 >/dev/null 2>&1 || in_c timeout 30 redis-benchmark -h $S7_IP_S -n 20000 -r 20000 -t set -P 16 -q >/dev/null
	for i in 1 2 3; do
		redis bgsave >/dev/null
		sleep 0.$((RANDOM % 3 + 1))
		child=$(pgrep -P "$PID_redis" | head -1)
		[ -n "$child" ] && kill -9 "$child"
		sleep 0.3
	done
	[ "$(redis set a b)$(redis get a)" = OKb ] && ok "redis: alive after its saving child was killed 3 times" || not_ok "redis: after its child was killed"
else
	not_ok "redis answers"
fi
stop redis

# --- the only process killed: nobody is left to send a FIN, but the kernel answers the peer's next segment
cat >sink.py <<'PY'
import socket
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("", 7000))
s.listen()
c, a = s.accept()
c.settimeout(0.1)
print("accepted", flush=True)
while True:
    try:
        c.send(b"still there?")
        if not c.recv(1 << 20):
            print("eof", flush=True)
            break
    except socket.timeout:
        pass
    except OSError as e:
        print(type(e).__name__, flush=True)
        break
PY
bg_c sink /usr/bin/python3 sink.py
sleep 0.5
bg_s client "${S7_ENV[@]}" /usr/bin/python3 -c "
import socket
s = socket.create_connection(('$S7_IP_C', 7000))
while True: s.sendall(bytes(1 << 20))"
for i in $(seq 100); do grep -q accepted sink.log && break; sleep 0.1; done
sleep 1
for p in $(ip netns pids "$S7_NS_S"); do kill -9 "$p"; done
for i in $(seq 100); do [ "$(wc -l <sink.log)" -ge 2 ] && break; sleep 0.1; done
[ "$(tail -1 sink.log)" = ConnectionResetError ] && ok "the only process killed: the kernel answers its peer's next segment with RST" ||
	not_ok "the only process killed: its peer says: $(tail -1 sink.log)"
finish
