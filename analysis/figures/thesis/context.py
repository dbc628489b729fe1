"""What a figure and its claim are computed from: the record's study and the scenario of offloading, asked alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from analysis.figures.build import NothingToDrawError
from analysis.figures.names import quantity_title
from analysis.figures.style import sorted_origins
from analysis.figures.thesis.offloading import Idle, Offloading, Way
from analysis.figures.thesis.shapes import Only, Relation, Where
from analysis.figures.thesis.study import Role, Study, Value, Variation
from analysis.offload.scenario import ASSUMED

Series = dict[Variation, Value]


@dataclass(frozen=True)
class Context:
    """A record's study and what offloading its networks costs."""

    study: Study
    offloading: Offloading

    def variations(self, only: Only = Only.ALL) -> list[Variation]:
        """The variations that a figure is about, in the experiment's order."""
        fullest = self.study.fullest_compression
        return [variation for variation in self.study.variations if only.keeps(variation, fullest)]

    def series(self, where: Where, quantity: str, *, idle: Idle | None = None, only: Only = Only.ALL) -> Series:
        """The values of a quantity in one place."""
        found: Series = {}
        for variation in self.variations(only):
            if isinstance(where, Role):
                value = self.study.value(variation, where, quantity)
            else:
                value = self.offloading.value(variation, where, quantity, idle)
            if value is not None:
                found[variation] = value
        return found

    def origins(self, drawn: Mapping[Where, Iterable[Value]]) -> list[str]:
        """The origins of what a figure draws; constants that were assumed take part in everything offloaded."""
        found = [value.origin for values in drawn.values() for value in values]
        return sorted_origins([*found, *(ASSUMED for place in drawn if isinstance(place, Way))])

    def pairs(self, shape: Relation) -> list[tuple[Variation, Value, Value]]:
        """The variations that have both quantities of a relation."""
        xs, ys = (
            self.series(shape.where, quantity, idle=shape.idle, only=shape.only) for quantity in (shape.x, shape.y)
        )
        return [(variation, xs[variation], ys[variation]) for variation in xs if variation in ys]

    def name(self, where: Where) -> str:
        """What a place is called: as the record has it, or the way of offloading."""
        return self.study.platform_name(where) if isinstance(where, Role) else where.name

    def phrase(self, where: Where) -> str:
        """The place in a sentence: ``on CPU 1-core``, ``offloaded by Radio GPU``."""
        return f"on {self.name(where)}" if isinstance(where, Role) else f"offloaded by {self.name(where)}"

    def present(self, roles: Iterable[Role] = Role) -> list[Role]:
        """The roles that the record's platforms play."""
        return [role for role in roles if role in self.study.platforms]

    def require_role(self, role: Role) -> None:
        """Raises :class:`NothingToDrawError` where no platform of the record plays the role."""
        if self.study.problem:
            raise NothingToDrawError(self.study.problem)
        if role not in self.study.platforms:
            there = ", ".join(platform.name for platform in self.study.platforms.values())
            raise NothingToDrawError(f"no platform of this record is {_WANTED[role]} (it has {there or 'none'})")

    def require(self, where: Where, quantity: str, *, only: Only = Only.ALL) -> None:
        """Raises :class:`NothingToDrawError`, which says why, where a quantity has no value that could be drawn."""
        if self.study.problem:
            raise NothingToDrawError(self.study.problem)
        if not self.variations(only):
            raise NothingToDrawError(f"this record has no {only}")
        if isinstance(where, Way):
            whys = [self.offloading.missing(variation, where) for variation in self.variations(only)]
            if all(whys):
                raise NothingToDrawError(f"{where.name}: {whys[0]}")
            return
        self.require_role(where)
        if why := self.study.withheld(quantity):
            raise NothingToDrawError(why)
        if self.series(where, quantity, only=only):
            return
        absent = self.study.absent(where, quantity)
        if absent:
            reasons = sorted({reason for codes in absent.values() for reason in codes})
            raise NothingToDrawError(
                f"no valid {quantity_title(quantity)} ({quantity}) {self.phrase(where)}: "
                f"{', '.join(reasons) or 'no reason given'}"
            )
        raise NothingToDrawError(f"this record has no {quantity_title(quantity)} ({quantity}) {self.phrase(where)}")


_WANTED = {
    Role.ONE_CORE: "one core of a CPU",
    Role.CORES: "several cores of a CPU",
    Role.NPU: "an NPU",
}
