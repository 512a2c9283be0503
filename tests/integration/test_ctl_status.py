# SPDX-License-Identifier: Apache-2.0
"""`steer status` and `steer history`."""

import hashlib
import json

from ctl_store import because


def test_status_tells_sites_and_nodes(store):
    store.node("dns-1")
    dead = store.node("dns-2")
    store.steer(*because("evacuate", "us-east"))
    dead.die()
    store.steer(*because("drain", "gru1"))
    text = store.steer("status").stdout
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["us-east"][1:3] == ["region", "evacuated"] and rows["us-east"][-1] == "INC-4411"
    assert rows["gru1"][1:3] == ["pop", "draining"]
    assert rows["eu-west"][1:3] == ["region", "active"]
    assert rows["dns-1"][1:4] == ["dns", "done", "2"]
    assert rows["dns-2"][1:4] == ["dns", "dead", "1"]
    answer = store.json("status")
    assert answer["gen"] == 2 and answer["regions"]["us-east"]["mode"] == "evacuated"
    assert [node["alive"] for node in answer["nodes"]] == [True, False]


def test_status_tells_roles_and_their_sites(store):
    store.fleet()
    store.steer(*because("evacuate", "us-east"))
    text = store.steer("status").stdout
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["SITE"][:4] == ["SITE", "KIND", "MODE", "NODES"]
    assert rows["us-east"][1:4] == ["region", "evacuated", "1"]
    assert rows["gru1"][1:4] == ["pop", "active", "1"]
    assert rows["eu-west"][1:4] == ["region", "active", "0"]
    assert rows["NODE"][:4] == ["NODE", "ROLE", "SITE", "STATE"]
    assert rows["us-east-gw"][1:4] == ["gateway", "us-east", "done"]
    assert rows["gru1-a"][1:4] == ["pop", "gru1", "done"]
    assert rows["dns-1"][1:3] == ["dns", "done"]
    nodes = {node["id"]: node for node in store.json("status")["nodes"]}
    assert (nodes["gru1-a"]["role"], nodes["gru1-a"]["site"]) == ("pop", "gru1")
    assert (nodes["us-east-gw"]["role"], nodes["us-east-gw"]["site"]) == ("gateway", "us-east")
    assert nodes["dns-1"]["role"] == "dns" and "site" not in nodes["dns-1"]


def test_status_tells_strays_of_gateways(store):
    store.node("us-east-gw", role="gateway", site="us-east", strays=9000, strays_per_s=12)
    store.node("gru1-a", role="pop", site="gru1")
    store.steer(*because("evacuate", "us-east"))
    text = store.steer("status").stdout
    heading = next(line for line in text.splitlines() if line.startswith("NODE"))
    at = heading.index("STRAYS")
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert rows["us-east-gw"][at:].startswith("9000 (12/s)")
    assert rows["gru1-a"][at] == " "
    nodes = {node["id"]: node for node in store.json("status")["nodes"]}
    assert (nodes["us-east-gw"]["strays"], nodes["us-east-gw"]["strays_per_s"]) == (9000, 12)
    assert "strays" not in nodes["gru1-a"]


def test_status_shows_nodes_without_a_document(store):
    store.node("dns-1")
    (store.folder / "document.json").write_text("garbage")
    done = store.steer("status", check=5)
    assert "dns-1" in done.stdout and "steer store repair" in done.stderr
    assert store.json("status", check=5)["nodes"][0]["id"] == "dns-1"


def test_history_verifies(store):
    store.node("dns-1")
    for verb in ("evacuate", "restore", "evacuate"):
        store.steer(*because(verb, "us-east"))
    done = store.steer("history", "-n", "2")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["3", "2"]
    assert "chain intact over 3 records" in done.stderr
    log = store.folder / "log.ndjson"
    log.write_text(log.read_text().replace("INC-4411", "INC-0000", 1))
    broken = store.steer("history", check=1)
    assert "chain is broken at line 2" in broken.stderr
    answer = store.json("history", check=1)
    assert answer["chain"]["intact"] is False and answer["total"] == 3


def test_log_chain_by_an_independent_reading(store):
    store.node("dns-1")
    for site in ("us-east", "us-west"):
        store.steer(*because("evacuate", site))
    lines = (store.folder / "log.ndjson").read_bytes().splitlines()
    assert json.loads(lines[0])["prev"] == ""
    assert json.loads(lines[1])["prev"] == "sha256:" + hashlib.sha256(lines[0]).hexdigest()
    document = (store.folder / "document.json").read_bytes()
    assert json.loads(lines[1])["after"] == "sha256:" + hashlib.sha256(document).hexdigest()
