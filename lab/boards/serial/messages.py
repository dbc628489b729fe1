"""What stands in the frames' bodies. All numbers are little endian. The C side is workloads/serial_protocol."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lab.boards.serial.frames import SHORTEST_LIMIT

ANSWER = 0x80
"""Added to a request's kind, it is the kind of its answer."""
WORKING = 0x90
"""Answer to ``RUN`` that says: the request has come, inferences are going on."""
ERROR = 0xFF
"""Answer to any request that was refused or failed."""

UNKNOWN = 0xFFFFFFFF


class Kind(IntEnum):
    """The requests."""

    HELLO = 0x01
    TEXT = 0x02
    PING = 0x03
    WRITE = 0x04
    RUN = 0x05
    READ = 0x06
    MEMORY = 0x07
    STOP = 0x08


class Text(IntEnum):
    """What the firmware says of itself."""

    FIRMWARE = 0
    VERSION = 1
    MCU = 2
    MODEL = 3
    BUILD = 4


class ErrorCode(IntEnum):
    """Why a request was refused or failed."""

    UNKNOWN_REQUEST = 1
    BAD_ARGUMENTS = 2
    NO_SESSION = 3
    BUSY = 4
    INPUT_DIFFERS = 5
    INPUT_CHANGED = 6
    INFERENCE = 7
    VERSION = 8


ERROR_TEXTS = {
    ErrorCode.UNKNOWN_REQUEST: "the firmware does not know this request",
    ErrorCode.BAD_ARGUMENTS: "the firmware refuses the request's arguments",
    ErrorCode.NO_SESSION: "the firmware has restarted, or somebody else has spoken to it",
    ErrorCode.BUSY: "the firmware is in the middle of a run",
    ErrorCode.INPUT_DIFFERS: "the input on the board is not the one that was sent",
    ErrorCode.INPUT_CHANGED: "the inference changed its own input",
    ErrorCode.INFERENCE: "the inference failed",
    ErrorCode.VERSION: "the firmware speaks another version of the protocol",
}

READ_OUTPUT, READ_TICKS = 0, 1
RUN_WINDOW = 0x01

NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "i", 5: "f"}
"""Types of inputs and outputs → their letters in :mod:`struct`."""
NUMBER_NAMES = {0: "uint8", 1: "int8", 2: "uint16", 3: "int16", 4: "int32", 5: "float32"}

_HELLO = struct.Struct("<IBIIBBBIIH8s")
_RUN = struct.Struct("<BIQI")
_RESULT = struct.Struct("<IQIIIIHI?")
_MEMORY = struct.Struct("<IIII")
PING_BODY = bytes(4)
"""As long as the answer's, so that the line takes the same time both ways."""


class MessageError(ValueError):
    """A body that is not what its kind says."""


def _parts(layout: struct.Struct, body: bytes) -> tuple[Any, ...]:
    if len(body) != layout.size:
        raise MessageError(f"{len(body)} bytes where {layout.size} were expected")
    return layout.unpack(body)


@dataclass(frozen=True, slots=True)
class Hello:
    """What the firmware is. Sizes in bytes; ``limit`` is the longest frame that both sides take."""

    limit: int
    clock_hz: int
    tick_hz: int
    tick_bits: int
    input_type: int
    output_type: int
    input_bytes: int
    output_bytes: int
    tick_slots: int
    model_hash: str


def hello_body(nonce: int, limit: int) -> bytes:
    """Begin a session that ``nonce`` (32 bits, chance) tells from every other."""
    return struct.pack("<IB", nonce, limit)


def parse_hello(body: bytes, nonce: int, limit: int) -> Hello:
    """Raises :class:`MessageError` for an answer to another hello, and one that no firmware can mean."""
    echoed, agreed, clock_hz, tick_hz, tick_bits, in_type, out_type, in_bytes, out_bytes, slots, digest = _parts(
        _HELLO, body
    )
    if echoed != nonce:
        raise MessageError("the answer to another hello")
    if not SHORTEST_LIMIT <= agreed <= limit:
        raise MessageError(f"frames of {agreed} bytes, where {SHORTEST_LIMIT} to {limit} were offered")
    if tick_hz == 0 or not 8 <= tick_bits <= 32:
        raise MessageError(f"a tick counter of {tick_bits} bits at {tick_hz} Hz")
    if in_type not in NUMBERS or out_type not in NUMBERS:
        raise MessageError(f"numbers of the unknown types {in_type} and {out_type}")
    if out_bytes % struct.calcsize("<" + NUMBERS[out_type]):
        raise MessageError(f"{out_bytes} bytes of output are no whole number of {NUMBER_NAMES[out_type]}")
    return Hello(agreed, clock_hz, tick_hz, tick_bits, in_type, out_type, in_bytes, out_bytes, slots, digest.hex())


def run_body(runs: int, least_ticks: int, input_crc: int, *, window: bool) -> bytes:
    """At least ``runs`` inferences, and until their ticks add up to ``least_ticks``, on the input with that CRC-32."""
    return _RUN.pack(RUN_WINDOW if window else 0, runs, least_ticks, input_crc)


@dataclass(frozen=True, slots=True)
class RunResult:
    """A run that ended. ``begin`` and ``end`` are the counter itself, before the first inference and after the last;
    the others are ticks that inferences took, of which the first ``kept`` can be read one by one."""

    inferences: int
    ticks: int
    ticks_least: int
    ticks_most: int
    begin: int
    end: int
    kept: int
    output_crc: int
    stopped: bool


def parse_result(body: bytes) -> RunResult:
    """Raises :class:`MessageError` for one that contradicts itself."""
    result = RunResult(*_parts(_RESULT, body))
    least, most = result.inferences * result.ticks_least, result.inferences * result.ticks_most
    if result.inferences == 0 or result.kept > result.inferences or not least <= result.ticks <= most:
        raise MessageError("a result that contradicts itself")
    return result


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; ``None`` where the firmware does not know."""

    flash: int | None
    data: int | None
    stack_peak: int | None
    unused: int | None


def parse_memory(body: bytes) -> Memory:
    """Raises :class:`MessageError` for anything else."""
    return Memory(*(None if value == UNKNOWN else value for value in _parts(_MEMORY, body)))


def number(body: bytes) -> int:
    """A body that is one number of 32 bits. Raises :class:`MessageError` for anything else."""
    if len(body) != 4:
        raise MessageError(f"{len(body)} bytes where 4 were expected")
    return int.from_bytes(body, "little")
