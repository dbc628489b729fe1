"""From a record to its results: every number rebuilt from the raw files, the same on any machine, years later."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.compression import compression_speedups
from analysis.correlations import correlations_frame
from analysis.covariates import Covariates
from analysis.fits import fits_frame
from analysis.tables import Row, results_frame, summary_frames
from analysis.trial import Campaign, trial_quantities
from lab.record.manifest import FILE
from lab.record.manifest_shape import ANALYSIS, require

if TYPE_CHECKING:
    import pandas as pd

    from lab.record.reader import Record


@dataclass(frozen=True)
class Results:
    """The tables of a record.

    ``results``: one row per trial and quantity; ``summary``: one per point, quantity, origin and source; ``budget``:
    the terms of each summary row's uncertainty; ``correlations`` and ``speedups``: what the experiment's factors and
    analysis allow; ``fits``: what measures of cache fit explain of what was measured.
    """

    results: pd.DataFrame
    summary: pd.DataFrame
    budget: pd.DataFrame
    correlations: pd.DataFrame
    speedups: pd.DataFrame
    fits: pd.DataFrame


def process(record: Record) -> Results:
    """Compute all results of a record.

    Raises :class:`lab.errors.DataError` if the record itself cannot be read; what is wrong with single passes becomes
    the verdict of their results.
    """
    manifest = record.manifest
    require(manifest, ANALYSIS, str(record.root / FILE))
    campaign = Campaign.of(record)
    covariates = Covariates.of(record)
    trials: list[Mapping[str, Any]] = manifest["plan"]["trials"]
    rows = [
        Row(trial, item) for trial in trials for item in covariates.joined(trial, trial_quantities(campaign, trial))
    ]
    resolved = manifest["experiment"].get("resolved") or {}
    factors = _factors(resolved, trials)
    events = {event for trial in trials for plan in trial["passes"] for event in plan["events"]}
    summary, budget = summary_frames(_in_matrix_order(rows, resolved, factors), factors, events)
    analysis, seed = resolved.get("analysis") or {}, int(manifest.get("seed") or 0)
    return Results(
        results=results_frame(rows, factors),
        summary=summary,
        budget=budget,
        correlations=correlations_frame(summary, analysis.get("correlations") or (), seed),
        speedups=compression_speedups(summary, factors, analysis.get("hue")),
        fits=fits_frame(summary, manifest, seed),
    )


def write(results: Results, record_root: Path) -> tuple[Path, ...]:
    """Write the tables into the record's folder, each replaced whole; the same results give the same bytes.

    Returns the paths written.
    """
    both = {"results": results.results, "summary": results.summary}
    text_only = {
        "budget": results.budget,
        "correlations": results.correlations,
        "speedups": results.speedups,
        "cache_fit": results.fits,
    }
    written = [_replace(record_root / f"{name}.parquet", _parquet(frame)) for name, frame in both.items()]
    written += [_replace(record_root / f"{name}.csv", _csv(frame)) for name, frame in (both | text_only).items()]
    return tuple(written)


def _factors(resolved: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """The factors' names in the order of the experiment."""
    named = list(resolved.get("factors") or {})
    used = dict.fromkeys(name for trial in trials for name in trial["values"])
    return [name for name in named if name in used] + [name for name in used if name not in named]


def _in_matrix_order(rows: Iterable[Row], resolved: Mapping[str, Any], factors: Sequence[str]) -> list[Row]:
    """Rows in the order of the experiment's factor values, whatever the order the trials were run in."""
    orders = {name: _positions((resolved.get("factors") or {}).get(name)) for name in factors}

    def position(name: str) -> Callable[[Row], tuple[int, str]]:
        order = orders[name]

        def key(row: Row) -> tuple[int, str]:
            value = str(row.trial["values"].get(name))
            return order.get(value, len(order)), value

        return key

    ordered = list(rows)
    for name in reversed(factors):
        ordered.sort(key=position(name))
    return ordered


def _positions(values: Any) -> dict[str, int]:
    """Value → place, of a factor as the resolved experiment lists it; none for a discovered one."""
    if not isinstance(values, list):
        return {}
    plain = [item.get("value") if isinstance(item, Mapping) else item for item in values]
    return {str(value): place for place, value in enumerate(plain)}


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()


def _replace(path: Path, content: bytes) -> Path:
    temporary = path.with_name(path.name + ".new")
    temporary.write_bytes(content)
    temporary.replace(path)
    return path
