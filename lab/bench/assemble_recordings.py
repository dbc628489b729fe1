"""From a bench file's entries to instruments that play recordings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.bench.assemble_accuracy import make_accuracy
from lab.bench.csv_layouts import CsvLayout, column_scales, load_layout, logic_columns
from lab.bench.recordings import EnergyRunner, Replay, Stretch
from lab.config.environment import resolve
from lab.record.quantity import Origin

if TYPE_CHECKING:
    from instruments.energyrunner import EnergyRunnerReplay
    from instruments.replay.instrument import RecordingReplay
    from instruments.replay.settings import WindowChoice
    from lab.record.traces import csv_table


def make_energyrunner(name: str, item: EnergyRunner) -> EnergyRunnerReplay:
    from instruments.energyrunner import EnergyRunnerReplay

    return EnergyRunnerReplay(name, accuracy=None if item.accuracy is None else make_accuracy(item.accuracy))


def make_replay(name: str, item: Replay, path: Path) -> RecordingReplay:
    """The instrument of an entry of the bench file ``path``, which its own paths are relative to.

    Raises :class:`lab.config.problems.ConfigErrors` for a layout's file with mistakes.
    """
    from instruments.replay.instrument import RecordingReplay
    from instruments.replay.settings import ReplaySettings

    layout = item.layout
    if isinstance(layout, str):
        layout = load_layout(resolve(layout, path.parent))
    return RecordingReplay(
        name,
        ReplaySettings(
            file=None if item.file is None else resolve(item.file, path.parent),
            layout=None if layout is None else make_layout(layout),
            source=item.source or "",
            signals={str(channel): signal for channel, signal in item.signals.items()},
            window=_window(item),
            lines={str(line): str(meaning) for line, meaning in item.lines.items()},
            scope=item.scope,
            accuracy=None if item.accuracy is None else make_accuracy(item.accuracy),
            range_name=item.range,
            origin=Origin(item.origin),
        ),
    )


def make_layout(layout: CsvLayout) -> csv_table.CsvLayout:
    """A layout as the reader of tables takes it."""
    from lab.record.traces import csv_table

    scales = column_scales(layout.columns)
    time = scales.pop("time", None)
    return csv_table.CsvLayout(
        analog={name: csv_table.CsvColumn(*column) for name, column in scales.items()},
        logic={line: csv_table.CsvLogicColumn(*column) for line, column in logic_columns(layout.columns).items()},
        time=None if time is None else csv_table.CsvColumn(*time),
        rate_hz=layout.rate,
        separator=layout.separator,
        decimal=layout.decimal,
        header_lines=layout.header_lines,
        missing=layout.missing,
        jitter=layout.jitter,
        assumed_voltage_v=layout.assumed_voltage,
        readings=layout.rows == "readings",
    )


def _window(item: Replay) -> WindowChoice:
    from instruments.replay.settings import WindowChoice

    if item.window is None:
        return WindowChoice("default")
    if isinstance(item.window, Stretch):
        return WindowChoice("stretch", begin_s=item.window.begin, end_s=item.window.end)
    if item.window in ("whole", "stamps"):
        return WindowChoice(item.window)
    return WindowChoice("line", line=item.window)
