# SPDX-License-Identifier: Apache-2.0
"""Request smuggling and other broken HTTP/1.1: refused, and the connection ends.

Pipelined bytes behind a broken request are poison: whatever they say, no origin may ever see them.
"""

import hashlib

import pytest

from http_clients import H1, connect

HOST = b"host: www.example.com\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: www.example.com\r\n\r\n"

# name -> (bytes, statuses that are right)
REFUSED = {
    "cl_te": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nX", {400}),
    "te_cl": (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\ncontent-length: 6\r\n\r\n0\r\n\r\nX", {400}),
    "two_cl": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello", {400}),
    "cl_list": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 5, 6\r\n\r\nhello", {400}),
    "cl_same_list": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 5, 5\r\n\r\nhello", {400}),
    "cl_plus": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: +5\r\n\r\nhello", {400}),
    "cl_minus": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: -5\r\n\r\nhello", {400}),
    "cl_hex": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 0x5\r\n\r\nhello", {400}),
    "cl_inner_space": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 5 5\r\n\r\nhello", {400}),
    "cl_huge": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: 99999999999999999999\r\n\r\nhello", {400, 413}),
    "cl_empty": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length:\r\n\r\nhello", {400}),
    "te_twice": (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "te_identity": (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: identity\r\n\r\n", {400, 501}),
    "te_gzip_chunked": (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "te_chunked_gzip": (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n", {400, 501}),
    "te_xchunked": (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "te_tab": (b"POST / HTTP/1.1\r\n" + HOST + b"transfer-encoding: \x0bchunked\r\n\r\n0\r\n\r\n", {400, 501}),
    "te_http10": (b"POST / HTTP/1.0\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "space_before_colon": (b"GET / HTTP/1.1\r\nhost : www.example.com\r\n\r\n", {400}),
    "obs_fold": (b"GET / HTTP/1.1\r\n" + HOST + b"x-a: b\r\n c\r\n\r\n", {400}),
    "obs_fold_first": (b"GET / HTTP/1.1\r\n x: y\r\n" + HOST + b"\r\n", {400}),
    "bare_lf_line": (b"GET / HTTP/1.1\nhost: www.example.com\n\n", {400}),
    "bare_lf_field": (b"GET / HTTP/1.1\r\n" + HOST + b"x-a: b\nx-c: d\r\n\r\n", {400}),
    "bare_cr": (b"GET / HTTP/1.1\r\n" + HOST + b"x-a: b\rx-c: d\r\n\r\n", {400}),
    "nul": (b"GET / HTTP/1.1\r\n" + HOST + b"x-a: b\x00c\r\n\r\n", {400}),
    "control": (b"GET / HTTP/1.1\r\n" + HOST + b"x-a: b\x01c\r\n\r\n", {400}),
    "control_in_target": (b"GET /\x7f HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "space_in_target": (b"GET /a b HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "no_host": (b"GET / HTTP/1.1\r\nx-a: b\r\n\r\n", {400}),
    "two_hosts": (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", {400}),
    "bad_host": (b"GET / HTTP/1.1\r\nhost: www.example.com/x\r\n\r\n", {400}),
    "host_userinfo": (b"GET / HTTP/1.1\r\nhost: a@www.example.com\r\n\r\n", {400}),
    "absolute_mismatch": (b"GET http://other.example.com/ HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "empty_name": (b"GET / HTTP/1.1\r\n" + HOST + b": x\r\n\r\n", {400}),
    "bad_name": (b"GET / HTTP/1.1\r\n" + HOST + b"x(y: z\r\n\r\n", {400}),
    "no_colon": (b"GET / HTTP/1.1\r\n" + HOST + b"xyz\r\n\r\n", {400}),
    "version": (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", {400, 505}),
    "version_2": (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", {400, 505}),
    "version_lower": (b"GET / http/1.1\r\n" + HOST + b"\r\n", {400, 505}),
    "method_lower_sep": (b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    "asterisk_get": (b"GET * HTTP/1.1\r\n" + HOST + b"\r\n", {400}),
    **{f"length_{name}": (b"POST / HTTP/1.1\r\n" + HOST + b"content-length: " + value + b"\r\n\r\nhello", {400})
       for name, value in {"quoted": b'"5"', "comma_behind": b"5,", "comma_before": b",5", "vt": b"5\x0b", "ff": b"\x0c5",
                           "other_digits": b"\xd9\xa5", "nbsp": b"\xa05", "fraction": b"5.0", "exponent": b"5e0"}.items()},
    **{f"coding_{name}": (b"POST / HTTP/1.1\r\n" + HOST + fields + b"\r\n0\r\n\r\n", {400, 501})
       for name, fields in {"parameter": b"transfer-encoding: chunked;a=b\r\n", "comma_behind": b"transfer-encoding: chunked,\r\n",
                            "comma_before": b"transfer-encoding: ,chunked\r\n", "quoted": b'transfer-encoding: "chunked"\r\n',
                            "empty": b"transfer-encoding:\r\n", "list_twice": b"transfer-encoding: chunked, chunked\r\n",
                            "length_0": b"transfer-encoding: chunked\r\ncontent-length: 0\r\n",
                            "vt_behind": b"transfer-encoding: chunked\x0b\r\n", "nul_in_name": b"transfer-encoding\0: chunked\r\n",
                            "vt_in_name": b"\x0btransfer-encoding: chunked\r\n", "tab_in_name": b"transfer-encoding\t: chunked\r\n",
                            "two_lines": b"transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n"}.items()},
    **{f"host_{name}": (b"GET / HTTP/1.1\r\nhost:" + value + b"\r\n\r\n", {400})
       for name, value in {"empty": b"", "port_large": b"www.example.com:99999", "port_letters": b"www.example.com:8a",
                           "two_ports": b"www.example.com:80:80", "space": b"www.example.com x", "bracket": b"[::1",
                           "half_escape": b"www.example.com%zz", "fragment": b"www.example.com#x", "query": b"www.example.com?x",
                           "backslash": b"www.example.com\\x", "high": b"www.example.com\xff"}.items()},
    **{f"target_{name}": (b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n", {400})
       for name, target in {"other_port": b"http://www.example.com:8080/", "userinfo": b"http://a@www.example.com/",
                            "absolute_fragment": b"http://www.example.com/#f", "no_authority": b"http:///x", "one_slash": b"http:/x",
                            "ftp": b"ftp://www.example.com/", "backslash": b"http://www.example.com\\@other/", "fragment": b"/a#b",
                            "tab": b"/a\tb", "nul": b"/a\0b", "authority": b"www.example.com:80", "relative": b"a/b",
                            "query": b"?x"}.items()},
    **{f"line_{name}": (line + b"\r\n" + HOST + b"\r\n", {400, 505})
       for name, line in {"two_spaces": b"GET  / HTTP/1.1", "tabs": b"GET\t/\tHTTP/1.1", "space_behind": b"GET / HTTP/1.1 ",
                          "space_before": b" GET / HTTP/1.1", "cr_behind": b"GET / HTTP/1.1\r", "lf_before": b"\nGET / HTTP/1.1",
                          "cr_before": b"\rGET / HTTP/1.1", "many_lines_before": b"\r\n" * 5 + b"GET / HTTP/1.1",
                          "version_110": b"GET / HTTP/1.10", "version_01": b"GET / HTTP/01.1", "version_nul": b"GET / HTTP/1.1\0",
                          "version_1": b"GET / HTTP/1", "no_version": b"GET /", "no_method": b" / HTTP/1.1",
                          "high_method": b"G\xffT / HTTP/1.1", "method_colon": b"GET: / HTTP/1.1"}.items()},
    **{f"field_{name}": (b"GET / HTTP/1.1\r\n" + HOST + lines + b"\r\n", {400})
       for name, lines in {"high_name": b"x\xff: y\r\n", "tab_in_name": b"x\ty: z\r\n", "brace": b"x{y: z\r\n", "delete": b"x: y\x7f\r\n",
                           "escape": b"x: y\x1b\r\n", "two_cr": b"x: y\r\r\n", "fold_tab": b"x: y\r\n\tz\r\n", "blank": b" \r\n",
                           "lf_at_the_end": b"x: y\n", "lf_for_the_end": b"x: y\r\n\n", "cr_for_the_end": b"x: y\r\n\r"}.items()},
    "large_head": (b"GET / HTTP/1.1\r\n" + HOST + b"x-a: " + b"y" * 300_000 + b"\r\n\r\n", {431}),
    "many_fields": (b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"x-%d: y\r\n" % i for i in range(2000)) + b"\r\n", {431}),
    "large_target": (b"GET /" + b"y" * 300_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", {414, 431}),
}
# In the content: the head was fine, so the request may have begun; it must never be completed.
BROKEN_CONTENT = {
    "chunk_size_overflow": b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
    "chunk_size_sign": b"+3\r\nabc\r\n0\r\n\r\n",
    "chunk_size_0x": b"0x3\r\nabc\r\n0\r\n\r\n",
    "chunk_size_empty": b"\r\nabc\r\n0\r\n\r\n",
    "chunk_size_space": b"3 \r\nabc\r\n0\r\n\r\n",
    "chunk_bare_lf": b"3\nabc\n0\n\n",
    "chunk_no_crlf": b"3\r\nabcX0\r\n\r\n",
    "chunk_ext_flood": b"3;" + b"a" * 100_000 + b"\r\nabc\r\n0\r\n\r\n",
    "chunk_ext_lf": b"3;a\nb\r\nabc\r\n0\r\n\r\n",
    "trailer_fold": b"3\r\nabc\r\n0\r\nx: y\r\n z\r\n\r\n",
    "trailer_space": b"3\r\nabc\r\n0\r\nx : y\r\n\r\n",
    "trailer_no_colon": b"3\r\nabc\r\n0\r\nxy\r\n\r\n",
    "trailer_nul": b"3\r\nabc\r\n0\r\nx: \0\r\n\r\n",
    "trailer_lf": b"3\r\nabc\r\n0\r\nx: y\n\r\n",
    "chunk_size_zeros": b"0" * 300 + b"3\r\nabc\r\n0\r\n\r\n",
    "chunk_size_two_cr": b"3\r\r\nabc\r\n0\r\n\r\n",
    "chunk_size_tab": b"3\t\r\nabc\r\n0\r\n\r\n",
    "chunk_size_space_before": b" 3\r\nabc\r\n0\r\n\r\n",
    "chunk_size_underscore": b"3_0\r\nabc\r\n0\r\n\r\n",
    "chunk_size_comma": b"3,a\r\nabc\r\n0\r\n\r\n",
    "chunk_last_space": b"3\r\nabc\r\n0 \r\n\r\n",
    "chunk_last_lf": b"3\r\nabc\r\n0\n\r\n",
    "chunk_end_lf": b"3\r\nabc\r\n0\r\n\n",
    "chunk_data_cr": b"3\r\nabc\r0\r\n\r\n",
    "chunk_data_lf": b"3\r\nabc\n0\r\n\r\n",
    "chunk_data_crlf_twice": b"3\r\nabc\r\n\r\n0\r\n\r\n",
    "chunk_ext_cr": b"3;a\rb\r\nabc\r\n0\r\n\r\n",
    "chunk_ext_nul": b"3;a\0\r\nabc\r\n0\r\n\r\n",
    "chunk_ext_quoted_crlf": b'3;a="\r\n"\r\nabc\r\n0\r\n\r\n',
}


@pytest.mark.parametrize("name", REFUSED)
def test_broken_heads_are_refused(pop_fleet, name):
    data, statuses = REFUSED[name]
    client = H1(connect(pop_fleet.nodes["gru1"], port=pop_fleet.plain_port))
    try:
        client.send(data + SMUGGLED)
    except (BrokenPipeError, ConnectionResetError):
        pass  # refused before we were done
    response = client.response()
    assert response.status in statuses, response
    assert response.get("connection") == "close"
    assert client.is_closed()
    assert not [entry for entry in pop_fleet.executed() if entry["path"] == "/smuggled"]


@pytest.mark.parametrize("name", BROKEN_CONTENT)
def test_broken_content_is_never_completed(pop_fleet, name):
    client = H1(connect(pop_fleet.nodes["gru1"], port=pop_fleet.plain_port))
    path = f"/broken-{name}".encode()
    try:
        client.send(b"POST " + path + b" HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n"
                    + BROKEN_CONTENT[name] + SMUGGLED)
    except (BrokenPipeError, ConnectionResetError):
        pass
    try:
        response = client.response()
        assert response.status == 400, response
    except (EOFError, ConnectionResetError):
        pass  # closed without a word is right, too
    assert not [entry for entry in pop_fleet.executed() if entry["path"] in ("/smuggled", path.decode())]


def test_chunk_extensions_and_trailers_are_fine(pop_fleet):
    client = H1(connect(pop_fleet.nodes["gru1"], port=pop_fleet.plain_port))
    client.send(b"POST /ok HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\ntrailer: x-t\r\n\r\n"
                b"3;name=value\r\nabc\r\n2\r\nde\r\n0\r\nx-t: 1\r\n\r\n")
    assert client.response("POST").get("x-request-sha256") == hashlib.sha256(b"abcde").hexdigest()


@pytest.mark.parametrize("named", ["content-length", "transfer-encoding", "host"])
def test_connection_cannot_name_what_frames_a_request(pop_fleet, named):
    """Fields of the hop are dropped: but where the content ends was decided before, and is said anew."""
    framing = (b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" if named == "transfer-encoding"
               else b"content-length: 5\r\n\r\nhello")
    client = H1(connect(pop_fleet.nodes["gru1"], port=pop_fleet.plain_port))
    client.send(b"POST /named HTTP/1.1\r\n" + HOST + b"connection: " + named.encode() + b"\r\n" + framing)
    response = client.response("POST")
    assert response.status == 200 and b"host: www.example.com" in response.body
    assert response.get("x-request-sha256") == hashlib.sha256(b"hello").hexdigest()
    assert client.request("GET", "/next").status == 200


@pytest.mark.parametrize("trailer", [b"content-length: 9", b"transfer-encoding: chunked", b"host: other.example.com"])
def test_forbidden_trailers_frame_nothing(pop_fleet, trailer):
    client = H1(connect(pop_fleet.nodes["gru1"], port=pop_fleet.plain_port))
    client.send(b"POST /trailers HTTP/1.1\r\n" + HOST + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n"
                + trailer + b"\r\n\r\n")
    assert client.response("POST").get("x-request-sha256") == hashlib.sha256(b"abc").hexdigest()
    assert client.request("GET", "/next").status == 200


def test_connection_fields_are_stripped(pop_fleet):
    client = H1(connect(pop_fleet.nodes["gru1"], port=pop_fleet.plain_port))
    response = client.request("GET", "/", headers=[
        ("connection", "x-hop, keep-alive"), ("x-hop", "1"), ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"), ("x-kept", "1")])
    body = response.body.decode()
    assert "x-kept: 1" in body
    for name in ("x-hop", "keep-alive", "proxy-connection"):
        assert f"\n{name}:" not in body


def test_equal_absolute_form_is_fine(pop_fleet):
    client = H1(connect(pop_fleet.nodes["gru1"], port=pop_fleet.plain_port))
    client.send(b"GET http://www.example.com/abs?x=1 HTTP/1.1\r\n" + HOST + b"\r\n")
    assert "GET /abs?x=1" in client.response().body.decode()
