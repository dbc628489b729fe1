"""How a Joulescope is set up, checked against what its model can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from instruments.joulescope.models import MODELS, CurrentRange, MeterModel, VoltageRange, filter_delay, same_range
from instruments.protocol import Accuracy, RangeAccuracy
from lab.errors import UsageError

AUTO_RANGE = "auto"
"""The range's name with which the meter chooses its range by itself."""

QUEUE_BYTES = 256 << 20
"""What may wait to be written: some 30 s of a JS220 at full rate."""


@dataclass(frozen=True, slots=True)
class JoulescopeSettings:
    """How a Joulescope is set up.

    ``model`` is ``JS110``, ``JS220`` or ``JS320``; ``serial`` tells it apart from others that are connected.
    ``range_name`` is the fixed current range, or ``auto``. ``window_line`` is the logic input that is high while
    inferences are measured; ``more_lines`` gives other wired inputs their meaning (``warmup``, ``program``). Inputs
    that nothing is wired to must not be named: they float. ``power`` also records the meter's own power channel, which
    costs 4 bytes a sample; at a lowered rate it is the better one, because it was multiplied before it was filtered.
    ``statistics`` has the meter's own sums compared with ours. ``queue_bytes`` bounds what waits to be written.

    Raises :class:`UsageError` if these do not fit together or the model does not exist.
    """

    model: str
    rate_hz: float
    range_name: str
    window_line: str
    accuracy: Accuracy
    serial: str | None = None
    voltage_range_name: str = "15 V"
    more_lines: Mapping[str, str] = field(default_factory=dict)
    power: bool = False
    statistics: bool = True
    scope: str = "board"
    queue_bytes: int = QUEUE_BYTES

    def __post_init__(self) -> None:
        if self.model not in MODELS:
            raise UsageError(f"no Joulescope of model {self.model!r}", advice=f"there are {', '.join(MODELS)}")
        meter = MODELS[self.model]
        if self.rate_hz not in meter.rates_hz:
            nearest = min(meter.rates_hz, key=lambda rate: abs(rate - self.rate_hz))
            raise UsageError(
                f"a {self.model} does not give {self.rate_hz:g} samples per second", advice=f"the nearest is {nearest}"
            )
        if self.range_name != AUTO_RANGE:
            meter.current_range(self.range_name)
        meter.voltage_range(self.voltage_range_name)
        for line in (self.window_line, *self.more_lines):
            if line not in meter.logic_inputs:
                raise UsageError(
                    f"a {self.model} has no logic input {line!r}", advice=f"it has {', '.join(meter.logic_inputs)}"
                )
        if self.window_line in self.more_lines:
            raise UsageError(f"the logic input {self.window_line} is named twice")
        if len({"window", *self.more_lines.values()}) <= len(self.more_lines):
            raise UsageError("two logic inputs have the same meaning", advice="each meaning can be wired once")

    @property
    def meter(self) -> MeterModel:
        """What the model has."""
        return MODELS[self.model]

    @property
    def fixed_range(self) -> CurrentRange | None:
        """The current range that is held; ``None`` where the meter chooses."""
        return None if self.range_name == AUTO_RANGE else self.meter.current_range(self.range_name)

    @property
    def voltage_range(self) -> VoltageRange:
        """The voltage range that is held."""
        return self.meter.voltage_range(self.voltage_range_name)

    @property
    def lines(self) -> dict[str, str]:
        """Logic input → what is wired to it."""
        return {self.window_line: "window", **self.more_lines}

    @property
    def decimation(self) -> int:
        """Counts of ``sample_id`` per sample of current and voltage."""
        return round(self.meter.counter_hz / self.rate_hz)

    @property
    def lag_counts(self) -> int:
        """By how many counts current and voltage, as they are numbered, lag behind the logic inputs.

        A filtered sample carries the number of the last input sample that went into it; its own middle lies the
        filter's delay before. A sample as the trace means it begins half its length before its middle.
        """
        if not self.meter.filters_on_host:
            return 0
        step = self.meter.counter_hz // self.meter.analog_hz
        factor = self.decimation // step
        return round(filter_delay(factor) * step + (self.decimation - step) / 2)

    def limits(self, name: str) -> RangeAccuracy | None:
        """The limits of error that the bench states for a current range, if it does."""
        for known, limits in self.accuracy.ranges.items():
            if same_range(known, name):
                return limits
        return None

    @property
    def full_scales_a(self) -> dict[str, float]:
        """The ends of the ranges beyond which samples are worth nothing, in A by the range's name.

        Those of the bench file, else of the model. Where the meter chooses its range only the largest has an end: it
        leaves the others by itself, a little beyond their nominal end.
        """
        counted = [self.fixed_range] if self.fixed_range else [max(self.meter.current_ranges, key=_full_scale)]
        ends: dict[str, float] = {}
        for item in counted:
            limits = self.limits(item.name)
            ends[item.name] = limits.full_scale_a if limits else item.full_scale_a
        return ends


def _full_scale(item: CurrentRange) -> float:
    return item.full_scale_a
