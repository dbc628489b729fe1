"""The parts of a PPK2's instrument: frames from damaged bytes, places in time, calibration, settings."""

from __future__ import annotations

import math
import os
import termios
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from fake_ppk2 import METADATA, RATE_HZ, damaged, frames
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from instruments.ppk2.calibration import FULL_SCALE_A, MetadataError, parse_metadata
from instruments.ppk2.commands import set_voltage
from instruments.ppk2.frames import LEFT_OUT, FrameDecoder, Run, counters
from instruments.ppk2.intake import Converter
from instruments.ppk2.port import Kit, SerialPort, choose
from instruments.ppk2.settings import Ppk2Settings
from instruments.ppk2.timeline import Placed, Timeline
from instruments.protocol import Accuracy
from instruments.serial_port import PortLostError
from lab.errors import HardwareError, UsageError

NOTHING_KNOWN = Accuracy({}, 50, "placeholder")
SETTINGS = Ppk2Settings(3.0, "d0", NOTHING_KNOWN, more_lines={"d7": "warmup"})


# ---------------------------------------------------------------------------------------------------------- frames


def stream(count: int, seed: int) -> bytes:
    """Frames with noise in all fields but the counter."""
    rng = np.random.default_rng(seed)
    words = rng.integers(0, 1 << 18, count, dtype=np.uint32) | (np.arange(count, dtype=np.uint32) % 64) << 18
    return bytes((words | rng.integers(0, 256, count, dtype=np.uint32) << 24).astype("<u4").tobytes())


def decoded(data: bytes, cuts: list[int]) -> tuple[list[Run], FrameDecoder]:
    decoder = FrameDecoder()
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    runs = [run for begin, end in pairwise(places) for run in decoder.feed(data[begin:end])]
    return runs + decoder.flush(), decoder


def given_at(runs: list[Run]) -> tuple[np.ndarray, np.ndarray]:
    """The frames that were given, and their numbers, counted from the first that was sent."""
    numbers, words, at = [], [], LEFT_OUT
    for run in runs:
        at += run.missing
        numbers.append(at + np.arange(run.words.size))
        words.append(run.words)
        at += run.words.size
    return (np.concatenate(numbers), np.concatenate(words)) if runs else (np.zeros(0, int), np.zeros(0, np.uint32))


@given(st.integers(0, 2**32), st.lists(st.integers(0, 10_000), max_size=12))
def test_whole_frames_come_out_as_they_went_in_however_they_are_cut(seed: int, cuts: list[int]) -> None:
    data = stream(500, seed)
    runs, decoder = decoded(data, cuts)
    numbers, words = given_at(runs)
    np.testing.assert_array_equal(words, np.frombuffer(data, "<u4")[LEFT_OUT:-LEFT_OUT])
    np.testing.assert_array_equal(numbers, np.arange(LEFT_OUT, 500 - LEFT_OUT))
    assert decoder.losses == 0


@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 55 * 4)), min_size=1, max_size=6),
    st.lists(st.integers(0, 10_000), max_size=6),
)
def test_after_lost_bytes_every_frame_is_one_that_was_sent_and_at_its_place(
    seed: int, losses: list[tuple[int, int]], cuts: list[int]
) -> None:
    sent = stream(4000, seed)
    lost = [
        (2000 * (number + 1) + place, 2000 * (number + 1) + place + length)
        for number, (place, length) in enumerate(losses)
    ]
    runs, decoder = decoded(damaged(sent, 0, lost), cuts)
    numbers, words = given_at(runs)
    np.testing.assert_array_equal(words, np.frombuffer(sent, "<u4")[numbers])
    assert decoder.losses == len(losses)
    missing = 4000 - numbers.size
    lost_bytes = sum(length for _, length in losses)
    assert lost_bytes / 4 <= missing <= lost_bytes / 4 + (2 * LEFT_OUT + 3) * (len(losses) + 1)


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32),
    st.lists(st.tuples(st.integers(0, 15_900), st.integers(1, 3000)), min_size=1, max_size=20),
)
def test_however_much_is_lost_no_frame_is_patched_together(seed: int, losses: list[tuple[int, int]]) -> None:
    gone = np.zeros(16_000, bool)
    for place, length in losses:
        gone[place : place + length] = True
    edges = np.flatnonzero(np.diff(gone, prepend=False, append=False))
    # Exactly 64 frames are lost as if they had never been: the counter goes on.
    assume(not any((end - begin) % 256 == 0 for begin, end in zip(edges[::2], edges[1::2], strict=True)))
    sent = stream(4000, seed)
    runs, _ = decoded(damaged(sent, 0, [(place, place + length) for place, length in losses]), [])
    originals = {int(word) for word in np.frombuffer(sent, "<u4")}
    assert {int(word) for run in runs for word in run.words} <= originals


@given(st.integers(0, 2**32), st.binary(min_size=1, max_size=300))
def test_a_stream_that_begins_with_something_else_is_found(seed: int, rubbish: bytes) -> None:
    sent = stream(300, seed)
    _, words = given_at(decoded(rubbish + sent, [])[0])
    whole = np.frombuffer(sent, "<u4")
    assert words.size >= 280
    np.testing.assert_array_equal(words[-280:], whole[-280 - LEFT_OUT : -LEFT_OUT])


@given(st.binary(max_size=4000), st.lists(st.integers(0, 4000), max_size=4))
def test_any_bytes_give_frames_that_count_up_or_none(data: bytes, cuts: list[int]) -> None:
    runs, decoder = decoded(data, cuts)
    for run in runs:
        assert (np.diff(counters(run.words)) & 63 == 1).all()
    assert decoder.discarded_bytes + 4 * sum(run.words.size for run in runs) + 3 >= len(data)


# -------------------------------------------------------------------------------------------------- places in time


def placed_from(arrivals: list[tuple[list[Run], float]]) -> list[Placed]:
    timeline = Timeline(RATE_HZ)
    found = [item for runs, at_s in arrivals for item in timeline.add(runs, at_s)]
    return found + timeline.finish()


def arrivals_of(
    lost: list[tuple[int, int]], total: int, *, stall: tuple[float, float] = (0, 0), seed: int = 1
) -> list[tuple[list[Run], float]]:
    """2 ms pieces that come up to 1 ms late, but for what is lost; and all that would come in a stall comes after it.

    Each frame's number is its word, so that its place can be checked.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[list[Run], float]] = []
    expected = 0
    for begin in range(0, total, 200):
        numbers = np.arange(begin, begin + 200, dtype=np.uint32)
        for first, end in lost:
            numbers = numbers[(numbers < first) | (numbers >= end)]
        runs: list[Run] = []
        for piece in np.split(numbers, np.flatnonzero(np.diff(numbers) != 1) + 1):
            if piece.size:
                runs.append(Run(piece, (int(piece[0]) - expected) % 64))
                expected = int(piece[-1]) + 1
        at_s = (begin + 200) / RATE_HZ + float(rng.random()) * 1e-3
        if stall[0] <= at_s < stall[1]:
            at_s = stall[1]
        if runs:
            found.append((runs, at_s))
    return found


@pytest.mark.parametrize(
    "lost",
    [
        [],
        [(40_100, 40_130)],
        [(40_100, 41_100)],
        [(40_000, 41_280)],
        [(40_000, 60_000)],
        [(30_001, 31_000), (31_500, 31_564), (32_000, 37_000), (70_000, 71_280)],
    ],
)
def test_the_hosts_clock_tells_what_the_counter_cannot(lost: list[tuple[int, int]]) -> None:
    for item in placed_from(arrivals_of(lost, 120_000)):
        if lost[1:] and 31_000 <= item.words[0] < 37_000:
            continue  # a loss of exactly 64 between two others: seen with the next one
        np.testing.assert_array_equal(item.words, item.first + np.arange(item.words.size))


def test_a_host_that_looks_away_for_a_while_makes_no_gap() -> None:
    found = placed_from(arrivals_of([], 120_000, stall=(0.5, 0.6)))
    assert found[-1].first + found[-1].words.size == 120_000
    found = placed_from(arrivals_of([(50_010, 50_030)], 120_000, stall=(0.5, 0.6)))
    assert found[-1].first + found[-1].words.size == 120_000


def test_a_meter_whose_clock_is_slow_loses_nothing() -> None:
    slow = [(runs, at_s * 1.0005) for runs, at_s in arrivals_of([(60_000, 60_010)], 200_000)]
    found = placed_from(slow)
    assert found[-1].first + found[-1].words.size == 200_000


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 90_000), st.integers(1, 5000)), max_size=6), st.integers(0, 100))
def test_places_rise_and_nothing_that_came_is_lost(losses: list[tuple[int, int]], seed: int) -> None:
    arrivals = arrivals_of([(first, first + length) for first, length in losses], 100_000, seed=seed)
    found = placed_from(arrivals)
    came = np.concatenate([run.words for runs, _ in arrivals for run in runs])
    np.testing.assert_array_equal(np.concatenate([item.words for item in found]), came)
    ends = [item.first + item.words.size for item in found]
    assert all(item.first >= end for end, item in zip(ends, found[1:], strict=False))
    assert ends[-1] <= 101_000, "no more time than there was"


# ------------------------------------------------------------------------------------------------------ calibration


@pytest.mark.parametrize("amperes", [1e-6, 40e-6, 200e-6, 2e-3, 20e-3, 0.3, 0.9])
def test_the_formula_turns_counts_back_into_the_current(amperes: float) -> None:
    words = np.frombuffer(frames(np.full(100, amperes), 0, 0b10000001), "<u4")
    converter = Converter(parse_metadata(METADATA).calibration, SETTINGS)
    block = converter.block(Placed(7, words))
    np.testing.assert_allclose(block.current_a, amperes, rtol=0.02, atol=2e-8)
    assert block.first_sample == 7
    assert set(block.logic) == {"gpi0", "gpi7"}
    assert all((level == 1).all() for level in block.logic.values())
    assert set(block.voltage_v) == {np.float32(3.0)}
    assert (converter.ranges_seen, converter.unusable) == (1, 0)


def test_a_known_count_gives_the_current_worked_out_by_hand() -> None:
    # Range 2: x = (4·4000 − 64.834)·1.8/163840/10.3027 = 16.9929 mA, which gs and gi make 21.5292 mA;
    # s·3 + i = 52.282 µA more.
    calibration = parse_metadata(METADATA).calibration
    x = (4 * 4000 - 64.834) * 1.8 / 163840 / 10.3027
    expected = x * (18.0115 * x + 0.9609) + 5.281e-6 * 3.0 + 36.439e-6
    assert expected == pytest.approx(0.0215815, rel=1e-4)
    found = calibration.amperes(np.array([4000], np.uint32), np.array([2], np.uint32), 3.0)
    assert found[0] == pytest.approx(expected, rel=1e-6)


def test_samples_that_mean_nothing_are_no_numbers() -> None:
    top, no_range, fine = (1 << 14) - 1 | 1 << 14, 5 << 14, 1000 | 1 << 14
    converter = Converter(parse_metadata(METADATA).calibration, SETTINGS)
    block = converter.block(Placed(0, np.array([top, no_range, fine], np.uint32)))
    assert np.isnan(block.current_a).tolist() == [True, True, False]
    assert converter.unusable == 2
    largest = converter.block(Placed(3, np.array([(1 << 14) - 1 | 4 << 14], np.uint32)))
    assert largest.current_a[0] > FULL_SCALE_A, "the end of the largest range saturates by its value"


DAMAGED = {
    "R0: 1003.3506": "R0: 3095044895830869060112875520.0000",
    "R1: 101.5865": "R1: 0.0000",
    "O1: 75.5460": "O1: -2814926129201152.0000",
    "GI2: 0.9609": "GI2: -nan",
    "GS3: 2.4217": "GS3: 2e9",
    "I4: -0.009388455": "I4: inf",
    "UG0: 1.00": "UG0: 0",
    "S4: 0.002940743": "S4: one",
    "R3: 0.9636\n": "",
    "END\n": "",
}


@pytest.mark.parametrize("line", DAMAGED)
def test_a_damaged_calibration_is_refused_and_named(line: str) -> None:
    assert line in METADATA
    with pytest.raises(MetadataError) as raised:
        parse_metadata(METADATA.replace(line, DAMAGED[line]))
    assert line[:2] in str(raised.value) or "end its answer" in str(raised.value)


def test_what_older_firmware_does_not_say_is_neutral() -> None:
    lines = [line for line in METADATA.splitlines() if not line.startswith(("UG", "S", "I", "mode", "VDD"))]
    metadata = parse_metadata("\r\n".join(lines))
    assert (metadata.mode, metadata.vdd_mv) == (None, None)
    assert set(metadata.calibration.ug) == {1.0}


@given(st.data())
def test_metadata_of_any_text_is_refused_or_makes_a_meter(data: st.DataObject) -> None:
    lines: list[Any] = METADATA.splitlines()
    for place in data.draw(st.lists(st.integers(0, len(lines) - 1), max_size=4)):
        name = lines[place].partition(":")[0]
        lines[place] = data.draw(
            st.one_of(
                st.text(max_size=40),
                st.floats().map(lambda value, name=name: f"{name}: {value}"),
                st.just(""),
            )
        )
    text = data.draw(st.sampled_from(["\n", "\r\n", " \n"])).join(lines)
    try:
        metadata = parse_metadata(text)
    except MetadataError:
        return
    counts = np.repeat(np.arange(0, 1 << 14, 257, dtype=np.uint32), 5)
    ranges = np.tile(np.arange(5, dtype=np.uint32), counts.size // 5)
    assert np.isfinite(metadata.calibration.amperes(counts, ranges, 5.0)).all()


@given(st.text(max_size=300))
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(MetadataError):
        parse_metadata(text)


# ------------------------------------------------------------------------------------------------ settings, choosing


def test_the_voltage_is_sent_in_millivolts_high_byte_first() -> None:
    assert set_voltage(3300) == b"\x0d\x0c\xe4"
    with pytest.raises(ValueError, match="800 to 5000"):
        set_voltage(5001)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"voltage_v": 12.0}, "0.8 V to 5 V"),
        ({"voltage_v": math.nan}, "V"),
        ({"mode": "volt"}, "no mode"),
        ({"window_line": "gpi0"}, "no logic input"),
        ({"window_line": "d8"}, "no logic input"),
        ({"more_lines": {"d0": "warmup"}}, "named twice"),
        ({"more_lines": {"d1": "warmup", "d2": "warmup"}}, "same meaning"),
    ],
)
def test_settings_that_do_not_fit_are_refused(change: dict[str, Any], said: str) -> None:
    fitting: dict[str, Any] = {"voltage_v": 3.0, "window_line": "d0", "accuracy": NOTHING_KNOWN}
    with pytest.raises(UsageError, match=said):
        Ppk2Settings(**{**fitting, **change})


@pytest.mark.parametrize(
    ("kits", "serial", "said"),
    [
        ([], None, "no PPK2 is connected"),
        ([Kit("AAAA1", "p1"), Kit("BBBB1", "p2")], None, "several PPK2"),
        ([Kit("AAAA1", "p1")], "BBBB", "there is PPK2 AAAA1 on p1"),
    ],
)
def test_a_kit_that_is_not_there_or_not_the_only_one_is_named(kits: list[Kit], serial: str | None, said: str) -> None:
    with pytest.raises(HardwareError, match=said) as raised:
        choose(kits, serial)
    assert raised.value.advice
    assert choose([Kit("AAAA1", "p1"), Kit("BBBB1", "p2")], "bbbb").port == "p2"


def test_a_line_that_goes_away_while_it_is_written_to_is_lost_not_a_stack_trace(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kit, line = os.openpty()
    port = SerialPort(os.ttyname(line))

    def gone(_: int) -> None:
        raise termios.error(5, "Input/output error")

    monkeypatch.setattr(termios, "tcdrain", gone)
    with pytest.raises(PortLostError, match="Input/output error"):
        port.write(b"\x06")
    port.close()
    os.close(kit)
    os.close(line)
