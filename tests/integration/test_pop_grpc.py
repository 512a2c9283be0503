# SPDX-License-Identifier: Apache-2.0
"""gRPC, and trailers in general: an HTTP/2 origin by python3-h2, the client too."""

import socket
import struct
import threading

import h2.config
import h2.connection
import h2.events
import pytest

from conftest import PATIENT, SMALL_CITY
from fleet import BUILD
from http_clients import H1, H2, connect
from loopback import PopFleet

POP = "gru1"


class GrpcOrigin:
    """Plain HTTP/2; echoes each message with a trailer that counts them. One thread for each connection."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.seen = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        peer.initiate_connection()
        sock.sendall(peer.data_to_send())
        counts = {}
        while data := sock.recv(65536):
            for event in peer.receive_data(data):
                self.answer(peer, event, counts)
            sock.sendall(peer.data_to_send())

    def answer(self, peer, event, counts):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.RequestReceived):
            self.seen.append(dict(event.headers))
            counts[stream] = 0
            peer.send_headers(stream, [(":status", "200"), ("content-type", "application/grpc")])
        elif isinstance(event, h2.events.DataReceived):
            counts[stream] += len(event.data)
            peer.acknowledge_received_data(event.flow_controlled_length, stream)
            peer.send_data(stream, event.data)
        elif isinstance(event, h2.events.TrailersReceived):
            self.seen.append(dict(event.headers))
        elif isinstance(event, h2.events.StreamEnded):
            peer.send_headers(stream, [("grpc-status", "0"), ("x-bytes", str(counts[stream]))], end_stream=True)


@pytest.fixture(scope="module")
def grpc(tmp_path_factory):
    origin = GrpcOrigin()
    fleet = PopFleet(tmp_path_factory.mktemp("grpc"), BUILD, regions=("us-east",), gateways=1, pops=(POP,), city=SMALL_CITY,
                     backbone=PATIENT)
    path = fleet.folder / "us-east-gw1.yaml"
    text = path.read_text()
    begin, end = text.index("origins:"), text.index("routes:")
    path.write_text(text[:begin] + f'origins:\n  web: {{ servers: ["127.0.0.1:{origin.port}"], protocol: http2 }}\n' + text[end:])
    try:
        yield fleet.start(), origin
    finally:
        problems = fleet.stop()
        origin.listener.close()
    assert not problems, "\n".join(problems)


def message(body):
    return b"\0" + struct.pack("!I", len(body)) + body


def test_a_streaming_call(grpc):
    """Messages go back and forth while the request is open: nothing waits for its end."""
    fleet, origin = grpc
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    stream = client.start("POST", "/pkg.Service/Method", [("content-type", "application/grpc"), ("te", "trailers"),
                                                          ("grpc-timeout", "10S")], end=False)
    total = b""
    for i in range(10):
        one = message(b"hello %d" % i)
        total += one
        client.h2.send_data(stream, one)
        client.flush()
        while stream not in client.responses or len(client.responses[stream].body) < len(total):
            assert client.pump()
    client.h2.end_stream(stream)
    client.flush()
    answer = client.wait(stream)
    assert answer.body == total and answer.get("content-type") == "application/grpc"
    assert dict(answer.trailers)["grpc-status"] == "0"
    assert dict(answer.trailers)["x-bytes"] == str(len(total))
    call = next(one for one in origin.seen if one.get(":path") == "/pkg.Service/Method")
    assert call["te"] == "trailers" and call["grpc-timeout"] == "10S"


def test_trailers_of_a_request(grpc):
    fleet, origin = grpc
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    stream = client.start("POST", "/with-trailers", end=False)
    client.h2.send_data(stream, b"abc")
    client.h2.send_headers(stream, [("x-checksum", "77"), ("x-other", "1")], end_stream=True)
    client.flush()
    assert dict(client.wait(stream).trailers)["x-bytes"] == "3"
    assert any(one.get("x-checksum") == "77" for one in origin.seen)


def test_trailers_reach_http1_clients_in_chunks(grpc):
    fleet, _ = grpc
    client = H1(connect(fleet.nodes[POP], fleet.client_context(("http/1.1",))))
    client.send(b"POST /x HTTP/1.1\r\nhost: www.example.com\r\nte: trailers\r\ncontent-length: 3\r\n\r\nabc")
    answer = client.response("POST")
    assert answer.body == b"abc" and dict(answer.trailers)["x-bytes"] == "3"


def test_trailers_of_an_http1_request(grpc):
    fleet, origin = grpc
    client = H1(connect(fleet.nodes[POP], fleet.client_context(("http/1.1",))))
    client.send(b"POST /y HTTP/1.1\r\nhost: www.example.com\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n"
                b"3\r\nabc\r\n0\r\nx-sum: 99\r\ncontent-length: 5\r\n\r\n")
    try:
        answer = client.response("POST")
        assert answer.status in (200, 400)
    except EOFError:
        return  # a framing field in trailers may end it
    if answer.status == 200:
        assert any(one.get("x-sum") == "99" for one in origin.seen)
        assert not any(one.get("content-length") == "5" for one in origin.seen)
