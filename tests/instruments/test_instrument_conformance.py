"""What every instrument promises, asked of each of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_joulescope import Clock, FakeDevice, FakeDriver, Line, Times

from instruments.cachegrind import Cachegrind
from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.recording import Patience
from instruments.joulescope.settings import JoulescopeSettings
from instruments.perf_stat import PerfStat
from instruments.process_resources import ProcessResources
from instruments.protocol import (
    Accuracy,
    Instrument,
    Observation,
    PassContext,
    WatchesProcess,
    WrapsCommand,
    is_power_meter,
)
from instruments.simulated.faults import Drops, EdgeJitter, Saturation
from instruments.simulated.joulescope import SimulatedJoulescope
from instruments.simulated.rail import Rail
from lab.errors import HardwareError
from lab.record.documents import from_json, to_json
from lab.record.quantity import Origin
from lab.record.reasons import REASONS

MakeContext = Callable[..., PassContext]

PERF = """\
{"counter-value" : "51.000000", "unit" : "", "event" : "page-faults", "event-runtime" : 7, "pcnt-running" : 100.00}
{"counter-value" : "<not supported>", "unit" : "", "event" : "instructions", "pcnt-running" : 100.00}
"""
CACHEGRIND = "events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw\nsummary: 9 8 7 6 5 4 3 2 1\n"
USAGE = {"elapsed_s": 1.5, "user_s": 1.2, "system_s": 0.1, "peak_rss_bytes": 1e6, "minor_faults": 9.0}


def _answers(argv: list[str]) -> tuple[int, str, str]:
    """A board that has every tool."""
    if "--tool=cachegrind" in argv:
        return 0, CACHEGRIND, ""
    if "-e" in argv:
        return 0, "", "0.49,msec,task-clock,488736,100.00,0.494,CPUs utilized\n"
    return 0, {"uname": "aarch64\n", "cat": "2\n"}.get(argv[0], "tool 1.0\n"), ""


def _nothing(argv: list[str]) -> tuple[int, str, str]:
    raise FileNotFoundError(f"no such file: {argv[0]}")


def _watching(rail: Rail) -> Line:
    """A rail as a real meter sees it."""
    times_s, voltage_v, current_a = rail.segments()

    def of(values: Times) -> Callable[[Times], Times]:
        return lambda t: values[np.clip(np.searchsorted(times_s, t, side="right") - 1, 0, values.size - 1)]

    edges_s = [at_s for at_s, _ in rail.edges("window")]
    window = lambda t: np.searchsorted(edges_s, t, side="right") % 2  # noqa: E731
    return Line(current=of(current_a), voltage=of(voltage_v), levels={0: window})


class Scene:
    """An instrument with what it watches: how to let a program run under it."""

    def __init__(self, kind: str, make_meter: Callable[..., SimulatedJoulescope], rail: Rail) -> None:
        self.rail = rail
        self.device: FakeDevice | None = None
        self.instrument: Instrument = {
            "js110": lambda: self._joulescope("JS110"),
            "js220": lambda: self._joulescope("JS220"),
            "js320": lambda: self._joulescope("JS320"),
            "simulated_joulescope": lambda: make_meter(),
            "simulated_joulescope_with_faults": lambda: make_meter(Drops(), EdgeJitter(), Saturation()),
            "perf_stat": lambda: PerfStat("perf", core="cortex-a53", run=_answers, slots=6),
            "process_resources": lambda: ProcessResources("resources"),
            "cachegrind": lambda: Cachegrind("cachegrind", run=_answers),
        }[kind]()

    def _joulescope(self, model: str) -> Joulescope:
        """A real one, on an exact stand-in for the vendor's driver."""
        self.device = device = FakeDevice(model, "001234", Clock(), count=0)
        driver = FakeDriver([device])
        setup = JoulescopeSettings(model, 1e5, "10 A", "gpi0", Accuracy({}, 50, "placeholder"))
        patience = Patience(start_s=0.5, stall_s=0.05)
        meter = Joulescope("meter", setup, factory=lambda: driver, clock=device.clock, patience=patience)
        meter.open()
        return meter

    def let_run(self, context: PassContext) -> None:
        """A program runs, and leaves what the instrument reads."""
        self.rail.draw(0.5, 2.0)
        self.rail.edge("window", 1)
        self.rail.draw(1.0, 4.0)
        self.rail.edge("window", 0)
        self.rail.draw(0.5, 2.0)
        if self.device is not None:
            self.device.play(2.0, _watching(self.rail))
        if isinstance(self.instrument, WrapsCommand):
            self.instrument.wrap(["program"], "/somewhere")
            for name in self.instrument.files():
                (context.output / name).write_text(PERF if name == "perf.json" else CACHEGRIND, encoding="utf-8")
        if isinstance(self.instrument, WatchesProcess):
            self.instrument.finished(USAGE)


REAL_METERS = ["js110", "js220", "js320"]
POWER_METERS = ["simulated_joulescope", "simulated_joulescope_with_faults", *REAL_METERS]
KINDS = [*POWER_METERS, "perf_stat", "process_resources", "cachegrind"]


@pytest.fixture(params=KINDS)
def scene(request: pytest.FixtureRequest, make_meter: Callable[..., SimulatedJoulescope], rail: Rail) -> Scene:
    return Scene(request.param, make_meter, rail)


@pytest.fixture
def context(make_context: MakeContext) -> PassContext:
    return make_context(events=("page-faults", "instructions"))


def _whole_pass(scene: Scene, context: PassContext) -> Observation:
    scene.rail.reset()
    scene.instrument.arm(context)
    scene.instrument.start()
    scene.let_run(context)
    return scene.instrument.stop()


def test_it_is_an_instrument_and_says_what_it_measures(scene: Scene) -> None:
    assert isinstance(scene.instrument, Instrument)
    probe, capabilities = scene.instrument.probe(), scene.instrument.capabilities()
    assert probe.present
    assert probe.detail
    json.dumps(probe.facts)
    assert capabilities.measures
    assert capabilities.scope
    assert is_power_meter(capabilities) == isinstance(scene.instrument, SimulatedJoulescope | Joulescope)


def test_open_and_close_may_be_called_again(scene: Scene, context: PassContext) -> None:
    scene.instrument.close()
    scene.instrument.open()
    scene.instrument.open()
    assert _whole_pass(scene, context) != Observation()
    scene.instrument.close()
    scene.instrument.close()
    scene.instrument.open()
    next_pass = replace(context, pass_id="t0002.energy", trace=context.trace.with_name("t0002.energy"))
    assert _whole_pass(scene, next_pass) != Observation(), "after being opened again it works again"


def test_stop_says_nothing_where_nothing_was_recorded(scene: Scene, context: PassContext) -> None:
    assert scene.instrument.stop() == Observation(), "never armed"
    scene.instrument.arm(context)
    assert scene.instrument.stop() == Observation(), "never started"


def test_a_second_stop_says_nothing(scene: Scene, context: PassContext) -> None:
    _whole_pass(scene, context)
    assert scene.instrument.stop() == Observation()


def test_a_pass_does_not_leak_into_the_next(scene: Scene, context: PassContext) -> None:
    _whole_pass(scene, context)
    scene.instrument.arm(replace(context, pass_id="t0002.energy", trace=context.trace.with_name("t0002.energy")))
    assert scene.instrument.stop() == Observation()


def test_documents_are_valid_and_of_this_pass(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    for document in (*seen.marks, *seen.readings, *seen.faults):
        assert (document.pass_id, document.attempt) == (context.pass_id, context.attempt)
        assert from_json(json.loads(json.dumps(to_json(document)))) == document
    for reading in seen.readings:
        assert (reading.value is None) == bool(reading.reasons)
        assert reading.unit
        assert set(reading.reasons) <= REASONS.keys()
    assert {fault.code for fault in seen.faults} <= REASONS.keys()
    sources = {item.instrument for item in (*seen.traces, *seen.marks, *seen.readings)}
    assert sources | {fault.source for fault in seen.faults} == {scene.instrument.name}


def test_paths_are_relative_and_lead_to_files(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    for trace in seen.traces:
        assert not Path(trace.path).is_absolute()
        assert (context.record_root / trace.path).is_file()
        assert all(0 < first < end < trace.samples for first, end in trace.gaps)


def test_marks_come_in_order_of_their_window(scene: Scene, context: PassContext) -> None:
    seen = _whole_pass(scene, context)
    where = {mark.name: mark.sample for mark in seen.marks}
    order = ["idle_before_begin", "idle_before_end", "window_begin", "window_end", "idle_after_begin", "idle_after_end"]
    present = [where[name] for name in order if name in where]
    assert present == sorted(present)


def test_the_same_pass_gives_the_same_documents(scene: Scene, context: PassContext) -> None:
    first = _whole_pass(scene, context)
    again = replace(context, trace=context.trace.with_name("again"))
    second = _whole_pass(scene, again)
    assert (second.marks, second.readings, second.faults) == (first.marks, first.readings, first.faults)


# --------------------------------------------------------------------------- instruments that need a tool on the board


@pytest.mark.parametrize(
    "make", [lambda run: PerfStat("perf", core="generic", run=run), lambda run: Cachegrind("c", run=run)]
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
    make: Callable[..., PerfStat | Cachegrind], run: Callable[[list[str]], tuple[int, str, str]]
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


@pytest.mark.parametrize("kind", ["perf_stat", "cachegrind"])
@pytest.mark.parametrize("content", [None, "", "# started on\n\n", "garbage"])
def test_a_missing_or_damaged_file_gives_reasons_not_numbers(
    kind: str,
    content: str | None,
    make_meter: Callable[..., SimulatedJoulescope],
    rail: Rail,
    make_context: MakeContext,
) -> None:
    scene, context = Scene(kind, make_meter, rail), make_context(events=("instructions", "L1-dcache-loads"))
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


@pytest.mark.parametrize("kind", ["perf_stat", "cachegrind"])
def test_a_pass_without_events_leaves_the_command_alone(
    kind: str, make_meter: Callable[..., SimulatedJoulescope], rail: Rail, make_context: MakeContext
) -> None:
    instrument = Scene(kind, make_meter, rail).instrument
    assert isinstance(instrument, WrapsCommand)
    instrument.arm(make_context("t0001.latency"))
    instrument.start()
    assert instrument.wrap(["program", "-x"], "/somewhere") == ["program", "-x"]
    assert instrument.files() == ()
    assert instrument.stop() == Observation()


def test_origins_are_what_they_are(make_meter: Callable[..., SimulatedJoulescope], rail: Rail) -> None:
    origins = {kind: Scene(kind, make_meter, rail).instrument.capabilities().origin for kind in KINDS}
    assert origins == {
        "simulated_joulescope": Origin.SIMULATED,
        "simulated_joulescope_with_faults": Origin.SIMULATED,
        "perf_stat": Origin.MEASURED,
        "process_resources": Origin.MEASURED,
        "cachegrind": Origin.EMULATED,
        **dict.fromkeys(REAL_METERS, Origin.MEASURED),
    }
