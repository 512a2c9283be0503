# SPDX-License-Identifier: Apache-2.0
"""Help, `steer explain-config`, and completion."""

import os
import subprocess

from ctl_store import BUILD, POPS, REGIONS, ROOT


def test_explain_config_names_keys(store):
    text = store.steer("explain-config").stdout
    assert "topology file" in text and "dns.workers" in text and "backbone.floor" in text
    assert "zones" not in store.steer("explain-config", "pop").stdout
    assert "regions" in store.steer("explain-config", "topology").stdout
    store.steer("explain-config", "zone", check=2)


def verbs(store):
    return store.steer("__complete", "verbs").stdout.split()


def test_every_command_has_help_with_an_example(store):
    for verb in verbs(store):
        text = store.steer(verb, "--help").stdout
        assert f"usage: steer {verb}" in text and f"  steer {verb}" in text.split("example:")[1]
        assert text == store.steer("help", verb).stdout
        assert "options:\n\n" not in text
    assert store.steer("--version").stdout.startswith("steer ")
    assert store.steer("-V").stdout == store.steer("--version").stdout


def test_help_tells_what_from_means(store):
    assert "--from FILE " in store.steer("help", "store").stdout
    assert "--from ADDRESS[/LENGTH] " in store.steer("help", "explain").stdout


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
    assert complete(store, "steer", "evacuate", "nowhere") == []
    elsewhere = store.folder.parent / "other"
    assert complete(store, "steer", "--store", str(elsewhere), "evacuate", "") == []


def test_bash_completion_carries_nothing_out(store):
    """Names of sites come from files that every node may write; a shell sees them at the operator's Tab."""
    trap = store.folder.parent / "trap"
    names = [f"$(touch {trap})", f"`touch {trap}`", "us-east", "us east;", "us-\nwest", "*", "a" * 200]
    store.node("dns-1", regions=names, pops=names)
    for words in (("evacuate", ""), ("drain", ""), ("restore", "us")):
        assert complete(store, "steer", *words) == ["us-east"]
    assert store.steer("__complete", "sites").stdout.splitlines() == ["us-east", "us-east"]
    assert not trap.exists()
