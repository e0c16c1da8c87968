#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""drill.py [-6] [-v] [--lib libsock7.so] [--tolerance SECONDS] [-D NAME=VALUE] SCRIPT...: runs packetdrill scripts

Each script runs in a network namespace of its own with a tun device; its calls are made by agent.py, on the kernel,
or with --lib on that library's stack. For every script a line: pass, fail (and why), or not run (what of the
language is not understood). Segments are compared as bytes of the stream: what one side sends as one long segment
the other may send as several.
"""
import argparse
import ctypes
import fcntl
import ipaddress
import json
import os
import queue
import re
import select
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import script as lang  # noqa: E402
import wire  # noqa: E402
from calls import Calls  # noqa: E402
from conn import Conn  # noqa: E402
from script import Failed, Unsupported  # noqa: E402

NETS = {4: ("192.168.0.1", 16, "192.0.2.1"), 6: ("fd3d:a0b:17d6::1", 48, "fd3d:fa7b:d17d::1")}
ECN = {"noecn": 0, "ect1": 1, "ect01": (1, 2), "ect0": 2, "ce": 3}
INFO_FIELDS = (
    [("state", "B"), ("ca_state", "B"), ("retransmits", "B"), ("probes", "B"), ("backoff", "B"), ("options", "B"),
     ("wscales", "B"), ("app_limited", "B")] +
    [(n, "I") for n in (
        "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent last_data_recv "
        "last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss reordering rcv_rtt rcv_space "
        "total_retrans").split()] +
    [(n, "Q") for n in "pacing_rate max_pacing_rate bytes_acked bytes_received".split()] +
    [(n, "I") for n in "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out".split()] +
    [(n, "Q") for n in "delivery_rate busy_time rwnd_limited sndbuf_limited".split()] +
    [("delivered", "I"), ("delivered_ce", "I"), ("bytes_sent", "Q"), ("bytes_retrans", "Q"), ("dsack_dups", "I"),
     ("reord_seen", "I"), ("rcv_ooopack", "I"), ("snd_wnd", "I")])
INFO_NAMES = {
    "TCP_CA_Open": 0, "TCP_CA_Disorder": 1, "TCP_CA_CWR": 2, "TCP_CA_Recovery": 3, "TCP_CA_Loss": 4,
    "TCPI_OPT_TIMESTAMPS": 1, "TCPI_OPT_SACK": 2, "TCPI_OPT_WSCALE": 4, "TCPI_OPT_ECN": 8, "TCPI_OPT_ECN_SEEN": 16,
    "TCPI_OPT_SYN_DATA": 32, "TCP_ESTABLISHED": 1, "TCP_SYN_SENT": 2, "TCP_SYN_RECV": 3, "TCP_FIN_WAIT1": 4,
    "TCP_FIN_WAIT2": 5, "TCP_TIME_WAIT": 6, "TCP_CLOSE": 7, "TCP_CLOSE_WAIT": 8, "TCP_LAST_ACK": 9, "TCP_LISTEN": 10,
    "TCP_CLOSING": 11,
}


def tun_open(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", name.encode(), 0x0001 | 0x1000))
    return fd


def sh(*argv):
    subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


class Run(Calls):
    """One script, one family, in the namespace that this process is in."""

    def __init__(self, opts, events, folder):
        self.opts, self.events, self.folder = opts, events.list, folder
        self.family = 6 if opts.v6 else 4
        local, bits, remote = NETS[self.family]
        local, remote = events.flags.get("local_ip", local), events.flags.get("remote_ip", remote)
        self.mss = int(events.flags.get("mss", 0))
        self.local, self.remote = wire.addr(local), wire.addr(remote)
        self.local_text, self.remote_text = local, remote
        self.port, self.peer_port = 8080, 48001
        self.tun = tun_open("tun0")
        sh("ip", "link", "set", "lo", "up")
        sh("ip", "link", "set", "tun0", "up", "mtu", "1500" if self.family == 4 else "1520")
        sh("ip", "addr", "add", "%s/%d" % (local, bits), "dev", "tun0", *(["nodad"] if self.family == 6 else []))
        net = ipaddress.ip_network(remote + ("/24" if self.family == 4 else "/64"), strict=False)
        sh("ip", "route", "add", str(net), "dev", "tun0")
        self.got = queue.Queue()
        self.conn, self.known = Conn(self.port, self.peer_port), set()
        self.next_conn = False
        self.last_fd = None
        self.answers, self.answered = {}, threading.Condition()
        self.ids = 0
        self.pending = []
        self.partial = None
        self.fds = {}
        self.icmp = queue.Queue()
        threading.Thread(target=self.reader, daemon=True).start()

    def start_agent(self):
        env = dict(os.environ)
        if self.opts.lib:
            env.update(LD_PRELOAD=os.path.abspath(self.opts.lib), SOCK7_INTERFACE="tun0")
        self.agent = subprocess.Popen(
            [sys.executable, os.path.join(os.path.dirname(os.path.abspath(__file__)), "agent.py"), str(self.family)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        threading.Thread(target=self.listen_agent, daemon=True).start()
        # the stack starts with the first socket: before the clock does
        fd = self.call("socket", [1, 0])["ret"]
        self.call("bind", [fd, ["::" if self.family == 6 else "0.0.0.0", 1]])
        self.call("listen", [fd, 1])
        self.call("close", [fd])

    def listen_agent(self):
        for line in self.agent.stdout:
            obj = json.loads(line)
            with self.answered:
                self.answers[obj["id"]] = obj
                self.answered.notify_all()

    def ask(self, name, args, blocking=False):
        self.ids += 1
        self.agent.stdin.write(json.dumps({"id": self.ids, "call": name, "args": args, "blocking": blocking}) + "\n")
        self.agent.stdin.flush()
        return self.ids

    def await_answer(self, ident, seconds):
        with self.answered:
            if not self.answered.wait_for(lambda: ident in self.answers, seconds):
                raise Failed("the call does not return")
            return self.answers.pop(ident)

    def call(self, name, args):
        return self.await_answer(self.ask(name, args), 20)

    def reader(self):
        while True:
            try:
                select.select([self.tun], [], [])
                raw = os.read(self.tun, 70000)
            except OSError:
                return
            p = wire.read(raw)
            if p:
                p["at"] = time.monotonic()
                if self.opts.verbose:
                    print("    %8.3f > %s" % (p["at"] - self.began, self.show(p)), file=sys.stderr)
                self.got.put(p)

    def show(self, p):
        seq = (p["seq"] - self.conn.ours) & 0xFFFFFFFF if not p["flags"] & 2 else 0
        flags = "".join(c for c, b in lang.FLAGS.items() if p["flags"] & b)
        ack = (p["ack"] - self.conn.theirs) & 0xFFFFFFFF if p["flags"] & 16 else 0
        return "%s %d:%d(%d) ack %d win %d %s%s" % (
            flags, seq, seq + p["len"], p["len"], ack, p["win"], self.conn.options(p),
            " tos %d" % p["tos"] if p["tos"] else "")

    # ---- time

    def due(self, event, last):
        kind, sec, _, _ = event.when
        if kind == "any":
            return None
        return (self.began + sec) if kind == "abs" else (last + sec)

    # ---- segments

    def inject(self, p):
        spec = ECN.get(p["tos"].split(",")[0].strip(), 0) if p["tos"] and not p["tos"].startswith("tos") else 0
        if p["tos"].startswith("tos"):
            spec = int(p["tos"].split()[1], 0)
        if p["flags"] & 0x12 == 2 and self.next_conn:  # a SYN for a listener: the connection under test is a new one
            self.peer_port += 1
            self.conn, self.next_conn = Conn(self.port, self.peer_port), False
        seg = {"src": self.remote, "dst": self.local, "sport": self.conn.peer_port, "dport": self.conn.local_port,
               "flags": p["flags"], "win": p["win"] if p["win"] is not None else 0, "urg": p["urg"], "len": p["len"],
               "tos": spec}
        seg.update(self.conn.inbound(p))
        left = p["len"]
        while self.mss and left > self.mss:
            os.write(self.tun, wire.write(dict(seg, len=self.mss, flags=seg["flags"] & ~9)))
            seg["seq"], left = seg["seq"] + self.mss, left - self.mss
        os.write(self.tun, wire.write(dict(seg, len=left)))

    def take(self, deadline):
        if self.partial:
            p, self.partial = self.partial, None
            return p
        while True:
            left = deadline - time.monotonic()
            try:
                p = self.got.get(timeout=max(left, 0.0)) if left > 0 else self.got.get_nowait()
            except queue.Empty:
                return None
            if p["dst"] == self.remote and self.under_test(p):
                return p

    def under_test(self, p):
        """Is it of the connection that the script is at? A SYN from a new port is the next one's."""
        if p["flags"] & 0x12 == 2 and p["dport"] == self.port and p["sport"] not in self.known:
            self.known.add(p["sport"])
            self.conn, self.next_conn = Conn(p["sport"], p["dport"]), False
        return (p["sport"], p["dport"]) == (self.conn.local_port, self.conn.peer_port)

    def check_options(self, want, p):
        if want["any_opts"] or want["opts"] is None:
            return
        live = []
        for o in self.conn.options(p):
            live.append(("TS", "", o[2]) if o[0] == "TS" else o)
        script = [("TS", "", o[2]) if o[0] == "TS" else o for o in want["opts"]]
        if sorted(map(repr, live)) != sorted(map(repr, script)):
            raise Failed("options %s, not %s" % (p["opts"], want["opts"]))

    def expect(self, want, due, slack):
        deadline = time.monotonic() + self.opts.tolerance + 1.0
        if due is not None:
            deadline = max(deadline, due + slack + self.opts.tolerance)
        seq, left, first = want["seq"], want["len"], True
        while True:
            p = self.take(deadline)
            if not p:
                raise Failed("no segment: %s" % want["text"])
            rel, ack = self.conn.outbound(p, want)
            last = p["len"] >= left
            mask = 0x1FF if last else 0x1F7 & ~1
            flags = want["flags"] if last else want["flags"] & ~9
            if first and due is not None:
                off = p["at"] - due
                if off < -self.opts.tolerance or off > slack + self.opts.tolerance:
                    raise Failed("%.3f s too %s: %s" % (abs(off), "late" if off > 0 else "early", want["text"]))
            live_flags = p["flags"] & mask
            if want["len"] and last:  # PSH says where a write ended or a burst: not what the stream is
                live_flags, flags = live_flags & ~8, flags & ~8
            if rel != seq & 0xFFFFFFFF or live_flags != flags & mask or (p["len"] > left and left != p["len"]) or \
               (want["len"] and not p["len"]):
                if p["len"] > left and rel == seq and left and live_flags == flags & mask:
                    rest = dict(p, seq=(p["seq"] + left) & 0xFFFFFFFF, len=p["len"] - left)
                    self.partial, p = rest, dict(p, len=left)
                else:
                    raise Failed("%s, not %s" % (self.show(p), want["text"]))
            if want["ack"] is not None and want["flags"] & 16 and ack != want["ack"]:
                raise Failed("%s, not %s" % (self.show(p), want["text"]))
            if want["win"] is not None and p["win"] != want["win"]:
                raise Failed("window %d: %s" % (p["win"], want["text"]))
            if want["tos"] and want["tos"] in ECN:
                ok = ECN[want["tos"]]
                if p["tos"] & 3 not in (ok if isinstance(ok, tuple) else (ok,)):
                    raise Failed("ECN bits %d, not %s: %s" % (p["tos"] & 3, want["tos"], want["text"]))
            for o in p["opts"]:
                if o[0] == "TS":
                    self.conn.learn_stamp(o[1], want)
            if first:
                self.check_options(want, p)
                when = p["at"]
            first = False
            if last:
                return when
            seq, left = seq + p["len"], left - p["len"]

    def icmp_in(self, text):
        m = re.match(r"icmp (\w+)(?:\s+(?!mtu)(\w+))?(?:\s+mtu (\d+))?\s*(?:\[(\d+):\d+\((\d+)\)\])?$", text.strip())
        if not m:
            raise Unsupported(text)
        quoted = wire.write({"src": self.local, "dst": self.remote, "sport": self.conn.local_port,
                             "dport": self.conn.peer_port, "seq": self.conn.quoted(int(m[4] or 0)), "ack": 0,
                             "flags": 16, "win": 0, "urg": 0, "opts": [], "len": int(m[5] or 0), "tos": 0})
        kind, code = lang.icmp(self.family, m[1], m[2])
        if self.family == 4:
            os.write(self.tun, wire.icmp4(kind, code, int(m[3] or 0), quoted[:28], self.remote, self.local))
        else:
            os.write(self.tun, wire.icmp6(kind, code, int(m[3] or 0), quoted[:60], self.remote, self.local))

    # ---- assertions and commands

    def run_code(self, code):
        env = dict(INFO_NAMES)
        env["ipv4"], env["ipv6"] = self.family == 4, self.family == 6
        if self.last_fd is not None:
            r = self.call("getsockopt", [self.last_fd, 6, 11, 256])
            raw = bytes.fromhex(r["extra"] or "")
            raw, at = raw + bytes(300), 0
            for field, kind in INFO_FIELDS:
                size = struct.calcsize(kind)
                env["tcpi_" + field] = struct.unpack_from("=" + kind, raw, at)[0]
                at += size
            env["tcpi_snd_wscale"], env["tcpi_rcv_wscale"] = env["tcpi_wscales"] & 15, env["tcpi_wscales"] >> 4
            env["tcpi_delivery_rate_app_limited"] = env["tcpi_app_limited"] & 1
        try:
            exec("\n".join(line.strip() for line in code.split("\n")), env)
        except AssertionError as e:
            raise Failed("%s: %s" % (" ".join(code.split()), e)) from None

    def shell(self, text):
        env = dict(os.environ, PACKETDRILL_PID=str(os.getpid()))
        subprocess.run(["/bin/bash", "-c", text], cwd=self.folder, env=env, stdout=subprocess.DEVNULL,
                       stderr=None if self.opts.verbose else subprocess.DEVNULL)

    # ---- the whole

    def run(self):
        self.began = time.monotonic()
        first = True
        last = self.began
        for ev in self.events:
            if ev.kind == "shell" and first:
                self.shell(ev.what)
                continue
            if first:
                self.start_agent()
                self.began = last = time.monotonic()
                self.began_real = time.time()
                first = False
            last = self.step(ev, last)
        for ident, what, _ in self.pending:
            self.check_call(what, self.await_answer(ident, 5 + self.opts.tolerance))
        self.agent.stdin.close()

    def step(self, ev, last):
        due = self.due(ev, last)
        if ev.kind == "out":
            at = self.expect(ev.what, due, ev.when[3])
            return at if due is None else max(due, last)
        if due is not None:
            time.sleep(max(0.0, due - time.monotonic()))
        now = due if due is not None else time.monotonic()
        if self.opts.verbose and ev.kind in ("in", "call"):
            print("    %8.3f %s" % (time.monotonic() - self.began, ev.what["text"]), file=sys.stderr)
        if ev.kind == "in":
            self.collect()
            self.inject(ev.what)
        elif ev.kind == "icmp":
            self.icmp_in(ev.what)
        elif ev.kind == "shell":
            self.shell(ev.what)
        elif ev.kind == "code":
            self.collect()
            if self.opts.lib:
                time.sleep(0.001)
            self.run_code(ev.what)
        elif ev.kind == "call":
            self.run_call(ev)
        else:
            raise Unsupported(ev.kind)
        return now

    def run_call(self, ev):
        name, args = self.make_call(ev.what)
        self.next_conn = self.next_conn or name == "listen"
        if ev.when[2] is None:
            self.collect()
            self.check_call(ev.what, self.call(name, args))
            return
        self.pending.append((self.ask(name, args, True), ev.what, ev.when[2]))

    def collect(self):
        """Blocking calls that have returned."""
        keep = []
        for ident, what, until in self.pending:
            with self.answered:
                r = self.answers.pop(ident, None)
            if r:
                self.check_call(what, r)
            else:
                keep.append((ident, what, until))
        self.pending = keep


def one(opts, path):
    try:
        with open(path) as f:
            events = lang.parse(f.read(), dict(d.split("=", 1) for d in opts.define))
        if events.flags.get("ip_version", "ipv%d" % (6 if opts.v6 else 4)) != "ipv%d" % (6 if opts.v6 else 4):
            return "not run", "for the other family"
    except (Unsupported, ValueError, IndexError) as e:
        return "not run", str(e)
    if ctypes.CDLL(None, use_errno=True).unshare(0x40000000):
        return "not run", "no network namespace: " + os.strerror(ctypes.get_errno())
    run = Run(opts, events, os.path.dirname(os.path.abspath(path)))
    try:
        run.run()
        return "pass", ""
    except Failed as e:
        return "fail", str(e)
    except Unsupported as e:
        return "not run", str(e)
    finally:
        if hasattr(run, "agent"):
            run.agent.kill()
            run.agent.wait()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("-6", dest="v6", action="store_true")
    ap.add_argument("-v", dest="verbose", action="store_true")
    ap.add_argument("--lib")
    ap.add_argument("-D", dest="define", action="append", default=[], metavar="NAME=VALUE")
    ap.add_argument("--tolerance", type=float, default=0.014)
    ap.add_argument("scripts", nargs="+")
    opts = ap.parse_args()
    bad = 0
    for path in opts.scripts:
        pid = os.fork()  # a namespace each
        if pid == 0:
            verdict, why = one(opts, path)
            print("%-8s %s%s" % (verdict, os.path.basename(path), "  # " + why if why else ""), flush=True)
            os._exit({"pass": 0, "not run": 2}.get(verdict, 1))
        bad += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 1
    return 1 if bad else 0


sys.exit(main())
