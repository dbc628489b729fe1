"""What real perfs of several versions wrote is read, and judged, as what it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from instruments.commands import run_here
from instruments.counters.counted import reasons
from instruments.counters.events import EventTable
from instruments.counters.perf import PerfStat
from lab.record.formats.perf_stat import CountState, parse

RECORDED = Path(__file__).parent / "recorded_perf"
FILES = sorted(path.name for path in RECORDED.iterdir() if path.suffix in (".csv", ".json"))
COUNTED, NOT_SUPPORTED, NOT_COUNTED = CountState.COUNTED, CountState.NOT_SUPPORTED, CountState.NOT_COUNTED


def states(name: str) -> dict[str, tuple[CountState, float | None]]:
    return {count.event: (count.state, count.value) for count in parse((RECORDED / name).read_text()).counts}


def judged(name: str, *events: str, window_only: bool = False) -> dict[str, tuple[float | None, tuple[str, ...]]]:
    """As the instrument does: the value of each event, and why it must not be used."""
    table = EventTable("cortex-a53", listed={"armv8_pmuv3": {}})
    read = PerfStat(run_here).read(RECORDED / name, [table.event(event) for event in events])
    assert not isinstance(read, str)
    why = reasons(read, window_only)
    return {count.event.name: (count.value, codes) for count, codes in zip(read, why, strict=True)}


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_understood(name: str) -> None:
    read = parse((RECORDED / name).read_text())
    assert read.problems == ()
    assert len(read.counts) >= 2


@pytest.mark.parametrize("version", ["5.10.223.csv", "6.1.187.csv", "6.1.187.json", "6.12.95.csv", "6.12.95.json"])
def test_versions_and_layouts_say_the_same(version: str) -> None:
    read = states(f"x86-{version}")
    assert list(read) == ["task-clock", "page-faults", "instructions", "L1-dcache-loads", "context-switches"]
    assert read["instructions"] == read["L1-dcache-loads"] == (NOT_SUPPORTED, None)
    assert read["page-faults"][1] in (49.0, 50.0)
    assert 0.0003 < (read["task-clock"][1] or 0.0) < 0.0006, "seconds"
    assert read["context-switches"][0] is COUNTED


@pytest.mark.parametrize("layout", ["csv", "json"])
def test_nine_events_on_six_counters_are_refused(layout: str) -> None:
    events = ("cycles", "instructions", "instructions:u", "r03", "r04", "r10", "r16", "r17", "r19")
    read = judged(f"arm64-6.1.192-nine-at-once.{layout}", *events, "branches")
    assert {codes for event, (_, codes) in read.items() if event != "branches"} == {("multiplexed",)}
    assert read["branches"] == (None, ("not_supported",))


def test_a_raw_event_that_gives_zero_beside_live_anchors() -> None:
    events = ("cycles", "instructions", "armv8_pmuv3/config=0x17/", "armv8_pmuv3/inst_retired/u", "r08", "page-faults")
    read = judged("arm64-6.1.192.json", *events)
    assert read["armv8_pmuv3/config=0x17/"] == (0.0, ("zero_count",))
    assert [read[event] for event in events if "0x17" not in event] == [
        (59797912.0, ()), (59797912.0, ()), (59357748.0, ()), (59797912.0, ()), (37.0, ()),
    ]  # fmt: skip


def test_a_pmu_that_says_zero_to_everything_at_all_times() -> None:
    """QEMU's i.MX 6: a kernel that knows the PMU of a Cortex-A9, and counters that stand still."""
    hardware = ("cycles", "instructions", "L1-dcache-loads", "L1-dcache-load-misses")
    read = judged("armv7-6.1.192-pmu-dead.json", *hardware, "page-faults")
    assert [read[event] for event in hardware] == [(0.0, ("pmu_dead",))] * 4
    assert read["page-faults"] == (28.0, ())


@pytest.mark.parametrize(
    ("name", "events"),
    [
        ("arm64-6.1.192-window-not-opened.json", ("instructions", "page-faults")),
        ("x86-6.1.187-window-not-opened.json", ("page-faults", "task-clock")),
    ],
)
def test_a_window_that_was_never_opened(name: str, events: tuple[str, ...]) -> None:
    assert set(judged(name, *events, window_only=True).values()) == {(None, ("window_not_opened",))}
    assert set(judged(name, *events).values()) == {(None, ("not_counted",))}


def test_an_ordinary_users_counts_are_of_user_space() -> None:
    table = EventTable("x86")
    events = [table.event(name) for name in ("task-clock", "page-faults", "instructions")]
    read = PerfStat(run_here).read(RECORDED / "x86-6.1.187-ordinary-user.json", events)
    assert not isinstance(read, str)
    assert all(count.user_only for count in read)
    whole = PerfStat(run_here).read(RECORDED / "x86-6.1.187.json", events)
    assert not isinstance(whole, str)
    assert not any(count.user_only for count in whole)


def test_repetitions_and_intervals() -> None:
    clock, faults = parse((RECORDED / "x86-6.1.187-repeated.csv").read_text()).counts
    assert (clock.spread_pct, faults.spread_pct) == (1.01, 0.68)
    rows = parse((RECORDED / "x86-6.1.187-intervals.csv").read_text()).counts
    assert [row.state for row in rows] == [COUNTED, COUNTED, NOT_COUNTED, NOT_COUNTED, COUNTED, COUNTED]
    assert {row.interval_s for row in rows} == {0.100194810, 0.201131192, 0.250274655}
