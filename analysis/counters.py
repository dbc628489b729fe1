"""Counted events per inference, from the readings of the counter passes.

A count of a whole process holds start-up, model loading and warm-up too. Where a second pass with fewer inferences
was made (the *baseline*), the difference per inference is free of them: (count − count₀)/(N − N₀); the whole process's
count stands beside it under a name of its own, because for page faults it is the one that says something. What was
counted in the program's window alone is divided by the inferences in it. Without either a count is stated per process,
with that written into its scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.measured import Measured, stated
from analysis.readers.program_output import ProgramOutput
from lab.record.documents import Reading
from lab.record.quantity import Origin
from lab.record.reasons import REASONS
from lab.record.timed import PROCESS_SUFFIX

PER_PROCESS, PER_WINDOW = "per process", "per window"
CPU_SIDE = "CPU side only"
"""Added to the scope where an accelerator did part of the work: no counter of the CPU saw that part."""

_CPU = frozenset({"", "cpu", "none"})


def counter_quantities(
    readings: Sequence[Reading],
    output: ProgramOutput,
    baseline: tuple[Sequence[Reading], ProgramOutput] | None,
    *,
    pass_id: str,
    origin: Origin,
    codes: Iterable[str],
    accelerated: bool = False,
    per_process: bool = False,
) -> list[Measured]:
    """The counts of one counter pass, one for each reading.

    ``baseline`` holds the readings and the output of the pass with fewer inferences, ``None`` if none was asked for.
    ``codes`` are the reason codes that befell either pass. ``accelerated``: an NPU or GPU did part of the work;
    ``per_process``: the experiment states results for the whole of what ran.
    """
    codes = tuple(codes)
    readings = [_with_scope(reading, CPU_SIDE) for reading in readings] if accelerated else readings
    if baseline is None:
        return [
            _in_window(reading, output, pass_id, origin, codes)
            if _is_windowed(reading) and not per_process
            else _per_process(reading, pass_id, origin, codes)
            for reading in readings
        ]
    before = {(item.instrument, item.name): item for item in baseline[0]}
    runs = _more_runs(output, baseline[1])
    per_inference = [
        _per_inference(reading, before.get((reading.instrument, reading.name)), runs, pass_id, origin, codes)
        for reading in readings
    ]
    whole = [_per_process(reading, pass_id, origin, codes, suffix=PROCESS_SUFFIX) for reading in readings]
    return per_inference + whole


def _more_runs(output: ProgramOutput, baseline: ProgramOutput) -> int | None:
    """How many inferences more than the baseline's, warm-up included where both say it; ``None`` if that is unknown."""
    if output.inferences is None or baseline.inferences is None:
        return None
    more = output.inferences - baseline.inferences
    if output.warmup_inferences is not None and baseline.warmup_inferences is not None:
        more += output.warmup_inferences - baseline.warmup_inferences
    return more


def _per_process(reading: Reading, pass_id: str, origin: Origin, codes: tuple[str, ...], suffix: str = "") -> Measured:
    scope = _with_scope(reading, PER_WINDOW if _is_windowed(reading) else PER_PROCESS).scope
    return stated(
        reading.name + suffix,
        reading.value,
        reading.unit,
        pass_id=pass_id,
        origin=origin,
        # How many inferences there were does not matter to the count of a whole process.
        reasons=(*(code for code in codes if code != "count_missing"), *_known(reading.reasons)),
        unexplained="not_counted",
        source=reading.instrument,
        scope=scope,
    )


def _in_window(
    reading: Reading, output: ProgramOutput, pass_id: str, origin: Origin, codes: tuple[str, ...]
) -> Measured:
    """The count of the window, for each of the inferences in it."""
    reasons = [*codes, *_known(reading.reasons)]
    value = None
    if not output.inferences:
        reasons.append("count_missing")
    elif reading.value is not None:
        value = reading.value / output.inferences
    return _stated(reading, value, pass_id, origin, reasons)


def _per_inference(
    reading: Reading,
    before: Reading | None,
    runs: int | None,
    pass_id: str,
    origin: Origin,
    codes: tuple[str, ...],
) -> Measured:
    reasons = [*codes, *_known(reading.reasons)]
    value = None
    if before is None or (before.value is None and not before.reasons):
        reasons.append("pass_missing")
    else:
        reasons += _known(before.reasons)
    if runs is None or runs <= 0:
        reasons.append("count_missing")
    elif reading.value is not None and before is not None and before.value is not None:
        value = (reading.value - before.value) / runs
        if value <= 0.0 and (reading.value or before.value):
            # More work cannot cost fewer instructions: what is left of the difference is noise.
            reasons.append("below_resolution")
    return _stated(reading, value, pass_id, origin, reasons)


def _stated(reading: Reading, value: float | None, pass_id: str, origin: Origin, reasons: Sequence[str]) -> Measured:
    return stated(
        reading.name,
        value,
        reading.unit,
        pass_id=pass_id,
        origin=origin,
        reasons=reasons,
        unexplained="not_counted",
        source=reading.instrument,
        scope=reading.scope,
    )


def is_accelerated(workload: Mapping[str, Any], settings: Mapping[str, Any]) -> bool:
    """Did something else than the CPU work on it? ``workload`` is the experiment's, ``settings`` the trial's."""
    asked = str(workload.get("accelerator", settings.get("accelerator", "cpu")))
    for name, value in settings.items():
        asked = asked.replace(f"{{{name}}}", str(value))
    return asked.lower() not in _CPU


def _is_windowed(reading: Reading) -> bool:
    return bool(reading.details.get("window_only"))


def _with_scope(reading: Reading, part: str) -> Reading:
    return replace(reading, scope=f"{reading.scope}, {part}" if reading.scope else part)


def _known(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(code if code in REASONS else "not_counted" for code in codes)
