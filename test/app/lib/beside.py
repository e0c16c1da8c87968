# SPDX-License-Identifier: BSD-3-Clause
"""Who meets whom at 127.0.0.1 and ::1 with loopback = stack: programs with a stack each, programs on the kernel, and
those to whom a socket is passed.

usage: beside.py         on sock7; the other programs are this file again, started by exec, with and without the library
Prints "ok - TEXT" or "not ok - TEXT: WHY" a line.
"""
import array
import os
import select
import socket
import struct
import subprocess
import sys


def udp(host):
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)


def serve(host):
    """One connection and two datagrams, each answered with twice what came; the ports go to standard output."""
    stream = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    dgram = udp(host)
    dgram.bind((host, 0))
    os.write(1, f"{stream.getsockname()[1]} {dgram.getsockname()[1]}\n".encode())
    open_ends = [stream, dgram, dgram]
    while open_ends:
        ready = select.select(open_ends, [], [], 20)[0]
        assert ready, "nobody came"
        if stream in ready:
            conn = stream.accept()[0]
            conn.sendall(conn.recv(100) * 2)
            conn.close()
            open_ends.remove(stream)
        if dgram in ready:
            data, peer = dgram.recvfrom(100)
            dgram.sendto(data * 2, peer)
            open_ends.remove(dgram)


def ask(host, stream_port, dgram_port):
    with socket.create_connection((host, stream_port), 20) as conn:
        conn.sendall(b"stream")
        assert conn.recv(100) == b"streamstream"
    with udp(host) as dgram:
        dgram.settimeout(20)
        dgram.sendto(b"dgram", (host, dgram_port))
        data, peer = dgram.recvfrom(100)
        assert data == b"dgramdgram" and peer[:2] == (host, dgram_port), (data, peer)
    with udp(host) as dgram:  # connected: the kernel's half hears that server alone
        dgram.settimeout(20)
        dgram.connect((host, dgram_port))
        dgram.send(b"again")
        assert dgram.recv(100) == b"againagain"


def start(preloaded, *args):
    env = dict(os.environ)
    if not preloaded:
        del env["LD_PRELOAD"]
    return subprocess.Popen([sys.executable, __file__, *args], env=env, stdout=subprocess.PIPE, text=True)


def other_serves(preloaded, host):
    with start(preloaded, "serve", host) as child:
        ask(host, *map(int, child.stdout.readline().split()))
        assert child.wait(20) == 0


def other_asks(preloaded, host):
    read_end, write_end = os.pipe()
    pid = os.fork()
    if not pid:
        os.dup2(write_end, 1)
        serve(host)
        os._exit(0)
    os.close(write_end)
    ports = os.read(read_end, 100).decode().split()
    with start(preloaded, "ask", host, *ports) as child:
        assert child.wait(20) == 0
    assert os.waitpid(pid, 0)[1] == 0


def passed():
    """A listener and a bound datagram socket go over a UNIX socket to a program of its own."""
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    os.set_inheritable(theirs.fileno(), True)
    stream = socket.create_server(("127.0.0.1", 0))
    dgram = udp("127.0.0.1")
    dgram.bind(("127.0.0.1", 0))
    child = subprocess.Popen([sys.executable, __file__, "take", str(theirs.fileno())], close_fds=False)
    fds = array.array("i", [stream.fileno(), dgram.fileno()])
    ours.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    ask("127.0.0.1", stream.getsockname()[1], dgram.getsockname()[1])
    assert child.wait(20) == 0


def take(fd):
    fds = array.array("i")
    control = socket.socket(fileno=fd).recvmsg(1, socket.CMSG_SPACE(2 * fds.itemsize))[1]
    fds.frombytes(control[0][2])
    stream, dgram = (socket.socket(fileno=fd) for fd in fds)
    conn = stream.accept()[0]
    conn.sendall(conn.recv(100) * 2)
    for _ in range(2):
        data, peer = dgram.recvfrom(100)
        dgram.sendto(data * 2, peer)


def address_of_lo():
    """10.98.0.1/24 was given to the kernel's lo: sock7's has the whole network too, also for a frame put on it."""
    dgram = udp("10.98.0.1")
    dgram.bind(("", 0))
    dgram.settimeout(20)
    ask_data = struct.pack("!HHHH", 9, dgram.getsockname()[1], 8 + 2, 0) + b"hi"
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(ask_data), 7, 0, 8, 17, 0,
                         socket.inet_aton("10.98.0.2"), socket.inet_aton("10.98.0.1"))
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", 0xFFFF & ~((total & 0xFFFF) + (total >> 16))) + header[12:]
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM) as link:
        link.sendto(header + ask_data, ("lo", 0x0800, 0, 0, bytes(6)))
    assert dgram.recvfrom(100) == (b"hi", ("10.98.0.2", 9))
    with socket.create_server(("10.98.0.7", 0)) as server:
        with socket.create_connection(server.getsockname(), 20) as conn:
            assert conn.getpeername()[0] == "10.98.0.7"


def nobody():
    """A port where neither a socket of the stack nor of the kernel is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    try:
        socket.create_connection(("127.0.0.1", port), 5)
        raise AssertionError("connected")
    except ConnectionRefusedError:
        pass


def main():
    cases = [("an address that lo was given", address_of_lo), ("nobody is refused", nobody),
             ("a listener and a datagram socket are passed on", passed)]
    for host in "127.0.0.1", "::1":
        for preloaded, who in (True, "another sock7"), (False, "the kernel"):
            cases.append((f"{host}: {who} serves", lambda p=preloaded, h=host: other_serves(p, h)))
            cases.append((f"{host}: {who} asks", lambda p=preloaded, h=host: other_asks(p, h)))
    for text, case in cases:
        try:
            case()
            print(f"ok - {text}", flush=True)
        except Exception as error:  # pylint: disable=broad-except
            print(f"not ok - {text}: {error!r}", flush=True)


if len(sys.argv) == 1:
    main()
elif sys.argv[1] == "serve":
    serve(sys.argv[2])
elif sys.argv[1] == "ask":
    ask(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    take(int(sys.argv[2]))
