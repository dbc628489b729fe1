"""The real firmware's side of the serial protocol on this machine, and a line to it that can be made to fail."""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import pty
import random
import select
import shutil
import subprocess
import tempfile
import threading
import time
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

from lab.boards.serial.board import SerialBoard, SerialSettings

SOURCE = Path(__file__).parents[2] / "workloads" / "serial_protocol"
INPUT_BYTES = 20
MODEL_HASH = "d1617500005eed01"


def outputs(data: bytes) -> tuple[int, ...]:
    """What the made-up network makes of an input, worked out anew (made_up_network.h)."""
    signed = [value - 256 if value > 127 else value for value in data]
    weights = [[(i * 7 + o * 13) % 11 - 5 for i in range(INPUT_BYTES)] for o in range(4)]
    return tuple(o + sum(w * x for w, x in zip(row, signed, strict=True)) for o, row in enumerate(weights))


def make(target: str, *options: str) -> Path:
    """Build one of the Makefile's files; returns it."""
    folder = Path(tempfile.mkdtemp(prefix="lab-serial-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    done = subprocess.run(
        ["make", "-s", "-C", SOURCE, f"BUILD={folder}", *options, f"{folder}/{target}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "the compiler warns"
    return folder / target


@functools.cache
def harness() -> Path:
    """The firmware's side as a program, built once; it watches its own memory where the compiler can do that."""
    with tempfile.TemporaryDirectory() as folder:
        tried = Path(folder, "try.c")
        tried.write_text("int main(void) { return 0; }\n")
        command = ["cc", "-fsanitize=address,undefined", "-o", f"{folder}/try", str(tried)]
        watches = subprocess.run(command, capture_output=True, check=False).returncode == 0
        watches = watches and subprocess.run([f"{folder}/try"], capture_output=True, check=False).returncode == 0
    return make("harness", *(["SANITIZE=1", "CFLAGS=-O1"] if watches else []))


@contextlib.contextmanager
def running(*options: str, program: Path | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The program on a pseudo terminal: (its port, the process)."""
    process = subprocess.Popen(
        [str(program or harness()), *([] if program else ["--pty"]), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        _, errors = process.communicate()
        assert "Sanitizer" not in errors, errors


@contextlib.contextmanager
def opened(*options: str, folder: Path | None = None, **settings: object) -> Iterator[SerialBoard]:
    """An open board with the program behind it."""
    with running(*options) as (port, _):
        board = SerialBoard("board", SerialSettings(port, **settings), root=folder)  # type: ignore[arg-type]
        try:
            board.open()
            yield board
        finally:
            board.close()


Mangle = Callable[[bytes], bytes]


class FaultyLine:
    """A pseudo terminal between the lab and the program's standard input and output. A context manager.

    ``to_board`` and ``to_host`` are given what goes each way, piece by piece, and give what arrives.
    """

    def __init__(self, *options: str, to_board: Mangle = bytes, to_host: Mangle = bytes) -> None:
        self.to_board, self.to_host = to_board, to_host
        self.halves_s = 0.0
        """What goes to the host comes in halves, so far apart."""
        self.seen_to_board = self.seen_to_host = 0
        self.errors = ""
        """What the program said on standard error, once the line is left."""
        self._process = subprocess.Popen(
            [str(harness()), *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self._lock = threading.Lock()
        self._leave = threading.Event()
        self._master = self._slave = -1
        self.port = ""
        self.plug()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> FaultyLine:
        return self

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join()
        self.unplug()
        self._process.kill()
        self.errors = self._process.communicate()[1].decode()
        assert "Sanitizer" not in self.errors, self.errors

    def plug(self) -> None:
        """The cable is put in; the port has a new name."""
        with self._lock:
            self._master, self._slave = pty.openpty()
            tty.setraw(self._slave)
            self.port = os.ttyname(self._slave)

    def unplug(self) -> None:
        """The cable is pulled."""
        with self._lock:
            for end in (self._master, self._slave):
                if end >= 0:
                    os.close(end)
            self._master = self._slave = -1

    def say(self, data: bytes) -> None:
        """Bytes that no firmware sent."""
        os.write(self._master, data)

    def _serve(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        stdin, stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        while not self._leave.is_set():
            master = self._master
            try:
                ready = select.select([stdout, *([master] if master >= 0 else [])], [], [], 0.005)[0]
                if master in ready:
                    data = os.read(master, 4096)
                    self.seen_to_board += len(data)
                    os.write(stdin, self.to_board(data))
            except OSError:  # pulled meanwhile
                time.sleep(0.002)
                continue
            if stdout in ready:
                data = os.read(stdout, 4096)
                if not data:
                    return
                self.seen_to_host += len(data)
                arriving = self.to_host(data)
                middle = len(arriving) // 2 if self.halves_s else 0
                with contextlib.suppress(OSError):
                    os.write(self._master, arriving[:middle])
                    time.sleep(self.halves_s)
                    os.write(self._master, arriving[middle:])


class Noise:
    """A :data:`Mangle` that damages bytes, each with ``rate``: flips a bit, loses it, doubles it, or puts some before
    it. Holds back a part of what comes now and then, so that frames come in halves."""

    def __init__(self, seed: int, rate: float) -> None:
        self._random = random.Random(seed)
        self._rate = rate
        self.damaged = 0

    def __call__(self, data: bytes) -> bytes:
        draw = self._random
        out = bytearray()
        for byte in data:
            if draw.random() >= self._rate:
                out.append(byte)
                continue
            self.damaged += 1
            kind = draw.randrange(4)
            if kind == 0:
                out.append(byte ^ 1 << draw.randrange(8))
            elif kind == 1:
                out += bytes((byte, byte))
            elif kind == 2:
                out += draw.randbytes(draw.randrange(1, 12)) + bytes((byte,))
        if draw.random() < 0.1:
            time.sleep(0.002)
        return bytes(out)
