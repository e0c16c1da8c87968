#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's nginx on sock7, clients on kernel sockets over a veth: bytes, workers, daemon, connections, leaks, idleness.
. "$(dirname "$0")/lib/net.sh"
net_up

web=$S7_TMP/web
mkdir -p "$web"
head -c 100 /dev/urandom | base64 -w0 | head -c 100 >"$web/100"
head -c 100000 /dev/urandom >"$web/100k"
head -c 104857600 /dev/urandom >"$web/100m"

nginx_conf() # nginx_conf WORKERS DAEMON
{
	cat >"$S7_TMP/nginx.conf" <<-CONF
	worker_processes $1; daemon $2; pid $S7_TMP/nginx.pid; error_log $S7_TMP/error.log notice;
	user root; worker_rlimit_nofile 8192;
	events { worker_connections 4096; }
	http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
	  server { listen 80; root $web; location / { default_type application/octet-stream; } } }
	CONF
}

sockets() { "$S7_TOP/build/release/sock7" ss --count 2>/dev/null; }

same_bytes() # same_bytes FILE
{
	in_c curl -sS --max-time 60 "http://$S7_IP_S/$1" | cmp - "$web/$1"
}

requests() # requests WRK-ARGS...: prints 'requests errors'
{
	in_c wrk "$@" "http://$S7_IP_S/100" >"$S7_TMP/wrk.out" 2>&1
	awk '/requests in/ {r=$1} /Socket errors/ {e=$4+$6+$8+$10} /Non-2xx/ {e+=$NF} END {print r+0, e+0}' \
		"$S7_TMP/wrk.out" | tr -d ,
}

load() # load TEXT WRK-ARGS: requests are served, none fails
{
	local text=$1 got
	shift
	got=$(requests "$@")
	if [ "${got% *}" -gt 0 ] && [ "${got#* }" = 0 ]; then ok "$text ($got)"; else not_ok "$text ($got): $(tail -3 "$S7_TMP/error.log" | tr '\n' ' ')"; fi
}

for workers in 1 2; do
	nginx_conf $workers off
	bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
	if ! wait_port "$S7_NS_C" $S7_IP_S 80; then
		not_ok "nginx with $workers worker(s) answers: $(cat "$S7_TMP/nginx.log" | tail -3)"
		stop nginx
		continue
	fi
	for size in 100 100k 100m; do
		check "$workers worker(s): $size arrives byte for byte" same_bytes $size
	done
	bg_c held curl -sS --max-time 30 --limit-rate 1M -o /dev/null "http://$S7_IP_S/100m"
	sleep 0.5
	ours=$(for p in $(pgrep -P "$(cat "$S7_TMP/nginx.pid")"); do "$S7_TOP/build/release/sock7" ss -p "$p"; done |
		grep -c "ESTAB.*$S7_IP_S:80 ")
	kernels=$(in_s ss -Htn state established "sport = :80" | wc -l)
	[ "$ours" = 1 ] && [ "$kernels" = 0 ] && ok "$workers worker(s): the connection is sock7's, not the kernel's" ||
		not_ok "$workers worker(s): connections: $ours of sock7, $kernels of the kernel"
	stop held
	load "$workers worker(s): 10 connections" -t1 -c10 -d2
	load "$workers worker(s): 1000 connections" -t1 -c1000 -d4
	stop nginx
done

nginx_conf 2 on
in_s "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf" >"$S7_TMP/daemon.log" 2>&1
if wait_port "$S7_NS_C" $S7_IP_S 80; then
	check "daemon on: 100k arrives" same_bytes 100k
	kill -HUP "$(cat "$S7_TMP/nginx.pid")"
	sleep 1
	check "after reload (SIGHUP): 100k arrives" same_bytes 100k
	kill -QUIT "$(cat "$S7_TMP/nginx.pid")"
	for i in $(seq 50); do [ -e "$S7_TMP/nginx.pid" ] || break; sleep 0.1; done
	[ -e "$S7_TMP/nginx.pid" ] && not_ok "nginx ends on SIGQUIT" || ok "nginx ends on SIGQUIT"
else
	not_ok "daemon on: answers"
fi
finish
