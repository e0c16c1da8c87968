# SPDX-License-Identifier: BSD-3-Clause
"""Programs behind classic filters: filters.py serve IP, filters.py ask IP."""
import os
import select
import socket
import struct
import sys
import time

SO_ATTACH_REUSEPORT_CBPF = 51
ECHO, WORKERS, STREAM, FORBIDDEN = 5300, 5301, 5302, 5999
LDB, LDH, LDW, JEQ, RET, RET_A, SUB, ADD, TAX = 0x30, 0x28, 0x20, 0x15, 0x06, 0x16, 0x14, 0x04, 0x07


def attach(sock, program, option=socket.SO_ATTACH_FILTER if hasattr(socket, "SO_ATTACH_FILTER") else 26):
    code = b"".join(struct.pack("HBBI", *insn) for insn in program)
    buf = memoryview(bytearray(code))
    import ctypes
    memory = (ctypes.c_char * len(code)).from_buffer(buf)
    sock.setsockopt(socket.SOL_SOCKET, option, struct.pack("HxxxxxxP", len(program), ctypes.addressof(memory)))


def forty():
    """Keeps datagrams that begin with "good", after many sums over them that decide nothing."""
    program = []
    for at in range(8, 20):
        program += [(LDB, 0, 0, at), (ADD, 0, 0, at), (TAX, 0, 0, 0)]
    program += [(LDW, 0, 0, 8), (JEQ, 0, 1, int.from_bytes(b"good", "big")), (RET, 0, 0, 0xFFFF), (RET, 0, 0, 0)]
    assert len(program) == 40
    return program


def workers(ip):
    """Sockets of one group, each then the business of a process of its own."""
    group = []
    for _ in range(4):
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((ip, WORKERS))
        group.append(sock)
    attach(group[1], [(LDB, 0, 0, 0), (SUB, 0, 0, ord("0")), (RET_A, 0, 0, 0)], SO_ATTACH_REUSEPORT_CBPF)
    for number, sock in enumerate(group):
        if os.fork() == 0:
            while True:
                data, who = sock.recvfrom(100)
                sock.sendto(data + b" %d" % number, who)


def serve(ip):
    workers(ip)
    echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    attach(echo, forty())
    echo.bind((ip, ECHO))
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    attach(stream, [(LDH, 0, 0, 0), (JEQ, 0, 1, FORBIDDEN), (RET, 0, 0, 0), (RET, 0, 0, 0xFFFFF)])
    stream.bind((ip, STREAM))
    stream.listen(5)
    print("ready", flush=True)
    while True:
        for sock in select.select([echo, stream], [], [])[0]:
            if sock is echo:
                data, who = echo.recvfrom(2000)
                echo.sendto(data, who)
            elif os.fork() == 0:
                conn, _ = stream.accept()
                while data := conn.recv(65536):
                    conn.sendall(data)
                os._exit(0)
            else:
                time.sleep(0.2)


def udp(ip, port, data, tries=1):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.5)
    for _ in range(tries):
        sock.sendto(data, (ip, port))
        try:
            return sock.recv(2000)
        except TimeoutError:
            pass
    return None


def ask(ip):
    said = {
        "kept": udp(ip, ECHO, b"good morning, filter", 3) == b"good morning, filter",
        "dropped": udp(ip, ECHO, b"evil morning, filter") is None,
        "short": udp(ip, ECHO, b"good") is None,  # a load beyond its end
        "steered": all(udp(ip, WORKERS, b"%d" % n, 3) == b"%d %d" % (n, n) for n in (0, 1, 2, 3, 2, 0)),
        "hashed": udp(ip, WORKERS, b"9", 3) is not None,
    }
    conn = socket.create_connection((ip, STREAM), 5)
    data = bytes(range(256)) * 400
    conn.sendall(data)
    back = b""
    while len(back) < len(data) and (more := conn.recv(65536)):
        back += more
    said["stream"] = back == data
    bad = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bad.bind(("", FORBIDDEN))
    bad.settimeout(1.5)
    try:
        bad.connect((ip, STREAM))
        said["forbidden"] = False
    except TimeoutError:
        said["forbidden"] = True
    for name, good in said.items():
        print(name if good else f"not {name}", flush=True)


{"serve": serve, "ask": ask}[sys.argv[1]](sys.argv[2])
