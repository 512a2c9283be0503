# SPDX-License-Identifier: Apache-2.0
"""The demo ends what it has started, however it is ended itself."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

from fleet import BUILD, ROOT
from loopback import wait_for

DEMO = ROOT / "build/demo"
DEADLINE_S = 200


@pytest.fixture(autouse=True)
def release_only():
    if BUILD != ROOT / "build/release":
        pytest.skip("the demo runs build/release, whatever flavour is tested")
    yield
    subprocess.run([ROOT / "tools/demo", "--stop"], check=False, timeout=DEADLINE_S)


def left():
    """The processes that live in the demo's folder."""
    found = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if pathlib.Path(os.readlink(entry / "cwd")) == DEMO:
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def hear_signals():
    """Whoever runs the tests behind our back (nohup, &) has them ignored, and a child would go on so."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def demo(*words):
    return subprocess.Popen([ROOT / "tools/demo", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True, start_new_session=True, preexec_fn=hear_signals)


def test_a_kept_fleet_can_be_stopped():
    kept = demo("--keep")
    text = kept.communicate(timeout=DEADLINE_S)[0]
    assert kept.returncode == 0, text
    info = json.loads((DEMO / "endpoints.json").read_text(encoding="utf-8"))
    told = [entry["pid"] for group in ("nodes", "origins") for entry in info[group].values()]
    assert sorted(told) == sorted(left()), "endpoints.json names other processes than there are"
    stopping = demo("--stop")
    text = stopping.communicate(timeout=DEADLINE_S)[0]
    assert stopping.returncode == 0 and not left(), text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_demo_leaves_nobody(number):
    running = demo()
    wait_for("the fleet runs", lambda: (DEMO / "endpoints.json").exists() and len(left()) > 10, DEADLINE_S)
    second = demo()
    assert "another demo is running" in second.communicate(timeout=DEADLINE_S)[0] and second.returncode == 1
    os.killpg(running.pid, number)
    text = running.communicate(timeout=DEADLINE_S)[0]
    assert running.returncode == 130 and "everything is stopped" in text, text
    assert not left()
