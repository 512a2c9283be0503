# SPDX-License-Identifier: Apache-2.0
"""Starts steer-dns and steer as an operator would, and asks them like a resolver would."""

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time

import dns.edns
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from loopback import connect_unix, read_samples, sum_samples

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STEER_BUILD_DIR", ROOT / "build/release"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
# Sanitizers and one core for two servers: a deadline only turns a hang into a failure.
DEADLINE_S = 120

TOPOLOGY = """
regions:
  us-east: { at: [38.95, -77.45], capacity: 1000, addresses: [192.0.2.1, "2001:db8:1::1"], group: us }
  us-west: { at: [45.60, -121.18], capacity: 1000, addresses: [192.0.2.2, "2001:db8:2::1"], group: us }
  eu-west: { at: [53.35, -6.26], capacity: 1000, addresses: [192.0.2.3, "2001:db8:3::1"] }
pops:
  gru1: { at: [-23.43, -46.47], capacity: 100, addresses: [192.0.2.30] }
  ams1: { at: [52.31, 4.76], capacity: 100, addresses: [192.0.2.31, "2001:db8:31::1"] }
networks:
  east-lab: { cidrs: [203.0.113.0/24, "2001:db8:e::/48"] }
  west-lab: { cidrs: [198.51.100.0/24, "2001:db8:f::/48"] }
  ten: { cidrs: [10.0.0.0/8] }
  ten-one: { cidrs: [10.1.0.0/16] }
  loop: { cidrs: [127.0.0.0/8, "::1/128"] }
areas:
  europe: { continents: [EU] }
maps:
  api:
    rules:
      - { from: ten-one, to: [us-west, us-east, eu-west] }
      - { from: ten, to: [us-east, us-west, eu-west] }
      - { from: east-lab, to: [us-east, us-west, eu-west] }
      - { from: west-lab, to: [us-west, us-east, eu-west] }
      - { from: loop, to: [us-west, us-east, eu-west] }
      - { from: europe, to: [eu-west, us-east] }
      - { to: nearest }
  one:
    rules:
      - { to: [eu-west] }
  edge:
    sites: pops
    rules:
      - { to: nearest }
  pair:
    answers: 2
    rules:
      - { to: nearest }
names:
  api.example.com: { map: api, ttl: 60, ttl_moving: 20, https: { alpn: [h2, http/1.1] } }
  example.com: { map: api, ttl: 60 }
  one.example.com: { map: one, ttl: 300, ttl_moving: 30 }
  edge.example.com: { map: edge }
  pair.example.com: { map: pair }
  noecs.example.com: { map: api, ecs: false }
  "*.app.example.com": { map: api }
"""

ZONE = """
$ORIGIN example.com.
$TTL 3600
@       IN SOA ns1 hostmaster ( 2026112101 7200 900 1209600 300 )
@       IN NS  ns1
@       IN NS  ns2
@       IN MX  10 mail
@       IN TXT "v=spf1 -all"
ns1     IN A   192.0.2.53
ns2     IN A   192.0.2.54
mail    IN A   192.0.2.25
www     IN A   192.0.2.80
www     IN AAAA 2001:db8::80
alias   IN CNAME www
chain1  IN CNAME chain2
chain2  IN CNAME www
loop1   IN CNAME loop2
loop2   IN CNAME loop1
out     IN CNAME www.example.net.
steer   IN CNAME api
*.wild  IN TXT "wild"
a.b.ent IN A   192.0.2.90
child   IN NS  ns.child
child   IN NS  ns.example.net.
ns.child IN A  192.0.2.91
big     IN TXT "{long}"
{many}
svc     IN HTTPS 1 . alpn=h2 ipv4hint=192.0.2.80
""".replace("{long}", "x" * 200).replace(
    "{many}", "\n".join(f'big IN TXT "{i:02d}{"y" * 200}"' for i in range(12))
)


def wait_for(what, condition, deadline_s=DEADLINE_S):
    """Polls `condition` until it returns something true; the deadline only ends a hang."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.005)
    raise AssertionError(f"not within {deadline_s} s: {what}")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE_S)
        self.path = path

    def connect(self):
        self.sock = connect_unix(self.path, DEADLINE_S)


class Server:
    """One steer-dns process."""

    def __init__(self, fleet, name, config, address):
        self.fleet, self.name, self.config, self.address = fleet, name, config, address
        self.socket_path = str(fleet.folder / f"{name}.sock")
        self.log_path = fleet.folder / f"{name}.log"
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BUILD / "steer-dns", "-c", self.config], stderr=log, stdout=log, cwd=self.fleet.folder
            )
        wait_for(f"{self.name} ready\n{self.log()}", self._is_ready)
        return self

    def _is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError(f"steer-dns ended with {self.process.returncode}:\n{self.log()}")
        try:
            return self.get("/ready")[0] == 200
        except OSError:
            return False

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket_path)
        try:
            connection.request(method, path, body=body)
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def get(self, path):
        return self.request("GET", path)

    def status(self):
        return json.loads(self.get("/status.json")[1])

    def metrics(self):
        """{'name{labels}': value}"""
        return read_samples(self.get("/metrics")[1])

    def metric_sum(self, name, *parts):
        """Sum of the samples of this metric that contain all `parts`."""
        return sum_samples(self.get("/metrics")[1], name, *parts)

    def presence(self):
        path = self.fleet.store / "nodes" / f"{self.name}.json"
        return json.loads(path.read_text())

    @property
    def port(self):
        return int(self.presence()["listen"][0].rsplit(":", 1)[1])

    @property
    def port6(self):
        """Port of the first IPv6 listener."""
        entry = next(one for one in self.presence()["listen"] if one.startswith("["))
        return int(entry.rsplit(":", 1)[1])

    def ask(self, name, rdtype="A", ecs=None, tcp=False, **more):
        """`ecs` is "ADDRESS/BITS". Returns the dnspython message."""
        query = make_query(name, rdtype, ecs, **more)
        return self.send(query, tcp)

    def send(self, query, tcp=False):
        ask = dns.query.tcp if tcp else dns.query.udp
        return ask(query, self.address, port=self.port, timeout=DEADLINE_S)

    def send_raw(self, payload, timeout_s=DEADLINE_S):
        """One datagram there, the first back; None when nothing came."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(timeout_s)
            sock.connect((self.address, self.port))
            sock.send(payload)
            try:
                return sock.recv(65535)
            except socket.timeout:
                return None

    def addresses(self, name, rdtype="A", ecs=None, **more):
        return addresses_of(self.ask(name, rdtype, ecs, **more))

    def kill(self, number):
        self.process.send_signal(number)

    def stop(self, number=signal.SIGTERM):
        if self.process is None or self.process.poll() is not None:
            return self.process.returncode if self.process else None
        self.process.send_signal(number)
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"{self.name} did not stop:\n{self.log()}")


def make_query(name, rdtype="A", ecs=None, edns=True, payload=1232, options=(), **more):
    options = list(options)
    if ecs is not None:
        address, bits = ecs.split("/")
        options.append(dns.edns.ECSOption(address, int(bits)))
    use_edns = 0 if (edns or options) else -1
    return dns.message.make_query(
        name, rdtype, use_edns=use_edns, payload=payload, options=options, **more
    )


def addresses_of(response):
    return sorted(
        rr.address
        for rrset in response.answer
        if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
        for rr in rrset
    )


def ecs_of(response):
    """(address, source, scope) of the reply's ECS option, or None."""
    for option in response.options:
        if isinstance(option, dns.edns.ECSOption):
            return option.address, option.srclen, option.scopelen
    return None


class Result:
    def __init__(self, process):
        self.code, self.out, self.err = process.returncode, process.stdout, process.stderr

    def json(self):
        return json.loads(self.out)

    def __repr__(self):
        return f"exit {self.code}\nstdout:\n{self.out}\nstderr:\n{self.err}"


class Fleet:
    """A store folder, a topology, a zone, and the servers on them."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.store = self.folder / "store"
        self.servers = []
        self.write("topology.yaml", TOPOLOGY)
        self.write("example.com.zone", ZONE)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    def config(self, name, listen=("127.0.0.1:0",), workers=2, dns="", extra="", admin="",
               city=ROOT / "tests/data/small-city.mmdb"):
        user = "  user: root\n" if os.geteuid() == 0 else ""
        quoted = ", ".join(f'"{one}"' for one in listen)
        return self.write(
            f"{name}.yaml",
            f"topology: topology.yaml\n"
            f"store: {{ directory: {self.store} }}\n"
            f"state: {self.folder / name}-state\n"
            f"node: {name}\n"
            f"geo: {{ city: {city} }}\n"
            f"zones:\n  - {{ zone: example.com, file: example.com.zone }}\n"
            f"dns:\n  listen: [{quoted}]\n  workers: {workers}\n{user}{dns}"
            f"admin: {{ socket: {self.folder / name}.sock {admin} }}\n{extra}",
        )

    def start(self, name="dns-1", **settings):
        listen = settings.get("listen", ("127.0.0.1:0",))
        address = listen[0].rsplit(":", 1)[0].strip("[]")
        address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        return self.start_config(name, self.config(name, **settings), address)

    def start_config(self, name, config, address="127.0.0.1"):
        server = Server(self, name, config, address)
        self.servers.append(server)
        return server.start()

    def steer(self, *words, check=None, stdin=subprocess.DEVNULL, env=None):
        """Runs the command; `check` is the expected exit code."""
        process = subprocess.run(
            [BUILD / "steer", *words],
            stdin=stdin,
            capture_output=True,
            text=True,
            timeout=DEADLINE_S * 2,
            env={**os.environ, "STEER_STORE": str(self.store), **(env or {})},
        )
        result = Result(process)
        if check is not None:
            assert result.code == check, result
        return result

    @staticmethod
    def binary(name):
        return BUILD / name

    def is_evacuated(self, region):
        """What the document says; a store without one says no."""
        path = self.store / "document.json"
        if not path.exists():
            return False
        return json.loads(path.read_text()).get("regions", {}).get(region, {}).get("mode") == "evacuated"

    def evacuate(self, region, check=0):
        return self.steer("evacuate", region, "--reason", "test", check=check)

    def restore(self, region, check=0):
        return self.steer("restore", region, "--reason", "test", check=check)

    def stop(self):
        problems = []
        for server in self.servers:
            try:
                code = server.stop()
                if code not in (0, None, -signal.SIGKILL, -signal.SIGTERM):
                    problems.append(f"{server.name} ended with {code}:\n{server.log()}")
            except AssertionError as error:
                problems.append(str(error))
        assert not problems, "\n".join(problems)
