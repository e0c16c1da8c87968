# SPDX-License-Identifier: BSD-3-Clause
"""Two programs with RAW sockets, for test/app/raw.sh.

usage: raw.py echo             hears protocol 253 over both families and answers, until told to end
       raw.py ask PEER DEVICE  asks it: small, long (fragments), with its own header, connected, bound to the
                               device; each answer comes once
       raw.py idle             leaves what it sent itself unread for a minute
       raw.py ping PEER        by a ping socket: three requests, each answered once
"""
import select
import socket
import struct
import sys
import time

PROTO = 253
RAW = socket.SOCK_RAW


def payload(sock, data):
    """IPv4 sockets are given the IP header too."""
    return data[(data[0] & 15) * 4:] if sock.family == socket.AF_INET else data


def echo():
    socks = [socket.socket(f, RAW, PROTO) for f in (socket.AF_INET, socket.AF_INET6)]
    poll = select.epoll()
    for s in socks:
        poll.register(s, select.EPOLLIN)
    by_fd = {s.fileno(): s for s in socks}
    print("ready", flush=True)
    end = time.time() + 60
    while time.time() < end:
        for fd, _ in poll.poll(1):
            s = by_fd[fd]
            data, who = s.recvfrom(9000)
            text = payload(s, data)
            if text == b"end":
                return
            if not text.startswith(b"re:"):
                s.sendto(b"re:" + text, who)


def answers(s, seconds=0.4):
    found, end = [], time.time() + seconds
    while True:
        left = end - time.time()
        if left <= 0 or not select.select([s], [], [], left)[0]:
            return found
        text = payload(s, s.recv(9000))
        if text.startswith(b"re:"):
            found.append(text)


def ask(peer, device):
    v6 = ":" in peer
    s = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, RAW, PROTO)
    to = socket.getaddrinfo(peer, 0, proto=socket.IPPROTO_UDP)[0][4]
    for _ in range(20):  # until the link is up
        s.sendto(b"hello", to)
        got = answers(s)
        if got:
            break
    assert got and set(got) == {b"re:hello"}, got
    answers(s)
    for text in (b"once", b"x" * 1400, bytes(range(256)) * 13):
        s.sendto(text, to)
        got = answers(s)
        assert got == [b"re:" + text], (len(text), [len(g) for g in got])
    c = socket.socket(s.family, RAW, PROTO)
    c.connect(to)
    d = socket.socket(s.family, RAW, PROTO)
    d.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    lo = socket.socket(s.family, RAW, PROTO)
    lo.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    c.send(b"connected")
    heard = [answers(x) for x in (c, s, d, lo)]
    assert heard == [[b"re:connected"]] * 3 + [[]], heard
    d.sendto(b"bound", to)
    heard = [answers(x) for x in (c, s, d, lo)]
    assert heard == [[b"re:bound"]] * 3 + [[]], heard
    if not v6:
        r = socket.socket(socket.AF_INET, RAW, socket.IPPROTO_RAW)
        header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 9, PROTO, 0, bytes(4),
                             socket.inet_aton(peer))
        r.sendto(header + b"own header", to)
        got = answers(s)
        assert got == [b"re:own header"], got
    s.sendto(b"end", to)
    print("answered once each")


def ping(peer):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    found = []
    for number in range(3):
        s.sendto(struct.pack("!BBHHH", 8, 0, 0, 0, number) + b"payload", (peer, 0))
        assert select.select([s], [], [], 5)[0], "no reply to %d" % number
        data, who = s.recvfrom(100)
        kind, _, _, ident, back = struct.unpack("!BBHHH", data[:8])
        assert (kind, ident, back) == (0, s.getsockname()[1], number), data
        assert data[8:] == b"payload" and who == (peer, 0), (data, who)
        found.append(back)
    assert not select.select([s], [], [], 0.3)[0], "a reply came twice"


def idle():
    s = socket.socket(socket.AF_INET, RAW, PROTO)
    for _ in range(3):
        s.sendto(b"for later", ("127.0.0.1", 0))
    print("ready", flush=True)
    time.sleep(60)


{"echo": echo, "ask": ask, "idle": idle, "ping": ping}[sys.argv[1]](*sys.argv[2:])
