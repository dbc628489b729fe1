"""Uncertainty budgets after JCGM 100:2008 (the "GUM"): terms, their combination, and the 95 % interval.

A :class:`Term` is one standard uncertainty and what is known of it. A :class:`Budget` combines the terms that count:
u_c = √Σu² (GUM eq. 10, uncorrelated inputs), ν_eff after Welch–Satterthwaite (GUM eq. G.2b), U = t₀.₉₇₅(ν_eff)·u_c
(with one exception, see :attr:`Budget.k`).

Two expanded uncertainties come out. The *absolute* one says how far the value may lie from the truth. The
*comparison* one leaves out the terms with ``common_gain``: errors proportional to the value that are the same in
everything measured with the same instrument and range, and therefore cancel in a ratio of two such values.

How trials add up to a point (:func:`point_budget`). The repeats' scatter s/√n already holds whatever varies
independently from trial to trial: idle noise and drift, edges, sampling, what was lost in gaps. Counting those terms
again would count them twice, so they are kept in the table for the reader but not counted. Errors common to all
repeats (gain, offset, timebase) shift them together, leave no trace in the scatter, and are added. With one repeat
there is no scatter: every term counts, and the spread from run to run is unknown, which the verdict says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

CONFIDENCE = 0.95
REPEATS = "repeats"


@dataclass(frozen=True, slots=True)
class Term:
    """One contribution to a budget.

    ``u`` is the standard uncertainty in the unit of the result (sensitivity already applied). ``kind`` is the GUM's
    type of evaluation: A from statistics, B from anything else. ``dof`` are the degrees of freedom, infinite for
    limits that are taken as given. ``common`` is true where the same error sits in every repeat; ``common_gain``
    where it is moreover proportional to the value, so that it cancels in ratios on the same instrument and range.
    ``counted`` is false for a term that is shown but already contained in another. ``note`` says where the figure
    comes from.
    """

    name: str
    u: float
    kind: Literal["A", "B"]
    dof: float = math.inf
    common: bool = False
    common_gain: bool = False
    counted: bool = True
    note: str = ""

    def scaled(self, factor: float) -> Term:
        """The same term in a result that is ``factor`` times this one."""
        return replace(self, u=self.u * abs(factor))


@dataclass(frozen=True, slots=True)
class Budget:
    """The terms of one result's uncertainty. ``claims`` is false where an input is not good enough to claim an interval
    (accuracy figures that are placeholders or absent): the terms are shown, the expanded uncertainties are ``None``."""

    terms: tuple[Term, ...]
    claims: bool = True

    @property
    def counted(self) -> tuple[Term, ...]:
        """The terms that enter the combination."""
        return tuple(term for term in self.terms if term.counted)

    @property
    def u(self) -> float:
        """Combined standard uncertainty, in the unit of the result."""
        return _root_sum_square(term.u for term in self.counted)

    @property
    def nu_eff(self) -> float:
        """Effective degrees of freedom of :attr:`u` (Welch–Satterthwaite); infinite where no term's are finite."""
        return effective_dof(self.counted)

    @property
    def k(self) -> float:
        """Coverage factor: t₀.₉₇₅(ν_eff), or more where the comparison's interval would else be the wider one.

        A term with infinitely many degrees of freedom raises ν_eff. Beside a scatter of very few repeats that can
        lower the factor by more than it raises u_c, so that knowing one more error would seem to make the result
        better. The factor is then the one that makes both intervals equally wide.
        """
        factor = coverage_factor(self.nu_eff)
        return max(factor, self._comparison() / self.u) if self.u > 0.0 else factor

    @property
    def expanded_u(self) -> float | None:
        """Half-width of the 95 % interval, or ``None`` where none is claimed."""
        return self.k * self.u if self.claims else None

    @property
    def expanded_u_comparison(self) -> float | None:
        """Half-width of the 95 % interval for ratios on the same instrument and range, where common gain cancels."""
        return self._comparison() if self.claims else None

    def _comparison(self) -> float:
        terms = [term for term in self.counted if not term.common_gain]
        return coverage_factor(effective_dof(terms)) * _root_sum_square(term.u for term in terms)

    @property
    def largest(self) -> str | None:
        """Name of the largest counted term; ``None`` where all are zero."""
        top = max(self.counted, key=lambda term: term.u, default=None)
        return top.name if top is not None and top.u > 0.0 else None

    def scaled(self, factor: float) -> Budget:
        """The budget of ``factor`` times this result."""
        return replace(self, terms=tuple(term.scaled(factor) for term in self.terms))


def effective_dof(terms: Iterable[Term]) -> float:
    """Welch–Satterthwaite: ν_eff = u_c⁴ / Σ(uᵢ⁴/νᵢ). Terms with infinite ν drop out of the sum."""
    terms = list(terms)
    largest = max((term.u for term in terms), default=0.0)
    if largest == 0.0:
        return math.inf
    # Relative to the largest term: fourth powers of microjoules would lose digits to underflow.
    shares = [(term.u / largest, term.dof) for term in terms]
    denominator = math.fsum(share**4 / dof for share, dof in shares)
    return math.fsum(share**2 for share, _ in shares) ** 2 / denominator if denominator > 0.0 else math.inf


def coverage_factor(dof: float) -> float:
    """Two-sided 95 % point of Student's t with ``dof`` (not truncated) degrees of freedom; 1.96 for infinitely many.

    Raises ``ValueError`` for ``dof`` that is not positive.
    """
    if not dof > 0.0:
        raise ValueError(f"degrees of freedom must be positive, not {dof}")
    probability = 0.5 + CONFIDENCE / 2
    if math.isinf(dof):
        return float(special.ndtri(probability))
    return float(special.stdtrit(dof, probability))


def rectangular(half_width: float) -> float:
    """Standard uncertainty of a quantity known only to lie within ± ``half_width`` (GUM 4.3.7)."""
    return abs(half_width) / math.sqrt(3.0)


def uniform_width(width: float) -> float:
    """Standard uncertainty of a quantity known only to lie within an interval of that full width (GUM 4.3.7)."""
    return abs(width) / math.sqrt(12.0)


def trapezoidal(base: ArrayLike, top: ArrayLike) -> NDArray[np.float64]:
    """Standard uncertainty of what is spread over a full width ``base``, evenly over the ``top`` in its middle and less
    towards the ends (symmetric trapezoid, GUM 4.3.9): the sum of two uniform errors of widths (base ± top)/2."""
    return np.sqrt((np.square(base) + np.square(top)) / 24.0)


@dataclass(frozen=True, slots=True)
class PointResult:
    """Mean over a point's repeats. ``s`` is their standard deviation, ``None`` for a single one."""

    value: float
    n: int
    s: float | None
    budget: Budget


def point_result(values: Sequence[float], budgets: Sequence[Budget | None]) -> PointResult:
    """Mean, scatter and budget of a point from its valid repeats.

    ``values`` and ``budgets`` belong together, one per trial; a trial without a budget (a plain count) has ``None``.
    Raises ``ValueError`` if there are no values.
    """
    n = len(values)
    if n == 0:
        raise ValueError("a point without values has no mean")
    mean = math.fsum(values) / n
    s = float(np.std(np.asarray(values) - mean, ddof=1)) if n > 1 else None
    return PointResult(mean, n, s, point_budget([item for item in budgets if item is not None], n, s))


def point_budget(budgets: Sequence[Budget], n: int, s: float | None) -> Budget:
    """The budget of the mean of ``n`` repeats with standard deviation ``s`` (see the module's docstring).

    Terms of the same name are one term: a common one is the root mean square over the trials (they share one error), an
    independent one that divided by √n (they average). Without any budget and with one repeat nothing can be claimed.
    """
    by_name: dict[str, list[Term]] = {}
    for budget in budgets:
        for term in budget.terms:
            by_name.setdefault(term.name, []).append(term)
    terms: list[Term] = []
    if s is not None:
        note = f"standard deviation of {n} repeats / √{n}"
        terms.append(Term(REPEATS, s / math.sqrt(n), "A", dof=n - 1, note=note))
    for group in by_name.values():
        u = math.sqrt(math.fsum(term.u**2 for term in group) / len(budgets))
        first = group[0]
        # Degraded trials may carry terms the others lack, and their own degrees of freedom; the least is the safe one.
        dof = min(term.dof for term in group)
        if first.common or s is None:
            terms.append(replace(first, u=u, dof=dof))
        else:
            terms.append(replace(first, u=u / math.sqrt(n), dof=dof, counted=False))
    claims = all(budget.claims for budget in budgets) and bool(budgets or s is not None)
    return Budget(tuple(terms), claims)


def _root_sum_square(values: Iterable[float]) -> float:
    return math.sqrt(math.fsum(value * value for value in values))
