# SPDX-License-Identifier: Apache-2.0
"""Steer, HAProxy and nghttpx, each as PoP and gateways of two regions, and how each is stopped, killed,
evacuated and mended. All are up at once, at the same sites, in front of the same origins.

    client --- pop: one PoP of each stack --- region1: two gateways of each --- one origin (nghttpd)
                                         \\--- region2: the same

"direct" is what a client without a PoP meets: TLS ended in region 1, by a steer-pop of role gateway.
"""

import http.client
import os
import signal
import subprocess

from world import BBR, BUILD, ROOT, SiteDaemon  # puts tools/ into the path, too

from loopback import Node, certificates, connect_unix, wait_for

PEERS = ROOT / "tests/bench/peers/latency"
REGIONS = ("region1", "region2")
GATEWAYS = (1, 2)
ORIGIN_PORT, DIRECT_PORT, DIRECT_BACKBONE_PORT, BBR_PORT = 9400, 8440, 9410, 8444
SIZES = {"empty": 0, "1k": 1024, "100k": 100_000, "5m": 5_000_000}


def make_certificates():
    return certificates([f"{region}.region.steer" for region in REGIONS] + ["pop.pop.steer"])


def start_origins(world, folder):
    """The same for all stacks: HTTP/2 without TLS, files from memory."""
    content = folder / "www"
    content.mkdir()
    for name, size in SIZES.items():
        (content / name).write_bytes(os.urandom(size))
    origins = []
    for region in REGIONS:
        words = ["nghttpd", "--no-tls", "-a", world.addresses[region], "-d", content, "--window-bits=24",
                 "--connection-window-bits=24", "-m", "1000", ORIGIN_PORT]
        origins.append(SiteDaemon(world, region, f"{region}-origin", words, folder).start())
        wait_for(f"origin of {region}", lambda: world.is_listening(region, ORIGIN_PORT))
    return origins


class Stack:
    """A PoP, its port, and the gateways behind it by region.

    Subclasses say how things are started; `floor` is what a PoP keeps warm when it has had requests."""

    number = 0

    def __init__(self, world, folder, certs):
        self.world, self.certs, self.folder = world, certs, folder / self.name
        self.folder.mkdir()
        self.port = 8440 + self.number
        self.front = f"{world.addresses['pop']}:{self.port}"
        self.gateways = {region: [self.make_gateway(region, number) for number in GATEWAYS] for region in REGIONS}
        self.pop = self.make_pop()

    # ---- files ----

    def gateway_port(self, number):
        return 9400 + self.number * 10 + number

    def fill(self, source, target, **values):
        text = (PEERS / source).read_text(encoding="utf-8")
        values = {"CERTS": self.certs, "FOLDER": self.folder, "ORIGIN": ORIGIN_PORT, "POP": self.world.addresses["pop"],
                  **{region.upper(): self.world.addresses[region] for region in REGIONS}, **values}
        for key, value in values.items():
            text = text.replace(f"@{key}@", str(value))
        (self.folder / target).write_text(text, encoding="utf-8")

    def join_pem(self, target, base):
        """HAProxy wants certificate and key in one file."""
        text = (self.certs / f"{base}.pem").read_bytes() + (self.certs / f"{base}.key").read_bytes()
        (self.folder / target).write_bytes(text)

    def daemon(self, site, name, *words):
        return SiteDaemon(self.world, site, name, words, self.folder)

    # ---- running ----

    def start(self):
        for region in REGIONS:
            for number, gateway in zip(GATEWAYS, self.gateways[region]):
                gateway.start()
                self.wait_listening(gateway, region, self.gateway_port(number))
        self.start_pop()

    def wait_listening(self, daemon, site, port):
        def is_listening():
            daemon.check_alive()
            return self.world.is_listening(site, port)
        wait_for(f"{self.name}'s {daemon.name} listens", is_listening)

    def start_pop(self):
        """Returns as soon as it accepts."""
        self.pop.start()
        self.wait_listening(self.pop, "pop", self.port)

    def restart_pop(self):
        self.pop.stop()
        self.start_pop()

    def kill_gateway(self, number):
        self.gateways["region1"][number - 1].kill()

    def stop_gateway(self, number):
        """Gracefully; does not wait."""
        self.gateways["region1"][number - 1].signal(signal.SIGTERM)

    def bring_back(self, number):
        gateway = self.gateways["region1"][number - 1]
        gateway.kill()
        gateway.start()
        self.wait_listening(gateway, "region1", self.gateway_port(number))

    def is_connected(self):
        """Whether the PoP has connections to all gateways of region 1."""
        return {self.gateway_port(number) for number in GATEWAYS} <= self.world.connected_ports("pop")

    def evacuate(self):
        raise NotImplementedError

    def restore(self):
        raise NotImplementedError

    def stop(self):
        for daemon in [self.pop, *sum(self.gateways.values(), [])]:
            daemon.kill()


class Steer(Stack):
    name, number = "steer", 1

    def __init__(self, world, folder, certs, backbone=""):
        self.build, self.backbone = BUILD, backbone
        self.store = folder / self.name / "store"
        super().__init__(world, folder, certs)
        self.fill("steer-topology.yaml", "topology.yaml")
        self.store.mkdir()
        self.direct_front = f"{world.addresses['region1']}:{DIRECT_PORT}"
        self.bbr_front = f"{world.addresses['pop']}:{BBR_PORT}"
        self.bbr = self.make_pop("pop-bbr", BBR_PORT, f"congestion: {BBR}")
        self.direct = self.make_node("region1", "direct", DIRECT_BACKBONE_PORT, f'  - {{ at: "{self.direct_front}" }}\n')

    def settings(self):
        return {"CITY": ROOT / "tests/data/small-city.mmdb", "USER": "user: root" if os.geteuid() == 0 else "",
                "BACKBONE": self.backbone}

    def at(self, site, words):
        return self.world.at(site, *words)

    def make_node(self, region, name, port, more=""):
        self.fill("steer-gateway.yaml", f"{name}.yaml", SITE=region, NODE=name, PORT=port, MORE=more,
                  ADDRESS=self.world.addresses[region], **self.settings())
        return Node(self, name, "steer-pop", region)

    def make_gateway(self, region, number):
        return self.make_node(region, f"{region}-gw{number}", self.gateway_port(number))

    def make_pop(self, name="pop", port=None, congestion=""):
        self.fill("steer-pop.yaml", f"{name}.yaml", ADDRESS=self.world.addresses["pop"], PORT=port or self.port, NODE=name,
                  CONGESTION=congestion, **self.settings())
        return Node(self, name, "steer-pop", "pop")

    def start(self):
        super().start()
        self.direct.start().wait_ready()

    def is_connected(self):
        return (super().is_connected() and all(gateway.is_ready() for gateway in self.gateways["region1"])
                and self.pop.metric("steer_pop_floor_deficit") == 0)

    def waited(self):
        """Requests for which no connection was warm, since the PoP's last start."""
        return int(self.pop.metric("steer_pop_requests_waited_for_connect_total"))

    def run(self, *words):
        done = subprocess.run([str(BUILD / "steer"), "--store", str(self.store), *words], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"steer {words[0]} ended with {done.returncode}: {done.stdout}{done.stderr}")

    def evacuate(self):
        self.run("evacuate", "region1", "--reason", "latency lab")

    def restore(self):
        self.run("restore", "region1", "--reason", "latency lab")

    def stop(self):
        super().stop()
        self.direct.kill()
        self.bbr.kill()


class HaProxy(Stack):
    name, number = "haproxy", 2

    def make_gateway(self, region, number):
        name = f"{region}-gw{number}"
        self.join_pem(f"{region}-both.pem", f"{region}.region.steer")
        self.fill("haproxy-gateway.cfg", f"{name}.cfg", ADDRESS=self.world.addresses[region], SITE=region,
                  PORT=self.gateway_port(number))
        return self.daemon(region, name, "haproxy", "-db", "-f", f"{name}.cfg")

    def make_pop(self):
        self.join_pem("front-both.pem", "front")
        self.join_pem("pop-both.pem", "pop.pop.steer")
        self.fill("haproxy-pop.cfg", "pop.cfg", ADDRESS=self.world.addresses["pop"], PORT=self.port)
        return self.daemon("pop", "pop", "haproxy", "-db", "-f", "pop.cfg")

    def ask(self, command):
        with connect_unix(self.folder / "stats.sock") as sock:
            sock.sendall(command.encode() + b"\n")
            answer = b""
            while piece := sock.recv(1 << 16):
                answer += piece
        return answer.decode()

    def is_connected(self):
        rows = [row.split(",") for row in self.ask("show stat gateways 4 -1").splitlines() if row.startswith("gateways,")]
        is_up = {row[1]: row[17].startswith("UP") for row in rows}
        return super().is_connected() and all(is_up[f"region1-gw{number}"] for number in GATEWAYS)

    def stop_gateway(self, number):
        self.gateways["region1"][number - 1].signal(signal.SIGUSR1)

    def evacuate(self):
        self.ask("; ".join(f"disable server gateways/region1-gw{number}" for number in GATEWAYS))

    def restore(self):
        self.ask("; ".join(f"enable server gateways/region1-gw{number}" for number in GATEWAYS))


class Nghttpx(Stack):
    name, number = "nghttpx", 3

    def make_gateway(self, region, number):
        name = f"{region}-gw{number}"
        self.fill("nghttpx-gateway.conf", f"{name}.conf", ADDRESS=self.world.addresses[region], SITE=region, NODE=name,
                  PORT=self.gateway_port(number))
        return self.daemon(region, name, "nghttpx", f"--conf={self.folder / name}.conf", "--single-process")

    def backends(self, is_evacuated):
        weights = {"region1": 0 if is_evacuated else 256, "region2": 1}
        return "\n".join(
            f"backend={self.world.addresses[region]},{self.gateway_port(number)};;proto=h2;tls;sni={region}.region.steer;"
            f"fall=1;rise=1;group={region};group-weight={weights[region]}"
            for region in REGIONS if weights[region] for number in GATEWAYS)

    def make_pop(self):
        self.fill("nghttpx-pop.conf", "pop.conf", ADDRESS=self.world.addresses["pop"], PORT=self.port,
                  BACKENDS=self.backends(False))
        return self.daemon("pop", "pop", "nghttpx", f"--conf={self.folder / 'pop.conf'}", "--single-process")

    def stop_gateway(self, number):
        self.gateways["region1"][number - 1].signal(signal.SIGQUIT)

    def set_backends(self, text):
        connection = http.client.HTTPConnection("localhost")
        connection.sock = connect_unix(self.folder / "api.sock")
        connection.request("POST", "/api/v1beta1/backendconfig", body=text)
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"nghttpx refuses its backends: {answer}")

    def evacuate(self):
        self.set_backends(self.backends(True))

    def restore(self):
        self.set_backends(self.backends(False))


STACKS = {one.name: one for one in (Steer, HaProxy, Nghttpx)}
