# SPDX-License-Identifier: BSD-3-Clause
"""A name server for one test: dns.py ADDRESS. Answers A questions over UDP and TCP; what begins with "big" is cut over UDP,
so that it is asked again over TCP. Says "udp NAME" and "tcp NAME" for each."""
import socket
import struct
import sys
import threading


def name_of(query):
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    return ".".join(labels), at + 5


def answer(query, by_tcp):
    name, end = name_of(query)
    kind = struct.unpack("!H", query[end - 4:end - 2])[0]
    count = 40 if name.startswith("big") else 1
    cut = count > 1 and not by_tcp
    print("tcp" if by_tcp else "udp", name, flush=True)
    if kind != 1:
        count = 0
    body = b"".join(b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + bytes([10, 20, 30, i + 1])
                    for i in range(0 if cut else count))
    head = query[:2] + struct.pack("!HHHHH", 0x8780 if cut else 0x8580, 1, 0 if cut else count, 0, 0)
    return head + query[12:end] + body


def tcp_one(conn):
    with conn, conn.makefile("rb") as stream:
        while head := stream.read(2):
            reply = answer(stream.read(struct.unpack("!H", head)[0]), True)
            conn.sendall(struct.pack("!H", len(reply)) + reply)


def tcp_serve(listener):
    while True:
        threading.Thread(target=tcp_one, args=(listener.accept()[0],), daemon=True).start()


def main():
    listener = socket.create_server((sys.argv[1], 53))
    threading.Thread(target=tcp_serve, args=(listener,), daemon=True).start()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((sys.argv[1], 53))
        print("ready", flush=True)
        while True:
            query, peer = udp.recvfrom(4096)
            udp.sendto(answer(query, False), peer)


main()
