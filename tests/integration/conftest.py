# SPDX-License-Identifier: Apache-2.0
"""Fixtures: real steer-dns processes on loopback, port 0, one store per test; always reaped."""

import pytest

from fleet import Fleet


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
