"""The study's networks on any board, by whatever runs them there: workloads of kind ``tflite_benchmark``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab.boards.protocol import Board
from lab.config.templates import Value, fill_value
from lab.errors import HardwareError, UsageError
from lab.networks.document import PointNetwork, networks_file
from lab.networks.tables import Variation, load_network, variation
from lab.record.quantity import Origin
from lab.workloads.protocol import PassRequest, Prepared
from lab.workloads.tflite_runtimes import (
    BENCHMARK_MODEL,
    CPU,
    GPU,
    LITERT,
    NNAPI,
    NPU,
    TORCH,
    Accelerator,
    BenchmarkModel,
    LiteRt,
    Runtime,
    Torch,
)

_NO_LIMIT_S = 86_400
"""For ``--max_secs`` where the runs or duration asked for must be completed: the pass's deadline is the limit."""

_DEFAULT_RUNS = 50
_DEFAULT_MIN_S = 1.0
"""Of ``benchmark_model``, when a pass leaves them open."""


@dataclass(frozen=True, slots=True)
class TfliteBenchmarkSettings:
    """What the experiment says (templates, not filled in yet) and what the bench says of what runs the models.

    ``runtime`` is ``benchmark_model``, whose path on the board is ``program``, or ``litert`` or ``torch``, by the
    interpreter ``python``; ``npu`` is ``nnapi`` or ``external_delegate``, the latter with the path of the
    ``delegate``'s library on the board; ``models`` is the folder with the .tflite files on this machine, not needed on
    a simulated board.
    """

    network: Value = "{network}"
    input: Value = "{input}"
    compression: Value = "none"
    threads: Value = 1
    accelerator: Value = "cpu"
    runtime: str = BENCHMARK_MODEL
    program: str = "benchmark_model"
    python: str | None = None
    xnnpack: bool | None = None
    npu: str = NNAPI
    nnapi_accelerator: str | None = None
    delegate: str | None = None
    delegate_options: Mapping[str, str] = field(default_factory=dict)
    models: Path | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """One trial's values, understood."""

    variation: Variation
    threads: int
    accelerator: str


@dataclass(slots=True)
class _ModelFiles:
    """Where files lie on the board; of those on this machine, checksums and whose weights they hold."""

    places: dict[tuple[int, Variation], str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    weights: dict[str, str] = field(default_factory=dict)


class TfliteBenchmark:
    """A :class:`~lab.workloads.protocol.Workload`: which model file, which flags.

    Raises :class:`lab.errors.UsageError` for settings that do not go together.
    """

    def __init__(self, settings: TfliteBenchmarkSettings) -> None:
        self._settings = settings
        self._runtime = _runtime(settings)
        self.reader = self._runtime.reader
        self._files = _ModelFiles()

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Check that there is a folder with model files, where the board needs any, and make the runtime ready."""
        self._files = _ModelFiles()
        self._runtime.make_ready(board)
        if board.origin is Origin.SIMULATED or not self._runtime.runs_files:
            return
        if self._settings.models is None:
            raise UsageError(
                "the bench does not say where the .tflite files are",
                advice="set board.models in the bench file to the folder with files such as MobileNet_PQ_32.tflite",
            )
        if not self._settings.models.is_dir():
            raise UsageError(f"board.models: {self._settings.models} is not a folder")

    def prepare(self, board: Board, values: Mapping[str, Any], request: PassRequest) -> Prepared:
        """The command line of one pass; the model file is put on the board when it is first needed.

        Raises :class:`lab.errors.HardwareError` if the file is not in the bench's folder.
        """
        run = self._run(values)
        graph = self._graph(board, run.variation)
        command = self._runtime.command(board, request.kind, run.variation, graph, run.threads, run.accelerator)
        argv = (*command, *_length_flags(request))
        opens_window = self._runtime.opens_window(board, request.kind)
        return Prepared(argv=argv, env=self._runtime.environment, opens_window=opens_window)

    def estimate_s(self, values: Mapping[str, Any], request: PassRequest) -> float:
        """Length of the pass on a board of the class of an i.MX 8M Plus, from the network's multiply-accumulates."""
        run = self._run(values)
        runs = request.runs or _DEFAULT_RUNS
        least_s = request.min_duration_s
        if least_s is None:
            least_s = 0.0 if request.kind == "counters" else _DEFAULT_MIN_S
        inference_s = _rough_inference_s(run)
        return max(runs * inference_s, least_s) + (request.warmup_runs or 0) * inference_s

    def inputs(self, points: Sequence[Mapping[str, Any]]) -> dict[str, bytes]:
        """``networks.json``: the layer tables of the networks used, and which point uses which.

        Raises :class:`lab.errors.HardwareError` for a model file that is not in the bench's folder.
        """
        if self._settings.models is not None and self._runtime.runs_files:
            for chosen in dict.fromkeys(self._run(settings).variation for settings in points):
                self._model_file(chosen)
        return networks_file(map(self._point, points))

    def versions(self) -> dict[str, str]:
        """What runs the models; checksums of the model files, and whose weights they hold."""
        files = {f"{name} sha256": digest for name, digest in self._files.sha256.items()}
        weights = {f"{name} weights": kind for name, kind in self._files.weights.items()}
        return {**self._runtime.versions(), **dict(sorted({**files, **weights}.items()))}

    def _point(self, settings: Mapping[str, Any]) -> PointNetwork:
        run = self._run(settings)
        network, chosen = load_network(run.variation.network, run.variation.input_size), run.variation
        return PointNetwork(
            settings, network, network.title, chosen.name, chosen.element_bytes, run.threads, run.accelerator
        )

    def _run(self, values: Mapping[str, Any]) -> _Run:
        settings = self._settings
        chosen = variation(
            self._filled("network", settings.network, values),
            self._filled("input", settings.input, values),
            self._filled("compression", settings.compression, values),
        )
        accelerator = str(self._filled("accelerator", settings.accelerator, values)).lower()
        if accelerator not in (CPU, NPU, GPU):
            raise UsageError(f"workload.accelerator is cpu, npu or gpu, not {accelerator!r}")
        threads = self._filled("threads", settings.threads, values)
        try:
            count = int(str(threads))
        except ValueError:
            count = 0
        if count < 1:
            raise UsageError(f"workload.threads is a whole number of at least 1, not {threads!r}")
        self._runtime.check(chosen, accelerator)
        return _Run(chosen, count, accelerator)

    @staticmethod
    def _filled(name: str, template: Value, values: Mapping[str, Any]) -> Value:
        try:
            return fill_value(template, values)
        except KeyError as error:
            raise UsageError(f"workload.{name}: no factor or setting is called {error.args[0]!r}") from None

    def _graph(self, board: Board, chosen: Variation) -> str:
        if board.origin is Origin.SIMULATED or not self._runtime.runs_files:
            return chosen.file_name
        place = (id(board), chosen)
        if place not in self._files.places:
            self._files.places[place] = board.put(self._model_file(chosen), f"models/{chosen.file_name}")
        return self._files.places[place]

    def _model_file(self, chosen: Variation) -> Path:
        """The file on this machine, its checksum noted."""
        local = (self._settings.models or Path()) / chosen.file_name
        if chosen.file_name in self._files.sha256:
            return local
        if not local.is_file():
            raise HardwareError(
                f"{chosen.name}: there is no {local}",
                advice="build it (lab models build), or leave it out of the experiment's factors",
            )
        digest = hashlib.sha256(local.read_bytes()).hexdigest()
        self._files.sha256[chosen.file_name] = digest
        if weights := _weights(local, digest):
            self._files.weights[chosen.file_name] = weights
        return local


def _runtime(settings: TfliteBenchmarkSettings) -> Runtime:
    accelerator = Accelerator(
        settings.npu, settings.nnapi_accelerator, settings.delegate, dict(settings.delegate_options)
    )
    if settings.runtime == LITERT:
        return LiteRt(settings.python, accelerator, settings.xnnpack)
    if settings.runtime == TORCH:
        return Torch(settings.python)
    if settings.runtime == BENCHMARK_MODEL:
        return BenchmarkModel(settings.program, accelerator, settings.xnnpack)
    raise UsageError(f"runtime is {BENCHMARK_MODEL!r}, {LITERT!r} or {TORCH!r}, not {settings.runtime!r}")


def _weights(model: Path, digest: str) -> str | None:
    """Where a model's weights come from, by the description that ``lab models build`` leaves beside it; ``None`` if
    there is none of this very file."""
    try:
        said = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
        return str(said["weights"]["kind"]) if said["sha256"] == digest else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _length_flags(request: PassRequest) -> list[str]:
    """How often and how long; what the pass leaves open is left to the program."""
    flags = [] if request.runs is None else [f"--num_runs={request.runs}"]
    if request.kind == "counters":
        # Exactly the runs asked for: the baseline pass, which is subtracted, differs in their number alone.
        flags += ["--min_secs=0", f"--max_secs={_NO_LIMIT_S}"]
        warmup_runs: int | None = request.warmup_runs or 0
    else:
        if request.min_duration_s is not None:
            flags += [f"--min_secs={request.min_duration_s:g}", f"--max_secs={_NO_LIMIT_S}"]
        warmup_runs = request.warmup_runs
    if warmup_runs is not None:
        # Without this, the program warms up for half a second however few runs are asked for.
        flags += [f"--warmup_runs={warmup_runs}", "--warmup_min_secs=0"]
    return flags


_CORE_MAC_PER_S = 4e9
_SHADER_MAC_PER_S = 5e8
_NPU_S, _GPU_S = 0.01, 0.005
"""For the estimate alone: what one core and the NPU's float32 fallback do, and how long int8 takes on the NPU, and
anything on a GPU."""


def _rough_inference_s(run: _Run) -> float:
    macs = load_network(run.variation.network, run.variation.input_size).macs
    if run.accelerator == GPU:
        return _GPU_S
    if run.accelerator == NPU:
        return _NPU_S if run.variation.is_quantized else macs / _SHADER_MAC_PER_S
    return macs / (_CORE_MAC_PER_S * run.threads)
