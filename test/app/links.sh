#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Both ends on sock7: memif, virtio_user <-> vhost; and the drivers tap, af_xdp, ring, null. Unmodified servers and clients.
#
# The two namespaces have nothing but lo, so whatever arrives over an own link was carried by sock7 on both ends.
# usage: links.sh [memif|vhost|drivers]...   default: all
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
. "$(dirname "$0")/lib/web.sh"
web_files 100 100000 10000000

sane_drops() # sane_drops LINK PID: frames are lost where the ring is full or a client left, nowhere else
{
	local odd
	odd=$("$S7_CLI" ss -s -p "$2" | awk '$1 == "drop" && $2 !~ /^(IP_GROUP|TX_RING_FULL|LINK_DOWN|TCP_RST|TCP_OLD|TCP_WINDOW|TCP_AFTER_CLOSE|TCP_NO_PORT|TCP_TIME_WAIT)$/ { print $2, $3 }')
	[ -z "$odd" ] && ok "$1: no packet is dropped that should not be" || not_ok "$1: drops: $(tr '\n' ' ' <<<"$odd")"
}

web_over() # web_over LINK
{
	local link=$1
	nginx_conf off 1 off
	bg_server nginx nginx -c "$S7_TMP/nginx.conf"
	if ! link_answers 80; then
		not_ok "$link: nginx answers: $(tail -n 3 "$S7_TMP/nginx.log")"
		stop nginx
		return
	fi
	for size in 100 100000 10000000; do
		check "$link: $size arrives byte for byte" same_bytes $size
	done
	load "$link: wrk, 1 connection" 100 -t1 -c1 -d1
	load "$link: wrk, 50 connections" 100 -t1 -c50 -d2
	load "$link: wrk, 1000 connections" 100 -t1 -c1000 -d6 --timeout 5
	load "$link: wrk, 100 KB, 50 connections" 100000 -t1 -c50 -d2
	load "$link: wrk, 10 MB, 8 connections" 10000000 -t1 -c8 -d2
	offloads "$link" "$PID_nginx"
	idle_turns "$link" "$PID_nginx"
	sane_drops "$link" "$PID_nginx"
	stop nginx
}

offloads() # offloads LINK PID: what the link can do is used; over memif nothing is
{
	local segs frames
	segs=$(counted "$2" TCP_OUT_SEGS)
	frames=$(counted "$2" TX_PKTS)
	if [ "$1" = vhost ]; then
		[ "$segs" -gt $((frames * 2)) ] && ok "vhost: TSO: $segs segments in $frames frames" ||
			not_ok "vhost: TSO: $segs segments in $frames frames"
		"$S7_CLI" ss -s -p "$2" | grep -q 'vhost0 .*tx-csum.*rx-csum.*tso.*lro' && ok "vhost: checksums, TSO and LRO are the link's" ||
			not_ok "vhost: $("$S7_CLI" ss -s -p "$2" | grep vhost0)"
	else
		[ "$segs" -gt 0 ] && [ "$segs" -le $((frames + frames / 20)) ] && ok "$1: a segment a frame ($segs, $frames)" ||
			not_ok "$1: $segs segments in $frames frames"
	fi
}

redis_over()
{
	local link=$1 value
	bg_server redis redis-server --port 6379 --bind 0.0.0.0 --protected-mode no --save ''
	if link_answers 6379; then
		value=$(head -c 100000 /dev/urandom | base64 -w0)
		printf '%s' "$value" | client timeout 10 redis-cli -h $S7_IP_S -x set big >/dev/null
		[ "$(client timeout 10 redis-cli -h $S7_IP_S get big)" = "$value" ] && ok "$link: redis: 133 KB come back" ||
			not_ok "$link: redis: 133 KB come back"
		check "$link: redis-benchmark -c 50" client timeout 60 redis-benchmark -h $S7_IP_S -c 50 -n 100000 -t get,set -q
		check "$link: redis-benchmark -c 50 -P 16" client timeout 60 redis-benchmark -h $S7_IP_S -c 50 -P 16 -n 400000 -t get,set -q
	else
		not_ok "$link: redis answers: $(tail -n 3 "$S7_TMP/redis.log")"
	fi
	stop redis
}

iperf_over()
{
	local link=$1
	iperf() { client timeout 30 iperf3 -4 -c $S7_IP_S -t 2 "$@"; }
	bg_server iperf iperf3 -s -4
	if link_answers 5201; then
		check "$link: iperf3: one stream in" iperf
		check "$link: iperf3: one stream out" iperf -R
		check "$link: iperf3: 8 streams in" iperf -P 8
		check "$link: iperf3: 8 streams out" iperf -P 8 -R
		check "$link: iperf3: UDP in" iperf -u -b 100M
		check "$link: iperf3: UDP out" iperf -u -b 100M -R
	else
		not_ok "$link: iperf3 answers: $(tail -n 3 "$S7_TMP/iperf.log")"
	fi
	stop iperf
}

# A program that forks takes the client's end of the link: the connection thread of the other end stays with one process.
workers_over()
{
	local link=$1
	link_write "$link" reversed
	nginx_conf on 2 off
	bg_server nginx nginx -c "$S7_TMP/nginx.conf"
	check "$link: nginx with 2 workers at the client's end of the link" client timeout 60 /usr/bin/python3 "$S7_TOP/test/app/lib/fetch_many.py" \
		$S7_IP_S "$web/100000" 20 20
	stop nginx
}

# A peer that is killed takes the link's memory along, under whoever is in the middle of it.
peers_leave()
{
	local link=$1 i
	link_write "$link"
	nginx_conf off 1 off
	bg_server nginx nginx -c "$S7_TMP/nginx.conf"
	for i in 1 2 3 4 5 6 7 8; do
		client timeout -s KILL 0.4 wrk -t1 -c20 -d9 "http://$S7_IP_S/100" >/dev/null 2>&1
	done
	link_answers 80 && kill -0 "$PID_nginx" && ok "$link: peers that are killed" ||
		not_ok "$link: peers that are killed: $(tail -n 3 "$S7_TMP/nginx.log")"
	stop nginx
}

over() # over LINK
{
	echo "# $1"
	link_write "$1"
	web_over "$1"
	redis_over "$1"
	iperf_over "$1"
	[ "$1" != memif ] || peers_leave "$1"
	workers_over "$1"
}

# --- drivers that need no peer of ours
http_from_kernel() # http_from_kernel TEXT: python's server on sock7 answers a kernel client in the client's namespace
{
	bg_server py /usr/bin/python3 -c "
import functools, http.server, signal, sys
signal.signal(signal.SIGTERM, lambda *ignored: sys.exit())
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory='$web')
http.server.ThreadingHTTPServer(('', 8000), handler).serve_forever()"
	sleep 0.5
	[ -z "${2:-}" ] || "$2"
	if wait_port "$S7_NS_C" $S7_IP_S 8000; then
		in_c curl -sS --max-time 30 "http://$S7_IP_S:8000/100000" | cmp - "$web/100000" && ok "$1: 100k byte for byte" ||
			not_ok "$1: 100k byte for byte"
		"$S7_CLI" ss -s -p "$PID_py" | awk '$2 == "TCP_PASSIVE_OPENS" { n = $3 } END { exit !n }' && ok "$1: carried by sock7" ||
			not_ok "$1: the kernel carried it"
	else
		not_ok "$1: answers: $(tail -n 2 "$S7_TMP/py.log")"
	fi
	[ -n "${3:-}" ] && kill -9 "$PID_py"
	stop py
}

tap_to_client() # moves the kernel's end of the tap to where the client is
{
	in_s ip link set s7tap netns "$S7_NS_C"
	in_c ip link set s7tap address 02:00:00:00:77:02
	in_c ip addr add $S7_IP_C/24 dev s7tap
	in_c ip link set s7tap up
}

opens_a_socket() { server timeout 10 /usr/bin/python3 -c "import socket; s = socket.socket(); s.bind(('$S7_IP_S', 80)); s.listen()"; }

drivers()
{
	echo "# drivers"
	conf_write s ring0 ring "" ""
	check "ring: a listener on it" opens_a_socket
	conf_write s null0 null "" ""
	check "null: a listener on it" opens_a_socket
	if [ -c /dev/net/tun ]; then
		conf_write s tap0 tap s7tap ""
		http_from_kernel tap tap_to_client
		in_c ip link del s7tap 2>/dev/null
	else
		skip "tap: no /dev/net/tun"
	fi
	veth_up
	conf_write s "$S7_DEV_S" af_xdp "$S7_DEV_S" "" adopt
	http_from_kernel af_xdp
	in_s ip link show "$S7_DEV_S" | grep -q xdp && not_ok "af_xdp: leaves its program behind" ||
		ok "af_xdp: takes its program away"
	http_from_kernel "af_xdp, to be killed" "" killed
	bg_s py /usr/bin/python3 -m http.server 8000 --directory "$web"
	wait_port "$S7_NS_C" $S7_IP_S 8000
	in_c curl -sS --max-time 10 "http://$S7_IP_S:8000/100000" | cmp - "$web/100000" && ok "af_xdp: after kill -9 the kernel serves" ||
		not_ok "af_xdp: after kill -9 the kernel serves"
	stop py
	http_from_kernel "af_xdp, after kill -9"
}

bare_up
for what in "${@:-memif vhost drivers}"; do
	for one in $what; do
		case $one in
		memif | vhost) over "$one" ;;
		drivers) drivers ;;
		*) not_ok "unknown part $one" ;;
		esac
	done
done
finish
