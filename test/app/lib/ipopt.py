# SPDX-License-Identifier: BSD-3-Clause
# IPv4 options between two hosts. ipopt.py serve | ask ADDRESS
# The server tells for each datagram and connection the options it came with; the client checks that both hosts
# recorded themselves and that nothing is lost, in one packet or in fragments, small or large.
import socket
import sys

PORT = 7171
ROUTE = bytes([7, 15, 4] + [0] * 12) + bytes([148, 4, 0, 0])


def options_of(ancillary):
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == socket.IP_RECVOPTS:
            return data
    return b""


def serve():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.IPPROTO_IP, socket.IP_RECVOPTS, 1)
    udp.bind(("0.0.0.0", PORT))
    tcp = socket.socket()
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    tcp.bind(("0.0.0.0", PORT))
    tcp.listen(4)
    print("ready", flush=True)
    for _ in range(3):
        data, ancillary, _, peer = udp.recvmsg(65536, 512)
        udp.sendto(options_of(ancillary) + b"|%d" % len(data), peer)
    conn, _ = tcp.accept()
    got = 0
    while got < 300000:
        got += len(conn.recv(65536))
    conn.sendall(conn.getsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, 60) + b"|%d" % got)
    conn.close()


def hosts(options):
    return [socket.inet_ntoa(options[i:i + 4]) for i in range(3, options[2] - 1, 4)]


def ask(address):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.settimeout(10)
    udp.connect((address, PORT))
    me = udp.getsockname()[0]
    for length, options in ((5, ROUTE), (4000, ROUTE), (6, b"")):
        udp.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, options)
        udp.send(b"x" * length)
        told, count = udp.recv(100).rsplit(b"|", 1)
        assert int(count) == length, count
        assert not options or hosts(told) == [me, address], told
        assert bool(options) == bool(told), told
    tcp = socket.socket()
    tcp.settimeout(10)
    tcp.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, ROUTE)
    tcp.connect((address, PORT))
    tcp.sendall(b"y" * 300000)
    answer = b""
    while True:
        part = tcp.recv(100)
        if not part:
            break
        answer += part
    told, count = answer.rsplit(b"|", 1)
    assert int(count) == 300000, count
    assert hosts(told)[:2] == [me, address], told


serve() if sys.argv[1] == "serve" else ask(sys.argv[2])
