"""What every instrument promises, asked of each of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from every_meter import BENCH_KINDS, METERS, RECORDED, VARIANTS, MakeScene
from meter_scenes import Scene
from recording_scenes import RecordingScene
from tcg_programs import build_folder

from instruments.cachegrind import Cachegrind
from instruments.commands import RunCommand
from instruments.counters.instrument import Counters
from instruments.process_resources import ProcessResources
from instruments.protocol import (
    Instrument,
    LiveReading,
    Observation,
    PassContext,
    ShowsLive,
    WatchesProcess,
    WrapsCommand,
    is_power_meter,
)
from instruments.tcg.emulator import Emulator
from instruments.tcg.instrument import ModelledCache, TcgPlugin
from lab.bench.model import Instrument as BenchInstrument
from lab.errors import HardwareError
from lab.record.documents import from_json, to_json
from lab.record.quantity import Origin, Verdict
from lab.record.reasons import REASONS, verdict_of
from lab.record.traces import open_trace, readings

MakeContext = Callable[..., PassContext]

PERF = """\
{"counter-value" : "51.000000", "unit" : "", "event" : "page-faults", "event-runtime" : 7, "pcnt-running" : 100.00}
{"counter-value" : "<not supported>", "unit" : "", "event" : "instructions", "pcnt-running" : 100.00}
"""
CACHEGRIND = "events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw\nsummary: 9 8 7 6 5 4 3 2 1\n"
TCG = '{"format": "lab.tcg/1", "complete": true, "threads": 1, "whole": {"instructions": 3}}'
LEFT = {"perf.json": PERF, "tcg.json": TCG}
"""What is in the files that tools leave; anything else is cachegrind's."""
USAGE = {"elapsed_s": 1.5, "user_s": 1.2, "system_s": 0.1, "peak_rss_bytes": 1e6, "minor_faults": 9.0}


def _answers(argv: list[str]) -> tuple[int, str, str]:
    """A board that has every tool."""
    if "--tool=cachegrind" in argv:
        return 0, CACHEGRIND, ""
    if argv[0].startswith("qemu-"):
        return _emulates(argv)
    if "-e" in argv:
        return 0, "", "0.49,msec,task-clock,488736,100.00,0.494,CPUs utilized\n"
    return 0, {"uname": "aarch64\n", "cat": "2\n"}.get(argv[0], "tool 1.0\n"), ""


def _emulates(argv: list[str]) -> tuple[int, str, str]:
    """A QEMU with plugins."""
    for option in [part for part in argv if part.startswith("file=")]:
        (out,) = re.findall(r"out=([^,]+)", option)
        Path(out).write_text(TCG, encoding="utf-8")
    return 0, "qemu-aarch64 version 7.2.22 (a fake)\n", ""


def _nothing(argv: list[str]) -> tuple[int, str, str]:
    raise FileNotFoundError(f"no such file: {argv[0]}")


class ToolScene(Scene):
    """An instrument that reads what a tool on the board leaves."""

    def __init__(self, instrument: Instrument) -> None:
        super().__init__()
        self.instrument = instrument

    def let_run(self, context: PassContext) -> None:
        """A program runs, and leaves what the instrument reads."""
        if isinstance(self.instrument, WrapsCommand):
            self.instrument.wrap(["program"], "/somewhere")
            for name in self.instrument.files():
                (context.output / name).write_text(LEFT.get(name, CACHEGRIND), encoding="utf-8")
        if isinstance(self.instrument, WatchesProcess):
            self.instrument.finished(USAGE)


def _plugin(run: RunCommand) -> TcgPlugin:
    return TcgPlugin("tcg", emulator=Emulator("aarch64"), l1d=ModelledCache(32768, 4), cache=build_folder(), run=run)


TOOLS: dict[str, MakeScene] = {
    "counters": lambda *_: ToolScene(Counters("perf", core="cortex-a53", run=_answers, slots=6)),
    "process_resources": lambda *_: ToolScene(ProcessResources("resources")),
    "cachegrind": lambda *_: ToolScene(Cachegrind("cachegrind", run=_answers)),
    "tcg_plugin": lambda *_: ToolScene(_plugin(_answers)),
}
POWER: dict[str, MakeScene] = METERS | VARIANTS
ALL = POWER | TOOLS

EXEMPT: dict[str, dict[str, str]] = {
    "the same pass gives the same documents": {
        **dict.fromkeys(
            ("nvml", "rapl_perf", "rapl_powercap", "hwmon", "polled_counter", "polled_power"),
            "it is asked on a clock that goes on between the passes: the edges of its updates fall elsewhere",
        ),
        "ppk2": "its bytes come in real time",
    },
    "absence is a probe with advice": {
        "simulated_joulescope": "it is always there",
        "simulated_joulescope_with_faults": "it is always there",
        "polled_counter": "the probe is its source's, which is a fake",
        "polled_power": "the probe is its source's, which is a fake",
    },
    "an absent device cannot be opened": {
        "simulated_joulescope": "it is always there",
        "simulated_joulescope_with_faults": "it is always there",
        **dict.fromkeys(RECORDED, "each pass names its own recording: one that is missing is a fault of that pass"),
    },
    "the trace's clock stands to the host's": dict.fromkeys(
        RECORDED, "it was recorded at another time, maybe on another machine"
    ),
    "it can be watched live": dict.fromkeys(RECORDED, "there is nothing live in a recording"),
}
"""Promise → who need not keep it, and why."""


def kinds(promise: str, among: dict[str, MakeScene]) -> list[str]:
    """Who must keep a promise."""
    exempt = EXEMPT[promise]
    assert exempt.keys() <= among.keys()
    return [kind for kind in among if kind not in exempt]


def keepers(promise: str, among: dict[str, MakeScene] = ALL) -> pytest.MarkDecorator:
    """Asks a promise of all who must keep it."""
    return pytest.mark.parametrize("kind", kinds(promise, among))


@pytest.fixture(params=ALL)
def kind(request: pytest.FixtureRequest) -> str:
    """Whose promise it is."""
    return str(request.param)


@pytest.fixture
def fresh(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """An instrument that nobody has opened yet."""
    scene = ALL[kind](tmp_path, monkeypatch)
    yield scene
    scene.end()


@pytest.fixture
def scene(fresh: Scene) -> Scene:
    """An instrument that is open."""
    fresh.instrument.open()
    return fresh


@pytest.fixture
def context(make_context: MakeContext) -> PassContext:
    return make_context(events=("page-faults", "instructions"))


def _next(context: PassContext) -> PassContext:
    """The pass after this one."""
    return replace(context, pass_id="t0002.energy", trace=context.trace.with_name("t0002.energy"))


def _whole_pass(scene: Scene, context: PassContext) -> Observation:
    context = scene.prepared(context)
    scene.instrument.arm(context)
    scene.instrument.start()
    scene.let_run(context)
    return scene.instrument.stop()


def test_it_is_an_instrument_and_says_what_it_measures(kind: str, scene: Scene) -> None:
    assert isinstance(scene.instrument, Instrument)
    probe, capabilities = scene.instrument.probe(), scene.instrument.capabilities()
    assert probe.present
    assert probe.detail
    json.dumps(probe.facts)
    assert capabilities.measures
    assert capabilities.scope
    assert is_power_meter(capabilities) == (kind in POWER)


def test_open_and_close_may_be_called_again(scene: Scene, context: PassContext) -> None:
    scene.instrument.close()
    scene.instrument.open()
    scene.instrument.open()
    assert _whole_pass(scene, context) != Observation()
    scene.instrument.close()
    scene.instrument.close()
    scene.instrument.open()
    assert _whole_pass(scene, _next(context)) != Observation(), "after being opened again it works again"


def test_stop_says_nothing_where_nothing_was_recorded(scene: Scene, context: PassContext) -> None:
    assert scene.instrument.stop() == Observation(), "never armed"
    scene.instrument.arm(scene.prepared(context))
    assert scene.instrument.stop() == Observation(), "never started"


def test_a_second_stop_says_nothing(scene: Scene, context: PassContext) -> None:
    _whole_pass(scene, context)
    assert scene.instrument.stop() == Observation()


def test_a_pass_does_not_leak_into_the_next(scene: Scene, context: PassContext) -> None:
    _whole_pass(scene, context)
    scene.instrument.arm(scene.prepared(_next(context)))
    assert scene.instrument.stop() == Observation()


def test_documents_are_valid_and_of_this_pass(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    for document in (*seen.marks, *seen.readings, *seen.faults, *seen.clocks):
        assert (document.pass_id, document.attempt) == (context.pass_id, context.attempt)
        assert from_json(json.loads(json.dumps(to_json(document)))) == document
    for reading in seen.readings:
        assert (reading.value is None) == bool(reading.reasons)
        assert reading.unit
        assert set(reading.reasons) <= REASONS.keys()
    assert {fault.code for fault in seen.faults} <= REASONS.keys()
    sources = {item.instrument for item in (*seen.traces, *seen.marks, *seen.readings, *seen.clocks)}
    assert sources | {fault.source for fault in seen.faults} == {scene.instrument.name}


def test_paths_are_relative_and_lead_to_files(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    for trace in seen.traces:
        assert not Path(trace.path).is_absolute()
        # A session of EnergyRunner is a folder of files.
        path = context.record_root / trace.path
        assert path.is_dir() if trace.format == "energyrunner" else path.is_file()
        assert all(0 < first < end < trace.samples for first, end in trace.gaps)


def test_marks_come_in_order_of_their_window(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    where = {mark.name: mark.sample for mark in seen.marks}
    order = ["idle_before_begin", "idle_before_end", "window_begin", "window_end", "idle_after_begin", "idle_after_end"]
    present = [where[name] for name in order if name in where]
    assert present == sorted(present)


@keepers("the same pass gives the same documents")
def test_the_same_pass_gives_the_same_documents(scene: Scene, context: PassContext) -> None:
    first = _whole_pass(scene, context)
    again = replace(context, trace=context.trace.with_name("again"))
    second = _whole_pass(scene, again)
    assert (second.marks, second.readings, second.faults) == (first.marks, first.readings, first.faults)


# ----------------------------------------------------------------------------------------------------- power meters


def test_every_kind_of_a_bench_file_is_asked() -> None:
    (union, *_) = get_args(BenchInstrument)
    known = {get_args(item.model_fields["kind"].annotation)[0] for item in get_args(union)}
    assert known == BENCH_KINDS.keys() | TOOLS.keys()
    assert sorted(name for names in BENCH_KINDS.values() for name in names) == sorted(METERS)


@pytest.mark.parametrize("kind", POWER)
def test_it_says_whose_energy_it_is_by_which_clock_and_how_well(scene: Scene) -> None:
    said = scene.instrument.capabilities()
    assert said.scope
    assert said.clock
    assert said.accuracy is None or said.accuracy.source in ("datasheet", "calibration", "placeholder")
    assert said.rate_hz is None or said.rate_hz > 0


@pytest.mark.parametrize("kind", POWER)
def test_what_a_pass_leaves_can_be_read_back(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    assert seen.traces
    for trace in seen.traces:
        if trace.format == readings.FORMAT:
            held = readings.read_readings(context.record_root / trace.path)
            assert held.length == trace.samples
            assert all(item.value.size and np.isfinite(item.value).all() for item in held.channels.values())
            continue
        missing = np.zeros(trace.samples, bool)
        for first, end in trace.gaps:
            missing[first:end] = True
        with open_trace(context.record_root, trace) as opened:
            assert (opened.length, opened.rate_hz) == (trace.samples, trace.rate_hz)
            for channel in opened.channels:
                samples = opened.read(channel, 0, opened.length)
                assert samples.size == trace.samples
                if samples.dtype.kind == "f":
                    np.testing.assert_array_equal(np.isnan(samples), missing)


@keepers("the trace's clock stands to the host's", POWER)
def test_the_clock_of_a_trace_goes_as_the_trace_does(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    assert [item.instrument for item in seen.clocks] == [item.instrument for item in seen.traces]
    for clock, trace in zip(seen.clocks, seen.traces, strict=True):
        assert clock.method
        assert math.isfinite(clock.bound_s)
        assert clock.bound_s >= 0.0
        assert len(clock.anchors) >= 2
        for (sample, at_ns), (later, later_ns) in pairwise(clock.anchors):
            assert later > sample
            assert later_ns > at_ns
            assert (later_ns - at_ns) * 1e-9 == pytest.approx(
                (later - sample) / trace.rate_hz, abs=2 * clock.bound_s + 2e-4
            )
        assert clock.anchors[0][0] >= -1.0
        assert clock.anchors[-1][0] <= trace.samples + 1.0


@keepers("absence is a probe with advice", POWER)
def test_an_absent_device_is_a_probe_with_advice(fresh: Scene) -> None:
    fresh.absent()
    probe = fresh.instrument.probe()
    assert not probe.present
    assert probe.detail
    assert probe.advice
    json.dumps(probe.facts)
    assert fresh.instrument.capabilities().measures


@keepers("an absent device cannot be opened", POWER)
def test_an_absent_device_cannot_be_opened_and_says_what_to_do(fresh: Scene) -> None:
    fresh.absent()
    with pytest.raises(HardwareError) as raised:
        fresh.instrument.open()
    assert raised.value.message
    assert raised.value.advice
    fresh.instrument.close()


@pytest.mark.parametrize("kind", POWER)
def test_a_device_that_goes_away_midway_is_a_fault(scene: Scene, context: PassContext) -> None:
    scene.meanwhile = scene.take_away
    if isinstance(scene, RecordingScene):
        scene.take_away()
        scene.meanwhile = lambda: None
    seen = _whole_pass(scene, context)
    assert verdict_of(fault.code for fault in seen.faults) is Verdict.INVALID
    assert {fault.source for fault in seen.faults} == {scene.instrument.name}
    scene.instrument.close()
    scene.instrument.close()


@pytest.mark.parametrize("kind", POWER)
def test_a_device_that_is_gone_before_the_pass_is_a_fault(scene: Scene, context: PassContext) -> None:
    scene.take_away()
    seen = _whole_pass(scene, context)
    assert verdict_of(fault.code for fault in seen.faults) is Verdict.INVALID
    again = _whole_pass(scene, _next(context))
    assert verdict_of(fault.code for fault in again.faults) is Verdict.INVALID


@pytest.mark.parametrize("kind", POWER)
def test_recordings_alone_cannot_be_watched_live(kind: str, scene: Scene) -> None:
    assert isinstance(scene.instrument, ShowsLive) == (kind in kinds("it can be watched live", POWER))


@keepers("it can be watched live", POWER)
def test_watching_live_gives_finite_numbers_and_leaves_no_trace(scene: Scene, context: PassContext) -> None:
    meter = scene.instrument
    assert isinstance(meter, ShowsLive)
    scene.prepared(context)
    meter.begin_live()
    for _ in range(50):
        scene.pass_time()
        shown = meter.take_live()
        _check_live(shown)
        if shown.duration_s:
            break
    assert shown.duration_s > 0.0
    assert shown.faults == ()
    meter.end_live()
    meter.end_live()
    assert list(context.record_root.glob("traces/*")) == []


@keepers("it can be watched live", POWER)
def test_a_pass_after_watching_live_is_like_any_other(scene: Scene, context: PassContext) -> None:
    meter = scene.instrument
    assert isinstance(meter, ShowsLive)
    untouched = _whole_pass(scene, context)
    meter.begin_live()
    scene.pass_time()
    meter.take_live()
    meter.end_live()
    seen = _whole_pass(scene, _next(context))
    assert {fault.code for fault in seen.faults} == {fault.code for fault in untouched.faults}
    assert seen.traces[0].samples > 0.5 * untouched.traces[0].samples
    assert len(seen.marks) == len(untouched.marks)
    meter.close()
    meter.end_live()


def _check_live(shown: LiveReading) -> None:
    numbers = (shown.power_w, shown.power_min_w, shown.power_max_w, shown.voltage_v, shown.current_a, shown.energy_j)
    assert math.isfinite(shown.duration_s)
    assert all(number is None or math.isfinite(number) for number in numbers)
    if not shown.duration_s:
        assert shown.energy_j is None
        return
    assert shown.power_w is not None
    assert shown.energy_j == pytest.approx(shown.power_w * shown.duration_s)
    if shown.power_min_w is not None and shown.power_max_w is not None:
        slack = 1e-9 * abs(shown.power_w)
        assert shown.power_min_w - slack <= shown.power_w <= shown.power_max_w + slack


# --------------------------------------------------------------------------- instruments that need a tool on the board


@pytest.mark.parametrize(
    "make", [lambda run: Counters("perf", core="generic", run=run), lambda run: Cachegrind("c", run=run), _plugin]
)
@pytest.mark.parametrize(
    "run",
    [
        _nothing,
        lambda argv: (127, "", f"{argv[0]}: not found"),
        lambda _: (0, "", ""),
        lambda _: (255, "", "Error:\nAccess limited. Consider perf_event_paranoid"),
    ],
    ids=["unreachable", "not installed", "silent", "forbidden"],
)
def test_a_missing_tool_is_a_probe_with_advice_not_an_exception(
    make: Callable[..., Counters | Cachegrind | TcgPlugin], run: Callable[[list[str]], tuple[int, str, str]]
) -> None:
    instrument = make(run)
    probe = instrument.probe()
    instrument.capabilities()
    assert not probe.present
    assert probe.detail
    assert probe.advice
    with pytest.raises(HardwareError) as raised:
        instrument.open()
    assert raised.value.advice == probe.advice


@pytest.mark.parametrize("kind", ["counters", "cachegrind"])
@pytest.mark.parametrize("content", [None, "", "# started on\n\n", "garbage"])
def test_a_missing_or_damaged_file_gives_reasons_not_numbers(
    content: str | None, scene: Scene, make_context: MakeContext
) -> None:
    context = make_context(events=("instructions", "L1-dcache-loads"))
    instrument = scene.instrument
    assert isinstance(instrument, WrapsCommand)
    instrument.arm(context)
    instrument.start()
    instrument.wrap(["program"], "/somewhere")
    for name in instrument.files():
        if content is not None:
            (context.output / name).write_text(content, encoding="utf-8")
    seen = instrument.stop()
    assert [(reading.name, reading.value) for reading in seen.readings] == [
        ("instructions", None),
        ("L1-dcache-loads", None),
    ]
    assert {fault.code for fault in seen.faults} == {"output_unreadable"}


@pytest.mark.parametrize("kind", ["counters", "cachegrind"])
def test_a_pass_without_events_leaves_the_command_alone(scene: Scene, make_context: MakeContext) -> None:
    instrument = scene.instrument
    assert isinstance(instrument, WrapsCommand)
    instrument.arm(make_context("t0001.latency"))
    instrument.start()
    assert instrument.wrap(["program", "-x"], "/somewhere") == ["program", "-x"]
    assert instrument.files() == ()
    assert instrument.stop() == Observation()


def test_origins_are_what_they_are(kind: str, scene: Scene) -> None:
    simulated, emulated = ("simulated_joulescope", "simulated_joulescope_with_faults"), ("cachegrind", "tcg_plugin")
    expected = (
        Origin.SIMULATED
        if kind in simulated
        else Origin.EMULATED
        if kind in emulated
        else Origin.REPLAYED
        if kind in RECORDED
        else Origin.MEASURED
    )
    assert scene.instrument.capabilities().origin is expected
