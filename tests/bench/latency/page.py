# SPDX-License-Identifier: Apache-2.0
"""The report as one HTML file that needs nothing else: no script, no font, no address of any kind."""

import xml.etree.ElementTree as ET

import plots
from plots import MEASURES, element, number, ordered, quantile

GROUPS = {
    "connections": ("Connections", "The first request of a new connection: TCP, TLS, request, response."),
    "kept": ("Connections that stand", "A request on a connection that is there already, or the first one after "
             "a pause. Nothing to set up: one client round trip and one backbone round trip."),
    "disturbances": ("Disturbances", "A steady stream of requests while something breaks or moves. Clients do "
                     "not try again: what failed, failed."),
    "bodies": ("Bodies and loss", "Larger responses, and links that lose packets. Here no theory of round trips "
               "holds but that of the first byte; compare the stacks."),
}
OVERVIEWS = {"connections": ("first_response_byte", "p50", "first response byte, median"),
             "kept": ("first_response_byte", "p50", "first response byte, median"),
             "disturbances": ("last_byte", "max", "slowest request that was answered, logarithmic"),
             "bodies": ("last_byte", "p50", "last byte, median")}
MEANING = [
    ("connect", "The TCP handshake is done: one round trip."),
    ("first request byte", "The client handed the first byte of its request to the kernel. With TLS 1.2 and a full "
     "handshake that is after three round trips, with TLS 1.3 after two. On a connection that stands it is at once."),
    ("first response byte", "The first byte of the response arrived: one client round trip later and, through a "
     "PoP, one backbone round trip more, which is the least that can be."),
    ("last byte", "The whole response is there."),
    ("theory", "Sums of the round trips above over the configured links, without any processing. The dashed lines."),
    ("round trips", "What was measured, divided by the round-trip times of this emulated network: client round trips "
     "before the first request byte; backbone round trips between it and the first response byte. These numbers "
     "transfer to other machines and other networks; milliseconds do not."),
    ("p50, p90, p99", "Half, nine tenths and 99 of 100 samples were at least this fast. Bars end at p50, the thin "
     "line behind them goes on to p90 and p99."),
    ("steer-bbr", "Steer with congestion: bbr in its node file; all others have cubic."),
    ("direct", "No PoP: the client speaks to the region itself, over the long way."),
]

STYLE = """
:root { color-scheme: light dark; --ink: #1b2733; --soft: #5d6b7a; --page: #f6f7f9; --card: #ffffff;
  --rule: #dde2e8; --grid: #e6eaef; --theory: #d6336c; --bad: #c92a2a; --good: #2b8a3e;
  --steer: #0b7a75; --steer-bbr: #5c940d; --haproxy: #e8790c; --nghttpx: #6741d9; --direct: #868e96; --other: #ae3ec9;
  --p1: #c9d6e2; --p2: #7fa6c9; --p3: #2f6ea5; --p4: #a9c7b8; --on-pale: #1b2733; --on-strong: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ee; --soft: #98a5b3; --page: #12171d;
  --card: #1a2129; --rule: #2c3742; --grid: #27313b; --theory: #ff6b9d; --bad: #ff7b72; --good: #56d364;
  --steer: #2dc7bf; --steer-bbr: #a9e34b; --haproxy: #ffa94d; --nghttpx: #a78bfa; --direct: #8b949e; --other: #da77f2;
  --p1: #3b4a59; --p2: #4a779e; --p3: #5aa2e0; --p4: #4b7361; --on-pale: #e4e9ee; --on-strong: #0d1319; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1220px; margin: 0 auto; padding: 20px 16px 60px; }
h1 { font-size: 1.6em; line-height: 1.2; margin: .4em 0 .2em; } h2 { font-size: 1.25em; margin: 2em 0 .2em; }
h3 { font-size: 1em; margin: 0 0 .1em; } p { margin: .3em 0 .8em; } .soft { color: var(--soft); font-size: .92em; }
.cards { display: grid; gap: 14px; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); }
.card { background: var(--card); border: 1px solid var(--rule); border-radius: 8px; padding: 14px 16px; min-width: 0; }
.overview { max-width: 680px; margin: 12px 0; }
svg { width: 100%; height: auto; display: block; margin-top: 6px; font: 13px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .tick { fill: var(--soft); font-size: 12px; } svg .label { font-weight: 600; }
svg .value { font-weight: 600; } svg .in { font-size: 12px; font-weight: 600; }
svg .in.connect-ink, svg .in.first_request_byte-ink, svg .in.last_byte-ink { fill: var(--on-pale); }
svg .in.first_response_byte-ink { fill: var(--on-strong); }
.grid { stroke: var(--grid); } .band { fill: var(--grid); opacity: .45; }
.connect { fill: var(--p1); } .first_request_byte { fill: var(--p2); } .first_response_byte { fill: var(--p3); }
.last_byte { fill: var(--p4); } .whisker { stroke: var(--ink); }
.theory { stroke: var(--theory); stroke-width: 1.5; stroke-dasharray: 4 3; }
.event { stroke: var(--theory); stroke-width: 1.5; } .failed { stroke: var(--bad); stroke-width: 1.5; fill: none; }
.lost { fill: var(--bad) !important; color: var(--bad); font-weight: 600; }
.fill-steer { fill: var(--steer); } .fill-steer-bbr { fill: var(--steer-bbr); } .fill-haproxy { fill: var(--haproxy); } .fill-nghttpx { fill: var(--nghttpx); }
.fill-direct { fill: var(--direct); } .fill-other { fill: var(--other); }
.step { fill: none; stroke-width: 2; } .line-0 { stroke: var(--direct); } .line-1 { stroke: var(--steer); }
.line-2 { stroke: var(--nghttpx); } .line-3 { stroke: var(--bad); } .line-4 { stroke: var(--haproxy); }
.line-5 { stroke: var(--other); }
.link { stroke: var(--soft); stroke-width: 2; fill: none; } .link.backbone { stroke: var(--steer); stroke-width: 4; }
.link.far { stroke-dasharray: 5 5; } .box { fill: var(--card); stroke: var(--soft); }
.key { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: .2em 0 .8em; font-size: .92em; }
.key svg { display: inline-block; width: 22px; height: 12px; margin: 0 6px 0 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: .86em; margin-top: 8px; min-width: 100%; }
th, td { padding: 2px 8px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--rule); }
td.words { white-space: normal; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; }
details summary { cursor: pointer; color: var(--soft); font-size: .9em; margin-top: 6px; }
ul.verdicts { list-style: none; padding: 0; margin: .4em 0; } .ok::before { content: "✓ "; color: var(--good); }
.missed::before { content: "✗ "; color: var(--bad); font-weight: 700; } .missed { font-weight: 600; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 16px; } dt { font-weight: 600; }
dd { margin: 0; } code, pre { font: .92em ui-monospace, monospace; } pre { overflow-x: auto; }
@media (max-width: 560px) { dl { grid-template-columns: 1fr; } dd { margin-bottom: 6px; } }
"""


def key_of(entries):
    """A legend: [(class, words)]; `line...` and the theory are lines, the rest are patches."""
    parts = []
    for class_, words in entries:
        if class_.startswith(("step", "theory", "event")):
            sign = element("line", x1=0, y1=6, x2=22, y2=6, class_=class_)
        elif class_ == "failed":
            sign = element("path", d="M7 2l8 8m0 -8l-8 8", class_=class_)
        else:
            sign = element("rect", x=0, y=0, width=22, height=12, class_=class_)
        parts.append(element("span", element("svg", sign, viewBox="0 0 22 12", aria_hidden="true"), words))
    return element("div", *parts, class_="key")


def rows_table(head, rows):
    cells = [element("tr", *(element("th", cell) for cell in head))]
    cells += [element("tr", *(cell if isinstance(cell, ET.Element) else element("td", cell) for cell in row))
              for row in rows]
    return element("div", element("table", *cells), class_="wide")


def errors_of(result):
    errors = result.get("errors") or {}
    return ", ".join(f"{count} × {words}" for words, count in errors.items())


def notes_of(row):
    """About stacks that could not be measured."""
    return [f"{stack} {words}" for stack, words in (row.get("notes") or {}).items()]


def numbers(row):
    """Every number of a row, folded away."""
    rows = []
    for stack in ordered(row.get("results") or {}):
        result = row["results"][stack] or {}
        trips = result.get("round_trips") or {}
        failed = result.get("failed") or 0
        cells = [stack, result.get("samples", "–"), element("td", failed, class_="lost" if failed else None)]
        for measure in MEASURES:
            cells.append(" / ".join(number(quantile(result, measure, which)) for which in ("p50", "p90", "p99", "max")))
        cells += [f"{trips[which]:.2f}" if plots.is_number(trips.get(which)) else "–" for which in ("client", "backbone")]
        rows.append([*cells, errors_of(result)])
    for words, key in (("theory", "theory"), ("theory, direct", "theory_direct")):
        theory = row.get(key)
        if theory:
            rows.append([words, "", "", *(number(theory.get(measure)) for measure in MEASURES), "", "", ""])
    head = ["p50 / p90 / p99 / max, ms", "samples", "failed", *(measure.replace("_", " ") for measure in MEASURES),
            "client RTT", "backbone RTT", "errors"]
    return element("details", element("summary", "Numbers"), rows_table(head, rows))


def card(row, timelines):
    one = timelines.get(row.get("id"))
    plot = plots.timeline(one) if one else plots.phases(row)
    words = row.get("theory_words")
    return element("section", element("h3", plots.title_of(row)),
                   element("p", words, class_="soft") if words else None, plot,
                   *(element("p", note, class_="soft") for note in notes_of(row)), numbers(row), class_="card")


STACK_KEY = [(f"fill-{stack}", stack) for stack in plots.STACKS]
PHASE_KEY = [(measure, f"until {measure.replace('_', ' ')}") for measure in MEASURES] + [("theory", "theory")]
TIME_KEY = [("event", "the disturbance begins"), ("failed", "failed request")]


def group_parts(key, rows, timelines):
    title, words = GROUPS.get(key, (str(key), ""))
    measure, which, label = OVERVIEWS.get(key, OVERVIEWS["connections"])
    is_log = which == "max"
    present = {stack for row in rows for stack in row.get("results") or {}}
    entries = [entry for entry in STACK_KEY if entry[1] in present]
    overview = element("section", element("h3", f"All rows: {label}"),
                       key_of(entries + ([] if is_log else [("theory", "theory")])),
                       plots.dots(rows, measure, which, f"{title}: {label}", is_log), class_="card overview")
    return [element("h2", title, id=key if key in GROUPS else None), element("p", words, class_="soft"), overview,
            key_of(TIME_KEY if key == "disturbances" else PHASE_KEY),
            element("div", *(card(row, timelines) for row in rows), class_="cards")]


# ---- DNS --------------------------------------------------------------------------------------


def honour_card(title, words, part, until_s, marks):
    series = part.get("series") or {}
    last = part.get("last_old_s") or {}
    about, questions = part.get("about") or {}, part.get("questions") or {}
    entries = [(f"step line-{i % 6}", name) for i, name in enumerate(series)]
    rows = []
    for name in series:
        moment = "none" if last.get(name) is None else f"{last[name]:.1f} s"
        words_of = element("td", name, element("div", about.get(name) or "", class_="soft"), class_="words")
        rows.append([words_of, moment, (questions.get(name) or {}).get("asked", "–")])
    return element("section", element("h3", title), element("p", words, class_="soft"), key_of(entries),
                   plots.steps(series, until_s, marks, title),
                   rows_table(["resolver", "last old answer", "questions"], rows), class_="card")


def last_second(part):
    return max([point[0] for points in (part.get("series") or {}).values() for point in points], default=1)


def honour_parts(honour):
    ttl, clamp = honour.get("ttl"), honour.get("clamp")
    words = (f"Share of questions, by the second they were asked, that were answered with the evacuated region. "
             f"{honour.get('names', 'Many')} names, asked once a second to once in 100 s each; caches warm.")
    marks = {f"TTL {ttl}": ttl, f"clamped {clamp}": clamp}
    cards = [honour_card("Real resolvers after steer evacuate", words, honour, honour.get("watched_s") or
                         last_second(honour), marks)]
    second = honour.get("second")
    if second:
        cards.append(honour_card(
            second.get("title") or "The second move",
            "Share of answers that still name the shelter, by seconds after the restore. While steering moves a "
            "name its answers carry ttl_moving: who changes their mind waits that long, not a whole TTL.",
            second, last_second(second),
            {f"TTL {ttl}": ttl, f"ttl_moving {honour.get('ttl_moving')}": honour.get("ttl_moving")}))
    versions = ", ".join(f"{name} {version}" for name, version in (honour.get("versions") or {}).items())
    return [element("h2", "DNS: who honours the TTL", id="honour"),
            element("p", "What DNS alone can do, and why the proxies carry the rest: an answer that was given lives "
                    "until its TTL ends, or as long as a resolver makes of it.", class_="soft"),
            element("div", *cards, class_="cards"),
            element("p", f"{honour.get('when', '')} {versions}; acknowledged by every worker after "
                    f"{number(honour.get('acknowledged_ms'))} ms.", class_="soft")]


# ---- the page ---------------------------------------------------------------------------------


def facts(results):
    machine, versions = results.get("machine") or {}, results.get("versions") or {}
    error, stolen = results.get("wan_error_ms") or {}, results.get("stolen_percent")
    listed = {
        "when": results.get("when"),
        "form": results.get("form"),
        "machine": ", ".join(str(machine[key]) + (" cores" if key == "cores" else "")
                             for key in ("cpu", "cores", "kernel") if machine.get(key) is not None),
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "seed": results.get("seed"),
        "congestion control": results.get("congestion"),
        "CPUs": results.get("cpus"),
        "the hypervisor took": f"{stolen:g} % of them" if plots.is_number(stolen) else None,
        "round trips": ", ".join(f"{pair} {value:g} ms" for pair, value in (results.get("rtt_ms") or {}).items()
                                 if plots.is_number(value)),
        "emulator's own error": ", ".join(f"{which} {error[which]:.2f} ms" for which in ("p50", "p99")
                                          if plots.is_number(error.get(which))),
    }
    parts = []
    for name, value in listed.items():
        if value not in (None, ""):
            parts += [element("dt", name), element("dd", value)]
    return element("dl", *parts)


def verdicts(results):
    listed = results.get("verdicts") or []
    if not listed:
        return []
    held = [element("li", one.get("text") or "", class_="ok") for one in listed if one.get("ok")]
    missed = [element("li", one.get("text") or "", class_="missed") for one in listed if not one.get("ok")]
    parts = [element("h2", f"Verdicts: {len(held)} of {len(listed)} hold"), element("ul", *missed, class_="verdicts")]
    if held:
        parts.append(element("details", element("summary", "Those that hold"), element("ul", *held, class_="verdicts")))
    return parts


def how_to():
    meaning = []
    for name, words in MEANING:
        meaning += [element("dt", name), element("dd", words)]
    return [element("h2", "How to read it"), element("dl", *meaning), element("h2", "How to repeat it"),
            element("pre", "sh tools/bootstrap deps; apt-get install haproxy nghttp2-proxy bind9\nmake bench-latency      # the rows above\n"
                    "make bench-honour       # the DNS curves\n"
                    "tests/bench/latency/report.py build/bench/latency.json   # this page again"),
            element("p", "Client, PoP and regions are network namespaces; tools/wan delays and drops the packets between "
                    "them. The TCP and TLS stacks are the machine's real ones, and so are all programs.", class_="soft")]


def body(results):
    timelines = {one.get("id"): one for one in results.get("timelines") or []}
    rows = results.get("rows") or []
    parts = [element("h1", "Latency, in milliseconds and in round trips"), facts(results)]
    picture = plots.world(results.get("rtt_ms") or {})
    if picture is not None:
        parts.append(element("section", picture, class_="card overview"))
    parts += verdicts(results)
    known = {row.get("group") for row in rows}
    for key in [*(key for key in GROUPS if key in known), *sorted(str(key) for key in known if key not in GROUPS)]:
        mine = [row for row in rows if row.get("group") == key or str(row.get("group")) == key]
        parts += group_parts(key, mine, timelines)
    rowless = [one for name, one in timelines.items() if name not in {row.get("id") for row in rows}]
    if rowless:
        parts += [element("h2", "Other timelines"), element("div", *(
            element("section", element("h3", one.get("title") or "?"), plots.timeline(one), class_="card")
            for one in rowless), class_="cards")]
    if results.get("honour"):
        parts += honour_parts(results["honour"])
    return element("main", *parts, *how_to())


def render(results):
    """The page as text."""
    head = element("head", element("meta", charset="utf-8"),
                   element("meta", name="viewport", content="width=device-width, initial-scale=1"),
                   element("title", "Steer: latency"), element("style", STYLE))
    page = element("html", head, element("body", body(results)), lang="en")
    return "<!DOCTYPE html>\n" + ET.tostring(page, encoding="unicode", method="html") + "\n"
