"""The microcontroller study's tables and figures, from records made up here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from analysis.figures.build import NothingToDrawError
from analysis.figures.style import drawing, png_bytes
from analysis.studies import study_module
from analysis.studies.microcontroller import printed

Values = Mapping[str, Any]


def made_up(points: Sequence[tuple[Values, Mapping[str, float]]], outputs: Mapping[int, Path] | None = None) -> Any:
    """(record, results) of a campaign in simavr with these factors and quantities."""
    trials, rows = [], []
    for index, (values, found) in enumerate(points):
        label = " ".join(map(str, values.values()))
        passes = [{"pass_id": f"t{index}.latency", "kind": "latency"}]
        trials.append({"point_id": f"p{index}", "label": label, "values": values, "passes": passes})
        rows += [{"point_id": f"p{index}", "quantity": name, "value": value} for name, value in found.items()]
    board = {
        "kind": "simavr",
        "origin": "emulated",
        "fingerprint": {"model": "atmega1284p at 20 MHz in simavr", "core": {"clock_hz": 20_000_000}},
    }
    ends = {
        f"t{index}.latency": SimpleNamespace(end=SimpleNamespace(state="done", output=str(path)))
        for index, path in (outputs or {}).items()
    }
    manifest = {"record_id": "made-up", "plan": {"trials": trials}, "board": board}
    record = SimpleNamespace(manifest=manifest, passes=lambda: ends, path=Path)
    return record, SimpleNamespace(summary=pd.DataFrame(rows).assign(verdict="valid"))


def drawn(study: str, record: Any, results: Any) -> dict[str, bytes]:
    with drawing():
        return {item.name: png_bytes(item.draw().figure) for item in study_module(study).figures(record, results)}


def only_table(study: str, record: Any, results: Any) -> pd.DataFrame:
    (table,) = study_module(study).tables(record, results)
    assert "atmega1284p at 20 MHz in simavr" in table.note
    assert "ATmega4809" in table.note, "whose core is whose"
    return table.frame


def test_the_printed_table_is_the_studys() -> None:
    """Against the sums of its rows and columns, worked out by hand from the print."""
    times = [cell[0] for cell in printed.TABLE_4_5.values() if cell]
    flash = [cell[1] for cell in printed.TABLE_4_5.values() if cell]
    assert (len(times), round(1e3 * sum(times), 2), sum(flash)) == (11, 242.92, 407200)


def test_ours_stands_beside_the_printed_cells() -> None:
    found = {"latency_s": 11.0e-3, "flash_bytes": 29e3, "macs": 25408.0, "latency_layer_1_s": 10.8e-3}
    record, results = made_up(
        [({"width": 40, "option": "O3"}, {"latency_s": 14e-3}), ({"width": 32, "option": "Os"}, found)]
    )
    frame = only_table("mcu_options", record, results).set_index(["width", "option"])
    row = frame.loc[(32, "-Os")]
    assert row["time (ms)"] == pytest.approx(11.0)
    assert row["printed (ms)"] == pytest.approx(23.14)
    assert row["printed / ours"] == pytest.approx(23.14 / 11.0)
    assert row["cycles per MAC"] == pytest.approx(11.0e-3 * 20e6 / 25408)
    assert pd.isna(frame.loc[(40, "-O3"), "printed (ms)"]), "it did not fit there"
    pictures = drawn("mcu_options", record, results)
    assert set(pictures) == {"table_4_5", "time_by_layer"}
    assert all(picture.startswith(b"\x89PNG") for picture in pictures.values())


def test_a_record_without_times_says_what_is_missing() -> None:
    record, results = made_up([({"width": 8, "option": "Os"}, {"flash_bytes": 1.0})])
    with pytest.raises(NothingToDrawError, match="latency_s"):
        drawn("mcu_options", record, results)


def told(folder: Path, right: Sequence[bool]) -> Path:
    """A pass whose firmware named these images rightly or not."""
    folder.mkdir()
    once = {"event": "inferred", "inferences": 1, "ticks": 9, "ticks_each": [9], "host_elapsed_s": None}
    once |= {"asked_again": False, "label": 1}
    lines = [
        {"event": "firmware", "tick_hz": 1000, "tick_bits": 32, "link_s": 0.0},
        *({**once, "input": index, "chosen": 1 if item else 2} for index, item in enumerate(right)),
        {"event": "done", "inputs": len(right), "inferences": len(right), "right": sum(right)},
    ]
    (folder / "stdout.txt").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_the_same_images_and_the_studys_300_against_1000(tmp_path: Path) -> None:
    """The first 300 are harder: what is no drop on the same images looks like one as the study compared."""
    right = [index % 4 != 0 for index in range(300)] + [True] * 700
    board = sum(right) / 1000
    found = {"accuracy": board, "accuracy_float": board, "accuracy_wrapping": 0.1, "accuracy_byte_biases": board}
    record, results = made_up([({"width": 4, "scheme": "pow2", "seed": 1}, found)], {0: told(tmp_path / "pass", right)})
    row = only_table("mcu_accuracy", record, results).iloc[0]
    assert row["same images, least"] == row["same images, most"] == 1.0
    assert row["300 / 1000, most"] == pytest.approx(0.75 / board)
    assert row["wrapping, most"] == pytest.approx(0.1 / board)
    assert row["images"] == 1000
    assert set(drawn("mcu_accuracy", record, results)) == {"figure_4_3"}


def test_down_sampling_by_pooling_scale_and_activation() -> None:
    points = [
        (
            {"pooling": pooling, "scale": "unit", "activation": "relu", "seed": seed},
            {"latency_s": 1e-3 * time, "accuracy_integers": 0.9 + seed / 100, "accuracy_float": 0.9},
        )
        for pooling, time in (("none", 11), ("max 2", 4))
        for seed in (1, 2)
    ]
    record, results = made_up(points)
    frame = only_table("mcu_downsample", record, results).set_index("pooling")
    assert frame.loc["max 2", "time (ms)"] == pytest.approx(4.0)
    assert frame.loc["none", ["trainings", "int8, least"]].tolist() == [2, pytest.approx(0.91)]
    assert set(drawn("mcu_downsample", record, results)) == {"down_sampling"}


def test_convolutional_networks_beside_300_ms() -> None:
    found = {"latency_s": 0.231, "macs": 61184.0, "latency_layer_1_s": 0.15, "latency_layer_2_s": 0.081}
    record, results = made_up([({"network": "middle", "option": "O2"}, found)])
    frame = only_table("mcu_cnn", record, results).set_index("network")
    assert frame.loc["printed", "time (ms)"] == pytest.approx(300)
    assert frame.loc["middle", "cycles per MAC"] == pytest.approx(0.231 * 20e6 / 61184)
    assert set(drawn("mcu_cnn", record, results)) == {"cnn_time"}
