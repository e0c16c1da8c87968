# SPDX-License-Identifier: BSD-3-Clause
"""Connections and datagrams to a kernel server: names with scopes, both families, errors. HOST LINK_LOCAL DEVICE."""
import errno
import socket
import sys

host, link_local, device = sys.argv[1:]
index = socket.if_nametoindex(device)


def connected(kind, address):
    sock = socket.socket(socket.AF_INET6, kind)
    sock.settimeout(5)
    sock.connect(address)
    return sock


def refused(want, address, kind=socket.SOCK_STREAM):
    try:
        connected(kind, address)
    except OSError as error:
        assert error.errno == want, (address, error)
    else:
        raise AssertionError(f"{address} was not refused")


# global: no scope on either side
with connected(socket.SOCK_STREAM, (host, 80)) as sock:
    assert sock.getpeername() == (host, 80, 0, 0), sock.getpeername()
    assert sock.getsockname()[0].startswith("fd77:") and sock.getsockname()[3] == 0, sock.getsockname()
    sock.sendall(b"GET /hello HTTP/1.0\r\n\r\n")
    assert sock.makefile("rb").read().endswith(b"hello\n")

# link-local: the scope is named once and shown on both sides; SO_BINDTODEVICE follows it
with connected(socket.SOCK_STREAM, (link_local, 80, 0, index)) as sock:
    assert sock.getpeername()[3] == index and sock.getpeername()[0].split("%")[0] == link_local, sock.getpeername()
    assert sock.getsockname()[3] == index and sock.getsockname()[0].startswith("fe80:"), sock.getsockname()
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == device.encode()

# without a scope a link-local address means nothing; one of another link is no way to here
refused(errno.EINVAL, (link_local, 80))
refused(errno.EINVAL, (link_local, 80), socket.SOCK_DGRAM)
refused(errno.ECONNREFUSED, (host, 81))
refused(errno.ENETUNREACH, ("2001:db8::1", 80))
refused(errno.EHOSTUNREACH, ("fd77::4711", 80))

# a bound scope must be the connection's
with socket.socket(socket.AF_INET6) as sock:
    own = next(a[4][0] for a in socket.getaddrinfo(link_local, 0))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
    try:
        sock.connect((link_local, 80, 0, index + 1000))
    except OSError as error:
        assert error.errno == errno.EINVAL, error

# an error of ICMPv6 reaches a connected datagram socket
with connected(socket.SOCK_DGRAM, (host, 9)) as sock:
    sock.send(b"x")
    try:
        sock.recv(1)
    except OSError as error:
        assert error.errno == errno.ECONNREFUSED, error

# a v4-mapped address by the same socket
with connected(socket.SOCK_STREAM, ("::ffff:10.77.0.1", 80)) as sock:
    assert sock.getpeername()[0] == "::ffff:10.77.0.1", sock.getpeername()
    assert sock.getsockname()[0] == "::ffff:10.77.0.2", sock.getsockname()
with socket.socket(socket.AF_INET6) as sock:
    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        sock.connect(("::ffff:10.77.0.1", 80))
    except OSError as error:
        assert error.errno == errno.ENETUNREACH, error
    else:
        raise AssertionError("v6only, and yet connected")
