"""The results as plain text for a terminal, in the same digits as the page."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.figures.data import Matrix, ResultTables, matrix_of, text_of
from analysis.figures.style import ORIGIN_GLYPHS, sorted_origins
from analysis.sources import Part, parts_of
from lab.report.correlations import CorrelationLine, correlation_lines
from lab.report.format import plural
from lab.report.rows import MAIN, WideTable, counted_events, wide_table, window_table
from lab.report.stated import stated
from lab.report.uncertainty import BudgetTable, budget_tables
from lab.report.verdicts import Verdicts, verdicts_of

if TYPE_CHECKING:
    import pandas as pd

_GAP = "  "

_SINGLES = (
    "energy_inference_mean_j",
    "energy_inference_sd_j",
    "energy_inference_p95_j",
    "energy_between_inferences_j",
    "latency_inference_sd_s",
    "inferences_left_out",
)
"""As much of the distributions of single inferences as still fits a terminal."""


def results_text(manifest: Mapping[str, Any], tables: ResultTables) -> str:
    """What ``lab show`` prints of a record's results: origin, verdicts, and the tables that have something to say."""
    matrix = matrix_of(manifest)
    tables = stated(manifest, tables)
    summary = tables.summary
    blocks = [
        f"{matrix.title}\nrecord {matrix.record_id}, {manifest.get('state', 'unknown')}",
        origin_text(manifest, tables),
        verdicts_text(verdicts_of(tables.results)),
        f"not stated: {tables.note}" if tables.note else "",
        wide_text(window_table(tables.results, matrix), first="Window"),
        wide_text(wide_table(summary, matrix, MAIN)),
        *(_singles_text(summary, matrix, part) for part in parts_of(summary, _SINGLES)),
        wide_text(wide_table(summary, matrix, counted_events(manifest))),
        correlations_text(correlation_lines(tables.correlations)),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def budget_text(manifest: Mapping[str, Any], tables: ResultTables) -> str:
    """The uncertainty budgets of one representative point; empty where there is none."""
    matrix = matrix_of(manifest)
    return "\n\n".join(map(_one_budget, budget_tables(tables.budget, tables.summary, matrix)))


def origin_text(manifest: Mapping[str, Any], tables: ResultTables) -> str:
    """One line that names every origin among the values."""
    frame = tables.results
    found = map(text_of, frame["origin"]) if not frame.empty else [str(manifest.get("origin") or "unknown")]
    words = [f"{ORIGIN_GLYPHS.get(origin, '?')} {origin.upper()}" for origin in sorted_origins(found)]
    return " + ".join(words)


def verdicts_text(verdicts: Verdicts) -> str:
    """Counts by verdict, then one line per reason."""
    if not verdicts.total:
        return "no values yet"
    counts = ", ".join(f"{count} {name}" for name, count in verdicts.counts.items())
    lines = [f"{plural(verdicts.total, 'value')} of {plural(verdicts.trials, 'trial')}: {counts}"]
    rows = [
        (f"  {line.verdict}", line.code, str(line.values), line.text, f"→ {line.advice}" if line.advice else "")
        for line in verdicts.reasons
    ]
    return "\n".join([*lines, *aligned(rows, right=(2,))])


def wide_text(table: WideTable, first: str = "Point") -> str:
    """A wide table in aligned columns; the heading's second line names the origin. Empty without lines."""
    if not table.lines:
        return ""
    hue = [table.hue_title] if table.has_hue else []
    head = [first, *hue, *(column.quantity for column in table.columns)]
    origins = ["", *("" for _ in hue), *(column.origin for column in table.columns)]
    # Columns that would look alike say which meter they are of.
    twins = Counter((column.quantity, column.origin) for column in table.columns)
    told = [column.detail if twins[column.quantity, column.origin] > 1 else "" for column in table.columns]
    heads = [head, origins, *([["", *("" for _ in hue), *told]] if any(told) else [])]
    rows = [[line.label, *([line.hue] if hue else []), *(cell.text for cell in line.cells)] for line in table.lines]
    numbers = range(1 + len(hue), len(head))
    lines = aligned([*heads, *rows], right=tuple(numbers))
    return "\n".join([*lines[: len(heads)], "─" * max(map(_width, lines)), *lines[len(heads) :]])


def _singles_text(summary: pd.DataFrame, matrix: Matrix, part: Part) -> str:
    """What one meter saw of single inferences; empty where no line tells of them."""
    text = wide_text(wide_table(part.of(summary), matrix, _SINGLES))
    return f"{part.titled('Single inferences')}\n{text}" if text else ""


def correlations_text(lines: Sequence[CorrelationLine]) -> str:
    """The correlations in aligned columns; empty without any."""
    if not lines:
        return ""
    rows = [(line.x, line.y, line.group, line.n, line.pearson, line.spearman) for line in lines]
    return "\n".join(aligned([("Between", "and", "Group", "n", "Pearson", "Spearman"), *rows], right=(3, 4, 5)))


def _one_budget(budget: BudgetTable) -> str:
    head = f"{budget.quantity}: {budget.value}  ({budget.point}; k = {budget.k}, ν_eff = {budget.nu_eff})"
    rows = [(f"  {term.name}", term.u, term.share_text, term.kind, term.note) for term in budget.terms]
    return "\n".join([head, *aligned(rows, right=(1, 2))])


def aligned(rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()) -> list[str]:
    """The rows as lines with columns of equal width; those numbered in ``right`` are set flush right."""
    listed = [list(row) for row in rows]
    if not listed:
        return []
    widths = [max(_width(row[index]) for row in listed) for index in range(len(listed[0]))]
    return [
        _GAP.join(
            _padded(text, width, flush_right=index in right)
            for index, (text, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in listed
    ]


def _padded(text: str, width: int, *, flush_right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if flush_right else text + space


def _width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
