"""The quantities that a program states itself: latency, accuracy, whatever its reader understands; and its resource
use."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from analysis.measured import Measured, measured, missing, stated
from analysis.readers import program_reader
from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from analysis.uncertainty import Budget, Term, rectangular
from lab.errors import DataError
from lab.record.documents import Reading
from lab.record.quantity import Origin
from lab.record.reasons import REASONS

BOARD_CLOCK = 100e-6
"""Limit of error of a board's own clock, relative. Assumed: crystals of Linux boards are sold with ±20 to ±50 ppm, and
temperature and ageing add as much again; nobody calibrates them. The term names itself as an assumption."""


def read_program(reader: str, folder: Path | None) -> ProgramOutput:
    """What the program of a pass said, by the reader of that name; ``none`` is for workloads that print nothing."""
    if folder is None or reader == "none":
        return ProgramOutput()
    try:
        return program_reader(reader).read_output(folder)
    except (DataError, OSError, UnicodeDecodeError):
        return ProgramOutput(reasons=("output_unreadable",))


def program_quantities(
    output: ProgramOutput,
    *,
    pass_id: str,
    origin: Origin,
    codes: Iterable[str],
    source: str,
    with_count: bool,
    expected: Sequence[tuple[str, str]] = (),
) -> list[Measured]:
    """What a program printed, each with its verdict. ``with_count`` adds ``inferences``.

    ``expected`` are (name, unit) of what the program should have printed: missing ones are rows with the reasons.
    """
    codes = (*codes, *output.reasons)
    found = [
        _printed(item, output, pass_id=pass_id, origin=origin, codes=codes, source=source) for item in output.quantities
    ]
    if with_count and output.inferences is not None:
        count = float(output.inferences)
        found.append(measured("inferences", count, "1", pass_id=pass_id, origin=origin, reasons=codes, source=source))
    names = {item.quantity.name for item in found}
    found += [
        missing(name, unit, pass_id=pass_id, origin=origin, reasons=codes or ("output_unreadable",), source=source)
        for name, unit in expected
        if name not in names
    ]
    return found


def reading_quantities(
    readings: Iterable[Reading], *, pass_id: str, origins: dict[str, Origin], codes: Iterable[str]
) -> list[Measured]:
    """Numbers that instruments gave directly; ``origins`` by instrument."""
    codes = tuple(codes)
    return [
        stated(
            item.name,
            item.value,
            item.unit,
            pass_id=pass_id,
            origin=origins[item.instrument],
            reasons=(*codes, *(code for code in item.reasons if code in REASONS)),
            unexplained="not_supported",
            source=item.instrument,
            scope=item.scope,
        )
        for item in readings
    ]


def latency_budget(latency_s: float, output: ProgramOutput) -> Budget:
    """The budget of a mean latency: its scatter within the pass, and the board's clock.

    Inferences that follow each other are not quite independent, so the scatter's term is a lower bound; over repeats
    the scatter of the repeats replaces it.
    """
    clock = Term(
        "board clock",
        latency_s * rectangular(BOARD_CLOCK),
        "B",
        common=True,
        common_gain=True,
        note=f"assumed: ±{1e6 * BOARD_CLOCK:g} ppm",
    )
    terms = [] if output.exact_clock else [clock]
    if output.resolution_s is not None:
        note = "each inference's duration is a whole number of ticks; taken as if all were wrong the same way"
        terms.append(Term("tick", rectangular(output.resolution_s), "B", common=True, note=note))
    spread_s, count = output.value("latency_std_s"), output.inferences
    if spread_s is not None and count is not None and count > 1:
        note = f"{count} inferences"
        terms.append(Term("scatter in pass", spread_s / math.sqrt(count), "A", dof=count - 1, note=note))
    return Budget(tuple(terms))


def _printed(
    item: PrintedQuantity,
    output: ProgramOutput,
    *,
    pass_id: str,
    origin: Origin,
    codes: tuple[str, ...],
    source: str,
) -> Measured:
    budget = None
    if item.name == "latency_s" and item.value is not None:
        budget = latency_budget(item.value, output)
    return stated(
        item.name,
        item.value,
        item.unit,
        pass_id=pass_id,
        origin=origin,
        reasons=(*codes, *item.reasons),
        unexplained="output_unreadable",
        budget=budget,
        source=source,
    )
