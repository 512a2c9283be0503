# SPDX-License-Identifier: Apache-2.0
"""The latency lab's report: whatever the results are, the table is narrow and the page whole and safe."""

import html.parser
import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import pytest

from fleet import ROOT

sys.path.insert(0, str(ROOT / "tests/bench/latency"))

import page as page_module  # noqa: E402
import plots  # noqa: E402
import report  # noqa: E402
import scenarios  # noqa: E402

MEASURES = ("connect", "first_request_byte", "first_response_byte", "last_byte")
HOSTILE = "</title></svg><script>alert('x')</script> & \"quoted\" \x00\x1b[31m \ud800 ]]>"
VOID = {"meta"}


def result(*medians, failed=0, **more):
    """A stack's result; None for a measure that there is not."""
    spread = ((m and {"p50": m, "p90": m + 1, "p99": m + 5, "max": m + 50}) or None for m in medians)
    return {"samples": 40, "failed": failed, "errors": {"reset": failed} if failed else {},
            **dict(zip(MEASURES, spread)), "round_trips": {"client": 3.0, "backbone": 1.0}, **more}


def row(name, group, results, **more):
    theory = dict(zip(MEASURES, (30, 90, 190, None)))
    return {"id": name, "group": group, "title": f"row {name}", "loss_percent": 0, "theory": theory,
            "theory_direct": dict(zip(MEASURES, (100, 300, 400, 400))), "theory_words": f"theory of {name}",
            "results": results, **more}


def results_of_everything():
    full = {"steer": result(30, 90, 190, 191), "haproxy": result(30, 90, 191, 192),
            "nghttpx": result(30, 91, 192, 12345.6), "direct": result(100, 300, 400, 401)}
    stream = [[i / 10, 100 + i % 3, not 50 <= i < 55] for i in range(100)] + [[9.95, None, False]]
    series = {"unbound, TTL 60": [[0, 1.0], [2, 0.5], [4, 0.0]], "clamped": [[0, 1.0], [2, None], [4, 0.9]]}
    return {
        "when": "2026-11-21T09:00:00+00:00", "form": "full", "seed": 7,
        "machine": {"cpu": "one", "cores": 2, "kernel": "6.1"}, "versions": {"steer": "0.1.0", "haproxy": "2.6"},
        "rtt_ms": {"client-pop": 30, "pop-region": 70, "client-region": 100}, "wan_error_ms": {"p50": 0.02, "p99": 0.2},
        "stolen_percent": 1.25,
        "rows": [row("full12", "connections", full), row("keep", "kept", {"steer": result(None, None, 100.4, 100.5)}),
                 row("sigkill", "disturbances", {"steer": result(None, None, 101, 120), "haproxy":
                                                 result(None, None, 101, 900, failed=6)}),
                 row("body", "bodies", full, loss_percent=3, notes={"steer-bbr": "left out: the kernel has none"})],
        "timelines": [{"id": "sigkill", "title": "row sigkill", "event_s": 5, "series": {"steer": stream, "haproxy": []}}],
        "verdicts": [{"text": "the first verdict", "ok": True}, {"text": "the second verdict", "ok": False}],
        "honour": {"when": "now", "ttl": 60, "ttl_moving": 20, "series": series,
                   "last_old_s": {"unbound, TTL 60": 3.2, "clamped": None},
                   "second": {"title": "taken back", "series": {"moving": [[0, 1.0]]}, "last_old_s": {"moving": 0.5}}},
    }


class Page(html.parser.HTMLParser):
    """What a browser would see: tags that match, visible words, attributes."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.words, self.attributes = [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag

    def handle_data(self, data):
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def rendered(results, folder):
    report.write_html(results, folder / "page.html")
    text = (folder / "page.html").read_text(encoding="utf-8")
    for plot in re.findall(r"<svg.*?</svg>", text, re.S):
        ET.fromstring(plot)
    return text, Page(text)


def test_every_row_stack_and_verdict_is_there(tmp_path):
    results = results_of_everything()
    text, page = rendered(results, tmp_path)
    words, terminal = " ".join(page.words), report.table(results)
    assert page.tags.count("svg") > 8
    for one in results["rows"]:
        lines = terminal[terminal.index(one["title"]):].splitlines()[1:]
        plot = ET.tostring(plots.phases(one), encoding="unicode")
        cells = "".join(ET.tostring(page_module.numbers(one), encoding="unicode"))
        for stack in one["results"]:
            assert f">{stack}</text>" in plot and f"<td>{stack}</td>" in cells
            assert [line for line in lines[:7] if line.startswith(f"  {stack} ")], stack
        assert one["title"] in words and one["title"] in terminal and one["theory_words"] in terminal
    for wanted in ("the first verdict", "the second verdict", "unbound, TTL 60", "clamped", "taken back", "6 failed"):
        assert wanted in words, wanted
    assert report.verdict_lines(results) == ["MISSED  the second verdict", "1 of 2 verdicts hold"]
    assert "steer-bbr left out: the kernel has none" in words
    for wanted in ("steer-bbr left out: the kernel has none", "3.2 s", "none", "6/40", "reset", "12346", "row body, 3 % loss"):
        assert wanted in terminal, wanted


def test_the_table_fits_130_columns():
    results = results_of_everything()
    results["rows"].append(row("x" * 300, "connections", {"a stack with a long name": result(99999.9, 1e6, 1e7, 1e8)}))
    results["rows"][0]["results"]["steer"] = result(9999.4, 99999, 99999, 99999)
    wide = [line for line in report.table(results).splitlines() if len(line) > 130 and "a stack w" not in line]
    assert not wide


def test_the_page_needs_nothing_else(tmp_path):
    text, page = rendered(results_of_everything(), tmp_path)
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<img", text)
    assert not [key for key, _ in page.attributes if key in ("src", "href", "xlink:href", "onload")]
    assert "prefers-color-scheme: dark" in text and 'name="viewport"' in text


def test_titles_are_text_whatever_they_say(tmp_path):
    results = results_of_everything()
    results["rows"][0].update(title=HOSTILE, theory_words=HOSTILE)
    results["rows"][0]["results"][HOSTILE] = result(1, 2, 3, 4, failed=1, errors={HOSTILE: 1})
    results["rows"].append(row("odd", HOSTILE, {HOSTILE: result(1, 2, 3, 4)}))
    results["timelines"].append({"id": HOSTILE, "title": HOSTILE, "event_s": 1, "series": {HOSTILE: [[1, 2, True]]}})
    results["verdicts"].append({"text": HOSTILE, "ok": True})
    results["honour"]["series"][HOSTILE] = [[0, 1.0]]
    results["rows"][0]["notes"] = {HOSTILE: HOSTILE}
    results["machine"]["cpu"] = results["when"] = HOSTILE
    text, page = rendered(results, tmp_path)
    assert "script" not in page.tags and "<script" not in text
    assert "<script>alert('x')</script>" in "".join(page.words)
    assert "\x1b" not in report.table(results) and "\x00" not in text


@pytest.mark.parametrize("hole", [
    {}, {"rows": [], "timelines": [], "verdicts": [], "honour": None},
    {"rows": None, "timelines": None, "verdicts": None, "machine": None, "rtt_ms": None, "wan_error_ms": None},
    {"rows": [{"id": "bare"}]},
    {"rows": [row("none", "connections", {"steer": None, "direct": {}}, theory=None, theory_direct=None, theory_words=None)]},
    {"rows": [row("none", "bodies", {"steer": result(None, None, None, None, round_trips=None)})]},
    {"rows": [row("none", "disturbances", None)], "timelines": [{"id": "none", "series": {"steer": None}}]},
    {"rows": [row("zero", "kept", {"steer": {"connect": {"p50": 0}, "last_byte": {"p50": float("nan")}}})]},
    {"timelines": [{"id": "t", "title": "dead", "event_s": None, "series": {"steer": [[0, None, False]]}}]},
    {"honour": {"series": {"a": []}, "last_old_s": {"a": None}}},
    {"honour": {"series": None, "last_old_s": None, "second": {}}},
])
def test_holes_in_the_results_are_no_holes_in_the_report(hole, tmp_path):
    rendered(hole, tmp_path)
    report.table(hole)


def test_the_world_is_drawn_when_its_links_are_known():
    links = {"client-pop": 30, "pop-region": 70, "client-region": 100}
    for known in (links, {"client-pop": 30, "pop-region1": 70, "client-region1": 100}):
        assert "70 ms" in ET.tostring(plots.world(known), encoding="unicode")
    assert plots.world({**links, "pop-region": None}) is None


def test_points_on_one_spot_are_drawn_once_and_failures_kept():
    points = [[i / 1000, 100, i != 500] for i in range(1000)]
    drawn = plots.timeline({"title": "t", "event_s": 0.5, "series": {"steer": points}})
    assert len(drawn.findall("circle")) <= 1100 and len(drawn.findall("path")) == 1
    assert "1 failed" in ET.tostring(drawn, encoding="unicode")
    many = [[i / 100000, 100, True] for i in range(100000)]
    assert len(plots.timeline({"title": "t", "series": {"steer": many}}).findall("circle")) <= 1100


def run(*words):
    tool = ROOT / "tests/bench/latency/report.py"
    return subprocess.run([sys.executable, str(tool), *map(str, words)], capture_output=True, text=True, check=False)


def test_as_a_program_it_joins_the_dns_curves(tmp_path):
    results = results_of_everything()
    honour = results.pop("honour")
    (tmp_path / "latency.json").write_text(json.dumps(results))
    done = run(tmp_path / "latency.json")
    assert done.returncode == 0 and "row full12" in done.stdout and "DNS" not in done.stdout, done.stderr
    (tmp_path / "honour.json").write_text(json.dumps(honour))
    done = run(tmp_path / "latency.json")
    assert done.returncode == 0 and "unbound, TTL 60" in done.stdout
    assert "unbound, TTL 60" in (tmp_path / "latency.html").read_text(encoding="utf-8")
    assert "unbound, TTL 60" in rendered(results, tmp_path)[0], "whoever calls the function gets them too"
    (tmp_path / "honour.json").write_text("cut sh")
    assert run(tmp_path / "latency.json").returncode == 0


def test_as_a_program_it_names_what_it_cannot_read(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    for path in (tmp_path / "broken.json", tmp_path / "missing.json", tmp_path / "list.json"):
        done = run(path)
        assert done.returncode == 2 and path.name in done.stderr and "Traceback" not in done.stderr


@pytest.fixture(scope="module", name="lab")
def load_lab():
    loader = importlib.machinery.SourceFileLoader("lab", str(ROOT / "tests/bench/latency/lab"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lab", loader))
    loader.exec_module(module)
    return module


@pytest.mark.parametrize("kind, stolen, times, kept", [
    (scenarios.PLAIN, [0.5], 1, 0), (scenarios.PLAIN, [3.0, 0.1], 2, 1), (scenarios.AFTER_START, [3.0, 0.9, 2.0], 3, 1),
    (scenarios.STREAM, [9.0], 1, 0), (scenarios.IDLE, [9.0], 1, 0), (scenarios.BODIES, [9.0], 1, 0)])
def test_the_calmest_of_a_row_counts(lab, monkeypatch, kind, stolen, times, kept):
    measured, percents = [], iter(stolen)

    class Stolen:
        def percent(self):
            return next(percents)

    class Bench:
        def measure(self, _rows, _names_of):
            measured.append(len(measured))
            return measured[-1]

    run = lab.Run.__new__(lab.Run)
    run.options, run.bench, run.form = type("Options", (), {"tls": None}), Bench(), "full"
    monkeypatch.setattr(lab, "Stolen", Stolen)
    assert run.measure_calmly([scenarios.Row("x", "x", "x", (), kind)]) == (kept, stolen[kept])
    assert len(measured) == times
