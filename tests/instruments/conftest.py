"""What the tests of the instruments share: a pass to be armed for, and a simulated bench's line with a pass on it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from instruments.protocol import Accuracy, PassContext, RangeAccuracy
from instruments.simulated.faults import MeterFault
from instruments.simulated.joulescope import SimulatedJoulescope, SimulatedJoulescopeSettings
from instruments.simulated.rail import Rail

MakeContext = Callable[..., PassContext]
MakeMeter = Callable[..., SimulatedJoulescope]


@pytest.fixture
def make_context(tmp_path: Path) -> MakeContext:
    """Contexts of different passes in one record."""

    def make(
        pass_id: str = "t0001.energy", *, seed: int = 11, events: tuple[str, ...] = (), window_only: bool = False
    ) -> PassContext:
        output = tmp_path / "output" / pass_id
        output.mkdir(parents=True, exist_ok=True)
        trace = tmp_path / "traces" / pass_id
        return PassContext(
            pass_id=pass_id,
            attempt=1,
            seed=seed,
            record_root=tmp_path,
            output=output,
            trace=trace,
            events=events,
            window_only=window_only,
        )

    return make


@pytest.fixture
def accuracy() -> Accuracy:
    """The limits of error of the worked case in the measurement document."""
    return Accuracy(
        ranges={"2 A": RangeAccuracy(full_scale_a=2.0, gain_i=2e-3, offset_i_a=1e-4, gain_v=1e-3, offset_v_v=1.5e-3)},
        timebase_ppm=50,
        source="datasheet",
    )


@pytest.fixture
def rail() -> Rail:
    """A 12 V supply behind 50 mΩ."""
    return Rail(12.0, 0.05)


@pytest.fixture
def make_meter(rail: Rail, accuracy: Accuracy) -> MakeMeter:
    """Meters on the line."""

    def make(
        *faults: MeterFault,
        rate_hz: float = 5000.0,
        campaign_seed: int = 7,
        model: str = "JS220",
        window_line: str = "gpi0",
        accuracy: Accuracy = accuracy,
    ) -> SimulatedJoulescope:
        settings = SimulatedJoulescopeSettings(
            model=model,
            rate_hz=rate_hz,
            range_name="2 A",
            window_line=window_line,
            accuracy=accuracy,
            campaign_seed=campaign_seed,
            faults=faults,
        )
        return SimulatedJoulescope("meter", settings, rail)

    return make
