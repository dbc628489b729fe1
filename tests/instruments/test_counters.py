"""Counters: who counts, what is asked of them, and which counts are not believed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instruments.counters.cores import CORES
from instruments.counters.counted import Counted, reasons
from instruments.counters.events import EventTable, RawEvent
from instruments.counters.instrument import Counters
from instruments.protocol import CountsOnBoard, EventCount, EventRequest, Observation, PassContext, Probe, WrapsCommand
from lab.errors import HardwareError, LabError
from lab.record.formats.perf_stat import CountState
from lab.record.reasons import REASONS

MakeContext = Callable[..., PassContext]

TABLE = EventTable("cortex-a53", {"seldom": RawEvent(0x1A, may_be_zero=True)})


def count(name: str, value: float | None, state: CountState = CountState.COUNTED) -> Counted:
    return Counted(TABLE.event(name), state, value, runtime_ns=None if value is None else 1.0)


def codes(*counts: Counted, window_only: bool = False) -> list[str]:
    """One code (or nothing) for each count."""
    return ["".join(why) for why in reasons(counts, window_only)]


# ------------------------------------------------------------------------------------------------ what is believed


def test_counts_that_were_counted_are_believed() -> None:
    assert (
        codes(count("cycles", 5e6), count("instructions", 4e6), count("page-faults", 0), count("task-clock", 0.1))
        == [""] * 4
    )


def test_a_zero_beside_anchors_that_counted() -> None:
    """As raw events of an emulated PMU do that knows cycles and instructions only."""
    found = codes(count("cycles", 5e6), count("instructions", 4e6), count("r04", 0), count("major-faults", 0))
    assert found == ["", "", "zero_count", ""]


def test_a_zero_of_an_event_that_may_be_zero() -> None:
    assert codes(count("cycles", 5e6), count("seldom", 0)) == ["", ""]


@pytest.mark.parametrize("others", [0, 17])
def test_a_pmu_that_answers_every_question_with_zero(others: int) -> None:
    """As an emulated Cortex-A9 does at 100 % of the time. None of its counts is believed, a non-zero one neither."""
    found = codes(
        count("cycles", 0), count("instructions", 0), count("L1-dcache-loads", others), count("page-faults", 9)
    )
    assert found == ["pmu_dead", "pmu_dead", "pmu_dead", ""]


def test_a_pmu_is_dead_without_anchors_too_if_all_of_it_is_zero() -> None:
    assert codes(count("L1-dcache-loads", 0), count("task-clock", 0.5)) == ["pmu_dead", ""]
    assert codes(count("L1-dcache-loads", 7), count("branches", 0)) == ["", "zero_count"]


def test_one_live_anchor_is_enough() -> None:
    assert codes(count("cycles", 5), count("instructions", 0)) == ["", "zero_count"]


def test_zeros_are_true_where_nothing_ran() -> None:
    assert codes(count("task-clock", 0.0), count("instructions", 0)) == ["", ""]


def test_states_are_reasons() -> None:
    lost = [count("branches", None, state) for state in CountState if state is not CountState.COUNTED]
    assert codes(*lost, count("cycles", 5)) == ["not_supported", "not_counted", "multiplexed", ""]
    extrapolated = count("branches", 24_000, CountState.MULTIPLEXED)
    assert codes(extrapolated) == ["multiplexed"], "never accepted, whatever the value"


def test_a_window_that_nobody_opened() -> None:
    unopened = [count(name, None, CountState.NOT_COUNTED) for name in ("cycles", "page-faults")]
    lacking = count("branches", None, CountState.NOT_SUPPORTED)
    assert codes(*unopened, lacking, window_only=True) == ["window_not_opened", "window_not_opened", "not_supported"]
    assert codes(*unopened, lacking) == ["not_counted", "not_counted", "not_supported"]
    some = count("task-clock", 0.5)
    assert codes(*unopened, some, window_only=True) == ["not_counted", "not_counted", ""], "it was opened for one"


UNCOUNTED = (CountState.NOT_SUPPORTED, CountState.NOT_COUNTED)
COUNTS = st.lists(
    st.builds(
        lambda name, state, value: count(name, None if state in UNCOUNTED else value, state),
        st.sampled_from(["cycles", "instructions", "branches", "page-faults", "task-clock", "seldom", "r99"]),
        st.sampled_from(CountState),
        st.sampled_from([0.0, 1.0, 1e9]),
    ),
    max_size=9,
)


@given(COUNTS, st.booleans())
def test_every_reason_is_one_that_the_record_knows(counts: list[Counted], window_only: bool) -> None:
    for found, why in zip(counts, reasons(counts, window_only), strict=True):
        assert set(why) <= set(REASONS)
        if not why:
            assert found.state is CountState.COUNTED
            assert found.value is not None


# --------------------------------------------------------------------------------------------------- who counts


ALL_THE_TIME = EventCount("", 1_000, enabled_ns=100, running_ns=100)


@dataclass
class Agent:
    """A board that counts: every event gets the same answer, with what is named otherwise."""

    answer: EventCount = ALL_THE_TIME
    otherwise: dict[str, EventCount] | None = None
    room: int | None = None
    """Hardware events that fit on its PMU at once."""

    def can_count(self) -> Probe:
        return Probe(present=True, detail="the agent counts")

    def count(self, argv: Sequence[str], requests: Sequence[EventRequest]) -> Sequence[EventCount]:
        together = [request for request in requests if request.pmu != "software"]
        if self.room is not None and len(together) > self.room:
            return [EventCount(request.name, None, error="EINVAL") for request in requests]
        return [
            replace((self.otherwise or {}).get(request.name, self.answer), name=request.name) for request in requests
        ]


def no_perf(argv: list[str]) -> tuple[int, str, str]:
    return 127, "", f"{argv[0]}: not found"


def has_perf(argv: list[str]) -> tuple[int, str, str]:
    return (0, "", "0.49,msec,task-clock,488736,100.00,0.494,CPUs utilized\n") if "-e" in argv else (1, "", "")


class Unwilling(Agent):
    def can_count(self) -> Probe:
        return Probe(present=False, detail="no agent here", advice="copy it")


@pytest.mark.parametrize(
    ("by", "run", "board", "way"),
    [
        ("auto", has_perf, Agent(), "perf_stat"),
        ("auto", no_perf, Agent(), "agent"),
        ("agent", has_perf, Agent(), "agent"),
        ("perf_stat", has_perf, Agent(), "perf_stat"),
        ("perf_stat", no_perf, Agent(), None),
        ("agent", has_perf, None, None),
        ("agent", has_perf, Unwilling(), None),
        ("auto", no_perf, Unwilling(), None),
        ("auto", no_perf, None, None),
    ],
)
def test_who_counts(by: str, run: Callable[..., tuple[int, str, str]], board: Agent | None, way: str | None) -> None:
    instrument = Counters("counts", core="cortex-a53", run=run, by=by, board=board)  # type: ignore[arg-type]
    probe = instrument.probe()
    assert probe.present == (way is not None)
    if way is None:
        assert probe.detail
        assert probe.advice
        with pytest.raises(HardwareError, match="no events can be counted"):
            instrument.open()
    else:
        assert probe.facts["by"] == way
        instrument.open()


def test_another_core_than_the_bench_file_says() -> None:
    def run(argv: list[str]) -> tuple[int, str, str]:
        return (0, "CPU part\t: 0xd08\n", "") if argv[:2] == ["sh", "-c"] else has_perf(argv)

    with pytest.raises(HardwareError, match="core: cortex-a53, the board has cortex-a72") as raised:
        Counters("counts", core="cortex-a53", run=run).open()
    assert raised.value.advice == "set core: cortex-a72 in the bench file"
    Counters("counts", core="cortex-a72", run=run).open()
    Counters("counts", core="generic", run=run).open()


EVENTS = ("instructions", "L1-dcache-loads", "page-faults", "task-clock", "cycles")


def counted_by_agent(
    make_context: MakeContext, *events: str, agent: Agent | None = None, window_only: bool = False
) -> Observation:
    agent = agent or Agent()
    instrument = Counters("counts", core="cortex-a53", run=no_perf, board=agent)
    assert isinstance(instrument, CountsOnBoard)
    assert isinstance(instrument, WrapsCommand)
    instrument.open()
    instrument.arm(make_context(events=events, window_only=window_only))
    instrument.start()
    assert instrument.wrap(["program"], "/there") == ["program"], "nothing stands in front of it"
    assert instrument.files() == ()
    instrument.counted(agent.count(["program"], instrument.requests()))
    return instrument.stop()


def test_the_boards_counts_become_readings(make_context: MakeContext) -> None:
    seen = counted_by_agent(make_context, *EVENTS)
    assert [(reading.name, reading.value, reading.unit) for reading in seen.readings] == [
        ("instructions", 1000.0, "1"),
        ("L1-dcache-loads", 1000.0, "1"),
        ("page-faults", 1000.0, "1"),
        ("task-clock", pytest.approx(1e-6), "s"),
        ("cycles", 1000.0, "1"),
    ]
    loads = seen.readings[1]
    assert loads.scope == "process tree"
    expected = {
        "kernel_name": "L1-dcache-loads",
        "pmu": "armv8_cortex_a53",
        "code": 4,
        "by": "agent",
        "running_pct": 100.0,
    }
    assert expected.items() <= loads.details.items()
    assert "reads and writes" in loads.details["note"]


def test_hardware_events_are_on_the_pmu_together_and_software_events_alone(make_context: MakeContext) -> None:
    instrument = Counters("counts", core="cortex-a53", run=no_perf, board=Agent())
    instrument.open()
    instrument.arm(make_context(events=EVENTS))
    assert [(request.name, request.group) for request in instrument.requests()] == [
        ("instructions", 0), ("L1-dcache-loads", 0), ("page-faults", 1), ("task-clock", 2), ("cycles", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (EventCount("", None, error="ENOENT"), "not_supported"),
        (EventCount("", None, error="EOPNOTSUPP"), "not_supported"),
        (EventCount("", None, error="EINVAL"), "not_counted"),
        (EventCount("", None, error="EACCES"), "not_permitted"),
        (EventCount("", 12, enabled_ns=100, running_ns=71), "multiplexed"),
        (EventCount("", 12, enabled_ns=100_000, running_ns=99_000), "multiplexed"),
        (EventCount("", 12, enabled_ns=100_000_000, running_ns=99_999_000), ""),
        (EventCount("", 0, enabled_ns=100, running_ns=0), "not_counted"),
        (EventCount("", 0, enabled_ns=100, running_ns=100), "zero_count"),
    ],
)
def test_what_the_kernel_says_of_an_event(make_context: MakeContext, answer: EventCount, code: str) -> None:
    agent = Agent(otherwise={"branches": answer})
    branches, cycles = counted_by_agent(make_context, "branches", "cycles", agent=agent).readings
    assert branches.reasons == ((code,) if code else ())
    assert (branches.value is None) == bool(code)
    assert cycles.value == 1000.0


def test_scopes(make_context: MakeContext) -> None:
    kernel_forbidden = Agent(EventCount("", 7, 100, 100, user_only=True))
    both, user, kernel = counted_by_agent(make_context, "instructions", "cycles:u", "cycles:k").readings
    assert [item.scope for item in (both, user, kernel)] == [
        "process tree", "process tree, user space only", "process tree, kernel only"
    ]  # fmt: skip
    (forbidden,) = counted_by_agent(make_context, "instructions", agent=kernel_forbidden).readings
    assert forbidden.scope == "process tree, user space only"
    (window,) = counted_by_agent(make_context, "instructions", window_only=True).readings
    assert window.scope == "process tree, in the window"
    assert window.details["window_only"] is True


def test_a_program_that_never_opens_its_window(make_context: MakeContext) -> None:
    agent = Agent(EventCount("", 0, enabled_ns=0, running_ns=0))
    seen = counted_by_agent(make_context, "instructions", "page-faults", agent=agent, window_only=True)
    assert {reading.reasons for reading in seen.readings} == {("window_not_opened",)}
    assert [fault.code for fault in seen.faults] == ["window_not_opened"]


def test_an_event_that_only_perf_knows(make_context: MakeContext) -> None:
    unknown, cycles = counted_by_agent(make_context, "mem_load_retired.l1_miss", "cycles").readings
    assert unknown.reasons == ("not_supported",)
    assert cycles.value == 1000.0, "and the others keep their own answers"


def test_a_board_that_gives_no_counts(make_context: MakeContext) -> None:
    instrument = Counters("counts", core="cortex-a53", run=no_perf, board=Agent())
    instrument.open()
    instrument.arm(make_context(events=("cycles",)))
    instrument.requests()
    seen = instrument.stop()
    assert [fault.code for fault in seen.faults] == ["output_unreadable"]
    assert [(reading.value, reading.reasons) for reading in seen.readings] == [(None, ("output_unreadable",))]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.sampled_from(["", "ENOENT", "?"])))
)
def test_no_answer_of_a_board_is_taken_for_more_than_it_is(answers: list[tuple[int, int, int, str]]) -> None:
    from instruments.counters.on_board import counted

    events = [TABLE.event("cycles")] * 3
    given_ = [
        EventCount("cycles", value or None, enabled, running, error) for value, enabled, running, error in answers
    ]
    for found in counted(events, given_):
        if found.state is CountState.COUNTED:
            assert found.value is not None
            assert found.running_pct == 100.0


# ------------------------------------------------------------------------------------------- how many are free


@pytest.mark.parametrize("room", [7, 5, 1])
def test_as_many_counters_are_opened_as_the_plan_takes_for_granted(room: int) -> None:
    """Six and the one for cycles of a Cortex-A53; a watchdog or a hypervisor may hold some."""
    instrument = Counters("counts", core="cortex-a53", run=no_perf, board=Agent(room=room))
    instrument.open()
    ((name, probe),) = instrument.checks()
    assert name == "free counters"
    assert probe.present == (room == 7)
    assert probe.facts["free"] == (room - 1)
    if room == 5:
        assert "set slots: 4" in probe.advice


def test_a_machine_without_a_pmu_has_no_counters_to_check() -> None:
    agent = Agent(EventCount("", None, error="ENOENT"))
    instrument = Counters("counts", core="generic", run=no_perf, board=agent)
    instrument.open()
    ((_, probe),) = instrument.checks()
    assert probe.present
    assert "no hardware event" in probe.detail


def test_a_board_that_breaks_off_while_it_is_asked() -> None:
    class Broken(Agent):
        def count(self, argv: Sequence[str], requests: Sequence[EventRequest]) -> Sequence[EventCount]:
            raise LabError("gone")

    instrument = Counters("counts", core="generic", run=no_perf, board=Broken())
    instrument.open()
    assert instrument.checks()[0][1].facts["free"] == 0


def test_slots_are_the_cores_unless_the_bench_file_says_otherwise() -> None:
    assert Counters("c", core="cortex-a7", run=no_perf).capabilities().slots == CORES["cortex-a7"].slots == 4
    assert Counters("c", core="cortex-a7", run=no_perf, slots=3).capabilities().slots == 3
