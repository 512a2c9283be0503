# SPDX-License-Identifier: Apache-2.0
"""Certificates, versions, tickets that the whole fleet takes, PROXY protocol, the backbone's door."""

import re
import socket
import ssl
import struct
import subprocess

import pytest

from http_clients import PREFACE, SETTINGS, H1, H2, RawH2, connect, frame
from loopback import proxy_header, wait_for

POP = "gru1"


def s_client(fleet, node, *words, name="www.example.com", stdin="", port=None):
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"{node.address}:{port or node.port}", "-servername", name, "-CAfile",
         str(fleet.certs / "ca.pem"), *words],
        input=stdin, capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("flag,version", [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_versions(pop_fleet, flag, version):
    text = s_client(pop_fleet, pop_fleet.nodes[POP], flag)
    assert version in text and "Verify return code: 0" in text


@pytest.mark.parametrize("flag", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(pop_fleet, flag):
    text = s_client(pop_fleet, pop_fleet.nodes[POP], flag, "-cipher", "ALL:@SECLEVEL=0")
    assert "Cipher is (NONE)" in text or "no protocols available" in text


def test_both_kinds_of_certificate(pop_fleet):
    node = pop_fleet.nodes[POP]
    for algorithms, kind in (("ECDSA+SHA256", "id-ecPublicKey"), ("RSA-PSS+SHA256", "rsaEncryption")):
        text = s_client(pop_fleet, node, "-sigalgs", algorithms, "-showcerts")
        pem = text[text.index("-----BEGIN") : text.index("-----END CERTIFICATE-----") + 26]
        shown = subprocess.run(["openssl", "x509", "-noout", "-text"], input=pem, capture_output=True, text=True,
                               check=True).stdout
        assert kind in shown


def session_of(fleet, node, context, session=None):
    """Handshake, one request (TLS 1.3 sends tickets behind it): (session, was it resumed)."""
    sock = socket.create_connection((node.address, node.port), 60)
    tls = context.wrap_socket(sock, server_hostname="www.example.com", session=session)
    client = H1(tls)
    assert client.request("GET", "/").status == 200
    result = tls.session, tls.session_reused
    client.close()
    return result


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_ticket_of_one_pop_is_good_at_another(pop_fleet_of, version):
    fleet = pop_fleet_of(pops=("gru1", "fra1"), regions=("us-east",), gateways=1)
    context = fleet.client_context(("http/1.1",))
    context.maximum_version = context.minimum_version = version
    session, resumed = session_of(fleet, fleet.nodes["gru1"], context)
    assert not resumed
    _, resumed = session_of(fleet, fleet.nodes["fra1"], context, session)
    assert resumed
    assert fleet.nodes["fra1"].metric("steer_pop_tls_handshakes_total", "resumed") == 1


def test_rotating_ticket_keys_without_restart(pop_fleet_of):
    fleet = pop_fleet_of(regions=("us-east",), gateways=1)
    node = fleet.nodes[POP]
    context = fleet.client_context(("http/1.1",))
    session, _ = session_of(fleet, node, context)
    fresh = subprocess.run([str(fleet.build / "steer-pop"), "--new-ticket-key"], capture_output=True, text=True,
                           check=True).stdout.split()
    path = fleet.certs / "tickets.key"
    old = next(line.split() for line in path.read_text().splitlines() if line.startswith("current"))
    path.write_text(f"current {fresh[1]} {fresh[2]}\nprevious {old[1]} {old[2]}\n")
    assert node.admin("/reload", "POST")[0] == 200
    renewed, resumed = session_of(fleet, node, context, session)
    assert resumed  # made with the previous key
    path.write_text(f"current {fresh[1]} {fresh[2]}\n")
    assert node.admin("/reload", "POST")[0] == 200
    assert session_of(fleet, node, context, renewed)[1]  # was renewed with the new key
    assert not session_of(fleet, node, context, session)[1]  # its key is gone
    path.write_text("current 00 garbage\n")
    code, text = node.admin("/reload", "POST")
    assert code == 422 and "tickets.key:1" in text
    assert session_of(fleet, node, context, renewed)[1]  # the old keys are kept


def test_plaintext_on_the_tls_port_is_refused(pop_fleet):
    node = pop_fleet.nodes[POP]
    with socket.create_connection((node.address, node.port), 60) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nhost: www.example.com\r\n\r\n")
        data = sock.recv(100)
        assert data[:1] in (b"\x15", b"")  # an alert, or nothing


def test_garbage_does_not_hurt(pop_fleet):
    node = pop_fleet.nodes[POP]
    for data in (b"\x16\x03\x01\xff\xff" + b"\x00" * 1000, b"\x00" * 5000, b"\x16\x03\x01\x00\x05hello"):
        with socket.create_connection((node.address, node.port), 60) as sock:
            sock.sendall(data)
            try:
                while sock.recv(1000):
                    pass
            except ConnectionResetError:
                pass
    assert H1(connect(node, pop_fleet.client_context(("http/1.1",)))).request("GET", "/").status == 200


# ---- PROXY protocol ----


def seen_client(response):
    return re.search(r"x-forwarded-for: (\S+?),?\s", response.body.decode() + "\n").group(1)


def proxy_v2(client, family=0x11, command=0x21):
    address = socket.inet_pton(socket.AF_INET, client) + socket.inet_pton(socket.AF_INET, "127.0.0.1")
    body = address + struct.pack("!HH", 4000, 443) + b"\x04\x00\x03abc"  # with a NOOP TLV
    return b"\r\n\r\n\x00\r\nQUIT\n" + bytes([command, family]) + struct.pack("!H", len(body)) + body


def test_proxy_protocol_v2(pop_fleet):
    node = pop_fleet.nodes[POP]
    for header, expected in ((proxy_v2("203.0.113.77"), "203.0.113.77"), (proxy_v2("203.0.113.77", command=0x20), "127.0.0.1")):
        sock = socket.create_connection((node.address, node.proxy_port), 60)
        for byte in header:  # one byte at a time: no assumption about segments
            sock.sendall(bytes([byte]))
        tls = pop_fleet.client_context(("http/1.1",)).wrap_socket(sock, server_hostname="www.example.com")
        assert seen_client(H1(tls).request("GET", "/")) == expected


def test_proxy_protocol_with_an_ipv4_client_in_ipv6(pop_fleet):
    """What a load balancer with one socket for both families says of an IPv4 client."""
    client = H1(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("http/1.1",)), client="::ffff:198.51.100.7"))
    assert seen_client(client.request("GET", "/")) == "198.51.100.7"


@pytest.mark.parametrize("header", [
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 99999\r\n", b"PROXY TCP4 1.2.3.4\r\n", b"PROXY TCP9 1.2.3.4 5.6.7.8 1 2\r\n",
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n", b"PROXY " + b"x" * 200, b"GET / HTTP/1.1\r\n\r\n",
    b"\r\n\r\n\x00\r\nQUIT\n\x31\x11\x00\x00", b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x02ab"])
def test_broken_proxy_headers_end_the_connection(pop_fleet, header):
    node = pop_fleet.nodes[POP]
    with socket.create_connection((node.address, node.proxy_port), 60) as sock:
        sock.sendall(header)
        try:
            assert sock.recv(100) == b""
        except ConnectionResetError:
            pass


def test_a_missing_proxy_header_ends_the_connection(pop_fleet):
    node = pop_fleet.nodes[POP]
    with pytest.raises((ssl.SSLError, OSError)):
        connect(node, pop_fleet.client_context(), port=node.proxy_port)


def test_proxy_header_by_nobody_trusted_is_no_header(pop_fleet):
    """On the listener without PROXY protocol the line is just a broken TLS hello."""
    node = pop_fleet.nodes[POP]
    with socket.create_connection((node.address, node.port), 60) as sock:
        sock.sendall(proxy_header("203.0.113.9"))
        try:
            assert sock.recv(100)[:1] in (b"\x15", b"")
        except ConnectionResetError:
            pass


# ---- the backbone's door ----


def backbone_context(fleet, identity=None):
    context = ssl.create_default_context(cafile=str(fleet.certs / "ca.pem"))
    context.check_hostname = False
    context.set_alpn_protocols(["h2"])
    if identity:
        context.load_cert_chain(fleet.certs / f"{identity}.pem", fleet.certs / f"{identity}.key")
    return context


def is_let_in(fleet, gateway, context):
    sock = socket.create_connection((gateway.address, gateway.backbone_port), 60)
    try:
        tls = context.wrap_socket(sock, server_hostname="us-east.region.steer")
        raw = RawH2(tls, hello=False)
        raw.send(PREFACE + frame(SETTINGS))
        return any(one[0] == SETTINGS for one in raw.frames_until(lambda f: f[0] == SETTINGS))
    except (ssl.SSLError, OSError):
        return False
    finally:
        sock.close()


class RecordSocket:
    """TLS over a socket, which tells the sizes of the records that came."""

    def __init__(self, node, context, port, name, segment_bytes=None):
        self.sock = socket.socket()
        self.sock.settimeout(60)
        if segment_bytes is not None:
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, segment_bytes)
        self.sock.connect((node.address, port))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)
        self.raw, self.sizes = b"", []
        self._until_done(self.tls.do_handshake)

    def _until_done(self, action, *words):
        while True:
            try:
                done = action(*words)
                self.sock.sendall(self.outgoing.read())
                return done
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                self._read()

    def _read(self):
        data = self.sock.recv(1 << 16)
        self.incoming.write(data) if data else self.incoming.write_eof()
        self.raw += data
        while len(self.raw) >= 5 and len(self.raw) >= 5 + int.from_bytes(self.raw[3:5], "big"):
            size = 5 + int.from_bytes(self.raw[3:5], "big")
            self.sizes.append(size)
            self.raw = self.raw[size:]

    def sendall(self, data):
        self._until_done(self.tls.write, data)

    def recv(self, size):
        return self._until_done(self.tls.read, size)

    def close(self):
        self.sock.close()


def first_records(sock, until):
    """Sizes of the first records of a response, until so many octets."""
    client = H2(sock)
    sock.sizes.clear()
    assert len(client.request("GET", "/bytes/60000").body) == 60000
    client.close()
    first = 0
    while sum(sock.sizes[:first]) < until:
        first += 1
    return sock.sizes[:first]


def backbone_records(fleet, until, segment_bytes=None):
    node = fleet.nodes["us-east-gw1"]
    context = backbone_context(fleet, f"{POP}.pop.steer")
    return first_records(RecordSocket(node, context, node.backbone_port, "us-east.region.steer", segment_bytes), until)


def test_the_first_records_of_a_response_fit_a_packet_each(pop_fleet):
    """Each can be used when its packet is there: a slow start sends no sixteen kilobytes at once."""
    node = pop_fleet.nodes[POP]
    sizes = first_records(RecordSocket(node, pop_fleet.client_context(), node.port, "www.example.com"), 15000)
    assert max(sizes) < 1400, sizes


def test_backbone_records_do_so_while_the_window_is_narrow(pop_fleet):
    sizes = backbone_records(pop_fleet, 5000, segment_bytes=536)  # ten such packets are sent at first
    assert max(sizes) < 1400, sizes


def test_backbone_records_are_large_when_the_window_is_wide(pop_fleet):
    """On loopback one packet takes the largest. Before so many octets, all would be small."""
    sizes = backbone_records(pop_fleet, 30000)
    assert max(sizes) > 1400, sizes


def test_only_known_sites_enter_the_backbone(pop_fleet):
    gateway = pop_fleet.gateways("us-east")[0]
    assert is_let_in(pop_fleet, gateway, backbone_context(pop_fleet, "gru1.pop.steer"))
    assert not is_let_in(pop_fleet, gateway, backbone_context(pop_fleet))  # no certificate
    assert not is_let_in(pop_fleet, gateway, backbone_context(pop_fleet, "front"))  # not a site's name
    old = backbone_context(pop_fleet, "gru1.pop.steer")
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert not is_let_in(pop_fleet, gateway, old)


def test_a_gateway_with_another_name_is_not_used(pop_fleet_of):
    """us-west's gateways show eu-west's certificate: the PoP must not talk to them."""
    fleet = pop_fleet_of(regions=("us-east", "us-west"), gateways=1)
    node = fleet.nodes[POP]
    gateway = fleet.gateways("us-east")[0]
    gateway.stop()
    path = fleet.folder / "us-east-gw1.yaml"
    path.write_text(path.read_text().replace("certs/us-east.region.steer", "certs/us-west.region.steer"))
    gateway.start().wait_ready()
    client = H2(connect(node, fleet.client_context(("h2",))))
    answer = client.request("GET", "/")
    assert answer.status == 200 and answer.get("x-region") == "us-west"
    wait_for("the failure is counted", lambda: node.metric("steer_pop_connects_total", "failed") > 0)
