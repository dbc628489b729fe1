"""A firmware with a network, asked for what it can do: typed requests, data in pieces, everything checked."""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

from lab.boards.serial import messages
from lab.boards.serial.frames import OVERHEAD_BYTES
from lab.boards.serial.link import Ended, RefusedError, SerialLink
from lab.boards.serial.messages import ErrorCode, Hello, Kind, Memory, MessageError, Text
from lab.boards.serial.tick_clock import TickClock
from lab.errors import HardwareError

_OFFSET_BYTES = 4
_TICK_BYTES = 4


@dataclass(frozen=True, slots=True)
class Identity:
    """What the firmware says that it is."""

    hello: Hello
    firmware: str
    version: str
    mcu: str
    model: str
    build: str

    def describe(self) -> str:
        """One line for people."""
        mcu = self.mcu or "a microcontroller"
        return (
            f"{mcu} at {self.hello.clock_hz / 1e6:g} MHz: {self.firmware or 'a firmware'} {self.version}".rstrip()
            + f", network {self.model or 'unnamed'} ({self.hello.model_hash})"
        )


class Firmware:
    """The session with a firmware. All methods raise :class:`HardwareError`, :class:`LinkLostError` where the link
    breaks, and :class:`RefusedError` where the firmware says no."""

    def __init__(self, link: SerialLink, *, clock_tolerance: float, hello_within_s: float | None = None) -> None:
        self.link = link
        hello = link.hello(hello_within_s)
        self.identity = Identity(hello, *(self._text(item) for item in Text))
        self.clock = TickClock(hello.tick_hz, hello.tick_bits, clock_tolerance)
        self._loaded: bytes | None = None

    def ping(self) -> tuple[int, int, int]:
        """(host's ns before, firmware's ns, host's ns after).

        The firmware's instant is the middle of a tick, so before and after are a tick wider than what was seen: what is
        made of them then holds for the firmware's other instants too.
        """
        before, ticks, after = self.link.ping()
        board_ns = self.clock.observe(ticks, before, after)
        tick_ns = self.clock.resolution_ns
        return before - tick_ns, board_ns, after + tick_ns

    def load(self, data: bytes) -> None:
        """Put an input on the board, in pieces, unless it is there."""
        hello = self.identity.hello
        if len(data) != hello.input_bytes:
            raise ValueError(f"{len(data)} bytes of input, where the network takes {hello.input_bytes}")
        if data == self._loaded:
            return
        self._loaded = None
        step = hello.limit - OVERHEAD_BYTES - _OFFSET_BYTES
        for offset in range(0, len(data), step):
            piece = data[offset : offset + step]
            said = self._number(self.link.ask(Kind.WRITE, offset.to_bytes(_OFFSET_BYTES, "little") + piece))
            if said != offset + len(piece):
                raise HardwareError(f"the firmware acknowledges {said} bytes of input where {offset + len(piece)} were")
        self._loaded = data

    def run(
        self,
        data: bytes,
        runs: int,
        *,
        least_s: float = 0.0,
        window: bool = True,
        expected_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Ended:
        """Inferences on an input: at least ``runs``, and until they have taken ``least_s`` together."""
        least_ticks = math.ceil(least_s * self.identity.hello.tick_hz)
        body = messages.run_body(runs, least_ticks, zlib.crc32(data), window=window)
        self.load(data)
        try:
            return self.link.run(body, expected_s=expected_s, deadline_s=deadline_s)
        except RefusedError as refused:
            self._loaded = None
            if refused.code != ErrorCode.INPUT_DIFFERS:
                raise
        # The board's copy was overwritten or damaged since it was sent: once more, then it is an error.
        self.load(data)
        return self.link.run(body, expected_s=expected_s, deadline_s=deadline_s)

    def output(self, result: messages.RunResult) -> tuple[float, ...]:
        """What the network gave last: its numbers. Raises :class:`HardwareError` if they are not that run's."""
        hello = self.identity.hello
        data = self._read(messages.READ_OUTPUT, hello.output_bytes)
        if zlib.crc32(data) != result.output_crc:
            raise HardwareError(
                "the output that was read is not the one that the run left", advice="look for memory that overflows"
            )
        letter = messages.NUMBERS[hello.output_type]
        return struct.unpack(f"<{len(data) // struct.calcsize('<' + letter)}{letter}", data)

    def ticks(self, result: messages.RunResult) -> tuple[int, ...]:
        """What each of the first inferences of the last run took, in ticks."""
        data = self._read(messages.READ_TICKS, result.kept * _TICK_BYTES)
        ticks = struct.unpack(f"<{result.kept}I", data)
        whole = result.kept == result.inferences
        if (whole and sum(ticks) != result.ticks) or any(
            not result.ticks_least <= item <= result.ticks_most for item in ticks
        ):
            raise HardwareError(
                "the ticks of single inferences and their sum disagree", advice="look for memory that overflows"
            )
        return ticks

    def memory(self) -> Memory:
        """What the firmware says of its use of memory."""
        try:
            return messages.parse_memory(self.link.ask(Kind.MEMORY))
        except MessageError as error:
            raise HardwareError(f"memory: {error}") from None

    def _text(self, item: Text) -> str:
        said = self.link.ask(Kind.TEXT, bytes((item,))).decode("utf-8", errors="replace")
        return "".join(character for character in said if character.isprintable())

    def _read(self, what: int, size: int) -> bytes:
        step = self.identity.hello.limit - OVERHEAD_BYTES - _OFFSET_BYTES
        data = b""
        while len(data) < size:
            offset = len(data).to_bytes(_OFFSET_BYTES, "little")
            count = min(step, size - len(data))
            answer = self.link.ask(Kind.READ, bytes((what,)) + offset + bytes((count,)))
            if answer[:_OFFSET_BYTES] != offset or len(answer) != _OFFSET_BYTES + count:
                raise HardwareError("the firmware sends another piece of its data than was asked for")
            data += answer[_OFFSET_BYTES:]
        return data

    @staticmethod
    def _number(body: bytes) -> int:
        try:
            return messages.number(body)
        except MessageError as error:
            raise HardwareError(f"the firmware's acknowledgement: {error}") from None
