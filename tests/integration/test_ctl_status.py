# SPDX-License-Identifier: Apache-2.0
"""`steer status` and `steer history`."""

import hashlib
import json

import pytest

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


def rows_of(text):
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


def test_status_tells_that_an_old_document_was_put_back(store):
    node = store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    old = (store.folder / "document.json").read_bytes()
    store.steer(*because("drain", "gru1"))
    node.obeys = False  # as servers do with an older document
    (store.folder / "document.json").write_bytes(old)
    row = rows_of(store.steer("status").stdout)["dns-1"]
    assert " rejected " in row and row.endswith("obeys gen 2, which is newer than the store's document")


def test_status_shows_what_a_node_says_of_itself(store):
    store.node("dns-1", note="break-glass file: 2 orders in force\x1b")
    store.node("dns-2")
    store.steer(*because("evacuate", "us-east"))
    rows = rows_of(store.steer("status").stdout)
    assert " done " in rows["dns-1"] and "break-glass file: 2 orders in force" in rows["dns-1"]
    assert "\x1b" not in rows["dns-1"] and "break-glass" not in rows["dns-2"]


def test_status_tells_topologies_apart(store):
    store.node("dns-1")
    store.node("dns-2", topology="sha256:0123456789abcdef")
    told = store.steer(*because("evacuate", "us-east")).stderr
    assert "do not share one topology ('steer status' shows which)" in told
    text = store.steer("status").stdout
    rows = rows_of(text)
    at = rows["NODE"].index("TOPOLOGY")
    assert (rows["dns-1"][at:].split()[0], rows["dns-2"][at:].split()[0]) == ("77", "0123456789ab")
    store.nodes[1].fields["topology"] = "sha256:77"
    store.nodes[1].write()
    assert "TOPOLOGY" not in store.steer("status").stdout


def test_status_names_the_file_of_a_wrong_document(store):
    store.steer("store", "init")
    path = store.folder / "document.json"
    path.write_text(path.read_text().replace('"regions":{}', '"regions":{"x":{"mode":"foo"}}'))
    assert f"{path}: regions.x.mode: 'foo' is not a mode" in store.steer("status", check=5).stderr


@pytest.mark.parametrize("damage, says", [(None, "is missing"), ("garbage", "cannot be read")])
def test_history_is_not_intact_without_its_document(store, damage, says):
    store.steer("store", "init")
    store.steer("history")
    path = store.folder / "document.json"
    path.unlink()
    if damage:
        path.write_text(damage)
    told = store.steer("history", check=1).stderr
    assert f"the document that this record leads to {says}" in told and "intact" not in told


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
