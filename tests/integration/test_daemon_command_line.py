# SPDX-License-Identifier: Apache-2.0
"""The command lines of the two daemons: the same options mean the same."""

import subprocess

import pytest

from ctl_store import BUILD

DAEMONS = ["steer-dns", "steer-pop"]
OWN = {"steer-dns": [], "steer-pop": ["--explain-config", "--new-ticket-key"]}


def run(daemon, *words):
    return subprocess.run([str(BUILD / daemon), *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("daemon", DAEMONS)
def test_help_lists_every_option(daemon):
    shown = run(daemon, "--help")
    assert shown.returncode == 0 and shown.stderr == ""
    assert f"usage: {daemon} -c FILE\n       {daemon} --check -c FILE\n" in shown.stdout
    listed = [line.split()[1] for line in shown.stdout.splitlines() if line.startswith("  -")]
    assert listed == ["--config", "--check", *OWN[daemon], "--version", "--help"]
    assert f"  {daemon} -c /etc/steer/" in shown.stdout.split("examples:\n")[1]
    assert "SIGTERM" in shown.stdout and "SIGHUP" in shown.stdout
    assert run(daemon, "-h").stdout == shown.stdout


@pytest.mark.parametrize("daemon", DAEMONS)
def test_version_is_one_line(daemon):
    shown = run(daemon, "--version", "--check")
    assert shown.returncode == 0 and shown.stdout.startswith(f"{daemon} ")
    assert shown.stdout.count("\n") == 1
    assert run(daemon, "-V").stdout == shown.stdout


@pytest.mark.parametrize("daemon", DAEMONS)
@pytest.mark.parametrize("words,problem", [
    ([], "which node file? Name it with -c FILE"),
    (["--check"], "which node file? Name it with -c FILE"),
    (["-c"], "--config needs a FILE"),
    (["node.yaml"], "unexpected 'node.yaml'; the node file goes behind -c"),
    (["--chekc"], "unknown option '--chekc'; did you mean 'check'?"),
])
def test_what_cannot_be_understood_ends_with_2(daemon, words, problem):
    refused = run(daemon, *words)
    assert refused.returncode == 2 and refused.stdout == ""
    assert refused.stderr == f"{daemon}: {problem}\ntry: {daemon} --help\n"


@pytest.mark.parametrize("daemon", DAEMONS)
def test_check_and_run_name_a_node_file_that_is_not_there(daemon, tmp_path):
    file = str(tmp_path / "none.yaml")
    checked = run(daemon, "--check", f"-c{file}")
    assert checked.returncode == 2 and f"{file}: 1 error, 0 warnings" in checked.stdout
    started = run(daemon, "--config", file)
    assert started.returncode == 1 and file in started.stderr


@pytest.mark.parametrize("option", OWN["steer-pop"])
def test_own_options_print_and_end(option):
    shown = run("steer-pop", option)
    assert shown.returncode == 0 and shown.stderr == "" and shown.stdout.endswith("\n")
    refused = run("steer-dns", option)
    assert refused.returncode == 2 and f"unknown option '{option}'" in refused.stderr
