# SPDX-License-Identifier: Apache-2.0
"""Requests through PoP, gateway and origin: what arrives, what comes back, in HTTP/1.1 and HTTP/2."""

import hashlib
import json
import re
import subprocess

import pytest

from fleet import BUILD
from http_clients import H1, H2, connect

POP = "gru1"
# With shrunk buffers every piece is some hundred bytes, which python3-h2 needs its time for.
LARGE = 200_000 if BUILD.name == "tiny" else 10_000_000


@pytest.fixture(params=["h1", "h2"])
def client(request, pop_fleet):
    alpn = ("http/1.1",) if request.param == "h1" else ("h2",)
    sock = connect(pop_fleet.nodes[POP], pop_fleet.client_context(alpn))
    assert sock.selected_alpn_protocol() == alpn[0]
    one = H1(sock) if request.param == "h1" else H2(sock)
    yield one
    one.close()


def seen_by_origin(response):
    """Field lines that the origin greeted us with."""
    lines = response.body.decode().splitlines()
    return dict(line.split(": ", 1) for line in lines[2:] if ": " in line)


def test_get_reaches_the_first_region(client):
    response = client.request("GET", "/hello?x=1")
    assert response.status == 200, response
    assert response.get("x-region") == "us-east"
    assert "GET /hello?x=1" in response.body.decode()


def test_post_arrives_whole(client):
    for size in (0, 1, 1000, 65536, LARGE // 3):
        body = bytes(i * 7 % 251 for i in range(1000)) * (size // 1000 + 1)
        body = body[:size]
        response = client.request("POST", "/echo", body=body)
        assert response.status == 200, response
        assert response.get("x-request-sha256") == hashlib.sha256(body).hexdigest()


def test_large_responses_arrive_whole(client):
    for size in (1, 16384, 100_000, LARGE):
        response = client.request("GET", f"/bytes/{size}")
        assert response.status == 200 and len(response.body) == size
        assert response.body == expected_bytes(size)


def expected_bytes(size):
    block = b"0123456789abcdef" * 4096
    return (block * (size // len(block) + 1))[:size]


def test_head_has_no_content(client):
    response = client.request("HEAD", "/anything")
    assert response.status == 200 and response.body == b""
    assert int(response.get("content-length")) > 0


@pytest.mark.parametrize("status", [204, 304, 404, 500])
def test_statuses_of_the_origin_pass(client, status):
    response = client.request("GET", f"/status/{status}")
    assert response.status == status and response.body == b""
    assert response.get("proxy-status") is None  # it is the application's own


def test_chunks_arrive(client):
    response = client.request("GET", "/drip/5/1")
    assert response.body == b"".join(b"chunk %d\n" % i for i in range(5))


def test_what_the_origin_sees(client, pop_fleet):
    response = client.request("GET", "/", headers=[
        ("steer-client", "192.0.2.66"), ("steer-visited", "us-east"), ("steer-attempt", "9"),
        ("x-forwarded-for", "6.6.6.6"), ("forwarded", "for=6.6.6.6"), ("x-custom", "kept"),
        ("cookie", "a=1"), ("cookie", "b=2"), ("te", "trailers")])
    assert response.status == 200, response
    seen = seen_by_origin(response)
    assert seen["x-custom"] == "kept"
    assert seen["cookie"] == "a=1; b=2"
    assert seen["host"] == "www.example.com"
    assert "6.6.6.6" not in response.body.decode()
    assert not [name for name in seen if name.startswith("steer-")], seen
    assert seen["x-forwarded-for"].startswith("127.0.0.1")
    assert seen["x-forwarded-proto"] == "https"
    assert "for=127.0.0.1" in seen["forwarded"].replace('"', "")
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", seen["traceparent"])
    assert len(seen["x-request-id"]) >= 16
    assert seen["via"].count(",") >= 1  # PoP and gateway
    assert "steer" in seen["cdn-loop"]
    assert not [name for name, _ in response.headers if name.lower().startswith("steer-")]
    assert response.get("via")


def test_request_id_and_trace_continue(client):
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    response = client.request("GET", "/", headers=[("x-request-id", "abc-123"),
                                                   ("traceparent", f"00-{trace}-00f067aa0ba902b7-01")])
    seen = seen_by_origin(response)
    assert seen["x-request-id"] == "abc-123"
    assert seen["traceparent"].split("-")[1] == trace
    assert seen["traceparent"].split("-")[2] != "00f067aa0ba902b7"


def test_many_requests_on_one_connection(client):
    for i in range(200):
        assert client.request("GET", f"/{i}").status == 200


def test_http2_streams_do_not_mix(pop_fleet):
    client = H2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))))
    bodies = {client.start("POST", f"/{i}", body=f"body {i}".encode() * 50): f"body {i}".encode() * 50
              for i in range(60)}
    client.wait(*bodies)
    for stream, body in bodies.items():
        assert client.responses[stream].get("x-request-sha256") == hashlib.sha256(body).hexdigest()


def test_expect_continue(pop_fleet):
    client = H1(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("http/1.1",))))
    client.send(b"POST / HTTP/1.1\r\nhost: www.example.com\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n")
    status, _ = client.head()
    assert status == 100
    client.send(b"hello")
    response = client.response("POST")
    assert response.get("x-request-sha256") == hashlib.sha256(b"hello").hexdigest()


def test_pipelined_requests_are_answered_in_order(pop_fleet):
    client = H1(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("http/1.1",))))
    client.send(b"".join(b"GET /p%d HTTP/1.1\r\nhost: www.example.com\r\n\r\n" % i for i in range(10)))
    for i in range(10):
        assert f"GET /p{i}" in client.response().body.decode()


def test_http10_client(pop_fleet):
    client = H1(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("http/1.1",))))
    client.send(b"GET /drip/3/1 HTTP/1.0\r\nhost: www.example.com\r\n\r\n")
    raw = b""
    while piece := client.sock.recv(65536):
        raw += piece
    head, _, body = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body == b"chunk 0\nchunk 1\nchunk 2\n"


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE"])
def test_max_forwards_names_the_hop_that_answers(client, pop_fleet, method):
    """RFC 9110 7.6.2: 0 the PoP, 1 the gateway, 2 the origin; other methods do not count."""
    before = len(pop_fleet.executed())
    for hops in (0, 1):
        response = client.request(method, "/", headers=[("max-forwards", str(hops))])
        assert response.status == (200 if method == "OPTIONS" else 405), response
        assert "GET" in response.get("allow") and "OPTIONS" in response.get("allow")
        assert method == "TRACE" or (response.body == b"" and response.get("content-length") == "0")
    assert len(pop_fleet.executed()) == before
    response = client.request(method, "/", headers=[("max-forwards", "2")])
    assert "max-forwards: 0" in response.body.decode()
    assert client.request("GET", "/", headers=[("max-forwards", "0")]).status == 200


def test_connect_is_refused(pop_fleet):
    client = H1(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("http/1.1",))))
    client.send(b"CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n")
    assert client.response().status in (400, 405, 501)
    client = H2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))), validate=False)
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", "example.com:443")], end_stream=False)
    client.flush()
    response = client.wait(stream)
    assert stream in client.reset or response.status in (400, 405, 501)


def test_redirect_listener(pop_fleet):
    node = pop_fleet.nodes[POP]
    client = H1(connect(node, port=pop_fleet.redirect_port))
    response = client.request("GET", "/a?b=c", host="www.example.com:80")
    assert response.status == 308
    assert re.fullmatch(r"https://www\.example\.com(:\d+)?/a\?b=c", response.get("location"))


def test_redirect_listener_answers_what_is_pipelined(pop_fleet):
    """Two requests with content in one piece: both are answered, or the connection ends after the first."""
    post = b"POST /a HTTP/1.1\r\nhost: www.example.com\r\ncontent-length: 5\r\n\r\nhello"
    for first in (post, post.replace(b"content-length: 5", b"transfer-encoding: chunked").replace(
            b"hello", b"5\r\nhello\r\n0\r\n\r\n")):
        for cut in (0, 10, len(first) - 3, len(first), len(first) + 10):
            client = H1(connect(pop_fleet.nodes[POP], port=pop_fleet.redirect_port))
            data = first + post.replace(b"/a", b"/b")
            client.send(data[:cut])
            client.send(data[cut:])
            response = client.response("POST")
            assert response.status == 308 and response.get("location").endswith("/a")
            if response.get("connection") == "close":
                assert client.is_closed()
            else:
                response = client.response("POST")
                assert response.status == 308 and response.get("location").endswith("/b")
            client.close()


@pytest.mark.parametrize("alpn", ["http/1.1", "h2"])
def test_too_many_fields_are_431(pop_fleet, alpn):
    for count in (200, 255, 257, 1000):
        sock = connect(pop_fleet.nodes[POP], pop_fleet.client_context((alpn,)))
        client = H1(sock) if alpn == "http/1.1" else H2(sock)
        response = client.request("GET", "/", headers=[(f"x-{i}", "y") for i in range(count)])
        assert response.status == 431, response


def test_plain_listener(pop_fleet):
    node = pop_fleet.nodes[POP]
    client = H1(connect(node, port=pop_fleet.plain_port))
    seen = seen_by_origin(client.request("GET", "/"))
    assert seen["x-forwarded-proto"] == "http"


def test_a_gateway_serves_clients_directly(pop_fleet):
    gateway = pop_fleet.gateways("us-west")[0]
    client = H2(connect(gateway, pop_fleet.client_context(("h2",))))
    assert client.request("GET", "/").get("x-region") == "us-west"


def test_clients_are_told_apart_by_their_address(pop_fleet):
    """PROXY protocol: the PoP sees the real client and sends it where its map says."""
    for address, region in (("203.0.113.9", "us-east"), ("198.51.100.9", "us-west"), ("2001:db8:f::9", "us-west")):
        client = H2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",)), client=address))
        response = client.request("GET", "/")
        assert response.get("x-region") == region, (address, response)
        assert address in seen_by_origin(response)["x-forwarded-for"]


def test_curl_agrees(pop_fleet):
    node = pop_fleet.nodes[POP]
    for version in ("--http1.1", "--http2"):
        words = ["curl", "-sS", version, "--cacert", str(pop_fleet.certs / "ca.pem"), "--resolve",
                 f"www.example.com:{node.port}:{node.address}", "-w", "%{http_version} %{http_code}", "-o", "/dev/null",
                 f"https://www.example.com:{node.port}/bytes/100000"]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.stdout in ("1.1 200", "2 200"), (done.stdout, done.stderr)


def test_access_log_has_a_line_per_request(pop_fleet, client):
    client.request("GET", "/logged?a=1&secret=xyz&b=2", headers=[("x-request-id", "log-me-1"), ("authorization", "Bearer xyz"),
                                                       ("cookie", "session=xyz")])
    from loopback import wait_for
    log = pop_fleet.folder / f"{POP}.access"
    line = wait_for("the access log's line", lambda: [l for l in log.read_text().splitlines() if "log-me-1" in l])[-1]
    entry = json.loads(line)
    assert entry["status"] == 200 and entry["method"] == "GET"
    assert entry["attempts"][0]["peer"].startswith("us-east/")
    assert entry["path"] == "/logged?a=1&secret=redacted&b=2"
    assert "xyz" not in line
