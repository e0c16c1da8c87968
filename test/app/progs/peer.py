#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""The far side of test/app/patterns.sh, always on kernel sockets.

Programs under test tell it over a UNIX socket (files reach across network namespaces) what to do, a line a command:
  conn PORT             connect to the program: "ok ID" or the errno's name
  send ID TEXT | recv ID | fin ID | close ID | rst ID       on such a connection; recv: a line, eof, reset, timeout
  flood ID BYTES        sends that much in the background
  many PORT N [TEXT]    N connections at once, each says TEXT and reads to the end: how many got an answer, how many none
  drain ID              reads to the end and says which end
  later MS COMMAND      does COMMAND after that time, answers at once
  udp PORT TEXT         a datagram there and its answer
It also listens: 7001 echoes, 7002 takes connections and never reads, 7003 has a full accept queue, 7004 sends without end.
"""
import errno
import os
import socket
import struct
import sys
import threading

HOST, PATH = sys.argv[1], sys.argv[2]
WAIT = 8


def serve(port, handler, backlog=128):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", port))
    s.listen(backlog)
    if not handler:
        return s

    def loop():
        while True:
            c, _ = s.accept()
            threading.Thread(target=handler, args=(c,), daemon=True).start()
    threading.Thread(target=loop, daemon=True).start()
    return s


def echo(c):
    try:
        while data := c.recv(65536):
            c.sendall(data)
    except OSError:
        pass
    c.close()


held = []


def pour(c):
    try:
        while True:
            c.sendall(b"z" * 65536)
    except OSError:
        c.close()


def outcome(c):
    """A line from c without its end, or why there is none."""
    line = b""
    try:
        while not line.endswith(b"\n"):
            part = c.recv(1)
            if not part:
                return line.decode() + "eof"
            line += part
    except socket.timeout:
        return line.decode() + "timeout"
    except OSError as e:
        return line.decode() + ("reset" if e.errno == errno.ECONNRESET else errno.errorcode[e.errno])
    return line[:-1].decode()


def one_of_many(port, text, answers):
    try:
        with socket.create_connection((HOST, port), WAIT) as c:
            c.settimeout(WAIT)
            c.sendall(text.encode() + b"\n")
            data = b""
            while part := c.recv(65536):
                data += part
            answers.append("answered" if data else "empty")
    except OSError as e:
        answers.append(type(e).__name__)


def many(port, count, text="hi"):
    answers = []
    threads = [threading.Thread(target=one_of_many, args=(int(port), text, answers)) for _ in range(int(count))]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return " ".join("%d %s" % (answers.count(a), a) for a in sorted(set(answers)))


def flood(c, count):
    try:
        c.settimeout(60)
        c.sendall(b"f" * count)
    except OSError:
        pass


class Session:
    def __init__(self):
        self.conns = []

    def run(self, line):
        word, *rest = line.split(" ", 2)
        if word == "many":
            return many(*line.split(" ", 3)[1:])
        if word == "later":
            threading.Timer(int(rest[0]) / 1000, self.run, [rest[1]]).start()
            return "ok"
        if word == "udp":
            with socket.socket(type=socket.SOCK_DGRAM) as s:
                s.settimeout(WAIT)
                s.sendto(rest[1].encode(), (HOST, int(rest[0])))
                return s.recv(2000).decode()
        if word == "conn":
            try:
                c = socket.create_connection((HOST, int(rest[0])), WAIT)
            except OSError as e:
                return errno.errorcode.get(e.errno, "timeout")
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.conns.append(c)
            return "ok %d" % (len(self.conns) - 1)
        c = self.conns[int(rest[0])]
        if word == "send":
            c.sendall(rest[1].encode() + b"\n")
        elif word == "recv":
            return outcome(c)
        elif word == "drain":
            c.settimeout(WAIT)
            try:
                while c.recv(65536):
                    pass
                return "eof"
            except OSError as e:
                return type(e).__name__
        elif word == "flood":
            threading.Thread(target=flood, args=(c, int(rest[1])), daemon=True).start()
        elif word == "fin":
            c.shutdown(socket.SHUT_WR)
        elif word == "close":
            c.close()
        elif word == "rst":
            c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            c.close()
        else:
            return "what?"
        return "ok"


def session(c):
    s = Session()
    with c, c.makefile("rw") as f:
        for line in f:
            try:
                answer = s.run(line.rstrip("\n"))
            except Exception as e:  # the transcript shows it
                answer = "%s" % (type(e).__name__)
            f.write(answer + "\n")
            f.flush()
    for conn in s.conns:
        conn.close()


serve(7001, echo)
serve(7002, held.append)
full = serve(7003, None, 0)
for _ in range(2):
    k = socket.socket()
    k.setblocking(False)
    k.connect_ex(("127.0.0.1", 7003))
    held.append(k)
serve(7004, pour)
control = socket.socket(socket.AF_UNIX)
control.bind(PATH)
control.listen(64)
while True:
    conn, _ = control.accept()
    threading.Thread(target=session, args=(conn,), daemon=True).start()
