# SPDX-License-Identifier: BSD-3-Clause
"""conn.py: one connection of a script, and its numbers.

Scripts count sequence numbers from 0 on both sides (a SYN may name another number, which then holds for it and its
answer), and time stamps from whatever they say first. The stack chooses its own. A connection knows both and says
one as the other. Called by: drill.py.
"""
M32 = 0xFFFFFFFF
SYN, ACK = 2, 16


class Conn:
    def __init__(self, local_port, peer_port):
        self.local_port, self.peer_port = local_port, peer_port
        self.ours = self.script_ours = 0        # the first number of the stack, live and as the script has it
        self.theirs = self.script_theirs = 0    # and of the script's end
        self.answered = self.asked = False      # a SYN was seen from the stack, from the script
        self.stamps, self.stamp_base = {}, None  # what the script calls a stamp of the stack's

    # ---- script to wire

    def inbound(self, p):
        """The fields of a segment that comes."""
        syn, ack = p["flags"] & SYN, p["flags"] & ACK
        if syn:
            self.theirs = self.script_theirs = p["seq"]
            self.asked = True
            seq = p["seq"]
        else:
            seq = p["seq"] + self.theirs
        number = 0
        if p["ack"] is not None and ack:
            number = p["ack"] + self.ours - (self.script_ours if syn else 0)
        opts = []
        for o in p["opts"] or []:
            if o[0] == "TS":
                opts.append(("TS", o[1], self.stamp_back(o[2])))
            elif o[0] == "sack":
                opts.append(("sack", [(a + self.ours, b + self.ours) for a, b in o[1]]))
            else:
                opts.append(o)
        return {"seq": seq & M32, "ack": number & M32, "opts": opts}

    def stamp_back(self, script):
        if not script:
            return 0
        if script in self.stamps:
            return self.stamps[script]
        return (script + self.stamp_base) & M32 if self.stamp_base is not None else script

    def quoted(self, seq):
        return (seq + self.ours) & M32

    # ---- wire to script

    def outbound(self, p, want):
        """(seq, ack) of a segment of the stack's, as the script counts."""
        syn = p["flags"] & SYN
        if syn:
            self.ours, self.script_ours = p["seq"], want["seq"]
            self.answered = True
            seq = want["seq"]
        else:
            seq = (p["seq"] - self.ours) & M32
        ack = (p["ack"] - self.theirs + (self.script_theirs if syn else 0)) & M32
        return seq, ack

    def options(self, p):
        out = []
        for o in p["opts"]:
            if o[0] == "sack":
                out.append(("sack", [((a - self.theirs) & M32, (b - self.theirs) & M32) for a, b in o[1]]))
            else:
                out.append(o)
        return out

    def learn_stamp(self, live, want):
        for o in want["opts"] or []:
            if o[0] == "TS":
                self.stamps[o[1]] = live
                if self.stamp_base is None:
                    self.stamp_base = (live - o[1]) & M32
