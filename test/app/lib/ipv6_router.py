# SPDX-License-Identifier: BSD-3-Clause
"""A link on which only the router was configured. router PREFIX SCOPE | host PREFIX SCOPE, each for 30 s at most.

The router advertises itself and PREFIX::/64, and echoes datagrams at PREFIX::1; the host gets its address by that.
"""
import ipaddress
import select
import socket
import struct
import sys
import time

role, prefix, scope = sys.argv[1], sys.argv[2], int(sys.argv[3])
network = ipaddress.ip_network(prefix + "::/64")
until = time.monotonic() + 30


def own_link_local():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.connect(("fe80::4711", 9, 0, scope))
        return sock.getsockname()[0].split("%")[0]


def router():
    raw = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
    raw.bind((own_link_local(), 0, 0, scope))
    echo = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    echo.bind((prefix + "::1", 7))
    advert = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 600, 0, 0)
    advert += struct.pack("!BBHI", 5, 1, 0, 1400)  # MTU
    advert += struct.pack("!BBBBIII16s", 3, 4, 64, 0xC0, 600, 300, 0, network.network_address.packed)
    while time.monotonic() < until:
        raw.sendto(advert, ("ff02::1", 0, 0, scope))
        if select.select([echo], [], [], 0.3)[0]:
            data, peer = echo.recvfrom(100)
            echo.sendto(data, peer)


def host():
    own = None
    while not own and time.monotonic() < until:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect(("2001:db8:ffff::9", 9))  # by the default router
                own = ipaddress.ip_address(sock.getsockname()[0].split("%")[0])
                mtu = sock.getsockopt(socket.IPPROTO_IPV6, 24)
            except OSError:
                time.sleep(0.2)
    assert own in network, own
    assert mtu == 1400, mtu
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(1)
        while time.monotonic() < until:
            sock.sendto(b"hello", (prefix + "::1", 7))
            try:
                assert sock.recvfrom(100)[0] == b"hello"
                return
            except socket.timeout:
                pass
    raise AssertionError("no echo")


router() if role == "router" else host()
