"""What the record says of the meter, and what programs say of themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analysis.counters import counter_quantities
from analysis.meter import PowerLimits, is_power_meter, meter_of
from analysis.program_pass import BOARD_CLOCK, latency_budget, program_quantities, read_program
from analysis.readers import PROGRAM_READERS, program_reader
from analysis.readers.program_output import PrintedQuantity, ProgramOutput
from lab.errors import DataError
from lab.record.documents import Reading
from lab.record.quantity import Origin

RANGES = {
    "10 A": {"full_scale_a": 10.0, "gain_i": 0.0025, "offset_i_a": 1.5e-3, "gain_v": 0.001, "offset_v_v": 1e-3},
    "180 mA": {"full_scale_a": 0.18, "gain_i": 0.004, "offset_i_a": 1e-5, "gain_v": 0.001, "offset_v_v": 2e-3},
}


def manifest(chosen: Any = "auto", **accuracy: Any) -> dict[str, Any]:
    capabilities = {
        "measures": ["current", "voltage"],
        "origin": "measured",
        "scope": "board",
        "accuracy": {"ranges": RANGES, "timebase_ppm": 20.0, "source": "datasheet", **accuracy},
    }
    return {
        "board": {"origin": "measured"},
        "bench": {"resolved": {"instruments": {"m": {"range": chosen}}}},
        "instruments": {"m": {"capabilities": capabilities}},
    }


@pytest.mark.parametrize(
    ("chosen", "current_a", "expected"),
    [
        ("10 A", 0.01, "10 A"),
        (0.18, 0.01, "180 mA"),
        ("auto", 0.01, "180 mA"),
        ("auto", 0.5, "10 A"),
        ("auto", 99, "10 A"),
    ],
)
def test_the_limits_are_those_of_the_range_in_use(chosen: Any, current_a: float, expected: str) -> None:
    limits = meter_of(manifest(chosen), "m").limits(current_a)
    assert limits is not None
    assert limits.name == expected


def test_after_a_range_change_the_worst_of_all_ranges_counts() -> None:
    widest = meter_of(manifest("10 A"), "m").widest()
    assert widest is not None
    assert (widest.gain_i, widest.offset_i_a, widest.offset_v_v) == (0.004, 1.5e-3, 2e-3)


def test_what_is_not_known_of_a_meter_is_not_claimed() -> None:
    assert meter_of(manifest(), "m").claims
    assert meter_of(manifest(source="placeholder"), "m").reasons == ("placeholder_accuracy",)
    assert meter_of(manifest(ranges={}), "m").reasons == ("accuracy_unknown",)
    unknown = meter_of(manifest(), "another")
    assert unknown.reasons == ("accuracy_unknown",)
    assert not unknown.claims
    assert unknown.limits(1.0) is None


def test_a_meter_that_gives_power_alone_has_limits_of_power() -> None:
    meter = meter_of(manifest(ranges={}, power={"gain_p": 0.05, "offset_p_w": 2.0}), "m")
    assert meter.claims
    assert meter.power == PowerLimits(0.05, 2.0)
    # Where there are ranges, they count.
    assert meter_of(manifest(power={"gain_p": 0.05, "offset_p_w": 2.0}), "m").power is None
    assert meter_of(manifest(ranges={}, power=None), "m").reasons == ("accuracy_unknown",)


def test_an_assumed_voltage_is_said() -> None:
    content = manifest()
    content["instruments"]["m"]["capabilities"]["assumes"] = ["voltage"]
    assert "assumed_voltage" in meter_of(content, "m").reasons


def test_who_measures_power() -> None:
    assert is_power_meter({"capabilities": {"measures": ["energy"]}})
    assert not is_power_meter({"capabilities": {"measures": ["instructions", "elapsed_s"]}})
    assert not is_power_meter({})


@pytest.mark.parametrize("name", sorted(PROGRAM_READERS))
def test_every_reader_reads_nothing_as_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "stdout.txt").write_text("")
    output = program_reader(name).read_output(tmp_path)
    assert output.reasons
    assert output.inferences is None
    assert all(item.value is None for item in output.quantities)


def test_an_unknown_reader_is_named() -> None:
    with pytest.raises(DataError, match="nonesuch"):
        program_reader("nonesuch")


def test_a_pass_without_a_program_says_nothing() -> None:
    assert read_program("none", Path()) == ProgramOutput()
    assert read_program("benchmark_model", None) == ProgramOutput()
    assert read_program("nonesuch", Path()).reasons == ("output_unreadable",)


def test_a_latency_that_was_not_printed_is_a_row_with_its_reason() -> None:
    found = program_quantities(
        ProgramOutput(),
        pass_id="p",
        origin=Origin.MEASURED,
        codes=(),
        source="x",
        with_count=True,
        expected=[("latency_s", "s")],
    )
    assert [(item.quantity.name, item.quantity.value, item.quantity.reasons) for item in found] == [
        ("latency_s", None, ("output_unreadable",))
    ]


def test_the_budget_of_a_latency() -> None:
    output = ProgramOutput((PrintedQuantity("latency_std_s", 3e-4, "s"),), inferences=9)
    terms = {term.name: term for term in latency_budget(0.02, output).terms}
    assert terms["board clock"].u == pytest.approx(0.02 * BOARD_CLOCK / 3**0.5)
    assert terms["scatter in pass"].u == pytest.approx(1e-4)
    assert terms["scatter in pass"].dof == 8


# ---------------------------------------------------------------------------------------------- counters


def reading(value: float | None, *reasons: str) -> Reading:
    return Reading(
        pass_id="p", attempt=1, instrument="perf", name="instructions", value=value, unit="1", reasons=reasons
    )


def counted(first: Reading, runs: int | None, before: list[Reading], base_runs: int | None, **warmups: int) -> Any:
    output = ProgramOutput(inferences=runs, warmup_inferences=warmups.get("warmups"))
    baseline = ProgramOutput(inferences=base_runs, warmup_inferences=warmups.get("base_warmups"))
    found = counter_quantities([first], output, (before, baseline), pass_id="p", origin=Origin.MEASURED, codes=())
    return found[0].quantity


def test_the_difference_per_inference_leaves_start_up_out() -> None:
    assert counted(reading(5200.0), 51, [reading(200.0)], 1).value == 100.0


def test_different_warm_up_counts_as_inferences_too() -> None:
    assert counted(reading(5500.0), 51, [reading(200.0)], 1, warmups=4, base_warmups=1).value == 100.0


@pytest.mark.parametrize(
    ("first", "runs", "before", "base_runs", "reasons"),
    [
        (reading(None, "multiplexed"), 51, [reading(1.0)], 1, ("multiplexed",)),
        (reading(5.0), 51, [reading(None, "not_counted")], 1, ("not_counted",)),
        (reading(5.0), 51, [], 1, ("pass_missing",)),
        (reading(5.0), None, [reading(1.0)], 1, ("count_missing",)),
        (reading(5.0), 1, [reading(1.0)], 1, ("count_missing",)),
    ],
)
def test_what_is_missing_for_the_difference_is_said(
    first: Reading, runs: int | None, before: list[Reading], base_runs: int, reasons: tuple[str, ...]
) -> None:
    quantity = counted(first, runs, before, base_runs)
    assert quantity.value is None
    assert quantity.reasons == reasons


def test_nothing_happened_is_an_honest_zero() -> None:
    quantity = counted(reading(0.0), 51, [reading(0.0)], 1)
    assert (quantity.value, quantity.reasons) == (0.0, ())
