"""Each fault as it really comes: put in at the boundary between an instrument and the world, before a pass or in it."""

from __future__ import annotations

import errno
import os
import threading
import time as real_time
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from fake_joulescope import step
from meter_scenes import (
    BEGIN_S,
    END_S,
    IDLE_A,
    HwmonScene,
    JoulescopeScene,
    NvmlScene,
    PolledScene,
    Ppk2Scene,
    RaplScene,
    SimulatedScene,
    bounced,
)

from instruments.polling import recording as polled_recording
from instruments.ppk2.frames import FrameDecoder
from instruments.simulated.faults import Drift, Drops, EdgeJitter, RangeChange, Saturation, Unplug
from instruments.stream_recorder import StreamRecorder

Patch = pytest.MonkeyPatch


def nothing(*_: object) -> None:
    """It happens in every pass."""


# --------------------------------------------------------------------------------------------------- real Joulescopes


def js_loses_samples(scene: JoulescopeScene, _: Patch) -> None:
    """Two transfers over USB fail."""
    scene.device.lost = [(0.3, 0.35, ())]


def js_drifts(scene: JoulescopeScene, _: Patch) -> None:
    """What is measured in idle creeps."""
    steady = scene.line.current
    scene.line.current = lambda t: steady(t) + 0.02 * t


def js_saturates(scene: JoulescopeScene, _: Patch) -> None:
    """More flows than the range can show."""
    scene.line.current = step(IDLE_A, 12.0, BEGIN_S, END_S)


def js_changes_range(scene: JoulescopeScene, _: Patch) -> None:
    """It chooses its range by itself, and does."""
    scene.set_up(range_name="auto")
    scene.line.range_code = lambda t: (t >= 1.0).astype(int)


def js_is_unplugged(scene: JoulescopeScene, _: Patch) -> None:
    """The cable is pulled."""
    scene.meanwhile = scene.device.unplug


def js_edges_bounce(scene: JoulescopeScene, _: Patch) -> None:
    """The trigger wire bounces."""
    scene.line.levels[0] = bounced(BEGIN_S, END_S)


def js_falls_silent(scene: JoulescopeScene, _: Patch) -> None:
    """Time goes on, and nothing comes."""

    def silent() -> None:
        scene.is_silent = True

    scene.meanwhile = silent


def js_is_written_too_slowly(scene: JoulescopeScene, patch: Patch) -> None:
    """The disk is stuck while the meter goes on."""
    scene.set_up(queue_bytes=400_000)
    scene.at_once_s = 0.1
    may_write = threading.Event()
    feed = StreamRecorder.feed

    def slow(self: StreamRecorder, block: Any) -> None:
        if self.samples > 30_000:
            may_write.wait(10)
        feed(self, block)

    patch.setattr(StreamRecorder, "feed", slow)
    scene.is_held_up = True

    def goes_on() -> None:
        may_write.set()
        scene.is_held_up = False
        scene.wait_until_written()

    scene.meanwhile = goes_on


def js_counter_wraps(scene: JoulescopeScene, _: Patch) -> None:
    """The lower 32 bits of the sample counter, all that can be relied on, begin again at 0."""
    scene.device.bits = 32
    scene.device.count = (1 << 32) - scene.device.meter.counter_hz // 2


def js110_counter_wraps(scene: JoulescopeScene, _: Patch) -> None:
    """The same, of a meter whose driver counts from 0 at every start."""
    _numbered(scene, lambda number: (number + (1 << 32) - scene.device.meter.counter_hz // 2) % (1 << 32))


def js_counter_jumps(scene: JoulescopeScene, _: Patch) -> None:
    """The sample counter goes back by 2 s."""

    def jumps() -> None:
        _numbered(scene, lambda number: number - 2 * scene.device.meter.counter_hz)

    scene.device.count += 10 * scene.device.meter.counter_hz
    scene.meanwhile = jumps


def js110_counter_jumps(scene: JoulescopeScene, _: Patch) -> None:
    """The sample counter runs ahead by minutes."""
    scene.meanwhile = lambda: _numbered(scene, lambda number: number + 400 * scene.device.meter.counter_hz)


def _numbered(scene: JoulescopeScene, number: Callable[[int], int]) -> None:
    """From now on samples have other numbers."""
    deliver = scene.device.publish_out

    def renumbered(topic: str, value: Any) -> None:
        if isinstance(value, dict) and "sample_id" in value:
            value = {**value, "sample_id": number(value["sample_id"])}
        deliver(topic, value)

    scene.device.publish_out = renumbered


def js_utc_jumps(scene: JoulescopeScene, _: Patch) -> None:
    """The time of day on the host is set."""

    def jumps() -> None:
        scene.device.utc_offset_s = -3.0

    scene.meanwhile = jumps


def js_is_forbidden(scene: JoulescopeScene, patch: Patch) -> None:
    """The device is listed, and nobody may open it."""

    def forbidden(*_: object, **__: object) -> NoReturn:
        raise RuntimeError("jsdrv_open failed 19 PERMISSIONS")

    patch.setattr(scene.driver, "open", forbidden)


def js_sums_disagree(scene: JoulescopeScene, _: Patch) -> None:
    """The meter's own sums are larger by a tenth."""
    scene.device.statistics_gain = 1.1


# ------------------------------------------------------------------------------------------------------ simulated one


def simulated(*faults: Any) -> Callable[[SimulatedScene, Patch], None]:
    """A meter with these faults."""
    return lambda scene, _: scene.suffers(*faults)


sim_loses_samples = simulated(Drops())
sim_drifts = simulated(Drift(current_a=20e-3))
sim_saturates = simulated(Saturation())
sim_changes_range = simulated(RangeChange())
sim_is_unplugged = simulated(Unplug())
sim_edges_bounce = simulated(EdgeJitter())
sim_falls_silent = simulated(Unplug(at=0.0))

# ------------------------------------------------------------------------------------------------------ polled meters


def consumer_is_slow(seconds: float) -> Callable[[PolledScene, Patch], None]:
    """Writing down one reading takes so long."""

    def inject(scene: PolledScene, patch: Patch) -> None:
        take, slow = polled_recording.Recording.take, iter([0.0] * 100 + [seconds])

        def slowly(self: polled_recording.Recording, *reading: Any) -> None:
            scene.time.spend(next(slow, 0.0))
            take(self, *reading)

        patch.setattr(polled_recording.Recording, "take", slowly)

    return inject


def gpu_answers(name: str) -> Callable[[NvmlScene, Patch], None]:
    """From half-way on the GPU answers with this error."""

    def inject(scene: NvmlScene, _: Patch) -> None:
        scene.meanwhile = lambda: scene.refuse(getattr(scene.nvml, name))

    return inject


def gpu_misses_questions(scene: NvmlScene, _: Patch) -> None:
    """It answers nothing for 0.4 s."""

    def misses() -> None:
        scene.refuse(scene.nvml.NVML_ERROR_TIMEOUT)
        scene.time.let_pass(0.4)
        scene.gpu.refuses = {}

    scene.meanwhile = misses


def gpu_drifts(scene: NvmlScene, _: Patch) -> None:
    """It draws a tenth more after the window."""
    scene.seconds = 20.0

    def drifts() -> None:
        since_s = scene.time.now_s
        scene.gpu.power_w = lambda t: 70.0 if t < since_s else 77.0
        scene.gpu.energy_j = lambda t: 70.0 * t + 7.0 * max(0.0, t - since_s)

    scene.meanwhile = drifts


def gpu_counter_begins_anew(scene: NvmlScene, _: Patch) -> None:
    """The driver is loaded again."""

    def anew() -> None:
        scene.gpu.before_mj = 0

    scene.meanwhile = anew


def gpu_counter_stands_still(scene: NvmlScene, _: Patch) -> None:
    """Nothing feeds the counter any more."""

    def stands() -> None:
        since_s = scene.time.now_s
        scene.gpu.energy_j = lambda t: 70.0 * min(t, since_s)
        scene.time.let_pass(2.0)

    scene.meanwhile = stands


def gpu_lies(scene: NvmlScene, _: Patch) -> None:
    """Its power is not that of its counter."""
    scene.gpu.power_w = lambda _: 50.0


def gpu_is_forbidden(scene: NvmlScene, _: Patch) -> None:
    """Its counters are for the administrator."""
    scene.refuse(scene.nvml.NVML_ERROR_NO_PERMISSION)


def cpu_fails(number: int) -> Callable[[RaplScene, Patch], None]:
    """From half-way on every read of the counter fails so."""

    def inject(scene: RaplScene, _: Patch) -> None:
        def fails() -> None:
            scene.fails = OSError(number, os.strerror(number))

        scene.meanwhile = fails

    return inject


def cpu_misses_questions(scene: RaplScene, _: Patch) -> None:
    """No read succeeds for 0.4 s."""

    def misses() -> None:
        scene.fails = OSError(errno.EAGAIN, "Resource temporarily unavailable")
        scene.time.let_pass(0.4)
        scene.fails = None

    scene.meanwhile = misses


def cpu_drifts(scene: RaplScene, _: Patch) -> None:
    """It draws a tenth more after the window."""
    scene.meanwhile = lambda: scene.draw(1.1 * scene.watts)


def cpu_counter_wraps(scene: RaplScene, _: Patch) -> None:
    """The register's range is over in the middle of the pass."""
    scene.machine.offset_uj = scene.machine.range_uj - round(1e6 * scene.watts * 2.0)


def cpu_counter_begins_anew(scene: RaplScene, _: Patch) -> None:
    """The machine slept, and the counter lost what it held."""
    scene.draw(scene.watts)
    scene._fed = 0.0, 60_000.0

    def anew() -> None:
        scene._fed = scene.time.now_s, 0.0

    scene.meanwhile = anew


def cpu_counter_stands_still(scene: RaplScene, _: Patch) -> None:
    """Nothing feeds the counter any more."""

    def stands() -> None:
        scene.stands_at_j = scene.machine.joules()

    scene.meanwhile = stands


def perf_is_forbidden(scene: RaplScene, _: Patch) -> None:
    """The kernel lets nobody count a whole CPU."""
    scene.machine.refuses = OSError(errno.EACCES, "Permission denied")


def file_is_forbidden(_: RaplScene | HwmonScene, patch: Patch) -> None:
    """The file is for root alone."""
    opened = os.open

    def forbidden(path: Any, *more: Any) -> int:
        if "energy_uj" in str(path) or "_input" in str(path):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *more)

    patch.setattr(os, "open", forbidden)


def chip_fails(number: int) -> Callable[[HwmonScene, Patch], None]:
    """From half-way on every read fails so."""

    def inject(scene: HwmonScene, _: Patch) -> None:
        scene.meanwhile = lambda: scene.fail(number)

    return inject


def chip_misses_questions(scene: HwmonScene, _: Patch) -> None:
    """The bus is busy for 0.4 s."""

    def misses() -> None:
        scene.fail(errno.EAGAIN)
        scene.time.let_pass(0.4)
        scene.fail(0)

    scene.meanwhile = misses


def chip_drifts(scene: HwmonScene, _: Patch) -> None:
    """It shows a tenth more after the window."""
    scene.meanwhile = lambda: scene.draw(1.1 * 4.075)


# --------------------------------------------------------------------------------------------------------------- PPK2


def kit_loses_bytes(scene: Ppk2Scene, _: Patch) -> None:
    """Bytes go missing on the serial line."""
    scene.kit.lost = [(4 * 5000 + 1, 4 * 5000 + 3), (4 * 12_000 + 2, 4 * 12_030 + 1)]


def kit_drifts(scene: Ppk2Scene, _: Patch) -> None:
    """What it shows in idle creeps."""
    scene.seconds = 0.8
    steady = step(2e-3, 20e-3, 0.3, 0.5)
    scene.line.current = lambda t: steady(t) + 1e-3 * t
    scene.line.levels[0] = lambda t: (t >= 0.3) & (t < 0.5)


def kit_saturates(scene: Ppk2Scene, _: Patch) -> None:
    """More flows than the kit is made for."""
    scene.line.current = step(0.1, 1.3, 0.06, 0.16)


def kit_is_unplugged(scene: Ppk2Scene, _: Patch) -> None:
    """The cable is pulled."""
    scene.kit.unplug_after_s = 0.15


def kit_edges_bounce(scene: Ppk2Scene, _: Patch) -> None:
    """The trigger wire bounces."""
    scene.line.levels[0] = bounced(0.06, 0.16)


def kit_falls_silent(scene: Ppk2Scene, _: Patch) -> None:
    """Nothing comes any more."""
    scene.kit.silent_after_s = 0.1


def kit_is_decoded_too_slowly(scene: Ppk2Scene, patch: Patch) -> None:
    """The host is busy while the kit goes on."""
    scene.make(queue_bytes=30_000)
    scene.seconds = 0.5
    may_go_on = threading.Event()
    feed = FrameDecoder.feed
    fed = iter([True] * 5)

    def slow(self: FrameDecoder, data: bytes) -> Any:
        if not next(fed, False):
            may_go_on.wait(10)
        return feed(self, data)

    patch.setattr(FrameDecoder, "feed", slow)

    def goes_on() -> None:
        may_go_on.set()
        real_time.sleep(0.05)

    scene.meanwhile = goes_on


def kit_is_forbidden(_: Ppk2Scene, patch: Patch) -> None:
    """The device file belongs to a group that the user is not in."""
    import serial

    def forbidden(*_: object, **__: object) -> NoReturn:
        raise serial.SerialException(errno.EACCES, "could not open port: Permission denied")

    patch.setattr(serial, "Serial", forbidden)
