"""From a meter's stream of blocks to a trace file and what is to be said about it: gaps, marks, faults.

Whatever produces the blocks, a Joulescope or a model of one, this is what watches them. It holds no more than one
block of samples at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instruments.logic_marks import bounce_faults, edge_marks, idle_marks
from instruments.protocol import Observation, PassContext
from instruments.stream_checks import (
    LineState,
    LogicEdge,
    Transition,
    at_full_scale,
    gaps_between_blocks,
    missing_at_end_s,
    range_changes,
    settled_edges,
    transitions,
)
from lab.record.closing import ClosedOnExit
from lab.record.documents import Fault, Mark, TraceRef
from lab.record.traces.jls_writer import JlsWriter

DEBOUNCE_S = 5e-3
"""Changes of a logic line closer than this are bounces of one edge, unless they are exactly two (a short pulse)."""

END_TOLERANCE_S = 0.02
"""A stream may end this much before the host says so: the last transfer is on its way."""

MARKED_LINES = ("window", "warmup")
"""Meanings of logic lines that give marks; ``program`` only bounds the idle stretches."""

SINGLE = "inference"
"""The meaning of a line that is high while one inference runs: it is recorded, and read from the trace later.

It may have a hundred thousand edges, a few samples apart: they are no marks, no bounces, and no bound of anything.
"""

UTC_SPACING_S = 10.0
"""How often the trace's UTC track gets an entry."""

_RANGE_CHANGES_TOLD = 8
"""Each further one would add nothing but a document: a meter that chooses its range may change it all the time."""

_ANNOTATIONS = 1000
"""Most marks of a pass that are also annotated in the trace's file: more would only hide it."""


@dataclass(frozen=True, slots=True)
class StreamFormat:
    """What the blocks of a stream hold.

    ``ranges`` are (name, full scale in A), in the order of the range codes; ``lines`` gives each logic input recorded
    (``gpi0`` …) the meaning of what is wired to it: ``window``, ``warmup``, ``program``, ``inference``. ``power`` tells
    that the meter gives power itself.
    """

    source: str
    serial: str
    rate_hz: float
    ranges: Sequence[tuple[str, float]]
    full_scale_v: float
    lines: Mapping[str, str]
    power: bool = False
    power_alone: bool = False
    """Of a recording that holds power only: its blocks' current and voltage are not there (NaN) and not written."""

    @property
    def channels(self) -> tuple[str, ...]:
        """The trace's channels."""
        measured = () if self.power_alone else ("current", "voltage")
        return (*measured, *(("power",) if self.power or self.power_alone else ()), *self.lines)


@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive samples; all arrays have the same length.

    ``range_codes`` are positions in :attr:`StreamFormat.ranges`, ``logic`` maps each input to its levels, 0 or 1;
    ``power_w`` is there where :attr:`StreamFormat.power` says so.
    """

    first_sample: int
    current_a: NDArray[np.float32]
    voltage_v: NDArray[np.float32]
    range_codes: NDArray[np.uint8]
    logic: Mapping[str, NDArray[np.uint8]]
    power_w: NDArray[np.float32] | None = None


@dataclass(slots=True)
class _Line:
    """A logic line as far as it was seen."""

    changes: list[Transition] = field(default_factory=list)
    first_level: int | None = None
    state: LineState | None = None


class StreamRecorder(ClosedOnExit):
    """Writes one pass's trace and watches it; a context manager that closes the file.

    The first sample received is sample 0 of the trace. Raises ``ValueError`` if blocks overlap.
    """

    def __init__(self, context: PassContext, instrument: str, form: StreamFormat) -> None:
        self._context = context
        self._instrument = instrument
        self._form = form
        self._path = context.trace.with_name(context.trace.name + ".jls")
        self._writer: JlsWriter | None = None
        self._origin = 0
        self._firsts: list[int] = []
        self._lengths: list[int] = []
        self._lines = {channel: _Line() for channel, meaning in form.lines.items() if meaning != SINGLE}
        self._saturated: dict[str, tuple[int, int]] = {}
        self._range_code: int | None = None
        self._range_changes: list[tuple[int, int]] = []
        self._range_change_count = 0
        self._utc_due = 0

    def close(self) -> None:
        """Finish the file. Idempotent."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    @property
    def samples(self) -> int:
        """The trace's length so far, gaps included."""
        return self._firsts[-1] + self._lengths[-1] if self._firsts else 0

    def note_utc(self, sample: int, ticks: int) -> None:
        """Say when a sample of the stream was taken (2^-30 s since 2018-01-01 UTC); kept every now and then."""
        if self._writer is None or not self._utc_due <= sample - self._origin < self.samples:
            return
        self._writer.utc(sample - self._origin, ticks)
        self._utc_due = sample - self._origin + round(UTC_SPACING_S * self._form.rate_hz)

    def feed(self, block: Block) -> None:
        """Take the next block of the stream."""
        if block.current_a.size == 0:
            return
        if not self._firsts:
            self._begin(block)
        first = block.first_sample - self._origin
        self._note_block(first, block.current_a.size)
        assert self._writer is not None
        if not self._form.power_alone:
            self._writer.write("current", first, block.current_a)
            self._writer.write("voltage", first, block.voltage_v)
        if block.power_w is not None:
            self._writer.write("power", first, block.power_w)
        for channel in self._form.lines:
            self._writer.write(channel, first, block.logic[channel])
        for channel, line in self._lines.items():
            levels = block.logic[channel]
            if line.first_level is None:
                line.first_level = int(levels[0])
            changes, line.state = transitions(levels, first, line.state)
            line.changes += changes
        self._watch_ranges(first, block)

    def finish(self, elapsed_s: float | None) -> Observation:
        """Close the file and say what was seen.

        ``elapsed_s`` is how long the recording lasted by the host's clock; ``None`` leaves it to the caller to judge
        whether the stream ended too early.
        """
        if not self._firsts:
            if elapsed_s is None or elapsed_s <= END_TOLERANCE_S:
                return Observation()
            return Observation(faults=(self._fault("meter_timeout", f"no sample came in {elapsed_s:.3g} s"),))
        samples = self.samples
        gaps = gaps_between_blocks(self._firsts, self._lengths)
        debounce = DEBOUNCE_S * self._form.rate_hz
        edges = {channel: settled_edges(line.changes, debounce) for channel, line in self._lines.items()}
        trace = TraceRef(
            instrument=self._instrument,
            path=self._path.relative_to(self._context.record_root).as_posix(),
            format="jls",
            rate_hz=self._form.rate_hz,
            samples=samples,
            gaps=gaps,
        )
        marks = self._marks(edges, samples)
        self._annotate(marks)
        self.close()
        return Observation(
            traces=(trace,),
            marks=marks,
            faults=(
                *self._gap_faults(gaps),
                *self._range_faults(),
                *bounce_faults(self._context, self._instrument, edges),
                *(() if elapsed_s is None else self._end_faults(samples, elapsed_s)),
            ),
        )

    def _begin(self, block: Block) -> None:
        self._origin = block.first_sample
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = JlsWriter(
            self._path,
            source=self._form.source,
            serial=self._form.serial,
            rate_hz=self._form.rate_hz,
            channels=self._form.channels,
        )

    def _note_block(self, first: int, length: int) -> None:
        # Blocks that follow each other without a gap are kept as one: memory grows with the gaps, not with the time.
        if self._firsts and self._firsts[-1] + self._lengths[-1] == first:
            self._lengths[-1] += length
        else:
            self._firsts.append(first)
            self._lengths.append(length)

    def _watch_ranges(self, first: int, block: Block) -> None:
        changes = range_changes(block.range_codes, self._range_code)
        self._range_change_count += int(changes.size)
        for position in changes[: _RANGE_CHANGES_TOLD - len(self._range_changes)].tolist():
            self._range_changes.append((first + position, int(block.range_codes[position])))
        self._range_code = int(block.range_codes[-1])
        full_scales_a = np.array([full_scale for _, full_scale in self._form.ranges])[block.range_codes]
        for what, hit in (
            ("current", at_full_scale(block.current_a, full_scales_a)),
            ("voltage", at_full_scale(block.voltage_v, self._form.full_scale_v)),
        ):
            count = int(np.count_nonzero(hit))
            if count:
                seen, begin = self._saturated.get(what, (0, first + int(np.argmax(hit))))
                self._saturated[what] = (seen + count, begin)

    def _marks(self, edges: Mapping[str, Sequence[LogicEdge]], samples: int) -> tuple[Mark, ...]:
        marks: list[Mark] = []
        for channel, meaning in self._form.lines.items():
            if meaning in MARKED_LINES:
                marks += edge_marks(self._context, self._instrument, meaning, edges[channel])
        marks += idle_marks(
            self._context,
            self._instrument,
            [edge for of_line in edges.values() for edge in of_line],
            samples=samples,
            initial_levels=[line.first_level or 0 for line in self._lines.values()],
            final_levels=[line.state.level if line.state else 0 for line in self._lines.values()],
            rate_hz=self._form.rate_hz,
        )
        return tuple(marks)

    def _annotate(self, marks: Sequence[Mark]) -> None:
        """Put the pass and its marks into the file, for whoever opens it in the Joulescope UI."""
        assert self._writer is not None
        self._writer.annotate(0, f"pass {self._context.pass_id}, attempt {self._context.attempt}")
        for mark in sorted(marks, key=lambda item: item.sample)[:_ANNOTATIONS]:
            self._writer.annotate(math.floor(mark.sample), mark.name)

    def _gap_faults(self, gaps: Sequence[tuple[int, int]]) -> list[Fault]:
        if not gaps:
            return []
        missing = sum(end - begin for begin, end in gaps)
        detail = f"{missing} samples missing in {len(gaps)} gaps, the first at sample {gaps[0][0]}"
        return [self._fault("samples_dropped", detail)]

    def _range_faults(self) -> list[Fault]:
        names = [name for name, _ in self._form.ranges]
        faults = [
            self._fault("range_changed", f"range {names[code]} from sample {sample} on")
            for sample, code in self._range_changes
        ]
        if further := self._range_change_count - len(self._range_changes):
            faults.append(self._fault("range_changed", f"{further} further changes of the range"))
        for what, (count, begin) in self._saturated.items():
            faults.append(self._fault("saturated", f"{what}: {count} samples at full scale, the first at {begin}"))
        return faults

    def _end_faults(self, samples: int, elapsed_s: float) -> list[Fault]:
        missing_s = missing_at_end_s(samples, self._form.rate_hz, elapsed_s)
        if missing_s <= END_TOLERANCE_S:
            return []
        return [self._fault("meter_unplugged", f"the stream ended {missing_s:.3f} s before the pass did")]

    def _fault(self, code: str, detail: str) -> Fault:
        return Fault(
            pass_id=self._context.pass_id,
            attempt=self._context.attempt,
            source=self._instrument,
            code=code,
            detail=detail,
        )
