# SPDX-License-Identifier: Apache-2.0
"""Which zone files steer-dns takes: good lines of every kind, and files with one mistake each, which are refused with
the place. kzonecheck and named-checkzone are asked about the same files, when they are there: where both are of one
mind, so is steer-dns, or `DEVIATIONS` says why not."""

import concurrent.futures
import os
import re
import shutil
import subprocess

import pytest

from fleet import BUILD, DEADLINE_S, ROOT
from test_dns_peers import TOPOLOGY, steer_config

PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
KZONECHECK = shutil.which("kzonecheck", path=PATH)
NAMED_CHECKZONE = shutil.which("named-checkzone", path=PATH)
# Only what concerns the one file: no look at other zones, nothing about which they only have an opinion.
NAMED_OPTIONS = "-i none -k ignore -m ignore -M ignore -n ignore -r ignore -S ignore -T ignore -W ignore".split()
BATCH = 40  # steer-dns tells a hundred problems and counts the rest
HEAD = "$TTL 300\n@ SOA ns host 1 7200 900 1209600 60\n@ NS ns.example.net.\n"

# What follows on HEAD; a bar is the end of a line.
ACCEPTED = r"""
$ORIGIN sub
$ORIGIN example.net.
$ttl 60
q CNAME a|q CNAME a
@ SOA ns host 1 7200 900 1209600 60
q DNAME a|q A 192.0.2.1
@ DNAME example.net.
*.q CNAME a
q 60 A 192.0.2.1|q 30 A 192.0.2.2
q A 192.0.2.1|q A 192.0.2.1
@ DS 12345 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
q DS 12345 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
q NS a.q
q NS ns.q|x.q TXT "below"
q RRSIG A 8 3 300 20300101000000 20200101000000 1 example.com. AQIDBA==
q NSEC a A
@ DNSKEY 257 3 8 AQIDBA==
@ NSEC3PARAM 1 0 0 -
@ NS 192.0.2.1
@ MX 10 192.0.2.1
q MX 10 .
q SRV 0 0 0 .
q NULL \# 1 00
q TXT ""
q TXT a"b"c
q TXT "a""b"
q TXT "a"b
q TYPE65280 \# 0
q TYPE65280 \# 2 de ad
q TYPE65280 \# 02 dead
q MX \# 3 000a00
q SRV \# 7 00010002000300
q HTTPS \# 3 000100
q HTTPS 1 . port=8443 alpn=h2
q HTTPS 0 . alpn=h2
q HTTPS 1 . alpn="h2" port="8443"
q HTTPS 1 . alpn="f\\\\oo\\,bar,h2"
q HTTPS 1 . alpn=f\\\092oo\092,bar,h2
q HTTPS 1 . key667
q HTTPS 1 . key667=
q HTTPS 1 . dohpath=/q{?dns}
q CAA 0 "issue" "x"
q CAA 0 issue x
q LOC 90 N 180 E 0m
q LOC 1 N 1 E 1
q APL 1:192.0.2.1/24
q APL
q TLSA 3 1 1 0123
q TLSA PKIX-TA CERT FULL 01
q DS 1 RSASHA256 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
q CERT PKIX 1 RSASHA256 AQIDBA==
q NAPTR 1 1 "" "" "" .
q NAPTR 1 1 "s" "" "!x!y!" .
q NAPTR 1 1 "ss" "x y" "" .
q URI 1 1 ""
q URI 1 1 x
q CSYNC 1 4 A
q ISDN x
q WKS 192.0.2.1 TCP 25
a A 192.0.2.1
a 60 IN AAAA 2001:db8::1
b IN 1h CNAME a
c MX 10 mail.example.net.
d TXT "one" two "th\"ree" \(four\;
e SRV 1 2 443 a
f 300 NS ns.f
g PTR a.example.com.
h HINFO "cpu" "os"
i CAA 0 issue "ca.example.net"
j HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1
k SVCB 0 a.example.net.
l NAPTR 100 50 "s" "http" "" _http._tcp
m TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
n SSHFP 4 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
o LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
p RP host.example.com. txt.example.com.
q URI 10 1 "https://www.example.net/"
r AFSDB 1 a
s EUI48 00-00-5e-00-53-2a
t EUI64 00-00-5e-ef-10-00-00-2a
u KX 10 a
v APL 1:192.0.2.0/24 !2:2001:db8::/32
w CERT PKIX 1 8 AQIDBA==
x OPENPGPKEY AQIDBA==
y DNAME y.example.net.
z SPF "v=spf1 -all"
f DS 12345 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
aa TYPE65280 \# 4 deadbeef
ab A \# 4 c0000201
ac CSYNC 1 3 A NS AAAA
ad SMIMEA 3 0 0 abcdef
ae DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
af L32 10 10.1.2.0
ag NID 10 14:4fff:ff20:ee64
ah L64 10 2001:db8:1140:1000
ai LP 10 a
aj ( TXT "over" ; a comment| "lines" )
a\.b\065\@c A 192.0.2.2
*.wild TXT "x"
ak HIP ( 2 200100107B1A74DF365639CC39F1D578 AwEAAbdx rvs.example.com. )
al IPSECKEY 10 1 2 192.0.2.38 AQNRU3mG7TVTO2BkR47usntb102uFJtugbo6BSGvgqt4AQ==
am NSAP 0x47.0005.80.005a00.0000.0001.e133.ffffff000161.00
an X25 "311061700956"
ao ISDN "150862028003217" "004"
ap RT 10 a
aq PX 10 a b
ar GPOS -32.6882 116.8652 10.0
as MINFO a b
q CDS 0 0 0 00
q HTTPS 1 . mandatory=port,alpn alpn=h2 port=443
""".strip("\n").split("\n")

REFUSED = r"""
$TTL
$TTL -1
$TTL 1h 2h
$TTL 4294967295
$TTL x
$ORIGIN
$ORIGIN a..b
$INCLUDE
$INCLUDE /nowhere/at/all
$INCLUDE .
$FOO bar
$
@ CNAME x.example.net.
q CNAME a|q CNAME b
q CNAME a|q TXT b
q TXT b|q CNAME a
@ SOA a b 1 2 3 4 5
q SOA a b 1 2 3 4 5
q DNAME a|x.q A 192.0.2.1
q DNAME a|q DNAME b
q DNAME a|q NS b
q DNAME a|q CNAME b
* NS ns.example.net.
* DNAME ns.example.net.
www.example.net. A 192.0.2.1
www.example.org. A 192.0.2.1
. A 192.0.2.1
com. NS ns.example.net.
q A
q
q IN
q 60
q 60 IN
q IN IN A 192.0.2.1
q 60 60 A 192.0.2.1
q CH A 192.0.2.1
q HS TXT x
q TXT
q TXT a b c (
q TXT )
q TXT "a
q TXT \
q TXT "\"
q ANY x
q AXFR x
q OPT \# 0
q TSIG \# 0
q A \# 3 c00002
q A \# 4 c000020
q A \# 5 c000020100
q TYPE65280 deadbeef
q TYPE65280 \# 2 dead be
q MX \# 2 000a
q NS \# 0
q PTR \# 0
q CNAME \# 0
q SRV \# 6 000100020003
q TXT \# 0
q AAAA \# 0
q SOA \# 0
@ SOA \# 0
@ SOA \# 2 0000
q RP \# 1 00
q NAPTR \# 4 00010001
q CAA \# 0
q DNAME \# 0
q AFSDB \# 2 0001
q HINFO \# 1 00
q LOC \# 4 00000000
q NS \# 3 c00cc0
q NS \# 5 0161 c000 00
q HTTPS \# 4 00010000
q HTTPS 1 . alpn=h2 alpn=h3
q HTTPS 1 . mandatory=alpn
q HTTPS 1 . mandatory=alpn,alpn alpn=h2
q HTTPS 1 . mandatory=mandatory alpn=h2
q HTTPS 1 . no-default-alpn
q HTTPS 1
q HTTPS 1 . foo=bar
q HTTPS 1 . key0=x
q HTTPS 1 . key1=\002h2
q HTTPS 1 . key00667=x
q HTTPS 1 . dohpath=/q
q CAA 0 is-sue "x"
q CAA 256 issue "x"
q CAA 0 issue "x" "y"
q LOC 91 0 0 N 0 0 0 E 0m
q LOC 90 0 1 N 180 E 0m
q LOC 1 N 1 E -100001m
q LOC 1 N 1 E 1m 90000001m
q APL 3:192.0.2.0/24
q TLSA 3 1 1 012
q TLSA 3 1 1
q SSHFP 4 2 zz
q DS 1 8 2 0123
q CERT 65536 1 8 AQIDBA==
q OPENPGPKEY A
q OPENPGPKEY AQI=D
q EUI48 00:00:5e:00:53:2a
q EUI48 00-00-5e-00-53
q NID 1 14:4fff:ff20
q HINFO x
q HINFO "x" "y" "z"
q WKS 192.0.2.1 6 25 x
at WKS 192.0.2.1 6 smtp http
q NS ns.example.net.|q DS 1 8 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
q NS ns.example.net.|q DS 1 8 4 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
q NS ns.example.net.|q DS \# 6 000108020123
q HTTPS 1 . mandatory=port alpn=h2
q HTTPS 1 . mandatory=alpn,key1 alpn=h2
q HTTPS 1 . mandatory=alpn, alpn=h2
q SVCB 1 a dohpath=q{?dns}
q SVCB 1 a dohpath=/q{?dns
""".strip("\n").split("\n")

DEVIATIONS = {
    "$TTL 4294967295": "BIND takes 0 instead, Knot so long a TTL; RFC 2181 section 8 ends at 2147483647",
    "* DNAME ns.example.net.": "RFC 6672 section 3.3: should not be used, and here is not",
    "www.example.net. A 192.0.2.1": "the others leave out what is outside the zone; most likely a dot is wrong",
    "www.example.org. A 192.0.2.1": "as above",
    ". A 192.0.2.1": "as above",
    "com. NS ns.example.net.": "as above",
    "@ NS 192.0.2.1": "a name like any other; that it has no address is a warning",
    "q HTTPS 1 . key1=\\002h2": "raw octets of a key that has a name: the name is what people can check",
    "q TLSA PKIX-TA CERT FULL 01": "the words of RFC 7218 for the three numbers",
}


def run(words):
    return subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                          timeout=DEADLINE_S)


def write_zones(fleet, lines):
    """[(origin, file)]"""
    fleet.write("topology.yaml", TOPOLOGY)
    zones = []
    for number, line in enumerate(lines):
        path = fleet.folder / f"f{number}.zone"
        path.write_text(HEAD + line.replace("|", "\n") + "\n", encoding="utf-8")
        zones.append((f"f{number}.test", path))
    return zones


def told_of(fleet, zones):
    """{file: what `steer-dns --check` says about it, one line each, without the name of the file}"""
    told = {str(path): [] for _, path in zones}
    for first in range(0, len(zones), BATCH):
        text = f"geo: {{ city: {ROOT}/tests/data/small-city.mmdb }}\n" + steer_config(fleet, zones[first:first + BATCH])
        config = fleet.write("dns-1.yaml", text)
        done = run([BUILD / "steer-dns", "--check", "-c", config])
        text = done.stdout.decode("utf-8", "replace")
        assert done.returncode in (0, 2), text
        for line in text.splitlines():
            match = re.match(r"(.*/f\d+\.zone)(:.*)", line)
            if match:
                told[match.group(1)].append(match.group(2))
    return told


def errors_in(told):
    return [line for line in told if re.match(r"(:\d+)*: error:", line)]


def judge(words):
    """(whether the file is taken, what is said about it)"""
    done = run(words)
    return done.returncode == 0, done.stdout.decode("utf-8", "replace")[:300]


def judge_twice(zone, is_ours):
    """What BIND says, and when that differs from us also Knot."""
    bind, said = judge([NAMED_CHECKZONE, *NAMED_OPTIONS, *zone])
    if bind == is_ours:
        return bind, None
    knot, said_more = judge([KZONECHECK, "-o", *zone])
    return bind, None if knot == is_ours else f"BIND: {said}\nKnot: {said_more}"


def test_good_files_are_accepted(fleet):
    zones = write_zones(fleet, ACCEPTED)
    told = told_of(fleet, zones)
    problems = [f"{line}: {errors}" for line, (_, path) in zip(ACCEPTED, zones) if (errors := errors_in(told[str(path)]))]
    assert not problems, "\n".join(problems)


def test_broken_files_are_refused_with_the_place(fleet):
    zones = write_zones(fleet, REFUSED)
    told = told_of(fleet, zones)
    problems = []
    for line, (_, path) in zip(REFUSED, zones):
        first, last = HEAD.count("\n") + 1, HEAD.count("\n") + 1 + line.count("|")
        errors = errors_in(told[str(path)])
        places = [re.match(r":(\d+)(:\d+)?: error: \S", one) for one in errors]
        if not errors or not all(place and first <= int(place.group(1)) <= last for place in places):
            problems.append(f"{line}: {errors}")
    assert not problems, "\n".join(problems)


@pytest.mark.skipif(KZONECHECK is None or NAMED_CHECKZONE is None,
                    reason="kzonecheck or named-checkzone is not installed (apt-get install knot-dnssecutils bind9-utils)")
def test_files_are_judged_as_by_the_peers(fleet):
    lines = ACCEPTED + REFUSED
    zones = write_zones(fleet, lines)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        theirs = list(pool.map(judge_twice, zones, [line in ACCEPTED for line in lines]))
    problems = [f"{line}\n{said}" for line, (_, said) in zip(lines, theirs) if said is not None and line not in DEVIATIONS]
    assert not problems, "\n".join(problems)
    agreed = sum(bind == (line in ACCEPTED) for line, (bind, _) in zip(lines, theirs))
    assert agreed > len(lines) / 2, "hardly ever of one mind: is BIND asked in the right way?"
    assert set(DEVIATIONS) <= set(lines)
