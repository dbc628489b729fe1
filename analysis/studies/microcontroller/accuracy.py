"""Figure 4.3: accuracy on the microcontroller over accuracy on the host, on the same images and as the study did it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.figures.build import NothingToDrawError
from analysis.figures.data import ResultTables
from analysis.figures.dots import Drawn
from analysis.figures.panels import Line, Look, Panel, draw_panels
from analysis.figures.style import PALETTE
from analysis.studies import StudyFigure, StudyTable
from analysis.studies.microcontroller import printed
from analysis.studies.microcontroller.points import Point, classes_of, footer_of, points_of, stand_in
from lab.record.reader import Record

_SCHEMES = {"pow2": PALETTE[0], "per-channel": PALETTE[1]}


@dataclass(frozen=True, slots=True)
class Compared:
    """A network on the board and on the host. ``first`` is the board's accuracy on the images that the study used
    there, where there are as many and more."""

    point: Point
    board: float
    host: float
    first: float | None
    images: int

    @property
    def width(self) -> int:
        """Neurons of the hidden layer."""
        return int(self.point.values["width"])

    @property
    def scheme(self) -> str:
        """How it was scaled."""
        return str(self.point.values.get("scheme", "pow2"))

    @property
    def same(self) -> float:
        """Relative accuracy, the same images here and there."""
        return self.board / self.host

    @property
    def as_study(self) -> float | None:
        """Relative accuracy as the study compared."""
        return None if self.first is None else self.first / self.host


def compared(record: Record, results: ResultTables) -> list[Compared]:
    """All points with an accuracy here and there."""
    classes = classes_of(record)
    found = []
    for point in points_of(record, results):
        board, host = point.get("accuracy"), point.get("accuracy_float")
        if board is None or not host or "width" not in point.values:
            continue
        pairs = classes.get(point.point_id, [])
        few = pairs[: printed.IMAGES_ON_BOARD] if len(pairs) > printed.IMAGES_ON_BOARD else []
        first = sum(named == right for named, right in few) / len(few) if few else None
        found.append(Compared(point, board, host, first, len(pairs)))
    return found


def figures(record: Record, results: ResultTables) -> Iterable[StudyFigure]:
    """Figure 4.3 both ways, and the accuracy that the trainings reached."""
    origins = (str(record.manifest["board"]["origin"]),)
    yield StudyFigure(
        "figure_4_3",
        "Accuracy on the microcontroller relative to the host",
        f"The study's figure 4.3; {stand_in(record)}. Left: the same images on the board and on the host. Middle: as "
        f"the study compared, the first {printed.IMAGES_ON_BOARD} images on the board against "
        f"{printed.IMAGES_ON_HOST} on the host. Right: what each training reached on the host. A point for each "
        "training (seed). The study saw drops of more than 40 %, other ones with each training, and values above one.",
        origins,
        lambda: _draw(compared(record, results), stand_in(record), footer_of(record), origins),
    )


def _draw(items: Sequence[Compared], subtitle: str, footer: str, origins: Sequence[str]) -> Drawn:
    if not items:
        raise NothingToDrawError("no point has an accuracy on the board and on the host")
    ways: list[tuple[str, Callable[[Compared], float | None]]] = [
        ("same images on both", lambda item: item.same),
        (f"{printed.IMAGES_ON_BOARD} against {printed.IMAGES_ON_HOST} images", lambda item: item.as_study),
        ("on the host itself", lambda item: item.host),
    ]
    panels = [Panel(name, lines) for name, way in ways if (lines := _lines(items, way))]
    look = Look(
        "width of the hidden layer", "relative accuracy; right: accuracy", _SCHEMES, subtitle=subtitle, footer=footer
    )
    return draw_panels(panels, "Accuracy on the microcontroller relative to the host", origins, look)


def _lines(items: Sequence[Compared], way: Callable[[Compared], float | None]) -> list[Line]:
    lines = []
    for scheme in _SCHEMES:
        own = [(item, value) for item in items if item.scheme == scheme and (value := way(item)) is not None]
        if own:
            texts = [f"{item.point.label}: {value:.3f}" for item, value in own]
            lines.append(
                Line(scheme, [item.width for item, _ in own], [value for _, value in own], texts=texts, joined=False)
            )
    return lines


def tables(record: Record, results: ResultTables) -> Iterable[StudyTable]:
    """A row per width and scheme: how far relative accuracy scatters over the trainings, compared each way."""
    items = compared(record, results)
    if not items:
        return
    rows = []
    for scheme in _SCHEMES:
        for width in sorted({item.width for item in items}):
            own = [item for item in items if (item.width, item.scheme) == (width, scheme)]
            if own:
                rows.append(_row(width, scheme, own))
    rows.append(_row(None, "all", items))
    yield StudyTable(
        "figure_4_3",
        "Relative accuracy by width and scheme",
        pd.DataFrame(rows),
        f"{stand_in(record)}. Least and most over the trainings. The last columns say what the accuracy would be, "
        "relative to the host's, if sums wrapped at 16 bits, and if biases were bytes, on the same images. The study's "
        "figure has no numbers printed; in words: drops of more than 40 %, values above one.",
    )


def _row(width: int | None, scheme: str, items: Sequence[Compared]) -> dict[str, object]:
    same = [item.same for item in items]
    study = [item.as_study for item in items if item.as_study is not None]
    host = [item.host for item in items]
    return {
        "width": "all" if width is None else str(width),
        "scheme": scheme,
        "trainings": len(items),
        "images": min(item.images for item in items),
        "host, least": min(host),
        "host, most": max(host),
        "same images, least": min(same),
        "same images, most": max(same),
        "300 / 1000, least": min(study, default=None),
        "300 / 1000, most": max(study, default=None),
        "wrapping, most": _most(items, "accuracy_wrapping"),
        "byte biases, least": _least(items, "accuracy_byte_biases"),
    }


def _relative(items: Sequence[Compared], quantity: str) -> list[float]:
    return [value / item.host for item in items if (value := item.point.get(quantity)) is not None]


def _most(items: Sequence[Compared], quantity: str) -> float | None:
    return max(_relative(items, quantity), default=None)


def _least(items: Sequence[Compared], quantity: str) -> float | None:
    return min(_relative(items, quantity), default=None)
