"""What a request to a serial board printed, read strictly; times that cannot be are said to be so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.program_pass import latency_budget
from analysis.readers import program_reader
from analysis.readers.firmware import read, read_output
from lab.errors import DataError
from lab.record.reasons import REASONS

FIRMWARE = {"event": "firmware", "tick_hz": 19531, "tick_bits": 16, "link_s": 0.003}


def inferred(number: int = 0, **changes: Any) -> dict[str, Any]:
    line = {
        "event": "inferred",
        "input": number,
        "inferences": 10,
        "ticks": 4520,
        "ticks_each": [452, 453, 451],
        "host_elapsed_s": 0.25,
        "asked_again": False,
    }
    return {**line, **changes}


def done(inputs: int = 1, inferences: int = 10, right: int | None = None) -> dict[str, Any]:
    return {"event": "done", "inputs": inputs, "inferences": inferences, "right": right}


def text(*lines: dict[str, Any]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_a_whole_output(tmp_path: Path) -> None:
    memory = {"event": "memory", "flash": 27400, "data": None, "stack_peak": 120, "unused": 3}
    warmup = {"event": "warmup", "input": 0, "inferences": 3, "ticks": 1400}
    lines = text(FIRMWARE, warmup, inferred(), inferred(1), memory, done(2, 20, 1))
    (tmp_path / "stdout.txt").write_text(lines)
    output = program_reader("firmware").read_output(tmp_path)
    assert output.value("latency_s") == pytest.approx(452 / 19531)
    assert output.value("latency_first_s") == pytest.approx(452 / 19531)
    assert output.value("latency_std_s") == pytest.approx(0.8944 / 19531, rel=1e-3)
    assert (output.value("accuracy"), output.value("flash_bytes"), output.value("stack_peak_bytes")) == (
        0.5,
        27400,
        120,
    )
    assert output.value("data_bytes") is None
    assert (output.inferences, output.warmup_inferences, output.reasons) == (20, 3, ())
    assert output.inference_time_s == pytest.approx(9040 / 19531)
    assert not any(item.reasons for item in output.quantities)
    budget = latency_budget(output.value("latency_s") or 0.0, output)
    assert [term.name for term in budget.terms] == ["board clock", "tick", "scatter in pass"]
    assert budget.terms[1].u == pytest.approx(1 / 19531 / 3**0.5)


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({}, ()),
        ({"host_elapsed_s": None}, ()),
        # Half a second went by here for a quarter of one there, and the other way round.
        ({"host_elapsed_s": 0.5}, ("ticks_disagree",)),
        ({"host_elapsed_s": 0.2}, ("ticks_disagree",)),
        ({"host_elapsed_s": 0.5, "asked_again": True}, ()),
        ({"host_elapsed_s": 0.2, "asked_again": True}, ("ticks_disagree",)),
        ({"ticks": 100, "host_elapsed_s": 0.01, "ticks_each": [10]}, ("ticks_coarse",)),
    ],
)
def test_doubtful_times_carry_their_reason(changes: dict[str, Any], reasons: tuple[str, ...]) -> None:
    output = read(text(FIRMWARE, inferred(**changes), done()))
    assert output.doubts() == reasons
    assert set(reasons) <= set(REASONS)


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "hello\n",
        "[1]\n",
        '{"event": "else"}\n',
        text(FIRMWARE, inferred()),
        text(inferred(), done()),
        text(FIRMWARE, FIRMWARE, inferred(), done()),
        text(FIRMWARE, inferred(1), done()),
        text(FIRMWARE, inferred(), done(inputs=2)),
        text(FIRMWARE, inferred(), done(inferences=11)),
        text(FIRMWARE, inferred(), done(right=2)),
        text(FIRMWARE, inferred(), done(), done()),
        text(FIRMWARE, inferred(ticks=-1), done()),
        text(FIRMWARE, inferred(ticks=True), done()),
        text(FIRMWARE, inferred(ticks=1e3), done()),
        text(FIRMWARE, inferred(ticks_each=[1, None]), done()),
        text(FIRMWARE, inferred(host_elapsed_s="1"), done()),
        text(FIRMWARE, inferred(asked_again=0), done()),
        text({**FIRMWARE, "tick_hz": 0}, inferred(), done()),
        text(FIRMWARE, inferred(inferences=0), done(inferences=0)),
        '{"event": "firmware", "tick_hz": NaN}\n',
    ],
)
def test_anything_else_is_refused_and_becomes_a_reason(lines: str, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read(lines)
    (tmp_path / "stdout.txt").write_text(lines)
    output = read_output(tmp_path)
    assert (output.value("latency_s"), output.reasons) == (None, ("output_unreadable",))


@given(st.binary(max_size=200))
def test_garbage_never_raises(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("output")
    (folder / "stdout.txt").write_bytes(content)
    assert read_output(folder).inferences is None


def test_what_the_network_gave_and_named() -> None:
    named = inferred(output=[-3, 7.5, 0], chosen=1, label=2)
    plain = inferred(1, output=[1, None], chosen=None, label=None)
    first, second = read(text(FIRMWARE, named, plain, done(2, 20))).inferred
    assert (first.output, first.chosen, first.label) == ((-3.0, 7.5, 0.0), 1, 2)
    assert (second.output, second.chosen, second.label) == (None, None, None)
    with pytest.raises(DataError, match="line 2: chosen is -1, expected a whole number from 0"):
        read(text(FIRMWARE, inferred(chosen=-1), done()))
