# SPDX-License-Identifier: Apache-2.0
"""What `steer` changes in the store: commits, waiting for the nodes, refusals."""

import json
import re
import threading

import pytest

from ctl_store import Store, because


# ---- changes and waiting -------------------------------------------------------------------------


def test_evacuate_and_restore_are_committed_applied_and_logged(store):
    store.node("dns-1")
    store.node("dns-2")
    done = store.steer(*because("evacuate", "us-east"))
    assert re.search(r"^committed gen 1  \d", done.stdout)
    assert re.search(r"^applied   dns 2/2 \(4 workers\)  \d", done.stdout, re.M)
    assert "undo      steer restore us-east" in done.stdout
    document = store.document()
    assert document["regions"]["us-east"]["mode"] == "evacuated"
    assert document["regions"]["us-east"]["stray"] == "proxy"
    assert document["topology"] == "sha256:77"
    store.steer(*because("restore", "us-east"))
    assert "us-east" not in store.document()["regions"]
    first, second = store.log()
    assert (first["verb"], first["site"], first["why"]) == ("evacuate", "us-east", "INC-4411")
    assert first["argv"][1:3] == ["evacuate", "us-east"]
    assert second["before"] == first["after"]


def test_json_answer_of_a_change(store):
    store.node("dns-1")
    answer = store.json(*because("drain", "gru1"))
    assert answer["ok"] is True and answer["gen"] == 1 and answer["already"] is False
    assert answer["op_id"] == store.document()["op"]["id"]
    assert answer["committed_ms"] > 0 and answer["applied_ms"] >= answer["committed_ms"]
    assert [(n["id"], n["state"], n["gen"]) for n in answer["nodes"]] == [("dns-1", "done", 1)]


def test_already_so_writes_nothing_and_says_who(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    again = store.steer(*because("evacuate", "us-east"))
    assert "already evacuated (gen 1" in again.stdout and "INC-4411" in again.stdout
    assert store.document()["gen"] == 1
    assert store.json(*because("evacuate", "us-east"))["already"] is True
    restored = store.steer(*because("restore", "us-west"))
    assert "already active" in restored.stdout


def test_no_living_node_is_said_and_fine(store):
    store.node("dns-1").die()
    done = store.steer(*because("evacuate", "us-east"))
    assert "no living node" in done.stdout
    assert "silent    dns-1 is gone; it last had gen 0" in done.stdout


def test_dead_nodes_are_named_and_not_waited_for(store):
    store.node("dns-1")
    dead = store.node("dns-2")
    store.steer(*because("evacuate", "us-east"))
    dead.die()
    done = store.steer(*because("restore", "us-east"))
    assert "dns 1/1" in done.stdout and "dns-2 is gone; it last had gen 1" in done.stdout


def test_node_that_dies_while_waited_for(store):
    node = store.node("dns-1", obeys=False)
    timer = threading.Timer(0.3, node.die)
    timer.start()
    done = store.steer(*because("evacuate", "us-east"))
    assert "dns-1 is gone" in done.stdout
    timer.join()


def test_node_that_stays_behind_is_not_converged(store):
    store.node("dns-1")
    store.node("dns-2", obeys=False)
    done = store.steer(*because("evacuate", "us-east"), "--timeout", "200ms", check=7)
    assert "dns-2 still has gen 0" in done.stderr and "dns-1" not in done.stderr
    assert store.document()["gen"] == 1, "committed all the same"
    answer = store.json("wait", "--timeout", "100ms", check=7)
    assert answer["ok"] is False
    assert {n["id"]: n["state"] for n in answer["nodes"]} == {"dns-1": "done", "dns-2": "waiting"}


def test_node_that_says_no_is_named_with_its_reason(store):
    store.node("dns-1", reject="unknown field class shifts2")
    done = store.steer(*because("evacuate", "us-east"), check=7)
    assert "dns-1 rejected gen 1: unknown field class shifts2" in done.stderr


def test_no_wait_returns_at_once(store):
    store.node("dns-1", obeys=False)
    done = store.steer(*because("evacuate", "us-east"), "--no-wait")
    assert "committed gen 1" in done.stdout and "applied" not in done.stdout


def test_wait_for_a_generation(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    store.steer("wait", "--gen", "1")
    assert "never committed" in store.steer("wait", "--gen", "9", check=2).stderr


@pytest.mark.parametrize("verb,site", [("evacuate", "us-east"), ("drain", "gru1")])
def test_changes_wait_for_all_roles(store, verb, site):
    store.fleet()
    for word in (verb, {"evacuate": "restore", "drain": "undrain"}[verb]):
        done = store.steer(*because(word, site))
        assert re.search(r"^applied   dns 1/1 \(2 workers\)  pop 1/1 \(2 workers\)  "
                         r"gateway 1/1 \(4 workers\)|"
                         r"^applied   dns 1/1 \(2 workers\)  gateway 1/1 \(4 workers\)  "
                         r"pop 1/1 \(2 workers\)", done.stdout, re.M)


@pytest.mark.parametrize("verb,site", [("evacuate", "us-east"), ("drain", "gru1")])
def test_changes_name_a_gateway_that_is_late(store, verb, site):
    store.fleet(obeys=False)
    done = store.steer(*because(verb, site), "--timeout", "300ms", check=7)
    assert "gateway 0/1" in done.stdout and "pop 1/1" in done.stdout
    assert "us-east-gw still has gen 0" in done.stderr
    assert store.steer("wait", "--timeout", "300ms", check=7).stderr.count("us-east-gw") == 1


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, code, says", [
    ((), 2, "steer help"),
    (("evacute", "us-east"), 2, "did you mean 'evacuate'"),
    (("evacuate", "us-eats", "--reason", "x"), 2, "did you mean 'us-east'"),
    (("evacuate", "gru1", "--reason", "x"), 2, "steer drain gru1"),
    (("drain", "us-east", "--reason", "x"), 2, "steer evacuate us-east"),
    (("evacuate", "us-east"), 2, "--reason"),
    (("evacuate", "us-east", "--reson", "x"), 2, "did you mean '--reason'"),
    (("evacuate", "us-east", "--override", "min-regions"), 2, "--override needs --reason"),
    (("evacuate", "us-east", "--override", "min-region", "--reason", "x"), 2,
     "did you mean 'min-regions'"),
    (("evacuate", "us-east", "--stray", "prxy", "--reason", "x"), 2, "'proxy', 'serve'"),
    (("store", "repiar"), 2, "did you mean 'repair'"),
    (("explain", "api.example.com"), 2, "--from"),
    (("explain", "api.example.com", "--from", "1.2.3"), 2, "expected an address"),
    (("help", "evacute"), 2, "did you mean 'evacuate'"),
])
def test_bad_usage_is_explained_and_writes_nothing(store, words, code, says):
    store.node("dns-1")
    assert says in store.steer(*words, check=code).stderr
    assert not (store.folder / "document.json").exists()


def test_errors_as_json(store):
    store.node("dns-1")
    answer = store.json("evacuate", "us-eats", "--reason", "x", check=2)
    assert answer["ok"] is False and answer["exit"] == 2
    assert answer["error"]["code"] == "UNKNOWN" and "us-east" in answer["error"]["text"]


def test_regions_that_not_all_nodes_know_are_no_refuge(store):
    """Of a node that is gone, and of one that has another topology: no region that clients could go to."""
    store.node("old", regions=["us-east", "us-west", "gone-1"]).die()
    store.node("dns-1", regions=["us-east", "us-west"])
    store.node("dns-2", regions=["us-east", "us-west", "new-1"])
    store.steer(*because("evacuate", "us-east"))
    assert "min-regions" in store.steer(*because("evacuate", "us-west"), check=3).stderr
    store.steer(*because("evacuate", "gone-1"))  # a name it is all the same
    store.steer(*because("restore", "us-east"))
    store.steer(*because("evacuate", "us-west"))


@pytest.mark.parametrize("words", [("--bogus", "--json"), ("--json", "--bogus"), ("evacute", "--json"),
                                   ("evacuate", "--timeout", "soon", "--json"), ("--json",), ("status", "x", "--json"),
                                   ("store", "repair", "--from", "/nowhere", "--json")])
def test_wrong_usage_as_json(store, words):
    done = store.steer(*words, check=2)
    answer = json.loads(done.stdout)
    assert answer["ok"] is False and answer["exit"] == 2 and answer["error"]["text"] in done.stderr


def test_last_region_is_blocked_unless_overridden(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    store.steer(*because("evacuate", "us-west"))
    blocked = store.steer(*because("evacuate", "eu-west"), check=3)
    assert "min-regions" in blocked.stderr
    store.steer(*because("evacuate", "eu-west"), "--override", "min-regions")
    assert store.log()[-1]["overrides"] == ["min-regions"]


def test_unknown_sites_without_any_node(store):
    assert "--topology" in store.steer(*because("evacuate", "us-east"), check=2).stderr


def test_no_store_folder(tmp_path):
    lost = Store(tmp_path / "nowhere")
    assert "steer store init" in lost.steer("status", check=5).stderr
    lost.steer("wait", check=5)
    lost.steer("history", check=5)
