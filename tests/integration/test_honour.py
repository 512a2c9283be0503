# SPDX-License-Identifier: Apache-2.0
"""The bench of real resolvers, in seconds instead of minutes: that it measures, not how fast anybody is."""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from fleet import ROOT

TOOL = ROOT / "tests/bench/honour"


def load_tool():
    loader = importlib.machinery.SourceFileLoader("honour", str(TOOL))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("honour", loader))
    loader.exec_module(module)
    return module


honour = load_tool()


def test_curve_counts_by_the_moment_of_the_question():
    old, new = honour.OLD, honour.NEW
    answers = [(9.9, old), (10.0, old), (10.6, new), (12.2, old), (12.3, old), (13.1, new), (15.0, old)]
    points, last = honour.curve(answers, 10.0, old, 1, 5)
    assert points == [[0, 0.5], [2, 1.0], [3, 0.0]] and last == 2.3
    assert honour.curve([(10.5, new)], 10.0, old, 1, 5) == ([[0, 0.0]], None)
    assert honour.curve([], 10.0, old, 1, 5) == ([], None)


@pytest.mark.parametrize("points, expected", [
    ([], "····"), ([[0, 1.0], [1, 0.5], [2, 0.001], [3, 0.0]], "█▄▁·"), ([[0, 1.0]], "████"),
])
def test_sparkline_never_hides_a_rest(points, expected):
    assert honour.sparkline(points, 4, width=4) == expected


def run(*words):
    return subprocess.run([sys.executable, str(TOOL), *map(str, words)], capture_output=True, text=True,
                          check=False, timeout=110)


def test_short_run_writes_curves_that_the_report_draws(tmp_path):
    out = tmp_path / "honour.json"
    done = run("--seconds", 8, "--ttl", 1, "--ttl-moving", 1, "--clamp", 4, "--names", 20, "--seed", 5, "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(out.read_text(encoding="utf-8"))
    titles = {"unbound": "unbound, TTL 1", "bind9": "bind9, TTL 1", "clamped": "unbound, clamped to 4",
              "expired": "unbound, serve-expired"}
    wanted = {"steer-dns, no cache"} | {title for key, title in titles.items() if key not in result["left_out"]}
    assert set(result["series"]) == set(result["last_old_s"]) == wanted
    for name, program in (("unbound", "unbound"), ("bind9", "named")):
        assert (name in result["left_out"]) == (not os.access(f"/usr/sbin/{program}", os.X_OK))
    for title, points in result["series"].items():
        assert points and all(0 <= share <= 1 for _, share in points), title
        assert title in done.stdout and result["questions"][title]["asked"] > 0
    assert result["ttl"] == 1 and result["seed"] == 5 and result["second"]["series"]
    (tmp_path / "latency.json").write_text("{}", encoding="utf-8")
    drawn = subprocess.run([sys.executable, str(ROOT / "tests/bench/latency/report.py"), str(tmp_path / "latency.json")],
                           capture_output=True, text=True, check=False)
    assert drawn.returncode == 0 and "unbound, TTL 1" in drawn.stdout, drawn.stderr


@pytest.mark.parametrize("words", [["--ttl", 0], ["--ttl", 30, "--clamp", 20], ["--seconds", 1], ["--colour", 1]])
def test_nonsense_is_refused_at_once(words):
    done = run(*words)
    assert done.returncode == 2 and "error:" in done.stderr


def test_whoever_ends_it_ends_its_servers(tmp_path):
    process = subprocess.Popen([sys.executable, str(TOOL), "--seconds", "60", "--out", str(tmp_path / "x.json")],
                               stdout=subprocess.PIPE, text=True)
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while "warming" not in (line := process.stdout.readline()):
        assert line, "ended before it began to measure"
    pids = children.read_text().split()
    assert len(pids) >= 3
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]
    assert not (tmp_path / "x.json").exists()
