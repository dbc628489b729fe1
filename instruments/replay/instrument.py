"""The instrument of kind ``replay``: a recording of any power meter, sent the way that a live Joulescope's samples go.

Samples pass through :class:`instruments.stream_recorder.StreamRecorder`: into a JLS file of the record, past the
detectors of gaps, saturation and range changes, their logic line into marks. Everything that comes of it is stamped
``replayed``.

Nobody promised that the board was idle before and after a recording's window, so no marks say so; an experiment that
asks for idle says how long it was.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from instruments.joulescope.models import MODELS, MeterModel, ranges_by_code
from instruments.joulescope.ranges import RangeWatch
from instruments.protocol import Capabilities, Observation, PassContext, Probe
from instruments.replay.settings import ReplaySettings
from instruments.replay.sources import is_jls, open_recording
from instruments.stream_recorder import Block, StreamFormat, StreamRecorder
from lab.errors import DataError
from lab.record.documents import Fault, Mark, TraceRef
from lab.record.quantity import Origin
from lab.record.traces import readings
from lab.record.traces.csv_readings import ImportedReadings, LineChange, import_readings
from lab.record.traces.csv_table import CsvTable
from lab.record.traces.protocol import is_simulated
from lab.record.traces.recordings import PlayedStretch, Recording

STATED = "stated"
"""The method of marks that a person gave."""

_FILE_ADVICE = "check `file:` in the bench file, and that you may read it"

WHOLE = "whole"
TIMESTAMPS = "timestamps"
GPIO = "gpio"

FACTS_SUFFIX = ".recorded.json"
"""In the pass's output: what was played, and how many inferences it holds."""

_RECTANGULAR = 1 / math.sqrt(12)


class RecordingReplay:
    """Plays a recording as one pass. A file that cannot be read is a fault of the pass, not of the campaign."""

    def __init__(self, name: str, settings: ReplaySettings) -> None:
        self.name = name
        self._settings = settings
        self._context: PassContext | None = None
        self._started = False

    @property
    def settings(self) -> ReplaySettings:
        """What it was told."""
        return self._settings

    def probe(self) -> Probe:
        """Open the recording, where the bench names one."""
        file = self._settings.file
        if file is None:
            return Probe(True, "plays the recordings that the experiment names")
        layout = self._settings.layout
        try:
            if layout is not None and layout.readings and not file.is_dir() and not is_jls(file):
                rows = next(CsvTable(file, layout).rows(), None)
                if rows is None:
                    return Probe(False, f"{file}: it has no rows", _FILE_ADVICE)
                return Probe(True, f"{file}: a table of readings")
            with open_recording(file, self._settings) as recording:
                facts = dict(recording.facts)
                length_s = recording.length / recording.rate_hz
                detail = f"{file}: {length_s:.6g} s of {', '.join(recording.analog)} at {recording.rate_hz:g} Hz"
        except DataError as error:
            return Probe(False, error.message, error.advice or _FILE_ADVICE)
        return Probe(True, detail, facts=facts)

    def capabilities(self) -> Capabilities:
        """Power, in whichever way the recording holds it."""
        layout = self._settings.layout
        assumed = layout is not None and layout.assumed_voltage_v is not None
        return Capabilities(
            measures=("power",),
            origin=self._settings.origin,
            scope=self._settings.scope,
            accuracy=self._settings.accuracy,
            assumes=("voltage",) if assumed else (),
            clock="the recording's own",
        )

    def open(self) -> None:
        """Nothing to take hold of."""

    def arm(self, context: PassContext) -> None:
        """Take note of the pass."""
        self._context, self._started = context, False

    def start(self) -> None:
        """Nothing to start: the recording was made before."""
        self._started = True

    def stop(self) -> Observation:
        """Play the recording into the record, and say what was seen. Empty if nothing was started."""
        context, self._context = self._context, None
        if context is None or not self._started:
            return Observation()
        path = self._settings.file or context.session
        if path is None:
            return Observation(faults=(_fault(context, self.name, "trace_unreadable", "no recording is named"),))
        playing = _Playing(self.name, self._settings, context, path)
        try:
            return playing.observation()
        except (DataError, OSError) as error:
            said = error.message if isinstance(error, DataError) else str(error)
            return Observation(faults=(_fault(context, self.name, "trace_unreadable", said),))

    def close(self) -> None:
        """Nothing was changed."""
        self._context = None


class _Playing:
    """One recording on its way into one pass of a record."""

    def __init__(self, instrument: str, settings: ReplaySettings, context: PassContext, path: Path) -> None:
        self._instrument = instrument
        self._settings = settings
        self._context = context
        self._path = path

    def observation(self) -> Observation:
        layout = self._settings.layout
        if layout is not None and layout.readings and not self._path.is_dir() and not is_jls(self._path):
            return self._readings()
        with open_recording(self._path, self._settings) as recording:
            return self._samples(recording)

    # --------------------------------------------------------------------------------------------------- samples

    def _samples(self, recording: Recording) -> Observation:
        if is_simulated(recording.model) and self._settings.origin is not Origin.SIMULATED:
            raise DataError(
                f"{self._path}: a simulated meter recorded it, and this bench stamps values {self._settings.origin}: "
                "write `origin: simulated` into the instrument's entry"
            )
        form = self._form(recording)
        meter = _joulescope(recording.model)
        watch = None if meter is None else RangeWatch(meter, None)
        origin: int | None = None
        with StreamRecorder(self._context, self._instrument, form) as recorder:
            for stretch in recording.stretches():
                origin = stretch.first_sample if origin is None else origin
                recorder.feed(_block(stretch, form, watch))
            observed = recorder.finish(None)
        if origin is None:
            raise DataError(f"{self._path}: no sample of it is left")
        findings = recording.findings()
        marks = (*_seen_marks(observed.marks, form, recording), *self._stated_marks(recording, observed, origin))
        faults = [_fault(self._context, self._instrument, code, detail) for code, detail in findings]
        # What the recording says of missing samples is more than the recorder can see.
        known = {code for code, _ in findings}
        faults += [item for item in observed.faults if item.code not in known or item.code != "samples_dropped"]
        self._note(recording.facts, _windows_json(recording), self._inferences(recording))
        return replace(observed, marks=marks, faults=tuple(faults))

    def _form(self, recording: Recording) -> StreamFormat:
        lines: dict[str, str] = {}
        if self._by_line(recording):
            line = self._settings.window.line
            if line not in recording.lines:
                raise DataError(f"{self._path}: it has no logic line {line}", advice="say where its window is")
            lines[line] = "window"
        lines |= {line: meaning for line, meaning in self._settings.lines.items() if line in recording.lines}
        if absent := [line for line in self._settings.lines if line not in recording.lines]:
            raise DataError(f"{self._path}: it has no logic line {absent[0]}")
        return StreamFormat(
            source=recording.model or "recording",
            serial=recording.serial or "unknown",
            rate_hz=recording.rate_hz,
            ranges=self._ranges(recording),
            full_scale_v=math.inf,
            lines=lines,
            power="power" in recording.analog,
            power_alone="current" not in recording.analog,
        )

    def _by_line(self, recording: Recording) -> bool:
        kind = self._settings.window.kind
        return kind == "line" or (kind == "default" and not recording.windows)

    def _ranges(self, recording: Recording) -> Sequence[tuple[str, float]]:
        """Names and ends of the ranges by code; the one range that is stated, where no codes are there."""
        accuracy, name = self._settings.accuracy, self._settings.range_name
        limits = {} if accuracy is None else {key: item.full_scale_a for key, item in accuracy.ranges.items()}
        meter = _joulescope(recording.model)
        if meter is not None:
            table = ranges_by_code(meter, limits)
            if name is not None and not _has_codes(recording):
                return [(name, limits[name]), *table[1:]]
            return table
        if name is not None:
            return [(name, limits[name])]
        return [("unknown", math.inf)]

    def _stated_marks(self, recording: Recording, observed: Observation, origin: int) -> Iterator[Mark]:
        """The marks of windows that no logic line tells of."""
        choice = self._settings.window
        samples = observed.traces[0].samples
        if self._by_line(recording):
            return
        if choice.kind == "whole":
            yield from self._window(0, 0.0, float(samples), WHOLE)
        elif choice.kind == "stretch":
            begin, end = (edge_s * recording.rate_hz - origin for edge_s in (choice.begin_s, choice.end_s))
            yield from self._window(0, begin, end, STATED)
        else:
            for item in recording.windows:
                begin, end = item.begin - origin, item.end - origin
                yield from self._window(item.index, begin, end, TIMESTAMPS, item.u_begin, item.u_end)

    def _window(
        self, index: int, begin: float, end: float, method: str, u_begin: float = 0.0, u_end: float = 0.0
    ) -> Iterator[Mark]:
        for name, sample, u_samples in (("window_begin", begin, u_begin), ("window_end", end, u_end)):
            yield Mark(
                pass_id=self._context.pass_id,
                attempt=self._context.attempt,
                instrument=self._instrument,
                name=name,
                sample=sample,
                u_samples=u_samples,
                method=method,
                index=index,
            )

    def _inferences(self, recording: Recording) -> int | None:
        """How many inferences all windows hold: what the experiment says, else what the recording does."""
        if self._context.session_inferences is not None:
            return self._context.session_inferences
        counts = [window.inferences for window in recording.windows]
        known = [count for count in counts if count is not None]
        return sum(known) if known and len(known) == len(counts) else None

    # -------------------------------------------------------------------------------------------------- readings

    def _readings(self) -> Observation:
        layout = self._settings.layout
        assert layout is not None
        target = self._context.trace.with_name(self._context.trace.name + readings.SUFFIX)
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists():
            raise DataError(f"{target}: a raw trace is never rewritten")
        imported = import_readings(self._path, layout, target)
        trace = TraceRef(
            instrument=self._instrument,
            path=target.relative_to(self._context.record_root).as_posix(),
            format=readings.FORMAT,
            rate_hz=readings.RATE_HZ,
            samples=imported.length_ns,
        )
        faults: tuple[Fault, ...] = ()
        if imported.missing:
            detail = f"{imported.missing} rows lack a value"
            faults = (_fault(self._context, self._instrument, "samples_dropped", detail),)
        facts = {
            "format": "csv",
            "rows": "readings",
            "readings": imported.readings,
            "assumed_voltage_v": layout.assumed_voltage_v,
        }
        self._note(facts, [], self._context.session_inferences)
        return Observation(traces=(trace,), marks=tuple(self._readings_marks(imported)), faults=faults)

    def _readings_marks(self, imported: ImportedReadings) -> Iterator[Mark]:
        choice = self._settings.window
        if choice.kind == "whole":
            yield from self._window(0, 0.0, float(imported.length_ns), WHOLE)
        elif choice.kind == "stretch":
            begin, end = (edge_s * readings.RATE_HZ for edge_s in (choice.begin_s, choice.end_s))
            yield from self._window(0, begin, end, STATED)
        elif choice.kind == "stamps":
            raise DataError(f"{self._path}: a table has no time stamps of windows", advice="say where its window is")
        else:
            if choice.line not in imported.changes:
                raise DataError(f"{self._path}: it has no logic line {choice.line}", advice="say where its window is")
            yield from self._edges("window", imported.changes[choice.line])
        for line, meaning in self._settings.lines.items():
            if meaning == "warmup" and line in imported.changes:
                yield from self._edges("warmup", imported.changes[line])

    def _edges(self, name: str, changes: Sequence[LineChange]) -> Iterator[Mark]:
        index = -1
        for change in changes:
            if change.level or index < 0:
                index += 1
            yield Mark(
                pass_id=self._context.pass_id,
                attempt=self._context.attempt,
                instrument=self._instrument,
                name=f"{name}_begin" if change.level else f"{name}_end",
                sample=(change.earliest_ns + change.latest_ns) / 2,
                u_samples=(change.latest_ns - change.earliest_ns) * _RECTANGULAR,
                method=GPIO,
                index=index,
            )

    # ----------------------------------------------------------------------------------------------------- facts

    def _note(self, facts: Mapping[str, Any], windows: list[dict[str, Any]], inferences: int | None) -> None:
        """Write into the pass's output what was played."""
        noted = {
            "recording": str(self._path.resolve()),
            "sha256": _checksums(self._path),
            "inferences": inferences,
            "windows": windows,
            **facts,
        }
        text = json.dumps(noted, indent=1, ensure_ascii=False, allow_nan=False)
        (self._context.output / f"{self._instrument}{FACTS_SUFFIX}").write_text(text + "\n", encoding="utf-8")


def _seen_marks(marks: Sequence[Mark], form: StreamFormat, recording: Recording) -> Iterator[Mark]:
    """The marks of logic lines, without those of idle. A line that was sampled more slowly than the power changed up to
    so much earlier than it is seen to."""
    steps = {meaning: recording.line_steps.get(line, 1.0) for line, meaning in form.lines.items()}
    for mark in marks:
        meaning, _, edge = mark.name.rpartition("_")
        if meaning not in steps or edge not in ("begin", "end"):
            continue
        step = steps[meaning]
        if step > 1.0:
            late = (step - 1.0) / 2.0
            u_samples = math.hypot(mark.u_samples, (step - 1.0) * _RECTANGULAR)
            mark = replace(mark, sample=max(mark.sample - late, 0.0), u_samples=u_samples)
        yield mark


def _block(stretch: PlayedStretch, form: StreamFormat, watch: RangeWatch | None) -> Block:
    count = next(iter(stretch.analog.values())).size
    absent = np.full(count, np.nan, np.float32) if form.power_alone else None
    codes = np.zeros(count, np.uint8)
    if stretch.range_codes is not None and watch is not None:
        codes = watch.known(stretch.range_codes)
    return Block(
        first_sample=stretch.first_sample,
        current_a=stretch.analog["current"] if absent is None else absent,
        voltage_v=stretch.analog["voltage"] if absent is None else absent,
        range_codes=codes,
        logic={line: stretch.logic[line] for line in form.lines},
        power_w=stretch.analog.get("power"),
    )


def _joulescope(model: str) -> MeterModel | None:
    return MODELS.get(model.strip().upper())


def _has_codes(recording: Recording) -> bool:
    signals = recording.facts.get("signals")
    return isinstance(signals, dict) and "range" in signals


def _windows_json(recording: Recording) -> list[dict[str, Any]]:
    return [
        {"index": item.index, "inferences": item.inferences, "runtime_s": item.runtime_s} for item in recording.windows
    ]


def _checksums(path: Path) -> dict[str, str]:
    """Of the file, or of the files of a folder, by name."""
    files = sorted(item for item in path.iterdir() if item.is_file()) if path.is_dir() else [path]
    found: dict[str, str] = {}
    for item in files:
        with item.open("rb") as file:
            found[item.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def _fault(context: PassContext, source: str, code: str, detail: str) -> Fault:
    return Fault(pass_id=context.pass_id, attempt=context.attempt, source=source, code=code, detail=detail)
