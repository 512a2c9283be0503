# SPDX-License-Identifier: Apache-2.0
"""A whole fleet on loopback: origins, gateways, PoPs and DNS servers, for demo, tests and benches.

Every site has an address of its own (127.0.1.N regions, 127.0.2.N PoPs), so that all proxies can
share one port number and a client follows DNS answers literally. Nothing leaves the loopback
interface; everything that is written lands in one folder; only processes started here are ended.

With a `world` the sites are elsewhere: it says which address each has and how a command is run there.
"""

import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
READY_S = 120

REGIONS = {
    "us-east": {"at": "[38.95, -77.45]", "group": "us"},
    "us-west": {"at": "[45.60, -121.18]", "group": "us"},
    "eu-west": {"at": "[53.34, -6.27]", "group": "eu"},
}
POPS = {
    "gru1": {"at": "[-23.43, -46.47]", "place": "São Paulo"},
    "fra1": {"at": "[50.03, 8.56]", "place": "Frankfurt"},
    "sin1": {"at": "[1.36, 103.99]", "place": "Singapore"},
}
FRONT_NAMES = ("www.example.com", "api.example.com", "direct.example.com", "*.app.example.com")
# Shares of the world by hand, so that a test can tell who should go where.
NETWORKS = """
networks:
  lab-east: { cidrs: [203.0.113.0/24, "2001:db8:e::/48"] }
  lab-west: { cidrs: [198.51.100.0/24, "2001:db8:f::/48"] }
  loop: { cidrs: [127.0.0.0/8, 10.77.0.0/16, "::1/128"] }
"""
MAPS = """
maps:
  api:
    rules:
      - { from: lab-east, to: [us-east, us-west, eu-west] }
      - { from: lab-west, to: [us-west, us-east, eu-west] }
      - { from: loop, to: [us-east, us-west, eu-west] }
      - { to: nearest }
  edge:
    sites: pops
    all_down: nearest
    rules:
      - { to: nearest }
names:
  www.example.com: { map: edge, ttl: 60, https: { alpn: [h2, http/1.1] } }
  api.example.com: { map: api, ttl: 60, ttl_moving: 20 }
"""


# Test processes side by side take addresses and ports of their own, so that none can take another one's port
# between its choice and its use.
WORKER = int(re.sub(r"\D", "", os.environ.get("PYTEST_XDIST_WORKER", "")) or 0)
NET = WORKER * 4
PORTS_FIRST, PORTS_EACH, PORTS_END = 10000, 1250, 30000
# Processes that are no workers of a test run may run beside each other, too.
TURN = itertools.count(os.getpid() * 97)


def port_range():
    """The ports to choose from, below those that the kernel gives to outgoing connections on its own, so that none
    of these is in the way when a server starts, or starts again."""
    first = PORTS_FIRST + WORKER % ((PORTS_END - PORTS_FIRST) // PORTS_EACH) * PORTS_EACH
    return range(first, first + PORTS_EACH)


def hold_port(port):
    """Its sockets, UDP and TCP on every address, or None if somebody has it."""
    held = []
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            held.append(socket.socket(socket.AF_INET, kind))
            held[-1].bind(("0.0.0.0", port))
        return held
    except OSError:
        for sock in held:
            sock.close()
        return None


def free_ports(count):
    """So many different ports, free on every address, UDP and TCP; never soon the same ones again."""
    found = []
    ports = port_range()
    for _ in ports:
        port = ports[next(TURN) % len(ports)]
        held = hold_port(port)
        if held is None:
            continue
        for sock in held:
            sock.close()
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError(f"{count} free ports are not to be had in {ports}")


def wait_for(what, condition, deadline_s=READY_S, explain=None):
    """Polls until `condition` returns something true; the deadline only ends a hang. `explain()` tells why it had
    to."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    why = explain() if explain else None
    raise RuntimeError(f"not within {deadline_s} s: {what}" + (f" ({why})" if why else ""))


def connect_unix(path, deadline_s=READY_S):
    """A socket connected to `path`, however long that is: the kernel takes 107 characters, and one of them leads
    through the folder's descriptor."""
    path = pathlib.Path(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        sock.settimeout(deadline_s)
        sock.connect(f"/proc/self/fd/{folder}/{path.name}")
    except BaseException:
        sock.close()
        raise
    finally:
        os.close(folder)
    return sock


def certificates(names):
    """A folder with a CA, backbone certificates for `names` and a front's; made once a day, for keys take
    seconds."""
    tool = ROOT / "tools/make-certs"
    key = hashlib.sha256(repr((names, FRONT_NAMES, tool.read_bytes())).encode()).hexdigest()[:16]
    folder = ROOT / "build/certs" / f"{time.strftime('%Y-%m-%d')}-{key}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        fresh = pathlib.Path(tempfile.mkdtemp(dir=folder.parent))
        words = [str(tool), str(fresh), "--backbone", *names, "--front", *FRONT_NAMES]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"make-certs: {done.stdout}{done.stderr}")
        try:
            fresh.rename(folder)
        except OSError:  # somebody else was faster
            shutil.rmtree(fresh)
    return folder


def read_samples(text):
    """{'name{labels}': value} of the Prometheus text."""
    return {name: float(value) for name, value in
            (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))}


def sum_samples(text, name, *parts):
    """Sum of the samples of a metric that contain all `parts`. A name that there is not is an error, not 0."""
    if not re.search(rf"^# TYPE {name} ", text, re.MULTILINE):
        raise KeyError(f"there is no metric {name}")
    return sum(value for sample, value in read_samples(text).items()
               if re.match(rf"{name}(_bucket|_sum|_count)?(\{{|$)", sample) and all(part in sample for part in parts))


class Daemon:
    """One process with a log; started, watched and ended by us."""

    def __init__(self, name, words, folder):
        self.name, self.words, self.folder = name, [str(word) for word in words], folder
        self.log_path = folder / f"{name}.log"
        self.process, self.is_told, self.is_frozen = None, False, False

    def start(self):
        self.is_told = self.is_frozen = False
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder, start_new_session=True)
        return self

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def check_alive(self):
        if not self.is_running():
            raise RuntimeError(f"{self.name} ended with {self.process and self.process.returncode}:\n{self.log()}")

    def signal(self, number):
        if self.is_running():
            self.is_told = self.is_told or number == signal.SIGTERM
            self.is_frozen = number == signal.SIGSTOP or (self.is_frozen and number != signal.SIGCONT)
            self.process.send_signal(number)

    def thaw(self):
        """Only what was frozen: SIGCONT takes back the stop with which a leak check at the exit begins, and
        then that waits for ever."""
        if self.is_frozen:
            self.signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL, and gone when this returns."""
        if self.is_running():
            self.process.kill()
            self.process.wait()

    def stop(self, deadline_s=READY_S):
        """SIGTERM, unless it was sent before (a second one means: at once); returns the exit code."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.thaw()
            if not self.is_told:
                self.signal(signal.SIGTERM)
            try:
                self.process.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise RuntimeError(f"{self.name} did not stop within {deadline_s} s:\n{self.log()}") from None
        return self.process.returncode


class Node(Daemon):
    """A steer-dns or steer-pop on the fleet's store."""

    def __init__(self, fleet, name, program, site=None):
        super().__init__(name, fleet.at(site, [fleet.build / program, "-c", f"{name}.yaml"]), fleet.folder)
        self.fleet, self.program, self.site = fleet, program, site
        self.socket_path = fleet.folder / f"{name}.sock"
        self.address, self.port, self.proxy_port, self.plain_port = None, None, None, None

    def presence(self):
        try:
            return json.loads((self.fleet.store / "nodes" / f"{self.name}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def is_ready(self):
        self.check_alive()
        try:
            return self.admin("/ready")[0] == 200
        except OSError:
            return False

    def wait_ready(self):
        wait_for(f"{self.name} ready", self.is_ready)
        return self

    def admin(self, path, method="GET"):
        """(status, text) of the admin socket."""
        with connect_unix(self.socket_path) as sock:
            sock.sendall(f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode())
            answer = b""
            while piece := sock.recv(1 << 16):
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head:
            raise OSError("no answer")
        return int(head.split(b" ")[1]), body.decode()

    def json(self, path):
        return json.loads(self.admin(path)[1])

    def metrics(self):
        """{'name{labels}': value}"""
        return read_samples(self.admin("/metrics")[1])

    def metric(self, name, *parts):
        """Sum of the samples of this metric that contain all `parts`."""
        return sum_samples(self.admin("/metrics")[1], name, *parts)


class PopFleet:
    """Regions with gateways and origins, PoPs, DNS servers, one store.

    `more` adds lines to node files: {"pop": text, "gateway": text, NODE: text}; `origin` adds keys to
    the gateways' origins, `backbone` to everybody's backbone. `world`, if given, has `addresses` by site and
    `command(site, words)`.
    """

    def __init__(self, folder, build, gateways=2, origins=2, pops=tuple(POPS), dns=0, workers=1,
                 regions=tuple(REGIONS), routes=None, more=None, city=None, origin="", backbone="",
                 world=None):
        self.folder, self.build = pathlib.Path(folder), pathlib.Path(build)
        self.store = self.folder / "store"
        self.region_names, self.pop_names, self.workers = regions, pops, workers
        self.routes, self.more, self.city, self.origin_keys = routes, more or {}, city, origin
        self.backbone_keys, self.world = backbone, world
        self.nodes, self.origins = {}, {}
        self.gateway_count, self.origin_count = gateways, origins
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store.mkdir(exist_ok=True)
        self._allot()
        self._write_certificates()
        self._write_topology()
        for region in regions:
            for number in range(gateways):
                self._write_gateway(region, number)
        for pop in pops:
            self._write_pop(pop)
        for number in range(dns):
            self._write_dns(f"dns-{number + 1}")

    # ---- addresses ----

    def _allot(self):
        count = len(self.region_names) * (self.gateway_count * 2 + self.origin_count)
        # Free on every address: what shares a port by SO_REUSEPORT with another fleet would not even be told.
        ports = iter(free_ports(count + 4))
        self.addresses = {name: f"127.0.{NET + 1}.{i + 1}" for i, name in enumerate(self.region_names)}
        self.addresses.update({name: f"127.0.{NET + 2}.{i + 1}" for i, name in enumerate(self.pop_names)})
        if self.world is not None:
            self.addresses.update(self.world.addresses)
        self.front_port, self.proxy_port, self.plain_port, self.redirect_port = (next(ports) for _ in range(4))
        self.backbone_ports = {r: [next(ports) for _ in range(self.gateway_count)] for r in self.region_names}
        self.gateway_front_ports = {r: [next(ports) for _ in range(self.gateway_count)] for r in self.region_names}
        self.origin_ports = {r: [next(ports) for _ in range(self.origin_count)] for r in self.region_names}

    # ---- files ----

    def write(self, name, text):
        (self.folder / name).write_text(text, encoding="utf-8")

    def _write_certificates(self):
        self.certs = self.folder / "certs"
        names = [f"{region}.region.steer" for region in self.region_names]
        names += [f"{pop}.pop.steer" for pop in self.pop_names]
        shutil.copytree(certificates(names), self.certs)

    def _write_topology(self):
        lines = ["regions:"]
        for name in self.region_names:
            gateways = ", ".join(f'"{self.addresses[name]}:{port}"' for port in self.backbone_ports[name])
            lines.append(f"  {name}: {{ at: {REGIONS[name]['at']}, group: {REGIONS[name]['group']}, capacity: 1000, "
                         f"addresses: [{self.addresses[name]}], gateways: [{gateways}] }}")
        lines.append("pops:")
        lines += [f"  {name}: {{ at: {POPS[name]['at']}, addresses: [{self.addresses[name]}] }}"
                  for name in self.pop_names]
        maps = MAPS
        for name in REGIONS:
            if name not in self.region_names:
                maps = maps.replace(f", {name}", "").replace(f"{name}, ", "")
        self.write("topology.yaml", "\n".join(lines) + NETWORKS + maps)

    def _common(self, name, role, site):
        user = "user: root\n" if os.geteuid() == 0 else ""
        geo = f"geo: {{ city: {self.city} }}\n" if self.city else ""
        return (f"topology: topology.yaml\nrole: {role}\nsite: {site}\nnode: {name}\n"
                f"store: {{ directory: store }}\nstate: {name}-state\n{geo}{user}workers: {self.workers}\n"
                f"admin: {{ socket: {name}.sock }}\naccess_log: {name}.access\n"
                f"{self.more.get(role, '')}{self.more.get(name, '')}")

    def _tls(self):
        return ("tls:\n  tickets: certs/tickets.key\n  certificates:\n"
                "    - { certificate: certs/front.pem, key: certs/front.key }\n"
                "    - { certificate: certs/front-rsa.pem, key: certs/front-rsa.key }\n")

    def _backbone(self, identity):
        return (f"backbone: {{ certificate: certs/{identity}.pem, key: certs/{identity}.key, "
                f"ca: certs/ca.pem{self.backbone_keys} }}\n")

    def _write_gateway(self, region, number):
        name = f"{region}-gw{number + 1}"
        node = Node(self, name, "steer-pop", region)
        node.address, node.port = self.addresses[region], self.gateway_front_ports[region][number]
        node.backbone_port = self.backbone_ports[region][number]
        self.nodes[name] = node
        servers = ", ".join(f'"{self.addresses[region]}:{port}"' for port in self.origin_ports[region])
        routes = self.routes or "  - { host: \"*\", path: /, map: api, origin: web, websocket: true }\n"
        self.write(f"{name}.yaml", self._common(name, "gateway", region) + self._tls() +
                   self._backbone(f"{region}.region.steer") +
                   f'listen:\n  - {{ at: "{node.address}:{node.port}" }}\n'
                   f'  - {{ at: "{node.address}:{node.backbone_port}", kind: backbone }}\n'
                   f"origins:\n  web: {{ servers: [{servers}]{self.origin_keys} }}\nroutes:\n{routes}")

    def _write_pop(self, pop):
        node = Node(self, pop, "steer-pop", pop)
        node.address, node.port = self.addresses[pop], self.front_port
        node.proxy_port, node.plain_port = self.proxy_port, self.plain_port
        self.nodes[pop] = node
        routes = (self.routes or "  - { host: \"*\", path: /, map: api, websocket: true }\n").replace(", origin: web", "")
        self.write(f"{pop}.yaml", self._common(pop, "pop", pop) + self._tls() + self._backbone(f"{pop}.pop.steer") +
                   f'proxy_protocol: [127.0.0.0/8, 10.77.0.0/16]\nlisten:\n  - {{ at: "{node.address}:{self.front_port}" }}\n'
                   f'  - {{ at: "{node.address}:{self.proxy_port}", proxy_protocol: true }}\n'
                   f'  - {{ at: "{node.address}:{self.plain_port}", kind: http }}\n'
                   f'  - {{ at: "{node.address}:{self.redirect_port}", kind: redirect }}\n'
                   f"routes:\n{routes}")

    def _write_dns(self, name):
        self.nodes[name] = Node(self, name, "steer-dns")
        user = "  user: root\n" if os.geteuid() == 0 else ""
        geo = f"geo: {{ city: {self.city} }}\n" if self.city else ""
        self.write("example.com.zone", (ROOT / "config/examples/example.com.zone").read_text(encoding="utf-8"))
        self.write(f"{name}.yaml", f"topology: topology.yaml\nstore: {{ directory: store }}\nstate: {name}-state\n"
                   f"node: {name}\n{geo}zones:\n  - {{ zone: example.com, file: example.com.zone }}\n"
                   f'dns:\n  listen: ["127.0.0.1:0", "[::1]:0"]\n  workers: 2\n{user}  identity: {name}\n'
                   f"admin: {{ socket: {name}.sock }}\n")

    # ---- running ----

    def at(self, site, words):
        """The command that runs `words` at a site."""
        return words if self.world is None or site is None else self.world.command(site, words)

    def journal(self, region):
        return self.folder / f"{region}.journal"

    def executed(self):
        """Every request that an origin carried out, as dictionaries."""
        entries = []
        for region in self.region_names:
            if self.journal(region).exists():
                entries += [json.loads(line) for line in self.journal(region).read_text().splitlines()]
        return entries

    def start_origins(self, region):
        listen = [f"{self.addresses[region]}:{port}" for port in self.origin_ports[region]]
        words = [ROOT / "tools/origin", "--region", region, "--journal", self.journal(region), *listen]
        origin = Daemon(f"{region}-origins", self.at(region, words), self.folder)
        before = origin.log().count("ready")
        self.origins[region] = origin.start()
        wait_for(f"{region} origins", lambda: origin.log().count("ready") > before or origin.check_alive())

    def gateways(self, region):
        return [self.nodes[f"{region}-gw{number + 1}"] for number in range(self.gateway_count)]

    def start(self):
        for region in self.region_names:
            self.start_origins(region)
        # Gateways first: PoPs warm their backbone to what is there.
        first = [node for node in self.nodes.values() if node.site not in self.pop_names]
        for node in first:
            node.start()
        for node in first:
            node.wait_ready()
        pops = [self.nodes[pop] for pop in self.pop_names]
        for node in pops:
            node.start()
        for node in pops:
            node.wait_ready()
        return self

    def stop(self):
        """Everything, in any state; complains about exits that were no clean ones. Who had said nothing yet could not
        know what SIGTERM means."""
        problems = []
        daemons = list(self.nodes.values()) + list(self.origins.values())
        for daemon in daemons:
            daemon.thaw()
            daemon.signal(signal.SIGTERM)
        for daemon in daemons:
            try:
                code = daemon.stop()
                is_early = code == -signal.SIGTERM and not daemon.log()
                if code not in (0, None, -signal.SIGKILL) and not is_early and daemon in self.nodes.values():
                    problems.append(f"{daemon.name} ended with {code}:\n{daemon.log()[-4000:]}")
            except RuntimeError as error:
                problems.append(str(error))
        return problems

    def steer(self, *words, env=None):
        """The finished process of a `steer` command."""
        return subprocess.run([str(self.build / "steer"), "--store", str(self.store), *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
                              timeout=READY_S * 2, env={**os.environ, **(env or {})})

    def client_context(self, alpn=("h2", "http/1.1")):
        context = ssl.create_default_context(cafile=str(self.certs / "ca.pem"))
        context.set_alpn_protocols(list(alpn))
        return context


def proxy_header(client, port=40000, server="127.0.0.1", server_port=443):
    """PROXY protocol, version 1, for a connection that plays a client from elsewhere."""
    family = "TCP6" if ":" in client else "TCP4"
    server = "::1" if ":" in client else server
    return f"PROXY {family} {client} {server} {port} {server_port}\r\n".encode()
