# SPDX-License-Identifier: Apache-2.0
"""The plots of the report as SVG elements: numbers in, xml.etree elements out.

Colours are classes, which the page's style sheet gives a meaning in light and in dark. Elements are
built, never pasted together, so that whatever stands in a title is text and stays text.
"""

import math
import re
import xml.etree.ElementTree as ET

WIDTH = 560  # of every plot, in its own units; text of 13 is still readable when a phone shows it in 360
MEASURES = ("connect", "first_request_byte", "first_response_byte", "last_byte")
STACKS = ("steer", "steer-bbr", "haproxy", "nghttpx", "direct")
# What neither XML nor a file in UTF-8 can hold.
FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def element(name, /, *children, **attributes):
    """`children` are elements, text, or None; `class_` becomes class, `stroke_width` stroke-width. Attributes
    are ours alone: nothing that somebody else named belongs there."""
    made = ET.Element(name)
    for key, value in attributes.items():
        if value is not None:
            text = f"{value:.1f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            made.set(key.rstrip("_").replace("_", "-"), text)
    for child in children:
        append(made, child)
    return made


def append(parent, child):
    if child is None:
        return
    if isinstance(child, ET.Element):
        parent.append(child)
        return
    text = FORBIDDEN.sub("\ufffd", str(child))
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text


def svg(height, label, *children):
    return element("svg", element("title", label), *children, viewBox=f"0 0 {WIDTH} {height:.0f}", role="img")


def line(x1, y1, x2, y2, class_):
    return element("line", x1=float(x1), y1=float(y1), x2=float(x2), y2=float(y2), class_=class_)


def text(x, y, words, class_="", anchor=None):
    return element("text", words, x=float(x), y=float(y), class_=class_ or None, text_anchor=anchor)


def number(value):
    """Milliseconds as people read them."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}"


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def title_of(row):
    title, loss = str(row.get("title") or row.get("id") or "?"), row.get("loss_percent")
    return f"{title}, {loss:g} % loss" if is_number(loss) and loss > 0 and "%" not in title else title


def quantile(result, measure, which="p50"):
    """One number of a stack's result; None when there is none."""
    value = ((result or {}).get(measure) or {}).get(which)
    return value if is_number(value) else None


def nice_step(span, count):
    rough = span / count
    power = 10 ** math.floor(math.log10(rough))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)


class Linear:
    """Values from 0 to at least `top` onto pixels."""

    def __init__(self, top, begin, end, count=6):
        top = top if top > 0 else 1
        self.step = nice_step(top, count)
        self.top, self.begin, self.end = top, begin, end

    def __call__(self, value):
        share = min(max(value / self.top, 0), 1)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        return [i * self.step for i in range(int(self.top / self.step * 1.0001) + 1)]


class Logarithmic:
    """Values between two powers of ten (or three times one) around what there is, onto pixels."""

    def __init__(self, values, begin, end):
        values = [value for value in values if value > 0] or [1, 10]
        steps = [10 ** power * factor for power in range(-2, 7) for factor in (1, 3)]
        self.low = max([step for step in steps if step <= min(values)] or steps[:1])
        self.high = min([step for step in steps if step >= max(values)] or steps[-1:])
        if self.high <= self.low:
            self.high = self.low * 10
        self.steps, self.begin, self.end = steps, begin, end

    def __call__(self, value):
        value = min(max(value, self.low), self.high)
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + share * (self.end - self.begin)

    def ticks(self):
        return [step for step in self.steps if self.low <= step <= self.high]


def plain(value):
    return f"{value:g}"


def axis_below(scale, top, bottom, unit, label=plain):
    """Grid lines and the numbers below them."""
    parts = [line(scale(tick), top, scale(tick), bottom, "grid") for tick in scale.ticks()]
    # The unit stands in the corner.
    parts += [text(scale(tick), bottom + 15, label(tick), "tick", "middle") for tick in scale.ticks()
              if scale(tick) < WIDTH - 30]
    parts.append(text(WIDTH - 4, bottom + 15, unit, "tick", "end"))
    return parts


def stack_class(stack):
    return stack if stack in STACKS else "other"


def ordered(stacks):
    """The known ones first, in their order; then whatever else there is."""
    return [one for one in STACKS if one in stacks] + sorted(one for one in stacks if one not in STACKS)


# ---- one row: the phases of a request for each stack ------------------------------------------

LANE, LEFT, RIGHT = 30, 72, WIDTH - 58


def theory_of(row, stack):
    return (row.get("theory_direct" if stack == "direct" else "theory") or {})


def lane_bar(result, scale, y):
    """Segments up to the p50 of each phase, then a whisker to p90 and p99 of the last."""
    parts, begin, last = [], 0, None
    known = [measure for measure in MEASURES if quantile(result, measure) is not None]
    for measure in known:
        value = quantile(result, measure)
        x1, x2 = scale(begin), scale(max(value, begin))
        parts.append(element("rect", element("title", f"{measure.replace('_', ' ')}: {number(value)} ms"), x=float(x1),
                             y=float(y + 6), width=float(max(x2 - x1, 0)), height=LANE - 12, class_=measure))
        # What the bar ends with stands behind it.
        if x2 - x1 > 40 and scale(quantile(result, known[-1])) - x2 > 4:
            parts.append(text(x2 - 4, y + 20, number(value), f"in {measure}-ink", "end"))
        begin, last = max(value, begin), measure
    if last is None:
        return [text(scale(0) + 6, y + 20, "no result", "tick")]
    p90, p99 = (quantile(result, last, which) for which in ("p90", "p99"))
    far = max([begin] + [value for value in (p90, p99) if value is not None])
    middle = y + LANE / 2
    parts.append(line(scale(begin), middle, scale(far), middle, "whisker"))
    for value in (p90, p99):
        if value is not None:
            parts.append(line(scale(value), middle - 4, scale(value), middle + 4, "whisker"))
    parts.append(text(scale(far) + 6, y + 20, number(begin), "value"))
    return parts


def phases(row):
    """A bar for each stack, with the theory's moments as lines through it."""
    results = row.get("results") or {}
    stacks = ordered(results)
    values = [quantile(results[stack], measure, which) for stack in stacks for measure in MEASURES
              for which in ("p50", "p99")]
    values += [value for stack in stacks for value in theory_of(row, stack).values()]
    known = [value for value in values if is_number(value)]
    scale = Linear(max(known, default=1) * 1.02, LEFT, RIGHT)
    bottom = 4 + LANE * max(len(stacks), 1)
    parts = axis_below(scale, 4, bottom, "ms")
    for i, stack in enumerate(stacks):
        y = 4 + LANE * i
        parts.append(text(LEFT - 8, y + 20, stack, "label", "end"))
        parts += lane_bar(results[stack], scale, y)
        moments = {value for value in theory_of(row, stack).values() if is_number(value)}
        parts += [line(scale(value), y, scale(value), y + LANE, "theory") for value in sorted(moments)]
    return svg(bottom + 22, f"{title_of(row)}: phases of a request by stack, in milliseconds", *parts)


# ---- many rows: one dot for each stack --------------------------------------------------------


def dots(rows, measure, which, label, use_log=False):
    """One line for each row, stacks as dots above each other, theory as ticks."""
    found = {}
    for i, row in enumerate(rows):
        for stack, result in (row.get("results") or {}).items():
            value = quantile(result, measure, which)
            if value is not None:
                found[i, stack] = value
    theories = [theory_of(row, stack).get(measure) for row in rows for stack in ("steer", "direct")]
    values = list(found.values()) + ([] if use_log else [value for value in theories if is_number(value)])
    scale = Logarithmic(values, 10, WIDTH - 70) if use_log else Linear(max(values, default=1), 10, WIDTH - 70)
    height, parts = 6, []
    for i, row in enumerate(rows):
        results = row.get("results") or {}
        stacks = ordered(results)
        parts.append(text(10, height + 13, title_of(row), "label"))
        top, bottom = height + 19, height + 25 + 9 * max(len(stacks), 1)
        parts.append(element("rect", x=10, y=top, width=WIDTH - 80, height=bottom - top, class_="band"))
        if not use_log:
            for stack in {"direct" if one == "direct" else "steer" for one in stacks}:
                value = theory_of(row, stack).get(measure)
                if is_number(value):
                    parts.append(line(scale(value), top, scale(value), bottom, "theory"))
        for j, stack in enumerate(stacks):
            parts += dot(found.get((i, stack)), results[stack], stack, scale, top + 7.5 + 9 * j)
        height = bottom + 8
    return svg(height + 22, label, *axis_below(scale, 6, height, "ms"), *parts)


def dot(value, result, stack, scale, y):
    failed = (result or {}).get("failed") or 0
    lost = f"{failed} failed" if failed else ""
    if value is None:
        return [text(14, y + 4, f"{stack}: {lost or 'no result'}", "tick")]
    name = f"{stack}: {number(value)} ms {lost}".strip()
    parts = [element("circle", element("title", name), cx=float(scale(value)), cy=float(y), r=4,
                     class_=f"fill-{stack_class(stack)}")]
    if failed:
        parts.append(text(scale(value) + 8, y + 4, f"✕ {failed}", "lost"))
    return parts


# ---- a disturbance over time ------------------------------------------------------------------

PANEL = 74


def thinned(points, x, y):
    """What would be drawn on the same spot is drawn once; failures all stay, for they are few."""
    seen = {}
    for second, ms, is_ok in points:
        spot = (round(x(second) * 2), round(y(ms) * 2)) if is_ok and is_number(ms) else (round(x(second)), None)
        seen[spot] = (second, ms, is_ok)
    return seen.values()


def panel(points, x, y, top, stack):
    parts = []
    for second, ms, is_ok in thinned(points, x, y):
        at = x(second)
        if is_ok and is_number(ms):
            parts.append(element("circle", cx=float(at), cy=float(y(ms)), r=1.8, class_=f"fill-{stack_class(stack)}"))
        else:
            parts.append(element("path", element("title", f"failed at {second:.2f} s"), class_="failed",
                                 d=f"M{at - 3:.1f} {top + 5}l6 6m0 -6l-6 6"))
    return parts


def timeline(one):
    """A panel for each stack: latency over time on a logarithmic scale, failures as crosses on top."""
    series = {stack: [point for point in points or () if len(point) == 3 and is_number(point[0])]
              for stack, points in (one.get("series") or {}).items()}
    everything = [point for points in series.values() for point in points]
    event = one.get("event_s")
    seconds = [point[0] for point in everything] + ([event] if is_number(event) else [])
    x = Linear(max(seconds, default=1), 44, WIDTH - 12, count=8)
    latencies = [ms for _, ms, is_ok in everything if is_ok and is_number(ms)]
    parts, top = [], 18
    for stack in ordered(series):
        points = series[stack]
        y = Logarithmic(latencies, top + PANEL - 4, top + 14)
        failed = sum(not is_ok for _, _, is_ok in points)
        worst = max([ms for _, ms, is_ok in points if is_ok and is_number(ms)], default=None)
        ticks = y.ticks() if len(y.ticks()) <= 4 else y.ticks()[::2]
        parts += [line(44, y(tick), WIDTH - 12, y(tick), "grid") for tick in ticks]
        parts += [text(40, y(tick) + 4, plain(tick), "tick", "end") for tick in ticks]
        parts.append(text(44, top - 4, stack, "label"))
        count = element("tspan", f"{failed} failed", class_="lost" if failed else None)
        parts.append(element("text", f"{len(points)} requests, ", count, f", worst {number(worst)} ms",
                             x=WIDTH - 12, y=top - 4, class_="tick", text_anchor="end"))
        parts += panel(points, x, y, top, stack)
        if is_number(event):
            parts.append(line(x(event), top, x(event), top + PANEL, "event"))
        top += PANEL + 20
    parts += axis_below(x, top - 20, top - 20, "s")
    return svg(top + 2, f"{one.get('title')}: latency in milliseconds over time, by stack", *parts)


# ---- shares over time -------------------------------------------------------------------------


def step_path(points, x, y):
    """Each share holds until the next point."""
    words = []
    for second, share in points:
        at, level = x(second), y(share)
        words.append(f"H{at:.1f}V{level:.1f}" if words else f"M{at:.1f} {level:.1f}")
    return "".join(words)


def steps(series, until_s, marks, label):
    """Shares 0..1 as steps; `marks` are {words: second} for vertical lines. Colours go by position."""
    height = 230
    x, y = Linear(until_s, 44, WIDTH - 14, count=8), Linear(1, height, 12, count=4)
    parts = [line(44, y(share), WIDTH - 14, y(share), "grid") for share in (0, 0.25, 0.5, 0.75, 1)]
    parts += [text(40, y(share) + 4, f"{share * 100:g} %", "tick", "end") for share in (0, 0.5, 1)]
    for words, second in marks.items():
        if is_number(second) and second <= until_s:
            parts.append(line(x(second), 12, x(second), height, "theory"))
            parts.append(text(x(second) - 4, 24, words, "tick", "end"))
    for i, (name, points) in enumerate(series.items()):
        known = [(second, share) for second, share in points if is_number(share) and second <= until_s]
        if known:
            parts.append(element("path", element("title", name), d=step_path(known, x, y), class_=f"step line-{i % 6}"))
    return svg(height + 22, label, *axis_below(x, height, height, "s"), *parts)


# ---- the world --------------------------------------------------------------------------------


def world(rtt_ms):
    """Client, PoP and region with the round trips between them; None when they are not known."""
    wanted = [rtt_ms.get(key, rtt_ms.get(f"{key}1")) for key in ("client-pop", "pop-region", "client-region")]
    if not all(is_number(value) for value in wanted):
        return None
    near, backbone, far = wanted
    middle = min(max(60 + 440 * near / max(near + backbone, 1), 180), 380)
    boxes = {"client": 60, "PoP": middle, "region": 500}
    parts = [element("path", d="M60 62C160 122 400 122 500 62", class_="link far"),
             text(280, 124, f"{far:g} ms", "label", "middle"),
             line(60, 44, boxes["PoP"], 44, "link"), line(boxes["PoP"], 44, 500, 44, "link backbone")]
    parts += [text((begin + end) / 2, 34, f"{value:g} ms", "label", "middle") for begin, end, value in
              ((60, boxes["PoP"], near), (boxes["PoP"], 500, backbone))]
    for name, x in boxes.items():
        parts.append(element("rect", x=float(x - 34), y=28, width=68, height=32, rx=6, class_="box"))
        parts.append(text(x, 49, name, "label", "middle"))
    return svg(132, "Round-trip times between client, PoP and region", *parts)
