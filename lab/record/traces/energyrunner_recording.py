"""A session of EnergyRunner as a recording to play: its energies as power, its time stamps as windows.

Power is the energy of a sample times the rate, as float32: each sample is rounded by up to 6e-8 of itself. What is
rounded off is carried over to the next sample, so that no sum of samples is off by more than one of these roundings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.errors import DataError
from lab.record.closing import ClosedOnExit
from lab.record.traces.energyrunner import EnergyRunnerSession, disagreements, edge_range, load_session
from lab.record.traces.energyrunner_texts import PublishedWindow
from lab.record.traces.recordings import PlayedStretch, PlayedWindow


class EnergyRunnerRecording(ClosedOnExit):
    """A session's folder to play (:class:`lab.record.traces.recordings.Recording`).

    Raises :class:`DataError` if the session is missing or damaged, or its rate is not a whole number of hertz.
    """

    analog = ("power",)
    lines: tuple[str, ...] = ()
    line_steps: Mapping[str, float] = {}
    serial = ""

    def __init__(self, folder: Path) -> None:
        self._session = load_session(folder)
        self.rate_hz = self._session.rate_hz
        if self.rate_hz != round(self.rate_hz):
            raise DataError(f"{folder}: a rate of {self.rate_hz:g} Hz, expected whole hertz")

    @property
    def session(self) -> EnergyRunnerSession:
        """The session itself."""
        return self._session

    @property
    def length(self) -> int:
        """Samples of the trace."""
        return int(self._session.energy_uj.size)

    @property
    def model(self) -> str:
        """The meter that recorded it, as its log says."""
        return self._session.log.meter

    @property
    def windows(self) -> tuple[PlayedWindow, ...]:
        """The published windows; each edge may lie anywhere in the opening of its rounded time stamp."""
        return tuple(self._window(window) for window in self._session.results.windows)

    @property
    def facts(self) -> Mapping[str, Any]:
        """What the session says of itself, and what was published."""
        log = self._session.log
        return {
            "format": "energyrunner",
            "meter": log.meter,
            "supply_voltage_v": log.voltage_v,
            "runner_version": log.runner_version,
            "published": [
                {"window": window.index, "energy_j": window.energy_j, "power_w": window.power_w}
                for window in self._session.results.windows
            ],
            "complaints": sorted({window.complaint for window in self._session.results.windows if window.complaint}),
        }

    def stretches(self) -> Iterator[PlayedStretch]:
        """All of the trace."""
        power_w = power_of(self._session.energy_uj, self.rate_hz)
        if not np.isfinite(power_w).all():
            raise DataError(f"{self._session.folder}: a power beyond all bounds")
        yield PlayedStretch(0, {"power": power_w}, {})

    def findings(self) -> tuple[tuple[str, str], ...]:
        """Numbers of the session that cannot both be right, and packets that the meter lost."""
        found = [
            ("window_disagrees", ("" if item.window is None else f"window {item.window}: ") + item.text)
            for item in disagreements(self._session)
        ]
        if self._session.log.dropped_packets:
            found.append(("samples_dropped", f"the meter lost {self._session.log.dropped_packets} packets on USB"))
        return tuple(found)

    def close(self) -> None:
        """Nothing to let go of: the files were read whole."""

    def _window(self, window: PublishedWindow) -> PlayedWindow:
        u_samples = []
        begin_s, end_s = self._session.bounds_s(window)
        for stamp_s in (begin_s, end_s):
            first, last = edge_range(stamp_s, self.rate_hz)
            u_samples.append((last - first) / math.sqrt(12.0))
        return PlayedWindow(
            index=window.index,
            begin=begin_s * self.rate_hz,
            end=end_s * self.rate_hz,
            u_begin=u_samples[0],
            u_end=u_samples[1],
            inferences=window.inferences,
            runtime_s=window.runtime_s,
        )


def power_of(energy_uj: NDArray[np.float32], rate_hz: float) -> NDArray[np.float32]:
    """Power in W of samples of energy in µJ, the rounding to float32 carried over from each sample to the next.

    Plain rounding of a steady load errs the same way in every sample, and a sum of them by as much as one. No sample is
    changed by more than the step to the next float32 number: what a small one cannot take goes to those after it.
    """
    exact = energy_uj.astype(np.float64) * (1e-6 * rate_hz)
    with np.errstate(over="ignore", invalid="ignore"):
        power_w = exact.astype(np.float32)
        rounded_off = (exact - power_w).tolist()
        steps = np.spacing(np.abs(power_w)).astype(np.float64).tolist()
    moved = np.zeros(power_w.size)
    behind = 0.0
    for place, (error, step) in enumerate(zip(rounded_off, steps, strict=True)):
        behind += error
        if abs(behind) > 0.5 * step:
            moved[place] = math.copysign(step, behind)
            behind -= moved[place]
    return (power_w + moved).astype(np.float32)
