# SPDX-License-Identifier: BSD-3-Clause
"""A DHCP server for one lease, and a client as small ones are: a packet socket with a filter.

usage: dhcp.py serve SERVER_IP DEVICE LEASE     until told to end
       dhcp.py ask DEVICE                       prints the lease
"""
import ctypes
import fcntl
import os
import select
import socket
import struct
import sys
import time

MAGIC = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def options(data):
    found, at = {}, 0
    while at < len(data) and data[at] != 255:
        if data[at] == 0:
            at += 1
            continue
        found[data[at]] = data[at + 2:at + 2 + data[at + 1]]
        at += 2 + data[at + 1]
    return found


def message(op, xid, mac, kind, yours="0.0.0.0", more=b""):
    head = struct.pack("!BBBB4sHH4s4s4s4s16s64s128s", op, 1, 6, 0, xid, 0, 0x8000, bytes(4), socket.inet_aton(yours),
                       bytes(4), bytes(4), mac, b"", b"")
    return head + MAGIC + bytes([53, 1, kind]) + more + b"\xff" + bytes(60)


def serve(ip, device, lease):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    sock.bind(("", 67))
    print("ready", flush=True)
    end = time.time() + 60
    while time.time() < end:
        if not select.select([sock], [], [], 1)[0]:
            continue
        data = sock.recv(2000)
        kind = options(data[240:]).get(53, b"\0")[0]
        if data[0] != 1 or kind not in (DISCOVER, REQUEST):
            continue
        more = b"".join(bytes([code, len(value)]) + value for code, value in (
            (54, socket.inet_aton(ip)), (51, struct.pack("!I", 600)), (1, b"\xff\xff\xff\0")))
        answer = message(2, data[4:8], data[28:44], OFFER if kind == DISCOVER else ACK, lease, more)
        sock.sendto(answer, ("255.255.255.255", 68))


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return 0xffff - total


def datagram(payload):
    """From nobody's address to all: what no other socket can send."""
    udp = struct.pack("!HHHH", 68, 67, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, bytes(4), b"\xff" * 4)
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + udp


def attach(sock):
    """UDP that is no later fragment, to port 68."""
    program = [(0x30, 0, 0, 9), (0x15, 0, 6, 17), (0x28, 0, 0, 6), (0x45, 4, 0, 0x1fff), (0xb1, 0, 0, 0),
               (0x48, 0, 0, 2), (0x15, 0, 1, 68), (0x06, 0, 0, 0xffff), (0x06, 0, 0, 0)]
    code = b"".join(struct.pack("HBBI", *insn) for insn in program)
    memory = ctypes.create_string_buffer(code)
    sock.setsockopt(socket.SOL_SOCKET, 26, struct.pack("HxxxxxxP", len(program), ctypes.addressof(memory)))


def ask(device):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
    attach(sock)
    sock.bind((device, 0x0800))
    mac = fcntl.ioctl(sock, 0x8927, struct.pack("16s16x", device.encode()))[18:24]
    noise = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # other datagrams on the link
    noise.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    xid, kind, more = os.urandom(4), DISCOVER, b""
    for _ in range(20):
        sock.sendto(datagram(message(1, xid, mac, kind, more=more)), (device, 0x0800, 0, 0, b"\xff" * 6))
        while select.select([sock], [], [], 0.5)[0]:
            data = sock.recv(2000)
            assert struct.unpack("!H", data[22:24])[0] == 68, "the filter lets others through"
            reply = data[28:]
            if reply[4:8] != xid:
                continue
            said = options(reply[240:])
            lease = socket.inet_ntoa(reply[16:20])
            if said[53][0] == ACK:
                print("lease", lease)
                return
            kind, more = REQUEST, bytes([50, 4]) + reply[16:20] + bytes([54, 4]) + said[54]
            break
    sys.exit("no lease")


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
