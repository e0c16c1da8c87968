#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Debian's nginx on sock7, clients on kernel sockets over a veth: bytes, workers, daemon, connections, leaks, idleness.
. "$(dirname "$0")/lib/net.sh"
net_up
. "$(dirname "$0")/lib/web.sh"
web_files 100 100000 104857600
client() { in_c "$@"; }

for workers in 1 2; do
	nginx_conf on $workers off
	bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
	if ! wait_port "$S7_NS_C" $S7_IP_S 80; then
		not_ok "nginx with $workers worker(s) answers: $(cat "$S7_TMP/nginx.log" | tail -3)"
		stop nginx
		continue
	fi
	for size in 100 100000 104857600; do
		check "$workers worker(s): $size arrives byte for byte" same_bytes $size
	done
	bg_c held curl -sS --max-time 30 --limit-rate 1M -o /dev/null "http://$S7_IP_S/104857600"
	for i in $(seq 50); do # until the request has come
		ours=$(for p in $(pgrep -P "$(cat "$S7_TMP/nginx.pid")"); do "$S7_CLI" ss -p "$p"; done | grep -c "ESTAB.*$S7_IP_S:80 ")
		[ "$ours" = 0 ] || break
		sleep 0.1
	done
	kernels=$(in_s ss -Htn state established "sport = :80" | wc -l)
	[ "$ours" = 1 ] && [ "$kernels" = 0 ] && ok "$workers worker(s): the connection is sock7's, not the kernel's" ||
		not_ok "$workers worker(s): connections: $ours of sock7, $kernels of the kernel"
	stop held
	load "$workers worker(s): 10 connections" 100 -t1 -c10 -d2
	load "$workers worker(s): 1000 connections" 100 -t1 -c1000 -d6 --timeout 5
	stop nginx
done

nginx_conf on 2 on
in_s "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf" >"$S7_TMP/daemon.log" 2>&1
if wait_port "$S7_NS_C" $S7_IP_S 80; then
	check "daemon on: 100k arrives" same_bytes 100000
	kill -HUP "$(cat "$S7_TMP/nginx.pid")"
	sleep 1
	check "after reload (SIGHUP): 100k arrives" same_bytes 100000
	kill -QUIT "$(cat "$S7_TMP/nginx.pid")"
	for i in $(seq 50); do [ -e "$S7_TMP/nginx.pid" ] || break; sleep 0.1; done
	[ -e "$S7_TMP/nginx.pid" ] && not_ok "nginx ends on SIGQUIT" || ok "nginx ends on SIGQUIT"
else
	not_ok "daemon on: answers"
fi
finish
