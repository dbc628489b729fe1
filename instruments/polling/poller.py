"""Asking a meter at a steady pace, in a thread of its own, from one edge of its counter to another.

A reading is three numbers: the host's clock before and after the question, and the raw answer. Whatever the meter does
meanwhile, hang, fail, go away, nothing is raised out of the thread: it becomes a fault that the caller takes.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from typing import Protocol

from instruments.polling.pace import NS, Pace, Time
from instruments.polling.source import Asked, MeterGoneError, is_gone, is_silent, said, update_period_s
from instruments.polling.watch import ChannelWatch

EDGE_PERIODS = 4
"""An edge of a counter is waited for this many update periods …"""
EDGE_LEAST_S = 0.05
"""… and at least so long, where the period is tiny or unknown …"""
EDGE_MOST_S = 1.0
"""… but never longer."""


class Sink(Protocol):
    """Where readings go; called in the poller's thread."""

    def take(self, channel: str, begin_ns: int, end_ns: int, value: float, changed: bool) -> None:
        """Take a reading; ``changed`` if it is the first or differs from the one before."""
        ...


class _MeterEndedError(Exception):
    """There is no point in asking on; the fault says why."""


class Poller:
    """Asks for channels until it is stopped.

    ``read`` gives the raw value of a channel (:meth:`instruments.polling.source.Source.read`). ``edge`` names the
    counter whose edges the asking begins and ends on. ``patience_s`` is how long a channel may be without an answer
    before that is a fault.
    """

    def __init__(
        self,
        read: Callable[[str], float],
        asked: Mapping[str, Asked],
        sink: Sink,
        *,
        time: Time,
        period_s: float,
        patience_s: float,
        edge: str | None = None,
    ) -> None:
        self.watches = {name: ChannelWatch(name, item, period_s) for name, item in asked.items()}
        self.gone = False
        self._read = read
        self._sink = sink
        self._time = time
        self._period_s = period_s
        self._missed_rounds = 0
        self._patience_s = patience_s
        self._edge = edge
        self._faults: dict[str, str] = {}
        self._stop = threading.Event()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._run, name="polled meter", daemon=True)

    @property
    def faults(self) -> dict[str, str]:
        """What went wrong: the first of each reason code, and its detail."""
        return dict(self._faults)

    @property
    def missed_rounds(self) -> int:
        """How many rounds were left out because the one before took too long."""
        return self._missed_rounds

    @property
    def is_running(self) -> bool:
        """Is the thread still at work? After :meth:`stop` that means that a read never came back."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin, and wait until the first edge was seen, within limits."""
        self._thread.start()
        self._begun.wait(EDGE_MOST_S + self._patience_s)

    def stop(self) -> None:
        """End on an edge. A meter that hangs in a read is left behind, with a fault."""
        self._stop.set()
        self._thread.join(EDGE_MOST_S + self._patience_s)
        if self._thread.is_alive():
            self._faults.setdefault("meter_timeout", "a question was never answered")

    # ------------------------------------------------------------------------------------------------- in the thread

    def _run(self) -> None:
        try:
            self._to_edge()
            self._begun.set()
            self._ask_round_by_round()
            self._to_edge()
        except _MeterEndedError:
            pass
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to; the pass must say what happened
            self._faults.setdefault("pass_failed", f"{type(error).__name__}: {error}")
        finally:
            now_ns = self._time.now_ns()
            for watch in self.watches.values():
                watch.end(now_ns)
            self._begun.set()

    def _ask_round_by_round(self) -> None:
        pace, rounds = Pace(self._time.now_ns(), self._period_s), 0
        while not self._stop.is_set():
            for name, watch in self.watches.items():
                if rounds % watch.asked.every == 0:
                    reading = self._ask(name)
                    if reading is not None:
                        self._take(name, *reading)
            rounds += 1
            wait_s = pace.wait_s(self._time.now_ns())
            self._missed_rounds = pace.missed
            if wait_s > 0.0:
                self._time.pause(wait_s, self._stop)

    def _to_edge(self) -> None:
        """Ask the counter again and again until it changes; the last of the old value and the first of the new are
        kept, what lies between says nothing."""
        if self._edge is None:
            return
        watch = self.watches[self._edge]
        limit_s = min(max(EDGE_PERIODS * update_period_s(watch.asked), EDGE_LEAST_S), EDGE_MOST_S)
        deadline_ns = self._time.now_ns() + round(limit_s * NS)
        held: tuple[int, int, float] | None = None
        first = watch.last is None
        while (reading := self._ask(self._edge)) is not None:
            if not first and reading[2] != watch.last:
                if held is not None:
                    self._take(self._edge, *held)
                self._take(self._edge, *reading)
                return
            if first:
                self._take(self._edge, *reading)
                first = False
            else:
                held = reading
            if reading[1] >= deadline_ns:
                break
        if held is not None:
            self._take(self._edge, *held)

    def _ask(self, name: str) -> tuple[int, int, float] | None:
        """One question: the instants before and after it, and the answer; ``None`` if there was none."""
        begin_ns = self._time.now_ns()
        try:
            value = self._read(name)
        except Exception as error:
            if is_gone(error):
                self.gone = True
                code = error.code if isinstance(error, MeterGoneError) else MeterGoneError.code
                self._faults.setdefault(code, f"{name}: {said(error)}")
                raise _MeterEndedError from error
            if not is_silent(error) and not isinstance(error, OSError):
                raise
            self._failed(name, said(error))
            return None
        end_ns = self._time.now_ns()
        if not math.isfinite(value):
            self._failed(name, f"answered {value!r}")
            return None
        if end_ns - begin_ns > self._patience_s * NS:
            self._faults.setdefault("meter_timeout", f"{name}: an answer took {(end_ns - begin_ns) / NS:.3g} s")
        return begin_ns, end_ns, value

    def _failed(self, name: str, why: str) -> None:
        silent_s = self.watches[name].fail(self._time.now_ns())
        if silent_s >= self._patience_s:
            self._faults.setdefault("meter_timeout", f"{name}: no answer for {silent_s:.3g} s ({why})")

    def _take(self, name: str, begin_ns: int, end_ns: int, value: float) -> None:
        try:
            changed = self.watches[name].take(begin_ns, end_ns, value)
        except ValueError as error:
            self._faults.setdefault("counter_jumped", str(error))
            raise _MeterEndedError from error
        self._sink.take(name, begin_ns, end_ns, value, changed)
