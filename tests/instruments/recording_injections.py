"""Faults of recordings: the files as a recorder, or whoever handled them since, may have left them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from meter_scenes import BUSY_A, IDLE_A
from recording_scenes import EnergyRunnerScene, JlsScene, RecordingScene, TableScene

Patch = pytest.MonkeyPatch


def changed(change: Callable[[Any], None]) -> Callable[[RecordingScene, Patch], None]:
    """Another recording."""

    def inject(scene: RecordingScene, _: Patch) -> None:
        change(scene)
        scene.write()

    return inject


def _holes(scene: JlsScene | TableScene) -> None:
    scene.current[scene.current.size // 2 :][:20] = np.nan


def _creeps(scene: JlsScene | TableScene) -> None:
    scene.current += np.linspace(0.0, 0.05, scene.current.size).astype(scene.current.dtype)


def _cut_off(scene: JlsScene | TableScene) -> None:
    scene.current[scene.current > (IDLE_A + BUSY_A) / 2] = 10.0


def _two_ranges(scene: JlsScene) -> None:
    scene.codes = np.zeros(scene.current.size, np.uint8)
    scene.codes[scene.current.size // 2 :] = 1


def _bounces(scene: JlsScene | TableScene) -> None:
    begin = int(np.argmax(scene.level > 0))
    scene.level[begin + 1] = scene.level[begin + 3] = 0


def _goes_back(scene: TableScene) -> None:
    scene.t[scene.t.size // 2 :] -= 0.5


recording_has_holes = changed(_holes)
recording_drifts = changed(_creeps)
recording_is_cut_off = changed(_cut_off)
recording_changes_range = changed(_two_ranges)
recording_edges_bounce = changed(_bounces)
recorded_time_goes_back = changed(_goes_back)


def recorder_was_killed(scene: RecordingScene, _: Patch) -> None:
    """The file ends in the middle."""
    if isinstance(scene, JlsScene):
        scene.sample(200_000)  # a line's levels go to the disk a hundred thousand at a time
    path = scene.path if scene.path.is_file() else scene.path / "trace1-energy.bin"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 4 * 3 + 1])


def recording_is_forbidden(scene: RecordingScene, patch: Patch) -> None:
    """The files belong to someone else."""

    def refusing(real: Callable[..., Any]) -> Callable[..., Any]:
        def forbidden(path: Any, *more: Any, **named: Any) -> Any:
            if str(path).startswith(str(scene.path)):
                raise PermissionError(errno.EACCES, "Permission denied", str(path))
            return real(path, *more, **named)

        return forbidden

    patch.setattr(Path, "open", refusing(Path.open))
    patch.setattr(os, "open", refusing(os.open))
    patch.setattr("instruments.energyrunner.shutil.copyfile", refusing(lambda *_: None))


def session_lost_packets(scene: EnergyRunnerScene, _: Patch) -> None:
    """Its log says that packets were dropped."""
    scene.change("log.txt", "Dropped 0 packets", "Dropped 12 packets")


def session_drifts(scene: EnergyRunnerScene, _: Patch) -> None:
    """Idle after the window is higher than before it."""
    scene.idle(0.8e3, 1.2e3)


def session_stamps_jump(scene: EnergyRunnerScene, _: Patch) -> None:
    """The window's end was stamped half a second late."""
    scene.change("trace1-timestamps.json", "2.012", "2.512")


def session_contradicts_itself(scene: EnergyRunnerScene, _: Patch) -> None:
    """What was published does not follow from its own trace."""
    scene.change("results.txt", "Median energy cost is ", "Median energy cost is 9")
