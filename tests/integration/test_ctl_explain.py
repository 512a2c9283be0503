# SPDX-License-Identifier: Apache-2.0
"""`steer explain`: asked of a node, whose admin socket is played here, or computed from files."""

import contextlib
import hashlib
import json
import pathlib
import socket
import threading

import pytest

from ctl_store import DEADLINE_S, because, examples, files


# ---- a node's answer -----------------------------------------------------------------------------


EXPLANATION = {
    "name": "api.example.com.", "map": "api", "client": "203.0.113.0/24", "client_from": "ecs",
    "scope": 26, "special": False, "rule": {"index": 0, "from": "any", "line": 7},
    "cell": {"id": 3, "candidates": ["us-west"]},
    "sites": [{"name": "us-west", "kind": "region", "mode": "active", "source": "default",
               "chosen": True, "addresses": ["192.0.2.2"]}],
    "answer": ["us-west"], "level": "base", "moving": False, "ttl": 60, "gen": 1, "epoch": "E",
}


@contextlib.contextmanager
def admin(path, status, body):
    """Answers one request on a unix socket; yields the request lines that came."""
    asked, kept = [], []
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    server.bind(str(path))
    server.listen()

    def run():
        with contextlib.suppress(OSError):
            connection, _ = server.accept()
            kept.append(connection)
            asked.append(connection.recv(65536).decode().split("\r\n")[0])
            if body is not None:
                connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n"
                                   "Connection: close\r\n\r\n".encode() + body)
                connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(DEADLINE_S)
        for connection in kept:
            connection.close()


def ask(store, status, body, *words, check=0):
    path = store.folder.parent / "admin.sock"
    store.node("dns-1", admin=str(path))
    with admin(path, status, body) as asked:
        done = store.steer("explain", "api.example.com", "--from", "192.0.2.53", *words, check=check)
    return done, asked


@pytest.mark.parametrize("wrap", [lambda one: one, lambda one: {"explanations": [one]},
                                  lambda one: {"explanations": one}])
def test_explain_asks_a_node(store, wrap):
    body = json.dumps(wrap(EXPLANATION)).encode()
    done, asked = ask(store, 200, body, "--ecs", "203.0.113.0/24")
    assert asked == ["GET /explain?name=api.example.com&from=192.0.2.53&ecs=203.0.113.0%2F24 "
                     "HTTP/1.1"]
    assert "us-west" in done.stdout and "192.0.2.2" in done.stdout
    assert "not all treated alike" in done.stderr, "scope 26 is longer than the 24 asked for"


def test_explain_cleans_what_a_node_says(store):
    evil = {**EXPLANATION, "name": "a\033[2Jb", "answer": ["x\u009b31m"]}
    done, _ = ask(store, 200, json.dumps(evil).encode())
    assert "\033" not in done.stdout and "\u009b" not in done.stdout and "a?[2Jb" in done.stdout


def test_explain_as_json(store):
    done, _ = ask(store, 200, json.dumps(EXPLANATION).encode(), "--json")
    answer = json.loads(done.stdout)
    assert answer["by"] == "dns-1" and answer["explanations"] == [EXPLANATION]


@pytest.mark.parametrize("status, body, code, says", [
    (404, b'{"v":1,"error":"no such name; did you mean x?"}', 2, "did you mean x?"),
    (400, b'{"v":1,"error":"bad"}', 2, "bad"),
    (503, b'{"v":1,"error":"stopping"}', 5, "stopping"),
    (200, b"not json", 5, "not JSON"),
    (200, b"", 5, "expected JSON"),
    (200, b"x" * (17 << 20), 5, "too large"),
    (200, None, 5, "imeout"),
], ids=["unknown", "invalid", "stopping", "garbage", "empty", "huge", "silent"])
def test_explain_bad_answers(store, status, body, code, says):
    done, _ = ask(store, status, body, "--timeout", "500ms" if body is None else "30s", check=code)
    assert says in done.stderr


def test_explain_without_a_node(store):
    store.node("dns-1", admin="/nonexistent.sock").die()
    words = ("explain", "api.example.com", "--from", "192.0.2.53")
    assert "--config" in store.steer(*words, check=5).stderr
    store.node("dns-2", admin="/nonexistent.sock")
    assert "/nonexistent.sock" in store.steer(*words, check=5).stderr
    assert "did you mean 'dns-2'" in store.steer(*words, "--node", "dns-3", check=2).stderr


# ---- computed ------------------------------------------------------------------------------------


def test_explain_computes_from_a_pop_node_file(store, tmp_path):
    folder = examples(tmp_path / "examples")
    pop = folder / "pop.yaml"
    pop.write_text(pop.read_text().replace("/var/lib/steer/store", str(store.folder)))
    words = ("explain", "api.example.com", "--from", "192.0.2.53", "--config", str(pop), "--json")
    assert json.loads(store.steer(*words).stdout)["explanations"][0]["answer"]


def test_explain_says_what_its_answer_rests_on(store, tmp_path):
    """--store wins over the node file's; where no document can be read, nobody takes the answer for the fleet's."""
    node, _ = files(tmp_path)
    gone, state = tmp_path / "gone", tmp_path / "state"
    pathlib.Path(node).write_text(pathlib.Path(node).read_text() +
                                  f"store: {{ directory: {gone} }}\nstate: {state}\n")
    store.node("dns-1")
    words = ("explain", "api.example.com", "--from", "192.0.2.53", "--config", node, "--json")
    done = store.steer(*words)
    before = json.loads(done.stdout)["explanations"][0]
    assert str(gone) in done.stderr and "without orders" in done.stderr
    store.steer(*because("evacuate", before["answer"][0]))
    done = store.steer(*words, "--store", str(store.folder))
    after = json.loads(done.stdout)["explanations"][0]
    assert done.stderr == "" and after["gen"] == 1 and before["answer"] != after["answer"]
    state.mkdir()
    kept = (store.folder / "document.json").read_bytes()
    (state / f"document-{1:020}-{hashlib.sha256(kept).hexdigest()[:16]}.json").write_bytes(kept)
    done = store.steer(*words)
    assert "last good document" in done.stderr and json.loads(done.stdout)["explanations"][0] == after


def test_explain_without_a_server(store, tmp_path):
    node, _ = files(tmp_path)
    pathlib.Path(node).write_text(pathlib.Path(node).read_text() +
                                  f"store: {{ directory: {store.folder} }}\n")
    store.node("dns-1")
    words = ("explain", "api.example.com", "--from", "192.0.2.53", "--config", node, "--json")
    before = json.loads(store.steer(*words).stdout)["explanations"][0]
    store.steer(*because("evacuate", before["answer"][0]))
    after = json.loads(store.steer(*words).stdout)["explanations"][0]
    assert before["answer"] != after["answer"] and after["gen"] == 1 and after["moving"] is True
