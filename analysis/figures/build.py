"""All figures of a record: those that the experiment asks for, the uncertainty budget and one example trace.

Entries of kind ``table`` are not pictures: the report writes them. A figure that cannot be drawn is not an error: it
comes back with the reason in ``missing``, and the report says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.figures.data import (
    Matrix,
    Point,
    ResultTables,
    axis_title,
    matrix_of,
    number,
    points_of,
    text_of,
)
from analysis.figures.dots import Drawn, draw_dots
from analysis.figures.names import quantity_title
from analysis.figures.style import drawing, png_bytes, sorted_origins, svg_text
from analysis.figures.units import tick_text
from analysis.sources import WHOLE, Part, parts_of
from analysis.withholding import board_is_emulated, refusal
from lab.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

    from analysis.figures.inferences import Panel
    from analysis.figures.networks import NetworkDrawing
    from analysis.studies import StudyFigure
    from lab.record.documents import TraceRef
    from lab.record.reader import PassData, Record

FOLDER = "figures"
_ENERGIES = ("energy_net_j", "energy_gross_j", "energy_process_net_j", "energy_process_gross_j", "energy_recorded_j")
_BUDGET_QUANTITIES = (*_ENERGIES, "latency_s", "elapsed_s")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_WINDOW_MARKS = frozenset({"window_begin", "window_end"})


@dataclass(frozen=True, slots=True)
class FigureFile:
    """A figure as it lies in the record. ``png`` and ``svg`` are ``None`` where ``missing`` says why there is none."""

    name: str
    title: str
    caption: str
    kind: str
    origins: tuple[str, ...] = ()
    png: Path | None = None
    svg: Path | None = None
    missing: str = ""


class NothingToDrawError(Exception):
    """A figure has no data; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class _Sketch:
    drawn: Drawn
    title: str
    caption: str
    origins: tuple[str, ...]


def write_figures(record_root: Path, manifest: Mapping[str, Any], tables: ResultTables) -> list[FigureFile]:
    """Draw every figure of a record into ``figures/`` as PNG and SVG, and say what was drawn.

    The same record gives the same bytes. Figures of an earlier call that are not drawn now are removed, so that the
    folder never shows what the results no longer say. Of an emulated board there is no power trace and no budget to
    draw, and figures of its times are refused.
    """
    matrix = matrix_of(manifest)
    folder = record_root / FOLDER
    folder.mkdir(exist_ok=True)
    files: list[FigureFile] = []
    with drawing():
        for entry in matrix.entries:
            name, title, kind = str(entry.get("name")), str(entry.get("title") or ""), str(entry.get("kind"))
            title = title or _default_title(entry)
            draw = _KINDS.get(kind)
            if kind == "table":
                continue
            if _FILE_NAME.fullmatch(name) is None:
                files.append(FigureFile(name, title, "", kind, missing="its name cannot be a file's name"))
            elif draw is None:
                files.append(FigureFile(name, title, "", kind, missing=f"unknown kind of figure {kind!r}"))
            elif refused := refusal(_quantities(entry), manifest, tables.summary):
                files.append(FigureFile(name, title, "", kind, missing=refused))
            else:
                for part in parts_of(tables.summary, _quantities(entry)):
                    drawing_of = partial(draw, _Tables.of(tables, part), matrix, {**entry, "title": part.titled(title)})
                    files.append(_write(folder, name + part.suffix, kind, part.titled(title), drawing_of))
        files += _networks(folder, record_root, manifest, tables)
        files += _study_figures(folder, record_root, manifest, tables)
        if not board_is_emulated(manifest):
            files += _own_figures(folder, record_root, manifest, tables, matrix)
            files += _offload_figures(folder, manifest, tables, matrix)
    written = {path for file in files for path in (file.png, file.svg) if path is not None}
    for path in folder.iterdir():
        if path.suffix in {".png", ".svg"} and path not in written:
            path.unlink()
    return files


def _offload_figures(
    folder: Path, manifest: Mapping[str, Any], tables: ResultTables, matrix: Matrix
) -> list[FigureFile]:
    """Those of the offload scenario that the experiment names; none where it names none."""
    from analysis.offload.scenario import recorded_scenario

    scenario = recorded_scenario(manifest)
    if scenario is None:
        return []
    from analysis.figures.offload.build import write_offload_figures
    from analysis.offload.tables import offload_of

    found = offload_of(manifest, tables.summary, scenario)
    return [] if found is None else write_offload_figures(folder, found, matrix.record_id, everything=False)


def _own_figures(
    folder: Path, record_root: Path, manifest: Mapping[str, Any], tables: ResultTables, matrix: Matrix
) -> list[FigureFile]:
    """What every record has without being asked: budget, single inferences, one trace."""
    files = []
    for part in parts_of(tables.summary, _BUDGET_QUANTITIES):
        budget = partial(_budget, _Tables.of(tables, part), matrix, part)
        title = part.titled("Uncertainty budget")
        files.append(_write(folder, f"uncertainty_budget{part.suffix}", "budget", title, budget))
    files += _inferences(folder, record_root, tables, matrix)
    trace = partial(_trace, record_root, manifest, tables, matrix)
    files.append(_write(folder, "example_trace", "trace", "One energy pass", trace))
    return files


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables without what other sources gave; see :class:`analysis.sources.Part`."""

    results: pd.DataFrame
    summary: pd.DataFrame
    budget: pd.DataFrame
    correlations: pd.DataFrame
    speedups: pd.DataFrame
    fits: pd.DataFrame

    @classmethod
    def of(cls, tables: ResultTables, part: Part) -> _Tables:
        correlations = tables.correlations
        if part.source and not correlations.empty and "source" in correlations.columns:
            correlations = correlations[correlations["source"].isin(["", part.name])]
        results, summary, budget = (part.of(frame) for frame in (tables.results, tables.summary, tables.budget))
        return cls(results, summary, budget, correlations, tables.speedups, tables.fits)


def _quantities(entry: Mapping[str, Any]) -> list[str]:
    return [str(entry[key]) for key in ("quantity", "x", "y") if entry.get(key)]


def _inferences(folder: Path, record_root: Path, tables: ResultTables, matrix: Matrix) -> list[FigureFile]:
    """A figure for each meter that saw single inferences; none where no line tells of them."""
    from analysis.figures.inferences import read_panels

    files = []
    for part, panels in read_panels(record_root, tables.results, matrix).items():
        title = part.titled("Energy of single inferences")
        sketch = partial(_drawn_inferences, panels, title, matrix)
        files.append(_write(folder, f"single_inferences{part.suffix}", "inferences", title, sketch))
    return files


def _networks(folder: Path, record_root: Path, manifest: Mapping[str, Any], tables: ResultTables) -> list[FigureFile]:
    """Layers, what measures of cache fit explain, and the roofline; none where the workload left no networks."""
    from analysis.figures.networks import network_drawings
    from lab.record.reader import Record

    record = Record(record_root, dict(manifest), salvage=True)
    files = []
    for drawing_of in network_drawings(record, tables):
        sketch = partial(_named_sketch, drawing_of)
        files.append(_write(folder, drawing_of.name, drawing_of.kind, drawing_of.title, sketch))
    return files


def _study_figures(
    folder: Path, record_root: Path, manifest: Mapping[str, Any], tables: ResultTables
) -> list[FigureFile]:
    """Those of the published study that the experiment names; none where it names none."""
    from analysis.studies import study_of
    from lab.record.reader import Record

    study = study_of(manifest)
    if study is None:
        return []
    record = Record(record_root, dict(manifest), salvage=True)
    return [
        _write(folder, figure.name, "study", figure.title, partial(_study_sketch, figure))
        for figure in study.figures(record, tables)
    ]


def _study_sketch(figure: StudyFigure) -> _Sketch:
    return _Sketch(figure.draw(), figure.title, figure.caption, figure.origins)


def _named_sketch(drawing_of: NetworkDrawing) -> _Sketch:
    return _Sketch(drawing_of.draw(), drawing_of.title, drawing_of.caption, drawing_of.origins)


def _write(folder: Path, name: str, kind: str, title: str, sketch: Callable[[], _Sketch]) -> FigureFile:
    try:
        made = sketch()
    except NothingToDrawError as reason:
        return FigureFile(name, title, "", kind, missing=str(reason))
    png, svg = folder / f"{name}.png", folder / f"{name}.svg"
    png.write_bytes(png_bytes(made.drawn.figure))
    svg.write_text(svg_text(made.drawn.figure, made.title, made.drawn.tooltips), encoding="utf-8")
    return FigureFile(name, made.title, made.caption, kind, made.origins, png, svg)


def _default_title(entry: Mapping[str, Any]) -> str:
    if entry.get("kind") == "scatter":
        return f"{axis_title(str(entry.get('y')))} against {quantity_title(str(entry.get('x')))}"
    return axis_title(str(entry.get("quantity")))


def _bars(tables: ResultTables, matrix: Matrix, entry: Mapping[str, Any]) -> _Sketch:
    quantity = str(entry.get("quantity"))
    points = points_of(tables.summary, matrix, quantity, only=entry.get("only"), hue=entry.get("hue"))
    _require(points, quantity)
    log = entry.get("scale") == "log"
    title = str(entry.get("title") or _default_title(entry))
    drawn = draw_dots(points, matrix, quantity, title, log=log, hue=entry.get("hue"), footer=_footer(matrix))
    absent = sum(not point.shown for point in points)
    caption = f"{axis_title(quantity)}: {_count(len(points), 'point')}, each the mean of its valid repeats"
    caption += ", logarithmic axis." if log else "."
    if any(point.expanded_u for point in points):
        caption += " Bars: expanded uncertainty U (95 %)."
    caption = _captioned(entry, caption)
    if absent:
        caption += f" {_count(absent, 'point')} without a valid value: crosses in the lane at the right."
    return _Sketch(drawn, title, caption, _origins(points))


def _scatter(tables: ResultTables, matrix: Matrix, entry: Mapping[str, Any]) -> _Sketch:
    from analysis.figures.scatter import Note, draw_scatter, pair_up

    x, y = str(entry.get("x")), str(entry.get("y"))
    chosen: dict[str, Any] = {"only": entry.get("only"), "hue": entry.get("hue"), "panel": entry.get("by")}
    xs, ys = (points_of(tables.summary, matrix, quantity, **chosen) for quantity in (x, y))
    _require(xs, x)
    _require(ys, y)
    pairs = pair_up(xs, ys)
    if not any(pair.x.shown and pair.y.shown for pair in pairs):
        raise NothingToDrawError(f"no point has both {quantity_title(x)} and {quantity_title(y)}")
    log = entry.get("scale", "log") == "log"
    title = str(entry.get("title") or _default_title(entry))
    found = {} if entry.get("only") else correlation_notes(tables.correlations, x, y)
    present = {pair.y.panel for pair in pairs}
    drawn = draw_scatter(
        pairs,
        matrix,
        x,
        y,
        title,
        log=log,
        hue=entry.get("hue"),
        panels=[value for value in matrix.factors.get(str(entry.get("by")), ()) if value in present],
        notes=[Note(group, text) for group, text in found.items()],
        footer=_footer(matrix),
    )
    caption = f"{axis_title(y)}, against {quantity_title(x)}: {_count(len(pairs), 'point')}"
    caption += ", both axes logarithmic." if log else "."
    caption = _captioned(entry, caption)
    only = entry.get("only") or {}
    if only:
        caption += " Only " + "; ".join(f"{name}: {_listed(values)}" for name, values in only.items()) + "."
    if found:
        caption += " r: Pearson's correlation, with its 95 % interval; ρ: Spearman's."
    return _Sketch(drawn, title, caption, tuple(sorted_origins(pair.origin for pair in pairs)))


def _captioned(entry: Mapping[str, Any], caption: str) -> str:
    """The experiment's own sentence, if it has one, before ours."""
    own = str(entry.get("caption") or "").strip()
    return f"{own}{'' if own.endswith(('.', '!', '?')) else '.'} {caption}" if own else caption


def _listed(values: Any) -> str:
    return ", ".join(str(value) for value in values) if isinstance(values, (list, tuple)) else str(values)


def correlation_notes(correlations: pd.DataFrame, x: str, y: str) -> dict[str, str]:
    """For each group a line on how two quantities correlate, as the analysis found it; none if not asked to."""
    notes: dict[str, str] = {}
    if correlations.empty:
        return notes
    pairs = {(x, y), (y, x)}
    for row in correlations.to_dict("records"):
        pearson = number(row.get("pearson"))
        if (row.get("x"), row.get("y")) not in pairs or pearson is None:
            continue
        group = text_of(row.get("group"))
        low, high = number(row.get("pearson_low")), number(row.get("pearson_high"))
        spearman = number(row.get("spearman"))
        line = f"r = {pearson:.3f}"
        if low is not None and high is not None:
            line += f" [{low:.3f}, {high:.3f}]"
        if spearman is not None:
            line += f", ρ = {spearman:.3f}"
        notes[group] = f"{line}, n = {int(number(row.get('n')) or 0)}".replace("-", "−")
    return notes


def _budget(tables: ResultTables, matrix: Matrix, part: Part) -> _Sketch:
    from analysis.figures.budget import draw_budget, shares_of

    for quantity in _BUDGET_QUANTITIES:
        rows = shares_of(tables.budget, tables.summary, matrix, quantity)
        if rows and max(len(row.shares) for row in rows) > 1:
            summary = tables.summary
            origins = sorted_origins(summary[summary["quantity"] == quantity]["origin"])
            title = part.titled(f"What makes the uncertainty: {quantity_title(quantity)}")
            drawn = draw_budget(rows, origins, title, _footer(matrix))
            caption = (
                f"Share of each term in the squared standard uncertainty of the {quantity_title(quantity)}, "
                "mean over the points of a row. Terms that the scatter of the repeats already contains are left out."
            )
            return _Sketch(drawn, title, caption, tuple(origins))
    raise NothingToDrawError("no quantity has an uncertainty budget of more than one term")


def _drawn_inferences(panels: Sequence[Panel], title: str, matrix: Matrix) -> _Sketch:
    from analysis.figures.inferences import draw_inferences, shown_of

    if not any(panel.curves for panel in panels):
        raise NothingToDrawError("no pass has a valid distribution")
    drawn = draw_inferences(panels, title, _footer(matrix))
    shown = shown_of(panels)
    caption = (
        "Share of the inferences that took less than that energy (idle included), a step curve for each repeat. "
        "All panels are equally wide in per cent of their median: a wide curve is a wide scatter. "
        "Dashed: median of all; shaded: from 5 to 95 % of them. Stairs in a curve are the grid of the samples."
    )
    if len(shown) < len(panels):
        caption += f" The first {len(shown)} of {len(panels)} points; all are in inferences.parquet."
    return _Sketch(drawn, title, caption, tuple(sorted_origins(panel.origin for panel in shown)))


def _trace(record_root: Path, manifest: Mapping[str, Any], tables: ResultTables, matrix: Matrix) -> _Sketch:
    from analysis.figures.trace import draw_trace, spans_of
    from lab.record.reader import Record
    from lab.record.traces import open_trace

    # Whether a damaged log is good enough was decided when the tables were made.
    example = _example_pass(Record(record_root, dict(manifest), salvage=True), tables, manifest)
    if example is None:
        raise NothingToDrawError("no completed energy pass with a trace and a window")
    pass_data, ref = example
    label = str(pass_data.trial.get("label") or pass_data.trial.get("trial_id"))
    hue_value = (pass_data.trial.get("values") or {}).get(matrix.hue or "")
    name = f"{label} · {hue_value}" if hue_value else label
    trial_id = str(pass_data.trial.get("trial_id"))
    origin = str((manifest.get("board") or {}).get("origin") or manifest.get("origin") or "unknown")
    energy = _value_of(tables.results, trial_id, "energy_gross_j", ref.instrument)
    latency = _value_of(tables.results, trial_id, "latency_s")
    title = f"One energy pass: {name}"
    subtitle = f"pass {pass_data.pass_id}, {ref.instrument} at {tick_text(ref.rate_hz, 'Hz')}"
    if energy is not None:
        subtitle += f"; {tick_text(energy, 'J')} per inference, idle included"
    try:
        with open_trace(record_root, ref) as reader:
            marks = [mark for mark in pass_data.marks if mark.instrument == ref.instrument]
            drawn = draw_trace(
                reader, marks, origin, title, subtitle, latency_s=latency, gaps=ref.gaps, footer=_footer(matrix)
            )
            named = dict.fromkeys(span.name for span in spans_of(marks, reader.rate_hz))
    except (DataError, ValueError) as error:
        raise NothingToDrawError(f"the trace of {pass_data.pass_id} cannot be drawn: {error}") from error
    caption = (
        f"Power over time of pass {pass_data.pass_id} (shaded: {', '.join(named).replace('_', ' ')}). "
        "Line: mean; band: least and largest sample of each stretch. Below, the beginning of the window."
    )
    others = [other.instrument for other in pass_data.end.traces if other.instrument != ref.instrument]
    if others:
        caption += f" This is what {ref.instrument} saw; also recorded: {', '.join(sorted(others))}."
    return _Sketch(drawn, title, caption, (origin,))


def _example_pass(
    record: Record, tables: ResultTables, manifest: Mapping[str, Any]
) -> tuple[PassData, TraceRef] | None:
    """The first energy pass with a window, in planned order: one with a valid energy if there is one.

    Of several meters' traces the one of the whole board.
    """
    results = tables.results
    valid: set[tuple[str, str]] = set()
    if not results.empty:
        energies = results[results["quantity"].isin(_ENERGIES) & (results["verdict"] == "valid")]
        valid = set(zip(energies["trial_id"].map(str), energies["source"].map(str), strict=True))
    fallback: tuple[PassData, TraceRef] | None = None
    for pass_data in record.passes().values():
        trial_id = str(pass_data.trial.get("trial_id"))
        for ref in sorted(pass_data.end.traces, key=lambda item: _scope(manifest, item.instrument) != WHOLE):
            if not _has_window(pass_data, ref):
                continue
            if (trial_id, ref.instrument) in valid:
                return pass_data, ref
            fallback = fallback or (pass_data, ref)
    return fallback


def _scope(manifest: Mapping[str, Any], instrument: str) -> str:
    entry = (manifest.get("instruments") or {}).get(instrument) or {}
    return str((entry.get("capabilities") or {}).get("scope") or "")


def _has_window(pass_data: PassData, ref: TraceRef) -> bool:
    names = {mark.name for mark in pass_data.marks if mark.instrument == ref.instrument}
    return names.issuperset(_WINDOW_MARKS)


def _value_of(results: pd.DataFrame, trial_id: str, quantity: str, source: str = "") -> float | None:
    if results.empty:
        return None
    rows = results[(results["trial_id"] == trial_id) & (results["quantity"] == quantity)]
    if source:
        rows = rows[rows["source"].isin([source, ""])]
    values = (number(row.get("value")) for row in rows.to_dict("records") if row.get("verdict") != "invalid")
    return next((value for value in values if value is not None), None)


def _require(points: list[Point], quantity: str) -> None:
    if not points:
        raise NothingToDrawError(f"this record has no {quantity_title(quantity)} ({quantity})")
    if not any(point.shown for point in points):
        reasons = sorted({code for point in points for code in point.reasons})
        raise NothingToDrawError(
            f"no valid value of {quantity_title(quantity)}: {', '.join(reasons) or 'no reason given'}"
        )


def _origins(points: list[Point]) -> tuple[str, ...]:
    return tuple(sorted_origins(point.origin for point in points))


def _footer(matrix: Matrix) -> str:
    return f"record {matrix.record_id}" if matrix.record_id else ""


_KINDS: dict[str, Callable[[ResultTables, Matrix, Mapping[str, Any]], _Sketch]] = {
    "bars": _bars,
    "scatter": _scatter,
}


def _count(number_of: int, noun: str) -> str:
    return f"{number_of} {noun}" if number_of == 1 else f"{number_of} {noun}s"
