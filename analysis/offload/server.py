"""How long the server takes: a stated constant, a law inferred from a network's size, or latencies that were measured.

Whatever the kind, the answer for a network is a :class:`Remote`: a time with its uncertainty, or the reason why there
is none, and where it comes from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from analysis.figures.data import factor_cell, number, scalar_text, text_of
from lab.record.quantity import Origin

if TYPE_CHECKING:
    import pandas as pd

    from analysis.offload.points import LocalPoint

LATENCY = "latency_s"


@dataclass(frozen=True, slots=True)
class Remote:
    """The server's time for one network.

    ``latency_s`` is ``None`` where ``missing`` says why. ``expanded_u`` is ``None`` where none is claimed. ``origin``
    is that of measured latencies, ``assumed`` says in a word what else the time rests on.
    """

    latency_s: float | None
    expanded_u: float | None = None
    origin: str = ""
    assumed: str = ""
    missing: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantServer:
    """The same time for every network."""

    name: str
    latency_s: float
    source: str = ""

    def remote(self, point: LocalPoint) -> Remote:
        """The constant."""
        return Remote(self.latency_s, assumed="server")


@dataclass(frozen=True, slots=True)
class LawTerm:
    """``latency_s`` · (quantity ÷ ``per``) to the power of ``exponent``; the quantity is one of the network's own:
    ``macs``, ``depth`` or ``parameters``."""

    of: str
    per: float
    latency_s: float
    exponent: float

    def at(self, value: float) -> float:
        """The term's seconds for a network with this much of the quantity."""
        return self.latency_s * math.pow(value / self.per, self.exponent)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferredServer:
    """A time that was not measured but inferred: a sum of powers of what the network is."""

    name: str
    terms: tuple[LawTerm, ...]
    source: str = ""

    def remote(self, point: LocalPoint) -> Remote:
        """The law's time for a point's network."""
        total = 0.0
        for term in self.terms:
            value = point.network.get(term.of)
            if value is None:
                return Remote(None, assumed="server (inferred)", missing=f"the record has no {term.of} of this network")
            total += term.at(value)
        return Remote(total, assumed="server (inferred)")


@dataclass(frozen=True, slots=True)
class Latency:
    """A latency that was measured on a server, with the label and the factors of its point."""

    label: str
    values: Mapping[str, str]
    latency_s: float | None
    expanded_u: float | None
    origin: str
    reasons: str = ""


@dataclass(frozen=True, slots=True)
class Latencies:
    """What a server's record says; ``missing`` where there is no such record, and why."""

    record_id: str = ""
    points: tuple[Latency, ...] = ()
    missing: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a manifest keeps it; :func:`latencies_from` reads it back."""
        points = [
            {
                "label": point.label,
                "values": dict(point.values),
                "latency_s": point.latency_s,
                "expanded_u": point.expanded_u,
                "origin": point.origin,
                "reasons": point.reasons,
            }
            for point in self.points
        ]
        return {"record_id": self.record_id, "missing": self.missing, "points": points}


def latencies_from(kept: Mapping[str, Any]) -> Latencies:
    """Read back what :meth:`Latencies.to_json` wrote. Raises ``KeyError`` or ``TypeError`` for anything else."""
    points = tuple(
        Latency(
            label=str(item["label"]),
            values={str(key): str(value) for key, value in item["values"].items()},
            latency_s=number(item["latency_s"]),
            expanded_u=number(item["expanded_u"]),
            origin=str(item["origin"]),
            reasons=str(item["reasons"]),
        )
        for item in kept["points"]
    )
    return Latencies(str(kept["record_id"]), points, str(kept["missing"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordServer:
    """Latencies that a record of a campaign on the server holds, found by the network's label, or by the values of the
    factors in ``match``. ``only`` chooses among the record's points."""

    name: str
    record: str
    only: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    match: tuple[str, ...] = ()
    latencies: Latencies = Latencies(missing="its record was not looked for")
    source: str = ""

    def remote(self, point: LocalPoint) -> Remote:
        """The latency that was measured for a point's network."""
        if self.latencies.missing:
            return Remote(None, missing=self.latencies.missing)
        found = [item for item in self.latencies.points if self._same(item, point)]
        if not found:
            return Remote(None, missing=f"record {self.latencies.record_id} has no latency of {point.label}")
        if len(found) > 1:
            missing = f"record {self.latencies.record_id} has {len(found)} latencies of {point.label}"
            return Remote(None, missing=f"{missing}: narrow them down with only")
        (item,) = found
        if item.latency_s is None:
            return Remote(
                None, origin=item.origin, missing=f"invalid on the server: {item.reasons or 'no reason given'}"
            )
        return Remote(item.latency_s, item.expanded_u, item.origin)

    def _same(self, item: Latency, point: LocalPoint) -> bool:
        if not self.match:
            return item.label == point.label
        return all(item.values.get(name) == scalar_text(point.settings.get(name, "")) for name in self.match)

    def latencies_in(self, manifest: Mapping[str, Any], summary: pd.DataFrame) -> Latencies:
        """What this server means in the tables of a record."""
        record_id = str(manifest.get("record_id") or self.record)
        factors = list(((manifest.get("experiment") or {}).get("resolved") or {}).get("factors") or {})
        lost = next((name for name in (*self.only, *self.match) if name not in factors), None)
        if lost is not None:
            return Latencies(record_id, missing=f"record {record_id} has no factor {lost!r}")
        rows = [] if summary.empty else summary[summary["quantity"] == LATENCY].to_dict("records")
        chosen = [
            row
            for row in rows
            if all(factor_cell(row, name) in map(scalar_text, values) for name, values in self.only.items())
        ]
        if not chosen:
            return Latencies(record_id, missing=f"record {record_id} has no {LATENCY} here")
        return Latencies(record_id, tuple(_latency(row, factors) for row in chosen))


def _latency(row: Mapping[Any, Any], factors: list[str]) -> Latency:
    valid = text_of(row.get("verdict")) != "invalid"
    return Latency(
        label=text_of(row.get("label")),
        values={name: factor_cell(row, name) for name in factors},
        latency_s=number(row.get("value")) if valid else None,
        expanded_u=number(row.get("U")) if valid else None,
        origin=text_of(row.get("origin")) or str(Origin.SIMULATED),
        reasons=text_of(row.get("reasons")),
    )


Server: TypeAlias = ConstantServer | InferredServer | RecordServer
