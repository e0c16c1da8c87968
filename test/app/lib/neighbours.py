# SPDX-License-Identifier: BSD-3-Clause
"""A server that shares its port with other programs (SO_REUSEPORT), and the client that counts who answered.

usage: neighbours.py serve NAME PORT         answers each connection and datagram with its name; says "ready" when it listens
       neighbours.py ask HOST PORT COUNT     prints the names that answered, sorted; anything else ends it with 1
       neighbours.py give PORT PATH          a listener with a connection in its queue goes to who comes to PATH; keeps what it has
       neighbours.py take PATH NAME          serves on that
       neighbours.py cross HOST PORT         a client of both: nothing is refused, the first connection goes on
"""
import array
import select
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
        answer(stream, name)


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


def answer(listener, name):
    conn = listener.accept()[0]
    conn.recv(100)
    conn.sendall(name)
    conn.close()


def echo(conn):
    while data := conn.recv(100):
        conn.sendall(data)
    conn.close()


def give(port, path):
    listener = socket.create_server(("", port), backlog=100)
    meeting = socket.socket(socket.AF_UNIX)
    meeting.bind(path)
    meeting.listen()
    print("ready", flush=True)
    threading.Thread(target=echo, args=listener.accept()[:1]).start()
    other = meeting.accept()[0]
    select.select([listener], [], [])
    rights = array.array("i", [listener.fileno()])
    other.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    while other not in select.select([listener, other], [], [])[0]:
        answer(listener, b"A")
    listener.close()
    other.send(b"x")


def take(path, name):
    other = socket.socket(socket.AF_UNIX)
    other.connect(path)
    fds = array.array("i")
    fds.frombytes(other.recvmsg(1, socket.CMSG_SPACE(fds.itemsize))[1][0][2])
    listener = socket.socket(fileno=fds[0])
    answer(listener, name)
    other.send(b"x")  # the giver leaves; its connection stays
    other.recv(1)
    while True:
        answer(listener, name)


def cross(host, port):
    first = socket.create_connection((host, port), 20)
    names = ""
    while not names.endswith("B" * 40):  # both answer in turn for a moment
        assert len(names) < 200, names
        first.sendall(b"still there")
        assert first.recv(100) == b"still there"
        with socket.create_connection((host, port), 20) as conn:
            conn.sendall(b"who")
            names += conn.recv(100).decode()
    first.close()
    assert names[0] == "A", names


verbs = {"serve": lambda name, port: serve(name.encode(), int(port)),
         "ask": lambda host, port, count: ask(host, int(port), int(count)),
         "give": lambda port, path: give(int(port), path),
         "take": lambda path, name: take(path, name.encode()),
         "cross": lambda host, port: cross(host, int(port))}
verbs[sys.argv[1]](*sys.argv[2:])
