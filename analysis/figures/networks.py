"""The figures of networks and memories that a record has without being asked, with what their captions say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from analysis.cache_fit_study import CacheFitStudy, cache_fit_study
from analysis.figures.data import ResultTables, matrix_of
from analysis.figures.dots import Drawn
from analysis.figures.names import quantity_title
from analysis.figures.style import sorted_origins

if TYPE_CHECKING:
    from lab.record.reader import Record

EXPLAINED = ("latency_s", "elapsed_s", "L1-dcache-load-misses", "energy_gross_j", "energy_process_gross_j")
"""What measures of cache fit are drawn against, as far as a record has it."""


@dataclass(frozen=True, slots=True)
class NetworkDrawing:
    """A figure that can be drawn."""

    name: str
    kind: str
    title: str
    caption: str
    origins: tuple[str, ...]
    draw: Callable[[], Drawn]


def network_drawings(record: Record, tables: ResultTables) -> Iterator[NetworkDrawing]:
    """The figures that the record's networks, memories and results allow."""
    study = cache_fit_study(record, tables.summary)
    if study is None:
        return
    matrix = matrix_of(record.manifest)
    footer = f"record {matrix.record_id}" if matrix.record_id else ""
    yield layers_drawing(study, str(record.manifest["board"]["origin"]), footer)
    for quantity in EXPLAINED:
        drawing = explained_drawing(tables, quantity, footer)
        if drawing is not None:
            yield drawing
    if study.roofline:
        from analysis.figures.roofline import draw_roofline

        title = "Roofline: what each network attained, and what the board can do"
        caption = (
            "Multiply-accumulates per second against those per byte moved. How many bytes move depends on what stays "
            "in the caches between layers: a bar spans from all of every layer (left) to weights, first input and "
            "last output only (mark). "
        )
        stated = {point.ceiling.source for point in study.roofline if point.ceiling is not None}
        if stated:
            caption += "A roof is what the board computes or moves at best. "
            if "model" in stated:
                caption += "Here it is the model's own, not a measurement. "
        else:
            caption += "No roof: the bench file states no board.ceilings. "
        yield NetworkDrawing(
            "roofline",
            "roofline",
            title,
            caption.strip(),
            tuple(sorted_origins(point.point.origin for point in study.roofline)),
            partial(draw_roofline, study.roofline, matrix, title, footer),
        )


def layers_drawing(study: CacheFitStudy, origin: str, footer: str, variation: str | None = None) -> NetworkDrawing:
    """One network layer by layer: the study's choice, or a variation by name."""
    from analysis.figures.layers import draw_layers

    network = study.shown if variation is None else study.named(variation)
    fits = study.layers(network)
    title = f"Layers and memories: {network.variation}"
    caption = (
        f"Weights, inputs and outputs of each of {len(fits)} executed layers, at {network.sizes.weight} B a weight and "
        f"{network.sizes.activation} B an activation, against the board's memories; below, each layer's share of the "
        "multiply-accumulates. Counted from the network's definition."
    )
    draw = partial(draw_layers, title, fits, study.memories, origin, footer)
    return NetworkDrawing("layers", "layers", title, caption, (origin,), draw)


def explained_drawing(tables: ResultTables, quantity: str, footer: str) -> NetworkDrawing | None:
    """What each measure explains of one quantity; ``None`` where nothing could be correlated with it."""
    from analysis.figures.explained import draw_explained

    rows = [
        row for row in tables.fits.to_dict("records") if row["y"] == quantity and row["explained"] == row["explained"]
    ]
    rows = [row for row in rows if row["explained"] is not None]
    if not rows:
        return None
    points, families = (max(int(row[name]) for row in rows) for name in ("n", "n_clusters"))
    caption = (
        f"Left: the share of the variance of the logarithm of the {quantity_title(quantity)} that each measure "
        f"explains. Right: that less what the study's measure explains of the same points ({points} in {families} "
        "families), with its 95 % interval; an open mark cannot be told from no difference after Holm's correction. "
        "In italics: sizes that know of no memory."
    )
    short = quantity.removesuffix("_s").removesuffix("_j").replace("-", "_").replace(":", "_").lower()
    return NetworkDrawing(
        f"explained_{short}",
        "explained",
        f"What measures of cache fit explain: {quantity_title(quantity)}",
        caption,
        tuple(sorted_origins(str(row["origin"]) for row in rows)),
        partial(draw_explained, rows, quantity, footer),
    )
