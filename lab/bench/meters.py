"""What a bench file says of meters that are asked again and again: a GPU's, a processor's, a sensor chip's."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from lab.bench.accuracy import Accuracy
from lab.bench.instrument import InstrumentModel
from lab.config.fields import Text, Whole, config_error
from lab.config.units import Duration

_SHORTEST_PERIOD_S = 1e-3
_LONGEST_PERIOD_S = 10.0


class _PolledMeter(InstrumentModel):
    measures_power: ClassVar[bool] = True

    accuracy: Accuracy

    @model_validator(mode="after")
    def _accuracy_is_of_power(self) -> _PolledMeter:
        if self.accuracy.ranges:
            raise config_error(
                "this meter has no current ranges", expected="limits in 'power'", at=("accuracy", "ranges")
            )
        return self


def _checked_period(period_s: float | None) -> None:
    if period_s is not None and not _SHORTEST_PERIOD_S <= period_s <= _LONGEST_PERIOD_S:
        raise config_error("not a period to ask at", expected="1 ms to 10 s", at=("period",))


class Nvml(_PolledMeter):
    """An NVIDIA GPU's own energy counter and power sensor, by NVML."""

    kind: Literal["nvml"]
    device: Text | Whole | None = Field(
        None,
        description="Which GPU: index, UUID (GPU-…) or PCI bus id (00000000:65:00.0); default: the only one there is",
    )
    scope: Text = Field("gpu", description="What its energy is the energy of")
    period: Duration = Field(0.01, description="How often the GPU is asked")

    @model_validator(mode="after")
    def _period_is_possible(self) -> Nvml:
        _checked_period(self.period)
        return self


class Rapl(_PolledMeter):
    """A processor's own energy counters (RAPL), by perf or powercap."""

    kind: Literal["rapl"]
    domain: Literal["package", "cores", "dram", "psys"] = Field(
        "package", description="The whole processor, its cores, its memory, or the platform"
    )
    package: Whole = Field(0, description="Which processor (socket)")
    source: Literal["auto", "perf", "powercap"] = Field("auto", description="Where from; auto: the first that moves")
    scope: Text | None = Field(
        None, description="What its energy is the energy of; default: domain and package, such as package-0"
    )
    period: Duration = Field(0.01, description="How often the counter is read")

    @model_validator(mode="after")
    def _is_possible(self) -> Rapl:
        _checked_period(self.period)
        if self.domain == "psys" and self.package != 0:
            raise config_error("psys is the whole platform", expected="no package", at=("package",))
        return self


class Hwmon(_PolledMeter):
    """A power sensor among the kernel's hardware monitors: INA219, INA226, INA3221 and others."""

    kind: Literal["hwmon"]
    chip: Text | None = Field(None, description="The driver's name for it, such as ina226 or ina3221")
    address: Text | None = Field(None, description="Where it is, such as 1-0040 (bus and I²C address)")
    label: Text | None = Field(None, description="The channel's label in the device tree, such as VDD_IN")
    channel: Annotated[int, Field(ge=0, le=999, strict=True)] | None = Field(
        None, description="The number n in power⟨n⟩_input or in⟨n⟩_input and curr⟨n⟩_input"
    )
    scope: Text | None = Field(None, description="What its energy is the energy of; default: the names above")
    period: Duration | None = Field(
        None, description="How often it is read; default: twice in the chip's update interval"
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Hwmon:
        _checked_period(self.period)
        if self.chip is None and self.address is None and self.label is None:
            raise config_error("which sensor?", expected="'chip', 'address' or 'label'", at=("kind",))
        return self
