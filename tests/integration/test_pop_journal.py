# SPDX-License-Identifier: Apache-2.0
"""The journal test (tests/chaos/journal) in its short form."""

import subprocess
import sys

import pytest

from fleet import BUILD, ROOT

SECONDS = 30


@pytest.mark.timeout(400)
def test_nothing_is_duplicated_lost_or_mixed_up_while_regions_die():
    words = [sys.executable, str(ROOT / "tests/chaos/journal"), "--seconds", str(SECONDS), "--build", str(BUILD)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    print(done.stdout[-6000:])
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-3000:]
