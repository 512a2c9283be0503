# SPDX-License-Identifier: Apache-2.0
"""`steer check`: all that is wrong in files, at once."""

from ctl_store import TOPOLOGY, ZONE, examples, files


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


def test_check_knows_a_zone_file_by_its_looks(store, tmp_path):
    files(tmp_path)
    done = store.steer("check", str(tmp_path / "example.com.zone"), check=2)
    assert "looks like a zone file; name the node file" in done.stdout and "YAML" not in done.stdout


def test_check_passes_the_examples(store, tmp_path):
    folder = examples(tmp_path / "examples")
    names = ["topology", "dns", "pop", "gateway"]
    answer = store.json("check", *(str(folder / f"{name}.yaml") for name in names))
    assert answer["diagnostics"] == []
    assert [entry["kind"] for entry in answer["files"]] == ["topology", "node", "pop node",
                                                           "pop node"]


def test_check_warns_of_a_backbone_certificate_that_others_refuse(store, tmp_path):
    folder = examples(tmp_path / "examples")
    pop = folder / "pop.yaml"
    text = pop.read_text()
    pop.write_text(text.replace("gru1.pop.steer", "us-east.region.steer"))
    assert pop.read_text() != text
    done = store.steer("check", str(pop))
    assert "us-east.region.steer.pem: warning: the certificate does not name 'gru1.pop.steer'" in done.stdout
    pop.write_text(text)
    (folder / "ca.pem").write_bytes((folder / "front.pem").read_bytes())  # no issuer of anything
    done = store.steer("check", str(pop))
    assert "gru1.pop.steer.pem: warning: the certificate is from none of the authorities" in done.stdout


def test_check_holds_a_pop_against_its_topology(store, tmp_path):
    folder = examples(tmp_path / "examples")
    pop = folder / "pop.yaml"
    pop.write_text(pop.read_text().replace("site: gru1 ", "site: gru2 ").replace("map: api,",
                                                                                 "map: apo,"))
    lines = store.steer("check", str(pop), check=2).stdout.splitlines()
    assert any("'gru2' is not a PoP of the topology; did you mean 'gru1'?" in line
               and f"{pop}:1" in line for line in lines)
    assert any("'apo' is not a map of the topology; did you mean 'api'?" in line for line in lines)
