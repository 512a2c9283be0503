# SPDX-License-Identifier: Apache-2.0
"""The emulated wide-area network, as a program sees it that runs at its sites.

Nothing here hangs on how fast this machine is: delays are held against their lower bound, and the
rest are counts."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest

from fleet import BUILD

WAN = str(BUILD / "wan")
MATRIX = """
seed: 7
sites:
  client: {}
  pop: { addresses: [10.77.2.1, "fd77::2"] }
  region: {}
  v6: { addresses: ["fd77::4"] }
links:
  - { from: client, to: pop, delay: 15ms, both: true }
  - { from: pop, to: region, delay: 20ms, jitter: 5ms, both: true }
  - { from: client, to: region, delay: 50ms, loss: 20% }
  - { from: region, to: client, delay: 50ms }
  - { from: pop, to: v6, both: true }
"""
# Socket work at a site, as a child process: one of its functions.
AT_SITE = pathlib.Path(__file__).resolve().with_name("wan_site.py")
READY_SECONDS = 30
# LeakSanitizer's helper would be a child in another PID namespace, where it cannot do its work.
os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"


def find_obstacle():
    """Why no world can be made here; None when it can."""
    done = subprocess.run([WAN, "/dev/stdin", "--quiet", "--", "true"], input="sites: { a: {} }\n",
                          capture_output=True, text=True, check=False, timeout=READY_SECONDS)
    return None if done.returncode == 0 else done.stderr.strip()


@pytest.fixture(scope="module", autouse=True)
def _possible():
    obstacle = find_obstacle()
    if obstacle is not None and any(word in obstacle for word in ("namespace", "/dev/net/tun", "cannot keep mounts inside")):
        pytest.skip(obstacle)
    assert obstacle is None


class World:
    """A running emulator without a command."""

    def __init__(self, folder, matrix=MATRIX, options=()):
        self.file = folder / "matrix.yaml"
        self.file.write_text(matrix)
        self.socket = str(folder / "wan.sock")
        self.children = []
        self.process = subprocess.Popen(
            [WAN, str(self.file), "--socket", self.socket, *options], stderr=subprocess.PIPE,
            text=True)
        first = self.process.stderr.readline()
        assert "sites" in first, first

    def ask(self, *words, check=True):
        return subprocess.run([WAN, words[0], "--socket", self.socket, *words[1:]],
                              capture_output=True, text=True, check=check, timeout=READY_SECONDS)

    def start_at(self, site, *command):
        child = subprocess.Popen([WAN, "exec", "--socket", self.socket, site, "--", *command],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.children.append(child)
        return child

    def python_at(self, site, function, *words):
        return self.start_at(site, sys.executable, str(AT_SITE), function, *words)

    def link(self, source, target):
        links = json.loads(self.ask("status", "--json").stdout)["links"]
        return next(one for one in links if (one["from"], one["to"]) == (source, target))

    def stop(self):
        for child in self.children:
            child.kill()
            child.communicate()
        self.process.terminate()
        self.process.communicate(timeout=READY_SECONDS)


@pytest.fixture
def world(tmp_path):
    one = World(tmp_path)
    yield one
    one.stop()


def start_echo(world, site, address="10.77.2.1"):
    """A UDP and TCP echo at `site`; returns when it is ready."""
    echo = world.python_at(site, "serve_echo", address)
    assert echo.stdout.readline() == "ready\n"


def udp_trips(world, site, address, count):
    """Round trip times, in seconds, of the datagrams that came back."""
    child = world.python_at(site, "measure_udp", address, str(count))
    out, _ = child.communicate(timeout=READY_SECONDS)
    return json.loads(out)


# ---- the tests -------------------------------------------------------------------------------


def test_round_trip_is_the_sum_of_the_delays(world):
    start_echo(world, "pop")
    trips = udp_trips(world, "client", "10.77.2.1", 50)
    assert len(trips) == 50
    assert min(trips) >= 0.030
    assert min(trips) < 0.300
    link = world.link("client", "pop")
    assert link["packets"]["delivered"] == 50
    assert link["packets"]["refused"] == 0


def test_jitter_stays_below_and_above_the_delay(world):
    start_echo(world, "pop")
    trips = udp_trips(world, "region", "10.77.2.1", 50)
    assert len(trips) == 50
    assert min(trips) >= 0.030


def test_ipv6_passes(world):
    start_echo(world, "pop", "fd77::2")
    assert len(udp_trips(world, "v6", "fd77::2", 5)) == 5


def test_tcp_works(world):
    start_echo(world, "pop")
    child = world.python_at("client", "fetch_tcp", "10.77.2.1", "5")
    out, _ = child.communicate(timeout=READY_SECONDS)
    assert out == "same\n"


def test_loss_is_counted(world):
    start_echo(world, "region", "10.77.3.1")
    # So few that they fit into the buffer of a socket whose owner gets no CPU for a while.
    trips = udp_trips(world, "client", "10.77.3.1", 200)
    packets = world.link("client", "region")["packets"]
    assert packets["loss"] + packets["passed"] == 200
    assert packets["loss"] == 200 - len(trips)
    assert 10 < packets["loss"] < 80


def test_same_seed_loses_the_same(tmp_path):
    lost = []
    for run in ("one", "two"):
        folder = tmp_path / run
        folder.mkdir()
        one = World(folder)
        try:
            start_echo(one, "region", "10.77.3.1")
            udp_trips(one, "client", "10.77.3.1", 200)
            lost.append(one.link("client", "region")["packets"]["loss"])
        finally:
            one.stop()
    assert lost[0] == lost[1] > 0


def test_blackhole_takes_one_direction(world):
    start_echo(world, "pop")
    assert world.ask("set", "pop:client", "blackhole=true").stdout == "1 link changed\n"
    assert udp_trips(world, "client", "10.77.2.1", 10) == []
    assert world.link("client", "pop")["packets"]["delivered"] == 10
    assert world.link("pop", "client")["packets"]["blackhole"] == 10
    world.ask("set", "pop:client", "blackhole=false")
    assert len(udp_trips(world, "client", "10.77.2.1", 10)) == 10


def test_queue_drops_its_tail(world):
    start_echo(world, "pop")
    world.ask("set", "client:pop", "rate=1kbit", "queue=1500")
    udp_trips(world, "client", "10.77.2.1", 200)
    packets = world.link("client", "pop")["packets"]
    # 32 bytes each: 46 fit into the queue, and four more leave in every second.
    assert packets["queue"] > 50
    assert packets["queue"] + packets["passed"] == 200


def test_sites_without_a_link_do_not_meet(world):
    start_echo(world, "pop", "fd77::2")
    child = world.start_at("client", "cat", "/proc/net/route")
    assert "wan0" in child.communicate(timeout=READY_SECONDS)[0]
    before = json.loads(world.ask("status", "--json").stdout)["unroutable"]
    assert udp_trips(world, "v6", "fd77::99", 3) == []
    after = json.loads(world.ask("status", "--json").stdout)["unroutable"]
    assert after >= before + 3


def test_set_refuses_whole(world):
    done = world.ask("set", "client:pop", "both", "delay=1ms", "los=3%", check=False)
    assert done.returncode == 2
    assert "did you mean 'loss'?" in done.stderr
    assert world.link("client", "pop")["delay"] == "15ms"


def test_check_says_where(tmp_path):
    file = tmp_path / "bad.yaml"
    file.write_text("sites: { client: {}, pop: {} }\nlinks:\n  - { from: clint, to: pop }\n")
    done = subprocess.run([WAN, str(file), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"{file}:3:13: error: there is no site 'clint'; did you mean 'client'?" in done.stderr


def test_command_gets_environment_and_gives_status(tmp_path):
    file = tmp_path / "matrix.yaml"
    file.write_text(MATRIX)
    script = 'echo "$STEER_WAN_SEED $STEER_WAN_SITES"; "$STEER_WAN" exec client -- echo hello; exit 3'
    done = subprocess.run([WAN, str(file), "--seed", "5", "--quiet", "--", "sh", "-c", script],
                          capture_output=True, text=True, check=False, timeout=READY_SECONDS)
    assert done.returncode == 3, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("5 client=10.77.1.1 pop=10.77.2.1,fd77::2 region=")
    assert lines[1] == "hello"


def inside(network):
    """Living processes whose network is `network`, "net:[INODE]"."""
    found = []
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(folder / "ns/net") == network:
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def wait_until(condition):
    deadline = time.monotonic() + READY_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_outlives_it(world, number):
    """Also not what was started inside and has left its parent."""
    shell = world.start_at("client", "sh", "-c",
                           "setsid sleep 1000 </dev/null >/dev/null 2>&1 & "
                           "readlink /proc/self/ns/net; exec sleep 1000")
    network = shell.stdout.readline().strip()
    wait_until(lambda: len(inside(network)) >= 2)
    world.process.send_signal(number)
    world.process.wait(timeout=READY_SECONDS)
    wait_until(lambda: not inside(network))
    shell.wait(timeout=READY_SECONDS)
    assert "wan0" not in os.listdir("/sys/class/net")


@pytest.fixture
def open_folder():
    """A folder that everybody may read; that of a test is its owner's alone."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        yield folder


def test_an_ordinary_user_can_do_it(open_folder):
    if os.geteuid() != 0:
        pytest.skip("all tests of this file have shown it")
    program, file = open_folder / "wan", open_folder / "matrix.yaml"
    shutil.copy(WAN, program)
    file.write_text(MATRIX)
    script = '"$STEER_WAN" exec client -- cat /proc/net/route'
    environment = {name: value for name, value in os.environ.items() if name != "XDG_RUNTIME_DIR"}
    done = subprocess.run([program, file, "--quiet", "--", "sh", "-c", script],
                          user=65534, group=65534, extra_groups=[], cwd="/", env=environment,
                          capture_output=True, text=True, check=False, timeout=READY_SECONDS)
    if "namespace" in done.stderr or "/dev/net/tun" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert "wan0" in done.stdout


def test_measure_reports_every_link(tmp_path):
    file = tmp_path / "matrix.yaml"
    file.write_text("""
sites:
  pop: { addresses: [10.77.2.1, "fd77::2"] }
  v6: { addresses: ["fd77::4"] }
  region: { addresses: [10.77.3.1] }
links:
  - { from: pop, to: v6, delay: 5ms, jitter: 5ms, loss: 50%, both: true }
  - { from: pop, to: region, delay: 5ms, rate: 1Mbit }
  - { from: region, to: v6 } # nothing to measure: no family in common
""")
    done = subprocess.run([WAN, str(file), "--quiet", "--measure", "--probes", "200"],
                          capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1 + 3 + 1
    assert [line.split()[2:5] for line in lines[1:4]] == [["200", "200", "0"]] * 3, done.stdout
    assert lines[-1].startswith("accurate to 0.2 ms: ")
