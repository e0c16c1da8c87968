# SPDX-License-Identifier: BSD-3-Clause
"""wire.py: IP packets with TCP to dictionaries and back. Called by: drill.py."""
import socket
import struct

EXPERIMENT = b"\xf9\x89"  # RFC 6994: Fast Open before it had a number


def csum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


def read_options(raw):
    out, i = [], 0
    while i < len(raw):
        kind = raw[i]
        if kind == 0:
            break
        if kind == 1:
            i += 1
            continue
        size = raw[i + 1]
        body = raw[i + 2:i + size]
        if kind == 2:
            out.append(("mss", struct.unpack("!H", body)[0]))
        elif kind == 3:
            out.append(("wscale", body[0]))
        elif kind == 4:
            out.append(("sackOK",))
        elif kind == 5:
            out.append(("sack", [struct.unpack_from("!II", body, k) for k in range(0, len(body), 8)]))
        elif kind == 8:
            out.append(("TS",) + struct.unpack("!II", body))
        elif kind == 34:
            out.append(("FO", body.hex()))
        elif kind == 254 and body[:2] == EXPERIMENT:
            out.append(("FOEXP", body[2:].hex()))
        else:
            out.append(("kind%d" % kind, body.hex()))
        i += size
    return out


def write_options(opts):
    raw = b""
    for o in opts:
        if o[0] == "mss":
            raw += struct.pack("!BBH", 2, 4, o[1])
        elif o[0] == "wscale":
            raw += struct.pack("!BBBB", 1, 3, 3, o[1])
        elif o[0] == "sackOK":
            raw += struct.pack("!BB", 4, 2)
        elif o[0] == "TS":
            raw += struct.pack("!BBII", 8, 10, o[1] & 0xFFFFFFFF, o[2] & 0xFFFFFFFF)
        elif o[0] == "sack":
            raw += struct.pack("!BB", 5, 2 + 8 * len(o[1])) + b"".join(
                struct.pack("!II", a & 0xFFFFFFFF, b & 0xFFFFFFFF) for a, b in o[1])
        elif o[0] == "FO":
            cookie = bytes.fromhex(o[1])
            raw += struct.pack("!BB", 34, 2 + len(cookie)) + cookie
        elif o[0] == "FOEXP":
            cookie = bytes.fromhex(o[1])
            raw += struct.pack("!BB", 254, 4 + len(cookie)) + EXPERIMENT + cookie
        elif o[0] == "md5":
            raw += struct.pack("!BB", 19, 18) + bytes.fromhex(o[1])
    return raw + b"\1" * (-len(raw) % 4)


def read(raw):
    """A TCP packet as a dictionary; None: something else."""
    if raw[0] >> 4 == 4:
        hl, tos, total, proto = (raw[0] & 15) * 4, raw[1], struct.unpack_from("!H", raw, 2)[0], raw[9]
        src, dst = raw[12:16], raw[16:20]
    else:
        hl, proto = 40, raw[6]
        tos = (struct.unpack_from("!I", raw)[0] >> 20) & 0xFF
        total = 40 + struct.unpack_from("!H", raw, 4)[0]
        src, dst = raw[8:24], raw[24:40]
    if proto != 6:
        return None
    t = raw[hl:total]
    sport, dport, seq, ack, off, win, _, urg = struct.unpack_from("!HHIIHHHH", t)
    thl = (off >> 12) * 4
    return {"src": src, "dst": dst, "sport": sport, "dport": dport, "seq": seq, "ack": ack, "flags": off & 0x1FF,
            "win": win, "urg": urg, "opts": read_options(t[20:thl]), "len": len(t) - thl, "tos": tos, "raw": raw}


def ip_packet(proto, src, dst, body, tos=0):
    if len(src) == 4:
        head = struct.pack("!BBHHHBBH4s4s", 0x45, tos, 20 + len(body), 0, 0x4000, 255, proto, 0, src, dst)
        head = head[:10] + struct.pack("!H", csum(head)) + head[12:]
        return head + body
    return struct.pack("!IHBB16s16s", 6 << 28 | tos << 20, len(body), proto, 255, src, dst) + body


def pseudo(proto, src, dst, length):
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!II", length, proto)


def write(p):
    opts = write_options(p["opts"])
    off = (5 + len(opts) // 4) << 12 | p["flags"]
    head = struct.pack("!HHIIHHHH", p["sport"], p["dport"], p["seq"] & 0xFFFFFFFF, p["ack"] & 0xFFFFFFFF, off,
                       p["win"], 0, p["urg"])
    body = head + opts + bytes(p["len"])
    c = csum(pseudo(6, p["src"], p["dst"], len(body)) + body)
    body = body[:16] + struct.pack("!H", c) + body[18:]
    return ip_packet(6, p["src"], p["dst"], body, p["tos"])


def icmp4(kind, code, rest, quoted, src, dst):
    body = struct.pack("!BBHI", kind, code, 0, rest) + quoted
    body = body[:2] + struct.pack("!H", csum(body)) + body[4:]
    return ip_packet(1, src, dst, body)


def icmp6(kind, code, rest, quoted, src, dst):
    body = struct.pack("!BBHI", kind, code, 0, rest) + quoted
    c = csum(pseudo(58, src, dst, len(body)) + body)
    return ip_packet(58, src, dst, body[:2] + struct.pack("!H", c) + body[4:])


def addr(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
