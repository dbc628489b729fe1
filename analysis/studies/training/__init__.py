"""The training study: P. Shaji, D. Venkataram, *Training Neural Networks on Embedded Devices*, Uppsala 2023.

One network that reads digits, trained by several programs: what each costs, how well it learns, and how far the weights
of the programs lie apart. A record shows those of the study's figures that its experiment has data for: several shapes
(the study), files of weights after each epoch (equality), profiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from analysis.studies import StudyFigure, StudyTable

if TYPE_CHECKING:
    from analysis.figures.data import ResultTables
    from analysis.figures.dots import Drawn
    from analysis.studies.training.points import Matrices
    from analysis.studies.training.profile import Profile
    from analysis.studies.training.trainings import Trainings
    from lab.record.reader import Record


def figures(record: Record, results: ResultTables) -> Iterator[StudyFigure]:
    """The study's figures for this record, in the study's order, then those that the draft asks for."""
    from analysis.studies.training.points import Matrices
    from analysis.studies.training.profile import profiles_of
    from analysis.studies.training.trainings import trainings_of

    matrices = Matrices.of(record, results)
    if matrices is None:
        return
    trainings = trainings_of(record)
    footer = f"record {record.manifest.get('record_id')}"
    if profiles := profiles_of(record):
        yield from _profile_figures(record, profiles, footer)
    elif trainings.left_weights:
        yield from _equality_figures(matrices, trainings, footer)
    else:
        yield from _study_figures(matrices, trainings, footer)


def tables(record: Record, results: ResultTables) -> Iterator[StudyTable]:
    """The study's tables for this record."""
    from analysis.studies.training.frames import study_tables
    from analysis.studies.training.points import Matrices
    from analysis.studies.training.trainings import trainings_of

    matrices = Matrices.of(record, results)
    if matrices is not None:
        yield from study_tables(record, matrices, trainings_of(record))


def _study_figures(matrices: Matrices, trainings: Trainings, footer: str) -> Iterator[StudyFigure]:
    from analysis.studies.training import captions, draw_study
    from analysis.studies.training.claims import Evidence

    evidence = Evidence(matrices, trainings)
    quantities = (
        ("training_accuracy", "accuracy", "Accuracy after the last epoch (figure 6.1)", captions.accuracy, False),
        ("training_run_time", "elapsed_s", "Run time of the whole training (figure 6.2)", captions.run_time, True),
        ("training_memory", "peak_rss_bytes", "Peak memory (figure 6.3)", captions.memory, True),
    )
    for name, quantity, title, caption, log in quantities:
        draw: Callable[[], Drawn] = partial(draw_study.draw_quantity, matrices, quantity, title, footer, log=log)
        yield StudyFigure(name, title, caption(evidence), matrices.origins(quantity), draw)
    learned, timed = matrices.origins("accuracy"), matrices.origins("elapsed_s")
    title = "Accuracy epoch by epoch"
    draw = partial(draw_study.draw_accuracy_by_epoch, trainings, title, learned, footer)
    yield StudyFigure("training_accuracy_by_epoch", title, captions.by_epoch(evidence), learned, draw)
    if len(trainings.implementations) > 1:
        title = "Accuracy error: difference from the first implementation"
        draw = partial(draw_study.draw_accuracy_error, trainings, title, learned, footer)
        yield StudyFigure("training_accuracy_error", title, captions.ERROR, learned, draw)
        title = "Coefficient of variation between the implementations"
        draw = partial(draw_study.draw_spread, matrices, title, timed, footer)
        yield StudyFigure("training_variation", title, captions.VARIATION, timed, draw)
    title = "Run time against parameters: what kind of growth?"
    draw = partial(draw_study.draw_growth, matrices, title, timed, footer)
    yield StudyFigure("training_growth", title, captions.growth(evidence), timed, draw)
    title = "Early stopping: epochs saved and accuracy lost"
    draw = partial(draw_study.draw_early_stopping, trainings, title, learned, footer)
    yield StudyFigure("training_early_stopping", title, captions.STOPPING, learned, draw)


def _equality_figures(matrices: Matrices, trainings: Trainings, footer: str) -> Iterator[StudyFigure]:
    from analysis.studies.training import captions, draw_equality
    from analysis.studies.training.equality import Equality

    equality = Equality(trainings)
    origins = matrices.origins("accuracy")
    for name, title, caption, draw in (
        ("weight_error", "Weight error: difference from float64", captions.WEIGHTS, draw_equality.draw_weight_error),
        ("weight_ulps", "Weight error in units in the last place", captions.ULPS, draw_equality.draw_weight_ulps),
        (
            "weight_accuracy",
            "What the weight error does to the accuracy",
            captions.WEIGHT_ACCURACY,
            draw_equality.draw_accuracy_difference,
        ),
    ):
        yield StudyFigure(name, title, caption, origins, partial(draw, equality, title, list(origins), footer))


def _profile_figures(record: Record, profiles: list[Profile], footer: str) -> Iterator[StudyFigure]:
    from analysis.studies.training import captions
    from analysis.studies.training.draw_profile import draw_profile
    from analysis.studies.training.profile import CALLGRIND

    board = str(record.manifest.get("origin") or "measured")
    origins = tuple(sorted({"emulated" if item.tool == CALLGRIND else board for item in profiles}))
    title = "Where the time goes, by function"
    draw = partial(draw_profile, profiles, title, origins, footer)
    yield StudyFigure("training_profile", title, captions.PROFILE, origins, draw)
