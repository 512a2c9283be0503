# SPDX-License-Identifier: Apache-2.0
"""EDNS compliance, malformed packets, truncation, ANY, CHAOS, 0x20, source addresses."""

import random
import socket
import string
import struct
import subprocess

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import pytest

from fleet import DEADLINE_S, addresses_of, make_query

QUESTION = b"\3www\7example\3com\0\0\1\0\1"


def header(flags=0, qd=1, an=0, ns=0, ar=0):
    return struct.pack("!HHHHHH", 0x4242, flags, qd, an, ns, ar)


OPT = b"\0\0\x29\x04\xd0\0\0\0\0\0\0"


@pytest.mark.parametrize(
    "what, payload",
    [
        ("empty", b""),
        ("eleven octets", header()[:11]),
        ("a response", header(0x8000) + QUESTION),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_dropped_without_an_answer(shared_server, what, payload):
    """The server answers what follows, so the silence is not a dead server's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect((shared_server.address, shared_server.port))
        sock.send(payload)
        sock.send(struct.pack("!H", 0x7777) + (header() + QUESTION)[2:])
        assert sock.recv(4096)[:2] == b"\x77\x77", what


@pytest.mark.parametrize(
    "what, payload, rcode",
    [
        ("no question", header(qd=0), dns.rcode.FORMERR),
        ("two questions", header(qd=2) + QUESTION + QUESTION, dns.rcode.FORMERR),
        ("question cut in the name", header() + b"\3ww", dns.rcode.FORMERR),
        ("question cut in the type", header() + QUESTION[:-3], dns.rcode.FORMERR),
        ("compressed question", header() + b"\xc0\x0c\0\1\0\1", dns.rcode.FORMERR),
        ("label type 01", header() + b"\x41a\0\0\1\0\1", dns.rcode.FORMERR),
        ("name over 255", header() + (b"\x3f" + b"a" * 63) * 4 + b"\0\0\1\0\1", dns.rcode.FORMERR),
        ("trailing garbage", header() + QUESTION + b"xyz", dns.rcode.FORMERR),
        ("additional missing", header(ar=1) + QUESTION, dns.rcode.FORMERR),
        ("additional cut", header(ar=1) + QUESTION + OPT[:-1], dns.rcode.FORMERR),
        ("two OPT", header(ar=2) + QUESTION + OPT + OPT, dns.rcode.FORMERR),
        ("OPT not at the root", header(ar=1) + QUESTION + b"\1a" + OPT, dns.rcode.FORMERR),
        ("OPT option overruns", header(ar=1) + QUESTION + OPT[:-2] + b"\0\5\xfd\xe9\0\7x", dns.rcode.FORMERR),
        ("OPT option header cut", header(ar=1) + QUESTION + OPT[:-2] + b"\0\3\xfd\xe9\0", dns.rcode.FORMERR),
        ("answer in a query", header(an=1) + QUESTION + b"\0\0\1\0\1\0\0\0\0\0\4\1\2\3\4", dns.rcode.FORMERR),
        ("UPDATE", header(5 << 11) + QUESTION, dns.rcode.NOTIMP),
        ("NOTIFY", header(4 << 11) + QUESTION, dns.rcode.NOTIMP),
        ("opcode 15", header(15 << 11) + QUESTION, dns.rcode.NOTIMP),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_packets(shared_server, what, payload, rcode):
    reply = shared_server.send_raw(payload)
    assert reply is not None, what
    assert reply[:2] == b"\x42\x42" and reply[2] & 0x80, what
    assert reply[3] & 15 == rcode, what
    assert len(reply) >= 12


def test_random_bytes_never_stop_it(shared_server):
    rng = random.Random(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((shared_server.address, shared_server.port))
        for _ in range(3000):
            payload = bytearray(header(ar=1) + QUESTION + OPT + rng.randbytes(rng.randrange(40)))
            for _ in range(rng.randrange(1, 6)):
                payload[rng.randrange(len(payload))] = rng.randrange(256)
            sock.send(bytes(payload[: rng.randrange(len(payload) + 1)]))
    assert shared_server.addresses("www.example.com") == ["192.0.2.80"]


def test_edns_version_1_is_badvers(shared_server):
    query = make_query("www.example.com")
    query.ednsflags |= 1 << 16  # the version's place in the OPT record's TTL
    reply = shared_server.send(query)
    assert reply.rcode() == dns.rcode.BADVERS
    assert reply.edns == 0 and not reply.answer


def test_unknown_edns_flags_are_not_echoed_and_do_is(shared_server):
    query = make_query("www.example.com")
    query.ednsflags = 0x80FF
    reply = shared_server.send(query)
    assert reply.rcode() == dns.rcode.NOERROR
    assert reply.ednsflags & 0xFFFF == 0x8000


def test_header_flags(shared_server):
    reply = shared_server.ask("www.example.com")
    assert reply.flags & dns.flags.AA and reply.flags & dns.flags.RD
    assert not reply.flags & dns.flags.RA and not reply.flags & dns.flags.AD


@pytest.mark.parametrize("payload, limit", [(0, 512), (100, 512), (512, 512), (1232, 1232), (4096, 1232)])
def test_too_large_is_truncated_whole(shared_server, payload, limit):
    query = make_query("big.example.com", "TXT", payload=payload)
    reply = shared_server.send(query)
    assert reply.flags & dns.flags.TC
    assert not reply.answer and not reply.authority
    assert reply.edns == 0
    assert len(reply.to_wire()) <= limit
    assert len(shared_server.send(query, tcp=True).answer[0]) == 13


def test_truncated_without_edns(shared_server):
    reply = shared_server.ask("big.example.com", "TXT", edns=False)
    assert reply.flags & dns.flags.TC and reply.edns == -1 and not reply.answer


def test_any_is_minimal(shared_server):
    reply = shared_server.ask("example.com", "ANY")
    assert reply.rcode() == dns.rcode.NOERROR
    assert len(reply.answer) == 1 and reply.answer[0].rdtype == dns.rdatatype.HINFO


def test_foreign_names_are_refused_with_ede(shared_server):
    reply = shared_server.ask("www.example.net")
    assert reply.rcode() == dns.rcode.REFUSED and not reply.authority
    [ede] = [option for option in reply.options if option.otype == 15]
    assert ede.to_wire()[:2] == struct.pack("!H", 20)
    assert shared_server.ask("www.example.net", edns=False).edns == -1


def test_zone_transfer_is_refused(shared_server):
    assert shared_server.ask("example.com", "AXFR", tcp=True).rcode() == dns.rcode.REFUSED
    assert shared_server.ask("example.com", "AXFR").rcode() in (dns.rcode.REFUSED, dns.rcode.FORMERR)


def test_nsid(fleet):
    server = fleet.start(dns='  identity: "edge-7"\n')
    query = make_query("www.example.com", options=[dns.edns.GenericOption(3, b"")])
    [option] = server.send(query).options
    assert (option.otype, option.to_wire()) == (3, b"edge-7")
    assert not server.ask("www.example.com").options


def chaos(server, name):
    return server.send(dns.message.make_query(name, "TXT", rdclass="CH"))


def test_chaos_names(fleet):
    server = fleet.start(dns='  identity: "edge-7"\n  version: "steer 1"\n')
    assert chaos(server, "id.server").answer[0][0].strings == (b"edge-7",)
    assert chaos(server, "version.bind").answer[0][0].strings == (b"steer 1",)
    assert chaos(server, "other.bind").rcode() == dns.rcode.REFUSED


def test_chaos_is_switchable(fleet):
    server = fleet.start(dns='  identity: "edge-7"\n  chaos: false\n')
    assert chaos(server, "id.server").rcode() == dns.rcode.REFUSED


def test_letter_case_of_the_question_is_preserved(shared_server):
    rng = random.Random(3)
    for _ in range(20):
        text = "".join(rng.choice((c.upper(), c.lower())) for c in "api.example.com")
        query = dns.message.make_query(text, "A")
        reply = shared_server.send(query)
        assert reply.question[0].name.to_text() == text + "."
        assert reply.answer[0].name.to_text() == text + "."


def test_names_are_compressed(shared_server):
    reply = shared_server.send_raw(make_query("x.child.example.com", "A").to_wire())
    assert reply.count(b"\7example\3com") == 1 and reply.count(b"\7example\3net") == 1


@pytest.mark.parametrize("listen, addresses", [("0.0.0.0:0", ["127.0.0.1", "127.0.0.2", "127.9.9.9"]),
                                               ("[::]:0", ["::1"])])
def test_wildcard_binds_answer_from_the_address_asked(fleet, listen, addresses):
    server = fleet.start(listen=(listen,))
    port = server.port
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect((address, port))  # a connected socket hears only that address
            sock.send(header() + QUESTION)
            assert sock.recv(4096)[:2] == b"\x42\x42"


def test_ipv6_and_ipv4_together(fleet):
    server = fleet.start(listen=("127.0.0.1:0", "[::1]:0"))
    assert addresses_of(server.ask("api.example.com")) == ["192.0.2.2"]
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE_S)
        sock.connect(("::1", server.port6))
        sock.send(make_query("api.example.com").to_wire())
        assert addresses_of(dns.message.from_wire(sock.recv(4096))) == ["192.0.2.2"]


def test_dig_and_kdig_agree(shared_server):
    port = str(shared_server.port)
    asks = {
        "dig": ["dig", "+short", "+subnet=203.0.113.0/24"],
        "kdig": ["kdig", "+short", "+subnet=203.0.113.0/24"],
    }
    for tool, words in asks.items():
        out = subprocess.run([*words, "@127.0.0.1", "-p", port, "api.example.com", "A"],
                             capture_output=True, text=True, timeout=DEADLINE_S, check=True)
        assert out.stdout.split() == ["192.0.2.1"], (tool, out)


def test_deep_random_names_are_answered(shared_server):
    rng = random.Random(11)
    labels = [rng.choice(string.ascii_lowercase) for _ in range(100)]
    reply = shared_server.ask(".".join(labels) + ".example.com")
    assert reply.rcode() == dns.rcode.NXDOMAIN
    assert reply.authority[0].ttl == 300
