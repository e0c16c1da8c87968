# SPDX-License-Identifier: BSD-3-Clause
"""A server with two processes, for test/app/firewall.sh.

usage: firewall.py serve IP               TCP at 5400 and 5401, UDP at 5402 and 5403, in a child; prints both pids
       firewall.py tcp IP PORT EXPECTED   says "open", "refused" or "silent" (nobody answers)
       firewall.py udp IP PORT EXPECTED   likewise
"""
import os
import select
import socket
import sys
import time

SERVED = ((5400, socket.SOCK_STREAM), (5401, socket.SOCK_STREAM), (5402, socket.SOCK_DGRAM), (5403, socket.SOCK_DGRAM))


def serve(ip):
    socks = []
    for port, kind in SERVED:
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


def tcp(ip, port, seconds):
    sock = socket.socket()
    sock.settimeout(seconds)
    try:
        sock.connect((ip, port))
        return "open" if sock.recv(10) == b"here" else "closed"
    except ConnectionRefusedError:
        return "refused"
    except TimeoutError:
        return "silent"


def udp(ip, port, seconds):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(seconds)
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
    # who is to be silent is waited for shortly, who is to answer as long as a busy machine needs
    wait = 1.5 if sys.argv[4:] == ["silent"] else 15
    print({"tcp": tcp, "udp": udp}[sys.argv[1]](sys.argv[2], int(sys.argv[3]), wait))
