# SPDX-License-Identifier: Apache-2.0
"""Peers that have just failed rest; but when nobody else is left they are tried, and who is back is found
by the first request."""

import socket

from http_clients import H2, connect
from loopback import wait_for
from raw_origin import RawOrigin, read_request

POP, EAST, WEST = "gru1", "us-east", "us-west"
GOOD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood"
BAD = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nbad"
EJECT = ", eject_failures: 2, eject: 10m"


def client_of(fleet):
    return H2(connect(fleet.nodes[POP], fleet.client_context(("h2",))))


class Origin(RawOrigin):
    """Answers whatever `response` is at the moment."""

    def __init__(self, fleet, number, response):
        self.response, self.socks = response, []
        super().__init__(fleet.addresses[EAST], fleet.origin_ports[EAST][number], self._keep_answering)

    def _keep_answering(self, sock, _number):
        self.socks.append(sock)
        while request := read_request(sock):
            self.requests.append(request)
            sock.sendall(self.response)

    def die(self):
        self.close()
        for sock in self.socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def eject_one_and_kill_the_other(fleet, client):
    """The first is bad and ejected for long, the second one dead. Returns the first."""
    fleet.origins[EAST].stop()
    first, second = Origin(fleet, 0, BAD), Origin(fleet, 1, GOOD)
    gateway = fleet.gateways(EAST)[0]

    def is_ejected():
        client.request("GET", "/")
        return gateway.metric("steer_pop_ejections_total") == 1

    wait_for("ejected", is_ejected)
    asked = len(first.requests)
    assert all(client.request("GET", "/").body == b"good" for _ in range(20))
    assert len(first.requests) == asked
    second.die()
    return first


def test_an_ejected_origin_is_better_than_none(pop_fleet_of):
    fleet = pop_fleet_of(regions=(EAST,), gateways=1, origins=2, origin=EJECT, pops=(POP,))
    client = client_of(fleet)
    origin = eject_one_and_kill_the_other(fleet, client)
    response = client.request("GET", "/")
    assert response.status == 503 and response.body == b"bad", response  # its own words, not ours
    origin.response = GOOD
    responses = [client.request("POST", "/", body=b"x") for _ in range(20)]
    assert all(response.body == b"good" for response in responses), responses
    # The first good answer has brought it back, long before its time.
    assert 2 <= fleet.gateways(EAST)[0].metric("steer_pop_ejected_trials_total") <= 5
    origin.close()


def test_another_region_comes_before_an_ejected_origin(pop_fleet_of):
    fleet = pop_fleet_of(regions=(EAST, WEST), gateways=1, origins=2, origin=EJECT, pops=(POP,))
    client = client_of(fleet)
    origin = eject_one_and_kill_the_other(fleet, client)
    asked = len(origin.requests)
    for i in range(50):
        response = client.request("POST", f"/{i}", body=b"x")
        assert response.status == 200 and response.get("x-region") == WEST, response
    assert len(origin.requests) == asked
    fleet.gateways(WEST)[0].kill()
    origin.response = GOOD
    response = client.request("GET", "/")
    assert response.status == 200 and response.body == b"good", response
    origin.close()


def test_origins_that_are_back_get_the_first_request(pop_fleet_of):
    fleet = pop_fleet_of(regions=(EAST,), gateways=1, origins=2, pops=(POP,))
    client = client_of(fleet)
    for i in range(3):
        fleet.origins[EAST].kill()
        # As long as the backoff may become.
        statuses = [client.request("POST", f"/{i}", body=b"x").status for _ in range(6)]
        assert all(status == 503 for status in statuses), statuses
        fleet.start_origins(EAST)
        response = client.request("POST", f"/back-{i}", body=b"x")
        assert response.status == 200, response


def test_a_region_that_is_back_gets_the_first_request(pop_fleet_of):
    # Its one request waits for its connection; on a busy machine that takes more than the usual 250 ms.
    fleet = pop_fleet_of(gateways=1, origins=1, pops=(POP,), backbone=", acquire: 2s, ping_timeout: 10s")
    pop = fleet.nodes[POP]
    for region in fleet.region_names:
        fleet.gateways(region)[0].kill()
    client = client_of(fleet)

    def is_backing_off():
        assert client.request("POST", "/", body=b"x").status == 503
        return pop.metric("steer_pop_connects_total", "failed") > 20

    wait_for("long backoff", is_backing_off)
    back = fleet.gateways(WEST)[0]
    back.start().wait_ready()
    response = client.request("POST", "/", body=b"x")
    assert response.status == 200 and response.get("x-region") == WEST, response
