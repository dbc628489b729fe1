"""The two texts of an EnergyRunner session: what was published (``results.txt``) and the protocol (``log.txt``).

Times are rounded to 1 ms or 10 ms there, energies, powers and throughputs to three decimals of µJ, µW and 1/s. A line
that is damaged where a number is expected raises :class:`~lab.errors.DataError` with its number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lab.errors import DataError

TRACE_FILE = "trace1-energy.bin"
RESULTS_FILE = "results.txt"
LOG_FILE = "log.txt"

_METERS = {"js110": "JS110", "lpm01a": "LPM01A"}


@dataclass(frozen=True, slots=True)
class PublishedWindow:
    """One energy window as ``results.txt`` states it, in SI units.

    ``inferences``, ``runtime_s`` and ``throughput_hz`` are ``None`` where the file has no performance block for it.
    """

    index: int
    time_s: float
    duration_s: float
    energy_j: float
    power_w: float
    energy_per_inference_j: float
    inferences: int | None = None
    runtime_s: float | None = None
    throughput_hz: float | None = None
    complaint: str = ""
    """What the runner itself objected to, such as a run shorter than the benchmark's rules ask."""


@dataclass(frozen=True, slots=True)
class Results:
    """The content of ``results.txt``."""

    windows: tuple[PublishedWindow, ...]
    median_energy_j: float | None = None
    median_throughput_hz: float | None = None


@dataclass(frozen=True, slots=True)
class SessionLog:
    """What ``log.txt`` says about the set-up.

    ``meter`` is the power monitor's model, ``""`` if the log does not name it. ``laps_s`` are the ``m-lap-us`` marks
    and ``laps_of`` the unit that timed them: ``emon`` (the power monitor, on the trace's clock) or ``io`` (another).
    """

    meter: str = ""
    voltage_v: float | None = None
    runner_version: str = ""
    model: str = ""
    laps_s: tuple[float, ...] = ()
    laps_of: str = ""
    dropped_packets: int | None = None


# --- results.txt -----------------------------------------------------------------------------------------------------

_PREFIX = re.compile(r"[0-9]+\.[0-9]+ [A-Za-z0-9_-]+: ?(.*)", re.ASCII)
_F3 = r"([0-9]{1,11}\.[0-9]{3})"
_WINDOW = re.compile(
    r"Energy data for window ([0-9]{1,6}) at time ([0-9]{1,9}\.[0-9]{2}) for ([0-9]{1,9}\.[0-9]{2}) sec\.:", re.ASCII
)
_ENERGY_LINES = (
    ("Energy : … uJ", re.compile(rf" +Energy +: +{_F3} uJ", re.ASCII)),
    ("Power : … uW", re.compile(rf" +Power +: +{_F3} uW", re.ASCII)),
    ("Energy/Inf. : … uJ/inf.", re.compile(rf" +Energy/Inf\. +: +{_F3} uJ/inf\.", re.ASCII)),
)
_PERFORMANCE = re.compile(r"Performance results for window ([0-9]{1,6}):", re.ASCII)
_PERFORMANCE_LINES = (
    ("# Inferences : …", re.compile(r" +# Inferences +: +([0-9]{1,12})", re.ASCII)),
    ("Runtime : … sec.", re.compile(rf" +Runtime +: +{_F3} sec\.", re.ASCII)),
    ("Throughput : … inf./sec.", re.compile(rf" +Throughput +: +{_F3} inf\./sec\.", re.ASCII)),
)
_MEDIAN_ENERGY = re.compile(rf"Median energy cost is {_F3} uJ/inf\.", re.ASCII)
_MEDIAN_THROUGHPUT = re.compile(rf"Median throughput is {_F3} inf\./sec\.", re.ASCII)
_COMPLAINT = re.compile(r"e-\[(.*)\]", re.ASCII)
_KNOWN_BEGINNINGS = (" ", "Energy", "Performance", "Median energy", "Median throughput")
"""A line that begins so and fits no pattern is a damaged one; others are remarks of the runner."""


class _Lines:
    """The lines of ``results.txt`` without their prefix, with numbers for error messages."""

    def __init__(self, text: str, name: str) -> None:
        self._lines = text.split("\n")
        self._name = name
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        while self.number < len(self._lines):
            yield self._next()

    def _next(self) -> str:
        line = self._lines[self.number]
        self.number += 1
        match = _PREFIX.fullmatch(line.rstrip())
        if match is None:
            if not line.strip():
                return ""
            raise self.error(f"found {line!r:.80}, expected `<seconds> <program>: …`")
        return match[1]

    def values(self, patterns: Sequence[tuple[str, re.Pattern[str]]], block: str) -> list[str]:
        """The numbers of the block's next lines, one per pattern."""
        found = []
        for wanted, pattern in patterns:
            line = self._next() if self.number < len(self._lines) else None
            match = None if line is None else pattern.fullmatch(line)
            if match is None:
                got = "the end of the file" if line is None else f"{line!r:.80}"
                raise self.error(f"found {got}, expected the line `{wanted}` of {block}")
            found.append(match[1])
        return found

    def error(self, message: str) -> DataError:
        return DataError(f"{self._name}:{self.number}: {message}")


def parse_results(text: str, name: str = RESULTS_FILE) -> Results:
    """The published windows and medians.

    Raises :class:`DataError` on a damaged, doubled or misplaced line. The runner's remarks are passed over.
    """
    lines = _Lines(text, name)
    windows: dict[int, PublishedWindow] = {}
    median_energy_j = median_throughput_hz = None
    performance: PublishedWindow | None = None
    for line in lines:
        if match := _WINDOW.fullmatch(line):
            index = int(match[1])
            if index < 1 or index in windows:
                raise lines.error(f"window {index} is {'described twice' if index in windows else 'not a window'}")
            energy, power, each = lines.values(_ENERGY_LINES, f"window {index}")
            if not (float(energy) > 0 and float(power) > 0):
                raise lines.error(f"window {index} has no energy or no power")
            windows[index] = PublishedWindow(
                index=index,
                time_s=float(match[2]),
                duration_s=float(match[3]),
                energy_j=float(energy) * 1e-6,
                power_w=float(power) * 1e-6,
                energy_per_inference_j=float(each) * 1e-6,
            )
        elif match := _PERFORMANCE.fullmatch(line):
            index = int(match[1])
            if index not in windows:
                raise lines.error(f"performance of window {index}, which has no energy data")
            if windows[index].inferences is not None:
                raise lines.error(f"performance of window {index} is given twice")
            count, runtime, throughput = lines.values(_PERFORMANCE_LINES, f"the performance of window {index}")
            if int(count) < 1 or float(runtime) <= 0:
                raise lines.error(f"window {index} has no inferences or no run time")
            performance = windows[index] = replace(
                windows[index],
                inferences=int(count),
                runtime_s=float(runtime),
                throughput_hz=float(throughput),
            )
        elif match := _MEDIAN_ENERGY.fullmatch(line):
            if median_energy_j is not None:
                raise lines.error("a second median of the energy")
            median_energy_j = float(match[1]) * 1e-6
        elif match := _MEDIAN_THROUGHPUT.fullmatch(line):
            if median_throughput_hz is not None:
                raise lines.error("a second median of the throughput")
            median_throughput_hz = float(match[1])
        elif (match := _COMPLAINT.fullmatch(line)) and performance is not None:
            windows[performance.index] = replace(performance, complaint=match[1])
        elif line.startswith(_KNOWN_BEGINNINGS):
            raise lines.error(f"found {line!r:.80}, which is not where or what it should be")
    if not windows:
        raise DataError(f"{name}: no energy window in it")
    return Results(tuple(windows[index] for index in sorted(windows)), median_energy_j, median_throughput_hz)


# --- log.txt ---------------------------------------------------------------------------------------------------------

_LOG_LINE = re.compile(r"[0-9]+\.[0-9]+ ([a-z]+): (.*)", re.ASCII)
_METER = re.compile(rf"m-regfile-fn\[{re.escape(TRACE_FILE)}\]-type\[emon\]-name\[([A-Za-z0-9_-]{{1,40}})\]", re.ASCII)
_VOLTAGE = re.compile(r"m-voltage-mv\[([0-9]{1,6})\]", re.ASCII)
_LAP = re.compile(r"m-lap-us-([0-9]{1,15})", re.ASCII)
_VERSION = re.compile(r"m-version\[([^\]]{1,40})\]", re.ASCII)
_MODEL = re.compile(r"\[dut\]: m-model-\[([^\]]{1,80})\]", re.ASCII)
_DROPPED = re.compile(r"m-\[Dropped ([0-9]{1,12}) packets out of ([0-9]{1,15}),.*\]", re.ASCII)


def parse_log(text: str, name: str = LOG_FILE) -> SessionLog:
    """What the protocol says about the set-up; everything else in it is passed over.

    A line that begins like one of those sought and does not end like it raises :class:`DataError`, and so do two lines
    that contradict each other.
    """
    found: dict[str, str] = {}
    laps: dict[str, list[float]] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        match = _LOG_LINE.fullmatch(line.rstrip())
        if match is None:
            continue
        unit, said = match[1], match[2]
        for key, units, start, pattern in (
            ("meter", ("emon",), f"m-regfile-fn[{TRACE_FILE}]", _METER),
            ("voltage", ("emon",), "m-voltage-mv", _VOLTAGE),
            ("lap", ("emon", "io"), "m-lap-us", _LAP),
            ("version", ("parser",), "m-version", _VERSION),
            ("model", ("io",), "[dut]: m-model-", _MODEL),
            ("dropped", ("emon",), "m-[Dropped", _DROPPED),
        ):
            if unit not in units or not said.startswith(start):
                continue
            value = pattern.fullmatch(said)
            if value is None:
                raise DataError(f"{name}:{number}: found {said!r:.80}, which is not a whole `{start}` line")
            if key == "lap":
                laps.setdefault(unit, []).append(int(value[1]) / 1e6)
            elif found.setdefault(key, value[1]) != value[1]:
                raise DataError(f"{name}:{number}: found {value[1]!r} where an earlier line said {found[key]!r}")
    if len(laps) > 1:
        raise DataError(f"{name}: laps of two clocks ({' and '.join(sorted(laps))})")
    laps_of = next(iter(laps), "")
    meter = found.get("meter", "")
    return SessionLog(
        meter=_METERS.get(meter.lower(), meter),
        voltage_v=int(found["voltage"]) / 1000 if "voltage" in found else None,
        runner_version=found.get("version", ""),
        model=found.get("model", ""),
        laps_s=tuple(laps.get(laps_of, ())),
        laps_of=laps_of,
        dropped_packets=int(found["dropped"]) if "dropped" in found else None,
    )
