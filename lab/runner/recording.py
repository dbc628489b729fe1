"""A plain recording: an experiment without a program, made for a bench's power meters."""

from __future__ import annotations

from pathlib import Path

from lab.bench.connected import connected_bench
from lab.bench.model import Bench
from lab.errors import UsageError
from lab.experiment.load import LoadedExperiment, load_bench
from lab.experiment.model import Experiment

UNNAMED = "recording"
"""The experiment's name where the user gives none: the folder of the records."""

_TEXT = """\
experiment: {name}
title: A recording
workload: {{kind: observe, duration: {duration_s!r}, ends_early: true}}
passes: {{energy: {{}}}}
"""


def recording(
    duration_s: float, *, name: str = UNNAMED, bench_path: Path | None = None, overrides: tuple[str, ...] = ()
) -> LoadedExperiment:
    """What ``lab run`` would be given to record for ``duration_s`` with the bench's meters, or those connected.

    Raises :class:`lab.errors.UsageError` for a bench without power meters or a name that is none,
    :class:`lab.errors.HardwareError` if no bench is named and nothing is connected.
    """
    bench, text = chosen_bench(bench_path, overrides)
    if not any(item.measures_power for item in bench.instruments.values()):
        raise UsageError(f"{bench_path}: no instrument of this bench measures power")
    written = _TEXT.format(name=name, duration_s=duration_s)
    try:
        experiment = Experiment.model_validate(
            {
                "experiment": name,
                "title": "A recording",
                "workload": {"kind": "observe", "duration": duration_s, "ends_early": True},
                "passes": {"energy": {}},
            }
        )
    except ValueError as error:  # pydantic's: of all these only the name is the user's
        raise UsageError(
            f"{name!r} is not a name for records", advice="letters, digits and underscores, not beginning with a digit"
        ) from error
    return LoadedExperiment(
        experiment=experiment,
        bench=bench,
        experiment_path=Path(f"{name}.yaml"),
        bench_path=bench_path or Path(f"{bench.bench}.yaml"),
        experiment_text=written,
        bench_text=text,
        overrides=overrides,
    )


def chosen_bench(path: Path | None, overrides: tuple[str, ...] = ()) -> tuple[Bench, str]:
    """The bench of a file and its text, or, where none is named, one of the meters that are connected."""
    if path is not None:
        return load_bench(path, overrides), path.read_text(encoding="utf-8")
    if overrides:
        raise UsageError("--set changes a bench file, and none is named", advice="name one with --bench")
    return connected_bench()
