# SPDX-License-Identifier: BSD-3-Clause
"""Network namespaces, programs pinned to a core, and their CPU time: the ground that bench/run measures on.

Everything made here is named after this process and is taken down by World.close(), also after an error.
"""
import atexit
import os
import shutil
import signal
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("S7_BUILD", os.path.join(TOP, "build", "release"))
LIB = os.path.join(BUILD, "libsock7.so")
SERVER_CORE, CLIENT_CORE = 0, 1
HZ = os.sysconf("SC_CLK_TCK")
IP_S, IP_C = "10.77.0.1", "10.77.0.2"


class Failed(Exception):
    """A scenario cannot be measured here; the text says why."""


def sh(*cmd, check=True, **kw):
    return subprocess.run(cmd, check=check, capture_output=True, text=True, **kw)


def children(pid):
    out = sh("pgrep", "-P", str(pid), check=False).stdout.split()
    return [int(p) for p in out]


def cpu_seconds(pid):
    """User and system time of a process tree."""
    total = 0
    for p in [pid] + children(pid):
        try:
            with open(f"/proc/{p}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / HZ


class World:
    """Two namespaces joined by a veth pair ("kernel" and "sock7" servers each get their own)."""

    count = 0

    def __init__(self):
        World.count += 1
        self.tag = f"s7b{os.getpid() % 100000}{World.count}"
        self.ns = {"s": self.tag + "s", "c": self.tag + "c"}
        self.dev = {"s": self.tag + "vs", "c": self.tag + "vc"}
        self.programs = []
        self.tmp = tempfile.mkdtemp(prefix="sock7bench.")
        atexit.register(self.close)
        for ns in self.ns.values():
            sh("ip", "netns", "add", ns)
        sh("ip", "link", "add", self.dev["s"], "netns", self.ns["s"], "type", "veth",
           "peer", "name", self.dev["c"], "netns", self.ns["c"])
        for side, ip in (("s", IP_S), ("c", IP_C)):
            self.run(side, "ip", "link", "set", "lo", "up")
            self.run(side, "ip", "addr", "add", ip + "/24", "dev", self.dev[side])
            self.run(side, "ip", "link", "set", self.dev[side], "up")
            self.run(side, "sysctl", "-qw", "net.ipv4.tcp_congestion_control=cubic", check=False)

    def run(self, side, *cmd, check=True, timeout=120, core=None, env=None):
        pin = ["taskset", "-c", str(core)] if core is not None else []
        try:
            got = subprocess.run(["ip", "netns", "exec", self.ns[side], *pin, *cmd], text=True,
                                 capture_output=True, timeout=timeout, env={**os.environ, **(env or {})})
        except subprocess.TimeoutExpired:
            raise Failed(f"{cmd[0]}: no end within {timeout} s")
        if check and got.returncode:
            raise Failed(f"{' '.join(cmd)}: {(got.stderr or got.stdout).strip()[-200:]}")
        return got.stdout

    def start(self, side, *cmd, core=None, env=None, log="program"):
        pin = ["taskset", "-c", str(core)] if core is not None else []
        with open(os.path.join(self.tmp, log + ".log"), "w") as out:
            program = subprocess.Popen(["ip", "netns", "exec", self.ns[side], *pin, *cmd], stdout=out,
                                       stderr=subprocess.STDOUT, env={**os.environ, **(env or {})})
        program.log_path = os.path.join(self.tmp, log + ".log")
        self.programs.append(program)
        return program

    def stop(self, program):
        if program.poll() is None:
            program.terminate()
            try:
                program.wait(5)
            except subprocess.TimeoutExpired:
                for p in children(program.pid):
                    os.kill(p, signal.SIGKILL)
                program.kill()
                program.wait()
        if program in self.programs:
            self.programs.remove(program)

    def wait_port(self, side, ip, port, program=None):
        for _ in range(100):
            got = subprocess.run(["ip", "netns", "exec", self.ns[side], "bash", "-c",
                                  f"exec 3<>/dev/tcp/{ip}/{port}"], capture_output=True, timeout=5)
            if got.returncode == 0:
                return
            if program is not None and program.poll() is not None:
                break
            time.sleep(0.1)
        tail = open(program.log_path).read()[-300:] if program else ""
        raise Failed(f"nothing answers at {ip}:{port}: {tail.strip()}")

    def close(self):
        for program in list(self.programs):
            self.stop(program)
        for ns in self.ns.values():
            for pid in sh("ip", "netns", "pids", ns, check=False).stdout.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except OSError:
                    pass
            sh("ip", "netns", "del", ns, check=False)
        self.ns = {}
        shutil.rmtree(self.tmp, ignore_errors=True)


class Hugepages:
    """Enough 2 MB pages while it is open; what was set before comes back."""

    PATH = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

    def __init__(self, pages=1024):
        with open(self.PATH) as f:
            self.before = int(f.read())
        if self.before < pages:
            self._write(pages)
            atexit.register(self.close)
        with open(self.PATH) as f:
            self.have = int(f.read())

    def _write(self, pages):
        with open(self.PATH, "w") as f:
            f.write(str(pages))

    def close(self):
        self._write(self.before)
