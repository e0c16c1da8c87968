# SPDX-License-Identifier: BSD-3-Clause
"""What Python programs do with 127.0.0.1 or ::1 (first argument), both ends in one process or in forks of one. Prints ok -
and not ok - lines."""
import asyncio
import concurrent.futures
import errno
import hashlib
import os
import select
import selectors
import signal
import socket
import socketserver
import sys
import threading
import time
import xmlrpc.client
import xmlrpc.server
import http.client
import http.server

HOST = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1"
FAMILY = socket.AF_INET6 if ":" in HOST else socket.AF_INET
URL_HOST = f"[{HOST}]" if ":" in HOST else HOST
MOST = 65527 if ":" in HOST else 65507  # bytes of a datagram
NOT_HERE = "2001:db8::77" if ":" in HOST else "192.0.2.77"
for kind in (socketserver.TCPServer, socketserver.UDPServer):
    kind.address_family = FAMILY
BLOB = os.urandom(3_000_000)
TESTS = []


def test(function):
    TESTS.append(function)
    return function


def read_exactly(sock, size):
    parts = []
    while size:
        part = sock.recv(min(size, 65536))
        assert part, "closed early"
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class EchoServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256


def echo_server():
    server = EchoServer((HOST, 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


@test
def tcp_echo_threads():
    """20 clients against a thread per connection, 3 MB each"""
    server = echo_server()

    def client(_):
        with socket.create_connection(server.server_address[:2], 20) as sock:
            sender = threading.Thread(target=sock.sendall, args=(BLOB,))
            sender.start()
            got = read_exactly(sock, len(BLOB))
            sender.join()
        return hashlib.sha1(got).digest() == hashlib.sha1(BLOB).digest()

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(pool.map(client, range(20)))
    server.shutdown()
    server.server_close()


@test
def many_connections():
    """2000 connections one after another, 300 at once"""
    server = echo_server()
    for i in range(2000):
        with socket.create_connection(server.server_address[:2], 10) as sock:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
    socks = [socket.create_connection(server.server_address[:2], 10) for _ in range(300)]
    for i, sock in enumerate(socks):
        sock.sendall(b"%04d" % i)
    for i, sock in enumerate(socks):
        assert read_exactly(sock, 4) == b"%04d" % i
        sock.close()
    server.shutdown()
    server.server_close()


@test
def asyncio_echo():
    """asyncio: 200 streams of 100 KB"""
    async def serve(reader, writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def client(port, n):
        reader, writer = await asyncio.open_connection(HOST, port)
        blob = BLOB[n * 100:n * 100 + 100_000]
        writer.write(blob)
        writer.write_eof()
        got = await reader.read(-1)
        writer.close()
        await writer.wait_closed()
        return got == blob

    async def main():
        server = await asyncio.start_server(serve, HOST, 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            assert all(await asyncio.gather(*(client(port, n) for n in range(200))))

    asyncio.run(asyncio.wait_for(main(), 60))


@test
def udp_exchange():
    """UDP: 2000 datagrams of all sizes there and back, 60 KB among them, and a connected pair"""
    a = socket.socket(FAMILY, socket.SOCK_DGRAM)
    b = socket.socket(FAMILY, socket.SOCK_DGRAM)
    a.bind((HOST, 0))
    b.bind((HOST, 0))
    for sock in a, b:
        sock.settimeout(5)
    for size in list(range(0, 2000)) + [8000, 20000, 60000, MOST]:
        assert a.sendto(BLOB[:size], b.getsockname()) == size
        data, peer = b.recvfrom(65536)
        assert data == BLOB[:size] and peer == a.getsockname()
        b.sendto(data[:10], peer)
        assert a.recv(100) == BLOB[:min(size, 10)]
    try:
        a.sendto(BLOB[:MOST + 1], b.getsockname())
        raise AssertionError(f"{MOST + 1} bytes were sent")
    except OSError as error:
        assert error.errno == errno.EMSGSIZE, error
    a.connect(b.getsockname())
    b.connect(a.getsockname())
    a.send(b"there")
    assert b.recv(100) == b"there"
    b.close()
    a.send(b"nobody")
    try:
        a.recv(100)
        raise AssertionError("no ECONNREFUSED")
    except ConnectionRefusedError:
        pass


@test
def udp_threads():
    """UDP: a server thread and 8 client threads"""
    server = socketserver.ThreadingUDPServer((HOST, 0), type(
        "Up", (socketserver.BaseRequestHandler,),
        {"handle": lambda self: self.request[1].sendto(self.request[0].upper(), self.client_address)}))
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def client(n):
        with socket.socket(FAMILY, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            for i in range(200):
                sock.sendto(b"c%d-%d" % (n, i), server.server_address)
                assert sock.recv(100) == b"C%d-%d" % (n, i)
        return True

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(pool.map(client, range(8)))
    server.shutdown()
    server.server_close()


def with_selector(kind):
    """An echo server of one thread over this selector, 50 clients, 200 KB each."""
    selector = kind()
    listener = socket.create_server((HOST, 0), family=FAMILY, backlog=100)
    listener.setblocking(False)
    selector.register(listener, selectors.EVENT_READ)
    stop_r, stop_w = os.pipe()
    selector.register(stop_r, selectors.EVENT_READ)
    pending = {}

    def turn(key, mask):
        sock = key.fileobj
        if sock is listener:
            conn, _ = listener.accept()
            conn.setblocking(False)
            pending[conn] = bytearray()
            selector.register(conn, selectors.EVENT_READ)
            return
        if mask & selectors.EVENT_READ:
            data = sock.recv(65536)
            if not data and not pending[sock]:
                selector.unregister(sock)
                sock.close()
                return
            pending[sock] += data
        if pending[sock]:
            try:
                del pending[sock][:sock.send(pending[sock])]
            except BlockingIOError:
                pass
        want = selectors.EVENT_READ | (selectors.EVENT_WRITE if pending[sock] else 0)
        selector.modify(sock, want)

    def serve():
        while True:
            for key, mask in selector.select():
                if key.fileobj == stop_r:
                    return
                turn(key, mask)

    thread = threading.Thread(target=serve)
    thread.start()

    def client(n):
        blob = BLOB[n:n + 200_000]
        with socket.create_connection(listener.getsockname()[:2], 20) as sock:
            sender = threading.Thread(target=sock.sendall, args=(blob,))
            sender.start()
            got = read_exactly(sock, len(blob))
            sender.join()
        return got == blob

    with concurrent.futures.ThreadPoolExecutor(50) as pool:
        assert all(pool.map(client, range(50)))
    os.write(stop_w, b"x")
    thread.join(10)
    assert not thread.is_alive()


@test
def by_select():
    """select(): one thread serves 50 clients and watches a pipe"""
    with_selector(selectors.SelectSelector)


@test
def by_poll():
    """poll(): the same"""
    with_selector(selectors.PollSelector)


@test
def by_epoll():
    """epoll: the same"""
    with_selector(selectors.EpollSelector)


@test
def epoll_edges():
    """epoll: edge-triggered and one-shot events, hang-up, timeouts"""
    listener = socket.create_server((HOST, 0), family=FAMILY)
    a = socket.create_connection(listener.getsockname()[:2])
    b, _ = listener.accept()
    ep = select.epoll()
    ep.register(b, select.EPOLLIN | select.EPOLLET)
    assert ep.poll(0.05) == []
    a.send(b"1")
    assert ep.poll(2) == [(b.fileno(), select.EPOLLIN)]
    assert ep.poll(0.05) == []
    a.send(b"2")
    assert ep.poll(2) == [(b.fileno(), select.EPOLLIN)]
    ep.modify(b, select.EPOLLIN | select.EPOLLONESHOT)
    assert ep.poll(2) == [(b.fileno(), select.EPOLLIN)]
    a.send(b"3")
    assert ep.poll(0.05) == []
    ep.modify(b, select.EPOLLIN | select.EPOLLRDHUP)
    a.shutdown(socket.SHUT_WR)
    assert ep.poll(2)[0][1] & select.EPOLLRDHUP
    begin = time.monotonic()
    ep.unregister(b)
    assert ep.poll(0.2) == [] and 0.15 < time.monotonic() - begin < 2


@test
def refused():
    """connect to nobody: ECONNREFUSED; bind twice: EADDRINUSE; not our address: EADDRNOTAVAIL"""
    listener = socket.create_server((HOST, 0), family=FAMILY)
    port = listener.getsockname()[1]
    for address, want in ((HOST, errno.EADDRINUSE), (NOT_HERE, errno.EADDRNOTAVAIL)):
        try:
            socket.create_server((address, port), family=FAMILY)
            raise AssertionError(f"{address} was bound")
        except OSError as error:
            assert error.errno == want, error
    listener.close()
    try:
        socket.create_connection((HOST, port), 5)
        raise AssertionError("connected")
    except ConnectionRefusedError:
        pass


@test
def http_and_xmlrpc():
    """http.server and xmlrpc.server with their clients"""
    server = http.server.ThreadingHTTPServer((HOST, 0), type("H", (http.server.BaseHTTPRequestHandler,), {
        "protocol_version": "HTTP/1.1", "log_message": lambda *ignored: None,
        "do_GET": lambda h: (h.send_response(200), h.send_header("Content-Length", str(len(BLOB))), h.end_headers(),
                             h.wfile.write(BLOB))}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    conn = http.client.HTTPConnection(*server.server_address[:2], timeout=20)
    for _ in range(5):
        conn.request("GET", "/")
        assert conn.getresponse().read() == BLOB
    conn.close()
    server.shutdown()
    rpc = xmlrpc.server.SimpleXMLRPCServer((HOST, 0), logRequests=False)
    rpc.register_function(pow)
    threading.Thread(target=rpc.serve_forever, daemon=True).start()
    with xmlrpc.client.ServerProxy("http://%s:%d" % (URL_HOST, rpc.server_address[1])) as proxy:
        assert [proxy.pow(2, n) for n in range(20)] == [2 ** n for n in range(20)]
    rpc.shutdown()


@test
def forked_server():
    """a forked child serves, the parent asks; then the other way round"""
    for child_serves in True, False:
        listener = socket.create_server((HOST, 0), family=FAMILY)
        address = listener.getsockname()[:2]

        def serve():
            conn, _ = listener.accept()
            conn.sendall(read_exactly(conn, len(BLOB))[::-1])
            conn.close()

        def ask():
            with socket.create_connection(address, 20) as sock:
                sender = threading.Thread(target=sock.sendall, args=(BLOB,))
                sender.start()
                assert read_exactly(sock, len(BLOB)) == BLOB[::-1]
                sender.join()

        pid = os.fork()
        if not pid:
            try:
                serve() if child_serves else ask()
                os._exit(0)
            except BaseException as error:
                print(repr(error), file=sys.stderr)
                os._exit(1)
        ask() if child_serves else serve()
        assert os.waitpid(pid, 0)[1] == 0
        listener.close()


@test
def fork_per_connection():
    """a server that forks for each of 30 connections"""
    server = type("F", (socketserver.ForkingTCPServer,), {"allow_reuse_address": True, "request_queue_size": 64})(
        (HOST, 0), Echo)
    pid = os.fork()
    if not pid:
        signal.signal(signal.SIGTERM, lambda *ignored: os._exit(0))
        server.serve_forever()
    for n in range(30):
        with socket.create_connection(server.server_address[:2], 10) as sock:
            sock.sendall(b"%d" % n)
            sock.shutdown(socket.SHUT_WR)
            assert sock.recv(10) == b"%d" % n and sock.recv(10) == b""
    os.kill(pid, signal.SIGTERM)
    os.waitpid(pid, 0)
    server.server_close()


def main():
    failed = 0
    names = set(sys.argv[2:])
    for function in TESTS:
        if names and function.__name__ not in names:
            continue
        begin = time.monotonic()
        try:
            function()
            print(f"ok - {function.__doc__} ({time.monotonic() - begin:.1f} s)", flush=True)
        except BaseException as error:  # a test's failure is a line, not the end
            failed += 1
            at = error.__traceback__
            while at.tb_next:
                at = at.tb_next
            print(f"not ok - {function.__doc__}: {error!r} at line {at.tb_lineno}", flush=True)
    os._exit(failed != 0 and 1)


main()
