"""The matrix: every combination of factor values that is not excluded."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lab.config.templates import Value, as_text, fill
from lab.errors import UsageError
from lab.experiment.model import DiscoveredFactor, Experiment, FactorValue

_POINT_ID_DIGITS = 12
"""48 bits: even among 10,000 points two share an id once in five million experiments (and that is refused)."""


@dataclass(frozen=True, slots=True)
class Point:
    """A combination of factor values. ``settings`` are the values with the settings they stand for merged in."""

    point_id: str
    values: Mapping[str, Value]
    settings: Mapping[str, Value]
    label: str


def expand(experiment: Experiment) -> list[Point]:
    """All points in the order of the file, the last factor changing fastest.

    Raises :class:`lab.errors.UsageError` if every combination is excluded.
    """
    factors = {name: _listed(name, factor) for name, factor in experiment.factors.items()}
    excluded = [
        {name: {_key(value) for value in values} for name, values in entry.items()} for entry in experiment.exclude
    ]
    template = experiment.analysis.label or " ".join(f"{{{name}}}" for name in factors) or experiment.experiment
    points = [
        _point(tuple(factors), combination, template)
        for combination in itertools.product(*factors.values())
        if not _is_excluded(dict(zip(factors, combination, strict=True)), excluded)
    ]
    if not points:
        raise UsageError("every combination of factor values is excluded", advice="look at the experiment's 'exclude'")
    if len({point.point_id for point in points}) < len(points):
        raise UsageError("two points of the matrix are the same", advice="look for a value that a factor has twice")
    return points


def point_id(values: Mapping[str, Value]) -> str:
    """A short id that depends on the point's own factors and values only, not on their order or what else there is.

    It is the beginning of the SHA-256 of their canonical JSON: the same on every machine.
    """
    canonical = json.dumps(dict(values), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:_POINT_ID_DIGITS]


def _listed(name: str, factor: Sequence[FactorValue] | DiscoveredFactor) -> Sequence[FactorValue]:
    if isinstance(factor, DiscoveredFactor):
        raise ValueError(f"the values of {name} are yet to be discovered")
    return factor


def _point(names: Sequence[str], combination: Sequence[FactorValue], template: str) -> Point:
    values = {name: item.value for name, item in zip(names, combination, strict=True)}
    settings = dict(values)
    for item in combination:
        settings.update(item.settings)
    shown = {
        name: item.value if item.label is None else item.label for name, item in zip(names, combination, strict=True)
    }
    # An empty label leaves the value out of the text, and no gap where it would have stood.
    label = " ".join(fill(template, {**settings, **shown}).split())
    return Point(point_id(values), values, settings, label)


def _is_excluded(
    combination: Mapping[str, FactorValue], excluded: Sequence[Mapping[str, set[tuple[bool, str]]]]
) -> bool:
    return any(
        all(_key(combination[name].value) in values for name, values in entry.items()) for entry in excluded if entry
    )


def _key(value: Value) -> tuple[bool, str]:
    """Equal for values that mean the same: 1 and 1.0, but not 1 and true, nor 1 and "1"."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return isinstance(value, str), as_text(value)
