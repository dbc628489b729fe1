"""Several sources of one meter that see different parts of the same thing, as one: two sockets, several rails."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from analysis.energy import Float64s, StretchEnergy, joined_errors
from analysis.power_source import Kind, Padded, Places, PowerSource


@dataclass(frozen=True, slots=True)
class SummedPower:
    """The sum of sources on one clock. Raises ``ValueError`` if there are none."""

    parts: tuple[PowerSource, ...]
    checks: tuple[PowerSource, ...] = ()

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a sum of no sources")

    @property
    def kind(self) -> Kind:
        """That of its parts."""
        return self.parts[0].kind

    @property
    def rate_hz(self) -> float:
        """That of its parts."""
        return self.parts[0].rate_hz

    @property
    def length(self) -> float:
        """That of the longest part."""
        return max(part.length for part in self.parts)

    @property
    def step_s(self) -> float:
        """That of the slowest part."""
        return max(part.step_s for part in self.parts)

    @property
    def lost(self) -> str:
        """That of its parts."""
        return self.parts[0].lost

    @property
    def reasons(self) -> tuple[str, ...]:
        """Those of all parts; a part that never moved is one that has nothing to do, unless all are."""
        codes = dict.fromkeys(code for part in self.parts for code in part.reasons)
        if not all("meter_stale" in part.reasons for part in self.parts):
            codes.pop("meter_stale", None)
        return tuple(codes)

    def energy(self, begin: float, end: float, steps: Places = ()) -> StretchEnergy | None:
        """The sum over its parts; ``None`` if one of them saw nothing."""
        seen = [part.energy(begin, end, steps) for part in self._moving()]
        known = [item for item in seen if item is not None]
        if not known or len(known) < len(seen):
            return None
        return StretchEnergy(
            duration_s=known[0].duration_s,
            coverage=min(item.coverage for item in known),
            seen_energy_j=math.fsum(item.seen_energy_j for item in known),
            energy_j=math.fsum(item.energy_j for item in known),
            power_w=math.fsum(item.power_w for item in known),
            power_min_w=math.fsum(item.power_min_w for item in known),
            power_max_w=math.fsum(item.power_max_w for item in known),
            # Every part's offset of current acts on its own voltage: together on their sum, and the other way round.
            voltage_v=_sum([item.voltage_v for item in known]),
            current_a=_sum([item.current_a for item in known]),
            errors=joined_errors([item.errors for item in known]),
        )

    def block_powers(self, begin: float, end: float, blocks: int) -> Float64s:
        """Sums of the parts' block powers, of as many blocks as each of them has."""
        powers = [part.block_powers(begin, end, blocks) for part in self._moving()]
        if len({item.size for item in powers}) > 1:
            blocks = min(item.size for item in powers)
            powers = [part.block_powers(begin, end, blocks) for part in self._moving()] if blocks else []
        if not powers or len({item.size for item in powers}) > 1:
            return np.empty(0)
        return np.asarray(np.sum(powers, axis=0))

    def settled(self, begin: float, end: float) -> tuple[float, float] | None:
        """What is settled in every part."""
        found = [part.settled(begin, end) for part in self._moving()]
        known = [item for item in found if item is not None]
        if not known or len(known) < len(found):
            return None
        low, high = max(item[0] for item in known), min(item[1] for item in known)
        return (low, high) if high > low else None

    def hole_s(self, place: float) -> float:
        """The longest of the parts'."""
        return max(part.hole_s(place) for part in self._moving())

    def padded(self, begin: float, end: float, clear_s: float) -> Padded | None:
        """As wide as the widest part needs it."""
        found = [part.padded(begin, end, clear_s) for part in self._moving()]
        known = [item for item in found if item is not None]
        if not known or len(known) < len(found):
            return None
        return Padded(
            min(item.begin for item in known),
            min(item.clear_begin for item in known),
            max(item.clear_end for item in known),
            max(item.end for item in known),
        )

    def _moving(self) -> list[PowerSource]:
        moving = [part for part in self.parts if "meter_stale" not in part.reasons]
        return moving or list(self.parts)


def _sum(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None
