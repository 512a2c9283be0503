# SPDX-License-Identifier: Apache-2.0
"""The Makefile makes anew what other command lines made, and nothing else; and the same in every folder."""

import os
import pathlib
import subprocess

import pytest

from fleet import BUILD, ROOT

# The smallest of everything: an archive of one layer and a test that is linked with it.
PROGRAM = "tests/unit/steering/base/err_test"
COMPILED = "steering/base/err.c"


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """A function that runs make with a folder of its own: its status, and what it says that it does."""
    folder = tmp_path_factory.mktemp("build")
    # The make that runs the tests hands its variables down; here only those of the test count.
    env = {name: value for name, value in os.environ.items()
           if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "BUILD", "CC", "V")}

    def run(*words, status=0):
        done = subprocess.run(["make", "--no-print-directory", "BUILD=tiny", f"B={folder}", f"{folder}/{PROGRAM}", *words],
                              cwd=ROOT, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    run("-j2")
    return run


def test_a_second_make_does_nothing(build):
    assert build("-q") == ""
    assert not [line for line in build().splitlines() if line.startswith(("  CC", "  AR", "  LD"))]


@pytest.mark.parametrize("change", ["CC=clang", "EXTRA_CFLAGS=-DOTHER='\"a b\"'", "CFLAGS_tiny=-O0"])
def test_another_way_to_compile_makes_everything_anew(build, change):
    build("-q", change, status=1)
    todo = build("-n", change)
    assert f"CC {COMPILED}" in todo and "LD " in todo


@pytest.mark.parametrize("change", ["EXTRA_LDFLAGS=-Wl,-O1", "STATIC_NGHTTP2=1"])
def test_another_way_to_link_keeps_the_objects(build, change):
    if "NGHTTP2" in change and not list(pathlib.Path("/usr/lib").glob("**/libnghttp2.a")):
        pytest.skip("without the archive there is one way only")
    build("-q", change, status=1)
    todo = build("-n", change)
    assert "LD " in todo and "CC " not in todo


def test_the_new_way_is_remembered(build):
    build("EXTRA_LDFLAGS=-Wl,-O1")
    build("-q", "EXTRA_LDFLAGS=-Wl,-O1")
    build("-q", status=1)


@pytest.mark.parametrize("program", ["steer", "steer-dns", "steer-pop"])
def test_a_program_does_not_tell_where_it_was_built(program):
    """Nor do its debug symbols: the same sources make the same program, wherever they lie."""
    assert str(ROOT).encode() not in (BUILD / program).read_bytes()
