"""What ``tn.py train`` and ``prune`` print, read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.readers.tinynet import read, read_output
from lab.errors import DataError

EPOCH: dict[str, Any] = {
    "event": "epoch", "phase": "train", "epoch": 1, "loss": 0.5, "accuracy": 0.8, "test_loss": 0.6,
    "test_accuracy": 0.75, "seconds": 0.1,
}  # fmt: skip
DONE: dict[str, Any] = {
    "event": "done", "test_accuracy": 0.75, "test_loss": 0.6, "seconds": 0.1, "parameters": 50, "macs": 40,
    "int8_bytes": 60, "file_bytes": 900, "layers": "flatten dense5 softmax", "seed": 3,
}  # fmt: skip


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def test_epochs_and_results_are_read() -> None:
    output = read(lines(EPOCH, EPOCH | {"phase": "prune", "epoch": 2}, DONE))
    assert [(epoch.phase, epoch.epoch) for epoch in output.epochs] == [("train", 1), ("prune", 2)]
    assert output.results["test_accuracy"] == 0.75
    assert "seed" not in output.results


def test_results_have_the_labs_names_and_units(tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_text(lines(DONE | {"sparsity": 0.5, "avr_sparse_bytes": 30}))
    found = {item.name: (item.value, item.unit) for item in read_output(tmp_path).quantities}
    assert found["accuracy"] == (0.75, "1")
    assert found["training_s"] == (0.1, "s")
    assert found["sparsity"] == (0.5, "1")
    assert found["avr_sparse_bytes"] == (30.0, "B")


@pytest.mark.parametrize(
    "text",
    [
        "",
        lines(EPOCH),
        lines(DONE, DONE),
        lines(DONE | {"test_accuracy": 1.5}),
        lines(DONE | {"parameters": None}),
        lines(DONE | {"int8_bytes": -1}),
        lines({key: value for key, value in DONE.items() if key != "macs"}),
        lines(EPOCH | {"phase": "rest"}, DONE),
        lines(EPOCH | {"epoch": 1.5}, DONE),
        lines({"event": "other"}),
        "[]\n",
        "nonsense\n",
        lines(DONE).replace("0.75", "NaN"),
        lines(DONE).replace("0.75", "1e999"),
    ],
)
def test_other_output_is_refused_and_gives_reasons_not_numbers(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError):
        read(text)
    (tmp_path / "stdout.txt").write_text(text)
    output = read_output(tmp_path)
    assert output.reasons == ("output_unreadable",)
    assert {item.value for item in output.quantities} == {None}
    assert output.value("accuracy") is None


@given(st.text(max_size=60) | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
@settings(max_examples=40, deadline=None)
def test_no_text_breaks_the_reader(text: str) -> None:
    with pytest.raises(DataError):
        read(text)
