"""What can go wrong with a Joulescope, injected into an exact stand-in for the driver: each fault is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_joulescope import Line, pulse, step
from joulescope_bench import LOAD, Bench, codes, marks_of, read

from instruments.protocol import PassContext

MakeContext = Callable[..., PassContext]


def test_lost_blocks_are_a_gap_at_their_place(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench("JS220", 1e6)
    bench.device.lost = [(0.4, 0.41, ()), (0.6, 0.6001, ("s/v",))]
    seen = bench.record(make_context())
    assert set(codes(seen)) == {"samples_dropped"}
    (trace,) = seen.traces
    lengths = [end - first for first, end in trace.gaps]
    assert lengths == pytest.approx([10_000, 100], abs=16), "a sample without a voltage is missing"
    assert trace.gaps[0][0] == pytest.approx(500_000, abs=16)
    missing = np.zeros(trace.samples, dtype=bool)
    for first, end in trace.gaps:
        missing[first:end] = True
    np.testing.assert_array_equal(np.isnan(read(tmp_path, seen, "current")), missing)
    details = "; ".join(fault.detail for fault in seen.faults)
    assert "of current" in details, "samples left out for want of a voltage are counted"


def test_a_gap_in_the_logic_line_alone_is_no_edge(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6)
    bench.device.lost = [(0.45, 0.46, ("s/gpi/0",))]
    seen = bench.record(make_context())
    assert [mark.name for mark in seen.marks if mark.name.startswith("window")] == ["window_begin", "window_end"]
    assert seen.traces[0].gaps


def test_the_counter_may_wrap_at_32_bits_in_the_middle_of_a_pass(make_context: MakeContext) -> None:
    plain = Bench("JS220", 1e6, count=1 << 20).record(make_context("plain.energy"))
    for bits in (32, 64):
        wrapped = Bench("JS220", 1e6, count=(1 << 32) - (1 << 20), bits=bits).record(make_context(f"w{bits}.energy"))
        assert wrapped.faults == ()
        assert wrapped.traces[0].samples == plain.traces[0].samples
        assert [mark.sample for mark in wrapped.marks] == [mark.sample for mark in plain.marks]


def test_a_jump_of_the_drivers_count_by_a_whole_wrap_is_taken_out(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6)

    def play() -> None:
        bench.device.play(0.5, LOAD)
        deliver = bench.device.publish_out

        def jumped(topic: str, value: Any) -> None:
            if "sample_id" in value:
                value = {**value, "sample_id": value["sample_id"] + (1 << 32)}
                value["utc"] += round(2**32 / 2e6 * 2**30)
            deliver(topic, value)

        bench.device.publish_out = jumped
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert codes(seen) == ["utc_jumped"], "UTC went with it, and the samples did not"
    assert "+2147.4" in seen.faults[0].detail
    assert seen.traces[0].gaps == ()


def test_a_jump_of_utc_is_told_and_changes_nothing_else(make_context: MakeContext) -> None:
    bench = Bench()

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.utc_offset_s = -3.0
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert codes(seen) == ["utc_jumped"]
    assert "-3.000 s" in seen.faults[0].detail
    assert seen.traces[0].gaps == ()


@pytest.mark.parametrize("ahead_s", [900.0, -900.0, -2.0])
def test_a_counter_that_makes_no_sense_ends_the_trace_and_says_so(ahead_s: float, make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6, count=1 << 31)

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.count += round(ahead_s * 2e6)
        bench.device._next = {stem: count + round(ahead_s * 2e6) for stem, count in bench.device._next.items()}
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert codes(seen)[0] == "counter_jumped"
    assert seen.traces[0].samples <= 0.7 * 1e6, "no file full of nothing"


def test_an_unplugged_meter_leaves_what_came_and_says_so(make_context: MakeContext) -> None:
    bench = Bench()

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.unplug()
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert codes(seen) == ["meter_unplugged"]
    assert "0.50" in seen.faults[0].detail
    assert seen.traces[0].samples == pytest.approx(0.6e5, rel=0.02)
    assert "window_end" not in marks_of(seen)
    bench.meter.close()
    assert bench.driver.finalized == 1


def test_a_meter_that_comes_back_is_taken_again_with_its_settings(make_context: MakeContext) -> None:
    bench = Bench(range_name="180 mA")
    bench.record(make_context("t1.energy"))
    bench.device.unplug()
    absent = bench.record(make_context("t2.energy"), during=lambda: None)
    assert (codes(absent), absent.traces) == (["meter_unplugged"], ())
    bench.device.plug_in()
    back = bench.record(make_context("t3.energy"), during=lambda: bench.device.play(0.5, Line()))
    assert back.traces
    assert bench.device.topics["s/i/range/select"] == 130
    assert bench.driver.opened == [(bench.device.path, "restore")] * 2


def test_a_meter_that_falls_silent_is_a_timeout(make_context: MakeContext) -> None:
    bench = Bench()

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.clock.now_s += 0.5

    seen = bench.record(make_context(), during=play)
    assert codes(seen) == ["meter_timeout"]
    assert "last 0.5" in seen.faults[0].detail


def test_a_meter_that_never_speaks_is_a_timeout_that_names_what_is_silent(make_context: MakeContext) -> None:
    bench = Bench()
    bench.device.silent = {"s/gpi/0"}
    seen = bench.record(make_context())
    assert codes(seen) == ["meter_timeout"]
    assert "silent: gpi0" in seen.faults[0].detail
    assert seen.traces == ()


@pytest.mark.parametrize("topic", ["s/gpi/0/ctrl", "s/i/ctrl"])
def test_a_meter_that_does_not_answer_at_the_start_is_a_timeout(topic: str, make_context: MakeContext) -> None:
    bench = Bench()
    bench.meter.open()
    bench.device.deaf = {topic}
    seen = bench.record(make_context(), during=lambda: None)
    assert codes(seen) == ["meter_timeout"]
    assert "timed out" in seen.faults[0].detail


def test_a_js110_does_not_number_its_losses_so_the_hosts_clock_finds_them(make_context: MakeContext) -> None:
    bench = Bench("JS110", 2e6)
    bench.device.lost = [(0.4, 0.45, ())]
    seen = bench.record(make_context())
    assert codes(seen) == ["samples_dropped"]
    assert seen.traces[0].gaps == ()
    count = int(seen.faults[0].detail.split()[0])
    assert count == pytest.approx(0.05 * 2e6, rel=0.1)
    bench.device.lost = [(0.2, 0.5, ())]
    assert codes(bench.record(make_context("t2.energy"))) == ["samples_dropped", "coverage_too_low"]


def test_a_writer_that_is_too_slow_loses_blocks_and_counts_every_byte(
    make_context: MakeContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from instruments.joulescope import recording

    bench = Bench("JS220", 1e6, queue_bytes=2_000_000)
    may_write = threading.Event()
    feed = recording.StreamRecorder.feed

    def slow(self: recording.StreamRecorder, block: recording.Block) -> None:
        if self.samples > 250_000:
            may_write.wait(10)
        feed(self, block)

    monkeypatch.setattr(recording.StreamRecorder, "feed", slow)
    bench.meter.open()
    received: list[int] = []
    bench.driver.subscribe(
        f"{bench.device.path}/s/i/!data", "pub", lambda _, value: received.append(value["data"].nbytes)
    )

    def play() -> None:
        bench.device.play(0.8, LOAD)
        may_write.set()
        for _ in range(20):
            waiting = bench.meter._recording._intake._queue  # type: ignore[union-attr]
            deadline_s = time.monotonic() + 10
            while waiting._bytes and time.monotonic() < deadline_s:
                time.sleep(0.001)
            bench.device.play(0.01, Line())

    seen = bench.record(make_context(), during=play)
    assert set(codes(seen)) == {"samples_dropped"}
    told = next(fault.detail for fault in seen.faults if "faster than they could be written" in fault.detail)
    lost_bytes = int(told.split()[0])
    (trace,) = seen.traces
    missing = sum(end - first for first, end in trace.gaps)
    current = read(tmp_path, seen, "current")
    assert np.count_nonzero(np.isnan(current)) == missing > 0
    assert sum(received) // 4 - current.size <= 8, "every sample is in the trace, or in a gap of it"
    # 4 bytes each of current and voltage; 2 bytes of range codes and 1/4 of the logic line at twice the rate
    assert 0 < lost_bytes <= missing * (4 + 4 + 2 + 0.25)
    assert missing <= int(told.split()[3]) * 50_000


def test_a_load_beyond_the_range_saturates(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e5, range_name="180 mA")
    line = Line(current=step(0.1, 0.18, 0.4, 0.41), levels={0: pulse(0.3, 0.7)})
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    assert "saturated" in codes(seen)


def test_a_meter_that_measures_in_another_range_than_it_was_told_is_found_out(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e5, range_name="180 mA")
    bench.device.idle = line = Line(range_code=lambda t: np.zeros(t.shape))
    seen = bench.record(make_context(), during=lambda: bench.device.play(0.5, line))
    assert codes(seen) == ["range_changed"]
    assert "another range than 180 mA" in seen.faults[0].detail


def test_codes_that_stand_for_no_range_are_no_change_of_it(make_context: MakeContext) -> None:
    bench = Bench("JS110", 2e6)
    bench.device.idle = Line(range_code=lambda t: np.where(t < 1e-4, 8, 0))
    line = Line(range_code=lambda t: np.where((t > 0.2) & (t < 0.20001), 7, 0))
    assert bench.record(make_context(), during=lambda: bench.device.play(0.5, line)).faults == ()


@pytest.mark.parametrize(("amperes", "code", "saturates"), [(0.2, 1, False), (10.0, 0, True)])
def test_an_automatic_range_saturates_at_its_largest_range_only(
    amperes: float, code: int, saturates: bool, make_context: MakeContext
) -> None:
    bench = Bench("JS220", 1e5, range_name="auto")
    line = Line(current=lambda t: np.full(t.shape, amperes), range_code=lambda t: np.full(t.shape, code))
    bench.device.idle = line
    seen = bench.record(make_context(), during=lambda: bench.device.play(0.3, line))
    assert ("saturated" in codes(seen)) == saturates


def test_a_range_change_is_found_however_short_it_is(make_context: MakeContext) -> None:
    bench = Bench("JS220", 5e3, range_name="auto", statistics=False)
    line = Line(range_code=lambda t: np.where((t >= 0.5) & (t < 0.500002), 0, 1))
    bench.device.idle = Line(range_code=lambda t: np.ones(t.shape))
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    assert codes(seen) == ["range_changed", "range_changed"], "4 counts of 400 that make a sample: there and back"
    assert seen.faults[0].detail.startswith("range 10 A from sample")


def test_a_range_that_changes_all_the_time_does_not_flood_the_record(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e5, range_name="auto")
    line = Line(range_code=lambda t: (t * 1000).astype(int) % 2)
    seen = bench.record(make_context(), during=lambda: bench.device.play(1.0, line))
    assert set(codes(seen)) == {"range_changed"}
    assert len(seen.faults) < 12
    assert "further changes" in seen.faults[-1].detail


def test_samples_that_the_meter_marks_as_missing_are_no_numbers(make_context: MakeContext, tmp_path: Path) -> None:
    bench = Bench("JS110", 2e6, range_name="auto")
    line = Line(current=lambda t: np.where((t > 0.4) & (t < 0.40001), np.nan, 0.1))
    seen = bench.record(make_context(), during=lambda: bench.device.play(0.5, line))
    current = read(tmp_path, seen, "current")
    assert 15 <= np.count_nonzero(np.isnan(current)) <= 21
    assert "saturated" not in codes(seen)


@pytest.mark.parametrize("broken", [{"data": None}, {"decimate_factor": 7}, {"data": np.zeros(8, np.float64)}])
def test_blocks_that_are_not_what_they_should_be_end_the_trace(
    broken: dict[str, Any], make_context: MakeContext
) -> None:
    bench = Bench("JS220", 1e6)

    def play() -> None:
        bench.device.play(0.3, LOAD)
        bench.device.send_block("s/i", bench.device.count, np.zeros(8, np.float32), broken)
        bench.device.play(0.3, LOAD)

    seen = bench.record(make_context(), during=play)
    assert "counter_jumped" in codes(seen)
    assert seen.traces[0].samples < 0.5e6


def test_a_block_that_comes_twice_counts_once(make_context: MakeContext) -> None:
    bench = Bench("JS220", 1e6)

    def play() -> None:
        bench.device.play(0.5, LOAD)
        bench.device.send_block("s/i", bench.device.count - 2000, np.zeros(1000, np.float32))
        bench.device.play(0.5, LOAD)

    seen = bench.record(make_context(), during=play)
    assert seen.faults == ()
    assert seen.traces[0].gaps == ()


def test_a_trace_that_cannot_be_written_is_a_fault(make_context: MakeContext) -> None:
    bench = Bench()
    context = make_context()
    context.trace.parent.mkdir(parents=True)
    context.trace.with_name("t0001.energy.jls").write_bytes(b"there already")
    seen = bench.record(context)
    assert codes(seen) == ["trace_unreadable"]
    assert seen.traces == ()


def test_starting_before_opening_or_arming_is_a_mistake_of_ours(make_context: MakeContext) -> None:
    bench = Bench()
    with pytest.raises(RuntimeError):
        bench.meter.start()
    bench.meter.arm(make_context())
    with pytest.raises(RuntimeError):
        bench.meter.start()
