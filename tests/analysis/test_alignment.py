"""Marks are placed on a trace by whatever the record holds, and ways that disagree are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from analysis_fakes import ArrayTrace

from analysis.alignment import PIN_S, PlacedMarks, place_marks
from analysis.trace_clock import TraceOnHost, trace_on_host
from lab.boards.simulated.coded_load import m_sequence
from lab.errors import DataError
from lab.record.documents import ClockPings, Mark, PassEnd, TraceClock, TraceRef
from lab.record.marks_file import HOST_MARKS_FILE, MARKS_FILE, mark_lines
from lab.record.reader import PassData, Record

RATE_HZ = 1000.0
LENGTH_S = 10.0
DRIFT = 40e-6
BOARD_ZERO_NS = 5_000_000_000_000
HOST_ZERO_NS = 81_000_000_000_000
HALF_RTT_NS = 100_000
WINDOW_S = (3.0, 6.5)


class Scene:
    """A pass of ten seconds with one trace; instants in s of the trace."""

    def __init__(self, folder: Path, *, methods: list[str] | None = None, per: str | None = None) -> None:
        (folder / "output").mkdir()
        (folder / "traces").mkdir()
        alignment = None if methods is None else {"methods": methods, "pings": 50}
        manifest = {
            "workload": {"kind": "program"},
            "bench": {"resolved": {"alignment": alignment}},
            "experiment": {"resolved": {"workload": {"kind": "program", "per": per}}},
        }
        self.record = Record(folder, manifest)
        self.folder = folder
        self.ref = TraceRef(
            instrument="meter", path="traces/p.jls", format="jls", rate_hz=RATE_HZ, samples=int(LENGTH_S * RATE_HZ)
        )
        end = PassEnd(pass_id="p", attempt=1, state="done", output="output", traces=(self.ref,), elapsed_s=4.0)
        self.data = PassData("p", {}, {}, end, (), (), ())
        self.trace = ArrayTrace(RATE_HZ, power=np.full(self.ref.samples, 2.0))

    @staticmethod
    def board_ns(at_s: float) -> int:
        return BOARD_ZERO_NS + round(1e9 * at_s * (1.0 + DRIFT))

    @staticmethod
    def host_ns(at_s: float) -> int:
        return HOST_ZERO_NS + round(1e9 * at_s)

    def with_gpio(self, late_s: float = 0.0) -> Scene:
        """The instrument's own marks of the window and of idle."""
        marks = [
            Mark(
                pass_id="p",
                attempt=1,
                instrument="meter",
                name=name,
                sample=(at_s + late_s) * RATE_HZ,
                u_samples=0.29,
                method="gpio",
            )
            for name, at_s in (
                ("window_begin", WINDOW_S[0]),
                ("window_end", WINDOW_S[1]),
                ("idle_before_begin", 0.0),
                ("idle_before_end", 2.0),
            )
        ]
        self.data = replace(self.data, marks=tuple(marks))
        return self

    def with_marks(self, *marks: tuple[str, float]) -> Scene:
        """What the program wrote; its window if nothing is given."""
        chosen = marks or (("window_begin", WINDOW_S[0]), ("window_end", WINDOW_S[1]))
        text = mark_lines([(name, self.board_ns(at_s)) for name, at_s in chosen])
        (self.folder / "output" / MARKS_FILE).write_text(text)
        return self

    def with_pings(self, *phases: tuple[str, float]) -> Scene:
        """Fifty comparisons of the clocks in each phase."""
        documents = []
        for phase, begin_s in phases or (("before", 2.0), ("after", 8.0)):
            instants = [begin_s + 0.001 * number for number in range(50)]
            pings = tuple(
                (self.host_ns(at) - HALF_RTT_NS, self.board_ns(at), self.host_ns(at) + HALF_RTT_NS) for at in instants
            )
            documents.append(ClockPings(pass_id="p", attempt=1, phase=phase, pings=pings))
        self.data = replace(self.data, pings=tuple(documents))
        return self

    def with_clock(self, bound_s: float = 1e-4, off_s: float = 0.0, instrument: str = "meter") -> Scene:
        """Anchors of the trace's clock at both ends."""
        anchors = tuple((at_s * RATE_HZ, self.host_ns(at_s + off_s)) for at_s in (0.0, LENGTH_S))
        clock = TraceClock(
            pass_id="p", attempt=1, instrument=instrument, anchors=anchors, bound_s=bound_s, method="utc"
        )
        self.data = replace(self.data, clocks=(clock,))
        return self

    def with_code(self, off_s: float = 0.0) -> Scene:
        """A coded load before and after, which the trace shows ``off_s`` later than the marks say."""
        path = self.folder / "output" / MARKS_FILE
        written = [(name, int(ns)) for name, ns in (line.split() for line in path.read_text().splitlines())]
        power_w = np.full(self.ref.samples, 2.0)
        power_w[int(WINDOW_S[0] * RATE_HZ) : int(WINDOW_S[1] * RATE_HZ)] = 4.0
        for begin_s in (1.0, 7.5):
            chips = m_sequence(6)
            written.append(("code_begin", self.board_ns(begin_s)))
            for number, busy in enumerate(chips):
                at_s = begin_s + 0.02 * number
                written.append(("code_busy" if busy else "code_idle", self.board_ns(at_s)))
                first = round((at_s + off_s) * RATE_HZ)
                power_w[first : first + 20] += 0.5 * busy
            written.append(("code_end", self.board_ns(begin_s + 0.02 * len(chips))))
        path.write_text(mark_lines(sorted(written, key=lambda mark: mark[1])))
        self.trace = ArrayTrace(RATE_HZ, power=power_w)
        return self

    def placed(self) -> PlacedMarks:
        return place_marks(self.record, self.data, self.ref, self.trace)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def errors_s(placed: PlacedMarks) -> list[float]:
    """How far the window's marks lie from the truth."""
    at = {mark.name: mark.sample / RATE_HZ for mark in placed.marks}
    return [abs(at["window_begin"] - WINDOW_S[0]), abs(at["window_end"] - WINDOW_S[1])]


def methods(placed: PlacedMarks) -> set[str]:
    return {mark.method for mark in placed.marks if mark.name.startswith("window")}


# ----------------------------------------------------------------------------------------------- each way alone


def test_the_instruments_own_marks_stand_as_they_are(scene: Scene) -> None:
    placed = scene.with_gpio().placed()
    assert placed == PlacedMarks(scene.data.marks)
    assert placed.bound_s == 0.0


def test_without_any_marks_there_are_none_and_nothing_failed(scene: Scene) -> None:
    assert scene.placed() == PlacedMarks(())


def test_marks_of_another_instrument_are_not_this_traces(scene: Scene) -> None:
    scene.with_gpio()
    scene.ref = replace(scene.ref, instrument="other")
    assert scene.placed().marks == ()


def test_the_boards_marks_over_its_fitted_clock(scene: Scene) -> None:
    placed = scene.with_marks().with_pings().with_clock(bound_s=2e-4).placed()
    assert methods(placed) == {"agent"}
    assert placed.reasons == ()
    assert max(errors_s(placed)) < 2e-6
    assert 3e-4 <= placed.bound_s < 3.2e-4, "half a round trip, and the anchors' own bound"
    assert all(0.0 < mark.u_samples / RATE_HZ < placed.bound_s for mark in placed.marks)


@pytest.mark.parametrize("off_s", [-2e-4, 2e-4])
def test_anchors_that_are_off_within_their_bound_stay_within_ours(scene: Scene, off_s: float) -> None:
    placed = scene.with_marks().with_pings().with_clock(bound_s=2e-4, off_s=off_s).placed()
    assert max(errors_s(placed)) <= placed.bound_s


def test_one_batch_of_pings_has_a_larger_bound(tmp_path: Path) -> None:
    for name in ("both", "one"):
        (tmp_path / name).mkdir()
    both, one = Scene(tmp_path / "both"), Scene(tmp_path / "one")
    two_s = both.with_marks().with_pings().with_clock().placed().bound_s
    placed = one.with_marks().with_pings(("before", 2.0)).with_clock().placed()
    assert placed.bound_s > 3 * two_s
    assert max(errors_s(placed)) <= placed.bound_s


def test_the_coded_load_needs_neither_pings_nor_anchors(scene: Scene) -> None:
    placed = scene.with_marks().with_code().placed()
    assert methods(placed) == {"coded_load"}
    assert max(errors_s(placed)) <= placed.bound_s < 5e-4
    assert not any(mark.name.startswith("code") for mark in placed.marks)


def test_warm_up_and_several_windows_keep_apart(scene: Scene) -> None:
    written = [("warmup_begin", 1.0), ("warmup_end", 2.0)]
    written += [(f"window_{edge}", at) for at, edge in ((3.0, "begin"), (4.0, "end"), (5.0, "begin"), (6.0, "end"))]
    placed = scene.with_marks(*written).with_pings().with_clock().placed()
    assert [(mark.name, mark.index, round(mark.sample)) for mark in placed.marks] == [
        ("warmup_begin", 0, 1000),
        ("warmup_end", 0, 2000),
        ("window_begin", 0, 3000),
        ("window_end", 0, 4000),
        ("window_begin", 1, 5000),
        ("window_end", 1, 6000),
    ]


# ----------------------------------------------------------------------------------------------------- together


def test_the_pin_is_preferred_and_the_clock_checks_it(scene: Scene) -> None:
    placed = scene.with_gpio().with_marks().with_pings().with_clock().placed()
    assert placed.marks == scene.data.marks
    assert placed.reasons == ()
    assert any("agent" in note for note in placed.notes)


@pytest.mark.parametrize(("late_s", "agree"), [(PIN_S, True), (-PIN_S, True), (PIN_S + 2e-3, False), (-0.02, False)])
def test_a_pin_that_disagrees_beyond_the_bounds_is_told(scene: Scene, late_s: float, agree: bool) -> None:
    placed = scene.with_gpio(late_s).with_marks().with_pings().with_clock().placed()
    assert placed.reasons == (() if agree else ("alignment_disagrees",))
    if not agree:
        assert any("ms apart" in note for note in placed.notes)


@pytest.mark.parametrize(("off_s", "agree"), [(0.0, True), (0.004, False)])
def test_clock_and_coded_load_check_each_other(scene: Scene, off_s: float, agree: bool) -> None:
    placed = scene.with_marks().with_pings().with_clock().with_code(off_s).placed()
    assert methods(placed) == {"agent"}
    assert placed.reasons == (() if agree else ("alignment_disagrees",))


def test_idle_that_the_instrument_saw_stays_beside_the_boards_window(scene: Scene) -> None:
    scene.with_gpio().with_marks().with_pings().with_clock()
    scene.data = replace(scene.data, marks=tuple(item for item in scene.data.marks if "idle" in item.name))
    placed = scene.placed()
    assert methods(placed) == {"agent"}
    assert {mark.name for mark in placed.marks if mark.method == "gpio"} == {"idle_before_begin", "idle_before_end"}


def test_what_the_bench_does_not_name_is_not_gone_by(tmp_path: Path) -> None:
    scene = Scene(tmp_path, methods=["agent"]).with_gpio(late_s=1.0).with_marks().with_pings().with_clock()
    placed = scene.placed()
    assert {mark.method for mark in placed.marks} == {"agent"}
    assert placed.reasons == ()


def test_what_the_bench_names_and_does_not_get_leaves_the_rest_unchecked(tmp_path: Path) -> None:
    scene = Scene(tmp_path, methods=["gpio", "agent", "coded_load"]).with_gpio().with_marks().with_pings()
    placed = scene.with_clock().placed()
    assert placed.marks == scene.data.marks
    assert placed.reasons == ("alignment_unchecked",)
    assert "coded_load" in placed.notes[-1]


# ----------------------------------------------------------------------------------------------------- failures


def test_marks_that_cannot_be_placed_are_told(scene: Scene) -> None:
    scene.with_marks()
    assert scene.placed().reasons == ("alignment_failed",)
    scene.with_pings()
    placed = scene.placed()
    assert placed.reasons == ("alignment_failed",)
    assert "does not say how its trace's clock stands" in placed.notes[0]


def test_a_damaged_file_of_marks_is_told_with_its_line(scene: Scene) -> None:
    scene.with_marks().with_pings().with_clock()
    (scene.folder / "output" / MARKS_FILE).write_text("window_begin 1\nwindow_end\n")
    placed = scene.placed()
    assert placed.reasons == ("alignment_failed",)
    assert "marks.txt:2:11" in placed.notes[0]
    assert scene.with_gpio().placed().reasons == (), "the pin stands by itself"


def test_a_board_clock_that_makes_no_sense_is_told(scene: Scene) -> None:
    scene.with_marks().with_pings().with_clock()
    backwards = tuple((back, board, sent) for sent, board, back in scene.data.pings[0].pings)
    scene.data = replace(scene.data, pings=(replace(scene.data.pings[0], pings=backwards),))
    assert scene.placed().reasons == ("alignment_failed",)


# ----------------------------------------------------------------------------------------- the trace's own clock


def clock_of(scene: Scene, *anchors: tuple[float, int], bound_s: float = 1e-4) -> TraceOnHost:
    clock = TraceClock(pass_id="p", attempt=1, instrument="meter", anchors=anchors, bound_s=bound_s, method="arrival")
    scene.data = replace(scene.data, clocks=(clock,))
    return trace_on_host(scene.record, scene.data, scene.ref)


def test_between_anchors_the_bound_is_theirs_and_outside_it_grows(scene: Scene) -> None:
    clock = clock_of(scene, (0.0, 10**12), (1000.0, 10**12 + 10**9), (2000.0, 10**12 + 2 * 10**9 + 10_000))
    assert clock.sample(10**12 + 5 * 10**8) == pytest.approx(500.0)
    assert clock.bound_s(10**12 + 10**9) == pytest.approx(101e-6)
    assert clock.bound_s(10**12 - 10**9) == pytest.approx(202e-6, rel=0.01)
    assert clock.sample(10**12 + 3 * 10**9) == pytest.approx(3000.0, abs=0.02)
    assert clock.change_s(0.5) <= clock.change_s(5.0) <= 2 * 101e-6


def test_one_anchor_leaves_the_rate_open(scene: Scene) -> None:
    clock = clock_of(scene, (10.0, 10**12))
    assert clock.sample(10**12 + 10**9) == pytest.approx(1010.0)
    assert clock.bound_s(10**12 + 10 * 10**9) > 1e-3


@pytest.mark.parametrize(
    ("anchors", "message"),
    [
        (((0.0, 10), (0.0, 20)), "does not rise"),
        (((5.0, 10), (6.0, 5)), "does not rise"),
        (((0.0, 0), (1000.0, 2 * 10**9)), "off"),
        (((float("nan"), 0), (1000.0, 10**9)), "no number"),
        ((), "does not say"),
    ],
)
def test_anchors_that_make_no_clock_are_refused(
    scene: Scene, anchors: tuple[tuple[float, int], ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        clock_of(scene, *anchors)


# ------------------------------------------------------------------------------------------------------ readings


def with_readings(scene: Scene) -> Scene:
    header: dict[str, Any] = {"zero_ns": HOST_ZERO_NS, "channels": {}}
    (scene.folder / "traces" / "p.readings.csv").write_text(f"#lab.readings/1 {json.dumps(header)}\n")
    scene.ref = TraceRef(
        instrument="rapl",
        path="traces/p.readings.csv",
        format="readings",
        rate_hz=1e9,
        samples=round(1e9 * LENGTH_S),
    )
    return scene


def test_a_trace_of_readings_has_the_hosts_clock(scene: Scene) -> None:
    with_readings(scene).with_marks().with_pings()
    placed = place_marks(scene.record, scene.data, scene.ref, None)
    at = {mark.name: mark.sample * 1e-9 for mark in placed.marks}
    assert at == pytest.approx({"window_begin": WINDOW_S[0], "window_end": WINDOW_S[1]}, abs=1e-6)
    assert 1e-4 <= placed.bound_s < 1.2e-4


def test_a_trace_of_readings_without_its_header_places_nothing(scene: Scene) -> None:
    with_readings(scene).with_marks().with_pings()
    (scene.folder / "traces" / "p.readings.csv").write_text("x\n")
    assert place_marks(scene.record, scene.data, scene.ref, None).reasons == ("alignment_failed",)


@pytest.mark.parametrize("per", [None, "process"])
def test_a_program_without_marks_is_placed_as_a_whole_where_it_is_measured_so(tmp_path: Path, per: str | None) -> None:
    scene = with_readings(Scene(tmp_path, per=per))
    # The lab asked at 2.000 s and was told at 6.010 s; the program ran for 4.000 s.
    lines = mark_lines([("program_begin", scene.host_ns(2.0)), ("program_end", scene.host_ns(6.01))])
    (tmp_path / "output" / HOST_MARKS_FILE).write_text(lines)
    placed = place_marks(scene.record, scene.data, scene.ref, None)
    if per is None:
        assert placed == PlacedMarks(())
        return
    at = {mark.name: mark.sample * 1e-9 for mark in placed.marks}
    assert at == pytest.approx({"window_begin": 2.005, "window_end": 6.005})
    assert placed.bound_s == pytest.approx(5e-3, abs=1e-5)


def test_a_programs_own_window_is_preferred_to_the_whole(tmp_path: Path) -> None:
    scene = with_readings(Scene(tmp_path, per="process")).with_marks().with_pings()
    lines = mark_lines([("program_begin", scene.host_ns(2.0)), ("program_end", scene.host_ns(7.0))])
    (tmp_path / "output" / HOST_MARKS_FILE).write_text(lines)
    placed = place_marks(scene.record, scene.data, scene.ref, None)
    assert [round(mark.sample * 1e-9, 3) for mark in placed.marks] == list(WINDOW_S)
