# SPDX-License-Identifier: Apache-2.0
"""The admin socket of steer-pop, the user it becomes, and what `make install` leaves behind."""

import collections
import os
import pathlib
import pwd
import re
import shutil
import ssl
import subprocess
import time

import pytest

from fleet import BUILD, ROOT
from http_clients import H2, connect
from loopback import REGIONS, wait_for

POP = "gru1"
EAST, WEST = "203.0.113.9", "198.51.100.9"


def ask(fleet, client=None, **words):
    one = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",)), client=client))
    response = one.request(**{"method": "GET", "path": "/", **words})
    one.close()
    return response


# ---- counts ----


def counts_of(node, name="api"):
    """{site: [requests, bytes in, bytes out]} over all cells of a map."""
    sums = collections.defaultdict(lambda: [0, 0, 0])
    for cell in node.json("/traffic.json")["maps"].get(name, {"cells": []})["cells"]:
        for site, row in cell["sites"].items():
            for i, key in enumerate(("requests", "bytes_in", "bytes_out")):
                sums[site][i] += row[key]
    return dict(sums)


def test_traffic_adds_up(pop_fleet_of):
    fleet = pop_fleet_of(regions=("us-east", "us-west"), gateways=1, origins=1)
    node = fleet.nodes[POP]
    wanted = collections.defaultdict(lambda: [0, 0, 0])
    for client, region in ((EAST, "us-east"), (WEST, "us-west")):
        for sent in (0, 1, 1000, 100_000):
            response = ask(fleet, client, method="POST", path=f"/bytes/{sent * 2}", body=b"x" * sent)
            assert response.status == 200 and response.get("x-region") == region
            for i, more in enumerate((1, sent, len(response.body))):
                wanted[region][i] += more
    # A request is counted when it is over, which the client may know a moment before.
    wait_for("all are counted", lambda: sum(row[0] for row in counts_of(node).values()) == 8)
    assert counts_of(node) == dict(wanted)
    cells = [cell for cell in node.json("/traffic.json")["maps"]["api"]["cells"] if cell["sites"]]
    assert len(cells) == 2, cells  # one of each network
    for region in ("us-east", "us-west"):
        assert counts_of(fleet.gateways(region)[0])[region] == wanted[region]


def test_metrics_are_sound_and_count(pop_fleet):
    node = pop_fleet.nodes[POP]
    status, text = node.admin("/metrics")
    assert status == 200
    typed, helped, sampled = {}, set(), []
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in typed, f"{name} twice"
            typed[name] = kind
        elif line.startswith("# HELP "):
            helped.add(line.split(" ")[2])
        else:
            name, value = re.fullmatch(r'([a-z_0-9]+)(?:\{(?:[a-z_]+="[^"]*",?)*\})? (\S+)', line).groups()
            float(value)
            sampled.append(re.sub(r"_(bucket|sum|count)$", "", name) if name not in typed else name)
    assert set(sampled) <= set(typed) and helped == set(typed)
    for name, kind in typed.items():
        assert name.startswith(("steer_", "process_")), name
        assert name.endswith("_total") == (kind == "counter"), name
    lines = text.splitlines()
    keys = [line.rsplit(" ", 1)[0] for line in lines if not line.startswith("#")]
    assert len(keys) == len(set(keys))
    before = node.metric("steer_pop_responses_total", "2xx")
    for _ in range(7):
        assert ask(pop_fleet).status == 200
    wait_for("seven more", lambda: node.metric("steer_pop_responses_total", "2xx") == before + 7)


def test_certificates_tell_when_they_expire(pop_fleet):
    """By metric and status: the dates that the files themselves give."""
    node = pop_fleet.nodes[POP]
    rows = {(row["use"], row["path"]): row["expires"] for row in node.json("/status.json")["certificates"]}
    assert {use for use, _ in rows} == {"clients", "backbone", "authorities"}
    for (use, path), expires in rows.items():
        said = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", pop_fleet.folder / path],
                              capture_output=True, text=True, check=True).stdout
        assert expires == ssl.cert_time_to_seconds(said.strip().removeprefix("notAfter="))
        assert node.metric("steer_pop_certificate_expiry_timestamp_seconds", f'path="{path}"', f'use="{use}"') == expires


def test_alerts_ask_for_metrics_that_there_are():
    """The manuals' lists are held against /metrics elsewhere; labels against the values that the sources have."""
    alerts = (ROOT / "config/examples/alerts.yaml").read_text(encoding="utf-8")
    manuals = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("dns/steer-dns.8", "pop/steer-pop.8"))
    named = set(re.findall(r"^\.It Cm (\w+)$", manuals, re.MULTILINE))
    asked = set(re.findall(r"\bsteer_\w+", alerts))
    assert len(asked) > 15 and asked - named == set()
    assert set(re.findall(r'outcome="(\w+)"', alerts)) == {"failed"}


def test_status_says_what_runs(pop_fleet):
    node = pop_fleet.nodes[POP]
    value = node.json("/status.json")
    assert value["id"] == POP and value["role"] == "pop" and value["site"] == POP
    assert value["ready"] is True and value["state"] == "serving" and value["drain"] is None
    assert value["pid"] == node.process.pid
    assert {row["kind"] for row in value["listeners"]} == {"https", "http", "redirect"}
    names = {peer["region"] for thread in value["threads"] for peer in thread["peers"]}
    assert names == set(REGIONS)
    gateway = pop_fleet.gateways("us-east")[0].json("/status.json")
    assert gateway["role"] == "gateway" and "backbone" in {row["kind"] for row in gateway["listeners"]}


# ---- questions ----


def test_explain_agrees_with_what_happens(pop_fleet):
    node = pop_fleet.nodes[POP]
    for client in (EAST, WEST, "2001:db8:f::9"):
        told = node.json(f"/explain?from={client}&host=www.example.com&path=/x")["explanations"][0]
        assert told["regions"][0]["name"] == ask(pop_fleet, client).get("x-region")
        assert told["route"]["map"] == "api" and told["serves_here"] is False
    told = pop_fleet.gateways("us-west")[0].json(f"/explain?from={WEST}&name=api")["explanations"][0]
    assert told["serves_here"] is True


@pytest.mark.parametrize("question,status", [
    ("", 400), ("?from=1.2.3.4", 400), ("?name=api", 400), ("?from=x&name=api", 400),
    ("?from=1.2.3.4&name=api&host=a", 400), ("?from=1.2.3.4&name=none", 404), ("?from=%zz&name=api", 400)])
def test_explain_refuses_what_it_cannot_answer(pop_fleet, question, status):
    assert pop_fleet.nodes[POP].admin("/explain" + question)[0] == status


@pytest.mark.parametrize("path,method,status", [("/none", "GET", 404), ("/drain", "GET", 405), ("/metrics", "POST", 405)])
def test_other_paths_and_methods(pop_fleet, path, method, status):
    assert pop_fleet.nodes[POP].admin(path, method)[0] == status
    assert pop_fleet.nodes[POP].is_ready()


# ---- drain ----


def test_drain_finishes_what_is_in_flight(pop_fleet_of):
    fleet = pop_fleet_of(regions=("us-east",), gateways=1)
    node = fleet.nodes[POP]
    client = H2(connect(node, fleet.client_context(("h2",))))
    stream = client.start("GET", "/slow/1500")
    wait_for("it is under way", lambda: fleet.executed())
    status, text = node.admin("/drain", "POST")
    assert status == 202 and '"draining"' in text
    node.is_told = True
    assert node.admin("/ready")[0] == 503
    assert node.json("/status.json")["drain"]["limit_ms"] > 0
    assert client.wait(stream).status == 200
    assert client.goaway is not None
    assert node.process.wait(30) == 0
    assert not node.socket_path.exists()


# ---- who it runs as ----


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give it up")
def test_keys_of_root_are_read_before_root_is_given_up(tmp_path_factory):
    from conftest import SMALL_CITY
    from loopback import PopFleet
    user = pwd.getpwnam("nobody")
    folder = pathlib.Path("/tmp") / f"steer-user-{os.getpid()}-{time.monotonic_ns()}"
    fleet = PopFleet(folder, BUILD, city=SMALL_CITY, pops=(POP,), regions=("us-east",), gateways=1, origins=1)
    try:
        folder.chmod(0o755)
        fleet.certs.chmod(0o755)
        text = (folder / f"{POP}.yaml").read_text().replace("user: root", "user: nobody")
        fleet.write(f"{POP}.yaml", text)
        for path in fleet.certs.iterdir():
            path.chmod(0o600 if path.suffix == ".key" else 0o644)
        fleet.start()
        node = fleet.nodes[POP]
        lines = pathlib.Path(f"/proc/{node.process.pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in lines.splitlines() if ":\t" in line)
        assert set(fields["Uid"].split()) == {str(user.pw_uid)}
        assert set(fields["Gid"].split()) == {str(user.pw_gid)}
        assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0 and fields["NoNewPrivs"] == "1"
        assert ask(fleet).status == 200
        # Now they cannot be read any more: told, and everything stays as it was.
        status, answer = node.admin("/reload", "POST")
        assert status == 422, answer
        assert "Permission denied" in answer and "user 'nobody'" in answer and ".key" in answer
        assert ask(fleet).status == 200
        for path in fleet.certs.glob("*.key"):
            os.chown(path, user.pw_uid, user.pw_gid)
        status, answer = node.admin("/reload", "POST")
        assert status == 200, answer
        assert ask(fleet).status == 200
    finally:
        problems = fleet.stop()
        shutil.rmtree(folder)
    assert not problems, problems


def test_the_environment_does_not_configure_openssl(tmp_path):
    """This file leaves OpenSSL without any cipher: whoever heeds it cannot make a key."""
    (tmp_path / "openssl.cnf").write_text("openssl_conf = all\n[all]\nproviders = some\n[some]\nbase = base\n"
                                          "[base]\nactivate = 1\n")
    environment = {**os.environ, "OPENSSL_CONF": str(tmp_path / "openssl.cnf")}
    done = subprocess.run([str(BUILD / "steer-pop"), "--new-ticket-key"], capture_output=True, text=True,
                          env=environment, check=False)
    assert done.returncode == 0 and done.stdout.startswith("current "), done


# ---- installed ----


def test_install_puts_everything_in_its_place(tmp_path):
    """Of what is built already: nothing is compiled here."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    words = ["make", "-C", str(ROOT), f"BUILD={BUILD.name}", "install", f"DESTDIR={tmp_path}", "PREFIX=/usr"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, check=False, env=own)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    for name in ("usr/bin/steer", "usr/sbin/steer-dns", "usr/sbin/steer-pop"):
        assert name in files or name.replace("sbin", "bin") in files, sorted(files)
    assert [name for name in files if "steer-pop.8" in name]
    assert [name for name in files if name.endswith("steer-pop.service")]
    for name in files:
        if name.startswith(("usr/bin", "usr/sbin")):
            assert os.access(tmp_path / name, os.X_OK)
    pop = next(tmp_path / name for name in files if name.endswith("bin/steer-pop"))
    shown = subprocess.run([str(pop), "--version"], capture_output=True, text=True, check=True).stdout
    assert "steer-pop" in shown
