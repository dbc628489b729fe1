"""The points of a microcontroller's record: factor values, and each quantity's value from the summary."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.figures.build import NothingToDrawError
from analysis.figures.data import ResultTables
from analysis.readers.firmware import read
from analysis.studies.microcontroller import printed
from lab.errors import DataError
from lab.record.reader import Record


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the matrix. ``values`` are its factors, ``found`` its quantities that have a value that is not
    invalid."""

    point_id: str
    label: str
    values: Mapping[str, Any]
    found: Mapping[str, float]
    origin: str

    def get(self, quantity: str) -> float | None:
        """The value, or ``None``."""
        return self.found.get(quantity)


def points_of(record: Record, results: ResultTables) -> list[Point]:
    """All points in the plan's order of values, those without any value too."""
    summary = results.summary
    planned: dict[str, Mapping[str, Any]] = {}
    labels: dict[str, str] = {}
    for trial in record.manifest["plan"]["trials"]:
        planned.setdefault(trial["point_id"], trial["values"])
        labels.setdefault(trial["point_id"], str(trial["label"]))
    found: dict[str, dict[str, float]] = {point_id: {} for point_id in planned}
    stated = summary[(summary["verdict"] != "invalid") & summary["value"].notna()]
    for point_id, quantity, value in zip(stated["point_id"], stated["quantity"], stated["value"], strict=True):
        if point_id in found:
            found[point_id][str(quantity)] = float(value)
    origin = str(record.manifest["board"]["origin"])
    points = [Point(key, labels[key], values, found[key], origin) for key, values in planned.items()]
    order = _order(record)
    return sorted(points, key=lambda point: [order.get((name, value), 0) for name, value in point.values.items()])


def _order(record: Record) -> dict[tuple[str, Any], int]:
    """(factor, value) → its place in the experiment's file; where that does not list the values, in the plan."""
    resolved = (record.manifest.get("experiment") or {}).get("resolved") or {}
    places: dict[tuple[str, Any], int] = {}
    for name, values in (resolved.get("factors") or {}).items():
        if isinstance(values, list):
            for place, entry in enumerate(values):
                places[name, entry["value"] if isinstance(entry, dict) else entry] = place
    for trial in record.manifest["plan"]["trials"]:
        for name, value in trial["values"].items():
            places.setdefault((name, value), len(places))
    return places


def measured_points(record: Record, results: ResultTables, quantity: str) -> list[Point]:
    """Those with a value. Raises :class:`NothingToDrawError` if there is none."""
    points = [point for point in points_of(record, results) if point.get(quantity) is not None]
    if not points:
        raise NothingToDrawError(f"no point has a valid {quantity}")
    return points


def core_of(record: Record) -> str:
    """The core that the record's times are of, as the page names it."""
    fingerprint = record.manifest["board"].get("fingerprint") or {}
    return str(fingerprint.get("model") or record.manifest["board"]["kind"])


def stand_in(record: Record) -> str:
    """Ours and the study's core in one line."""
    return f"ours: {core_of(record)}; printed: {printed.CORE}"


def footer_of(record: Record) -> str:
    """The record and the study."""
    return f"{record.manifest['record_id']} · printed values: {printed.STUDY}"


def clock_of(record: Record) -> float:
    """The core's clock in Hz, as the board says it."""
    fingerprint = record.manifest["board"].get("fingerprint") or {}
    core = fingerprint.get("core") or fingerprint
    return float(core.get("clock_hz") or printed.CLOCK_HZ)


def classes_of(record: Record) -> dict[str, list[tuple[int, int]]]:
    """For each point the (named, right) classes of its first latency pass's inputs, in their order; points whose output
    says no labels are left out."""
    found: dict[str, list[tuple[int, int]]] = {}
    passes = record.passes()
    for trial in record.manifest["plan"]["trials"]:
        for plan in trial["passes"]:
            data = passes.get(plan["pass_id"])
            if trial["point_id"] in found or data is None or data.end.state != "done" or not data.end.output:
                continue
            pairs = _classes(record.path(data.end.output) / "stdout.txt")
            if pairs:
                found[trial["point_id"]] = pairs
    return found


def _classes(path: Path) -> list[tuple[int, int]]:
    try:
        inferred = read(path.read_text(encoding="utf-8")).inferred
    except (OSError, UnicodeDecodeError, DataError):
        return []
    return [(item.chosen, item.label) for item in inferred if item.chosen is not None and item.label is not None]
