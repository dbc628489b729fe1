"""Names of events mean what the core's manual says, or are handed on untouched."""

from __future__ import annotations

import pytest

from instruments.perf_events import CORES, known_events, perf_event


@pytest.mark.parametrize("core", CORES)
def test_every_known_event_has_a_meaning_on_its_core(core: str) -> None:
    names = known_events(core)
    assert len(set(names)) == len(names)
    study = {
        "instructions",
        "cycles",
        "L1-dcache-loads",
        "L1-dcache-load-misses",
        "page-faults",
        "task-clock",
        "branches",
    }
    assert study <= set(names) | ({"branches"} if core == "cortex-a72" else set())
    for name in names:
        event = perf_event(name, core)
        assert event.name == name
        assert event.kernel_name
        assert event.software == (event.pmu == "software")


def test_the_same_name_is_not_the_same_event_everywhere() -> None:
    a53, a72, a9 = (perf_event("L1-dcache-loads", core) for core in ("cortex-a53", "cortex-a72", "cortex-a9"))
    assert (a53.code, a72.code, a9.code) == (0x04, 0x40, 0x04)
    assert "writes" in a53.note
    assert "renaming" in perf_event("instructions", "cortex-a9").note


def test_events_of_the_pmu_alone_are_asked_for_by_their_name_there() -> None:
    assert perf_event("l2d_cache_refill", "cortex-a53").kernel_name == "armv8_cortex_a53/l2d_cache_refill/"


def test_unknown_names_are_handed_on() -> None:
    event = perf_event("r1b", "cortex-a53")
    assert (event.kernel_name, event.software, event.code) == ("r1b", False, None)


def test_a_modifier_does_not_change_what_is_counted_in_software() -> None:
    assert perf_event("task-clock:u", "x86").software
    assert not perf_event("instructions:u", "x86").software


def test_a_core_that_nobody_knows() -> None:
    with pytest.raises(KeyError):
        perf_event("cycles", "z80")
