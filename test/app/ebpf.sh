#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A server whose eBPF programs libbpf loads, from an ELF object with maps, on a link beside a kernel: the maps are the kernel's
# (bpftool shows what was counted), four processes get what a program chooses for them, a program with a ring is refused.
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1
S7_CLI=${S7_CLI:-$(dirname "$S7_LIB")/sock7}
progs=$S7_TOP/test/app/progs
clang -O2 -g -target bpf -I"/usr/include/$(gcc -print-multiarch)" -c "$progs/ebpf.bpf.c" -o ebpf.o &&
	gcc -std=gnu11 -D_GNU_SOURCE -O2 -Wall -Wextra -o ebpf "$progs/ebpf.c" -lbpf || { not_ok "the programs compile"; finish; }
cat >s.conf <<-CONF
	[global]
	memory = 64M
	kernel_fallback = no
	log = info
	[interface $S7_DEV_S]
	driver = af_packet
CONF
mkfifo ask
exec 7<>ask
bg_s us env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/s.conf" timeout 60 bash -c "exec ./ebpf ebpf.o $S7_IP_S <ask"
for _ in $(seq 100); do grep -q '^ready' us.log && break; sleep 0.1; done
cat >ask.py <<-'PY'
	import socket, sys
	ip = sys.argv[1]
	def ask(port, data, tries=4):
	    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    sock.settimeout(1)
	    for _ in range(tries):
	        sock.sendto(data, (ip, port))
	        try:
	            return sock.recv(500)
	        except (TimeoutError, ConnectionRefusedError):
	            pass
	    return None
	print("echo", ask(5310, b"hello") == b"hello")
	print("cut", ask(5310, b"Hello") == b"Hel")
	print("dropped", ask(5310, b"!hello", 1) is None)
	print("array", all(ask(5311, b"%d" % n) == b"%d %d" % (n, n) for n in (0, 1, 2, 3, 2, 0)))
	print("nobody", ask(5311, b"7", 1) is None)
	print("hash", all(ask(5312, b"x") for _ in range(8)))
	print("cpu", len({ask(5313, b"x") for _ in range(4)} - {None}) > 0)
PY
in_c timeout 40 /usr/bin/python3 ask.py $S7_IP_S >ask.log 2>&1
said() { grep -q "^$1 True\$" ask.log && ok "$2" || not_ok "$2: $(tail -q -n 3 ask.log us.log | tr '\n' ' ')"; }
said echo "a datagram that the program keeps is answered"
said cut "one that it cuts is shorter"
said dropped "one that it drops is not heard"
said array "SK_REUSEPORT with a map of sockets: each of four processes gets what is its own"
said nobody "SK_DROP: nobody gets it"
said hash "by hash: somebody answers every time"
said cpu "by CPU: somebody answers"
echo >&7
for _ in $(seq 50); do grep -q '^seen' us.log && break; sleep 0.1; done
# hello and Hello may have been sent again
awk '/^seen/ { good = $2 >= 3 && $4 == 1 } END { exit !good }' us.log && ok "global variables are seen by the program that mapped them" ||
	not_ok "global variables: $(grep seen us.log)"
grep -q '^into_ring EINVAL' us.log && grep -q 'into_ring.*only the kernel can write' us.log && ok "a program with a ring is refused, with a line" ||
	not_ok "the ring: $(grep ring us.log | tr '\n' ' ')"
grep -q '^map by_byte .* flags 0$' us.log && ok "the flags of an array are as the program gave them" || not_ok "flags: $(grep '^map' us.log)"
counted() { # MAP KEY: what bpftool says
	local id
	id=$(awk -v m="$1" '$1 == "map" && $2 == m { print $3 }' us.log)
	bpftool -j map lookup id "$id" key "$2" 0 0 0 | /usr/bin/python3 -c '
import json, sys
print(int.from_bytes(bytes(int(b, 16) for b in json.load(sys.stdin)["value"]), "little"))'
}
[ "$(counted by_byte 33)" = 1 ] && [ "$(counted by_byte 72)" -ge 1 ] && ok "bpftool shows what an array counted" ||
	not_ok "by_byte: $(counted by_byte 33), $(counted by_byte 72)"
[ "$(counted by_length 6)" = 1 ] && [ "$(counted by_length 5)" -ge 2 ] && ok "bpftool shows what a hash counted" ||
	not_ok "by_length: $(counted by_length 6), $(counted by_length 5)"
exec 7>&-
stop us
finish
