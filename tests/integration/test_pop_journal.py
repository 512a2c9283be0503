# SPDX-License-Identifier: Apache-2.0
"""The journal test (tests/chaos/journal) in its short form."""

import subprocess
import sys

import pytest

from fleet import BUILD, ROOT

SECONDS, WIDE_SECONDS = 30, 25
CANNOT_RUN = 77


def run(*options):
    words = [sys.executable, str(ROOT / "tests/chaos/journal"), "--build", str(BUILD), *options]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:])
    if done.returncode == CANNOT_RUN:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]


@pytest.mark.timeout(400)
def test_nothing_is_duplicated_lost_or_mixed_up_while_regions_die():
    run("--seconds", str(SECONDS))


@pytest.mark.timeout(400)
def test_nor_over_links_that_lose_wander_and_are_cut():
    run("--wan", "--seconds", str(WIDE_SECONDS))
