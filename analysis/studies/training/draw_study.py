"""Figures 6.1 to 6.3, and those that the draft asks for and does not have."""

from __future__ import annotations

import math
from collections.abc import Sequence

from analysis.figures.build import NothingToDrawError
from analysis.figures.data import Point
from analysis.figures.dots import Drawn, draw_dots
from analysis.figures.legend import Entry
from analysis.figures.panels import DASHED, DOTTED, SOLID, Line, Look, Panel, draw_panels
from analysis.figures.style import MUTED, colours_for
from analysis.figures.units import tick_text
from analysis.studies.training.early_stopping import stops
from analysis.studies.training.frames import GROWTH_TIME, accuracy_error_frame, growth_laws, spread_frame
from analysis.studies.training.growth import EXPONENTIAL, LINEAR, POWER
from analysis.studies.training.points import IMPLEMENTATION, Matrices, value_of
from analysis.studies.training.trainings import Training, Trainings

_LAW_DASHES = {LINEAR: SOLID, POWER: DOTTED, EXPONENTIAL: DASHED}
_CURVE_POINTS = 60


def draw_quantity(matrices: Matrices, quantity: str, title: str, footer: str, *, log: bool) -> Drawn:
    """A row per shape, a mark per implementation: figures 6.1, 6.2 and 6.3."""
    points = matrices.points(quantity)
    if not any(point.shown for point in points):
        raise NothingToDrawError(f"no valid value of {quantity}")
    hue = IMPLEMENTATION if IMPLEMENTATION in matrices.matrix.factors else None
    return draw_dots(points, matrices.matrix, quantity, title, log=log, hue=hue, footer=footer)


def draw_accuracy_by_epoch(trainings: Trainings, title: str, origins: Sequence[str], footer: str) -> Drawn:
    """Accuracy after each epoch, a panel per shape."""
    panels = [
        Panel(shape, [_curve(item) for item in _firsts(trainings, shape)])
        for shape in trainings.shapes
        if any(len(item.accuracies) > 1 for item in _firsts(trainings, shape))
    ]
    if not panels:
        raise NothingToDrawError("no training of two epochs")
    look = Look(
        "Epoch",
        "Accuracy [%]",
        colours_for(trainings.implementations),
        subtitle="On the test images, after each epoch; lines that coincide hide each other",
        footer=footer,
    )
    return draw_panels(panels, title, origins, look)


def draw_accuracy_error(trainings: Trainings, title: str, origins: Sequence[str], footer: str) -> Drawn:
    """Accuracy minus the first implementation's after the last epoch, by shape."""
    frame = accuracy_error_frame(trainings)
    if frame is None:
        raise NothingToDrawError("only one implementation printed its accuracy")
    ticks = {float(place): shape for place, shape in enumerate(trainings.shapes)}
    lines = []
    for number, implementation in enumerate(trainings.implementations):
        rows = [
            (trainings.shapes.index(row["hidden layers"]), float(row["after the last epoch"]))
            for row in frame.to_dict("records")
            if row["program"].rpartition(" ")[0] == implementation
        ]
        shift = 0.08 * (number - len(trainings.implementations) / 2)
        if rows:
            xs, ys = [place + shift for place, _ in rows], [error for _, error in rows]
            texts = [f"{implementation}, {trainings.shapes[place]}: {error:+.2f} % points" for place, error in rows]
            lines.append(Line(implementation, xs, ys, texts=texts, joined=False))
    first = frame["against"].iloc[0]
    images = int(frame["test images"].iloc[0])
    look = Look(
        "Hidden layers",
        "Accuracy, difference [% points]",
        colours_for(trainings.implementations),
        subtitle=f"After the last epoch, minus {first}; one of {images} test images is {100 / images:.3g} % points",
        footer=footer,
        y_range=(-0.1, 0.1),
        x_ticks=ticks,
    )
    return draw_panels([Panel("", lines)], title, origins, look)


def draw_spread(matrices: Matrices, title: str, origins: Sequence[str], footer: str) -> Drawn:
    """Coefficient of variation between the implementations, by shape: time, memory, accuracy."""
    frame = spread_frame(matrices)
    names = ("elapsed time", "peak memory", "accuracy")
    lines = []
    for name in names:
        rows = [
            (place, float(value))
            for place, value in enumerate(frame[f"{name}: variation (%)"])
            if value is not None and not math.isnan(value)
        ]
        if rows:
            xs, ys = [float(place) for place, _ in rows], [value for _, value in rows]
            texts = [f"{name}, {matrices.shapes[place]}: {value:.3g} %" for place, value in rows]
            lines.append(Line(name, xs, ys, texts=texts))
    positive = [y for line in lines for y in line.ys if y > 0]
    if not positive:
        raise NothingToDrawError("it takes two implementations that differ")
    lines = [_only_positive(line) for line in lines]
    look = Look(
        "Hidden layers",
        "Coefficient of variation [%]",
        colours_for(names),
        y_log=True,
        subtitle=f"Between {', '.join(matrices.implementations)}: standard deviation over mean of their means",
        footer=footer,
        x_ticks={float(place): shape for place, shape in enumerate(matrices.shapes)},
    )
    return draw_panels([Panel("", lines)], title, origins, look)


def draw_growth(matrices: Matrices, title: str, origins: Sequence[str], footer: str) -> Drawn:
    """Run time over parameters with the three laws, a panel per implementation."""
    fitted = growth_laws(matrices)
    if not fitted:
        raise NothingToDrawError("it takes run times of four shapes")
    parameters, times = matrices.values("parameters"), matrices.values(GROWTH_TIME)
    panels = []
    for implementation, laws in fitted.items():
        members = [
            (size, times[shape, implementation])
            for shape in matrices.shapes
            if (size := value_of(parameters, shape, implementation)) is not None and (shape, implementation) in times
        ]
        members.sort(key=lambda item: item[0])
        low, high = members[0][0], members[-1][0]
        grid = [low * (high / low) ** (step / _CURVE_POINTS) for step in range(_CURVE_POINTS + 1)]
        curves = [
            Line(law.kind, grid, [law.time_s(size) for size in grid], _LAW_DASHES[law.kind], markers=False)
            for law in laws
        ]
        points = Line(
            "user time",
            [size for size, _ in members],
            [point.value or 0.0 for _, point in members],
            texts=[_told(size, point) for size, point in members],
            halves=[point.expanded_u or 0.0 for _, point in members],
            joined=False,
        )
        notes = [f"{law.kind}: {100 * law.off:.0f} % off" for law in laws]
        panels.append(Panel(implementation, [*curves, points], notes))
    colours = {"user time": "#1e2530", LINEAR: "#0072b2", POWER: "#009e73", EXPONENTIAL: "#d55e00"}
    look = Look(
        "Parameters",
        "User time",
        colours,
        x_log=True,
        y_log=True,
        y_unit="s",
        subtitle="Lines: laws of two constants, fitted to the points; off: typical distance of the points",
        footer=footer,
    )
    return draw_panels(panels, title, origins, look)


def draw_early_stopping(trainings: Trainings, title: str, origins: Sequence[str], footer: str) -> Drawn:
    """What each patience saves, and what it loses of the best accuracy, a colour per shape."""
    found = stops(trainings)
    lines = []
    for shape, (_, members) in found.items():
        xs = [100.0 * stop.saved for stop in members]
        ys = [100.0 * (stop.highest - stop.best) for stop in members]
        texts = [
            f"{shape}, patience {stop.patience}: {stop.epochs} of {stop.planned} epochs, "
            f"{loss:.2f} % points below the best"
            for stop, loss in zip(members, ys, strict=True)
        ]
        if members:
            lines.append(Line(shape, xs, ys, texts=texts))
    if not lines:
        raise NothingToDrawError("no training of two epochs")
    implementation = next(iter(found.values()))[0].implementation
    patiences = next(iter(found.values()))[1]
    words = ", ".join(str(stop.patience) for stop in patiences)
    look = Look(
        "Epochs saved [%]",
        "Accuracy lost against the best epoch [% points]",
        colours_for(tuple(found)),
        subtitle=f"{implementation}; each line from patience {words.split(', ')[0]} (right) to more ({words})",
        footer=footer,
        entries=[Entry({"linestyle": "none", "marker": "none", "color": MUTED}, "colour: hidden layers")],
        y_range=(0.0,),
    )
    return draw_panels([Panel("", lines)], title, origins, look)


def _only_positive(line: Line) -> Line:
    kept = [(x, y, text) for x, y, text in zip(line.xs, line.ys, line.texts, strict=True) if y > 0]
    return Line(line.key, [x for x, _, _ in kept], [y for _, y, _ in kept], texts=[text for _, _, text in kept])


def _told(size: float, point: Point) -> str:
    return f"{point.label}, {size:.0f} parameters: {tick_text(point.value or 0.0, point.unit)}"


def _firsts(trainings: Trainings, shape: str) -> list[Training]:
    found = [trainings.first(name, shape) for name in trainings.implementations]
    return [item for item in found if item is not None]


def _curve(training: Training) -> Line:
    ys = [100.0 * value for value in training.accuracies]
    texts = [f"{training.implementation}, epoch {epoch}: {y:.2f} %" for epoch, y in enumerate(ys, start=1)]
    return Line(training.implementation, [float(epoch) for epoch in range(1, len(ys) + 1)], ys, texts=texts)
