# SPDX-License-Identifier: Apache-2.0
"""Random zones and questions, answered by steer-dns, Knot and BIND: who differs must have a reason.

An answer of ours is right when it says what Knot says, or else what BIND says. What neither of them would say must be
one of the differences that `REASONS` lists. Only when asked for: STEER_PEER_WORLDS=20; again: STEER_SEED=N."""

import collections
import os
import random

import dns.flags
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import pytest

import dns_peers
from dns_peers import IDENTITY, Asker, Query, complete
from zone_maker import World, name_text, random_case

WORLDS = int(os.environ.get("STEER_PEER_WORLDS", 0))
QUESTIONS_EACH = 70
PROBE_ID = 65535  # of no other query
FLAGS_THAT_RETURN = dns.flags.RD | dns.flags.CD
A, NS, CNAME, SOA, HINFO, AAAA, DNAME, OPT, ANY = 1, 2, 5, 6, 13, 28, 39, 41, 255
META = [0, OPT, 128, 200, 249, 250, 251, 252, 253, 254, 65535]
OPTIONS = [b"\0\3\0\0", b"\0\x0a\0\x08steersix", b"\0\x0c\0\x04\0\0\0\0", b"\xfd\xe9\0\2hi", b"\0\x08\0\7\0\1\x18\0\xc0\0\2"]
MINIMAL_ANY = b"\7RFC8482\0"


def random_edns(rng):
    payload = rng.choice([0, 511, 512, 513, 700, 1000, 1231, 1232, 1233, 4096, 65535])
    version = 1 << 16 if rng.random() < 0.01 else 0
    flags = rng.choice([0, 0, 0x8000, 0x8000, 0x0001])
    options = b"".join(rng.sample(OPTIONS, rng.choice([0, 0, 0, 1, 2])))
    return payload, version | flags, options


def random_query(rng, world):
    name, qtype = world.question(rng)
    name = tuple(random_case(rng, label) for label in name)
    qtype = rng.choice(META) if rng.random() < 0.02 else qtype
    qclass = rng.choice([3, 4, 254, 255, 0, 77]) if rng.random() < 0.01 else 1
    flags = rng.choice([0, 0x0100, 0x0010, 0x0020, 0x0130])
    return Query(name, qtype, qclass, flags, random_edns(rng) if rng.random() < 0.7 else None)


# ---- what an answer of ours must be, whatever the others say ------------------------------------


def faults_of_header(query, answer):
    wire = query.wire(0)
    if answer.wire[12:12 + len(query.question)] != wire[12:12 + len(query.question)]:
        yield "the question has changed"
    if answer.flags & ~(dns.flags.QR | dns.flags.AA | dns.flags.TC) != query.flags & FLAGS_THAT_RETURN:
        yield f"flags {answer.flags:#06x}"
    if (query.edns is None) != (answer.edns is None):
        yield "OPT where there was none, or none"
    elif answer.edns is not None:
        if answer.edns != (0, query.edns[1] & 0x8000, 1232):
            yield f"EDNS version, flags, size {answer.edns}"
        wants_nsid = OPTIONS[0] in query.edns[2] and answer.rcode not in (1, 4, 16)
        if (3 in answer.options) != wants_nsid or (wants_nsid and answer.options[3].to_wire() != IDENTITY.encode()):
            yield "NSID"


def faults_of_size(query, first, answer, is_tcp):
    if is_tcp:
        if first.is_truncated():
            yield "truncated in TCP"
        return
    if len(first.wire) > query.limit():
        yield f"{len(first.wire)} octets, {query.limit()} allowed"
    if first.is_truncated():
        if first.answer or first.authority or first.additional:
            yield "truncated, but with records"
        if not answer.additional and len(answer.wire) <= query.limit():
            yield f"truncated, but {len(answer.wire)} octets would do"


def faults_of_chain(query, answer):
    """Each CNAME belongs to the name that the one before led to, and so does what follows."""
    current = dns.name.Name([*query.name, b""]).canonicalize().to_text()
    for owner, kind, _, _, data in answer.ordered:
        if kind == DNAME and owner != current:
            continue
        if owner != current:
            yield f"{owner} instead of {current}"
        if kind == CNAME:
            current = dns.name.from_wire(data, 0)[0].to_text()


def faults_of(query, first, answer, is_tcp):
    yield from faults_of_header(query, answer)
    yield from faults_of_size(query, first, answer, is_tcp)
    yield from faults_of_chain(query, answer)
    for section in (answer.answer, answer.authority, answer.additional):
        if len(set(section)) != len(section):
            yield "a record stands twice"
    if answer.additional and not any(record[1] == NS for record in answer.authority):
        yield "additional records without a referral"


# ---- agreement ----------------------------------------------------------------------------------


def glue_agrees(ours, other, world):
    """Below the cut nothing may lack. Elsewhere we know all zones and they only one; in UDP only what fits."""
    cuts = [dns.name.from_text(record[0]) for record in ours.authority if record[1] == NS]
    needed = {record for record in other.additional
              if any(dns.name.from_text(record[0]).is_subdomain(cut) for cut in cuts)}
    return needed <= set(ours.additional) and set(ours.additional) - set(other.additional) <= world.addresses


def agrees(ours, other, world):
    return ours.core() == other.core() and (not ours.additional and not other.additional or
                                            glue_agrees(ours, other, world))


def chain_end(query, answer):
    """The name that the chain of CNAMEs leads to (None when it comes around), and whether that is answered."""
    targets = {record[0]: dns.name.from_wire(record[4], 0)[0] for record in answer.answer if record[1] == CNAME}
    owner, seen = dns.name.Name([*query.name, b""]).canonicalize(), set()
    while owner.to_text() in targets and query.qtype not in (CNAME, ANY):
        seen.add(owner.to_text())
        owner = targets[owner.to_text()].canonicalize()
        if owner.to_text() in seen:
            return None, True
    return owner, any(record[0] == owner.to_text() and record[1] != CNAME for record in answer.answer)


def follow(query, answer, ask):
    """Knot and BIND end a chain where it leaves the zone, Knot also after five names. RFC 1034 section 4.3.2 goes on
    in the zone that the next name is in, and so do we: asks for the next name, as often as needed."""
    end, is_answered = chain_end(query, answer)
    while end is not None and not is_answered and len(end.labels) > 1 and end != answer.question:
        more = ask(Query(end.labels[:-1], query.qtype, query.qclass, 0, (65535, 0, b"")))
        if more.rcode == dns.rcode.REFUSED:
            answer.rcode, answer.authority, answer.additional = dns.rcode.NOERROR, [], []
            return
        answer.answer = sorted(set(answer.answer) | set(more.answer))
        answer.rcode, answer.authority, answer.additional = more.rcode, more.authority, more.additional
        answer.question = end
        end, is_answered = chain_end(query, answer)


REASONS = []


def reason(function):
    REASONS.append(function)
    return function


def find_reason(query, ours, others):
    return next((one.__name__ for one in REASONS if one(query, ours, others)), None)


@reason
def minimal_any(query, ours, others):
    """RFC 8482 section 4.2: one HINFO for all that there is."""
    qname = dns.name.Name([*query.name, b""]).canonicalize().to_text()
    minimal = [(qname, HINFO, 1, 3600, MINIMAL_ANY)]
    return query.qtype == ANY and all(
        ours.core() == (other.rcode, other.is_authoritative(), minimal, []) and not ours.additional and
        {record[0] for record in other.answer} == {qname} for other in others.values())


@reason
def no_data_by_that_type(query, ours, others):
    """RFC 6895 section 3.1: OPT and 128 to 255 are no data. Transfers are refused, what was never in use is malformed,
    what RFC 1035 made optional is not implemented."""
    expected = {251: dns.rcode.REFUSED, 252: dns.rcode.REFUSED, 253: dns.rcode.NOTIMP, 254: dns.rcode.NOTIMP}
    is_meta = query.qtype == OPT or 128 <= query.qtype < ANY
    return is_meta and ours.core() == (expected.get(query.qtype, dns.rcode.FORMERR), False, [], [])


@reason
def chain_of_sixteen(query, ours, others):
    """We follow so many, Knot five at a time and BIND eleven."""
    names = [record for record in ours.answer if record[1] == CNAME]
    return len(names) == 16 and any(set(ours.answer) <= set(other.answer) for other in others.values())


@reason
def other_class(query, ours, others):
    """All our zones are of class IN, and QCLASS ANY cannot be answered with authority."""
    return query.qclass != 1 and ours.core() == (dns.rcode.REFUSED, False, [], [])


# ---- running ------------------------------------------------------------------------------------


class Trial:
    """The servers on the zones of some worlds."""

    def __init__(self, fleet, worlds):
        self.fleet, self.worlds = fleet, worlds
        self.zones = []
        for world in worlds:
            world.addresses = set()
            for zone in world.zones:
                origin = name_text(random.Random(0), zone.origin)
                path = fleet.folder / f"{origin}zone"
                path.write_bytes(zone.file_text().encode("latin-1"))
                self.zones.append((origin, path))
                world.addresses |= set(addresses_in(zone))
        self.peers = [make(fleet.folder, self.zones) for binary, make in
                      ((dns_peers.KNOT, dns_peers.knot), (dns_peers.BIND, dns_peers.bind)) if binary]
        self.number, self.seen = 0, collections.Counter()

    def __enter__(self):
        self.fleet.write("topology.yaml", TOPOLOGY)
        server = self.fleet.start_config("dns-1", self.fleet.write("dns-1.yaml", steer_config(self.fleet, self.zones)))
        self.ours = Asker(server.port)
        probe = Query(self.worlds[-1].origins[-1], SOA).wire(PROBE_ID)
        for peer in self.peers:
            peer.launch(probe)
        return self

    def __exit__(self, *_):
        self.ours.close()
        for peer in self.peers:
            peer.end()

    def check(self, query, world, is_tcp):
        """None, or what is wrong."""
        self.number = (self.number + 1) % PROBE_ID
        first, ours = complete(self.ours, query, self.number, is_tcp)
        faults = list(faults_of(query, first, ours, is_tcp))
        others = {}
        for peer in self.peers:
            _, other = complete(peer.asker, query, self.number, is_tcp)
            others[peer.name] = other
            if agrees(ours, other, world):
                self.seen[f"as {peer.name}"] += 1
                break
            follow(query, other, lambda more, asker=peer.asker: complete(asker, more, self.number, False)[1])
            if agrees(ours, other, world):
                self.seen[f"as {peer.name}, further"] += 1
                break
        else:
            why = find_reason(query, ours, others)
            self.seen[why] += 1
            if why is None:
                faults.append("none of the others says so")
        if not faults:
            return None
        return "\n".join([f"== {query} {'tcp' if is_tcp else 'udp'}: {'; '.join(faults)}", "-- steer-dns", str(ours),
                          *(f"-- {name}\n{other}" for name, other in others.items())])


def addresses_in(zone):
    for owner, kinds in zone.sets.items():
        for kind in ("A", "AAAA"):
            ttl, datas = kinds.get(kind, (0, []))
            for [data] in datas:
                rdata = dns.rdata.from_text("IN", kind, data)
                yield (dns.name.Name([*owner, b""]).canonicalize().to_text(), int(rdata.rdtype), 1, ttl, rdata.to_wire())


TOPOLOGY = """
regions:
  one: { at: [0, 0], addresses: [192.0.2.1] }
maps:
  all: { rules: [ { to: [one] } ] }
names: {}
"""


def steer_config(fleet, zones):
    user = "  user: root\n" if os.geteuid() == 0 else ""
    listed = "".join(f'  - {{ zone: "{origin}", file: "{file}" }}\n' for origin, file in zones)
    return (f"topology: topology.yaml\nstore: {{ directory: {fleet.store} }}\nstate: {fleet.folder}/state\nnode: dns-1\n"
            f'dns:\n  listen: ["127.0.0.1:0"]\n  workers: 1\n  identity: {IDENTITY}\n  debug_txt: false\n{user}'
            f"admin: {{ socket: {fleet.folder}/dns-1.sock }}\nzones:\n{listed}")


@pytest.mark.skipif(WORLDS == 0, reason="STEER_PEER_WORLDS is not set; 5 worlds take some seconds")
@pytest.mark.skipif(dns_peers.KNOT is None, reason="knotd is not installed (apt-get install knot)")
def test_random_zones_are_answered_as_the_peers_do(fleet):
    seed = int(os.environ.get("STEER_SEED", random.SystemRandom().getrandbits(32)))
    print(f"STEER_SEED={seed}")
    rng = random.Random(seed)
    worlds = [World(rng, number) for number in range(WORLDS)]
    problems = []
    with Trial(fleet, worlds) as trial:
        for world in worlds:
            for _ in range(QUESTIONS_EACH):
                problem = trial.check(random_query(rng, world), world, rng.random() < 0.2)
                problems += [problem] if problem else []
    print(dict(trial.seen))
    assert not problems, f"{len(problems)} problems:\n" + "\n".join(problems[:5])
