"""The sweep's and the pruning grid's studies: which networks stay, what fits, what the claims say."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.figures.build import NothingToDrawError
from analysis.figures.style import drawing
from analysis.studies import mcu_pruning, mcu_sweep
from analysis.studies.mcu_pruning.findings import claims_table as pruning_claims
from analysis.studies.mcu_pruning.points import grid, pruned
from analysis.studies.mcu_sweep.avrs import AVRS, CODE_BYTES, best_that_fits, largest_that_fits
from analysis.studies.mcu_sweep.findings import claims_table
from analysis.studies.mcu_sweep.points import Swept, front, standard_error, swept

RECORD: Any = SimpleNamespace(manifest={"plan": {"trials": [{"values": {"split": "400/100"}}]}})
EMPTY: Any = SimpleNamespace(results=pd.DataFrame())


def network(*widths: int, accuracy: float, size: float = 1000.0) -> Swept:
    return Swept(widths, (accuracy,), size, 980.0, size, size, "measured")


def rows(quantities: dict[str, float], **factors: object) -> Iterator[dict[str, object]]:
    for quantity, value in quantities.items():
        yield {**factors, "quantity": quantity, "value": value, "verdict": "valid", "origin": "measured"}


def sweep_results(*, seeds: int = 2) -> pd.DataFrame:
    found: list[dict[str, object]] = []
    for seed in range(seeds):
        for first, second, third in ((4, "none", "none"), (8, 4, "none"), (4, 8, "none"), (4, 4, "none"), (8, 8, 4)):
            size = 196.0 * first + 30
            sizes = {"int8_bytes": size, "parameters": size, "activation_bytes": 980.0, "file_bytes": 4 * size}
            values = {"accuracy": 0.5 + 0.01 * first + 0.1 * seed, **sizes}
            found += rows(values, width1=first, width2=second, width3=third, seed=seed)
    return pd.DataFrame(found)


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20)), min_size=1, max_size=30))
@settings(max_examples=100, deadline=None)
def test_the_front_is_what_nothing_smaller_or_equal_beats(pairs: list[tuple[int, int]]) -> None:
    networks = [network(1, accuracy=share / 20, size=size) for size, share in pairs]
    kept = front(networks)
    for one in networks:
        beaten = any(
            (other.int8_bytes < one.int8_bytes and other.accuracy >= one.accuracy)
            or (other.int8_bytes == one.int8_bytes and other.accuracy > one.accuracy)
            for other in networks
        )
        in_front = any((k.int8_bytes, k.accuracy) == (one.int8_bytes, one.accuracy) for k in kept)
        assert in_front is not beaten


def test_networks_are_read_with_the_mean_over_their_seeds() -> None:
    networks = swept(sweep_results())
    assert [item.widths for item in networks] == [(4,), (4, 4), (4, 8), (8, 4), (8, 8, 4)]
    assert networks[0].accuracies == (0.54, 0.64)
    assert networks[0].accuracy == pytest.approx(0.59)
    assert networks[-1].name == "8-8-4"


def test_invalid_and_half_networks_are_left_out() -> None:
    results = sweep_results(seeds=1)
    results.loc[(results["width1"] == 4) & (results["quantity"] == "accuracy"), "verdict"] = "invalid"
    assert [item.widths for item in swept(results)] == [(8, 4), (8, 8, 4)]
    assert swept(pd.DataFrame()) == []


def test_an_avr_holds_what_its_flash_and_data_memory_hold() -> None:
    by_name = {avr.name: avr for avr in AVRS}
    small, wide = network(8, accuracy=0.8), network(128, accuracy=0.9, size=60_000)
    full = network(64, accuracy=0.85, size=48 * 1024 - CODE_BYTES)
    over = network(64, accuracy=0.99, size=48 * 1024 - CODE_BYTES + 1)
    networks = [small, wide, full, over]
    assert best_that_fits(by_name["ATmega4809"], networks) is full
    assert largest_that_fits(by_name["ATmega1284P"], networks) is wide
    assert best_that_fits(by_name["ATmega1284P"], networks) is over
    hungry = Swept((4,), (0.9,), 100.0, 2000.0, 100, 100, "measured")
    assert not by_name["ATmega328P"].fits(hungry)
    assert by_name["ATmega4809"].fits(hungry)


def test_the_standard_error_is_that_of_a_share() -> None:
    assert standard_error(0.9, 100) == pytest.approx(0.03)
    assert standard_error(1.0, 100) == 0.0


def test_claims_are_made_of_what_is_there() -> None:
    table = claims_table(swept(sweep_results()))
    assert table is not None
    assert "twice the first layer" in str(table.frame["here"].iloc[0])
    assert "0 of 5 networks" in str(table.frame["here"].iloc[-1])
    assert claims_table([]) is None


def pruning_results(*, seeds: int = 2) -> pd.DataFrame:
    found: list[dict[str, object]] = []
    for seed in range(seeds):
        for initial in (0.0, 0.5):
            for final in (0.0, 0.8):
                values = {
                    "accuracy": 0.9 - 0.02 * final + 0.002 * seed, "base_accuracy": 0.9, "sparsity": final,
                    "int8_text_bytes": 3000 - 1000 * final, "base_int8_text_bytes": 3000.0,
                    "base_with_adam_bytes": 9000.0,
                    "float_bytes": 3000.0, "base_float_bytes": 3000.0, "deflated_bytes": 2800 - 2000 * final,
                    "base_deflated_bytes": 2800.0, "base_int8_bytes": 760.0, "avr_dense_bytes": 800.0,
                    "base_avr_dense_bytes": 800.0, "avr_sparse_bytes": min(800.0, 1600 * (1 - final)),
                    "bitmap_bytes": 100 + 800 * (1 - final),
                }  # fmt: skip
                found += rows(values, initial=initial, final=final, loss="cross_entropy", seed=seed)
    return pd.DataFrame(found)


def test_pairs_are_read_with_the_mean_over_their_seeds() -> None:
    points = pruned(pruning_results())
    assert [(point.initial, point.final) for point in points] == [(0, 0), (0, 0.8), (0.5, 0), (0.5, 0.8)]
    assert points[1].change == pytest.approx(-0.015)
    assert (points[1].lowest_accuracy, points[1].highest_accuracy) == pytest.approx((0.884, 0.886))
    initials, finals, values = grid(points[:3], lambda point: point.final)
    assert (initials, finals) == ([0.0, 0.5], [0.0, 0.8])
    assert values[1][0] == 0.8
    assert values[1][1] != values[1][1]  # not tried
    assert pruned(pd.DataFrame()) == []


def test_pruning_claims_say_what_was_found() -> None:
    table = pruning_claims(pruned(pruning_results()))
    assert table is not None
    here = table.frame["here"].tolist()
    assert "−1.5 at (0 → 0.8)" in here[0]
    assert "3.0, whatever is zero" in here[1]
    assert "2.33 at (0.5 → 0.8)" in here[1]
    assert "2.50 times smaller" in here[4]
    assert "80% zeros on" in here[4]


@pytest.mark.parametrize(
    ("study", "results", "names"),
    [
        (mcu_sweep, sweep_results(), {"mcu_sweep_two_layers", "mcu_sweep_three_layers", "mcu_sweep_front"}),
        (mcu_pruning, pruning_results(),
         {"mcu_pruning_total", "mcu_pruning_alone", "mcu_pruning_accuracy", "mcu_pruning_formats"}),
    ],
)  # fmt: skip
def test_figures_are_drawn_and_without_data_say_so(study: Any, results: pd.DataFrame, names: set[str]) -> None:
    figures = list(study.figures(RECORD, SimpleNamespace(results=results)))
    assert {figure.name for figure in figures} == names
    with drawing():
        for figure in figures:
            drawn = figure.draw()
            assert drawn.figure.get_axes()
            assert figure.origins == ("measured",)
        for figure in study.figures(RECORD, EMPTY):
            with pytest.raises(NothingToDrawError):
                figure.draw()
    assert list(study.tables(RECORD, EMPTY)) == []
    assert len(list(study.tables(RECORD, SimpleNamespace(results=results)))) >= 2
