#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# TCP Fast Open against a kernel, both ways: its counters say what was on the wire. And both sides make the same cookies
# of the same key: one that the kernel gave is good for sock7's listener on the same host, and the other way round.
. "$(dirname "$0")/lib/net.sh"
net_up
prog=(timeout 60 /usr/bin/python3 "$S7_TOP/test/app/lib/fastopen.py")
key=00112233-44556677-8899aabb-ccddeeff
for ns in s c; do in_$ns sysctl -qw net.ipv4.tcp_fastopen=3 net.ipv4.tcp_fastopen_key=$key; done
count() { # count NS NAME
	ip netns exec "$1" awk -v n="$2" '/^TcpExt:/ { if (!names) { names = split($0, name, " "); next }
		split($0, value, " "); for (i = 1; i <= names; i++) if (name[i] == n) print value[i] }' /proc/net/netstat
}
heard() { for _ in $(seq 100); do grep -q listening "$S7_TMP/$1.log" && return; sleep 0.1; done; }

bg_s ours "${S7_ENV[@]}" "${prog[@]}" server 80
bg_s kernels "${prog[@]}" server 81
heard ours && heard kernels
said=$(in_c "${prog[@]}" client $S7_IP_S 80 80 80 | tr '\n' ' ')
[ "$said" = "none taken taken " ] && ok "a kernel client's SYN data is taken from the second connection on" ||
	not_ok "a kernel client's SYN data: $said"
[ "$(tail -2 "$S7_TMP/ours.log" | tr '\n' ' ')" = "taken taken " ] && ok "the server knows it too" ||
	not_ok "the server says: $(tr '\n' ' ' <"$S7_TMP/ours.log")"
[ "$(count $S7_NS_C TCPFastOpenActive)" = 2 ] && ok "so say the kernel's counters" ||
	not_ok "TCPFastOpenActive is $(count $S7_NS_C TCPFastOpenActive)"
said=$(in_c "${prog[@]}" client $S7_IP_S 81 80 | tr '\n' ' ')
[ "$said" = "taken taken " ] && ok "the cookie of one is good for the other" || not_ok "cookies differ: $said"
stop ours
stop kernels

bg_c peer "${prog[@]}" server 82
heard peer
said=$(in_s "${S7_ENV[@]}" "${prog[@]}" client $S7_IP_C 82 82 82 | tr '\n' ' ')
[ "$said" = "none taken taken " ] && ok "a kernel server takes our SYN data from the second connection on" ||
	not_ok "our SYN data: $said"
[ "$(count $S7_NS_C TCPFastOpenPassive)" = 2 ] && ok "so say the kernel's counters" ||
	not_ok "TCPFastOpenPassive is $(count $S7_NS_C TCPFastOpenPassive)"
[ "$(count $S7_NS_S TCPFastOpenActive)" = 0 ] && ok "and it was not the other kernel that sent it" ||
	not_ok "the kernel connected in our place"
in_c sysctl -qw net.ipv4.tcp_fastopen=1
said=$(in_s "${S7_ENV[@]}" "${prog[@]}" client $S7_IP_C 82 82 | tr '\n' ' ')
[ "$said" = "none none " ] && ok "without a server's consent everything arrives all the same" || not_ok "fallback: $said"
finish
