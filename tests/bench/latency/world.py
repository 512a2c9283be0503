# SPDX-License-Identifier: Apache-2.0
"""The emulated world of the lab: sites, links, what runs at the sites, and the client that measures.

The lab is a command of `wan` and so lives inside it: `wan exec` becomes what it starts, processes
are signalled by their own ids, and the kernel ends all of them with the emulator.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tools"))
from loopback import Daemon  # noqa: E402

BUILD = ROOT / "build/release"
CLIENT = BUILD / "tests/bench/latency_client"
BARE = BUILD / "tests/bench/latency/bare"
MATRIX = pathlib.Path(__file__).resolve().with_name("matrix.yaml")
HOST = "www.example.com"
ESTABLISHED, LISTENING = "01", "0A"
ANSWER_S = 30
# Of every site. What one connection learned of a path must not help or harm the next sample; and servers
# keep the window of a warm connection, as steer-pop(8) advises, whatever stack they belong to.
SYSCTLS = {"net/ipv4/tcp_no_metrics_save": 1, "net/ipv4/tcp_slow_start_after_idle": 0}
# What a kernel does about losses that nobody has tuned. By route: as a setting of a namespace it is free to
# those only whom the machine's own default has not left out.
CONGESTION = "cubic"
BBR = "bbr"
MACHINE_CONGESTION = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control")


def milliseconds(text):
    """Of a delay as `wan status` writes it: 15ms, 0.3ms, 250us, 1s."""
    for unit, factor in (("ms", 1), ("us", 1e-3), ("s", 1e3)):
        if text.endswith(unit):
            return float(text[: -len(unit)]) * factor
    raise ValueError(text)


class World:
    def __init__(self):
        self.wan = os.environ["STEER_WAN"]
        pairs = (word.split("=") for word in os.environ["STEER_WAN_SITES"].split())
        self.addresses = {name: addresses.split(",")[0] for name, addresses in pairs}
        self.seed = int(os.environ["STEER_WAN_SEED"])

    def at(self, site, *words):
        """The words that run `words` at `site`."""
        return [self.wan, "exec", site, "--", *(str(word) for word in words)]

    def run_at(self, site, *words, check=True):
        return subprocess.run(self.at(site, *words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              check=check, timeout=ANSWER_S).stdout

    def set(self, source, target, *settings):
        """Both ways."""
        subprocess.run([self.wan, "set", f"{source}:{target}", "both", *settings], check=True,
                       stdout=subprocess.DEVNULL, timeout=ANSWER_S)

    def links(self):
        done = subprocess.run([self.wan, "status", "--json"], check=True, capture_output=True, text=True, timeout=ANSWER_S)
        return {(one["from"], one["to"]): one for one in json.loads(done.stdout)["links"]}

    def round_trips(self):
        """{"client-pop": milliseconds} of all pairs with a link."""
        links = self.links()
        return {f"{source}-{target}": milliseconds(one["delay"]) + milliseconds(links[(target, source)]["delay"])
                for (source, target), one in links.items() if (target, source) in links and
                list(self.addresses).index(source) < list(self.addresses).index(target)}

    def error(self):
        """How late packets were, on the worst of the links that were used."""
        used = [one["late_ms"] for one in self.links().values() if one["packets"]["delivered"] > 100]
        return {part: max((one[part] for one in used), default=0.0) for part in ("p50", "p99")}

    def tune(self):
        """Per network namespace; a kernel without one of these goes on as it is. Returns which congestion
        control is in force."""
        script = "; ".join(f"echo {value} > /proc/sys/{path}" for path, value in SYSCTLS.items())
        route = (f"route=$(ip -4 route show default | head -n 1) && test -n \"$route\" && "
                 f"ip route change $route congctl {CONGESTION} && ip -4 route show default")
        in_force = set()
        for site in self.addresses:
            self.run_at(site, "sh", "-c", script, check=False)
            is_set = CONGESTION in self.run_at(site, "sh", "-c", route, check=False)
            in_force.add(CONGESTION if is_set else MACHINE_CONGESTION.read_text(encoding="utf-8").strip())
        return ", ".join(sorted(in_force))

    def knows_congestion(self, name):
        """Whether what runs at a site may have this congestion control."""
        ask = f"import socket; socket.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b{name!r})"
        words = self.at("pop", sys.executable, "-I", "-c", ask)
        return subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=ANSWER_S).returncode == 0

    def sockets(self, site):
        """(state, local port, peer's port) of the TCP sockets at `site`."""
        rows = (line.split() for line in self.run_at(site, "cat", "/proc/net/tcp").splitlines()[1:])
        return [(row[3], int(row[1].split(":")[1], 16), int(row[2].split(":")[1], 16)) for row in rows]

    def is_listening(self, site, port):
        return any(state == LISTENING and local == port for state, local, _ in self.sockets(site))

    def connected_ports(self, site):
        """Ports of the peers that sockets at `site` are connected to."""
        return {peer for state, _, peer in self.sockets(site) if state == ESTABLISHED}


class SiteDaemon(Daemon):
    """A daemon at a site of the world."""

    def __init__(self, world, site, name, words, folder):
        super().__init__(name, world.at(site, *words), folder)
        self.site = site


class Client:
    """A running latency_client; `rows()` waits for its end. Into files: it must never wait for a reader."""

    def __init__(self, world, ca, front, options, site="client", deadline_s=ANSWER_S):
        words = [CLIENT, "--to", front, "--host", HOST, "--ca", ca, *options]
        self.deadline_s = deadline_s
        self.out, self.problems = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(world.at(site, *words), stdin=subprocess.DEVNULL, stdout=self.out,
                                        stderr=self.problems)

    def rows(self):
        try:
            code = self.process.wait(self.deadline_s)
            self.out.seek(0)
            self.problems.seek(0)
            if code != 0:
                raise RuntimeError(f"latency_client ended with {code}: {self.problems.read().strip()}")
            return [json.loads(line) for line in self.out]
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"latency_client does not end within {self.deadline_s} s") from None
        finally:
            self.end()

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.out.close()
        self.problems.close()
