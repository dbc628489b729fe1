"""What the passes of a gesture record printed, in the order of the experiment's factors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.data import scalar_text
from analysis.readers.gesture import GestureOutput, read
from lab.errors import DataError

if TYPE_CHECKING:
    from lab.record.reader import Record

GROUPED_BY = ("hand", "gestures", "scale")
SCALES = {"unit": "inputs 0…1", "signed": "inputs −1…1"}
MADE_HERE = "made by "
"""How a record's versions begin to speak of data that a program of ours made."""


@dataclass(frozen=True, slots=True)
class StudyPass:
    """One training. ``group`` are its values of :data:`GROUPED_BY`, empty where the experiment has no such factor."""

    group: tuple[str, ...]
    seed: str
    repeat: int
    output: GestureOutput

    @property
    def short_name(self) -> str:
        """The group in few words, for narrow panels."""
        hand, _, scale = self.group
        inputs = {"unit": "0…1", "signed": "−1…1"}.get(scale, scale)
        return ", ".join(part for part in (hand, str(len(self.output.gestures)), inputs) if part)

    @property
    def name(self) -> str:
        """The group in words."""
        hand, _, scale = self.group
        count = len(self.output.gestures)
        return ", ".join(
            part for part in (f"{hand} hand" if hand else "", f"{count} gestures", SCALES.get(scale, "")) if part
        )


def passes_of(record: Record) -> list[StudyPass]:
    """Those that ended well and can be read, first repeats only (a repeat trains the same network again)."""
    found = []
    for data in record.passes().values():
        if data.plan.get("kind") != "latency" or data.end.state != "done" or data.end.output is None:
            continue
        try:
            text = (record.path(data.end.output) / "stdout.txt").read_text(encoding="utf-8")
            output = read(text)
        except (OSError, UnicodeDecodeError, DataError):
            continue
        values = data.trial.get("values") or {}
        group = tuple(scalar_text(values[name]) if name in values else "" for name in GROUPED_BY)
        seed = scalar_text(values.get("seed", ""))
        found.append(StudyPass(group, seed, int(data.trial.get("repeat", 0)), output))
    least = min((item.repeat for item in found), default=0)
    resolved = (record.manifest.get("experiment") or {}).get("resolved") or {}
    orders = [_order(resolved, name) for name in (*GROUPED_BY, "seed")]
    return sorted(
        (item for item in found if item.repeat == least),
        key=lambda item: [_place(order, value) for order, value in zip(orders, (*item.group, item.seed), strict=True)],
    )


def groups(passes: Iterable[StudyPass]) -> dict[str, list[StudyPass]]:
    """Passes that differ in their seed alone, by the group's name."""
    found: dict[str, list[StudyPass]] = {}
    for item in passes:
        found.setdefault(item.name, []).append(item)
    return found


def gestures_are_simulated(record: Record) -> bool:
    """Were the gestures performed before a simulated sensor?"""
    versions = (record.manifest.get("workload") or {}).get("versions") or {}
    return str(versions.get("data") or "").startswith(MADE_HERE)


def origins_of(record: Record) -> tuple[str, ...]:
    """Origin of what depends on the gestures."""
    return ("simulated",) if gestures_are_simulated(record) else (str(record.manifest.get("origin") or "measured"),)


def _order(resolved: dict[str, object], name: str) -> list[str]:
    factors = resolved.get("factors")
    values = factors.get(name) if isinstance(factors, dict) else None
    if not isinstance(values, list):
        return []
    return [scalar_text(value.get("value") if isinstance(value, dict) else value) for value in values]


def _place(order: Sequence[str], value: str) -> int:
    return order.index(value) if value in order else len(order)
