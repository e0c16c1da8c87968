# SPDX-License-Identifier: BSD-3-Clause
"""Captures and interfaces, for test/app/tcpdump.sh.

usage: packets.py send IP PORT [COUNT]     datagrams of 1200 known bytes
       packets.py holds FILE PORT N        the capture holds N of them to that port, byte for byte, and nothing else
       packets.py names DEVICE IP          what the calls that name interfaces say of one that is sock7's alone
"""
import ctypes
import fcntl
import socket
import struct
import sys


def payload(number):
    return bytes((number + 7 * i) & 255 for i in range(1200))


def send(ip, port, count="1"):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for number in range(int(count)):
        sock.sendto(payload(number), (ip, int(port)))


def frames(path):
    data = open(path, "rb").read()
    order = {b"\xd4\xc3\xb2\xa1": "<", b"\xa1\xb2\xc3\xd4": ">"}[data[:4]]
    at = 24
    while at + 16 <= len(data):
        kept, whole = struct.unpack(order + "8xII", data[at:at + 16])
        assert kept == whole and at + 16 + kept <= len(data)
        yield data[at + 16:at + 16 + kept]
        at += 16 + kept


def holds(path, port, want):
    found = []
    for frame in frames(path):
        assert frame[12:14] == b"\x08\x00" and frame[23] == 17, frame[:40].hex()
        assert struct.unpack("!H", frame[36:38])[0] == int(port), frame[:40].hex()
        found.append(frame[42:1242])
    assert found == [payload(n) for n in range(int(want))], (len(found), want)


class Ifaddrs(ctypes.Structure):
    pass


Ifaddrs._fields_ = [("next", ctypes.POINTER(Ifaddrs)), ("name", ctypes.c_char_p), ("flags", ctypes.c_uint),
                    ("addr", ctypes.c_void_p), ("mask", ctypes.c_void_p), ("dst", ctypes.c_void_p), ("data", ctypes.c_void_p)]


def listed(device, ip):
    """getifaddrs: families that it tells of the device; its IPv4 address and mask must be there."""
    libc, head, families = ctypes.CDLL(None), ctypes.POINTER(Ifaddrs)(), set()
    assert libc.getifaddrs(ctypes.byref(head)) == 0
    entry = head
    while entry:
        item = entry.contents
        if item.name == device.encode() and item.addr:
            family = ctypes.cast(item.addr, ctypes.POINTER(ctypes.c_ushort))[0]
            families.add(family)
            if family == socket.AF_INET:
                assert ctypes.string_at(item.addr + 4, 4) == socket.inet_aton(ip)
                assert ctypes.string_at(item.mask + 4, 4) == b"\xff\xff\xff\0"
        entry = item.next
    libc.freeifaddrs(head)
    return families


def names(device, ip):
    index = socket.if_nametoindex(device)
    assert socket.if_indextoname(index) == device
    assert (index, device) in socket.if_nameindex() and (1, "lo") in socket.if_nameindex()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def ask(request):
        return fcntl.ioctl(sock, request, struct.pack("16s24x", device.encode()))[16:]

    host = socket.inet_aton(ip)
    assert struct.unpack("i", ask(0x8933)[:4])[0] == index
    assert ask(0x8915)[4:8] == host
    assert ask(0x891B)[4:8] == b"\xff\xff\xff\0"
    assert ask(0x8919)[4:8] == host[:3] + b"\xff"
    assert struct.unpack("H", ask(0x8913)[:2])[0] & 0x41 == 0x41  # up, running
    assert struct.unpack("i", ask(0x8921)[:4])[0] >= 576
    assert ask(0x8927)[:2] == b"\x01\0" and ask(0x8927)[2:8] != bytes(6)
    room = ctypes.create_string_buffer(40 * 16)
    conf = fcntl.ioctl(sock, 0x8912, struct.pack("iP", len(room), ctypes.addressof(room)))
    length = struct.unpack("i", conf[:4])[0]
    rows = [room.raw[at:at + 40] for at in range(0, length, 40)]
    assert (device, host) in [(row[:16].rstrip(b"\0").decode(), row[20:24]) for row in rows], rows
    assert {socket.AF_INET, socket.AF_PACKET} <= listed(device, ip), listed(device, ip)
    try:
        fcntl.ioctl(sock, 0x8933, struct.pack("16s24x", b"nobody0"))
        sys.exit("an interface that is not there has a number")
    except OSError as error:
        assert error.errno == 19, error


{"send": send, "holds": holds, "names": names}[sys.argv[1]](*sys.argv[2:])
