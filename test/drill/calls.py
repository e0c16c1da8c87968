# SPDX-License-Identifier: BSD-3-Clause
"""calls.py: the calls of a script as the agent wants them, and whether its answers are the script's.

Called by: drill.py.
"""
import re
import struct

from script import Failed, Unsupported, number

NEW_FD = ("socket", "accept", "accept4", "epoll_create", "open")


def iov(text):
    m = re.search(r"msg_iov\(\d+\)=\[(.*?)\]", text, re.S)
    return [int(x) for x in re.findall(r"\{\s*\.\.\.\s*,\s*(\d+)\s*\}", m[1])] if m else []


def cmsgs(text, v6):
    """[(level, type, value)] of msg_control, None: not said; value as bytes or ('time', seconds)"""
    m = re.search(r"msg_control=\[(.*)\]\s*\}", text, re.S)
    if not m:
        return None
    out = []
    for c in re.finditer(r"cmsg_level=(\w+),\s*cmsg_type=(\w+),\s*cmsg_data=(\{[^}]*\}|-?\w+)", m[1]):
        level = (41 if v6 else 0) if c[1] == "CMSG_LEVEL_IP" else number(c[1])
        kind = (25 if v6 else 11) if c[2] == "CMSG_TYPE_RECVERR" else number(c[2])
        fields = dict(re.findall(r"(\w+)=([\w|]+)", c[3]))
        if "scm_sec" in fields:
            value = ("time", number(fields["scm_sec"]) + number(fields["scm_nsec"]) / 1e9)
        elif "ee_errno" in fields:
            f = {k: number(v) for k, v in fields.items()}
            value = struct.pack("=IBBBBII", f["ee_errno"], f["ee_origin"], f["ee_type"], f["ee_code"], 0,
                                f["ee_info"], f["ee_data"])
        else:
            value = struct.pack("=i", number(c[3]))
        out.append((level, kind, value))
    return out


class Calls:
    """Mixed into Run, which has fds, family, the addresses and the tolerance."""

    def fd(self, text):
        return self.fds.get(int(text), int(text))

    def buffer(self, text):
        return text != "NULL"

    def make_call(self, what):
        """(name, arguments) for the agent"""
        name, a = what["name"], what["args"]
        maker = getattr(self, "make_" + name, None)
        if maker:
            return maker(what, a)
        if name in ("listen", "shutdown"):
            return name, [self.fd(a[0]), number(a[1])]
        if name == "close":
            return name, [self.fd(a[0])]
        raise Unsupported("call " + name)

    def peer(self, text):
        if text in ("NULL", "0"):
            return None
        return ["unspec", 0] if "AF_UNSPEC" in text else [self.remote_text, self.port]

    def make_socket(self, what, a):
        return "socket", [number(a[1]), number(a[2])]

    def make_bind(self, what, a):
        return "bind", [self.fd(a[0]), ["::" if self.family == 6 else "0.0.0.0", self.port]]

    def make_connect(self, what, a):
        return "connect", [self.fd(a[0]), self.peer(a[1])]

    def make_accept(self, what, a):
        return "accept", [self.fd(a[0]), number(a[3]) if len(a) > 3 else 0]

    make_accept4 = make_accept

    def make_read(self, what, a):
        return what["name"], [self.fd(a[0]), number(a[2]), self.buffer(a[1])]

    make_write = make_read

    def make_send(self, what, a):
        return what["name"], [self.fd(a[0]), number(a[2]), number(a[3]), self.buffer(a[1])]

    make_recv = make_send

    def make_recvfrom(self, what, a):
        return "recv", [self.fd(a[0]), number(a[2]), number(a[3]), self.buffer(a[1])]

    def make_sendto(self, what, a):
        return "sendto", [self.fd(a[0]), number(a[2]), number(a[3]), self.peer(a[4]), self.buffer(a[1])]

    def make_sendmsg(self, what, a):
        if "msg_control" in what["text"]:
            raise Unsupported("sendmsg with msg_control")
        flags = number(a[-1])
        to = self.peer("...") if flags & 0x20000000 else None
        return "sendmsg", [self.fd(a[0]), iov(what["text"]), flags, to]

    def make_recvmsg(self, what, a):
        return "recvmsg", [self.fd(a[0]), iov(what["text"]), number(a[-1])]

    def make_fcntl(self, what, a):
        return "fcntl", [self.fd(a[0]), number(a[1]), number(a[2]) if len(a) > 2 else 0]

    def make_ioctl(self, what, a):
        return "ioctl", [self.fd(a[0]), number(a[1])]

    def make_open(self, what, a):
        return "open", [a[0].strip('"'), number(a[1])]

    def make_pipe(self, what, a):
        return "pipe", []

    def make_sendfile(self, what, a):
        return "sendfile", [self.fd(a[0]), self.fd(a[1]), number(a[2].strip("[]")), number(a[3])]

    def make_splice(self, what, a):
        return "splice", [self.fd(a[0]), self.fd(a[2]), number(a[4]), number(a[5])]

    def make_poll(self, what, a):
        return "poll", [self.poll_fds(a[0], "events"), number(a[2])]

    def make_epoll_create(self, what, a):
        return "epoll_create", [number(a[0])]

    def make_epoll_ctl(self, what, a):
        m = re.search(r"events=([\w|]+)", a[3])
        return "epoll_ctl", [self.fd(a[0]), number(a[1]), self.fd(a[2]), number(m[1]) & 0xFFFFFFFF]

    def make_epoll_wait(self, what, a):
        return "epoll_wait", [self.fd(a[0]), number(a[2]), number(a[3])]

    def make_setsockopt(self, what, a):
        return "setsockopt", [self.fd(a[0]), number(a[1]), number(a[2]), self.option_value(a[3], number(a[4]))]

    def make_getsockopt(self, what, a):
        return "getsockopt", [self.fd(a[0]), number(a[1]), number(a[2]), int(re.sub(r"[\[\]]", "", a[4]))]

    def poll_fds(self, text, which):
        out = []
        for m in re.finditer(r"\{fd=(\d+),\s*events=([\w|]+)(?:,\s*revents=([\w|]+))?\}", text):
            out.append([self.fd(m[1]), number(m[2] if which == "events" else m[3] or "0")])
        return out

    def option_value(self, val, size):
        m = re.match(r"^\{onoff=(\d+),\s*linger=(\d+)\}$", val)
        if m:
            return struct.pack("=ii", int(m[1]), int(m[2])).hex()
        if val.startswith('"'):
            return val.strip('"').encode().decode("unicode_escape").encode("latin1").ljust(size, b"\0").hex()
        if val.startswith("["):
            return struct.pack("=I", number(val.strip("[]")) & 0xFFFFFFFF).hex()
        raise Unsupported("option value " + val)

    # ---- answers

    def check_call(self, what, r):
        want = what["want"]
        if r["errno"] == -1:
            raise Failed("agent: " + r["extra"])
        m = re.match(r"^(-?\w+)(?:\s+(E\w+))?", want)
        if want.startswith("-1"):
            err = want.split()[1] if len(want.split()) > 1 else None
            if r["ret"] != -1 or (err and r["errno"] != number(err)):
                raise Failed("%s: %d errno %d" % (what["text"], r["ret"], r["errno"]))
            return
        if want == "..." or not m:
            return
        value = number(m[1])
        if what["name"] in NEW_FD:
            if r["ret"] < 0:
                raise Failed("%s: errno %d" % (what["text"], r["errno"]))
            if what["name"] == "socket":  # where a namespace may not choose its default
                self.call("setsockopt", [r["ret"], 6, 13, b"cubic".hex()])
            self.fds[value] = r["ret"]
            if what["name"] not in ("epoll_create", "open"):
                self.last_fd = r["ret"]
            return
        if r["ret"] != value:
            raise Failed("%s: %d errno %d" % (what["text"], r["ret"], r["errno"]))
        checker = getattr(self, "check_" + what["name"], None)
        if checker:
            checker(what, what["args"], r)

    def check_pipe(self, what, a, r):
        ends = [int(x) for x in re.findall(r"\d+", a[0] + (a[1] if len(a) > 1 else ""))]
        self.fds.update(zip(ends, r["extra"]))

    def check_getsockopt(self, what, a, r):
        if not a[3].startswith("["):
            return
        want, live = number(a[3].strip("[]")), int.from_bytes(bytes.fromhex(r["extra"])[:4], "little")
        if want & 0xFFFFFFFF != live:
            raise Failed("%s: value %d" % (what["text"], live))

    def check_ioctl(self, what, a, r):
        if a[2].startswith("[") and number(a[2].strip("[]")) != r["extra"]:
            raise Failed("%s: value %s" % (what["text"], r["extra"]))

    def check_poll(self, what, a, r):
        want = [x[1] for x in self.poll_fds(a[0], "revents")]
        if want != r["extra"]:
            raise Failed("%s: revents %s" % (what["text"], r["extra"]))

    def check_epoll_wait(self, what, a, r):
        m = re.search(r"events=([\w|]+)", a[1])
        if r["ret"] > 0 and m and number(m[1]) & 0xFFFFFFFF != r["extra"][0][0]:
            raise Failed("%s: events %#x" % (what["text"], r["extra"][0][0]))

    def check_recvmsg(self, what, a, r):
        live_flags, control = r["extra"]
        m = re.search(r"msg_flags=([\w|]+)", what["text"])
        if m and number(m[1]) != live_flags:
            raise Failed("%s: msg_flags %#x" % (what["text"], live_flags))
        want = cmsgs(what["text"], self.family == 6)
        if want is None:
            return
        live = [(level, kind, bytes.fromhex(data)) for level, kind, data in control]
        if [c[:2] for c in want] != [c[:2] for c in live]:
            raise Failed("%s: control %s" % (what["text"], live))
        for w, c in zip(want, live):
            if isinstance(w[2], tuple):
                sec, nsec = struct.unpack_from("=qq", c[2])
                at = sec + nsec / 1e9 - self.began_real
                if abs(at - w[2][1]) > self.opts.tolerance + 0.01:
                    raise Failed("%s: stamped at %.3f" % (what["text"], at))
            elif c[2][:len(w[2])] != w[2]:
                raise Failed("%s: control %s" % (what["text"], live))


