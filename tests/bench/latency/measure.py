# SPDX-License-Identifier: Apache-2.0
"""How each kind of row is measured, and what is told of it."""

import collections
import shutil
import threading
import time

from scenarios import AFTER_START, BODIES, IDLE, PLAIN, STEER_BBR, STREAM
from stacks import STACKS, Steer, make_certificates, start_origins
from world import BARE, Client, SiteDaemon

from loopback import wait_for

EVENT_AT_S = 2.0  # within a stream
APART_S = 0.5  # of two stacks whose requests shall not meet
NO_DISTANCE_SAMPLES = 16
BARE_LINKS, BARE_PORT, BARE_SAMPLES, BARE_PAUSE_MS = (("client", "pop"), ("pop", "region1")), 9390, 16, 10
REQUEST_S = 12  # a request of a stream; longer than any stack waits for a gateway
PROBE = ("--tls", "1.3", "--http", "h2", "--path", "/1k", "--timeout", "5")
FIELDS = {"connect": "connect", "first_request_byte": "sent", "first_response_byte": "first", "last_byte": "last"}


def is_fine(one):
    return one["error"] is None and one["status"] == 200


def error_of(one):
    return one["error"] or f"status {one['status']}"


def quantile(ordered, part):
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def spread(values):
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    return {"p50": quantile(ordered, 0.5), "p90": quantile(ordered, 0.9), "p99": quantile(ordered, 0.99),
            "max": ordered[-1]}


class Measured:
    """What one stack did in one row."""

    def __init__(self, rows, near_ms, far_ms):
        self.rows, self.near_ms, self.far_ms = rows, near_ms, far_ms
        self.fine = [one for one in rows if is_fine(one)]
        self.no_distance_ms = 0.0  # to the first request byte, when the client is where TLS ends

    def failed(self):
        return len(self.rows) - len(self.fine)

    def spread(self, field):
        return spread(one[FIELDS[field]] for one in self.fine)

    def client_trips(self, one):
        return one["sent"] / self.near_ms

    def backbone_trips(self, one):
        return (one["first"] - one["sent"] - self.near_ms) / self.far_ms

    def middle(self, trips):
        ordered = sorted(trips(one) for one in self.fine)
        return quantile(ordered, 0.5) if ordered else None

    def best(self, trips):
        return min((trips(one) for one in self.fine), default=None)

    def summary(self):
        return {"samples": len(self.rows), "failed": self.failed(), "no_distance_ms": self.no_distance_ms,
                "errors": dict(collections.Counter(error_of(one) for one in self.rows if not is_fine(one))),
                **{field: self.spread(field) for field in FIELDS},
                "round_trips": {"client": self.middle(self.client_trips), "backbone": self.middle(self.backbone_trips)}}


class Bench:
    """All stacks, up and warm, and the measurements."""

    def __init__(self, world, folder, names, backbone=""):
        self.world = world
        self.certs = make_certificates()
        self.trips = world.round_trips()
        self.origins, self.bare, self.stacks = [], [], {}
        self.event_s = 0.0  # of the last disturbance, CLOCK_MONOTONIC
        try:
            self.origins = start_origins(world, folder)
            self.bare = self.start_bare(folder)
            for name in names:
                more = {"backbone": backbone} if name == "steer" else {}
                self.stacks[name] = STACKS[name](world, folder, self.certs, **more)
            for stack in self.stacks.values():
                stack.start()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for one in [*self.stacks.values(), *self.bare, *self.origins]:
            one.stop()

    def start_bare(self, folder):
        """What answers `bare_ms`, where the links end."""
        out = []
        for site in (target for _, target in BARE_LINKS):
            words = [BARE, "serve", self.world.addresses[site], BARE_PORT]
            out.append(SiteDaemon(self.world, site, f"bare-{site}", words, folder).start())
            wait_for(f"bare TCP at {site}", lambda: self.world.is_listening(site, BARE_PORT))
        return out

    # ---- asking ----

    def front(self, name):
        steer = self.stacks["steer"]
        assert isinstance(steer, Steer)
        own = {"direct": steer.direct_front, STEER_BBR: steer.bbr_front}
        return own[name] if name in own else self.stacks[name].front

    def near_far(self, name):
        """To where TLS ends, and from there to the origin; the far side of "direct" only divides."""
        if name == "direct":
            return self.trips["client-region1"], 0.0
        return self.trips["client-pop"], self.trips["pop-region1"]

    def client(self, name, options, site="client", deadline_s=60):
        return Client(self.world, self.certs / "ca.pem", self.front(name), options, site, deadline_s)

    def ask(self, row, name):
        options = [*row.options, "--samples", str(row.samples), "--every", str(row.every_ms)]
        return self.client(name, options, row.site(), 200)

    def measured(self, row, name, rows):
        near, far = self.near_far(name)
        counted = [one for one in rows if one["request"] >= row.warm_up]
        return Measured(counted, near, far or self.trips["pop-region1"])

    def coldness(self, name):
        """Why a few requests at theory's pace on connections to all gateways cannot be had; None when they can."""
        rows = self.client(name, [*PROBE, "--requests", "4"]).rows()[1:]
        failed = [error_of(one) for one in rows if not is_fine(one)]
        if failed:
            return f"a request fails: {failed[0]}"
        slowest = max(one["last"] for one in rows)
        pace = 1.2 * (self.trips["client-pop"] + self.trips["pop-region1"])
        if slowest > pace:
            return f"a request takes {slowest:.1f} ms, {pace:.0f} at most are asked"
        return None if self.stacks[name].is_connected() else "not connected to all gateways of region 1"

    def warm(self, names):
        for name in names:
            if name in self.stacks:
                wait_for(f"{name} is warm", lambda: self.coldness(name) is None, explain=lambda: self.coldness(name))

    # ---- kinds of rows; each returns {stack: Measured} ----

    def in_turn(self, row, names):
        out = {}
        self.warm(names)
        for name in names:
            out[name] = self.measured(row, name, self.ask(row, name).rows())
            if row.handshake:
                out[name].no_distance_ms = self.no_distance(row, name)
        return out

    def no_distance(self, row, name):
        """What the handshake costs both ends: the same from the site where TLS ends."""
        options = [*row.options, "--samples", str(NO_DISTANCE_SAMPLES), "--every", str(row.every_ms)]
        client = self.client(name, options, "region1" if name == "direct" else "pop")
        return Measured(client.rows(), 1.0, 1.0).spread("first_request_byte")["p50"]

    def bare_ms(self, row):
        """By how much plain TCP is slower than the links' round trips, client to PoP to region, when programs that do
        nothing else exchange as many octets as the row's requests: links, kernels and wake-ups, and no proxy."""
        more = 0.0
        for source, target in BARE_LINKS:
            words = ["ask", self.world.addresses[target], BARE_PORT, *row.octets(), BARE_SAMPLES, BARE_PAUSE_MS]
            took = [float(line) for line in self.world.run_at(source, BARE, *words).split()]
            more += spread(took)["p50"] - self.trips[f"{source}-{target}"]
        return more

    def together(self, row, names):
        """One after the other begins to be silent, and ends so: nobody's requests meet another one's."""
        self.warm(names)
        clients = {}
        try:
            for name in names:
                clients[name] = self.ask(row, name)
                time.sleep(APART_S)
            return {name: self.measured(row, name, client.rows()) for name, client in clients.items()}
        finally:
            for client in clients.values():
                client.end()

    def after_start(self, row, names):
        out = {}
        for name in names:
            rows = []
            for _ in range(row.samples):
                self.stacks[name].restart_pop()
                rows += self.client(name, row.options).rows()
            out[name] = self.measured(row, name, rows)
        return out

    def bodies(self, rows, names_of):
        """In turn; on links that lose packets all at once, for there the network is slow, not the machine. Large
        ones with bbr when the PoPs' others are done: it takes what links and CPUs have."""
        names = names_of(rows[0])
        self.warm(names)
        if not rows[0].loss_percent:
            return {row.id: {name: self.measured(row, name, self.ask(row, name).rows()) for name in names} for row in rows}
        if STEER_BBR in names:
            self.stacks["steer"].bbr.start().wait_ready()
        out, clients = {row.id: {} for row in rows}, {}

        def ask(some):
            clients.update({(row.id, name): self.ask(row, name) for row in rows for name in some})

        def collect(some):
            for row in rows:
                out[row.id].update({name: self.measured(row, name, clients[row.id, name].rows()) for name in some})

        later = [name for name in names if name == STEER_BBR and rows[0].is_bbr_later]
        others = [name for name in names if name not in later]
        try:
            ask(others)
            collect([name for name in others if name != "direct"])
            ask(later)
            collect([*later, *(name for name in others if name == "direct")])
            return out
        finally:
            for client in clients.values():
                client.end()
            if STEER_BBR in names:
                self.stacks["steer"].bbr.stop()

    # ---- disturbances ----

    def disturb(self, event, names):
        """All stacks at the same moment."""
        if event == "blackhole":
            self.world.set("pop", "region1", "blackhole=true")
            return
        act = {"goaway": lambda stack: stack.stop_gateway(1), "sigkill": lambda stack: stack.kill_gateway(2),
               "evacuate": lambda stack: stack.evacuate()}[event]
        problems = []

        def run(stack):
            try:
                act(stack)
            except (OSError, RuntimeError) as error:
                problems.append(f"{event} of {stack.name}: {error}")

        threads = [threading.Thread(target=run, args=(self.stacks[name],)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if problems:
            raise RuntimeError("; ".join(problems))

    def mend(self, event, names):
        if event == "blackhole":
            self.world.set("pop", "region1", "blackhole=false")
        for name in names:
            if event == "evacuate":
                self.stacks[name].restore()
            elif event != "blackhole":
                self.stacks[name].bring_back({"goaway": 1, "sigkill": 2}[event])
        self.warm(names)

    def stream(self, row, names):
        """(measured, timeline)"""
        self.warm(names)
        options = [*row.options, "--timeout", str(REQUEST_S)]
        clients = {name: self.client(name, options) for name in names}
        try:
            time.sleep(EVENT_AT_S)  # of a steady stream; nothing is waited for
            self.event_s = time.monotonic()
            self.disturb(row.event, names)
            rows = {name: client.rows() for name, client in clients.items()}
        finally:
            for client in clients.values():
                client.end()
        self.mend(row.event, names)
        origin = min(one["began"] for some in rows.values() for one in some)
        series = {name: [[round(one["began"] - origin, 4), one["last"] if one["last"] is not None else 0.0, is_fine(one)]
                         for one in some] for name, some in rows.items()}
        timeline = {"id": row.id, "title": row.title, "event_s": round(self.event_s - origin, 4), "series": series}
        return {name: self.measured(row, name, some) for name, some in rows.items()}, timeline

    def measure(self, rows, names_of):
        """({row id: {stack: Measured}}, timelines) of rows that are measured together."""
        row = rows[0]
        names = names_of(row)
        if row.kind == BODIES:
            return self.bodies(rows, names_of), []
        if row.kind == STREAM:
            measured, timeline = self.stream(row, names)
            return {row.id: measured}, [timeline]
        how = {PLAIN: self.in_turn, IDLE: self.together, AFTER_START: self.after_start}[row.kind]
        return {row.id: how(row, names)}, []


def missing_programs(names):
    wanted = {"haproxy": "haproxy", "nghttpx": "nghttpx", "steer": "nghttpd"}
    return [wanted[name] for name in names if name in wanted and shutil.which(wanted[name]) is None]
