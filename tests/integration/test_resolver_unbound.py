# SPDX-License-Identifier: Apache-2.0
"""A real caching resolver in front: unbound, which sends ECS and keeps answers by their scope."""

import subprocess

import dns.exception
import dns.query
import pytest

from fleet import DEADLINE_S, addresses_of, make_query, wait_for
from loopback import free_ports

EAST, WEST = ["192.0.2.1"], ["192.0.2.2"]

CONFIG = """
server:
    interface: 127.0.0.1
    port: {port}
    do-ip6: no
    outgoing-port-avoid: 10000-29999
    do-daemonize: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    verbosity: 1
    do-not-query-localhost: no
    access-control: 127.0.0.0/8 allow
    module-config: "subnetcache iterator"
    send-client-subnet: 127.0.0.1
    client-subnet-zone: "example.com"
    client-subnet-always-forward: yes
    max-client-subnet-ipv4: 32
    max-client-subnet-ipv6: 64
remote-control:
    control-enable: no
stub-zone:
    name: "example.com"
    stub-addr: 127.0.0.1@{upstream}
    stub-prime: no
"""


class Unbound:
    def __init__(self, fleet, server):
        (self.port,) = free_ports(1)
        path = fleet.write("unbound.conf", CONFIG.format(
            port=self.port, folder=fleet.folder, upstream=server.port))
        self.log = open(fleet.folder / "unbound.log", "wb")
        self.process = subprocess.Popen(["/usr/sbin/unbound", "-d", "-c", path],
                                        stdout=self.log, stderr=self.log)
        wait_for("unbound", self.answers)

    def answers(self):
        assert self.process.poll() is None, open(self.log.name).read()
        try:
            return self.ask("www.example.com", timeout=0.2).answer
        except (dns.exception.Timeout, OSError):
            return False

    def ask(self, name, ecs=None, timeout=DEADLINE_S):
        query = make_query(name, "A", ecs)
        return dns.query.udp(query, "127.0.0.1", port=self.port, timeout=timeout)

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE_S)
        self.log.close()


@pytest.fixture
def resolver(fleet, server):
    one = Unbound(fleet, server)
    yield one
    one.stop()


def asked(server):
    return server.metric_sum("steer_dns_queries_total", 'transport="udp"')


def test_a_cache_never_mixes_clients(resolver, server):
    for prefix, expected in [("203.0.113.0/24", EAST), ("198.51.100.0/24", WEST),
                             ("10.2.3.0/24", EAST), ("10.1.3.0/24", WEST)]:
        assert addresses_of(resolver.ask("api.example.com", prefix)) == expected, prefix
    before = asked(server)
    for prefix, expected in [("203.0.113.128/25", EAST), ("198.51.100.7/32", WEST), ("10.1.200.0/24", WEST)]:
        assert addresses_of(resolver.ask("api.example.com", prefix)) == expected, prefix
    assert asked(server) == before, "these lie inside scopes that the cache has"


def test_untailored_names_are_cached_for_everybody(resolver, server):
    resolver.ask("www.example.com", "203.0.113.0/24")
    before = asked(server)
    assert addresses_of(resolver.ask("www.example.com", "198.51.100.0/24")) == ["192.0.2.80"]
    assert asked(server) == before


def test_the_old_answer_lives_one_ttl_and_no_longer(fleet, server, resolver):
    """The honest limit of DNS: a cache keeps what it has; a client it has not seen moves at once."""
    assert addresses_of(resolver.ask("api.example.com", "203.0.113.0/24")) == EAST
    fleet.evacuate("us-east")
    kept = resolver.ask("api.example.com", "203.0.113.0/24")
    assert addresses_of(kept) == EAST and kept.answer[0].ttl <= 60
    assert addresses_of(resolver.ask("api.example.com", "10.2.9.0/24")) == WEST
