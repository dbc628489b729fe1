"""What of an experiment will not be stated on a bench whose board is emulated, said before anything runs."""

from __future__ import annotations

from collections.abc import Iterator

from lab.bench.model import Bench
from lab.experiment.model import Correlation, Experiment, ScatterFigure
from lab.record.timed import depends_on_time


def notes_of(experiment: Experiment, bench: Bench) -> list[str]:
    """Sentences on what the results will not hold; none for a board that has a time of its own."""
    if not bench.board.emulated:
        return []
    if bench.board.cycle_true:
        return [
            "the board is emulated cycle by cycle: its programs' times are its core's cycles and are stated; energies "
            "are not (emulated_time)"
        ]
    notes = ["the board is emulated: times, cycles and energies are not stated (emulated_time)"]
    notes += [f"left out for that: {part}" for part in (_figures(experiment), _correlations(experiment)) if part]
    return notes


def _figures(experiment: Experiment) -> str:
    names = [figure.name for figure in experiment.analysis.figures if any(map(depends_on_time, _needs(figure)))]
    return _listed("figure", names)


def _correlations(experiment: Experiment) -> str:
    pairs = [f"{item.x} against {item.y}" for item in experiment.analysis.correlations if _timed(item)]
    return _listed("correlation", pairs)


def _timed(item: Correlation) -> bool:
    return depends_on_time(item.x) or depends_on_time(item.y)


def _needs(figure: object) -> Iterator[str]:
    if isinstance(figure, ScatterFigure):
        yield from (figure.x, figure.y)
    elif (quantity := getattr(figure, "quantity", None)) is not None:
        yield quantity


def _listed(noun: str, names: list[str]) -> str:
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""
