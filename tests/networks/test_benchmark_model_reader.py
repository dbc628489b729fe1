"""The reader of ``benchmark_model`` understands every form it prints, and nothing else."""

import dataclasses
import math
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.readers import program_reader
from analysis.readers.benchmark_model import read, read_output
from lab.errors import DataError

CLASSIC = """STARTING!
Log parameter values verbosely: [0]
Num threads: [4]
Graph: [/data/local/tmp/net.tflite]
#threads used for CPU inference: [4]
Loaded model /data/local/tmp/net.tflite
The input model file size (MB): 0.004448
Initialized session in 0.855ms.
Running benchmark for at least 1 iterations and at least 0.5 seconds but terminate if exceeding 150 seconds.
count=15 first=49060 curr=33682 min=32825 max=49060 avg=34825.1 std=3930

Running benchmark for at least 50 iterations and at least 1 seconds but terminate if exceeding 150 seconds.
count=50 first=32891 curr=33978 min=32641 max=34005 avg=33209.4 std=450

Inference timings in us: Init: 855, First inference: 49060, Warmup (avg): 34825.1, Inference (avg): 33209.4
Note: as the benchmark tool itself affects memory footprint, the following is only APPROXIMATE.
Memory footprint delta from the start of the tool (MB): init=0 overall=12.8672
Overall peak memory footprint (MB) via periodic monitoring: 63.1
"""


def newer(text: str) -> str:
    """The same output as a newer build writes it."""
    lines = []
    for line in text.splitlines():
        tail = " p5=33000 median=33100 p95=33950" if line.startswith("count=") else ""
        lines.append(f"INFO: {line}{tail}")
    return "\n".join(lines) + "\n"


def output(warmup: str, measured: str, first: str, warmup_avg: str, avg: str) -> str:
    """A minimal output with these statistics and timings."""
    return (
        f"Loaded model x.tflite\n{warmup}\n\n{measured}\n\n"
        f"Inference timings in us: Init: 855, First inference: {first}, "
        f"Warmup (avg): {warmup_avg}, Inference (avg): {avg}\n"
    )


def test_the_classic_form() -> None:
    result = read(CLASSIC)
    assert result.count == 50
    assert result.avg_s == pytest.approx(33209.4e-6)
    assert (result.first_s, result.last_s) == (pytest.approx(32891e-6), pytest.approx(33978e-6))
    assert (result.min_s, result.max_s) == (pytest.approx(32641e-6), pytest.approx(34005e-6))
    assert result.std_s == pytest.approx(450e-6)
    assert (result.warmup_count, result.warmup_avg_s) == (15, pytest.approx(34825.1e-6))
    assert (result.init_s, result.first_inference_s) == (pytest.approx(855e-6), pytest.approx(49060e-6))
    assert result.inference_avg_s == result.avg_s
    assert result.peak_memory_bytes == pytest.approx(63.1 * 1024**2)
    assert result.p5_s is result.median_s is result.p95_s is None


def test_the_newer_form_says_the_same_and_has_percentiles() -> None:
    old, new = read(CLASSIC), read(newer(CLASSIC))
    assert (new.p5_s, new.median_s, new.p95_s) == pytest.approx((33000e-6, 33100e-6, 33950e-6))
    assert (new.count, new.avg_s, new.warmup_count, new.init_s) == (old.count, old.avg_s, old.warmup_count, old.init_s)


def test_one_inference() -> None:
    result = read(output("count=1 curr=12512434", "count=1 curr=9980668", "12512434", "1.25124e+07", "9.98067e+06"))
    assert (result.count, result.std_s) == (1, 0.0)
    assert result.avg_s == result.min_s == result.first_s == pytest.approx(9.980668)
    assert result.warmup_count == 1


def test_all_the_same() -> None:
    result = read(output("count=1 curr=700", "count=50 curr=650(all same)", "700", "700", "650"))
    assert (result.count, result.avg_s, result.std_s) == (50, pytest.approx(650e-6), 0.0)


def test_no_warmup_leaves_the_first_inference_to_the_measured_ones() -> None:
    measured = "count=3 first=8000 curr=4825 min=4764 max=8000 avg=5863 std=1511"
    result = read(output("count=0", measured, "0", "nan", "5863"))
    assert (result.warmup_count, result.warmup_avg_s) == (None, None)
    assert result.first_inference_s == pytest.approx(8e-3)


@pytest.mark.parametrize("nan", ["nan", "-nan", "-nan(ind)"])
def test_no_inference_at_all(nan: str) -> None:
    result = read(output("count=1 curr=700", "count=0", "700", "700", nan))
    assert result.count == 0
    assert result.avg_s is result.min_s is result.std_s is result.inference_avg_s is None


def test_six_digits_of_long_means() -> None:
    measured = "count=3 first=9980668 curr=10062170 min=9980668 max=10062170 avg=1.00229e+07 std=33342"
    assert read(output("count=0", measured, "0", "nan", "1.00229e+07")).avg_s == pytest.approx(10.0229)


OUTPUTS = Path(__file__).parent / "benchmark_model_outputs"

GOLDEN: dict[str, dict[str, float | None]] = {
    "plain": {
        "count": 105, "first_s": 9537, "last_s": 9488, "min_s": 9391, "max_s": 10240, "avg_s": 9521.49, "std_s": 98,
        "p5_s": None, "median_s": None, "p95_s": None, "warmup_count": 52, "warmup_avg_s": 9677.15, "init_s": 12413,
        "first_inference_s": 14892, "inference_avg_s": 9521.49, "peak_memory_bytes": None,
    },
    "info_nnapi": {
        "count": 1021, "first_s": 1012, "last_s": 966, "min_s": 941, "max_s": 1460, "avg_s": 972.131, "std_s": 31,
        "p5_s": None, "median_s": None, "p95_s": None, "warmup_count": 1, "warmup_avg_s": 2.73119e6, "init_s": 6051,
        "first_inference_s": 2731194, "inference_avg_s": 972.131, "peak_memory_bytes": None,
    },
    "info_percentiles_peak": {
        "count": 192, "first_s": 5215, "last_s": 5187, "min_s": 5170, "max_s": 5302, "avg_s": 5203.4, "std_s": 17,
        "p5_s": 5181, "median_s": 5201, "p95_s": 5236, "warmup_count": 3, "warmup_avg_s": 2.03842e6, "init_s": 41870,
        "first_inference_s": 6104882, "inference_avg_s": 5203.4, "peak_memory_bytes": 96.4883 * 2**20,
    },
    "degenerate_percentiles": {
        "count": 3, "first_s": 127, "last_s": 127, "min_s": 127, "max_s": 127, "avg_s": 127, "std_s": 0,
        "p5_s": 127, "median_s": 127, "p95_s": 127, "warmup_count": None, "warmup_avg_s": None, "init_s": 2130,
        "first_inference_s": 127, "inference_avg_s": 127, "peak_memory_bytes": None,
    },
    "one_run_percentiles": {
        "count": 1, "first_s": 9980668, "last_s": 9980668, "min_s": 9980668, "max_s": 9980668, "avg_s": 9980668,
        "std_s": 0, "p5_s": 9980668, "median_s": 9980668, "p95_s": 9980668, "warmup_count": 1,
        "warmup_avg_s": 1.25124e7, "init_s": 212900, "first_inference_s": 12512434, "inference_avg_s": 9.98067e6,
        "peak_memory_bytes": None,
    },
}  # fmt: skip
"""Outputs of builds old and new → what they say, times in µs."""


@pytest.mark.parametrize("name", GOLDEN)
def test_whole_outputs_of_builds_old_and_new(name: str) -> None:
    found = dataclasses.asdict(read((OUTPUTS / f"{name}.txt").read_text(encoding="utf-8")))
    expected = {
        key: value * 1e-6 if key.endswith("_s") and value is not None else value for key, value in GOLDEN[name].items()
    }
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("name", ["failed_to_load", "interrupted"])
def test_whole_outputs_that_ended_too_early(name: str) -> None:
    with pytest.raises(DataError):
        read((OUTPUTS / f"{name}.txt").read_text(encoding="utf-8"))


def test_no_output_was_forgotten() -> None:
    assert {path.stem for path in OUTPUTS.glob("*")} == {*GOLDEN, "failed_to_load", "interrupted"}


def test_percentiles_warm_up_and_init_are_in_the_results(tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_bytes((OUTPUTS / "info_percentiles_peak.txt").read_bytes())
    found = read_output(tmp_path)
    assert found.value("latency_median_s") == pytest.approx(5201e-6)
    assert (found.value("latency_p05_s"), found.value("latency_p95_s")) == pytest.approx((5181e-6, 5236e-6))
    assert found.value("latency_warmup_s") == pytest.approx(2.03842)
    assert found.value("latency_init_s") == pytest.approx(41870e-6)


ONE = "count=1 curr=7 p5=7 median=7 p95=7"
WRONG = {
    "nothing": "",
    "percentiles of nothing": output(ONE, "count=0 p5=1 median=0 p95=0", "7", "7", "nan"),
    "a percentile missing": output(ONE, "count=1 curr=7 p5=7 p95=7", "7", "7", "7"),
    "percentiles out of order": output(
        ONE, "count=2 first=7 curr=9 min=7 max=9 avg=8 std=1 p5=9 median=7 p95=9", "7", "7", "8"
    ),
    "a percentile outside the extremes": output(ONE, "count=1 curr=7 p5=7 median=7 p95=8", "7", "7", "7"),
    "the same twice over": output(ONE, "count=2 curr=7(all same)(all same)", "7", "7", "7"),
    "the same and not": output(ONE, "count=2 first=7 curr=9 min=7 max=9 avg=8 std=1(all same)", "7", "7", "8"),
    "a shell": "sh: benchmark_model: command not found\n",
    "only warm-up": CLASSIC.split("Running benchmark for at least 50")[0],
    "killed before the timings": CLASSIC.split("Inference timings")[0],
    "two runs": CLASSIC + CLASSIC,
    "a count without statistics": output("count=1 curr=7", "count=50", "7", "7", "7"),
    "a negative time": output("count=1 curr=7", "count=1 curr=-7", "7", "7", "7"),
    "a cut line": CLASSIC.replace("avg=33209.4 std=450", "avg=332"),
    "an average outside the extremes": CLASSIC.replace("avg=33209.4 std=450", "avg=99209.4 std=450"),
    "averages that differ": CLASSIC.replace("Inference (avg): 33209.4", "Inference (avg): 34209.4"),
    "a fraction of an inference": CLASSIC.replace("count=50 first", "count=50.5 first"),
    "a number that is none": CLASSIC.replace("min=32641", "min=abc"),
    "a key twice": CLASSIC.replace("min=32641", "first=32641"),
    "too large a number": CLASSIC.replace("max=34005", "max=1e999"),
    "several that are one": output("count=1 curr=7", "count=5 curr=7", "7", "7", "7"),
    "one that is several": output("count=1 curr=7", "count=1 curr=7(all same)", "7", "7", "7"),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_an_error_and_never_a_number(text: str) -> None:
    with pytest.raises(DataError):
        read(text)


WHOLE = st.integers(min_value=1, max_value=10**9)


@given(st.lists(WHOLE, min_size=1, max_size=30), st.lists(WHOLE, min_size=0, max_size=5), st.integers(0, 2))
def test_what_the_program_would_print_of_any_times_is_read_back(
    times: list[int], warmup: list[int], generation: int
) -> None:
    def mean(values: list[int]) -> str:
        return f"{sum(values) / len(values):g}" if values else "nan"

    def percentile(values: list[int], percent: int) -> int:
        return sorted(values)[len(values) * percent // 100] if values else 0

    def statistics(values: list[int]) -> str:
        tail = f" p5={percentile(values, 5)} median={percentile(values, 50)} p95={percentile(values, 95)}"
        return older_statistics(values) + (tail if generation == 2 else "")

    def older_statistics(values: list[int]) -> str:
        if not values:
            return "count=0"
        if len(set(values)) == 1:
            return f"count={len(values)} curr={values[0]}" + ("(all same)" if len(values) > 1 else "")
        return (
            f"count={len(values)} first={values[0]} curr={values[-1]} min={min(values)} max={max(values)} "
            f"avg={mean(values)} std={math.isqrt(len(values))}"
        )

    text = output(statistics(warmup), statistics(times), str(warmup[0] if warmup else 0), mean(warmup), mean(times))
    if generation:
        text = "".join(f"INFO: {line}\n" for line in text.splitlines())
    result = read(text)
    assert result.count == len(times)
    assert result.avg_s == pytest.approx(sum(times) / len(times) * 1e-6, rel=1e-5)
    assert (result.min_s, result.max_s) == pytest.approx((min(times) * 1e-6, max(times) * 1e-6))
    assert result.warmup_count == (len(warmup) or None)
    assert result.median_s == (None if generation < 2 else pytest.approx(percentile(times, 50) * 1e-6))
    assert result.first_inference_s == pytest.approx((warmup or times)[0] * 1e-6)


FRAGMENTS = st.sampled_from([*CLASSIC.splitlines(), "count=", "count=nan", "count=5 avg=inf", "INFO: ", "(all same)"])


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=200), st.lists(FRAGMENTS, max_size=12).map("\n".join)))
def test_garbage_gives_a_typed_error_or_numbers_that_make_sense(text: str) -> None:
    try:
        result = read(text)
    except DataError:
        return
    assert result.count >= 0
    for value in (result.avg_s, result.min_s, result.max_s, result.init_s):
        assert value is None or (math.isfinite(value) and value >= 0)


@settings(max_examples=200)
@given(
    st.integers(0, len(CLASSIC) - 1), st.sampled_from(string.printable), st.sampled_from(["replace", "insert", "cut"])
)
def test_a_damaged_output_never_gives_another_mean(position: int, character: str, how: str) -> None:
    after = {"replace": CLASSIC[position + 1 :], "insert": CLASSIC[position:], "cut": ""}[how]
    damaged = CLASSIC[:position] + ("" if how == "cut" else character) + after
    try:
        result = read(damaged)
    except DataError:
        return
    assert result.avg_s == pytest.approx(33209.4e-6, rel=2e-5)


def test_a_pass_is_read_from_its_folder(tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_text(CLASSIC, encoding="utf-8")
    found = read_output(tmp_path)
    assert (found.inferences, found.warmup_inferences, found.reasons) == (50, 15, ())
    assert found.value("latency_s") == pytest.approx(33209.4e-6)
    assert found.value("latency_first_s") == pytest.approx(49060e-6)
    assert found.inference_time_s == pytest.approx(50 * 33209.4e-6)
    assert program_reader("benchmark_model").read_output(tmp_path) == found


def test_newer_builds_write_to_standard_error(tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_text("", encoding="utf-8")
    (tmp_path / "stderr.txt").write_text(newer(CLASSIC), encoding="utf-8")
    assert read_output(tmp_path).inferences == 50


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Segmentation fault", "output_unreadable"),
        (output("count=1 curr=7", "count=0", "7", "7", "nan"), "count_missing"),
    ],
)
def test_a_pass_that_says_nothing_gives_reasons(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "stdout.txt").write_text(text, encoding="utf-8")
    found = read_output(tmp_path)
    assert found.reasons == (reason,)
    assert found.inferences is None
    assert found.value("latency_s") is None
    assert all(item.reasons == (reason,) for item in found.quantities)


def test_a_missing_file_gives_a_reason(tmp_path: Path) -> None:
    assert read_output(tmp_path).reasons == ("output_unreadable",)
