# SPDX-License-Identifier: Apache-2.0
"""WebSocket through PoP and gateway, over HTTP/1.1 Upgrade and over RFC 8441."""

import base64
import hashlib
import os

import h2.events

from http_clients import H1, H2, connect

POP = "gru1"
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def text_frame(text):
    mask = os.urandom(4)
    body = bytes(byte ^ mask[i % 4] for i, byte in enumerate(text))
    return bytes([0x81, 0x80 | len(text)]) + mask + body


def upgrade(fleet, path="/ws", headers=()):
    client = H1(connect(fleet.nodes[POP], fleet.client_context(("http/1.1",))))
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", "host: www.example.com", "connection: Upgrade", "upgrade: websocket",
             "sec-websocket-version: 13", f"sec-websocket-key: {key}", *headers]
    client.send(("\r\n".join(lines) + "\r\n\r\n").encode())
    return client, key, client.response()


def test_http1_upgrade(pop_fleet):
    client, key, answer = upgrade(pop_fleet)
    assert answer.status == 101, answer
    accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    assert answer.get("sec-websocket-accept") == accept
    for i in range(20):
        text = f"message {i}".encode()
        client.send(text_frame(text))
        assert client._exactly(2 + len(text)) == bytes([0x81, len(text)]) + text
    client.close()


def test_extended_connect(pop_fleet):
    client = H2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))), validate=False)
    while not client.settings_seen:
        client.pump()
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(stream, [
        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/ws"),
        (":authority", "www.example.com"), ("sec-websocket-version", "13")])
    client.flush()
    while stream not in client.responses:
        assert client.pump()
    assert client.responses[stream].status == 200
    for i in range(10):
        text = f"message {i}".encode()
        client.h2.send_data(stream, text_frame(text))
        client.flush()
        while len(client.responses[stream].body) < 2 + len(text):
            assert client.pump()
        assert client.responses[stream].body == bytes([0x81, len(text)]) + text
        client.responses[stream].body = b""
    client.h2.end_stream(stream)  # half-close: the origin sees the end and closes its side
    client.flush()
    client.wait(stream)
    assert client.request("GET", "/").status == 200  # other streams live on


def test_a_bad_key_is_refused(pop_fleet):
    client = H1(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("http/1.1",))))
    client.send(b"GET /ws HTTP/1.1\r\nhost: www.example.com\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-version: 13\r\nsec-websocket-key: short\r\n\r\n")
    assert client.response().status == 400


def test_an_origin_that_refuses(pop_fleet):
    _, _, answer = upgrade(pop_fleet, path="/status/404")
    assert answer.status == 404


def test_an_origin_that_does_not_upgrade(pop_fleet):
    """Over HTTP/2 any 2xx would open a tunnel: a page must not be taken for one."""
    _, _, answer = upgrade(pop_fleet, path="/status/200")
    assert answer.status == 502 and answer.get("proxy-status"), answer


def test_a_route_without_websocket_refuses(pop_fleet_of):
    fleet = pop_fleet_of(regions=("us-east",), gateways=1,
                         routes='  - { host: "*", path: /, map: api, origin: web }\n')
    _, _, answer = upgrade(fleet)
    assert answer.status in (403, 426, 501) and answer.get("proxy-status"), answer


def test_the_tunnel_ends_with_the_client(pop_fleet):
    from loopback import wait_for
    node = pop_fleet.nodes[POP]
    client, _, answer = upgrade(pop_fleet)
    assert answer.status == 101
    assert node.metric("steer_pop_tunnels") >= 1
    client.close()
    wait_for("the tunnel is gone", lambda: node.metric("steer_pop_tunnels") == 0)


def test_events_are_what_h2_says(pop_fleet):
    """ENABLE_CONNECT_PROTOCOL is announced in the first SETTINGS."""
    client = H2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))))
    seen = []
    while not seen:
        for event in client.h2.receive_data(client.sock.recv(65536)):
            if isinstance(event, h2.events.RemoteSettingsChanged):
                seen = [(int(code), change.new_value) for code, change in event.changed_settings.items()]
    assert (8, 1) in seen
