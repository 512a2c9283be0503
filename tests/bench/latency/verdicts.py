# SPDX-License-Identifier: Apache-2.0
"""What must hold. In full, milliseconds; in short, whole round trips, which a busy machine cannot change."""

from scenarios import AFTER_START, BODIES, PLAIN, STREAM

SENT_MS, PROCESSING_MS = 2.0, 1.0
# Loss falls where it falls: the sums of two stacks differ by chance.
BODY_SLACK = {0: 1.05, 1: 1.25, 3: 1.25}


def verdict(text, is_ok):
    return {"text": text, "ok": bool(is_ok)}


def middle(measured, field):
    values = measured.spread(field)
    return values["p50"] if values else float("inf")


def judge_theory(row, name, measured, theory, bare_ms):
    """First request byte of new connections; first response byte wherever it is one backbone round trip. What
    handshakes cost both ends where there is no distance is theirs, and plain TCP is `bare_ms` slower than the links."""
    out = []
    title = f"{row.title}, {name}"
    sent, first = middle(measured, "first_request_byte"), middle(measured, "first_response_byte")
    wanted = theory["first_request_byte"]
    if row.handshake and row.kind == PLAIN:
        more = sent - wanted - measured.no_distance_ms
        out.append(verdict(f"{title}: first request byte after {sent:.1f} ms, theory {wanted:.0f}, "
                           f"{measured.no_distance_ms:.1f} at no distance, at most {SENT_MS:.0f} more", abs(more) <= SENT_MS))
    if name == "steer" and row.kind not in (STREAM, BODIES):
        took, trip = first - sent, theory["first_response_byte"] - wanted
        out.append(verdict(f"{title}: first response byte {took:.2f} ms after it, theory {trip:.0f}, plain TCP "
                           f"{bare_ms:.2f} more, at most {PROCESSING_MS:.0f} on top", took <= trip + bare_ms + PROCESSING_MS))
    return out


def worst(measured):
    """What is compared of a disturbance: failures first, then the slowest hundredth."""
    values = measured.spread("last_byte")
    return measured.failed(), values["p99"] if values else float("inf")


def judge_peers(row, results):
    out = []
    for name in ("haproxy", "nghttpx"):
        if name not in results or "steer" not in results:
            continue
        ours, theirs = results["steer"], results[name]
        if row.kind == STREAM:
            mine, other = worst(ours), worst(theirs)
            text = f"{mine[0]} failed, p99 {mine[1]:.0f} ms; {name} {other[0]}, {other[1]:.0f} ms"
            is_ok = mine[0] < other[0] or (mine[0] == other[0] and mine[1] <= other[1] + PROCESSING_MS)
        else:
            field = "last_byte" if row.is_large else "first_response_byte"
            mine, other = middle(ours, field), middle(theirs, field)
            slack = other * BODY_SLACK[row.loss_percent] if row.is_large else other + PROCESSING_MS
            text = f"steer {mine:.1f} ms, {name} {other:.1f} ms"
            is_ok = ours.failed() <= theirs.failed() and mine <= slack
        out.append(verdict(f"{row.title}: equal to {name} or ahead: {text}", is_ok))
    return out


def whole(value):
    return None if value is None else round(value)


def judge_short(row, name, measured, event_s):
    """Round trips, rounded."""
    failed = measured.failed()
    if row.kind == STREAM:
        later = [one for one in measured.fine if one["began"] > event_s]
        trips = sorted((one["first"] - measured.near_ms) / measured.far_ms for one in later)
        backbone = whole(trips[len(trips) // 2]) if trips else None
        return [verdict(f"{row.title}, {name}: {failed} of {len(measured.rows)} failed, none allowed; afterwards {backbone} "
                        "backbone round trip, 1 wanted", failed == 0 and backbone == 1)]
    # A start is one event: its middle counts. Else the best sample: what the protocol costs, it costs always.
    pick = measured.middle if row.kind == AFTER_START else measured.best
    client, backbone = whole(pick(measured.client_trips)), whole(pick(measured.backbone_trips))
    wanted = 0 if name == "direct" else 1
    return [verdict(f"{row.title}, {name}: {client} client round trips to the first request byte, {row.handshake} wanted; "
                    f"{backbone} backbone, {wanted} wanted; {failed} failed",
                    client == row.handshake and backbone == wanted and failed == 0)]
