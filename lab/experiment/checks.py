"""What no single field of an experiment can know: do names, values and quantities that refer to others fit them?

These checks look at the plain data, before and whatever the typed model says, so that their findings come together with
all others. They hold their tongue about whatever has the wrong shape: the model reports that.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lab.bench.board_base import LinuxBoardModel
from lab.bench.boards import NoBoard, ReplayBoard, SimulatedBoard
from lab.bench.model import Bench
from lab.bench.recordings import EnergyRunner, Replay
from lab.bench.serial_board import SerialBoard
from lab.bench.simavr_board import SimavrBoard
from lab.config.document import Finding
from lab.config.location import Location
from lab.config.problems import closest, one_of
from lab.config.templates import names_in, strings_in
from lab.experiment.events import KNOWN_EVENTS, without_modifiers
from lab.experiment.model import (
    COMMAND_PLACEHOLDERS,
    FIRMWARE_PLACEHOLDERS,
    PROGRAM_PLACEHOLDERS,
    Experiment,
    FirmwareWorkload,
    ObserveWorkload,
    RecordedSessionWorkload,
    TfliteBenchmarkWorkload,
)
from lab.experiment.quantities import misspelt

RESERVED_FIGURES = ("budget", "trace")
"""Figures that every record has."""

_TEMPLATE_FIELDS: dict[str, dict[str, bool]] = {
    "tflite_benchmark": dict.fromkeys(("network", "input", "compression", "threads", "accelerator"), True),
    "program": {"build": False, "prepare": False, "command": True, "network": True},
    "firmware": {"prepare": False, "steps": True, "image": True, "command": True},
    "recorded_session": {"session": True, "inferences": True},
    "observe": {},
}
"""Workload kind → its fields that are templates, and whether factors and settings may stand in them."""


def check_experiment(data: Any, narrowed: Collection[str] = ()) -> Iterator[Finding]:
    """Everything that is wrong between the parts of an experiment file's plain data.

    ``narrowed`` are factors whose values were changed on the command line: exclusions and figures may then speak of
    values that the file has and this campaign has not.
    """
    if not isinstance(data, dict):
        return
    factors = _factors(data, narrowed)
    yield from _factor_findings(data, factors)
    yield from _template_findings(data, factors)
    yield from _exclude_findings(data, factors)
    yield from _pass_findings(data)
    yield from _analysis_findings(data, factors)


def check_together(experiment: Experiment, bench: Bench) -> Iterator[Finding]:
    """What is wrong with putting this experiment on this bench; locations are in the bench file."""
    replays, board = isinstance(experiment.workload, RecordedSessionWorkload), bench.board
    if isinstance(board, NoBoard) and not isinstance(experiment.workload, ObserveWorkload):
        yield Finding(
            location=("board", "kind"),
            message=f"does not fit the workload {experiment.workload.kind!r} of {experiment.experiment!r}",
            expected="a board that runs programs",
        )
    elif replays != isinstance(board, ReplayBoard):
        needs = "'replay'" if replays else "a board that runs programs"
        yield Finding(
            location=("board", "kind"),
            message=f"does not fit the workload {experiment.workload.kind!r} of {experiment.experiment!r}",
            expected=needs,
        )
    elif isinstance(experiment.workload, RecordedSessionWorkload):
        yield from _replay_findings(experiment.workload, bench)
    elif isinstance(experiment.workload, FirmwareWorkload):
        yield from _firmware_findings(experiment, bench)
    elif isinstance(experiment.workload, TfliteBenchmarkWorkload):
        yield from _tflite_findings(experiment, bench)


def _firmware_findings(experiment: Experiment, bench: Bench) -> Iterator[Finding]:
    """A board that no firmware can be put on."""
    board = bench.board
    if isinstance(board, SerialBoard) and board.flash is None:
        yield Finding(
            location=("board", "flash"),
            message=f"missing key: {experiment.experiment!r} puts firmware on the board",
            expected="the command that does, such as [avrdude, -c, atmelice, -p, m1284p, -U, 'flash:w:{image}:e']",
            at_key=True,
        )
    elif not isinstance(board, SerialBoard | SimavrBoard):
        yield Finding(
            location=("board", "kind"),
            message=f"does not fit the workload 'firmware' of {experiment.experiment!r}",
            expected="'simavr' or 'serial'",
        )


def _tflite_findings(experiment: Experiment, bench: Bench) -> Iterator[Finding]:
    """What a board lacks to run the networks as the experiment wants them run."""
    board, counters = bench.board, experiment.passes.counters
    if isinstance(board, LinuxBoardModel) and board.models is None and board.tflite.runtime != "torch":
        yield Finding(
            location=("board", "models"),
            message=f"missing key: {experiment.experiment!r} needs the folder with the .tflite files",
            at_key=True,
        )
    if not isinstance(board, LinuxBoardModel | SimulatedBoard):
        return
    runtime = board.tflite.runtime
    if isinstance(board, SimulatedBoard) and runtime != "benchmark_model":
        yield Finding(
            location=("board", "tflite", "runtime"),
            message="a simulated board has TensorFlow Lite's own program only",
            found=repr(runtime),
            expected="'benchmark_model'",
        )
    elif counters is not None and counters.window_only and runtime == "benchmark_model":
        yield Finding(
            location=("board", "tflite", "runtime") if "runtime" in board.tflite.model_fields_set else ("board",),
            message=f"benchmark_model opens no window, and {experiment.experiment!r} counts inside it "
            "(passes.counters.window_only)",
            expected="runtime: litert",
        )


def _replay_findings(workload: RecordedSessionWorkload, bench: Bench) -> Iterator[Finding]:
    """Instruments of a bench that cannot play what the experiment names."""
    for name, item in bench.instruments.items():
        if isinstance(item, EnergyRunner) and (workload.format != "energyrunner" or workload.folder is None):
            yield Finding(
                location=("instruments", name, "kind"),
                message=f"it plays sessions of EnergyRunner only, the experiment has {workload.format} recordings",
                expected="'replay'",
            )
        elif isinstance(item, Replay) and item.file is None and workload.folder is None:
            yield Finding(
                location=("instruments", name, "file"),
                message="missing key: neither the bench nor the experiment names a recording",
                at_key=True,
            )


# ------------------------------------------------------------------------------------------------ factors


@dataclass(frozen=True, slots=True)
class _Factor:
    """A factor as far as its data can be understood; ``is_complete`` if it can have no other values than these."""

    values: list[Any]
    settings: list[Mapping[str, Any]]
    is_complete: bool

    def always(self) -> set[str]:
        """Settings that every value defines."""
        return set.intersection(*map(set, self.settings)) if self.settings else set()

    def sometimes(self) -> set[str]:
        """Settings that some value defines."""
        return set().union(*self.settings)


def _factors(data: Mapping[str, Any], narrowed: Collection[str]) -> dict[str, _Factor]:
    factors = data.get("factors")
    found = {}
    for name, entries in factors.items() if isinstance(factors, dict) else ():
        if isinstance(entries, list):
            values = [entry.get("value") if isinstance(entry, dict) else entry for entry in entries]
            settings = [entry.get("settings") if isinstance(entry, dict) else None for entry in entries]
            mappings: list[Mapping[str, Any]] = [item if isinstance(item, dict) else {} for item in settings]
            found[name] = _Factor(values, mappings, is_complete=bool(values) and name not in narrowed)
        else:
            found[name] = _Factor([], [], is_complete=False)
    return found


def _factor_findings(data: Mapping[str, Any], factors: Mapping[str, _Factor]) -> Iterator[Finding]:
    owner: dict[str, str] = {}
    placeholders = _folder_names(data)
    for name, factor in factors.items():
        if name in placeholders:
            message = f"the name stands for the program's {name} folder already"
            yield Finding(location=("factors", name), message=message, at_key=True)
        for index, value in enumerate(factor.values):
            if _is_scalar(value) and any(_same(value, other) for other in factor.values[:index]):
                yield Finding(location=("factors", name, index), message="the same value twice", found=repr(value))
        for index, settings in enumerate(factor.settings):
            for setting in settings:
                location = ("factors", name, index, "settings", setting)
                if setting in factors or setting in placeholders:
                    what = "a factor" if setting in factors else f"the program's {setting} folder"
                    yield Finding(location=location, message=f"the name is that of {what} already", at_key=True)
                elif owner.setdefault(setting, name) != name:
                    message = f"the factor {owner[setting]!r} defines this setting, too"
                    yield Finding(location=location, message=message, at_key=True)


def _exclude_findings(data: Mapping[str, Any], factors: Mapping[str, _Factor]) -> Iterator[Finding]:
    excludes = data.get("exclude")
    for index, entry in enumerate(excludes if isinstance(excludes, list) else ()):
        if entry == {}:
            yield Finding(location=("exclude", index), message="excludes nothing", expected="{factor: value}")
        yield from _selection_findings(("exclude", index), entry, factors)


def _selection_findings(location: Location, entry: Any, factors: Mapping[str, _Factor]) -> Iterator[Finding]:
    """What is wrong with a mapping from factors to values or lists of values."""
    for name, chosen in entry.items() if isinstance(entry, dict) else ():
        if name not in factors:
            yield _no_factor((*location, name), name, factors, at_key=True)
            continue
        values = factors[name].values
        if not factors[name].is_complete:
            continue
        is_list = isinstance(chosen, list)
        for index, value in enumerate(chosen if is_list else [chosen]):
            if _is_scalar(value) and not any(_same(value, known) for known in values):
                known_texts = list(dict.fromkeys(str(known) for known in values if _is_scalar(known)))
                yield Finding(
                    location=(*location, name, index) if is_list else (*location, name),
                    message=f"{name} never has this value",
                    expected=one_of(known_texts) if len(known_texts) <= 12 else None,
                    suggestion=closest(str(value), known_texts),
                )


def _no_factor(location: Location, name: str, factors: Mapping[str, _Factor], *, at_key: bool = False) -> Finding:
    return Finding(
        location=location,
        message="no such factor",
        found=repr(name),
        expected=one_of(list(factors)) or None,
        suggestion=closest(name, factors),
        at_key=at_key,
    )


# ---------------------------------------------------------------------------------------------- templates


def _workload(data: Mapping[str, Any]) -> Mapping[str, Any]:
    workload = data.get("workload")
    return workload if isinstance(workload, dict) else {}


def _steps(workload: Mapping[str, Any]) -> tuple[str, ...]:
    steps = workload.get("steps")
    return tuple(map(str, steps)) if isinstance(steps, dict) else ()


def _folder_names(data: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of folders, which no factor can have."""
    workload = _workload(data)
    kind = workload.get("kind")
    if kind == "firmware":
        return (*FIRMWARE_PLACEHOLDERS, *_steps(workload))
    return COMMAND_PLACEHOLDERS if kind == "program" else ()


def _placeholders(workload: Mapping[str, Any], kind: str, location: Location) -> tuple[str, ...]:
    """Names that may stand at a place beside factors and settings: of steps only those up to the place's own."""
    field = location[1]
    if kind == "program" and field != "network":
        return COMMAND_PLACEHOLDERS if field == "command" else PROGRAM_PLACEHOLDERS
    if kind != "firmware":
        return ()
    steps = _steps(workload)
    if field == "steps":
        return (*FIRMWARE_PLACEHOLDERS, *steps[: steps.index(str(location[2])) + 1])
    return FIRMWARE_PLACEHOLDERS if field == "prepare" else (*FIRMWARE_PLACEHOLDERS, *steps)


def _template_findings(data: Mapping[str, Any], factors: Mapping[str, _Factor]) -> Iterator[Finding]:
    workload = _workload(data)
    kind = str(workload.get("kind"))
    named = workload.get("folder") is not None
    if kind == "recorded_session" and named and "session" not in workload and "session" not in factors:
        message = "missing key, and there is no factor of this name that would stand for it"
        yield Finding(location=("workload", "session"), message=message, at_key=True)
    for field, may_vary in _TEMPLATE_FIELDS.get(kind, {}).items():
        for location, text in strings_in(workload.get(field), ("workload", field)):
            extra = _placeholders(workload, kind, location)
            yield from _name_findings(location, text, factors if may_vary else {}, extra)
            has_data = workload.get("data") or workload.get("prepare")
            if kind in ("program", "firmware") and "data" in _names(text) and not has_data:
                message = "{data} stands for nothing: the workload has neither 'data' nor 'prepare'"
                yield Finding(location=location, message=message)
    analysis = data.get("analysis")
    label = analysis.get("label") if isinstance(analysis, dict) else None
    if isinstance(label, str):
        yield from _name_findings(("analysis", "label"), label, factors, ())


def _name_findings(
    location: Location, text: str, factors: Mapping[str, _Factor], extra: tuple[str, ...]
) -> Iterator[Finding]:
    always = {name for factor in factors.values() for name in factor.always()}
    known = [*factors, *sorted(always), *extra]
    for name in _names(text):
        if name in known:
            continue
        partly = next((owner for owner, factor in factors.items() if name in factor.sometimes()), None)
        if partly is None:
            yield Finding(
                location=location,
                message=f"{{{name}}} stands for nothing",
                expected=one_of([f"{{{item}}}" for item in known]) or "no names in braces",
                suggestion=_braced(closest(name, known)),
            )
        else:
            factor = factors[partly]
            lacking = [
                str(value)
                for value, settings in zip(factor.values, factor.settings, strict=True)
                if name not in settings
            ]
            message = f"{{{name}}} is not defined for every value of {partly}"
            yield Finding(location=location, message=message, expected=f"a setting {name!r} for {one_of(lacking)}")


def _names(text: str) -> list[str]:
    try:
        return names_in(text)
    except ValueError:
        return []


def _braced(name: str | None) -> str | None:
    return None if name is None else f"{{{name}}}"


# ------------------------------------------------------------------------------------------------- passes


def _pass_findings(data: Mapping[str, Any]) -> Iterator[Finding]:
    passes = data.get("passes")
    if not isinstance(passes, dict):
        return
    if _workload(data).get("kind") == "recorded_session":
        for name in ("latency", "counters"):
            if passes.get(name) is not None:
                message = "a recorded session has an energy pass only"
                yield Finding(location=("passes", name), message=message, at_key=True)
        if passes.get("energy", 0) is None:
            return
    counters = passes.get("counters")
    if not isinstance(counters, dict):
        return
    yield from _event_findings(counters.get("events"))
    runs, baseline = counters.get("runs", 1), counters.get("baseline_runs")
    if isinstance(runs, int) and isinstance(baseline, int) and baseline >= runs:
        yield Finding(
            location=("passes", "counters", "baseline_runs"),
            message="the baseline must be shorter than the pass",
            expected=f"less than {runs} (passes.counters.runs)",
        )


def _event_findings(events: Any) -> Iterator[Finding]:
    texts = events if isinstance(events, list) else []
    for index, event in enumerate(texts):
        if not isinstance(event, str):
            continue
        location: Location = ("passes", "counters", "events", index)
        if event in texts[:index]:
            yield Finding(location=location, message="the same event twice")
        elif without_modifiers(event) not in KNOWN_EVENTS:
            meant = closest(without_modifiers(event), KNOWN_EVENTS, cutoff=0.85)
            if meant is not None:
                yield Finding(location=location, message="unknown event", suggestion=meant)


# ----------------------------------------------------------------------------------------------- analysis


def _analysis_findings(data: Mapping[str, Any], factors: Mapping[str, _Factor]) -> Iterator[Finding]:
    analysis = data.get("analysis")
    if not isinstance(analysis, dict):
        return
    yield from _factor_reference(("analysis",), analysis, "hue", factors)
    counted = _counted_events(data)
    seen: set[str] = set()
    for location, figure in _entries(analysis, "figures"):
        name = figure.get("name")
        if name in RESERVED_FIGURES:
            message = "every record has a figure of this name already"
            yield Finding(location=(*location, "name"), message=message)
        elif isinstance(name, str) and name in seen:
            yield Finding(location=(*location, "name"), message="two figures of the same name")
        elif isinstance(name, str):
            seen.add(name)
        yield from _factor_reference(location, figure, "hue", factors)
        yield from _factor_reference(location, figure, "by", factors)
        yield from _selection_findings((*location, "only"), figure.get("only"), factors)
        yield from _quantity_findings(location, figure, counted)
    for location, correlation in _entries(analysis, "correlations"):
        yield from _factor_reference(location, correlation, "by", factors)
        yield from _factor_reference(location, correlation, "cluster", factors)
        yield from _quantity_findings(location, correlation, counted)
    cache_fit = analysis.get("cache_fit")
    if isinstance(cache_fit, dict):
        location = ("analysis", "cache_fit")
        yield from _factor_reference(location, cache_fit, "by", factors)
        yield from _factor_reference(location, cache_fit, "cluster", factors)
        yield from _selection_findings((*location, "only"), cache_fit.get("only"), factors)


def _entries(analysis: Mapping[str, Any], key: str) -> Iterator[tuple[Location, Mapping[str, Any]]]:
    entries = analysis.get(key)
    for index, entry in enumerate(entries if isinstance(entries, list) else ()):
        if isinstance(entry, dict):
            yield ("analysis", key, index), entry


def _factor_reference(
    location: Location, entry: Mapping[str, Any], key: str, factors: Mapping[str, _Factor]
) -> Iterator[Finding]:
    name = entry.get(key)
    if isinstance(name, str) and name not in factors:
        yield _no_factor((*location, key), name, factors)


def _counted_events(data: Mapping[str, Any]) -> set[str] | None:
    """The events that are asked for, without modifiers; ``None`` if that cannot be told."""
    passes = data.get("passes")
    if not isinstance(passes, dict):
        return None
    counters = passes.get("counters")
    if counters is None:
        return set()
    events = counters.get("events") if isinstance(counters, dict) else None
    if not isinstance(events, list):
        return None
    return {without_modifiers(event) for event in events if isinstance(event, str)}


def _quantity_findings(location: Location, entry: Mapping[str, Any], counted: set[str] | None) -> Iterator[Finding]:
    for key in ("quantity", "x", "y"):
        name = entry.get(key)
        if not isinstance(name, str):
            continue
        event = without_modifiers(name)
        if event in KNOWN_EVENTS and counted is not None and event not in counted:
            message = "this event is not counted: passes.counters.events does not ask for it"
            expected = one_of(sorted(counted)) if counted else None
            yield Finding(location=(*location, key), message=message, expected=expected)
        elif (counted is None or event not in counted) and (meant := misspelt(name)) is not None:
            yield Finding(location=(*location, key), message="unknown quantity", suggestion=meant)


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str))


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)
