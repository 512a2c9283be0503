# SPDX-License-Identifier: Apache-2.0
"""EDNS Client Subnet, RFC 7871, read from the RFC and asked by dnspython and raw packets."""

import ipaddress
import os
import random
import struct

import dns.edns
import dns.message
import dns.rcode
import dns.rdatatype
import pytest

from fleet import ROOT, addresses_of, ecs_of, make_query

EAST, WEST, EU = ["192.0.2.1"], ["192.0.2.2"], ["192.0.2.3"]


def raw_query(ecs_payload, name="api.example.com", code=8):
    """A query whose ECS option carries exactly these bytes."""
    query = dns.message.make_query(name, "A", use_edns=0, payload=1232)
    wire = bytearray(query.to_wire())
    rdata = struct.pack("!HH", code, len(ecs_payload)) + ecs_payload
    assert wire[-2:] == b"\0\0"
    wire[-2:] = struct.pack("!H", len(rdata)) + rdata
    return bytes(wire)


def rcode_and_message(server, payload):
    reply = server.send_raw(payload)
    assert reply is not None
    return dns.message.from_wire(reply)


@pytest.mark.parametrize(
    "what, payload",
    [
        ("unknown family", struct.pack("!HBB", 3, 24, 0) + b"\x0a\x01\x02"),
        ("too few octets", struct.pack("!HBB", 1, 24, 0) + b"\x0a\x01"),
        ("source 33 for IPv4", struct.pack("!HBB", 1, 33, 0) + b"\x0a\x01\x02\x03\x04"),
        ("source 129 for IPv6", struct.pack("!HBB", 2, 129, 0) + b"\x20\x01" + b"\0" * 15),
        ("extra octet", struct.pack("!HBB", 1, 24, 0) + b"\x0a\x01\x02\x03"),
        ("stray bits past source", struct.pack("!HBB", 1, 20, 0) + b"\x0a\x01\x0f"),
        ("scope not zero in a query", struct.pack("!HBB", 1, 24, 24) + b"\x0a\x01\x02"),
        ("option of three octets", b"\0\1\0"),
        ("empty option", b""),
        ("family 0 with a source", struct.pack("!HBB", 0, 8, 0) + b"\x0a"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_malformed_ecs_is_formerr(shared_server, what, payload):
    reply = rcode_and_message(shared_server, raw_query(payload))
    assert reply.rcode() == dns.rcode.FORMERR, what
    assert not reply.answer


def test_option_length_beyond_the_record_is_formerr(shared_server):
    query = raw_query(struct.pack("!HBB", 1, 24, 0) + b"\x0a\x01\x02")
    broken = query[:-7 - 2] + struct.pack("!H", 200) + query[-7:]
    assert rcode_and_message(shared_server, broken).rcode() == dns.rcode.FORMERR


def test_echoes_family_source_and_address(shared_server):
    reply = shared_server.ask("api.example.com", ecs="203.0.113.0/24")
    assert ecs_of(reply)[:2] == ("203.0.113.0", 24)
    reply = shared_server.ask("api.example.com", ecs="2001:db8:e::/56")
    assert ecs_of(reply)[:2] == ("2001:db8:e::", 56)


def test_no_ecs_in_query_none_in_reply(shared_server):
    reply = shared_server.ask("api.example.com")
    assert addresses_of(reply) == WEST  # the resolver, 127.0.0.1, is in network `loop`
    assert ecs_of(reply) is None
    assert not reply.options


def test_no_edns_in_query_none_in_reply(shared_server):
    reply = shared_server.ask("api.example.com", edns=False)
    assert reply.edns == -1


@pytest.mark.parametrize("name", ["www.example.com", "noecs.example.com", "one.example.com"])
def test_untailored_answers_have_scope_0(shared_server, name):
    reply = shared_server.ask(name, ecs="203.0.113.0/24")
    assert addresses_of(reply)
    assert ecs_of(reply) == ("203.0.113.0", 24, 0)


@pytest.mark.parametrize(
    "name, rcode",
    [
        ("nothing.example.com", dns.rcode.NXDOMAIN),
        ("ent.example.com", dns.rcode.NOERROR),
        ("x.child.example.com", dns.rcode.NOERROR),
        ("example.org", dns.rcode.REFUSED),
    ],
)
def test_negatives_and_delegations_have_scope_0(shared_server, name, rcode):
    reply = shared_server.ask(name, ecs="203.0.113.0/24")
    assert reply.rcode() == rcode
    assert ecs_of(reply) == ("203.0.113.0", 24, 0)


def test_source_0_uses_the_resolver_and_scope_0(shared_server):
    reply = shared_server.ask("api.example.com", ecs="0.0.0.0/0")
    assert addresses_of(reply) == WEST
    assert ecs_of(reply) == ("0.0.0.0", 0, 0)


def test_family_0_source_0_is_accepted_and_echoed(shared_server):
    wire = raw_query(struct.pack("!HBB", 0, 0, 0))
    reply = shared_server.send_raw(wire)
    assert reply[3] & 15 == dns.rcode.NOERROR
    assert struct.pack("!HHHBB", 8, 4, 0, 0, 0) in reply
    assert bytes([192, 0, 2, 2]) in reply  # as for 127.0.0.1


def test_scopes_never_overlap_a_longer_rule(shared_server):
    reply = shared_server.ask("api.example.com", ecs="10.2.0.0/24")
    assert addresses_of(reply) == EAST
    assert ecs_of(reply)[2] == 15, "10.2/16 must not claim 10.1/16, nor more bits than needed"
    reply = shared_server.ask("api.example.com", ecs="10.1.0.0/24")
    assert addresses_of(reply) == WEST and ecs_of(reply)[2] == 16


def test_default_branch_is_tailored_too(shared_server):
    assert ecs_of(shared_server.ask("api.example.com", ecs="8.8.8.0/24"))[2] > 0


def test_source_that_straddles_a_border_asks_for_more_bits(shared_server):
    reply = shared_server.ask("api.example.com", ecs="10.0.0.0/8")
    assert addresses_of(reply) == EAST
    assert ecs_of(reply) == ("10.0.0.0", 8, 16)


@pytest.mark.parametrize(
    "prefix, scope",
    [("::ffff:10.2.0.0/120", 96 + 15), ("64:ff9b::10.2.0.0/120", 96 + 15), ("2002:0a02::/48", 16 + 15)],
)
def test_ipv4_inside_ipv6(shared_server, prefix, scope):
    address, bits = prefix.split("/")
    packed = ipaddress.IPv6Address(address).packed[: int(bits) // 8]
    reply = rcode_and_message(
        shared_server, raw_query(struct.pack("!HBB", 2, int(bits), 0) + packed)
    )
    assert addresses_of(reply) == EAST
    assert ecs_of(reply)[2] == scope


def test_special_space_that_no_rule_names_uses_the_resolver(shared_server):
    reply = shared_server.ask("api.example.com", ecs="192.168.7.0/24")
    assert addresses_of(reply) == WEST  # the resolver's place
    scope = ecs_of(reply)[2]
    assert 0 < scope <= 24, "scope 0 would hide every rule from this cache"
    inside = ipaddress.ip_network(f"192.168.7.0/{scope}", strict=False)
    assert ipaddress.ip_network("192.168.0.0/16").supernet_of(inside)


def test_a_aaaa_and_https_choose_the_same_site(shared_server):
    for prefix, v4, v6 in [("203.0.113.0/24", "192.0.2.1", "2001:db8:1::1"),
                           ("198.51.100.0/24", "192.0.2.2", "2001:db8:2::1")]:
        assert shared_server.addresses("api.example.com", "A", prefix) == [v4]
        assert shared_server.addresses("api.example.com", "AAAA", prefix) == [v6]
        https = shared_server.ask("api.example.com", "HTTPS", prefix).answer[0][0].to_text()
        assert f'ipv4hint="{v4}"' in https and f'ipv6hint="{v6}"' in https
        assert 'alpn="h2,http/1.1"' in https


def test_two_ecs_options_are_formerr(shared_server):
    option = dns.edns.ECSOption("10.1.0.0", 24)
    query = make_query("api.example.com", options=[option, option])
    assert shared_server.send(query).rcode() == dns.rcode.FORMERR


def test_unknown_options_are_ignored(shared_server):
    query = make_query("www.example.com", options=[dns.edns.GenericOption(65001, b"hello")])
    reply = shared_server.send(query)
    assert reply.rcode() == dns.rcode.NOERROR and not reply.options


def test_untrusted_sources_ecs_is_not_used(fleet):
    server = fleet.start(dns='  ecs_trusted: ["192.0.2.0/24"]\n')
    reply = server.ask("api.example.com", ecs="203.0.113.0/24")
    assert addresses_of(reply) == WEST
    assert ecs_of(reply) == ("203.0.113.0", 24, 0)


def random_prefix(rng):
    if rng.random() < 0.5:
        bits = rng.randint(8, 32)
        address = ipaddress.IPv4Address(rng.getrandbits(32))
    else:
        bits = rng.randint(16, 64)
        address = ipaddress.IPv6Address(rng.getrandbits(128) & ~(7 << 125) | (1 << 125))
    return ipaddress.ip_network(f"{address}/{bits}", strict=False)


def answer_for(server, network):
    reply = server.ask("api.example.com", ecs=str(network))
    return addresses_of(reply), ecs_of(reply)[2]


def test_every_address_inside_a_scope_gets_the_same_answer(fleet):
    """Over the wire, on the shipped database: corners and random members of the scope."""
    seed = int(os.environ.get("STEER_SEED", random.SystemRandom().getrandbits(32)))
    print(f"STEER_SEED={seed}")
    server = fleet.start(city="embedded")
    rng = random.Random(seed)
    for _ in range(150):
        network = random_prefix(rng)
        answer, scope = answer_for(server, network)
        claimed = ipaddress.ip_network(f"{network.network_address}/{scope}", strict=False)
        members = [claimed[0], claimed[-1]]
        members += [claimed[rng.randrange(claimed.num_addresses)] for _ in range(4)]
        for member in members:
            single = ipaddress.ip_network(member)
            assert answer_for(server, single) == (answer, scope), (network, scope, member)


def test_shipped_data_knows_the_sample_places(fleet):
    """Each sample of config/geo gets the region that is nearest to its place."""
    server = fleet.start(city="embedded")
    nearest = {"US-VA": EAST, "US-NY": EAST, "US-MA": EAST, "US-WA": WEST, "US-CA": WEST, "CA-QC": EAST,
               "GB": EU, "FR": EU, "DE": EU}
    checked = 0
    for line in (ROOT / "config/geo/samples.tsv").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        address, country, subdivision = line.split("\t")[:3]
        expected = nearest.get(f"{country}-{subdivision}" if subdivision else country)
        if expected is None:
            continue
        bits = 48 if ":" in address else 24
        prefix = str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
        assert server.addresses("api.example.com", ecs=prefix) == expected, line
        checked += 1
    assert checked >= 12
