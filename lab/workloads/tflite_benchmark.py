"""TensorFlow Lite's ``benchmark_model`` on any board: workloads of kind ``tflite_benchmark``.

``inputs/networks.json``, which this adapter leaves in the record for the analysis, has this shape::

    {
      "schema": "lab.networks/1",
      "networks": {
        "MobileNet 32": {                  # network and input size, whatever the compression
          "network": "MobileNet", "input_size": 32,
          "parameters": 3516964, "depth": 56, "macs": 11873792,
          "layers": [                      # all Keras layers, in order; sizes in elements, for one image
            {"name": "conv1", "kind": "Conv2D", "parameters": 864, "macs": 221184,
             "input_elements": 3072, "output_elements": 8192}, ...
          ]
        }, ...
      },
      "points": [                          # one per distinct settings of the plan's trials
        {"settings": {...},                # equal to the trial's "settings" in the manifest
         "variation": "MobileNet PQ 32", "network": "MobileNet 32",
         "weight_bytes": 1, "activation_bytes": 1},    # 4 for float32
        ...
      ]
    }
"""

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
from lab.networks.tables import Network, Variation, load_network, variation
from lab.record.quantity import Origin
from lab.workloads.protocol import PassRequest, Prepared

NETWORKS_FILE = "networks.json"
NETWORKS_SCHEMA = "lab.networks/1"

NNAPI, EXTERNAL_DELEGATE = "nnapi", "external_delegate"

_NO_LIMIT_S = 86_400
"""For ``--max_secs`` where the runs or duration asked for must be completed: the pass's deadline is the limit."""

_DEFAULT_RUNS = 50
_DEFAULT_MIN_S = 1.0
"""Of ``benchmark_model``, when a pass leaves them open."""


@dataclass(frozen=True, slots=True)
class TfliteBenchmarkSettings:
    """What the experiment says (templates, not filled in yet) and what the bench says of its program.

    ``program`` is its path on the board; ``npu`` is ``nnapi`` or ``external_delegate``, the latter with the path of the
    ``delegate``'s library on the board; ``models`` is the folder with the .tflite files on this machine, not needed
    on a simulated board.
    """

    network: Value = "{network}"
    input: Value = "{input}"
    compression: Value = "none"
    threads: Value = 1
    accelerator: Value = "cpu"
    program: str = "benchmark_model"
    npu: str = NNAPI
    delegate: str | None = None
    models: Path | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """One trial's values, understood."""

    variation: Variation
    threads: int
    on_npu: bool


@dataclass(slots=True)
class _ModelFiles:
    """Files already on the board, and their checksums."""

    places: dict[Variation, str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)


class TfliteBenchmark:
    """A :class:`~lab.workloads.protocol.Workload`: which model file, which flags.

    Raises :class:`lab.errors.UsageError` for settings that do not go together.
    """

    reader = "benchmark_model"

    def __init__(self, settings: TfliteBenchmarkSettings) -> None:
        if settings.npu not in (NNAPI, EXTERNAL_DELEGATE):
            raise UsageError(f"npu is {NNAPI!r} or {EXTERNAL_DELEGATE!r}, not {settings.npu!r}")
        if settings.npu == EXTERNAL_DELEGATE and not settings.delegate:
            raise UsageError("npu: external_delegate needs the path of the delegate's library on the board")
        self._settings = settings
        self._files = _ModelFiles()

    def prepare_campaign(self, board: Board, cache: Path) -> None:
        """Check that there is a folder with model files, where the board needs any."""
        self._files = _ModelFiles()
        if board.origin is Origin.SIMULATED:
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
        argv = [
            self._settings.program,
            f"--graph={self._graph(board, run.variation)}",
            f"--num_threads={run.threads}",
            *self._accelerator_flags(run),
            *_length_flags(request),
        ]
        return Prepared(argv=tuple(argv))

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
        """``networks.json``: the layer tables of the networks used, and which point uses which."""
        networks: dict[str, Any] = {}
        entries: list[dict[str, Any]] = []
        for settings in points:
            entry = self._point(settings)
            if entry in entries:
                continue
            entries.append(entry)
            chosen = self._run(settings).variation
            networks.setdefault(chosen.title, _table(load_network(chosen.network, chosen.input_size)))
        content = {"schema": NETWORKS_SCHEMA, "networks": networks, "points": entries}
        return {NETWORKS_FILE: (json.dumps(content, separators=(",", ":")) + "\n").encode()}

    def versions(self) -> dict[str, str]:
        """Checksums of the model files that were put on the board."""
        return {f"{name} sha256": digest for name, digest in sorted(self._files.sha256.items())}

    def _point(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        chosen = self._run(settings).variation
        return {
            "settings": dict(settings),
            "variation": chosen.name,
            "network": chosen.title,
            "weight_bytes": chosen.element_bytes,
            "activation_bytes": chosen.element_bytes,
        }

    def _run(self, values: Mapping[str, Any]) -> _Run:
        settings = self._settings
        chosen = variation(
            self._filled("network", settings.network, values),
            self._filled("input", settings.input, values),
            self._filled("compression", settings.compression, values),
        )
        accelerator = str(self._filled("accelerator", settings.accelerator, values)).lower()
        if accelerator not in ("cpu", "npu"):
            raise UsageError(f"workload.accelerator is cpu or npu, not {accelerator!r}")
        threads = self._filled("threads", settings.threads, values)
        try:
            count = int(str(threads))
        except ValueError:
            count = 0
        if count < 1:
            raise UsageError(f"workload.threads is a whole number of at least 1, not {threads!r}")
        return _Run(chosen, count, accelerator == "npu")

    @staticmethod
    def _filled(name: str, template: Value, values: Mapping[str, Any]) -> Value:
        try:
            return fill_value(template, values)
        except KeyError as error:
            raise UsageError(f"workload.{name}: no factor or setting is called {error.args[0]!r}") from None

    def _graph(self, board: Board, chosen: Variation) -> str:
        if board.origin is Origin.SIMULATED:
            return chosen.file_name
        if chosen not in self._files.places:
            local = (self._settings.models or Path()) / chosen.file_name
            if not local.is_file():
                raise HardwareError(
                    f"{chosen.name}: there is no {local}",
                    advice="convert the network, or leave it out of the experiment's factors",
                )
            self._files.sha256[chosen.file_name] = hashlib.sha256(local.read_bytes()).hexdigest()
            self._files.places[chosen] = board.put(local, f"models/{chosen.file_name}")
        return self._files.places[chosen]

    def _accelerator_flags(self, run: _Run) -> list[str]:
        if not run.on_npu:
            return []
        if self._settings.npu == NNAPI:
            return ["--use_nnapi=true"]
        return [f"--external_delegate_path={self._settings.delegate}"]


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


def _table(network: Network) -> dict[str, Any]:
    return {
        "network": network.name,
        "input_size": network.input_size,
        "parameters": network.parameters,
        "depth": network.depth,
        "macs": network.macs,
        "layers": [
            {
                "name": layer.name,
                "kind": layer.kind,
                "parameters": layer.parameters,
                "macs": layer.macs,
                "input_elements": layer.input_elements,
                "output_elements": layer.output_elements,
            }
            for layer in network.layers
        ],
    }


_CORE_MAC_PER_S = 4e9
_SHADER_MAC_PER_S = 5e8
_NPU_S = 0.01
"""For the estimate alone: what one core and the NPU's float32 fallback do, and how long int8 takes on the NPU."""


def _rough_inference_s(run: _Run) -> float:
    macs = load_network(run.variation.network, run.variation.input_size).macs
    if run.on_npu:
        return _NPU_S if run.variation.is_quantized else macs / _SHADER_MAC_PER_S
    return macs / (_CORE_MAC_PER_S * run.threads)
