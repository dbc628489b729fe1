"""From a bench file's entry to a PPK2."""

from __future__ import annotations

from pathlib import Path

from instruments.protocol import Instrument
from lab.bench.assemble_accuracy import make_accuracy
from lab.bench.ppk2 import Ppk2
from lab.errors import UsageError


def make_ppk2(name: str, item: Ppk2, path: Path) -> Instrument:
    """The kit; nothing is opened. Raises :class:`UsageError` for settings that do not fit together."""
    from instruments.ppk2 import instrument
    from instruments.ppk2.settings import Ppk2Settings

    try:
        settings = Ppk2Settings(
            voltage_v=item.voltage,
            window_line=item.window_line,
            accuracy=make_accuracy(item.accuracy),
            mode=item.mode,
            port=item.port,
            serial=item.serial,
            more_lines={str(line): str(meaning) for line, meaning in item.lines.items()},
            scope=item.scope,
            leave_on=item.leave_on,
        )
    except UsageError as error:
        raise UsageError(f"{path}: instruments.{name}: {error.message}", advice=error.advice) from None
    return instrument.Ppk2(name, settings)
