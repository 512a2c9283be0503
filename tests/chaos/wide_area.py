# SPDX-License-Identifier: Apache-2.0
"""The sites of a fleet as a wide area, over the emulator of tools/wan: each region, each PoP and the
clients in a network of their own, links between them, and weather on the links."""

import os
import subprocess
import threading

NAMES = ("us-east", "us-west", "eu-west", "gru1", "fra1")
REGION_COUNT = 3
CLIENTS = "clients"
ADDRESSES = {name: f"10.77.{1 if i < REGION_COUNT else 2}.{i + 1}" for i, name in enumerate(NAMES)}
# One way, in milliseconds; a fifth of the world's, so that much happens in two minutes.
DELAYS = {
    (CLIENTS, "gru1"): 2, (CLIENTS, "fra1"): 2,
    ("gru1", "us-east"): 10, ("gru1", "us-west"): 16, ("gru1", "eu-west"): 18,
    ("fra1", "us-east"): 9, ("fra1", "us-west"): 14, ("fra1", "eu-west"): 3,
    ("us-east", "us-west"): 6, ("us-east", "eu-west"): 8, ("us-west", "eu-west"): 13,
}
RATE = "1Gbit"
CANNOT_RUN = 77  # exit status


def matrix():
    lines = ["defaults: { rate: %s, queue: 1MiB }" % RATE, "sites:", f"  {CLIENTS}: {{ addresses: [10.77.3.1] }}"]
    lines += [f"  {name}: {{ addresses: [{address}] }}" for name, address in ADDRESSES.items()]
    lines.append("links:")
    lines += [f"  - {{ from: {a}, to: {b}, delay: {delay}ms, both: true }}" for (a, b), delay in DELAYS.items()]
    return "\n".join(lines) + "\n"


def enter(build, folder, seed, words):
    """Replaces this process by the emulator, which runs `words` at the clients' site; returns why that is
    impossible here."""
    folder.mkdir(parents=True, exist_ok=True)
    file, program = folder / "matrix.yaml", str(build / "wan")
    file.write_text(matrix(), encoding="utf-8")
    if not os.access(program, os.X_OK):
        return f"{program} is not built"
    done = subprocess.run([program, str(file), "--quiet", "--", "true"], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        return done.stderr.strip()
    os.execv(program, [program, str(file), "--seed", str(seed), "--quiet", "--site", CLIENTS, "--", *words])
    raise AssertionError("not reached")


def is_inside():
    return os.environ.get("STEER_WAN_SITE") == CLIENTS


class WideArea:
    """What a fleet needs to know of it (tools/loopback.py), and its links."""

    def __init__(self):
        self.addresses, self.program = ADDRESSES, os.environ["STEER_WAN"]

    def command(self, site, words):
        return [self.program, "exec", site, "--", *words]

    def set(self, a, b, *values, both=True):
        words = [self.program, "set", f"{a}:{b}", *(["both"] if both else []), *values]
        subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True, timeout=60)

    def blackhole(self, pairs, is_on, both=True):
        for a, b in pairs:
            self.set(a, b, f"blackhole={'true' if is_on else 'false'}", both=both)

    def links_of(self, site):
        return [pair for pair in DELAYS if site in pair]


class Weather(threading.Thread):
    """What links do to packets while the fleet's troubles go on: one of `pairs` at a time is changed for
    some seconds and mended. None of it is an excuse for a failed request."""

    def __init__(self, world, pairs, rng, say):
        super().__init__(daemon=True)
        self.world, self.pairs, self.rng, self.say = world, pairs, rng, say
        self.done, self.counts, self.problem = threading.Event(), {}, None

    def run(self):
        try:
            while not self.done.is_set():
                self._one(self.rng.choice(self.pairs))
        except Exception as error:  # told by stop()
            self.problem = error

    def stop(self):
        self.done.set()
        self.join()
        if self.problem is not None:
            raise self.problem

    def _one(self, pair):
        name, values = self.rng.choice((self._loss, self._jitter, self._longer, self._slower, self._storm))(pair)
        both = self.rng.random() < 0.5
        pair_now = pair if both or self.rng.random() < 0.5 else pair[::-1]
        self.counts[name] = self.counts.get(name, 0) + 1
        self.say(f"    {name} {':'.join(pair_now)}{' both' if both else ''} {' '.join(values)}")
        self.world.set(*pair_now, *values, both=both)
        self.done.wait(self.rng.uniform(0.5, 4.0))
        self.world.set(*pair, f"delay={DELAYS[pair]}ms", "jitter=0ms", "loss=0%", f"rate={RATE}")
        self.done.wait(self.rng.uniform(0.0, 1.0))

    def _loss(self, _pair):
        return "loss", [f"loss={self.rng.uniform(0.1, 5.0):.1f}%"]

    def _jitter(self, pair):
        return "jitter", [f"jitter={self.rng.uniform(0.1, 1.0) * DELAYS[pair]:.1f}ms"]

    def _longer(self, _pair):
        """To round trips of up to 200 ms, in one step."""
        return "RTT step", [f"delay={self.rng.randint(20, 100)}ms"]

    def _slower(self, _pair):
        return "rate drop", [f"rate={self.rng.choice((2, 5, 20))}Mbit"]

    def _storm(self, pair):
        return "all at once", [f"loss={self.rng.uniform(0.1, 3.0):.1f}%", f"delay={20 + DELAYS[pair]}ms", "jitter=10ms",
                               "rate=20Mbit"]
