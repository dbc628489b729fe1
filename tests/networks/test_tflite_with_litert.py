"""The same experiment with LiteRT instead of ``benchmark_model``: what is run on the board, what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from lab.boards.protocol import Command, CommandResult
from lab.config.problems import ConfigErrors
from lab.errors import HardwareError, UsageError
from lab.experiment.load import load_experiment
from lab.record.quantity import Origin
from lab.workloads.protocol import PassRequest
from lab.workloads.tflite_benchmark import TfliteBenchmark, TfliteBenchmarkSettings
from lab.workloads.tflite_runtimes import WORKLOADS

VALUES = {"network": "MobileNet", "input": 32}
ENERGY = PassRequest(kind="energy", runs=3, min_duration_s=10.0, warmup_runs=1)
ANSWER = '{"package": "tflite_runtime", "version": "2.11.0", "python": "3.10.6"}\n'


class Board:
    """A board at the end of a link that answers one question."""

    def __init__(self, out: str = ANSWER, err: str = "", status: int = 0, origin: Origin = Origin.MEASURED) -> None:
        self.name, self.origin = "kitchen", origin
        self.put_there: list[str] = []
        self.asked: list[list[str]] = []
        self._answer = (out, err, status)

    def put(self, local: Path, remote: str) -> str:
        self.put_there.append(remote)
        return f"/board/{remote}"

    def make_workdir(self, name: str) -> str:
        return f"/board/{name}"

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        self.asked.append(list(command.argv))
        out, err, status = self._answer
        stdout.write_text(out)
        stderr.write_text(err)
        return CommandResult(status, 0.1)


def adapter(folder: Path, **bench: Any) -> TfliteBenchmark:
    (folder / "MobileNet_32.tflite").write_bytes(b"TFL3")
    return TfliteBenchmark(TfliteBenchmarkSettings(runtime="litert", models=folder, **bench))


def prepared(folder: Path, board: Any, request: PassRequest = ENERGY, **bench: Any) -> tuple[str, ...]:
    ready = adapter(folder, **bench)
    ready.prepare_campaign(board, folder)
    return ready.prepare(board, VALUES, request).argv


def test_a_board_gets_the_program_and_runs_it_with_its_own_python(tmp_path: Path) -> None:
    board = Board()
    flags = prepared(tmp_path, board)
    assert flags[:3] == ("python3", "/board/litert/run_model.py", "--json")
    assert flags[3:] == (
        "--graph=/board/models/MobileNet_32.tflite",
        "--num_threads=1",
        "--num_runs=3",
        "--min_secs=10",
        "--max_secs=86400",
        "--warmup_runs=1",
        "--warmup_min_secs=0",
    )
    assert board.put_there == ["litert", "models/MobileNet_32.tflite"]
    assert board.asked == [["python3", "/board/litert/run_model.py", "--json", "--version"]]


def test_this_machine_runs_it_where_it_lies_with_the_labs_python(tmp_path: Path) -> None:
    board = Board()
    board.shares_files = True  # type: ignore[attr-defined]
    assert prepared(tmp_path, board)[:2] == (sys.executable, str(WORKLOADS / "litert" / "run_model.py"))
    assert board.put_there == ["models/MobileNet_32.tflite"]


def test_the_bench_names_another_interpreter(tmp_path: Path) -> None:
    assert prepared(tmp_path, Board(), python="/opt/litert/bin/python")[0] == "/opt/litert/bin/python"


def test_the_reader_and_the_window_are_litert_s(tmp_path: Path) -> None:
    ready = adapter(tmp_path)
    board: Any = Board()
    ready.prepare_campaign(board, tmp_path)
    assert ready.reader == "litert"
    prepared = ready.prepare(board, VALUES, ENERGY)
    assert prepared.opens_window
    assert prepared.env == {"PYTHONHASHSEED": "0"}, "the same start each time"


def test_the_record_says_what_ran_the_models(tmp_path: Path) -> None:
    ready = adapter(tmp_path)
    board: Any = Board()
    ready.prepare_campaign(board, tmp_path)
    versions = ready.versions()
    assert len(versions.pop("program_sha256")) == 64
    assert versions == {"tflite_runtime": "2.11.0", "python": "3.10.6"}


@pytest.mark.parametrize(
    ("board", "said"),
    [
        (Board("", "run_model: LiteRT is not installed for /usr/bin/python3; pip install x\n", 2), "not installed"),
        (Board("", "", 127), "exit status 127"),
        (Board("Python 2.7\n"), "answered 'Python 2.7'"),
    ],
)
def test_a_board_without_litert_is_told_before_any_pass(tmp_path: Path, board: Any, said: str) -> None:
    with pytest.raises(HardwareError, match=said) as caught:
        adapter(tmp_path).prepare_campaign(board, tmp_path)
    assert "kitchen" in caught.value.message
    assert "run_model:" not in caught.value.message


def test_a_simulated_board_has_no_python(tmp_path: Path) -> None:
    board: Any = Board(origin=Origin.SIMULATED)
    with pytest.raises(UsageError, match="benchmark_model only"):
        adapter(tmp_path).prepare_campaign(board, tmp_path)


def test_nnapi_is_out_of_its_reach_and_told_when_planning(tmp_path: Path) -> None:
    ready = TfliteBenchmark(TfliteBenchmarkSettings(runtime="litert", accelerator="npu", models=tmp_path))
    with pytest.raises(UsageError, match="NNAPI"):
        ready.estimate_s(VALUES, ENERGY)


def test_a_delegate_is_not(tmp_path: Path) -> None:
    flags = prepared(tmp_path, Board(), accelerator="npu", npu="external_delegate", delegate="/usr/lib/libvx.so")
    assert "--external_delegate_path=/usr/lib/libvx.so" in flags


def test_a_gpu_is_not_within_its_reach(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="GPU"):
        prepared(tmp_path, Board(), accelerator="gpu")


def test_pytorch_needs_no_files_and_runs_on_a_servers_gpu(tmp_path: Path) -> None:
    board: Any = Board('{"package": "torch", "version": "2.13.0", "python": "3.11.7", "gpu": "H200"}\n')
    ready = TfliteBenchmark(TfliteBenchmarkSettings(runtime="torch", accelerator="{device}", threads="{threads}"))
    ready.prepare_campaign(board, tmp_path)
    assert board.put_there == ["torch", "litert"]
    for device, flag in (("gpu", "--device=cuda"), ("cpu", "--device=cpu")):
        argv = ready.prepare(board, {**VALUES, "device": device, "threads": 8}, ENERGY).argv
        assert argv[:3] == ("python3", "/board/torch/run_network.py", "--json")
        assert argv[3:7] == ("--network=MobileNet", "--input=32", flag, "--num_threads=8")
    assert ready.inputs([{**VALUES, "device": "gpu", "threads": 8}])
    assert (ready.versions()["torch"], ready.versions()["gpu"]) == ("2.13.0", "H200")


@pytest.mark.parametrize(
    ("change", "said"),
    [({"compression": "PQ"}, "uncompressed here, not MobileNet PQ 32"), ({"accelerator": "npu"}, "NPU")],
)
def test_pytorch_runs_the_uncompressed_networks_alone(change: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TfliteBenchmark(TfliteBenchmarkSettings(runtime="torch", **change)).estimate_s(VALUES, ENERGY)


def test_an_unknown_runtime_is_refused() -> None:
    with pytest.raises(UsageError, match="tvm"):
        TfliteBenchmark(TfliteBenchmarkSettings(runtime="tvm"))


# ------------------------------------------------------------------------------------------------- the two files

EXPERIMENT = """\
experiment: networks
bench: bench.yaml
workload: {kind: tflite_benchmark, network: MobileNet, input: 32}
passes: {counters: {events: [page-faults], runs: 5, window_only: true}}
"""


def findings(folder: Path, bench: str, experiment: str = EXPERIMENT) -> str:
    """What the lab says of the two files; empty if it takes them."""
    (folder / "e.yaml").write_text(experiment)
    (folder / "bench.yaml").write_text("bench: b\n" + bench)
    try:
        load_experiment(folder / "e.yaml")
    except ConfigErrors as errors:
        return "\n".join(map(str, errors.problems))
    return ""


def local(**tflite: Any) -> str:
    return f"board: {{kind: local, models: ., tflite: {json.dumps(tflite)}}}\n"


def test_counting_in_the_window_needs_a_runtime_that_opens_one(tmp_path: Path) -> None:
    assert findings(tmp_path, local(runtime="litert")) == ""
    for bench in (local(runtime="benchmark_model"), local(), "board: {kind: simulated}\n"):
        found = findings(tmp_path, bench)
        assert "benchmark_model opens no window, and 'networks' counts inside it" in found
        assert "runtime: litert" in found
    anywhere = EXPERIMENT.replace(", window_only: true", "")
    for bench in (local(runtime="litert"), local(), "board: {kind: simulated}\n"):
        assert findings(tmp_path, bench, anywhere) == ""


def test_a_simulated_board_with_litert_is_a_mistake_in_its_file(tmp_path: Path) -> None:
    found = findings(tmp_path, "board: {kind: simulated, tflite: {runtime: litert}}\n")
    assert "bench.yaml:2:44: board.tflite.runtime" in found
    assert "a simulated board has TensorFlow Lite's own program only" in found


@pytest.mark.parametrize(
    ("tflite", "said"),
    [
        ({"runtime": "tvm"}, "'benchmark_model', 'litert' or 'torch'"),
        ({"npu": "external_delegate"}, "missing key 'delegate'"),
        ({"delegate_options": {"a": "b"}}, "there is no delegate"),
        ({"npu": "external_delegate", "delegate": "x", "delegate_options": {"a": "b;c"}}, "no ';'"),
        ({"npu": "external_delegate", "delegate": "x", "delegate_options": {"a:b": "c"}}, "no ':' in a name"),
    ],
)
def test_mistakes_in_the_bench_file_are_told(tmp_path: Path, tflite: dict[str, Any], said: str) -> None:
    assert said in findings(tmp_path, local(**tflite), EXPERIMENT.replace(", window_only: true", ""))
