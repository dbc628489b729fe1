"""Writing ``report.html``: one page, complete in itself, that says what was measured, on what, and how far to trust it.

The page loads nothing from anywhere: style, script and figures are inside. Every text that comes from a record is
escaped. The same record gives the same bytes, whenever and wherever it is rebuilt.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.figures.build import FigureFile, write_figures
from analysis.figures.data import Matrix, ResultTables, matrix_of, reasons_of, text_of
from analysis.figures.names import quantity_title, sentence_case
from analysis.figures.style import (
    BAND,
    GRID,
    IDLE,
    INK,
    LANE,
    MUTED,
    ORIGIN_COLOURS,
    ORIGIN_GLYPHS,
    PALETTE,
    PAPER,
    WARM_UP,
    WINDOW,
    sorted_origins,
)
from analysis.sources import each_part
from lab.record.printable import printable_line
from lab.record.reader import Record
from lab.record.reasons import REASONS
from lab.report.cache_fit import cache_fit_section
from lab.report.correlations import correlation_lines
from lab.report.findings import findings_of
from lab.report.format import grouped, plural
from lab.report.offload import offload_section
from lab.report.pages import page_environment
from lab.report.provenance import flattened, instruments_of
from lab.report.rows import (
    CACHE_FIT,
    DETAILS,
    MAIN,
    SINGLES,
    counted_events,
    pivot_table,
    remaining_quantities,
    wide_table,
    window_table,
)
from lab.report.stated import stated
from lab.report.study import study_section
from lab.report.uncertainty import budget_tables, largest_terms
from lab.report.verdicts import verdicts_of

FILE = "report.html"

ORIGIN_MEANINGS = {
    "measured": "a real instrument watched a real board",
    "replayed": "computed from a recording of a real instrument",
    "emulated": "the real program on an emulator; no statement about a real board's time or energy",
    "simulated": "from a model, not from a measurement; no statement about any real board",
}

_THEME = {
    PAPER: "--paper",
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    BAND: "--band",
    LANE: "--lane",
    IDLE: "--idle",
    WARM_UP: "--warm-up",
    WINDOW: "--window",
    PALETTE[0]: "--first",
}
"""Colours of the figures that follow the page between light and dark."""

_SVG_PROLOG = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_SVG_METADATA = re.compile(r"<metadata>.*?</metadata>\s*", re.DOTALL)
_SVG_NAMESPACE = re.compile(r' xmlns(?::xlink)?="[^"]*"')
_SVG_ID = re.compile(r'(\bid="|href="#|url\(#)')


@dataclass(frozen=True, slots=True)
class OriginShare:
    """One origin of the record's values: how many, and what that word means."""

    name: str
    glyph: str
    colour: str
    meaning: str
    values: int


@dataclass(frozen=True, slots=True)
class ShownFigure:
    """A figure in the page: its SVG made safe to stand beside others, or the reason why there is none."""

    file: FigureFile
    svg: str


def write_report(record_root: Path, results: ResultTables) -> Path:
    """Draw the figures into ``figures/``, write ``report.html`` into the record's folder, and return its path.

    ``results`` are the tables of :mod:`analysis.process`. Raises :class:`lab.errors.DataError` if the folder is not a
    record.
    """
    # Whether a damaged log is good enough was decided when the tables were made.
    record = Record.open(record_root, salvage=True)
    figures = write_figures(record_root, record.manifest, results)
    path = record_root / FILE
    path.write_text(render(record, results, figures), encoding="utf-8")
    return path


def render(record: Record, results: ResultTables, figures: list[FigureFile]) -> str:
    """The page as text."""
    environment = page_environment()
    environment.filters["grouped"] = lambda number: grouped(str(number))
    environment.filters["title_of"] = lambda name: sentence_case(quantity_title(name))
    environment.globals["plural"] = plural
    environment.globals["reason_text"] = reason_text
    return environment.get_template("report.html.j2").render(_content(record, results, figures))


def reason_text(codes: tuple[str, ...]) -> str:
    """Reason codes in words, for a tooltip."""
    return "; ".join(REASONS[code].text if code in REASONS else code for code in codes)


def _content(record: Record, tables: ResultTables, figures: list[FigureFile]) -> dict[str, Any]:
    manifest = record.manifest
    results = stated(manifest, tables)
    matrix = matrix_of(manifest)
    summary = results.summary
    trials = manifest["plan"]["trials"]
    events = counted_events(manifest)
    networks = wide_table(summary, matrix, CACHE_FIT, per_label=True)
    return {
        "title": matrix.title or manifest.get("record_id") or "Results",
        "matrix": matrix,
        "manifest": manifest,
        "experiment": _document(manifest, "experiment"),
        "bench": _document(manifest, "bench"),
        "board": _board(manifest),
        "origins": _origins(manifest, results),
        "trials": len(trials),
        "points": len({trial["point_id"] for trial in trials}),
        "passes_planned": sum(len(trial["passes"]) for trial in trials),
        "passes_missing": record.missing_passes(),
        "verdicts": verdicts_of(results.results),
        "unavailable": _unavailable(results),
        "not_stated": results.note,
        "findings": findings_of(results, matrix),
        "figures": [ShownFigure(file, _embedded(file)) for file in figures],
        "asked": [
            (_table_title(entry), pivot_table(summary, matrix, entry))
            for entry in matrix.entries
            if entry.get("kind") == "table"
        ],
        "main": wide_table(summary, matrix, MAIN),
        "windows": window_table(results.results, matrix),
        "singles": wide_table(summary, matrix, SINGLES),
        "details": wide_table(summary, matrix, (*DETAILS, *remaining_quantities(summary, events))),
        "counters": wide_table(summary, matrix, events),
        "networks": networks,
        "cache_fit": cache_fit_section(record, tables),
        "has_cache_fit": any(column.quantity.startswith("layer_fit") for column in networks.columns),
        "first_title": sentence_case(" · ".join(matrix.label_factors)) or "Point",
        "caches": dict(flattened((manifest.get("board") or {}).get("caches") or {})),
        "budgets": budget_tables(results.budget, summary, matrix),
        "largest": largest_terms(summary),
        "correlations": correlation_lines(results.correlations),
        "offload": offload_section(manifest, tables),
        "study": study_section(record, tables),
        "refused_correlations": results.refused,
        "instruments": instruments_of(manifest),
        "fingerprint": list(flattened((manifest.get("board") or {}).get("fingerprint") or {})),
        "workload": list(flattened(manifest.get("workload") or {})),
        "versions": list(flattened(manifest.get("versions") or {})),
        "files": sorted((manifest.get("files") or {}).items()),
        "factors": _factor_lines(matrix),
    }


def _document(manifest: Mapping[str, Any], part: str) -> dict[str, str]:
    """The experiment or the bench: its file as written, and the few fields that the page's head shows."""
    section = manifest.get(part) or {}
    resolved = section.get("resolved") or {}
    return {
        "path": Path(str(section.get("path") or "")).name,
        "text": str(section.get("text") or ""),
        "name": str(resolved.get(part) or f"unnamed {part}"),
        "title": str(resolved.get("title") or ""),
        "description": str(resolved.get("description") or ""),
    }


def _board(manifest: Mapping[str, Any]) -> str:
    board = manifest.get("board") or {}
    model = (board.get("fingerprint") or {}).get("model")
    return ", ".join(
        printable_line(str(part), 120) for part in (f"{board.get('kind') or 'unknown'} board", model) if part
    )


def _table_title(entry: Mapping[str, Any]) -> str:
    return str(entry.get("title") or sentence_case(quantity_title(str(entry.get("quantity")))))


def _origins(manifest: Mapping[str, Any], results: ResultTables) -> list[OriginShare]:
    counts: dict[str, int] = {}
    frame = results.results
    if not frame.empty:
        with_value = frame[frame["value"].notna()]
        for origin in map(text_of, with_value["origin"] if not with_value.empty else frame["origin"]):
            counts[origin or "unknown"] = counts.get(origin or "unknown", 0) + 1
    if not counts:
        counts[str(manifest.get("origin") or "unknown")] = 0
    return [
        OriginShare(
            name,
            ORIGIN_GLYPHS.get(name, "?"),
            ORIGIN_COLOURS.get(name, INK),
            ORIGIN_MEANINGS.get(name, "an origin this version does not know"),
            counts[name],
        )
        for name in sorted_origins(counts)
    ]


def _unavailable(results: ResultTables) -> list[tuple[str, str]]:
    """Reasons in words, each with the quantities that for it have no value at any point."""
    summary = results.summary
    quantities: dict[str, list[str]] = {}
    names = dict.fromkeys(map(str, summary["quantity"])) if not summary.empty else ()
    for quantity, part in each_part(summary, names):
        rows = part.of(summary[summary["quantity"] == quantity])
        if (rows["verdict"] == "invalid").all():
            codes = sorted({code for cell in rows["reasons"] for code in reasons_of(cell)})
            why = reason_text(tuple(codes)) or "no reason given"
            quantities.setdefault(why, []).append(part.titled(quantity_title(quantity)))
    return [(sentence_case("; ".join(names)), why) for why, names in quantities.items()]


def _factor_lines(matrix: Matrix) -> list[tuple[str, str]]:
    return [(name, ", ".join(values)) for name, values in matrix.factors.items()]


def _embedded(file: FigureFile) -> str:
    """The figure's SVG for use inside the page: no prolog, identifiers of its own, colours that follow the page."""
    if file.svg is None:
        return ""
    text = _SVG_PROLOG.sub("", file.svg.read_text(encoding="utf-8"), count=1)
    text = _SVG_METADATA.sub("", text)
    text = _SVG_NAMESPACE.sub("", text).replace("xlink:href", "href")
    text = _SVG_ID.sub(rf"\g<1>{file.name}-", text)
    head, _, body = text.partition(">")
    head = re.sub(r' (?:width|height)="[^"]*"', "", head)
    for colour, variable in _THEME.items():
        body = body.replace(colour, f"var({variable})")
    return f'{head} role="img">{body}'
