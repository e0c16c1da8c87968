#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The keys `filter` and `filter_object`: a firewall in front of an unmodified server, beside a kernel, in every process of the
# program, also when one is killed; and what is said of a wrong expression or object.
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

# behind LINE: the server with that line in its section
behind()
{
	conf_write s "$S7_DEV_S" af_packet "" "" adopt
	echo "$1" >>"$S7_TMP/s.conf"
	: >"$S7_TMP/us.log" # what the last one said
	bg_server us timeout 60 /usr/bin/python3 "$prog" serve $S7_IP_S
	for _ in $(seq 100); do grep -qs ready "$S7_TMP/us.log" && break; sleep 0.1; done
	read -r _ parent child < <(grep ready "$S7_TMP/us.log")
}

# guarded KIND: what holds behind a filter of either kind; ends with the server gone
guarded()
{
	answers "$1: a port that it does not name is served" tcp 5400 open
	answers "$1: a datagram too" udp 5402 open
	answers "$1: a TCP port behind it is silent, for the kernel too" tcp 5401 silent
	answers "$1: a UDP port behind it is silent" udp 5403 silent
	before=$(dropped "$child")
	[ "${before:-0}" -ge 2 ] && ok "$1: sock7 ss -s counts what was dropped by name ($before)" ||
		not_ok "$1: IFACE_FILTER is ${before:-not there}: $(tail -n 2 "$S7_TMP/us.log" | tr '\n' ' ')"
	kill -9 "$parent"
	answers "$1: the first process was killed: the other serves" tcp 5400 open
	answers "$1: and is behind the filter" tcp 5401 silent
	after=$(dropped "$child")
	[ "${after:-0}" -gt "${before:-0}" ] && ok "$1: and counts on ($after)" || not_ok "$1: IFACE_FILTER is ${after:-not there}, was $before"
}

behind "filter = not (tcp dst port 5401 or udp dst port 5403)"
answers "what is nobody's is the kernel's, which refuses" tcp 5404 refused
guarded filter
"$S7_CLI" ss -s -p "$child" | grep -q "iface *$S7_DEV_S .* filtered $after " && ok "and by interface" ||
	not_ok "by interface: $("$S7_CLI" ss -s -p "$child" | grep iface)"
kill "$child"

if clang -O2 -g -target bpf -I"/usr/include/$(gcc -print-multiarch)" -c "$S7_TOP/test/app/progs/firewall.bpf.c" -o "$S7_TMP/fw.o"; then
	behind "filter_object = $S7_TMP/fw.o:socket"
	guarded filter_object
	seen=$(bpftool -j map dump name by_proto 2>/dev/null | /usr/bin/python3 -c '
import json, sys
rows = json.load(sys.stdin)
word = lambda v: int.from_bytes(bytes(int(b, 16) for b in v), "little")
print(*(word(row["value"]) for row in rows if word(row["key"]) in (6, 17)))' 2>/dev/null)
	awk '{ exit !($1 >= 4 && $2 >= 2) }' <<<"$seen" && ok "filter_object: bpftool shows what its map counted ($seen)" ||
		not_ok "filter_object: its map: $seen"
	kill "$child"
	sed -i 's/^filter_object = .*/&s/' "$S7_TMP/s.conf"
	said=$(server /usr/bin/python3 -c "
import socket
s = socket.socket()
s.bind(('$S7_IP_S', 5400))" 2>&1)
	grep -q "filter_object: no section sockets; running on the kernel" <<<"$said" && ok "an object without the section is told" ||
		not_ok "an object without the section: $said"
else
	not_ok "firewall.bpf.c compiles"
fi

conf_write s "$S7_DEV_S" af_packet "" "" adopt
echo "filter = tcp prt 5401" >>"$S7_TMP/s.conf"
said=$(server /usr/bin/python3 -c "import socket; socket.socket().close()" 2>&1)
grep -q "s.conf:6: filter = tcp prt 5401: an expression of libpcap (pcap-filter(7)); .*syntax error; running on the kernel" <<<"$said" &&
	ok "a wrong expression is told with file, line and what libpcap says" || not_ok "a wrong expression: $said"
in_s env SOCK7_CONF="$S7_TMP/s.conf" "$S7_CLI" check 2>&1 | grep -q 'filter = tcp prt 5401' && ok "sock7 check says so too" ||
	not_ok "sock7 check says nothing of it"
finish
