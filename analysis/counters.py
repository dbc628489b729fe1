"""Counted events per inference, from the readings of the counter passes.

A count of a whole process holds start-up, model loading and warm-up too. Where a second pass with fewer inferences
was made (the *baseline*), the difference per inference is free of them: (count − count₀)/(N − N₀); the whole process's
count stands beside it under a name of its own, because for page faults it is the one that says something. Without a
baseline a count is stated per process, with that written into its scope.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from analysis.measured import Measured, stated
from analysis.readers.program_output import ProgramOutput
from analysis.verdicts import PROCESS_SUFFIX
from lab.record.documents import Reading
from lab.record.quantity import Origin
from lab.record.reasons import REASONS

PER_PROCESS = "per process"


def counter_quantities(
    readings: Sequence[Reading],
    output: ProgramOutput,
    baseline: tuple[Sequence[Reading], ProgramOutput] | None,
    *,
    pass_id: str,
    origin: Origin,
    codes: Iterable[str],
) -> list[Measured]:
    """The counts of one counter pass, one for each reading.

    ``baseline`` holds the readings and the output of the pass with fewer inferences, ``None`` if none was asked for.
    ``codes`` are the reason codes that befell either pass.
    """
    codes = tuple(codes)
    if baseline is None:
        return [_per_process(reading, pass_id, origin, codes) for reading in readings]
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
    scope = f"{reading.scope}, {PER_PROCESS}" if reading.scope else PER_PROCESS
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


def _known(codes: Iterable[str]) -> tuple[str, ...]:
    return tuple(code if code in REASONS else "not_counted" for code in codes)
