"""What is not stated of an emulated board: times, cycles, energies, and everything that follows from them.

The one rule, applied to all quantities of a trial at once, whichever program, kernel, counter or meter gave them:
where the board is emulated, or the value itself comes from an emulator, a quantity that depends on time
(:func:`lab.record.timed.depends_on_time`) has no value and is invalid for the one reason :data:`CODE`. Figures and
correlations that would need it are refused with :data:`SENTENCE`.

One exception: an emulator that counts its core's own cycles (simavr) is *cycle-true*, which the board's entry in the
manifest says. What its programs state of time is then a number of cycles of the named core at the named clock, whatever
the pace of the machine that emulates it: it is stated, with the origin ``emulated``. Everything else that depends on
time stays withheld: what this machine's clock saw of it, and energies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis.measured import Measured
from lab.record.quantity import Origin, Verdict
from lab.record.timed import depends_on_time

if TYPE_CHECKING:
    import pandas as pd

CODE = "emulated_time"
SENTENCE = "times, cycles and energies of an emulated board are not those of the machine it stands for"


CYCLE_TRUE_SENTENCE = (
    "times are cycles of the emulated core at its clock, as its own program counted them; what depends on anything "
    "else than its cycles (energies, this machine's clock) is not stated"
)


def withheld(items: Iterable[Measured], board: Origin, cycle_true: str | None = None) -> list[Measured]:
    """The quantities of a trial, those taken back that an emulator cannot know. ``board`` is the board's origin.

    ``cycle_true`` is the source (the program's reader) whose times are the core's own cycles, on a board whose emulator
    counts them.
    """
    return [_taken_back(item) if _is_withheld(item, board, cycle_true) else item for item in items]


def _is_withheld(item: Measured, board: Origin, cycle_true: str | None) -> bool:
    quantity = item.quantity
    if quantity.unit == "s" and quantity.source == cycle_true:
        return False
    return Origin.EMULATED in (board, quantity.origin) and depends_on_time(quantity.name, quantity.unit)


def _taken_back(item: Measured) -> Measured:
    empty = replace(
        item.quantity,
        value=None,
        verdict=Verdict.INVALID,
        reasons=(CODE,),
        u=None,
        expanded_u=None,
        coverage=None,
    )
    return replace(item, quantity=empty, budget=None)


def board_is_emulated(manifest: Mapping[str, Any]) -> bool:
    """Were the programs of a record run on an emulated board?"""
    return (manifest.get("board") or {}).get("origin") == Origin.EMULATED


def board_is_cycle_true(manifest: Mapping[str, Any]) -> bool:
    """Does the record's emulated board count its core's own cycles?"""
    return board_is_emulated(manifest) and bool(manifest["board"].get("cycle_true"))


def sentence(manifest: Mapping[str, Any]) -> str:
    """What is to be said of a record's times; empty for a board that is none of an emulator's."""
    if not board_is_emulated(manifest):
        return ""
    return CYCLE_TRUE_SENTENCE if board_is_cycle_true(manifest) else SENTENCE


def refusal(quantities: Iterable[str], manifest: Mapping[str, Any], summary: pd.DataFrame) -> str:
    """Why something that would need these quantities cannot be made of an emulated board's record; else empty."""
    if not board_is_emulated(manifest):
        return ""
    names = set(quantities)
    taken_back = set() if summary.empty else set(summary.loc[_mask(summary), "quantity"].map(str))
    if board_is_cycle_true(manifest):
        stated = set() if summary.empty else set(summary.loc[~_mask(summary), "quantity"].map(str))
        return CYCLE_TRUE_SENTENCE if names & taken_back - stated else ""
    return SENTENCE if names & taken_back or any(map(depends_on_time, names)) else ""


def refused_correlations(manifest: Mapping[str, Any], summary: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs of quantities that the experiment asks to be correlated and of which one is withheld."""
    resolved = (manifest.get("experiment") or {}).get("resolved") or {}
    asked = (resolved.get("analysis") or {}).get("correlations") or ()
    pairs = dict.fromkeys((str(entry["x"]), str(entry["y"])) for entry in asked)
    return [pair for pair in pairs if refusal(pair, manifest, summary)]


def stated_rows(table: pd.DataFrame) -> pd.DataFrame:
    """A table of results or summary without the rows of what is withheld."""
    return table if table.empty else table[~_mask(table)]


def _mask(table: pd.DataFrame) -> pd.Series[bool]:
    return table["reasons"].map(lambda cell: isinstance(cell, str) and CODE in cell.split(";"))
