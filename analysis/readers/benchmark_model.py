"""Reads what TensorFlow Lite's ``benchmark_model`` prints, in its older and newer forms.

Older builds print plain lines on standard output; newer ones put ``INFO: `` before each, some write to standard error,
and the newest add percentiles to the statistics. There are two lines of statistics: of the warm-up, then of the
measured inferences. Few inferences degenerate them: ``count=0``, ``count=1 curr=X``, ``count=N curr=X(all same)``;
percentiles follow these too, ``p5=0 median=0 p95=0`` where there was nothing. (``Stat::OutputToStream``,
``StatWithPercentiles::OutputToStream`` and ``BenchmarkLoggingListener`` in tensorflow/lite.) Times are printed in whole
microseconds, means with six digits, a deviation cut to whole ones.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError


@dataclass(frozen=True, slots=True)
class BenchmarkModelOutput:
    """One run of the program, times in s.

    The statistics are those of the measured inferences; where all took the same time, that time and a deviation of 0.
    They are ``None`` if none was completed. ``warmup_count`` and ``warmup_avg_s`` are ``None`` if there was no warm-up,
    percentiles if the build does not print them, ``peak_memory_bytes`` if it was not asked for. ``init_s`` and
    ``first_inference_s`` are from the line of timings, ``None`` if the program ended before it.
    """

    count: int
    first_s: float | None
    last_s: float | None
    min_s: float | None
    max_s: float | None
    avg_s: float | None
    std_s: float | None
    p5_s: float | None = None
    median_s: float | None = None
    p95_s: float | None = None
    warmup_count: int | None = None
    warmup_avg_s: float | None = None
    init_s: float | None = None
    first_inference_s: float | None = None
    inference_avg_s: float | None = None
    peak_memory_bytes: float | None = None


_QUANTITIES = ("latency_s", "latency_first_s", "latency_std_s")
_FLOAT = r"\d+(?:\.\d+)?(?:e[+-]?\d+)?"
_ITEM = re.compile(rf"(\w+)=({_FLOAT})")
_ALL_SAME = re.compile(r"(?<=\d)\(all same\)(?= |$)")
_PERCENTILES = ("p5", "median", "p95")
_TIMINGS = re.compile(
    r"Inference timings in us: Init: (?P<init>\S+), First inference: (?P<first>\S+), "
    r"Warmup \(avg\): (?P<warmup>\S+), Inference \(avg\): (?P<inference>\S+)"
)
_PEAK = re.compile(rf"Overall peak memory footprint \(MB\) via periodic monitoring: ({_FLOAT})")
_WHOLE_KEYS = ("count", "first", "curr", "min", "max")
_AVERAGE_DIGITS = 1e-5
"""Means are printed with six significant digits: so far they may lie outside the extremes, relatively."""


def read(text: str) -> BenchmarkModelOutput:
    """Read the program's output.

    Raises :class:`lab.errors.DataError`, saying what is wrong, for anything that is not it, that ended too early, or
    that contradicts itself.
    """
    lines = [re.sub(r"^(INFO|WARN|WARNING|ERROR): ?", "", line).strip() for line in text.splitlines()]
    statistics = [_statistics(line) for line in lines if line.startswith("count=")]
    if not statistics:
        raise DataError("benchmark_model printed no statistics of inferences")
    timings = [match for line in lines if (match := _TIMINGS.fullmatch(line))]
    if len(timings) > 1 or len(statistics) > 2:
        raise DataError("this is the output of more than one run of benchmark_model")
    if not timings:
        raise DataError("benchmark_model ended before it had printed its timings")
    if len(statistics) < 2:
        raise DataError("benchmark_model printed statistics of the warm-up or of the inferences, not of both")
    warmup, measured = statistics
    inference_avg_s = _timing(timings[0], "inference")
    _check_agreement(measured, inference_avg_s)
    first_s = _timing(timings[0], "first")
    peaks = [match for line in lines if (match := _PEAK.fullmatch(line))]
    return BenchmarkModelOutput(
        count=int(measured["count"]),
        first_s=_seconds(measured, "first"),
        last_s=_seconds(measured, "curr"),
        min_s=_seconds(measured, "min"),
        max_s=_seconds(measured, "max"),
        avg_s=_seconds(measured, "avg"),
        std_s=_seconds(measured, "std"),
        p5_s=_seconds(measured, "p5"),
        median_s=_seconds(measured, "median"),
        p95_s=_seconds(measured, "p95"),
        warmup_count=int(warmup["count"]) or None,
        warmup_avg_s=_timing(timings[0], "warmup") if warmup["count"] else None,
        init_s=_timing(timings[0], "init"),
        # Without a warm-up the program prints 0 here; the first inference is then the first measured one.
        first_inference_s=first_s if warmup["count"] else _seconds(measured, "first"),
        inference_avg_s=inference_avg_s,
        peak_memory_bytes=float(peaks[-1][1]) * 1024 * 1024 if peaks else None,
    )


def read_output(folder: Path) -> ProgramOutput:
    """The output of one pass. What cannot be read is ``None`` with the reason, never an exception."""
    try:
        output = read(_printed(folder))
    except (OSError, UnicodeDecodeError, DataError):
        return unreadable("output_unreadable")
    if output.count == 0 or output.avg_s is None:
        return unreadable("count_missing")
    values = {
        "latency_s": output.avg_s,
        "latency_first_s": output.first_inference_s,
        "latency_std_s": output.std_s,
        "latency_p05_s": output.p5_s,
        "latency_median_s": output.median_s,
        "latency_p95_s": output.p95_s,
        "latency_warmup_s": output.warmup_avg_s,
        "latency_init_s": output.init_s,
    }
    return ProgramOutput(
        tuple(PrintedQuantity(name, value, "s") for name, value in values.items() if value is not None),
        inferences=output.count,
        inference_time_s=output.avg_s * output.count,
        warmup_inferences=output.warmup_count or 0,
    )


def _printed(folder: Path) -> str:
    """Standard output, or standard error where a newer build wrote its log there."""
    text = (folder / "stdout.txt").read_text(encoding="utf-8")
    errors = folder / "stderr.txt"
    if "count=" not in text and errors.exists():
        return errors.read_text(encoding="utf-8")
    return text


def unreadable(reason: str) -> ProgramOutput:
    """An output without numbers, for one reason."""
    quantities = tuple(PrintedQuantity(name, None, "s", (reason,)) for name in _QUANTITIES)
    return ProgramOutput(quantities, reasons=(reason,))


def _statistics(line: str) -> dict[str, float]:
    """One line of statistics, as printed (µs), made complete where all inferences took the same time."""
    found: dict[str, float] = {}
    plain, same_count = _ALL_SAME.subn("", line)
    for part in plain.split():
        match = _ITEM.fullmatch(part)
        if match is None or match[1] in found:
            raise DataError(f"benchmark_model's statistics are not understood: {line[:120]!r}")
        found[match[1]] = _finite(match[2], line)
    if any(not found.get(key, 0.0).is_integer() for key in (*_WHOLE_KEYS, *_PERCENTILES)):
        raise DataError(f"a count or a time in whole microseconds has a fraction: {line[:120]!r}")
    percentiles = {key: found.pop(key) for key in _PERCENTILES if key in found}
    if percentiles and len(percentiles) < len(_PERCENTILES):
        raise DataError(f"benchmark_model's statistics are incomplete: {line[:120]!r}")
    keys = set(found)
    if keys == {"count"} and found["count"] == 0 and not any(percentiles.values()):
        return found
    if keys == {"count", "curr"} and (found["count"] > 1 if same_count == 1 else found["count"] == 1):
        same = found["curr"]
        found |= {"first": same, "min": same, "max": same, "avg": same, "std": 0.0}
    elif keys != {"count", "first", "curr", "min", "max", "avg", "std"} or found["count"] < 2 or same_count:
        raise DataError(f"benchmark_model's statistics are incomplete: {line[:120]!r}")
    low, high = found["min"] * (1 - _AVERAGE_DIGITS), found["max"] * (1 + _AVERAGE_DIGITS)
    ordered = list(percentiles.values())
    if not all(low <= found[key] <= high for key in ("first", "curr", "avg")) or not all(
        low <= value <= high for value in ordered
    ):
        raise DataError(f"benchmark_model's statistics contradict themselves: {line[:120]!r}")
    if ordered != sorted(ordered):
        raise DataError(f"benchmark_model's percentiles are out of order: {line[:120]!r}")
    return {**found, **percentiles}


def _check_agreement(measured: dict[str, float], inference_avg_s: float | None) -> None:
    """The mean is printed twice; a difference means that lines of different runs were put together."""
    printed_us = measured.get("avg")
    if (printed_us is None) != (inference_avg_s is None):
        raise DataError("benchmark_model's statistics and timings do not belong together")
    if printed_us is None or inference_avg_s is None:
        return
    if abs(printed_us - inference_avg_s * 1e6) > _AVERAGE_DIGITS * printed_us:
        raise DataError("benchmark_model's statistics and timings do not belong together")


def _timing(match: re.Match[str], name: str) -> float | None:
    """One time of the timings' line in s; ``None`` for the mean of nothing, which is printed as ``nan``."""
    printed = match[name]
    if re.fullmatch(r"-?nan(\(\w*\))?", printed):
        return None
    if not re.fullmatch(_FLOAT, printed):
        raise DataError(f"benchmark_model's timings are not understood: {match[0][:160]!r}")
    return _finite(printed, match[0]) * 1e-6


def _seconds(statistics: dict[str, float], key: str) -> float | None:
    value = statistics.get(key)
    return None if value is None else value * 1e-6


def _finite(printed: str, line: str) -> float:
    value = float(printed)
    if not math.isfinite(value):
        raise DataError(f"a number is too large: {line[:120]!r}")
    return value
