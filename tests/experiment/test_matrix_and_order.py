"""The matrix and the order of its trials: what is in it, what its ids depend on, and that chance is repeatable."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from experiment_texts import BENCH, EXPERIMENT, load
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.experiment.matrix import Point, expand, point_id
from lab.experiment.order import ordered


def points(folder: Path, *overrides: str, text: str = EXPERIMENT) -> list[Point]:
    return expand(load(folder, text, BENCH, *overrides).experiment)


def test_every_combination_but_the_excluded_ones(tmp_path: Path) -> None:
    found = [tuple(point.values.values()) for point in points(tmp_path)]
    assert found == [
        ("MobileNet", 32, "one"),
        ("MobileNet", 32, "four"),
        ("MobileNet", 75, "one"),
        ("MobileNet", 75, "four"),
        ("VGG16", 32, "one"),
        ("VGG16", 32, "four"),
    ]


def test_settings_are_merged_in_and_labels_filled(tmp_path: Path) -> None:
    first, second = points(tmp_path)[:2]
    assert first.settings == {"network": "MobileNet", "input": 32, "platform": "one", "threads": 1}
    assert first.label == "MobileNet 1 core"
    assert second.label == "MobileNet four"


def test_without_a_label_the_factor_values_name_a_point(tmp_path: Path) -> None:
    text = EXPERIMENT.replace('  label: "{network} {platform}"\n', "")
    assert points(tmp_path, text=text)[0].label == "MobileNet 32 1 core"


def test_an_experiment_without_factors_is_one_point(tmp_path: Path) -> None:
    text = """\
experiment: one
bench: bench.yaml
workload: {kind: tflite_benchmark, network: MobileNet, input: 32}
passes: {latency: {}}
"""
    (only,) = points(tmp_path, text=text)
    assert (only.label, only.values) == ("one", {})


def test_everything_excluded_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="every combination of factor values is excluded"):
        points(tmp_path, "exclude=[{network: [MobileNet, VGG16]}]")


def test_true_and_1_and_its_text_are_three_values(tmp_path: Path) -> None:
    found = points(tmp_path, "factors.input=[1, '1', true]", "exclude=[{input: 1}]")
    assert {repr(point.values["input"]) for point in found} == {"'1'", "True"}
    assert len({point.point_id for point in found}) == len(found)


def test_ids_depend_on_a_points_own_values_only(tmp_path: Path) -> None:
    before = {tuple(point.values.values()): point.point_id for point in points(tmp_path)}
    wider = points(tmp_path, "factors.input=[128, 75, 32]", "factors.network=[VGG16, ResNet50, MobileNet]", "repeats=9")
    after = {tuple(point.values.values()): point.point_id for point in wider}
    assert before.items() <= after.items()
    assert len(set(after.values())) == len(after)


def test_ids_are_these_for_ever() -> None:
    """Seeds of passes and records of the past depend on them."""
    assert point_id({"network": "MobileNet", "input": 32}) == "877d5d3a295c"
    assert point_id({"input": 32, "network": "MobileNet"}) == "877d5d3a295c"
    assert point_id({}) == "44136fa355b3"


@given(
    st.lists(st.integers(), unique=True, max_size=30),
    st.integers(1, 5),
    st.sampled_from(["interleaved", "grouped", "as_written"]),
    st.integers(0, 2**64),
)
def test_every_point_comes_once_in_every_repeat(names: list[int], repeats: int, order: str, seed: int) -> None:
    found = ordered(names, repeats, order, seed)  # type: ignore[arg-type]
    assert sorted(found) == sorted((repeat, name) for repeat in range(repeats) for name in names)
    assert found == ordered(names, repeats, order, seed)  # type: ignore[arg-type]
    if order == "interleaved":
        assert [repeat for repeat, _ in found] == sorted(repeat for repeat, _ in found)
    else:
        changes = sum(one != other for (_, one), (_, other) in pairwise(found))
        assert changes == max(0, len(names) - 1)
    if order == "as_written":
        assert [name for repeat, name in found if repeat == 0] == names


def test_repeats_and_seeds_have_orders_of_their_own() -> None:
    found = ordered(range(50), 3, "interleaved", 1)
    orders = [tuple(point for repeat, point in found if repeat == number) for number in range(3)]
    assert len(set(orders)) == 3
    assert ordered(range(50), 1, "interleaved", 1) == found[:50]
    assert ordered(range(50), 3, "interleaved", 2) != found


def test_the_order_of_a_seed_is_this_for_ever() -> None:
    found = ordered("abcdef", 2, "interleaved", 20220613)
    assert "".join(point for _, point in found) == "bfdcea" + "ecbdfa"
    assert "".join(point for _, point in ordered("abcdef", 1, "grouped", 20220613)) == "becafd"


def test_every_place_in_the_order_is_as_likely() -> None:
    """First places of 6 points over 3,000 seeds: chi-squared with 5 degrees of freedom stays below its 99.9 % point."""
    counts = dict.fromkeys("abcdef", 0)
    for seed in range(3000):
        counts[ordered("abcdef", 1, "interleaved", seed)[0][1]] += 1
    assert sum((count - 500) ** 2 / 500 for count in counts.values()) < 20.5
