# SPDX-License-Identifier: Apache-2.0
"""Stopping, restarting and idling: nothing in flight is lost, nobody waits for a connection."""

import signal
import threading
import time

from http_clients import H1, H2, connect
from loopback import wait_for
from pop_load import Load, judge

POP = "gru1"
WAITED = "steer_pop_requests_waited_for_connect_total"


def test_sigterm_finishes_what_is_in_flight(own_pop_fleet):
    fleet = own_pop_fleet
    node = fleet.nodes[POP]
    slow = H2(connect(node, fleet.client_context(("h2",))))
    other = H1(connect(node, fleet.client_context(("http/1.1",))))
    stream = slow.start("GET", "/drip/20/50")
    while stream not in slow.responses or not slow.responses[stream].body:
        assert slow.pump()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(other.request("GET", "/slow/1000")))
    thread.start()
    wait_for("both are in flight", lambda: node.metric("steer_pop_requests_in_flight") >= 2)
    node.signal(signal.SIGTERM)
    assert slow.wait(stream).body.count(b"chunk") == 20
    thread.join(60)
    assert answers[0].status == 200 and answers[0].get("connection") == "close"
    slow.close()
    other.close()
    assert node.stop() == 0


def test_goaway_comes_at_once_and_twice(own_pop_fleet):
    fleet = own_pop_fleet
    node = fleet.nodes[POP]
    idle = H2(connect(node, fleet.client_context(("h2",))))
    idle.request("GET", "/")
    ids = []
    node.signal(signal.SIGTERM)
    while idle.pump():
        if idle.goaway is not None:
            ids.append(idle.goaway.last_stream_id)
            idle.goaway = None
    assert ids[0] == 2**31 - 1 and ids[-1] == 1, ids
    assert node.stop() == 0


def warm_gateways(node):
    """How many gateways the PoP has a warm connection to."""
    return sum(1 for thread in node.json("/status.json")["threads"] for peer in thread["peers"]
               if peer["connections"]["warm"] > 0)


def test_a_rolling_restart_of_all_gateways_is_not_noticed(own_pop_fleet):
    fleet = own_pop_fleet
    node = fleet.nodes[POP]
    everybody = len(fleet.region_names) * fleet.gateway_count
    with Load(fleet, [node], 4, post_share=0.5, seed=7) as load:
        load.wait_for(20)
        before = node.metric(WAITED)
        for region in fleet.region_names:
            for gateway in fleet.gateways(region):
                assert gateway.stop() == 0
                gateway.start().wait_ready()
                wait_for("the floor is whole again, on all gateways", lambda: warm_gateways(node) == everybody
                         and node.metric("steer_pop_floor_deficit") == 0)
                load.wait_for(10)
        after = node.metric(WAITED)
    results = load.results()
    assert not any(judge(fleet, results).values()), judge(fleet, results)
    assert [row for row in results if row[2] != 200] == []
    assert after == before


def test_the_first_request_after_start_does_not_wait(own_pop_fleet):
    fleet = own_pop_fleet
    client = H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))
    assert client.request("GET", "/").status == 200
    assert fleet.nodes[POP].metric(WAITED) == 0
    # The listener waits for the first two regions; the third may take longer.
    wait_for("the whole floor", lambda: fleet.nodes[POP].metric("steer_pop_floor_deficit") == 0)


def test_idle_connections_stay_warm(own_pop_fleet):
    """A minute of silence, shortened: PING keeps the connections, no request waits."""
    fleet = own_pop_fleet
    node = fleet.nodes[POP]
    client = H2(connect(node, fleet.client_context(("h2",))))
    assert client.request("GET", "/").status == 200
    wait_for("all gateways are warm", lambda: warm_gateways(node) == len(fleet.region_names) * fleet.gateway_count
             and node.metric("steer_pop_peer_connections", "connecting") == 0)
    connects = node.metric("steer_pop_connects_total", "ok")
    time.sleep(12)  # more than two PING intervals: the wait is what is tested
    assert client.request("GET", "/").status == 200
    assert node.metric(WAITED) == 0
    assert node.metric("steer_pop_connects_total", "ok") == connects


def test_a_pop_without_gateways_starts_degraded(pop_fleet_of):
    fleet = pop_fleet_of(regions=("us-east",), gateways=1)
    gateway, node = fleet.gateways("us-east")[0], fleet.nodes[POP]
    node.stop()
    gateway.kill()
    node.start().wait_ready()
    assert "degraded" in node.log()
    client = H2(connect(node, fleet.client_context(("h2",))))
    assert client.request("GET", "/").status in (502, 503)
    gateway.start().wait_ready()
    wait_for("the gateway is found again", lambda: client.request("GET", "/").status == 200)


def test_a_sleeping_reader_does_not_hold_others_up(pop_fleet):
    """100 MB to somebody who does not read, on the same backbone connection."""
    fleet, node = pop_fleet, pop_fleet.nodes[POP]
    stalled = H2(connect(node, fleet.client_context(("h2",))))
    stream = stalled.start("GET", "/bytes/100000000")
    while stream not in stalled.responses:
        stalled.pump()
    stalled_h1 = H1(connect(node, fleet.client_context(("http/1.1",))))
    stalled_h1.send(b"GET /bytes/100000000 HTTP/1.1\r\nhost: www.example.com\r\n\r\n")
    brisk = H2(connect(node, fleet.client_context(("h2",))))
    for i in range(100):
        assert brisk.request("GET", f"/bytes/{i * 1000}").status == 200
    assert node.metric("steer_pop_buffered_bytes", "all") < 64e6
    stalled.close()
    stalled_h1.close()
    wait_for("its buffers are given back", lambda: node.metric("steer_pop_buffered_bytes", "all") < 1e6)


def test_a_second_sigterm_ends_at_once(own_pop_fleet):
    fleet = own_pop_fleet
    node = fleet.nodes[POP]
    client = H2(connect(node, fleet.client_context(("h2",))))
    client.start("GET", "/slow/60000")
    wait_for("it is in flight", lambda: node.metric("steer_pop_requests_in_flight") >= 1)
    node.signal(signal.SIGTERM)
    wait_for("it drains", lambda: "drain" in node.log())
    node.signal(signal.SIGTERM)
    node.process.wait(20)
