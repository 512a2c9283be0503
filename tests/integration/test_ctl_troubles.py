# SPDX-License-Identifier: Apache-2.0
"""A store that is damaged, wiped, full, read-only, or on a disk that does not answer."""

import ctypes
import os
import pathlib
import shutil
import stat
import subprocess

import pytest

from ctl_store import STEER, TOPOLOGY, because
from fleet import DEADLINE_S


@pytest.mark.parametrize("damage", [None, "", "garbage", "{}", "[]"])
def test_damaged_document_is_refused_and_repaired(store, damage):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    path = store.folder / "document.json"
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    refused = store.steer(*because("restore", "us-east"), check=5)
    assert "steer store repair" in refused.stderr
    assert (path.read_text() if path.exists() else None) == damage
    assert "committed gen 2" in store.steer("store", "repair").stdout
    assert store.document()["regions"]["us-east"]["mode"] == "evacuated"
    assert "nothing to repair" in store.steer("store", "repair").stdout
    store.steer(*because("restore", "us-east"))
    store.steer("history")


def test_wiped_store_is_not_begun_anew_under_living_nodes(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    kept = (store.folder / "document.json").read_text()
    epoch = store.document()["epoch"]
    for path in store.folder.iterdir():
        if path.name != "nodes":
            subprocess.run(["rm", "-r", path], check=True)
    assert "it was lost" in store.steer(*because("restore", "us-east"), check=5).stderr
    assert "epoch" in store.steer("store", "init", check=3).stderr
    good = store.folder.parent / "last-good.json"
    good.write_text(kept)
    store.steer("store", "repair", "--from", str(good))
    assert store.document()["epoch"] == epoch and store.document()["gen"] == 2
    store.steer(*because("restore", "us-east"))
    store.steer("history")


def test_a_mistyped_store_is_named(store):
    words = ("--store", f"{store.folder}-typo")
    refused = store.steer(*because("evacuate", "us-east"), *words, check=5)
    assert f"no store in '{store.folder}-typo'" in refused.stderr and "No such file" in refused.stderr
    assert not store.folder.with_name(f"{store.folder.name}-typo").exists()


def test_init_twice(store):
    assert "made a new store, gen 1" in store.steer("store", "init").stdout
    assert store.steer("store", "init").stdout == f"'{store.folder}' is a store already, gen 1\n"
    assert store.steer("store", "path").stdout.strip() == str(store.folder)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare(1)")
def test_full_disk_writes_nothing(store):
    """On a disk of 64 KiB in a mount namespace of its own, filled to the brim."""
    script = f"""
set -e
mount -t tmpfs -o size=64k tmpfs {store.folder}
{STEER} store init
digest=$(sha256sum < {store.folder}/document.json)
dd if=/dev/zero of={store.folder}/filler bs=4k 2>/dev/null || true
code=0; {STEER} evacuate us-east --topology {store.folder}.yaml --reason x || code=$?
test $code = 5
test "$digest" = "$(sha256sum < {store.folder}/document.json)"
{STEER} history
rm {store.folder}/filler
{STEER} evacuate us-east --topology {store.folder}.yaml --reason x
"""
    pathlib.Path(f"{store.folder}.yaml").write_text(TOPOLOGY)
    probe = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no user namespaces here")
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, "STEER_STORE": str(store.folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No space left on device" in done.stderr and "nothing was written" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder_writes_nothing(store):
    store.node("dns-1")
    store.steer("store", "init")
    store.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        store.steer(*because("evacuate", "us-east"), check=5)
    finally:
        store.folder.chmod(0o755)
    assert store.document()["gen"] == 1


# ---- a commit that cannot be told ----------------------------------------------------------------


@pytest.mark.parametrize("words", [because("evacuate", "us-east"), because("drain", "gru1", "--json"),
                                   ("store", "init"), ("store", "init", "--json")])
@pytest.mark.parametrize("sink", ["/dev/full", "a pipe that nobody reads"])
def test_exit_code_tells_the_commit_without_standard_output(store, words, sink):
    store.node("dns-1")
    if sink == "/dev/full":
        out = os.open(sink, os.O_WRONLY)
    else:
        reader, out = os.pipe()
        os.close(reader)
    try:
        done = subprocess.run([STEER, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE, text=True,
                              check=False, env={**os.environ, "STEER_STORE": str(store.folder)})
    finally:
        os.close(out)
    assert done.returncode == 0 and store.document()["gen"] == 1, done
    assert "steer: cannot write to standard output; gen 1 is committed\n" in done.stderr


def test_readers_say_that_standard_output_is_full(store):
    store.steer("store", "init")
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([STEER, "status"], stdin=subprocess.DEVNULL, stdout=full, stderr=subprocess.PIPE,
                              text=True, check=False, env={**os.environ, "STEER_STORE": str(store.folder)})
    assert done.returncode == 1
    assert done.stderr == "steer: cannot write to standard output\n"


def test_commit_whose_nodes_cannot_be_looked_at(store):
    """It is committed, and that is what the exit code tells; not "nothing was written"."""
    store.node("dns-1", obeys=False)
    nodes = store.folder / "nodes"
    with subprocess.Popen([STEER, *because("evacuate", "us-east"), "--timeout", "60s"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          preexec_fn=give_up_root_powers,
                          env={**os.environ, "STEER_STORE": str(store.folder)}) as process:
        try:
            assert process.stdout.readline().startswith("committed gen 1")
            nodes.chmod(0)
            _, told = process.communicate(timeout=DEADLINE_S)
        finally:
            nodes.chmod(0o755)
            process.kill()
    assert process.returncode == 7, told
    assert "cannot read the folder" in told and "gen 1 is committed, but which nodes obey it cannot be seen" in told


def test_nodes_that_are_out_of_sight_are_waited_for(store):
    """Whoever removes the folder of the nodes acknowledges nothing for them."""
    roles = (("dns-1", "dns"), ("gru1-a", "pop"))
    for name, role in roles:
        store.node(name, role=role, obeys=False)
    with subprocess.Popen([STEER, *because("evacuate", "us-east"), "--timeout", "120s"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "STEER_STORE": str(store.folder)}) as process:
        try:
            assert process.stdout.readline().startswith("committed gen 1")
            (store.folder / "nodes").rename(store.folder.parent / "removed")
            for node in store.nodes:
                node.die()
            with pytest.raises(subprocess.TimeoutExpired):  # who is too slow to give up passes, too
                process.wait(1)
            for name, role in roles:
                store.node(name, role=role)
            told, _ = process.communicate(timeout=DEADLINE_S)
        finally:
            process.kill()
    assert process.returncode == 0
    assert "dns 1/1 (2 workers)  pop 1/1" in told and "no living node" not in told


def test_nodes_that_stay_out_of_sight_are_not_converged(store):
    store.node("dns-1", obeys=False)
    with subprocess.Popen([STEER, *because("evacuate", "us-east"), "--timeout", "3s"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**os.environ, "STEER_STORE": str(store.folder)}) as process:
        assert process.stdout.readline().startswith("committed gen 1")
        (store.folder / "nodes").rename(store.folder.parent / "removed")
        told, noted = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 7
    assert "dns 0/1" in told and "gen 1 is committed, but 1 of 1 living nodes do not obey it" in noted


# ---- a disk that does not answer -----------------------------------------------------------------


def give_up_root_powers():
    """In the child: even root must obey the modes of files (PR_CAPBSET_DROP, CAP_DAC_*). Others have no
    such powers to lose."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)


@pytest.fixture
def unsyncable(store):
    """The folder takes new files, but cannot be opened itself: what fsync confirms stays unknown."""
    store.node("dns-1")
    store.folder.chmod(0o300)
    yield store
    store.folder.chmod(0o755)


def test_unconfirmed_write_is_outcome_unknown(unsyncable):
    store, words = unsyncable, because("evacuate", "us-east")
    done = store.steer(*words, check=6, preexec_fn=give_up_root_powers)
    assert "generation 1 is in place, but the disk did not confirm it" in done.stderr
    assert "steer history -n 1" in done.stderr and "committed" not in done.stdout
    store.folder.chmod(0o755)
    # What the message promises: it is there, it is on record, and the same again does no harm.
    assert store.document()["regions"]["us-east"]["mode"] == "evacuated"
    assert "evacuate" in store.steer("history", "-n", "1").stdout
    assert "already evacuated" in store.steer(*words).stdout
    assert len(store.log()) == 1


def test_unconfirmed_write_as_json(unsyncable):
    answer = unsyncable.json(*because("drain", "gru1"), check=6, preexec_fn=give_up_root_powers)
    assert answer["ok"] is False and answer["exit"] == 6
    assert answer["error"]["code"] == "OUTCOME_UNKNOWN"
    assert unsyncable.document()["pops"]["gru1"]["mode"] == "draining"
