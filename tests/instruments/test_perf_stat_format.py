"""perf's output is read whatever its state; a count that is missing is a state, never a zero."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.record.formats.perf_stat import CountState, PerfCount, find, parse
from lab.record.reasons import REASONS

JSON = """\
# started on Sat Nov 21 02:07:27 2026

{"counter-value" : "711.877000", "unit" : "msec", "event" : "task-clock", "event-runtime" : 711877, "pcnt-running" : 100.00, "metric-value" : 0.437654, "metric-unit" : "CPUs utilized"}
{"counter-value" : "51.000000", "unit" : "", "event" : "page-faults", "event-runtime" : 711877, "pcnt-running" : 100.00, "metric-value" : 71.641590, "metric-unit" : "K/sec"}
{"counter-value" : "<not supported>", "unit" : "", "event" : "L1-dcache-loads", "event-runtime" : 0, "pcnt-running" : 100.00, "metric-value" : 0.000000, "metric-unit" : ""}
{"counter-value" : "<not counted>", "unit" : "", "event" : "branches", "event-runtime" : 0, "pcnt-running" : 0.00, "metric-value" : 0.000000, "metric-unit" : ""}
{"counter-value" : "13080000.000000", "unit" : "", "event" : "instructions:u", "event-runtime" : 711877, "pcnt-running" : 100.00, "metric-value" : 0.000000, "metric-unit" : ""}
{"counter-value" : "24000.000000", "unit" : "", "event" : "branch-misses", "event-runtime" : 500000, "pcnt-running" : 71.23, "metric-value" : 0.000000, "metric-unit" : ""}
{"counter-value" : "0.000000", "unit" : "", "event" : "cycles", "event-runtime" : 711877, "pcnt-running" : 100.00, "metric-value" : 0.000000, "metric-unit" : ""}
{"counter-value" : "0.000000", "unit" : "", "event" : "context-switches", "event-runtime" : 711877, "pcnt-running" : 100.00}
{"metric-value" : 1.5, "metric-unit" : "of something else"}
"""  # noqa: E501 - as perf writes it

SEPARATED = """\
# started on Sat Nov 21 02:07:28 2026

711.877,msec,task-clock,711877,100.00,0.331,CPUs utilized
51,,page-faults,711877,100.00,71.641,K/sec
<not supported>,,L1-dcache-loads,0,100.00,,
<not counted>,,branches,0,0.00,,
13080000,,instructions:u,711877,100.00,,
24000,,branch-misses,500000,71.23,,
0,,cycles,711877,100.00,,
0,,context-switches,711877,100.00,,
"""


@pytest.mark.parametrize("text", [JSON, SEPARATED], ids=["json", "separated"])
def test_both_layouts_say_the_same(text: str) -> None:
    read = parse(text)
    assert read.problems == ()
    assert [(count.event, count.state, count.value, count.unit) for count in read.counts] == [
        ("task-clock", CountState.COUNTED, pytest.approx(0.711877), "s"),
        ("page-faults", CountState.COUNTED, 51.0, "1"),
        ("L1-dcache-loads", CountState.NOT_SUPPORTED, None, "1"),
        ("branches", CountState.NOT_COUNTED, None, "1"),
        ("instructions:u", CountState.COUNTED, 13_080_000.0, "1"),
        ("branch-misses", CountState.MULTIPLEXED, 24_000.0, "1"),
        ("cycles", CountState.COUNTED, 0.0, "1"),
        ("context-switches", CountState.COUNTED, 0.0, "1"),
    ]


def test_each_unusable_state_is_a_reason_code() -> None:
    for state in CountState:
        count = PerfCount("instructions", state, None, "1")
        assert all(code in REASONS for code in count.reasons)
        assert bool(count.reasons) == (state is not CountState.COUNTED)


@pytest.mark.parametrize("share", ["99.99", "99.4", "50"])
def test_anything_below_the_whole_time_is_multiplexed(share: str) -> None:
    (count,) = parse(f"1000,,instructions,711877,{share},,").counts
    assert count.state is CountState.MULTIPLEXED


def test_a_decimal_comma_is_read_and_one_that_is_ambiguous_refused() -> None:
    row = '{"counter-value" : "%s", "unit" : "msec", "event" : "task-clock", "pcnt-running" : 100,00}'
    (count,) = parse(row % "711,877000").counts
    assert count.value == pytest.approx(0.711877)
    read = parse(row % "711,877")
    assert read.counts == ()
    assert "two ways" in read.problems[0]
    (count,) = parse("0,48;msec;task-clock;475306;100,00;;", ";").counts
    assert count.value == pytest.approx(0.00048)
    read = parse("0,48,msec,task-clock,475306,100,00,,")
    assert read.counts == (), "a comma that separates both fields and digits cannot be told apart"
    assert len(read.problems) == 1


def test_intervals_repetitions_and_raw_events_with_commas() -> None:
    text = """\
     0.005096861,0.98,msec,task-clock,978703,100.00,0.196,CPUs utilized
     0.010290866,<not counted>,msec,task-clock,0,100.00,,
0.48,msec,task-clock,32.99%,475306,100.00,0.331,CPUs utilized
1234,,cpu/event=0x3c,umask=0x0/,475306,100.00,,
"""
    first, second, repeated, raw = parse(text).counts
    assert (first.interval_s, first.value) == (0.005096861, pytest.approx(0.00098))
    assert (second.interval_s, second.state) == (0.010290866, CountState.NOT_COUNTED)
    assert (repeated.spread_pct, repeated.value) == (32.99, pytest.approx(0.00048))
    assert (raw.event, raw.value) == ("cpu/event=0x3c,umask=0x0/", 1234.0)


@given(st.integers(0, len(JSON)))
def test_a_cut_json_file_loses_its_end_and_nothing_else(at: int) -> None:
    whole, cut = parse(JSON).counts, parse(JSON[:at])
    assert [(count.event, count.value) for count in cut.counts] == [
        (count.event, count.value) for count in whole[: len(cut.counts)]
    ]
    assert len(cut.problems) <= 1


@given(st.integers(0, len(SEPARATED)))
def test_a_cut_separated_file_never_gives_a_wrong_usable_count(at: int) -> None:
    whole = {count.event: count.value for count in parse(SEPARATED).counts}
    for count in parse(SEPARATED[:at]).counts:
        assert count.reasons or count.value == whole[count.event]


@given(st.text())
def test_nothing_makes_it_fail(text: str) -> None:
    for count in parse(text).counts:
        assert count.value is None or count.value >= 0


@given(
    st.lists(st.sampled_from(["1", "0", "", "msec", "cycles", "<not counted>", "<not supported>", "99.5", "100.00"])),
    st.sampled_from([",", ";"]),
)
def test_rows_of_plausible_fields_never_fail(fields: list[str], separator: str) -> None:
    parse(separator.join(fields), separator)


@given(st.dictionaries(st.sampled_from(["counter-value", "unit", "event", "pcnt-running"]), st.none() | st.floats()))
def test_json_rows_of_wrong_types_are_problems(row: dict[str, float | None]) -> None:
    read = parse(json.dumps(row))
    assert read.counts == ()
    assert len(read.problems) == 1


@pytest.mark.parametrize("value", ["nan", "inf", "1_000", "-5", "0x10", "1e999", ""])
def test_what_is_no_count_is_a_problem(value: str) -> None:
    row = {"counter-value": value, "unit": "", "event": "cycles", "event-runtime": 1, "pcnt-running": 100.0}
    read = parse(json.dumps(row))
    assert read.counts == ()
    assert read.problems


def _count(event: str, state: CountState, value: float | None = None) -> PerfCount:
    return PerfCount(event, state, value, "1", 100.0)


def test_an_event_is_found_by_the_name_it_was_asked_for() -> None:
    counts = [_count("instructions:u", CountState.COUNTED, 5.0), _count("L1-dcache-loads", CountState.COUNTED, 7.0)]
    assert find(counts, "instructions") == counts[0]
    assert find(counts, "L1-dcache-load-misses") is None


def test_cores_of_two_kinds() -> None:
    big = _count("cpu_core/instructions/", CountState.COUNTED, 5.0)
    idle = _count("cpu_atom/instructions/", CountState.NOT_COUNTED)
    small = _count("cpu_atom/instructions/", CountState.COUNTED, 3.0)
    absent = _count("cpu_atom/instructions/", CountState.NOT_SUPPORTED)
    assert find([idle, big], "instructions") == big
    assert find([absent, big], "instructions") == big
    both = find([small, big], "instructions")
    assert both is not None
    assert both.state is CountState.MULTIPLEXED


def test_on_arm_perf_may_put_the_pmu_before_a_generic_name() -> None:
    used = _count("armv8_cortex_a55/instructions/", CountState.COUNTED, 5.0)
    other = _count("armv8_cortex_a76/instructions/", CountState.NOT_COUNTED)
    user = _count("armv8_cortex_a55/cycles/u", CountState.COUNTED, 7.0)
    assert find([other, used, user], "instructions") == used
    assert find([other, used, user], "cycles:u") == user


def test_an_event_and_the_same_for_user_space_alone_are_two() -> None:
    both, user = _count("instructions", CountState.COUNTED, 9.0), _count("instructions:u", CountState.COUNTED, 5.0)
    assert find([both, user], "instructions") == both
    assert find([both, user], "instructions:u") == user


def test_an_event_that_was_asked_for_twice_is_one() -> None:
    twice = [_count("instructions:u", CountState.COUNTED, 5.0)] * 2
    assert find(twice, "instructions") == twice[0]


def test_reads_what_it_finds_on_disk(tmp_path: Path) -> None:
    path = tmp_path / "perf.json"
    path.write_text(JSON, encoding="utf-8")
    assert len(parse(path.read_text(encoding="utf-8")).counts) == 8
