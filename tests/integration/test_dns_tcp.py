# SPDX-License-Identifier: Apache-2.0
"""TCP: framing, pipelining, idle timeouts, caps, slow readers (RFC 7766, RFC 7828)."""

import socket
import struct

import dns.edns
import dns.message
import pytest

from fleet import DEADLINE_S, addresses_of, make_query, wait_for


def connect(server):
    sock = socket.create_connection((server.address, server.port), timeout=DEADLINE_S)
    return sock


def frame(query):
    wire = query if isinstance(query, bytes) else query.to_wire()
    return struct.pack("!H", len(wire)) + wire


def read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def read_message(sock):
    length = struct.unpack("!H", read_exactly(sock, 2))[0]
    return dns.message.from_wire(read_exactly(sock, length))


def is_closed(sock):
    try:
        return sock.recv(65536) == b""
    except ConnectionResetError:
        return True


def test_pipelined_queries_are_all_answered(shared_server):
    queries = [make_query(name) for name in ("www.example.com", "api.example.com") * 50]
    with connect(shared_server) as sock:
        sock.sendall(b"".join(map(frame, queries)))
        ids = {read_message(sock).id for _ in queries}
    assert ids == {query.id for query in queries}


def test_frames_split_at_every_byte(shared_server):
    with connect(shared_server) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in frame(make_query("www.example.com")):
            sock.sendall(bytes([byte]))
        assert addresses_of(read_message(sock)) == ["192.0.2.80"]


def test_half_closed_clients_get_their_answers(shared_server):
    with connect(shared_server) as sock:
        sock.sendall(frame(make_query("www.example.com")) * 3)
        sock.shutdown(socket.SHUT_WR)
        assert [addresses_of(read_message(sock)) for _ in range(3)] == [["192.0.2.80"]] * 3
        assert is_closed(sock)


@pytest.mark.parametrize("payload", [b"\0\0", b"\0\5hello", b"\0\x0c" + b"\0" * 2 + b"\x80\0" + b"\0" * 8])
def test_hopeless_frames_end_the_connection(shared_server, payload):
    with connect(shared_server) as sock:
        sock.sendall(payload)
        assert is_closed(sock)
    assert shared_server.addresses("www.example.com") == ["192.0.2.80"]


def test_idle_connections_are_closed(fleet):
    server = fleet.start(dns="  tcp: { idle: 200ms }\n")
    with connect(server) as sock:
        sock.sendall(frame(make_query("www.example.com")))
        read_message(sock)
        assert is_closed(sock)


def test_keepalive_is_announced_only_over_tcp_when_asked(fleet):
    server = fleet.start(dns="  tcp: { idle: 20s }\n")
    query = make_query("www.example.com", options=[dns.edns.GenericOption(11, b"")])
    [option] = server.send(query, tcp=True).options
    assert (option.otype, option.to_wire()) == (11, struct.pack("!H", 200))
    assert not server.send(query).options


def test_cap_per_client_and_eviction(fleet):
    server = fleet.start(workers=1, dns="  tcp: { connections: 4, per_client: 3 }\n")
    socks = [connect(server) for _ in range(8)]
    try:
        alive = 0
        for sock in socks:
            try:
                sock.sendall(frame(make_query("www.example.com")))
                read_message(sock)
                alive += 1
            except (EOFError, OSError):
                pass
        assert 1 <= alive <= 4
    finally:
        for sock in socks:
            sock.close()
    wait_for("room again", lambda: server.send(make_query("www.example.com"), tcp=True).answer)


def test_slow_readers_are_cut(fleet):
    """A client that asks for much and reads nothing is closed, others are served meanwhile."""
    server = fleet.start(workers=1, dns="  tcp: { write: 1s, idle: 60s }\n")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(DEADLINE_S)
    sock.connect((server.address, server.port))
    batch = frame(make_query("big.example.com", "TXT")) * 200
    with pytest.raises(OSError):
        sock.settimeout(5)
        for _ in range(2000):
            try:
                sock.sendall(batch)
            except socket.timeout:
                wait_for("the cut", lambda: server.metric_sum("steer_dns_tcp_closed_total", 'reason="slow"') > 0)
                sock.sendall(batch)
    sock.close()
    assert server.ask("www.example.com", tcp=True).answer
