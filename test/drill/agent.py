# SPDX-License-Identifier: BSD-3-Clause
"""agent.py: makes the socket calls that drill.py asks for, one JSON line each, and answers with a line.

It is a process of its own, so that a library can be preloaded into it alone. A call that may block is made
in a thread; everything else in order. Called by: drill.py.
"""
import ctypes
import json
import os
import select
import socket
import struct
import sys
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
FAMILY = socket.AF_INET
ADDR = {}
OUT = threading.Lock()


def answer(obj):
    with OUT:
        sys.stdout.write(json.dumps(obj) + "\n")
        sys.stdout.flush()


def sockaddr(which):
    """which: [host, port] or None"""
    if which is None:
        return None, 0
    host, port = which
    if host == "unspec":
        raw = struct.pack("=H", socket.AF_UNSPEC) + bytes(14)
    elif ":" in host:
        raw = struct.pack("=H", socket.AF_INET6) + struct.pack("!HI", port, 0) + socket.inet_pton(
            socket.AF_INET6, host) + bytes(4)
    else:
        raw = struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host) + bytes(8)
    return raw, len(raw)


def result(ret):
    return (ret, ctypes.get_errno() if ret < 0 else 0, None)


def do_poll(fds, timeout):
    arr = ctypes.create_string_buffer(b"".join(struct.pack("=ihh", f, e, 0) for f, e in fds))
    ret = LIBC.poll(arr, len(fds), timeout)
    return (ret, ctypes.get_errno() if ret < 0 else 0,
            [struct.unpack_from("=ihh", arr, i * 8)[2] for i in range(len(fds))])


def do_getsockopt(fd, level, name, size):
    buf = ctypes.create_string_buffer(size)
    length = ctypes.c_uint32(size)
    ret = LIBC.getsockopt(fd, level, name, buf, ctypes.byref(length))
    return (ret, ctypes.get_errno() if ret < 0 else 0, buf.raw[:length.value].hex() if ret == 0 else None)


def do_ioctl(fd, req):
    val = ctypes.c_int(0)
    ret = LIBC.ioctl(fd, ctypes.c_ulong(req), ctypes.byref(val))
    return (ret, ctypes.get_errno() if ret < 0 else 0, val.value)


def do_recv(fd, size, flags, buffer):
    buf = ctypes.create_string_buffer(max(size, 1)) if buffer else None
    return result(LIBC.recv(fd, buf, ctypes.c_size_t(size), flags))


def out(size, buffer):
    return bytes(size) if buffer else None


class iovec(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("len", ctypes.c_size_t)]


class msghdr(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_uint32), ("iov", ctypes.POINTER(iovec)),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_int)]


def vector(sizes):
    bufs = [ctypes.create_string_buffer(max(n, 1)) for n in sizes]
    return bufs, (iovec * max(len(sizes), 1))(*[(ctypes.addressof(b), n) for b, n in zip(bufs, sizes)])


def do_sendmsg(fd, sizes, flags, to):
    bufs, iov = vector(sizes)
    raw, length = sockaddr(to)
    name = ctypes.create_string_buffer(raw, length) if raw else None
    msg = msghdr(ctypes.addressof(name) if name else None, length, iov, len(sizes), None, 0, 0)
    return result(LIBC.sendmsg(fd, ctypes.byref(msg), flags))


def do_recvmsg(fd, sizes, flags):
    """extra: msg_flags and the control messages, as [level, type, hex]"""
    bufs, iov = vector(sizes)
    control = ctypes.create_string_buffer(4096)
    msg = msghdr(None, 0, iov, len(sizes), ctypes.addressof(control), len(control), 0)
    ret = LIBC.recvmsg(fd, ctypes.byref(msg), flags)
    if ret < 0:
        return ret, ctypes.get_errno(), None
    found, at = [], 0
    while at + 16 <= msg.controllen:
        size, level, kind = struct.unpack_from("=Qii", control, at)
        found.append([level, kind, control.raw[at + 16:at + size].hex()])
        at += (size + 7) & ~7
    return ret, 0, [msg.flags, found]


def do_pipe():
    ends = (ctypes.c_int * 2)()
    return LIBC.pipe(ends), ctypes.get_errno(), list(ends)


def do_sendfile(to, fd, offset, count):
    at = ctypes.c_int64(offset)
    return result(LIBC.sendfile(to, fd, ctypes.byref(at), ctypes.c_size_t(count)))


class epoll_event(ctypes.Structure):
    _pack_ = 1
    _fields_ = [("events", ctypes.c_uint32), ("data", ctypes.c_uint64)]


def do_epoll_ctl(ep, op, fd, events):
    ev = epoll_event(events, fd)
    return result(LIBC.epoll_ctl(ep, op, fd, ctypes.byref(ev)))


def do_epoll_wait(ep, count, timeout):
    evs = (epoll_event * max(count, 1))()
    ret = LIBC.epoll_wait(ep, evs, count, timeout)
    return (ret, ctypes.get_errno() if ret < 0 else 0, [[e.events, e.data] for e in evs[:max(ret, 0)]])


CALLS = {
    "socket": lambda t, p: result(LIBC.socket(FAMILY, t, p)),
    "bind": lambda fd, a: result(LIBC.bind(fd, *sockaddr(a))),
    "listen": lambda fd, n: result(LIBC.listen(fd, n)),
    "accept": lambda fd, fl: result(LIBC.accept4(fd, None, None, fl)),
    "connect": lambda fd, a: result(LIBC.connect(fd, *sockaddr(a))),
    "close": lambda fd: result(LIBC.close(fd)),
    "shutdown": lambda fd, how: result(LIBC.shutdown(fd, how)),
    "send": lambda fd, n, fl, b: result(LIBC.send(fd, out(n, b), ctypes.c_size_t(n), fl)),
    "write": lambda fd, n, b: result(LIBC.write(fd, out(n, b), ctypes.c_size_t(n))),
    "sendto": lambda fd, n, fl, a, b: result(LIBC.sendto(fd, out(n, b), ctypes.c_size_t(n), fl, *sockaddr(a))),
    "recv": do_recv,
    "read": lambda fd, n, b: do_recv(fd, n, 0, b),
    "sendmsg": do_sendmsg,
    "recvmsg": do_recvmsg,
    "open": lambda path, fl: result(LIBC.open(path.encode(), fl)),
    "pipe": do_pipe,
    "sendfile": do_sendfile,
    "splice": lambda a, b, n, fl: result(LIBC.splice(a, None, b, None, ctypes.c_size_t(n), fl)),
    "setsockopt": lambda fd, l, o, v: result(LIBC.setsockopt(fd, l, o, bytes.fromhex(v), len(v) // 2)),
    "getsockopt": do_getsockopt,
    "fcntl": lambda fd, c, v: result(LIBC.fcntl(fd, c, v)),
    "ioctl": do_ioctl,
    "poll": do_poll,
    "epoll_create": lambda n: result(LIBC.epoll_create(n)),
    "epoll_ctl": do_epoll_ctl,
    "epoll_wait": do_epoll_wait,
}


def run(req):
    try:
        ret, err, extra = CALLS[req["call"]](*req["args"])
    except Exception as e:  # a mistake of the script, not of the stack
        ret, err, extra = -1, -1, repr(e)
    answer({"id": req["id"], "ret": ret, "errno": err, "extra": extra})


def main():
    global FAMILY
    for name in ("send", "recv", "write", "sendto", "sendmsg", "recvmsg", "sendfile", "splice"):
        getattr(LIBC, name).restype = ctypes.c_ssize_t
    LIBC.splice.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint]
    if sys.argv[1] == "6":
        FAMILY = socket.AF_INET6
    # the numbers that scripts expect begin at 3
    for line in iter(sys.stdin.readline, ""):
        req = json.loads(line)
        if req.get("blocking"):
            threading.Thread(target=run, args=(req,), daemon=True).start()
        else:
            run(req)
    os._exit(0)


main()
