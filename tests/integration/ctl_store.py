# SPDX-License-Identifier: Apache-2.0
"""A store without servers, and the `steer` command on it. Nodes are played by this file, as an independent
reading of what a presence is (a JSON file, and a lock that its owner holds while it lives)."""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import select
import shutil
import signal
import subprocess
import threading

import pytest

from fleet import BUILD, DEADLINE_S, ROOT

STEER = BUILD / "steer"
REGIONS, POPS = ["eu-west", "us-east", "us-west"], ["ams1", "gru1"]
TOPOLOGY = """regions:
  us-east: { at: [38.95, -77.45], addresses: [192.0.2.1] }
  us-west: { at: [45.60, -121.18], addresses: [192.0.2.2] }
maps:
  api: { rules: [ { to: nearest } ] }
names:
  api.example.com: { map: api }
"""
ZONE = """@ 60 IN SOA ns1 hostmaster 1 2 3 4 5
@ 60 IN NS ns1
ns1 60 IN A 192.0.2.53
"""


class Node:
    """Plays a server: obeys every new document by writing its presence."""

    def __init__(self, store, name, workers=2, obeys=True, reject=None, **fields):
        self.store, self.name, self.obeys, self.reject = store, name, obeys, reject
        self.fields = {"v": 1, "id": name, "role": "dns", "host": "h", "version": "0.1.0",
                       "workers": workers, "source": "store", "topology": "sha256:77",
                       "regions": REGIONS, "pops": POPS, "gen": 0, "epoch": "", **fields}
        nodes = store / "nodes"
        nodes.mkdir(exist_ok=True)
        self.path = nodes / f"{name}.json"
        self.lock = open(nodes / f"{name}.lock", "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.write()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def write(self):
        temporary = self.path.with_suffix(".json.new")
        temporary.write_text(json.dumps(self.fields))
        temporary.rename(self.path)

    def look(self):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            raw = (self.store / "document.json").read_bytes()
            document = json.loads(raw)
            if document["gen"] == self.fields["gen"]:
                return
            if self.reject:
                self.fields["rejected"] = {"gen": document["gen"], "why": self.reject}
            elif self.obeys:
                self.fields.update(gen=document["gen"], epoch=document["epoch"],
                                   digest="sha256:" + hashlib.sha256(raw).hexdigest())
            self.write()

    def run(self):
        while not self.over.wait(0.005):
            self.look()

    def die(self):
        """As after kill -9: the file stays, the lock is free."""
        self.over.set()
        self.thread.join()
        self.lock.close()


class Store:
    def __init__(self, folder):
        self.folder = folder
        self.program = STEER
        self.nodes = []

    def node(self, name, **fields):
        self.nodes.append(Node(self.folder, name, **fields))
        return self.nodes[-1]

    def fleet(self, **late):
        """One of each role; `late` is what the gateway does not do."""
        self.node("dns-1")
        self.node("gru1-a", role="pop", site="gru1")
        return self.node("us-east-gw", role="gateway", site="us-east", workers=4, **late)

    def document(self):
        return json.loads((self.folder / "document.json").read_text())

    def log(self):
        return [json.loads(line) for line in (self.folder / "log.ndjson").read_text().splitlines()]

    def steer(self, *words, check=0, **more):
        done = subprocess.run(
            [self.program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE_S, check=False, env={**os.environ, "STEER_STORE": str(self.folder)},
            **more,
        )
        if check is not None:
            assert done.returncode == check, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words, check=0, **more):
        lines = self.steer(*words, "--json", check=check, **more).stdout.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])


def because(*words):
    return (*words, "--reason", "INC-4411")


@contextlib.contextmanager
def terminal(store, *words):
    """Runs steer with a terminal as its standard input and standard error."""
    try:
        ours, theirs = pty.openpty()
    except OSError:
        pytest.skip("no pseudo terminals here (is /dev/pts mounted?)")
    process = subprocess.Popen([STEER, *words], stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**os.environ, "STEER_STORE": str(store.folder)},
                               start_new_session=True)
    os.close(theirs)
    seen = []

    def read_until(text):
        """All that was said so far; None: until the end."""
        while text is None or text not in "".join(seen):
            ready, _, _ = select.select([ours], [], [], DEADLINE_S)
            assert ready, f"nothing more after {''.join(seen)!r}"
            try:
                piece = os.read(ours, 4096)
            except OSError:
                piece = b""
            if not piece:
                break
            seen.append(piece.decode())
        return "".join(seen)

    try:
        yield process, read_until, lambda text: os.write(ours, text.encode())
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(ours)


def files(folder, topology=TOPOLOGY, zone=ZONE):
    (folder / "topology.yaml").write_text(topology)
    (folder / "example.com.zone").write_text(zone)
    node = folder / "dns.yaml"
    node.write_text("topology: topology.yaml\n"
                    "zones: [ { zone: example.com, file: example.com.zone } ]\n")
    return str(node), str(folder / "topology.yaml")


def examples(folder):
    """The examples, with the certificates that they ask for."""
    shutil.copytree(ROOT / "config" / "examples", folder)
    names = ("www.example.com", "api.example.com")
    subprocess.run([ROOT / "tools/make-certs", folder, "--backbone", "gru1.pop.steer", "us-east.region.steer",
                    "--front", *names], check=True, capture_output=True)
    return folder
