# SPDX-License-Identifier: BSD-3-Clause
"""What is measured: each scenario is a function that yields rows; SCENARIOS is the list bench/run goes through.

A pair of worlds stands side by side, one with the server on the kernel, one with the same server on sock7, both idle but for
the moment they are measured in; runs alternate, so that a slow minute of the machine hits both.
"""
import json
import os
import re
import statistics
import subprocess
import time

from lib import report
from lib.world import (BUILD, CLIENT_CORE, Failed, Hugepages, IP_C, IP_S, LIB, SERVER_CORE, World, cpu_seconds)

RUNS = 5
SECONDS = 2
RR = os.path.join(BUILD, "bench", "pingpong", "rr")
BULK = os.path.join(BUILD, "bench", "pingpong", "bulk")
FILTER = os.path.join(BUILD, "bench", "filter", "filter")
LOADGEN = os.path.join(BUILD, "bench", "loadgen", "loadgen")
PRELOAD = {"LD_PRELOAD": LIB}
OWN_LINKS = ("memif", "vhost")
SILENT_PORTS = (7000,)  # of UDP servers: nothing there answers a connect


def configure(runs, seconds):
    global RUNS, SECONDS
    RUNS, SECONDS = runs, seconds


# ---- servers ----------------------------------------------------------------------------------------------------

def nginx_conf(world):
    """/mem is answered from memory (two system calls a request on a kept connection: what the sockets cost);
    /100 and /100k are files, opened, sent by sendfile and closed each time (what a file server costs)."""
    web = os.path.join(world.tmp, "web")
    os.makedirs(web, exist_ok=True)
    for name, size in (("100", 100), ("100k", 100000)):
        with open(os.path.join(web, name), "wb") as f:
            f.write(b"x" * size)
    path = os.path.join(world.tmp, "nginx.conf")
    with open(path, "w") as f:
        f.write(f"""worker_processes 1; daemon off; master_process off; pid {world.tmp}/nginx.pid;
error_log {world.tmp}/error.log; user root; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  server {{ listen 80; root {web};
    location = /mem {{ default_type text/plain; return 200 "{'x' * 100}"; }} }} }}
""")
    return path


def start_nginx(world, env):
    program = world.start("s", "nginx", "-c", nginx_conf(world), core=SERVER_CORE, env=env, log="nginx")
    return program, 80


def start_redis(world, env):
    program = world.start("s", "redis-server", "--port", "6379", "--bind", "0.0.0.0", "--protected-mode", "no",
                          "--save", "", core=SERVER_CORE, env=env, log="redis")
    return program, 6379


def start_rr(proto):
    def start(world, env):
        program = world.start("s", RR, "server", proto, "0.0.0.0", "7000", core=SERVER_CORE, env=env, log="rr")
        return program, 7000
    return start


def start_bulk(world, env):
    program = world.start("s", BULK, "server", "0.0.0.0", "7001", core=SERVER_CORE, env=env, log="bulk")
    return program, 7001


class Side:
    """A server and how its client reaches it: over the kernel's "veth" or "loopback", or with the server on sock7 over
    "af_packet" (kernel client), or with both on sock7 over "memif" or "vhost"."""

    def __init__(self, link, start):
        self.link = link
        self.client_side, self.ip, self.client_env = "c", IP_S, {}
        self.world = own_link_world(link) if link in OWN_LINKS else World()
        env = {}
        if link == "loopback":
            self.client_side, self.ip = "s", "127.0.0.1"
        elif link == "af_packet":
            env = {**PRELOAD, "SOCK7_INTERFACE": self.world.dev["s"]}
        elif link in OWN_LINKS:
            conf_s, conf_c = link_confs(self.world, link)
            env = {**PRELOAD, "SOCK7_CONF": conf_s}
            self.client_env = {**PRELOAD, "SOCK7_CONF": conf_c}
        self.program, port = start(self.world, env)
        if link in OWN_LINKS or port in SILENT_PORTS:
            time.sleep(1)
        else:
            self.world.wait_port(self.client_side, self.ip, port, self.program)

    def run(self, *cmd):
        """A client command, on its core."""
        if self.program.poll() is not None:
            raise Failed("the server ended: " + open(self.program.log_path).read()[-200:])
        return self.world.run(self.client_side, *cmd, core=CLIENT_CORE, env=self.client_env)

    def measure(self, client):
        before = cpu_seconds(self.program.pid)
        figures = client(self)
        figures["cpu"] = cpu_seconds(self.program.pid) - before
        return figures

    def close(self):
        self.world.close()


def measure_all(links, start, client):
    """{link: [figures]} of RUNS runs each, interleaved."""
    sides, got = [], {link: [] for link in links}
    try:
        for link in links:
            sides.append(Side(link, start))
        for _ in range(RUNS):
            for side in sides:
                got[side.link].append(side.measure(client))
    finally:
        for side in sides:
            side.close()
    return got


def rows_of(scenario, link, kernel, ours, key, unit, lower=False, per=None, note=""):
    yield report.row(scenario, link, unit, [f[key] for f in ours], [f[key] for f in kernel], lower, note)
    if per:
        yield report.row(scenario, link, f"server CPU us/{per}", [f["cpu"] * 1e6 / max(f["count"], 1) for f in ours],
                         [f["cpu"] * 1e6 / max(f["count"], 1) for f in kernel], True, note)


# ---- clients ----------------------------------------------------------------------------------------------------

def wrk(path, connections, close=False):
    def run(side):
        extra = ["-H", "Connection: close"] if close else []
        out = side.run("wrk", "-t1", f"-c{connections}", f"-d{SECONDS}", *extra, f"http://{side.ip}/{path}")
        count = int(re.search(r"(\d+) requests in", out).group(1))
        rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))
        if not count:
            raise Failed("wrk: no request was answered")
        return {"count": count, "rate": rate}
    return run


def redis_benchmark(pipeline):
    def run(side):
        count = 100000 * SECONDS * (4 if pipeline > 1 else 1)
        out = side.run("redis-benchmark", "-h", side.ip, "-c", "50", "-n", str(count), "-t", "get", "-P",
                       str(pipeline), "--csv")
        rate = float(out.strip().splitlines()[-1].split(",")[1].strip('"'))
        return {"count": count, "rate": rate}
    return run


def rr_client(proto, count=20000):
    def run(side):
        out = side.run(RR, "client", proto, side.ip, "7000", str(count), "1")
        return {"count": count, "median": float(re.search(r"median[ =:]+([\d.]+)", out).group(1))}
    return run


def bulk_client(streams, direction):
    def run(side):
        out = side.run(BULK, "client", side.ip, "7001", str(SECONDS), str(streams), direction)
        rate = float(re.search(r"([\d.]+)\s*Gbit/s", out).group(1))
        return {"count": rate * SECONDS, "rate": rate}
    return run


# ---- scenarios: one workload on a link of sock7's beside the kernel -----------------------------------------------

def beside_kernel(link, start, client, scenario, key, unit, lower=False, per=None):
    """Over af_packet the client is the kernel's, as on the veth beside it; over a link of its own both ends are sock7's,
    beside the kernel over a veth and over its loopback."""
    others = ("veth", "loopback") if link in OWN_LINKS else ("veth",)
    name = f"both ends, {link}" if link in OWN_LINKS else "af_packet, kernel client"

    def scene():
        got = measure_all((*others, link), start, client)
        for other in others:
            yield from rows_of(scenario, name, got[other], got[link], key, unit, lower, per, f"kernel: {other}")
    return scene


def idle():
    sides = []
    try:
        for link in ("veth", "af_packet"):
            sides.append(Side(link, start_nginx))
        for side in sides:
            wrk("100", 10)(side)
        figures = []
        for side in sides:
            before = cpu_seconds(side.program.pid)
            time.sleep(10)
            figures.append((cpu_seconds(side.program.pid) - before) * 10)
        yield report.row("idle nginx", "af_packet, kernel client", "% of a core", [figures[1]], [figures[0]], True,
                         "a tick of 10 ms is the smallest unit")
    finally:
        for side in sides:
            side.close()


# ---- links of sock7's own: memif, virtio_user <-> vhost ----------------------------------------------------------

def link_confs(world, link):
    """Two configuration files, for the server and the client of a link."""
    sock = os.path.join(world.tmp, link + ".sock")
    huge = "yes" if link == "vhost" else "no"
    sides = {
        "memif": (("memif", "role=server,rsize=11,bsize=2048"), ("memif", "role=client,rsize=11,bsize=2048")),
        "vhost": (("vhost", "tso=1"), ("virtio_user", "queue_size=1024,packed_vq=1,in_order=1")),
    }[link]
    paths = []
    for name, ip, (driver, devargs) in zip(("s", "c"), (IP_S, IP_C), sides):
        path = os.path.join(world.tmp, f"{link}-{name}.conf")
        with open(path, "w") as f:
            f.write(f"[global]\nhugepages = {huge}\nmemory = 256M\n[interface {link}0]\ndriver = {driver}\n"
                    f"device = {sock}\ndevargs = {devargs}\naddress = {ip}/24\nspin_us = 50\n")
        paths.append(path)
    return paths


def own_link_world(link):
    if link == "vhost":
        Hugepages()
    world = World()
    for side in ("s", "c"):  # the veth would be a second way to the same addresses
        world.run(side, "ip", "link", "set", world.dev[side], "down")
    return world


def loadgen_device(world, link):
    sock = os.path.join(world.tmp, link + ".sock")
    if link == "memif":
        return ["--dev", f"net_memif0,role=client,socket={sock},socket-abstract=no,bsize=2048,rsize=11"]
    return ["--huge", "--dev", f"virtio_user0,path={sock},queues=1,queue_size=1024,packed_vq=1,in_order=1"]


def capacity(link, start, mode, kernel_client, scenario, conns, pipeline=1, path="/mem"):
    """Requests per second of one server core under the DPDK load generator; the kernel's from its CPU per request."""
    def scene():
        world = own_link_world(link)
        kernel = Side("veth", start)
        try:
            conf_s, _ = link_confs(world, link)
            server, port = start(world, {**PRELOAD, "SOCK7_CONF": conf_s})
            time.sleep(2)
            ours, other, ours_cpu, other_cpu = [], [], [], []
            for _ in range(RUNS):
                before = cpu_seconds(server.pid)
                out = world.run("c", LOADGEN, *loadgen_device(world, link), "--ip", IP_C + "/24", "--peer", IP_S,
                                "--port", str(port), "--mode", mode, "--conns", str(conns), "--pipeline",
                                str(pipeline), "--path", path, "--seconds", str(SECONDS), "--warmup", "1",
                                "--json", "--core", str(CLIENT_CORE))
                got = json.loads([line for line in out.splitlines() if line.startswith("{")][-1])
                rate = got.get("requests_per_s") or got["rate"]
                ours.append(rate)
                ours_cpu.append((cpu_seconds(server.pid) - before) * 1e6 / (rate * (SECONDS + 1)))
                figures = kernel.measure(kernel_client)
                other_cpu.append(figures["cpu"] * 1e6 / figures["count"])
                other.append(figures["count"] / figures["cpu"] if figures["cpu"] else 0)
            yield report.row(scenario, f"{link}, DPDK load generator", "requests/s of a server core", ours, other,
                             note="kernel: capacity computed from its CPU per request over veth")
            yield report.row(scenario, f"{link}, DPDK load generator", "server CPU us/request", ours_cpu, other_cpu,
                             True)
        finally:
            world.close()
            kernel.close()
    return scene


def filters():
    """The kernel's time has the loop of BPF_PROG_TEST_RUN in it, ours the view of the packet: "accept all" shows both."""
    done = subprocess.run(["taskset", "-c", str(SERVER_CORE), FILTER, str(RUNS)], capture_output=True, text=True,
                          check=False)
    if done.returncode:
        raise Failed(done.stderr.strip() or "bench/filter failed")
    for line in done.stdout.splitlines():
        got = json.loads(line)
        if not got["program"]:
            yield report.row("filter: none attached", "a call that asks, and one that does not", "ns/packet",
                             got["ours"], got["bare"], True, note="other: the same call without the question")
            continue
        kind = "compiled" if got["program"].startswith("eBPF") else "classic BPF, compiled"
        yield report.row(f"filter: {got['program']}", kind, "ns/packet", got["ours"], got["kernel"],
                         True, note=f"interpreted {statistics.median(got['interp']):.1f} ns")


WORKLOADS = {
    "http-1": (start_nginx, wrk("mem", 1), "nginx 100 B, 1 connection", "rate", "requests/s", False, "request"),
    "http-10": (start_nginx, wrk("mem", 10), "nginx 100 B, 10 connections", "rate", "requests/s", False, "request"),
    "http-100": (start_nginx, wrk("mem", 100), "nginx 100 B, 100 connections", "rate", "requests/s", False, "request"),
    "http-100-file": (start_nginx, wrk("100", 100), "nginx 100 B file, 100 connections", "rate", "requests/s", False,
                      "request"),
    "http-close": (start_nginx, wrk("mem", 50, close=True), "nginx, a connection per request", "rate", "requests/s",
                   False, "request"),
    "http-100k": (start_nginx, wrk("100k", 10), "nginx 100 KB", "rate", "requests/s", False, "request"),
    "redis": (start_redis, redis_benchmark(1), "redis GET, -c 50", "rate", "requests/s", False, "request"),
    "redis-p16": (start_redis, redis_benchmark(16), "redis GET, -c 50 -P 16", "rate", "requests/s", False, "request"),
    "rr-tcp": (start_rr("tcp"), rr_client("tcp"), "tcp round trip", "median", "us", True),
    "rr-udp": (start_rr("udp"), rr_client("udp"), "udp round trip", "median", "us", True),
    "bulk-1": (start_bulk, bulk_client(1, "--rx"), "bulk out, 1 stream", "rate", "Gbit/s"),
    "bulk-8": (start_bulk, bulk_client(8, "--rx"), "bulk out, 8 streams", "rate", "Gbit/s"),
    "bulk-in-1": (start_bulk, bulk_client(1, "--tx"), "bulk in, 1 stream", "rate", "Gbit/s"),
}

SCENARIOS = {name: beside_kernel("af_packet", *workload) for name, workload in WORKLOADS.items()}
SCENARIOS |= {f"{name}-{link}": beside_kernel(link, *workload) for link in OWN_LINKS
              for name, workload in WORKLOADS.items()}
SCENARIOS |= {
    "filter": filters,
    "idle": idle,
    "cap-http-memif": capacity("memif", start_nginx, "http", wrk("mem", 100), "nginx 100 B, 100 connections", 100),
    "cap-http-file-memif": capacity("memif", start_nginx, "http", wrk("100", 100),
                                    "nginx 100 B file, 100 connections", 100, path="/100"),
    "cap-close-memif": capacity("memif", start_nginx, "http-close", wrk("mem", 50, close=True),
                                "nginx, a connection per request", 100),
    "cap-close-file-memif": capacity("memif", start_nginx, "http-close", wrk("100", 50, close=True),
                                     "nginx 100 B file, a connection per request", 100, path="/100"),
    "cap-redis-memif": capacity("memif", start_redis, "redis-get", redis_benchmark(1), "redis GET", 50),
    "cap-redis-p16-memif": capacity("memif", start_redis, "redis-get", redis_benchmark(16), "redis GET, -P 16", 50,
                                    pipeline=16),
    "cap-http-vhost": capacity("vhost", start_nginx, "http", wrk("mem", 100), "nginx 100 B, 100 connections", 100),
    "cap-100k-vhost": capacity("vhost", start_nginx, "http", wrk("100k", 10), "nginx 100 KB", 10, path="/100k"),
}
