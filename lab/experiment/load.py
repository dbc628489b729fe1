"""From files to a checked experiment on a checked bench, with every mistake in both at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lab.bench.model import Bench
from lab.config.document import Document, read_document
from lab.config.environment import resolve
from lab.config.overrides import apply_overrides
from lab.config.problems import ConfigErrors, Problem
from lab.config.validation import examine
from lab.errors import UsageError
from lab.experiment.checks import check_experiment, check_together
from lab.experiment.discovery import discover
from lab.experiment.model import Experiment
from lab.experiment.offload_scenario import LoadedScenario, load_scenario

BENCH_PREFIX = "bench:"
"""Overrides that begin so change the bench file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedExperiment:
    """An experiment and the bench it is put on, and the files they come from. The texts are as written."""

    experiment: Experiment
    bench: Bench
    experiment_path: Path
    bench_path: Path
    experiment_text: str
    bench_text: str
    overrides: tuple[str, ...] = ()
    offload: LoadedScenario | None = None

    def discovered(self) -> LoadedExperiment:
        """The same with the values of discovered factors filled in: what is planned, run and kept in the record.

        Raises :class:`lab.errors.UsageError` as :func:`lab.experiment.discovery.discover` does.
        """
        return replace(self, experiment=discover(self.experiment, self.experiment_path.parent))


def load_experiment(path: Path, overrides: Sequence[str] = (), bench_path: Path | None = None) -> LoadedExperiment:
    """Read and check an experiment file and the bench file it names, or ``bench_path`` instead.

    Overrides are ``key=value``, or ``bench:key=value`` for the bench. Raises
    :class:`~lab.config.problems.ConfigErrors` with everything that is wrong in both files.
    """
    written = read_document(path)
    document = apply_overrides(
        written,
        [item for item in overrides if not item.startswith(BENCH_PREFIX)],
        named=("factors",),
    )
    _keep_settings(document, written)
    factors = document.data.get("factors")
    narrowed = (
        [name for name in factors if document.is_overridden(("factors", name))] if isinstance(factors, dict) else []
    )
    experiment, problems = examine(document, Experiment, partial(check_experiment, narrowed=narrowed))
    chosen = bench_path or _named_bench(document, path, problems)
    bench_document: Document | None = None
    bench: Bench | None = None
    if chosen is not None:
        try:
            bench_document = _read_bench(chosen, overrides)
        except ConfigErrors as errors:
            problems += errors.problems
        else:
            bench, bench_problems = examine(bench_document, Bench)
            problems += bench_problems
    if experiment is not None and bench is not None and bench_document is not None:
        problems += [bench_document.problem(finding) for finding in check_together(experiment, bench)]
    offload = None if experiment is None else _named_scenario(experiment, document, path, problems)
    if problems or experiment is None or bench is None or bench_document is None or chosen is None:
        raise ConfigErrors(problems)
    return LoadedExperiment(
        experiment=experiment,
        bench=bench,
        experiment_path=path,
        bench_path=chosen,
        experiment_text=document.text,
        bench_text=bench_document.text,
        overrides=tuple(overrides),
        offload=offload,
    )


def _named_scenario(
    experiment: Experiment, document: Document, path: Path, problems: list[Problem]
) -> LoadedScenario | None:
    """The offload scenario that an experiment names; what is wrong with it is added to ``problems``."""
    name = experiment.analysis.offload
    if name is None:
        return None
    place = document.place_of(("analysis", "offload"))
    try:
        chosen = resolve(name, path.parent)
        if chosen.is_file():
            return load_scenario(chosen)
        message = f"there is no scenario file {chosen}"
    except ConfigErrors as errors:
        problems += errors.problems
        return None
    except UsageError as error:
        message = error.message
    problems.append(Problem(file=place.file, line=place.line, col=place.col, path="analysis.offload", message=message))
    return None


def _keep_settings(document: Document, written: Document) -> None:
    """Where an override narrows a factor to some of the values in the file, those keep their settings and labels."""
    before, now = written.data.get("factors"), document.data.get("factors")
    if not isinstance(before, dict) or not isinstance(now, dict):
        return
    for name, values in now.items():
        known = before.get(name)
        if isinstance(values, list) and isinstance(known, list) and document.is_overridden(("factors", name)):
            full = {str(item["value"]): item for item in known if isinstance(item, dict) and "value" in item}
            now[name] = [full.get(str(value), value) if not isinstance(value, dict) else value for value in values]


def load_bench(path: Path, overrides: Sequence[str] = ()) -> Bench:
    """Read and check a bench file alone; overrides with or without the prefix ``bench:``.

    Raises :class:`~lab.config.problems.ConfigErrors` with everything that is wrong.
    """
    prefixed = [item if item.startswith(BENCH_PREFIX) else f"{BENCH_PREFIX}{item}" for item in overrides]
    bench, problems = examine(_read_bench(path, prefixed), Bench)
    if bench is None or problems:
        raise ConfigErrors(problems)
    return bench


def _read_bench(path: Path, overrides: Sequence[str]) -> Document:
    mine = [item.removeprefix(BENCH_PREFIX) for item in overrides if item.startswith(BENCH_PREFIX)]
    return apply_overrides(read_document(path), mine, shown_as=f"--set {BENCH_PREFIX}", named=("instruments",))


def _named_bench(document: Document, path: Path, problems: list[Problem]) -> Path | None:
    """The bench file that an experiment names; what is wrong with that is added to ``problems``."""
    name = document.data.get("bench")
    if isinstance(name, str) and name:
        try:
            chosen = resolve(name, path.parent)
        except UsageError as error:
            problems.append(_bench_problem(document, error.message))
            return None
        if chosen.is_file():
            return chosen
        problems.append(_bench_problem(document, f"there is no bench file {chosen}"))
    elif name is None:
        problems.append(_bench_problem(document, "no bench is named: write one here, or name one with --bench"))
    return None


def _bench_problem(document: Document, message: str) -> Problem:
    place = document.place_of(("bench",))
    return Problem(file=place.file, line=place.line, col=place.col, path="bench", message=message)
