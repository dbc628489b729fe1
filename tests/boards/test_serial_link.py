"""Questions over a bad line: the right answer or a clear error in time, and never a wrong answer taken for right."""

from __future__ import annotations

import contextlib
import os
import random
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from serial_line import INPUT_BYTES, FaultyLine, Noise, harness, outputs, running

from instruments.serial_port import SerialPort
from lab.boards.serial import messages
from lab.boards.serial.firmware import Firmware
from lab.boards.serial.frames import LONGEST, Frame, FrameReader, pack
from lab.boards.serial.link import OverdueError, RefusedError, SerialLink
from lab.boards.serial.messages import ErrorCode, Kind
from lab.errors import HardwareError, LinkLostError

few = settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
many = settings(few, max_examples=300)


def linked(
    port: str, *, timeout_s: float = 2.0, longest_inference_s: float = 2.0, patience_s: float = 0.02
) -> SerialLink:
    line = SerialPort(port, 3_000_000, advice="")
    return SerialLink(
        line,
        "the board",
        baud=3_000_000,
        timeout_s=timeout_s,
        longest_inference_s=longest_inference_s,
        patience_s=patience_s,
    )


@contextlib.contextmanager
def firmware(*options: str, **settings: float) -> Iterator[Firmware]:
    with running(*options) as (port, _):
        link = linked(port, **settings)
        try:
            yield Firmware(link, clock_tolerance=0.05)
        finally:
            link.close()


# ------------------------------------------------------------------------------------------------- on a good line


def test_the_firmware_says_what_it_is() -> None:
    with firmware("--tick-bits", "16", "--tick-hz", "19531") as there:
        identity = there.identity
        assert (identity.firmware, identity.mcu) == ("harness", "this machine")
        assert (identity.hello.tick_bits, identity.hello.tick_hz, identity.hello.limit) == (16, 19531, LONGEST)
        assert (identity.hello.input_bytes, identity.hello.output_bytes) == (INPUT_BYTES, 8)
        assert "20 MHz" in identity.describe()
        assert there.link.counts.repeats == 0
        assert there.memory() == messages.Memory(None, 28, 321, None)


@pytest.mark.parametrize("seed", range(3))
def test_inferences_on_an_input(seed: int) -> None:
    data = random.Random(seed).randbytes(INPUT_BYTES)
    with firmware("--infer-us", "100") as there:
        ended = there.run(data, 100)
        assert there.output(ended.result) == outputs(data)
        ticks = there.ticks(ended.result)
        assert (ended.result.inferences, len(ticks), ended.result.stopped) == (100, 64, False)
        assert all(item >= 100 for item in ticks)
        assert 1e-6 * ended.result.ticks <= 1e-9 * (ended.ended_ns - ended.asked_ns)
        # The same input is not sent a second time, and runs again all the same.
        requests = there.link.counts.requests
        assert there.output(there.run(data, 1).result) == outputs(data)
        assert there.link.counts.requests == requests + 2


def test_inferences_for_a_time() -> None:
    with firmware("--infer-us", "500") as there:
        ended = there.run(bytes(INPUT_BYTES), 1, least_s=0.05)
        assert 50_000 <= ended.result.ticks < 500_000


def test_the_pin_is_high_while_inferences_are_measured() -> None:
    with running("--say-window") as (port, process):
        link = linked(port)
        there = Firmware(link, clock_tolerance=0.05)
        there.run(bytes(INPUT_BYTES), 2, window=False)
        result = there.run(bytes(INPUT_BYTES), 3).result
        link.close()
        process.kill()
        assert process.stderr is not None
        edges = [line.split() for line in process.stderr.read().splitlines()]
    assert [edge[:2] for edge in edges] == [["window", "1"], ["window", "0"]]
    assert int(edges[0][2]) <= result.begin <= result.end <= int(edges[1][2])


def test_the_line_is_left_silent_while_inferences_run() -> None:
    with FaultyLine("--infer-us", "1000") as line:
        link = linked(line.port, timeout_s=20, patience_s=10)
        there = Firmware(link, clock_tolerance=0.05)
        there.load(bytes(INPUT_BYTES))
        before = line.seen_to_board
        there.run(bytes(INPUT_BYTES), 200, expected_s=10)
        # Asked for, and when it was over once more, to compare.
        assert line.seen_to_board == before + 2 * len(pack(Frame(Kind.RUN, 1, 1, bytes(17))))
        link.close()


# ----------------------------------------------------------------------------------------- what the firmware refuses


def test_a_failing_inference_is_said_with_the_firmwares_own_words() -> None:
    with firmware("--fail-at", "3") as there:
        with pytest.raises(RefusedError, match="inference failed: told to fail"):
            there.run(bytes(INPUT_BYTES), 5)
        assert there.run(bytes(INPUT_BYTES), 5).result.inferences == 5


def test_an_inference_that_changes_its_input_is_found_out() -> None:
    with firmware("--spoil-at", "3") as there:
        with pytest.raises(RefusedError, match="changed its own input"):
            there.run(bytes(INPUT_BYTES), 5)
        data = bytes(INPUT_BYTES)
        assert there.output(there.run(data, 1).result) == outputs(data)


def test_an_input_that_is_no_longer_there_is_sent_again() -> None:
    with firmware() as there:
        data = bytes(range(INPUT_BYTES))
        there.load(data)
        there.link.ask(Kind.WRITE, struct.pack("<I", 5) + b"xx")
        assert there.output(there.run(data, 1).result) == outputs(data)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (Kind.WRITE, struct.pack("<I", INPUT_BYTES - 1) + b"ab"),
        (Kind.WRITE, struct.pack("<I", 0xFFFFFFFF) + b"ab"),
        (Kind.WRITE, b"abc"),
        (Kind.READ, struct.pack("<BIB", 0, 0, 9)),
        (Kind.READ, struct.pack("<BIB", 0, 0xFFFFFFFF, 2)),
        (Kind.READ, struct.pack("<BIB", 7, 0, 0)),
        (Kind.RUN, bytes(16)),
        (Kind.TEXT, b""),
    ],
)
def test_requests_that_reach_outside_are_refused(kind: Kind, body: bytes) -> None:
    with firmware() as there:
        with pytest.raises(RefusedError) as refused:
            there.link.ask(kind, body)
        assert refused.value.code == ErrorCode.BAD_ARGUMENTS


def test_another_version_is_said() -> None:
    with running() as (port, _):
        link = linked(port)
        with pytest.raises(HardwareError, match="speaks version 1"):
            link._answered(Frame(Kind.HELLO, 1, 1, messages.hello_body(1, LONGEST), version=2), 1.0)
        link.close()


# -------------------------------------------------------------------------------------------------------- deadlines


def test_a_run_is_stopped_at_its_deadline_and_the_firmware_goes_on() -> None:
    with firmware("--infer-us", "1000") as there:
        begin = time.monotonic()
        with pytest.raises(OverdueError):
            there.run(bytes(INPUT_BYTES), 1_000_000, deadline_s=0.2)
        assert 0.2 <= time.monotonic() - begin < 2
        assert there.run(bytes(INPUT_BYTES), 2).result.inferences == 2


def test_a_firmware_that_hangs_in_an_inference_is_lost_in_time() -> None:
    with firmware("--hang-at", "3", timeout_s=0.2, longest_inference_s=0.2) as there:
        begin = time.monotonic()
        with pytest.raises(LinkLostError, match="does not answer"):
            there.run(bytes(INPUT_BYTES), 5, expected_s=0.01)
        assert time.monotonic() - begin < 6


def test_nobody_at_the_other_end() -> None:
    master, slave = os.openpty()
    link = linked(os.ttyname(slave), timeout_s=0.2)
    begin = time.monotonic()
    with pytest.raises(LinkLostError, match="does not answer") as lost:
        link.hello()
    assert 0.2 <= time.monotonic() - begin < 2
    assert "powered" in str(lost.value.advice)
    link.close()
    os.close(master)
    os.close(slave)


def test_somebody_else_at_the_other_end() -> None:
    with FaultyLine(to_host=lambda data: b"U" * len(data)) as line:
        link = linked(line.port, timeout_s=0.3)
        begin = time.monotonic()
        with pytest.raises(LinkLostError, match="does not answer") as lost:
            link.hello()
        assert time.monotonic() - begin < 4
        assert "baud" in str(lost.value.advice)
        link.close()


def test_chatter_without_end_does_not_hold_the_deadline_up() -> None:
    master, slave = os.openpty()
    chatter = subprocess.Popen(["sh", "-c", "while :; do printf 'hello world\\000'; done"], stdout=master)
    link = linked(os.ttyname(slave), timeout_s=0.3)
    begin = time.monotonic()
    with pytest.raises(LinkLostError):
        link.hello()
    assert time.monotonic() - begin < 4
    chatter.kill()
    chatter.wait()
    link.close()
    os.close(master)
    os.close(slave)


# --------------------------------------------------------------------------------------------------- on a bad line


def test_a_lost_answer_is_sent_again_and_nothing_is_done_twice() -> None:
    lost = iter([True, False])
    with FaultyLine("--say-window", "--infer-us", "50") as line:
        link = linked(line.port)
        there = Firmware(link, clock_tolerance=0.05)
        there.load(bytes(INPUT_BYTES))
        # The word that it goes on comes through, the result does not, once.
        line.to_host = lambda data: data[:11] if len(data) > 20 and next(lost, False) else data
        ended = there.run(bytes(INPUT_BYTES), 40, expected_s=0.01)
        assert (ended.result.inferences, ended.asked_again) == (40, True)
        link.close()
    assert line.errors.count("window 1") == 1


def test_a_result_that_was_damaged_unseen_is_found_out() -> None:
    """The count of inferences is changed on the way and the checksum with it, once."""
    changed: list[Frame] = []

    def forged(data: bytes) -> bytes:
        reader, out = FrameReader(), b""
        for frame in reader.feed(data):
            if frame.kind == 0x85 and not changed:
                frame = Frame(frame.kind, frame.session, frame.sequence, frame.body[:12] + bytes(4) + frame.body[16:])
                changed.append(frame)
            out += pack(frame)
        return out

    with FaultyLine(to_host=forged) as line:
        link = linked(line.port)
        there = Firmware(link, clock_tolerance=0.05)
        assert there.run(bytes(INPUT_BYTES), 3).result.ticks_least <= 1000
        result = there.run(bytes(INPUT_BYTES), 3).result
        assert len(changed) == 1
        assert result.inferences == 3
        link.close()


def test_answers_that_come_late_and_in_halves() -> None:
    with FaultyLine() as line:
        line.halves_s = 0.015  # of the 0.02 s after which this link asks again
        link = linked(line.port)
        there = Firmware(link, clock_tolerance=0.05)
        for seed in range(5):
            data = random.Random(seed).randbytes(INPUT_BYTES)
            assert there.output(there.run(data, 2).result) == outputs(data)
        link.close()


@pytest.mark.parametrize("after", [0, 10, 100, 200])
def test_a_line_that_is_cut_anywhere(after: int) -> None:
    with FaultyLine("--infer-us", "500") as line:
        left = [after]

        def cut(data: bytes) -> bytes:
            kept, left[0] = data[: left[0]], max(0, left[0] - len(data))
            if not left[0]:
                threading.Thread(target=line.unplug).start()
            return kept

        link = linked(line.port, timeout_s=0.3)
        line.to_host = cut
        begin = time.monotonic()
        with pytest.raises(LinkLostError):
            Firmware(link, clock_tolerance=0.05).run(bytes(INPUT_BYTES), 1000, expected_s=0.5)
        assert time.monotonic() - begin < 6
        link.close()


def test_old_answers_are_not_taken_for_new_ones() -> None:
    kept: list[bytes] = []

    def doubled(data: bytes) -> bytes:
        kept.append(data)
        return b"".join(kept[-6:]) + data

    with FaultyLine(to_host=doubled) as line:
        link = linked(line.port)
        there = Firmware(link, clock_tolerance=0.05)
        for seed in range(8):
            data = random.Random(seed).randbytes(INPUT_BYTES)
            assert there.output(there.run(data, 2).result) == outputs(data)
        assert link.counts.strays > 20
        link.close()


def test_a_second_session_does_not_meet_the_first_ones_answers() -> None:
    with running() as (port, _):
        for seed in range(5):
            link = linked(port)
            there = Firmware(link, clock_tolerance=0.05)
            data = random.Random(seed).randbytes(INPUT_BYTES)
            assert there.output(there.run(data, seed + 1).result) == outputs(data)
            link.close()


def test_a_request_of_another_session_is_refused() -> None:
    with firmware() as there:
        there.link._session ^= 0xFF
        with pytest.raises(LinkLostError, match="restarted"):
            there.link.ask(Kind.MEMORY)


def test_a_hello_ends_what_another_host_left_running() -> None:
    with running("--infer-us", "1000") as (port, _):
        link = linked(port)
        there = Firmware(link, clock_tolerance=0.05)
        there.load(bytes(INPUT_BYTES))
        body = messages.run_body(1_000_000, 0, 0x0A9C10C1, window=True)
        with contextlib.suppress(RefusedError):
            link._send(pack(link._next(Kind.RUN, body)))
        link.close()
        again = linked(port)
        assert Firmware(again, clock_tolerance=0.05).run(bytes(INPUT_BYTES), 1).result.inferences == 1
        again.close()


def ask_over_noise(seed: int, rate: float, back: bool) -> None:
    data = random.Random(seed).randbytes(INPUT_BYTES)
    noise = [Noise(seed, 0.0 if back else rate), Noise(seed + 1, rate)]
    with FaultyLine("--infer-us", "20", to_board=noise[0], to_host=noise[1]) as line:
        link = linked(line.port, timeout_s=1.0, longest_inference_s=0.5)
        begin = time.monotonic()
        try:
            there = Firmware(link, clock_tolerance=0.05)
            ended = there.run(data, 10, expected_s=0.001)
            assert there.output(ended.result) == outputs(data)
            assert (ended.result.inferences, len(there.ticks(ended.result))) == (10, 10)
        except HardwareError:
            pass
        finally:
            # Thirteen requests at most, none of which takes longer than its deadline.
            assert time.monotonic() - begin < 13 * 1.6
            link.close()


noises = given(seed=st.integers(0, 2**32 - 1), rate=st.sampled_from([0.0, 0.002, 0.01, 0.03]), back=st.booleans())
test_noise_gives_the_right_answer_or_a_clear_error_in_time = few(noises(ask_over_noise))
test_much_noise_gives_the_right_answer_or_a_clear_error_in_time = pytest.mark.slow(many(noises(ask_over_noise)))


def test_on_a_line_with_some_noise_everything_comes_through() -> None:
    noise = [Noise(1, 0.003), Noise(2, 0.003)]
    with FaultyLine("--infer-us", "20", to_board=noise[0], to_host=noise[1]) as line:
        link = linked(line.port)
        there = Firmware(link, clock_tolerance=0.05)
        for seed in range(20):
            data = random.Random(seed).randbytes(INPUT_BYTES)
            assert there.output(there.run(data, 3, expected_s=0.001).result) == outputs(data)
            there.ping()
        assert link.counts.repeats > 0
        link.close()
    assert sum(item.damaged for item in noise) > 5


# -------------------------------------------------------------------------------------------------- the C side alone


@pytest.fixture(scope="module")
def bare() -> Iterator[subprocess.Popen[bytes]]:
    """The program on pipes, watched by the sanitizers."""
    process = subprocess.Popen(
        [harness()], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    )
    yield process
    assert process.poll() is None
    process.kill()
    _, errors = process.communicate()
    assert not errors, errors.decode()


requests = st.builds(
    Frame,
    kind=st.integers(0, 255),
    session=st.sampled_from([1, 2]),
    sequence=st.integers(0, 255),
    body=st.binary(max_size=60),
    version=st.sampled_from([1, 1, 1, 2]),
).filter(lambda frame: frame.kind != Kind.RUN or len(frame.body) < 17)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(pieces=st.lists(st.one_of(st.binary(max_size=300), requests.map(pack), st.just(bytes(3))), max_size=8))
def test_whatever_the_firmware_is_fed_it_says_hello_afterwards(
    bare: subprocess.Popen[bytes], pieces: list[bytes]
) -> None:
    nonce = random.getrandbits(32)
    hello = Frame(Kind.HELLO, nonce & 0xFF, 9, messages.hello_body(nonce, 64))
    assert bare.stdin is not None
    assert bare.stdout is not None
    bare.stdin.write(b"".join(pieces) + pack(hello))
    reader, found = FrameReader(), []
    while not any(frame.kind == 0x81 and frame.body[:4] == struct.pack("<I", nonce) for frame in found):
        found += reader.feed(os.read(bare.stdout.fileno(), 4096))
    assert messages.parse_hello(found[-1].body, nonce, 64).limit == 64
    assert reader.damaged == 0
    assert all(frame.kind in range(0x81, 0x89) or frame.kind == 0xFF for frame in found)


def test_an_unknown_request_is_refused(bare: subprocess.Popen[bytes]) -> None:
    assert bare.stdin is not None
    assert bare.stdout is not None
    session = 5
    bare.stdin.write(pack(Frame(Kind.HELLO, session, 9, messages.hello_body(0x77777705, 64))))
    bare.stdin.write(pack(Frame(0x42, session, 10, b"anything")))
    reader, found = FrameReader(), []
    while not found or found[-1].sequence != 10:
        found += reader.feed(os.read(bare.stdout.fileno(), 4096))
    assert found[-1] == Frame(messages.ERROR, session, 10, bytes((0x42, ErrorCode.UNKNOWN_REQUEST)))


def test_the_c_sources_stand_alone(tmp_path: Path) -> None:
    """Any C99 compiler takes the core: no GNU extension, no header beside the standard's two."""
    source = Path(__file__).parents[2] / "workloads" / "serial_protocol" / "serial_protocol.c"
    command = ["cc", "-std=c99", "-pedantic-errors", "-Wall", "-Wextra", "-Werror", "-c", str(source), "-o"]
    done = subprocess.run([*command, str(tmp_path / "core.o")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
