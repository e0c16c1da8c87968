# SPDX-License-Identifier: BSD-3-Clause
"""script.py: reads the language of packetdrill scripts into events.

A script is a list of events: a time, and one of a segment that comes (<) or that is expected (>), a call of the
program with its result, a shell command, an assertion in Python. What is not understood raises Unsupported, so a
script is never half run. Called by: drill.py.
"""
import errno
import re
import select
import socket

FLAGS = {"-": 0, "F": 1, "S": 2, "R": 4, "P": 8, ".": 16, "U": 32, "E": 64, "W": 128, "A": 256}
MORE = {
    "SOL_TCP": 6, "SOL_IP": 0, "SOL_IPV6": 41, "F_GETFL": 3, "F_SETFL": 4, "O_RDWR": 2, "O_NONBLOCK": 0o4000,
    "O_RDONLY": 0, "SIOCINQ": 0x541B, "SIOCOUTQ": 0x5411, "FIONREAD": 0x541B, "TCP_FASTOPEN_CONNECT": 30,
    "TCP_FASTOPEN_NO_COOKIE": 34, "TCP_INQ": 36, "TCP_USER_TIMEOUT": 18, "TCP_NOTSENT_LOWAT": 25,
    "TCP_QUICKACK": 12, "TCP_FASTOPEN": 23, "TCP_TIMESTAMP": 24, "MSG_FASTOPEN": 0x20000000,
    "MSG_ZEROCOPY": 0x4000000, "SO_ZEROCOPY": 60, "EPOLL_CTL_ADD": 1, "EPOLL_CTL_DEL": 2, "EPOLL_CTL_MOD": 3,
    "IP_RECVERR": 11, "IP_MTU_DISCOVER": 10, "IP_PMTUDISC_DONT": 0, "IP_PMTUDISC_WANT": 1, "IP_PMTUDISC_DO": 2,
    "SO_MAX_PACING_RATE": 47, "TCP_THIN_LINEAR_TIMEOUTS": 16, "IP_TOS": 1, "SO_BINDTODEVICE": 25,
    "SIOCOUTQNSD": 0x894B, "SO_TIMESTAMPING": 37, "SCM_TIMESTAMPING": 37, "TCP_CM_INQ": 36, "TCP_FASTOPEN_KEY": 33,
    "MSG_EOR": 0x80, "SO_EE_ORIGIN_ZEROCOPY": 5, "SO_EE_CODE_ZEROCOPY_COPIED": 1, "SO_EE_ORIGIN_TIMESTAMPING": 4,
    "SCM_TSTAMP_SND": 0, "SCM_TSTAMP_SCHED": 1, "SCM_TSTAMP_ACK": 2, "SOF_TIMESTAMPING_TX_SOFTWARE": 2,
    "SOF_TIMESTAMPING_SOFTWARE": 16, "SOF_TIMESTAMPING_OPT_ID": 128, "SOF_TIMESTAMPING_TX_SCHED": 256,
    "SOF_TIMESTAMPING_TX_ACK": 512, "SOF_TIMESTAMPING_OPT_TSONLY": 2048, "IPV6_RECVERR": 25, "SOL_SOCKET": 1,
    "TCP_TX_DELAY": 37, "TCP_MAX_SEG": 2, "TCP_LINGER2": 8, "TCP_DEFER_ACCEPT": 9, "TCP_CONGESTION": 13,
}


SECONDS = r"(?:\d+(?:\.\d+)?|\.\d+)"
ANY_TIME = r"\+?S(?:\.\.\.\+?S)?(?:~\+?S)?".replace("S", SECONDS)
TIME = r"(\+?)(S)(?:\.\.\.(\+?)(S))?(?:~(\+?)(S))?".replace("S", SECONDS)


class Unsupported(Exception):
    pass


class Failed(Exception):
    pass


def constant(name):
    if name in MORE:
        return MORE[name]
    for mod in (socket, select, errno):
        if hasattr(mod, name):
            return int(getattr(mod, name))
    raise Unsupported("constant " + name)


def number(text):
    """an int, or names joined by |"""
    total = 0
    for part in text.split("|"):
        part = part.strip()
        if re.fullmatch(r"-?(0x[0-9a-fA-F]+|\d+)", part):
            total |= int(part, 0) if not re.fullmatch(r"0\d+", part) else int(part, 8)
        else:
            total |= constant(part)
    return total


def strip_comments(text):
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    return re.sub(r"//[^\n]*", "", text)


ICMP4 = {"echo_reply": 0, "unreachable": 3, "source_quench": 4, "redirect": 5, "echo_request": 8, "time_exceeded": 11,
         "parameter_problem": 12, "timestamp_request": 13, "timestamp_reply": 14}
ICMP4_CODES = [
    "net_unreachable", "host_unreachable", "protocol_unreachable", "port_unreachable", "frag_needed",
    "source_route_failed", "net_unknown", "host_unknown", "source_host_isolated", "net_prohibited", "host_prohibited",
    "net_unreachable_for_tos", "host_unreachable_for_tos", "packet_filtered", "precedence_violation",
    "precedence_cutoff"]
ICMP6 = {"unreachable": 1, "packet_too_big": 2, "time_exceeded": 3, "parameter_problem": 4}
ICMP6_CODES = {"no_route": 0, "net_unreachable": 0, "admin_prohibited": 1, "address_unreachable": 3,
               "host_unreachable": 3, "port_unreachable": 4}


def icmp(family, kind, code):
    """(type, code) of what a script calls so"""
    kinds = ICMP4 if family == 4 else ICMP6
    codes = dict(zip(ICMP4_CODES, range(16))) if family == 4 else ICMP6_CODES
    if family == 6 and code == "frag_needed":
        return 2, 0
    plain = re.match(r"^type_(\d+)$", kind)
    if not plain and kind not in kinds:
        raise Unsupported("icmp " + kind)
    m = re.match(r"^code_(\d+)$", code or "code_0")
    if not m and code not in codes:
        raise Unsupported("icmp code " + code)
    return int(plain[1]) if plain else kinds[kind], int(m[1]) if m else codes[code]


class Event:
    def __init__(self, when, kind, what, until=None):
        self.when, self.kind, self.what, self.until = when, kind, what, until


def parse_time(tok):
    """('abs'|'rel'|'any', seconds, end of a blocking call or None, slack)"""
    if tok == "*":
        return ("any", 0.0, None, 0.0)
    m = re.fullmatch(TIME, tok)
    if not m:
        raise Unsupported("time " + tok)
    kind = "rel" if m[1] else "abs"
    start = float(m[2])
    end = None if m[4] is None else (("rel" if m[3] else "abs"), float(m[4]))
    slack = float(m[6]) - (0.0 if m[5] else start) if m[6] else 0.0
    return (kind, start, end, max(slack, 0.0))


def split_args(text):
    out, depth, cur, quote = [], 0, "", False
    for ch in text:
        if ch == '"':
            quote = not quote
        if not quote and ch in "([{":
            depth += 1
        if not quote and ch in ")]}":
            depth -= 1
        if ch == "," and depth == 0 and not quote:
            out.append(cur.strip())
            cur = ""
        else:
            cur += ch
    if cur.strip():
        out.append(cur.strip())
    return out


def parse_options(text):
    """<...> -> None (any), else a list of (name, value...)"""
    text = text.strip()
    if text == "...":
        return None
    opts = []
    for item in [t.strip() for t in re.split(r",", text) if t.strip()]:
        words = item.split()
        if words[0] == "nop" or words[0] == "eol":
            continue
        if words[0] == "mss":
            opts.append(("mss", int(words[1])))
        elif words[0] == "sackOK":
            opts.append(("sackOK",))
        elif words[0] == "wscale":
            opts.append(("wscale", int(words[1])))
        elif words[0] == "TS":
            opts.append(("TS", int(words[2]), int(words[4])))
        elif words[0] == "sack":
            blocks = []
            for b in words[1:]:
                lo, hi = b.split(":")
                blocks.append((int(lo), int(hi)))
            opts.append(("sack", blocks))
        elif words[0] in ("FO", "FOEXP", "md5"):
            opts.append((words[0], "" if len(words) == 1 else words[1]))
        else:
            raise Unsupported("TCP option " + item)
    return opts


PACKET = re.compile(
    r"^(?:\[(?P<tos>[^\]]*)\]\s*)?(?:\((?P<ip>[^)]*)\)\s*)?(?P<flags>[FSRP.UEWA]+|-)\s+"
    r"(?P<seq>\d+):(?P<end>\d+)\((?P<len>\d+)\)(?P<rest>.*)$", re.S)


def parse_packet(text):
    text = " ".join(text.split())
    m = PACKET.match(text)
    if not m:
        raise Unsupported("packet " + text)
    rest = m["rest"]
    p = {"flags": sum(FLAGS[c] for c in m["flags"] if c != "-"), "seq": int(m["seq"]), "len": int(m["len"]), "ack": None,
         "win": None, "urg": 0, "opts": [], "text": text, "tos": (m["tos"] or "").strip(), "ip": (m["ip"] or "").strip()}
    if not p["tos"] and p["ip"] in ("ect0", "ect1", "ce", "noecn"):
        p["tos"] = p["ip"]
    k = re.search(r"\back (\d+)", rest)
    p["ack"] = int(k[1]) if k else None
    k = re.search(r"\bwin (\d+)", rest)
    p["win"] = int(k[1]) if k else None
    k = re.search(r"\burg (\d+)", rest)
    p["urg"] = int(k[1]) if k else 0
    k = re.search(r"<(.*)>", rest, re.S)
    p["opts"] = parse_options(k[1]) if k else []
    p["any_opts"] = k is None
    return p


def parse_line(text):
    """One statement behind its time: (kind, what)."""
    text = text.strip()
    if text.startswith("`"):
        return "shell", text.strip("`")
    if text.startswith("%{"):
        return "code", text[2:].rsplit("}%", 1)[0].strip()
    if text[0] in "<>":
        body = text[1:].strip()
        if body.startswith("icmp"):
            return ("icmp" if text[0] == "<" else "icmp_out"), body
        if "udp" in body.split():
            raise Unsupported("udp")
        return ("in" if text[0] == "<" else "out"), parse_packet(body)
    m = re.match(r"^(\w+)\s*\((.*)\)\s*=\s*(.+)$", text, re.S)
    if not m:
        raise Unsupported("statement " + text[:60])
    want = re.sub(r"\(.*\)$", "", m[3].strip(), flags=re.S).strip()
    return "call", {"name": m[1], "args": split_args(m[2]), "want": want, "text": " ".join(text.split())}


def statements(text):
    """(time text, body) of each statement; a statement ends where the next time begins."""
    pos, n = 0, len(text)
    start = re.compile(r"(?:^|\n)[ \t]*(\*|" + ANY_TIME + r")[ \t]+(?=[<>%`\w])")
    lead = re.compile(r"[ \t\n]*(`[^`]*`)", re.S)
    while True:
        m = lead.match(text, pos)
        if m:
            yield "+0", m[1]
            pos = m.end()
            continue
        m = start.search(text, pos if pos == 0 or text[pos - 1:pos] != "\n" else pos - 1)
        if not m:
            return
        at = m.end()
        if text[at] == "`":
            end = text.index("`", at + 1) + 1
        elif text.startswith("%{", at):
            end = text.index("}%", at) + 2
        else:
            nxt = start.search(text, at)
            tick = re.compile(r"\n[ \t]*`").search(text, at)
            ends = [x.start() for x in (nxt, tick) if x]
            end = min(ends) if ends else n
        yield m[1], text[at:end]
        pos = end


class Script:
    """list: the events; flags: what stands in lines of --name=value"""

    def __init__(self, events, flags):
        self.list, self.flags = events, flags


def parse(text, define=None):
    text = strip_comments(text)
    for name, value in (define or {}).items():
        text = re.sub(r"\b%s\b" % re.escape(name), value, text)
    flags = dict(re.findall(r"^--(\w+)=\"?([^\s\"]+)\"?", text, re.M))
    text = re.sub(r"^--\S.*$", "", text, flags=re.M)
    events = []
    for when, body in statements(text):
        kind, what = parse_line(body)
        events.append(Event(parse_time(when), kind, what))
    if not events:
        raise Unsupported("empty")
    return Script(events, flags)
