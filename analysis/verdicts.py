"""What a reason code means for which quantity: the one place where faults and findings become verdicts.

A fault befalls a pass; not every number of that pass suffers from it. A meter that lost samples says nothing against
the latency that the program took itself; a board that lowered its clock changes time and energy but executes the same
instructions. :func:`reasons_for` applies :data:`SUFFERS`; the verdict of the codes is that of
:mod:`lab.record.reasons`.

Gaps and saturation are matters of place: a fault document says that samples were lost *somewhere* in the pass. Where
the trace shows where (:attr:`lab.record.documents.TraceRef.gaps`, missing samples), the analysis finds what they hit
and the document adds nothing: :data:`LOCATED` codes are taken from findings then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from lab.record.reasons import REASONS
from lab.record.timed import ENERGY_PREFIXES, PROCESS_SUFFIX, TIME_PREFIXES, is_clock_event

NET_PREFIXES = ("energy_net_", "edp_net_", "ed2p_net_")
PROCESS_TIMES = frozenset({"elapsed_s", "user_s", "system_s", "window_s"})
PROCESS_SIZES = frozenset({"peak_rss_bytes", "memory_load_bytes", "memory_peak_bytes", "accuracy"})

SINGLE_PREFIXES = ("energy_inference_", "latency_inference_")
"""What is known of single inferences: their energies and times, both from the trace."""
_ENDS = tuple(prefix + name for prefix in SINGLE_PREFIXES for name in ("sd_", "min_", "p05_", "p95_", "max_"))

LOCATED = frozenset({"samples_dropped"})
"""Codes whose place the trace itself shows."""

MINIMUM_COVERAGE = 0.9
"""Least share of the window that the trace must cover. What is missing is bounded by the extremes of power seen,
which
beyond a tenth of the window is no longer a measurement."""

Suffers = Callable[[str], bool]


def is_energy(quantity: str) -> bool:
    """Does the quantity come from the power trace?"""
    return quantity.startswith(ENERGY_PREFIXES)


def _is_net(quantity: str) -> bool:
    return quantity.startswith(NET_PREFIXES) or quantity == "power_idle_w"


def _is_per_inference(quantity: str) -> bool:
    return not (
        quantity.startswith(("power_", "energy_warmup_", "latency_", *SINGLE_PREFIXES, "inferences_"))
        or quantity.endswith(PROCESS_SUFFIX)
        or quantity in PROCESS_TIMES | PROCESS_SIZES
    )


def _is_timed(quantity: str) -> bool:
    return (
        is_energy(quantity)
        or quantity.startswith(TIME_PREFIXES)
        or quantity in PROCESS_TIMES
        or is_clock_event(quantity)
    )


def _is_windowed(quantity: str) -> bool:
    return (is_energy(quantity) and quantity != "power_idle_w") or quantity == "window_s"


def _is_single(quantity: str) -> bool:
    return quantity.startswith(SINGLE_PREFIXES) or quantity == "energy_between_inferences_j"


def _is_traced(quantity: str) -> bool:
    return is_energy(quantity) or quantity.startswith(SINGLE_PREFIXES)


def _is_bounded(quantity: str) -> bool:
    """Does the quantity move with the window's edges? Those of single inferences have edges of their own."""
    return _is_windowed(quantity) and not quantity.startswith(SINGLE_PREFIXES)


def _needs_window(quantity: str) -> bool:
    return _is_windowed(quantity) or quantity.startswith(SINGLE_PREFIXES)


def _everything(_: str) -> bool:
    return True


SUFFERS: Mapping[str, Suffers] = {
    # the trace: the power's numbers, not the program's own
    **dict.fromkeys(
        (
            "saturated",
            "range_changed",
            "ranges_mixed",
            "statistics_disagree",
            "utc_jumped",
            "assumed_voltage",
            "placeholder_accuracy",
            "accuracy_unknown",
            "no_power_meter",
            "meter_stale",
            "counter_reset",
        ),
        is_energy,
    ),
    **dict.fromkeys(
        (
            "samples_dropped",
            "coverage_too_low",
            "meter_unplugged",
            "meter_timeout",
            "trace_unreadable",
            "counter_jumped",
            "recording_unclosed",
        ),
        _is_traced,
    ),
    "no_window": _needs_window,
    "alignment_disagrees": _needs_window,
    "alignment_failed": _needs_window,
    # single inferences, seen on a line of their own
    "inferences_disagree": _is_single,
    "count_doubtful": _is_per_inference,
    "few_inferences": lambda quantity: quantity.startswith(_ENDS),
    "edges_coarse": lambda quantity: quantity.startswith(_ENDS),
    "alignment_unchecked": _is_windowed,
    "readings_sparse": is_energy,
    "window_short": _is_windowed,
    "edge_jitter": _is_bounded,
    "edge_ambiguous": _is_bounded,
    "window_disagrees": _needs_window,
    # A drift of idle power may be the meter's own, which gross energy suffers from too.
    "idle_drift": is_energy,
    "idle_too_short": _is_net,
    "count_missing": _is_per_inference,
    # the board: whatever takes time
    **dict.fromkeys(("throttled", "too_hot", "governor_changed", "state_unread"), _is_timed),
}
"""Reason code → the quantities of the pass that suffer. A code that is not here befalls the whole pass."""


def reasons_for(quantity: str, codes: Iterable[str]) -> tuple[str, ...]:
    """Those of a pass's reason codes that concern a quantity, each once, in order."""
    found = dict.fromkeys(code for code in codes if SUFFERS.get(code, _everything)(quantity))
    return tuple(found)


def mixes_ranges(codes: Iterable[str]) -> bool:
    """Was a pass measured in several current ranges, by accident or because that is how its meter works? Then their
    errors do not cancel, and the worst of each limit holds."""
    return bool({"range_changed", "ranges_mixed"} & set(codes))


def known_codes(codes: Iterable[str]) -> tuple[str, ...]:
    """The codes as they are, and ``pass_failed`` for any that this version does not know (a newer lab's)."""
    return tuple(dict.fromkeys(code if code in REASONS else "pass_failed" for code in codes))


def coverage_reasons(coverage: float, lost: str = "samples_dropped") -> tuple[str, ...]:
    """The codes that a stretch with so much of its samples (or readings: ``lost`` is the code then) brings."""
    if coverage < MINIMUM_COVERAGE:
        return (lost, "coverage_too_low")
    return (lost,) if coverage < 1.0 else ()
