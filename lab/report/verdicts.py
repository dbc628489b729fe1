"""How far the results can be trusted: counts by verdict, and for every reason what it means and whom it concerns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.data import reasons_of, text_of
from analysis.figures.names import quantity_title
from lab.record.reasons import REASONS

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = ("valid", "degraded", "invalid")


@dataclass(frozen=True, slots=True)
class ReasonLine:
    """One reason code: how many values it concerns, of which quantities, in which trials."""

    code: str
    verdict: str
    text: str
    advice: str
    values: int
    quantities: tuple[str, ...]
    trials: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Counts over all values of all trials, and the reasons, the gravest and most frequent first."""

    counts: dict[str, int]
    reasons: tuple[ReasonLine, ...]
    trials: int
    untouched_trials: int
    """Trials all of whose values are valid."""

    @property
    def total(self) -> int:
        """All values, with and without a number."""
        return sum(self.counts.values())

    def share(self, verdict: str) -> float:
        """Share of the values with this verdict, in per cent."""
        return 100 * self.counts[verdict] / self.total if self.total else 0.0


def verdicts_of(results: pd.DataFrame) -> Verdicts:
    """Count the verdicts of the tidy results."""
    counts = dict.fromkeys(VERDICTS, 0)
    values: dict[str, int] = {}
    quantities: dict[str, dict[str, None]] = {}
    trials: dict[str, dict[str, None]] = {}
    all_trials: dict[str, bool] = {}
    for row in results.to_dict("records"):
        verdict = text_of(row.get("verdict"))
        verdict = verdict if verdict in counts else "invalid"
        counts[verdict] += 1
        trial = str(row.get("trial_id"))
        all_trials[trial] = all_trials.get(trial, True) and verdict == "valid"
        for code in reasons_of(row.get("reasons")):
            values[code] = values.get(code, 0) + 1
            quantities.setdefault(code, {})[quantity_title(str(row.get("quantity")))] = None
            trials.setdefault(code, {})[trial] = None
    lines = [_line(code, count, tuple(quantities[code]), tuple(trials[code])) for code, count in values.items()]
    lines.sort(key=lambda line: (-VERDICTS.index(line.verdict), -line.values, line.code))
    return Verdicts(counts, tuple(lines), len(all_trials), sum(all_trials.values()))


def _line(code: str, count: int, quantities: tuple[str, ...], trials: tuple[str, ...]) -> ReasonLine:
    reason = REASONS.get(code)
    if reason is None:
        return ReasonLine(code, "invalid", "a reason this version does not know", "", count, quantities, trials)
    return ReasonLine(code, reason.verdict.value, reason.text, reason.advice, count, quantities, trials)
