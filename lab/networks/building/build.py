"""Build the study's networks: what is there already is kept, what is cached is placed, the rest is made, one process
per network."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import IO, Any, Protocol

import lab
from lab.errors import DataError, HardwareError, LabError
from lab.networks.building.images import COUNT
from lab.networks.building.interpreter import KerasPython
from lab.networks.building.metadata import check_model, made_metadata
from lab.networks.building.recipe import Choices, Recipe, recipes
from lab.networks.building.store import ModelStore
from lab.networks.tables import Variation

KEPT, CACHED, BUILT = "kept", "cached", "built"


class Progress(Protocol):
    """Hears what happens, network by network."""

    def begins(self, name: str) -> None:
        """A variation is being worked on."""

    def ends(self, model: BuiltModel) -> None:
        """It is there."""

    def failed(self, title: str, error: LabError) -> None:
        """A network could not be built; the others are tried."""


@dataclass(frozen=True, slots=True)
class BuiltModel:
    """One file: where it is, what its metadata says, and whether it was ``kept``, ``cached`` or ``built``."""

    variation: Variation
    path: Path
    state: str
    metadata: dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """Everything that is there now, the errors of the networks that are not, and the most memory a process took."""

    models: list[BuiltModel] = field(default_factory=list)
    failures: dict[str, LabError] = field(default_factory=dict)
    peak_rss_bytes: int = 0


def build_models(
    wanted: Sequence[Variation], choices: Choices, store: ModelStore, python: KerasPython, progress: Progress
) -> Outcome:
    """Have each variation's file, and its metadata, in the store's folder.

    Every file is held against the layer tables and Table 2.1, also one that was there. A network that fails is told in
    the outcome, and the others are built.
    Raises :class:`lab.errors.LabError` for images or weights that are not there.
    """
    outcome = Outcome()
    every = recipes(wanted, choices, python.versions)
    for title, group in groupby(every, key=lambda recipe: recipe.variation.title):
        try:
            _build_network(list(group), choices, store, python, progress, outcome)
        except LabError as error:
            outcome.failures[title] = error
            progress.failed(title, error)
    return outcome


def _build_network(
    network: list[Recipe],
    choices: Choices,
    store: ModelStore,
    python: KerasPython,
    progress: Progress,
    outcome: Outcome,
) -> None:
    missing = []
    for recipe in network:
        state, metadata = KEPT, store.placed(recipe)
        if metadata is None:
            state, metadata = CACHED, store.place(recipe)
        if metadata is None:
            missing.append(recipe)
        else:
            _finish(recipe, state, metadata, store, progress, outcome)
    if not missing:
        return
    with store.staging() as staging, _Process(missing, choices, python, staging, store) as process:
        for answer in process.answers():
            match answer["event"]:
                case "network":
                    layers = answer["layers"]
                case "begins":
                    progress.begins(process.recipes[answer["file"]].variation.name)
                case "built":
                    recipe, file = process.recipes[answer["file"]], staging / answer["file"]
                    metadata = made_metadata(recipe, file.read_bytes(), layers, answer)
                    check_model(file, metadata)
                    store.keep(recipe, file, metadata)
                    if store.place(recipe) is None:
                        raise DataError(f"{recipe.variation.name} changed on its way into the cache")
                    _finish(recipe, BUILT, metadata, store, progress, outcome)
                case "refused":
                    file = missing[0].weights_file
                    raise DataError(f"{missing[0].variation.title}: {file} cannot be taken: {answer['why']}")
                case "done":
                    outcome.peak_rss_bytes = max(outcome.peak_rss_bytes, answer["peak_rss_bytes"])


def _finish(
    recipe: Recipe, state: str, metadata: dict[str, Any], store: ModelStore, progress: Progress, outcome: Outcome
) -> None:
    path = store.out / recipe.variation.file_name
    check_model(path, metadata)
    model = BuiltModel(recipe.variation, path, state, metadata)
    outcome.models.append(model)
    progress.ends(model)


class _Process:
    """The worker's process for one network, ended when the block ends."""

    def __init__(
        self, network: list[Recipe], choices: Choices, python: KerasPython, staging: Path, store: ModelStore
    ) -> None:
        self.recipes = {recipe.variation.file_name: recipe for recipe in network}
        self._title = network[0].variation.title
        self._log_file = store.log_file(self._title)
        self._log: IO[bytes] = self._log_file.open("wb")
        # The other interpreter is to see the lab, and nothing else of what is installed beside it here.
        (staging / "import").mkdir()
        (staging / "import" / "lab").symlink_to(Path(lab.__file__).resolve().parent)
        environment = {
            **os.environ,
            "PYTHONPATH": str(staging / "import"),
            "KERAS_BACKEND": "tensorflow",
            "CUDA_VISIBLE_DEVICES": "-1",
        }
        self._process = subprocess.Popen(
            [python.path, "-m", "lab.networks.building.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=staging,
            env=environment,
            text=True,
            encoding="utf-8",
        )
        self._request = json.dumps(_request(network, choices))

    def __enter__(self) -> _Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    def answers(self) -> Any:
        """What the worker says, as it says it.

        Raises :class:`lab.errors.HardwareError` if it ends before it is done.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(self._request)
            self._process.stdin.close()
        except BrokenPipeError:
            pass
        event = None
        for line in self._process.stdout:
            answer = json.loads(line)
            event = answer["event"]
            yield answer
        if event != "done":
            code = self._process.wait()
            raise HardwareError(
                f"{self._title}: the process that builds it ended with {code}: {self._last_words()}",
                advice=f"everything that TensorFlow said is in {self._log_file}",
            )

    def _last_words(self) -> str:
        lines = self._log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def _request(network: list[Recipe], choices: Choices) -> dict[str, Any]:
    first = network[0]
    return {
        "network": first.variation.network,
        "input_size": first.variation.input_size,
        "seed": choices.seed,
        "weights": str(first.weights_file.resolve()) if first.weights_file else None,
        "whole": first.whole,
        "dataset": str(choices.dataset.resolve()) if choices.dataset else None,
        "images": COUNT,
        "builds": [
            {
                "compression": recipe.variation.compression,
                "clustering": choices.clustering,
                "file": recipe.variation.file_name,
            }
            for recipe in network
        ],
    }
