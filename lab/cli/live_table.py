"""Live numbers of power meters: a table that stays in place on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from lab.report.format import MISSING, show

if TYPE_CHECKING:
    from rich.table import Table

    from instruments.protocol import LiveReading
    from lab.runner.live import LiveMeter, LiveRound

_COLUMNS = ("meter", "origin", "scope", "power", "least", "largest", "voltage", "current", "energy so far", "mean")


@dataclass(slots=True)
class Totals:
    """What a meter saw since the watching began. ``covered_s`` is the time for which there are samples."""

    energy_j: float = 0.0
    covered_s: float = 0.0

    def add(self, reading: LiveReading) -> None:
        """Take another period in; one without energy adds nothing."""
        if reading.energy_j is not None:
            self.energy_j += reading.energy_j
            self.covered_s += reading.duration_s

    @property
    def mean_w(self) -> float | None:
        """Mean power over the covered time."""
        return self.energy_j / self.covered_s if self.covered_s else None


class LiveDisplay(Protocol):
    """Shows one round after the other."""

    def show(self, round_: LiveRound, totals: Mapping[str, Totals]) -> None:
        """Show what was seen in one period, and the totals."""
        ...


@contextlib.contextmanager
def display(meters: list[LiveMeter]) -> Iterator[LiveDisplay]:
    """A table on a terminal, lines where the output goes to a file or another program."""
    if not sys.stdout.isatty():
        yield Lines(meters)
        return
    from rich.live import Live

    with Live(auto_refresh=False) as live:
        yield _LiveTable(meters, live)


class Lines:
    """One line for each meter and period."""

    def __init__(self, meters: list[LiveMeter]) -> None:
        self._meters = meters

    def show(self, round_: LiveRound, totals: Mapping[str, Totals]) -> None:
        """Print them."""
        for meter in self._meters:
            cells = _cells(meter, round_.readings[meter.name], totals[meter.name])
            numbers = "  ".join(
                f"{title} {text}" for title, text in zip(_COLUMNS[3:], cells[3:], strict=True) if text != MISSING
            )
            print(f"{round_.elapsed_s:9.3f} s  {meter.name} ({meter.origin}, {meter.scope})  {numbers}", flush=True)
            for code, detail in round_.readings[meter.name].faults:
                print(f"{round_.elapsed_s:9.3f} s  {meter.name}  ! {code}: {detail}", flush=True)


class _LiveTable:
    def __init__(self, meters: list[LiveMeter], live: object) -> None:
        from rich.live import Live

        assert isinstance(live, Live)
        self._meters = meters
        self._live = live
        self._faults: list[str] = []

    def show(self, round_: LiveRound, totals: Mapping[str, Totals]) -> None:
        self._live.update(self._table(round_, totals), refresh=True)

    def _table(self, round_: LiveRound, totals: Mapping[str, Totals]) -> Table:
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, title=f"{round_.elapsed_s:.1f} s · Ctrl-C ends", title_justify="left")
        for index, title in enumerate(_COLUMNS):
            table.add_column(title, justify="left" if index < 3 else "right", no_wrap=True)
        for meter in self._meters:
            table.add_row(*_cells(meter, round_.readings[meter.name], totals[meter.name]))
            for code, detail in round_.readings[meter.name].faults:
                self._faults.append(f"{round_.elapsed_s:.1f} s  {meter.name}: {code}: {detail}")
        if self._faults:
            table.caption = "\n".join(self._faults[-_FAULTS_SHOWN:])
            table.caption_justify = "left"
        return table


_FAULTS_SHOWN = 5


def _cells(meter: LiveMeter, reading: LiveReading, totals: Totals) -> tuple[str, ...]:
    return (
        meter.name,
        str(meter.origin),
        meter.scope,
        _text(reading.power_w, "W"),
        _text(reading.power_min_w, "W"),
        _text(reading.power_max_w, "W"),
        _text(reading.voltage_v, "V"),
        _text(reading.current_a, "A"),
        _text(totals.energy_j if totals.covered_s else None, "J"),
        _text(totals.mean_w, "W"),
    )


def _text(value: float | None, unit: str) -> str:
    return show(value, None, unit).text
