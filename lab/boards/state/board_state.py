"""A board's state in one piece, for a board to hold beside its way of running programs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from instruments.commands import RunCommand
from instruments.protocol import Probe
from lab.boards.state import fingerprint as facts
from lab.boards.state.checks import findings
from lab.boards.state.frequency import HeldFrequency, policies
from lab.boards.state.inquiry import Answer, Inquiry
from lab.boards.state.settings import StateSettings
from lab.boards.state.temperature import ZONES, Zone, check_gate, cool_down, zones
from lab.boards.state.throttling import WATCH, throttling, watchable
from lab.errors import HardwareError, LinkLostError

_ZONES = Inquiry(files=ZONES)
_BUSY = Inquiry(files=("proc/stat",))
_BUSY_OVER_S = 1.0
"""How long the checks watch for other work."""


class BoardState:
    """Asks and sets the state of a board with Linux through ``run``; holds no connection of its own.

    A board calls :meth:`prepare` at the end of its ``open`` (and again after it was reconnected), :meth:`restore` in
    its ``close`` while the link still stands, :meth:`begin_run` right before and :meth:`end_run` right after each
    program, and hands :meth:`settle`, :meth:`checks` and :meth:`fingerprint` through. Every method raises
    :class:`lab.errors.HardwareError` if the board does not answer; what ``run`` itself raises as such
    (:class:`lab.errors.LinkLostError`) passes through. ``root`` is the folder under which /proc and /sys lie.
    """

    def __init__(
        self,
        run: RunCommand,
        settings: StateSettings | None = None,
        *,
        name: str = "board",
        root: str = "/",
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._run = run
        self._settings = settings or StateSettings()
        self._name = name
        self._root = root
        self._sleep = sleep
        self._now = now
        self._held = HeldFrequency(run, self._settings, name, root)
        self._before: Answer | None = None
        self._unread = ""
        self._watchable = True

    def prepare(self) -> None:
        """Bring the board into the state that the settings ask for: governor and frequency, verified by reading back.

        May be called again, after the board went away and came back; what was found first is what is restored. Raises
        :class:`lab.errors.HardwareError` with the line to run on the board if it cannot be had; then everything is as
        it was before.
        """
        if self._settings.temperature is not None:
            check_gate(self._settings.temperature, self._zones(), self._name)
        self._held.hold()

    def restore(self) -> None:
        """Set back what :meth:`prepare` changed. Idempotent. Raises :class:`lab.errors.HardwareError` with the line to
        run on the board for what could not be set back."""
        self._held.restore()

    def settle(self) -> tuple[tuple[str, str], ...]:
        """Wait until the board is as cool as asked; (reason code, detail) of what is still not as it should be.

        A governor that something else changed meanwhile is set again.
        """
        faults: list[tuple[str, str]] = []
        try:
            self._held.hold()
        except LinkLostError:
            raise
        except HardwareError as error:
            faults.append(("governor_changed", error.message))
        gate = self._settings.temperature
        if gate is not None:
            try:
                faults += cool_down(gate, self._zones, self._sleep, self._now)
            except LinkLostError:
                raise
            except HardwareError as error:
                faults.append(("state_unread", error.message))
        return tuple(faults)

    def begin_run(self) -> None:
        """Look at clock and temperature right before a program runs; on a board that tells nothing, only once."""
        self._before, self._unread = None, ""
        if not self._watchable:
            return
        try:
            self._before = self._look()
        except LinkLostError:
            raise
        except HardwareError as error:
            self._unread = error.message
            return
        self._watchable = watchable(self._before)

    def end_run(self) -> tuple[tuple[str, str], ...]:
        """Look again right after it: (reason code, detail) of what befell it meanwhile, for ``CommandResult.faults``.

        Without :meth:`begin_run` before it there is nothing to say.
        """
        before, self._before = self._before, None
        if self._unread:
            return (("state_unread", self._unread),)
        if before is None or not self._watchable:
            return ()
        try:
            after = self._look()
        except LinkLostError:
            raise
        except HardwareError as error:
            return (("state_unread", error.message),)
        faults = []
        slowed = throttling(before, after, self._settings.cpus)
        if slowed is not None:
            faults.append(("throttled", slowed))
        changed = self._held.not_held(policies(after))
        if changed:
            faults.append(("governor_changed", "; ".join(changed)))
        return tuple(faults)

    def checks(self) -> list[tuple[str, Probe]]:
        """What was looked at and what to change on the board. ``present`` is false for what the bench asks for and the
        board has not; ``advice`` beside ``present`` is something to consider."""
        first = _BUSY.ask(self._run, self._root)
        self._sleep(_BUSY_OVER_S)
        second = _BUSY.ask(self._run, self._root)
        answer = facts.everything(self._settings).ask(self._run, self._root)
        return findings(answer, self._settings, _busy_cpus(first, second))

    def fingerprint(self) -> dict[str, Any]:
        """What the board is, for the manifest. What it does not tell is ``None``: an absent governor is a fact too."""
        return facts.fingerprint(facts.everything(self._settings).ask(self._run, self._root))

    def model(self) -> str | None:
        """The board's or computer's name."""
        return facts.model(facts.MODEL.ask(self._run, self._root))

    def cache_sizes(self) -> dict[str, int]:
        """``l1d``, ``l2`` and ``ram`` in bytes, as far as the board tells."""
        return facts.cache_sizes(facts.CACHES.ask(self._run, self._root))

    def _look(self) -> Answer:
        return WATCH.ask(self._run, self._root)

    def _zones(self) -> list[Zone]:
        return zones(_ZONES.ask(self._run, self._root))


def _busy_cpus(first: Answer, second: Answer) -> float | None:
    """How many CPUs worked, between two readings of /proc/stat."""
    times = [_times(answer) for answer in (first, second)]
    if len(times[0]) < 5 or len(times[1]) < 5:
        return None
    spent = [max(0, later - sooner) for sooner, later in zip(*times, strict=False)]
    total, resting = sum(spent[:8]), spent[3] + spent[4]
    cpus = len([line for line in second.lines.get("proc/stat", ()) if line.startswith("cpu") and line[3:4].isdigit()])
    return None if total == 0 else cpus * (total - resting) / total


def _times(answer: Answer) -> list[int]:
    """user, nice, system, idle, iowait, irq, softirq, steal … of all CPUs together, in ticks."""
    rows = (line.split() for line in answer.lines.get("proc/stat", ()) if line.startswith("cpu "))
    return [int(word) for word in next(rows, ())[1:] if word.isdigit() and len(word) < 19]
