"""The adapter asks ``benchmark_model`` for what a pass wants, and finds the model files."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from lab.boards.protocol import Command, CommandResult
from lab.errors import HardwareError, UsageError
from lab.networks.tables import load_network
from lab.record.quantity import Origin
from lab.workloads.protocol import PassRequest
from lab.workloads.tflite_benchmark import TfliteBenchmark, TfliteBenchmarkSettings

POINT = {
    "network": "MobileNet",
    "input": 32,
    "compression": "PQ",
    "platform": "NPU",
    "threads": 1,
    "accelerator": "npu",
}
TEMPLATES = {name: f"{{{name}}}" for name in ("network", "input", "compression", "threads", "accelerator")}
LATENCY = PassRequest(kind="latency", runs=50, warmup_runs=1)
ENERGY = PassRequest(kind="energy", runs=3, min_duration_s=10.0, warmup_runs=1)
COUNTERS = PassRequest(kind="counters", runs=51)


class ShelfBoard:
    """A board that only takes files."""

    def __init__(self, origin: Origin = Origin.MEASURED) -> None:
        self.name = "shelf"
        self.origin = origin
        self.taken: list[tuple[Path, str]] = []

    def put(self, local: Path, remote: str) -> str:
        self.taken.append((local, remote))
        return f"/board/{remote}"

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        raise NotImplementedError


def workload(**bench: Any) -> TfliteBenchmark:
    return TfliteBenchmark(TfliteBenchmarkSettings(**TEMPLATES, **bench))


def argv(request: PassRequest, values: dict[str, Any] | None = None, **bench: Any) -> tuple[str, ...]:
    board: Any = ShelfBoard(Origin.SIMULATED)
    return workload(**bench).prepare(board, values or POINT, request).argv


def test_a_latency_pass_asks_for_its_runs_and_leaves_the_rest_to_the_program() -> None:
    assert argv(LATENCY) == (
        "benchmark_model",
        "--graph=MobileNet_PQ_32.tflite",
        "--num_threads=1",
        "--use_nnapi=true",
        "--num_runs=50",
        "--warmup_runs=1",
        "--warmup_min_secs=0",
    )


def test_an_energy_pass_lasts_as_long_as_asked_whatever_the_programs_own_limit() -> None:
    flags = argv(ENERGY)
    assert {"--num_runs=3", "--min_secs=10", "--max_secs=86400", "--warmup_runs=1"} <= set(flags)


def test_a_counter_pass_makes_exactly_its_runs() -> None:
    flags = argv(COUNTERS)
    assert {"--num_runs=51", "--min_secs=0", "--max_secs=86400", "--warmup_runs=0", "--warmup_min_secs=0"} <= set(flags)


def test_a_pass_that_leaves_everything_open_adds_no_flag() -> None:
    cpu = {**POINT, "accelerator": "cpu", "threads": 4, "compression": "none"}
    flags = argv(PassRequest(kind="latency"), cpu)
    assert flags == ("benchmark_model", "--graph=MobileNet_32.tflite", "--num_threads=4")


def test_the_bench_names_program_and_delegate() -> None:
    delegate = "/usr/lib/libvx_delegate.so"
    flags = argv(LATENCY, program="/opt/tflite/benchmark_model", npu="external_delegate", delegate=delegate)
    assert flags[0] == "/opt/tflite/benchmark_model"
    assert f"--external_delegate_path={delegate}" in flags
    assert "--use_nnapi=true" not in flags


def test_fixed_settings_need_no_factor() -> None:
    fixed = TfliteBenchmark(TfliteBenchmarkSettings(network="VGG16", input=75))
    board: Any = ShelfBoard(Origin.SIMULATED)
    assert "--graph=VGG16_75.tflite" in fixed.prepare(board, {}, LATENCY).argv


def test_a_real_board_gets_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "MobileNet_PQ_32.tflite").write_bytes(b"TFL3")
    board: Any = ShelfBoard()
    adapter = workload(models=tmp_path)
    adapter.prepare_campaign(board, tmp_path)
    for request in (LATENCY, ENERGY):
        assert "--graph=/board/models/MobileNet_PQ_32.tflite" in adapter.prepare(board, POINT, request).argv
    assert [remote for _, remote in board.taken] == ["benchmark_model", "models/MobileNet_PQ_32.tflite"]
    assert list(adapter.versions()) == ["MobileNet_PQ_32.tflite sha256"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    board: Any = ShelfBoard()
    with pytest.raises(HardwareError, match=r"MobileNet_PQ_32\.tflite"):
        workload(models=tmp_path).prepare(board, POINT, LATENCY)


def test_all_files_are_looked_for_before_any_pass(tmp_path: Path) -> None:
    (tmp_path / "MobileNet_PQ_32.tflite").write_bytes(b"TFL3")
    adapter = workload(models=tmp_path)
    adapter.inputs([POINT, POINT])
    assert list(adapter.versions()) == ["MobileNet_PQ_32.tflite sha256"], "known before the first pass"
    with pytest.raises(HardwareError, match=r"VGG16_PQ_32\.tflite"):
        adapter.inputs([POINT, {**POINT, "network": "VGG16"}])


def test_a_bench_without_models_folder_is_refused_before_anything_runs(tmp_path: Path) -> None:
    board: Any = ShelfBoard()
    with pytest.raises(UsageError, match=r"does not say where the \.tflite files are"):
        workload().prepare_campaign(board, tmp_path)
    with pytest.raises(UsageError, match="is not a folder"):
        workload(models=tmp_path / "nowhere").prepare_campaign(board, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"accelerator": "tpu"}, "cpu, npu or gpu"),
        ({"threads": 0}, "threads"),
        ({"threads": "many"}, "threads"),
        ({"network": "LeNet"}, "no network 'LeNet'"),
    ],
)
def test_values_that_mean_nothing_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        argv(LATENCY, {**POINT, **change})


def test_an_unknown_name_in_a_template_is_refused() -> None:
    board: Any = ShelfBoard(Origin.SIMULATED)
    with pytest.raises(UsageError, match="called 'model'"):
        TfliteBenchmark(TfliteBenchmarkSettings(network="{model}")).prepare(board, POINT, LATENCY)


def test_nnapi_can_be_told_which_accelerator() -> None:
    assert {"--use_nnapi=true", "--nnapi_accelerator_name=vsi-npu"} <= set(argv(LATENCY, nnapi_accelerator="vsi-npu"))


def test_a_boards_gpu_is_reached_by_its_own_delegate() -> None:
    assert "--use_gpu=true" in argv(LATENCY, {**POINT, "accelerator": "gpu"})


def test_a_delegate_is_told_its_options() -> None:
    told = {"cache_file_path": "/tmp/a:b", "device_id": "0"}
    flags = argv(LATENCY, npu="external_delegate", delegate="/usr/lib/libvx_delegate.so", delegate_options=told)
    assert "--external_delegate_options=cache_file_path:/tmp/a:b;device_id:0" in flags


@pytest.mark.parametrize(("choice", "flags"), [(True, ["--use_xnnpack=true"]), (False, ["--use_xnnpack=false"])])
def test_the_bench_may_choose_the_kernels(choice: bool, flags: list[str]) -> None:
    assert [flag for flag in argv(LATENCY, xnnpack=choice) if "xnnpack" in flag] == flags
    assert not any("xnnpack" in flag for flag in argv(LATENCY))


def test_the_window_is_told_in_energy_passes_of_a_real_board_alone(tmp_path: Path) -> None:
    (tmp_path / "MobileNet_PQ_32.tflite").write_bytes(b"TFL3")
    for origin, kinds in ((Origin.MEASURED, {"energy"}), (Origin.SIMULATED, set())):
        adapter, board = workload(models=tmp_path), ShelfBoard(origin)
        adapter.prepare_campaign(board, tmp_path)  # type: ignore[arg-type]
        for request in (LATENCY, ENERGY, COUNTERS):
            prepared = adapter.prepare(board, POINT, request)  # type: ignore[arg-type]
            assert prepared.opens_window is (request.kind in kinds)
            told = ("sh", "/board/benchmark_model/tell_window.sh") if request.kind in kinds else ()
            assert prepared.argv[: len(told) + 1] == (*told, "benchmark_model")


def test_the_record_says_whose_weights_a_file_holds(tmp_path: Path) -> None:
    model = tmp_path / "MobileNet_PQ_32.tflite"
    model.write_bytes(b"TFL3")
    digest = hashlib.sha256(b"TFL3").hexdigest()
    for said, expected in (
        ({"sha256": digest, "weights": {"kind": "seeded"}}, {f"{model.name} weights": "seeded"}),
        ({"sha256": "of another file", "weights": {"kind": "seeded"}}, {}),
        ([], {}),
    ):
        model.with_suffix(".json").write_text(json.dumps(said))
        adapter, board = workload(models=tmp_path), ShelfBoard()
        adapter.prepare_campaign(board, tmp_path)  # type: ignore[arg-type]
        adapter.prepare(board, POINT, LATENCY)  # type: ignore[arg-type]
        assert adapter.versions() == {f"{model.name} sha256": digest, **expected}


def test_a_bench_that_names_no_delegate_is_refused() -> None:
    with pytest.raises(UsageError, match="delegate"):
        workload(npu="external_delegate")
    with pytest.raises(UsageError, match="nnapi"):
        workload(npu="cuda")


def test_inputs_describe_every_point_and_its_network() -> None:
    points = [POINT, {**POINT, "compression": "none"}, POINT, {**POINT, "network": "VGG16", "input": 128}]
    content = json.loads(workload().inputs(points)["networks.json"])
    assert content["schema"] == "lab.networks/1"
    assert sorted(content["networks"]) == ["MobileNet 32", "VGG16 128"]
    assert [(item["variation"], item["weight_bytes"]) for item in content["points"]] == [
        ("MobileNet PQ 32", 1),
        ("MobileNet 32", 4),
        ("VGG16 PQ 128", 1),
    ]
    assert content["points"][0]["settings"] == POINT
    for item in content["points"]:
        assert item["network"] in content["networks"]
        assert item["activation_bytes"] == item["weight_bytes"]
    shipped = load_network("MobileNet", 32)
    table = content["networks"]["MobileNet 32"]
    assert (table["parameters"], table["macs"], table["depth"]) == (shipped.parameters, shipped.macs, shipped.depth)
    assert len(table["layers"]) == 89
    assert sum(layer["parameters"] for layer in table["layers"]) == shipped.parameters


def test_inputs_are_the_same_bytes_each_time() -> None:
    assert workload().inputs([POINT]) == workload().inputs([POINT])


def test_estimates_grow_with_the_work() -> None:
    adapter = workload()
    assert adapter.estimate_s(POINT, ENERGY) == pytest.approx(10.0, rel=0.01)
    slow = {**POINT, "network": "VGG16", "input": 128, "compression": "none"}
    assert adapter.estimate_s(slow, ENERGY) > 20
    four = {**slow, "accelerator": "cpu", "threads": 4}
    assert adapter.estimate_s(four, COUNTERS) < adapter.estimate_s({**four, "threads": 1}, COUNTERS)
