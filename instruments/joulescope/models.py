"""What the models of Joulescope have and how they differ, as far as the lab must know.

Codes and topics are those of the vendor's driver (jetperch/joulescope_driver, versions 2.2 and 2.3); JS220 and JS320
share theirs. Ranges are selected by number: the names of the small ones contain a µ that has two encodings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from lab.errors import UsageError

RANGE_CODES = 16
"""The range channel has four bits."""


@dataclass(frozen=True, slots=True)
class CurrentRange:
    """A current range: the code that the range channel gives, and the number that selects it."""

    name: str
    full_scale_a: float
    code: int
    select: int


@dataclass(frozen=True, slots=True)
class VoltageRange:
    """A voltage range and the number that selects it."""

    name: str
    full_scale_v: float
    select: int


@dataclass(frozen=True, slots=True)
class MeterModel:
    """A model of Joulescope.

    ``counter_hz`` is the rate at which ``sample_id`` counts, ``analog_hz`` the most samples per second of current and
    voltage, ``slowest_hz`` the fewest. ``has_range_mode`` tells the models that are told ``auto`` or ``manual`` apart
    from the range; on the JS110 the topic of that name is something else (see :mod:`.configuration`).
    ``filters_on_host`` is true where lower rates come from the driver's decimating filter and the logic inputs do not
    pass it, so that current and voltage lag behind them (:func:`filter_delay`). ``samples_are_numbered`` is false where
    the driver counts only what it received, so that losses leave no gap in ``sample_id``.
    """

    name: str
    counter_hz: int
    analog_hz: int
    slowest_hz: int
    current_ranges: tuple[CurrentRange, ...]
    voltage_ranges: tuple[VoltageRange, ...]
    logic_inputs: tuple[str, ...]
    has_range_mode: bool
    filters_on_host: bool
    samples_are_numbered: bool
    has_numbered_statistics: bool

    @property
    def rates_hz(self) -> tuple[int, ...]:
        """The sample rates there are, from the fastest."""
        steps = [step * 10**exponent for exponent in range(6, -1, -1) for step in (5, 2, 1)]
        return tuple(rate for rate in steps if self.slowest_hz <= rate <= self.analog_hz)

    def current_range(self, name: str) -> CurrentRange:
        """The range of that name. Raises :class:`UsageError` if there is none."""
        for item in self.current_ranges:
            if _plain(item.name) == _plain(name):
                return item
        known = ", ".join(item.name for item in self.current_ranges)
        raise UsageError(f"a {self.name} has no current range {name!r}", advice=f"it has {known}, and auto")

    def voltage_range(self, name: str) -> VoltageRange:
        """The range of that name. Raises :class:`UsageError` if there is none."""
        for item in self.voltage_ranges:
            if _plain(item.name) == _plain(name):
                return item
        known = ", ".join(item.name for item in self.voltage_ranges)
        raise UsageError(f"a {self.name} has no voltage range {name!r}", advice=f"it has {known}")


def same_range(name: str, other: str) -> bool:
    """Do two names mean the same range, whatever the spaces and whichever µ they are written with?"""
    return _plain(name) == _plain(other)


def _plain(name: str) -> str:
    return name.replace("\N{MICRO SIGN}", "u").replace("\N{GREEK SMALL LETTER MU}", "u").replace(" ", "").lower()


def filter_delay(factor: int) -> float:
    """By how many *input* samples the driver's decimating filter delays, for a decimation by ``factor``.

    The filter is a chain of symmetric FIR stages, those that halve (39 taps) before those that take each fifth sample
    (89 taps); the driver does not take the delay out of ``sample_id``. Raises ``ValueError`` for a factor that such a
    chain cannot have.
    """
    delay, spacing = 0.0, 1
    while factor > 1:
        step, center = (2, 19) if factor % 2 == 0 else (5, 44)
        if factor % step:
            raise ValueError(f"no chain of halves and fifths decimates by {factor}")
        delay += center * spacing
        spacing *= step
        factor //= step
    return delay


_JS110_RANGES = tuple(
    CurrentRange(name, full_scale_a, code, 1 << code)
    for code, (name, full_scale_a) in enumerate(
        (
            ("10 A", 10.0),
            ("2 A", 2.0),
            ("180 mA", 0.18),
            ("18 mA", 0.018),
            ("1.8 mA", 1.8e-3),
            ("180 µA", 180e-6),
            ("18 µA", 18e-6),
        )
    )
)
_JS220_RANGES = tuple(
    CurrentRange(name, full_scale_a, code, 0x80 | 1 << code)
    for code, (name, full_scale_a) in enumerate(
        (("10 A", 10.0), ("180 mA", 0.18), ("18 mA", 0.018), ("1.8 mA", 1.8e-3), ("180 µA", 180e-6), ("18 µA", 18e-6))
    )
)
_FOUR_INPUTS = ("gpi0", "gpi1", "gpi2", "gpi3")

MODELS = {
    model.name: model
    for model in (
        MeterModel(
            name="JS110",
            counter_hz=2_000_000,
            analog_hz=2_000_000,
            slowest_hz=1,
            current_ranges=_JS110_RANGES,
            voltage_ranges=(VoltageRange("15 V", 15.0, 0), VoltageRange("5 V", 5.0, 1)),
            logic_inputs=("gpi0", "gpi1"),
            has_range_mode=False,
            filters_on_host=False,
            samples_are_numbered=False,
            has_numbered_statistics=False,
        ),
        MeterModel(
            name="JS220",
            counter_hz=2_000_000,
            analog_hz=1_000_000,
            slowest_hz=1,
            current_ranges=_JS220_RANGES,
            voltage_ranges=(VoltageRange("15 V", 15.0, 0), VoltageRange("2 V", 2.0, 1)),
            logic_inputs=_FOUR_INPUTS,
            has_range_mode=True,
            filters_on_host=True,
            samples_are_numbered=True,
            has_numbered_statistics=True,
        ),
        MeterModel(
            name="JS320",
            counter_hz=16_000_000,
            analog_hz=1_000_000,
            slowest_hz=1_000,
            current_ranges=_JS220_RANGES,
            voltage_ranges=(VoltageRange("15 V", 15.0, 0), VoltageRange("2 V", 2.0, 1)),
            logic_inputs=_FOUR_INPUTS,
            has_range_mode=True,
            filters_on_host=False,
            samples_are_numbered=True,
            has_numbered_statistics=True,
        ),
    )
}
"""Every model, by its name.

The JS110's filter takes its logic inputs along, so these need no alignment; the JS320 decimates by itself.
"""


def ranges_by_code(model: MeterModel, full_scales_a: dict[str, float]) -> list[tuple[str, float]]:
    """Name and end of what each code of the range channel stands for; codes without a range have no end.

    ``full_scales_a`` gives the ends of the ranges by name; a range that is not in it has none.
    """
    table = [(f"code {code}", math.inf) for code in range(RANGE_CODES)]
    for item in model.current_ranges:
        table[item.code] = (item.name, full_scales_a.get(item.name, math.inf))
    return table
