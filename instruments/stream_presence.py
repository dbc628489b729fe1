"""Whether a stream of samples is there: waiting for it, and what is missing of it by the host's clock."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from instruments.stream_recorder import END_TOLERANCE_S

LEAST_COVERAGE = 0.9
"""A pass of which the meter gave less is worth nothing, even where the missing samples' places are unknown."""

HOST_CLOCK_PPM = 100.0
"""How far the host's own oscillator may be off."""

_DELIVERY_S = 0.25
"""What was sampled before an instant has arrived this much later."""

_GRANULARITY = 2.0
"""Samples by which a stream's end is open: at a low rate one of them is long."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a fault will say: a reason code and the detail."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a meter, in s: for its first samples, and for the next ones at a pass's end."""

    start_s: float = 3.0
    stall_s: float = 1.0


class StreamPresence:
    """Watches a stream of ``rate_hz`` whose samples arrive ``lag_s`` after they were taken; ``clock_ppm`` is the limit
    of error of the meter's clock. All instants are in s of the host's clock. Any thread may call anything.
    """

    def __init__(self, rate_hz: float, clock_ppm: float, lag_s: float = 0.0) -> None:
        self._rate_hz = rate_hz
        self._clock_error = (clock_ppm + HOST_CLOCK_PPM) * 1e-6
        self._lag_s = lag_s
        self._began_s: float | None = None
        self._removed_s: float | None = None
        self._useless = False
        self._samples = 0
        self._last_s = 0.0
        self._changed = threading.Condition()

    # ------------------------------------------------------------------------------------------------ what happens

    def came(self, samples: int, at_s: float) -> None:
        """More samples came at ``at_s``; the trace has ``samples`` now, its gaps included."""
        with self._changed:
            # The last sample was taken before it came: the recording began at this instant, or a little earlier. What
            # came with the least delay tells best.
            began_s = at_s - self._lag_s - samples / self._rate_hz
            self._began_s = began_s if self._began_s is None else min(self._began_s, began_s)
            self._samples = samples
            self._last_s = at_s
            self._changed.notify_all()

    def removed(self, at_s: float) -> None:
        """The meter went away."""
        with self._changed:
            if self._removed_s is None:
                self._removed_s = at_s
            self._changed.notify_all()

    def give_up(self) -> None:
        """What still comes is of no use: nobody needs to wait for it."""
        with self._changed:
            self._useless = True
            self._changed.notify_all()

    @property
    def useless(self) -> bool:
        """Was it given up?"""
        return self._useless

    @property
    def gone(self) -> bool:
        """Did the meter go away?"""
        return self._removed_s is not None

    @property
    def last_s(self) -> float:
        """When the last samples came; 0 before any."""
        return self._last_s

    # ----------------------------------------------------------------------------------------------------- waiting

    def wait_for_first(self, at_most_s: float) -> bool:
        """Wait until samples come; false if none came in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._began_s is not None or self._over, timeout=at_most_s)
            return self._began_s is not None

    def wait_until(self, until_s: float, stall_s: float) -> None:
        """Wait until what was sampled before the instant ``until_s`` is there, or nothing came for ``stall_s``."""
        stall_s = max(stall_s, 3.0 / self._rate_hz) + self._lag_s
        with self._changed:
            while not self._over and not self._covers(until_s):
                if not self._changed.wait(timeout=stall_s):
                    return

    @property
    def _over(self) -> bool:
        return self._removed_s is not None or self._useless

    def _covers(self, until_s: float) -> bool:
        if self._began_s is None:
            return False
        enough = (until_s - self._began_s) * self._rate_hz
        return self._samples >= enough or self._last_s >= until_s + self._lag_s + _DELIVERY_S

    # ---------------------------------------------------------------------------------------------- what is missing

    def missing(self, stopped_s: float, started_s: float, silent: str) -> list[Trouble]:
        """What is missing at the end, or all the time, of what the host wanted from ``started_s`` to ``stopped_s``.

        ``silent`` names what gave nothing, for when nothing came at all.
        """
        if self._useless:
            return []
        if self._began_s is None:
            detail = f"no samples came in {stopped_s - started_s:.3g} s; silent: {silent}"
            return [Trouble("meter_timeout" if self._removed_s is None else "meter_unplugged", detail)]
        length_s = stopped_s - self._began_s
        missing_s = length_s - self._samples / self._rate_hz
        if missing_s <= END_TOLERANCE_S + _GRANULARITY / self._rate_hz + length_s * self._clock_error:
            return []
        if self._removed_s is not None:
            return [Trouble("meter_unplugged", f"the stream ended {missing_s:.3f} s before the pass did")]
        if self._last_s < stopped_s:
            return [Trouble("meter_timeout", f"no samples came in the last {missing_s:.3f} s of the pass")]
        missing = round(missing_s * self._rate_hz)
        troubles = [Trouble("samples_dropped", f"{missing} samples are missing somewhere, by the host's clock")]
        if missing_s > (1 - LEAST_COVERAGE) * length_s:
            troubles.append(Trouble("coverage_too_low", f"{missing_s / length_s:.0%} of the pass are missing"))
        return troubles
