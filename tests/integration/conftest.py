# SPDX-License-Identifier: Apache-2.0
"""Fixtures: real processes on loopback, free ports, one store per test; always reaped."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))

from ctl_store import Store  # noqa: E402
from fleet import BUILD, ROOT, Fleet  # noqa: E402
from loopback import PopFleet  # noqa: E402

SMALL_CITY = ROOT / "tests/data/small-city.mmdb"
PATIENT = ", ping_timeout: 10s"


@pytest.fixture
def store(tmp_path):
    """A store without servers; `store.node()` plays one."""
    folder = tmp_path / "store"
    folder.mkdir()
    one = Store(folder)
    yield one
    for node in one.nodes:
        node.die()


@pytest.fixture
def fleet(tmp_path_factory):
    """An empty fleet with its own store; `fleet.start()` adds servers."""
    one = Fleet(tmp_path_factory.mktemp("fleet"))
    yield one
    one.stop()


@pytest.fixture
def server(fleet):
    """One running steer-dns with the standard topology and zone."""
    return fleet.start()


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory):
    """One steer-dns for a whole file of read-only tests."""
    one = Fleet(tmp_path_factory.mktemp("fleet"))
    yield one.start()
    one.stop()


def run_pop_fleet(folder, **settings):
    """A generator for fixtures: a running fleet, which must end well. Patient: on a busy machine a gateway may stand
    still for longer than a dead one is given, and what it was asked, or was sending, would be cut off."""
    one = PopFleet(folder, BUILD, **{"city": SMALL_CITY, "pops": ("gru1",), "backbone": PATIENT, **settings})
    try:
        yield one.start()
    finally:
        problems = one.stop()
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="module")
def pop_fleet(tmp_path_factory):
    """One PoP, three regions with two gateways and two origins each: for a whole file of tests that
    leave it as it was."""
    yield from run_pop_fleet(tmp_path_factory.mktemp("pop"))


@pytest.fixture
def own_pop_fleet(tmp_path_factory):
    """The same for one test that breaks things."""
    yield from run_pop_fleet(tmp_path_factory.mktemp("pop"))


@pytest.fixture
def pop_fleet_of(tmp_path_factory):
    """A function that starts a fleet with settings of its own."""
    running = []

    def start(**settings):
        generator = run_pop_fleet(tmp_path_factory.mktemp("pop"), **settings)
        running.append(generator)
        return next(generator)

    yield start
    for generator in running:
        for _ in generator:
            pass
