"""A record seen as the edge-or-offload study: variations of networks, each on one core, several cores and the NPU.

Which point of an experiment is which comes from its factors ``network``, ``input`` and ``compression`` (or, where there
are none, from labels such as ``MobileNet PQ 32``), and from the settings ``threads`` and ``accelerator`` that its
platform means. What a record lacks is not made up: a quantity without a valid value has none here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from analysis.figures.data import Matrix, matrix_of, number, reasons_of, scalar_text, text_of
from analysis.figures.units import plain_unit
from analysis.sources import parts_of
from analysis.withholding import refusal
from lab.record.printable import printable_line

if TYPE_CHECKING:
    import pandas as pd

_LABEL = re.compile(r"(?P<network>\S+?)(?:[ _](?P<compression>[A-Za-z]\w*))?[ _](?P<size>\d+)")
_PLAIN = frozenset({"", "none", "uncompressed", "float32", "fp32", "float"})
"""How an uncompressed network's compression may be called."""
_NPU_WORDS = frozenset({"npu", "nnapi", "vx", "vx_delegate", "ethosu"})


class Role(StrEnum):
    """What the study's figures tell apart on the edge device."""

    ONE_CORE = "one core"
    CORES = "several cores"
    NPU = "NPU"


@dataclass(frozen=True, slots=True)
class Variation:
    """A network at one input size (pixels along a side), compressed in one way (empty: not at all)."""

    network: str
    size: int
    compression: str

    @property
    def name(self) -> str:
        """As in ``MobileNet PQ 32``."""
        return " ".join(part for part in (self.network, self.compression, str(self.size)) if part)

    @property
    def title(self) -> str:
        """Network and size, whatever the compression: ``MobileNet 32``."""
        return f"{self.network} {self.size}"


@dataclass(frozen=True, slots=True)
class Value:
    """A summary's value with its expanded uncertainty (``None`` where none is claimed), in a plain SI unit."""

    value: float
    expanded_u: float | None
    unit: str
    verdict: str = "valid"
    reasons: tuple[str, ...] = ()
    origin: str = "unknown"

    @property
    def low(self) -> float:
        """The lower end of the interval."""
        return self.value - (self.expanded_u or 0.0)

    @property
    def high(self) -> float:
        """The upper end of the interval."""
        return self.value + (self.expanded_u or 0.0)


@dataclass(frozen=True, slots=True)
class Absent:
    """Why a quantity has no value at a point of the matrix."""

    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform of the record in its role: its name in the experiment and how many threads it uses."""

    role: Role
    name: str
    threads: int


_Place = tuple[Variation, Role, str]


@dataclass
class Study:
    """All that the figures take from a record. ``platforms`` has the roles that the record's points play."""

    record_id: str
    experiment: str
    seed: int
    variations: tuple[Variation, ...]
    platforms: dict[Role, Platform]
    note: str = ""
    """What of the record is left aside, in a sentence; empty if nothing is."""
    problem: str = ""
    """Why none of the record's points is a variation of a network; empty if they are."""
    labels: dict[Variation, str] = field(default_factory=dict)
    """What the record calls a variation."""
    settings: dict[Variation, Mapping[str, Any]] = field(default_factory=dict)
    """Factors and settings of a variation's first point."""
    _found: dict[_Place, Value | Absent] = field(default_factory=dict)
    _units: dict[str, str] = field(default_factory=dict)
    _withheld: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, summary: pd.DataFrame, manifest: Mapping[str, Any], quantities: Iterable[str]) -> Study:
        """Read the quantities from a record's table ``summary``."""
        matrix = matrix_of(manifest)
        resolved = (manifest.get("experiment") or {}).get("resolved") or {}
        study = cls(matrix.record_id, str(resolved.get("experiment") or ""), int(manifest.get("seed") or 0), (), {})
        points = _Points.of(manifest, matrix)
        if not points.roles:
            study.problem = "its points are not networks with an input size on platforms with threads or an accelerator"
            return study
        study.platforms = points.platforms
        study.note = points.note
        for point, (variation, _) in points.roles.items():
            trial = points.trials[point]
            study.labels.setdefault(variation, printable_line(str(trial.get("label") or variation.name)))
            study.settings.setdefault(variation, _settings(trial))
        wanted = list(dict.fromkeys(quantities))
        study._withheld = {name: why for name in wanted if (why := refusal([name], manifest, summary))}
        order: dict[Variation, None] = {}
        for quantity in wanted:
            rows = summary[summary["quantity"] == quantity]
            rows = parts_of(summary, [quantity])[0].of(rows)
            for row in rows.to_dict("records"):
                place = points.roles.get(str(row["point_id"]))
                if place is not None:
                    study._add(place, quantity, row)
        for variation, _ in points.roles.values():
            order.setdefault(variation, None)
        study.variations = tuple(sorted(order, key=points.order))
        return study

    def _add(self, place: tuple[Variation, Role], quantity: str, row: Mapping[Any, Any]) -> None:
        key, value = (*place, quantity), number(row.get("value"))
        verdict = text_of(row.get("verdict")) or "valid"
        unit = plain_unit(text_of(row.get("unit")))
        self._units.setdefault(quantity, unit)
        if value is None or verdict == "invalid":
            self._found.setdefault(key, Absent(reasons_of(row.get("reasons"))))
            return
        if isinstance(self._found.get(key), Value):
            return
        origin = text_of(row.get("origin")) or "unknown"
        self._found[key] = Value(value, number(row.get("U")), unit, verdict, reasons_of(row.get("reasons")), origin)

    def value(self, variation: Variation, role: Role, quantity: str) -> Value | None:
        """The valid or degraded value of a quantity; ``None`` where there is none."""
        found = self._found.get((variation, role, quantity))
        return found if isinstance(found, Value) else None

    def absent(self, role: Role, quantity: str) -> dict[Variation, tuple[str, ...]]:
        """The variations that were to have a value of the quantity and have none, with the reasons."""
        found = ((variation, self._found.get((variation, role, quantity))) for variation in self.variations)
        return {variation: item.reasons for variation, item in found if isinstance(item, Absent)}

    def of_network(self, variation: Variation, quantity: str) -> Value | None:
        """A quantity that is the network's own (parameters, layers), from any of its platforms."""
        values = (self.value(variation, role, quantity) for role in Role)
        return next((value for value in values if value is not None), None)

    def withheld(self, quantity: str) -> str:
        """Why the quantity is not stated of this record's board; empty if it is."""
        return self._withheld.get(quantity, "")

    @property
    def networks(self) -> list[str]:
        """The networks in the experiment's order."""
        return list(dict.fromkeys(variation.network for variation in self.variations))

    @property
    def compressions(self) -> list[str]:
        """The compressions in the experiment's order, the uncompressed one being the empty text."""
        return list(dict.fromkeys(variation.compression for variation in self.variations))

    @property
    def fullest_compression(self) -> str | None:
        """The compression of most steps (``PWQ``); ``None`` where nothing is compressed."""
        compressed = [item for item in self.compressions if item]
        return max(compressed, key=len) if compressed else None

    def platform_name(self, role: Role) -> str:
        """What the record calls the platform in a role."""
        return self.platforms[role].name if role in self.platforms else str(role)


@dataclass(frozen=True)
class _Points:
    """Which point of the matrix is which variation in which role."""

    roles: dict[str, tuple[Variation, Role]]
    trials: dict[str, Mapping[str, Any]]
    platforms: dict[Role, Platform]
    note: str
    ranks: dict[str, dict[str, int]]

    @classmethod
    def of(cls, manifest: Mapping[str, Any], matrix: Matrix) -> _Points:
        trials = (manifest.get("plan") or {}).get("trials") or ()
        first: dict[str, Mapping[str, Any]] = {}
        for trial in trials:
            first.setdefault(str(trial["point_id"]), trial)
        named = {point: variation for point, trial in first.items() if (variation := _variation(trial)) is not None}
        threads = _cores(first[point] for point in named)
        roles: dict[str, tuple[Variation, Role]] = {}
        platforms: dict[Role, Platform] = {}
        taken: dict[tuple[Variation, Role], str] = {}
        doubled = 0
        for point, variation in named.items():
            role = _role(first[point], threads)
            if role is None:
                continue
            if (variation, role) in taken:
                doubled += 1
                continue
            taken[variation, role] = point
            roles[point] = variation, role
            if role not in platforms:
                values = first[point].get("values") or {}
                name = scalar_text(values[matrix.hue]) if matrix.hue in values else _named(role, threads)
                platforms[role] = Platform(role, name, _threads(first[point]))
        note = f"{doubled} more points of the same variation and platform are left aside." if doubled else ""
        ordered = {role: platforms[role] for role in Role if role in platforms}
        ranks = {name: {value: place for place, value in enumerate(values)} for name, values in matrix.factors.items()}
        return cls(roles, first, ordered, note, ranks)

    def order(self, variation: Variation) -> tuple[Any, ...]:
        """The experiment's order of networks and compressions, sizes rising in between."""
        networks, compressions = self.ranks.get("network", {}), self.ranks.get("compression", {})
        spelled = variation.compression or next((name for name in compressions if name.lower() in _PLAIN), "")
        return (
            networks.get(variation.network, len(networks)),
            variation.network,
            variation.size,
            compressions.get(spelled, len(compressions) if variation.compression else -1),
            variation.compression,
        )


def _variation(trial: Mapping[str, Any]) -> Variation | None:
    known = {**(trial.get("values") or {}), **(trial.get("settings") or {})}
    network, size = known.get("network"), known.get("input", known.get("input_size"))
    if network is not None and size is not None:
        compression = scalar_text(known.get("compression", ""))
        try:
            return _made(scalar_text(network), int(float(size)), compression)
        except (TypeError, ValueError):
            return None
    match = _LABEL.fullmatch(str(trial.get("label") or ""))
    return _made(match["network"], int(match["size"]), match["compression"] or "") if match else None


def _made(network: str, size: int, compression: str) -> Variation:
    plain = compression.lower() in _PLAIN
    return Variation(printable_line(network), size, "" if plain else printable_line(compression))


def _settings(trial: Mapping[str, Any]) -> dict[str, Any]:
    return {**(trial.get("values") or {}), **(trial.get("settings") or {})}


def _threads(trial: Mapping[str, Any]) -> int:
    try:
        return int(_settings(trial).get("threads", 1))
    except (TypeError, ValueError):
        return 1


def _accelerated(trial: Mapping[str, Any]) -> str:
    word = str(_settings(trial).get("accelerator") or "cpu").lower()
    return "" if word in ("cpu", "none", "xnnpack") else word


def _cores(trials: Iterable[Mapping[str, Any]]) -> int:
    """The number of threads that plays the part of the study's four cores: the largest there is."""
    return max((_threads(trial) for trial in trials if not _accelerated(trial)), default=1)


def _role(trial: Mapping[str, Any], cores: int) -> Role | None:
    accelerator = _accelerated(trial)
    if accelerator:
        return Role.NPU if accelerator in _NPU_WORDS else None
    threads = _threads(trial)
    if threads == 1:
        return Role.ONE_CORE
    return Role.CORES if threads == cores else None


def _named(role: Role, cores: int) -> str:
    return {Role.ONE_CORE: "1 core", Role.CORES: f"{cores} cores", Role.NPU: "NPU"}[role]
