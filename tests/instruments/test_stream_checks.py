"""The detectors find what is in the samples, wherever the stream is cut into pieces, and never guess across a gap."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.stream_checks import (
    LineState,
    LogicEdge,
    Transition,
    at_full_scale,
    gaps_between_blocks,
    missing_at_end_s,
    range_changes,
    settled_edges,
    transitions,
)

bits = st.lists(st.integers(0, 1), min_size=1, max_size=200)


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(0, 10**9))
def test_gaps_are_exactly_the_samples_that_did_not_arrive(arrived: list[bool], origin: int) -> None:
    firsts, lengths = [], []
    for index, here in enumerate(arrived):
        if here:
            firsts.append(origin + index)
            lengths.append(1)
    missing = {sample for first, end in gaps_between_blocks(firsts, lengths) for sample in range(first, end)}
    inside = range(firsts[0], firsts[-1] + 1) if firsts else range(0)
    assert missing == set(inside) - set(firsts)


def test_neighbouring_blocks_of_any_length_have_no_gap() -> None:
    assert gaps_between_blocks([5, 10, 30], [5, 20, 1]) == ()
    assert gaps_between_blocks([5, 11], [5, 1]) == ((10, 11),)


def test_blocks_that_overlap_are_refused() -> None:
    with pytest.raises(ValueError, match="before the end"):
        gaps_between_blocks([0, 9], [10, 10])


@given(bits, st.sets(st.integers(1, 199)), st.integers(0, 1000))
def test_transitions_do_not_depend_on_where_the_stream_is_cut(levels: list[int], cuts: set[int], origin: int) -> None:
    array = np.array(levels, dtype=np.uint8)
    whole, final = transitions(array, origin, None)
    pieces: list[Transition] = []
    state: LineState | None = None
    borders = [0, *sorted(cut for cut in cuts if cut < array.size), array.size]
    for begin, end in pairwise(borders):
        found, state = transitions(array[begin:end], origin + begin, state)
        pieces += found
    assert pieces == whole
    assert state == final == LineState(origin + array.size - 1, levels[-1])
    for change in whole:
        assert levels[change.last_old - origin] != levels[change.first_new - origin] == change.level


def test_an_edge_inside_a_gap_spans_the_gap() -> None:
    _, state = transitions(np.zeros(10, np.uint8), 0, None)
    (change,), _ = transitions(np.ones(10, np.uint8), 50, state)
    (edge,) = settled_edges([change], 5)
    assert (edge.earliest, edge.latest, edge.in_gap, edge.bounced) == (9, 50, True, False)
    assert edge.sample == 29.5
    assert edge.u_samples == pytest.approx(41 / math.sqrt(12))


def test_missing_levels_are_not_low_levels() -> None:
    _, state = transitions(np.ones(10, np.uint8), 0, None)
    assert transitions(np.ones(10, np.uint8), 50, state)[0] == []


def test_a_clean_edge_lies_half_a_sample_before_the_first_sample_at_the_new_level() -> None:
    found, _ = transitions(np.array([0, 0, 0, 1, 1], np.uint8), 100, None)
    (edge,) = settled_edges(found, 5)
    assert (edge.sample, edge.u_samples, edge.level) == (102.5, 1 / math.sqrt(12), 1)


def _changes(*samples: int, level: int = 1) -> list[Transition]:
    return [Transition(at - 1, at, level if number % 2 == 0 else 1 - level) for number, at in enumerate(samples)]


def test_a_bouncing_edge_is_one_edge_between_its_first_and_last_change() -> None:
    (edge,) = settled_edges(_changes(100, 103, 107), 10)
    assert edge == LogicEdge(99, 107, 1, bounced=True, in_gap=False)


def test_a_short_pulse_keeps_both_of_its_edges() -> None:
    rise, fall = settled_edges(_changes(100, 103), 10)
    assert (rise.sample, fall.sample, rise.bounced, fall.bounced) == (99.5, 102.5, False, False)


def test_a_short_pulse_that_bounces_has_two_edges_that_span_all_of_it() -> None:
    rise, fall = settled_edges(_changes(100, 102, 104, 110), 10)
    assert (rise.level, fall.level) == (1, 0)
    assert (rise.earliest, rise.latest) == (fall.earliest, fall.latest) == (99, 110)


@given(st.integers(0, 1), st.lists(st.integers(1, 400), min_size=1, max_size=40), st.floats(0, 50))
def test_settled_edges_alternate_and_end_at_the_lines_last_level(
    level: int, spacings: list[int], debounce: float
) -> None:
    changes = _changes(*np.cumsum([10, *spacings]).tolist(), level=level)
    edges = settled_edges(changes, debounce)
    levels = [edge.level for edge in edges]
    assert levels[0] == level or len(changes) % 2 == 0
    assert levels[-1] == changes[-1].level
    assert all(before != after for before, after in pairwise(levels))
    bounds = [(edge.earliest, edge.latest) for edge in edges]
    assert all(any(low <= change.last_old and change.first_new <= high for low, high in bounds) for change in changes)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=100), st.integers(1, 99))
def test_range_changes_do_not_depend_on_where_the_stream_is_cut(codes: list[int], cut: int) -> None:
    array = np.array(codes, np.uint8)
    whole = range_changes(array).tolist()
    assert whole == [k for k in range(1, len(codes)) if codes[k] != codes[k - 1]]
    if cut < array.size:
        second = (range_changes(array[cut:], int(array[cut - 1])) + cut).tolist()
        assert range_changes(array[:cut]).tolist() + second == whole


def test_full_scale_at_both_ends_and_nothing_that_is_missing() -> None:
    samples = np.array([1.999, 2.0, -2.0, 2.1, np.nan, 0.0], np.float32)
    assert at_full_scale(samples, 2.0).tolist() == [False, True, True, True, False, False]
    scales = np.array([2.0, 3.0, 3.0, 2.0, 2.0, 2.0])
    assert at_full_scale(samples, scales).tolist() == [False, False, False, True, False, False]


def test_what_is_missing_at_the_end() -> None:
    assert missing_at_end_s(5000, 1000.0, 5.5) == pytest.approx(0.5)
    assert missing_at_end_s(5000, 1000.0, 4.9) == 0.0
