#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# IPv6: servers and clients of sock7 against the kernel over a veth (adopted addresses, global and link-local), dual-stack
# listeners, addresses that change at run time, both ends over memif, both ends on ::1; the kernel stays silent.
# usage: ipv6.sh [veth|memif|loopback]...   default: all
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
S6_IP_S=fd77::1 S6_IP_C=fd77::2

web=$S7_TMP/web
mkdir -p "$web"
head -c 3000000 /dev/urandom >"$web/3m"
echo hello >"$web/hello"

nginx_conf() # nginx_conf WORKERS LISTEN...
{
	local workers=$1 listen="" l
	shift
	for l in "$@"; do listen+="listen $l; "; done
	cat >"$S7_TMP/nginx.conf" <<-CONF
	worker_processes $workers; daemon off; pid $S7_TMP/nginx.pid; error_log $S7_TMP/error.log notice;
	user root; worker_rlimit_nofile 8192;
	events { worker_connections 4096; }
	http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
	  server { $listen root $web; location / { default_type application/octet-stream; } } }
	CONF
}

total() { "$S7_CLI" ss -s -p "$1" 2>/dev/null | awk -v name="$2" '$2 == name { n += $3 } END { print n + 0 }'; }

# what a kernel says when somebody knocks where nobody listens
kernel_noise() { in_s cat /proc/net/snmp /proc/net/snmp6 | awk '/^Tcp: [0-9]/ {n += $15} /^(Icmp6OutDestUnreachs|Udp6NoPorts) / {n += $2} END {print n}'; }
kernel_conns() { in_s ss -H6tn state established "sport = :$1" | wc -l; }

link_local() # link_local NS DEV
{
	ip -n "$1" -6 -o addr show dev "$2" scope link | awk '{ sub("/.*", "", $4); print $4; exit }'
}

answers6() # answers6 NS URL: until it does (at most 10 s)
{
	local i
	for i in $(seq 50); do
		ip netns exec "$1" curl -gsS --max-time 2 -o /dev/null "$2" 2>/dev/null && return 0
		sleep 0.2
	done
	return 1
}

same() { cmp - "$web/3m"; } # stdin is the large file

# --- a server of sock7, clients of the kernel

stack_conns() { for p in $(pgrep -P "$PID_nginx"); do "$S7_CLI" ss -p "$p"; done | grep -c "ESTAB.* \[$S6_IP_S\]:80 .*\[$S6_IP_C\]:.* stack "; }

dual_nginx()
{
	local before
	nginx_conf 2 "[::]:80 ipv6only=off"
	bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
	if ! answers6 "$S7_NS_C" "http://[$S6_IP_S]/hello"; then
		not_ok "nginx answers: $(tail -n 3 "$S7_TMP/nginx.log" | tr '\n' ' ')"
		stop nginx
		return
	fi
	before=$(kernel_noise)
	in_c curl -gsS -6 --max-time 20 "http://[$S6_IP_S]/3m" | same && ok "nginx [::]:80, 2 workers: 3 MB over IPv6" || not_ok "nginx [::]:80: 3 MB over IPv6"
	in_c curl -sS -4 --max-time 20 "http://$S7_IP_S/3m" | same && ok "nginx [::]:80, 2 workers: 3 MB over IPv4" || not_ok "nginx [::]:80: 3 MB over IPv4"
	in_c curl -gsS --max-time 20 "http://[$LL_S%25$S7_DEV_C]/3m" | same && ok "nginx [::]:80: 3 MB to its link-local address" || not_ok "nginx [::]:80: link-local"
	in_s curl -gsS --max-time 5 "http://[::1]/3m" | same && ok "nginx [::]:80: the kernel's ::1 reaches it too" || not_ok "nginx [::]:80: over the kernel's ::1"
	bg_c held curl -gsS --limit-rate 200K --max-time 20 -o /dev/null "http://[$S6_IP_S]/3m"
	for _ in $(seq 50); do [ "$(stack_conns)" = 0 ] || break; sleep 0.1; done
	[ "$("$S7_CLI" ss -p "$PID_nginx" | grep -c "LISTEN.* \*:80 .* dual ")" = 1 ] && ok "sock7 ss: *:80 is dual" || not_ok "sock7 ss: $("$S7_CLI" ss -p "$PID_nginx" | tr '\n' ' ')"
	[ "$(stack_conns)" -ge 1 ] && [ "$(kernel_conns 80)" = 0 ] &&
		ok "the connection is sock7's, not the kernel's" || not_ok "connections: $(stack_conns) of the stack, $(kernel_conns 80) of the kernel"
	stop held
	in_c timeout 30 wrk -t1 -c100 -d2 "http://[$S6_IP_S]/hello" >"$S7_TMP/wrk.out" 2>&1
	if grep -q 'requests in' "$S7_TMP/wrk.out" && ! grep -Eq 'Socket errors|Non-2xx' "$S7_TMP/wrk.out"; then ok "wrk: 100 connections"; else not_ok "wrk: $(tail -n 3 "$S7_TMP/wrk.out" | tr '\n' ' ')"; fi
	[ "$(kernel_noise)" = "$before" ] && ok "the kernel said nothing to any of it" || not_ok "the kernel answered: $before, now $(kernel_noise)"
	changes
	stop nginx
}

# the kernel's addresses come and go while nginx runs
changes()
{
	local opens
	opens=$(total "$PID_nginx" TCP_PASSIVE_OPENS)
	in_s ip addr add fd78::1/64 dev "$S7_DEV_S" nodad
	in_c ip addr add fd78::2/64 dev "$S7_DEV_C" nodad
	sleep 1.5
	in_c curl -gsS --max-time 10 "http://[fd78::1]/3m" | same && [ "$(total "$PID_nginx" TCP_PASSIVE_OPENS)" -gt "$opens" ] &&
		ok "an address added at run time is served" || not_ok "an address added at run time: $opens, $(total "$PID_nginx" TCP_PASSIVE_OPENS)"
	in_s ip addr del fd78::1/64 dev "$S7_DEV_S"
	sleep 1.5
	in_c curl -gsS --max-time 1 -o /dev/null "http://[fd78::1]/hello" 2>/dev/null && not_ok "an address taken away still answers" || ok "an address taken away is silent"
	in_s ip -6 route add default via $S6_IP_C dev "$S7_DEV_S"
	in_c ip addr add fd79::2/128 dev lo
	in_c sysctl -qw net.ipv6.conf.all.forwarding=1
	sleep 1.5
	in_c curl -gsS --interface fd79::2 --max-time 10 "http://[$S6_IP_S]/3m" | same && ok "a default gateway set at run time carries answers" || not_ok "a default gateway set at run time"
	in_s ip -6 route del default
}

only_nginx()
{
	nginx_conf 1 "[::]:80 ipv6only=on"
	bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
	if answers6 "$S7_NS_C" "http://[$S6_IP_S]/hello"; then
		in_c curl -gsS --max-time 10 "http://[$S6_IP_S]/3m" | same && ok "nginx [::]:80 ipv6only: IPv6 is served" || not_ok "nginx ipv6only: IPv6"
		in_c curl -sv --max-time 5 -o /dev/null "http://$S7_IP_S/hello" 2>&1 | grep -qi refused && ok "nginx [::]:80 ipv6only: IPv4 is refused by the kernel" || not_ok "nginx ipv6only: IPv4 is not refused"
	else
		not_ok "nginx ipv6only answers: $(tail -n 3 "$S7_TMP/nginx.log" | tr '\n' ' ')"
	fi
	stop nginx
	nginx_conf 1 "[$S6_IP_S]:80" "$S7_IP_S:80"
	bg_s nginx "${S7_ENV[@]}" nginx -c "$S7_TMP/nginx.conf"
	if answers6 "$S7_NS_C" "http://[$S6_IP_S]/hello"; then
		in_c curl -gsS --max-time 10 "http://[$S6_IP_S]/3m" | same && in_c curl -sS --max-time 10 "http://$S7_IP_S/3m" | same && ok "nginx at one address of each family" || not_ok "nginx at one address of each family"
	else
		not_ok "nginx at one address answers: $(tail -n 3 "$S7_TMP/nginx.log" | tr '\n' ' ')"
	fi
	# as a ssh daemon would: on the same address, of the kernel alone
	bg_s other /usr/bin/python3 -m http.server 2222 --bind $S6_IP_S --directory "$web"
	answers6 "$S7_NS_C" "http://[$S6_IP_S]:2222/hello" && ok "a server of the kernel at the same address goes on" || not_ok "a server of the kernel at the same address"
	in_c /usr/bin/python3 -c "
import socket, sys
sock = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
sock.settimeout(3)
sock.sendto(bytes([128, 0, 0, 0, 7, 7, 0, 1]) + b'sock7', ('$S6_IP_S', 0))
while sock.recv(100)[:1] != bytes([129]):
    pass" >"$S7_TMP/echo.out" 2>&1 && ok "the kernel answers echo requests" || not_ok "no echo reply: $(tail -n 1 "$S7_TMP/echo.out")"
	stop other
	stop nginx
}

other_servers()
{
	local value
	bg_s redis "${S7_ENV[@]}" redis-server --port 6379 --bind :: --protected-mode no --save ''
	sleep 1
	value=$(head -c 100000 /dev/urandom | base64 -w0)
	printf '%s' "$value" | in_c timeout 10 redis-cli -h $S6_IP_S -x set big >/dev/null
	[ "$(in_c timeout 10 redis-cli -h $S6_IP_S get big)" = "$value" ] && ok "redis on ::: 133 KB come back" || not_ok "redis on ::: $(tail -n 1 "$S7_TMP/redis.log")"
	check "redis-benchmark over IPv6" in_c timeout 60 redis-benchmark -h $S6_IP_S -c 50 -n 50000 -t get,set -q
	[ "$(kernel_conns 6379)" = 0 ] && [ "$(total "$PID_redis" TCP_PASSIVE_OPENS)" -gt 50 ] && ok "redis: carried by sock7" || not_ok "redis: the kernel carried it"
	stop redis
	bg_s python "${S7_ENV[@]}" /usr/bin/python3 -m http.server 8000 --bind :: --directory "$web"
	if answers6 "$S7_NS_C" "http://[$S6_IP_S]:8000/hello"; then
		in_c curl -gsS --max-time 10 "http://[$S6_IP_S]:8000/3m" | same && in_c curl -sS --max-time 10 "http://$S7_IP_S:8000/3m" | same && ok "python http.server --bind ::" || not_ok "python http.server --bind ::"
	else
		not_ok "python http.server answers: $(tail -n 2 "$S7_TMP/python.log")"
	fi
	stop python
	bg_s iperf "${S7_ENV[@]}" iperf3 -s
	sleep 1
	iperf6 "iperf3 server" in_c
	stop iperf
}

iperf6() # iperf6 TEXT RUNNER: an iperf3 client that RUNNER runs against the server's IPv6 address
{
	local text=$1
	shift
	check "$text: TCP" "$@" timeout 20 iperf3 -6 -c $S6_IP_S -t 1
	check "$text: TCP, reverse, 4 streams" "$@" timeout 20 iperf3 -6 -c $S6_IP_S -t 1 -P 4 -R
	check "$text: UDP" "$@" timeout 20 iperf3 -6 -c $S6_IP_S -t 1 -u -b 50M
	check "$text: UDP, reverse" "$@" timeout 20 iperf3 -6 -c $S6_IP_S -t 1 -u -b 50M -R
	check "$text: UDP in fragments" "$@" timeout 20 iperf3 -6 -c $S6_IP_S -t 1 -u -b 50M -l 8000
}

# every kind of listener is dual here: sock7 ss must call it what ss calls the kernel's half
names_shown()
{
	bg_s names "${S7_ENV[@]}" /usr/bin/python3 -c "
import signal, socket, sys
address, link_local, device = sys.argv[1:]
index = socket.if_nametoindex(device)
socks = []
def listen(family, name, only=0):
    sock = socket.socket(family)
    if family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    sock.bind(name)
    sock.listen()
    socks.append(sock)
listen(socket.AF_INET, ('', 3001))
listen(socket.AF_INET, ('10.77.0.1', 3002))
listen(socket.AF_INET6, ('::', 3003))
listen(socket.AF_INET6, ('::', 3004), 1)
listen(socket.AF_INET6, (address, 3005))
listen(socket.AF_INET6, (link_local, 3006, 0, index))
listen(socket.AF_INET6, ('::ffff:10.77.0.1', 3007))
signal.pause()" $S6_IP_S "$LL_S" "$S7_DEV_S"
	sleep 1
	in_s ss -Hltn | awk '{print $4, $5}' | sort >"$S7_TMP/names.kernel"
	"$S7_CLI" ss -p "$PID_names" | awk '/LISTEN/ {print $5, $6}' | sort >"$S7_TMP/names.sock7"
	[ "$(wc -l <"$S7_TMP/names.kernel")" = 7 ] && diff "$S7_TMP/names.kernel" "$S7_TMP/names.sock7" >"$S7_TMP/names.diff" &&
		ok "sock7 ss names 7 listeners as ss does" || not_ok "sock7 ss: $(tr '\n' ' ' <"$S7_TMP/names.diff") $(tail -n 1 "$S7_TMP/names.log")"
	stop names
}

# --- clients of sock7, servers of the kernel
clients()
{
	local opens
	nginx_conf 1 "[::]:80 ipv6only=off"
	bg_s nginx nginx -c "$S7_TMP/nginx.conf"
	bg_s iperf iperf3 -s
	answers6 "$S7_NS_C" "http://[$S6_IP_S]/hello" || not_ok "the kernel's nginx answers"
	opens=$(in_c awk '/^Tcp: [0-9]/ {print $6}' /proc/net/snmp)
	in_c "${S7_ENV_C[@]}" curl -gsS -6 --max-time 20 "http://[$S6_IP_S]/3m" | same && ok "curl on sock7: 3 MB" || not_ok "curl on sock7: 3 MB"
	in_c "${S7_ENV_C[@]}" curl -gsS --max-time 20 "http://[$LL_S%25$S7_DEV_C]/3m" | same && ok "curl on sock7: 3 MB from a link-local address" || not_ok "curl on sock7: link-local"
	check "curl on sock7: a refused port says so" bash -c "ip netns exec $S7_NS_C ${S7_ENV_C[*]} curl -gsv --max-time 5 'http://[$S6_IP_S]:81/' 2>&1 | grep -qi refused"
	in_c "${S7_ENV_C[@]}" timeout 20 /usr/bin/python3 "$S7_TOP/test/app/lib/ipv6_client.py" $S6_IP_S "$LL_S" "$S7_DEV_C" >"$S7_TMP/names.out" 2>&1 &&
		ok "python on sock7: names, scopes and errors of connections" || not_ok "python on sock7: $(tail -n 2 "$S7_TMP/names.out" | tr '\n' ' ')"
	iperf6 "iperf3 client on sock7" in_c "${S7_ENV_C[@]}"
	[ "$(in_c awk '/^Tcp: [0-9]/ {print $6}' /proc/net/snmp)" = "$opens" ] && ok "no connection of theirs was the kernel's" || not_ok "$(($(in_c awk '/^Tcp: [0-9]/ {print $6}' /proc/net/snmp) - opens)) connections were the kernel's"
	stop nginx
	stop iperf
}

over_veth()
{
	echo "# veth"
	net_up
	in_s ip addr add $S6_IP_S/64 dev "$S7_DEV_S" nodad
	in_c ip addr add $S6_IP_C/64 dev "$S7_DEV_C" nodad
	for i in $(seq 50); do # duplicate detection of the link-local ones
		in_s ip -6 addr show tentative | grep -q inet6 || in_c ip -6 addr show tentative | grep -q inet6 || break
		sleep 0.1
	done
	LL_S=$(link_local "$S7_NS_S" "$S7_DEV_S")
	dual_nginx
	only_nginx
	other_servers
	names_shown
	clients
	ip -n "$S7_NS_S" link del "$S7_DEV_S"
}

# --- both ends on sock7, addresses from the configuration
over_memif()
{
	echo "# memif"
	ip netns add "$S7_NS_S" 2>/dev/null && ip netns add "$S7_NS_C" && in_s ip link set lo up && in_c ip link set lo up
	link_write memif
	printf 'address = %s/64\ngateway = fe80::1\n' $S6_IP_S >>"$S7_TMP/s.conf"
	printf 'address = %s/64\nroute = fd79::/64 via %s\n' $S6_IP_C $S6_IP_S >>"$S7_TMP/c.conf"
	sed -i 's/^address = [0-9.]*\/24$//' "$S7_TMP/s.conf" "$S7_TMP/c.conf" # IPv6 alone
	nginx_conf 1 "[::]:80 ipv6only=off"
	sed -i 's/^worker_processes/master_process off; worker_processes/' "$S7_TMP/nginx.conf"
	bg_server nginx nginx -c "$S7_TMP/nginx.conf"
	sleep 0.5
	for i in $(seq 20); do client curl -gsS --max-time 3 -o /dev/null "http://[$S6_IP_S]/hello" 2>/dev/null && break; sleep 0.3; done
	client curl -gsS --max-time 20 "http://[$S6_IP_S]/3m" | same && ok "memif: 3 MB over IPv6" || not_ok "memif: 3 MB over IPv6: $(tail -n 2 "$S7_TMP/nginx.log" | tr '\n' ' ')"
	client timeout 30 wrk -t1 -c100 -d2 "http://[$S6_IP_S]/hello" >"$S7_TMP/wrk.out" 2>&1
	if grep -q 'requests in' "$S7_TMP/wrk.out" && ! grep -Eq 'Socket errors|Non-2xx' "$S7_TMP/wrk.out"; then ok "memif: wrk, 100 connections"; else not_ok "memif: wrk: $(tail -n 3 "$S7_TMP/wrk.out" | tr '\n' ' ')"; fi
	check "memif: link-local addresses of a link that the kernel does not know" client timeout 20 /usr/bin/python3 "$S7_TOP/test/app/lib/ipv6_own_link.py" \
		$S6_IP_S 80 28672 # 0x7000: the first interface without a netdev
	stop nginx
	bg_server iperf iperf3 -s
	sleep 1
	iperf6 "memif: iperf3" client
	stop iperf
	advertised
}

# --- the host has no address of IPv6: router, prefix, address and MTU come from the other end
advertised()
{
	link_write memif
	printf 'address = fd7a::1/64\naccept_ra = no\n' >>"$S7_TMP/s.conf"
	bg_server router /usr/bin/python3 "$S7_TOP/test/app/lib/ipv6_router.py" router fd7a 28672
	check "memif: a router's advertisement gives address, routes and MTU" client timeout 40 /usr/bin/python3 \
		"$S7_TOP/test/app/lib/ipv6_router.py" host fd7a 28672
	stop router
}

# --- both ends in one program, on ::1
over_loopback()
{
	echo "# loopback"
	ip netns add "$S7_NS_S" 2>/dev/null
	ip netns add "$S7_NS_C" 2>/dev/null
	in_s ip link set lo up
	in_s ip link set lo down # its ::1 goes: what arrives was carried by sock7
	printf '[global]\nloopback = stack\nhugepages = no\n' >"$S7_TMP/s.conf"
	server timeout 120 /usr/bin/python3 "$S7_TOP/test/app/lib/loopback.py" ::1 >"$S7_TMP/loopback.out" 2>&1
	code=$?
	while read -r line; do
		case $line in
		"ok - "*) ok "${line#ok - }" ;;
		"not ok - "*) not_ok "${line#not ok - }" ;;
		esac
	done <"$S7_TMP/loopback.out"
	[ $code = 0 ] || not_ok "loopback.py ended with $code: $(tail -n 3 "$S7_TMP/loopback.out" | tr '\n' ' ')"
}

for what in "${@:-veth memif loopback}"; do
	for one in $what; do
		case $one in
		veth | memif | loopback) "over_$one" ;;
		*) not_ok "unknown part $one" ;;
		esac
	done
done
finish
