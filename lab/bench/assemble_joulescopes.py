"""From a bench file's entries to Joulescopes, real and simulated."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from instruments.protocol import Instrument
from lab.bench import faults as fault_model
from lab.bench.assemble_accuracy import make_accuracy
from lab.bench.joulescopes import AUTO_RANGE, Joulescope, SimulatedJoulescope
from lab.errors import HardwareError, UsageError

if TYPE_CHECKING:
    from instruments.simulated import faults
    from instruments.simulated.rail import Rail


def make_joulescope(name: str, item: Joulescope, path: Path) -> Instrument:
    from instruments.joulescope import instrument
    from instruments.joulescope.settings import JoulescopeSettings

    try:
        settings = JoulescopeSettings(
            model=item.model,
            rate_hz=item.rate,
            range_name=item.range,
            window_line=item.window_line,
            accuracy=make_accuracy(item.accuracy),
            serial=item.serial,
            voltage_range_name=item.voltage_range,
            more_lines={str(line): str(meaning) for line, meaning in item.lines.items()},
            power=item.power,
            statistics=item.statistics,
            scope=item.scope,
        )
    except UsageError as error:
        raise UsageError(f"{path}: instruments.{name}: {error.message}", advice=error.advice) from None
    return instrument.Joulescope(name, settings)


def make_simulated_joulescope(
    name: str, item: SimulatedJoulescope, rail: Rail, path: Path, campaign_seed: int
) -> Instrument:
    from instruments.simulated import joulescope

    if item.range == AUTO_RANGE:
        raise HardwareError(
            f"{path}: instruments.{name}.range: a simulated Joulescope does not change ranges by itself",
            advice=f"name one of {', '.join(item.accuracy.ranges) or 'accuracy.ranges'}",
        )
    settings = joulescope.SimulatedJoulescopeSettings(
        model=item.model,
        rate_hz=item.rate,
        range_name=item.range,
        window_line=item.window_line,
        accuracy=make_accuracy(item.accuracy),
        campaign_seed=campaign_seed,
        faults=tuple(_meter_fault(fault) for fault in item.faults),
        lines={str(line): str(meaning) for line, meaning in item.lines.items()},
        scope=item.scope,
        rail=item.rail,
    )
    return joulescope.SimulatedJoulescope(name, settings, rail)


def _meter_fault(fault: fault_model.MeterFault) -> faults.MeterFault:
    from instruments.simulated import faults

    when: dict[str, Any] = {"probability": fault.probability, "passes": fault.passes or ("*",)}
    match fault:
        case fault_model.Drops():
            return faults.Drops(**when, gaps=fault.gaps, length_s=fault.length)
        case fault_model.Drift():
            return faults.Drift(**when, current_a=fault.current)
        case fault_model.Saturation():
            return faults.Saturation(**when, share=fault.share)
        case fault_model.RangeChange():
            return faults.RangeChange(**when, at=fault.at)
        case fault_model.Unplug():
            return faults.Unplug(**when, at=fault.at)
        case fault_model.EdgeJitter():
            return faults.EdgeJitter(**when, bound_s=fault.bound)
