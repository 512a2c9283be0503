# SPDX-License-Identifier: Apache-2.0
"""Admin HTTP: metrics add up exactly, unknown routes, loopback TCP, explain, privileges."""

import http.client
import json
import os
import re

import pytest

from fleet import DEADLINE_S, ROOT, wait_for

CLIENT = "203.0.113.0/24"


def test_metrics_count_exactly_what_was_asked(fleet, server):
    for _ in range(7):
        server.ask("api.example.com", ecs=CLIENT)
    for _ in range(5):
        server.ask("gone.example.com", "AAAA", edns=False)
    for _ in range(3):
        server.ask("www.example.com", tcp=True)
    server.ask("example.org")
    metrics = server.metrics()

    def total(prefix, *parts):
        return sum(v for n, v in metrics.items() if n.startswith(prefix) and all(p in n for p in parts))

    assert total("steer_dns_queries_total") == 16
    assert total("steer_dns_queries_total", 'transport="udp"') == 13
    assert total("steer_dns_queries_total", 'transport="tcp"') == 3
    assert total("steer_dns_queries_total", 'type="AAAA"') == 5
    assert total("steer_dns_responses_total", 'rcode="NXDOMAIN"') == 5
    assert total("steer_dns_responses_total", 'rcode="REFUSED"') == 1
    assert total("steer_dns_answers_total", 'map="api"', 'site="us-east"') == 7


def test_metrics_are_valid_exposition(server):
    text = server.get("/metrics")[1]
    seen = set()
    for line in text.splitlines():
        if line.startswith("# TYPE"):
            name = line.split()[2]
            assert name not in seen, f"{name} twice"
            seen.add(name)
        elif not line.startswith("#"):
            assert re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+0-9.eInf]+', line), line
    for wanted in ("steer_generation", "steer_stale_seconds"):
        assert wanted in seen or f"{wanted}" in text


def test_manual_names_every_metric(server):
    manual = (ROOT / "dns/steer-dns.8").read_text(encoding="utf-8")
    named = set(re.findall(r"^\.It Cm (\w+)$", manual[manual.index("All of them, as"):], re.MULTILINE))
    printed = set(re.findall(r"^# TYPE (\w+) ", server.get("/metrics")[1], re.MULTILINE))
    assert printed - named == set()
    assert {name for name in named if name.startswith(("steer_", "process_"))} == printed


def test_drops_are_counted_by_reason(fleet, server):
    server.send_raw(b"short", timeout_s=0.05)
    wait_for("the count", lambda: server.metric_sum("steer_dns_dropped_total") == 1)


def test_unknown_routes_and_methods(server):
    assert server.get("/nothing")[0] == 404
    assert server.request("DELETE", "/metrics")[0] == 405
    assert server.get("/explain")[0] == 400
    status, body = server.get("/explain?name=nope.example.com&from=192.0.2.1")
    assert status in (400, 404) and json.loads(body)


@pytest.mark.parametrize("orders, reloaded", [("", 403), (", listen_orders: true", 200)])
def test_loopback_tcp_listener(fleet, orders, reloaded):
    server = fleet.start(admin=f', listen: "127.0.0.1:0"{orders}')
    host, port = server.status()["admin_listen"].rsplit(":", 1)
    for method, path, status in (("GET", "/ready", 200), ("POST", "/reload", reloaded)):
        connection = http.client.HTTPConnection(host, int(port), timeout=DEADLINE_S)
        connection.request(method, path)
        assert connection.getresponse().status == status
    assert server.request("POST", "/reload")[0] == 200


def test_a_public_admin_listener_is_refused(fleet):
    config = fleet.config("dns-1", admin=', listen: "0.0.0.0:9110"')
    result = fleet.steer("check", str(config), check=2)
    assert "loopback" in result.out + result.err


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to drop")
def test_it_runs_without_capabilities(fleet, server):
    fields = dict(
        line.split(":\t", 1)
        for line in open(f"/proc/{server.process.pid}/status", encoding="ascii")
        if ":\t" in line
    )
    for name in ("CapPrm", "CapEff", "CapInh", "CapAmb"):
        assert int(fields[name], 16) == 0, name
    assert fields["NoNewPrivs"].strip() == "1"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_root_becomes_the_configured_user(fleet):
    fleet.folder.chmod(0o755)
    for folder in fleet.folder.parents:
        if folder.stat().st_uid == 0 and str(folder).startswith("/tmp/"):
            folder.chmod(folder.stat().st_mode | 0o011)
    path = fleet.config("dns-1")
    path.write_text(path.read_text().replace("user: root", "user: nobody"))
    server = fleet.start_config("dns-1", path)
    uid = [line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("Uid:")]
    assert set(uid[0].split()[1:]) == {"65534"}
    fleet.evacuate("us-east")
    assert server.addresses("api.example.com", ecs=CLIENT) == ["192.0.2.2"]
