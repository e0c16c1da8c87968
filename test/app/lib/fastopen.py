# SPDX-License-Identifier: BSD-3-Clause
"""Both ends of test/app/fastopen.sh: TCP Fast Open between sock7 and a kernel.

usage: fastopen.py server PORT             answers each connection with what it said, and tells what its SYN brought
       fastopen.py client IP PORT...       a connection to each port in turn; prints "taken" or "none" for each
"""
import socket
import sys
import time

MSG_FASTOPEN, TCP_FASTOPEN, TCP_INFO = 0x20000000, 23, 11


def syn_data(sock):
    """TCPI_OPT_SYN_DATA: the SYN's bytes were taken."""
    return "taken" if sock.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 64)[5] & 32 else "none"


def server(port):
    listener = socket.create_server(("0.0.0.0", int(port)))
    listener.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 8)
    print("listening", flush=True)
    while True:
        sock = listener.accept()[0]
        sock.sendall(sock.recv(100))
        print(syn_data(sock), flush=True)
        sock.close()


def client(host, *ports):
    for port in ports:
        sock = socket.socket()
        assert sock.sendto(b"request", MSG_FASTOPEN, (host, int(port))) == 7
        assert sock.recv(100) == b"request"
        print(syn_data(sock), flush=True)
        sock.close()
        time.sleep(0.05)


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
