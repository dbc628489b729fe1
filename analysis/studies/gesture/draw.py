"""The study's figures, drawn from a gesture record."""

from __future__ import annotations

from collections.abc import Sequence

from analysis.figures.axes import set_axis
from analysis.figures.build import NothingToDrawError
from analysis.figures.dots import Drawn
from analysis.figures.legend import colour_entries, draw_legend, in_lines, top_margin_in
from analysis.figures.panels import Line, Look, Panel, draw_panels
from analysis.figures.style import (
    MUTED,
    PALETTE,
    PAPER,
    heading,
    marker_style,
    new_figure,
    place_axes,
    sorted_origins,
    text_width_in,
    watermark,
)
from analysis.readers.gesture import GestureOutput
from analysis.studies.gesture import printed
from analysis.studies.gesture.avr import OnTheBoard
from analysis.studies.gesture.evidence import FORM_WORDS, OWN_FORMS, TFLITE_FORMS, loss_change
from analysis.studies.gesture.passes import StudyPass, groups

_LEAST_LOSS = 1e-8
"""Where a loss of zero is drawn on a logarithmic axis."""
_WIDTH_IN, _ROW_IN = 9.0, 0.27
_GROUP_IN, _SUBTITLE_IN = 0.62, 0.18
_LINEAR = 1e-3
"""Within this the axis of changes is linear."""


def draw_example(
    output: GestureOutput, first: int, title: str, unit: str, origins: Sequence[str], footer: str
) -> Drawn:
    """One performance of each gesture: three axes of the sensor from ``first`` on, sample by sample."""
    names = [f"axis {axis}" for axis in "XYZ"]
    colours = dict(zip(names, PALETTE, strict=False))
    panels = []
    for gesture, samples in output.examples.items():
        xs = [float(number) for number in range(1, len(samples) + 1)]
        lines = [
            Line(name, xs, [sample[first + axis] for sample in samples], markers=False)
            for axis, name in enumerate(names)
        ]
        panels.append(Panel(gesture, lines))
    if not panels:
        raise NothingToDrawError("the record has no example of a gesture")
    look = Look("sample", unit, colours, footer=footer)
    return draw_panels(panels, title, origins, look)


def draw_course(passes: Sequence[StudyPass], quantity: str, title: str, origins: Sequence[str], footer: str) -> Drawn:
    """``loss`` or ``accuracy`` epoch by epoch, training and validation, a line for each training."""
    log = quantity == "loss"
    colours = {"training": PALETTE[0], "validation": PALETTE[1]}
    panels = []
    for members in groups(passes).values():
        lines = []
        for item in members:
            xs = [float(epoch.epoch) for epoch in item.output.epochs]
            for key, field in (("training", quantity), ("validation", f"validation_{quantity}")):
                ys = [float(getattr(epoch, field)) for epoch in item.output.epochs]
                if xs:
                    lines.append(Line(key, xs, [max(y, _LEAST_LOSS) for y in ys] if log else ys, markers=False))
        if lines:
            panels.append(Panel(members[0].short_name, lines))
    if not panels:
        raise NothingToDrawError("the record has no epochs")
    subtitle = "Panels: hand, gestures, inputs. A line for each training (seed)."
    subtitle += f" Below {_LEAST_LOSS:g}, zero too: at the bottom." if log else ""
    look = Look("epoch", f"{quantity}", colours, y_log=log, subtitle=subtitle, footer=footer)
    return draw_panels(panels, title, origins, look)


def draw_sizes(output: GestureOutput, title: str, origins: Sequence[str], footer: str) -> Drawn:
    """Bytes of every form, a row each; what the study prints beside it."""
    colours = {"printed": MUTED, "TensorFlow Lite": PALETTE[1], "the lab's own": PALETTE[0]}
    rows: list[tuple[str, str, int]] = [("model's file", "printed", printed.MODEL_BYTES)]
    if output.keras_bytes is not None:
        rows.append(("model's file (.h5)", "TensorFlow Lite", output.keras_bytes))
    rows.append(("quantised, “16-bit”", "printed", printed.SMALL_BYTES))
    for maker, words, forms in (("tflite", "TensorFlow Lite", TFLITE_FORMS), ("own", "the lab's own", OWN_FORMS)):
        found = [(form, output.form(form, maker)) for form in forms]
        rows += [(FORM_WORDS[form], words, item.size_bytes) for form, item in found if item is not None]
    used = {maker for _, maker, _ in rows}
    legend = in_lines(colour_entries({key: colour for key, colour in colours.items() if key in used}), _WIDTH_IN)
    top, label_in = top_margin_in(legend), max(text_width_in(row[0], 8.5) for row in rows) + 0.2
    figure = new_figure(_WIDTH_IN, top + 0.72 + _ROW_IN * len(rows))
    axes = place_axes(figure, 0.2 + label_in, 0.72, 0.75, top)
    set_axis(axes, "x", "size", [0.0, *(float(size) for _, _, size in rows)], "B", log=False)
    axes.set_xlim(left=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(visible=True, axis="x")
    axes.set_yticks(range(len(rows)), [row[0] for row in rows])
    axes.tick_params(axis="y", length=0)
    axes.barh(
        range(len(rows)), [size for _, _, size in rows], 0.62, color=[colours[maker] for _, maker, _ in rows], zorder=2
    )
    for place, (_, _, size) in enumerate(rows):
        axes.annotate(
            f"{size:,}",
            (size, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            size=7.5,
            zorder=5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.8},
        )
    half = 2 * output.parameters
    axes.axvline(half, color=PALETTE[2], linewidth=1.1, linestyle=(0, (4, 2)), zorder=3)
    axes.text(half, -0.62, f" {half:,} bytes: the parameters in 16 bits, nothing else", size=7.5, color=PALETTE[2])
    draw_legend(figure, legend)
    heading(figure, title, "", list(origins), footer)
    return Drawn(figure, {})


def draw_form_loss(passes: Sequence[StudyPass], title: str, origins: Sequence[str], footer: str) -> Drawn:
    """How the mean cross-entropy on training and validation set changes with the form: a dot for each training."""
    forms = [form for form in OWN_FORMS[1:] if any(item.output.form(form) is not None for item in passes)]
    if not forms:
        raise NothingToDrawError("the record has no small forms")
    colours = {FORM_WORDS[form]: PALETTE[number] for number, form in enumerate(forms)}
    rows = groups(passes)
    said = printed.LOSS_AFTER - printed.LOSS_BEFORE
    legend = in_lines(colour_entries(colours), _WIDTH_IN)
    top = top_margin_in(legend) + _SUBTITLE_IN
    label_in = max(text_width_in(name, 8.5) for name in rows) + 0.2
    figure = new_figure(_WIDTH_IN, top + 0.78 + _GROUP_IN * len(rows))
    axes = place_axes(figure, 0.2 + label_in, 0.78, 0.3, top)
    axes.set_xscale("symlog", linthresh=_LINEAR)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_yticks(range(len(rows)), list(rows))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x")
    axes.set_xlabel("change of the mean cross-entropy against float32 (linear within ±0.001)")
    axes.axvline(0.0, color=MUTED, linewidth=0.8, zorder=1)
    axes.axvline(said, color=PALETTE[4], linewidth=1.2, linestyle=(0, (4, 2)), zorder=1)
    tooltips: dict[str, list[str]] = {}
    reach = [abs(said)]
    for place, form in enumerate(forms):
        xs, ys, texts = [], [], []
        for row, (name, members) in enumerate(rows.items()):
            for item in members:
                change = loss_change(item.output, form)
                if change is not None:
                    xs.append(change)
                    ys.append(row + (place - (len(forms) - 1) / 2) * 0.18)
                    texts.append(f"{name}, seed {item.seed}, {FORM_WORDS[form]}: {change:+.6g}")
        style = marker_style(colours[FORM_WORDS[form]], origins[0] if origins else "", "valid")
        axes.plot(xs, ys, gid=f"form{place}", zorder=3, **style)
        tooltips[f"form{place}"] = texts
        reach += [abs(x) for x in xs]
    end = 2.0 * max(reach)
    axes.set_xlim(-end, end)
    decades = [10.0**power for power in range(-3, 3) if 10.0**power <= end]
    ticks = [*(-tick for tick in reversed(decades)), 0.0, *decades]
    axes.minorticks_off()
    axes.set_xticks(ticks, [f"{tick:g}".replace("-", "−") for tick in ticks])
    watermark(axes, sorted_origins(origins))
    draw_legend(figure, legend, _SUBTITLE_IN)
    subtitle = f"A dot for each training (seed). Dashed: the change that the study prints, {said:.5f}.".replace(
        "-", "−"
    )
    heading(figure, title, subtitle, sorted_origins(origins), footer)
    return Drawn(figure, tooltips)


def draw_board_loss(items: Sequence[OnTheBoard], title: str, origins: Sequence[str], footer: str) -> Drawn:
    """Mean cross-entropy on the gestures shown to the board: in floating point, in integers here, and on the board."""
    kinds = ("float32", "int8 on the host", "int8 on the board")
    colours = dict(zip(kinds, PALETTE, strict=False))
    legend = in_lines(colour_entries(colours), _WIDTH_IN)
    label_in = max(text_width_in(item.label, 8.5) for item in items) + 0.2
    top = top_margin_in(legend)
    figure = new_figure(_WIDTH_IN, top + 0.72 + 0.36 * len(items))
    axes = place_axes(figure, 0.2 + label_in, 0.72, 0.3, top)
    values = [(item.loss_float, item.loss_host, item.loss) for item in items]
    set_axis(axes, "x", "mean cross-entropy", [0.0, *(value for row in values for value in row)], "1", log=False)
    axes.set_xlim(left=-0.02 * axes.get_xlim()[1])
    axes.set_ylim(len(items) - 0.4, -0.6)
    axes.set_yticks(range(len(items)), [item.label for item in items])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=True, axis="x")
    tooltips: dict[str, list[str]] = {}
    for place, kind in enumerate(kinds):
        ys = [row + 0.2 * (place - 1) for row in range(len(items))]
        style = marker_style(colours[kind], origins[0] if origins else "", "valid")
        axes.plot([row[place] for row in values], ys, gid=f"kind{place}", zorder=3, **style)
        tooltips[f"kind{place}"] = [
            f"{item.label}, {kind}: {row[place]:.6g}" for item, row in zip(items, values, strict=True)
        ]
    watermark(axes, sorted_origins(origins))
    draw_legend(figure, legend)
    heading(figure, title, "", sorted_origins(origins), footer)
    return Drawn(figure, tooltips)
