# SPDX-License-Identifier: Apache-2.0
"""Static zone data: RFC 1034, RFC 2308, RFC 4592, as a resolver sees it."""

import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from fleet import addresses_of

SOA = dns.rdatatype.SOA


def types(section):
    return [dns.rdatatype.to_text(rrset.rdtype) for rrset in section]


@pytest.mark.parametrize(
    "name, rdtype, expected",
    [
        ("www.example.com", "A", ["192.0.2.80"]),
        ("WWW.EXAMPLE.COM", "AAAA", ["2001:db8::80"]),
        ("ns1.example.com", "A", ["192.0.2.53"]),
        ("a.b.ent.example.com", "A", ["192.0.2.90"]),
        ("alias.example.com", "A", ["192.0.2.80"]),
        ("chain1.example.com", "AAAA", ["2001:db8::80"]),
        ("steer.example.com", "A", ["192.0.2.2"]),
        ("deep.in.app.example.com", "A", ["192.0.2.2"]),
        ("example.com", "A", ["192.0.2.2"]),
    ],
)
@pytest.mark.parametrize("tcp", [False, True])
def test_positive(shared_server, name, rdtype, expected, tcp):
    reply = shared_server.ask(name, rdtype, tcp=tcp)
    assert reply.rcode() == dns.rcode.NOERROR
    assert addresses_of(reply) == expected


@pytest.mark.parametrize(
    "name, rdtype, rcode",
    [
        ("www.example.com", "MX", dns.rcode.NOERROR),
        ("ent.example.com", "A", dns.rcode.NOERROR),
        ("b.ent.example.com", "A", dns.rcode.NOERROR),
        ("x.wild.example.com", "A", dns.rcode.NOERROR),
        ("api.example.com", "MX", dns.rcode.NOERROR),
        ("gone.example.com", "A", dns.rcode.NXDOMAIN),
        ("x.www.example.com", "A", dns.rcode.NXDOMAIN),
        ("x.ent.example.com", "A", dns.rcode.NXDOMAIN),
        ("child.example.com", "DS", dns.rcode.NOERROR),
    ],
)
def test_negative_carries_soa_with_negative_ttl(shared_server, name, rdtype, rcode):
    reply = shared_server.ask(name, rdtype)
    assert (reply.rcode(), reply.answer) == (rcode, [])
    assert reply.flags & dns.flags.AA
    [soa] = reply.authority
    assert (soa.rdtype, soa.ttl, soa.name.to_text()) == (SOA, 300, "example.com.")


def test_wildcard_answers_with_the_asked_name(shared_server):
    reply = shared_server.ask("a.b.wild.example.com", "TXT")
    assert reply.answer[0].name.to_text() == "a.b.wild.example.com."
    assert reply.answer[0][0].strings == (b"wild",)


@pytest.mark.parametrize("name", ["child.example.com", "x.y.child.example.com", "ns.child.example.com"])
def test_delegation(shared_server, name):
    reply = shared_server.ask(name)
    assert reply.rcode() == dns.rcode.NOERROR and not reply.answer
    assert not reply.flags & dns.flags.AA
    assert types(reply.authority) == ["NS"]
    assert reply.authority[0].name.to_text() == "child.example.com."
    assert [(r.name.to_text(), r[0].address) for r in reply.additional] == [
        ("ns.child.example.com.", "192.0.2.91")
    ]


def test_cname_loop_ends(shared_server):
    reply = shared_server.ask("loop1.example.com")
    assert reply.rcode() in (dns.rcode.NOERROR, dns.rcode.SERVFAIL)
    assert 1 <= len(reply.answer) <= 2


def test_cname_out_of_our_zones_ends(shared_server):
    reply = shared_server.ask("out.example.com")
    assert reply.rcode() == dns.rcode.NOERROR and types(reply.answer) == ["CNAME"]


def test_cname_itself(shared_server):
    assert types(shared_server.ask("alias.example.com", "CNAME").answer) == ["CNAME"]


def test_apex_is_steered_and_keeps_its_static_data(shared_server):
    assert types(shared_server.ask("example.com", "SOA").answer) == ["SOA"]
    assert len(shared_server.ask("example.com", "NS").answer[0]) == 2
    assert types(shared_server.ask("example.com", "MX").answer) == ["MX"]
    assert shared_server.addresses("example.com", ecs="203.0.113.0/24") == ["192.0.2.1"]


def test_https_record_of_the_zone(shared_server):
    assert "ipv4hint" in shared_server.ask("svc.example.com", "HTTPS").answer[0][0].to_text()


def test_pair_answers_two_sites(shared_server):
    assert len(shared_server.addresses("pair.example.com", ecs="203.0.113.0/24")) == 2
