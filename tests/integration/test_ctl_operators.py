# SPDX-License-Identifier: Apache-2.0
"""Several operators on one store: at once, in turns, and as different users."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

from ctl_store import DEADLINE_S, ROOT, STEER, Store, because, terminal


# ---- at once -------------------------------------------------------------------------------------


def test_many_operators_at_once(store):
    """Eight processes on different sites: all or 'someone was faster', and nothing lost."""
    store.node("dns-1")
    words = [(verb, site) for _ in range(2) for verb, site in
             [("drain", "ams1"), ("drain", "gru1"), ("evacuate", "us-east"), ("evacuate", "us-west")]]
    running = [subprocess.Popen([STEER, verb, site, "--reason", "race"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "STEER_STORE": str(store.folder)})
               for verb, site in words]
    codes = [(process.communicate(timeout=DEADLINE_S), process.returncode)[1] for process in running]
    assert set(codes) <= {0, 4}
    document = store.document()
    assert document["gen"] == len(store.log())
    modes = {**document["regions"], **document["pops"]}
    for (_, site), code in zip(words, codes):
        if code == 0:
            assert site in modes
    store.steer("history")


def test_conflict_about_the_same_site_is_told(store):
    """While the operator thinks, someone else changes the very site: exit 4, and what they did."""
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    with terminal(store, "evacuate", "us-west") as (process, read_until, write):
        read_until("anything else to stop: ")
        path = store.folder / "document.json"
        document = json.loads(path.read_text())
        document["gen"] += 1
        document["op"] = {"id": "x", "who": "raj", "why": "sea1 flaps", "at": 1}
        document["regions"]["us-west"] = {"mode": "draining"}
        path.write_text(json.dumps(document))
        write("us-west\n")
        assert process.wait(DEADLINE_S) == 4
        assert "by raj" in read_until(None)
    assert store.document()["regions"]["us-west"]["mode"] == "draining"


# ---- as different users --------------------------------------------------------------------------


DAEMON, ANA, BEA, GROUP = 61001, 61002, 61003, 61100  # nobody's, so that nothing of theirs is around


@pytest.fixture
def shared_store():
    """A folder that users may come to, unlike pytest's own."""
    if os.geteuid() != 0:
        pytest.skip("only root can become several users")
    top = pathlib.Path(tempfile.mkdtemp(prefix="steer-users-"))
    top.chmod(0o755)
    one = Store(top / "store")
    one.program = shutil.copy(STEER, top / "steer")
    shutil.copy(ROOT / "config/examples/topology.yaml", top)
    yield one
    shutil.rmtree(top)


def change(store, verb, **who):
    return store.steer(*because(verb, "us-east", "--topology", str(store.folder.parent / "topology.yaml")), **who)


def own(folder, user, group, mode):
    folder.mkdir()
    os.chown(folder, user, group)
    folder.chmod(mode)


def test_operators_of_a_group_take_turns(shared_store):
    own(shared_store.folder, DAEMON, GROUP, 0o2775)
    for number, (user, mask) in enumerate([(ANA, 0o077), (BEA, 0o022), (DAEMON, 0o077), (ANA, 0o027)], 1):
        verb = "evacuate" if number % 2 else "restore"
        change(shared_store, verb, user=user, group=user, extra_groups=[GROUP], umask=mask)
        assert shared_store.document()["gen"] == number
    shared_store.steer("history", user=61004, group=61004, extra_groups=[])  # who only looks


def test_what_root_does_locks_nobody_out(shared_store):
    """`sudo steer` as the first command, or under a tight umask: servers are another user."""
    os.chown(shared_store.folder.parent, DAEMON, DAEMON)
    shared_store.steer("store", "init", umask=0o077)
    change(shared_store, "evacuate", umask=0o077)
    for path in [shared_store.folder, *shared_store.folder.rglob("*")]:
        assert path.stat().st_uid == DAEMON, path
        assert path.stat().st_mode & 0o044 == 0o044, path
    change(shared_store, "restore", user=DAEMON, group=DAEMON, extra_groups=[])


def test_links_in_the_store_are_not_followed(shared_store):
    """Root works in a folder of the servers' user: who took that over must not get further."""
    own(shared_store.folder, DAEMON, DAEMON, 0o755)
    secret = shared_store.folder.parent / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    for name in ("log.ndjson", "lock"):
        (shared_store.folder / name).unlink(missing_ok=True)
        (shared_store.folder / name).symlink_to(secret)
        change(shared_store, "evacuate", check=5)
        (shared_store.folder / name).unlink(missing_ok=True)
    temporary = shared_store.folder / "document.json.tmp"
    temporary.symlink_to(secret)
    change(shared_store, "evacuate")  # what a killed writer left, whatever it is, is in nobody's way
    temporary.hardlink_to(secret)
    change(shared_store, "restore")
    assert secret.read_text() == "secret" and secret.stat().st_mode & 0o777 == 0o600
    assert secret.stat().st_uid == 0
