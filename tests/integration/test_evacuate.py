# SPDX-License-Identifier: Apache-2.0
"""`steer evacuate` moves real answers, is acknowledged, and comes back."""

import json
import signal
import subprocess

import pytest

from fleet import BUILD, addresses_of, wait_for

EAST_CLIENT, WEST_CLIENT = "203.0.113.0/24", "198.51.100.0/24"
EAST, WEST, EU = ["192.0.2.1"], ["192.0.2.2"], ["192.0.2.3"]


def test_evacuate_moves_answers_on_every_server(fleet):
    servers = [fleet.start("dns-1"), fleet.start("dns-2")]
    assert all(s.addresses("api.example.com", ecs=EAST_CLIENT) == EAST for s in servers)
    result = fleet.evacuate("us-east")
    assert "2/2" in result.out + result.err
    for server in servers:
        assert server.addresses("api.example.com", ecs=EAST_CLIENT) == WEST
        assert server.addresses("api.example.com", "AAAA", EAST_CLIENT) == ["2001:db8:2::1"]
        assert server.addresses("api.example.com", ecs=WEST_CLIENT) == WEST
    fleet.restore("us-east")
    assert all(s.addresses("api.example.com", ecs=EAST_CLIENT) == EAST for s in servers)


def test_ttl_is_short_only_for_cells_that_moved(fleet, server):
    def ttl(prefix):
        return server.ask("api.example.com", ecs=prefix).answer[0].ttl

    assert (ttl(EAST_CLIENT), ttl(WEST_CLIENT)) == (60, 60)
    fleet.evacuate("us-east")
    assert (ttl(EAST_CLIENT), ttl(WEST_CLIENT)) == (20, 60)


def test_scope_does_not_change_with_an_evacuation(fleet, server):
    before = server.ask("api.example.com", ecs=EAST_CLIENT).options[0].scopelen
    fleet.evacuate("us-east")
    assert server.ask("api.example.com", ecs=EAST_CLIENT).options[0].scopelen == before


def test_never_an_empty_answer(fleet, server):
    """A map whose only site is evacuated still answers, and says so."""
    fleet.evacuate("eu-west")
    assert server.addresses("one.example.com") == EU
    assert server.metric_sum("steer_dns_alarms") >= 1


def test_evacuating_twice_is_done_already(fleet, server):
    fleet.evacuate("us-east")
    generation = server.status()["generation"]
    again = fleet.evacuate("us-east", check=0)
    assert "already" in again.out + again.err
    assert server.status()["generation"] == generation


def test_the_last_region_is_refused(fleet, server):
    fleet.evacuate("us-east")
    fleet.evacuate("us-west")
    refused = fleet.evacuate("eu-west", check=3)
    assert "min-regions" in refused.err
    fleet.steer("evacuate", "eu-west", "--reason", "x", "--override", "min-regions", check=0)
    assert server.addresses("api.example.com", ecs=EAST_CLIENT) == EAST, "base policy, never empty"


def test_unknown_region_is_suggested(fleet, server):
    result = fleet.evacuate("us-eats", check=2)
    assert "us-east" in result.err and server.status()["generation"] == 0


def test_a_pop_is_drained_not_evacuated(fleet, server):
    result = fleet.evacuate("gru1", check=2)
    assert "drain" in result.err
    before = server.addresses("edge.example.com", ecs=EAST_CLIENT)
    fleet.steer("drain", "gru1", "--reason", "x", check=0)
    fleet.steer("drain", "ams1", "--reason", "x", check=0)
    fleet.steer("undrain", "gru1", "--reason", "x", check=0)
    assert server.addresses("edge.example.com", ecs=EAST_CLIENT) == ["192.0.2.30"]
    fleet.steer("undrain", "ams1", "--reason", "x", check=0)
    assert server.addresses("edge.example.com", ecs=EAST_CLIENT) == before


def test_reason_is_required_without_a_terminal(fleet, server):
    result = fleet.steer("evacuate", "us-east", check=2)
    assert "--reason" in result.err
    assert server.status()["generation"] == 0


def test_json_output_of_every_verb(fleet, server):
    done = fleet.steer("evacuate", "us-east", "--reason", "INC-1", "--json", check=0).json()
    assert done["ok"] is True and done["gen"] >= 1
    for words in (["status"], ["history"], ["wait"],
                  ["explain", "api.example.com", "--from", "203.0.113.7"]):
        assert isinstance(fleet.steer(*words, "--json", check=0).json(), dict), words
    check = fleet.steer("check", str(fleet.folder / "topology.yaml"), "--json", check=0).json()
    assert check["ok"] is True


def test_history_says_who_why_when_and_verifies(fleet, server):
    fleet.steer("evacuate", "us-east", "--reason", "INC-4411", check=0)
    fleet.restore("us-east")
    history = fleet.steer("history", check=0)
    assert "INC-4411" in history.out and "us-east" in history.out
    log = fleet.store / "log.ndjson"
    lines = log.read_text().splitlines()
    forged = lines[0].replace("INC-4411", "INC-0000")
    log.write_text("\n".join([forged] + lines[1:]) + "\n")
    broken = fleet.steer("history")
    assert "chain" in (broken.out + broken.err).lower() and broken.code != 0


def test_a_server_that_was_killed_is_named_not_waited_for(fleet):
    alive, dead = fleet.start("dns-1"), fleet.start("dns-2")
    dead.kill(signal.SIGKILL)
    dead.process.wait()
    result = fleet.evacuate("us-east")
    assert "dns-2" in result.out + result.err
    assert alive.addresses("api.example.com", ecs=EAST_CLIENT) == WEST


def test_a_server_that_hangs_is_not_converged(fleet):
    fleet.start("dns-1")
    hung = fleet.start("dns-2")
    hung.kill(signal.SIGSTOP)
    try:
        result = fleet.steer("evacuate", "us-east", "--reason", "x", "--timeout", "2s", check=7)
        assert "dns-2" in result.out + result.err
    finally:
        hung.kill(signal.SIGCONT)
    fleet.steer("wait", "--timeout", "60s", check=0)
    assert hung.addresses("api.example.com", ecs=EAST_CLIENT) == WEST


@pytest.mark.parametrize("damage", ["deleted", "empty", "garbage", "truncated", "array"])
def test_missing_is_not_empty(fleet, server, damage):
    fleet.evacuate("us-east")
    document = fleet.store / "document.json"
    text = document.read_text()
    if damage == "deleted":
        document.unlink()
    else:
        document.write_text({"empty": "", "garbage": "\0\1\2{{{", "truncated": text[: len(text) // 2],
                             "array": "[]"}[damage])
    wait_for("the server to notice", lambda: server.status()["source"] != "store"
             or server.status().get("store_problem"))
    assert server.addresses("api.example.com", ecs=EAST_CLIENT) == WEST
    assert server.stop() == 0
    server.start()
    assert server.addresses("api.example.com", ecs=EAST_CLIENT) == WEST, "from last-known-good"
    refused = fleet.steer("restore", "us-east", "--reason", "x")
    assert refused.code == 5 and "repair" in refused.err, refused
    fleet.steer("store", "repair", check=0)
    fleet.restore("us-east")
    assert server.addresses("api.example.com", ecs=EAST_CLIENT) == EAST


def test_older_generation_and_other_epoch_are_refused(fleet, server):
    fleet.evacuate("us-east")
    path = fleet.store / "document.json"
    good = json.loads(path.read_text())
    for change in ({"gen": 0}, {"epoch": "01AAAAAAAAAAAAAAAAAAAAAAAA", "gen": 99}):
        wild = {**good, **change, "regions": {}}
        path.write_text(json.dumps(wild))
        wait_for("refusal", lambda: server.status().get("store_problem"))
        assert server.addresses("api.example.com", ecs=EAST_CLIENT) == WEST
    path.write_text(json.dumps(good))
    wait_for("calm", lambda: not server.status().get("store_problem"))


def test_a_document_it_cannot_carry_out_is_nacked(fleet, server):
    fleet.evacuate("us-east")
    path = fleet.store / "document.json"
    document = json.loads(path.read_text())
    document["gen"] += 1
    document["shifts"] = [{"id": "s-1", "map": "api", "from": "us-west", "to": "eu-west", "pct": 10}]
    path.write_text(json.dumps(document))
    wait_for("the refusal", lambda: (server.presence().get("rejected") or {}).get("gen") == document["gen"])
    result = fleet.steer("wait", "--timeout", "10s", check=7)
    assert "shifts" in result.out + result.err
    assert server.addresses("api.example.com", ecs=EAST_CLIENT) == WEST


def test_break_glass_beats_the_document_and_survives_damage(fleet):
    path = fleet.write("break-glass", "evacuate us-east  # by hand\n")
    server = fleet.start(extra=f"break_glass: {path}\n")
    assert server.addresses("api.example.com", ecs=EAST_CLIENT) == WEST
    for text in ("", "evacuate us-eats\n", "evacaute us-east\n"):
        path.write_text(text)
        wait_for("a complaint", lambda: server.status().get("break_glass_problem"))
        assert server.addresses("api.example.com", ecs=EAST_CLIENT) == WEST
        path.write_text("evacuate us-east\n")
        wait_for("calm", lambda: not server.status().get("break_glass_problem"))
    path.write_text("none\n")
    wait_for("us-east back", lambda: server.addresses("api.example.com", ecs=EAST_CLIENT) == EAST)


def test_two_operators_at_once_lose_nothing(fleet, server):
    """Ten commands at the same time on different sites: every one is in the document or says no."""
    words = [("drain", "gru1"), ("drain", "ams1"), ("evacuate", "us-east"), ("evacuate", "us-west")]
    env = {"STEER_STORE": str(fleet.store), "PATH": "/usr/bin:/bin"}
    running = [
        subprocess.Popen([BUILD / "steer", verb, site, "--reason", "race"], env=env,
                         stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for verb, site in words
    ]
    codes = [(process.communicate(timeout=120), process.returncode)[1] for process in running]
    assert set(codes) <= {0, 4}, codes
    document = json.loads((fleet.store / "document.json").read_text())
    modes = {**document["regions"], **document["pops"]}
    for (_, site), code in zip(words, codes):
        assert (site in modes) == (code == 0)
    fleet.steer("history", check=0)


def test_explain_agrees_with_the_answer(fleet, server):
    fleet.evacuate("us-east")
    told = fleet.steer("explain", "api.example.com", "--from", "127.0.0.1", "--ecs", EAST_CLIENT,
                       check=0)
    answer = server.ask("api.example.com", ecs=EAST_CLIENT)
    assert "us-west" in told.out and "east-lab" in told.out
    assert addresses_of(answer)[0] in told.out


def test_debug_txt_tells_generation_digest_and_age(fleet, server):
    fleet.evacuate("us-east")
    text = server.ask("_steer.example.com", "TXT").answer[0][0].to_text()
    generation = json.loads((fleet.store / "document.json").read_text())["gen"]
    assert f"gen={generation}" in text and "digest=" in text and "age=" in text
