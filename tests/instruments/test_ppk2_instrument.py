"""A PPK2's instrument against a kit on a pseudo terminal: what it tells the kit, records and notices."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_ppk2 import METADATA, Line, PtyKit
from hypothesis import given, settings
from hypothesis import strategies as st

from instruments.ppk2 import port as ports
from instruments.ppk2.instrument import Ppk2
from instruments.ppk2.port import Kit
from instruments.ppk2.settings import Ppk2Settings
from instruments.protocol import Accuracy, Observation, PassContext, RangeAccuracy, ShowsLive
from instruments.serial_port import PortLostError
from instruments.stream_presence import Patience
from lab.errors import HardwareError
from lab.record.documents import Mark
from lab.record.host_clock import host_ns
from lab.record.quantity import Origin
from lab.record.traces import open_trace

MakeContext = Callable[..., PassContext]

ACCURACY = Accuracy(
    ranges={"5 mA": RangeAccuracy(5e-3, 0.1, 5e-6, 0.02, 0.0), "1 A": RangeAccuracy(1.0, 0.1, 1e-3, 0.02, 0.0)},
    timebase_ppm=100,
    source="datasheet",
)
IDLE_A, BUSY_A, VOLTS = 2e-3, 20e-3, 3.0
BEGIN_S, END_S, TOTAL_S = 0.15, 0.3, 0.42


def busy(t: np.ndarray) -> np.ndarray:
    return (t >= BEGIN_S) & (t < END_S)


LOAD = Line(current=lambda t: np.where(busy(t), BUSY_A, IDLE_A), levels={0: busy, 5: lambda t: t > 0.12})


def meter_on(kit: PtyKit, **change: Any) -> Ppk2:
    fitting = Ppk2Settings(VOLTS, "d0", ACCURACY, port=kit.port)
    return Ppk2("meter", replace(fitting, **change), find=lambda: (), patience=Patience(1.0, 0.2))


def record(meter: Ppk2, context: PassContext, seconds: float = TOTAL_S) -> Observation:
    meter.open()
    meter.arm(context)
    meter.start()
    time.sleep(seconds)
    return meter.stop()


def codes(seen: Observation) -> list[str]:
    return sorted({fault.code for fault in seen.faults} - {"ranges_mixed"})


def marks_of(seen: Observation) -> dict[str, Mark]:
    return {mark.name: mark for mark in seen.marks}


def read(root: Path, seen: Observation, channel: str) -> np.ndarray:
    with open_trace(root, seen.traces[0]) as reader:
        return reader.read(channel, 0, reader.length)


def test_a_pass_comes_back_with_its_window_on_the_current_it_belongs_to(
    make_context: MakeContext, tmp_path: Path
) -> None:
    with PtyKit(LOAD) as kit:
        meter = meter_on(kit, more_lines={"d5": "program"})
        before_ns = host_ns()
        seen = record(meter, make_context())
        after_ns = host_ns()
        meter.close()
    assert codes(seen) == []
    (trace,) = seen.traces
    assert (trace.rate_hz, trace.gaps, trace.instrument) == (1e5, (), "meter")
    current = read(tmp_path, seen, "current")
    marks = marks_of(seen)
    begin, end = marks["window_begin"].sample, marks["window_end"].sample
    assert end - begin == pytest.approx((END_S - BEGIN_S) * 1e5, abs=2)
    np.testing.assert_allclose(current[int(begin) + 2 : int(end) - 2], BUSY_A, rtol=0.02)
    np.testing.assert_allclose(current[: int(begin) - 2], IDLE_A, rtol=0.02)
    assert set(read(tmp_path, seen, "voltage")) == {np.float32(VOLTS)}
    assert marks["idle_before_end"].sample < 0.03 * 1e5, "the program's line bounds the idle"
    (clock,) = seen.clocks
    assert clock.method == "arrival"
    (first, first_ns), *_, (last, last_ns) = clock.anchors
    assert first == 0.0
    assert last == pytest.approx(trace.samples, abs=1)
    assert (last_ns - first_ns) / 1e9 == pytest.approx((last - first) / 1e5, abs=2 * clock.bound_s)
    assert before_ns <= first_ns < last_ns <= after_ns
    assert clock.bound_s < 0.1


def test_several_ranges_are_told_and_are_no_fault_of_the_pass(make_context: MakeContext) -> None:
    from lab.record.reasons import verdict_of

    with PtyKit(LOAD) as kit:
        meter = meter_on(kit)
        seen = record(meter, make_context())
        meter.close()
    assert [fault.code for fault in seen.faults] == ["ranges_mixed"]
    assert "2 ranges" in seen.faults[0].detail
    assert verdict_of(["ranges_mixed"]) == "valid"


def test_the_kit_is_set_up_in_order_and_put_back() -> None:
    with PtyKit() as kit:
        meter = meter_on(kit, mode="ampere", voltage_v=3.3)
        meter.open()
        time.sleep(0.02)
        assert kit.told == [b"\x07", b"\x19", b"\x11\x01", b"\x0d\x0c\xe4", b"\x0c\x01"]
        assert kit.fed
        kit.told.clear()
        meter.close()
        meter.close()
        time.sleep(0.05)
        assert kit.told == [b"\x0c\x00", b"\x11\x02", b"\x0d\x0b\xb8"]
        assert not kit.fed


def test_a_kit_in_the_right_mode_is_not_switched_and_may_be_left_on() -> None:
    with PtyKit() as kit:
        meter = meter_on(kit, leave_on=True)
        meter.open()
        meter.close()
        time.sleep(0.05)
        assert kit.told == [b"\x07", b"\x19", b"\x0d\x0b\xb8", b"\x0c\x01"]
        assert kit.fed


def test_probing_asks_and_switches_nothing() -> None:
    with PtyKit() as kit:
        probe = meter_on(kit).probe()
        assert probe.present
        assert kit.told == [b"\x07", b"\x19"]
    assert probe.facts["hardware"] == "9173"
    assert (probe.facts["spike_filter"], probe.facts["lines"]) == ("off", {"gpi0": "window"})
    assert "3 V assumed" in probe.detail


def test_a_kit_that_is_still_sending_is_stopped_before_it_is_asked() -> None:
    with PtyKit(LOAD) as kit:
        kit._obey(b"\x06")
        time.sleep(0.05)
        assert meter_on(kit).probe().present


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        (b"", "did not end its answer"),
        (b"\xff\xfe\x00garbage\x80END", "did not answer as a PPK2"),
        (METADATA.replace("R1: 101.5865", "R1: 0.0000").encode(), "R1 is 0"),
        (METADATA[:200].encode(), "did not end its answer"),
        (METADATA.replace("O3", "Q3").encode(), "nothing of O3"),
    ],
)
def test_garbage_in_place_of_metadata_is_refused_with_the_reason(
    metadata: bytes, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("instruments.ppk2.instrument._ANSWER_S", 0.1)
    with PtyKit(metadata=metadata) as kit:
        meter = meter_on(kit)
        probe = meter.probe()
        assert not probe.present
        assert said in probe.detail
        with pytest.raises(HardwareError, match="cannot be used"):
            meter.open()
        meter.close()


def test_a_port_that_is_not_there_is_named_with_advice() -> None:
    meter = Ppk2("meter", Ppk2Settings(VOLTS, "d0", ACCURACY, port="/dev/no-such-port"), find=lambda: ())
    probe = meter.probe()
    assert not probe.present
    assert "/dev/no-such-port cannot be opened" in probe.detail
    assert "dialout" in probe.advice


def test_kits_are_looked_for_on_the_machines_serial_lines() -> None:
    assert ports.connected() == () or all(kit.port for kit in ports.connected())


def test_lost_bytes_are_gaps_and_what_comes_after_lies_where_it_belongs(
    make_context: MakeContext, tmp_path: Path
) -> None:
    with PtyKit(LOAD) as kit:
        kit.lost = [(4 * 5000 + 1, 4 * 5000 + 3), (4 * 20_000 + 2, 4 * 20_030 + 1), (4 * 25_000, 4 * 25_006)]
        meter = meter_on(kit)
        seen = record(meter, make_context())
        meter.close()
    assert codes(seen) == ["samples_dropped"]
    (trace,) = seen.traces
    assert [first for first, _ in trace.gaps] == pytest.approx([5000, 20_000, 25_000], abs=12)
    assert [end - first for first, end in trace.gaps] == pytest.approx([8, 38, 14], abs=4)
    marks = marks_of(seen)
    assert marks["window_end"].sample - marks["window_begin"].sample == pytest.approx(15_000, abs=2)
    current = read(tmp_path, seen, "current")
    assert np.isnan(current).sum() == sum(end - first for first, end in trace.gaps)
    there = current[~np.isnan(current)]
    assert ((np.abs(there / IDLE_A - 1) < 0.02) | (np.abs(there / BUSY_A - 1) < 0.02)).all()


def test_a_loss_that_the_counter_cannot_count_is_told_by_the_hosts_clock(make_context: MakeContext) -> None:
    with PtyKit(LOAD) as kit:
        kit.lost = [(4 * 10_000, 4 * 13_200)]  # 50 times 64 frames: the counter goes on as if nothing were missing
        meter = meter_on(kit)
        seen = record(meter, make_context(), 0.7)
        meter.close()
    assert codes(seen) == ["samples_dropped"]
    ((first, end),) = seen.traces[0].gaps
    assert end - first == pytest.approx(3200, abs=64 * 8)
    assert (end - first) % 64 == 0
    assert any("host's clock" in fault.detail for fault in seen.faults)


def test_an_unplugged_kit_leaves_what_came_and_is_taken_again(make_context: MakeContext) -> None:
    with PtyKit(LOAD) as kit, PtyKit(LOAD) as again:
        kit.unplug_after_s = 0.2
        here = {"kit": kit}
        fitting = Ppk2Settings(VOLTS, "d0", ACCURACY, serial="C4F1")
        meter = Ppk2("meter", fitting, find=lambda: (Kit("C4F1AA", here["kit"].port),), patience=Patience(1.0, 0.2))
        seen = record(meter, make_context("t1.energy"))
        assert "meter_unplugged" in codes(seen)
        assert seen.traces[0].samples == pytest.approx(20_000, abs=5000)
        absent = record(meter, make_context("t2.energy"), 0.0)
        assert (codes(absent), absent.traces) == (["meter_unplugged"], ())
        here["kit"] = again
        assert codes(record(meter, make_context("t3.energy"), 0.1)) == []
        assert again.fed
        meter.close()
    assert "meter-reader" not in {thread.name for thread in threading.enumerate()}


def test_a_kit_that_falls_silent_is_a_timeout(make_context: MakeContext) -> None:
    with PtyKit(LOAD) as kit:
        kit.silent_after_s = 0.1
        meter = meter_on(kit)
        seen = record(meter, make_context(), 0.3)
        assert codes(seen) == ["meter_timeout"]
        kit.silent_after_s = 0.0
        never = record(meter, make_context("t2.energy"), 0.0)
        assert (codes(never), never.traces) == (["meter_timeout"], ())
        meter.close()


def test_more_than_the_kit_is_made_for_saturates(make_context: MakeContext) -> None:
    with PtyKit(Line(current=lambda t: np.where(busy(t), 1.3, 0.1), levels={0: busy})) as kit:
        meter = meter_on(kit)
        seen = record(meter, make_context(), 0.25)
        meter.close()
    assert codes(seen) == ["saturated"]


def test_a_queue_without_room_loses_bytes_and_counts_them(make_context: MakeContext) -> None:
    with PtyKit(LOAD) as kit:
        meter = meter_on(kit, queue_bytes=1000)
        seen = record(meter, make_context(), 0.2)
        meter.close()
    assert "samples_dropped" in codes(seen) or "meter_timeout" in codes(seen)
    assert any("faster than they could be decoded" in fault.detail for fault in seen.faults)


def test_two_kits_at_once_do_not_get_in_each_others_way(make_context: MakeContext, tmp_path: Path) -> None:
    other_line = Line(current=lambda t: np.full(t.shape, 0.3), levels={0: busy})
    with PtyKit(LOAD) as kit, PtyKit(other_line) as other:
        meters = [
            Ppk2(name, Ppk2Settings(VOLTS, "d0", ACCURACY, port=each.port), find=lambda: ())
            for name, each in (("board", kit), ("soc", other))
        ]
        for meter in meters:
            meter.open()
            meter.arm(replace(make_context(), trace=tmp_path / "traces" / meter.name))
            meter.start()
        time.sleep(0.2)
        other.unplug_after_s = 0.0
        time.sleep(0.1)
        seen = [meter.stop() for meter in meters]
        for meter in meters:
            meter.close()
    assert [codes(item) for item in seen] == [[], ["meter_unplugged"]]
    assert np.nanmax(read(tmp_path, seen[0], "current")) < 0.03
    assert np.nanmin(read(tmp_path, seen[1], "current")) == pytest.approx(0.3, rel=0.02)


def test_it_can_be_watched_live_without_a_voltage_that_nobody_measured() -> None:
    with PtyKit(Line(current=lambda t: np.full(t.shape, 2e-3))) as kit:
        meter = meter_on(kit)
        assert isinstance(meter, ShowsLive)
        with pytest.raises(HardwareError):
            meter.begin_live()
        meter.open()
        meter.begin_live()
        time.sleep(0.1)
        seen = meter.take_live()
        assert seen.power_w == pytest.approx(VOLTS * 2e-3, rel=0.02)
        assert seen.energy_j == pytest.approx(seen.duration_s * VOLTS * 2e-3, rel=0.02)
        assert 0.05 < seen.duration_s < 1.0
        assert (seen.voltage_v, seen.faults) == (None, ())
        kit.silent_after_s = 0.0
        time.sleep(0.3)
        meter.take_live()
        assert [code for code, _ in meter.take_live().faults] == ["meter_timeout"]
        kit.unplug_after_s = 0.0
        time.sleep(0.1)
        assert "meter_unplugged" in [code for code, _ in meter.take_live().faults]
        meter.end_live()
        meter.end_live()
        meter.close()


def test_capabilities_say_what_is_assumed() -> None:
    with PtyKit() as kit:
        capabilities = meter_on(kit, scope="radio").capabilities()
    assert capabilities.assumes == ("voltage",)
    assert set(capabilities.measures) == {"current", "logic"}
    assert (capabilities.origin, capabilities.scope) == (Origin.MEASURED, "radio")


def test_starting_before_opening_or_arming_is_a_mistake_of_ours(make_context: MakeContext) -> None:
    with PtyKit() as kit:
        meter = meter_on(kit)
        with pytest.raises(RuntimeError):
            meter.start()
        meter.arm(make_context())
        with pytest.raises(RuntimeError):
            meter.start()
        assert meter.stop() == Observation()


class ScriptedPort:
    """A port that answers with the metadata, and to the start with pieces of anything."""

    def __init__(self, pieces: list[bytes], then_lost: bool) -> None:
        self.pieces = pieces
        self.then_lost = then_lost
        self.waiting: list[bytes] = []
        self.lost = False

    def read(self, at_most_s: float) -> bytes:
        if self.waiting:
            return self.waiting.pop(0)
        if self.lost:
            raise PortLostError("gone")
        return b""

    def write(self, data: bytes) -> None:
        if data == b"\x19":
            self.waiting = [METADATA.encode()]
        elif data == b"\x06":
            self.waiting = list(self.pieces)
            self.lost = self.then_lost

    def close(self) -> None:
        pass


@settings(deadline=None, max_examples=12)
@given(st.lists(st.binary(max_size=600), max_size=6), st.booleans())
def test_whatever_comes_over_the_line_no_number_goes_unflagged(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], then_lost: bool
) -> None:
    root = tmp_path_factory.mktemp("record")
    context = PassContext("t1.energy", 1, 1, root, root, root / "traces" / "t1")
    meter = Ppk2(
        "meter",
        Ppk2Settings(VOLTS, "d0", ACCURACY, port="scripted"),
        open_port=lambda _: ScriptedPort(pieces, then_lost),
        find=lambda: (),
        patience=Patience(0.02, 0.02),
    )
    meter.open()
    meter.arm(context)
    meter.start()
    time.sleep(0.03)
    seen = meter.stop()
    meter.close()
    assert {"meter_timeout", "meter_unplugged", "samples_dropped"} & {fault.code for fault in seen.faults}
