#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The key `filter`: a firewall in front of an unmodified server, beside a kernel, in every process of the program, also when one is
# killed; and what is said of a wrong expression.
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
prog=$S7_TOP/test/app/lib/firewall.py
net_up

# answers TEXT tcp|udp PORT WANTED
answers()
{
	local said
	said=$(in_c timeout 20 /usr/bin/python3 "$prog" "$2" $S7_IP_S "$3" "$4" 2>&1)
	[ "$said" = "$4" ] && ok "$1" || not_ok "$1: $2 port $3 is $said, not $4"
}
dropped() { "$S7_CLI" ss -s -p "$1" | awk '$2 == "IFACE_FILTER" { print $3 }'; }

conf_write s "$S7_DEV_S" af_packet "" "" adopt
echo "filter = not (tcp dst port 5401 or udp dst port 5403)" >>"$S7_TMP/s.conf"
bg_server us timeout 60 /usr/bin/python3 "$prog" serve $S7_IP_S
for _ in $(seq 100); do grep -qs ready "$S7_TMP/us.log" && break; sleep 0.1; done
read -r _ parent child < <(grep ready "$S7_TMP/us.log")
answers "a port that the filter does not name is served" tcp 5400 open
answers "a datagram too" udp 5402 open
answers "a TCP port behind the filter is silent, for the kernel too" tcp 5401 silent
answers "a UDP port behind the filter is silent" udp 5403 silent
answers "what is nobody's is the kernel's, which refuses" tcp 5404 refused
before=$(dropped "$child")
[ "${before:-0}" -ge 2 ] && ok "sock7 ss -s counts what was dropped by name ($before)" || not_ok "IFACE_FILTER is ${before:-not there}"
"$S7_CLI" ss -s -p "$child" | grep -q "iface *$S7_DEV_S .* filtered $before " && ok "and by interface" ||
	not_ok "by interface: $("$S7_CLI" ss -s -p "$child" | grep iface)"
kill -9 "$parent"
answers "the first process was killed: the other serves" tcp 5400 open
answers "and is behind the filter" tcp 5401 silent
after=$(dropped "$child")
[ "${after:-0}" -gt "$before" ] && ok "and counts on ($after)" || not_ok "IFACE_FILTER is ${after:-not there}, was $before"
kill "$child"

sed -i 's/^filter = .*/filter = tcp prt 5401/' "$S7_TMP/s.conf"
said=$(server /usr/bin/python3 -c "import socket; socket.socket().close()" 2>&1)
grep -q "s.conf:6: filter = tcp prt 5401: an expression of libpcap (pcap-filter(7)); .*syntax error; running on the kernel" <<<"$said" &&
	ok "a wrong expression is told with file, line and what libpcap says" || not_ok "a wrong expression: $said"
in_s env SOCK7_CONF="$S7_TMP/s.conf" "$S7_CLI" check 2>&1 | grep -q 'filter = tcp prt 5401' && ok "sock7 check says so too" ||
	not_ok "sock7 check says nothing of it"
finish
