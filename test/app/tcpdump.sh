#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# tcpdump, a program on libpcap and DHCP clients, unmodified, on interfaces of sock7 alone (memif), on all at once, and beside a
# kernel; and the calls that name such interfaces.
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
command -v tcpdump >/dev/null || { not_ok "tcpdump is missing"; finish; }
prog=$S7_TOP/test/app/lib/packets.py
dhcp=$S7_TOP/test/app/lib/dhcp.py
bg_client() { local name=$1; shift; bg_c "$name" env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/c.conf" "$@"; }
until_said() { local i; for i in $(seq 100); do grep -qs "$2" "$S7_TMP/$1.log" && return 0; sleep 0.1; done; return 1; }

# dump NAME ARGS...: tcpdump on sock7 at the server's end, writing $S7_TMP/NAME.pcap
dump()
{
	local name=$1
	shift
	bg_server "$name" timeout 40 tcpdump -n -U --immediate-mode -w "$S7_TMP/$name.pcap" "$@"
	until_said "$name" 'listening on'
}
# shows NAME EXPRESSION [N]: until the capture has N (1) packets of that kind
shows()
{
	local i n=0
	for i in $(seq 100); do
		n=$(tcpdump -nn -r "$S7_TMP/$1.pcap" "$2" 2>/dev/null | wc -l)
		[ "$n" -ge "${3:-1}" ] && return 0
		sleep 0.1
	done
	echo "$n packets of: $2"
	return 1
}
end_dump()
{
	local var=PID_$1 pid
	for pid in $(pgrep -P "${!var}"); do kill -INT "$pid" 2>/dev/null; done
	wait "${!var}" 2>/dev/null
}
dropped_none() { grep -q '^0 packets dropped by kernel' "$S7_TMP/$1.log"; }

bare_up
link_write memif

# ---- an interface of sock7 alone ----
dump one -i memif0 'arp or (udp dst port 5401 and greater 1000)'
client timeout 20 ping -c 2 -i 0.2 -W 5 $S7_IP_S >/dev/null
client /usr/bin/python3 "$prog" send $S7_IP_S 5400 5
client /usr/bin/python3 "$prog" send $S7_IP_S 5401 20
check "memif: tcpdump shows what its expression names" shows one 'udp port 5401' 20
check "memif: ARP is seen" shows one arp 2
received=$("$S7_CLI" ss -s -p "$(pgrep -P "$PID_one" tcpdump)" | awk '$2 == "RX_PKTS" { print $3 }')
end_dump one
[ "${received:-0}" -ge 27 ] && ! tcpdump -nn -r "$S7_TMP/one.pcap" 'not arp and not udp dst port 5401' 2>/dev/null | grep -q . &&
	ok "memif: the filter ran on the stack, which received $received frames" || not_ok "memif: the filter: $received frames received"
tcpdump -r "$S7_TMP/one.pcap" -w "$S7_TMP/udp.pcap" udp 2>/dev/null
check "memif: -w and -r byte for byte" /usr/bin/python3 "$prog" holds "$S7_TMP/udp.pcap" 5401 20
check "memif: nothing was lost" dropped_none one

# ---- all interfaces ----
dump any -i any 'icmp or (udp and port 5402)'
client timeout 20 ping -c 3 -i 0.2 -W 5 $S7_IP_S >/dev/null
in_s ping -c 3 -i 0.2 127.0.0.1 >/dev/null
in_s /usr/bin/python3 "$prog" send 127.0.0.1 5402
check "any: frames of the stack's interface, both ways" shows any "icmp and (host $S7_IP_C)" 6
check "any: frames of the kernel's" shows any 'icmp and host 127.0.0.1' 6
check "any: the filter runs on both halves" shows any 'udp port 5402'
end_dump any
check "any: nothing was lost" dropped_none any
grep -q 'link-type LINUX_SLL2' "$S7_TMP/any.log" && ok "any: cooked, SLL2" || not_ok "any: $(head -n 2 "$S7_TMP/any.log")"
dump sll -i any -y LINUX_SLL icmp
client timeout 20 ping -c 1 -W 5 $S7_IP_S >/dev/null
in_s ping -c 1 127.0.0.1 >/dev/null
check "any: cooked, SLL" shows sll "icmp and host $S7_IP_S" 2
check "any: SLL, frames of the kernel's" shows sll 'icmp and host 127.0.0.1' 2
end_dump sll

# ---- names ----
check "the calls that name interfaces know one of sock7's alone" server /usr/bin/python3 "$prog" names memif0 $S7_IP_S
server tcpdump -D 2>/dev/null | grep -q 'memif0' && ok "tcpdump -D lists it" || not_ok "tcpdump -D: $(server tcpdump -D 2>&1 | tr '\n' ' ')"

# ---- a program on libpcap ----
if gcc -std=gnu11 -O1 -Wall -Wextra -o "$S7_TMP/pcap_live" "$S7_TOP/test/app/progs/pcap_live.c" -lpcap; then
	bg_server live timeout 60 "$S7_TMP/pcap_live" answer memif0
	until_said live ready
	check "libpcap: inject, filter, select: 100 frames there and back" client timeout 60 "$S7_TMP/pcap_live" ask memif0
	stop live
else
	not_ok "pcap_live.c compiles"
fi

# ---- DHCP ----
bg_server dhcpd timeout 60 /usr/bin/python3 "$dhcp" serve $S7_IP_S memif0 10.77.0.33
until_said dhcpd ready
said=$(client timeout 30 /usr/bin/python3 "$dhcp" ask memif0 2>&1)
[ "$said" = "lease 10.77.0.33" ] && ok "DHCP: a client with a filtered packet socket gets its lease" || not_ok "DHCP: $said"
if command -v udhcpc >/dev/null; then
	printf '#!/bin/sh\n[ "$1" = bound ] && echo "$interface $ip" >"%s"\nexit 0\n' "$S7_TMP/lease" >"$S7_TMP/bound"
	chmod +x "$S7_TMP/bound"
	client timeout 30 udhcpc -f -q -n -i memif0 -s "$S7_TMP/bound" >"$S7_TMP/udhcpc.log" 2>&1
	[ "$(cat "$S7_TMP/lease" 2>/dev/null)" = "memif0 10.77.0.33" ] && ok "DHCP: udhcpc gets its lease" ||
		not_ok "DHCP: udhcpc: $(tail -n 3 "$S7_TMP/udhcpc.log" | tr '\n' ' ')"
else
	skip "DHCP: no udhcpc"
fi
if command -v dhclient >/dev/null; then
	client timeout 30 dhclient -1 -d -v -sf /bin/true -lf "$S7_TMP/leases" -pf "$S7_TMP/dhclient.pid" memif0 >"$S7_TMP/dhclient.log" 2>&1 &
	for _ in $(seq 100); do grep -q 'bound to\|exiting' "$S7_TMP/dhclient.log" && break; sleep 0.1; done
	grep -q 'bound to 10.77.0.33' "$S7_TMP/dhclient.log" && ok "DHCP: dhclient gets its lease" ||
		not_ok "DHCP: dhclient: $(tail -n 3 "$S7_TMP/dhclient.log" | tr '\n' ' ')"
	kill "$(cat "$S7_TMP/dhclient.pid" 2>/dev/null)" 2>/dev/null
	wait $!
else
	skip "DHCP: no dhclient"
fi
stop dhcpd

# ---- beside a kernel: tcpdump sees what the netdev carries, sock7's packets too ----
veth_up
conf_write s "$S7_DEV_S" af_packet "" "" adopt
bg_server web timeout 60 /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('$S7_IP_S', 5403))
print('ready', flush=True)
while True:
    data, who = s.recvfrom(2000)
    s.sendto(data, who)"
until_said web ready
dump beside -i "$S7_DEV_S" 'udp port 5403'
in_c /usr/bin/python3 "$prog" send $S7_IP_S 5403 4
check "af_packet: tcpdump sees questions and the stack's answers" shows beside "src host $S7_IP_S and udp src port 5403" 4
tcpdump -r "$S7_TMP/beside.pcap" -w "$S7_TMP/in.pcap" "dst host $S7_IP_S" 2>/dev/null
check "af_packet: byte for byte" /usr/bin/python3 "$prog" holds "$S7_TMP/in.pcap" 5403 4
end_dump beside
stop web
finish
