# SPDX-License-Identifier: BSD-3-Clause
"""A server that shares its port with other programs (SO_REUSEPORT), and the client that counts who answered.

usage: neighbours.py serve NAME PORT         answers each connection and datagram with its name; says "ready" when it listens
       neighbours.py ask HOST PORT COUNT     prints the names that answered, sorted; anything else ends it with 1
"""
import socket
import sys
import threading


def share(kind, port):
    sock = socket.socket(socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(("", port))
    return sock


def serve(name, port):
    stream, dgram = share(socket.SOCK_STREAM, port), share(socket.SOCK_DGRAM, port)
    stream.listen(100)

    def datagrams():
        while True:
            dgram.sendto(name, dgram.recvfrom(100)[1])

    threading.Thread(target=datagrams, daemon=True).start()
    print("ready", flush=True)
    while True:
        conn = stream.accept()[0]
        conn.recv(100)
        conn.sendall(name)
        conn.close()


def ask(host, port, count):
    streams, dgrams = set(), set()
    for _ in range(count):
        with socket.create_connection((host, port), 10) as conn:
            conn.sendall(b"who")
            streams.add(conn.recv(100).decode())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(10)
            sock.connect((host, port))
            sock.send(b"who")
            dgrams.add(sock.recv(100).decode())
            sock.setblocking(False)
            try:
                raise AssertionError(f"a second answer: {sock.recv(100)}")
            except BlockingIOError:
                pass
    assert streams == dgrams, (streams, dgrams)
    print("".join(sorted(streams)))


if sys.argv[1] == "serve":
    serve(sys.argv[2].encode(), int(sys.argv[3]))
else:
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
