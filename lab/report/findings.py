"""What the data say at a glance: smallest values, winners, speed-ups, correlations.

Every number here is computed from the summary; nothing is remembered from elsewhere. Only valid and degraded values
take part, and values of different origin are never compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.agreement import LIMIT_PCT
from analysis.agreement import SUFFIX as DIFFERENCE
from analysis.figures.data import Matrix, Point, ResultTables, number, points_of, reasons_of, text_of
from analysis.figures.names import quantity_title, sentence_case
from analysis.sources import Part, parts_of
from lab.record.reasons import REASONS
from lab.report.correlations import grouped_name
from lab.report.format import plural, ratio, show

if TYPE_CHECKING:
    import pandas as pd

_SMALLER_IS_BETTER = (
    "latency_s",
    "edp_gross_js",
    "elapsed_s",
    "peak_rss_bytes",
)
_LARGER_IS_BETTER = ("accuracy",)
_CONTESTS = ("latency_s", "energy_gross_j", "energy_process_gross_j")
_PUBLISHED = ("energy_gross_j", "energy_published_j", "energy_edge_bound_j")
_MOST_PAIRS = 3


@dataclass(frozen=True, slots=True)
class Fact:
    """A name, what was found for it, and a remark."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A heading over a few facts of one kind, and how to read them."""

    title: str
    facts: tuple[Fact, ...]
    note: str = ""


def findings_of(tables: ResultTables, matrix: Matrix) -> list[Finding]:
    """All findings that the tables allow, the most telling first."""
    summary = tables.summary
    found: list[Finding | None] = [_published(tables.results)]
    energies = [name for name in ("energy_gross_j", "energy_net_j") if _one_origin(summary, matrix, name)][:1]
    for quantity in (*energies, *_SMALLER_IS_BETTER, *_LARGER_IS_BETTER):
        least = quantity not in _LARGER_IS_BETTER
        found += [_best(summary, matrix, quantity, part, least=least) for part in parts_of(summary, [quantity])]
    for quantity in _CONTESTS:
        found += [_winners(summary, matrix, quantity, part) for part in parts_of(summary, [quantity])]
    found += _agreements(summary)
    found.append(_gains(tables.speedups))
    found += _correlated(tables.correlations)
    return [finding for finding in found if finding is not None]


def _one_origin(summary: pd.DataFrame, matrix: Matrix, quantity: str) -> list[Point]:
    """The usable points of a quantity, if all are of one origin; else none, because they must not be compared."""
    points = [point for point in points_of(summary, matrix, quantity) if point.shown]
    return points if len({point.origin for point in points}) == 1 else []


def _best(summary: pd.DataFrame, matrix: Matrix, quantity: str, part: Part, *, least: bool) -> Finding | None:
    points = _one_origin(part.of(summary), matrix, quantity)
    if len(points) < 2:
        return None
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(point.group, []).append(point)
    choose: Callable[..., Point] = min if least else max
    facts = []
    for group, members in groups.items():
        best = choose(members, key=lambda point: point.value or 0.0)
        where = _where(best, matrix)
        facts.append(Fact(group or where, _value(best), where if group else ""))
    word = "Lowest" if least else "Highest"
    if len(facts) == 1 and matrix.group is None:
        worst = (max if least else min)(points, key=lambda point: point.value or 0.0)
        where = _where(worst, matrix)
        facts.append(Fact(where, _value(worst), "highest" if least else "lowest"))
    return Finding(part.titled(f"{word} {quantity_title(quantity)}"), tuple(facts))


def _where(point: Point, matrix: Matrix) -> str:
    """The point in words; a label that is nothing but a factor's value gets the factor's name before it."""
    bare = len(matrix.label_factors) == 1 and point.label in matrix.factors[matrix.label_factors[0]]
    name = f"{matrix.label_factors[0]} {point.label}" if bare and len(point.label) < 12 else point.label
    return f"{name} on {point.hue}" if point.hue else name


def _value(point: Point) -> str:
    return show(point.value, point.expanded_u, point.unit).text


def _winners(summary: pd.DataFrame, matrix: Matrix, quantity: str, part: Part) -> Finding | None:
    """For how many labels each value of the colouring factor is best."""
    points = _one_origin(part.of(summary), matrix, quantity)
    rows: dict[str, list[Point]] = {}
    for point in points:
        if point.hue:
            rows.setdefault(point.label, []).append(point)
    contests = {label: members for label, members in rows.items() if len(members) > 1}
    if not contests:
        return None
    wins: dict[str, int] = {}
    open_contests = 0
    for members in contests.values():
        first, second = sorted(members, key=lambda point: point.value or 0.0)[:2]
        wins[first.hue] = wins.get(first.hue, 0) + 1
        open_contests += _overlap(first, second)
    listed = [value for value in matrix.factors.get(matrix.hue or "", ()) if value in wins]
    facts = tuple(Fact(value, f"{wins[value]} of {len(contests)}") for value in listed)
    note = ""
    if open_contests:
        note = f"In {plural(open_contests, 'case')} the intervals of the two best overlap: undecided."
    return Finding(part.titled(f"Lowest {quantity_title(quantity)}, by {matrix.hue}"), facts, note)


def _overlap(lower: Point, upper: Point) -> bool:
    reach = (lower.expanded_u or 0.0) + (upper.expanded_u or 0.0)
    return (upper.value or 0.0) - (lower.value or 0.0) <= reach


def _gains(speedups: pd.DataFrame) -> Finding | None:
    """Speed-ups from compression, as the analysis found them."""
    facts = []
    for row in speedups.to_dict("records"):
        name = " · ".join(part for part in (text_of(row.get("group")), text_of(row.get("compression"))) if part)
        mean, most = ratio(number(row.get("mean"))), ratio(number(row.get("maximum")))
        spread = f"mean {mean}, at most {most} ({text_of(row.get('largest_at'))})"
        facts.append(Fact(name, ratio(number(row.get("geometric_mean"))), spread))
    note = "Latency uncompressed over latency compressed; the geometric mean first, then the arithmetic one."
    return Finding("Speed-up from compression", tuple(facts), note) if facts else None


def _published(results: pd.DataFrame) -> Finding | None:
    """Computed against published energies of recorded sessions: how many agree within the stated bound."""
    rows = results[results["quantity"].isin(_PUBLISHED)] if not results.empty else results
    windows: dict[tuple[str, str], dict[str, float]] = {}
    for row in rows.to_dict("records"):
        value = number(row.get("value"))
        if value is not None and row.get("verdict") != "invalid":
            key = (str(row.get("trial_id")), str(row.get("window")))
            windows.setdefault(key, {})[str(row["quantity"])] = value
    complete = [window for window in windows.values() if len(window) == len(_PUBLISHED)]
    if not complete:
        return None
    within = sum(
        abs(window["energy_gross_j"] - window["energy_published_j"]) <= window["energy_edge_bound_j"]
        for window in complete
    )
    worst = max(abs(window["energy_gross_j"] / window["energy_published_j"] - 1) for window in complete)
    facts = (
        Fact("within the edge bound", f"{within} of {plural(len(complete), 'window')}"),
        Fact("largest relative difference", show(worst, None, "1").text),
    )
    return Finding(
        "Computed against published energy", facts, "Energy between the time stamps against the printed one."
    )


def _agreements(summary: pd.DataFrame) -> list[Finding]:
    """How far apart two instruments lie that counted the same event, over all points."""
    if summary.empty:
        return []
    rows = summary[summary["quantity"].str.endswith(DIFFERENCE)]
    found = []
    for (quantity, source), members in rows.groupby(["quantity", "source"], sort=False):
        values = [value for value in map(number, members["value"]) if value is not None]
        facts: tuple[Fact, ...]
        title = f"{sentence_case(quantity_title(str(quantity).removesuffix(DIFFERENCE)))}: {source}"
        if values:
            within = sum(abs(value) <= LIMIT_PCT for value in values)
            worst = max(values, key=abs)
            facts = (
                Fact("largest difference", f"{worst:+.2g} %".replace("-", "−")),
                Fact(f"within {LIMIT_PCT:g} %", f"{within} of {plural(len(values), 'point')}"),
            )
        else:
            codes = dict.fromkeys(code for cell in members["reasons"] for code in reasons_of(cell))
            facts = (Fact("not to be compared", "; ".join(REASONS[code].text for code in codes if code in REASONS)),)
        found.append(Finding(title, facts, "Both of user space alone, of the same program."))
    return found


def _correlated(correlations: pd.DataFrame) -> list[Finding]:
    """One finding per pair of quantities, one fact per group."""
    pairs: dict[tuple[str, str], list[Fact]] = {}
    for row in correlations.to_dict("records"):
        pearson = number(row.get("pearson"))
        if pearson is None:
            continue
        low, high = number(row.get("pearson_low")), number(row.get("pearson_high"))
        interval = f" [{low:.3f}, {high:.3f}]" if low is not None and high is not None else ""
        name = grouped_name(row) or "all points"
        fact = Fact(name, f"r = {pearson:.3f}{interval}".replace("-", "−"), f"n = {int(number(row.get('n')) or 0)}")
        pairs.setdefault((str(row.get("x")), str(row.get("y"))), []).append(fact)
    note = "Pearson's r of the logarithms with its 95 % interval."
    return [
        Finding(f"{sentence_case(quantity_title(x))} ↔ {quantity_title(y)}", tuple(facts), note)
        for (x, y), facts in list(pairs.items())[:_MOST_PAIRS]
    ]
