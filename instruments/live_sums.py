"""What a stream's blocks add up to between two looks at a meter that is watched and not recorded."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instruments.protocol import LiveReading
from instruments.stream_checks import at_full_scale
from instruments.stream_recorder import Block


class LiveSums:
    """Adds up blocks (in one thread) until they are taken (in another).

    ``full_scales_a`` are the ends of the ranges in the order of their codes, ``full_scale_v`` that of the voltage;
    ``assumes_voltage`` leaves a voltage that nobody measured out of the reading.
    """

    def __init__(
        self, rate_hz: float, full_scales_a: Sequence[float], full_scale_v: float, *, assumes_voltage: bool = False
    ) -> None:
        self._rate_hz = rate_hz
        self._full_scales_a = np.asarray(full_scales_a, np.float64)
        self._full_scale_v = full_scale_v
        self._assumes_voltage = assumes_voltage
        self._lock = threading.Lock()
        self._next: int | None = None
        self._faults: list[tuple[str, str]] = []
        self._clear()

    def _clear(self) -> None:
        self._count = self._missing = self._saturated = 0
        self._power = self._voltage = self._current = 0.0
        self._least, self._most = np.inf, -np.inf

    def feed(self, block: Block) -> None:
        """Add a block."""
        current = block.current_a.astype(np.float64)
        voltage = block.voltage_v.astype(np.float64)
        power: NDArray[np.float64] = current * voltage if block.power_w is None else block.power_w.astype(np.float64)
        there = np.isfinite(power) & np.isfinite(current) & np.isfinite(voltage)
        saturated = at_full_scale(current, self._full_scales_a[block.range_codes])
        saturated |= at_full_scale(voltage, self._full_scale_v)
        with self._lock:
            if self._next is not None:
                self._missing += max(0, block.first_sample - self._next)
            self._next = block.first_sample + int(current.size)
            self._missing += int(np.count_nonzero(~there))
            self._saturated += int(np.count_nonzero(saturated))
            if not there.all():
                current, voltage, power = current[there], voltage[there], power[there]
            if power.size:
                self._count += int(power.size)
                self._power += float(power.sum())
                self._current += float(current.sum())
                self._voltage += float(voltage.sum())
                self._least = min(self._least, float(power.min()))
                self._most = max(self._most, float(power.max()))

    def trouble(self, code: str, detail: str) -> None:
        """Tell of something with the next reading."""
        with self._lock:
            self._faults.append((code, detail))

    def take(self) -> LiveReading:
        """What was added since the last call. The energy is that of the samples that came."""
        with self._lock:
            faults, self._faults = self._faults, []
            if self._missing:
                faults.append(("samples_dropped", f"{self._missing} samples missing"))
            if self._saturated:
                faults.append(("saturated", f"{self._saturated} samples at full scale"))
            count = self._count
            if not count:
                self._clear()
                return LiveReading(duration_s=0.0, faults=tuple(faults))
            reading = LiveReading(
                duration_s=count / self._rate_hz,
                power_w=self._power / count,
                power_min_w=self._least,
                power_max_w=self._most,
                voltage_v=None if self._assumes_voltage else self._voltage / count,
                current_a=self._current / count,
                energy_j=self._power / self._rate_hz,
                faults=tuple(faults),
            )
            self._clear()
            return reading
