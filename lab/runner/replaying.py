"""One recording as an experiment of its own: what ``lab replay`` needs no file for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.bench.assemble_recordings import make_replay
from lab.bench.csv_layouts import load_layout
from lab.bench.model import Bench
from lab.bench.recordings import Replay
from lab.errors import DataError, UsageError
from lab.experiment.load import LoadedExperiment, load_bench
from lab.experiment.model import Experiment

if TYPE_CHECKING:
    from instruments.replay.settings import ReplaySettings

NAME = "replay"
"""The experiment's name where the user gives none: the folder of the records."""

METER = "meter"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayRequest:
    """What a person asks for. ``window`` is a logic line, ``whole`` or ``stamps``; ``begin_s`` and ``end_s`` state a
    stretch instead; with neither the recording itself decides. ``accuracy`` is ``BENCH.yaml#instrument``."""

    path: Path
    window: str | None = None
    begin_s: float | None = None
    end_s: float | None = None
    inferences: int | None = None
    layout: Path | None = None
    accuracy: str | None = None
    source: str | None = None
    signals: Mapping[str, str] = field(default_factory=dict)
    lines: Mapping[str, str] = field(default_factory=dict)
    idle_s: float = 0.0
    scope: str = "board"
    name: str = NAME


@dataclass(frozen=True, slots=True)
class PreparedReplay:
    """What ``lab run`` would be given, and in words where the window is."""

    loaded: LoadedExperiment
    window: str


def prepared(request: ReplayRequest) -> PreparedReplay:
    """Look at the recording and make an experiment and a bench for it.

    Raises :class:`DataError` if the recording cannot be read, :class:`UsageError` for what does not fit it.
    """
    path = request.path
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder")
    entry: dict[str, Any] = {"kind": "replay", "scope": request.scope, **_accuracy(request.accuracy)}
    if request.layout is not None:
        entry["layout"] = load_layout(request.layout).model_dump(mode="json", exclude_none=True)
    if request.source is not None:
        entry["source"] = request.source
    if request.signals:
        entry["signals"] = dict(request.signals)
    if request.lines:
        entry["lines"] = dict(request.lines)
    entry["window"], said = _window(request, entry)
    if _recorded_by_simulation(path, entry):
        entry["origin"] = "simulated"
    counted = request.inferences is not None or path.is_dir()
    experiment = {
        "experiment": request.name,
        "title": f"Replay of {path.name}",
        "workload": {
            "kind": "recorded_session",
            "format": "energyrunner" if path.is_dir() else "jls" if entry.get("layout") is None else "csv",
            "folder": _escaped(str(path.resolve().parent)),
            "session": "{recording}",
            **({} if request.inferences is None else {"inferences": request.inferences}),
            "per": "inference" if counted else "process",
        },
        "factors": {"recording": [path.resolve().name]},
        "order": "as_written",
        "passes": {"energy": {"idle": request.idle_s}},
    }
    bench = {
        "bench": NAME,
        "title": "A recording, played",
        "board": {"kind": "replay"},
        "instruments": {METER: entry},
    }
    return PreparedReplay(
        LoadedExperiment(
            experiment=_checked(Experiment, experiment),
            bench=_checked(Bench, bench),
            experiment_path=Path(f"{request.name}.yaml"),
            bench_path=Path(f"{NAME}.yaml"),
            experiment_text=_as_yaml(experiment),
            bench_text=_as_yaml(bench),
        ),
        said,
    )


def _window(request: ReplayRequest, entry: Mapping[str, Any]) -> tuple[Any, str]:
    """The bench entry's ``window``, and the same in words. The recording is opened to see whether it can be."""
    from instruments.replay.sources import is_jls

    path = request.path
    stretch = request.begin_s is not None or request.end_s is not None
    if stretch and request.window is not None:
        raise UsageError("--window and --from/--to both say where the window is", advice="leave one of them out")
    layout = entry.get("layout")
    is_table = not path.is_dir() and not is_jls(path)
    if is_table and layout is None:
        raise UsageError(
            f"{path}: neither a JLS file nor an EnergyRunner session",
            advice="a table of values needs its layout: --layout LAYOUT.yaml (docs/traces.md)",
        )
    readings = is_table and layout is not None and layout["rows"] == "readings"
    length_s = None if readings else _length_s(path, entry)
    if stretch:
        begin_s, end_s = request.begin_s or 0.0, request.end_s if request.end_s is not None else length_s
        if end_s is None:
            raise UsageError("--from without --to: a table of readings has no length before it is read")
        if end_s <= begin_s:
            raise UsageError(f"the window ends at {end_s:g} s, before it begins at {begin_s:g} s")
        if length_s is not None and end_s > length_s * (1 + 1e-9):
            raise UsageError(f"{path}: is {length_s:.6g} s long, the window would end at {end_s:g} s")
        return {"begin": begin_s, "end": end_s}, f"{begin_s:g} s to {end_s:g} s"
    if request.window is not None:
        return request.window, request.window
    if path.is_dir():
        return "stamps", "the session's own time stamps"
    if is_table:
        by_line = layout is not None and "gpi0" in layout["columns"]
        return ("gpi0", "gpi0") if by_line else ("whole", "all of the recording (the layout has no gpi0)")
    return _window_of_jls(path, entry)


def _window_of_jls(path: Path, entry: Mapping[str, Any]) -> tuple[str, str]:
    from lab.record.traces.jls_recording import JlsChoice, JlsRecording

    try:
        choice = JlsChoice(entry.get("signals") or {}, entry.get("source") or "", ("gpi0",))
        with JlsRecording(path, choice) as recording:
            changes = recording.changes("gpi0")
    except DataError:
        return "whole", "all of the recording (it has no gpi0)"
    return ("gpi0", "gpi0") if changes else ("whole", "all of the recording (gpi0 never changes)")


def _length_s(path: Path, entry: Mapping[str, Any]) -> float:
    """How long the recording is. Raises :class:`DataError` if it cannot be read."""
    from instruments.replay.sources import open_recording

    with open_recording(path, _settings(path, entry)) as recording:
        return recording.length / recording.rate_hz


def _recorded_by_simulation(path: Path, entry: Mapping[str, Any]) -> bool:
    """Does the recording say that a simulated meter made it? Only a JLS file can."""
    from instruments.replay.sources import is_jls, open_recording
    from lab.record.traces.protocol import is_simulated

    if path.is_dir() or not is_jls(path):
        return False
    with open_recording(path, _settings(path, entry)) as recording:
        return is_simulated(recording.model)


def _settings(path: Path, entry: Mapping[str, Any]) -> ReplaySettings:
    item = _checked(Replay, {**entry, "kind": "replay", "file": _escaped(str(path.resolve())), "window": "whole"})
    return make_replay(METER, item, Path("replay.yaml")).settings


def _accuracy(named: str | None) -> dict[str, Any]:
    """The limits of error of an instrument of a bench file, and the range that it was held in."""
    if named is None:
        return {}
    file, separator, name = named.rpartition("#")
    if not separator or not file or not name:
        raise UsageError(f"--accuracy {named}: expected BENCH.yaml#INSTRUMENT")
    instruments = load_bench(Path(file)).instruments
    if name not in instruments:
        raise UsageError(f"{file}: no instrument is called {name!r}", advice=f"it has {', '.join(instruments)}")
    accuracy = getattr(instruments[name], "accuracy", None)
    if accuracy is None:
        raise UsageError(f"{file}: instruments.{name} states no accuracy")
    held = getattr(instruments[name], "range", None)
    found: dict[str, Any] = {"accuracy": accuracy.model_dump(mode="json", exclude_none=True)}
    return {**found, "range": held} if held in accuracy.ranges else found


def _checked(model: type[Any], data: Mapping[str, Any]) -> Any:
    """The typed model of what was put together from a person's options."""
    from pydantic import ValidationError

    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        expected = (first.get("ctx") or {}).get("expected")
        raise UsageError(
            f"{where}: {first['msg']}", advice=None if expected is None else f"expected {expected}"
        ) from error


def _escaped(path: str) -> str:
    if "$" in path:
        raise UsageError(f"{path}: a '$' in the path would be taken for an environment variable")
    return path


def _as_yaml(data: dict[str, Any]) -> str:
    from ruamel.yaml import YAML

    text = StringIO()
    YAML().dump(data, text)
    return text.getvalue()
