"""The few shapes that the thesis's figures have: what each shows, said in quantities and roles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from analysis.figures.thesis.offloading import Idle, Way
from analysis.figures.thesis.study import Role, Variation

PAGE_FAULTS = "page-faults_process"
"""Of the whole process: an inference that has run before faults no more."""


class Only(StrEnum):
    """Which variations a figure is about."""

    ALL = "all variations"
    UNCOMPRESSED = "uncompressed variations"
    PQ = "variations pruned and quantised (PQ)"
    PWQ = "variations pruned, weight-clustered and quantised (PWQ)"
    FULLEST = "variations of the fullest compression"

    def keeps(self, variation: Variation, fullest: str | None) -> bool:
        """Is the variation one of these? ``fullest`` is the record's fullest compression."""
        wanted = {Only.UNCOMPRESSED: "", Only.PQ: "PQ", Only.PWQ: "PWQ", Only.FULLEST: fullest}
        return self is Only.ALL or variation.compression == wanted[self]


Where = Role | Way
"""On the device in one of its roles, or offloaded in one way."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A row per variation, a mark per place of computing (4.1, 4.4–4.7, A.14–A.16)."""

    quantity: str
    ways: tuple[Way, ...]
    idle: Idle | None = None
    only: Only = Only.ALL
    thresholds: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """One quantity against another in one place, a mark per variation (4.8, 5.5–5.10, A.5–A.10, A.17–A.31)."""

    x: str
    y: str
    where: Where
    idle: Idle | None = None
    only: Only = Only.ALL


@dataclass(frozen=True, slots=True)
class Growth:
    """A quantity over the input size, a line per network and compression (5.1, 5.2, A.1–A.4)."""

    quantity: str
    role: Role


@dataclass(frozen=True, slots=True)
class Bubbles:
    """Parameters over ``x``, the area of a mark being the latency (5.3, 5.4)."""

    x: str
    role: Role
    only: Only = Only.FULLEST


@dataclass(frozen=True, slots=True)
class Contributions:
    """What network and execution add to an offloaded inference's time (4.2, 4.3, 5.11, 5.12, A.11–A.13).

    ``beside`` sets the device's own latencies beside the totals.
    """

    way: Way
    beside: bool = False


INPUT = "input"
"""The ``x`` of bubbles that is no quantity of the record but the variation's own size."""

Shape = Rows | Relation | Growth | Bubbles | Contributions
