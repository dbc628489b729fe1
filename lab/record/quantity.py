"""A measured value that never travels without its unit, its uncertainty, its verdict and its origin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Verdict(StrEnum):
    """How far a value can be trusted, from best to worst."""

    VALID = "valid"
    DEGRADED = "degraded"
    INVALID = "invalid"

    @property
    def rank(self) -> int:
        """0 for valid, 1 for degraded, 2 for invalid."""
        return _VERDICT_RANK[self]

    @classmethod
    def worst(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """The worst of some verdicts; valid if there are none."""
        return max(verdicts, key=lambda verdict: verdict.rank, default=cls.VALID)


_VERDICT_RANK = {Verdict.VALID: 0, Verdict.DEGRADED: 1, Verdict.INVALID: 2}


class Origin(StrEnum):
    """Where a value comes from. It travels with the value into every table, figure and report."""

    MEASURED = "measured"
    """A real instrument watched a real board."""
    REPLAYED = "replayed"
    """A recording of a real instrument."""
    EMULATED = "emulated"
    """The real program on an emulator (QEMU, simavr, cachegrind)."""
    SIMULATED = "simulated"
    """A model of ours."""

    @property
    def rank(self) -> int:
        """0 for measured to 3 for simulated: how far from a measurement."""
        return _ORIGIN_RANK[self]

    @classmethod
    def furthest(cls, origins: Iterable[Origin]) -> Origin:
        """The origin furthest from a measurement: what a value computed from several inputs inherits.

        Raises ``ValueError`` if there are none, because a value without an origin must not exist.
        """
        return max(origins, key=lambda origin: origin.rank)


_ORIGIN_RANK = {Origin.MEASURED: 0, Origin.REPLAYED: 1, Origin.EMULATED: 2, Origin.SIMULATED: 3}


@dataclass(frozen=True, slots=True)
class Quantity:
    """One value of one trial.

    ``value`` is ``None`` when there is nothing to give: the verdict is then ``invalid`` and ``reasons`` say why.
    ``u`` is the standard uncertainty and ``expanded_u`` the half-width of the 95 % interval, both in ``unit``;
    ``None`` where none is claimed. ``coverage`` is the share of the window that the trace really covers (0…1).
    ``source`` names the instrument or the program that gave it, ``scope`` what it saw (``board``, ``process:user``…).
    """

    name: str
    value: float | None
    unit: str
    origin: Origin
    verdict: Verdict = Verdict.VALID
    reasons: tuple[str, ...] = ()
    u: float | None = None
    expanded_u: float | None = None
    coverage: float | None = None
    source: str = ""
    scope: str = ""

    def __post_init__(self) -> None:
        if self.value is None and (self.verdict is not Verdict.INVALID or not self.reasons):
            raise ValueError(f"{self.name}: a missing value is invalid and has a reason")
        if self.value is not None and self.value != self.value:
            raise ValueError(f"{self.name}: NaN is not a value; give None and a reason")

    def flagged(self, verdict: Verdict, *reasons: str) -> Quantity:
        """The same value with a verdict at least as bad as ``verdict`` and the reasons added."""
        merged = self.reasons + tuple(reason for reason in reasons if reason not in self.reasons)
        return replace(self, verdict=Verdict.worst([self.verdict, verdict]), reasons=merged)


def unavailable(name: str, unit: str, origin: Origin, *reasons: str, source: str = "") -> Quantity:
    """A quantity that was asked for and could not be had, with the reason codes."""
    return Quantity(name, None, unit, origin, Verdict.INVALID, reasons, source=source)
