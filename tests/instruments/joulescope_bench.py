"""What the tests of the Joulescope's instrument share: a meter on a stand-in for the driver, and a load to record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from fake_joulescope import TICKS_PER_S, Clock, FakeDevice, FakeDriver, Line, pulse, step

from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.settings import JoulescopeSettings
from instruments.protocol import Accuracy, Observation, PassContext, RangeAccuracy
from instruments.stream_presence import Patience
from lab.record.documents import Mark
from lab.record.traces import open_trace

ACCURACY = Accuracy(
    ranges={
        "10 A": RangeAccuracy(full_scale_a=10.0, gain_i=2.5e-3, offset_i_a=1.5e-3, gain_v=2.5e-3, offset_v_v=5e-3),
        "180 mA": RangeAccuracy(full_scale_a=0.18, gain_i=2e-3, offset_i_a=1e-4, gain_v=1e-3, offset_v_v=1.5e-3),
    },
    timebase_ppm=50,
    source="datasheet",
)
QUICK = Patience(start_s=0.5, stall_s=0.05)
IDLE_A, BUSY_A, VOLTS = 0.2, 0.5, 12.0
BEGIN_S, END_S, TOTAL_S = 0.3, 0.7, 1.0
LOAD = Line(
    current=step(IDLE_A, BUSY_A, BEGIN_S, END_S),
    voltage=lambda t: np.full(t.shape, VOLTS),
    levels={0: pulse(BEGIN_S, END_S)},
)


class Bench:
    """A meter, the device behind it and the clock of both."""

    def __init__(self, model: str = "JS220", rate_hz: float = 1e5, **change: Any) -> None:
        self.clock = Clock()
        self.device = FakeDevice(
            model, "001234", self.clock, **{key: change.pop(key) for key in ("count", "bits") if key in change}
        )
        self.driver = FakeDriver([self.device])
        fitting = JoulescopeSettings(model, rate_hz, "10 A", "gpi0", ACCURACY)
        self.settings = replace(fitting, **change)
        self.meter = Joulescope(
            "meter", self.settings, factory=lambda: self.driver, clock=self.clock, utc=self.utc, patience=QUICK
        )

    def utc(self) -> int:
        """The time of day on the host, in the driver's ticks."""
        return round((self.clock.now_s + self.device.epoch_s) * TICKS_PER_S)

    def record(self, context: PassContext, *, during: Callable[[], None] | None = None) -> Observation:
        """One pass with the load; or with what ``during`` does."""
        self.meter.open()
        self.meter.arm(context)
        self.meter.start()
        if during is None:
            self.device.play(TOTAL_S, LOAD)
        else:
            during()
        return self.meter.stop()


def codes(seen: Observation) -> list[str]:
    return [fault.code for fault in seen.faults]


def marks_of(seen: Observation) -> dict[str, Mark]:
    return {mark.name: mark for mark in seen.marks}


def read(root: Path, seen: Observation, channel: str) -> np.ndarray:
    (trace,) = seen.traces
    with open_trace(root, trace) as reader:
        return reader.read(channel, 0, reader.length)
