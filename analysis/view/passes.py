"""Which passes of a record left a trace, and how each came out: the choice of what to look at, the worst first."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from analysis.trial import Campaign, trial_quantities
from lab.record.quantity import Verdict
from lab.record.reader import PassData, Record
from lab.record.reasons import REASONS

RESULTS = "results.csv"
_LONGEST_VALUE = 40
_COLUMNS = frozenset({"pass_id", "verdict", "reasons"})


@dataclass(frozen=True, slots=True)
class PassState:
    """A pass with a trace: its verdict is the worst of its results', ``reasons`` all their codes, gravest first."""

    pass_id: str
    label: str
    verdict: Verdict
    reasons: tuple[str, ...]


def pass_states(record: Record) -> list[PassState]:
    """Every pass that left a trace, the worst first, else in planned order.

    From the record's ``results.csv`` where there is one, which takes no look at a trace; else the results are computed.
    """
    passes = {name: data for name, data in record.passes().items() if data.end.traces}
    found = _from_table(record.root / RESULTS, passes) or _computed(record, passes)
    return sorted(found, key=lambda item: -item.verdict.rank)


def label_of(data: PassData) -> str:
    """A pass's trial in words: its label, and the factor values that the label does not contain."""
    label = str(data.trial.get("label") or data.trial.get("trial_id"))
    further = [str(value) for value in data.trial["values"].values() if str(value) not in label]
    return " · ".join([label, *map(_shortened, further)])


def _shortened(text: str) -> str:
    """A long value (a path, say) without its middle."""
    return text if len(text) <= _LONGEST_VALUE else f"{text[:12]}…{text[13 - _LONGEST_VALUE :]}"


def gravest_first(codes: Iterable[str]) -> tuple[str, ...]:
    """Reason codes each once, those that make a result invalid before those that degrade it."""
    return tuple(sorted(dict.fromkeys(codes), key=lambda code: -_rank(code)))


def _rank(code: str) -> int:
    return REASONS[code].verdict.rank if code in REASONS else Verdict.INVALID.rank


def _from_table(path: Path, passes: Mapping[str, PassData]) -> list[PassState]:
    """The states by a table of results; none if there is no such table, or not about these passes."""
    verdicts: dict[str, list[Verdict]] = {}
    codes: dict[str, list[str]] = {}
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            if not _COLUMNS.issubset(table.fieldnames or ()):
                return []
            for row in table:
                if row["pass_id"] in passes:
                    verdicts.setdefault(row["pass_id"], []).append(Verdict(row["verdict"]))
                    codes.setdefault(row["pass_id"], []).extend(filter(None, row["reasons"].split(";")))
    except (OSError, ValueError, csv.Error, AttributeError):
        return []
    if not passes.keys() <= verdicts.keys():
        return []
    return [
        PassState(name, label_of(data), Verdict.worst(verdicts[name]), gravest_first(codes[name]))
        for name, data in passes.items()
    ]


def _computed(record: Record, passes: Mapping[str, PassData]) -> list[PassState]:
    campaign = Campaign.of(record)
    found: list[PassState] = []
    for trial in record.manifest["plan"]["trials"]:
        own = [plan["pass_id"] for plan in trial["passes"] if plan["pass_id"] in passes]
        items = trial_quantities(campaign, trial) if own else []
        for name in own:
            quantities = [item.quantity for item in items if item.pass_id == name]
            verdict = Verdict.worst(item.verdict for item in quantities)
            codes = gravest_first(code for item in quantities for code in item.reasons)
            found.append(PassState(name, label_of(passes[name]), verdict, codes))
    return found
