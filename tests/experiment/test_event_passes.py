"""Events are spread over passes so that no counter of a PMU is shared, with anchors in each of them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from instruments.counters.cores import CORES
from lab.experiment.events import ANCHORS, KNOWN_EVENTS, EventSet, chunks, without_modifiers
from lab.record.formats.perf_stat import SOFTWARE_EVENTS

SOFTWARE = st.sampled_from(sorted(SOFTWARE_EVENTS))
HARDWARE = st.sampled_from(sorted(KNOWN_EVENTS - SOFTWARE_EVENTS)) | st.sampled_from(["l2d_cache", "r17", "my_event"])
NAMES = st.builds("".join, st.tuples(HARDWARE | SOFTWARE, st.sampled_from(["", "", "", ":u", ":k"])))
EVENTS = st.lists(NAMES, unique=True, max_size=24)
ARM = CORES["cortex-a53"].dedicated


def taken(counted: EventSet, dedicated: frozenset[str]) -> int:
    """Programmable counters that a pass takes; one event of those with a counter of their own is free, a second not."""
    hardware = [event for event in counted.events if without_modifiers(event) not in SOFTWARE_EVENTS]
    own = [event for event in hardware if without_modifiers(event) in dedicated]
    return len(hardware) - min(1, len(own))


@given(EVENTS, st.integers(1, 12), st.sampled_from([frozenset(), ARM]))
@example(["cycles", "cycles:u", "cpu-cycles"], 1, ARM)
def test_no_pass_counts_more_than_the_pmu_can(events: list[str], slots: int, dedicated: frozenset[str]) -> None:
    for counted in chunks(events, slots, dedicated):
        assert taken(counted, dedicated) <= slots


@given(EVENTS, st.integers(1, 12), st.sampled_from([frozenset(), ARM]))
def test_every_event_is_counted_and_none_twice_in_a_pass(
    events: list[str], slots: int, dedicated: frozenset[str]
) -> None:
    passes = chunks(events, slots, dedicated)
    for counted in passes:
        assert len(set(counted.events)) == len(counted.events)
        assert counted.events != ()
    seen = [event for counted in passes for event in counted.events if event not in counted.anchors]
    assert set(seen) == set(events), "all that was asked for and nothing else, but for the anchors"
    again = {event for event in seen if seen.count(event) > 1}
    assert {without_modifiers(event) for event in again} <= set(ANCHORS), "only anchors are counted in several passes"


@given(EVENTS, st.integers(3, 12), st.sampled_from([frozenset(), ARM]))
def test_each_of_several_passes_holds_the_same_anchors(
    events: list[str], slots: int, dedicated: frozenset[str]
) -> None:
    passes = chunks(events, slots, dedicated)
    held = [{event for event in counted.events if without_modifiers(event) in ANCHORS} for counted in passes]
    if len(passes) > 1:
        shared = set.intersection(*held)
        assert {without_modifiers(event) for event in shared} == set(ANCHORS)


@given(EVENTS, st.integers(2, 12))
def test_a_pass_with_hardware_events_has_an_anchor_where_one_costs_nothing(events: list[str], slots: int) -> None:
    """As on Arm, where cycles have a counter of their own."""
    for counted in chunks(events, slots, ARM):
        names = {without_modifiers(event) for event in counted.events}
        if names - SOFTWARE_EVENTS:
            assert names & {*ANCHORS, "cpu-cycles"}


@given(st.lists(SOFTWARE, unique=True), st.integers(1, 8))
def test_software_events_need_no_counters_and_no_anchors(events: list[str], slots: int) -> None:
    assert chunks(events, slots) == ([EventSet(tuple(events))] if events else [])


@given(EVENTS, st.integers(1, 12))
def test_fewer_free_counters_never_make_fewer_passes(events: list[str], slots: int) -> None:
    """A watchdog that holds a counter costs passes, never counts: `slots` in the bench file says what is left."""
    assert len(chunks(events, slots, ARM)) >= len(chunks(events, slots + 1, ARM))


NINE = [
    "instructions", "cycles", "L1-dcache-loads", "L1-dcache-load-misses", "branches", "branch-misses",
    "l2d_cache", "l2d_cache_refill", "bus_access",
]  # fmt: skip


@pytest.mark.parametrize(("slots", "sizes"), [(6, [7, 4]), (5, [6, 5]), (4, [5, 5, 3]), (2, [3] * 7), (1, [2] * 8)])
def test_nine_events_on_a_pmu_with_fewer_counters(slots: int, sizes: list[int]) -> None:
    passes = chunks(NINE, slots, ARM)
    assert [len(counted.events) for counted in passes] == sizes
    assert all(counted.anchors == () for counted in passes), "both were asked for"


def test_anchors_are_spelt_as_the_events_beside_them() -> None:
    (counted,) = chunks(["instructions:u", "L1-dcache-loads:u"], 6, ARM)
    assert counted == EventSet(("instructions:u", "L1-dcache-loads:u", "cycles:u"), ("cycles:u",))
    (mixed,) = chunks(["instructions:u", "L1-dcache-loads"], 6, ARM)
    assert mixed.anchors == ("cycles",)


def test_a_full_pass_is_not_split_for_an_anchor() -> None:
    full = ["r01", "r02", "r03", "r04", "r05", "r06"]
    (counted,) = chunks(full, 6, ARM)
    assert counted.anchors == ("cycles",), "which has a counter of its own; instructions would need a second pass"
