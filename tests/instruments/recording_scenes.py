"""Instruments that play recordings, each with a recording to play."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
from fake_joulescope import pulse, step
from meter_scenes import ACCURACY, BEGIN_S, BUSY_A, END_S, IDLE_A, LENGTH_S, VOLTS, Scene

from instruments.energyrunner import EnergyRunnerReplay
from instruments.protocol import PassContext
from instruments.replay.instrument import RecordingReplay
from instruments.replay.settings import ReplaySettings
from lab.record.traces.csv_table import CsvColumn, CsvLayout, CsvLogicColumn


def _of_replay_tests(name: str) -> ModuleType:
    """A helper of the replay's tests, which lie in a folder of their own."""
    folder = str(Path(__file__).parents[1] / "replay")
    if folder not in sys.path:
        sys.path.append(folder)
    return importlib.import_module(name)


class RecordingScene(Scene):
    """A recording that lies on the disk; ``write`` puts it there as it is described now."""

    path: Path

    def write(self) -> None:
        """Write the recording."""
        raise NotImplementedError

    def pass_time(self) -> None:
        """Nothing moves: it was recorded before."""

    def absent(self) -> None:
        self.path.unlink()


class JlsScene(RecordingScene):
    """A JS220's file, from whichever program: current, voltage, a logic line, perhaps range codes."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "recording.jls"
        self.codes: np.ndarray | None = None
        self.sample(1000)
        self.instrument = RecordingReplay("meter", ReplaySettings(file=self.path, accuracy=ACCURACY, range_name="10 A"))

    def sample(self, rate_hz: int) -> None:
        """Write a recording with so many samples per second."""
        self.rate_hz = rate_hz
        t = np.arange(round(LENGTH_S * rate_hz)) / rate_hz
        self.current = step(IDLE_A, BUSY_A, BEGIN_S, END_S)(t).astype(np.float32)
        self.voltage = np.full(t.size, VOLTS, np.float32)
        self.level = pulse(BEGIN_S, END_S)(t).astype(np.uint8)
        self.write()

    def write(self) -> None:
        files = _of_replay_tests("jls_files")
        self.path.unlink(missing_ok=True)
        signals = [
            files.ForeignSignal("i", self.current, rate_hz=self.rate_hz),
            files.ForeignSignal("v", self.voltage, rate_hz=self.rate_hz),
            files.ForeignSignal("0", self.level, rate_hz=self.rate_hz, data_type=files.U1),
        ]
        if self.codes is not None:
            signals.append(files.ForeignSignal("current_range", self.codes, rate_hz=self.rate_hz, data_type=files.U4))
        files.write_foreign(self.path, signals)


class TableScene(RecordingScene):
    """A table of values, with a row for each sample or for each reading."""

    RATE_HZ = 200

    def __init__(self, folder: Path, *, readings: bool) -> None:
        super().__init__()
        self.path = folder / "recording.csv"
        self.t = np.arange(round(LENGTH_S * self.RATE_HZ)) / self.RATE_HZ
        self.current = step(IDLE_A, BUSY_A, BEGIN_S, END_S)(self.t)
        self.level = pulse(BEGIN_S, END_S)(self.t)
        self.write()
        layout = CsvLayout(
            analog={"current": CsvColumn("i"), "voltage": CsvColumn("v")},
            logic={"gpi0": CsvLogicColumn("w")},
            time=CsvColumn("t"),
            rate_hz=None if readings else float(self.RATE_HZ),
            readings=readings,
        )
        setup = ReplaySettings(file=self.path, layout=layout, accuracy=ACCURACY, range_name="10 A")
        self.instrument = RecordingReplay("meter", setup)

    def write(self) -> None:
        rows = zip(self.t.tolist(), self.current.tolist(), self.level.tolist(), strict=True)
        cells = (f"{t:.6f},{'' if np.isnan(i) else f'{i:.6f}'},{VOLTS},{int(w)}\n" for t, i, w in rows)
        self.path.write_text("t,i,v,w\n" + "".join(cells))


class EnergyRunnerScene(RecordingScene):
    """A session that EnergyRunner recorded."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "sessions" / "made"
        sessions = _of_replay_tests("energyrunner_sessions")
        self.session = sessions.make_session(samples=3000, instants_s=(0.0104, 0.5003, 2.0118), inferences=40, seed=7)
        sessions.write_session(self.session, self.path)
        self.instrument = EnergyRunnerReplay("meter", self.path.parent)

    def prepared(self, context: PassContext) -> PassContext:
        return replace(context, session=self.path)

    def idle(self, before_uj: float, after_uj: float) -> None:
        """Energy of each sample before and after the window."""
        energy_uj = self.session.energy_uj
        energy_uj[:500], energy_uj[-900:] = before_uj, after_uj
        trace = _of_replay_tests("energyrunner_sessions").trace_bytes(self.session)
        (self.path / "trace1-energy.bin").write_bytes(trace)

    def change(self, file: str, old: str, new: str) -> None:
        """Change one of its texts."""
        text = (self.path / file).read_text(encoding="utf-8")
        assert old in text
        (self.path / file).write_text(text.replace(old, new), encoding="utf-8")

    def absent(self) -> None:
        (self.path / "trace1-energy.bin").unlink()
