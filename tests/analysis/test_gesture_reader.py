"""What the gesture study's program prints is read whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.readers import program_reader
from analysis.readers.gesture import read, read_output
from lab.errors import DataError


def judged(accuracy: float, loss: float, *, unseen: bool = True) -> dict[str, Any]:
    sets = ("training", "validation", "all", *(("unseen",) if unseen else ()))
    values = {}
    for name in sets:
        values |= {f"{name}_accuracy": accuracy, f"{name}_loss": loss, f"{name}_count": 12}
    return values


def events(**changes: Any) -> list[dict[str, Any]]:
    """A whole output; ``changes`` replace events by name, ``None`` leaves one out."""
    epoch = {"loss": 0.5, "accuracy": 0.75, "validation_loss": 0.6, "validation_accuracy": 0.5}
    found: dict[str, Any] = {
        "data": {"gestures": ["flex", "punch"], "training": 48, "validation": 12, "unseen": 20},
        "example": {"gesture": "flex", "samples": [[0.5, 0, 1, -20.5, 3, 4]] * 30},
        "layer": {"name": "0-dense50", "outputs": 50, "parameters": 9050},
        "epoch": {"epoch": 1, **epoch},
        "epoch2": {"event": "epoch", "epoch": 2, **epoch},
        "trained": {"seconds": 1.5, **judged(0.9167, 0.25), "unrounded_accuracy": 0.9},
        "form": {"form": "float32", "maker": "own", "bytes": 39436, "parameter_bytes": 39388, **judged(0.9, 0.25)},
        "form2": {
            "event": "form", "form": "int8", "maker": "tflite", "bytes": 14176, "parameter_bytes": None,
            **judged(0.8, 0.375),
        },
        "converter": {"name": "tensorflow", "version": "2.21.0", "keras_bytes": 104496},
        "done": {"parameters": 9847, "training_s": 1.5},
    }  # fmt: skip
    for name, change in changes.items():
        found[name] = None if change is None else {**found.get(name, {}), **change}
    return [{"event": name, **event} for name, event in found.items() if event is not None]


def text_of(lines: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)


def test_everything_is_understood() -> None:
    output = read(text_of(events()))
    assert output.gestures == ("flex", "punch")
    assert output.counts == {"training": 48, "validation": 12, "unseen": 20}
    assert len(output.examples["flex"]) == 30
    assert output.layers == [("0-dense50", 50, 9050)]
    assert [epoch.validation_loss for epoch in output.epochs] == [0.6, 0.6]
    assert output.trained["validation"].accuracy == 0.9167
    assert output.unrounded_accuracy == 0.9
    small = output.form("int8", "tflite")
    assert small is not None
    assert (small.size_bytes, small.judged["all"].loss) == (14176, 0.375)
    assert output.form("int8") is None
    assert (output.keras_bytes, output.converter) == (104496, "tensorflow 2.21.0")
    assert (output.parameters, output.training_s) == (9847, 1.5)


def test_quantities_are_named_and_have_units(tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_text(text_of(events()))
    output = program_reader("gesture").read_output(tmp_path)
    assert output.reasons == ()
    units = {item.name: item.unit for item in output.quantities}
    assert output.value("accuracy") == 0.9167  # the validation set's, as in the study's table 2
    assert output.value("training_loss") == 0.25
    assert output.value("unseen_accuracy_unrounded") == 0.9
    assert output.value("float32_bytes") == 39436
    assert output.value("tflite_int8_unseen_accuracy") == 0.8
    assert output.value("keras_bytes") == 104496
    assert {units["training_s"], units["float32_bytes"], units["loss"]} == {"s", "B", "1"}
    assert len(units) == len(output.quantities)


def test_without_unseen_gestures_nothing_is_said_of_them(tmp_path: Path) -> None:
    trained, form = judged(0.5, 1.0, unseen=False), judged(0.5, 1.0, unseen=False)
    lines = [event for event in events() if event["event"] not in ("trained", "form")]
    lines[-1:-1] = [
        {"event": "trained", "seconds": 1, **trained},
        {"event": "form", "form": "int8", "maker": "own", "bytes": 1, **form},
    ]
    (tmp_path / "stdout.txt").write_text(text_of(lines))
    output = read_output(tmp_path)
    assert output.value("accuracy") == 0.5
    assert [item.name for item in output.quantities if "unseen" in item.name] == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"done": None}, "ends without the event 'done'"),
        ({"trained": None}, "nothing of a trained network"),
        ({"layer": None}, "nothing of a trained network"),
        ({"zzz": {"event": "hello"}}, "something follows the last event"),
        ({"epoch": {"epoch": 2}}, "epoch 2, expected 1"),
        ({"epoch": {"loss": -1}}, "loss is -1, expected a number from 0"),
        ({"epoch": {"accuracy": 1.5}}, "accuracy is 1.5, expected a share from 0 to 1"),
        ({"trained": {"validation_loss": None}}, "validation_loss is null, expected a number"),
        ({"trained": {"all_count": 1.5}}, "all_count is 1.5, expected a whole number"),
        ({"form": {"bytes": -4}}, "bytes is -4, expected a whole number"),
        ({"form": {"form": "a" * 99}}, 'form is "aaaa.*, expected a short text'),
        ({"example": {"samples": [[1, 2, 3]]}}, "samples is .*, expected samples of six numbers"),
        ({"example": {"samples": [[True] * 6]}}, "samples of six numbers"),
        ({"data": {"gestures": "flex"}}, 'gestures is "flex", expected a list of short texts'),
        ({"data": {"event": "news"}}, "unknown event"),
    ],
)
def test_anything_else_is_refused_with_its_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        read(text_of(events(**changes)))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999", "true", "null", '"1"', "[]", "1" + "0" * 400])
def test_what_is_no_finite_number_is_none(number: str) -> None:
    text = text_of(events()).replace('"training_s": 1.5', f'"training_s": {number}')
    with pytest.raises(DataError, match=r"training_s is .*, expected a number from 0"):
        read(text)


@given(st.integers(0, 5000), st.binary(max_size=20))
@settings(max_examples=120, deadline=None)
def test_no_damage_makes_the_reader_fall_over(tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes) -> None:
    good = text_of(events()).encode()
    place = at % len(good)
    folder = tmp_path_factory.getbasetemp()
    (folder / "stdout.txt").write_bytes(good[:place] + noise + good[place + len(noise) :])
    output = read_output(folder)
    assert output.quantities
    assert all(item.value is not None or item.reasons for item in output.quantities)


def test_no_output_at_all_is_unreadable(tmp_path: Path) -> None:
    output = read_output(tmp_path)
    assert output.reasons == ("output_unreadable",)
    assert output.value("accuracy") is None
