"""What a bench file says of recordings that stand in for a live meter."""

from __future__ import annotations

from typing import ClassVar, Literal

from lab.bench.accuracy import Accuracy
from lab.bench.instrument import InstrumentModel


class EnergyRunner(InstrumentModel):
    """Power sessions that EnergyRunner (MLPerf Tiny) recorded."""

    measures_power: ClassVar[bool] = True

    kind: Literal["energyrunner"]
    accuracy: Accuracy | None = None
