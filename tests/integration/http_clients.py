# SPDX-License-Identifier: Apache-2.0
"""HTTP clients that show every byte: HTTP/1.1 by hand, HTTP/2 by python3-h2 or by raw frames."""

import socket
import ssl
import struct

import h2.config
import h2.connection
import h2.events
import h2.settings

from loopback import proxy_header

DEADLINE_S = 120


def connect(node, context=None, client=None, name="www.example.com", port=None, timeout=DEADLINE_S):
    """A socket to a node's front; with `client`, through its PROXY listener as that address."""
    if port is None:
        port = node.proxy_port if client else node.port
    sock = socket.create_connection((node.address, port), timeout)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if client:
        sock.sendall(proxy_header(client))
    if context is not None:
        sock = context.wrap_socket(sock, server_hostname=name)
    return sock


class Response:
    def __init__(self, status, headers, body=b"", trailers=(), informational=(), is_truncated=False):
        self.status, self.headers, self.body = status, headers, body
        self.trailers, self.informational, self.is_truncated = list(trailers), list(informational), is_truncated

    def get(self, name, default=None):
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return default

    def get_all(self, name):
        return [value for key, value in self.headers if key.lower() == name]

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]!r}"


class H1:
    """One HTTP/1.1 connection. Reads responses strictly: anything odd raises."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def send(self, data):
        self.sock.sendall(data)

    def request(self, method, path, headers=(), body=b"", host="www.example.com"):
        lines = [f"{method} {path} HTTP/1.1", f"host: {host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body or method in ("POST", "PUT"):
            lines.append(f"content-length: {len(body)}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        return self.response(method)

    def _fill(self):
        piece = self.sock.recv(1 << 16)
        self.buffer += piece
        return bool(piece)

    def _until(self, mark):
        while mark not in self.buffer:
            if not self._fill():
                raise EOFError(f"ended inside {self.buffer[-200:]!r}")
        part, _, self.buffer = self.buffer.partition(mark)
        return part

    def _exactly(self, size):
        while len(self.buffer) < size:
            if not self._fill():
                raise EOFError("ended inside the content")
        part, self.buffer = self.buffer[:size], self.buffer[size:]
        return part

    def head(self):
        lines = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status, *_ = lines[0].split(" ")
        assert version == "HTTP/1.1", lines[0]
        headers = [tuple(part.strip() for part in line.split(":", 1)) for line in lines[1:]]
        return int(status), headers

    def response(self, method="GET"):
        informational = []
        while True:
            status, headers = self.head()
            if status >= 200 or status == 101:
                break
            informational.append((status, headers))
        answer = Response(status, headers, informational=informational)
        if method == "HEAD" or status in (101, 204, 304):
            return answer
        length, coding = answer.get("content-length"), answer.get("transfer-encoding")
        assert not (length and coding), headers
        try:
            if coding == "chunked":
                self._chunked(answer)
            elif length is not None:
                answer.body = self._exactly(int(length))
            else:
                while self._fill():
                    pass
                answer.body, self.buffer = self.buffer, b""
        except EOFError:
            answer.body, answer.is_truncated = self.buffer, True
        return answer

    def _chunked(self, answer):
        while True:
            size = int(self._until(b"\r\n"), 16)
            if size == 0:
                break
            answer.body += self._exactly(size)
            assert self._exactly(2) == b"\r\n"
        while line := self._until(b"\r\n"):
            answer.trailers.append(tuple(part.strip() for part in line.decode("latin-1").split(":", 1)))

    def is_closed(self):
        """The server ended the connection, with no byte in front of that."""
        try:
            return not self._fill()
        except (ConnectionResetError, ssl.SSLError):
            return True

    def close(self):
        self.sock.close()


class GoAway:
    def __init__(self, last_stream_id, error_code):
        self.last_stream_id, self.error_code = last_stream_id, error_code


class H2:
    """One HTTP/2 connection by an independent implementation."""

    def __init__(self, sock, validate=True, **settings):
        self.sock = sock
        config = h2.config.H2Configuration(client_side=True, header_encoding="utf-8",
                                           validate_outbound_headers=validate,
                                           normalize_outbound_headers=validate)
        self.h2 = h2.connection.H2Connection(config)
        if settings:
            self.h2.update_settings({getattr(h2.settings.SettingCodes, key): value for key, value in settings.items()})
        self.h2.initiate_connection()
        self.responses, self.done, self.reset = {}, set(), {}
        self.goaway, self.is_closed, self.pongs, self.settings_seen = None, False, 0, False
        self.auto_ack = True
        self.input = b""
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.sock.sendall(data)

    def start(self, method, path, headers=(), body=None, host="www.example.com", end=True):
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "https"), (":authority", host), (":path", path), *headers]
        self.h2.send_headers(stream, fields, end_stream=body is None and end)
        self.flush()
        if body is not None:
            self.send_body(stream, body, end)
        return stream

    def send_body(self, stream, body, end=True):
        at = 0
        while at < len(body):
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
            if room <= 0:
                if stream in self.done or not self.pump():
                    return
                continue
            piece = body[at : at + room]
            self.h2.send_data(stream, piece)
            at += len(piece)
            self.flush()
        if end:
            self.h2.end_stream(stream)
            self.flush()

    def pump(self):
        """Reads once and handles what came. False: the connection ended."""
        try:
            data = self.sock.recv(1 << 16)
        except (ConnectionResetError, ssl.SSLEOFError):
            data = b""
        if not data:
            self.is_closed = True
            return False
        for event in self.h2.receive_data(self._without_goaway(data)):
            self._on(event)
        try:
            self.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass
        return True

    def _without_goaway(self, data):
        """Whole frames, GOAWAY noted and taken out: python3-h2 takes no further frame behind one, although
        the streams below its last id go on."""
        self.input += data
        frames = b""
        while len(self.input) >= 9 and len(self.input) >= 9 + int.from_bytes(self.input[:3], "big"):
            size = 9 + int.from_bytes(self.input[:3], "big")
            one, self.input = self.input[:size], self.input[size:]
            if one[3] == GOAWAY:
                self.goaway = GoAway(int.from_bytes(one[9:13], "big") & 0x7FFFFFFF, int.from_bytes(one[13:17], "big"))
            else:
                frames += one
        return frames

    def _on(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.ResponseReceived):
            headers = [(k, v) for k, v in event.headers if not k.startswith(":")]
            old = self.responses.get(stream)
            self.responses[stream] = Response(int(dict(event.headers)[":status"]), headers,
                                              informational=old.informational if old else ())
        elif isinstance(event, h2.events.InformationalResponseReceived):
            holder = self.responses.setdefault(stream, Response(0, []))
            holder.informational.append((int(dict(event.headers)[":status"]), event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self.responses[stream].body += event.data
            if self.auto_ack:
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, h2.events.TrailersReceived):
            self.responses[stream].trailers = event.headers
        elif isinstance(event, h2.events.StreamEnded):
            self.done.add(stream)
        elif isinstance(event, h2.events.StreamReset):
            self.reset[stream] = event.error_code
            self.done.add(stream)
            if stream in self.responses:
                self.responses[stream].is_truncated = True
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs += 1
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings_seen = True

    def wait(self, *streams):
        """Until these streams are over; returns the response of the first, None after a reset without."""
        while not all(stream in self.done for stream in streams):
            if not self.pump():
                raise EOFError(f"connection ended; goaway {self.goaway}")
        return self.responses.get(streams[0])

    def request(self, method, path, headers=(), body=None, host="www.example.com"):
        return self.wait(self.start(method, path, headers, body, host))

    def close(self):
        self.sock.close()


# ---- raw frames, for what python3-h2 refuses to send --------------------------------------------

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, ACK = 1, 4, 1


def frame(kind, flags=0, stream=0, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + payload


def literal(name, value):
    """HPACK: literal without indexing, new name; short texts."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def get_block(path=b"/", authority=b"www.example.com", extra=b"", method=b"GET"):
    return (literal(b":method", method) + literal(b":scheme", b"https") + literal(b":authority", authority)
            + literal(b":path", path) + extra)


class RawH2:
    """Frames as they come; nothing is answered unless the test does it."""

    def __init__(self, sock, hello=True):
        self.sock, self.buffer = sock, b""
        if hello:
            self.send(PREFACE + frame(SETTINGS))

    def send(self, data):
        self.sock.sendall(data)

    def read_frame(self):
        """(kind, flags, stream, payload); None at the end of the connection."""
        try:
            while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
                piece = self.sock.recv(1 << 16)
                if not piece:
                    return None
                self.buffer += piece
        except (ConnectionResetError, ssl.SSLError):
            return None
        size = int.from_bytes(self.buffer[:3], "big")
        kind, flags = self.buffer[3], self.buffer[4]
        stream = int.from_bytes(self.buffer[5:9], "big") & 0x7FFFFFFF
        payload, self.buffer = self.buffer[9 : 9 + size], self.buffer[9 + size :]
        return kind, flags, stream, payload

    def frames_until(self, wanted):
        """All frames up to the first that `wanted(frame)` likes, or to the end."""
        frames = []
        while (one := self.read_frame()) is not None:
            frames.append(one)
            if one[0] == SETTINGS and not one[1] & ACK:
                self.send(frame(SETTINGS, ACK))
            if wanted(one):
                break
        return frames

    def outcome(self, stream=None):
        """("goaway", code), ("reset", code), ("response",) or ("closed",): whichever is first."""
        for kind, flags, number, payload in self.frames_until(
                lambda f: f[0] == GOAWAY or (f[0] in (RST_STREAM, HEADERS) and f[2] == stream)):
            if kind == GOAWAY:
                return "goaway", int.from_bytes(payload[4:8], "big")
            if kind == RST_STREAM and number == stream:
                return "reset", int.from_bytes(payload[:4], "big")
            if kind == HEADERS and number == stream:
                return ("response",)
        return ("closed",)
