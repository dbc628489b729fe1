"""Where on a trace a reason code has its cause: what to highlight, and where to jump."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.view.model import Note, Span
from analysis.view.runs import Runs
from analysis.view.tiles import Line, Tile
from lab.record.documents import Fault, Mark
from lab.record.quantity import Verdict
from lab.record.reasons import REASONS

MOST_NOTES = 200
"""Places of one code that are kept apart."""

_SAMPLE = re.compile(r"(?:sample|at) (\d+)")
_FULL_SCALE = re.compile(r"^(current|voltage|power): .*\bat (\d+)$")
_ENDED_EARLY = re.compile(r"\bended (\d+(?:\.\d+)?) s before\b")
"""Instruments say in a fault's words where it was seen; what they do not say is not guessed."""

_OF_IDLE = frozenset({"idle_drift", "idle_too_short"})
_OF_WINDOW = frozenset(
    {
        "window_disagrees",
        "window_short",
        "edge_ambiguous",
        "alignment_disagrees",
        "alignment_failed",
        "alignment_unchecked",
        "inferences_disagree",
        "readings_sparse",
        "meter_stale",
    }
)
_OF_GAPS = frozenset({"samples_dropped", "coverage_too_low"})
_AT_END = frozenset({"meter_unplugged", "meter_timeout", "recording_unclosed", "counter_jumped"})


@dataclass(frozen=True, slots=True)
class OnTrace:
    """What is known of one trace, all in samples."""

    length: int
    rate_hz: float
    spans: Sequence[Span]
    marks: Sequence[Mark]
    missing: Runs | None
    lines: Mapping[str, Line]
    wiring: Mapping[str, str]
    overview: Tile | None
    limits: Mapping[str, float]
    expected_end: float | None


def fault_samples(faults: Iterable[Fault], length: int) -> list[int]:
    """The samples that faults name."""
    found = [int(text) for fault in faults for text in _SAMPLE.findall(fault.detail)]
    return [sample for sample in found if 0 <= sample < length]


def full_scale_samples(faults: Iterable[Fault], length: int) -> dict[str, int]:
    """For each channel that was seen at full scale, the first sample there."""
    matches = [_FULL_SCALE.match(fault.detail) for fault in faults if fault.code == "saturated"]
    return {item[1]: int(item[2]) for item in matches if item is not None and int(item[2]) < length}


def expected_end(faults: Iterable[Fault], length: int, rate_hz: float) -> float | None:
    """Where the trace should have ended by the host's clock, if a fault says that it ended too early."""
    for fault in faults:
        if fault.code in _AT_END and (match := _ENDED_EARLY.search(fault.detail)):
            return length + float(match[1]) * rate_hz
    return None


def notes_for(code: str, verdict: Verdict, faults: Sequence[Fault], on: OnTrace) -> list[Note]:
    """The places of one code on one trace, in order; none where it has no place."""
    own = [fault for fault in faults if fault.code == code]
    text = code.replace("_", " ")
    ranges: list[tuple[float, float]] = []
    if code in _OF_GAPS and on.missing is not None:
        ranges = [(float(a), float(b)) for a, b in zip(on.missing.start, on.missing.stop, strict=True)]
        if code == "coverage_too_low":
            windows = [item for item in on.spans if item.name == "window"]
            ranges = [item for item in ranges if any(item[0] < w.end and item[1] > w.begin for w in windows)]
    elif code in _AT_END:
        ranges = [(float(on.length), max(on.expected_end or 0.0, float(on.length)))]
    elif code == "saturated":
        ranges = at_limits(on.overview, on.limits) or [(float(item), item + 1.0) for item in _samples(own, on)]
    elif code in _OF_IDLE:
        ranges = [(item.begin, item.end) for item in on.spans if item.name.startswith("idle")]
    elif code == "edge_jitter":
        ranges = [(m.sample - 2 * m.u_samples, m.sample + 2 * m.u_samples) for m in on.marks if m.u_samples > 1.0]
    elif code == "no_window":
        ranges = [(item.begin, item.end) for item in on.spans if item.name == "window"] or [(0.0, float(on.length))]
    elif code in _OF_WINDOW:
        ranges = [(item.begin, item.end) for item in on.spans if item.name == "window"]
    else:
        ranges = [(float(item), item + 1.0) for item in _samples(own, on)]
    return [Note(code, verdict, begin, end, text) for begin, end in ranges[:MOST_NOTES]]


def at_limits(tile: Tile | None, limits: Mapping[str, float]) -> list[tuple[float, float]]:
    """Stretches of a tile, as wide as its buckets, in which a channel reaches a limit."""
    if tile is None:
        return []
    hit = np.zeros(tile.buckets, np.bool_)
    for name, limit in limits.items():
        if (series := tile.series.get(name)) is not None:
            least = limit * (1 - 1e-6)
            hit |= (series.high >= least) | (series.low <= -least)
    edges = np.flatnonzero(np.diff(hit, prepend=False, append=False))
    starts = tile.start + edges[::2] * tile.per
    stops = np.minimum(tile.start + edges[1::2] * tile.per, tile.stop)
    # Samples at full scale come in flocks: what lies within a hundredth of the trace is one place to look at.
    near = max((tile.stop - tile.start) / 100, 1.0)
    found: list[tuple[float, float]] = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        if found and start - found[-1][1] <= near:
            found[-1] = (found[-1][0], float(stop))
        else:
            found.append((float(start), float(stop)))
    return found


def explanation(code: str, on: OnTrace) -> str:
    """What the trace itself shows of a code, in words; empty where that is nothing more than the code says."""
    if code in _OF_GAPS and on.missing is not None and len(on.missing):
        return _of_gaps(on)
    if code == "no_window":
        return "; ".join(_of_line(name, line, on) for name, line in on.lines.items() if _matters(name, on)) or (
            "no logic line was recorded, and nothing else marks a window"
        )
    if code == "idle_drift":
        powers = [(item.name, item.power_w) for item in on.spans if item.name.startswith("idle")]
        told = [f"{name.replace('_', ' ')} {power:.4g} W" for name, power in powers if power is not None]
        return ", ".join(told)
    if code == "window_disagrees":
        windows = [f"{(item.end - item.begin) / on.rate_hz:.6g} s" for item in on.spans if item.name == "window"]
        return f"the window lasts {', '.join(windows)}" if windows else ""
    if code == "idle_too_short":
        idles = [item for item in on.spans if item.name.startswith("idle")]
        told = [f"{item.name.replace('_', ' ')} {(item.end - item.begin) / on.rate_hz:.3g} s" for item in idles]
        return ", ".join(told) or "no idle stretch was found"
    return ""


def _of_gaps(on: OnTrace) -> str:
    assert on.missing is not None
    windows = [item for item in on.spans if item.name == "window" and item.complete]
    whole = f"{len(on.missing)} {'gap' if len(on.missing) == 1 else 'gaps'} in the trace"
    if not windows:
        return whole
    lengths = [((item.end - item.begin) / on.rate_hz, item.coverage) for item in windows if item.coverage < 1.0]
    told = [f"{(1 - coverage) * length_s:.3g} s of {length_s:.4g} s" for length_s, coverage in lengths]
    return f"{whole}; missing of the window: {', '.join(told[:4])}" if told else f"{whole}, none of them in the window"


def _matters(name: str, on: OnTrace) -> bool:
    """Is this the window's line, or is nothing known of what the lines mean?"""
    return on.wiring.get(name, "window") == "window" or "window" not in on.wiring.values()


def _of_line(name: str, line: Line, on: OnTrace) -> str:
    meaning = f" ({on.wiring[name]})" if name in on.wiring else ""
    level = {None: "unknown", 0: "low", 1: "high"}[line.first_level]
    if not len(line.changes):
        return f"no edges on {name}{meaning}: the line stayed {level}"
    first = float(line.changes.stop[0]) / on.rate_hz
    last = float(line.changes.stop[-1]) / on.rate_hz
    count = int(line.changes.pieces.sum())
    if count == 1:
        ended = "rose" if int(line.changes.level[-1]) else "fell"
        never = "never fell" if ended == "rose" else "was high from the start"
        return f"{name}{meaning} {ended} at {first:.6g} s and {never}"
    return f"{name}{meaning} has {count} edges between {first:.6g} s and {last:.6g} s, which make no whole window"


def _samples(faults: Sequence[Fault], on: OnTrace) -> list[int]:
    return fault_samples(faults, on.length)


def known(code: str) -> tuple[Verdict, str, str]:
    """Verdict, text and advice of a code; one that this version does not know speaks for itself."""
    reason = REASONS.get(code)
    if reason is None:
        return Verdict.INVALID, f"a reason this version does not know ({code})", ""
    return reason.verdict, reason.text, reason.advice
