# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 at frame level, by hand-made frames: RFC 9113's errors, floods, and that good clients live on."""

import pytest

from http_clients import (ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, H2, HEADERS, PING, PREFACE, PRIORITY,
                          PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, RawH2, connect, frame, get_block, literal)
from loopback import wait_for

POP = "gru1"
NO_ERROR, PROTOCOL, INTERNAL, FLOW, SETTINGS_TIMEOUT, CLOSED, SIZE, REFUSED, CANCEL, COMPRESSION, _, CALM = range(12)
ALL = END_STREAM | END_HEADERS


@pytest.fixture
def raw(pop_fleet):
    one = RawH2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))))
    yield one
    one.sock.close()


@pytest.fixture(autouse=True)
def others_are_served(pop_fleet):
    """Whatever one connection does, the next one is served."""
    yield
    client = H2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))))
    assert client.request("GET", "/").status == 200
    client.close()


def headers(stream, block, flags=ALL):
    return frame(HEADERS, flags, stream, block)


# name -> (frames, acceptable outcomes)
ENDS_CONNECTION = {
    "data_on_idle_stream": (frame(DATA, END_STREAM, 1, b"x"), {PROTOCOL, CLOSED}),
    "rst_on_idle_stream": (frame(RST_STREAM, 0, 1, b"\0\0\0\x08"), {PROTOCOL}),
    "window_update_on_idle_stream": (frame(WINDOW_UPDATE, 0, 1, b"\0\0\0\x08"), {PROTOCOL}),
    "continuation_alone": (frame(CONTINUATION, END_HEADERS, 1, b""), {PROTOCOL}),
    "continuation_interleaved": (headers(1, get_block()[:5], 0) + frame(PING, 0, 0, b"12345678"), {PROTOCOL}),
    "continuation_other_stream": (headers(1, get_block()[:5], 0) + frame(CONTINUATION, END_HEADERS, 3, get_block()[5:]), {PROTOCOL}),
    "even_stream": (headers(2, get_block()), {PROTOCOL}),
    "stream_zero_headers": (headers(0, get_block()), {PROTOCOL}),
    "stream_zero_data": (frame(DATA, 0, 0, b"x"), {PROTOCOL}),
    "settings_on_stream": (frame(SETTINGS, 0, 1), {PROTOCOL}),
    "settings_size": (frame(SETTINGS, 0, 0, b"12345"), {SIZE}),
    "settings_ack_with_payload": (frame(SETTINGS, ACK, 0, b"123456"), {SIZE}),
    "settings_bad_push": (frame(SETTINGS, 0, 0, b"\0\x02\0\0\0\x02"), {PROTOCOL}),
    "settings_bad_window": (frame(SETTINGS, 0, 0, b"\0\x04\x80\0\0\0"), {FLOW}),
    "settings_bad_frame_size": (frame(SETTINGS, 0, 0, b"\0\x05\0\0\0\x01"), {PROTOCOL}),
    "ping_size": (frame(PING, 0, 0, b"123"), {SIZE}),
    "ping_on_stream": (frame(PING, 0, 1, b"12345678"), {PROTOCOL}),
    "goaway_on_stream": (frame(GOAWAY, 0, 1, b"\0" * 8), {PROTOCOL}),
    "push_from_client": (frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + get_block()), {PROTOCOL}),
    "window_overflow": (frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), {FLOW}),
    "window_zero": (frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), {PROTOCOL}),
    "window_size": (frame(WINDOW_UPDATE, 0, 0, b"\0\0\0"), {SIZE}),
    "frame_too_large": (frame(DATA, 0, 1, b"x" * 20000), {SIZE}),
    "hpack_bad_index": (headers(1, b"\xff\xff\xff\xff\x0f"), {COMPRESSION}),
    "hpack_truncated": (headers(1, get_block()[:-3]), {COMPRESSION}),
    "hpack_table_size_too_large": (headers(1, b"\x3f\xe1\xff\xff\x07" + get_block()), {COMPRESSION}),
    "padding_too_long": (frame(HEADERS, ALL | 8, 1, b"\xff" + get_block()), {PROTOCOL}),
    "priority_size": (frame(PRIORITY, 0, 1, b"1234"), {SIZE, "reset"}),
    "rst_size": (headers(1, get_block(), END_HEADERS) + frame(RST_STREAM, 0, 1, b"123"), {SIZE}),
}


@pytest.mark.parametrize("name", ENDS_CONNECTION)
def test_connection_errors(raw, name):
    data, codes = ENDS_CONNECTION[name]
    raw.send(data)
    kind, *code = raw.outcome()
    assert kind in ("goaway", "closed") or "reset" in codes, (kind, code)
    if kind == "goaway":
        assert code[0] in codes, code


STREAM_ERRORS = {
    "uppercase_name": get_block(extra=literal(b"X-Upper", b"1")),
    "connection_field": get_block(extra=literal(b"connection", b"close")),
    "transfer_encoding": get_block(extra=literal(b"transfer-encoding", b"chunked")),
    "keep_alive": get_block(extra=literal(b"keep-alive", b"1")),
    "upgrade": get_block(extra=literal(b"upgrade", b"h2c")),
    "te_gzip": get_block(extra=literal(b"te", b"gzip")),
    "no_method": literal(b":scheme", b"https") + literal(b":path", b"/") + literal(b":authority", b"www.example.com"),
    "no_path": literal(b":scheme", b"https") + literal(b":method", b"GET") + literal(b":authority", b"www.example.com"),
    "no_scheme": literal(b":method", b"GET") + literal(b":path", b"/") + literal(b":authority", b"www.example.com"),
    "empty_path": get_block(path=b""),
    "path_without_slash": get_block(path=b"x"),
    "path_with_space": get_block(path=b"/a b"),
    "path_with_crlf": get_block(path=b"/a\r\nhost: evil"),
    "two_paths": get_block(extra=b"")[:0] + literal(b":path", b"/x") + get_block(),
    "pseudo_after_field": literal(b"x-a", b"1") + get_block(),
    "unknown_pseudo": literal(b":unknown", b"1") + get_block(),
    "status_in_request": literal(b":status", b"200") + get_block(),
    "value_with_lf": get_block(extra=literal(b"x-a", b"b\nc: d")),
    "value_with_cr": get_block(extra=literal(b"x-a", b"b\rc")),
    "value_with_nul": get_block(extra=literal(b"x-a", b"b\0c")),
    "name_with_colon": get_block(extra=literal(b"x:a", b"b")),
    "name_with_space": get_block(extra=literal(b"x a", b"b")),
    "name_with_crlf": get_block(extra=literal(b"x\r\na", b"b")),
    "empty_name": get_block(extra=literal(b"", b"b")),
    "host_differs": get_block(extra=literal(b"host", b"evil.example.com")),
    "method_with_space": get_block(method=b"GE T"),
    "authority_with_slash": get_block(authority=b"www.example.com/x"),
    "two_lengths": get_block(method=b"POST", extra=literal(b"content-length", b"1") + literal(b"content-length", b"2")),
    "bad_length": get_block(method=b"POST", extra=literal(b"content-length", b"+1")),
    "length_without_content": get_block(method=b"POST", extra=literal(b"content-length", b"5")),
    "userinfo": get_block(authority=b"a@www.example.com"),
    "no_authority": literal(b":method", b"GET") + literal(b":scheme", b"https") + literal(b":path", b"/"),
    "empty_authority": get_block(authority=b""),
    "two_authorities": literal(b":authority", b"www.example.com") + get_block(),
    "two_methods": literal(b":method", b"GET") + get_block(),
    "two_schemes": literal(b":scheme", b"https") + get_block(),
    "empty_method": get_block(method=b""),
    "two_hosts": get_block(extra=literal(b"host", b"www.example.com") * 2),
    "list_of_hosts": get_block(extra=literal(b"host", b"www.example.com, other.example.com")),
    "other_scheme": literal(b":scheme", b"ftp") + get_block().replace(literal(b":scheme", b"https"), b""),
    "te_list": get_block(extra=literal(b"te", b"trailers, gzip")),
    "proxy_connection": get_block(extra=literal(b"proxy-connection", b"close")),
    "connect_with_a_path": literal(b":method", b"CONNECT") + literal(b":authority", b"www.example.com") + literal(b":path", b"/"),
    "connect_to_nobody": literal(b":method", b"CONNECT"),
    "protocol_of_a_get": literal(b":protocol", b"websocket") + get_block(),
    "asterisk_get": get_block(path=b"*"),
    "absolute_path": get_block(path=b"https://www.example.com/"),
    "path_with_version": get_block(path=b"/ HTTP/1.1"),
    "path_with_tab": get_block(path=b"/a\tb"),
    "path_with_delete": get_block(path=b"/a\x7f"),
    "path_with_fragment": get_block(path=b"/a#b"),
    "value_with_space_before": get_block(extra=literal(b"x-a", b" b")),
    "value_with_tab_behind": get_block(extra=literal(b"x-a", b"b\t")),
    "value_with_control": get_block(extra=literal(b"x-a", b"b\x01c")),
    "value_with_delete": get_block(extra=literal(b"x-a", b"b\x7f")),
    "cookie_with_crlf": get_block(extra=literal(b"cookie", b"a=b\r\nx: y")),
    "name_with_high_byte": get_block(extra=literal(b"x\xff", b"b")),
    "name_with_tab": get_block(extra=literal(b"x\t", b"b")),
    "coding_with_space": get_block(extra=literal(b"transfer-encoding ", b"chunked")),
}


@pytest.mark.parametrize("name", STREAM_ERRORS)
def test_malformed_requests_reach_nobody(pop_fleet, raw, name):
    before = len(pop_fleet.executed())
    raw.send(headers(1, STREAM_ERRORS[name]))
    kind, *_ = raw.outcome(1)
    assert kind in ("reset", "goaway", "response", "closed")
    if kind == "response":  # then it is our own 400
        metrics = pop_fleet.nodes[POP].metrics()
        assert any("bad_requests" in key and value > 0 for key, value in metrics.items())
    assert len(pop_fleet.executed()) == before


LENGTHS = (b"5, 5", b"", b" 5", b"0x5", b"-1", b"18446744073709551621")


@pytest.mark.parametrize("length", LENGTHS)
def test_odd_lengths_reach_nobody(pop_fleet, raw, length):
    raw.send(headers(1, get_block(path=b"/odd-length", method=b"POST", extra=literal(b"content-length", length)), END_HEADERS)
             + frame(DATA, END_STREAM, 1, b"hello"))
    assert raw.outcome(1)[0] in ("reset", "goaway", "response")
    assert not [e for e in pop_fleet.executed() if e["path"] == "/odd-length"]


# name -> what follows the head of a POST that announced 9 bytes or nothing
BROKEN_TRAILERS = {
    "pseudo": (b"", headers(1, literal(b":path", b"/other"))),
    "without_end": (b"", headers(1, literal(b"x-t", b"1"), END_HEADERS) + frame(DATA, END_STREAM, 1)),
    "connection_field": (b"", headers(1, literal(b"transfer-encoding", b"chunked"))),
    "uppercase": (b"", headers(1, literal(b"X-T", b"1"))),
    "line_feed": (b"", headers(1, literal(b"x-t", b"1\nx-u: 2"))),
    "content_too_short": (literal(b"content-length", b"9"), headers(1, literal(b"x-t", b"1"))),
}


@pytest.mark.parametrize("name", BROKEN_TRAILERS)
def test_broken_trailers_complete_nothing(pop_fleet, raw, name):
    extra, rest = BROKEN_TRAILERS[name]
    raw.send(headers(1, get_block(path=b"/broken-trailers", method=b"POST", extra=extra), END_HEADERS)
             + frame(DATA, 0, 1, b"hello") + rest)
    assert raw.outcome(1)[0] in ("reset", "goaway", "response")
    assert not [e for e in pop_fleet.executed() if e["path"] == "/broken-trailers"]


def test_content_longer_than_announced(pop_fleet, raw):
    raw.send(headers(1, get_block(path=b"/longer", method=b"POST", extra=literal(b"content-length", b"2")), END_HEADERS)
             + frame(DATA, END_STREAM, 1, b"abcdef"))
    assert raw.outcome(1)[0] in ("reset", "goaway", "response")
    assert not [e for e in pop_fleet.executed() if e["path"] == "/longer"]


def test_content_shorter_than_announced(pop_fleet, raw):
    raw.send(headers(1, get_block(path=b"/shorter", method=b"POST", extra=literal(b"content-length", b"9")), END_HEADERS)
             + frame(DATA, END_STREAM, 1, b"abc"))
    assert raw.outcome(1)[0] in ("reset", "goaway", "response")
    assert not [e for e in pop_fleet.executed() if e["path"] == "/shorter"]


def test_unknown_frames_and_settings_are_ignored(raw):
    raw.send(frame(0x77, 0, 0, b"??") + frame(SETTINGS, 0, 0, b"\xff\xff\0\0\0\x01") + frame(PRIORITY, 0, 9, b"\0\0\0\0\x10")
             + headers(1, get_block()))
    assert raw.outcome(1) == ("response",)


def test_padding_and_continuation_are_fine(raw):
    block = get_block(extra=literal(b"x-a", b"1"))
    raw.send(frame(HEADERS, END_STREAM | 8, 1, b"\x05" + block[:10] + b"\0" * 5) + frame(CONTINUATION, 0, 1, block[10:20])
             + frame(CONTINUATION, END_HEADERS, 1, block[20:]))
    assert raw.outcome(1) == ("response",)


def test_a_wrong_preface_ends_the_connection(pop_fleet):
    raw = RawH2(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))), hello=False)
    raw.send(b"GET / HTTP/1.1\r\nhost: www.example.com\r\n\r\n")
    assert raw.outcome()[0] in ("goaway", "closed")


def test_large_heads_are_431(pop_fleet, raw):
    block = get_block() + b"".join(literal(b"x-%04d" % i, b"y" * 120) for i in range(900))
    raw.send(frame(HEADERS, END_STREAM, 1, block[:16000]))
    rest = block[16000:]
    while rest:
        piece, rest = rest[:16000], rest[16000:]
        raw.send(frame(CONTINUATION, 0 if rest else END_HEADERS, 1, piece))
    assert raw.outcome(1)[0] in ("response", "reset", "goaway", "closed")


# ---- floods: the connection ends, others live on (others_are_served) ----

FLOODS = {
    "rapid_reset": lambda i: headers(2 * i + 1, get_block(path=b"/slow/100")) + frame(RST_STREAM, 0, 2 * i + 1, b"\0\0\0\x08"),
    "made_you_reset": lambda i: headers(2 * i + 1, get_block(path=b"/slow/100"), END_HEADERS)
    + frame(WINDOW_UPDATE, 0, 2 * i + 1, b"\0\0\0\0"),
    "ping": lambda i: frame(PING, 0, 0, b"%08d" % i),
    "settings": lambda i: frame(SETTINGS),
    "empty_data": lambda i: (headers(1, get_block(method=b"POST"), END_HEADERS) if i == 0 else b"") + frame(DATA, 0, 1),
    "priority": lambda i: frame(PRIORITY, 0, 2 * (i % 1000) + 1, b"\0\0\0\0\x10"),
    "continuation": lambda i: (headers(1, get_block(), END_STREAM) if i == 0 else b"") + frame(CONTINUATION, 0, 1),
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods_end_the_connection(pop_fleet, raw, name):
    make = FLOODS[name]
    ended = False
    try:
        raw.sock.settimeout(60)
        for start in range(0, 60000, 500):
            raw.send(b"".join(make(i) for i in range(start, start + 500)))
    except OSError:
        ended = True
    frames = raw.frames_until(lambda f: f[0] == GOAWAY) if not ended else []
    assert ended or not frames or frames[-1][0] == GOAWAY
    node = pop_fleet.nodes[POP]
    assert wait_for("its streams are gone", lambda: node.metric("steer_pop_requests_in_flight") == 0) is not None


def test_hpack_bomb(raw):
    """One large field in the table, referred to thousands of times."""
    big = b"\x40" + bytes([5]) + b"x-big" + b"\x7f\xa1\x1e" + b"y" * 4000
    raw.send(headers(1, get_block() + big + b"\xbe" * 12000))
    assert raw.outcome(1)[0] in ("response", "reset", "goaway", "closed")


def test_a_reader_with_a_zero_window_is_not_waited_for_forever(pop_fleet):
    node = pop_fleet.nodes[POP]
    raw = RawH2(connect(node, pop_fleet.client_context(("h2",))), hello=False)
    raw.send(PREFACE + frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0"))
    for i in range(20):
        raw.send(headers(2 * i + 1, get_block(path=b"/bytes/100000")))
    raw.frames_until(lambda f: f[0] == HEADERS and f[2] == 39)
    raw.sock.close()
    wait_for("its streams are gone", lambda: node.metric("steer_pop_requests_in_flight") == 0)


def test_slow_heads_are_cut_off(pop_fleet_of):
    """Slowloris: one byte now and then does not keep a connection."""
    fleet = pop_fleet_of(regions=("us-east",), gateways=1,
                         more={"pop": "timeouts: { head: 1s, first_byte: 1s, tls: 1s, keepalive_http1: 1s }\n"})
    node = fleet.nodes[POP]
    import socket
    import time
    for start in (b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nhost: www.example.com\r\nx-a: "):
        with socket.create_connection((node.address, node.plain_port), 60) as sock:
            sock.sendall(start) if start else None
            end = time.monotonic() + 30
            data = None
            sock.settimeout(0.2)
            while time.monotonic() < end:
                try:
                    if start:
                        sock.sendall(b"x")
                    data = sock.recv(4096)
                    if data == b"":
                        break
                except socket.timeout:
                    continue
                except OSError:
                    data = b""
                    break
            assert data == b"" or b" 408 " in data, data


def test_heads_that_do_not_end_are_cut_off(pop_fleet_of):
    """The same in HTTP/2, where keep-alive is long and a head may be in several frames."""
    fleet = pop_fleet_of(regions=("us-east",), gateways=1, more={"pop": "timeouts: { head: 1s, keepalive_http2: 10m }\n"})
    node = fleet.nodes[POP]
    block = get_block()
    beginnings = (frame(HEADERS, END_STREAM, 1, block), frame(HEADERS, END_STREAM, 1, block[:5]),
                  headers(1, block)[:20],
                  frame(HEADERS, END_STREAM, 1, block[:5]) + frame(CONTINUATION, 0, 1, block[5:9]))
    connections = [RawH2(connect(node, fleet.client_context(("h2",)))) for _ in beginnings]
    idle = RawH2(connect(node, fleet.client_context(("h2",))))
    for raw, data in zip(connections, beginnings):
        raw.send(headers(1, block))
        raw.outcome(1)
        raw.send(data.replace(b"\0\0\0\1", b"\0\0\0\3"))
    for raw in connections:
        raw.sock.settimeout(30)
        assert raw.outcome()[0] in ("goaway", "closed")
    idle.send(headers(1, block))
    assert idle.outcome(1)[0] == "response"
