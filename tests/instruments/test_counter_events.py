"""Names of events mean what the core's manual says, or are handed on untouched."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.counters.board_facts import BoardFacts, ask, parse
from instruments.counters.cores import CORES, core_of_part
from instruments.counters.events import EventTable, RawEvent, is_generic
from instruments.protocol import EventRequest
from lab.bench.tools import Counters
from lab.experiment.events import KNOWN_EVENTS
from lab.record.formats.perf_stat import SOFTWARE_EVENTS

STUDY = {"instructions", "cycles", "L1-dcache-loads", "L1-dcache-load-misses", "page-faults", "task-clock"}


def test_the_bench_file_knows_every_core_and_no_other() -> None:
    assert set(get_args(Counters.model_fields["core"].annotation)) == set(CORES)


@pytest.mark.parametrize("core", CORES)
def test_every_known_event_has_a_meaning_on_its_core(core: str) -> None:
    table = EventTable(core)
    names = table.known()
    assert len(set(names)) == len(names)
    assert set(names) >= STUDY
    for name in names:
        event = table.event(name)
        assert event.name == name
        assert event.kernel_name
        assert event.software == (event.pmu == "software")
        assert event.request(0) is not None, "the board's agent can count it too"
        if CORES[core].generic and not event.software:
            assert event.code is not None
            assert event.source == CORES[core].source
            assert event.details()["meaning_from"] == event.source


@pytest.mark.parametrize(
    ("core", "loads", "misses"),
    [
        ("cortex-a53", 0x04, 0x03),
        ("cortex-a55", 0x04, 0x03),
        ("cortex-a72", 0x40, 0x42),
        ("cortex-a73", 0x40, 0x03),
        ("cortex-a76", 0x04, 0x03),
        ("cortex-a7", 0x04, 0x03),
        ("cortex-a9", 0x04, 0x03),
    ],
)
def test_the_same_name_is_not_the_same_event_everywhere(core: str, loads: int, misses: int) -> None:
    table = EventTable(core)
    found = table.event("L1-dcache-loads"), table.event("L1-dcache-load-misses")
    assert [event.code for event in found] == [loads, misses]
    for event in found:
        assert ("alone" in event.note) or ("writes" in event.note), "reads and writes, or reads alone: it says which"


def test_instructions_of_a_cortex_a9_are_renames() -> None:
    event = EventTable("cortex-a9").event("instructions")
    assert (event.code, event.pmu) == (0x68, "armv7_cortex_a9")
    assert "renaming" in event.note


def test_events_of_the_pmu_alone_are_asked_for_by_their_name_there() -> None:
    event = EventTable("cortex-a53").event("l2d_cache_refill")
    assert event.kernel_name == "armv8_cortex_a53/l2d_cache_refill/"
    assert event.request(0) == EventRequest("l2d_cache_refill", "armv8_cortex_a53", 0x17)


def test_the_boards_own_name_of_the_pmu_is_used() -> None:
    """A device tree that says no more than arm,armv8-pmuv3 makes the kernel call it so, whatever the core."""
    table = EventTable("cortex-a53", listed={"armv8_pmuv3_0": {"l2d_cache": 0x16}, "software": {}, "tracepoint": {}})
    assert table.event("l2d_cache").kernel_name == "armv8_pmuv3_0/l2d_cache/"
    assert table.event("instructions").pmu == "armv8_pmuv3_0"
    assert EventTable("cortex-a53", listed={"armv8_cortex_a53": {}, "armv8_cortex_a73": {}}).pmu == "armv8_cortex_a53"
    assert EventTable("generic", listed={"armv8_pmuv3": {"stall": 0x3C}}).event("stall").code == 0x3C


@pytest.mark.parametrize(
    ("name", "request_"),
    [
        ("cycles", EventRequest("cycles", "hardware", 0)),
        ("branch-instructions", EventRequest("branch-instructions", "hardware", 4)),
        ("instructions:u", EventRequest("instructions:u", "hardware", 1, kernel=False)),
        ("instructions:k", EventRequest("instructions:k", "hardware", 1, user=False)),
        ("page-faults", EventRequest("page-faults", "software", 2)),
        ("minor-faults", EventRequest("minor-faults", "software", 5)),
        ("L1-dcache-loads", EventRequest("L1-dcache-loads", "hw_cache", 0x00000)),
        ("L1-dcache-load-misses", EventRequest("L1-dcache-load-misses", "hw_cache", 0x10000)),
        ("L1-dcache-stores", EventRequest("L1-dcache-stores", "hw_cache", 0x00100)),
        ("LLC-prefetch-misses", EventRequest("LLC-prefetch-misses", "hw_cache", 0x10202)),
        ("iTLB-load-misses", EventRequest("iTLB-load-misses", "hw_cache", 0x10004)),
        ("r1b", EventRequest("r1b", "armv8_cortex_a53", 0x1B)),
        ("a_pmu/event=0x17/u", EventRequest("a_pmu/event=0x17/u", "a_pmu", 0x17, kernel=False)),
        ("a_pmu/config=23/", EventRequest("a_pmu/config=23/", "a_pmu", 23)),
    ],
)  # fmt: skip
def test_what_perf_event_open_is_asked_for(name: str, request_: EventRequest) -> None:
    """Numbers of linux/include/uapi/linux/perf_event.h."""
    assert EventTable("cortex-a53").event(name).request(0) == request_


def test_names_that_only_perf_may_know_are_handed_on() -> None:
    name = "cpu/mem-loads,ldlat=30/"
    event = EventTable("x86").event(name)
    assert (event.kernel_name, event.software, event.code, event.request(0)) == (name, False, None, None)
    assert EventTable("x86").event("mem_load_retired.l1_miss").request(0) is None


def test_an_event_of_the_bench_file_is_asked_for_by_number() -> None:
    raw = {"l2_refills": RawEvent(0x17, note="level 2 refills"), "odd": RawEvent(0x1A, "other_pmu", may_be_zero=True)}
    own = EventTable("cortex-a53", raw).event("l2_refills:u")
    assert own.kernel_name == "armv8_cortex_a53/config=0x17/u"
    assert own.request(0) == EventRequest("l2_refills:u", "armv8_cortex_a53", 0x17, kernel=False)
    assert own.details()["code"] == 0x17
    assert EventTable("generic", raw).event("l2_refills").kernel_name == "r17", "without a PMU, the core's own"
    assert EventTable("generic", raw).event("odd").kernel_name == "other_pmu/config=0x1a/"
    assert "l2_refills" in EventTable("x86", raw).known()


@given(st.text(max_size=30))
def test_any_name_at_all_is_something_for_perf(name: str) -> None:
    event = EventTable("cortex-a53").event(name)
    assert event.name == name
    assert event.user or event.kernel


def test_what_every_perf_knows() -> None:
    assert all(is_generic(name) for name in KNOWN_EVENTS | SOFTWARE_EVENTS)
    assert not is_generic("l2d_cache_refill")
    assert not is_generic("L1-dcache-loades")


def test_a_core_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        EventTable("z80")


SYSFS = """\
pmu armv8_cortex_a53
pmu software
armv8_cortex_a53/events/l2d_cache_refill:event=0x0017
armv8_cortex_a53/events/cpu_cycles:event=0x0011
imx8_ddr0/events/read-cycles.scale:1e-6
CPU part\t: 0xd03
CPU part\t: 0xd03
CPU part\t: 0xabc
"""


def test_what_a_board_says_of_itself() -> None:
    facts = parse(SYSFS)
    assert facts.listed == {"armv8_cortex_a53": {"l2d_cache_refill": 0x17, "cpu_cycles": 0x11}, "software": {}}
    assert facts.cores == ("cortex-a53", "part 0xabc")
    assert core_of_part(0xC09) == "cortex-a9"


@given(st.text())
def test_any_answer_of_a_board_is_understood_or_left(text: str) -> None:
    parse(text)


def test_a_board_that_cannot_answer_has_no_facts() -> None:
    assert ask(lambda _: (127, "", "sh: not found")) == BoardFacts()
