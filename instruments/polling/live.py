"""What a polled meter showed between two looks at it, while nobody records."""

from __future__ import annotations

import threading
from collections.abc import Mapping

from instruments.polling.pace import NS
from instruments.polling.source import Asked
from instruments.protocol import LiveReading


class PolledSums:
    """Adds up readings (in the poller's thread) until they are taken (in another).

    A counter gives the energy from edge to edge, samples of power that between the first and the last of them, straight
    from one to the next. Time after the last reading or edge goes to the next look.
    """

    def __init__(self, asked: Mapping[str, Asked]) -> None:
        self._asked = {name: item for name, item in asked.items() if not item.channel.cross_check}
        self._lock = threading.Lock()
        self._last: tuple[float, float] | None = None
        self._has_counted = False
        self._voltage_v: float | None = None
        self._current_a: float | None = None
        self._clear()

    def _clear(self) -> None:
        self._duration_s = self._energy_j = self._charge_c = self._flux_vs = 0.0
        self._least_w: float | None = None
        self._most_w: float | None = None

    def take(self, channel: str, begin_ns: int, end_ns: int, value: float, changed: bool) -> None:
        """Take a reading."""
        asked = self._asked.get(channel)
        if asked is None:
            return
        at_s, measures = (begin_ns + end_ns) / 2 / NS, asked.channel.measures
        with self._lock:
            if measures == "energy":
                # Of the first value nobody saw it come: it is no edge.
                if changed and self._has_counted:
                    self._edge(at_s, value, asked)
                self._has_counted = True
            elif measures == "power":
                self._sample(at_s, value * asked.channel.scale)
            elif measures == "voltage":
                self._voltage_v = value * asked.channel.scale
            elif self._voltage_v is not None:
                self._current_a = value * asked.channel.scale
                self._sample(at_s, self._voltage_v * self._current_a)

    def _edge(self, at_s: float, raw: float, asked: Asked) -> None:
        if self._last is not None:
            step = raw - self._last[1]
            if step < 0:
                step += asked.channel.modulus or 0
            self._add(at_s - self._last[0], step * asked.channel.scale)
        self._last = at_s, raw

    def _sample(self, at_s: float, power_w: float) -> None:
        if self._last is not None:
            duration_s = at_s - self._last[0]
            self._add(duration_s, (self._last[1] + power_w) / 2 * duration_s, power_w)
            if self._current_a is not None and self._voltage_v is not None:
                self._charge_c += self._current_a * duration_s
                self._flux_vs += self._voltage_v * duration_s
        self._last = at_s, power_w

    def _add(self, duration_s: float, energy_j: float, power_w: float | None = None) -> None:
        if duration_s <= 0.0:
            return
        self._duration_s += duration_s
        self._energy_j += energy_j
        shown_w = energy_j / duration_s if power_w is None else power_w
        self._least_w = shown_w if self._least_w is None else min(self._least_w, shown_w)
        self._most_w = shown_w if self._most_w is None else max(self._most_w, shown_w)

    def reading(self, faults: tuple[tuple[str, str], ...]) -> LiveReading:
        """What came since the last call, with ``faults`` beside it."""
        with self._lock:
            duration_s = self._duration_s
            if duration_s <= 0.0:
                return LiveReading(0.0, faults=faults)
            both = self._current_a is not None
            shown = LiveReading(
                duration_s=duration_s,
                power_w=self._energy_j / duration_s,
                power_min_w=self._least_w,
                power_max_w=self._most_w,
                voltage_v=self._flux_vs / duration_s if both else None,
                current_a=self._charge_c / duration_s if both else None,
                energy_j=self._energy_j,
                faults=faults,
            )
            self._clear()
            return shown
