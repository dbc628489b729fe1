"""Replays power sessions that EEMBC's EnergyRunner recorded (MLPerf Tiny), with a Joulescope JS110 or an LPM01A.

Nothing is measured: each pass copies the files of one recorded session into the record, unchanged, and says where its
windows lie and what was published about them. Origin: ``replayed``.
"""

from __future__ import annotations

import math
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from instruments.protocol import Accuracy, Capabilities, Observation, PassContext, Probe
from lab.errors import DataError
from lab.record.documents import Fault, Mark, Reading, TraceRef
from lab.record.quantity import Origin
from lab.record.traces.energyrunner import (
    SESSION_FILES,
    EnergyRunnerSession,
    disagreements,
    edge_range,
    load_session,
)
from lab.record.traces.energyrunner_texts import LOG_FILE, TRACE_FILE, PublishedWindow

_FOLDER_VARIABLE = "LAB_SESSIONS"
_FOLDER_ADVICE = (
    f"set {_FOLDER_VARIABLE} to a folder with recorded sessions, such as a clone of mlcommons/tiny_results_v1.0 "
    f"(each session is a folder with {TRACE_FILE})"
)


class EnergyRunnerReplay:
    """An instrument of kind ``energyrunner``.

    ``sessions`` is the folder below which the recorded sessions lie, by default ``$LAB_SESSIONS``; only
    :meth:`probe` looks there, each pass is told its own session. ``accuracy``: limits of error of the meters that
    recorded, where the bench states them.
    """

    def __init__(self, name: str, sessions: Path | None = None, accuracy: Accuracy | None = None) -> None:
        self.name = name
        named = os.environ.get(_FOLDER_VARIABLE)
        self._sessions = sessions or (Path(named) if named else None)
        self._accuracy = accuracy
        self._context: PassContext | None = None
        self._started = False

    def probe(self) -> Probe:
        """Read every session below the folder, and say which meters recorded them."""
        if self._sessions is None:
            return Probe(False, "no folder with recorded sessions was named", _FOLDER_ADVICE)
        if not self._sessions.is_dir():
            return Probe(False, f"{self._sessions}: no such folder", _FOLDER_ADVICE)
        meters: Counter[str] = Counter()
        damaged: list[str] = []
        for trace in sorted(self._sessions.rglob(TRACE_FILE)):
            try:
                session = load_session(trace.parent)
            except DataError as error:
                damaged.append(error.message)
            else:
                meters[session.log.meter or "unnamed meter"] += 1
        if not meters:
            detail = damaged[0] if damaged else f"{self._sessions}: no {TRACE_FILE} below it"
            return Probe(False, detail, _FOLDER_ADVICE)
        listed = ", ".join(f"{count} by {meter}" for meter, count in sorted(meters.items()))
        detail = f"{meters.total()} recorded sessions ({listed})"
        if damaged:
            detail += f"; {len(damaged)} cannot be read, the first: {damaged[0]}"
        return Probe(True, detail, facts={"meters": dict(sorted(meters.items())), "damaged": damaged})

    def capabilities(self) -> Capabilities:
        """Energy per sample as a JS110 or an LPM01A gave it; each reading names the meter of its session."""
        return Capabilities(
            measures=("energy",),
            origin=Origin.REPLAYED,
            scope="board",
            rate_hz=1000.0,
            update_period_s=1e-3,
            accuracy=self._accuracy,
            assumes=("voltage and current behind the energies, which EnergyRunner does not keep",),
            clock="the trace's own; time stamps of the windows rounded to 1 ms",
        )

    def open(self) -> None:
        """Nothing to take hold of: a pass names its own session."""

    def arm(self, context: PassContext) -> None:
        """Take note of the session to replay."""
        self._context, self._started = context, False

    def start(self) -> None:
        """Nothing to start: the recording was made long ago."""
        self._started = True

    def stop(self) -> Observation:
        """Copy the session into the record and give its windows as marks, what was published as readings.

        A session that is missing or damaged is a fault, and so is one whose numbers contradict each other. Empty if
        nothing was started.
        """
        context, self._context = self._context, None
        if context is None or not self._started:
            return Observation()
        replay = _Replay(self.name, context)
        if context.session is None:
            return Observation(faults=(replay.fault("trace_unreadable", "the pass names no recorded session"),))
        try:
            _copy(context.session, context.trace)
            session = load_session(context.trace)
        except (DataError, OSError) as error:
            return Observation(faults=(replay.fault("trace_unreadable", str(error)),))
        return replay.observation(session)

    def close(self) -> None:
        """Nothing was changed."""
        self._context = None


def _copy(session: Path, target: Path) -> None:
    """Copy the session's files, byte by byte. ``log.txt`` may be missing; raises ``OSError`` for the others."""
    target.mkdir(parents=True)
    for name in SESSION_FILES:
        if name != LOG_FILE or (session / name).exists():
            shutil.copyfile(session / name, target / name)


class _Replay:
    """Puts one session into documents."""

    def __init__(self, instrument: str, context: PassContext) -> None:
        self._instrument = instrument
        self._context = context

    def observation(self, session: EnergyRunnerSession) -> Observation:
        trace = TraceRef(
            instrument=self._instrument,
            path=self._context.trace.relative_to(self._context.record_root).as_posix(),
            format="energyrunner",
            rate_hz=session.rate_hz,
            samples=int(session.energy_uj.size),
        )
        windows = session.results.windows
        return Observation(
            traces=(trace,),
            marks=tuple(mark for window in windows for mark in self._marks(session, window)),
            readings=tuple(reading for window in windows for reading in self._readings(session, window)),
            faults=tuple(self._faults(session)),
        )

    def _marks(self, session: EnergyRunnerSession, window: PublishedWindow) -> Iterator[Mark]:
        """The two edges. The stamp is rounded to 1 ms and the runner takes whole samples, so an edge lies anywhere in
        :func:`lab.record.traces.energyrunner.edge_range`: rectangular, u = width/√12, at 1 kHz 2/√12 = 0.58 samples."""
        for name, stamp_s in zip(("window_begin", "window_end"), session.bounds_s(window), strict=True):
            first, last = edge_range(stamp_s, session.rate_hz)
            yield Mark(
                pass_id=self._context.pass_id,
                attempt=self._context.attempt,
                instrument=self._instrument,
                name=name,
                sample=stamp_s * session.rate_hz,
                u_samples=(last - first) / math.sqrt(12.0),
                method="timestamps",
                index=window.index,
            )

    def _readings(self, session: EnergyRunnerSession, window: PublishedWindow) -> Iterator[Reading]:
        count = window.inferences
        details = {"meter": session.log.meter, "supply_voltage_v": session.log.voltage_v, "complaint": window.complaint}
        for name, value, unit in (
            ("energy_published_j", None if count is None else window.energy_j / count, "J"),
            ("power_published_w", window.power_w, "W"),
            ("window_published_s", window.duration_s, "s"),
            ("inferences", None if count is None else float(count), "1"),
            ("latency_s", None if count is None or window.runtime_s is None else window.runtime_s / count, "s"),
        ):
            yield Reading(
                pass_id=self._context.pass_id,
                attempt=self._context.attempt,
                instrument=self._instrument,
                name=name,
                value=value,
                unit=unit,
                scope="board",
                reasons=("count_missing",) if value is None else (),
                index=window.index,
                details=details,
            )

    def _faults(self, session: EnergyRunnerSession) -> Iterator[Fault]:
        for item in disagreements(session):
            where = "" if item.window is None else f"window {item.window}: "
            yield self.fault("window_disagrees", where + item.text)
        if session.log.dropped_packets:
            yield self.fault("samples_dropped", f"the meter lost {session.log.dropped_packets} packets on USB")

    def fault(self, code: str, detail: str) -> Fault:
        context = self._context
        return Fault(
            pass_id=context.pass_id, attempt=context.attempt, source=self._instrument, code=code, detail=detail
        )
