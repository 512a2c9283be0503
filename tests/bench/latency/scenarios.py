# SPDX-License-Identifier: Apache-2.0
"""The rows of the lab: what is asked, how often, and what no proxy could do quicker.

Theory counts round trips: to connect 1, a full handshake of TLS 1.2 two more, TLS 1.3 or a resumed
session one more; then the request is sent, and its answer comes after one round trip to the PoP and one
from there to the region. Nothing else may cost time."""

import dataclasses

ALL = ("steer", "haproxy", "nghttpx", "direct")
POPS = ("steer", "haproxy", "nghttpx")
STEER_BBR = "steer-bbr"  # Steer's PoP once more, with `congestion: bbr` in its node file
# How a row is measured: see measure.py.
PLAIN, AFTER_START, IDLE, STREAM, BODIES = "plain", "after-start", "idle", "stream", "bodies"
REQUEST_BYTES, RESPONSE_BYTES = 40, 1060  # of HTTP/2, with fields that the peer knows already, and 1 KiB of content
HANDSHAKES = {"1.2": 3, "1.3": 2, "resumed": 2}


@dataclasses.dataclass(frozen=True)
class Row:
    id: str
    group: str
    title: str
    options: tuple  # of latency_client
    kind: str = PLAIN
    samples: int = 40
    every_ms: int = 30
    handshake: int = 0  # round trips until the request can be sent, from the beginning; 0: connected already
    warm_up: int = 0  # requests of each connection that are not counted
    parallel: int = 1  # requests at once
    stacks: tuple = ALL
    loss_percent: int = 0
    is_large: bool = False  # the end of the content is a matter of windows, not of round trips
    is_bbr_later: bool = False
    event: str = ""

    def site(self):
        return f"client-{self.loss_percent}pct" if self.loss_percent else "client"

    def octets(self):
        """(question, answer, until): of the requests that are under way at once, never more than they have on the
        wire; `until`: before the first octet of the middle answer, and that one."""
        return REQUEST_BYTES * self.parallel, RESPONSE_BYTES * self.parallel, RESPONSE_BYTES * (self.parallel // 2) + 1

    def theory(self, near_ms, far_ms):
        """`near_ms`: to where TLS ends; `far_ms`: from there to the origin."""
        answered = (self.handshake + 1) * near_ms + far_ms
        return {"connect": near_ms if self.handshake else None, "first_request_byte": self.handshake * near_ms,
                "first_response_byte": answered, "last_byte": None if self.is_large else answered}

    def theory_words(self):
        begin = f"{self.handshake} client round trips, then " if self.handshake else ""
        return begin + "1 client + 1 backbone"


def tls_options(version, http, resumed=False):
    return ("--tls", version, "--http", http, "--path", "/1k", *(("--resume",) if resumed else ()))


def connection_rows():
    kinds = [(version, http) for version in ("1.2", "1.3") for http in ("h1", "h2")]
    first = [Row(f"first-tls{version}-{http}", "connections", f"first connection, TLS {version}, {http}",
                 tls_options(version, http), handshake=HANDSHAKES[version]) for version, http in kinds]
    resumed = [Row(f"resumed-tls{version}-{http}", "connections", f"resumed, TLS {version}, {http}",
                   tls_options(version, http, True), handshake=HANDSHAKES["resumed"]) for version, http in kinds]
    return first + resumed


def kept_rows():
    many = ("--requests", "9", "--pause", "10")
    return [
        Row("kept-h1", "kept", "keep-alive request, h1", (*tls_options("1.3", "h1"), *many), samples=5, warm_up=1),
        Row("kept-h2", "kept", "keep-alive request, h2", (*tls_options("1.3", "h2"), *many), samples=5, warm_up=1),
        Row("parallel-h2", "kept", "10 requests at once, h2",
            (*tls_options("1.3", "h2"), "--requests", "5", "--pause", "10", "--parallel", "10"), parallel=10, samples=15,
            warm_up=1),
        Row("post-h2", "kept", "POST of 1 KiB, h2",
            (*tls_options("1.3", "h2"), *many, "--method", "POST", "--body", "1024"), samples=5, warm_up=1),
        Row("after-start", "kept", "first request after the PoP's start", tls_options("1.3", "h2"), AFTER_START, samples=8,
            handshake=HANDSHAKES["1.3"], stacks=POPS),
        # So close together that none finds what another one has warmed.
        Row("idle-60s", "kept", "request after 60 s of silence",
            (*tls_options("1.3", "h2"), "--requests", "2", "--pause", "60000", "--timeout", "90"), IDLE, samples=10,
            every_ms=5, warm_up=1),
    ]


def disturbance_rows():
    stream = ("--tls", "1.3", "--http", "h2", "--path", "/1k", "--every", "20", "--stream")
    texts = {"goaway": ("a gateway stops gracefully", 6), "sigkill": ("a gateway is killed", 6),
             "blackhole": ("region 1 falls silent", 10), "evacuate": ("region 1 is evacuated", 12)}
    return [Row(event, "disturbances", title, (*stream, str(seconds)), STREAM, stacks=POPS, event=event)
            for event, (title, seconds) in texts.items()]


def body_rows():
    rows = []
    # Where packets get lost, by chance, only many samples say anything; one link carries them all at once.
    for path, title, samples, every in (("/100k", "100 KB", (16, 250, 250), (60, 160, 160)),
                                        ("/5m", "5 MB", (10, 24, 24), (600, 1000, 1000))):
        for number, loss in enumerate((0, 1, 3)):
            rows.append(Row(f"{path[1:]}-loss{loss}", "bodies", f"{title}, {loss} % loss",
                            ("--tls", "1.3", "--http", "h2", "--path", path, "--timeout", "120"), BODIES,
                            samples=samples[number], every_ms=every[number], handshake=HANDSHAKES["1.3"],
                            stacks=(*ALL, STEER_BBR) if loss else ALL, is_bbr_later=path == "/5m",
                            loss_percent=loss, is_large=True))
    return rows


def full():
    return connection_rows() + kept_rows() + disturbance_rows() + body_rows()


SHORT_IDS = ("first-tls1.2-h2", "first-tls1.3-h2", "kept-h2", "after-start", "sigkill", "evacuate")


def short():
    """Few samples, far apart: a busy machine shall not make them wait for each other."""
    rows = []
    for row in full():
        if row.id in SHORT_IDS:
            samples = {PLAIN: 6, AFTER_START: 3}.get(row.kind, row.samples)
            rows.append(dataclasses.replace(row, samples=samples, every_ms=120,
                                            stacks=tuple(one for one in row.stacks if one in ("steer", "direct"))))
    return rows
