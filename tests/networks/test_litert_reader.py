"""The reader of ``run_model.py --json``: exact numbers where they are, doubts told, never another number."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.readers import program_reader
from analysis.readers.litert import read, read_output
from analysis.verdicts import PROCESS_SIZES
from lab.errors import DataError
from lab.experiment.quantities import KNOWN_QUANTITIES

LINES = """INFO: STARTING!
INFO: Loaded model MobileNet_32.tflite
INFO: count=384 first=670 curr=420 min=364 max=2824 avg=421.81 std=81 p5=366 median=419 p95=565
INFO:
INFO: count=1061 first=390 curr=614 min=364 max=3400 avg=425.893 std=305 p5=365 median=415 p95=438
INFO:
INFO: Inference timings in us: Init: 91580, First inference: 670, Warmup (avg): 421.81, Inference (avg): 425.893
"""
OBJECT: dict[str, Any] = {
    "schema": "lab.litert/1",
    "runtime": {"package": "ai_edge_litert", "version": "2.3.0", "python": "3.11.7"},
    "init_s": 0.0915801,
    "first_inference_s": 0.0006703,
    "warmup": {"count": 384, "mean_s": 0.00042181},
    "inference": {
        "count": 1061,
        "first_s": 0.0003904,
        "last_s": 0.0006141,
        "min_s": 0.00036378,
        "max_s": 0.0033997,
        "mean_s": 0.00042589,
        "std_s": 0.00030538,
        "p5_s": 0.00036519,
        "median_s": 0.0004154,
        "p95_s": 0.00043784,
        "p99_s": 0.0024024,
    },
    "memory": {"load_bytes": 31670272, "overall_bytes": 38535168, "peak_bytes": 80932864},
}


def printed(found: Any = OBJECT, lines: str = LINES) -> str:
    """The program's output."""
    return lines + json.dumps(found) + "\n"


def changed(part: str | None, key: str, value: Any) -> dict[str, Any]:
    """The object with one value changed."""
    copy: dict[str, Any] = json.loads(json.dumps(OBJECT))
    (copy if part is None else copy[part])[key] = value
    return copy


def in_folder(folder: Path, text: str) -> Path:
    (folder / "stdout.txt").write_text(text, encoding="utf-8")
    return folder


def test_every_number_is_the_exact_one(tmp_path: Path) -> None:
    found = read_output(in_folder(tmp_path, printed()))
    assert (found.inferences, found.warmup_inferences, found.reasons) == (1061, 384, ())
    assert found.inference_time_s == 1061 * 0.00042589
    values = {item.name: item.value for item in found.quantities}
    assert values == {
        "latency_s": 0.00042589,
        "latency_std_s": 0.00030538,
        "latency_min_s": 0.00036378,
        "latency_p05_s": 0.00036519,
        "latency_median_s": 0.0004154,
        "latency_p95_s": 0.00043784,
        "latency_p99_s": 0.0024024,
        "latency_max_s": 0.0033997,
        "latency_first_s": 0.0006703,
        "latency_init_s": 0.0915801,
        "latency_warmup_s": 0.00042181,
        "memory_load_bytes": 31670272.0,
        "memory_peak_bytes": 80932864.0,
    }
    assert program_reader("litert").read_output(tmp_path) == found


def test_the_names_are_known_to_experiments_and_verdicts(tmp_path: Path) -> None:
    for item in read_output(in_folder(tmp_path, printed())).quantities:
        assert item.name in KNOWN_QUANTITIES
        assert item.name.startswith("latency_") or item.name in PROCESS_SIZES


def test_the_lines_stand_in_where_there_is_no_object(tmp_path: Path) -> None:
    found = read_output(in_folder(tmp_path, LINES))
    assert found.value("latency_s") == pytest.approx(425.893e-6)
    assert found.value("latency_median_s") == pytest.approx(415e-6)
    assert found.value("latency_p99_s") is None


def test_no_inference_gives_the_reason(tmp_path: Path) -> None:
    lines = LINES.replace(LINES.splitlines()[4], "INFO: count=0 p5=0 median=0 p95=0").replace(
        "(avg): 425.893", "(avg): nan"
    )
    found = read_output(in_folder(tmp_path, printed({**OBJECT, "inference": {"count": 0}}, lines)))
    assert found.reasons == ("count_missing",)


WRONG = {
    "nothing": "",
    "no object": LINES + "{\n",
    "a list": printed([OBJECT]).replace("[{", "{[", 1),
    "another schema": printed(changed(None, "schema", "lab.litert/9")),
    "two objects": printed() + json.dumps(OBJECT) + "\n",
    "something behind it": printed() + "INFO: done\n",
    "counts that differ": printed(changed("inference", "count", 1060)),
    "another warm-up": printed(changed("warmup", "count", 1)),
    "another mean": printed(changed("inference", "mean_s", 0.00052589)),
    "another first inference": printed(changed(None, "first_inference_s", 0.1)),
    "a text": printed(changed("inference", "std_s", "0.1")),
    "true": printed(changed("inference", "p99_s", True)),
    "a negative number": printed(changed("memory", "load_bytes", -1)),
    "NaN": printed(changed("inference", "std_s", math.nan)),
    "infinity": printed(changed("inference", "p95_s", math.inf)),
    "a huge number": printed(changed("memory", "peak_bytes", 10**400)),
    "a part that is missing": printed({key: value for key, value in OBJECT.items() if key != "memory"}),
    "no lines": json.dumps(OBJECT) + "\n",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_told_and_never_a_number(tmp_path: Path, text: str) -> None:
    found = read_output(in_folder(tmp_path, text))
    assert found.reasons == ("output_unreadable",)
    assert all(item.value is None for item in found.quantities)


def test_a_missing_file_gives_the_reason(tmp_path: Path) -> None:
    assert read_output(tmp_path).reasons == ("output_unreadable",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(list(OBJECT)), inner, max_size=4),
    max_leaves=8,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([*OBJECT["inference"], *OBJECT]), JSON)
def test_whatever_the_object_holds_there_is_no_exception(tmp_path: Path, key: str, value: Any) -> None:
    found = read_output(
        in_folder(tmp_path, printed(changed("inference" if key in OBJECT["inference"] else None, key, value)))
    )
    for item in found.quantities:
        assert item.value is None or (math.isfinite(item.value) and item.value >= 0)


@settings(max_examples=200)
@given(st.integers(0, len(printed()) - 2), st.sampled_from('0123456789{}":,\n'), st.booleans())
def test_a_damaged_output_never_gives_another_mean(position: int, character: str, cut: bool) -> None:
    text = printed()
    damaged = text[:position] if cut else text[:position] + character + text[position + 1 :]
    try:
        said, found = read(damaged)
    except DataError:
        return
    mean = said.avg_s if found is None else found["inference"]["mean_s"]
    assert mean == pytest.approx(0.00042589, rel=2e-5, abs=2.1e-6)
