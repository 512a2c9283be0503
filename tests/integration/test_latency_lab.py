# SPDX-License-Identifier: Apache-2.0
"""The latency lab in its short form: verdicts in whole round trips, which hang on no machine's speed."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from fleet import BUILD, ROOT, wait_for
from test_wan import WAN, find_obstacle

LAB = str(ROOT / "tests/bench/latency/lab")
LAB_SECONDS = 400
pytestmark = pytest.mark.timeout(LAB_SECONDS + 60)


@pytest.fixture(scope="module", autouse=True)
def _possible():
    assert WAN == str(BUILD / "wan")
    obstacle = find_obstacle()
    if obstacle is not None and any(word in obstacle for word in ("namespace", "/dev/net/tun", "cannot keep mounts inside")):
        pytest.skip(obstacle)
    assert obstacle is None


def run_lab(tmp_path, *words):
    """(exit status, results, what it said) of `lab --short --strict`. A world that could not be set up says nothing
    about round trips: once more, and the reason is printed."""
    first = run_lab_once(tmp_path, *words)
    if first[1] is not None:
        return first
    print(f"once more, for it ended without a result:\n{first[2]}")
    return run_lab_once(tmp_path, *words)


def run_lab_once(tmp_path, *words):
    target = tmp_path / "latency.json"
    done = subprocess.run([LAB, "--short", "--strict", "--json", str(target), *words], capture_output=True, text=True,
                          check=False, timeout=LAB_SECONDS, cwd=ROOT)
    results = json.loads(target.read_text()) if target.exists() else None
    return done.returncode, results, done.stdout + done.stderr


def failures(results):
    return [one["text"] for one in results["verdicts"] if not one["ok"]]


def test_round_trips_are_as_few_as_they_can_be(tmp_path):
    status, results, said = run_lab(tmp_path)
    assert results is not None, said
    assert failures(results) == [], said
    assert status == 0, said
    assert len(results["verdicts"]) >= 9


def test_a_pop_that_starts_without_warm_connections_is_found_out(tmp_path):
    # So far away that connections cannot be made while the client still shakes hands.
    far = [f"--delay=pop:{region}=240ms" for region in ("region1", "region2")]
    status, results, said = run_lab(tmp_path, "--only", "^after-start$", "--backbone", "warm: 0s", *far)
    assert status == 1 and len(failures(results)) == 1, said


def test_a_round_trip_too_many_is_found_out(tmp_path):
    """TLS 1.2 where 1.3 is expected, to the PoP and without one."""
    status, results, said = run_lab(tmp_path, "--only", "^first-tls1.3-h2$", "--tls", "1.2")
    assert status == 1 and len(failures(results)) == 2, said
    assert all("3 client round trips to the first request byte, 2 wanted" in text for text in failures(results)), said


def children_of(pid):
    done = subprocess.run(["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True, check=False)
    found = [int(word) for word in done.stdout.split()]
    return found + sum((children_of(child) for child in found), [])


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def state_of(pid):
    """A letter as ps writes it; None when there is no such process. A dead orphan may wait for who buries it."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return None


KEEP_AWAKE = """
import sys
sys.path.insert(0, sys.argv[1])
from awake import Awake
with Awake() as awake:
    print(awake.is_on(), *(one.pid for one in awake.processes), flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("is_killed", [False, True])
def test_cpus_are_kept_awake_no_longer_than_wanted(is_killed):
    if subprocess.run(["chrt", "--idle", "0", "true"], capture_output=True, check=False, timeout=60).returncode != 0:
        pytest.skip("the policy SCHED_IDLE is not to be had here")
    words = [sys.executable, "-B", "-c", KEEP_AWAKE, str(ROOT / "tests/bench/latency")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        said, *pids = process.stdout.readline().split()
        assert said == "True" and len(pids) == len(os.sched_getaffinity(0))
        assert all(os.sched_getscheduler(int(pid)) == os.SCHED_IDLE for pid in pids)
        if is_killed:
            process.kill()
        else:
            process.stdin.close()
        wait_for("nothing spins", lambda: not any(state_of(pid) not in (None, "Z", "X") for pid in pids))


def start_lab(tmp_path):
    """In its first row, and in a folder too deep for the addresses of its sockets."""
    deep = tmp_path / ("deep" * 20)
    deep.mkdir()
    process = subprocess.Popen([LAB, "--short", "--json", str(tmp_path / "latency.json")], stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, text=True, cwd=ROOT, start_new_session=True,
                               env={**os.environ, "TMPDIR": str(deep)})
    for line in process.stdout:
        print(line, end="")
        if "first connection" in line:
            return process
    process.wait()
    pytest.fail("it did not come to its first row; what it said is above")


def test_ctrl_c_leaves_nothing(tmp_path):
    process = start_lab(tmp_path)
    try:
        started = children_of(process.pid)
        assert len(started) > 5
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(LAB_SECONDS) == 130
    finally:
        process.kill()
        process.communicate()
    wait_for("all are gone", lambda: not any(is_alive(pid) for pid in started))
