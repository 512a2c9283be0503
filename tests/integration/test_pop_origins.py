# SPDX-License-Identifier: Apache-2.0
"""Origin servers: TLS, HTTP/2, kept connections, dead and stale ones, and contents that break off."""

import collections
import shutil
import socket
import ssl
import struct
import time

import pytest

from http_clients import END_HEADERS, END_STREAM, H1, H2, HEADERS, PREFACE, RawH2, SETTINGS, connect, frame, literal
from loopback import Daemon, wait_for
from raw_origin import RawOrigin

POP, REGION = "gru1", "us-east"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
UNKNOWN_LENGTH = b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n"
LINGER_NOW = struct.pack("ii", 1, 0)


def small_fleet(pop_fleet_of, **settings):
    """One region, one gateway, so that it is known who does what."""
    return pop_fleet_of(**{"regions": (REGION,), "gateways": 1, "origins": 1, **settings})


def replace_origin(fleet, serve, context=None, number=0):
    """`serve` in place of an origin server of the fleet; the others are gone, too."""
    fleet.origins[REGION].stop()
    return RawOrigin(fleet.addresses[REGION], fleet.origin_ports[REGION][number], serve, context)


def client_of(fleet, alpn="h2"):
    sock = connect(fleet.nodes[POP], fleet.client_context((alpn,)))
    return H2(sock) if alpn == "h2" else H1(sock)


def server_context(fleet):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(fleet.certs / "front.pem", fleet.certs / "front.key")
    return context


TLS = ", tls: { name: www.example.com, ca: certs/ca.pem }"


def keep_answering(origin_of):
    def serve(sock, _number):
        while origin_of["it"].answer(sock, OK):
            pass
    return serve


# ---- connections ----


@pytest.mark.parametrize("is_tls", [False, True])
def test_connections_are_kept(pop_fleet_of, is_tls):
    fleet = small_fleet(pop_fleet_of, origin=TLS if is_tls else "")
    holder = {}
    holder["it"] = replace_origin(fleet, keep_answering(holder), server_context(fleet) if is_tls else None)
    client = client_of(fleet)
    for i in range(50):
        response = client.request("GET", f"/{i}")
        assert response.status == 200 and response.body == b"ok", response
    assert len(holder["it"].requests) == 50
    assert holder["it"].count <= 2  # tools/origin may have left one that was just closed
    holder["it"].close()


def test_a_tls_origin_must_prove_its_name(pop_fleet_of):
    fleet = small_fleet(pop_fleet_of, origin=", tls: { name: other.example.net, ca: certs/ca.pem }")
    holder = {}
    holder["it"] = replace_origin(fleet, keep_answering(holder), server_context(fleet))
    response = client_of(fleet).request("GET", "/")
    assert response.status in (502, 503), response
    assert not holder["it"].requests
    holder["it"].close()


@pytest.mark.parametrize("is_tls", [False, True])
def test_http2_origin(pop_fleet_of, is_tls):
    if shutil.which("nghttpd") is None:
        pytest.skip("nghttpd is not installed")
    fleet = small_fleet(pop_fleet_of, origin=", protocol: http2" + (TLS if is_tls else ""))
    fleet.origins[REGION].stop()
    (fleet.folder / "docs").mkdir()
    (fleet.folder / "docs/file").write_bytes(b"0123456789" * 50_000)
    address, port = fleet.addresses[REGION], fleet.origin_ports[REGION][0]
    words = ["nghttpd", "-a", address, "-d", fleet.folder / "docs", str(port)]
    words += [fleet.certs / "front.key", fleet.certs / "front.pem"] if is_tls else ["--no-tls"]
    origin = Daemon("nghttpd", words, fleet.folder).start()

    def listens():
        origin.check_alive()
        with socket.socket() as sock:
            return sock.connect_ex((address, port)) == 0

    try:
        wait_for("nghttpd listens", listens)
        client = client_of(fleet)
        streams = [client.start("GET", "/file") for _ in range(20)]
        client.wait(*streams)
        for stream in streams:
            response = client.responses[stream]
            assert response.status == 200 and len(response.body) == 500_000, response
        assert client.request("GET", "/none").status == 404
        assert client.request("POST", "/file", body=b"x" * 100_000).status in (200, 404)
    finally:
        origin.kill()


@pytest.mark.parametrize("status", [b"000", b"042", b"099", b"600", b"999", b"2x0"])
def test_http2_origin_with_an_odd_status(pop_fleet_of, status):
    """Whatever is made of it, nobody falls over it."""
    fleet = small_fleet(pop_fleet_of, origin=", protocol: http2")
    answered = []

    def serve(sock, _number):
        far = RawH2(sock, hello=False)
        far.buffer = b""
        while len(far.buffer) < len(PREFACE):
            far.buffer += sock.recv(1 << 16)
        far.buffer = far.buffer[len(PREFACE):]
        far.send(frame(SETTINGS))
        while True:
            seen = far.frames_until(lambda one: one[0] == HEADERS)
            if not seen or seen[-1][0] != HEADERS:
                return
            answered.append(seen[-1][2])
            far.send(frame(HEADERS, END_HEADERS | END_STREAM, seen[-1][2], literal(b":status", status)))

    origin = replace_origin(fleet, serve)
    try:
        for alpn in ("h2", "http/1.1"):
            response = client_of(fleet, alpn).request("GET", "/")
            assert response.status in (502, 503) or (status >= b"600" and response.status == int(status)), response
        assert answered
        for node in (fleet.nodes[POP], *fleet.gateways(REGION)):
            node.check_alive()
    finally:
        origin.close()


def test_a_stale_connection_costs_no_request(pop_fleet_of):
    """The server closes right when the next request comes: idempotent ones are sent again."""
    fleet = small_fleet(pop_fleet_of)
    holder = {}

    def serve(sock, _number):
        holder["it"].answer(sock, OK)
        sock.recv(1)  # the second request meets a server that hangs up
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOW)

    holder["it"] = replace_origin(fleet, serve)
    client = client_of(fleet)
    for i in range(20):
        response = client.request("GET", f"/{i}")
        assert response.status == 200, (i, response)
    holder["it"].close()


def test_a_closed_idle_connection_is_not_used(pop_fleet_of):
    """The server's FIN was seen: even a POST goes to a new connection."""
    fleet = small_fleet(pop_fleet_of)
    holder, ended = {}, []

    def serve(sock, number):
        holder["it"].answer(sock, OK)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(1 << 16):
            pass
        ended.append(number)  # the gateway closed its side

    holder["it"] = replace_origin(fleet, serve)
    client = client_of(fleet)
    for i in range(10):
        response = client.request("POST", f"/{i}", body=b"x")
        assert response.status == 200, (i, response)
        wait_for("the gateway's FIN", lambda: len(ended) > i)
    assert len(holder["it"].requests) == 10
    holder["it"].close()


def test_two_servers_share(pop_fleet):
    """By what is in flight, ten at a time, for whoever answers at once may rightly get the next one, too. An idle
    connection to the busier one goes before a new one to the other, which is opened for the next time."""
    client = client_of(pop_fleet)
    rounds = []
    while not rounds or min(rounds[-1].values()) < 4 or len(rounds[-1]) < 2:
        assert len(rounds) < 10, rounds
        streams = [client.start("GET", f"/slow/500/{i}") for i in range(10)]
        client.wait(*streams)
        rounds.append(collections.Counter(client.responses[stream].get("x-origin") for stream in streams))
        assert None not in rounds[-1], rounds


def origins_of(fleet):
    status = fleet.gateways(REGION)[0].json("/status.json")
    return {peer["peer"].rpartition(":")[2]: peer for thread in status["threads"] for peer in thread["peers"]
            if peer["kind"] == "origin"}


def test_a_server_that_is_gone_is_left_out(pop_fleet_of):
    """Refused connections: nobody's request pays for it, and it is asked less and less."""
    fleet = small_fleet(pop_fleet_of, origins=2)
    holder = {}
    holder["it"] = replace_origin(fleet, keep_answering(holder))
    client = client_of(fleet)
    for i in range(60):
        assert client.request("POST", f"/{i}", body=b"x").status == 200
    assert len(holder["it"].requests) == 60  # each exactly once
    gone = origins_of(fleet)[str(fleet.origin_ports[REGION][1])]
    assert gone["connects_ok"] == 0 and 1 <= gone["connects_failed"] < 20, gone
    holder["it"].close()


def test_a_server_that_hangs_up_is_left_out(pop_fleet_of):
    fleet = small_fleet(pop_fleet_of, origins=2)
    holder = {}
    good = holder["it"] = replace_origin(fleet, keep_answering(holder))
    bad = RawOrigin(fleet.addresses[REGION], fleet.origin_ports[REGION][1], lambda sock, _: sock.recv(1 << 16))
    client = client_of(fleet)
    for i in range(60):
        assert client.request("GET", f"/{i}").status == 200
    assert len(good.requests) == 60
    assert 1 <= bad.count <= 5
    good.close()
    bad.close()


# ---- contents of unknown length that break off ----


def break_off(how):
    def serve(sock, _number):
        sock.recv(1 << 16)
        sock.sendall(UNKNOWN_LENGTH + b"x" * 1000)
        if how == "reset":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOW)
            sock.close()
        elif how == "no_close_notify":
            sock.shutdown(socket.SHUT_RDWR)
        elif how == "close_notify":
            sock.unwrap()
    return serve


# How the origin ends -> is the content whole?
ENDS = {"fin": True, "close_notify": True, "no_close_notify": False}


@pytest.mark.parametrize("client_kind", ["1.0", "1.0 tls", "1.1", "h2"])
@pytest.mark.parametrize("how", ENDS)
def test_contents_end_as_they_do_at_the_origin(pop_fleet_of, how, client_kind):
    is_tls = how != "fin"
    fleet = small_fleet(pop_fleet_of, origin=TLS if is_tls else "")
    origin = replace_origin(fleet, break_off(how), server_context(fleet) if is_tls else None)
    assert ends_well(fleet, client_kind) == ENDS[how]
    origin.close()


@pytest.mark.parametrize("client_kind", ["1.0", "1.0 tls", "1.1", "h2"])
def test_chunks_that_break_off_are_no_content(pop_fleet_of, client_kind):
    fleet = small_fleet(pop_fleet_of)

    def serve(sock, _number):
        sock.recv(1 << 16)
        sock.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n")

    origin = replace_origin(fleet, serve)
    assert not ends_well(fleet, client_kind)
    origin.close()


def ends_well(fleet, kind):
    node = fleet.nodes[POP]
    if kind in ("1.1", "h2"):
        response = client_of(fleet, "http/1.1" if kind == "1.1" else "h2").request("GET", "/")
        return not response.is_truncated and response.body == b"x" * 1000
    if kind == "1.0":
        sock = connect(node, port=node.plain_port)
    else:
        context = fleet.client_context(("http/1.1",))
        raw = socket.create_connection((node.address, node.port), 60)
        sock = context.wrap_socket(raw, server_hostname="www.example.com", suppress_ragged_eofs=False)
    sock.sendall(b"GET / HTTP/1.0\r\nhost: www.example.com\r\n\r\n")
    data = b""
    try:
        while piece := sock.recv(1 << 16):
            data += piece
    except (ConnectionResetError, ssl.SSLError):
        return False
    return data.endswith(b"x" * 1000)


# ---- whose turn it is ----

# Longer than a client may be silent; and that is longer than one on a busy machine is.
THINKING_S = 6
PATIENCE = "timeouts: { body_idle: 4s }\n"


def think_then_ask(sock, _number):
    """Takes its time with the head alone, then asks for the content."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = sock.recv(1 << 16)
        if not piece:
            return
        data += piece
    assert b"expect: 100-continue" in data.lower()
    time.sleep(THINKING_S)
    sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert sock.recv(5, socket.MSG_WAITALL) == b"hello"
    sock.sendall(OK)


def test_who_waits_for_100_is_not_taken_for_slow(pop_fleet_of):
    """Over both versions at once: the origin thinks for longer than a client may be silent."""
    fleet = small_fleet(pop_fleet_of, more={"pop": PATIENCE, "gateway": PATIENCE},
                        routes='  - { host: "*", map: api, origin: web, deadline: 10m, try: 10m }\n')
    origin = replace_origin(fleet, think_then_ask)
    one, two = client_of(fleet, "http/1.1"), client_of(fleet, "h2")
    one.send(b"POST / HTTP/1.1\r\nhost: www.example.com\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
    stream = two.start("POST", "/", [("content-length", "5"), ("expect", "100-continue")], end=False)
    assert one.head()[0] == 100
    one.send(b"hello")
    while stream not in two.responses:
        assert two.pump()
    assert [status for status, _ in two.responses[stream].informational] == [100]
    two.send_body(stream, b"hello")
    assert one.response("POST").body == two.wait(stream).body == b"ok"
    origin.close()
