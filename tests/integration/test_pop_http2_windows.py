# SPDX-License-Identifier: Apache-2.0
"""A peer that moves SETTINGS_INITIAL_WINDOW_SIZE up and down in mid-stream, also to windows below zero: no byte
too many, none lost. python3-h2 counts the windows and raises when one is exceeded, on either side of Steer."""

import hashlib
import random

import h2.config
import h2.connection
import h2.events
import h2.settings

from http_clients import H2, connect
from raw_origin import RawOrigin

POP, REGION = "gru1", "us-east"
SIZE = 400_000
LENGTHS = (SIZE, SIZE + 1, 3 * SIZE, 70_000)


class Walk:
    """Moves the windows of a connection's streams; needs to be asked whenever something has come."""

    def __init__(self, connection):
        self.seed = random.randrange(1 << 32)
        print(f"seed {self.seed}")
        self.rng, self.connection, self.unacknowledged = random.Random(self.seed), connection, 1
        self.lowest, self.changes = 0, 0
        connection.increment_flow_control_window(1 << 30)  # that of the whole connection is not the subject

    def on(self, event):
        if isinstance(event, h2.events.SettingsAcknowledged):
            self.unacknowledged -= 1

    def _change(self):
        size = self.rng.choice((0, 1, self.rng.randrange(1000), self.rng.randrange(1 << 16), self.rng.randrange(1 << 18)))
        self.connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: size})
        self.unacknowledged += 1
        self.changes += 1

    def is_far(self):
        return self.changes > 10 and self.lowest < 0

    def act(self, streams):
        """A change, or room for all `streams` that have none. What is to come after it always comes: an
        acknowledgement, or content."""
        room = {stream: self.connection.remote_flow_control_window(stream) for stream in streams}
        self.lowest = min(self.lowest, *room.values(), 0)
        if self.unacknowledged:
            return
        if self.rng.random() < 0.3:
            self._change()
            return
        for stream, size in room.items():
            while size <= 0:
                more = self.rng.randrange(1, 40_000)
                self.connection.increment_flow_control_window(more, stream)
                size += more


class WalkingClient(H2):
    def __init__(self, sock):
        self.walk = None
        super().__init__(sock)
        self.auto_ack = False
        self.walk = Walk(self.h2)
        self.open = ()

    def _on(self, event):
        super()._on(event)
        self.walk.on(event)

    def pump(self):
        is_open = super().pump()
        streams = [stream for stream in self.open if stream not in self.done]
        if streams:
            self.walk.act(streams)
            self.flush()
        return is_open


def test_a_client_that_moves_its_windows(pop_fleet):
    client = WalkingClient(connect(pop_fleet.nodes[POP], pop_fleet.client_context(("h2",))))
    while not client.walk.is_far():
        streams = {client.start("GET", f"/bytes/{length}"): length for length in LENGTHS}
        client.open = set(streams)
        client.wait(*streams)
        for stream, length in streams.items():
            body = client.responses[stream].body
            assert stream not in client.reset and len(body) == length
            assert body == (b"0123456789abcdef" * (length // 16 + 1))[:length]
    client.close()


class WalkingOrigin:
    """Answers with the digest of what it was sent; `problems` is what an independent count of windows objects to."""

    def __init__(self):
        self.problems, self.walks = [], []

    def serve(self, sock, _number):
        peer = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        peer.initiate_connection()
        walk, bodies = Walk(peer), {}
        self.walks.append(walk)
        sock.sendall(peer.data_to_send())
        try:
            while data := sock.recv(1 << 16):
                for event in peer.receive_data(data):
                    self.take(peer, walk, bodies, event)
                if bodies:
                    walk.act(list(bodies))
                sock.sendall(peer.data_to_send())
        except h2.exceptions.ProtocolError as error:
            self.problems.append((walk.seed, error))
            raise OSError(error) from error

    @staticmethod
    def take(peer, walk, bodies, event):
        stream = getattr(event, "stream_id", None)
        walk.on(event)
        if isinstance(event, h2.events.RequestReceived):
            bodies[stream] = hashlib.sha256()
        elif isinstance(event, h2.events.DataReceived):
            bodies[stream].update(event.data)
        elif isinstance(event, h2.events.StreamEnded):
            peer.send_headers(stream, [(":status", "200")])
            peer.send_data(stream, bodies.pop(stream).hexdigest().encode(), end_stream=True)
        elif isinstance(event, h2.events.StreamReset):
            bodies.pop(stream, None)


def test_an_origin_that_moves_its_windows(pop_fleet_of):
    fleet = pop_fleet_of(regions=(REGION,), gateways=1, origins=1, pops=(POP,), origin=", protocol: http2")
    fleet.origins[REGION].stop()
    walking = WalkingOrigin()
    origin = RawOrigin(fleet.addresses[REGION], fleet.origin_ports[REGION][0], walking.serve)
    try:
        client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
        while not any(walk.is_far() for walk in walking.walks):
            bodies = {}
            for number, length in enumerate(LENGTHS):
                body = random.Random(number).randbytes(length)
                bodies[client.start("POST", "/", body=body)] = hashlib.sha256(body).hexdigest()
            client.wait(*bodies)
            assert not walking.problems
            for stream, digest in bodies.items():
                assert client.responses[stream].status == 200 and client.responses[stream].body.decode() == digest
        client.close()
    finally:
        origin.close()
