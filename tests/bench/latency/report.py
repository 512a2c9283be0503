#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The latency lab's results for people: a table for the terminal and one self-contained HTML file.

    tests/bench/latency/report.py build/bench/latency.json

prints the table and writes build/bench/latency.html beside it. When there are DNS curves
(`make bench-honour`) in honour.json in the same folder, they join the report.
"""

import argparse
import json
import pathlib
import sys

sys.dont_write_bytecode = True

import page  # noqa: E402
from plots import MEASURES, is_number, number, ordered, quantile, title_of  # noqa: E402

COLUMNS = 130
QUANTILES = ("p50", "p90", "p99")
NAME = 12  # the column of stacks


def cell(value):
    return f"{'-' if value is None else number(value):>6}"


def ratio(value):
    return f"{'-':>6}" if not is_number(value) else f"{value:>6.2f}" if value < 100 else f"{value:>6.0f}"


def clipped(words, width=COLUMNS):
    """On one line, whatever was in it."""
    words = "".join(one if one.isprintable() else " " for one in str(words))
    return words if len(words) <= width else words[: width - 1] + "…"


def head_lines(group):
    title = page.GROUPS.get(group, (str(group), ""))[0]
    names = "".join(f"{measure.replace('_', ' '):>20}" for measure in MEASURES)
    under = "".join("  " + "".join(f"{which:>6}" for which in QUANTILES) for _ in MEASURES)
    return [clipped(title.upper()), f"{'':<{NAME + 2}}{names}   round trips  failed   worst",
            f"{'ms':<{NAME + 2}}{under}   client  back       of"]


def stack_line(stack, result):
    result = result or {}
    spans = "".join("  " + "".join(cell(quantile(result, measure, which)) for which in QUANTILES) for measure in MEASURES)
    trips = result.get("round_trips") or {}
    ratios = "".join(ratio(trips.get(which)) for which in ("client", "backbone"))
    failed, samples = result.get("failed") or 0, result.get("samples")
    lost = "no result" if samples is None else f"{failed}/{samples}"
    return f"  {clipped(stack, NAME):<{NAME}}{spans}  {ratios}{lost:>10}{cell(quantile(result, 'last_byte', 'max')):>8}"


def theory_line(words, theory):
    spans = "".join(f"  {cell(theory.get(measure) if is_number(theory.get(measure)) else None)}{'':>12}"
                    for measure in MEASURES)
    return f"  {words:<{NAME}}{spans}".rstrip()


def row_lines(row):
    words = row.get("theory_words")
    lines = [clipped(title_of(row) + (f": {words}" if words else ""))]
    results = row.get("results") or {}
    for label, key in (("theory", "theory"), ("  direct", "theory_direct")):
        # What nobody was measured against says nothing.
        if row.get(key) and (key == "theory" or "direct" in results):
            lines.append(theory_line(label, row[key]))
    lines += [stack_line(stack, results[stack]) for stack in ordered(results)]
    for stack in ordered(results):
        errors = page.errors_of(results[stack] or {})
        if errors:
            lines.append(clipped(f"    {stack}: {errors}"))
    return lines + [clipped(f"  {words}") for words in page.notes_of(row)]


def honour_lines(honour):
    lines = ["", "DNS: LAST ANSWER WITH THE OLD REGION, SECONDS AFTER steer evacuate"]
    for part in (honour, honour.get("second") or {}):
        if part is not honour and part:
            lines.append(clipped(part.get("title") or "the second move"))
        for name, second in (part.get("last_old_s") or {}).items():
            lines.append(f"  {clipped(name, 40):<40}{'none' if second is None else f'{second:.1f} s':>9}")
    return lines


def table(results):
    """The whole as text, at most 130 columns wide."""
    rows = results.get("rows") or []
    groups = [key for key in page.GROUPS if any(row.get("group") == key for row in rows)]
    groups += sorted({str(row.get("group")) for row in rows} - set(groups))
    lines = []
    for group in groups:
        lines += [""] + head_lines(group)
        for row in rows:
            if str(row.get("group")) == group:
                lines += row_lines(row)
    if results.get("honour"):
        lines += honour_lines(results["honour"])
    return "\n".join(lines).lstrip("\n")


def verdict_lines(results):
    verdicts = results.get("verdicts") or []
    missed = [one for one in verdicts if not one.get("ok")]
    return [clipped(f"MISSED  {one.get('text') or ''}") for one in missed] + [
        f"{len(verdicts) - len(missed)} of {len(verdicts)} verdicts hold"]


def with_curves(results, path):
    """The results with the newest DNS curves: those in the same folder as `path`, if there are any."""
    try:
        curves = json.loads(pathlib.Path(path).with_name("honour.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return results
    return {**results, "honour": curves} if isinstance(curves, dict) else results


def write_html(results, path):
    """One file that needs nothing else; DNS curves that lie beside it join it."""
    pathlib.Path(path).write_text(page.render(with_curves(results, path)), encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("results", type=pathlib.Path, help="what `make bench-latency` wrote: build/bench/latency.json")
    parser.add_argument("--html", type=pathlib.Path, help="where the page goes (default: beside the results)")
    options = parser.parse_args()
    try:
        results = json.loads(options.results.read_text(encoding="utf-8"))
        if not isinstance(results, dict):
            raise ValueError("these are no results")
    except (OSError, ValueError) as error:
        print(f"report: {options.results}: {error}", file=sys.stderr)
        return 2
    target = options.html or options.results.with_suffix(".html")
    results = with_curves(results, options.results)
    print(table(results))
    write_html(results, target)
    print("", *verdict_lines(results), f"written to {target}", sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
