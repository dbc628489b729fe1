"""What the operating system accounts to a process becomes readings; what it does not know has a reason."""

from __future__ import annotations

from collections.abc import Callable

from instruments.process_resources import UNITS, ProcessResources
from instruments.protocol import PassContext

MakeContext = Callable[..., PassContext]


def test_known_figures_are_readings_with_units_and_unknown_ones_have_a_reason(make_context: MakeContext) -> None:
    instrument = ProcessResources("resources")
    instrument.arm(make_context())
    instrument.start()
    instrument.finished({"elapsed_s": 2.0, "peak_rss_bytes": 4096.0, "major_faults": 0.0, "user_s": float("nan")})
    readings = {reading.name: reading for reading in instrument.stop().readings}
    assert readings.keys() == UNITS.keys()
    assert (readings["elapsed_s"].value, readings["elapsed_s"].unit) == (2.0, "s")
    assert (readings["peak_rss_bytes"].value, readings["peak_rss_bytes"].unit) == (4096.0, "B")
    assert (readings["major_faults"].value, readings["major_faults"].reasons) == (0.0, ())
    for name in ("user_s", "minor_faults"):
        assert (readings[name].value, readings[name].reasons) == (None, ("not_supported",))


def test_a_program_that_never_ran_has_no_figures(make_context: MakeContext) -> None:
    instrument = ProcessResources("resources")
    instrument.arm(make_context())
    instrument.start()
    assert instrument.stop().readings == ()
