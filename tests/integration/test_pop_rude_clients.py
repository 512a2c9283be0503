# SPDX-License-Identifier: Apache-2.0
"""Clients that read slowly, abort in the middle, send half of something and die: nothing of them stays."""

import json
import os
import random
import socket
import ssl
import struct

import pytest

from http_clients import CONTINUATION, END_HEADERS, HEADERS, PREFACE, SETTINGS, H1, H2, RawH2, connect, frame, get_block
from loopback import proxy_header, wait_for

POP = "gru1"
LARGE = 5_000_000
GAUGES = ("steer_pop_requests_in_flight", "steer_pop_buffered_bytes", "steer_pop_client_connections")


def end(sock, rng):
    """With FIN, with TLS's own goodbye or with RST."""
    kind = rng.randrange(3)
    try:
        if kind == 0 and isinstance(sock, ssl.SSLSocket):
            sock.settimeout(0.01)
            sock.unwrap()
        elif kind == 1:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except OSError:
        pass
    sock.close()


def h1(fleet):
    return H1(connect(fleet.nodes[POP], fleet.client_context(("http/1.1",))))


def h2(fleet):
    return H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))


def reads_a_little_h1(fleet, rng):
    client = h1(fleet)
    client.send(f"GET /bytes/{LARGE} HTTP/1.1\r\nhost: www.example.com\r\n\r\n".encode())
    for _ in range(rng.randrange(5)):
        client.sock.recv(rng.choice((1, 1000, 16384)))
    return client.sock


def reads_a_little_h2(fleet, rng):
    client = h2(fleet)
    client.auto_ack = rng.random() < 0.5
    streams = [client.start("GET", f"/bytes/{LARGE}") for _ in range(rng.choice((1, 4)))]
    client.sock.settimeout(0.02)  # without credit nothing comes
    try:
        for _ in range(rng.randrange(1, 8)):
            client.pump()
    except TimeoutError:
        pass
    if rng.random() < 0.5 and streams[0] not in client.done:
        client.h2.reset_stream(streams[0])
        client.flush()
    return client.sock


def aborts_an_upload_h1(fleet, rng):
    client = h1(fleet)
    if rng.random() < 0.5:
        client.send(b"POST /up HTTP/1.1\r\nhost: www.example.com\r\ncontent-length: 9000000\r\n\r\n")
        client.send(rng.randbytes(rng.choice((0, 1, 1000, 200_000))))
    else:
        client.send(b"POST /up HTTP/1.1\r\nhost: www.example.com\r\ntransfer-encoding: chunked\r\n\r\n")
        client.send(rng.choice((b"", b"4", b"4\r\nab", b"4\r\nabcd\r\n", b"4\r\nabcd\r\n0\r\n")))
    return client.sock


def aborts_an_upload_h2(fleet, rng):
    client = h2(fleet)
    stream = client.start("POST", "/up", body=rng.randbytes(rng.choice((0, 1, 1000, 60_000))), end=False)
    if rng.random() < 0.3:
        client.h2.reset_stream(stream)
        client.flush()
    return client.sock


def aborts_while_it_waits(fleet, rng):
    client = rng.choice((h1, h2))(fleet)
    if isinstance(client, H2):
        client.start("GET", "/slow/500")
    else:
        client.send(b"GET /slow/500 HTTP/1.1\r\nhost: www.example.com\r\n\r\n" * rng.choice((1, 3)))
    return client.sock


def dies_in_a_head_h1(fleet, rng):
    client = h1(fleet)
    text = b"GET /half HTTP/1.1\r\nhost: www.example.com\r\nx-a: b\r\n\r\n"
    client.send(text[: rng.randrange(len(text))])
    return client.sock


def dies_in_a_head_h2(fleet, rng):
    client = RawH2(connect(fleet.nodes[POP], fleet.client_context(("h2",))), hello=False)
    block = get_block(b"/half")
    bytes_ = PREFACE + frame(SETTINGS) + frame(HEADERS, 0, 1, block[:20]) + frame(CONTINUATION, END_HEADERS, 1, block[20:])
    client.send(bytes_[: rng.randrange(1, len(bytes_))])
    return client.sock


def dies_in_a_handshake(fleet, rng):
    node = fleet.nodes[POP]
    sock = socket.create_connection((node.address, node.port), 30)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = fleet.client_context().wrap_bio(incoming, outgoing, server_hostname="www.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    sock.sendall(hello[: rng.randrange(len(hello) + 1)])
    return sock


def dies_in_a_proxy_header(fleet, rng):
    node = fleet.nodes[POP]
    sock = socket.create_connection((node.address, node.proxy_port), 30)
    header = proxy_header("203.0.113.9")
    sock.sendall(header[: rng.randrange(len(header))])
    return sock


def dies_in_a_tunnel(fleet, rng):
    client = h1(fleet)
    client.send(b"GET /ws HTTP/1.1\r\nhost: www.example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    assert client.head()[0] == 101
    client.send(b"\x81\x85\x00\x00\x00\x00hello"[: rng.randrange(12)])
    return client.sock


RUDENESS = (reads_a_little_h1, reads_a_little_h2, aborts_an_upload_h1, aborts_an_upload_h2, aborts_while_it_waits,
            dies_in_a_head_h1, dies_in_a_head_h2, dies_in_a_handshake, dies_in_a_proxy_header, dies_in_a_tunnel)


def descriptors(node):
    return len(os.listdir(f"/proc/{node.process.pid}/fd"))


def front_gauges(node):
    return {name: node.metric(name) for name in GAUGES}


@pytest.mark.parametrize("rounds", [30])
def test_nothing_of_rude_clients_stays(pop_fleet, rounds):
    node = pop_fleet.nodes[POP]
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    rng = random.Random(seed)
    polite = h2(pop_fleet)
    assert polite.request("GET", "/").status == 200
    wait_for("its own request is over", lambda: node.metric(GAUGES[0]) == 0)
    before = descriptors(node)
    for _ in range(rounds):
        kinds = rng.sample(RUDENESS, len(RUDENESS))
        socks = [kind(pop_fleet, rng) for kind in kinds]
        assert polite.request("GET", "/").status == 200
        for sock in socks:
            end(sock, rng)
    for one in [node, *(g for region in pop_fleet.region_names for g in pop_fleet.gateways(region))]:
        wait_for(f"{one.name} has given back streams and buffers",
                 lambda one=one: one.metric(GAUGES[0]) == 0 and one.metric(GAUGES[1]) == 0)
    wait_for("the connections are gone", lambda: node.metric(GAUGES[2]) <= 1)
    # The backbone may have grown by a few connections; hundreds of clients would show.
    wait_for("the descriptors are given back", lambda: descriptors(node) <= before + 10)
    assert polite.request("GET", "/").status == 200
    polite.close()
    wait_for("all is quiet", lambda: not any(front_gauges(node).values()))


def test_a_slow_reader_gets_everything(pop_fleet):
    """Longer than any buffer on the way, in small pieces; both versions at once."""
    client = h1(pop_fleet)
    client.send(f"GET /bytes/{LARGE} HTTP/1.1\r\nhost: www.example.com\r\n\r\n".encode())
    other = h2(pop_fleet)
    stream = other.start("GET", f"/bytes/{LARGE}")
    status, fields = client.head()
    assert status == 200 and dict(fields)["content-length"] == str(LARGE)
    total = len(client.buffer)
    while stream not in other.done or total < LARGE:
        if total < LARGE:
            piece = client.sock.recv(3000)
            assert piece, f"ended after {total} bytes"
            total += len(piece)
        if stream not in other.done:
            assert other.pump()
    assert total == LARGE and stream not in other.reset
    client.close()
    other.close()
    wait_for("buffers are given back", lambda: pop_fleet.nodes[POP].metric(GAUGES[1]) == 0)


def test_who_stops_to_read_is_logged_as_stalled(pop_fleet_of):
    """Whoever finds out: the request, that its client gives no credit, or the connection, that nothing leaves."""
    fleet = pop_fleet_of(regions=("us-east",), gateways=1, origins=1, pops=(POP,),
                         more={"pop": "timeouts: { write_stall: 4s }\n"})
    plain, narrow = h1(fleet), h2(fleet)
    plain.send(b"GET /bytes/100000000?plain HTTP/1.1\r\nhost: www.example.com\r\n\r\n")
    narrow.start("GET", "/bytes/100000000?narrow")
    log = fleet.folder / f"{POP}.access"

    def causes():
        entries = map(json.loads, log.read_text().splitlines())
        return {entry["path"].partition("?")[2]: entry.get("cause") for entry in entries if "?" in entry["path"]}

    found = wait_for("both are logged", lambda: len(causes()) == 2 and causes(), explain=log.read_text)
    assert found == {"plain": "client_stalled", "narrow": "client_stalled"}
    assert fleet.nodes[POP].metric("steer_pop_client_aborts_total") == 0
    plain.close()
    narrow.close()


# Silences of a machine that is busy are shorter than that, and a trickle never makes up for the rate.
LEAST_RATE = "timeouts: { body_idle: 4s, body_min_rate: 100000, write_stall: 4s, write_min_rate: 100000 }\n"


def test_a_trickle_does_not_hold_an_origin(pop_fleet_of):
    """Clients that go on moving, but next to nothing, in either direction; a call of gRPC may."""
    fleet = pop_fleet_of(regions=("us-east",), gateways=1, origins=1, pops=(POP,), more={"pop": LEAST_RATE})
    call, up, down = h2(fleet), h2(fleet), h2(fleet)
    down.auto_ack = False
    streams = {call: call.start("POST", "/call", [("content-type", "application/grpc")], end=False),
               up: up.start("POST", "/up", [("content-length", "1000000")], end=False),
               down: down.start("GET", f"/bytes/{LARGE}")}
    for client in streams:
        client.sock.settimeout(0.02)

    def are_cut():
        for client, stream in streams.items():
            if stream in client.done:
                continue
            if client is down:
                down.h2.increment_flow_control_window(1, stream)
                down.h2.increment_flow_control_window(1)
            else:
                client.h2.send_data(stream, b"x")
            client.flush()
            try:
                client.pump()
            except TimeoutError:
                pass
        return streams[up] in up.done and streams[down] in down.done

    wait_for("both are cut", are_cut)
    assert up.responses[streams[up]].status == 408
    assert streams[down] in down.reset and len(down.responses[streams[down]].body) < LARGE
    call.sock.settimeout(None)
    call.h2.end_stream(streams[call])
    call.flush()
    assert call.wait(streams[call]).status == 200
