# SPDX-License-Identifier: Apache-2.0
"""`steer evacuate` moves proxies: PoPs at once, strays through the evacuated region's gateways."""

import json
import signal

from http_clients import H2, connect
from loopback import wait_for
from pop_load import Load, judge

POP = "gru1"


def steer(fleet, *words, code=0):
    done = fleet.steer(*words)
    assert done.returncode == code, done
    return done.stdout


def strays_told(fleet, region):
    nodes = json.loads(steer(fleet, "status", "--json"))["nodes"]
    return sum(node["strays"] for node in nodes if node.get("site") == region)


def region_by_pop(fleet):
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    try:
        return client.request("GET", "/").get("x-region")
    finally:
        client.close()


def test_evacuate_waits_for_proxies_and_moves_them(own_pop_fleet):
    fleet = own_pop_fleet
    assert region_by_pop(fleet) == "us-east"
    done = json.loads(steer(fleet, "evacuate", "us-east", "--reason", "test", "--json"))
    assert len(done["nodes"]) == 7, done  # six gateways and a PoP
    assert region_by_pop(fleet) == "us-west"  # the acknowledgement was true
    status = json.loads(steer(fleet, "status", "--json"))
    roles = sorted(node["role"] for node in status["nodes"])
    assert roles == ["gateway"] * 6 + ["pop"]
    text = steer(fleet, "status")
    assert "gateway" in text and "gru1" in text
    steer(fleet, "restore", "us-east", "--reason", "test")
    assert region_by_pop(fleet) == "us-east"


def test_nothing_fails_while_regions_come_and_go(own_pop_fleet):
    fleet = own_pop_fleet
    with Load(fleet, [fleet.nodes[POP]], 4, post_share=0.5, seed=1) as load:
        for region in ("us-east", "us-west", "us-east", "eu-west"):
            load.wait_for(20)
            steer(fleet, "evacuate", region, "--reason", "test")
            load.wait_for(20)
            steer(fleet, "restore", region, "--reason", "test")
        load.wait_for(20)
    results = load.results()
    assert not any(judge(fleet, results).values()), judge(fleet, results)
    assert [row for row in results if row[2] != 200] == []


def test_no_new_request_reaches_an_evacuated_region_after_the_acknowledgement(own_pop_fleet):
    fleet = own_pop_fleet
    with Load(fleet, [fleet.nodes[POP]], 2, seed=2) as load:
        load.wait_for(20)
        steer(fleet, "evacuate", "us-east", "--reason", "test")
        load.wait_for(1)  # what was in flight
        before = len([entry for entry in fleet.executed() if entry["region"] == "us-east"])
        load.wait_for(30)
    after = len([entry for entry in fleet.executed() if entry["region"] == "us-east"])
    assert after == before


def test_strays_are_proxied_to_the_next_region(own_pop_fleet):
    fleet = own_pop_fleet
    gateway = fleet.gateways("us-east")[0]
    wait_for("connections to the next region", lambda: gateway.metric("steer_pop_floor_deficit") == 0)
    client = H2(connect(gateway, fleet.client_context(("h2",))))
    assert client.request("GET", "/").get("x-region") == "us-east"
    steer(fleet, "evacuate", "us-east", "--reason", "test")
    answer = client.request("POST", "/stray", body=b"abc")  # the same, old connection
    assert answer.status == 200 and answer.get("x-region") == "us-west"
    assert gateway.metric("steer_pop_stray_requests_total") >= 1
    traffic = gateway.json("/traffic.json")
    assert any(row["to"] == "us-west" for row in traffic["strays"]), traffic
    # ... and the gateway says so where the operator looks, without being asked.
    wait_for("strays in the status", lambda: strays_told(fleet, "us-east") >= 1)
    assert strays_told(fleet, "us-west") == 0


def test_strays_are_served_or_refused_as_the_document_says(own_pop_fleet):
    fleet = own_pop_fleet
    client = H2(connect(fleet.gateways("us-east")[0], fleet.client_context(("h2",))))
    steer(fleet, "evacuate", "us-east", "--reason", "test", "--stray", "serve")
    assert client.request("GET", "/").get("x-region") == "us-east"
    steer(fleet, "restore", "us-east", "--reason", "test")
    steer(fleet, "evacuate", "us-east", "--reason", "test", "--stray", "refuse")
    answer = client.request("GET", "/")
    assert answer.status == 503 and answer.get("proxy-status"), answer


def test_everything_evacuated_is_served_all_the_same(own_pop_fleet):
    """Never an empty answer because of steering: the base order applies."""
    fleet = own_pop_fleet
    for region in ("us-east", "us-west", "eu-west"):
        done = fleet.steer("evacuate", region, "--reason", "test", "--yes")
        if done.returncode != 0:
            break  # a safety rule may refuse the last one
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    assert client.request("GET", "/").status == 200


def test_a_deleted_store_changes_nothing(own_pop_fleet):
    fleet = own_pop_fleet
    steer(fleet, "evacuate", "us-east", "--reason", "test")
    (fleet.store / "document.json").unlink()
    node = fleet.nodes[POP]
    wait_for("the loss is noticed", lambda: node.json("/status.json")["steering"].get("store_reason", "fine") != "fine"
             or node.json("/status.json")["steering"].get("stale_seconds", 0) > 0)
    assert region_by_pop(fleet) == "us-west"
    node.stop()
    node.start().wait_ready()  # from last-known-good
    assert region_by_pop(fleet) == "us-west"


def test_a_loop_between_regions_ends(pop_fleet_of):
    """Break-glass on every gateway says that its own region is evacuated: nobody serves."""
    more = {f"{region}-gw{n}": f"break_glass: {region}-bg\n" for region in ("us-east", "us-west", "eu-west") for n in (1, 2)}
    fleet = pop_fleet_of(more=more)
    for region in ("us-east", "us-west", "eu-west"):
        fleet.write(f"{region}-bg", f"evacuate {region}\n")
    for region in ("us-east", "us-west", "eu-west"):
        for gateway in fleet.gateways(region):
            wait_for("the orders are read", lambda g=gateway: "evacuated" in g.admin("/status.json")[1]
                     or g.metric("steer_break_glass_orders") > 0)
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    answer = client.request("GET", "/loop")
    assert answer.status == 508, answer
    assert "proxy_loop_detected" in answer.get("proxy-status")
    assert not [entry for entry in fleet.executed() if entry["path"] == "/loop"]


def test_sigkill_of_a_gateway_fails_no_get(own_pop_fleet):
    fleet = own_pop_fleet
    with Load(fleet, [fleet.nodes[POP]], 6, post_share=0.3, seed=3) as load:
        load.wait_for(20)
        victim = fleet.gateways("us-east")[0]
        victim.kill()
        load.wait_for(60)
        victim.start().wait_ready()
        load.wait_for(20)
    verdict = judge(fleet, load.results())
    assert not any(verdict.values()), verdict


def test_a_whole_region_killed_fails_no_get(own_pop_fleet):
    fleet = own_pop_fleet
    with Load(fleet, [fleet.nodes[POP]], 6, post_share=0.3, seed=4) as load:
        load.wait_for(20)
        for gateway in fleet.gateways("us-east"):
            gateway.kill()
        fleet.origins["us-east"].kill()
        load.wait_for(60)
        fleet.start_origins("us-east")
        for gateway in fleet.gateways("us-east"):
            gateway.start().wait_ready()
        wait_for("home again", lambda: region_by_pop(fleet) == "us-east")
    verdict = judge(fleet, load.results())
    assert not any(verdict.values()), verdict


def test_a_frozen_gateway_fails_no_get(pop_fleet_of):
    """SIGSTOP: the kernel still acknowledges, nothing answers. PING finds out."""
    fleet = pop_fleet_of(backbone="")
    with Load(fleet, [fleet.nodes[POP]], 4, post_share=0.3, seed=5) as load:
        load.wait_for(20)
        victim = fleet.gateways("us-east")[0]
        victim.signal(signal.SIGSTOP)
        load.wait_for(60)
        victim.signal(signal.SIGCONT)
        load.wait_for(20)
    verdict = judge(fleet, load.results())
    assert not any(verdict.values()), verdict
    assert fleet.nodes[POP].metric("steer_pop_ping_timeouts_total") >= 1


def test_a_frozen_pop_is_let_go(pop_fleet_of):
    """SIGSTOP: its kernel acknowledges all that it is sent, keep-alives, too. The gateway asks with PING, then gives
    back what it held for it."""
    routes = '  - { host: "*", map: api, origin: web, deadline: 1h, try: 1h }\n'
    fleet = pop_fleet_of(regions=("us-east",), gateways=1, origins=1, routes=routes,
                         more={"gateway": "timeouts: { write_stall: 8s }\n"})
    pop, gateway = fleet.nodes[POP], fleet.gateways("us-east")[0]
    wait_for("connections to the gateway", lambda: pop.metric("steer_pop_floor_deficit") == 0)
    client = H2(connect(pop, fleet.client_context(("h2",))))
    client.start("GET", "/slow/3600000")
    wait_for("it waits at the gateway", lambda: gateway.metric("steer_pop_requests_in_flight") == 1)
    pop.signal(signal.SIGSTOP)
    wait_for("it is let go", lambda: gateway.metric("steer_pop_requests_in_flight") == 0)
    assert gateway.metric("steer_pop_client_ping_timeouts_total") == 1
    log = fleet.folder / f"{gateway.name}.access"
    wait_for("the log says why", lambda: '"cause":"client_ping_timeout"' in log.read_text())
    client.close()
    pop.signal(signal.SIGCONT)
    assert region_by_pop(fleet) == "us-east"


def test_dead_origins_are_left_out(own_pop_fleet):
    """The gateways say "not processed", the PoP tries the next region: POSTs, too."""
    fleet = own_pop_fleet
    fleet.origins["us-east"].kill()
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    for i in range(20):
        answer = client.request("POST", f"/{i}", body=b"x")
        assert answer.status == 200 and answer.get("x-region") == "us-west", answer


def test_nobody_left_is_told_apart_from_the_application(own_pop_fleet):
    fleet = own_pop_fleet
    for origin in fleet.origins.values():
        origin.kill()
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    answer = client.request("GET", "/")
    assert answer.status in (502, 503, 504)
    assert answer.get("proxy-status"), answer
