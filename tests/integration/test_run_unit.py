# SPDX-License-Identifier: Apache-2.0
"""Which failures of unit tests tools/run-unit forgives, and what it counts and names."""

import subprocess

import pytest

from fleet import ROOT

FINE = "[  PASSED  ] 3 test(s)."
WRONG = "[  PASSED  ] 1 test(s).\n[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] test_wrong\n\n 1 FAILED TEST(S)"
# What programs that stand in for test binaries do when they run first, and ever after: output, exit status.
BINARIES = {
    "fine": [(FINE, 0)],
    "unsteady": [(WRONG, 1), ("[  PASSED  ] 2 test(s).", 0)],
    "unsteady2": [(WRONG, 1), ("[  PASSED  ] 2 test(s).", 0)],
    "wrong": [(WRONG, 1)],
    "empty": [("", 0)],
    "sanitized": [("ERROR: AddressSanitizer: heap-use-after-free", 99), (FINE, 0)],
    "caught": [("[  ERROR   ] --- Test failed with exception: Segmentation fault(11)\n" + WRONG, 1), (FINE, 0)],
}


@pytest.fixture
def run(tmp_path):
    """A function that gives run-unit these programs: its exit status, and the lines that say something."""
    def run_unit(*names):
        paths = []
        for name in names:
            folder = tmp_path / name
            folder.mkdir()
            for i, (output, status) in enumerate(BINARIES[name]):
                (folder / f"run{i}").write_text(f"cat <<'END'\n{output}\nEND\nexit {status}\n", encoding="utf-8")
            last = len(BINARIES[name]) - 1
            path = tmp_path / f"{name}_test"
            path.write_text(f"#!/bin/sh\nn=0\nwhile [ -e {folder}/done$n ] && [ $n -lt {last} ]; do n=$((n + 1)); done\n"
                            f"touch {folder}/done$n\n. {folder}/run$n\n", encoding="utf-8")
            path.chmod(0o755)
            paths.append(str(path))
        done = subprocess.run([str(ROOT / "tools/run-unit"), *paths], stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, check=False, timeout=60)
        told = [line.replace(f"{tmp_path}/", "") for line in done.stdout.splitlines()
                if line.startswith(("FAILED", "UNSTEADY", "=="))]
        return done.returncode, told, done.stdout.splitlines()[-1]

    return run_unit


def test_what_passes_is_counted(run):
    assert run("fine") == (0, [], "3 passed, 0 failed, 0 skipped")


def test_what_passes_the_second_time_is_named(run):
    assert run("fine", "unsteady") == (0, [
        "FAILED unsteady_test::test_wrong", "== once more, alone: unsteady_test", "UNSTEADY unsteady_test",
    ], "5 passed, 0 failed, 0 skipped")


def test_two_may_be_unsteady(run):
    status, told, last = run("unsteady", "unsteady2")
    assert (status, told[-1], last) == (0, "UNSTEADY unsteady2_test", "4 passed, 0 failed, 0 skipped")


def test_what_fails_twice_has_failed(run):
    status, told, last = run("fine", "wrong", "unsteady")
    assert (status, last) == (1, "6 passed, 1 failed, 0 skipped")
    assert told.count("FAILED wrong_test::test_wrong") == 2 and told[-1] == "UNSTEADY unsteady_test"


@pytest.mark.parametrize("names, failed", [(("sanitized",), 1), (("caught",), 1), (("empty",), 1), (("unsteady", "sanitized"), 2),
                                           (("unsteady", "unsteady2", "wrong"), 3)])
def test_crashes_findings_and_three_failures_are_never_forgiven(run, names, failed):
    status, told, last = run(*names)
    assert status == 1 and not any(line.startswith(("==", "UNSTEADY")) for line in told)
    assert last.endswith(f" {failed} failed, 0 skipped")
