"""Networks and memories in words and tables, shared by the page and the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from analysis.cache_fit import LayerFit, printed_pct
from analysis.cache_fit_study import CacheFitStudy, cache_fit_study
from analysis.figures.data import ResultTables, number, text_of
from analysis.figures.explained import measure_title
from analysis.figures.layers import MEMORY_TITLES, binary_size
from analysis.figures.names import quantity_title, sentence_case
from analysis.figures.units import tick_text
from analysis.fits import ALONE, FIT, GIVEN, LESS, MORE, OPEN, STUDY
from analysis.published_fit import TITLES, FitCell, verdict
from analysis.roofline import RooflinePoint
from lab.report.format import MISSING, plural

if TYPE_CHECKING:
    import pandas as pd

    from lab.record.reader import Record

_ABOVE = 1.05
"""A share of the roof from which scatter alone does not explain that a point lies above it."""

FEW_FAMILIES = 10
"""Below so many families a sentence says what that means."""

_Row = Mapping[Any, Any]


@dataclass(frozen=True)
class CacheFitSection:
    """What the page says of networks and memories: sentences by quantity, a note on them, tables that stand open and
    tables that open on demand."""

    sentences: tuple[tuple[str, tuple[str, ...]], ...]
    note: str
    open_tables: tuple[PlainTable, ...]
    tables: tuple[PlainTable, ...]


@dataclass(frozen=True, slots=True)
class PlainTable:
    """A table of words: ``right`` are the columns set flush right; ``notes`` stand below it."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: tuple[int, ...]
    notes: tuple[str, ...] = ()


def cache_fit_section(record: Record, tables: ResultTables) -> CacheFitSection | None:
    """The page's section; ``None`` where a record has no networks or no memories to hold them against."""
    study = cache_fit_study(record, tables.summary)
    if study is None:
        return None
    quantities = list(dict.fromkeys(map(str, tables.fits["y"]))) if not tables.fits.empty else []
    sentences = [
        (sentence_case(quantity_title(quantity)), tuple(fit_sentences(tables.fits[tables.fits["y"] == quantity])))
        for quantity in quantities
    ]
    on_demand = [
        spread_table(study),
        layers_table(study.shown.variation, study.layers()),
        *(fits_table(tables.fits, quantity) for quantity in quantities),
        roofline_table(study.roofline),
    ]
    published = published_table(study.cells)
    return CacheFitSection(
        tuple((title, lines) for title, lines in sentences if lines),
        families_note(tables.fits) if any(lines for _, lines in sentences) else "",
        () if published is None else (published,),
        tuple(table for table in on_demand if table is not None),
    )


def published_table(cells: Sequence[FitCell]) -> PlainTable | None:
    """The study's average layer fit: print, formula and difference for every memory; ``None`` without cells."""
    if not cells:
        return None
    memories = list(dict.fromkeys(cell.memory for cell in cells))
    networks = list(dict.fromkeys(cell.network for cell in cells))
    found = {(cell.network, cell.memory): cell for cell in cells}
    heads = ["Network"]
    for memory in memories:
        heads += [f"{TITLES[memory]} printed", "formula", "difference"]
    rows = []
    for network in networks:
        row = [network]
        for memory in memories:
            cell = found.get((network, memory))
            row += [MISSING] * 3 if cell is None else _cell_texts(cell)
        rows.append(tuple(row))
    return PlainTable(
        "Average layer fit in per cent, printed and by the formula (table 5.1 of the study)",
        tuple(heads),
        tuple(rows),
        tuple(range(1, len(heads))),
        (
            verdict(cells),
            "Formula: 100 · parameters (1 byte each) ÷ number of all Keras layers ÷ memory. It is the mean size of a "
            "layer over the memory: higher is worse, and it is no share of layers that fit. Differences are before "
            "rounding; × marks a cell that rounds to another number than the printed one.",
        ),
    )


def _cell_texts(cell: FitCell) -> list[str]:
    mark = "" if cell.holds else " ×"
    return [str(cell.printed), f"{printed_pct(cell.computed)}{mark}", f"{cell.residual:+.2f}".replace("-", "−")]


def layers_table(title: str, fits: Sequence[LayerFit]) -> PlainTable:
    """One network, layer by layer: what it touches, what holds it, what it computes."""
    total = sum(fit.layer.macs for fit in fits)
    rows = tuple(
        (
            str(place),
            fit.layer.name,
            fit.layer.kind,
            binary_size(fit.weight_bytes),
            binary_size(fit.input_bytes),
            binary_size(fit.output_bytes),
            binary_size(fit.working_set_bytes),
            MEMORY_TITLES.get(fit.held_by, fit.held_by) if fit.held_by else "none",
            f"{100 * fit.layer.macs / total:.2f}" if total else MISSING,
        )
        for place, fit in enumerate(fits, start=1)
    )
    heads = ("", "Layer", "Kind", "Weights", "Inputs", "Outputs", "Working set", "Fits", "MACs, %")
    return PlainTable(f"{title}, layer by layer", heads, rows, (0, 3, 4, 5, 6, 8))


def spread_table(study: CacheFitStudy) -> PlainTable:
    """For every variation: how many layers each memory is the smallest to hold, and their share of the work."""
    memories = [*study.memories, None]
    heads = ["Network", "Layers"]
    for memory in memories:
        where = MEMORY_TITLES.get(memory, memory) if memory else "none"
        heads += [f"fit {where}", "% of MACs", "% of bytes"]
    rows = []
    for network in study.networks:
        fits = study.layers(network)
        macs, touched = sum(fit.layer.macs for fit in fits), sum(fit.working_set_bytes for fit in fits)
        row = [network.variation, str(len(fits))]
        for memory in memories:
            held = [fit for fit in fits if fit.held_by == memory]
            row += [str(len(held)), _percent(sum(fit.layer.macs for fit in held), macs)]
            row.append(_percent(sum(fit.working_set_bytes for fit in held), touched))
        rows.append(tuple(row))
    note = "Executed layers by the smallest memory that holds weights, inputs and outputs together, at their real size."
    return PlainTable("Which memory holds the layers", tuple(heads), tuple(rows), tuple(range(1, len(heads))), (note,))


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else MISSING


def roofline_table(points: Sequence[RooflinePoint]) -> PlainTable | None:
    """Every point of the roofline; ``None`` without any."""
    if not points:
        return None
    rows = []
    for item in points:
        shares = item.shares
        rows.append(
            (
                item.point.label,
                item.point.hue,
                f"{item.traffic.intensity_by_layer:.3g} … {item.traffic.intensity_at_best:.3g}",
                f"{tick_text(item.attained, '1')}/s",
                MISSING if item.ceiling is None else f"{tick_text(item.ceiling.mac_per_s, '1')}/s",
                MISSING if item.ceiling is None else f"{tick_text(item.ceiling.bytes_per_s, 'B')}/s",
                MISSING if shares is None else f"{100 * shares[0]:.0f} %",
                item.bound or MISSING,
                item.point.origin,
            )
        )
    sources = sorted({item.ceiling.source for item in points if item.ceiling is not None})
    above = sum(item.shares is not None and item.shares[0] > _ABOVE for item in points)
    notes = [
        "MACs per byte: all of every layer moved … weights, first input and last output only. Of the roof: attained "
        "over what the board could do at the latter."
    ]
    if "model" in sources:
        notes.append(
            "The ceilings are the simulated board's own constants (source: model): no statement about a board."
        )
    elif sources:
        notes.append(f"Source of the ceilings: {', '.join(sources)}.")
    else:
        notes.append("No ceilings: the bench file states no board.ceilings.")
    if above:
        notes.append(f"{plural(above, 'point')} above the roof: the ceilings stated are not the highest there are.")
    return PlainTable(
        "Roofline",
        ("Network", "", "MACs per byte", "Attained", "Compute", "Memory", "Of the roof", "Bound by", "Origin"),
        tuple(rows),
        (2, 3, 4, 5, 6),
        tuple(notes),
    )


def fits_table(fits: pd.DataFrame, quantity: str) -> PlainTable | None:
    """Every measure against one quantity, group by group, beside the study's; ``None`` where nothing was correlated."""
    rows = [row for row in fits.to_dict("records") if row["y"] == quantity]
    if not any(number(row["explained"]) is not None for row in rows):
        return None
    return PlainTable(
        f"What measures of cache fit explain: {quantity_title(quantity)}",
        (
            *("Measure", "Group", "n", "Spearman", "Pearson", "given MACs", "on ranks", "R²"),
            *("less the study's", "p (Holm)", "More than the study's?", "Note"),
        ),
        tuple(
            (
                sentence_case(measure_title(str(row["measure"]))),
                _group(row),
                f"{int(row['n'])} in {int(row['n_clusters'])}",
                _interval(row, "spearman"),
                _interval(row, "pearson"),
                _interval(row, "partial"),
                _interval(row, "partial_rank"),
                _plain(number(row["explained"])),
                _interval(row, "explained_difference"),
                _p(number(row["explained_difference_p_holm"])),
                text_of(row["verdict"]),
                text_of(row["note"]),
            )
            for row in rows
        ),
        (2, 3, 4, 5, 6, 7, 8, 9),
        (
            "Pearson with the logarithm of the quantity; sizes on a logarithmic scale too, shares in per cent as they "
            "are. Given MACs: what is left once the multiply-accumulates are known. Intervals: 95 %, families drawn as "
            "a whole, Student's t with one degree of freedom less than families. Against L2 or RAM the study's measure "
            "is the same times a constant: it explains the same.",
        ),
    )


def fit_sentences(fits: pd.DataFrame) -> list[str]:
    """For each quantity and group, plainly: what the study's measure explains, whether any other explains more, and
    what either says beyond the multiply-accumulates."""
    groups: dict[tuple[str, str], list[_Row]] = {}
    for row in fits.to_dict("records"):
        groups.setdefault((str(row["y"]), _group(row)), []).append(row)
    return [sentence for rows in groups.values() if (sentence := _sentence(rows))]


def _sentence(rows: Sequence[_Row]) -> str:
    by_name = {str(row["measure"]): row for row in rows}
    study, macs = by_name.get(STUDY), by_name.get(GIVEN)
    explained = None if study is None else number(study["explained"])
    if study is None or explained is None:
        return ""
    what, where = quantity_title(str(study["y"])), _group(study)
    head = sentence_case(f"{what}{', ' + where if where else ''}")
    text = f"{head} ({plural(int(study['n']), 'point')}, {_families(study)}): the study's measure explains "
    text += f"{_share(explained)} of the variance{_reversed(study)}"
    macs_explain = None if macs is None else number(macs["explained"])
    if macs_explain is not None:
        text += f", multiply-accumulates alone {_share(macs_explain)}"
    others = [
        row for row in rows if row["kind"] == FIT and row["measure"] != STUDY and number(row["explained"]) is not None
    ]
    text += ". " + _comparison(others, int(study["n"]))
    return f"{text} {_beyond(study)}".strip()


def _comparison(others: Sequence[_Row], points_of_study: int) -> str:
    if not others:
        return "No other measure of fit could be held against it."
    counts = {
        word: [row for row in others if text_of(row["verdict"]).removesuffix(ALONE) == word] for word in (MORE, LESS)
    }
    firm = {word: [row for row in rows if text_of(row["verdict"]) == word] for word, rows in counts.items()}
    best = max(others, key=lambda row: number(row["explained_difference"]) or 0.0)
    name, share = measure_title(str(best["measure"])), _share(number(best["explained"]) or 0.0)
    if int(best["n"]) != points_of_study:
        share += f" of {plural(int(best['n']), 'point')} that have a logarithm, where the study's measure explains "
        share += _share(number(best["explained_study"]) or 0.0)
    text = f"Of {plural(len(others), 'other measure')} of fit, {name} explains most ({share}{_reversed(best)}): "
    difference, low, high = (number(best[f"explained_difference{end}"]) for end in ("", "_low", "_high"))
    if difference is None or low is None or high is None:
        return text + "whether that is more cannot be told, there being too few families for an interval."
    points = f"{100 * difference:+.0f} points of percent [{100 * low:+.0f}, {100 * high:+.0f}]".replace("-", "−")
    told = text_of(best["verdict"])
    if told == OPEN:
        text += f"which of the two explains more cannot be told ({points})."
    elif told.endswith(ALONE):
        text += f"{told.removesuffix(ALONE)} than the study's, if this were the only comparison ({points}); among the "
        text += "comparisons made, it cannot be told."
    else:
        text += f"{told} than the study's ({points})."
    also = [f"{len(rows)} {'explains' if len(rows) == 1 else 'explain'} {word}" for word, rows in firm.items() if rows]
    if also and len(others) > 1:
        text += f" Of all, {' and '.join(also)}."
    return text


def _beyond(study: _Row) -> str:
    partial, low, high = (number(study[f"partial{end}"]) for end in ("", "_low", "_high"))
    if partial is None:
        return ""
    text = f"Given the multiply-accumulates, the study's measure goes with it by r = {_interval(study, 'partial')}"
    if low is None or high is None:
        return text + "."
    return text + (": nothing can be told." if low <= 0.0 <= high else ".")


def families_note(fits: pd.DataFrame) -> str:
    """What so few families can and cannot tell; empty where there are enough."""
    stated = fits[fits["explained"].notna() & (fits["cluster"] != "")] if not fits.empty else fits
    fewest = min(map(int, stated["n_clusters"]), default=FEW_FAMILIES)
    if fewest >= FEW_FAMILIES:
        return ""
    return (
        f"There are only {fewest} families, and it is they that are drawn: points of one network at several sizes and "
        "compressions say nearly the same. So few draws show that a relation hangs on one family, and cannot confirm "
        "one that holds in all: intervals are wide because the data say little, not because the method does. A "
        "percentile interval of the same draws would look tighter, and would hold the truth less often than it says. "
        "Networks of further families, not further sizes of these, would narrow them."
    )


def _families(row: _Row) -> str:
    networks = plural(int(row["n_networks"]), "distinct network")
    if not text_of(row["cluster"]):
        return f"{networks}, each for itself"
    return f"{networks}, {plural(int(row['n_clusters']), 'family', 'families')}"


def _group(row: _Row) -> str:
    return " · ".join(part for part in (text_of(row["group"]), text_of(row["source"])) if part)


def _reversed(row: _Row) -> str:
    """What a square hides."""
    return ", the wrong way round (the larger, the less)" if (number(row["pearson"]) or 0.0) < 0.0 else ""


def _share(explained: float) -> str:
    return "more than 99 %" if explained >= 0.995 else f"{100 * explained:.0f} %"


def _plain(value: float | None) -> str:
    return MISSING if value is None else f"{value + 0.0:.2f}".replace("-", "−")


def _interval(row: _Row, name: str) -> str:
    value, low, high = (number(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    if value is None:
        return MISSING
    interval = "" if low is None or high is None else f" [{low:.2f}, {high:.2f}]"
    return f"{value:.2f}{interval}".replace("-0.00", "0.00").replace("-", "−")


def _p(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}" if value >= 0.001 else "< 0.001"
