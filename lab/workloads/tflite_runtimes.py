"""What runs a network on a board: TensorFlow Lite's ``benchmark_model``, LiteRT's Python package, or PyTorch.

All take the same flags and print the same lines, so an experiment runs with any; the bench file chooses
(``board.tflite.runtime``).
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from lab.boards.protocol import Board, Command
from lab.errors import HardwareError, UsageError
from lab.networks.tables import Variation
from lab.record.quantity import Origin
from lab.workloads.building import files_of, hash_of_files
from lab.workloads.placing import place

NNAPI, EXTERNAL_DELEGATE = "nnapi", "external_delegate"
BENCHMARK_MODEL, LITERT, TORCH = "benchmark_model", "litert", "torch"
CPU, NPU, GPU = "cpu", "npu", "gpu"

WORKLOADS = Path(__file__).parents[2] / "workloads"
"""Where the programs lie; they know nothing of the lab."""

TELL_WINDOW = WORKLOADS / "benchmark_model" / "tell_window.sh"

_ANSWER_WITHIN_S = 120.0
"""To import a package once: seconds on a board's memory card."""


@dataclass(frozen=True, slots=True)
class Accelerator:
    """How work is put on the NPU: by NNAPI, or by an external delegate whose library lies on the board."""

    npu: str = NNAPI
    nnapi_accelerator: str | None = None
    delegate: str | None = None
    delegate_options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.npu not in (NNAPI, EXTERNAL_DELEGATE):
            raise UsageError(f"npu is {NNAPI!r} or {EXTERNAL_DELEGATE!r}, not {self.npu!r}")
        if self.npu == EXTERNAL_DELEGATE and not self.delegate:
            raise UsageError("npu: external_delegate needs the path of the delegate's library on the board")

    def flags(self) -> list[str]:
        """Those of ``benchmark_model``."""
        if self.npu == NNAPI:
            named = self.nnapi_accelerator
            return ["--use_nnapi=true", *([f"--nnapi_accelerator_name={named}"] if named else [])]
        told = ";".join(f"{name}:{value}" for name, value in self.delegate_options.items())
        return [
            f"--external_delegate_path={self.delegate}",
            *([f"--external_delegate_options={told}"] if told else []),
        ]


class Runtime(Protocol):
    """One way to run a network."""

    reader: str
    runs_files: bool
    """It runs .tflite files, which must be there."""
    environment: Mapping[str, str]
    """What its program finds there beside its own."""

    def opens_window(self, board: Board, kind: str) -> bool:
        """Does its program tell when its window opens and closes, in a pass of this kind?"""
        ...

    def make_ready(self, board: Board) -> None:
        """Put on the board what is not there, and see that it works; once for each board, before any pass."""
        ...

    def check(self, chosen: Variation, accelerator: str) -> None:
        """Raises :class:`UsageError` for what this runtime cannot do."""
        ...

    def command(
        self, board: Board, kind: str, chosen: Variation, graph: str, threads: int, accelerator: str
    ) -> list[str]:
        """The command line of a pass but for how long and how often; ``graph`` is the file's path on the board."""
        ...

    def versions(self) -> dict[str, str]:
        """What it is, for the manifest."""
        ...


class BenchmarkModel:
    """TensorFlow Lite's own program, which must be on the board already.

    It tells nobody of its window. In energy passes a shell script reads it from what the program prints, so that
    loading and warm-up stay out of the energy per inference; some milliseconds late, which counters would feel.
    """

    reader = "benchmark_model"
    runs_files = True
    environment: Mapping[str, str] = MappingProxyType({})

    def __init__(self, path: str, accelerator: Accelerator, xnnpack: bool | None) -> None:
        self._path = path
        self._accelerator = accelerator
        self._xnnpack = xnnpack
        self._tellers: dict[int, str] = {}

    def make_ready(self, board: Board) -> None:
        """Put the script on the board; the board's own check says whether the program is there."""
        if board.origin is not Origin.SIMULATED and TELL_WINDOW.is_file():
            folder = place(board, TELL_WINDOW.parent, "benchmark_model")
            self._tellers[id(board)] = f"{folder}/{TELL_WINDOW.name}"

    def opens_window(self, board: Board, kind: str) -> bool:
        """In energy passes, by the script."""
        return kind == "energy" and id(board) in self._tellers

    def check(self, chosen: Variation, accelerator: str) -> None:
        """It can do all of it."""

    def command(
        self, board: Board, kind: str, chosen: Variation, graph: str, threads: int, accelerator: str
    ) -> list[str]:
        """By NNAPI or a delegate on an NPU, by its own delegate on a GPU."""
        on = {NPU: self._accelerator.flags(), GPU: ["--use_gpu=true"]}.get(accelerator, [])
        told = ["sh", self._tellers[id(board)]] if self.opens_window(board, kind) else []
        return [*told, self._path, f"--graph={graph}", f"--num_threads={threads}", *on, *_xnnpack_flag(self._xnnpack)]

    def versions(self) -> dict[str, str]:
        """It does not say its version; the model files' checksums are the workload's."""
        return {}


class PythonRuntime:
    """A program of ``workloads/`` in a Python interpreter that has a package.

    ``python`` is the interpreter on the board; ``None`` is the lab's own where the board is this machine, and whatever
    is called ``python3`` elsewhere. ``folders`` are those of ``workloads/`` that it needs, its own first.
    """

    reader = "litert"
    runs_files = True
    environment: Mapping[str, str] = MappingProxyType({"PYTHONHASHSEED": "0"})
    """Python starts with the same instructions each time: what is left out by difference must not differ."""

    def __init__(self, python: str | None, package: str, program: str, folders: tuple[str, ...], install: str) -> None:
        self._python = python
        self._package = package
        self._program = program
        self._folders = folders
        self._install = install
        self._places: dict[int, str] = {}
        self._versions: dict[str, str] = {}

    def make_ready(self, board: Board) -> None:
        """Raises :class:`UsageError` for a board that cannot run it or a repository without the program,
        :class:`HardwareError` if the board's interpreter has not the package."""
        if board.origin is Origin.SIMULATED:
            raise UsageError(
                "a simulated board has benchmark_model only", advice="leave board.tflite.runtime out of the bench file"
            )
        sources = [WORKLOADS / name for name in self._folders]
        if not (sources[0] / self._program).is_file():
            raise UsageError(
                f"there is no {sources[0] / self._program}",
                advice="run the lab from its repository (pip install --editable .)",
            )
        places = [place(board, folder, folder.name) for folder in sources]
        self._places[id(board)] = f"{places[0]}/{self._program}"
        hashed = hash_of_files([file for folder in sources for file in files_of(folder)])
        self._versions = {**self._asked(board), "program_sha256": hashed}

    def opens_window(self, board: Board, kind: str) -> bool:
        """Always, and waits for the answer."""
        return True

    def versions(self) -> dict[str, str]:
        """Of Python and the package; a checksum of the program."""
        return dict(self._versions)

    def started(self, board: Board) -> list[str]:
        """Interpreter and program; all numbers are wanted unrounded."""
        own = sys.executable if getattr(board, "shares_files", False) else "python3"
        return [self._python or own, self._places[id(board)], "--json"]

    def _asked(self, board: Board) -> dict[str, str]:
        """What the program says of itself."""
        argv = [*self.started(board), "--version"]
        with tempfile.TemporaryDirectory(prefix="lab-") as folder:
            printed, said = Path(folder) / "stdout.txt", Path(folder) / "stderr.txt"
            command = Command(argv, workdir=board.make_workdir("version"), deadline_s=_ANSWER_WITHIN_S)
            result = board.run(command, printed, said)
            lines = printed.read_text(errors="replace").strip().splitlines()
            complaint = said.read_text(errors="replace").strip().splitlines()
        if result.exit_status != 0 or not lines:
            why = complaint[-1] if complaint else f"exit status {result.exit_status}"
            why = why.removeprefix(f"{self._program.removesuffix('.py')}: ")
            raise HardwareError(
                f"{argv[0]} on the board {board.name!r} cannot run {self._package}: {why}",
                advice=f"install it for that interpreter ({self._install}), or name another one in board.tflite.python",
            )
        try:
            found = json.loads(lines[-1])
            known = {str(found["package"]): str(found["version"]), "python": str(found["python"])}
            return known | ({"gpu": str(found["gpu"])} if found.get("gpu") else {})
        except (ValueError, KeyError, TypeError, AttributeError):
            raise HardwareError(f"{argv[0]} on the board {board.name!r} answered {lines[-1][:80]!r}") from None


class LiteRt(PythonRuntime):
    """.tflite files in LiteRT's Python package."""

    def __init__(self, python: str | None, accelerator: Accelerator, xnnpack: bool | None) -> None:
        super().__init__(
            python,
            "LiteRT",
            "run_model.py",
            ("litert",),
            "pip install ai-edge-litert; on this machine also pip install '.[tflite]'",
        )
        self._accelerator = accelerator
        self._xnnpack = xnnpack

    def check(self, chosen: Variation, accelerator: str) -> None:
        """NNAPI and TensorFlow Lite's own GPU delegate are not within Python's reach."""
        if accelerator == NPU and self._accelerator.npu == NNAPI:
            raise UsageError(
                "LiteRT's Python package cannot use NNAPI",
                advice="set board.tflite.npu to external_delegate, runtime to benchmark_model, or leave the NPU out of "
                "the experiment's factors",
            )
        if accelerator == GPU:
            raise UsageError(
                "LiteRT's Python package cannot use a GPU here",
                advice="set board.tflite.runtime to torch, or leave the GPU out of the experiment's factors",
            )

    def command(
        self, board: Board, kind: str, chosen: Variation, graph: str, threads: int, accelerator: str
    ) -> list[str]:
        """On an NPU by a delegate."""
        on = self._accelerator.flags() if accelerator == NPU else []
        flags = [f"--graph={graph}", f"--num_threads={threads}", *on, *_xnnpack_flag(self._xnnpack)]
        return [*self.started(board), *flags]


class Torch(PythonRuntime):
    """The networks in PyTorch, for servers: uncompressed, on the CPU or an NVIDIA GPU. It needs no files."""

    runs_files = False

    def __init__(self, python: str | None) -> None:
        super().__init__(python, "PyTorch", "run_network.py", ("torch", "litert"), "pip install torch")

    def check(self, chosen: Variation, accelerator: str) -> None:
        """float32 alone, and no NPU."""
        if chosen.is_quantized:
            raise UsageError(
                f"PyTorch runs the networks uncompressed here, not {chosen.name}",
                advice="set board.tflite.runtime to litert, or leave the compression out of the experiment",
            )
        if accelerator == NPU:
            raise UsageError("PyTorch cannot use an NPU here", advice="leave the NPU out of the experiment's factors")

    def command(
        self, board: Board, kind: str, chosen: Variation, graph: str, threads: int, accelerator: str
    ) -> list[str]:
        """By the network's name."""
        device = "cuda" if accelerator == GPU else "cpu"
        flags = [f"--network={chosen.network}", f"--input={chosen.input_size}", f"--device={device}"]
        return [*self.started(board), *flags, f"--num_threads={threads}"]


def _xnnpack_flag(xnnpack: bool | None) -> list[str]:
    return [] if xnnpack is None else [f"--use_xnnpack={str(xnnpack).lower()}"]
