"""What the record says of the power meter: its limits of error in the range that was used, and its origin."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lab.record.quantity import Origin

POWER = frozenset({"power", "energy", "current"})


@dataclass(frozen=True, slots=True)
class RangeLimits:
    """Limits of error (rectangular, half-width) of one current range: relative gains, offsets in ampere and volt."""

    name: str
    full_scale_a: float
    gain_i: float
    offset_i_a: float
    gain_v: float
    offset_v_v: float


@dataclass(frozen=True, slots=True)
class PowerLimits:
    """Limits of error (rectangular, half-width) of a meter that gives power or energy alone: relative gain, offset."""

    gain_p: float
    offset_p_w: float


@dataclass(frozen=True, slots=True)
class Meter:
    """A power meter as the manifest describes it.

    ``ranges`` in rising order of full scale; ``selected`` is the range the bench fixed, ``None`` with autorange.
    ``power`` are the limits of a meter without ranges, which gives power or energy alone. ``reasons`` are codes for why
    no expanded uncertainty may be claimed; empty if it may.
    """

    name: str
    origin: Origin
    scope: str
    ranges: tuple[RangeLimits, ...]
    selected: RangeLimits | None
    timebase_ppm: float
    update_period_s: float | None
    source: str
    reasons: tuple[str, ...]
    power: PowerLimits | None = None

    @property
    def claims(self) -> bool:
        """May an expanded uncertainty be claimed?"""
        return not {"placeholder_accuracy", "accuracy_unknown"} & set(self.reasons)

    def limits(self, current_a: float | None) -> RangeLimits | None:
        """The limits for a measurement at that mean current: of the fixed range, or of the smallest that holds the
        current.

        ``None`` where nothing is known of any range.
        """
        if self.selected is not None or not self.ranges:
            return self.selected
        if current_a is None:
            return self.ranges[-1]
        return next((item for item in self.ranges if item.full_scale_a >= abs(current_a)), self.ranges[-1])

    def widest(self) -> RangeLimits | None:
        """The worst of each limit over all ranges: what is known when the range changed."""
        if not self.ranges:
            return None
        return RangeLimits(
            "any",
            max(item.full_scale_a for item in self.ranges),
            max(item.gain_i for item in self.ranges),
            max(item.offset_i_a for item in self.ranges),
            max(item.gain_v for item in self.ranges),
            max(item.offset_v_v for item in self.ranges),
        )


def is_power_meter(entry: Mapping[str, Any]) -> bool:
    """Does this entry of the manifest's instruments measure power?"""
    return bool(POWER & set((entry.get("capabilities") or {}).get("measures") or ()))


def meter_of(manifest: Mapping[str, Any], name: str) -> Meter:
    """The meter of that name. One the manifest does not describe has no limits and the board's origin."""
    entry = (manifest.get("instruments") or {}).get(name) or {}
    capabilities = entry.get("capabilities") or {}
    accuracy = capabilities.get("accuracy") or {}
    ranges = sorted(
        (_range(key, item) for key, item in (accuracy.get("ranges") or {}).items()), key=lambda item: item.full_scale_a
    )
    power = accuracy.get("power") if not ranges else None
    reasons = []
    if not accuracy or (not ranges and not power and accuracy.get("source") != "placeholder"):
        reasons.append("accuracy_unknown")
    elif accuracy.get("source") == "placeholder":
        reasons.append("placeholder_accuracy")
    if "voltage" in (capabilities.get("assumes") or ()):
        reasons.append("assumed_voltage")
    return Meter(
        name=name,
        origin=Origin(capabilities.get("origin") or manifest["board"]["origin"]),
        scope=str(capabilities.get("scope") or ""),
        ranges=tuple(ranges),
        selected=_selected(manifest, name, ranges),
        timebase_ppm=float(accuracy.get("timebase_ppm") or 0.0),
        update_period_s=capabilities.get("update_period_s"),
        source=str(accuracy.get("source") or ""),
        reasons=tuple(reasons),
        power=PowerLimits(float(power["gain_p"]), float(power["offset_p_w"])) if power else None,
    )


def _range(name: str, entry: Mapping[str, Any]) -> RangeLimits:
    return RangeLimits(
        name,
        *(float(entry[key]) for key in ("full_scale_a", "gain_i", "offset_i_a", "gain_v", "offset_v_v")),
    )


def _selected(manifest: Mapping[str, Any], name: str, ranges: list[RangeLimits]) -> RangeLimits | None:
    bench = (manifest.get("bench") or {}).get("resolved") or {}
    chosen = ((bench.get("instruments") or {}).get(name) or {}).get("range")
    for item in ranges:
        if item.name == chosen or (isinstance(chosen, int | float) and math.isclose(item.full_scale_a, chosen)):
            return item
    return ranges[0] if len(ranges) == 1 else None
