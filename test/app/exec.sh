#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Servers whose connections other programs go on with (docs/exec.md): socat EXEC:, inetd, nginx's upgrade; and processes
# that are killed while they change from one program to the next.
#   exec.sh        S7_KEEP=1 keeps the logs
. "$(dirname "$0")/lib/net.sh"
net_up
chmod 755 "$S7_TMP"

ask() # ask PORT: two lines there and back, then the end, three times
{
	in_c timeout 20 /usr/bin/python3 - "$S7_IP_S" "$1" <<'PY'
import socket
import sys

for i in range(3):
    with socket.create_connection((sys.argv[1], int(sys.argv[2])), 8) as c:
        f = c.makefile("rw")
        for text in "one\n", "two\n":
            f.write(text)
            f.flush()
            assert f.readline() == text
        c.shutdown(socket.SHUT_WR)
        assert f.read() == ""
PY
}

if command -v socat >/dev/null; then
	bg_s pipes "${S7_ENV[@]}" socat TCP-LISTEN:7401,fork,reuseaddr EXEC:/bin/cat
	wait_port "$S7_NS_C" "$S7_IP_S" 7401
	check "socat EXEC: with pipes" ask 7401
	stop pipes
	bg_s nofork "${S7_ENV[@]}" socat TCP-LISTEN:7402,fork,reuseaddr EXEC:/bin/cat,nofork
	wait_port "$S7_NS_C" "$S7_IP_S" 7402
	check "socat EXEC:,nofork: the connection is cat's standard input and output" ask 7402
	stop nofork
else
	skip "no socat"
fi

if [ -x /usr/sbin/inetd ]; then
	printf '#!/bin/sh\nread line\necho $line\nid -un >&2\nexec cat\n' >"$S7_TMP/service"
	chmod 755 "$S7_TMP/service"
	printf '7403 stream tcp nowait nobody %s service\n' "$S7_TMP/service" >"$S7_TMP/inetd.conf"
	bg_s inetd "${S7_ENV[@]}" /usr/sbin/inetd -d -i "$S7_TMP/inetd.conf"
	wait_port "$S7_NS_C" "$S7_IP_S" 7403
	check "inetd: a script of another user's" in_c timeout 20 bash -c "
		exec 3<>/dev/tcp/$S7_IP_S/7403; echo hello >&3; read -r a <&3; read -r b <&3; [ \"\$a \$b\" = 'hello nobody' ]"
	stop inetd
else
	skip "no inetd"
fi

# The new program of nginx's has the listener by number, and an environment that the old one made anew.
if command -v nginx >/dev/null; then
	mkdir "$S7_TMP/logs"
	pid=$S7_TMP/nginx.pid
	cat >"$S7_TMP/nginx.conf" <<-END
		worker_processes 2; pid $pid; error_log $S7_TMP/logs/error.log;
		events { worker_connections 64; }
		http { access_log off; server { listen $S7_IP_S:7405; return 200 "served\n"; } }
	END
	fetch() { in_c timeout 10 bash -c "exec 3<>/dev/tcp/$S7_IP_S/7405; printf 'GET / HTTP/1.0\r\n\r\n' >&3; grep -q served <&3"; }
	wait_for_file() { for _ in $(seq 100); do [ -s "$1" ] && return; sleep 0.1; done; return 1; }
	gone() { timeout 10 tail --pid="$1" -f /dev/null; }
	in_s "${S7_ENV[@]}" "$(command -v nginx)" -p "$S7_TMP" -c "$S7_TMP/nginx.conf" 2>"$S7_TMP/nginx.log"
	wait_for_file "$pid" && old=$(cat "$pid")
	check "nginx serves" fetch
	kill -USR2 "$old"
	check "nginx, SIGUSR2: a new program beside the old one" wait_for_file "$pid.oldbin"
	wait_for_file "$pid"
	kill -QUIT "$old"
	check "the old one goes" gone "$old"
	check "the new one serves" fetch
	check "... by the stack" grep -q memfd:sock7 <(ls -l "/proc/$(cat "$pid")/fd")
	kill "$(cat "$pid")"
else
	skip "no nginx"
fi

# Whoever is killed on the way to the next program: its peer learns it, and the server goes on.
cat >"$S7_TMP/storm.py" <<'PY'
import os
import random
import signal
import socket
import sys
import time

s = socket.create_server(("", 7404), backlog=64)
random.seed(7)
for i in range(60):
    c, _ = s.accept()
    pid = os.fork()
    if not pid:
        os.dup2(c.fileno(), 0)
        os.dup2(c.fileno(), 1)
        os.execv("/bin/sh", ["sh", "-c", "exec sh -c 'exec sh -c \"exec cat\"'"])
    c.close()
    time.sleep(random.random() * 0.012)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
c, _ = s.accept()
c.sendall(b"still here\n")
PY
bg_s storm "${S7_ENV[@]}" /usr/bin/python3 "$S7_TMP/storm.py"
wait_listen() { for _ in $(seq 100); do in_s ss -Hltn "sport = :$1" | grep -q . && return; sleep 0.1; done; }
wait_listen 7404
check "killed between two programs: peers learn it, the server goes on" in_c timeout 60 /usr/bin/python3 -c "
import socket
many = []
for i in range(60):
    many.append(socket.create_connection(('$S7_IP_S', 7404), 10))
last = socket.create_connection(('$S7_IP_S', 7404), 10)
for c in many:
    c.settimeout(20)
    try:
        assert c.recv(10) == b''
    except ConnectionResetError:
        pass
last.settimeout(20)
assert last.makefile().readline() == 'still here\n'"
finish
