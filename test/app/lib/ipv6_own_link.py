# SPDX-License-Identifier: BSD-3-Clause
"""Link-local addresses of an interface that the kernel does not know; its scope id is the argument. HOST PORT SCOPE."""
import errno
import socket
import sys

host, port, scope = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def fails(want, call, *args):
    try:
        call(*args)
    except OSError as error:
        assert error.errno == want, (args, error)
    else:
        raise AssertionError(f"{args} did not fail")


# the way there is found without a packet: it shows our own address
with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
    sock.connect(("fe80::4711", 9, 0, scope))
    own = sock.getsockname()
    assert own[0].startswith("fe80:") and own[3] == scope, own
    assert sock.getpeername()[3] == scope
own = own[0].split("%")[0]

with socket.socket(socket.AF_INET6) as sock, socket.socket(socket.AF_INET6) as other:
    sock.bind((own, 0, 0, scope))
    name = sock.getsockname()
    assert name[0].split("%")[0] == own and name[1] and name[3] == scope, name
    fails(errno.EADDRINUSE, other.bind, (own, name[1], 0, scope))
    fails(errno.EADDRNOTAVAIL, other.bind, ("fe80::4711", 0, 0, scope))
with socket.socket(socket.AF_INET6) as fresh:  # a scope that was named stays with a socket
    fails(errno.EINVAL, fresh.bind, (own, 0))
    fails(errno.EINVAL, fresh.connect, ("fe80::4711", 9))
    fails(errno.ENODEV, fresh.bind, (own, 0, 0, scope + 4711))

# a global address needs none of it
with socket.socket(socket.AF_INET6) as sock:
    sock.settimeout(5)
    sock.connect((host, port))
    assert sock.getsockname()[3] == 0
