"""Reads what ``workloads/litert/run_model.py --json`` prints: the lines of ``benchmark_model``, then one JSON object.

The object has every number unrounded, and some that ``benchmark_model`` does not give. The lines say the same again in
whole microseconds: they must agree, and stand in where the object is missing (the program was run without ``--json``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.readers import benchmark_model
from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError

SCHEMA = "lab.litert/1"

_ROUNDING_S = 2e-6
"""Times are whole microseconds on the lines."""
_DIGITS = 1e-5
"""And means are printed with six digits."""

_MEASURED = {
    "latency_s": "mean_s",
    "latency_std_s": "std_s",
    "latency_min_s": "min_s",
    "latency_p05_s": "p5_s",
    "latency_median_s": "median_s",
    "latency_p95_s": "p95_s",
    "latency_p99_s": "p99_s",
    "latency_max_s": "max_s",
}
"""Name in the results → name in the object's ``inference``."""


def read(text: str) -> tuple[benchmark_model.BenchmarkModelOutput, dict[str, Any] | None]:
    """The lines and the object, ``None`` if there is none.

    Raises :class:`lab.errors.DataError` for anything else, also where the two contradict each other.
    """
    lines = text.splitlines()
    said = benchmark_model.read(text)
    objects = [line for line in lines if line.startswith("{")]
    if not objects:
        return said, None
    if len(objects) > 1 or lines[-1] != objects[0]:
        raise DataError("the JSON object is not the one last line")
    found = _object(objects[0])
    if found.get("schema") != SCHEMA:
        raise DataError(f"the JSON object has the schema {found.get('schema')!r}, expected {SCHEMA!r}")
    _check_agreement(said, found)
    return said, found


def read_output(folder: Path) -> ProgramOutput:
    """The output of one pass. What cannot be read is ``None`` with the reason, never an exception."""
    try:
        said, found = read((folder / "stdout.txt").read_text(encoding="utf-8"))
        if found is None or said.count == 0:
            return benchmark_model.read_output(folder)
        quantities = tuple(_quantities(found))
    except (OSError, UnicodeDecodeError, DataError):
        return benchmark_model.unreadable("output_unreadable")
    mean_s = _number(_part(found, "inference"), "mean_s")
    return ProgramOutput(
        quantities,
        inferences=said.count,
        inference_time_s=mean_s * said.count,
        warmup_inferences=said.warmup_count or 0,
    )


def _quantities(found: Mapping[str, Any]) -> Iterator[PrintedQuantity]:
    inference, warmup, memory = _part(found, "inference"), _part(found, "warmup"), _part(found, "memory")
    for name, key in _MEASURED.items():
        yield PrintedQuantity(name, _number(inference, key), "s")
    yield PrintedQuantity("latency_first_s", _number(found, "first_inference_s"), "s")
    yield PrintedQuantity("latency_init_s", _number(found, "init_s"), "s")
    if "mean_s" in warmup:
        yield PrintedQuantity("latency_warmup_s", _number(warmup, "mean_s"), "s")
    yield PrintedQuantity("memory_load_bytes", _number(memory, "load_bytes"), "B")
    yield PrintedQuantity("memory_peak_bytes", _number(memory, "peak_bytes"), "B")


def _check_agreement(said: benchmark_model.BenchmarkModelOutput, found: Mapping[str, Any]) -> None:
    """The same run's lines and object: counts are equal, times but for their rounding."""
    inference, warmup = _part(found, "inference"), _part(found, "warmup")
    if (_number(inference, "count"), _number(warmup, "count")) != (said.count, said.warmup_count or 0):
        raise DataError("the lines and the JSON object have different counts")
    pairs = [(said.init_s, _number(found, "init_s"))]
    if said.count:
        pairs += [
            (said.avg_s, _number(inference, "mean_s")),
            (said.min_s, _number(inference, "min_s")),
            (said.max_s, _number(inference, "max_s")),
            (said.median_s, _number(inference, "median_s")),
            (said.first_inference_s, _number(found, "first_inference_s")),
        ]
    for printed_s, exact_s in pairs:
        if printed_s is not None and abs(printed_s - exact_s) > _ROUNDING_S + _DIGITS * exact_s:
            raise DataError(f"a line says {printed_s:g} s, the JSON object {exact_s:g} s")


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        raise DataError("the last line is not JSON") from None
    if not isinstance(found, dict):
        raise DataError("the last line is not a JSON object")
    return found


def _part(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    part = found.get(key)
    if not isinstance(part, dict):
        raise DataError(f"the JSON object has no {key!r}")
    return part


def _number(found: Mapping[str, Any], key: str) -> float:
    """A finite number that is not negative."""
    value = found.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DataError(f"{key} is {value!r}, expected a number")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not 0 <= number < math.inf:
        raise DataError(f"{key} is {value!r}, expected a finite number of at least 0")
    return number
