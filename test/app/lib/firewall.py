# SPDX-License-Identifier: BSD-3-Clause
""
	"A server with two processes, for test/app/firewall.sh.

	usage : firewall.py serve IP TCP at 5400 and
	5401,
	UDP at 5402 and 5403, in a child; prints both pids
       firewall.py tcp IP PORT  "open", "refused" or "silent" (nobody answers for a second)
       firewall.py udp IP PORT  likewise
"""
import os
import select
import socket
import sys
import time


def serve(ip):
    socks = []
    for port, kind in ((5400, socket.SOCK_STREAM), (5401, socket.SOCK_STREAM), (5402, socket.SOCK_DGRAM), (5403, socket.SOCK_DGRAM)):
        sock = socket.socket(socket.AF_INET, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((ip, port))
        if kind == socket.SOCK_STREAM:
            sock.listen(8)
        socks.append(sock)
    child = os.fork()
    if child:
        print("ready", os.getpid(), child, flush=True)
        time.sleep(60)
        return
    while True:
        for sock in select.select(socks, [], [])[0]:
            if sock.type == socket.SOCK_STREAM:
                conn, _ = sock.accept()
                conn.sendall(b"here")
                conn.close()
            else:
                data, who = sock.recvfrom(100)
                sock.sendto(data, who)


def tcp(ip, port):
    sock = socket.socket()
    sock.settimeout(1)
    try:
        sock.connect((ip, port))
        return "open" if sock.recv(10) == b"here" else "closed"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"


def udp(ip, port):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(1)
    sock.connect((ip, port))
    sock.send(b"question")
    try:
        return "open" if sock.recv(10) == b"question" else "closed"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"


if sys.argv[1] == "serve":
    serve(sys.argv[2])
else:
    print({"tcp": tcp, "udp": udp}[sys.argv[1]](sys.argv[2], int(sys.argv[3])))
