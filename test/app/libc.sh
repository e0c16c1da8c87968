#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# libc's own sockets over sock7: names are resolved over UDP and TCP by a server that only sock7 reaches (memif, namespaces
# without a network). stdio, popen, posix_spawn and syscall() are cases of test/diff.
. "$(dirname "$0")/lib/net.sh"
. "$(dirname "$0")/lib/own_link.sh"
bare_up
link_write memif
printf 'nameserver %s\noptions timeout:2 attempts:3\n' $S7_IP_S >"$S7_TMP/resolv.conf"
printf 'hosts: dns\n' >"$S7_TMP/nsswitch.conf"

# resolving CMD...: in the client's namespace with the test's resolv.conf
resolving()
{
	in_c unshare -m bash -c "mount --bind $S7_TMP/resolv.conf /etc/resolv.conf &&
		mount --bind $S7_TMP/nsswitch.conf /etc/nsswitch.conf && exec \"\$@\"" - \
		env LD_PRELOAD="$S7_LIB" SOCK7_CONF="$S7_TMP/c.conf" timeout 20 "$@" 2>"$S7_TMP/resolving.err"
}

is() # is TEXT WANT GOT
{
	[ "$2" = "$3" ] && ok "$1" || not_ok "$1: '$3' instead of '$2' $(tail -n 2 "$S7_TMP/resolving.err" 2>/dev/null | tr '\n' ' ')"
}

bg_server dns /usr/bin/python3 -u "$S7_TOP/test/app/lib/dns.py" $S7_IP_S
for i in $(seq 50); do grep -q ready "$S7_TMP/dns.log" 2>/dev/null && break; sleep 0.1; done
for i in $(seq 10); do [ -n "$(resolving getent hosts first.s7test)" ] && break; done # the link comes up

is "getaddrinfo over UDP" "10.20.30.1" "$(resolving getent ahosts small.s7test | awk '/STREAM/ { print $1 }')"
grep -q '^udp small' "$S7_TMP/dns.log" && ok "the server was asked" || not_ok "the server was not asked"
is "an answer that is cut: over TCP" 40 "$(resolving getent ahosts big.s7test | grep -c STREAM)"
grep -q '^tcp big' "$S7_TMP/dns.log" && ok "the server was asked over TCP" || not_ok "nobody asked over TCP"
is "gethostbyname" "10.20.30.1 host.s7test" "$(resolving getent hosts host.s7test | awk '{ print $1, $2 }')"
is "python resolves" "10.20.30.1" "$(resolving /usr/bin/python3 -c 'import socket; print(socket.gethostbyname("py.s7test"))')"
cat >"$S7_TMP/threads.py" <<'PY'
import socket, threading
got = []
def one(i):
    got.append(socket.gethostbyname("t%d.s7test" % i))
threads = [threading.Thread(target=one, args=(i,)) for i in range(16)]
for t in threads: t.start()
for t in threads: t.join()
print(len(got), set(got))
PY
is "16 threads resolve at once" "16 {'10.20.30.1'}" "$(resolving /usr/bin/python3 "$S7_TMP/threads.py")"

# the kernel has an IPv6 address here, only sock7 an IPv4 one: AI_ADDRCONFIG must not hide it
in_c ip link add s7ac type veth peer name s7bc
in_c ip link set s7ac up
in_c ip addr add fd78::1/64 dev s7ac nodad
cat >"$S7_TMP/addrconfig.py" <<'PY'
import socket, sys
for family in socket.AF_UNSPEC, socket.AF_INET:
    try:
        found = socket.getaddrinfo(sys.argv[1], 80, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        print(found[0][4][0], end=" ")
    except socket.gaierror:
        print("hidden", end=" ")
PY
is "AI_ADDRCONFIG knows addresses that are sock7's alone" "10.1.2.3 10.1.2.3" \
	"$(resolving /usr/bin/python3 "$S7_TMP/addrconfig.py" 10.1.2.3 | sed 's/ $//')"
is "... which the kernel alone would hide" "hidden hidden" \
	"$(in_c /usr/bin/python3 "$S7_TMP/addrconfig.py" 10.1.2.3 | sed 's/ $//')"

stop dns
finish
