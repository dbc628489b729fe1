"""The numbers behind the gesture study's claims."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.studies.gesture import printed
from analysis.studies.gesture.avr import OnTheBoard
from analysis.studies.gesture.evidence import accuracy_settles, loss_settles, share_words, wilson


def on_board(outputs: tuple[tuple[int, ...], ...], labels: tuple[int, ...], step: float) -> OnTheBoard:
    return OnTheBoard("p1", "a point", outputs, labels, outputs, step, 1.0, 1.0, 0.0, 0.0)


def test_a_course_settles_where_it_stays() -> None:
    assert accuracy_settles([0.5, 0.9, 1.0, 0.99, 1.0]) == 3
    assert accuracy_settles([0.5, 1.0, 0.5, 1.0]) == 4
    assert accuracy_settles([1.0]) == 1
    assert accuracy_settles([]) is None
    assert loss_settles([1.0, 0.5, 0.04, 0.01, 0.0]) == 3
    assert loss_settles([0.0, 0.0]) == 1
    assert loss_settles([]) is None


def test_eleven_of_twelve_leave_much_open() -> None:
    low, high = wilson(11, 12)
    # By hand: (p + z²/2n ± z·sqrt(p(1-p)/n + z²/4n²)) / (1 + z²/n) with p = 11/12, n = 12.
    assert (low, high) == pytest.approx((0.646120, 0.985136), abs=1e-5)
    assert round(printed.ACCURACY["validation"] * 12) == 11
    assert share_words(11 / 12, 12) == "91.67 % (11 of 12; 95 % interval 64.6 to 98.5 %)"


@given(st.integers(1, 500).flatmap(lambda count: st.tuples(st.integers(0, count), st.just(count))))
def test_an_interval_holds_its_share(counted: tuple[int, int]) -> None:
    right, count = counted
    low, high = wilson(right, count)
    assert 0 <= low <= right / count <= high <= 1


def test_the_printed_size_holds_no_sixteen_bit_parameters() -> None:
    assert sum(parameters for _, _, parameters in printed.LAYERS) == printed.PARAMETERS
    assert 2 * printed.PARAMETERS > printed.SMALL_BYTES > printed.PARAMETERS
    assert pytest.approx(0.124, abs=5e-4) == printed.SMALL_BYTES / printed.MODEL_BYTES  # printed: about 13 %


def test_the_printed_mean_loss_is_no_mean_of_the_printed_losses_of_any_usual_split() -> None:
    held_back = printed.LOSS_BEFORE / printed.LOSS["validation"]
    assert held_back == pytest.approx(0.703, abs=1e-3)


def test_the_loss_on_the_board_is_that_of_softmax() -> None:
    item = on_board(((10, 0), (0, 10), (0, 10)), (0, 1, 0), 0.25)
    right = math.log(1 + math.exp(-2.5))
    assert item.loss == pytest.approx((right + right + right + 2.5) / 3)
    assert item.accuracy == pytest.approx(2 / 3)
    assert item.differing == 0


def test_a_share_of_nothing_costs_what_keras_lets_it_cost() -> None:
    assert on_board(((127, -128),), (1,), 1.0).loss == pytest.approx(-math.log(1e-7))


def test_bytes_that_differ_are_counted() -> None:
    good = on_board(((10, 0), (0, 10)), (0, 1), 0.25)
    other = OnTheBoard("p1", "a point", ((10, 1), (1, 10)), (0, 1), good.outputs, 0.25, 1.0, 1.0, 0.0, 0.0)
    assert other.differing == 2
    # Of equal outputs the first is the choice.
    assert on_board(((5, 5),), (0,), 1.0).accuracy == 1.0
    assert on_board(((5, 5),), (1,), 1.0).accuracy == 0.0
