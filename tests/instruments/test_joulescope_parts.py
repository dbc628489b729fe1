"""The parts of the Joulescope's instrument: its counter, its signals side by side, its queue, its sums, its models."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instruments.bounded_queue import BoundedQueue, Loss
from instruments.joulescope.alignment import Aligner
from instruments.joulescope.counter import Unwrapper, UtcWatch
from instruments.joulescope.models import MODELS, filter_delay
from instruments.joulescope.ranges import RangeWatch
from instruments.joulescope.settings import JoulescopeSettings
from instruments.joulescope.signals import MalformedBlockError, SignalBlock, decode, signal, signals
from instruments.joulescope.statistics import EnergyCheck, MeterSum, meter_sum
from instruments.protocol import Accuracy

# ------------------------------------------------------------------------------------------------------ the counter


@given(st.integers(0, 2**63), st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=50), st.lists(st.integers(0, 5)))
def test_a_count_is_whole_again_whatever_happened_to_its_upper_bits(
    begin: int, steps: list[int], upper: list[int]
) -> None:
    """``upper`` are multiples of 2^32 by which the driver's own extension is off."""
    counts = begin + np.cumsum([0, *steps], dtype=object)
    off = (upper * len(counts) + [0] * len(counts))[: len(counts)]
    off[0] = 0
    unwrapper = Unwrapper()
    seen = [unwrapper.take(int(count % 2**32 if k else count) + (off[k] << 32)) for k, count in enumerate(counts)]
    assert seen == list(counts)


def test_utc_may_creep_but_not_jump() -> None:
    watch = UtcWatch(2_000_000)
    for number in range(100):
        watch.take(number * 100_000, round((number * 0.05 + number * 1e-4) * 2**30))
    assert watch.jumps == []
    watch.take(100 * 100_000, round((100 * 0.05 + 0.01 + 2147.48) * 2**30))
    (jump,) = watch.jumps
    assert jump.by_s == pytest.approx(2147.48, abs=1e-3)
    assert jump.at == 10_000_000


# ------------------------------------------------------------------------------------------------------ the signals


def _block(**change: Any) -> dict[str, Any]:
    block = {"sample_id": 8, "utc": 0, "sample_rate": 2_000_000, "decimate_factor": 2, "data": np.zeros(4, np.float32)}
    return {**block, **change}


def test_topics_are_the_vendors() -> None:
    assert [item.data for item in signals(["gpi3"], power=True)] == [
        "s/gpi/3/!data",
        "s/i/range/!data",
        "s/p/!data",
        "s/v/!data",
        "s/i/!data",
    ]
    assert signal("gpi0").control == "s/gpi/0/ctrl"


def test_logic_levels_are_unpacked_and_range_codes_are_not() -> None:
    levels = decode(signal("gpi0"), _block(data=np.array([0b00000101, 0b10000000], np.uint8)))
    np.testing.assert_array_equal(levels.samples, [1, 0, 1] + [0] * 12 + [1])
    codes = decode(signal("range"), _block(data=np.array([0, 5, 8], np.uint8)))
    np.testing.assert_array_equal(codes.samples, [0, 5, 8])
    assert codes.end == 8 + 3 * 2


@pytest.mark.parametrize(
    "block",
    [
        None,
        {},
        7,
        b"raw",
        _block(data=None),
        _block(data=[1.0]),
        _block(data=np.zeros(4)),
        _block(data=np.zeros((2, 2), np.float32)),
        _block(decimate_factor=0),
        _block(sample_id="x"),
        _block(sample_id=-1),
    ],
)
def test_a_block_that_is_none_is_refused(block: Any) -> None:
    with pytest.raises(MalformedBlockError):
        decode(signal("current"), block)


# ------------------------------------------------------------------------------------------------------- alignment


def _pieces(total: int, borders: list[int]) -> list[tuple[int, int]]:
    cuts = sorted({0, total, *(border % total for border in borders)})
    return list(pairwise(cuts))


@settings(deadline=None)
@given(
    st.integers(0, 2**40),
    st.sampled_from([(2, 1), (2, 2), (16, 16), (400, 1), (20, 16), (16, 32)]),
    st.lists(st.integers(0, 10_000), max_size=8),
    st.lists(st.integers(0, 10_000), max_size=8),
    st.sets(st.integers(0, 7)),
    st.randoms(use_true_random=False),
)
def test_signals_stand_side_by_side_however_they_come(
    begin: int,
    steps: tuple[int, int],
    cuts: list[int],
    logic_cuts: list[int],
    lost: set[int],
    random: Any,
) -> None:
    """Current's samples carry their own counter value; a level carries the count at which its sample begins."""
    step, logic_step = steps
    total = 200
    of = signals(["gpi0"], power=False)
    aligner = Aligner(of, step, 0, patience=10 * total)
    blocks: dict[str, list[SignalBlock]] = {item.channel: [] for item in of}
    for channel in ("current", "voltage"):
        for number, (first, end) in enumerate(_pieces(total, cuts if channel == "current" else logic_cuts)):
            if channel == "voltage" and number in lost:
                continue
            counts = begin + step * np.arange(first, end)
            blocks[channel].append(SignalBlock(int(counts[0]), step, 0, (counts - begin).astype(np.float32)))
    fine = -(-total * step // logic_step) + 1
    for first, end in _pieces(fine, logic_cuts):
        counts = begin + logic_step * np.arange(first, end)
        for channel in ("gpi0", "range"):
            blocks[channel].append(SignalBlock(int(counts[0]), logic_step, 0, (counts // 977 % 2).astype(np.uint8)))

    queues = {channel: list(waiting) for channel, waiting in blocks.items() if waiting}
    seen = []
    while queues:
        channel = random.choice(sorted(queues))
        aligner.add(channel, queues[channel].pop(0))
        queues = {name: waiting for name, waiting in queues.items() if waiting}
        seen += list(aligner.ready())

    indices = [k for block in seen for k in range(block.first_sample, block.first_sample + block.current_a.size)]
    present = {aligner.index(item.sample_id) + k for item in blocks["voltage"] for k in range(item.samples.size)}
    assert indices == sorted(present), "a sample is there if all of its channels are, once and in order"
    if not indices:
        return
    current = np.concatenate([block.current_a for block in seen])
    voltage = np.concatenate([block.voltage_v for block in seen])
    np.testing.assert_array_equal(current, voltage)
    counts = np.array([aligner.count(k) for k in indices])
    np.testing.assert_array_equal(current, (counts - begin).astype(np.float32))
    began = begin + (counts - begin) // logic_step * logic_step
    np.testing.assert_array_equal(np.concatenate([block.logic["gpi0"] for block in seen]), began // 977 % 2)


def test_a_signal_that_stays_behind_does_not_hold_the_others_for_ever() -> None:
    aligner = Aligner(signals(["gpi0"], power=False), 2, 0, patience=1000)
    for number in range(100):
        for channel in ("current", "voltage", "range", "gpi0"):
            if channel != "gpi0" or number < 10 or number >= 90:
                dtype = np.float32 if channel in ("current", "voltage") else np.uint8
                aligner.add(channel, SignalBlock(number * 200, 2, 0, np.zeros(100, dtype)))
        list(aligner.ready())
    held = sum(samples.size for item in aligner._channels.values() for _, samples in item.pieces)
    assert held < 5000
    assert aligner.unmatched["current"] == 8000


def test_the_drivers_filter_delays_by_what_its_chain_adds_up_to() -> None:
    """The chain's own step response is symmetric about its middle: half of a step is reached after that delay."""
    assert filter_delay(1) == 0
    assert filter_delay(2) == 19
    assert filter_delay(5) == 44
    assert filter_delay(200) == 19 + 19 * 2 + 19 * 4 + 44 * 8 + 44 * 40
    with pytest.raises(ValueError, match="3"):
        filter_delay(3)
    for model in MODELS.values():
        for rate in model.rates_hz:
            setup = JoulescopeSettings(model.name, rate, "10 A", "gpi0", Accuracy({}, 50, "placeholder"))
            assert (setup.lag_counts > 0) == (model.name == "JS220" and rate < 1_000_000)


# ------------------------------------------------------------------------------------------------------- the rest


def test_the_queue_keeps_its_bound_and_counts_what_it_refuses() -> None:
    queue: BoundedQueue[float] = BoundedQueue(100)
    for number in range(5):
        queue.put(float(number), 40)
    queue.put(9.0, 0)
    assert queue.loss == Loss(blocks=3, bytes=120)
    assert queue.get() == 0.0
    queue.put(10.0, 60)
    queue.close()
    queue.put(11.0, 4)
    left = []
    while (item := queue.get()) is not None:
        left.append(item)
    assert left == [1.0, 9.0, 10.0]


@settings(deadline=None)
@given(
    st.integers(0, 2**40),
    st.lists(st.integers(1, 40_000), min_size=1, max_size=20),
    st.integers(0, 50_000),
    st.booleans(),
)
def test_sums_over_whole_blocks_of_the_meter_agree_with_the_trace(
    begin: int, sizes: list[int], offset: int, has_gap: bool
) -> None:
    check = EnergyCheck(2_000_000, 1_000_000.0)
    rng = np.random.default_rng(offset)
    total = sum(sizes)
    power_w = 3 + rng.normal(0, 0.3, total)
    at = 0
    for number, size in enumerate(sizes):
        if not (has_gap and number == 1):
            check.add(begin + 2 * at, 2, power_w[at : at + size])
        at += size
    for first in range(offset, total, 20_000):
        mean_w = float(power_w[first : first + 20_000].mean())
        check.add_meter(MeterSum(begin + 2 * first, begin + 2 * (first + 20_000), mean_w))
    comparison = check.compare()
    if comparison is not None:
        assert comparison.agrees
        assert comparison.duration_s == pytest.approx(comparison.blocks * 0.02)
        assert abs(comparison.relative_difference) < 1e-3
    elif not has_gap:
        assert total - offset < 20_000


def test_a_disagreement_is_one_and_holes_are_left_out() -> None:
    check = EnergyCheck(2_000_000, 1_000_000.0)
    power_w = np.full(100_000, 2.0)
    check.add(0, 2, power_w)
    check.add(200_000, 2, np.where(np.arange(100_000) == 7, np.nan, 2.0))
    check.add_meter(MeterSum(0, 200_000, 2.01))
    check.add_meter(MeterSum(200_000, 400_000, 77.0))
    comparison = check.compare()
    assert comparison is not None
    assert not comparison.agrees
    assert (comparison.blocks, comparison.relative_difference) == (1, pytest.approx(-0.01 / 2.01))


@pytest.mark.parametrize("value", [None, {}, {"time": {"samples": {"value": [5, 5]}}}, {"time": 3}])
def test_statistics_that_are_none_are_left_out(value: Any) -> None:
    assert meter_sum(value) is None


@given(st.lists(st.integers(0, 15), min_size=1, max_size=100), st.integers(1, 99))
def test_only_codes_of_ranges_come_out_of_the_range_watch(codes: list[int], cut: int) -> None:
    meter = MODELS["JS110"]
    watch = RangeWatch(meter, meter.current_range("10 A"))
    given_codes = np.array(codes, np.uint8)
    parts = [part for part in (given_codes[:cut], given_codes[cut:]) if part.size]
    seen = np.concatenate([watch.known(part) for part in parts])
    assert (seen < 7).all()
    known = given_codes < 7
    np.testing.assert_array_equal(seen[known], given_codes[known])
    assert watch.wrong == np.count_nonzero(known & (given_codes != 0))
