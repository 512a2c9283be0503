# SPDX-License-Identifier: Apache-2.0
"""Too few file descriptors, or the standard ones closed: an error that says so, never a death by signal."""

import os
import re

import pytest

from conftest import SMALL_CITY
from fleet import BUILD, Fleet
from loopback import Daemon, PopFleet, wait_for

LIMITS = range(4, 61)
ENOUGH = 3  # as many limits one after the other that sufficed: more suffice as well


def dns_words(folder):
    config = Fleet(folder).config("dns-1", workers=1)
    return [BUILD / "steer-dns", "-c", config]


def gateway_words(folder):
    PopFleet(folder, BUILD, gateways=1, origins=1, pops=("gru1",), regions=("us-east",), city=SMALL_CITY)
    return [BUILD / "steer-pop", "-c", "us-east-gw1.yaml"]


def outcome(folder, limit, words):
    """(did it get ready, exit code, log) of a start with so many descriptors; stopped when it got ready."""
    shell = ["sh", "-c", 'ulimit -n "$0" && exec "$@"', limit, *words]
    daemon = Daemon(f"limit-{limit}", shell, folder).start()
    try:
        wait_for(f"an end or a start, {limit} descriptors",
                 lambda: " info ready " in daemon.log() or not daemon.is_running(), explain=daemon.log)
        code = daemon.stop()
    finally:
        daemon.kill()
    return " info ready " in daemon.log(), code, daemon.log()


@pytest.mark.parametrize("words_of", [dns_words, gateway_words])
def test_too_few_descriptors_are_an_error(tmp_path, words_of):
    words = words_of(tmp_path)
    good = bad = 0
    for limit in LIMITS:
        is_ready, code, log = outcome(tmp_path, limit, words)
        assert code == (0 if is_ready else 1), (limit, code, log)
        assert is_ready or re.search(r"^(\S+: )?error: .*Too many open files$|^error: the admin server does not start$",
                                     log, re.MULTILINE), (limit, log)
        good, bad = (good + 1, bad) if is_ready else (0, bad + 1)
        if good == ENOUGH:
            break
    assert good == ENOUGH and bad > ENOUGH


def test_closed_standard_descriptors_are_taken(fleet):
    """What was meant for standard error would go into the first socket that got its number."""
    program, config = fleet.binary("steer-dns"), fleet.config("dns-1")
    server = Daemon("dns-1", ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", program, "-c", config], fleet.folder).start()
    try:
        wait_for("presence", lambda: (fleet.store / "nodes/dns-1.json").exists() or server.check_alive())
        links = [os.readlink(f"/proc/{server.process.pid}/fd/{fd}") for fd in range(3)]
        assert server.stop() == 0
    finally:
        server.kill()
    assert links == ["/dev/null"] * 3
