# SPDX-License-Identifier: Apache-2.0
"""A steady stream of requests with unique ids, and an oracle that compares it with the journal."""

import hashlib
import random
import threading
import time

from http_clients import H1, H2, connect


class Stream(threading.Thread):
    """One client: requests one after the other, reconnecting when its connection ends."""

    def __init__(self, fleet, node, number, post_share=0.0, client=None, pause_s=0.0, seed=0, is_mixed=False):
        super().__init__(daemon=True)
        self.fleet, self.node, self.number, self.client = fleet, node, number, client
        self.post_share, self.pause_s = post_share, pause_s
        self.rng = random.Random(seed * 1000 + number)
        self.results = []  # (id, method, status or None, region, sha ok, begun, ended)
        self.reconnects, self.is_over = 0, False
        self.done = threading.Event()
        self.is_h1 = is_mixed and number % 2 == 1  # mixed: every second one speaks HTTP/1.1
        self.context = fleet.client_context(("http/1.1",) if self.is_h1 else ("h2",))

    def run(self):
        connection, count = None, 0
        while not self.done.is_set():
            count += 1
            if connection is None or self.is_over:
                connection = self._connect(connection)
                if connection is None:
                    continue
            self._one(connection, f"{self.number}-{count}")
            if self.pause_s:
                self.done.wait(self.pause_s)
        if connection is not None:
            connection.close()

    def _connect(self, old):
        if old is not None:
            old.close()
            self.reconnects += 1
        try:
            sock = connect(self.node, self.context, client=self.client, timeout=30)
            self.is_over = False
            return H1(sock) if self.is_h1 else H2(sock)
        except OSError:
            self.done.wait(0.01)
            return None

    def _one(self, connection, ident):
        is_post = self.rng.random() < self.post_share
        body = self.rng.randbytes(self.rng.choice((0, 10, 1000, 30000))) if is_post else None
        begun = time.monotonic()
        status = region = None
        is_right = True
        method = "POST" if is_post else "GET"
        try:
            content = body or b"" if self.is_h1 else body
            answer = connection.request(method, f"/load/{ident}", [("x-test-id", ident)], content)
            if answer is not None and not answer.is_truncated:
                status, region = answer.status, answer.get("x-region")
                if status == 200:
                    is_right = (answer.get("x-request-sha256") == hashlib.sha256(body or b"").hexdigest()
                                and answer.get("x-executed-id") == ident
                                and f"\n{method} /load/{ident}\n".encode() in answer.body)
            self.is_over = self._is_last(connection, answer)
        except (OSError, EOFError):
            self.is_over = True
        except Exception as error:  # the client found a breach of the protocol
            self.is_over, status = True, f"broken: {error!r}"
        self.results.append((ident, method, status, region, is_right, begun, time.monotonic()))

    def _is_last(self, connection, answer):
        if self.is_h1:
            return answer.is_truncated or answer.get("connection") == "close"
        return connection.is_closed or connection.goaway is not None


class Load:
    """Some streams at once; use as a context. `clients`: addresses that they pretend to have, in turn."""

    def __init__(self, fleet, nodes, streams, clients=(None,), **settings):
        self.fleet = fleet
        self.streams = [Stream(fleet, nodes[i % len(nodes)], i, client=clients[i // len(nodes) % len(clients)], **settings)
                        for i in range(streams)]

    def __enter__(self):
        for stream in self.streams:
            stream.start()
        return self

    def __exit__(self, *_):
        for stream in self.streams:
            stream.done.set()
        for stream in self.streams:
            stream.join(60)

    def count(self):
        return sum(len(stream.results) for stream in self.streams)

    def wait_for(self, more):
        """Until so many further requests have ended on every stream."""
        targets = [len(stream.results) + more for stream in self.streams]
        while any(len(s.results) < t and s.is_alive() for s, t in zip(self.streams, targets)):
            time.sleep(0.002)

    def results(self):
        return [row for stream in self.streams for row in stream.results]


def judge(fleet, results):
    """What must never happen, by name: lists of ids."""
    executed = {}
    for entry in fleet.executed():
        executed.setdefault(entry["id"], []).append(entry)
    return {
        "duplicated POSTs": [r[0] for r in results if r[1] == "POST" and len(executed.get(r[0], ())) > 1],
        "2xx but never executed": [r[0] for r in results if r[2] == 200 and r[0] not in executed],
        "mixed-up contents": [r[0] for r in results if not r[4]],
        "breaches of the protocol": [r[2] for r in results if isinstance(r[2], str)],
        "failed GETs": [(r[0], r[2]) for r in results if r[1] == "GET" and r[2] != 200],
    }
