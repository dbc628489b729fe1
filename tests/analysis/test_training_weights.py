"""Weights that programs left in a record: what is compared with what, and what damaged files do to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_training_numbers import COUNT, network_bytes

from analysis.figures.build import NothingToDrawError
from analysis.figures.style import drawing, png_bytes
from analysis.readers.hdrnn import Epoch, HdrnnOutput
from analysis.studies.training.draw_equality import draw_accuracy_difference, draw_weight_error
from analysis.studies.training.equality import Equality, pairs_frame, reference_frame
from analysis.studies.training.frames import (
    accuracy_error_frame,
    accuracy_frame,
    early_stopping_frame,
    repeats_frame,
)
from analysis.studies.training.trainings import Training, Trainings

EPOCHS = 3
WEIGHTS = np.linspace(0.5, 1.5, COUNT)


def training(folder: Path, implementation: str, precision: str, off: float, repeat: int = 0) -> Training:
    """It learns ``WEIGHTS`` plus ``off`` for each epoch, and one percentage point an epoch."""
    out = folder / f"{implementation}-{precision}-{repeat}" / "out"
    out.mkdir(parents=True)
    for epoch in range(EPOCHS + 1):
        content = network_bytes(WEIGHTS + epoch * off, 1 if precision == "float32" else 2)
        (out / f"epoch-{epoch:04d}.nn").write_bytes(content)
    (out / "epoch-0002.nn.part").write_bytes(b"what a killed program leaves")
    epochs = tuple(Epoch(number, 0.1, 0.5 + 0.01 * number + off, 1.0) for number in range(1, EPOCHS + 1))
    output = HdrnnOutput(epochs, 0.1, epochs[-1].accuracy, 3.0, 100, 1000, COUNT)
    return Training(implementation, "2", precision, repeat, output, out.parent)


def together(*members: Training) -> Trainings:
    return Trainings(members, ("C", "NumPy"), ("2",), ("float32", "float64"), {})


@pytest.fixture
def trainings(tmp_path: Path) -> Trainings:
    return together(
        training(tmp_path, "C", "float32", 0.0),
        training(tmp_path, "NumPy", "float32", 0.001),
        training(tmp_path, "C", "float64", 0.0),
        training(tmp_path, "NumPy", "float64", 0.0),
        training(tmp_path, "C", "float32", 0.0, repeat=1),
    )


def test_everything_is_held_against_the_first_program_in_double_precision(trainings: Trainings) -> None:
    equality = Equality(trainings)
    reference = equality.reference("2")
    assert reference is not None
    assert reference.program == "C float64"
    series = equality.from_reference("2")
    assert list(series) == ["C float32", "NumPy float32", "NumPy float64"]
    assert [apart.epoch for apart in series["NumPy float32"]] == [0, 1, 2, 3]
    assert series["NumPy float32"][3].difference.largest == pytest.approx(0.003, rel=1e-4)
    assert 0.0 < series["C float32"][3].difference.ulp_largest <= 0.5, "float32 rounds to the nearest"
    assert all(apart.difference.is_none for apart in series["NumPy float64"])


def test_pairs_are_of_one_precision_and_repeats_compared_by_byte(trainings: Trainings, tmp_path: Path) -> None:
    equality = Equality(trainings)
    pairs = pairs_frame(equality)
    assert list(zip(pairs["precision"], pairs["after epoch"], strict=True)) == [
        ("float32", 1),
        ("float32", 3),
        ("float64", 1),
        ("float64", 3),
    ]
    assert repeats_frame(equality)["same bytes"].tolist() == [True]
    other = training(tmp_path, "NumPy", "float64", 1e-15, repeat=1)
    frame = repeats_frame(Equality(together(*trainings.members, other)))
    assert frame.set_index("program")["same bytes"].to_dict() == {"C float32": True, "NumPy float64": False}


def test_a_damaged_file_takes_only_itself_away(trainings: Trainings) -> None:
    (trainings.members[1].folder / "out" / "epoch-0003.nn").write_bytes(b"cut")
    equality = Equality(trainings)
    assert [apart.epoch for apart in equality.from_reference("2")["NumPy float32"]] == [0, 1, 2]
    rows = reference_frame(equality)
    assert rows[rows["program"] == "NumPy float32"]["after epoch"].tolist() == [0, 1, 2]


def test_networks_of_other_shapes_are_not_compared(trainings: Trainings) -> None:
    path = trainings.members[1].folder / "out" / "epoch-0001.nn"
    path.write_bytes(network_bytes(np.ones(2), sizes=(1, 1)))
    assert [apart.epoch for apart in Equality(trainings).from_reference("2")["NumPy float32"]] == [0, 2, 3]


def test_figures_are_drawn_the_same_twice_or_say_what_is_missing(trainings: Trainings, tmp_path: Path) -> None:
    with drawing():
        drawn = [png_bytes(draw_weight_error(Equality(trainings), "T", ["measured"], "r").figure) for _ in range(2)]
        assert drawn[0] == drawn[1]
        assert draw_accuracy_difference(Equality(trainings), "T", ["measured"], "r").tooltips
        alone = Equality(together(training(tmp_path / "alone", "C", "float32", 0.0)))
        with pytest.raises(NothingToDrawError, match="float64"):
            draw_weight_error(alone, "T", ["measured"], "r")
        with pytest.raises(NothingToDrawError):
            draw_accuracy_difference(alone, "T", ["measured"], "r")


def test_accuracies_are_tables_in_percent(trainings: Trainings) -> None:
    frame = accuracy_frame(trainings)
    assert frame is not None
    assert frame.loc[0, ["program", "epoch 1", "epoch 3", "best", "in epoch"]].tolist() == [
        "C float32",
        51.0,
        53.0,
        53.0,
        3,
    ]
    errors = accuracy_error_frame(trainings)
    assert errors is not None
    assert errors.set_index("program")["after the last epoch"].to_dict() == {
        "C float64": 0.0,
        "NumPy float32": 0.1,
        "NumPy float64": 0.0,
    }
    stops = early_stopping_frame(trainings)
    assert stops["patience"].tolist() == [1, 2]
    assert stops["epochs saved (%)"].tolist() == [0.0, 0.0]
