"""What an emulated core's pin shows beside the firmware's own ticks, and what is known of how a firmware was made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.measured import measured
from analysis.readers.firmware import read, read_output
from analysis.withholding import CODE, withheld
from lab.errors import DataError
from lab.record.quantity import Origin

FIRMWARE = {"event": "firmware", "tick_hz": 2_500_000, "tick_bits": 32, "link_s": 0.001}
CYCLES_A_TICK = 8


def lines(windows: list[list[int]], ticks: list[int], marks: list[list[list[int]]] | None = None) -> str:
    events = [FIRMWARE]
    for index, count in enumerate(ticks):
        events.append(
            {
                "event": "inferred",
                "input": index,
                "inferences": 1,
                "ticks": count,
                "ticks_each": [count],
                "host_elapsed_s": None,
                "asked_again": False,
            }
        )
    events.append({"event": "done", "inputs": len(ticks), "inferences": len(ticks), "right": None})
    pin = {"event": "pin", "clock_hz": 20_000_000, "windows": windows}
    events.append(pin if marks is None else pin | {"marks": marks})
    return "\n".join(map(json.dumps, events))


def output_of(folder: Path, text: str, made: str | None = None) -> dict[str, float | None]:
    (folder / "stdout.txt").write_text(text)
    if made is not None:
        (folder / "made.json").write_text(made)
    return {item.name: item.value for item in read_output(folder).quantities}


def test_cycles_and_layers(tmp_path: Path) -> None:
    windows = [[1000, 9000], [20000, 28100]]
    marks = [[[1, 7000], [2, 8900]], [[1, 26100], [2, 28000]]]
    found = output_of(tmp_path, lines(windows, [1000, 1010], marks))
    assert found["latency_s"] == pytest.approx(1005 * CYCLES_A_TICK / 20e6)
    assert found["latency_pin_s"] == pytest.approx(8050 / 20e6)
    assert found["latency_layer_1_s"] == pytest.approx(6050 / 20e6)
    assert found["latency_layer_2_s"] == pytest.approx(1900 / 20e6)
    assert read_output(tmp_path).exact_clock


def test_ticks_that_the_pin_contradicts_are_not_believed(tmp_path: Path) -> None:
    """A timer that began anew within the inference: it says 1 ms where the pin was high for 27."""
    (tmp_path / "stdout.txt").write_text(lines([[0, 540_000]], [2500]))
    output = read_output(tmp_path)
    assert [item.reasons for item in output.quantities if item.name == "latency_s"] == [("ticks_disagree",)]
    assert output.inference_time_s is None


@pytest.mark.parametrize(
    "pin",
    [
        {"windows": [[2, 1]]},
        {"windows": [[1]]},
        {"windows": 5},
        {"windows": [[1, 2]], "marks": [[[1, 1]], [[1, 1]]]},
        {"windows": [[1, 2]], "marks": [5]},
        {"windows": [[1, 2]], "clock_hz": 0},
    ],
)
def test_a_pin_that_cannot_be_is_refused(pin: dict[str, object]) -> None:
    text = lines([[0, 8000]], [1000])
    broken = json.dumps({"event": "pin", "clock_hz": 20_000_000} | pin)
    with pytest.raises(DataError):
        read("\n".join([*text.splitlines()[:-1], broken]))


def test_the_pin_comes_last_and_once() -> None:
    all_lines = lines([[0, 8000]], [1000]).splitlines()
    for order in ([*all_lines, all_lines[-1]], [all_lines[0], all_lines[-1], *all_lines[1:-1]]):
        with pytest.raises(DataError):
            read("\n".join(order))


@given(st.text(max_size=200) | st.binary(max_size=50).map(lambda data: data.decode("latin-1")))
def test_whatever_the_makers_notes_hold_the_output_stays_readable(text: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        found = output_of(Path(folder), lines([[0, 8000]], [1000]), text)
    assert found["latency_s"] == pytest.approx(400e-6)


def test_quantities_of_the_steps_have_units_by_their_names(tmp_path: Path) -> None:
    made = json.dumps({"quantities": {"stack_bound_bytes": 155.0, "accuracy_float": 0.9}})
    output_of(tmp_path, lines([[0, 8000]], [1000]), made)
    units = {item.name: (item.value, item.unit) for item in read_output(tmp_path).quantities}
    assert units["stack_bound_bytes"] == (155.0, "B")
    assert units["accuracy_float"] == (0.9, "1")


def test_only_what_the_program_counted_is_stated_of_a_cycle_true_board() -> None:
    def item(name: str, unit: str, source: str) -> object:
        return measured(name, 1.0, unit, pass_id="p", origin=Origin.EMULATED, source=source)

    items = [
        item("latency_s", "s", "firmware"),
        item("latency_layer_1_s", "s", "firmware"),
        item("elapsed_s", "s", "resources"),
        item("energy_gross_j", "J", "firmware"),
        item("power_active_w", "W", "meter"),
    ]
    stated = [one.quantity.value for one in withheld(items, Origin.EMULATED, "firmware")]  # type: ignore[arg-type]
    assert stated == [1.0, 1.0, None, None, None]
    for one in withheld(items, Origin.EMULATED):  # type: ignore[arg-type]
        assert (one.quantity.value, one.quantity.reasons) == (None, (CODE,))
