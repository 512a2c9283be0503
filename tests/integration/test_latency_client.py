# SPDX-License-Identifier: Apache-2.0
"""What the latency bench's client and its measure of plain TCP tell: the order of events, never how long they took."""

import json
import signal
import socket
import subprocess

import pytest

from fleet import BUILD, DEADLINE_S
from loopback import Daemon, free_ports, wait_for

CLIENT = BUILD / "tests/bench/latency_client"
BARE = BUILD / "tests/bench/latency/bare"
ORDER = ("connect", "handshake", "sent", "first", "last")
FIELDS = {"sample", "request", "stream", "connection", "at", "began", "status", "bytes", "resumed", "tls", "error",
          "request_id", *ORDER}


def run(*words):
    return subprocess.run([str(CLIENT), *(str(word) for word in words)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, check=False, timeout=DEADLINE_S)


def target(fleet, address=None, port=None):
    node = fleet.nodes["gru1"]
    return ["--to", f"{address or node.address}:{port or node.port}", "--host", "www.example.com",
            "--ca", fleet.certs / "ca.pem", "--timeout", DEADLINE_S]


def rows_of(text):
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        assert set(row) == FIELDS
        times = [row[name] for name in ORDER if row[name] is not None]
        assert times == sorted(times) and all(time >= 0 for time in times), row
    return rows


def ask(fleet, *words):
    done = run(*target(fleet), *words)
    assert (done.returncode, done.stderr) == (0, "")
    return rows_of(done.stdout)


@pytest.mark.parametrize("http", ["h1", "h2"])
@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_a_sample_is_one_connection(pop_fleet, http, tls, resume):
    rows = ask(pop_fleet, "--http", http, "--tls", tls, *resume, "--samples", 3, "--every", 1, "--requests", 2,
               "--path", "/bytes/1000", "--path", "/status/404")
    assert sorted((row["sample"], row["request"], row["status"]) for row in rows) == [
        (sample, request, status) for sample in range(3) for request, status in ((0, 200), (1, 404))]
    assert len({row["request_id"] for row in rows}) == 6
    for row in rows:
        assert (row["tls"], row["resumed"], row["error"]) == (tls, bool(resume), None)
        assert (row["connect"] is None) == (row["handshake"] is None) == (row["request"] == 1)
        assert row["bytes"] == 1000 or row["request"] == 1


@pytest.mark.parametrize("http", ["h1", "h2"])
def test_requests_at_once_share_a_connection_of_http2_only(pop_fleet, http):
    rows = ask(pop_fleet, "--http", http, "--parallel", 4, "--requests", 2, "--path", "/bytes/100000")
    assert [row["error"] for row in rows] == [None] * 8
    assert {row["bytes"] for row in rows} == {100000}
    assert len({row["connection"] for row in rows}) == (1 if http == "h2" else 4)


@pytest.mark.parametrize("http", ["h1", "h2"])
def test_post_is_executed_once_with_its_content(pop_fleet, http):
    row, = ask(pop_fleet, "--http", http, "--method", "POST", "--body", 200000)
    executed = [entry for entry in pop_fleet.executed() if entry["id"] == row["request_id"]]
    assert [entry["method"] for entry in executed] == ["POST"] and row["status"] == 200, row


def test_chunks_of_http1_are_not_content(pop_fleet):
    row, = ask(pop_fleet, "--http", "h1", "--path", "/drip/3/1")
    assert row["error"] is None and row["bytes"] > 0 and row["bytes"] % 3 == 0


@pytest.mark.parametrize("http", ["h1", "h2"])
def test_timeout_is_a_row(pop_fleet, http):
    def is_sent():
        row, = rows_of(run(*target(pop_fleet)[:-1], "0.3", "--http", http, "--path", "/slow/60000").stdout)
        assert (row["error"], row["status"], row["first"]) == ("timeout", None, None)
        return row["sent"] is not None  # a busy machine may not come so far in the time

    wait_for("the request is sent, then its time is over", is_sent)


@pytest.mark.parametrize("mode", [("--samples", 2), ("--stream", "0.05", "--every", 10), ("--resume",)])
def test_closed_port_is_a_row(pop_fleet, mode):
    words = target(pop_fleet, "127.0.0.1", free_ports(1)[0])
    done = run(*words, *mode)
    rows = rows_of(done.stdout)
    assert done.returncode == 0 and rows
    assert {row["error"] for row in rows} == {"connect: Connection refused"}
    assert {row["last"] for row in rows} == {None}


def test_wrong_name_is_a_row(pop_fleet):
    row, = ask(pop_fleet, "--host", "other.example.org")
    assert row["error"] == "handshake: hostname mismatch"


@pytest.mark.parametrize("http", ["h1", "h2"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_stream_goes_on_with_a_new_connection(own_pop_fleet, http, how):
    node = own_pop_fleet.nodes["gru1"]
    words = [str(word) for word in (CLIENT, *target(own_pop_fleet), "--http", http, "--stream", DEADLINE_S, "--every",
                                    20)]
    client = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    rows = []

    def read_until(is_enough):
        while not is_enough(rows[-1:]):
            rows.extend(rows_of(client.stdout.readline()))

    try:
        read_until(lambda last: last and last[0]["status"] == 200)
        node.signal(how)
        wait_for("the end of the PoP", lambda: not node.is_running())
        read_until(lambda last: last[0]["error"] is not None)
        before = rows[-1]["connection"]
        node.start()
        read_until(lambda last: last[0]["status"] == 200 and last[0]["connection"] > before)
    finally:
        client.kill()
        client.communicate()
    # On a machine that is slow enough several are under way when the connection ends; these fail in any order.
    answered = [row["request"] for row in rows if row["status"] == 200]
    assert answered == sorted(answered) or http == "h2"
    assert {row["error"] for row in rows} - {None}


def test_silent_server_is_left(pop_fleet):
    """What accepts and says nothing: each request times out on a connection of its own."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        words = target(pop_fleet, "127.0.0.1", silent.getsockname()[1])[:-1]
        rows = rows_of(run(*words, "0.1", "--requests", 2).stdout)
    assert [(row["error"], row["connection"], row["handshake"]) for row in rows] == [("timeout", 0, None),
                                                                                    ("timeout", 1, None)]


@pytest.mark.parametrize("words,complaint", [
    (["--frob"], "unknown option '--frob'"),
    (["--samples"], "'--samples' needs a value"),
    (["--samples", "0"], "--samples must be a whole number from 1 to 10000; found '0'"),
    (["--http", "h3"], "--http must be h2 or h1; found 'h3'"),
    (["--tls", "1.1"], "--tls must be 1.2 or 1.3; found '1.1'"),
    (["--to", "example.com:443"], "--to must be an address with a port"),
    (["--path", "x"], "--path must begin with /; found 'x'"),
    (["--body", "5"], "--to is missing"),
    (["--to", "127.0.0.1:1", "--host", "x", "--ca", "x", "--body", "5"], "--body needs --method POST"),
    (["--to", "127.0.0.1:1", "--host", "x", "--ca", "x", "--stream", "1", "--every", "0"], "--stream needs --every"),
    (["more"], "unexpected 'more'"),
])
def test_bad_options_end_with_2(words, complaint):
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr and done.stderr.count("\n") == 1


def test_unreadable_authorities_end_with_1(tmp_path):
    done = run("--to", "127.0.0.1:1", "--host", "x", "--ca", tmp_path / "none.pem")
    assert (done.returncode, done.stdout) == (1, "") and "none.pem" in done.stderr


def test_help_names_every_option():
    done = run("--help")
    assert done.returncode == 0
    for option in ("--to", "--host", "--ca", "--http", "--tls", "--resume", "--path", "--method", "--body", "--samples",
                   "--every", "--requests", "--pause", "--parallel", "--timeout", "--stream"):
        assert f"  {option} " in done.stdout


def ask_bare(*words):
    return subprocess.run([str(BARE), *(str(word) for word in words)], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False, timeout=DEADLINE_S)


def test_plain_tcp_tells_every_exchange_but_the_first(tmp_path):
    port, = free_ports(1)
    question = ("ask", "127.0.0.1", port, 400, 200000, 100001, 3, 1)
    server = Daemon("bare", [BARE, "serve", "127.0.0.1", port], tmp_path).start()
    try:
        wait_for("it listens", lambda: ask_bare(*question).returncode == 0)
        for _ in range(2):  # one connection after the other
            done = ask_bare(*question)
            assert (done.returncode, done.stderr) == (0, "")
            assert len(done.stdout.split()) == 3 and all(float(took) > 0 for took in done.stdout.split())
    finally:
        server.kill()
    done = ask_bare(*question)
    assert (done.returncode, done.stdout) == (1, "") and "cannot connect: Connection refused" in done.stderr


@pytest.mark.parametrize("words", [
    (), ("serve", "127.0.0.1"), ("ask", "127.0.0.1", 1), ("ask", "127.0.0.1", 1, 7, 1, 1, 1, 0),
    ("ask", "127.0.0.1", 1, 8, 10, 11, 1, 0), ("ask", "127.0.0.1", 1, 8, 10, 1, 0, 0), ("ask", "127.0.0.1", 1, 8, 10, 1, 1, "x"),
])
def test_plain_tcp_wants_numbers_that_fit(words):
    done = ask_bare(*words)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.startswith("usage: bare serve")
