# SPDX-License-Identifier: Apache-2.0
"""`steer` on a terminal: questions, colours, and nothing that others wrote for it."""

import pytest

from ctl_store import DEADLINE_S, terminal


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


def test_foreign_names_do_not_reach_the_terminal_of_the_prompt(store):
    store.node("dns-1", regions=["us-east", "us-west", "\033]0;owned\007"])
    with terminal(store, "evacuate", "us-east") as (process, read_until, type_in):
        told = read_until("to stop: ")
        type_in("no\n")
        assert process.wait(DEADLINE_S) == 8
    assert "us-west" in told and "?]0;owned?" in told and "\033" not in told and "\007" not in told


def test_foreign_text_does_not_reach_the_terminal(store):
    store.node("dns-1", host="\033[2Jevil")
    store.steer("evacuate", "us-east", "--reason", "\033]0;owned\007\nnew line")
    for words in (("status",), ("history",), ("evacuate", "us-east", "--reason", "x")):
        done = store.steer(*words)
        assert "\033" not in done.stdout + done.stderr and "\007" not in done.stdout + done.stderr
        assert "owned??new line" in done.stdout
