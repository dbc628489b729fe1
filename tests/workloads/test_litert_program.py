"""``run_model.py`` does what ``benchmark_model`` does: its flags, its loop, its lines; and tells what is wrong."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from array import array
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litert_program import FAKE, NEEDS_LITERT, PROGRAM, Ran, fake_environment, has_litert, module, run, run_fake
from tiny_tflite import write_tiny_model
from window_listener import Listener

from analysis.board_marks import read_board_marks
from analysis.readers import benchmark_model
from analysis.readers import litert as reader
from lab.record.marks_file import LAB_MARKS
from lab.record.window_gate import LAB_WINDOW

QUICK = ("--num_runs=3", "--min_secs=0", "--warmup_runs=1", "--warmup_min_secs=0")
MEASURING = module()


def inferences(ran: Ran) -> tuple[int, int]:
    """Of the warm-up and of the window."""
    assert ran.code == 0, ran.err
    return ran.json["warmup"]["count"], ran.json["inference"]["count"]


# ---------------------------------------------------------------------------------------------------- the loop


def test_it_makes_so_many_inferences_as_asked(tmp_path: Path) -> None:
    flags = ("--num_runs=7", "--min_secs=0", "--warmup_runs=2", "--warmup_min_secs=0", "--json")
    assert inferences(run_fake(tmp_path, *flags)) == (2, 7)


def test_a_least_time_makes_more_of_them(tmp_path: Path) -> None:
    flags = ("--num_runs=1", "--min_secs=0.2", "--warmup_runs=0", "--warmup_min_secs=0.1", "--json")
    found = run_fake(tmp_path, *flags, inference_s=0.01)
    warmup, measured = inferences(found)
    assert 2 <= warmup <= 10
    assert 2 <= measured <= 20
    assert found.json["inference"]["mean_s"] * measured <= 0.3 or measured < 20


def test_no_inference_begins_after_the_most_time(tmp_path: Path) -> None:
    flags = ("--num_runs=1000000", "--max_secs=0.1", "--warmup_runs=0", "--warmup_min_secs=0", "--json")
    assert 1 <= inferences(run_fake(tmp_path, *flags, inference_s=0.01))[1] <= 11


def test_no_warm_up_asked_for_is_half_a_second_all_the_same(tmp_path: Path) -> None:
    """As ``benchmark_model`` has it: ``warmup_min_secs`` is a wish of its own."""
    ran = run_fake(tmp_path, "--warmup_runs=0", "--num_runs=1", "--min_secs=0", "--json", inference_s=0.1)
    assert inferences(ran) == (5, 1)
    assert "at least 0 iterations and at least 0.5 seconds" in ran.out


def test_without_any_warm_up_the_first_inference_is_a_measured_one(tmp_path: Path) -> None:
    flags = ("--num_runs=2", "--min_secs=0", "--warmup_runs=0", "--warmup_min_secs=0", "--json")
    ran = run_fake(tmp_path, *flags)
    assert inferences(ran) == (0, 2)
    assert ran.json["first_inference_s"] == ran.json["inference"]["first_s"]
    assert "count=0 p5=0 median=0 p95=0" in ran.out
    assert "Warmup (avg): nan" in ran.out


def test_nothing_at_all_is_said_so(tmp_path: Path) -> None:
    flags = ("--num_runs=0", "--min_secs=0", "--warmup_runs=0", "--warmup_min_secs=0", "--json")
    ran = run_fake(tmp_path, *flags)
    assert inferences(ran) == (0, 0)
    assert ran.json["first_inference_s"] is None
    assert ran.json["inference"] == {"count": 0}


def test_the_defaults_are_those_of_benchmark_model() -> None:
    flags = module("run_model").parse_flags(["--graph=x"])
    found = {name: getattr(flags, name) for name in ("num_runs", "min_secs", "max_secs", "num_threads")}
    assert found == {"num_runs": 50, "min_secs": 1.0, "max_secs": 150.0, "num_threads": -1}
    assert (flags.warmup_runs, flags.warmup_min_secs, flags.report_peak_memory_footprint) == (1, 0.5, False)


# --------------------------------------------------------------------------------------------------- its output


def test_both_readers_understand_it_and_agree(tmp_path: Path) -> None:
    ran = run_fake(tmp_path, *QUICK, "--json", "--report_peak_memory_footprint=true", inference_s=0.002)
    said = benchmark_model.read(ran.out)
    assert (said.count, said.warmup_count) == (3, 1)
    assert said.avg_s is not None
    assert said.avg_s == pytest.approx(ran.json["inference"]["mean_s"], abs=1e-6)
    assert said.peak_memory_bytes == pytest.approx(ran.json["memory"]["peak_bytes"], rel=1e-4)
    (tmp_path / "stdout.txt").write_text(ran.out)
    exact, lines = reader.read_output(tmp_path), benchmark_model.read_output(tmp_path)
    assert exact.reasons == lines.reasons == ()
    for item in lines.quantities:
        assert exact.value(item.name) == pytest.approx(item.value, abs=1e-6), item.name
    assert exact.value("latency_p99_s") == ran.json["inference"]["p99_s"]
    assert exact.value("memory_load_bytes") == ran.json["memory"]["load_bytes"]


def test_without_json_there_are_the_lines_alone(tmp_path: Path) -> None:
    ran = run_fake(tmp_path, *QUICK)
    assert "{" not in ran.out
    assert all(line.startswith("INFO: ") for line in ran.out.splitlines())
    (tmp_path / "stdout.txt").write_text(ran.out)
    assert reader.read_output(tmp_path) == benchmark_model.read_output(tmp_path)


TIMES = st.lists(st.integers(0, 10**12), min_size=0, max_size=300)


@given(TIMES, TIMES)
def test_any_times_are_printed_so_that_the_reader_takes_them(warmup: list[int], measured: list[int]) -> None:
    def lines(times: list[int]) -> str:
        text = MEASURING.statistics_line(MEASURING.microseconds(array("q", times)))
        return f"INFO: {text}\n"

    def mean(times: list[int]) -> str:
        return str(MEASURING.mean_us(array("q", times)))

    first = MEASURING.microseconds(array("q", warmup[:1]))
    text = (
        f"{lines(warmup)}{lines(measured)}INFO: Inference timings in us: Init: 1, "
        f"First inference: {first[0] if first else 0}, Warmup (avg): {mean(warmup)}, "
        f"Inference (avg): {mean(measured)}\n"
    )
    found = benchmark_model.read(text)
    assert found.count == len(measured)
    exact = MEASURING.statistics(array("q", measured))
    if measured:
        assert found.avg_s == pytest.approx(exact["mean_s"], rel=1e-5, abs=1e-6)
        assert found.median_s == pytest.approx(exact["median_s"], abs=1e-6)
        assert found.std_s == pytest.approx(exact["std_s"], rel=1e-6, abs=3e-6)
        assert (
            exact["min_s"] <= exact["p5_s"] <= exact["median_s"] <= exact["p95_s"] <= exact["p99_s"] <= exact["max_s"]
        )
    else:
        assert exact == {"count": 0}


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=500), st.integers(0, 99))
def test_a_percentile_is_an_element_with_at_least_its_share_below(times: list[int], percent: int) -> None:
    value = MEASURING.percentile(sorted(times), percent)
    assert value in times
    assert sum(other <= value for other in times) > len(times) * percent // 100
    assert sum(other < value for other in times) <= len(times) * percent / 100


# ----------------------------------------------------------------------------------------------- what LiteRT is told


def test_threads_kernels_and_delegate_reach_the_interpreter(tmp_path: Path) -> None:
    library = tmp_path / "libvx_delegate.so"
    library.touch()
    options = "--external_delegate_options=cache:/var/cache;level:2"
    flags = ("--num_threads=3", "--use_xnnpack=false", f"--external_delegate_path={library}", options)
    ran = run_fake(tmp_path, *QUICK, *flags)
    assert ran.code == 0, ran.err
    delegate, made, allocated = ran.diary[:3]
    assert delegate == {"delegate": str(library), "options": {"cache": "/var/cache", "level": "2"}}
    assert (made["threads"], made["resolver"]) == (3, "BUILTIN_WITHOUT_DEFAULT_DELEGATES")
    assert made["delegates"] == [str(library)]
    assert allocated == {"allocated": True}


@pytest.mark.parametrize("flag", [(), ("--num_threads=-1",), ("--use_xnnpack=true",)])
def test_what_is_left_open_is_left_to_litert(tmp_path: Path, flag: tuple[str, ...]) -> None:
    made = run_fake(tmp_path, *QUICK, *flag).diary[0]
    assert (made["threads"], made["resolver"], made["delegates"]) == (None, None, None)


def drawn(folder: Path, *flags: str, **settings: Any) -> list[dict[str, Any]]:
    """What was put into the inputs before the first inference."""
    folder.mkdir()
    ran = run_fake(folder, *QUICK, *flags, **settings)
    assert ran.code == 0, ran.err
    return [entry for entry in ran.diary if "index" in entry]


def test_inputs_are_random_and_the_seeds(tmp_path: Path) -> None:
    inputs = [[[1, 8, 8, 3], "float32"], [[40], "int8"], [[40], "uint8"], [[40], "int64"], [[9], "bool"]]
    one, same = (drawn(tmp_path / name, "--seed=5", inputs=inputs) for name in ("one", "same"))
    other = drawn(tmp_path / "other", "--seed=6", inputs=inputs)
    assert one == same
    assert one != other
    assert [entry["dtype"] for entry in one] == ["float32", "int8", "uint8", "int64", "bool"]
    assert one[0]["shape"] == [1, 8, 8, 3]
    limits = [(-0.5, 0.5), (-127, 127), (0, 254), (0, 99), (0, 1)]
    for entry, (low, high) in zip(one, limits, strict=True):
        assert low <= entry["low"] < entry["high"] <= high


# ------------------------------------------------------------------------------------------------ what is not right

WRONG_FLAGS = {
    ("--num_runs=x",): "--num_runs: 'x' is not a whole number",
    ("--num_runs=-1",): "--num_runs: '-1' is not a whole number",
    ("--num_runs=99999999999",): "--num_runs",
    ("--num_threads=0",): "0 threads",
    ("--min_secs=soon",): "--min_secs: 'soon' is not a number of seconds",
    ("--max_secs=inf",): "--max_secs: 'inf' is not a number of seconds",
    ("--use_xnnpack=maybe",): "neither true nor false",
    ("--use_nnapi=true",): "unrecognized arguments: --use_nnapi=true",
    ("--num_run=5",): "unrecognized arguments",
    ("--external_delegate_path=/nowhere.so",): "/nowhere.so: cannot open",
    (f"--external_delegate_path={PROGRAM}", "--external_delegate_options=a"): "'a' is not KEY:VALUE",
}


@pytest.mark.parametrize(("flags", "said"), WRONG_FLAGS.items(), ids=[" ".join(flags) for flags in WRONG_FLAGS])
def test_a_wrong_flag_is_one_line_and_exit_code_2(tmp_path: Path, flags: tuple[str, ...], said: str) -> None:
    ran = run_fake(tmp_path, *QUICK, *flags)
    assert ran.code == 2
    assert ran.complaint.startswith("run_model: ")
    assert said in ran.complaint


def test_a_model_must_be_named(tmp_path: Path) -> None:
    ran = run((), tmp_path, fake_environment(tmp_path))
    assert (ran.code, ran.out) == (2, "")
    assert ran.complaint == "run_model: the following arguments are required: --graph"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file"), (b"", "no .tflite file"), (b"PK\x03\x04 a zip file", "expected b'TFL3'")],
)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "some file"
    if content is not None:
        path.write_bytes(content)
    ran = run_fake(tmp_path, f"--graph={path}")
    assert ran.code == 2
    assert str(path) in ran.complaint
    assert said in ran.complaint


def test_a_model_that_litert_refuses(tmp_path: Path) -> None:
    ran = run_fake(tmp_path, *QUICK, refuses="Op builtin_code out of range:\n  999. Are you using an old TFLite?")
    assert ran.code == 2
    assert ran.complaint.endswith("model.tflite: Op builtin_code out of range: 999. Are you using an old TFLite?")


def test_an_input_that_cannot_be_drawn(tmp_path: Path) -> None:
    ran = run_fake(tmp_path, *QUICK, inputs=[[[1], "complex64"]])
    assert ran.code == 2
    assert "complex64" in ran.complaint


def test_an_inference_that_fails(tmp_path: Path) -> None:
    ran = run_fake(tmp_path, *QUICK, "--json", fails_at=3, env={LAB_MARKS: str(tmp_path / "marks")})
    assert ran.code == 1
    assert ran.complaint == "run_model: inference 2: the accelerator went away"
    assert "{" not in ran.out
    assert not (tmp_path / "marks").exists(), "marks of a window that never closed"


def test_a_package_that_is_missing() -> None:
    done = subprocess.run(
        [sys.executable, "-S", PROGRAM, "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line == f"run_model: LiteRT is not installed for {sys.executable}; pip install ai-edge-litert"


def test_a_package_that_misses_another(tmp_path: Path) -> None:
    (tmp_path / "ai_edge_litert").mkdir()
    (tmp_path / "ai_edge_litert" / "__init__.py").touch()
    (tmp_path / "ai_edge_litert" / "interpreter.py").write_text("import no_such_package_at_all\n")
    ran = run(("--version",), tmp_path, {"PYTHONPATH": str(tmp_path)})
    assert ran.code == 2
    assert "ai_edge_litert needs no_such_package_at_all" in ran.complaint


def test_the_older_package_will_do(tmp_path: Path) -> None:
    """Images of boards have ``tflite_runtime``; the newer name goes first where both are there."""
    (tmp_path / "tflite_runtime").symlink_to(FAKE / "ai_edge_litert")
    (tmp_path / "ai_edge_litert.py").write_text("raise ImportError('built for another processor')\n")
    ran = run(("--version",), tmp_path, {**fake_environment(tmp_path), "PYTHONPATH": str(tmp_path)})
    assert ran.code == 0, ran.err
    assert ran.json["package"] == "tflite_runtime"


# ------------------------------------------------------------------------------------------- what is told of the window


def test_marks_hold_the_warm_up_and_the_window(tmp_path: Path) -> None:
    flags = ("--num_runs=10", "--min_secs=0", "--warmup_runs=5", "--warmup_min_secs=0", "--json")
    ran = run_fake(tmp_path, *flags, env={LAB_MARKS: str(tmp_path / "marks")}, inference_s=0.005)
    marks = read_board_marks(tmp_path / "marks").marks
    assert [mark.name for mark in marks] == ["warmup_begin", "warmup_end", "window_begin", "window_end"]
    for (begin, end), part in ((marks[:2], "warmup"), (marks[2:], "inference")):
        spent_s = ran.json[part]["count"] * ran.json[part]["mean_s"]
        assert spent_s <= (end.ns - begin.ns) * 1e-9 < spent_s + 0.05


@pytest.mark.parametrize("answer", [b"ack\n", b"ack\n\0", b"\0ack\n"], ids=["agent", "perf", "either"])
def test_its_window_lies_between_the_answers(tmp_path: Path, answer: bytes) -> None:
    listener = Listener(tmp_path, (answer, answer), late_s=0.05)
    env = {LAB_WINDOW: "{},{}".format(*listener.paths), LAB_MARKS: str(tmp_path / "marks")}
    ran = run_fake(tmp_path, *QUICK, env=env)
    listener.close()
    assert (ran.code, ran.err) == (0, "")
    (first, enabled_ns), (last, disabled_ns) = listener.heard
    assert (first, last) == (b"enable\n", b"disable\n")
    begin, end = read_board_marks(tmp_path / "marks").named("window_begin", "window_end")
    assert enabled_ns < begin.ns < end.ns < disabled_ns - 0.05e9 + 1e6


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("control", "expected the paths of two pipes"),
        ("none,none", "none: No such file"),
        ("control,acknowledge", "control: nobody listens"),
    ],
)
def test_nobody_there_is_told_before_anything_is_run(tmp_path: Path, value: str, said: str) -> None:
    os.mkfifo(tmp_path / "control")
    os.mkfifo(tmp_path / "acknowledge")
    ran = run_fake(tmp_path, *QUICK, env={LAB_WINDOW: value, LAB_MARKS: "marks"})
    assert (ran.code, ran.out, ran.diary) == (1, "", [])
    assert said in ran.complaint
    assert not (tmp_path / "marks").exists()


@pytest.mark.parametrize("answers", [(b"nack\n",), (b"x" * 3000 + b"\n",), (b"ack\n", b"what?\n")])
def test_another_answer_is_an_error(tmp_path: Path, answers: tuple[bytes, ...]) -> None:
    listener = Listener(tmp_path, answers)
    ran = run_fake(tmp_path, *QUICK, "--json", env={LAB_WINDOW: "{},{}".format(*listener.paths)})
    listener.close()
    assert ran.code == 1
    assert "the answer was not understood" in ran.complaint
    assert "{" not in ran.out


def test_without_the_variables_nothing_is_written(tmp_path: Path) -> None:
    assert run_fake(tmp_path, *QUICK, env={LAB_WINDOW: "", LAB_MARKS: ""}).code == 0
    assert {path.name for path in tmp_path.iterdir()} == {"model.tflite", "diary"}


# --------------------------------------------------------------------------------------------------- the real one


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real model of one layer."""
    if not has_litert():
        pytest.skip(NEEDS_LITERT)
    path = tmp_path_factory.mktemp("tiny") / "tiny.tflite"
    write_tiny_model(path)
    return path


def test_it_runs(model: Path, tmp_path: Path) -> None:
    ran = run((f"--graph={model}", "--num_threads=1", *QUICK, "--json"), tmp_path, {})
    assert ran.code == 0, ran.err
    assert ran.json["runtime"]["package"] == "ai_edge_litert"
    assert ran.json["model_bytes"] == model.stat().st_size
    assert 0 < ran.json["inference"]["median_s"] < 1e-3
    assert ran.json["memory"]["load_bytes"] > 0
    assert all(math.isfinite(value) for value in ran.json["inference"].values())


def test_its_own_kernels_run_it_too(model: Path, tmp_path: Path) -> None:
    own = run((f"--graph={model}", *QUICK, "--use_xnnpack=false", "--json"), tmp_path, {})
    assert own.code == 0
    assert "XNNPACK" not in own.err
    assert own.json["xnnpack"] is False


@pytest.mark.parametrize("keep", [8, 100, 0.5, 0.99])
def test_a_model_that_is_cut_off(model: Path, tmp_path: Path, keep: float) -> None:
    content = model.read_bytes()
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(content[: int(keep if keep > 1 else keep * len(content))])
    ran = run((f"--graph={cut}", *QUICK), tmp_path, {})
    assert ran.code == 2
    assert [line for line in ran.err.splitlines() if not line.startswith("INFO")] == [
        f"run_model: {cut}: The model is not a valid Flatbuffer buffer"
    ]


def test_a_delegate_that_is_none(model: Path, tmp_path: Path) -> None:
    ran = run((f"--graph={model}", "--external_delegate_path=/nowhere.so"), tmp_path, {})
    assert ran.code == 2
    assert "/nowhere.so" in ran.complaint


def test_the_schema_in_program_and_reader_is_the_same() -> None:
    assert MEASURING.JSON_SCHEMA == reader.SCHEMA
    assert (MEASURING.LAB_MARKS, MEASURING.LAB_WINDOW) == (LAB_MARKS, LAB_WINDOW)
    assert json.loads(json.dumps(MEASURING.statistics(array("q")))) == {"count": 0}
