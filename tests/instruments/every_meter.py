"""Every power instrument there is, ready for a test: whoever adds one adds it here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from meter_scenes import (
    FakeSourceScene,
    HwmonScene,
    JoulescopeScene,
    NvmlScene,
    Ppk2Scene,
    RaplScene,
    Scene,
    SimulatedScene,
)
from recording_scenes import EnergyRunnerScene, JlsScene, TableScene

from instruments.simulated.faults import Drops, EdgeJitter, Saturation

MakeScene = Callable[[Path, pytest.MonkeyPatch], Scene]

METERS: dict[str, MakeScene] = {
    "js110": lambda *_: JoulescopeScene("JS110"),
    "js220": lambda *_: JoulescopeScene("JS220"),
    "js320": lambda *_: JoulescopeScene("JS320"),
    "simulated_joulescope": lambda *_: SimulatedScene(),
    "nvml": lambda *_: NvmlScene(),
    "rapl_perf": lambda folder, patch: RaplScene("perf", folder, patch),
    "rapl_powercap": lambda folder, patch: RaplScene("powercap", folder, patch),
    "hwmon": HwmonScene,
    "ppk2": lambda _, patch: Ppk2Scene(patch),
    "replay_jls": lambda folder, _: JlsScene(folder),
    "replay_samples": lambda folder, _: TableScene(folder, readings=False),
    "replay_readings": lambda folder, _: TableScene(folder, readings=True),
    "energyrunner": lambda folder, _: EnergyRunnerScene(folder),
}
"""Every power instrument, in each way in which it measures."""

VARIANTS: dict[str, MakeScene] = {
    "simulated_joulescope_with_faults": lambda *_: SimulatedScene(Drops(), EdgeJitter(), Saturation()),
    "polled_counter": lambda *_: FakeSourceScene(counts=True),
    "polled_power": lambda *_: FakeSourceScene(counts=False),
}
"""What must keep the same promises, and is no instrument of its own."""

BENCH_KINDS = {
    "joulescope": ("js110", "js220", "js320"),
    "simulated_joulescope": ("simulated_joulescope",),
    "nvml": ("nvml",),
    "rapl": ("rapl_perf", "rapl_powercap"),
    "hwmon": ("hwmon",),
    "ppk2": ("ppk2",),
    "replay": ("replay_jls", "replay_samples", "replay_readings"),
    "energyrunner": ("energyrunner",),
}
"""The kinds of power instrument that a bench file knows, and the names of their scenes here."""

RECORDED = ("replay_jls", "replay_samples", "replay_readings", "energyrunner")
"""Those that play what was recorded before."""
