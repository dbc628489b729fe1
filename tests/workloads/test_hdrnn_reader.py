"""The reader of hdrnn's output: what the program prints is understood, what it would not print is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hdrnn_files import Hdrnn
from hypothesis import given
from hypothesis import strategies as st

from analysis.readers import hdrnn as reader
from analysis.readers import program_reader
from lab.errors import DataError

EPOCH = {"event": "epoch", "epoch": 1, "loss": 0.25, "accuracy": 0.5, "seconds": 1.5}
DONE = {
    "event": "done", "epochs": 1, "loss": 0.25, "accuracy": 0.5, "seconds": 1.5, "train_images": 8, "test_images": 2,
    "parameters": 99,
}  # fmt: skip


def lines(*events: dict[str, object]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def test_what_the_program_prints(hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
    printed = hdrnn("train", "--json", "--data", digits, "-s", 4, "-e", 3, "--train-limit", 100).stdout
    output = reader.read(printed)
    assert [epoch.epoch for epoch in output.epochs] == [1, 2, 3]
    assert (output.loss, output.accuracy) == (output.epochs[-1].loss, output.epochs[-1].accuracy)
    assert output.seconds == pytest.approx(sum(epoch.seconds for epoch in output.epochs), abs=3e-6)
    assert (output.train_images, output.test_images) == (100, 1000)
    assert output.parameters == 785 * 4 + 5 * 10
    (tmp_path / "stdout.txt").write_text(printed)
    common = program_reader("hdrnn").read_output(tmp_path)
    assert common.reasons == ()
    assert (common.value("accuracy"), common.value("parameters")) == (output.accuracy, output.parameters)
    assert common.value("training_s") == output.seconds


def test_quiet_and_untrained(hdrnn: Hdrnn, digits: Path, tmp_path: Path) -> None:
    quiet = hdrnn("train", "--json", "-q", "--data", digits, "-s", 2, "-e", 1, "--train-limit", 10).stdout
    assert reader.read(quiet).epochs == ()
    untrained = hdrnn("train", "--json", "--data", digits, "-s", 2, "-e", 0, "--train-limit", 10).stdout
    assert reader.read(untrained).loss is None
    (tmp_path / "stdout.txt").write_text(untrained)
    assert "loss" not in {item.name for item in reader.read_output(tmp_path).quantities}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "ends without"),
        (lines(EPOCH), "ends without"),
        (lines(DONE, EPOCH), "line 2: something follows"),
        (lines(EPOCH, EPOCH, DONE), "line 2: epoch 1 where 2"),
        ("epoch 1 of 2: loss 0.3\n", "line 1: not JSON"),
        ("[1]\n", "not a JSON object"),
        (lines({"event": "inference"}), "unknown event 'inference'"),
        (lines({**DONE, "accuracy": 1.2}), "accuracy is 1.2"),
        (lines({**DONE, "accuracy": True}), "accuracy is true"),
        (lines({**DONE, "seconds": -1}), "seconds is -1"),
        (lines({**DONE, "seconds": float("nan")}), "seconds is NaN"),
        (lines({**DONE, "seconds": 10**400}), "seconds is 1000"),
        (lines({**DONE, "parameters": 1.5}), "parameters is 1.5"),
        (lines({key: value for key, value in DONE.items() if key != "loss"}), "loss is null"),
        (lines({**EPOCH, "loss": None}, DONE), "loss is null"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_what_it_would_not_print(text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        reader.read(text)
    assert message in caught.value.message
    assert len(caught.value.message) < 200


@given(st.text(max_size=200) | st.lists(st.sampled_from([*lines(EPOCH, DONE)]), max_size=80).map("".join))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        output = reader.read(text)
    except DataError:
        return
    assert 0 <= output.accuracy <= 1


@given(st.data())
def test_damaged_output_is_read_or_refused(data: st.DataObject) -> None:
    text = lines(EPOCH, DONE)
    at = data.draw(st.integers(0, len(text) - 1))
    damaged = text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 5)) :]
    try:
        output = reader.read(damaged)
    except DataError:
        return
    assert 0 <= output.accuracy <= 1
    assert output.seconds >= 0


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b"Segmentation fault\n"])
def test_unreadable_output_is_a_reason_not_an_exception(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "stdout.txt").write_bytes(content)
    output = reader.read_output(tmp_path)
    assert output.reasons == ("output_unreadable",)
    assert {item.value for item in output.quantities} == {None}
    assert all(item.reasons == ("output_unreadable",) for item in output.quantities)
