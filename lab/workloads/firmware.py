"""Firmware made for each point of the matrix and put on the board: workloads of kind ``firmware``.

What makes it (training, quantising, compiling …) are steps that run on this machine. Each is done once for what goes
into it: the sources, the data, its command with the point's values, and all that for the steps before it. So points
that differ in the compiler's options alone share their network.
"""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lab.boards.protocol import Board, FlashesFirmware
from lab.config.templates import Value, fill
from lab.errors import DataError, UsageError
from lab.record.made_file import MADE_FILE
from lab.workloads.building import PRINTED, Compiler, content_hash, filled, host_compiler, version_of
from lab.workloads.input_files import InputFiles
from lab.workloads.protocol import PassRequest, Prepared, UnmadeError

_ESTIMATE_S = 5.0


@dataclass(frozen=True, slots=True)
class FirmwareSettings:
    """What the experiment says; templates are not filled in. See :class:`lab.experiment.model.FirmwareWorkload`."""

    source: Path
    uses: tuple[Path, ...]
    prepare: tuple[str, ...]
    data_env: str | None
    data_needs: tuple[str, ...]
    steps: Mapping[str, tuple[str, ...]]
    compiler: str
    image: str
    command: tuple[str, ...]
    reader: str
    quantities: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Ready:
    """The board; where things lie, and what decides what is made of them."""

    board: FlashesFirmware
    cache: Path
    places: Mapping[str, Value]
    keys: Mapping[str, Value]
    by: Compiler
    base: str


class FirmwareWorkload:
    """Makes the image of each trial, puts it on the board, and fills in the request."""

    def __init__(self, settings: FirmwareSettings) -> None:
        self._settings = settings
        self.reader = settings.reader
        self._versions: dict[str, str] = {}
        self._ready: _Ready | None = None

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Find or make the data. Raises :class:`UsageError` for a source or data that is not there, and a board that
        takes no firmware."""
        settings = self._settings
        if not isinstance(board, FlashesFirmware):
            raise UsageError(
                f"board {board.name!r} takes no firmware", advice="take a bench whose board is of kind simavr or serial"
            )
        for folder in (settings.source, *settings.uses):
            if not folder.is_dir():
                raise UsageError(f"workload.source: {folder} is not a folder")
        contents = [content_hash(folder) for folder in (settings.source, *settings.uses)]
        content = hashlib.sha256("\0".join(contents).encode()).hexdigest()
        compiler = version_of(settings.compiler)
        self._versions = {"source_sha256": content, "compiler": compiler}
        places: dict[str, Value] = {"source": str(settings.source)}
        keys: dict[str, Value] = {"source": "source"}
        if settings.data_env is not None or settings.prepare:
            wanted = InputFiles(settings.data_env, settings.data_needs, settings.prepare)
            found = wanted.found(settings.source, contents[0], cache.absolute())
            self._versions |= found.versions
            places["data"], keys["data"] = str(found.folder), found.versions["data_sha256"]
        by = host_compiler()
        base = "\0".join([content, by.key(), compiler, platform.python_version(), version("numpy")])
        self._ready = _Ready(board, cache.absolute() / "firmware", places, keys, by, base)

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """Make what the trial needs and put it on the board.

        Raises :class:`UnmadeError` if a step fails, :class:`lab.errors.HardwareError` if the board does not take the
        image.
        """
        assert self._ready is not None
        places, steps = self._made(self._ready, values)
        known = {**values, **places}
        image = Path(fill(self._settings.image, known))
        if not image.is_file():
            raise UnmadeError(f"workload.image: no step made {image.name}")
        made = {
            "steps": steps,
            "image": {"name": image.name, "sha256": hashlib.sha256(image.read_bytes()).hexdigest()},
            "quantities": {name: _found(steps, name, at) for name, at in self._settings.quantities.items()},
        }
        self._ready.board.flash(image)
        argv = tuple(fill(part, known) for part in self._settings.command)
        notes = {MADE_FILE: (json.dumps(made, indent=1, ensure_ascii=False) + "\n").encode()}
        return Prepared(argv=argv, notes=notes)

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """A few seconds: nobody knows before the first."""
        return max(_ESTIMATE_S, request.min_duration_s or 0.0)

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """None."""
        return {}

    def versions(self) -> dict[str, str]:
        """Checksum of the sources, the compiler, which input files were used."""
        return dict(self._versions)

    def _made(self, ready: _Ready, values: Mapping[str, Any]) -> tuple[dict[str, Value], dict[str, Any]]:
        """The folders by their names, and what each step was and said."""
        places, keys = dict(ready.places), dict(ready.keys)
        done: dict[str, Any] = {}
        for name, command in self._settings.steps.items():
            asked = [fill(part, {**values, **keys, name: ""}) for part in command]
            key = hashlib.sha256("\0".join([ready.base, name, *asked]).encode()).hexdigest()[:16]

            def argv(
                folder: Path, name: str = name, command: Sequence[str] = command, before: dict[str, Value] = places
            ) -> list[str]:
                return [fill(part, {**values, **before, name: str(folder)}) for part in command]

            try:
                folder = filled(ready.cache / f"{name}-{key}", f"steps.{name}", argv, self._settings.source, ready.by)
            except DataError as error:
                raise UnmadeError(error.message, advice=error.advice) from error
            places[name], keys[name] = str(folder), key
            shown = [fill(part, {**values, **{place: f"{{{place}}}" for place in places}}) for part in command]
            done[name] = {"command": shown, "printed": _last_object(folder / PRINTED)}
        return places, done


def _last_object(path: Path) -> dict[str, Any]:
    """The last line of JSON with an object that a step printed; empty if there is none."""
    for line in reversed(path.read_text(encoding="utf-8").splitlines()):
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            return data
    return {}


def _found(steps: Mapping[str, Any], name: str, place: str) -> float:
    """What a step printed at ``STEP.KEY.KEY``. Raises :class:`UnmadeError` if it did not, or printed no number."""
    step, *path = place.split(".")
    value: Any = steps[step]["printed"]
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UnmadeError(f"workload.quantities.{name}: the step {step} printed no number as {'.'.join(path)}")
    return float(value)
