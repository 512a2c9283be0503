# SPDX-License-Identifier: Apache-2.0
"""`steer` without memory: it says so, at whichever allocation, and leaves nothing half done."""

import contextlib
import http.server
import os
import random
import resource
import shutil
import signal
import socketserver
import subprocess
import threading

import pytest

from ctl_store import STEER, because, files
from fleet import BUILD, DEADLINE_S

FAULT = BUILD / "tests/integration/malloc_fault.so"
QUESTION = ("explain", "api.example.com", "--from", "192.0.2.77")


class Explainer(http.server.BaseHTTPRequestHandler):
    """A node that answers each question alike."""

    def do_GET(self):  # pylint: disable=invalid-name
        body = b'{"explanations": [{"name": "api.example.com"}]}'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "unix"


class Admin(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def explaining_node(store):
    path = store.folder.parent / "admin.sock"
    with Admin(str(path), Explainer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        store.node("dns-1", admin=str(path))
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def no_core_files():
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def run(words, folder, at=0, lasts=False, count=None):
    env = {**os.environ, "STEER_STORE": str(folder), "LD_PRELOAD": str(FAULT), "FAULT_AT": str(at),
           "SUDO_USER": ""}
    env.update({"FAULT_LASTS": "1"} if lasts else {})
    env.update({"FAULT_COUNT": str(count)} if count else {})
    return subprocess.run([STEER, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=DEADLINE_S, check=False, env=env)


def faults(words, store):
    """Which allocations shall fail: the first and the last ones, and some of those between. Most of a
    run are libcrypto's, which sets itself up with thousands of them."""
    count = store.folder.parent / "count"
    whole = run(words, store.folder, count=count)
    assert whole.returncode == 0, whole.stderr
    every = range(1, int(count.read_text()) + 1)
    seed = int(os.environ.get("STEER_SEED", random.randrange(1 << 32)))
    print(f"seed {seed}, {len(every)} allocations")
    rng = random.Random(seed)
    between = every[8:-8]
    parts = (between[:150], 25), (between[150:-100], 5), (between[-100:], 10)
    chosen = {*every[:8], *every[-8:]}
    for part, wanted in parts:
        chosen.update(rng.sample(part, min(wanted, len(part))))
    return whole, [(at, rng.random() < 0.5) for at in sorted(chosen)]


def judge(done, at):
    """An error that is told, or the end that mem.h promises; never a crash, nor silence."""
    said = f"allocation {at}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    if done.returncode == -signal.SIGABRT:
        assert done.stderr.endswith("fatal: out of memory\n"), said
    else:
        assert 0 <= done.returncode <= 7, said
        assert done.returncode == 0 or "emory" in done.stdout + done.stderr, said


@pytest.mark.parametrize("words", [("status", "--json"), ("history",), ("store", "path"), QUESTION])
def test_a_reader_tells_all_or_fails(store, words):
    store.steer(*because("evacuate", "us-east"), "--topology", files(store.folder.parent)[1])
    with explaining_node(store) if words == QUESTION else contextlib.nullcontext():
        whole, chosen = faults(words, store)
        for at, lasts in chosen:
            done = run(words, store.folder, at, lasts)
            judge(done, at)
            assert done.returncode != 0 or done.stdout == whole.stdout, at


def test_check_tells_all_or_fails(store):
    words = ("check", files(store.folder.parent)[1])
    whole, chosen = faults(words, store)
    for at, lasts in chosen:
        done = run(words, store.folder, at, lasts)
        judge(done, at)
        assert done.returncode != 0 or done.stdout == whole.stdout, at


def test_a_change_is_made_whole_or_not_at_all(store):
    words = (*because("evacuate", "us-east"), "--no-wait", "--topology", files(store.folder.parent)[1])
    store.steer("store", "init")
    fresh = store.folder.parent / "fresh"
    shutil.copytree(store.folder, fresh)

    def begin_anew():
        shutil.rmtree(store.folder)
        shutil.copytree(fresh, store.folder)

    _, chosen = faults(words, store)
    for at, lasts in chosen:
        begin_anew()
        done = run(words, store.folder, at, lasts)
        judge(done, at)
        document = store.document()
        assert document["gen"] == 1 or document["regions"]["us-east"]["mode"] == "evacuated", at
        assert done.returncode != 0 or document["gen"] == 2, at
        # Whatever it left behind: it can be finished, and the log is whole.
        store.steer(*words)
        assert store.document()["gen"] == 2, at
        assert "chain intact over 2 records" in store.steer("history").stderr, at
