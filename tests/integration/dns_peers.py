# SPDX-License-Identifier: Apache-2.0
"""Other authoritative servers on the same zone files, and what their answers have in common with ours."""

import os
import re
import shutil
import socket
import struct

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype

from fleet import DEADLINE_S
from loopback import Daemon, free_ports, wait_for

KNOT = shutil.which("knotd", path=os.environ.get("PATH", "") + ":/usr/sbin")
BIND = shutil.which("named", path=os.environ.get("PATH", "") + ":/usr/sbin")
IDENTITY = "peer"

KNOT_CONFIG = """
server:
    listen: 127.0.0.1@{port}
    rundir: {folder}
    pidfile: {folder}/knot.pid
    identity: {identity}
    version: "1"
    nsid: {identity}
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
    udp-max-payload: 1232
    tcp-idle-timeout: 600
control:
    listen: {folder}/knot.sock
database:
    storage: {folder}/knot
log:
  - target: stderr
    any: info
template:
  - id: default
    storage: {folder}
    semantic-checks: off
    journal-content: none
    zonefile-load: whole
zone:
"""

BIND_CONFIG = """
options {{
    directory "{folder}";
    pid-file none;
    session-keyfile none;
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    recursion no;
    dnssec-validation no;
    empty-zones-enable no;
    minimal-responses yes;
    minimal-any no;
    notify no;
    allow-transfer {{ none; }};
    check-integrity no;
    check-names primary ignore;
    check-mx ignore;
    check-mx-cname ignore;
    check-srv-cname ignore;
    check-wildcard no;
    check-spf ignore;
    server-id "{identity}";
    max-udp-size 1232;
    edns-udp-size 1232;
    tcp-idle-timeout 1200;
}};
controls {{ }};
"""


class Asker:
    """One UDP and one TCP socket to a server."""

    def __init__(self, port):
        self.port, self.tcp = port, None
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.settimeout(DEADLINE_S)
        self.udp.connect(("127.0.0.1", port))

    def close(self):
        self.udp.close()
        if self.tcp is not None:
            self.tcp.close()

    def ask_udp(self, wire):
        self.udp.send(wire)
        while True:
            reply = self.udp.recv(65535)
            if reply[:2] == wire[:2]:
                return reply

    def exact(self, count):
        out = b""
        while len(out) < count:
            piece = self.tcp.recv(count - len(out))
            if not piece:
                raise ConnectionError("closed")
            out += piece
        return out

    def ask_tcp(self, wire):
        """A server may end a connection that was idle, or which has served its time."""
        for is_last in (False, True):
            try:
                if self.tcp is None:
                    self.tcp = socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE_S)
                self.tcp.sendall(struct.pack("!H", len(wire)) + wire)
                return self.exact(*struct.unpack("!H", self.exact(2)))
            except ConnectionError:
                self.tcp.close()
                self.tcp = None
                if is_last:
                    raise
        return None


class Peer(Daemon):
    def __init__(self, name, words, folder, port):
        super().__init__(name, words, folder)
        self.asker = Asker(port)

    def launch(self, probe):
        """`probe` is a query that it must answer."""
        self.asker.udp.settimeout(0.2)
        self.start()
        wait_for(f"{self.name} answers", lambda: self.is_serving(probe), explain=lambda: self.log()[-3000:])
        self.asker.udp.settimeout(DEADLINE_S)
        return self

    def is_serving(self, probe):
        self.check_alive()
        broken = [line for line in self.log().splitlines() if re.search(r"fatal error in zone|not loaded|: error: \[", line)]
        if broken:
            raise RuntimeError("\n".join(broken[:10]))
        try:
            return self.asker.ask_udp(probe)[3] & 15 == 0
        except OSError:
            return False

    def end(self):
        self.asker.close()
        self.kill()


def knot(folder, zones):
    """`zones`: [(origin text, file)]"""
    (port,) = free_ports(1)
    text = KNOT_CONFIG.format(folder=folder, port=port, identity=IDENTITY)
    text += "".join(f'  - domain: "{origin}"\n    file: {file}\n' for origin, file in zones)
    (folder / "knot.conf").write_text(text)
    return Peer("knot", [KNOT, "-c", folder / "knot.conf"], folder, port)


def bind(folder, zones):
    (port,) = free_ports(1)
    text = BIND_CONFIG.format(folder=folder, port=port, identity=IDENTITY)
    text += "".join(f'zone "{origin}" {{ type primary; file "{file}"; }};\n' for origin, file in zones)
    (folder / "named.conf").write_text(text)
    return Peer("bind", [BIND, "-g", "-n", "1", "-c", folder / "named.conf"], folder, port)


def wire_name(name):
    return b"".join(bytes([len(label)]) + label for label in name) + b"\0"


class Query:
    def __init__(self, name, qtype, qclass=1, flags=0, edns=None):
        """`edns`: None or (payload, TTL field, options in wire form)."""
        self.name, self.qtype, self.qclass, self.flags, self.edns = name, qtype, qclass, flags, edns
        self.question = wire_name(name) + struct.pack("!HH", qtype, qclass)

    def wire(self, number):
        out = struct.pack("!HHHHHH", number, self.flags, 1, 0, 0, 0 if self.edns is None else 1) + self.question
        if self.edns is not None:
            payload, ttl, options = self.edns
            out += b"\0" + struct.pack("!HHIH", dns.rdatatype.OPT, payload, ttl, len(options)) + options
        return out

    def limit(self):
        return 512 if self.edns is None else min(max(self.edns[0], 512), 1232)

    def __str__(self):
        labels = ["".join(chr(c) if 0x21 <= c < 0x7F and c not in b'.\\"' else f"\\{c:03d}" for c in label)
                  for label in self.name]
        return (f"{'.'.join(labels)}. class {self.qclass} {dns.rdatatype.to_text(self.qtype)} flags {self.flags:#06x} "
                f"edns {self.edns}")


class Answer:
    """A message taken apart: sections as sorted lists of (owner, type, class, TTL, data), names in lower case."""

    def __init__(self, wire):
        self.wire = wire
        message = dns.message.from_wire(wire, one_rr_per_rrset=True)
        self.question = message.question[0].name.canonicalize() if message.question else None
        self.rcode, self.flags = message.rcode(), message.flags & 0xFFF0
        self.edns = None if message.edns < 0 else (message.edns, message.ednsflags & 0xFFFF, message.payload)
        self.options = {int(option.otype): option for option in message.options}
        self.ordered = [self.record(rrset) for rrset in message.answer]
        self.answer = sorted(self.ordered)
        self.authority = sorted(map(self.record, message.authority))
        self.additional = sorted(map(self.record, message.additional))

    @staticmethod
    def record(rrset):
        if len(rrset) == 0:
            return (rrset.name.canonicalize().to_text(), int(rrset.rdtype), int(rrset.rdclass), rrset.ttl, b"")
        return (rrset.name.canonicalize().to_text(), int(rrset.rdtype), int(rrset.rdclass), rrset.ttl,
                rrset[0].to_digestable())

    def is_truncated(self):
        return bool(self.flags & dns.flags.TC)

    def is_authoritative(self):
        return bool(self.flags & dns.flags.AA)

    def core(self):
        """What two servers with the same zones must agree in. Knot says what is in a circle twice."""
        return self.rcode, self.is_authoritative(), sorted(set(self.answer)), self.authority

    def __str__(self):
        return f"{dns.message.from_wire(self.wire)}"


def complete(asker, query, number, is_tcp):
    """(what came first, the whole answer)."""
    wire = query.wire(number)
    first = Answer(asker.ask_tcp(wire) if is_tcp else asker.ask_udp(wire))
    return first, Answer(asker.ask_tcp(wire)) if first.is_truncated() else first
