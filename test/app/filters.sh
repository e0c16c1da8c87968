#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Unmodified programs behind classic filters, on a link beside a kernel: a 40-instruction filter, workers that a program
# chooses among, a listener that does not hear one port.
. "$(dirname "$0")/lib/net.sh"
net_up
prog=$S7_TOP/test/app/lib/filters.py
S7_CLI=${S7_CLI:-$(dirname "$S7_LIB")/sock7}
cat >"$S7_TMP/s.conf" <<-CONF
	[global]
	memory = 64M
	kernel_fallback = no
	[interface $S7_DEV_S]
	driver = af_packet
CONF
bg_s us env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/s.conf" timeout 60 /usr/bin/python3 "$prog" serve $S7_IP_S
for _ in $(seq 100); do grep -q ready "$S7_TMP/us.log" && break; sleep 0.1; done
in_c timeout 40 /usr/bin/python3 "$prog" ask $S7_IP_S >"$S7_TMP/ask.log" 2>&1
said() { grep -q "^$1\$" "$S7_TMP/ask.log" && ok "$2" || not_ok "$2: $(tail -2 "$S7_TMP/ask.log" "$S7_TMP/us.log" | tr '\n' ' ')"; }
said kept "a datagram that 40 instructions like is answered"
said dropped "one that they do not like is not"
said short "a load beyond the end of a datagram drops it"
said steered "SO_ATTACH_REUSEPORT_CBPF: each of four processes gets what is its own"
said hashed "a number that nobody has is hashed"
said stream "a connection through a listener's filter carries 100 KB"
said forbidden "the listener does not hear the port that its filter drops"
"$S7_CLI" ss -s >"$S7_TMP/stat.log" 2>&1
grep -qi 'UDP_FILTER' "$S7_TMP/stat.log" && grep -qi 'TCP_FILTER' "$S7_TMP/stat.log" && ok "both drops are counted by name" ||
	not_ok "sock7 ss -s names no filter: $(grep -i filter "$S7_TMP/stat.log" | tr '\n' ' ')"
stop us
finish
