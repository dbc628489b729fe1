"""What the energy of a trace of readings is read from: which channels, which of their readings, and from when."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from analysis.energy import Float64s
from analysis.energy_counter import CounterEnergy
from analysis.polled_power import PolledPower
from analysis.power_source import PowerSource
from analysis.reading_instants import NS_S, Bools, Origins, origins
from analysis.summed_power import SummedPower
from lab.errors import DataError
from lab.record.traces.readings import ChannelReadings, Readings

STALE_READINGS = 10
"""So many readings that are all equal are no measurement of a board that worked and rested."""


def readings_source(readings: Readings) -> PowerSource:
    """The source of a trace of readings.

    Energy comes from its counters; without any from its channels of power; without these from voltage and current.
    Several of a kind are added up: they count different parts. Raises :class:`DataError` for a trace without power.
    """
    length = float(readings.length)
    main = {name: item for name, item in readings.channels.items() if not item.channel.cross_check}
    others = [item for item in readings.channels.values() if item.channel.cross_check]
    checks = tuple(_sources(others, length, ()))
    sources = _sources(list(main.values()), length, checks)
    if not sources:
        raise DataError(f"{readings.path}: it holds no power: its channels are {', '.join(main) or 'none'}")
    return sources[0] if len(sources) == 1 else SummedPower(tuple(sources), checks)


def _sources(
    channels: Sequence[ChannelReadings], length: float, checks: tuple[PowerSource, ...]
) -> Sequence[PowerSource]:
    of: dict[str, list[ChannelReadings]] = {}
    for item in channels:
        if item.value.size:
            of.setdefault(item.channel.measures, []).append(item)
    if "energy" in of:
        return [CounterEnergy(item, length=length, checks=checks) for item in of["energy"]]
    if "power" in of:
        return [_polled(item, length, checks) for item in of["power"]]
    voltages, currents = of.get("voltage", []), of.get("current", [])
    if not voltages or len(voltages) != len(currents):
        return []
    pairs = zip(voltages, currents, strict=True)
    return [_polled_product(voltage, current, length, checks) for voltage, current in pairs]


def _polled(item: ChannelReadings, length: float, checks: tuple[PowerSource, ...]) -> PolledPower:
    at, kept = _kept(item)
    return PolledPower(
        at,
        item.value[kept],
        length=length,
        period_s=item.channel.update_period_s or 0.0,
        averaged_s=item.channel.averaged_s,
        reasons=_stale(item.value),
        checks=checks,
    )


def _polled_product(
    voltage: ChannelReadings, current: ChannelReadings, length: float, checks: tuple[PowerSource, ...]
) -> PolledPower:
    """Voltage and current read one after the other: power at the current's instants, the voltage interpolated."""
    at, kept = _kept(current)
    voltage_at, voltage_kept = _kept(voltage)
    current_a = current.value[kept]
    # Where only one of the two was read there is no power.
    both = np.flatnonzero((at.at >= voltage_at.at[0] - at.limit) & (at.at <= voltage_at.at[-1] + at.limit))
    voltage_v = np.interp(at.at[both], voltage_at.at, voltage.value[voltage_kept])
    periods = [item.channel.update_period_s or 0.0 for item in (voltage, current)]
    return PolledPower(
        at.chosen(both),
        voltage_v * current_a[both],
        length=length,
        period_s=max(periods),
        averaged_s=max(voltage.channel.averaged_s, current.channel.averaged_s),
        voltage_v=voltage_v,
        current_a=current_a[both],
        reasons=_stale(current.value),
        checks=checks,
    )


def _kept(item: ChannelReadings) -> tuple[Origins, NDArray[np.intp]]:
    """The readings that are not the same once more, and when their values are from."""
    renewed = np.diff(item.value, prepend=np.nan) != 0.0
    period_ns = (item.channel.update_period_s or 0.0) / NS_S
    at = origins(item, period_ns, renewed if period_ns else None)
    averaged_ns = item.channel.averaged_s / NS_S
    at = Origins(at.at - averaged_ns / 2.0, at.u, at.limit)
    kept = _without_duplicates(item.begin_ns, renewed, period_ns)
    return at.chosen(kept), kept


def _without_duplicates(begin_ns: NDArray[np.int64], renewed: Bools, period_ns: float) -> NDArray[np.intp]:
    """Which readings count: each new value, and an equal one if a whole period has passed since."""
    if not period_ns:
        return np.arange(begin_ns.size)
    starts = np.flatnonzero(renewed)
    stops = np.append(starts[1:], begin_ns.size)
    kept: list[int] = []
    for start, stop in zip(starts.tolist(), stops.tolist(), strict=True):
        place = start
        while place < stop:
            kept.append(place)
            place += max(int(np.searchsorted(begin_ns[place:stop], begin_ns[place] + period_ns)), 1)
    return np.array(kept, np.intp)


def _stale(values: Float64s) -> tuple[str, ...]:
    """A power that never changes while a program begins and ends is no measurement."""
    return ("meter_stale",) if values.size >= STALE_READINGS and bool((values == values[0]).all()) else ()
