"""The serial protocol's frames: what is packed comes out again, and nothing else ever does; C and Python agree."""

from __future__ import annotations

import binascii
import random
import subprocess
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serial_line import harness

from lab.boards.serial.frames import (
    LONGEST,
    OVERHEAD_BYTES,
    Frame,
    FrameError,
    FrameReader,
    checksum,
    pack,
    stuff,
    unpack,
    unstuff,
)

bytes_of = st.integers(0, 255)
bodies = st.one_of(
    st.binary(max_size=LONGEST - OVERHEAD_BYTES),
    st.lists(st.sampled_from([0, 1, 255]), max_size=LONGEST - OVERHEAD_BYTES).map(bytes),
    st.just(bytes(LONGEST - OVERHEAD_BYTES)),
    st.just(b"\x07" * (LONGEST - OVERHEAD_BYTES)),
)
frames = st.builds(Frame, kind=bytes_of, session=bytes_of, sequence=bytes_of, body=bodies)


@given(frames)
def test_a_packed_frame_comes_out_again(frame: Frame) -> None:
    wire = pack(frame)
    assert wire[:1] == wire[-1:] == b"\0"
    assert b"\0" not in wire[1:-1]
    assert len(wire) == OVERHEAD_BYTES + len(frame.body) + 3
    assert unpack(wire[1:-1]) == frame
    reader = FrameReader()
    assert (reader.feed(wire), reader.damaged) == ([frame], 0)


@given(st.binary(max_size=LONGEST))
def test_stuffing_takes_zeros_away_and_brings_them_back(data: bytes) -> None:
    stuffed = stuff(data)
    assert b"\0" not in stuffed
    assert unstuff(stuffed) == data


def test_no_more_than_a_frame_is_packed() -> None:
    with pytest.raises(ValueError, match="more than a frame"):
        pack(Frame(1, 2, 3, bytes(LONGEST - OVERHEAD_BYTES + 1)))


@given(st.binary(max_size=600), st.lists(frames, max_size=4), st.integers(1, 64))
def test_frames_are_found_after_garbage_in_pieces_of_any_size(garbage: bytes, sent: list[Frame], step: int) -> None:
    wire = garbage + b"".join(pack(frame) for frame in sent)
    reader = FrameReader()
    found = [frame for at in range(0, len(wire), step) for frame in reader.feed(wire[at : at + step])]
    assert found[len(found) - len(sent) :] == sent
    assert reader.bytes_read == len(wire)


def test_garbage_without_end_is_not_kept() -> None:
    reader = FrameReader()
    for _ in range(1000):
        assert reader.feed(b"\x55" * 1000) == []
    assert len(reader._block) <= LONGEST + 2
    frame = Frame(1, 2, 3)
    assert reader.feed(pack(frame)) == [frame]
    assert reader.damaged == 1


@given(st.binary(max_size=300))
def test_no_block_but_a_frame_is_taken_for_one(block: bytes) -> None:
    try:
        frame = unpack(block)
    except FrameError:
        return
    assert pack(frame)[1:-1] == block


def test_every_single_damage_to_a_frame_is_seen() -> None:
    draw = random.Random(4)
    for length in (0, 4, 20, 41, LONGEST - OVERHEAD_BYTES):
        frame = Frame(0x85, 0x5A, 7, draw.randbytes(length))
        wire = pack(frame)
        damaged = [
            wire[:at] + bytes((wire[at] ^ 1 << bit,)) + wire[at + 1 :] for at in range(len(wire)) for bit in range(8)
        ]
        damaged += [wire[:at] + wire[at + 1 :] for at in range(1, len(wire) - 1)]
        for block in damaged:
            assert [found for found in FrameReader().feed(block + b"\0") if found != frame] == []


# -------------------------------------------------------------------------------------------------- C against Python


@pytest.fixture(scope="module")
def codec() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen([harness(), "--codec"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield process
    process.kill()
    process.communicate()


def asked(codec: subprocess.Popen[str], line: str) -> int:
    assert codec.stdin is not None
    assert codec.stdout is not None
    codec.stdin.write(line + "\n")
    codec.stdin.flush()
    return int(codec.stdout.readline(), 16)


@given(data=st.binary(max_size=1000))
def test_c_and_python_have_the_same_checksums(codec: subprocess.Popen[str], data: bytes) -> None:
    assert asked(codec, f"crc16 {data.hex()}") == checksum(data)
    assert asked(codec, f"crc32 {data.hex()}") == zlib.crc32(data)


def test_the_checksums_are_the_catalogued_ones() -> None:
    """CRC-16/CCITT-FALSE and CRC-32 of "123456789", as in Ross Williams' and Greg Cook's catalogue."""
    assert checksum(b"123456789") == 0x29B1
    assert zlib.crc32(b"123456789") == binascii.crc32(b"123456789") == 0xCBF43926
