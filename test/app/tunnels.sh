#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A network device without Ethernet headers (tun; wireguard, ppp and ipip are alike), as server and as client, against the
# kernel at the other end; and one that is made only when the program runs already.
. "$(dirname "$0")/lib/net.sh"
net_up
cd "$S7_TMP" || exit 1
mkdir web
head -c 3000000 /dev/urandom >web/3m
head -c 100 /dev/urandom >web/100

cat >web.py <<'PY'
import http.server, os, socket, sys
os.chdir("web")
class Server(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET
    request_queue_size = 64
class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args): pass
Server((sys.argv[1], int(sys.argv[2])), Handler).serve_forever()
PY
cat >udp.py <<'PY'
"""udp.py serve ADDR | ask ADDR: datagrams of all sizes there and back, long ones in fragments"""
import socket, sys
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[2] else socket.AF_INET, socket.SOCK_DGRAM)
if sys.argv[1] == "serve":
    s.bind((sys.argv[2], 7000))
    print("ready", flush=True)
    while True:
        data, peer = s.recvfrom(65536)
        s.sendto(data, peer)
s.settimeout(1)
for size in (0, 1, 100, 1400, 1500, 9000, 40000):
    data = bytes(i * 7 % 251 for i in range(size))
    for attempt in range(10):
        s.sendto(data, (sys.argv[2], 7000))
        try:
            got = s.recv(65536)
        except socket.timeout:
            continue
        if got == data:
            break
    else:
        sys.exit(f"{size} bytes did not come back")
PY
sockets_of() { "$(dirname "$S7_LIB")/sock7" ss -p "$1" | grep -cE ' (stack|dual) '; }
url() { case $1 in *:*) echo "http://[$1]:$2/$3" ;; *) echo "http://$1:$2/$3" ;; esac; }
# fetch IN ADDRESS PORT [PRELOAD...]: both files whole
fetch()
{
	local in=$1 addr=$2 port=$3 f
	shift 3
	for f in 100 3m; do
		$in timeout 60 "$@" curl -gsS --max-time 50 -o got "$(url "$addr" "$port" $f)" && cmp -s got web/$f || return 1
	done
}

# both DEVICE SERVER CLIENT: TCP and UDP, sock7 as server and as client, the kernel at the other end
both()
{
	local name="$1 $2" server=$2 client=$3 on=(env LD_PRELOAD="$S7_LIB" SOCK7_INTERFACE="$1") pid
	bg_s web "${on[@]}" python3 web.py "$server" 8000
	bg_c far python3 web.py "$client" 8000
	wait_port "$S7_NS_C" "$server" 8000 || { not_ok "$name: a server answers: $(tail -2 web.log)"; return; }
	wait_port "$S7_NS_S" "$client" 8000 || { not_ok "$name: the far server answers: $(tail -2 far.log)"; return; }
	pid=$(ip netns pids "$S7_NS_S" | head -1)
	[ "$(sockets_of "$pid")" -gt 0 ] && ok "$name: the server is on the stack" || not_ok "$name: the server is on the kernel: $(tail -1 web.log)"
	fetch in_c "$server" 8000 && ok "$name: files from a server" || not_ok "$name: files from a server"
	fetch in_s "$client" 8000 "${on[@]}" && ok "$name: files to a client" || not_ok "$name: files to a client"
	bg_s us "${on[@]}" python3 udp.py serve "$server"
	bg_c them python3 udp.py serve "$client"
	for _ in $(seq 100); do grep -q ready us.log && grep -q ready them.log && break; sleep 0.1; done
	check "$name: datagrams to a server" in_c timeout 80 python3 udp.py ask "$server"
	check "$name: datagrams of a client" in_s timeout 80 "${on[@]}" python3 udp.py ask "$client"
	stop web; stop far; stop us; stop them
}

# --- tun: two devices and a program that carries packets from one to the other
cat >tun.py <<'PY'
"""tun.py NAME NS-OF-ONE NS-OF-OTHER: a tun device of that name in each namespace, joined"""
import ctypes, fcntl, os, select, struct, sys
fds = []
for ns in sys.argv[2:4]:
    with open("/run/netns/" + ns) as f:
        if ctypes.CDLL(None).setns(f.fileno(), 0x40000000):
            sys.exit("setns")
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", sys.argv[1].encode(), 0x1001))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
    fds.append(fd)
print("ready", flush=True)
while True:
    for fd in select.select(fds, [], [])[0]:
        packet = os.read(fd, 65536)
        try:
            os.write(fds[1 - fds.index(fd)], packet)
        except OSError:  # the other is not up yet
            pass
PY
late()
{
	# a program that runs before its device is there
	cat >late.py <<-'PY'
		import os, socket, sys, time
		a = socket.socket()
		a.bind(("127.0.0.1", 0))
		a.listen()
		b = socket.create_connection(a.getsockname())
		c = socket.socket()
		c.bind(("0.0.0.0", 8100))
		c.listen()
		print("early", flush=True)
		while not os.path.exists("/sys/class/net/" + sys.argv[1]) or not os.path.exists("go"):
		    time.sleep(0.05)
		d = socket.socket()
		d.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
		d.bind((sys.argv[2], 8200))
		d.listen()
		print("late", flush=True)
		while True:
		    e, peer = d.accept()
		    e.sendall(b"hello")
		    e.close()
	PY
	bg_s late env LD_PRELOAD="$S7_LIB" SOCK7_INTERFACE=s7tun python3 late.py s7tun 10.78.4.1
	for _ in $(seq 100); do grep -q early late.log && break; sleep 0.1; done
	grep -q 'no network device s7tun' late.log && ok "tun: a line says that it is not there yet" || not_ok "tun: $(tail -2 late.log)"
}
late
python3 tun.py s7tun "$S7_NS_S" "$S7_NS_C" >tun.log 2>&1 &
S7_PIDS+=($!)
for _ in $(seq 100); do grep -q ready tun.log && break; sleep 0.1; done
if grep -q ready tun.log; then
	in_s ip addr add 10.78.4.1 peer 10.78.4.2 dev s7tun
	in_c ip addr add 10.78.4.2 peer 10.78.4.1 dev s7tun
	in_s ip addr add fd78::1/64 dev s7tun nodad
	in_c ip addr add fd78::2/64 dev s7tun nodad
	in_s ip link set s7tun up
	in_c ip link set s7tun up
	touch go
	wait_port "$S7_NS_C" 10.78.4.1 8200 || not_ok "tun: the late server answers: $(tail -2 late.log)"
	pid=$(ip netns pids "$S7_NS_S" | head -1)
	[ "$(sockets_of "$pid")" -gt 0 ] && ok "tun: a device that came later is adopted" || not_ok "tun: a device that came later: $(tail -1 late.log)"
	stop late
	both s7tun 10.78.4.1 10.78.4.2
	both s7tun fd78::1 fd78::2
else
	skip "tun: $(tail -1 tun.log)"
	stop late
fi
finish
