# SPDX-License-Identifier: Apache-2.0
"""Reloads: routes, certificates, limits change without dropping a connection; errors change nothing."""

import json
import pathlib
import signal
import ssl
import subprocess

import pytest

from http_clients import H2, connect
from loopback import ROOT, wait_for
from pop_load import Load, judge

POP = "gru1"
ALLOWED = pathlib.Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control")


def edit(fleet, name, old, new):
    path = fleet.folder / f"{name}.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_routes_change_under_a_connection(own_pop_fleet):
    fleet, node = own_pop_fleet, own_pop_fleet.nodes[POP]
    client = H2(connect(node, fleet.client_context(("h2",))))
    assert client.request("GET", "/private/x").status == 200
    edit(fleet, POP, 'path: /, ', 'path: /public, ')
    assert node.admin("/reload", "POST")[0] == 200
    assert client.request("GET", "/private/x").status == 404
    assert client.request("GET", "/public/x").status == 200
    answer = client.request("GET", "/publicity")
    assert answer.status == 404 and answer.get("proxy-status"), answer


def test_sighup_reloads(own_pop_fleet):
    fleet, node = own_pop_fleet, own_pop_fleet.nodes[POP]
    edit(fleet, POP, 'path: /, ', 'path: /public, ')
    node.signal(signal.SIGHUP)
    client = H2(connect(node, fleet.client_context(("h2",))))
    wait_for("the new routes", lambda: client.request("GET", "/").status == 404)


def congestion_of(node):
    """What ss says of the PoP's side of connections with clients, word by word."""
    text = subprocess.run(["ss", "-Htin", "state", "established", "src", f"{node.address}:{node.port}"],
                          capture_output=True, text=True, check=True, timeout=60).stdout
    return {word for line in text.splitlines() if line.startswith(("\t", " ")) for word in line.split()}


def test_congestion_control_of_new_connections(own_pop_fleet):
    node = own_pop_fleet.nodes[POP]
    first = connect(node, own_pop_fleet.client_context())
    before = congestion_of(node)
    others = [name for name in ALLOWED.read_text(encoding="ascii").split() if name not in before]
    if not before or not others:
        pytest.skip("the kernel tells ss nothing of sockets, or allows no second congestion control")
    first.close()
    edit(own_pop_fleet, POP, "workers:", f"congestion: {others[0]}\nworkers:")
    assert node.admin("/reload", "POST")[0] == 200
    client = H2(connect(node, own_pop_fleet.client_context()))
    assert client.request("GET", "/").status == 200
    assert others[0] in congestion_of(node)
    client.close()


def serial_of(fleet, node):
    sock = connect(node, fleet.client_context())
    serial = sock.getpeercert()["serialNumber"]
    sock.close()
    return serial


def test_certificates_change_without_restart(own_pop_fleet):
    fleet, node = own_pop_fleet, own_pop_fleet.nodes[POP]
    other = fleet.folder / "other"  # made first: keys take seconds, for which nobody need stay connected
    subprocess.run([str(ROOT / "tools/make-certs"), str(other), "--backbone", "x.pop.steer", "--front",
                    "www.example.com"], check=True, capture_output=True)
    before = serial_of(fleet, node)
    old = H2(connect(node, fleet.client_context(("h2",))))
    assert old.request("GET", "/").status == 200
    for name in ("front.pem", "front.key", "front-rsa.pem", "front-rsa.key"):
        (fleet.certs / name).write_bytes((other / name).read_bytes())
    assert node.admin("/reload", "POST")[0] == 200
    context = ssl.create_default_context(cafile=str(other / "ca.pem"))
    sock = connect(node, context)
    assert sock.getpeercert()["serialNumber"] != before
    assert old.request("GET", "/").status == 200  # the old connection lives


def test_bad_files_change_nothing(own_pop_fleet):
    fleet, node = own_pop_fleet, own_pop_fleet.nodes[POP]
    before = serial_of(fleet, node)
    config = (fleet.folder / f"{POP}.yaml").read_text()
    key = (fleet.certs / "front.key").read_bytes()
    breakages = [
        (fleet.certs / "front.key", (fleet.certs / "ca.key").read_bytes(), "front.key"),
        (fleet.certs / "front.key", b"garbage", "front.key"),
        (fleet.folder / f"{POP}.yaml", config.replace("map: api", "map: apx").encode(), "apx"),
        (fleet.folder / f"{POP}.yaml", (config + "nonsense: 1\n").encode(), "nonsense"),
        (fleet.folder / f"{POP}.yaml", b"", f"{POP}.yaml"),
    ]
    for path, content, word in breakages:
        path.write_bytes(content)
        code, text = node.admin("/reload", "POST")
        assert code == 422 and word in text, (code, text)
        assert serial_of(fleet, node) == before
        assert H2(connect(node, fleet.client_context(("h2",)))).request("GET", "/").status == 200
        (fleet.certs / "front.key").write_bytes(key)
        (fleet.folder / f"{POP}.yaml").write_text(config)
    assert node.admin("/reload", "POST")[0] == 200


@pytest.mark.parametrize("is_broken", [False, True])
def test_a_rotated_log_is_opened_anew_though_the_reload_fails(own_pop_fleet, is_broken):
    fleet, node = own_pop_fleet, own_pop_fleet.nodes[POP]
    client = H2(connect(node, fleet.client_context(("h2",))))
    log, rotated = fleet.folder / f"{POP}.access", fleet.folder / f"{POP}.access.1"
    assert client.request("GET", "/before").status == 200
    wait_for("the first line", lambda: "/before" in log.read_text())
    log.rename(rotated)
    if is_broken:
        edit(fleet, POP, "workers:", "wrokers:")
    node.signal(signal.SIGHUP)
    wait_for("a new file", log.exists)
    assert node.admin("/reload", "POST")[0] == (422 if is_broken else 200)  # the one of the signal is over by then
    assert client.request("GET", "/after").status == 200
    wait_for("the second line", lambda: "/after" in log.read_text())
    assert "/after" not in rotated.read_text()


def test_nothing_is_lost_by_reloads_under_load(own_pop_fleet):
    fleet = own_pop_fleet
    nodes = [fleet.nodes[POP], *fleet.gateways("us-east")]
    with Load(fleet, [fleet.nodes[POP]], 4, post_share=0.5, seed=11) as load:
        load.wait_for(10)
        for _ in range(5):
            for node in nodes:
                assert node.admin("/reload", "POST")[0] == 200
            load.wait_for(5)
        assert sum(stream.reconnects for stream in load.streams) == 0
    results = load.results()
    assert not any(judge(fleet, results).values()), judge(fleet, results)
    assert [row for row in results if row[2] != 200] == []


def test_the_metrics_are_well_formed(own_pop_fleet):
    for node in (own_pop_fleet.nodes[POP], own_pop_fleet.gateways("us-east")[0]):
        text = node.admin("/metrics")[1]
        heads = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
        assert len(heads) == len(set(heads))
        samples = [line for line in text.splitlines() if line and not line.startswith("#")]
        assert len({line.rsplit(" ", 1)[0] for line in samples}) == len(samples)
        assert "steer_pop_requests_waited_for_connect_total" in text


def sources(fleet, region, since):
    """From which sites the region's gateways were asked for paths that begin so."""
    found = set()
    for gateway in fleet.gateways(region):
        log = fleet.folder / f"{gateway.name}.access"
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        found |= {line.get("source") for line in lines if line.get("path", "").startswith(since)}
    return found


def test_a_backbone_connection_outlives_the_numbers_of_sites(pop_fleet_of):
    """Sites are numbered anew by each topology, and connections from the time before go on."""
    fleet = pop_fleet_of(pops=("gru1", "fra1", "sin1"), regions=("us-east",), gateways=1, origins=1)
    gateway, path = fleet.gateways("us-east")[0], fleet.folder / "topology.yaml"
    client = H2(connect(fleet.nodes["sin1"], fleet.client_context(("h2",))))
    assert client.request("GET", "/0/").status == 200
    text = path.read_text()
    pops = {name: next(line for line in text.splitlines() if line.startswith(f"  {name}:")) for name in fleet.pop_names}
    worlds = [text.replace(pops["gru1"], "\0").replace(pops["sin1"], pops["gru1"]).replace("\0", pops["sin1"]),
              text.replace(pops["gru1"] + "\n", "").replace(pops["fra1"] + "\n", "")]
    for number, world in enumerate(worlds, 1):
        path.write_text(world)
        code, answer = gateway.admin("/reload", "POST")
        assert code == 200, answer
        assert client.request("GET", f"/{number}/").status == 200
        wait_for("the log's line", lambda number=number: sources(fleet, "us-east", f"/{number}/"))
        assert sources(fleet, "us-east", f"/{number}/") == {"sin1"}
    path.write_text(text.replace(pops["sin1"] + "\n", ""))
    assert gateway.admin("/reload", "POST")[0] == 200
    assert client.request("GET", "/last/").status == 200  # it was let in, and ends what it has begun
    wait_for("its connection is told to go, and no other is let in", lambda: "unknown_identity" in gateway.log())
