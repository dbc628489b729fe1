"""Recorded EnergyRunner sessions: energy per inference of each window, and how it stands to what was published.

A published energy is a sum of whole samples; the time stamps that say which ones are rounded to 1 ms, which at 1 kHz is
one sample. From them alone each edge of a window is open by one sample to either side. So there are three answers, from
the honest to the exact:

* ``energy_gross_j``: the energy between the two stamps, edges interpolated (sample ``k`` covers ``[k, k + 1)/rate``),
  with ``energy_edge_bound_j``, the farthest it can lie from the energy between any edges within those openings. The
  standard uncertainty takes each edge as rectangular over its opening (JCGM 100, 4.3.7): u² = (ΔE_begin² + ΔE_end²)/12,
  where ΔE is the energy in the opening. The whole power at the edge counts: the energy is gross, not net of idle.
* ``energy_matched_j``: with the published number of samples, n = energy/power × rate, and the start, among those the
  stamp allows, that comes closest. It shows that trace and publication are the same data; the start is chosen to fit.
* ``energy_runner_j``: with nothing taken from the publication. The runner adds up 1/rate in double precision as it goes
  through the samples and takes those whose accumulated instant t has begin ≤ t < end, so that the rounding errors of
  that sum decide whether an edge falls on one sample or the next. Found by trying: it gives all 375 published energies
  of 75 sessions of MLPerf Tiny v0.5 to v1.3, of either meter, to their last digit.

For :mod:`analysis.process`: :func:`quantities` gives the values of one pass as (window, quantity). A session has
several windows, each with the same quantities: they become rows of their own in the results, told apart by the column
``window`` (the session's own window number; empty for whatever is not a replay). The windows of a session repeat the
same work, so that a summary over point × quantity takes their mean and scatter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from analysis.energy import stretch_energy
from lab.errors import DataError
from lab.record.documents import PassEnd
from lab.record.quantity import Origin, Quantity, unavailable
from lab.record.reader import Record
from lab.record.reasons import verdict_of
from lab.record.traces.energyrunner import (
    PRINTED_STEP,
    EnergyRunnerSession,
    EnergyRunnerTrace,
    disagreements,
    edge_range,
    load_session,
    published_samples,
)
from lab.record.traces.energyrunner_texts import PublishedWindow

TRACE_FORMAT = "energyrunner"

_PRINTED_HALF_STEP_J = 0.5 * PRINTED_STEP * 1e-6
_ARITHMETIC = 1e-9
"""Relative slack of comparisons between float64 sums of float32 samples."""


@dataclass(frozen=True, slots=True)
class WindowEnergy:
    """The energies of one whole window in J, computed and published; per inference by :meth:`per_inference`.

    ``lowest_j`` and ``highest_j`` bound the energy over all edges that the stamps allow. ``samples`` is the published
    number of samples, ``matched_j`` the sum of that many from ``matched_start`` on; ``None`` where it cannot be told.
    ``disagreements`` says what in the session contradicts itself in this window.
    """

    index: int
    inferences: int | None
    duration_s: float
    runtime_s: float | None
    energy_j: float
    lowest_j: float
    highest_j: float
    edge_u_j: float
    published_j: float
    samples: int | None
    matched_start: int | None
    matched_j: float | None
    runner_j: float
    disagreements: tuple[str, ...]

    @property
    def edge_bound_j(self) -> float:
        """The farthest that :attr:`energy_j` can lie from the energy between any edges the stamps allow."""
        return max(self.highest_j - self.energy_j, self.energy_j - self.lowest_j)

    @property
    def within_bound(self) -> bool:
        """Does the published energy lie in the bound (and the rounding of its last digit)?"""
        return abs(self.energy_j - self.published_j) <= self.edge_bound_j + self._rounding_j

    @property
    def residual_rel(self) -> float:
        """(computed − published)/published."""
        return self.energy_j / self.published_j - 1.0

    @property
    def match_residual_rel(self) -> float | None:
        """(matched − published)/published."""
        return None if self.matched_j is None else self.matched_j / self.published_j - 1.0

    @property
    def matches(self) -> bool | None:
        """Is the sum over the published number of samples the published energy, to its last digit? ``None`` where the
        published figures are too coarse to tell that number."""
        return None if self.matched_j is None else abs(self.matched_j - self.published_j) <= self._rounding_j

    @property
    def runner_residual_rel(self) -> float:
        """(energy by the runner's own rule − published)/published."""
        return self.runner_j / self.published_j - 1.0

    @property
    def power_w(self) -> float:
        """Mean power between the two stamps."""
        return self.energy_j / self.duration_s

    @property
    def _rounding_j(self) -> float:
        return _PRINTED_HALF_STEP_J + _ARITHMETIC * self.published_j

    def per_inference(self, energy_j: float | None) -> float | None:
        """A window's energy over its inferences; ``None`` where either is unknown."""
        return None if energy_j is None or self.inferences is None else energy_j / self.inferences


def session_energies(session: EnergyRunnerSession) -> list[WindowEnergy]:
    """The energies of every published window of a session, in the order of the windows."""
    contradictions = disagreements(session)
    clock_s = runner_clock_s(session.energy_uj.size, session.rate_hz)
    cumulative_j = np.concatenate([[0.0], np.cumsum(session.energy_uj, dtype=np.float64)]) * 1e-6
    return [
        _window_energy(
            session,
            window,
            cumulative_j,
            clock_s,
            tuple(item.text for item in contradictions if item.window == window.index),
        )
        for window in session.results.windows
    ]


def runner_clock_s(samples: int, rate_hz: float) -> NDArray[np.float64]:
    """The instants of the samples as the runner counts them: 1/rate added up in double precision, errors and all."""
    steps = np.full(samples, 1.0 / rate_hz)
    steps[0] = 0.0
    return np.cumsum(steps)


def _window_energy(
    session: EnergyRunnerSession,
    window: PublishedWindow,
    cumulative_j: NDArray[np.float64],
    clock_s: NDArray[np.float64],
    contradictions: tuple[str, ...],
) -> WindowEnergy:
    rate_hz = session.rate_hz
    begin_s, end_s = session.bounds_s(window)
    stretch = stretch_energy(EnergyRunnerTrace(rate_hz, session.energy_uj), begin_s * rate_hz, end_s * rate_hz)
    if stretch is None:  # load_session let no such window through
        raise DataError(f"{session.folder}: window {window.index} lies outside the trace")
    low_at_begin, high_at_begin = _extremes(cumulative_j, begin_s, rate_hz)
    low_at_end, high_at_end = _extremes(cumulative_j, end_s, rate_hz)
    samples = published_samples(window, rate_hz)
    start = None if samples is None else _best_start(session, window, samples)
    first, last = np.searchsorted(clock_s, (begin_s, end_s), side="left")
    return WindowEnergy(
        index=window.index,
        inferences=window.inferences,
        duration_s=end_s - begin_s,
        runtime_s=window.runtime_s,
        energy_j=stretch.seen_energy_j,
        lowest_j=low_at_end - high_at_begin,
        highest_j=high_at_end - low_at_begin,
        edge_u_j=math.hypot(high_at_begin - low_at_begin, high_at_end - low_at_end) / math.sqrt(12.0),
        published_j=window.energy_j,
        samples=samples,
        matched_start=start,
        matched_j=None if samples is None or start is None else _sum_j(session, start, start + samples),
        runner_j=_sum_j(session, int(first), int(last)),
        disagreements=contradictions,
    )


def _extremes(cumulative_j: NDArray[np.float64], stamp_s: float, rate_hz: float) -> tuple[float, float]:
    """The least and the greatest energy up to an edge anywhere in the opening of a stamp.

    Energy up to an instant is linear within a sample, so its extremes lie on whole samples; samples may be negative.
    """
    first, last = edge_range(stamp_s, rate_hz)
    opening = cumulative_j[max(first, 0) : last + 1]
    return float(opening.min()), float(opening.max())


def _best_start(session: EnergyRunnerSession, window: PublishedWindow, samples: int) -> int | None:
    """The start, among those the stamp allows, whose sum comes closest to the published energy.

    A runner that takes the first sample not before the edge begins, at 1 kHz, with ``round(t·rate)`` or the one after.
    ``None`` if the trace is too short for that many samples.
    """
    first, last = edge_range(session.bounds_s(window)[0], session.rate_hz)
    starts = [start for start in range(first + 1, last + 1) if start + samples <= session.energy_uj.size]
    return min(starts, key=lambda start: abs(_sum_j(session, start, start + samples) - window.energy_j), default=None)


def _sum_j(session: EnergyRunnerSession, start: int, stop: int) -> float:
    return float(session.energy_uj[start:stop].sum(dtype=np.float64)) * 1e-6


# --- the record ------------------------------------------------------------------------------------------------------


class ReplayedPass(Protocol):
    """What is needed of a pass; :class:`lab.record.reader.PassData` has it."""

    @property
    def end(self) -> PassEnd: ...


def is_replay(pass_data: ReplayedPass) -> bool:
    """Did the pass replay a recorded session?"""
    return any(trace.format == TRACE_FORMAT for trace in pass_data.end.traces)


def quantities(record: Record, pass_data: ReplayedPass) -> list[tuple[int | None, Quantity]]:
    """Every value of the sessions that a pass replayed, as (window number, quantity), from the raw files alone.

    A session that cannot be read gives one missing energy with the reason, of no window.
    """
    found: list[tuple[int | None, Quantity]] = []
    for ref in pass_data.end.traces:
        if ref.format != TRACE_FORMAT:
            continue
        try:
            session = load_session(record.path(ref.path))
        except DataError:
            missing = unavailable("energy_gross_j", "J", Origin.REPLAYED, "trace_unreadable", source=ref.instrument)
            found.append((None, missing))
            continue
        unknown = _accuracy_reason(record.manifest, ref.instrument)
        for window in session_energies(session):
            found += [(window.index, quantity) for quantity in _window_quantities(session, window, unknown)]
    return found


def _accuracy_reason(manifest: Mapping[str, Any], instrument: str) -> str:
    """Why no expanded uncertainty is claimed.

    The trace holds energies, no current and no range: limits of error that hold for one range cannot be laid on it, so
    even figures from a data sheet do not make a budget.
    """
    entry = (manifest.get("instruments") or {}).get(instrument) or {}
    accuracy = (entry.get("capabilities") or {}).get("accuracy")
    return "placeholder_accuracy" if accuracy and accuracy.get("source") == "placeholder" else "accuracy_unknown"


def _window_quantities(session: EnergyRunnerSession, window: WindowEnergy, accuracy_reason: str) -> list[Quantity]:
    meter = session.log.meter or "unnamed power monitor"
    doubts = [accuracy_reason]
    if session.log.dropped_packets:
        doubts.append("samples_dropped")
    sound = window.within_bound and window.matches is not False and not window.disagreements
    wrong = [] if sound else ["window_disagrees"]
    uncounted = [] if window.inferences is not None else ["count_missing"]
    make = partial(_quantity, source=meter)
    each, count = window.per_inference, window.inferences
    edge = ["edge_ambiguous"]
    return [
        make("energy_gross_j", each(window.energy_j), "J", edge + doubts + wrong + uncounted, u=each(window.edge_u_j)),
        make("energy_edge_bound_j", each(window.edge_bound_j), "J", wrong + uncounted),
        make("energy_published_j", each(window.published_j), "J", wrong + uncounted, source="EnergyRunner"),
        make("energy_residual_rel", window.residual_rel, "1", edge + wrong, u=window.edge_u_j / window.published_j),
        make("energy_matched_j", each(window.matched_j), "J", wrong + uncounted),
        make("match_residual_rel", window.match_residual_rel, "1", wrong),
        make("energy_runner_j", each(window.runner_j), "J", wrong + uncounted),
        make("runner_residual_rel", window.runner_residual_rel, "1", wrong),
        make("power_active_w", window.power_w, "W", edge + doubts + wrong, u=window.edge_u_j / window.duration_s),
        make("window_s", window.duration_s, "s", wrong),
        make("inferences", None if count is None else float(count), "1", wrong + uncounted, source="EnergyRunner"),
        make("latency_s", each(window.runtime_s), "s", wrong + uncounted, source="EnergyRunner"),
    ]


def _quantity(
    name: str, value: float | None, unit: str, reasons: list[str], *, source: str, u: float | None = None
) -> Quantity:
    if value is None:
        return unavailable(name, unit, Origin.REPLAYED, *(reasons or ["edge_ambiguous"]), source=source)
    return Quantity(
        name, value, unit, Origin.REPLAYED, verdict_of(reasons), tuple(reasons), u=u, source=source, scope="board"
    )
