"""Figures of the weights: how far each program is from the reference, and from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.legend import Entry
from analysis.figures.panels import DASHED, SOLID, Line, Look, Panel, dash_entry, draw_panels
from analysis.figures.style import colours_for
from analysis.studies.training.equality import Apart, Equality
from analysis.studies.training.trainings import Training

if TYPE_CHECKING:
    from collections.abc import Callable

_EPOCH = "Epoch"


def draw_weight_error(equality: Equality, title: str, origins: list[str], footer: str) -> Drawn:
    """Relative difference of the weights from the reference after each epoch, a panel for each shape."""
    return _draw(
        equality,
        title,
        origins,
        footer,
        measure=lambda apart: apart.difference.relative,
        y_title="Relative difference (rms)",
        subtitle="Difference of all weights and biases from {reference}, over their size; equal weights have no point",
    )


def draw_weight_ulps(equality: Equality, title: str, origins: list[str], footer: str) -> Drawn:
    """Median difference in units in the last place of the program's precision after each epoch."""
    return _draw(
        equality,
        title,
        origins,
        footer,
        measure=lambda apart: apart.difference.ulp_median,
        y_title="Median difference (ULP)",
        subtitle="In units in the last place of the program's own precision, against {reference}",
    )


def _draw(
    equality: Equality,
    title: str,
    origins: list[str],
    footer: str,
    *,
    measure: Callable[[Apart], float],
    y_title: str,
    subtitle: str,
) -> Drawn:
    panels, reference = [], ""
    for shape in equality.shapes:
        lines = []
        for series in equality.from_reference(shape).values():
            reference = series[0].other.program if series else reference
            shown = [(apart, measure(apart)) for apart in series if apart.epoch and measure(apart) > 0]
            if shown:
                first = series[0].one
                lines.append(
                    Line(
                        first.implementation,
                        [float(apart.epoch) for apart, _ in shown],
                        [value for _, value in shown],
                        _dashes(first),
                        [f"{first.program}, epoch {apart.epoch}: {value:.2e}" for apart, value in shown],
                    )
                )
        if lines:
            panels.append(Panel(shape, lines))
    if not panels:
        raise NothingToDrawError("no two programs left weights that differ, one of them in float64")
    look = Look(
        _EPOCH,
        y_title,
        colours_for(equality.trainings.implementations),
        y_log=True,
        subtitle=subtitle.format(reference=reference),
        footer=footer,
        entries=precision_entries(panels),
    )
    return draw_panels(panels, title, origins, look)


def draw_accuracy_difference(equality: Equality, title: str, origins: list[str], footer: str) -> Drawn:
    """Test images named rightly, program minus reference, in percentage points, epoch by epoch."""
    panels, reference_name = [], ""
    for shape in equality.shapes:
        reference = equality.reference(shape)
        if reference is None:
            continue
        reference_name = reference.program
        lines = [
            Line(
                item.implementation,
                [float(epoch) for epoch in range(1, len(differences) + 1)],
                differences,
                _dashes(item),
                [f"{item.program}, epoch {epoch}: {value:+.2f} %" for epoch, value in enumerate(differences, start=1)],
            )
            for item in equality.members(shape)
            if item is not reference and (differences := _accuracy_differences(item, reference))
        ]
        if lines:
            panels.append(Panel(shape, lines))
    if not panels:
        raise NothingToDrawError("no program printed its accuracy beside a float64 reference")
    look = Look(
        _EPOCH,
        "Accuracy, difference [% points]",
        colours_for(equality.trainings.implementations),
        subtitle=f"Accuracy on the test images, minus that of {reference_name}",
        footer=footer,
        entries=precision_entries(panels),
        y_range=(-0.2, 0.2),
    )
    return draw_panels(panels, title, origins, look)


def _accuracy_differences(item: Training, reference: Training) -> list[float]:
    return [100.0 * (one - other) for one, other in zip(item.accuracies, reference.accuracies, strict=False)]


def _dashes(training: Training) -> object:
    return DASHED if training.precision == "float64" else SOLID


def precision_entries(panels: list[Panel]) -> list[Entry]:
    """What solid and dashed lines mean, where both occur."""
    kinds = {line.dashes for panel in panels for line in panel.lines}
    return [dash_entry(SOLID, "float32"), dash_entry(DASHED, "float64")] if kinds == {SOLID, DASHED} else []
