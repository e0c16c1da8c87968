#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Options of datagram sockets on the wire, beside a kernel: groups, UDP_SEGMENT, the error queue, time stamps.
. "$(dirname "$0")/lib/net.sh"
net_up
in_s ip addr add fd77::1/64 dev "$S7_DEV_S" nodad
in_c ip addr add fd77::2/64 dev "$S7_DEV_C" nodad
prog=$S7_TOP/test/app/lib/datagrams.py
cat >"$S7_TMP/s.conf" <<-CONF
	[global]
	memory = 64M
	kernel_fallback = no
	[interface $S7_DEV_S]
	driver = af_packet
CONF
bg_s us env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/s.conf" timeout 40 /usr/bin/python3 "$prog" us $S7_IP_S $S7_IP_C
for _ in $(seq 100); do grep -q joined "$S7_TMP/us.log" && break; sleep 0.1; done
in_s grep -qi 050505EF /proc/net/igmp && ok "the kernel socket behind is a member too" ||
	not_ok "the kernel knows no member: $(tail -2 "$S7_TMP/us.log" | tr '\n' ' ')"
check "a send with UDP_SEGMENT arrives as datagrams, at a group" in_c timeout 20 /usr/bin/python3 "$prog" peer $S7_IP_C $S7_IP_S
timeout 20 tail --pid="$PID_us" -f /dev/null
said() { grep -q "^$1\$" "$S7_TMP/us.log" && ok "$2" || not_ok "$2: $(tail -2 "$S7_TMP/us.log" | tr '\n' ' ')"; }
said heard "a member hears the group, and by which address"
said stamped "the time of sending comes by the error queue"
said refused "so does the peer's ICMP error, with the datagram"
said refused6 "and over IPv6, for who asked for it (IPV6_RECVERR)"
finish
