# SPDX-License-Identifier: Apache-2.0
"""The `steer` command on a store without servers: nodes are played by this file, as an independent
reading of what a presence is (a JSON file, and a lock that its owner holds while it lives)."""

import contextlib
import ctypes
import fcntl
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("STEER_BUILD_DIR", ROOT / "build/release"))
if not BUILD.is_absolute():
    BUILD = ROOT / BUILD
STEER = BUILD / "steer"
DEADLINE_S = 60  # only turns a hang into a failure
REGIONS, POPS = ["eu-west", "us-east", "us-west"], ["ams1", "gru1"]


class Node:
    """Plays a server: obeys every new document by writing its presence."""

    def __init__(self, store, name, workers=2, obeys=True, reject=None, **fields):
        self.store, self.name, self.obeys, self.reject = store, name, obeys, reject
        self.fields = {"v": 1, "id": name, "role": "dns", "host": "h", "version": "0.1.0",
                       "workers": workers, "source": "store", "topology": "sha256:77",
                       "regions": REGIONS, "pops": POPS, "gen": 0, "epoch": "", **fields}
        nodes = store / "nodes"
        nodes.mkdir(exist_ok=True)
        self.path = nodes / f"{name}.json"
        self.lock = open(nodes / f"{name}.lock", "w", encoding="ascii")
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.write()
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def write(self):
        temporary = self.path.with_suffix(".json.new")
        temporary.write_text(json.dumps(self.fields))
        temporary.rename(self.path)

    def look(self):
        with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
            raw = (self.store / "document.json").read_bytes()
            document = json.loads(raw)
            if document["gen"] == self.fields["gen"]:
                return
            if self.reject:
                self.fields["rejected"] = {"gen": document["gen"], "why": self.reject}
            elif self.obeys:
                self.fields.update(gen=document["gen"], epoch=document["epoch"],
                                   digest="sha256:" + hashlib.sha256(raw).hexdigest())
            self.write()

    def run(self):
        while not self.over.wait(0.005):
            self.look()

    def die(self):
        """As after kill -9: the file stays, the lock is free."""
        self.over.set()
        self.thread.join()
        self.lock.close()


class Store:
    def __init__(self, folder):
        self.folder = folder
        self.program = STEER
        self.nodes = []

    def node(self, name, **fields):
        self.nodes.append(Node(self.folder, name, **fields))
        return self.nodes[-1]

    def document(self):
        return json.loads((self.folder / "document.json").read_text())

    def log(self):
        return [json.loads(line) for line in (self.folder / "log.ndjson").read_text().splitlines()]

    def steer(self, *words, check=0, **more):
        done = subprocess.run(
            [self.program, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=DEADLINE_S, check=False, env={**os.environ, "STEER_STORE": str(self.folder)},
            **more,
        )
        if check is not None:
            assert done.returncode == check, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *words, check=0, **more):
        lines = self.steer(*words, "--json", check=check, **more).stdout.splitlines()
        assert len(lines) == 1
        return json.loads(lines[0])


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    one = Store(folder)
    yield one
    for node in one.nodes:
        node.die()


def because(*words):
    return (*words, "--reason", "INC-4411")


# ---- changes and waiting -------------------------------------------------------------------------


def test_evacuate_and_restore_are_committed_applied_and_logged(store):
    store.node("dns-1")
    store.node("dns-2")
    done = store.steer(*because("evacuate", "us-east"))
    assert re.search(r"^committed gen 1  \d", done.stdout)
    assert re.search(r"^applied   dns 2/2 \(4 workers\)  \d", done.stdout, re.M)
    assert "undo      steer restore us-east" in done.stdout
    document = store.document()
    assert document["regions"]["us-east"]["mode"] == "evacuated"
    assert document["regions"]["us-east"]["stray"] == "proxy"
    assert document["topology"] == "sha256:77"
    store.steer(*because("restore", "us-east"))
    assert "us-east" not in store.document()["regions"]
    first, second = store.log()
    assert (first["verb"], first["site"], first["why"]) == ("evacuate", "us-east", "INC-4411")
    assert first["argv"][1:3] == ["evacuate", "us-east"]
    assert second["before"] == first["after"]


def test_json_answer_of_a_change(store):
    store.node("dns-1")
    answer = store.json(*because("drain", "gru1"))
    assert answer["ok"] is True and answer["gen"] == 1 and answer["already"] is False
    assert answer["op_id"] == store.document()["op"]["id"]
    assert answer["committed_ms"] > 0 and answer["applied_ms"] >= answer["committed_ms"]
    assert [(n["id"], n["state"], n["gen"]) for n in answer["nodes"]] == [("dns-1", "done", 1)]


def test_already_so_writes_nothing_and_says_who(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    again = store.steer(*because("evacuate", "us-east"))
    assert "already evacuated (gen 1" in again.stdout and "INC-4411" in again.stdout
    assert store.document()["gen"] == 1
    assert store.json(*because("evacuate", "us-east"))["already"] is True
    restored = store.steer(*because("restore", "us-west"))
    assert "already active" in restored.stdout


def test_no_living_node_is_said_and_fine(store):
    store.node("dns-1").die()
    done = store.steer(*because("evacuate", "us-east"))
    assert "no living node" in done.stdout
    assert "silent    dns-1 is gone; it last had gen 0" in done.stdout


def test_dead_nodes_are_named_and_not_waited_for(store):
    store.node("dns-1")
    dead = store.node("dns-2")
    store.steer(*because("evacuate", "us-east"))
    dead.die()
    done = store.steer(*because("restore", "us-east"))
    assert "dns 1/1" in done.stdout and "dns-2 is gone; it last had gen 1" in done.stdout


def test_node_that_dies_while_waited_for(store):
    node = store.node("dns-1", obeys=False)
    timer = threading.Timer(0.3, node.die)
    timer.start()
    done = store.steer(*because("evacuate", "us-east"))
    assert "dns-1 is gone" in done.stdout
    timer.join()


def test_node_that_stays_behind_is_not_converged(store):
    store.node("dns-1")
    store.node("dns-2", obeys=False)
    done = store.steer(*because("evacuate", "us-east"), "--timeout", "200ms", check=7)
    assert "dns-2 still has gen 0" in done.stderr and "dns-1" not in done.stderr
    assert store.document()["gen"] == 1, "committed all the same"
    answer = store.json("wait", "--timeout", "100ms", check=7)
    assert answer["ok"] is False
    assert {n["id"]: n["state"] for n in answer["nodes"]} == {"dns-1": "done", "dns-2": "waiting"}


def test_node_that_says_no_is_named_with_its_reason(store):
    store.node("dns-1", reject="unknown field class shifts2")
    done = store.steer(*because("evacuate", "us-east"), check=7)
    assert "dns-1 rejected gen 1: unknown field class shifts2" in done.stderr


def test_no_wait_returns_at_once(store):
    store.node("dns-1", obeys=False)
    done = store.steer(*because("evacuate", "us-east"), "--no-wait")
    assert "committed gen 1" in done.stdout and "applied" not in done.stdout


def test_wait_for_a_generation(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    store.steer("wait", "--gen", "1")
    assert "never committed" in store.steer("wait", "--gen", "9", check=2).stderr


# ---- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("words, code, says", [
    ((), 2, "steer help"),
    (("evacute", "us-east"), 2, "did you mean 'evacuate'"),
    (("evacuate", "us-eats", "--reason", "x"), 2, "did you mean 'us-east'"),
    (("evacuate", "gru1", "--reason", "x"), 2, "steer drain gru1"),
    (("drain", "us-east", "--reason", "x"), 2, "steer evacuate us-east"),
    (("evacuate", "us-east"), 2, "--reason"),
    (("evacuate", "us-east", "--reson", "x"), 2, "did you mean '--reason'"),
    (("evacuate", "us-east", "--override", "min-regions"), 2, "--override needs --reason"),
    (("evacuate", "us-east", "--override", "min-region", "--reason", "x"), 2,
     "did you mean 'min-regions'"),
    (("evacuate", "us-east", "--stray", "prxy", "--reason", "x"), 2, "'proxy', 'serve'"),
    (("store", "repiar"), 2, "did you mean 'repair'"),
    (("explain", "api.example.com"), 2, "--from"),
    (("explain", "api.example.com", "--from", "1.2.3"), 2, "expected an address"),
    (("help", "evacute"), 2, "did you mean 'evacuate'"),
])
def test_bad_usage_is_explained_and_writes_nothing(store, words, code, says):
    store.node("dns-1")
    assert says in store.steer(*words, check=code).stderr
    assert not (store.folder / "document.json").exists()


def test_errors_as_json(store):
    store.node("dns-1")
    answer = store.json("evacuate", "us-eats", "--reason", "x", check=2)
    assert answer["ok"] is False and answer["exit"] == 2
    assert answer["error"]["code"] == "UNKNOWN" and "us-east" in answer["error"]["text"]


def test_last_region_is_blocked_unless_overridden(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    store.steer(*because("evacuate", "us-west"))
    blocked = store.steer(*because("evacuate", "eu-west"), check=3)
    assert "min-regions" in blocked.stderr
    store.steer(*because("evacuate", "eu-west"), "--override", "min-regions")
    assert store.log()[-1]["overrides"] == ["min-regions"]


def test_unknown_sites_without_any_node(store):
    assert "--topology" in store.steer(*because("evacuate", "us-east"), check=2).stderr


def test_no_store_folder(tmp_path):
    lost = Store(tmp_path / "nowhere")
    assert "steer store init" in lost.steer("status", check=5).stderr
    lost.steer("wait", check=5)
    lost.steer("history", check=5)


# ---- two operators -------------------------------------------------------------------------------


def test_many_operators_at_once(store):
    """Eight processes on different sites: all or 'someone was faster', and nothing lost."""
    store.node("dns-1")
    words = [(verb, site) for _ in range(2) for verb, site in
             [("drain", "ams1"), ("drain", "gru1"), ("evacuate", "us-east"), ("evacuate", "us-west")]]
    running = [subprocess.Popen([STEER, verb, site, "--reason", "race"], stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env={**os.environ, "STEER_STORE": str(store.folder)})
               for verb, site in words]
    codes = [(process.communicate(timeout=DEADLINE_S), process.returncode)[1] for process in running]
    assert set(codes) <= {0, 4}
    document = store.document()
    assert document["gen"] == len(store.log())
    modes = {**document["regions"], **document["pops"]}
    for (_, site), code in zip(words, codes):
        if code == 0:
            assert site in modes
    store.steer("history")


def test_conflict_about_the_same_site_is_told(store):
    """While the operator thinks, someone else changes the very site: exit 4, and what they did."""
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    with terminal(store, "evacuate", "us-west") as (process, read_until, write):
        read_until("anything else to stop: ")
        path = store.folder / "document.json"
        document = json.loads(path.read_text())
        document["gen"] += 1
        document["op"] = {"id": "x", "who": "raj", "why": "sea1 flaps", "at": 1}
        document["regions"]["us-west"] = {"mode": "draining"}
        path.write_text(json.dumps(document))
        write("us-west\n")
        assert process.wait(DEADLINE_S) == 4
        assert "by raj" in read_until(None)
    assert store.document()["regions"]["us-west"]["mode"] == "draining"


# ---- a disk that does not answer -----------------------------------------------------------------


def give_up_root_powers():
    """In the child: even root must obey the modes of files (PR_CAPBSET_DROP, CAP_DAC_*). Others have no
    such powers to lose."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):
        libc.prctl(24, capability, 0, 0, 0)


@pytest.fixture
def unsyncable(store):
    """The folder takes new files, but cannot be opened itself: what fsync confirms stays unknown."""
    store.node("dns-1")
    store.folder.chmod(0o300)
    yield store
    store.folder.chmod(0o755)


def test_unconfirmed_write_is_outcome_unknown(unsyncable):
    store, words = unsyncable, because("evacuate", "us-east")
    done = store.steer(*words, check=6, preexec_fn=give_up_root_powers)
    assert "generation 1 is in place, but the disk did not confirm it" in done.stderr
    assert "steer history -n 1" in done.stderr and "committed" not in done.stdout
    store.folder.chmod(0o755)
    # What the message promises: it is there, it is on record, and the same again does no harm.
    assert store.document()["regions"]["us-east"]["mode"] == "evacuated"
    assert "evacuate" in store.steer("history", "-n", "1").stdout
    assert "already evacuated" in store.steer(*words).stdout
    assert len(store.log()) == 1


def test_unconfirmed_write_as_json(unsyncable):
    answer = unsyncable.json(*because("drain", "gru1"), check=6, preexec_fn=give_up_root_powers)
    assert answer["ok"] is False and answer["exit"] == 6
    assert answer["error"]["code"] == "OUTCOME_UNKNOWN"
    assert unsyncable.document()["pops"]["gru1"]["mode"] == "draining"


# ---- the terminal --------------------------------------------------------------------------------


@contextlib.contextmanager
def terminal(store, *words):
    """Runs steer with a terminal as its standard input and standard error."""
    try:
        ours, theirs = pty.openpty()
    except OSError:
        pytest.skip("no pseudo terminals here (is /dev/pts mounted?)")
    process = subprocess.Popen([STEER, *words], stdin=theirs, stdout=theirs, stderr=theirs,
                               env={**os.environ, "STEER_STORE": str(store.folder)},
                               start_new_session=True)
    os.close(theirs)
    seen = []

    def read_until(text):
        """All that was said so far; None: until the end."""
        while text is None or text not in "".join(seen):
            ready, _, _ = select.select([ours], [], [], DEADLINE_S)
            assert ready, f"nothing more after {''.join(seen)!r}"
            try:
                piece = os.read(ours, 4096)
            except OSError:
                piece = b""
            if not piece:
                break
            seen.append(piece.decode())
        return "".join(seen)

    try:
        yield process, read_until, lambda text: os.write(ours, text.encode())
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        os.close(ours)


def test_terminal_asks_for_the_region_name(store):
    store.node("dns-1")
    with terminal(store, "evacuate", "us-east") as (process, read_until, write):
        text = read_until("anything else to stop: ")
        assert "us-east: active -> evacuated, strays: proxy" in text
        assert "still in use afterwards: eu-west us-west" in text
        write("us-east\n")
        assert process.wait(DEADLINE_S) == 0
    assert store.document()["regions"]["us-east"]["mode"] == "evacuated"


@pytest.mark.parametrize("typed", ["y\n", "us-west\n", "\n", "\x04"])
def test_terminal_anything_else_declines(store, typed):
    store.node("dns-1")
    with terminal(store, "evacuate", "us-east") as (process, read_until, write):
        read_until("anything else to stop: ")
        write(typed)
        assert process.wait(DEADLINE_S) == 8
    assert not (store.folder / "document.json").exists()


def test_terminal_yes_and_other_verbs_do_not_ask(store):
    store.node("dns-1")
    for words in (("evacuate", "us-east", "-y"), ("restore", "us-east"), ("drain", "gru1")):
        with terminal(store, *words) as (process, read_until, _):
            assert process.wait(DEADLINE_S) == 0
            assert "applied" in read_until(None)


def test_colour_only_on_a_terminal(store):
    store.node("dns-1")
    store.steer("store", "init")
    assert "\033[" not in store.steer("status").stdout
    for words, has_colour in (((), True), (("--no-color",), False)):
        with terminal(store, "status", *words) as (process, read_until, _):
            process.wait(DEADLINE_S)
            assert ("\033[1m" in read_until(None)) == has_colour


# ---- status, history -----------------------------------------------------------------------------


def test_status_tells_sites_and_nodes(store):
    store.node("dns-1")
    dead = store.node("dns-2")
    store.steer(*because("evacuate", "us-east"))
    dead.die()
    store.steer(*because("drain", "gru1"))
    text = store.steer("status").stdout
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["us-east"][1:3] == ["region", "evacuated"] and rows["us-east"][-1] == "INC-4411"
    assert rows["gru1"][1:3] == ["pop", "draining"]
    assert rows["eu-west"][1:3] == ["region", "active"]
    assert rows["dns-1"][1:4] == ["dns", "done", "2"]
    assert rows["dns-2"][1:4] == ["dns", "dead", "1"]
    answer = store.json("status")
    assert answer["gen"] == 2 and answer["regions"]["us-east"]["mode"] == "evacuated"
    assert [node["alive"] for node in answer["nodes"]] == [True, False]


def fleet(store, **late):
    """One of each role; `late` is what the gateway does not do."""
    store.node("dns-1")
    store.node("gru1-a", role="pop", site="gru1")
    return store.node("us-east-gw", role="gateway", site="us-east", workers=4, **late)


def test_status_tells_roles_and_their_sites(store):
    fleet(store)
    store.steer(*because("evacuate", "us-east"))
    text = store.steer("status").stdout
    rows = {line.split()[0]: line.split() for line in text.splitlines() if line.strip()}
    assert rows["SITE"][:4] == ["SITE", "KIND", "MODE", "NODES"]
    assert rows["us-east"][1:4] == ["region", "evacuated", "1"]
    assert rows["gru1"][1:4] == ["pop", "active", "1"]
    assert rows["eu-west"][1:4] == ["region", "active", "0"]
    assert rows["NODE"][:4] == ["NODE", "ROLE", "SITE", "STATE"]
    assert rows["us-east-gw"][1:4] == ["gateway", "us-east", "done"]
    assert rows["gru1-a"][1:4] == ["pop", "gru1", "done"]
    assert rows["dns-1"][1:3] == ["dns", "done"]
    nodes = {node["id"]: node for node in store.json("status")["nodes"]}
    assert (nodes["gru1-a"]["role"], nodes["gru1-a"]["site"]) == ("pop", "gru1")
    assert (nodes["us-east-gw"]["role"], nodes["us-east-gw"]["site"]) == ("gateway", "us-east")
    assert nodes["dns-1"]["role"] == "dns" and "site" not in nodes["dns-1"]


def test_status_tells_strays_of_gateways(store):
    store.node("us-east-gw", role="gateway", site="us-east", strays=9000, strays_per_s=12)
    store.node("gru1-a", role="pop", site="gru1")
    store.steer(*because("evacuate", "us-east"))
    text = store.steer("status").stdout
    heading = next(line for line in text.splitlines() if line.startswith("NODE"))
    at = heading.index("STRAYS")
    rows = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert rows["us-east-gw"][at:].startswith("9000 (12/s)")
    assert rows["gru1-a"][at] == " "
    nodes = {node["id"]: node for node in store.json("status")["nodes"]}
    assert (nodes["us-east-gw"]["strays"], nodes["us-east-gw"]["strays_per_s"]) == (9000, 12)
    assert "strays" not in nodes["gru1-a"]


@pytest.mark.parametrize("verb,site", [("evacuate", "us-east"), ("drain", "gru1")])
def test_changes_wait_for_all_roles(store, verb, site):
    fleet(store)
    for word in (verb, {"evacuate": "restore", "drain": "undrain"}[verb]):
        done = store.steer(*because(word, site))
        assert re.search(r"^applied   dns 1/1 \(2 workers\)  pop 1/1 \(2 workers\)  "
                         r"gateway 1/1 \(4 workers\)|"
                         r"^applied   dns 1/1 \(2 workers\)  gateway 1/1 \(4 workers\)  "
                         r"pop 1/1 \(2 workers\)", done.stdout, re.M)


@pytest.mark.parametrize("verb,site", [("evacuate", "us-east"), ("drain", "gru1")])
def test_changes_name_a_gateway_that_is_late(store, verb, site):
    fleet(store, obeys=False)
    done = store.steer(*because(verb, site), "--timeout", "300ms", check=7)
    assert "gateway 0/1" in done.stdout and "pop 1/1" in done.stdout
    assert "us-east-gw still has gen 0" in done.stderr
    assert store.steer("wait", "--timeout", "300ms", check=7).stderr.count("us-east-gw") == 1


def test_status_shows_nodes_without_a_document(store):
    store.node("dns-1")
    (store.folder / "document.json").write_text("garbage")
    done = store.steer("status", check=5)
    assert "dns-1" in done.stdout and "steer store repair" in done.stderr
    assert store.json("status", check=5)["nodes"][0]["id"] == "dns-1"


def test_foreign_text_does_not_reach_the_terminal(store):
    store.node("dns-1", host="\033[2Jevil")
    store.steer("evacuate", "us-east", "--reason", "\033]0;owned\007\nnew line")
    for words in (("status",), ("history",), ("evacuate", "us-east", "--reason", "x")):
        done = store.steer(*words)
        assert "\033" not in done.stdout + done.stderr and "\007" not in done.stdout + done.stderr
        assert "owned??new line" in done.stdout


def test_history_verifies(store):
    store.node("dns-1")
    for verb in ("evacuate", "restore", "evacuate"):
        store.steer(*because(verb, "us-east"))
    done = store.steer("history", "-n", "2")
    assert [line.split()[0] for line in done.stdout.splitlines()[1:]] == ["3", "2"]
    assert "chain intact over 3 records" in done.stderr
    log = store.folder / "log.ndjson"
    log.write_text(log.read_text().replace("INC-4411", "INC-0000", 1))
    broken = store.steer("history", check=1)
    assert "chain is broken at line 2" in broken.stderr
    answer = store.json("history", check=1)
    assert answer["chain"]["intact"] is False and answer["total"] == 3


def test_log_chain_by_an_independent_reading(store):
    store.node("dns-1")
    for site in ("us-east", "us-west"):
        store.steer(*because("evacuate", site))
    lines = (store.folder / "log.ndjson").read_bytes().splitlines()
    assert json.loads(lines[0])["prev"] == ""
    assert json.loads(lines[1])["prev"] == "sha256:" + hashlib.sha256(lines[0]).hexdigest()
    document = (store.folder / "document.json").read_bytes()
    assert json.loads(lines[1])["after"] == "sha256:" + hashlib.sha256(document).hexdigest()


# ---- the store's own troubles --------------------------------------------------------------------


@pytest.mark.parametrize("damage", [None, "", "garbage", "{}", "[]"])
def test_damaged_document_is_refused_and_repaired(store, damage):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    path = store.folder / "document.json"
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage)
    refused = store.steer(*because("restore", "us-east"), check=5)
    assert "steer store repair" in refused.stderr
    assert (path.read_text() if path.exists() else None) == damage
    assert "committed gen 2" in store.steer("store", "repair").stdout
    assert store.document()["regions"]["us-east"]["mode"] == "evacuated"
    assert "nothing to repair" in store.steer("store", "repair").stdout
    store.steer(*because("restore", "us-east"))
    store.steer("history")


def test_wiped_store_is_not_begun_anew_under_living_nodes(store):
    store.node("dns-1")
    store.steer(*because("evacuate", "us-east"))
    kept = (store.folder / "document.json").read_text()
    epoch = store.document()["epoch"]
    for path in store.folder.iterdir():
        if path.name != "nodes":
            subprocess.run(["rm", "-r", path], check=True)
    assert "it was lost" in store.steer(*because("restore", "us-east"), check=5).stderr
    assert "epoch" in store.steer("store", "init", check=3).stderr
    good = store.folder.parent / "last-good.json"
    good.write_text(kept)
    store.steer("store", "repair", "--from", str(good))
    assert store.document()["epoch"] == epoch and store.document()["gen"] == 2
    store.steer(*because("restore", "us-east"))
    store.steer("history")


def test_init_twice(store):
    assert "made a new store, gen 1" in store.steer("store", "init").stdout
    assert "is a store already" in store.steer("store", "init").stdout
    assert store.steer("store", "path").stdout.strip() == str(store.folder)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="no unshare(1)")
def test_full_disk_writes_nothing(store):
    """On a disk of 64 KiB in a mount namespace of its own, filled to the brim."""
    script = f"""
set -e
mount -t tmpfs -o size=64k tmpfs {store.folder}
{STEER} store init
digest=$(sha256sum < {store.folder}/document.json)
dd if=/dev/zero of={store.folder}/filler bs=4k 2>/dev/null || true
code=0; {STEER} evacuate us-east --topology {store.folder}.yaml --reason x || code=$?
test $code = 5
test "$digest" = "$(sha256sum < {store.folder}/document.json)"
{STEER} history
rm {store.folder}/filler
{STEER} evacuate us-east --topology {store.folder}.yaml --reason x
"""
    pathlib.Path(f"{store.folder}.yaml").write_text(
        "regions:\n"
        "  us-east: { at: [38.95, -77.45], addresses: [192.0.2.1] }\n"
        "  us-west: { at: [45.60, -121.18], addresses: [192.0.2.2] }\n"
        "maps:\n  api: { rules: [ { to: nearest } ] }\n"
        "names:\n  api.example.com: { map: api }\n")
    probe = subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip("no user namespaces here")
    done = subprocess.run(["unshare", "-Urm", "sh", "-c", script], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL,
                          env={**os.environ, "STEER_STORE": str(store.folder)})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No space left on device" in done.stderr and "nothing was written" in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_read_only_folder_writes_nothing(store):
    store.node("dns-1")
    store.steer("store", "init")
    store.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        store.steer(*because("evacuate", "us-east"), check=5)
    finally:
        store.folder.chmod(0o755)
    assert store.document()["gen"] == 1


# ---- several operators ---------------------------------------------------------------------------

DAEMON, ANA, BEA, GROUP = 61001, 61002, 61003, 61100  # nobody's, so that nothing of theirs is around


@pytest.fixture
def shared_store():
    """A folder that users may come to, unlike pytest's own."""
    if os.geteuid() != 0:
        pytest.skip("only root can become several users")
    top = pathlib.Path(tempfile.mkdtemp(prefix="steer-users-"))
    top.chmod(0o755)
    one = Store(top / "store")
    one.program = shutil.copy(STEER, top / "steer")
    shutil.copy(ROOT / "config/examples/topology.yaml", top)
    yield one
    shutil.rmtree(top)


def change(store, verb, **who):
    return store.steer(*because(verb, "us-east", "--topology", str(store.folder.parent / "topology.yaml")), **who)


def own(folder, user, group, mode):
    folder.mkdir()
    os.chown(folder, user, group)
    folder.chmod(mode)


def test_operators_of_a_group_take_turns(shared_store):
    own(shared_store.folder, DAEMON, GROUP, 0o2775)
    for number, (user, mask) in enumerate([(ANA, 0o077), (BEA, 0o022), (DAEMON, 0o077), (ANA, 0o027)], 1):
        verb = "evacuate" if number % 2 else "restore"
        change(shared_store, verb, user=user, group=user, extra_groups=[GROUP], umask=mask)
        assert shared_store.document()["gen"] == number
    shared_store.steer("history", user=61004, group=61004, extra_groups=[])  # who only looks


def test_what_root_does_locks_nobody_out(shared_store):
    """`sudo steer` as the first command, or under a tight umask: servers are another user."""
    os.chown(shared_store.folder.parent, DAEMON, DAEMON)
    shared_store.steer("store", "init", umask=0o077)
    change(shared_store, "evacuate", umask=0o077)
    for path in [shared_store.folder, *shared_store.folder.rglob("*")]:
        assert path.stat().st_uid == DAEMON, path
        assert path.stat().st_mode & 0o044 == 0o044, path
    change(shared_store, "restore", user=DAEMON, group=DAEMON, extra_groups=[])


def test_links_in_the_store_are_not_followed(shared_store):
    """Root works in a folder of the servers' user: who took that over must not get further."""
    own(shared_store.folder, DAEMON, DAEMON, 0o755)
    secret = shared_store.folder.parent / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    for name in ("document.json.tmp", "log.ndjson", "lock"):
        (shared_store.folder / name).unlink(missing_ok=True)
        (shared_store.folder / name).symlink_to(secret)
        change(shared_store, "evacuate", check=5)
        (shared_store.folder / name).unlink(missing_ok=True)
    assert secret.read_text() == "secret" and secret.stat().st_mode & 0o777 == 0o600
    assert secret.stat().st_uid == 0


# ---- explain: a node's admin socket, played here -------------------------------------------------

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


# ---- check ---------------------------------------------------------------------------------------

TOPOLOGY = """regions:
  us-east: { at: [38.95, -77.45], addresses: [192.0.2.1] }
  us-west: { at: [45.60, -121.18], addresses: [192.0.2.2] }
maps:
  api: { rules: [ { to: nearest } ] }
names:
  api.example.com: { map: api }
"""
ZONE = """@ 60 IN SOA ns1 hostmaster 1 2 3 4 5
@ 60 IN NS ns1
ns1 60 IN A 192.0.2.53
"""


def files(folder, topology=TOPOLOGY, zone=ZONE):
    (folder / "topology.yaml").write_text(topology)
    (folder / "example.com.zone").write_text(zone)
    node = folder / "dns.yaml"
    node.write_text("topology: topology.yaml\n"
                    "zones: [ { zone: example.com, file: example.com.zone } ]\n")
    return str(node), str(folder / "topology.yaml")


def test_check_finds_nothing(store, tmp_path):
    node, topology = files(tmp_path)
    answer = store.json("check", node, topology)
    assert answer["ok"] is True and answer["diagnostics"] == []
    assert [entry["kind"] for entry in answer["files"]] == ["node", "topology"]


def test_check_finds_all_at_once_and_once_only(store, tmp_path):
    node, topology = files(tmp_path, TOPOLOGY.replace("at:", "att:", 1), ZONE + "x 60 IN A 1.2.3\n")
    done = store.steer("check", node, topology, str(tmp_path / "gone.yaml"), check=2)
    lines = done.stdout.splitlines()
    assert len(lines) == len(set(lines))
    assert any(f"{topology}:2:" in line and "did you mean 'at'" in line for line in lines)
    assert any("example.com.zone:4:" in line for line in lines)
    assert any("gone.yaml: error: " in line for line in lines)
    answer = store.json("check", topology, check=2)
    assert answer["ok"] is False
    assert (answer["diagnostics"][0]["line"], answer["diagnostics"][0]["severity"]) == (2, "error")


MAKE_CERTS = ROOT / "tools" / "make-certs"


def examples(folder):
    """The examples, with the certificates that they ask for."""
    shutil.copytree(ROOT / "config" / "examples", folder)
    names = ("www.example.com", "api.example.com")
    subprocess.run([MAKE_CERTS, folder, "--backbone", "gru1.pop.steer", "us-east.region.steer",
                    "--front", *names], check=True, capture_output=True)
    return folder


def test_check_passes_the_examples(store, tmp_path):
    folder = examples(tmp_path / "examples")
    names = ["topology", "dns", "pop", "gateway"]
    answer = store.json("check", *(str(folder / f"{name}.yaml") for name in names))
    assert answer["diagnostics"] == []
    assert [entry["kind"] for entry in answer["files"]] == ["topology", "node", "pop node",
                                                           "pop node"]


def test_check_holds_a_pop_against_its_topology(store, tmp_path):
    folder = examples(tmp_path / "examples")
    pop = folder / "pop.yaml"
    pop.write_text(pop.read_text().replace("site: gru1 ", "site: gru2 ").replace("map: api,",
                                                                                 "map: apo,"))
    lines = store.steer("check", str(pop), check=2).stdout.splitlines()
    assert any("'gru2' is not a PoP of the topology; did you mean 'gru1'?" in line
               and f"{pop}:1" in line for line in lines)
    assert any("'apo' is not a map of the topology; did you mean 'api'?" in line for line in lines)


def test_explain_computes_from_a_pop_node_file(store, tmp_path):
    folder = examples(tmp_path / "examples")
    pop = folder / "pop.yaml"
    pop.write_text(pop.read_text().replace("/var/lib/steer/store", str(store.folder)))
    words = ("explain", "api.example.com", "--from", "192.0.2.53", "--config", str(pop), "--json")
    assert json.loads(store.steer(*words).stdout)["explanations"][0]["answer"]


def test_explain_config_names_keys(store):
    text = store.steer("explain-config").stdout
    assert "topology file" in text and "dns.workers" in text and "backbone.floor" in text
    assert "zones" not in store.steer("explain-config", "pop").stdout
    assert "regions" in store.steer("explain-config", "topology").stdout
    store.steer("explain-config", "zone", check=2)


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


# ---- help and completion -------------------------------------------------------------------------


def verbs(store):
    return store.steer("__complete", "verbs").stdout.split()


def test_every_command_has_help_with_an_example(store):
    for verb in verbs(store):
        text = store.steer(verb, "--help").stdout
        assert f"usage: steer {verb}" in text and f"  steer {verb}" in text.split("example:")[1]
        assert text == store.steer("help", verb).stdout
    assert store.steer("--version").stdout.startswith("steer ")


def test_completion_reads_the_store_only(store):
    store.node("dns-1")
    assert store.steer("__complete", "regions").stdout.split() == REGIONS
    assert store.steer("__complete", "pops").stdout.split() == POPS
    assert store.steer("__complete", "nodes").stdout.split() == ["dns-1"]
    assert "--stray" in store.steer("__complete", "options", "evacuate").stdout.split()


def complete(store, *words):
    """What bash offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    script = (f"source {ROOT}/steering/ctl/steer.bash\n"
              f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}\n"
              "_steer; printf '%s\\n' \"${COMPREPLY[@]}\"\n")
    done = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True,
                          env={**os.environ, "STEER_STORE": str(store.folder),
                               "PATH": f"{BUILD}:{os.environ['PATH']}"})
    assert done.stderr == ""
    return done.stdout.split()


def test_bash_completion(store):
    store.node("dns-1")
    assert sorted(complete(store, "steer", "")) == sorted(verbs(store))
    assert complete(store, "steer", "evac") == ["evacuate"]
    assert complete(store, "steer", "evacuate", "us-") == ["us-east", "us-west"]
    assert complete(store, "steer", "drain", "") == POPS
    assert complete(store, "steer", "--json", "drain", "g") == ["gru1"]
    assert complete(store, "steer", "evacuate", "--str") == ["--stray"]
    assert complete(store, "steer", "evacuate", "--stray", "p") == ["proxy"]
    assert complete(store, "steer", "explain", "x", "--node", "") == ["dns-1"]
    assert complete(store, "steer", "store", "re") == ["repair"]
    elsewhere = store.folder.parent / "other"
    assert complete(store, "steer", "--store", str(elsewhere), "evacuate", "") == []


if __name__ == "__main__":
    sys.exit(pytest.main([__file__]))
