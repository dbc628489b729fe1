"""Every fault on every power instrument: what the record says of it and with which verdict, or why that cannot be.

:data:`TABLE` is all there is to know; ``docs/faults.md`` is printed from it. A new instrument or a new fault leaves
cells open, and a test fails until somebody has decided what is in them.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fault_injections as put
import pytest
import recording_injections as files
from every_meter import METERS
from fault_pages import DOCUMENT, codes_page, faults_page
from meter_scenes import Scene

from analysis.idle import idle_power, idle_side
from analysis.power_source import PowerSource, SampledPower
from analysis.readings_energy import readings_source
from analysis.verdicts import reasons_for
from analysis.windows import Stretch
from instruments.protocol import Observation, PassContext
from lab.errors import HardwareError
from lab.record.quantity import Verdict
from lab.record.reasons import REASONS, verdict_of
from lab.record.traces import open_trace, readings

VALID, DEGRADED, INVALID = Verdict.VALID, Verdict.DEGRADED, Verdict.INVALID
Inject = Callable[[Any, pytest.MonkeyPatch], None]


@dataclass(frozen=True)
class Told:
    """The pass's own faults have exactly these reason codes; none where the fault does no harm, and ``why`` not."""

    inject: Inject
    verdict: Verdict
    codes: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class Found:
    """The instrument sees nothing; the analysis gives these codes."""

    inject: Inject
    verdict: Verdict
    codes: tuple[str, ...]


@dataclass(frozen=True)
class Refused:
    """The instrument cannot be opened, and its advice holds these words."""

    inject: Inject
    advice: str


@dataclass(frozen=True)
class Cannot:
    """This instrument cannot have or see it."""

    why: str


Cell = Told | Found | Refused | Cannot

FAULTS = {
    "drops": "Samples or readings are lost on their way.",
    "drift": "What the instrument shows in idle is another after the window than before it.",
    "saturation": "More flows than the range can show.",
    "range change": "The current range changes within the pass.",
    "unplug": "The instrument goes away in the middle of the pass; a recording ends there.",
    "edge jitter": "The edges on the trigger wire bounce.",
    "throttling": "The board lowers its clock.",
    "silence": "The instrument is there and does not answer any more.",
    "slow consumer": "The host does not keep up with the instrument.",
    "counter wrap": "A counter of the instrument begins again at 0, as it does by design.",
    "counter jump": "A counter of the instrument jumps.",
    "clock jump": "The time of day jumps.",
    "stale counter": "The instrument shows the same value again and again.",
    "own sums disagree": "Two ways in which the instrument gives the same energy differ.",
    "permission denied": "The user may not use the instrument.",
}

JOULESCOPES = ("js110", "js220", "js320")
POLLED = ("nvml", "rapl_perf", "rapl_powercap", "hwmon")
RAPL = ("rapl_perf", "rapl_powercap")
TABLES = ("replay_samples", "replay_readings")
ALL = ("js110", "js220", "js320", "simulated_joulescope", *POLLED, "ppk2", "replay_jls", *TABLES, "energyrunner")
"""Written out, not taken from METERS: a new instrument must not find a place in the table by itself."""


def of(kinds: tuple[str, ...], cell: Cell) -> dict[str, Cell]:
    """The same for several."""
    return dict.fromkeys(kinds, cell)


NO_LINES = Cannot("it has no logic inputs: its window comes from the board's clock")
NO_RANGES = Cannot("its driver tells neither its range nor where that ends")
NO_COUNTER = Cannot("it counts nothing")
NOTHING_WAITS = Cannot("a recording waits for nobody: all of it lies on the disk")
SAME_IS_SOUND = Cannot("a constant load gives the same samples again and again: that is no fault")
NO_SECOND = Cannot("it gives its energy in one way only")
NOTHING_FORGOTTEN = "a counter forgets nothing: the next answer tells it all"
MONOTONIC = Cannot("its readings are stamped with the host's monotonic clock, which never jumps")
UNMARKED_END = Cannot("nothing in such a file says where it should have ended")

TABLE: dict[str, dict[str, Cell]] = {
    "drops": {
        **of(JOULESCOPES, Told(put.js_loses_samples, DEGRADED, ("samples_dropped",))),
        "simulated_joulescope": Told(put.sim_loses_samples, DEGRADED, ("samples_dropped",)),
        "nvml": Told(put.gpu_misses_questions, VALID, why=NOTHING_FORGOTTEN),
        **of(RAPL, Told(put.cpu_misses_questions, VALID, why=NOTHING_FORGOTTEN)),
        "hwmon": Told(put.chip_misses_questions, DEGRADED, ("readings_sparse",)),
        "ppk2": Told(put.kit_loses_bytes, DEGRADED, ("samples_dropped",)),
        **of(("replay_jls", *TABLES), Told(files.recording_has_holes, DEGRADED, ("samples_dropped",))),
        "energyrunner": Told(files.session_lost_packets, DEGRADED, ("samples_dropped",)),
    },
    "drift": {
        **of(JOULESCOPES, Found(put.js_drifts, DEGRADED, ("idle_drift",))),
        "simulated_joulescope": Found(put.sim_drifts, DEGRADED, ("idle_drift",)),
        "nvml": Found(put.gpu_drifts, DEGRADED, ("idle_drift",)),
        **of(RAPL, Found(put.cpu_drifts, DEGRADED, ("idle_drift",))),
        "hwmon": Found(put.chip_drifts, DEGRADED, ("idle_drift",)),
        "ppk2": Found(put.kit_drifts, DEGRADED, ("idle_drift",)),
        **of(("replay_jls", *TABLES), Found(files.recording_drifts, DEGRADED, ("idle_drift",))),
        "energyrunner": Found(files.session_drifts, DEGRADED, ("idle_drift",)),
    },
    "saturation": {
        **of(JOULESCOPES, Told(put.js_saturates, INVALID, ("saturated",))),
        "simulated_joulescope": Told(put.sim_saturates, INVALID, ("saturated",)),
        **of(POLLED, NO_RANGES),
        "ppk2": Told(put.kit_saturates, INVALID, ("saturated",)),
        **of(("replay_jls", "replay_samples"), Told(files.recording_is_cut_off, INVALID, ("saturated",))),
        "replay_readings": Cannot("readings become power at once, and nobody states a range of power"),
        "energyrunner": Cannot("EnergyRunner keeps energies alone, and no range"),
    },
    "range change": {
        **of(JOULESCOPES, Told(put.js_changes_range, DEGRADED, ("range_changed",))),
        "simulated_joulescope": Told(put.sim_changes_range, DEGRADED, ("range_changed",)),
        **of(POLLED, NO_RANGES),
        "ppk2": Told(put.nothing, VALID, ("ranges_mixed",), "it changes its range by itself all the time"),
        "replay_jls": Told(files.recording_changes_range, DEGRADED, ("range_changed",)),
        **of(TABLES, Cannot("a table has no column for range codes")),
        "energyrunner": Cannot("EnergyRunner keeps energies alone, and no range"),
    },
    "unplug": {
        **of(JOULESCOPES, Told(put.js_is_unplugged, INVALID, ("meter_unplugged",))),
        "simulated_joulescope": Told(put.sim_is_unplugged, INVALID, ("meter_unplugged",)),
        "nvml": Told(put.gpu_answers("NVML_ERROR_GPU_IS_LOST"), INVALID, ("meter_unplugged",)),
        **of(RAPL, Told(put.cpu_fails(errno.ENODEV), INVALID, ("meter_unplugged",))),
        "hwmon": Told(put.chip_fails(errno.ENODEV), INVALID, ("meter_unplugged",)),
        "ppk2": Told(put.kit_is_unplugged, INVALID, ("meter_unplugged",)),
        "replay_jls": Told(files.recorder_was_killed, DEGRADED, ("recording_unclosed",)),
        **of(TABLES, UNMARKED_END),
        "energyrunner": Told(files.recorder_was_killed, INVALID, ("trace_unreadable",)),
    },
    "edge jitter": {
        **of(JOULESCOPES, Told(put.js_edges_bounce, DEGRADED, ("edge_jitter",))),
        "simulated_joulescope": Told(put.sim_edges_bounce, DEGRADED, ("edge_jitter",)),
        **of(POLLED, NO_LINES),
        "ppk2": Told(put.kit_edges_bounce, DEGRADED, ("edge_jitter",)),
        **of(("replay_jls", "replay_samples"), Told(files.recording_edges_bounce, DEGRADED, ("edge_jitter",))),
        "replay_readings": Cannot("its rows are too far apart to tell a bounce from a window"),
        "energyrunner": Cannot("its windows are time stamps, not edges"),
    },
    "throttling": of(ALL, Cannot("it is the board's: the board says so itself, with `throttled`")),
    "silence": {
        **of(JOULESCOPES, Told(put.js_falls_silent, INVALID, ("meter_timeout",))),
        "simulated_joulescope": Told(put.sim_falls_silent, INVALID, ("meter_timeout",)),
        "nvml": Told(put.gpu_answers("NVML_ERROR_TIMEOUT"), INVALID, ("meter_timeout", "readings_sparse")),
        **of(RAPL, Told(put.cpu_fails(errno.ETIMEDOUT), INVALID, ("meter_timeout", "readings_sparse"))),
        "hwmon": Told(put.chip_fails(errno.EREMOTEIO), INVALID, ("meter_timeout", "readings_sparse")),
        "ppk2": Told(put.kit_falls_silent, INVALID, ("meter_timeout",)),
        **of(("replay_jls", *TABLES, "energyrunner"), NOTHING_WAITS),
    },
    "slow consumer": {
        **of(JOULESCOPES, Told(put.js_is_written_too_slowly, DEGRADED, ("samples_dropped",))),
        "simulated_joulescope": Cannot("it lives in virtual time, which waits for the host"),
        **of(("nvml", *RAPL), Told(put.consumer_is_slow(1.5), DEGRADED, ("readings_sparse",))),
        "hwmon": Told(put.consumer_is_slow(0.5), DEGRADED, ("readings_sparse",)),
        "ppk2": Told(put.kit_is_decoded_too_slowly, DEGRADED, ("samples_dropped",)),
        **of(("replay_jls", *TABLES, "energyrunner"), NOTHING_WAITS),
    },
    "counter wrap": {
        "js110": Told(put.js110_counter_wraps, VALID, why="the sample counter is followed over its 32 bits"),
        **of(
            ("js220", "js320"),
            Told(put.js_counter_wraps, VALID, why="the sample counter is followed over its 32 bits"),
        ),
        "simulated_joulescope": Cannot("its sample counter never ends"),
        "nvml": Cannot("its counter has 64 bits of mJ"),
        "rapl_perf": Cannot("the kernel makes 64 bits of the 32 of the register"),
        "rapl_powercap": Told(put.cpu_counter_wraps, VALID, why="the file says where its range ends"),
        "hwmon": NO_COUNTER,
        "ppk2": Told(put.nothing, VALID, why="its counter of 6 bits wraps 1562 times a second, and is followed"),
        "replay_jls": Cannot("samples in a JLS file are numbered with 64 bits"),
        **of(TABLES, NO_COUNTER),
        "energyrunner": NO_COUNTER,
    },
    "counter jump": {
        "js110": Told(put.js110_counter_jumps, INVALID, ("counter_jumped", "utc_jumped")),
        **of(("js220", "js320"), Told(put.js_counter_jumps, INVALID, ("counter_jumped",))),
        "simulated_joulescope": Cannot("its sample counter is the model's own time"),
        "nvml": Told(put.gpu_counter_begins_anew, INVALID, ("counter_jumped",)),
        **of(RAPL, Told(put.cpu_counter_begins_anew, INVALID, ("counter_jumped",))),
        "hwmon": NO_COUNTER,
        "ppk2": Cannot("a jump of its 6 bits is nothing else than lost samples: see drops"),
        "replay_jls": Cannot("a jump within a JLS file is a gap: see drops"),
        **of(TABLES, NO_COUNTER),
        "energyrunner": NO_COUNTER,
    },
    "clock jump": {
        **of(JOULESCOPES, Told(put.js_utc_jumps, DEGRADED, ("utc_jumped",))),
        "simulated_joulescope": Cannot("its clock is the line's virtual time"),
        **of(POLLED, MONOTONIC),
        "ppk2": Cannot("it has no clock but its samples, and their arrival is taken on the host's monotonic clock"),
        "replay_jls": Cannot("its samples are numbered; the UTC beside them places nothing"),
        **of(TABLES, Told(files.recorded_time_goes_back, INVALID, ("trace_unreadable",))),
        "energyrunner": Told(files.session_stamps_jump, INVALID, ("window_disagrees",)),
    },
    "stale counter": {
        **of((*JOULESCOPES, "simulated_joulescope", "ppk2"), SAME_IS_SOUND),
        "nvml": Told(put.gpu_counter_stands_still, INVALID, ("meter_stale",)),
        **of(RAPL, Told(put.cpu_counter_stands_still, INVALID, ("meter_stale",))),
        "hwmon": SAME_IS_SOUND,
        **of(("replay_jls", *TABLES, "energyrunner"), SAME_IS_SOUND),
    },
    "own sums disagree": {
        "js110": Cannot("its driver does not number its sums, so nobody can tell what they are sums of"),
        **of(("js220", "js320"), Told(put.js_sums_disagree, DEGRADED, ("statistics_disagree",))),
        "simulated_joulescope": NO_SECOND,
        "nvml": Told(put.gpu_lies, DEGRADED, ("statistics_disagree",)),
        **of((*RAPL, "hwmon", "ppk2", "replay_jls", *TABLES), NO_SECOND),
        "energyrunner": Told(files.session_contradicts_itself, INVALID, ("window_disagrees",)),
    },
    "permission denied": {
        **of(JOULESCOPES, Refused(put.js_is_forbidden, "udev")),
        "simulated_joulescope": Cannot("it is no device"),
        "nvml": Refused(put.gpu_is_forbidden, "root"),
        "rapl_perf": Refused(put.perf_is_forbidden, "perf_event_paranoid"),
        "rapl_powercap": Refused(put.file_is_forbidden, "root"),
        "hwmon": Refused(put.file_is_forbidden, "may read"),
        "ppk2": Refused(put.kit_is_forbidden, "dialout"),
        **of(
            ("replay_jls", *TABLES, "energyrunner"),
            Told(files.recording_is_forbidden, INVALID, ("trace_unreadable",)),
        ),
    },
}

ALWAYS = {"ppk2": {"ranges_mixed"}}
"""What an instrument says of every such pass."""


def cells(*wanted: type) -> list[Any]:
    """The cells of these sorts, to be tried one by one."""
    return [
        pytest.param(kind, cell, id=f"{fault}-{kind}")
        for fault, row in TABLE.items()
        for kind, cell in row.items()
        if isinstance(cell, wanted)
    ]


@pytest.fixture
def scene(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The instrument of a cell."""
    made = METERS[kind](tmp_path, monkeypatch)
    yield made
    monkeypatch.undo()
    made.end()


def recorded(scene: Scene, context: PassContext) -> Observation:
    """A pass with whatever was put in."""
    scene.instrument.open()
    scene.instrument.arm(context := scene.prepared(context))
    scene.instrument.start()
    scene.let_run(context)
    return scene.instrument.stop()


def codes_of(kind: str, seen: Observation, expected: tuple[str, ...]) -> set[str]:
    """The reason codes of the pass, without those that mean nothing here."""
    return {fault.code for fault in seen.faults} - (ALWAYS.get(kind, set()) - set(expected))


# ------------------------------------------------------------------------------------------------- the table is whole


def test_every_cell_is_decided() -> None:
    assert list(TABLE) == list(FAULTS)
    for fault, row in TABLE.items():
        assert sorted(row) == sorted(METERS), fault
        for kind, cell in row.items():
            assert not isinstance(cell, Cannot) or len(cell.why) > 10, (fault, kind)
            if isinstance(cell, Told):
                assert cell.codes or cell.why, (fault, kind)


def test_every_code_of_the_table_has_the_verdict_that_is_stated() -> None:
    for fault, row in TABLE.items():
        for kind, cell in row.items():
            if isinstance(cell, (Told, Found)):
                assert verdict_of(cell.codes) is cell.verdict, (fault, kind)


def test_what_is_the_boards_brings_its_own_verdict() -> None:
    assert all(isinstance(cell, Cannot) for cell in TABLE["throttling"].values())
    assert verdict_of(["throttled"]) is DEGRADED
    assert reasons_for("energy_gross_j", ["throttled"])
    assert not reasons_for("instructions", ["throttled"])


# ------------------------------------------------------------------------------------------------------- its sentences


@pytest.mark.parametrize("kind", METERS)
def test_without_a_fault_nothing_is_said(kind: str, scene: Scene, make_context: Callable[..., PassContext]) -> None:
    seen = recorded(scene, make_context())
    assert codes_of(kind, seen, ()) == set()
    assert seen.traces


@pytest.mark.parametrize(("kind", "cell"), cells(Told))
def test_a_fault_that_the_instrument_sees(
    kind: str, cell: Told, scene: Scene, monkeypatch: pytest.MonkeyPatch, make_context: Callable[..., PassContext]
) -> None:
    cell.inject(scene, monkeypatch)
    seen = recorded(scene, make_context())
    assert codes_of(kind, seen, cell.codes) == set(cell.codes)
    assert verdict_of(fault.code for fault in seen.faults) is cell.verdict
    assert all(fault.detail for fault in seen.faults)


@pytest.mark.parametrize(("kind", "cell"), cells(Found))
def test_a_fault_that_only_the_analysis_can_see(
    kind: str, cell: Found, scene: Scene, monkeypatch: pytest.MonkeyPatch, make_context: Callable[..., PassContext]
) -> None:
    cell.inject(scene, monkeypatch)
    context = make_context()
    seen = recorded(scene, context)
    assert codes_of(kind, seen, ()) == set()
    codes = idle_codes(context, seen)
    assert set(cell.codes) <= set(codes)
    assert verdict_of(codes) is cell.verdict


@pytest.mark.parametrize(("kind", "cell"), cells(Found))
def test_the_analysis_says_nothing_where_nothing_is(
    cell: Found, scene: Scene, make_context: Callable[..., PassContext]
) -> None:
    context = make_context()
    assert not set(cell.codes) & set(idle_codes(context, recorded(scene, context)))


@pytest.mark.parametrize(("kind", "cell"), cells(Refused))
def test_an_instrument_that_nobody_may_use_says_what_to_do(
    cell: Refused, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell.inject(scene, monkeypatch)
    with pytest.raises(HardwareError) as raised:
        scene.instrument.open()
    assert cell.advice in (raised.value.advice or "")


def idle_codes(context: PassContext, seen: Observation) -> tuple[str, ...]:
    """What the analysis says of idle before and after the window: where marks bound it, else a fifth at either end."""
    (trace,) = seen.traces
    at = {mark.name: mark.sample for mark in seen.marks}
    fifth = trace.samples / 5
    before = Stretch(at.get("idle_before_begin", 0.0), at.get("idle_before_end", fifth))
    after = Stretch(at.get("idle_after_begin", trace.samples - fifth), at.get("idle_after_end", float(trace.samples)))

    def judged(source: PowerSource) -> tuple[str, ...]:
        found = idle_power(idle_side(source, before), idle_side(source, after))
        assert found is not None
        return found.reasons

    if trace.format == readings.FORMAT:
        return judged(readings_source(readings.read_readings(context.record_root / trace.path)))
    with open_trace(context.record_root, trace) as opened:
        return judged(SampledPower(opened, trace.gaps))


# ---------------------------------------------------------------------------------------------------------- documents


def test_the_document_is_what_the_table_says() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == faults_page(FAULTS, TABLE)


def test_every_code_is_explained_once() -> None:
    page = codes_page()
    for code in REASONS:
        assert page.count(f"| `{code}` |") == 1


if __name__ == "__main__":
    print(faults_page(FAULTS, TABLE), end="")
