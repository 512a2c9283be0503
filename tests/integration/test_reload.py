# SPDX-License-Identifier: Apache-2.0
"""Reload: validate, compile, swap; a failure keeps everything and says all that is wrong."""

import json
import signal
import socket
import subprocess
import threading

import pytest

from fleet import BUILD, DEADLINE_S, TOPOLOGY, ZONE, make_query, wait_for

CLIENT = "203.0.113.0/24"


def reload(server):
    return server.request("POST", "/reload")


def test_reload_takes_new_zones_and_topology(fleet, server):
    fleet.write("example.com.zone", ZONE + "fresh IN A 192.0.2.99\n")
    fleet.write("topology.yaml", TOPOLOGY.replace("192.0.2.1,", "192.0.2.11,"))
    status, body = reload(server)
    assert status == 200, body
    assert server.addresses("fresh.example.com") == ["192.0.2.99"]
    assert server.addresses("api.example.com", ecs=CLIENT) == ["192.0.2.11"]


def test_sighup_reloads(fleet, server):
    fleet.write("example.com.zone", ZONE + "fresh IN A 192.0.2.99\n")
    server.kill(signal.SIGHUP)
    wait_for("the new record", lambda: server.addresses("fresh.example.com") == ["192.0.2.99"])


def test_failed_reload_keeps_the_old_data_and_reports_everything(fleet, server):
    fleet.write("example.com.zone", ZONE + "bad IN A 999.1.1.1\nalso IN BOGUS x\n")
    fleet.write("topology.yaml", TOPOLOGY.replace("capacity: 1000", "capcity: 1000").replace(
        "from: europe", "from: eurpoe"))
    status, body = reload(server)
    assert status == 422
    assert body.count("capcity") >= 1 and "capacity" in body and "europe" in body
    assert "topology.yaml:3:" in body
    assert server.addresses("api.example.com", ecs=CLIENT) == ["192.0.2.1"]
    fleet.write("topology.yaml", TOPOLOGY)
    status, body = reload(server)
    assert status == 422 and "example.com.zone" in body and "999.1.1.1" in body
    fleet.write("example.com.zone", ZONE)
    assert reload(server)[0] == 200


def test_status_tells_a_failed_reload(fleet, server):
    def row():
        text = fleet.steer("status", check=0).out
        return next(line for line in text.splitlines() if line.startswith("dns-1 "))

    fleet.evacuate("us-east")
    fleet.write("topology.yaml", TOPOLOGY.replace("capacity: 1000", "capcity: 1000"))
    assert reload(server)[0] == 422
    wait_for("the failure in status", lambda: "reload failed: " in row())
    assert " done " in row() and "topology.yaml:3: " in row() and "capcity" in row()
    fleet.write("topology.yaml", TOPOLOGY)
    assert reload(server)[0] == 200
    wait_for("status without it", lambda: "reload failed" not in row())


def test_status_tells_a_document_that_was_set_back(fleet, server):
    def row():
        text = fleet.steer("status", check=0).out
        return next(line for line in text.splitlines() if line.startswith("dns-1 "))

    fleet.evacuate("us-east")
    path = fleet.store / "document.json"
    old = path.read_bytes()
    fleet.evacuate("us-west")
    newer = path.read_bytes()
    fleet.write("set-back", old.decode()).rename(path)
    wait_for("the node's own word", lambda: "keeps what it has: generation 1 " in row())
    assert " rejected " in row() and "obeys gen 2, which is newer" in row()
    assert server.addresses("api.example.com", ecs=CLIENT) == ["192.0.2.3"]
    fleet.write("as-before", newer.decode()).rename(path)
    wait_for("no more to say", lambda: row().split()[2] == "done" and "keeps" not in row())


def test_steering_survives_a_reload(fleet, server):
    fleet.evacuate("us-east")
    assert reload(server)[0] == 200
    assert server.addresses("api.example.com", ecs=CLIENT) == ["192.0.2.2"]


def test_counters_survive_a_reload(fleet, server):
    def count():
        return server.metric_sum("steer_dns_answers_total", 'site="us-east"')

    for _ in range(10):
        server.ask("api.example.com", ecs=CLIENT)
    before = count()
    assert before >= 10
    assert reload(server)[0] == 200
    assert count() >= before


def test_no_query_is_lost_while_reloading(fleet, server):
    lost, done = [], threading.Event()

    def ask_on():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(DEADLINE_S)
            sock.connect((server.address, server.port))
            payload = make_query("api.example.com").to_wire()
            while not done.is_set():
                sock.send(payload)
                try:
                    sock.recv(4096)
                except socket.timeout:
                    lost.append(1)

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        for _ in range(5):
            assert reload(server)[0] == 200
    finally:
        done.set()
        thread.join()
    assert not lost


@pytest.mark.parametrize(
    "what, file, text, expected",
    [
        ("YAML syntax", "topology.yaml", "regions: {", "topology.yaml:"),
        ("unknown map", "topology.yaml", TOPOLOGY.replace("map: api", "map: apo", 1), "api"),
        ("unknown continent", "topology.yaml", TOPOLOGY.replace("[EU]", "[EX]"), "EU"),
        ("host bits", "topology.yaml", TOPOLOGY.replace("203.0.113.0/24", "203.0.113.7/24"), "203.0.113.0/24"),
        ("outside zones", "topology.yaml", TOPOLOGY + "  www.example.org: { map: api }\n", "www.example.org"),
        ("static at steered", "example.com.zone", ZONE + "api IN A 192.0.2.9\n", "api.example.com"),
        ("apex CNAME", "example.com.zone", ZONE + "@ IN CNAME www\n", "CNAME"),
        ("parenthesis", "example.com.zone", ZONE.replace("hostmaster (", "hostmaster "), "example.com.zone:"),
        ("empty zone", "example.com.zone", "", "SOA"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 20 else "",
)
def test_check_finds_it_before_the_server_does(fleet, what, file, text, expected):
    config = fleet.config("dns-1")
    assert fleet.steer("check", str(config)).code == 0
    fleet.write(file, text)
    result = fleet.steer("check", str(config), check=2)
    assert expected in result.out + result.err
    process = subprocess.run([BUILD / "steer-dns", "-c", config], capture_output=True, text=True,
                             timeout=DEADLINE_S)
    assert process.returncode == 1 and expected in process.stderr


def test_status_names_generation_topology_and_workers(fleet, server):
    status = server.status()
    assert status["topology"].startswith("sha256:")
    assert json.dumps(status)
    assert status["workers"] == 2
