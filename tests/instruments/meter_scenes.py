"""Power instruments with something to measure, all to be handled alike; faults are put in at their boundary."""

from __future__ import annotations

import errno
import os
import time as real_time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_joulescope
import fake_ppk2
import numpy as np
import pytest
from fake_joulescope import Clock, FakeDevice, FakeDriver, pulse, step
from fake_nvml import FakeNvml
from fake_polled import FakeSource, FakeTime, Fed, constant
from fake_rapl import Machine

from instruments.hwmon import SensorName, hwmon_meter
from instruments.joulescope.instrument import Joulescope
from instruments.joulescope.settings import JoulescopeSettings
from instruments.nvml.instrument import nvml_meter
from instruments.polling.meter import PolledMeter
from instruments.ppk2.instrument import Ppk2
from instruments.ppk2.settings import Ppk2Settings
from instruments.protocol import Accuracy, Instrument, PassContext, RangeAccuracy
from instruments.rapl import counters, perf_open
from instruments.simulated.faults import MeterFault, Unplug
from instruments.simulated.joulescope import SimulatedJoulescope, SimulatedJoulescopeSettings
from instruments.simulated.rail import Rail
from instruments.stream_presence import Patience
from lab.record.traces.readings import Channel

ACCURACY = Accuracy(
    ranges={
        "10 A": RangeAccuracy(full_scale_a=10.0, gain_i=2.5e-3, offset_i_a=1.5e-3, gain_v=2.5e-3, offset_v_v=5e-3),
        "2 A": RangeAccuracy(full_scale_a=2.0, gain_i=2e-3, offset_i_a=1e-4, gain_v=1e-3, offset_v_v=1.5e-3),
    },
    timebase_ppm=50,
    source="datasheet",
)
VOLTS, IDLE_A, BUSY_A = 12.0, 0.2, 0.4
BEGIN_S, END_S, LENGTH_S = 0.5, 1.5, 2.0


class Scene:
    """An instrument with what it watches. ``let_run`` has the board idle, at work, and idle again.

    ``meanwhile`` is called half-way through. ``absent`` takes the device away before it was opened, ``take_away`` while
    a pass is recorded.
    """

    instrument: Instrument
    meanwhile: Callable[[], None]

    def __init__(self) -> None:
        self.meanwhile = lambda: None

    def prepared(self, context: PassContext) -> PassContext:
        """The pass as this instrument must be told of it."""
        return context

    def pass_time(self) -> None:
        """Let some time pass with the board at work."""
        raise NotImplementedError

    def let_run(self, context: PassContext) -> None:
        """A program runs."""
        self.pass_time()
        self.meanwhile()
        self.pass_time()

    def absent(self) -> None:
        """Take the device away."""
        raise NotImplementedError

    def take_away(self) -> None:
        """Take the device away while it records."""
        self.absent()

    def end(self) -> None:
        """Leave nothing running."""
        self.instrument.close()


def bounced(begin_s: float, end_s: float) -> Callable[[np.ndarray], np.ndarray]:
    """A logic line from ``begin_s`` to ``end_s`` whose rising edge bounces twice within 3 ms."""

    def level(t: np.ndarray) -> np.ndarray:
        since_s = t - begin_s
        low = ((since_s >= 5e-4) & (since_s < 1e-3)) | ((since_s >= 2e-3) & (since_s < 2.5e-3))
        return (t >= begin_s) & (t < end_s) & ~low

    return level


# --------------------------------------------------------------------------------------------------- real Joulescopes


class JoulescopeScene(Scene):
    """A JS110, JS220 or JS320 on an exact stand-in for the vendor's driver."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self.device = FakeDevice(model, "001234", Clock())
        self.driver = FakeDriver([self.device])
        self.settings = JoulescopeSettings(model, 1e5, "10 A", "gpi0", ACCURACY)
        self.line = fake_joulescope.Line(
            current=step(IDLE_A, BUSY_A, BEGIN_S, END_S), levels={0: pulse(BEGIN_S, END_S)}
        )
        self.is_silent = False
        self.instrument: Joulescope = self._meter()

    def _meter(self) -> Joulescope:
        patience = Patience(start_s=0.5, stall_s=0.05)
        clock = self.device.clock
        return Joulescope("meter", self.settings, factory=lambda: self.driver, clock=clock, patience=patience)

    def set_up(self, **change: Any) -> None:
        """Another bench file."""
        self.settings = replace(self.settings, **change)
        self.instrument = self._meter()

    def play(self, begin_s: float, end_s: float) -> None:
        """This part of what the meter watches, so much at a time."""
        while end_s - begin_s > 1e-6:
            length_s = min(self.at_once_s, end_s - begin_s)
            if self.is_silent:
                self.device.clock.now_s += length_s
            else:
                self.device.play(length_s, _later(self.line, begin_s))
                self.wait_until_written()
            begin_s += length_s

    def wait_until_written(self) -> None:
        """What came is in the trace; not where the writer is held up."""
        deadline_s = real_time.monotonic() + 10
        while self.waiting_bytes() and not self.is_held_up and real_time.monotonic() < deadline_s:
            real_time.sleep(0.0005)
        # The last block was taken from the queue, and is perhaps not worked off yet.
        deadline_s = real_time.monotonic() + 0.05
        while not self.is_held_up and self._is_behind() and real_time.monotonic() < deadline_s:
            real_time.sleep(0.0005)

    def _is_behind(self) -> bool:
        receiver = self.instrument._recording or self.instrument._live
        return receiver is not None and receiver.presence.last_s < self.device.clock.now_s - 1e-6

    is_held_up = False
    at_once_s = 1.0

    def waiting_bytes(self) -> int:
        """What still waits to be written."""
        receiver = self.instrument._recording or self.instrument._live
        return 0 if receiver is None else receiver._intake._queue._bytes

    def pass_time(self) -> None:
        self.play(0.6, 1.0)

    def let_run(self, context: PassContext) -> None:
        self.play(0.0, LENGTH_S / 2)
        self.meanwhile()
        self.play(LENGTH_S / 2, LENGTH_S)

    def absent(self) -> None:
        self.device.present = False

    def take_away(self) -> None:
        self.device.unplug()


def _later(line: fake_joulescope.Line, by_s: float) -> fake_joulescope.Line:
    """The same line, seen from an instant ``by_s`` later."""

    def moved(of: Callable[..., Any]) -> Callable[..., Any]:
        return lambda t: of(t + by_s)

    return fake_joulescope.Line(
        current=moved(line.current),
        voltage=moved(line.voltage),
        levels={number: moved(level) for number, level in line.levels.items()},
        range_code=None if line.range_code is None else moved(line.range_code),
    )


class SimulatedScene(Scene):
    """A simulated JS220 on its line."""

    def __init__(self, *faults: MeterFault) -> None:
        super().__init__()
        self.rail = Rail(VOLTS, 0.05)
        self.suffers(*faults)

    def suffers(self, *faults: MeterFault) -> None:
        """A meter with these faults."""
        setup = SimulatedJoulescopeSettings("JS220", 5000.0, "2 A", "gpi0", ACCURACY, 7, faults)
        self.instrument = SimulatedJoulescope("meter", setup, self.rail)

    def prepared(self, context: PassContext) -> PassContext:
        self.rail.reset()
        return context

    def pass_time(self) -> None:
        self.rail.draw(0.5, VOLTS * BUSY_A)

    def let_run(self, context: PassContext) -> None:
        self.rail.draw(BEGIN_S, VOLTS * IDLE_A)
        self.rail.edge("window", 1)
        self.rail.draw((END_S - BEGIN_S) / 2, VOLTS * BUSY_A)
        self.meanwhile()
        self.rail.draw((END_S - BEGIN_S) / 2, VOLTS * BUSY_A)
        self.rail.edge("window", 0)
        self.rail.draw(LENGTH_S - END_S, VOLTS * IDLE_A)

    def take_away(self) -> None:
        self.instrument._settings = replace(self.instrument._settings, faults=(Unplug(),))  # type: ignore[attr-defined]


# ------------------------------------------------------------------------------------------------------ polled meters


class PolledScene(Scene):
    """A meter that is asked, in time that only passes where it is let."""

    instrument: PolledMeter
    seconds = 4.0

    def __init__(self) -> None:
        super().__init__()
        self.time = FakeTime()

    def pass_time(self) -> None:
        self.time.let_pass(self.seconds / 2)

    def end(self) -> None:
        self.time.stop_waiting()
        super().end()


class FakeSourceScene(PolledScene):
    """Any counter, or any power, without what NVML, RAPL and hwmon add."""

    def __init__(self, *, counts: bool) -> None:
        super().__init__()
        energy = Fed(Channel(measures="energy", scale=1e-3), constant(40.0, 1e-3), period_s=0.1, phase_s=0.03)
        power = Fed(Channel(measures="power", scale=1e-3, update_period_s=0.02), lambda t: 5000 + 100 * t)
        fed = {"energy": energy} if counts else {"power": power}
        self.source = FakeSource(self.time, fed, measures=tuple(fed))
        self.instrument = PolledMeter("meter", self.source, time=self.time, patience_s=0.5)

    def absent(self) -> None:
        self.source.there = False

    def take_away(self) -> None:
        def gone(*_: object) -> None:
            raise FileNotFoundError(2, "No such file or directory")

        self.source.trouble = gone


class NvmlScene(PolledScene):
    """A GPU with an energy counter."""

    def __init__(self) -> None:
        super().__init__()
        self.nvml = FakeNvml(self.time)
        self.gpu = self.nvml.gpus[0]
        self.instrument = nvml_meter("meter", factory=lambda: self.nvml, time=self.time, patience_s=0.5)

    def absent(self) -> None:
        self.nvml.gpus = []

    def refuse(self, code: int) -> None:
        """Answer every question for energy and power with an error."""
        names = ("nvmlDeviceGetTotalEnergyConsumption", "nvmlDeviceGetPowerUsage", "nvmlDeviceGetFieldValues")
        self.gpu.refuses = dict.fromkeys(names, code)

    def take_away(self) -> None:
        self.refuse(self.nvml.NVML_ERROR_GPU_IS_LOST)


class RaplScene(PolledScene):
    """A processor's package, by perf or by powercap."""

    def __init__(self, way: Any, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.machine = Machine(folder / "sys", self.time).with_perf("energy-pkg").with_powercap()
        self.way = way
        self.watts = 45.0
        self._fed = (0.0, 0.0)
        self.fails: OSError | None = None
        self.stands_at_j: float | None = None
        patch.setattr(self.machine, "joules", self._joules)
        patch.setattr(perf_open, "read_event", self._answering(self.machine.read_event))
        patch.setattr(counters.os, "pread", self._answering(self.machine.pread))
        self.make()

    def make(self) -> None:
        """The meter, on the machine as it is now."""
        self.instrument = self.machine.meter(way=self.way, patience_s=0.5)

    def draw(self, watts: float) -> None:
        """Draw another power from now on."""
        self._fed = self.time.now_s, self._joules()
        self.watts = watts

    def _joules(self) -> float:
        if self.stands_at_j is not None:
            return self.stands_at_j
        since_s, joules = self._fed
        return joules + self.watts * ((self.time.now_s - since_s) // 1e-3 * 1e-3)

    def _answering(self, read: Callable[..., Any]) -> Callable[..., Any]:
        def answered(*args: Any) -> Any:
            if self.fails is not None:
                self.time.spend(2e-6)
                raise self.fails
            return read(*args)

        return answered

    def absent(self) -> None:
        self.machine.root = self.machine.root / "nowhere"
        self.make()

    def take_away(self) -> None:
        self.machine.gone = True


class HwmonScene(PolledScene):
    """An INA226 that gives its power."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.root = folder / "hwmon"
        self._chip = self.root / "hwmon1"
        self._chip.mkdir(parents=True)
        self._failing: OSError | None = None
        patch.setattr("instruments.hwmon.os.pread", self._answering(os.pread))
        for file, value in {"name": "ina226", "power1_input": 4_075_000, "update_interval": 35}.items():
            (self._chip / file).write_text(f"{value}\n")
        self.instrument = hwmon_meter("meter", SensorName("ina226"), root=self.root, time=self.time, patience_s=0.5)

    def draw(self, watts: float) -> None:
        """Draw another power from now on."""
        (self._chip / "power1_input").write_text(f"{round(watts * 1e6)}\n")

    def fail(self, number: int) -> None:
        """Every read fails so from now on; 0 is none."""
        self._failing = OSError(number, "the chip does not answer") if number else None

    def _answering(self, read: Callable[..., bytes]) -> Callable[..., bytes]:
        def answered(*args: Any) -> bytes:
            if self._failing is not None:
                raise self._failing
            return read(*args)

        return answered

    def absent(self) -> None:
        self._chip.rename(self.root / "gone")

    def take_away(self) -> None:
        self.fail(errno.ENODEV)


# --------------------------------------------------------------------------------------------------------------- PPK2


class Ppk2Scene(Scene):
    """A kit on a pseudo terminal, in real time: kept short."""

    seconds = 0.24

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        super().__init__()
        patch.setattr("instruments.ppk2.instrument._QUIET_S", 0.02)
        self.line = fake_ppk2.Line(current=step(2e-3, 20e-3, 0.06, 0.16), levels={0: pulse(0.06, 0.16)})
        self.kit = fake_ppk2.PtyKit(self.line)
        self.make()

    def make(self, **change: Any) -> None:
        """The meter, by another bench file."""
        setup = replace(Ppk2Settings(3.0, "d0", ACCURACY, port=self.kit.port), **change)
        self.instrument = Ppk2("meter", setup, find=lambda: (), patience=Patience(1.0, 0.3))

    def pass_time(self) -> None:
        real_time.sleep(self.seconds / 2)

    def absent(self) -> None:
        self.make(port="/dev/no-such-port")

    def take_away(self) -> None:
        self.kit.unplug_after_s = 0.0

    def end(self) -> None:
        super().end()
        self.kit.__exit__(None, None, None)
