# SPDX-License-Identifier: BSD-3-Clause
"""The two ends of test/app/datagrams.sh: what options of datagram sockets do on the wire.

usage: datagrams.py us OUR_IP PEER_IP     on sock7: prints a line for each thing that holds
       datagrams.py peer PEER_IP OUR_IP   on the kernel
"""
import select
import socket
import struct
import sys

GROUP, BACK = "239.5.5.5", "239.5.5.6"
PORT, BACK_PORT, DEAD = 7777, 7778, 9
IP_RECVERR, IP_RECVORIGDSTADDR, UDP_SEGMENT, SO_TIMESTAMPING = 11, 20, 103, 37
IPV6_RECVERR = 25
OWN6, PEER6 = "fd77::1", "fd77::2"
STAMP_TX, STAMP, STAMP_ID, STAMP_ONLY = 2, 16, 128, 2048
inet = socket.inet_aton


def join(sock, group, at):
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, inet(group) + inet(at))


def error(sock):
    """The oldest entry of the error queue: payload, sock_extended_err, offender, name."""
    data, control, _, name = sock.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
    told = [c for level, kind, c in control if (level, kind) == (0, IP_RECVERR)][0]
    return data, struct.unpack("IBBBBII", told[:16]), socket.inet_ntoa(told[20:24]), name


def wait_error(sock):
    poll = select.poll()
    poll.register(sock, 0)
    assert poll.poll(5000), "no error came"


def us(own, peer):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("0.0.0.0", PORT))
    s.settimeout(10)
    join(s, GROUP, own)
    s.setsockopt(socket.IPPROTO_IP, 8, 1)  # IP_PKTINFO
    s.setsockopt(socket.IPPROTO_IP, IP_RECVORIGDSTADDR, 1)
    print("joined", flush=True)
    data, control, _, name = s.recvmsg(2000, 256)
    found = {kind: c for level, kind, c in control if level == 0}
    assert data == b"to the group" and name[0] == peer, (data, name)
    assert found[8][4:] == inet(own) + inet(GROUP), found
    assert found[IP_RECVORIGDSTADDR][2:8] == struct.pack("!H", PORT) + inet(GROUP), found
    print("heard", flush=True)

    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, inet(own))
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 1000)
    assert s.sendto(b"x" * 2500, (BACK, BACK_PORT)) == 2500
    s.setsockopt(socket.IPPROTO_UDP, UDP_SEGMENT, 0)

    s.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
    s.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPING, STAMP_TX | STAMP | STAMP_ID | STAMP_ONLY)
    s.sendto(b"dead letter", (peer, DEAD))
    wait_error(s)
    data, told, _, _ = error(s)
    assert data == b"" and told[1] == 4 and told[6] == 0, told  # a time stamp, number 0
    print("stamped", flush=True)
    wait_error(s)
    data, told, offender, name = error(s)
    assert data == b"dead letter" and told[:4] == (111, 2, 3, 3), (data, told)
    assert offender == peer and name == (peer, DEAD), (offender, name)
    print("refused", flush=True)
    refused6()


def refused6():
    """The same over IPv6; and without the option nothing is queued."""
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    s.bind((OWN6, 0))
    s.sendto(b"not asked for", (PEER6, DEAD))
    assert not select.select([], [], [s], 0.3)[2]
    s.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVERR, 1)
    s.sendto(b"dead letter", (PEER6, DEAD))
    wait_error(s)
    data, control, _, name = s.recvmsg(2000, 512, socket.MSG_ERRQUEUE)
    told = [c for level, kind, c in control if (level, kind) == (41, IPV6_RECVERR)][0]
    assert data == b"dead letter" and name[:2] == (PEER6, DEAD), (data, name)
    assert struct.unpack("IBBB", told[:7]) == (111, 3, 1, 4), told
    assert socket.inet_ntop(socket.AF_INET6, told[24:40]) == PEER6, told
    print("refused6", flush=True)


def far(own, peer):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, inet(own))
    r = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    r.bind(("0.0.0.0", BACK_PORT))
    r.settimeout(10)
    join(r, BACK, own)
    s.sendto(b"to the group", (GROUP, PORT))
    sizes = [len(r.recv(4000)) for _ in range(3)]
    assert sizes == [1000, 1000, 500], sizes
    print("cut", flush=True)


{"us": us, "peer": far}[sys.argv[1]](*sys.argv[2:4])
