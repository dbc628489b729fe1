"""The caption of a figure: which figure of the thesis it is, what it shows in this record, and how the claim fares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.figures.names import quantity_title
from analysis.figures.thesis.context import Context, Series
from analysis.figures.thesis.cost_claims import lines_of, shares_of
from analysis.figures.thesis.judgement import Judgement, Outcome
from analysis.figures.thesis.offloading import STUDY_SCENARIO, Way
from analysis.figures.thesis.shapes import INPUT, Bubbles, Contributions, Growth, Relation, Rows, Where
from analysis.figures.thesis.study import Role, Value
from analysis.figures.units import tick_text

if TYPE_CHECKING:
    from analysis.figures.thesis.catalogue import ThesisFigure

Shown = dict[Where, list[Value]]
"""Place → what a figure shows of it."""

_WORDS = {
    Outcome.HOLDS: "Holds here",
    Outcome.PARTLY: "Holds here in part",
    Outcome.FAILS: "Fails here",
    Outcome.UNDECIDED: "Cannot be decided here",
    Outcome.NO_CLAIM: "Nothing claimed",
}
_ASSUMED = (
    "Offloaded figures are computed, not measured: the study's media, one byte a pixel, and remote times inferred from "
    "its table 4.2."
)


@dataclass(frozen=True, slots=True)
class Caption:
    """The parts of a caption, each a sentence or several."""

    shows: str
    claim: str
    verdict: str
    note: str
    origins: tuple[str, ...]

    @classmethod
    def none(cls, figure: ThesisFigure) -> Caption:
        """Of a figure that could not be drawn: the thesis's claim alone."""
        return cls("", _claim(figure), "", "", ())

    @property
    def origin_words(self) -> str:
        """Where the numbers come from."""
        return f"Origin: {' and '.join(self.origins)}." if self.origins else ""

    def text(self, figure: ThesisFigure) -> str:
        """All of it as one paragraph."""
        parts = (
            f"Figure {figure.number} of the thesis: {figure.title}.",
            self.shows,
            self.claim,
            self.verdict,
            self.note,
            self.origin_words,
        )
        return " ".join(part for part in parts if part)


def caption_of(context: Context, figure: ThesisFigure, judgement: Judgement) -> Caption:
    """The caption of a figure that was drawn."""
    shape = figure.shape
    notes = [figure.note]
    if isinstance(shape, Rows):
        shows, values = _rows(context, shape)
        notes.append(_offloaded(context))
    elif isinstance(shape, Relation):
        shows, values = _relation(context, shape)
        notes += [_offloaded(context)] if isinstance(shape.where, Way) else []
    elif isinstance(shape, Growth):
        shows, values = _growth(context, shape)
    elif isinstance(shape, Bubbles):
        shows, values = _bubbles(context, shape)
    else:
        shows, values = _contributions(context, shape)
        notes.append(_offloaded(context))
    notes.append(context.study.note)
    return Caption(
        shows=" ".join(part for part in (shows, _doubtful(values)) if part),
        claim=_claim(figure),
        verdict=_verdict(judgement),
        note=" ".join(note for note in notes if note),
        origins=tuple(context.origins(values)),
    )


def _offloaded(context: Context) -> str:
    scenario = context.offloading.scenario
    if scenario == STUDY_SCENARIO:
        return _ASSUMED
    return f"Offloaded figures are computed, not measured, in the scenario {scenario.title or scenario.name}."


def _claim(figure: ThesisFigure) -> str:
    return f"The thesis: {figure.says}."


def _verdict(judgement: Judgement) -> str:
    if len(judgement.findings) == 1:
        return f"{_WORDS[judgement.outcome]}: {judgement.findings[0].text}."
    parts = [f"({place}) {item.text} – {item.outcome}" for place, item in enumerate(judgement.findings, start=1)]
    return f"{_WORDS[judgement.outcome]}: {'; '.join(parts)}."


def _rows(context: Context, shape: Rows) -> tuple[str, Shown]:
    places: list[Where] = [*context.present(), *shape.ways]
    series = {place: context.series(place, shape.quantity, idle=shape.idle, only=shape.only) for place in places}
    series = {place: values for place, values in series.items() if values}
    words = [f"{context.name(place)} {_range(values)}" for place, values in series.items() if isinstance(place, Role)]
    title = quantity_title(shape.quantity)
    shows = f"{title[0].upper()}{title[1:]}; {shape.only}: {'; '.join(words)}."
    if shape.idle is not None:
        power = context.offloading.idle_w(shape.idle)
        own = "its own idle power" if context.offloading.is_own(shape.idle) else "a constant of the scenario"
        shows += f" While it waits the device draws {tick_text(power, 'W')} ({own})." if power is not None else ""
    return shows, {place: list(values.values()) for place, values in series.items()}


def _relation(context: Context, shape: Relation) -> tuple[str, Shown]:
    both = [context.series(shape.where, name, idle=shape.idle, only=shape.only) for name in (shape.x, shape.y)]
    common = [{item: values[item] for item in values if all(item in other for other in both)} for values in both]
    words = [
        f"{quantity_title(name)} {_range(values)}" for name, values in zip((shape.x, shape.y), common, strict=True)
    ]
    shows = f"{len(common[0])} variations {context.phrase(shape.where)}: {'; '.join(words)}."
    beside = sum(min(common[0][item].value, common[1][item].value) <= 0 for item in common[0])
    if beside:
        shows += f" {beside} of them have no place on logarithmic axes."
    return shows, {shape.where: [value for values in common for value in values.values()]}


def _growth(context: Context, shape: Growth) -> tuple[str, Shown]:
    series = context.series(shape.role, shape.quantity)
    drawn = {item: series[item] for members in lines_of(context, shape).values() for item in members}
    lines = len(lines_of(context, shape))
    words = f"{quantity_title(shape.quantity)} {context.phrase(shape.role)} {_range(drawn)}"
    return f"{lines} lines, one for each network and compression: {words}.", {shape.role: list(drawn.values())}


def _bubbles(context: Context, shape: Bubbles) -> tuple[str, Shown]:
    names = ("latency_s", "parameters") if shape.x == INPUT else ("latency_s", "parameters", shape.x)
    series = [context.series(shape.role, name, only=shape.only) for name in names]
    words = [f"{quantity_title(name)} {_range(values)}" for name, values in zip(names, series, strict=True)]
    shows = f"{len(series[0])} variations {context.phrase(shape.role)}: {'; '.join(words)}."
    return shows, {shape.role: [value for values in series for value in values.values()]}


def _contributions(context: Context, shape: Contributions) -> tuple[str, Shown]:
    series: dict[Where, Series] = {shape.way: context.series(shape.way, "latency_s")}
    shares = shares_of(context, shape)
    least, most = min(shares, key=lambda name: shares[name]), max(shares, key=lambda name: shares[name])
    shows = (
        f"{len(shares)} networks offloaded by {shape.way.name} take {_range(series[shape.way])}, "
        f"{100 * shares[least]:.0f} % ({least}) to {100 * shares[most]:.0f} % ({most}) of it the network."
    )
    if shape.beside:
        series |= {role: context.series(role, "latency_s") for role in context.present()}
    return shows, {place: list(values.values()) for place, values in series.items()}


def _range(series: Series) -> str:
    """The least and the greatest value, with whose they are."""
    least, most = min(series, key=lambda item: series[item].value), max(series, key=lambda item: series[item].value)
    low, high = (tick_text(series[item].value, series[item].unit) for item in (least, most))
    return f"{low} ({least.name}) to {high} ({most.name})" if low != high else low


def _doubtful(shown: Shown) -> str:
    values = [value for members in shown.values() for value in members]
    doubtful = [value for value in values if value.verdict != "valid"]
    if not doubtful:
        return ""
    reasons = sorted({reason for value in doubtful for reason in value.reasons})
    return f"{len(doubtful)} of the {len(values)} values are degraded ({', '.join(reasons)})."
