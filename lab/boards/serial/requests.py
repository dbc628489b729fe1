"""What a workload asks of a serial board: command lines that name a firmware's request, and what they print.

``infer``, ``identify`` and ``memory`` are the programs of such a board. Each prints JSON, one object a line, which
:mod:`analysis.readers.firmware` reads; docs/decisions/0008-serial-boards-have-requests.md says why it is so.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from lab.boards.serial.firmware import Firmware
from lab.boards.serial.link import Ended, OverdueError, RefusedError
from lab.boards.serial.messages import NUMBER_NAMES, ErrorCode, RunResult
from lab.boards.serial.tick_clock import TicksAmbiguousError
from lab.errors import HardwareError
from lab.record.marks_file import mark_lines

DONE, FAILED, WRONG_USE, NOT_FOUND = 0, 1, 2, 127
"""Exit statuses, as programs have them."""

_BETWEEN_S = 1e-3
"""What the firmware may do between two inferences, for a guess of how long a run takes."""
_EDGE_S = 0.25
"""The first inference begins so soon after the firmware's word, the last one ended so shortly before its result."""


class _WrongUseError(Exception):
    """A command line that is none."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _WrongUseError(f"{self.prog}: {message}\n{self.format_usage()}")


def _whole(least: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        value = int(text)
        if not least <= value < 1 << 32:
            raise argparse.ArgumentTypeError(f"{text} is not in {least} … {(1 << 32) - 1}")
        return value

    return parse


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 <= value < 1e6:
        raise argparse.ArgumentTypeError(f"{text} is no time in seconds")
    return value


def _parser() -> _Parser:
    parser = _Parser(prog="firmware", add_help=False)
    requests = parser.add_subparsers(dest="request", required=True, parser_class=_Parser)
    infer = requests.add_parser("infer", prog="infer", add_help=False)
    infer.add_argument("--runs", type=_whole(1), default=1, help="inferences on each input, at least")
    infer.add_argument("--min-seconds", type=_seconds, default=0.0, help="until they took so long, for each input")
    infer.add_argument("--warmup-runs", type=_whole(0), default=0, help="inferences before, outside the window")
    infer.add_argument("--input", type=Path, help="file of one input after the other; else one of zeros")
    infer.add_argument("--inputs", type=_whole(1), help="only the first so many of the file")
    infer.add_argument("--labels", type=Path, help="file with a byte for each input: the right class")
    infer.add_argument("--model", help="hash of the network that must be on the board, or its beginning")
    infer.add_argument("--no-window", action="store_true", help="leave the pin alone")
    requests.add_parser("identify", prog="identify", add_help=False)
    requests.add_parser("memory", prog="memory", add_help=False)
    return parser


@dataclass(frozen=True, slots=True)
class Finished:
    """How a request ended. ``marks`` are instants on the firmware's clock, in ns."""

    status: int
    overdue: bool = False
    marks: tuple[tuple[str, int], ...] = ()

    def marks_text(self) -> str:
        """As programs append it to the file that ``LAB_MARKS`` names."""
        return mark_lines(self.marks)


class Requests:
    """Carries out one command line on a firmware; ``stdout`` and ``stderr`` get what it prints, as it comes.

    ``folder`` is what its files are relative to; ``real_time``: the firmware's seconds are the host's.
    """

    def __init__(
        self, firmware: Firmware, folder: Path, stdout: IO[str], stderr: IO[str], *, real_time: bool = True
    ) -> None:
        self._firmware = firmware
        self._folder = folder
        self._stdout = stdout
        self._stderr = stderr
        self._real_time = real_time
        self._end: float | None = None
        self._marks: list[tuple[str, int]] = []
        self._each_s: float | None = None
        """What an inference was last seen to take."""

    def run(self, argv: Sequence[str], deadline_s: float | None) -> Finished:
        """Raises :class:`HardwareError` (and its kinds) where line or firmware break; all else is said on ``stderr``
        and in the exit status."""
        self._end = None if deadline_s is None else time.monotonic() + deadline_s
        try:
            asked = _parser().parse_args(list(argv))
            {"infer": self._infer, "identify": self._identify, "memory": self._memory}[asked.request](asked)
        except _WrongUseError as error:
            self._stderr.write(f"{error}")
            unknown = not argv or argv[0] not in ("infer", "identify", "memory")
            return Finished(NOT_FOUND if unknown else WRONG_USE)
        except OverdueError:
            self._stderr.write("stopped at the deadline\n")
            return Finished(FAILED, overdue=True, marks=tuple(self._marks))
        except RefusedError as error:
            self._stderr.write(f"{error}\n")
            return Finished(FAILED, marks=tuple(self._marks))
        return Finished(DONE, marks=tuple(self._marks))

    # -------------------------------------------------------------------------------------------------- requests

    def _identify(self, _: argparse.Namespace) -> None:
        identity = self._firmware.identity
        hello = identity.hello
        self._say(
            "firmware",
            firmware=identity.firmware,
            version=identity.version,
            build=identity.build,
            mcu=identity.mcu,
            clock_hz=hello.clock_hz,
            tick_hz=hello.tick_hz,
            tick_bits=hello.tick_bits,
            model=identity.model,
            model_hash=hello.model_hash,
            input_bytes=hello.input_bytes,
            input_type=NUMBER_NAMES[hello.input_type],
            output_bytes=hello.output_bytes,
            output_type=NUMBER_NAMES[hello.output_type],
            link_s=self._link_s(),
        )

    def _memory(self, _: argparse.Namespace) -> None:
        try:
            memory = self._firmware.memory()
        except RefusedError as refused:
            if refused.code != ErrorCode.UNKNOWN_REQUEST:
                raise
            return  # a firmware that does not know that much
        self._say("memory", **asdict(memory))

    def _infer(self, asked: argparse.Namespace) -> None:
        held = self._firmware.identity.hello.model_hash
        if asked.model is not None and not held.startswith(asked.model.lower()):
            raise _WrongUseError(f"infer: the board holds the network {held}, not {asked.model}\n")
        inputs = self._inputs(asked)
        labels = self._labels(asked, len(inputs))
        self._identify(asked)
        total = right = 0
        for index, data in enumerate(inputs):
            if asked.warmup_runs:
                warm = self._run(data, asked.warmup_runs, 0.0, window=False)
                self._say("warmup", input=index, inferences=warm.result.inferences, ticks=warm.result.ticks)
            ended = self._run(data, asked.runs, asked.min_seconds, window=not asked.no_window)
            total += ended.result.inferences
            output = self._firmware.output(ended.result)
            chosen = max(range(len(output)), key=output.__getitem__) if output else None
            right += labels is not None and labels[index] == chosen
            self._say(
                "inferred",
                input=index,
                inferences=ended.result.inferences,
                ticks=ended.result.ticks,
                ticks_least=ended.result.ticks_least,
                ticks_most=ended.result.ticks_most,
                ticks_each=list(self._firmware.ticks(ended.result)),
                host_elapsed_s=(ended.ended_ns - ended.asked_ns) / 1e9 if self._real_time else None,
                asked_again=ended.asked_again,
                output=[value if math.isfinite(value) else None for value in output],
                chosen=chosen,
                label=None if labels is None else labels[index],
            )
        self._memory(asked)
        self._say("done", inputs=len(inputs), inferences=total, right=None if labels is None else right)

    # ----------------------------------------------------------------------------------------------------- parts

    def _run(self, data: bytes, runs: int, least_s: float, *, window: bool) -> Ended:
        left_s = None if self._end is None else self._end - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise OverdueError
        if self._real_time:
            self._firmware.ping()
        each_s = self._each_s
        expected_s = None if each_s is None else max(runs * (each_s + _BETWEEN_S), least_s + each_s)
        ended = self._firmware.run(data, runs, least_s=least_s, window=window, expected_s=expected_s, deadline_s=left_s)
        result = ended.result
        if result.stopped:
            raise HardwareError(
                "the firmware stopped a run that nobody stopped", advice="is a second program on the line?"
            )
        self._each_s = result.ticks / result.inferences / self._firmware.identity.hello.tick_hz
        if self._real_time:
            self._note(ended, result, "window" if window else "warmup")
        return ended

    def _note(self, ended: Ended, result: RunResult, name: str) -> None:
        """Where the run lies on the firmware's clock, if that can be told."""
        edge_ns = round(_EDGE_S * 1e9)
        working_ns = ended.working_ns or ended.asked_ns
        clock = self._firmware.clock
        try:
            # Nanoseconds first to first: a mark that cannot be placed leaves no half of a pair.
            end_before = ended.asked_ns if ended.asked_again else max(ended.asked_ns, ended.ended_ns - edge_ns)
            begin = clock.place(result.begin, ended.asked_ns, max(working_ns, ended.asked_ns) + edge_ns)
            end = clock.place(result.end, end_before, ended.ended_ns)
        except TicksAmbiguousError:
            return
        if end >= begin and (not self._marks or begin >= self._marks[-1][1]):
            self._marks += [(f"{name}_begin", begin), (f"{name}_end", end)]

    def _inputs(self, asked: argparse.Namespace) -> list[bytes]:
        size = self._firmware.identity.hello.input_bytes
        if asked.input is None:
            return [bytes(size)]
        data = self._file(asked.input)
        if size == 0 or not data or len(data) % size:
            raise _WrongUseError(
                f"infer: {asked.input} has {len(data)} bytes, no whole number of inputs of {size} bytes\n"
            )
        whole = [data[at : at + size] for at in range(0, len(data), size)]
        if asked.inputs is not None and asked.inputs > len(whole):
            raise _WrongUseError(f"infer: {asked.input} holds {len(whole)} inputs, not {asked.inputs}\n")
        return whole[: asked.inputs]

    def _labels(self, asked: argparse.Namespace, inputs: int) -> bytes | None:
        if asked.labels is None:
            return None
        labels = self._file(asked.labels)
        if len(labels) < inputs:
            raise _WrongUseError(f"infer: {asked.labels} holds {len(labels)} labels for {inputs} inputs\n")
        return labels

    def _file(self, path: Path) -> bytes:
        try:
            return (self._folder / path).read_bytes()
        except OSError as error:
            raise _WrongUseError(f"infer: {path}: {error.strerror or error}\n") from None

    def _link_s(self) -> float:
        """The shortest of a few round trips."""
        pings = [self._firmware.link.ping() for _ in range(3)]
        return min(after - before for before, _, after in pings) / 1e9

    def _say(self, event: str, **values: Any) -> None:
        self._stdout.write(json.dumps({"event": event, **values}, allow_nan=False) + "\n")
        self._stdout.flush()
