#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ping, traceroute and programs with RAW sockets: over sock7's own lo, over a memif link, beside a kernel on a shared netdev.
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
for tool in ping traceroute; do
	command -v $tool >/dev/null || { not_ok "$tool is missing"; finish; }
done
prog=$S7_TOP/test/app/lib/raw.py
IP6_S=fd77::1 IP6_C=fd77::2

# pinged TEXT SIDE ARGS...: three requests, three replies, none twice
pinged()
{
	local text=$1 side=$2 out
	shift 2
	out=$("$side" timeout 20 ping -c 3 -i 0.2 -W 5 "$@" 2>&1)
	if grep -q '3 received, 0% packet loss' <<<"$out" && ! grep -q 'DUP!\|duplicates' <<<"$out"; then
		ok "$text"
	else
		not_ok "$text: $(tail -n 4 <<<"$out" | tr '\n' ' ')"
	fi
}

# await_ready NAME: a background program has said so
await_ready()
{
	for _ in $(seq 100); do grep -q ready "$S7_TMP/$1.log" && break; sleep 0.1; done
}

# recorded TEXT SIDE ADDRESS: with record route, and there and back two addresses each
recorded()
{
	local text=$1 side=$2 out
	out=$("$side" timeout 20 ping -R -n -c 1 -W 5 "$3" 2>&1)
	if [ "$(grep -A3 '^RR:' <<<"$out" | grep -c "$S7_IP_S\|$S7_IP_C")" = 4 ]; then ok "$text"; else not_ok "$text: $(tr '\n' ' ' <<<"$out")"; fi
}

# traced TEXT SIDE ARGS...: the last hop is the destination
traced()
{
	local text=$1 side=$2 out
	shift 2
	out=$("$side" timeout 30 traceroute -n -q 2 -w 3 -m 4 "$@" 2>&1)
	if tail -n 1 <<<"$out" | grep -q "^ *1  ${!#} .* ms"; then ok "$text"; else not_ok "$text: $(tail -n 2 <<<"$out" | tr '\n' ' ')"; fi
}

bare_up
range() { for ns in "$S7_NS_S" "$S7_NS_C"; do ip netns exec "$ns" sysctl -qw net.ipv4.ping_group_range="$1"; done; }

# ---- sock7's own loopback; the kernel's is down, so nothing can come from there ----
printf '[global]\nloopback = stack\nmemory = 64M\nhugepages = no\n' >"$S7_TMP/s.conf"
in_s ip link set lo down
for kind in "1 0" "0 0"; do
	range "$kind"
	[ "$kind" = "1 0" ] && what="raw socket" || what="ping socket"
	pinged "loopback = stack: ping 127.0.0.1, $what" server 127.0.0.1
	pinged "loopback = stack: ping ::1, $what" server -6 ::1
done
check "loopback = stack: a ping socket to 127.0.0.1" server /usr/bin/python3 "$prog" ping 127.0.0.1
range "1 0"
traced "loopback = stack: traceroute -I" server -I 127.0.0.1
traced "loopback = stack: traceroute by UDP" server 127.0.0.1
bg_server idle /usr/bin/python3 "$prog" idle
await_ready idle
shown=$(in_s "$S7_CLI" ss 2>/dev/null)
grep -q '^raw  *UNCONN  *2496 .* python' <<<"$shown" && ok "sock7 ss tells what waits in a socket" || not_ok "sock7 ss: $shown"
stop idle
in_s ip link set lo up

# ---- a link that no kernel knows ----
link_write memif
echo "address = $IP6_S/64" >>"$S7_TMP/s.conf"
echo "address = $IP6_C/64" >>"$S7_TMP/c.conf"
bg_server far /usr/bin/python3 "$prog" echo
sleep 1
check "memif: python RAW both ways over IPv4" client timeout 40 /usr/bin/python3 "$prog" ask $S7_IP_S memif0
stop far
bg_server far /usr/bin/python3 "$prog" echo
sleep 1
check "memif: python RAW both ways over IPv6" client timeout 40 /usr/bin/python3 "$prog" ask $IP6_S memif0
stop far
bg_server far /usr/bin/python3 "$prog" echo
sleep 1
for kind in "1 0" "0 0"; do
	range "$kind"
	[ "$kind" = "1 0" ] && what="raw socket" || what="ping socket"
	pinged "memif: ping, $what" client $S7_IP_S
	recorded "memif: ping -R, $what" client $S7_IP_S
	pinged "memif: ping -6, $what" client -6 $IP6_S
	pinged "memif: ping of the kernel's loopback, $what" client 127.0.0.1
done
check "memif: a ping socket over IPv4" client /usr/bin/python3 "$prog" ping $S7_IP_S
range "1 0"
traced "memif: traceroute -I" client -I $S7_IP_S
traced "memif: traceroute by UDP" client $S7_IP_S
traced "memif: traceroute -6 by UDP" client -6 $IP6_S
out=$(client timeout 20 ping -c 1 -W 5 10.77.0.99 2>&1)
grep -q 'Destination Host Unreachable' <<<"$out" && ok "memif: ping hears of a host that is not there" ||
	not_ok "memif: a host that is not there: $(tr '\n' ' ' <<<"$out")"
client timeout 20 ping -c 20 -i 0.2 $S7_IP_S >/dev/null 2>&1 &
sleep 1.5
shown=$(in_c "$S7_CLI" ss 2>/dev/null)
grep -q '^raw .* ping/' <<<"$shown" && ok "sock7 ss shows the raw socket" || not_ok "sock7 ss shows no raw socket: $shown"
wait $!
stop far

# ---- a netdev shared with the kernel ----
veth_up
in_s ip addr add $IP6_S/64 dev "$S7_DEV_S" nodad
in_c ip addr add $IP6_C/64 dev "$S7_DEV_C" nodad
conf_write s "$S7_DEV_S" af_packet "" "" adopt
bg_c kernel /usr/bin/python3 "$prog" echo
sleep 0.5
check "af_packet: python RAW asks a kernel" server timeout 40 /usr/bin/python3 "$prog" ask $S7_IP_C "$S7_DEV_S"
stop kernel
bg_server ours /usr/bin/python3 "$prog" echo
sleep 1
check "af_packet: a kernel asks python RAW" in_c timeout 40 /usr/bin/python3 "$prog" ask $S7_IP_S "$S7_DEV_C"
stop ours
for kind in "1 0" "0 0"; do
	range "$kind"
	[ "$kind" = "1 0" ] && what="raw socket" || what="ping socket"
	pinged "af_packet: ping, $what" server $S7_IP_C
	pinged "af_packet: ping -6, $what" server -6 $IP6_C
	pinged "af_packet: ping of our own address, $what" server $S7_IP_S
done
range "1 0"
traced "af_packet: traceroute -I" server -I $S7_IP_C
traced "af_packet: traceroute by UDP" server $S7_IP_C
traced "af_packet: traceroute -T" server -T $S7_IP_C

# header options between a kernel and the stack, either asking
opts=$S7_TOP/test/app/lib/ipopt.py
bg_c opts /usr/bin/python3 "$opts" serve
await_ready opts
check "af_packet: a kernel hears the options of our packets" server timeout 40 /usr/bin/python3 "$opts" ask $S7_IP_C
stop opts
bg_server opts /usr/bin/python3 "$opts" serve
await_ready opts
check "af_packet: we hear the options of a kernel's" in_c timeout 40 /usr/bin/python3 "$opts" ask $S7_IP_S
stop opts
finish
