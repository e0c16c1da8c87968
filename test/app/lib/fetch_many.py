# SPDX-License-Identifier: BSD-3-Clause
"""fetch_many.py ADDRESS FILE CONNECTIONS ROUNDS: fetches a file's name over many connections at once, byte for byte.

Waits up to 10 s for the server, without leaving the process: the link may hang on it.
"""
import http.client
import os
import sys
import threading
import time

address, path, connections, rounds = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
name = "/" + os.path.basename(path)
with open(path, "rb") as f:
    want = f.read()
wrong = []


def wait_for_server():
    end = time.monotonic() + 10
    while True:
        try:
            http.client.HTTPConnection(address, timeout=3).connect()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def fetch():
    try:
        conn = http.client.HTTPConnection(address, timeout=20)
        for _ in range(rounds):
            conn.request("GET", name)
            if conn.getresponse().read() != want:
                wrong.append("other bytes")
        conn.close()
    except Exception as error:  # whatever it is, the test has failed
        wrong.append(repr(error))


wait_for_server()
threads = [threading.Thread(target=fetch) for _ in range(connections)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
sys.exit("; ".join(wrong[:3]) if wrong else 0)
