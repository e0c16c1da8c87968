#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# driver = af_packet on a veth as it is: the kernel's end leaves checksums and segmentation to a device that is none, other MTUs,
# a reader that is slow, tso = off, and DPDK's own driver by devargs.
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1
head -c 20000000 /dev/urandom >"$S7_TMP/data"
sum=$(sha256sum <"$S7_TMP/data" | cut -d' ' -f1)

cat >"$S7_TMP/peer.py" <<'PY'
# server: serves data to each connection that says G, takes all of one that says P and answers its sum
import hashlib, socket, sys, threading
data = open(sys.argv[1], "rb").read()
s = socket.create_server(("0.0.0.0", 7000), backlog=50)
def one(c):
    try:
        if c.recv(1) == b"G":
            c.sendall(data)
        else:
            h = hashlib.sha256()
            while True:
                d = c.recv(65536)
                if not d:
                    break
                h.update(d)
            c.sendall(h.hexdigest().encode())
    except OSError:
        pass
    c.close()
print("ready", flush=True)
while True:
    threading.Thread(target=one, args=(s.accept()[0],), daemon=True).start()
PY
cat >"$S7_TMP/get.py" <<'PY'
# get.py HOST PATTERN: G gets, g gets after two idle seconds with the window full, P puts, all at once; prints what differs
import hashlib, socket, sys, threading, time
data = open("data", "rb").read()
want = hashlib.sha256(data).hexdigest()
bad = []
def one(kind):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    s.connect((sys.argv[1], 7000))
    s.settimeout(40)
    if kind == "P":
        s.sendall(b"P" + data)
        s.shutdown(socket.SHUT_WR)
        got = s.makefile("rb").read().decode()
    else:
        s.sendall(b"G")
        time.sleep(2 if kind == "g" else 0)
        h = hashlib.sha256()
        while True:
            d = s.recv(65536)
            if not d:
                break
            h.update(d)
        got = h.hexdigest()
    if got != want:
        bad.append(kind)
threads = [threading.Thread(target=one, args=(k,)) for k in sys.argv[2]]
for t in threads: t.start()
for t in threads: t.join()
print("differ:", bad)
sys.exit(bool(bad))
PY

round() # round TEXT [PATTERN]: server on sock7 with $S7_TMP/s.conf, kernel client; and the other way round
{
	bg_s peer env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/s.conf" /usr/bin/python3 "$S7_TMP/peer.py" "$S7_TMP/data"
	for i in $(seq 50); do grep -q ready "$S7_TMP/peer.log" && break; sleep 0.1; done
	in_c timeout 60 /usr/bin/python3 "$S7_TMP/get.py" $S7_IP_S "${2:-GP}" >"$S7_TMP/get.out" 2>&1 && ok "$1" ||
		not_ok "$1: $(tail -n 1 "$S7_TMP/get.out") $(tail -n 1 "$S7_TMP/peer.log")"
	kernel_opens=$(in_s awk '/^Tcp: [0-9]/ { print $7 }' /proc/net/snmp)
	[ "$kernel_opens" = 0 ] || not_ok "$1: $kernel_opens connections were the kernel's"
	stop peer
}

conf() # conf LINE...
{
	printf '[interface %s]\ndriver = af_packet\n' "$S7_DEV_S" >"$S7_TMP/s.conf"
	printf '%s\n' "$@" >>"$S7_TMP/s.conf"
}

mtu() { in_s ip link set "$S7_DEV_S" mtu "$1" && in_c ip link set "$S7_DEV_C" mtu "$1"; }

conf
round "out, in, and a slow reader beside them" GPgGP
conf "tso = off"
round "tso = off"
mtu 9000
conf
round "mtu 9000" GPg
mtu 576
round "mtu 576"
mtu 1500
in_c ethtool -K "$S7_DEV_C" tx off tso off gso off gro off >/dev/null 2>&1
round "a peer that cuts and sums by itself"
conf "devargs = qdisc_bypass=1"
round "DPDK's net_af_packet"
finish
