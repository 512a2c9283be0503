# SPDX-License-Identifier: Apache-2.0
"""Random zones that load, as master files in all the ways that people write them, and questions to them.

A name is a tuple of labels (octets), without the root. All names of a world end in its own two origins, so that
worlds can be served side by side."""

import string

import dns.rdata
import dns.rdataclass
import dns.rdatatype

PLAIN = [b"a", b"b", b"c", b"www", b"ns", b"mail", b"x-1", b"_sip", b"_tcp", b"_443", b"deep", b"0", b"xn--bcher-kva"]
ODD = [b"a.b", b"sp ace", b'qu"ote', b"semi;colon", b"(", b"@", b"\\", b"$x", b"\x00", b"\xff\xfe", b"UPPER", b"MiXed",
       b"L" * 63, b"tab\t", b"*x", b"x*"]
TTLS = [0, 1, 30, 60, 300, 3600, 86400, 2147483647]
TYPES = ("A A A AAAA AAAA TXT TXT MX MX SRV PTR HINFO CAA HTTPS SVCB NAPTR TLSA SSHFP LOC RP URI AFSDB EUI48 KX APL CERT "
         "OPENPGPKEY SPF DHCID L32 TYPE65280 TYPE65280 TYPE999").split()
SPECIAL = b'.\\";()@$'
OUTSIDE = [(b"www", b"elsewhere", b"invalid"), (b"invalid",), ()]


def lower(name):
    return tuple(label.lower() for label in name)


def is_within(name, above):
    """At `above` or below it, both lower case."""
    return len(name) >= len(above) and name[len(name) - len(above):] == above


def is_short(name):
    return sum(len(label) + 1 for label in name) < 200


def random_case(rng, octets):
    return bytes(c ^ 0x20 if chr(c) in string.ascii_letters and rng.random() < 0.5 else c for c in octets)


def octet_text(rng, octet, special):
    is_printable = 0x21 <= octet < 0x7F
    if not is_printable or rng.random() < 0.01:
        return f"\\{octet:03d}"
    if octet in special:
        return rng.choice([f"\\{octet:03d}", "\\" + chr(octet)])
    return chr(octet)


def name_text(rng, name, origin=None):
    """With its final dot; below `origin`, if given, sometimes relative to it."""
    is_relative = origin is not None and is_within(lower(name), lower(origin)) and rng.random() < 0.6
    if is_relative and len(name) == len(origin):
        return "@"
    labels = name[:len(name) - len(origin)] if is_relative else name
    text = ".".join("".join(octet_text(rng, octet, SPECIAL) for octet in label) for label in labels)
    return text if is_relative else text + "."


def string_text(rng, octets):
    """A <character-string>, quoted or not."""
    if octets and rng.random() < 0.3:
        return "".join(octet_text(rng, octet, SPECIAL) for octet in octets)
    return '"' + "".join(" " if octet == 0x20 else octet_text(rng, octet, b'\\"') for octet in octets) + '"'


def random_string(rng, longest):
    length = rng.choice([0, 1, 5, 20, longest])
    alphabet = rng.choice([string.ascii_letters.encode(), bytes(range(256)), b'a b;c"d\\e(f)'])
    return bytes(rng.choice(alphabet) for _ in range(length))


def period_text(rng, seconds):
    if seconds % 3600 == 0 and seconds > 0 and rng.random() < 0.3:
        return f"{seconds // 3600}{rng.choice('hH')}"
    if seconds > 3600 and seconds < 10 ** 6 and rng.random() < 0.2:
        return f"{seconds // 3600}h{seconds % 3600}s"
    return str(seconds)


class Zone:
    """Records by owner (lower case) and type: {"TXT": (ttl, [tokens, ...])}; a token is a text or a name."""

    def __init__(self, world, origin):
        self.world, self.rng, self.origin = world, world.rng, origin
        self.sets, self.spelling = {}, {origin: origin}
        self.dnames, self.cuts, self.aliases, self.own_server = set(), [], [], None

    def below(self, above, depth=1):
        """A name below `above`, whether it exists or not."""
        rng = self.rng
        for _ in range(depth):
            above = (rng.choice(ODD if rng.random() < 0.12 else PLAIN),) + above
        return above

    def may_have(self, owner, kind):
        here = self.sets.get(owner, {})
        if not is_within(owner, self.origin) or any(is_within(owner, one) and owner != one for one in self.dnames):
            return False
        if owner[:1] == (b"*",) and kind in ("NS", "DNAME"):
            return False
        if "CNAME" in here or (kind == "CNAME" and (here or owner == self.origin)):
            return False
        if kind == "DNAME":
            is_alone = not any(is_within(one, owner) and one != owner for one in self.sets)
            return is_alone and "NS" not in here and owner != self.origin
        return not (kind == "NS" and "DNAME" in here)

    def put(self, owner, kind, datas, ttl=None):
        """False when the set cannot stand there."""
        key = lower(owner)
        if not is_short(owner) or kind in self.sets.get(key, {}) or not self.may_have(key, kind):
            return False
        unique = {repr([lower(part) if isinstance(part, tuple) else part for part in data]): data for data in datas}
        self.sets.setdefault(key, {})[kind] = (self.rng.choice(TTLS) if ttl is None else ttl, list(unique.values()))
        self.spelling.setdefault(key, owner)
        if kind == "DNAME":
            self.dnames.add(key)
        return True

    # ---- data ----

    def target(self):
        """What a record may point at: everything that makes a difference to a server."""
        rng, others = self.rng, [zone for zone in self.world.zones if zone.sets]
        zone = rng.choice(others) if others and rng.random() < 0.2 else self
        roll = rng.random()
        if roll < 0.1:
            return rng.choice(OUTSIDE)
        if roll < 0.3 and zone.aliases:
            return zone.spelling[rng.choice(zone.aliases)]
        if roll < 0.4 and zone.cuts:
            return self.below(rng.choice(zone.cuts), rng.randrange(3))
        if roll < 0.5 and zone.dnames:
            return self.below(rng.choice(sorted(zone.dnames)))
        owner = rng.choice(list(zone.sets) or [zone.origin])
        if owner[:1] == (b"*",) and roll < 0.9:
            owner = owner[1:]
            return self.below(owner, rng.randrange(1, 3))
        return self.below(owner) if roll < 0.6 else zone.spelling.get(owner, owner)

    def address(self, kind):
        rng = self.rng
        if kind == "A":
            return [f"192.0.2.{rng.randrange(256)}"]
        return [rng.choice(["2001:db8::{:x}", "2001:DB8:0:0:{:x}::1"]).format(rng.randrange(1, 1 << 16))]

    def service(self):
        rng = self.rng
        if rng.random() < 0.3:
            return ["0", self.target()]
        params = {"alpn": rng.choice(["h2,h3", '"h2"', "http/1.1"]), "port": "8443", "ipv4hint": "192.0.2.1,192.0.2.2",
                  "ech": "AEP+DQA/", "ipv6hint": "2001:db8::1", "key667": "hello", "key668": '"\\000\\255x"'}
        chosen = rng.sample(sorted(params), rng.randrange(len(params)))
        mandatory = ["mandatory=alpn"] if "alpn" in chosen and rng.random() < 0.5 else []
        return [str(rng.randrange(1, 9)), self.target() if rng.random() < 0.6 else (),
                *mandatory, *(f"{key}={params[key]}" for key in chosen)]

    def text(self):
        longest = 255 if self.rng.random() < 0.2 else 40
        return [string_text(self.rng, random_string(self.rng, longest)) for _ in range(self.rng.randrange(1, 5))]

    def data(self, kind):
        rng = self.rng
        number = str(rng.randrange(65536))
        octets = rng.randbytes(rng.randrange(40)).hex()
        if kind in ("A", "AAAA"):
            return self.address(kind)
        if kind in ("NS", "CNAME", "PTR", "DNAME"):
            return [self.target()]
        if kind in ("HTTPS", "SVCB"):
            return self.service()
        if kind.startswith("TYPE"):
            return ["\\#", str(len(octets) // 2), *([octets] if octets else [])]
        return {
            "TXT": self.text, "SPF": self.text,
            "MX": lambda: [number, self.target()], "KX": lambda: [number, self.target()],
            "AFSDB": lambda: [number, self.target()],
            "SRV": lambda: [number, "5", "443", self.target()],
            "RP": lambda: [self.target(), self.target()],
            "HINFO": lambda: [string_text(rng, random_string(rng, 40)), '"OS"'],
            "CAA": lambda: [rng.choice(["0", "128"]), rng.choice(["issue", "iodef"]), '"ca.example.net; policy=ev"'],
            "NAPTR": lambda: ["100", number, '"s"', '"http+E2U"', '"!^.*$!x!"', self.target()],
            "TLSA": lambda: ["3", "1", "1", "ab" * 32],
            "SSHFP": lambda: ["4", "2", "cd" * 32],
            "LOC": lambda: "52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m".split(),
            "URI": lambda: [number, "1", '"https://www.example.net/~x"'],
            "EUI48": lambda: ["00-00-5e-00-53-2a"],
            "APL": lambda: ["1:192.0.2.0/24", "!2:2001:db8::/32"],
            "CERT": lambda: ["PKIX", number, "8", "AQIDBAU="],
            "OPENPGPKEY": lambda: ["AQID", "BAUG"],
            "DHCID": lambda: ["AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA="],
            "L32": lambda: [number, "10.1.2.0"],
        }[kind]()

    # ---- filling ----

    def fill(self):
        rng = self.rng
        self.put(self.origin, "SOA", [[self.below(self.origin), self.below(self.origin), str(rng.randrange(1 << 32)),
                                       "7200", "900", "1209600", str(rng.choice(TTLS))]])
        servers = [(b"ns1", b"elsewhere", b"invalid"), self.below(self.origin)]
        self.own_server = lower(servers[1])
        self.put(self.origin, "NS", [[server] for server in rng.sample(servers, rng.randrange(1, 3))])
        for kind in ("A", "AAAA"):
            self.put(servers[1], kind, [self.address(kind)])
        self.cuts = self.world.children_of(self.origin)
        for child in self.cuts:  # which then is not delegated
            above = child[rng.randrange(1, len(child)):]
            if len(above) > len(self.origin) and rng.random() < 0.5:
                self.put(above, "DNAME", [self.data("DNAME")])
        self.cuts += [lower(self.below(self.origin, rng.randrange(1, 3))) for _ in range(rng.randrange(5))]
        self.fill_cuts()
        for _ in range(rng.randrange(3)):
            self.put(self.below(self.origin, rng.randrange(1, 3)), "DNAME", [self.data("DNAME")])
        for _ in range(rng.randrange(3, 15)):
            above = rng.choice(list(self.sets))
            owner = self.below(above, rng.randrange(1, 4) if rng.random() < 0.3 else 1)
            owner = (b"*",) + owner if rng.random() < 0.25 else owner
            for _ in range(rng.randrange(1, 4)):
                self.put_random(owner)
        self.fill_apex()
        self.fill_aliases()
        self.fill_large()

    def put_random(self, owner):
        kind = self.rng.choice(TYPES)
        self.put(owner, kind, [self.data(kind) for _ in range(self.rng.choice([1, 1, 1, 2, 4]))])

    def fill_apex(self):
        for _ in range(self.rng.randrange(4)):
            self.put_random(self.origin)
        if self.rng.random() < 0.4:
            self.put_random((b"*",) + self.origin)

    def fill_aliases(self):
        """Chains, circles, into wildcards, across cuts, and out of the zone."""
        rng = self.rng
        for _ in range(rng.randrange(2, 10)):
            above = rng.choice(list(self.sets)) if rng.random() < 0.4 else self.origin
            owner = ((b"*",) + self.below(above)) if rng.random() < 0.15 else self.below(above)
            if self.put(owner, "CNAME", [[self.target()]]):
                self.aliases.append(lower(owner))
        if len(self.aliases) > 1 and rng.random() < 0.4:  # a circle
            for one, other in zip(self.aliases, self.aliases[1:] + self.aliases[:1]):
                self.sets[one]["CNAME"] = (60, [[other]])

    def fill_cuts(self):
        rng = self.rng
        for cut in self.cuts:
            servers = [self.below(cut), self.below(cut, 2), cut, self.target(), self.below(rng.choice(self.cuts)),
                       (b"ns2", b"elsewhere", b"invalid"), self.below(self.origin)]
            chosen = rng.sample(servers, rng.randrange(1, 5))
            if not self.put(cut, "NS", [[server] for server in chosen]):
                continue
            for server in chosen:
                for kind in ("A", "AAAA"):
                    if rng.random() < 0.6:
                        self.put(server, kind, [self.address(kind) for _ in range(rng.randrange(1, 3))])
            # BIND takes the name server of the apex, right behind that, for its glue, and a DS there for one at the apex.
            if rng.random() < 0.3 and cut != self.own_server:
                self.put(cut, "DS", [["12345", "8", "2", "AB" * 32]])
            for _ in range(rng.randrange(3)):  # not ours to answer with
                self.put_random(self.below(cut, rng.randrange(3)))

    def fill_large(self):
        """What one datagram cannot hold, or just about."""
        rng = self.rng
        if rng.random() < 0.7:
            size, count = rng.choice([(200, 3), (100, 11), (20, 40), (250, 60)])
            self.put(self.below(self.origin), "TXT", [['"%04d%s"' % (i, "x" * size)] for i in range(count)])
        if rng.random() < 0.5:
            cut = self.below(self.origin)
            many = [(b"ns%d" % i,) + cut for i in range(rng.choice([5, 13, 30]))]
            if self.put(cut, "NS", [[one] for one in many]):
                for one in many:
                    self.put(one, "A", [self.address("A")])
                    self.put(one, "AAAA", [self.address("AAAA")])

    # ---- text ----

    def type_text(self, kind, data):
        """The type, and its data as the words of a line."""
        rng = self.rng
        if kind in ("A", "AAAA", "TXT", "HINFO") and rng.random() < 0.06:
            wire = dns.rdata.from_text(dns.rdataclass.IN, kind, " ".join(data)).to_wire()
            data = ["\\#", str(len(wire)), *([wire.hex()] if wire else [])]
        if not kind.startswith("TYPE") and rng.random() < 0.03:
            kind = f"TYPE{int(dns.rdatatype.from_text(kind))}"
        return (kind.lower() if rng.random() < 0.1 else kind), list(data)

    def line(self, owner_text, ttl_text, kind, data, origin):
        rng = self.rng
        kind, data = self.type_text(kind, data)
        words = [name_text(rng, part, origin) if isinstance(part, tuple) else part for part in data]
        head = [word for word in (ttl_text, rng.choice(["", "IN", "in"])) if word]
        rng.shuffle(head)
        if len(words) > 1 and rng.random() < 0.2:
            at = rng.randrange(len(words))
            words = words[:at] + ["(", rng.choice(["", "; a comment ) \n"])] + words[at:] + [rng.choice([")", "\n)"])]
        text = rng.choice([" ", "\t", "  "]).join([owner_text, *head, kind, *words])
        return text + rng.choice(["", "", " ", " ; said the author"]) + "\n"

    def file_text(self):
        rng, origin = self.rng, self.origin
        default = rng.choice([60, 300, 3600])
        out = [f"$TTL {period_text(rng, default)}\n"]
        owners = [self.origin] + rng.sample(sorted(set(self.sets) - {self.origin}), len(self.sets) - 1)
        for owner in owners:
            if rng.random() < 0.1:
                origin = rng.choice([self.origin, lower(owner)])
                out.append(f"$ORIGIN {name_text(rng, origin)}\n")
            is_first = True
            kinds = sorted(self.sets[owner], key=lambda kind: (kind != "SOA", rng.random()))
            for kind in kinds:
                ttl, datas = self.sets[owner][kind]
                for data in datas:
                    spelled = self.spelling.get(owner, owner)
                    text = name_text(rng, spelled, origin) if is_first or rng.random() < 0.3 else ""
                    ttl_text = "" if ttl == default and rng.random() < 0.7 else period_text(rng, ttl)
                    out.append(self.line(text, ttl_text, kind, data, origin))
                    is_first = False
        return "".join(out)


class World:
    """A few zones, some of them inside others."""

    def __init__(self, rng, number):
        self.rng, self.zones = rng, []
        base, twin = (b"w%d" % number, b"test"), (b"t%d" % number, b"example")
        inner = (b"in",) + base
        self.origins = [base, twin] + rng.sample([inner, (b"z", b"y") + base, (b"far",) + inner, (b"a", b"b") + inner], 3)
        for origin in self.origins:
            self.zones.append(Zone(self, origin))
        for zone in self.zones:
            zone.fill()

    def children_of(self, origin):
        """The origins whose nearest enclosing zone this is."""
        inside = [one for one in self.origins if one != origin and is_within(one, origin)]
        return [one for one in inside if not any(is_within(one, other) for other in inside if other != one)]

    def names(self):
        """Every name that has records, spelled as in the file."""
        return [zone.spelling.get(owner, owner) for zone in self.zones for owner in zone.sets]

    def question(self, rng):
        """(name, type): names that exist, above and below such, and foreign ones; types that are there and not."""
        zone = rng.choice(self.zones)
        owner = rng.choice(list(zone.sets))
        name, kinds = zone.spelling.get(owner, owner), list(zone.sets[owner])
        roll = rng.random()
        if roll < 0.25:
            name = zone.below(name, rng.choice([1, 1, 1, 2, 5]))
        elif roll < 0.4:
            name = name[rng.randrange(len(name)):]
        elif roll < 0.55 and name[:1] == (b"*",):
            name = zone.below(name[1:], rng.randrange(1, 3))
        elif roll < 0.6:
            name = zone.below(rng.choice(self.origins), rng.randrange(1, 3))
        elif roll < 0.62:
            name = rng.choice(OUTSIDE)
        roll = rng.random()
        if roll < 0.55:
            kind = rng.choice(kinds)
        elif roll < 0.9:
            kind = rng.choice("A A AAAA NS SOA MX TXT CNAME DNAME DS SRV ANY HTTPS TYPE65280".split())
        else:
            kind = rng.choice("NSEC RRSIG DNSKEY NSEC3PARAM PTR SVCB CAA TYPE1234 TYPE65534 DLV MD".split())
        return name, int(dns.rdatatype.from_text(kind))
