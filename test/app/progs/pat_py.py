#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""Servers as people write them in python; transcripts must be equal on kernel sockets and on sock7."""
import http.server
import os
import select
import signal
import socket
import socketserver
import subprocess
import sys
import threading

PORT = 7100


class Peer:
    def __init__(self):
        s = socket.socket(socket.AF_UNIX)
        s.connect(os.environ["S7_PEER"])
        self.file = s.makefile("rw")

    def __call__(self, line):
        self.file.write(line + "\n")
        self.file.flush()
        return self.file.readline().rstrip("\n")


class Upper(socketserver.StreamRequestHandler):
    def handle(self):
        self.wfile.write(self.rfile.readline().upper())


def serve_and_ask(kind, rounds, count):
    kind.allow_reuse_address = True
    kind.request_queue_size = 128
    with kind(("", PORT), Upper) as server:
        pid = os.fork()
        if pid == 0:
            peer = Peer()
            for _ in range(rounds):
                print(peer("many %d %d" % (PORT, count)), flush=True)
            os._exit(0)
        asking = threading.Thread(target=lambda: (os.waitpid(pid, 0), server.shutdown()))
        asking.start()
        server.serve_forever(poll_interval=0.1)
        asking.join()


def forking():
    serve_and_ask(socketserver.ForkingTCPServer, 5, 10)


def threading_():
    serve_and_ask(socketserver.ThreadingTCPServer, 5, 20)


def listener():
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("", PORT))
    s.listen(128)
    return s


def prefork():
    s = listener()
    pids = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            while True:
                c, _ = s.accept()
                c.sendall(c.recv(100))
                c.close()
        pids.append(pid)
    peer = Peer()
    for _ in range(5):
        print(peer("many %d 30" % PORT))
    for p in pids:
        os.kill(p, signal.SIGTERM)
        print(os.waitpid(p, 0)[1])


def accepted(s, peer):
    peer("conn %d" % PORT)
    return s.accept()[0]


def commands():
    s, peer = listener(), Peer()
    c = accepted(s, peer)
    print(subprocess.run(["echo", "a command"], capture_output=True, text=True).stdout, end="")
    print(os.system("exit 2"))
    peer("send 0 hello")
    print(c.recv(100))
    c.sendall(b"back\n")
    print(peer("recv 0"))


def select_mixed():
    s, peer = listener(), Peer()
    c = accepted(s, peer)
    r, w = os.pipe()
    print(select.select([c, r, s], [], [], 0.1))
    os.write(w, b"x")
    print(select.select([c, r, s], [], [], 2)[0] == [r])
    os.read(r, 1)
    peer("send 0 x")
    print(select.select([c, r, s], [], [], 2)[0] == [c])
    c.recv(10)
    peer("conn %d" % PORT)
    print(select.select([c, r, s], [], [], 2)[0] == [s])
    print(select.select([], [c], [], 2)[1] == [c])


def makefile_and_timeout():
    s, peer = listener(), Peer()
    c = accepted(s, peer)
    f = c.makefile("rw")
    peer("send 0 a line")
    print(f.readline())
    f.write("answer\n")
    f.flush()
    print(peer("recv 0"))
    c.settimeout(0.2)
    try:
        c.recv(1)
    except socket.timeout:
        print("timeout")
    d = c.dup()
    c.close()
    f.close()
    d.sendall(b"by the copy\n")
    print(peer("recv 0"))
    d.close()
    print(peer("recv 0"))


def pass_fd():
    """SCM_RIGHTS over a UNIX socket to a child."""
    s, peer = listener(), Peer()
    a, b = socket.socketpair(socket.AF_UNIX)
    pid = os.fork()
    if pid == 0:
        s.close()
        _, fds, _, _ = socket.recv_fds(b, 10, 1)
        c = socket.socket(fileno=fds[0])
        c.sendall(b"through a passed descriptor\n")
        os._exit(0)
    c = accepted(s, peer)
    socket.send_fds(a, [b"x"], [c.fileno()])
    os.waitpid(pid, 0)
    c.close()
    print(peer("recv 0"))


def inetd():
    """The connection as an exec'd program's standard input and output."""
    s, peer = listener(), Peer()
    c = accepted(s, peer)
    p = subprocess.Popen(["/bin/cat"], stdin=c, stdout=c)
    c.close()
    peer("send 0 echoed by cat")
    print(peer("recv 0"))
    peer("fin 0")
    print(p.wait(10), peer("recv 0"))


SCENARIOS = {f.__name__: f for f in (forking, threading_, prefork, commands, select_mixed, makefile_and_timeout, pass_fd, inetd)}

if __name__ == "__main__":
    if len(sys.argv) < 2:
        print("\n".join(SCENARIOS))
    else:
        SCENARIOS[sys.argv[1]]()
