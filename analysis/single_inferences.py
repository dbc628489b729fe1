"""Energy and time of every single inference: its distribution inside a window, and what lies between inferences.

The edges come from a logic line (:mod:`analysis.inference_edges`), all energies from one pass over the trace
(:mod:`analysis.trace_energy`). An edge seen first at sample ``k`` lies anywhere in ``(k − 1, k]``, so an inference seen
high from sample ``r`` up to ``f`` lasted ``f − r`` samples, give or take; its energy is that of the samples
``r … f − 1`` that lie wholly inside, and half a sample at each end at the power inside. (The sample with the edge in it
holds the power of both sides; taking half of that one would lose a quarter of the step in power at each edge.)

Each edge is rectangular in one sample: u = Δt/√12, independent from edge to edge, because neither clock follows the
other. That makes

* u of one time Δt/√6, of one energy Δt·√((p_r² + p_f²)/12), with the powers at rise and fall;
* the scatter of all of them too large: s² = s₀² + e², with e² the mean square of those u. The standard deviation that
  is stated is s₀ = √(s² − e²); it is left open by what was taken away, s − s₀, as a limit;
* the mean of n of them off by e/√n only, and a quantile, which is one of them, by e.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from analysis.alignment import place_marks
from analysis.energy import Gaps, StretchEnergy
from analysis.energy_budget import EnergyInputs, gross_budget
from analysis.inference_edges import InferenceEdges, inference_channel, read_edges
from analysis.measured import Measured, measured, missing
from analysis.meter import Meter
from analysis.trace_energy import window_energies
from analysis.uncertainty import Budget, Term, rectangular
from analysis.verdicts import coverage_reasons, mixes_ranges
from analysis.windows import pass_stretches
from analysis.withholding import board_is_emulated
from lab.errors import DataError
from lab.record.documents import TraceRef
from lab.record.quantity import Origin
from lab.record.reader import PassData, Record
from lab.record.traces import TraceReader, open_trace
from lab.record.traces.jls_trace import JlsTrace

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from analysis.energy_pass import TraceStretches

Float64s = NDArray[np.float64]

STATISTICS = ("mean", "sd", "min", "p05", "median", "p95", "max")
ENERGIES = tuple(f"energy_inference_{name}_j" for name in STATISTICS)
TIMES = tuple(f"latency_inference_{name}_s" for name in STATISTICS)
BETWEEN = "energy_between_inferences_j"
LEFT_OUT = "inferences_left_out"

FILE = "inferences.parquet"

LEAST_FOR_ENDS = 40
"""With fewer inferences than this, two of them at most lie beyond either of the 5 % and 95 % points."""

_QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)
_NORMAL_AT_P95 = 1.645


@dataclass(frozen=True, slots=True)
class SingleInferences:
    """The inferences of one window that were seen whole, in order; arrays have the shape (n,).

    ``begin_s`` is on the trace's clock; ``u_energy_j`` is what the edges alone leave open of each energy, ``u_time_s``
    of every time.
    """

    begin_s: Float64s
    duration_s: Float64s
    energy_j: Float64s
    u_energy_j: Float64s
    u_time_s: float
    edges: InferenceEdges

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self.energy_j.size)


def single_inferences(
    trace: TraceReader, channel: str, windows: list[tuple[float, float]], gaps: Gaps = ()
) -> SingleInferences:
    """The single inferences in some windows of a trace. Raises :class:`DataError` if the trace is damaged."""
    edges = read_edges(trace, channel, windows, gaps)
    if not edges.count:
        nothing = np.zeros(0)
        return SingleInferences(nothing, nothing, nothing, nothing, 1.0 / (math.sqrt(6.0) * trace.rate_hz), edges)
    blocks = trace if isinstance(trace, JlsTrace) else _Blocks(trace)
    rises, falls = edges.rises.astype(np.float64), edges.falls.astype(np.float64)
    # Shorter than three samples an inference has no sample that surely lies wholly inside, beside those of its edges.
    short = falls - rises < 3
    begins, ends = np.where(short, rises - 0.5, rises), np.where(short, falls - 0.5, falls - 1.0)
    first, last = np.where(short, rises - 1.0, rises), np.where(short, falls - 1.0, falls - 2.0)
    found = window_energies(
        blocks, np.concatenate([begins, first, last]), np.concatenate([ends, first + 1.0, last + 1.0]), gaps
    )
    whole, at_rise, at_fall = found.seen_energy_j.reshape(3, -1)
    energy_j = np.where(short, whole, whole + (at_rise + at_fall) / 2.0)
    complete = found.complete.reshape(3, -1).all(axis=0)
    kept = InferenceEdges(
        edges.rises[complete],
        edges.falls[complete],
        edges.cut,
        edges.hidden + int(np.count_nonzero(~complete)),
        edges.gaps,
        edges.gap_samples,
    )
    # The energy of one sample is its power times Δt, which is what an edge anywhere in it leaves open.
    u_energy_j = np.hypot(at_rise, at_fall) / math.sqrt(12.0)
    return SingleInferences(
        begin_s=(rises[complete] - 0.5) / trace.rate_hz,
        duration_s=(falls - rises)[complete] / trace.rate_hz,
        energy_j=energy_j[complete],
        u_energy_j=u_energy_j[complete],
        u_time_s=1.0 / (math.sqrt(6.0) * trace.rate_hz),
        edges=kept,
    )


class _Blocks:
    """Any trace as blocks of power, where the file itself does not give them."""

    block_samples = 1 << 13

    def __init__(self, trace: TraceReader) -> None:
        self._trace = trace
        self.rate_hz, self.length = trace.rate_hz, trace.length

    def block_power(self, block: int) -> Float64s:
        start = block * self.block_samples
        stop = min(start + self.block_samples, self.length)
        pair = {"current", "voltage"} <= set(self._trace.channels)
        chosen = ("current", "voltage") if pair else ("power",)
        if not set(chosen) <= set(self._trace.channels):
            raise DataError("the trace holds no power")
        power = [self._trace.read(name, start, stop).astype(np.float64) for name in chosen]
        return np.asarray(np.prod(power, axis=0))

    def block_sums(self, first: int = 0, stop: int | None = None) -> Float64s:
        last = -(-self.length // self.block_samples) if stop is None else stop
        return np.array([self.block_power(block).sum() for block in range(first, last)])


def inference_quantities(
    record: Record,
    data: PassData,
    ref: TraceRef,
    meter: Meter,
    origin: Origin,
    seen: TraceStretches,
    inferences: int | None,
    codes: tuple[str, ...],
) -> tuple[list[Measured], tuple[str, ...]]:
    """What a meter with a line of single inferences gives beside the window's own quantities: nothing without such a
    line.

    ``inferences`` is the program's own count, ``codes`` are the reason codes of the pass. Also returns the codes that
    all quantities of this meter get (two counts that disagree are a doubt about every energy per inference).
    """
    channel = inference_channel(record.manifest, meter.name)
    if channel is None:
        return [], ()
    state = _Distribution(data.pass_id, meter, origin, codes)
    if seen.active is None:
        return state.absent(()), ()
    windows = [(item.begin, item.end) for item in seen.stretches.measured]
    try:
        with open_trace(record.root, ref) as trace:
            found = single_inferences(trace, channel, windows, ref.gaps)
    except DataError:
        return state.absent(("trace_unreadable",)), ()
    if inferences is not None and not found.edges.agrees(inferences):
        return state.absent(("inferences_disagree",), found, inferences), ("count_doubtful",)
    if not found.count:
        return state.absent(("inferences_disagree",), found, inferences), ()
    return state.quantities(found, seen, inferences), ()


def no_single_inferences(
    manifest: Mapping[str, Any], pass_id: str, meter: Meter, origin: Origin, codes: tuple[str, ...]
) -> list[Measured]:
    """The rows of a pass without a trace: each quantity, empty, with the reasons; none without an inference line."""
    if inference_channel(manifest, meter.name) is None:
        return []
    return _Distribution(pass_id, meter, origin, codes).absent(())


def write_inferences(record: Record) -> tuple[Path, ...]:
    """Write every single inference of a record into :data:`FILE`, a row each, and return the paths written.

    There is no such file, and one of an earlier call is removed, where no line of the bench tells of inferences. What
    the verdicts of a pass say of its distribution holds for its rows too; a trace that cannot be read gives none.
    """
    path = record.root / FILE
    frame = inference_table(record)
    if frame is None:
        path.unlink(missing_ok=True)
        return ()
    fresh = path.with_name(path.name + ".new")
    frame.to_parquet(fresh, index=False)
    fresh.replace(path)
    return (path,)


def inference_table(record: Record) -> pd.DataFrame | None:
    """Every single inference of a record, a row each; ``None`` where no line of the bench tells of them, or the board
    is an emulated one, whose energies and times are not stated."""
    import pandas as pd

    if board_is_emulated(record.manifest):
        return None
    traces = [
        (data, ref, channel)
        for data in record.passes().values()
        for ref in data.end.traces
        if (channel := inference_channel(record.manifest, ref.instrument)) is not None
    ]
    if not traces:
        return None
    parts = [
        _rows(data.pass_id, ref.instrument, _of_trace(record, data, ref, channel)) for data, ref, channel in traces
    ]
    return pd.concat(parts, ignore_index=True)


def _rows(pass_id: str, source: str, found: SingleInferences | None) -> pd.DataFrame:
    import pandas as pd

    count = found.count if found is not None else 0
    nothing = np.zeros(0)
    return pd.DataFrame(
        {
            "pass_id": pd.Series([pass_id] * count, dtype="str"),
            "source": pd.Series([source] * count, dtype="str"),
            "index": np.arange(count),
            "begin_s": found.begin_s if found is not None else nothing,
            "duration_s": found.duration_s if found is not None else nothing,
            "energy_j": found.energy_j if found is not None else nothing,
        }
    )


def _of_trace(record: Record, data: PassData, ref: TraceRef, channel: str) -> SingleInferences | None:
    try:
        with open_trace(record.root, ref) as trace:
            placed = place_marks(record, data, ref, trace)
            stretches = pass_stretches(
                placed.marks, samples=trace.length, rate_hz=trace.rate_hz, planned_idle_s=data.plan.get("idle_s")
            )
            windows = [(item.begin, item.end) for item in stretches.measured]
            return single_inferences(trace, channel, windows, ref.gaps)
    except DataError:
        return None


@dataclass(frozen=True, slots=True)
class _Distribution:
    """The quantities of one meter in one pass."""

    pass_id: str
    meter: Meter
    origin: Origin
    codes: tuple[str, ...]

    def quantities(self, found: SingleInferences, seen: TraceStretches, inferences: int | None) -> list[Measured]:
        coverage = None if inferences is None else found.count / inferences
        codes = (*self.codes, *(coverage_reasons(coverage) if coverage is not None else ()))
        energies = _statistics(found.energy_j, float(np.sqrt(np.mean(found.u_energy_j**2))))
        times = _statistics(found.duration_s, found.u_time_s)
        rows: list[Measured] = []
        for item, (name, unit) in zip((*energies, *times), self._names(), strict=True):
            if item.value is None:
                rows.append(self._missing(name, unit, ("few_inferences",)))
                continue
            terms = self._limits(name, item, energies[0].value or 0.0, times[0].value or 0.0, seen)
            edges = Term("inference edges", item.u_edges, "B", note=item.note)
            grid = Term("grid of samples", item.u_grid, "B", common=True, note=item.note)
            budget = Budget((*terms, *(term for term in (edges, grid) if term.u)), self.meter.claims)
            reasons = (*codes, *(("few_inferences",) if found.count < LEAST_FOR_ENDS else ()), *item.codes)
            rows.append(self._measured(name, item.value, unit, budget, reasons, coverage))
        if inferences:
            rows.append(self._between(found, seen, inferences, codes, coverage))
        return [*rows, *self._left_out(found, inferences)]

    def absent(
        self, reasons: tuple[str, ...], found: SingleInferences | None = None, inferences: int | None = None
    ) -> list[Measured]:
        """All of them missing, for the pass's reasons and these; what was left out is counted all the same."""
        why = (*self.codes, *reasons) or ("no_window",)
        rows = [self._missing(name, unit, why) for name, unit in (*self._names(), (BETWEEN, "J"))]
        return rows if found is None else [*rows, *self._left_out(found, inferences)]

    def _limits(
        self, name: str, item: _Statistic, mean_j: float, mean_s: float, seen: TraceStretches
    ) -> Iterator[Term]:
        """What the meter's limits of error make of a statistic: the terms that every inference shares."""
        value = item.value or 0.0
        if name in TIMES:
            ppm = self.meter.timebase_ppm
            u = abs(value) * rectangular(ppm * 1e-6)
            yield Term("timebase", u, "B", common=True, common_gain=True, note=f"±{ppm:g} ppm")
            return
        scatter = name == ENERGIES[1]
        energy_j = mean_j if scatter else value
        for term in self._gross(energy_j, mean_s * (energy_j / mean_j if mean_j else 1.0), seen).terms:
            # An offset shifts all inferences alike and leaves their scatter as it is.
            if term.common and (term.common_gain or not scatter):
                yield term.scaled(value / mean_j) if scatter and mean_j else term

    def _gross(self, energy_j: float, duration_s: float, seen: TraceStretches) -> Budget:
        """The budget of an energy of that size taken in that time, at the window's voltage and current."""
        assert seen.active is not None
        stretch = StretchEnergy(
            duration_s=duration_s,
            coverage=1.0,
            seen_energy_j=energy_j,
            energy_j=energy_j,
            power_w=energy_j / duration_s if duration_s else 0.0,
            power_min_w=seen.active.power_min_w,
            power_max_w=seen.active.power_max_w,
            voltage_v=seen.active.voltage_v,
            current_a=seen.active.current_a,
        )
        inputs = EnergyInputs(
            active=stretch,
            inferences=1,
            idle=seen.idle,
            meter=self.meter,
            rate_hz=seen.rate_hz,
            u_edge_s=0.0,
            range_changed=mixes_ranges(self.codes),
        )
        return gross_budget(inputs)

    def _between(
        self,
        found: SingleInferences,
        seen: TraceStretches,
        inferences: int,
        codes: tuple[str, ...],
        coverage: float | None,
    ) -> Measured:
        """What the window holds beyond its inferences, for each of them: a difference in which most errors cancel."""
        assert seen.active is not None
        mean_j = float(np.mean(found.energy_j))
        value = seen.active.energy_j / inferences - mean_j
        between_s = max(seen.active.duration_s / inferences - float(np.mean(found.duration_s)), 0.0)
        terms = [term for term in self._gross(value, between_s, seen).terms if term.common] if between_s else []
        edge_s = max((item.u_samples for item in seen.stretches.measured), default=0.0) / seen.rate_hz
        window_j = math.sqrt(2.0) * seen.active.power_w * edge_s / inferences
        u_mean_j = float(np.sqrt(np.mean(found.u_energy_j**2))) / math.sqrt(found.count)
        terms.append(Term("window edges", window_j, "B"))
        terms.append(Term("inference edges", u_mean_j, "B", note=f"of {found.count} inferences"))
        if found.count < inferences:
            # The mean of those that were seen stands for all.
            u = float(np.std(found.energy_j)) * math.sqrt((1 / found.count) - (1 / inferences))
            terms.append(Term("left out", u, "A", dof=max(found.count - 1, 1)))
        return self._measured(BETWEEN, value, "J", Budget(tuple(terms), self.meter.claims), codes, coverage)

    def _left_out(self, found: SingleInferences, inferences: int | None) -> list[Measured]:
        """How many inferences are not in the distribution: by the program's count, else those of which a part shows."""
        count = inferences - found.count if inferences is not None else found.edges.cut + found.edges.hidden
        if count < 0:
            return []
        return [self._measured(LEFT_OUT, float(count), "1", None, self.codes, None)]

    def _names(self) -> Iterator[tuple[str, str]]:
        yield from ((name, "J") for name in ENERGIES)
        yield from ((name, "s") for name in TIMES)

    def _measured(
        self, name: str, value: float, unit: str, budget: Budget | None, codes: tuple[str, ...], coverage: float | None
    ) -> Measured:
        return measured(
            name,
            value,
            unit,
            pass_id=self.pass_id,
            origin=self.origin,
            budget=budget,
            reasons=codes,
            coverage=coverage,
            source=self.meter.name,
            scope=self.meter.scope,
        )

    def _missing(self, name: str, unit: str, reasons: tuple[str, ...]) -> Measured:
        return missing(
            name,
            unit,
            pass_id=self.pass_id,
            origin=self.origin,
            reasons=reasons,
            source=self.meter.name,
            scope=self.meter.scope,
        )


@dataclass(frozen=True, slots=True)
class _Statistic:
    """One figure of a distribution; ``u_edges`` is what the coarseness of the edges leaves open of it, ``u_grid`` the
    same where every repeat suffers alike: values on the grid of the samples scatter less than they err."""

    value: float | None
    u_edges: float = 0.0
    u_grid: float = 0.0
    note: str = ""
    codes: tuple[str, ...] = ()


def _statistics(values: Float64s, u_each: float) -> list[_Statistic]:
    """The figures of :data:`STATISTICS`, in that order, of n values each of which is open by ``u_each``."""
    n = values.size
    least, p05, median, p95, most = np.quantile(values, _QUANTILES).tolist()
    u_mean = u_each / math.sqrt(n)
    each = f"each to {u_each:.3g}, {n} inferences"
    mean = _Statistic(float(np.mean(values)), u_mean, note=each)
    if n < 2:
        ends = [_Statistic(value, u_grid=u_each, note=each) for value in (least, p05, median, p95, most)]
        return [mean, _Statistic(None), *ends]
    observed = float(np.std(values, ddof=1))
    true = math.sqrt(max(observed**2 - u_each**2, 0.0))
    inflated = observed - true
    note = f"scatter {observed:.4g} as seen, of which the edges make {u_each:.3g}"
    # Beyond this the scatter is mostly the edges', and so are the ends of the distribution.
    codes = ("edges_coarse",) if u_each > true else ()
    sd = _Statistic(true, u_mean, rectangular(inflated), note, codes)
    # A quantile is one of the values, on the grid of the samples as all of them are; its neighbours do not average.
    u_ends = math.hypot(u_each, math.sqrt(2.0 * math.log(n)) * inflated)
    u_p95 = math.hypot(u_each, _NORMAL_AT_P95 * inflated)
    return [
        mean,
        sd,
        _Statistic(least, 0.0, u_ends, each, codes),
        _Statistic(p05, 0.0, u_p95, each, codes),
        _Statistic(median, 0.0, u_each, each),
        _Statistic(p95, 0.0, u_p95, each, codes),
        _Statistic(most, 0.0, u_ends, each, codes),
    ]
