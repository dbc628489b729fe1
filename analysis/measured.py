"""A quantity on its way into the results: with the pass it came from and its uncertainty budget."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from analysis.uncertainty import Budget
from analysis.verdicts import reasons_for
from lab.record.quantity import Origin, Quantity, Verdict
from lab.record.reasons import verdict_of


@dataclass(frozen=True, slots=True)
class Measured:
    """One value of one trial. ``window`` is the number of the window where a pass has several (a replayed session)."""

    quantity: Quantity
    pass_id: str
    budget: Budget | None = None
    window: int | None = None

    def flagged(self, codes: Iterable[str]) -> Measured:
        """The same with the reason codes added that concern it."""
        codes = reasons_for(self.quantity.name, codes)
        return replace(self, quantity=self.quantity.flagged(verdict_of(codes), *codes)) if codes else self


def measured(
    name: str,
    value: float,
    unit: str,
    *,
    pass_id: str,
    origin: Origin,
    budget: Budget | None = None,
    reasons: Iterable[str] = (),
    coverage: float | None = None,
    source: str = "",
    scope: str = "",
) -> Measured:
    """A value with its budget; those of ``reasons`` that concern it make its verdict."""
    codes = reasons_for(name, reasons)
    quantity = Quantity(
        name,
        value,
        unit,
        origin,
        verdict_of(codes),
        codes,
        u=budget.u if budget else None,
        expanded_u=budget.expanded_u if budget else None,
        coverage=coverage,
        source=source,
        scope=scope,
    )
    return Measured(quantity, pass_id, budget)


def missing(
    name: str, unit: str, *, pass_id: str, origin: Origin, reasons: Iterable[str], source: str = "", scope: str = ""
) -> Measured:
    """A value that was asked for and could not be had, with all the codes of why."""
    quantity = Quantity(
        name, None, unit, origin, Verdict.INVALID, tuple(dict.fromkeys(reasons)), source=source, scope=scope
    )
    return Measured(quantity, pass_id)


def stated(
    name: str,
    value: float | None,
    unit: str,
    *,
    pass_id: str,
    origin: Origin,
    reasons: Iterable[str],
    unexplained: str,
    budget: Budget | None = None,
    source: str = "",
    scope: str = "",
) -> Measured:
    """:func:`measured` or, for ``None``, :func:`missing`; ``unexplained`` is the reason where no other is known."""
    codes = tuple(reasons)
    if value is None:
        why = codes or (unexplained,)
        return missing(name, unit, pass_id=pass_id, origin=origin, reasons=why, source=source, scope=scope)
    return measured(
        name, value, unit, pass_id=pass_id, origin=origin, budget=budget, reasons=codes, source=source, scope=scope
    )
