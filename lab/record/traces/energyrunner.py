"""Power sessions as EEMBC's EnergyRunner (the runner of MLPerf Tiny) leaves them: a folder of four files.

``trace1-energy.bin``
    one byte 0xF1, the sample rate as little-endian float32, then the energy of each sample in µJ as float32.
``trace1-timestamps.json``
    a list of instants in seconds, rounded to 1 ms. Window ``w`` (from 1) lies between entries ``w`` and ``w + 1``.
``results.txt``
    what was published: energy, power and energy per inference of each window, inferences, run time, throughput.
``log.txt`` (may be absent)
    the runner's protocol: which power monitor, its voltage, lap instants in µs, versions, dropped packets.

Here are the formats only, and what the numbers of one session must have in common. A file that is not exactly what it
claims to be raises :class:`~lab.errors.DataError` with its name and the byte or line, because half of a damaged
session is a wrong number.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces.energyrunner_texts import (
    LOG_FILE,
    RESULTS_FILE,
    TRACE_FILE,
    PublishedWindow,
    Results,
    SessionLog,
    parse_log,
    parse_results,
)

STAMPS_FILE = "trace1-timestamps.json"
SESSION_FILES = (TRACE_FILE, STAMPS_FILE, RESULTS_FILE, LOG_FILE)

MARKER = 0xF1
STAMP_STEP_S = 1e-3
"""The step that time stamps, run times and laps are rounded to."""
PRINTED_STEP = 1e-3
"""The last digit of energies (µJ), powers (µW) and throughputs (1/s) in ``results.txt``."""
_TIME_STEP_S = 1e-2
"""The last digit of ``at time … for … sec.`` in ``results.txt``."""

_HEADER = struct.Struct("<Bf")
_RATES_HZ = (1.0, 1e7)
"""What a sample rate can be; a header outside it is damage, not a rate."""


@dataclass(frozen=True, slots=True)
class EnergyRunnerSession:
    """One recorded session. ``energy_uj``: one float32 per sample; ``stamps_s``: the instants between windows."""

    folder: Path
    rate_hz: float
    energy_uj: NDArray[np.float32]
    stamps_s: tuple[float, ...]
    results: Results
    log: SessionLog = field(default_factory=SessionLog)

    @property
    def duration_s(self) -> float:
        """The length of the trace."""
        return self.energy_uj.size / self.rate_hz

    def bounds_s(self, window: PublishedWindow) -> tuple[float, float]:
        """The two time stamps between which a window lies."""
        return self.stamps_s[window.index - 1], self.stamps_s[window.index]


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Two numbers of a session that cannot both be right. ``window`` is ``None`` where it concerns all of them."""

    window: int | None
    text: str


# --- the trace -------------------------------------------------------------------------------------------------------


def parse_trace(data: bytes, name: str = TRACE_FILE) -> tuple[float, NDArray[np.float32]]:
    """The sample rate in Hz and the energy of each sample in µJ.

    Raises :class:`DataError` on another marker, an impossible rate, a size that is not whole samples, and on a sample
    that is not a finite number.
    """
    if len(data) < _HEADER.size:
        raise DataError(f"{name}: {len(data)} bytes, too short for the header of {_HEADER.size}")
    marker, rate_hz = _HEADER.unpack_from(data)
    if marker != MARKER:
        raise DataError(f"{name}: byte 0: found 0x{marker:02X}, expected the marker 0x{MARKER:02X}")
    low, high = _RATES_HZ
    if not low <= rate_hz <= high:
        raise DataError(f"{name}: byte 1: found sample rate {rate_hz:g} Hz, expected {low:g} to {high:g} Hz")
    body = len(data) - _HEADER.size
    if body == 0 or body % 4:
        raise DataError(f"{name}: {body} bytes of samples, expected a multiple of 4 (the file is cut short?)")
    energy_uj = np.frombuffer(data, dtype="<f4", offset=_HEADER.size)
    bad = np.flatnonzero(~np.isfinite(energy_uj))
    if bad.size:
        first = int(bad[0])
        raise DataError(f"{name}: byte {_HEADER.size + 4 * first}: sample {first} is not a finite number")
    return float(rate_hz), energy_uj


class EnergyRunnerTrace(ClosedOnExit):
    """The trace of a session as a :class:`~lab.record.traces.protocol.TraceReader` with the one channel ``energy``."""

    channels = ("energy",)

    def __init__(self, rate_hz: float, energy_uj: NDArray[np.float32]) -> None:
        self.rate_hz = rate_hz
        self._energy_uj = energy_uj

    @property
    def length(self) -> int:
        """Samples in the trace."""
        return int(self._energy_uj.size)

    def read(self, channel: str, start: int, stop: int) -> NDArray[np.float64]:
        """Energy in J of the samples ``start`` to ``stop`` (half open).

        Raises ``IndexError`` outside ``0 … length`` and ``KeyError`` for another channel.
        """
        if channel not in self.channels:
            raise KeyError(channel)
        if not 0 <= start <= stop <= self.length:
            raise IndexError(f"samples {start}…{stop} of a trace of {self.length}")
        return self._energy_uj[start:stop].astype(np.float64) * 1e-6

    def close(self) -> None:
        """Nothing to let go of: the file was read whole."""


def open_folder(folder: Path) -> EnergyRunnerTrace:
    """The trace in a session's folder. Raises :class:`DataError` if it is missing or damaged."""
    path = folder / TRACE_FILE
    return EnergyRunnerTrace(*parse_trace(_read(path), str(path)))


# --- the time stamps -------------------------------------------------------------------------------------------------


def parse_stamps(text: str, name: str = STAMPS_FILE) -> tuple[float, ...]:
    """The instants in seconds. Raises :class:`DataError` unless they are finite, not negative and rising."""
    try:
        values = json.loads(text, parse_constant=_not_a_number)
    except json.JSONDecodeError as error:
        raise DataError(f"{name}:{error.lineno}:{error.colno}: not JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{name}: not a list of numbers ({error})") from error
    if not isinstance(values, list):
        raise DataError(f"{name}: found {type(values).__name__}, expected a list of seconds")
    stamps: list[float] = []
    for number, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
            raise DataError(f"{name}: entry {number}: found {value!r:.40}, expected seconds")
        if stamps and value <= stamps[-1]:
            raise DataError(f"{name}: entry {number}: {value} s does not come after {stamps[-1]} s")
        stamps.append(float(value))
    return tuple(stamps)


def _not_a_number(constant: str) -> NoReturn:
    raise ValueError(f"found {constant}")


def edge_range(stamp_s: float, rate_hz: float) -> tuple[int, int]:
    """The sample indices between which the edge behind a time stamp lies, whatever way a runner picks whole samples.

    The instant is open by half a step of the stamp to both sides, and a sum of whole samples begins at the index below
    or above it: ``⌊(t − ½ ms)·rate⌋ … ⌈(t + ½ ms)·rate⌉``. At 1 kHz that is one sample to either side of ``t·rate``.
    """
    slack = 1e-6  # of a sample: stamps are decimal fractions, their products with the rate are not exact
    half = 0.5 * STAMP_STEP_S * rate_hz + slack
    return math.floor(stamp_s * rate_hz - half), math.ceil(stamp_s * rate_hz + half)


# --- the session -----------------------------------------------------------------------------------------------------


def load_session(folder: Path) -> EnergyRunnerSession:
    """Read a session's folder.

    Raises :class:`DataError` if a file is missing (``log.txt`` may be) or damaged, and if a published window lies
    outside the time stamps or the trace.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder", advice=f"name the folder that holds {TRACE_FILE}")
    trace_path, stamps_path = folder / TRACE_FILE, folder / STAMPS_FILE
    results_path, log_path = folder / RESULTS_FILE, folder / LOG_FILE
    rate_hz, energy_uj = parse_trace(_read(trace_path), str(trace_path))
    session = EnergyRunnerSession(
        folder=folder,
        rate_hz=rate_hz,
        energy_uj=energy_uj,
        stamps_s=parse_stamps(_read_text(stamps_path), str(stamps_path)),
        results=parse_results(_read_text(results_path), str(results_path)),
        log=parse_log(_read_text(log_path), str(log_path)) if log_path.exists() else SessionLog(),
    )
    last = session.results.windows[-1].index
    if last >= len(session.stamps_s):
        raise DataError(f"{stamps_path}: {len(session.stamps_s)} time stamps, too few for window {last}")
    end_s = session.stamps_s[last]
    if edge_range(end_s, rate_hz)[1] > energy_uj.size:
        raise DataError(f"{trace_path}: ends at {session.duration_s:.3f} s, before window {last} does ({end_s:.3f} s)")
    return session


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"{path}: cannot read it ({error.strerror})",
            advice=f"a session's folder holds {TRACE_FILE}, {STAMPS_FILE}, {RESULTS_FILE} and mostly {LOG_FILE}",
        ) from error


def _read_text(path: Path) -> str:
    try:
        return _read(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start}: not UTF-8 text") from error


def published_samples(window: PublishedWindow, rate_hz: float) -> int | None:
    """How many samples a published energy is the sum of: energy / power × rate, which is a whole number.

    ``None`` if it is not, within the rounding of the two printed values, and where that rounding is too coarse to tell.
    """
    exact, slack = _sample_count(window, rate_hz)
    count = round(exact)
    return count if slack < _TELLING_SLACK and abs(exact - count) <= slack else None


_TELLING_SLACK = 0.25
"""Of a sample: with more rounding than this on energy and power, any quotient of them looks whole."""


def _sample_count(window: PublishedWindow, rate_hz: float) -> tuple[float, float]:
    """Energy / power × rate, and how far the rounding of energy and power may have moved it."""
    exact = window.energy_j / window.power_w * rate_hz
    half_step_j = half_step_w = 0.5 * PRINTED_STEP * 1e-6
    return exact, exact * (half_step_j / window.energy_j + half_step_w / window.power_w + 1e-9)


def disagreements(session: EnergyRunnerSession) -> list[Disagreement]:
    """Where numbers of the session that state the same thing differ by more than their printed digits allow."""
    found = [item for window in session.results.windows for item in _window_disagreements(session, window)]
    windows, results = session.results.windows, session.results
    # Stamps come in the order begin, window begins, window ends, …: every second stretch is a window.
    marked = (len(session.stamps_s) - 1) // 2
    if len(windows) < marked:
        found.append(Disagreement(None, f"{len(windows)} windows are published, the time stamps mark {marked}"))
    half_j = 0.5 * PRINTED_STEP * 1e-6
    if results.median_energy_j is not None:
        middle = median(window.energy_per_inference_j for window in windows)
        if not _close(middle, results.median_energy_j, 2 * half_j):
            found.append(
                Disagreement(
                    None, f"median energy {results.median_energy_j * 1e6:.3f} µJ, of the windows {middle * 1e6:.3f}"
                )
            )
    rates = [window.throughput_hz for window in windows if window.throughput_hz is not None]
    if results.median_throughput_hz is not None and rates:
        middle = median(rates)
        if not _close(middle, results.median_throughput_hz, PRINTED_STEP):
            found.append(
                Disagreement(
                    None, f"median throughput {results.median_throughput_hz:.3f} /s, of the windows {middle:.3f}"
                )
            )
    if session.log.laps_of == "emon" and len(session.log.laps_s) == len(session.stamps_s):
        for number, (lap_s, stamp_s) in enumerate(zip(session.log.laps_s, session.stamps_s, strict=True)):
            if not _close(lap_s, stamp_s, STAMP_STEP_S):
                found.append(Disagreement(None, f"lap {number} at {lap_s:.6f} s, its time stamp at {stamp_s:.3f} s"))
    return found


def _window_disagreements(session: EnergyRunnerSession, window: PublishedWindow) -> Iterator[Disagreement]:
    begin_s, end_s = session.bounds_s(window)
    length_s = end_s - begin_s

    def differs(text: str) -> Disagreement:
        return Disagreement(window.index, text)

    if not _close(begin_s, window.time_s, 0.5 * _TIME_STEP_S):
        yield differs(f"published at {window.time_s:.2f} s, its time stamp is {begin_s:.3f} s")
    if not _close(length_s, window.duration_s, 0.5 * _TIME_STEP_S):
        yield differs(f"published as {window.duration_s:.2f} s long, its time stamps are {length_s:.3f} s apart")
    if window.runtime_s is not None and not _close(length_s, window.runtime_s, STAMP_STEP_S):
        yield differs(f"run time {window.runtime_s:.3f} s, its time stamps are {length_s:.3f} s apart")
    count = published_samples(window, session.rate_hz)
    coarse = _sample_count(window, session.rate_hz)[1] >= _TELLING_SLACK
    first, last = (edge_range(stamp, session.rate_hz) for stamp in (begin_s, end_s))
    if count is None and not coarse:
        yield differs("published energy over power is no whole number of samples")
    elif count is not None and not last[0] - first[1] <= count <= last[1] - first[0]:
        yield differs(
            f"published energy over power is {count} samples, its time stamps span {length_s * session.rate_hz:g}"
        )
    if window.inferences is not None and window.runtime_s is not None and window.throughput_hz is not None:
        each_j, half_j = window.energy_j / window.inferences, 0.5 * PRINTED_STEP * 1e-6
        if not _close(each_j, window.energy_per_inference_j, half_j * (1 + 1 / window.inferences)):
            yield differs(
                f"published {window.energy_per_inference_j * 1e6:.3f} µJ per inference, "
                f"energy over inferences is {each_j * 1e6:.3f} µJ"
            )
        pace_hz = window.inferences / window.runtime_s
        slack_hz = 0.5 * PRINTED_STEP + pace_hz * 0.5 * STAMP_STEP_S / window.runtime_s
        if not _close(pace_hz, window.throughput_hz, slack_hz):
            yield differs(f"throughput {window.throughput_hz:.3f} /s, inferences over run time {pace_hz:.3f} /s")


def _close(left: float, right: float, tolerance: float) -> bool:
    """Equal within ``tolerance``, and a billionth for the arithmetic."""
    return abs(left - right) <= tolerance + 1e-9 * max(abs(left), abs(right))
