"""Quantities with units: what is accepted, what it becomes, and what a person is told otherwise."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from lab.config import units
from lab.config.units import (
    Bandwidth,
    Current,
    Dimension,
    Duration,
    Frequency,
    Power,
    Probability,
    Ratio,
    Size,
    Temperature,
    Voltage,
)

TYPES: dict[str, tuple[object, Dimension]] = {
    "duration": (Duration, units.DURATION),
    "frequency": (Frequency, units.FREQUENCY),
    "size": (Size, units.SIZE),
    "current": (Current, units.CURRENT),
    "voltage": (Voltage, units.VOLTAGE),
    "power": (Power, units.POWER),
    "temperature": (Temperature, units.TEMPERATURE),
    "bandwidth": (Bandwidth, units.BANDWIDTH),
    "ratio": (Ratio, units.RATIO),
}
ADAPTERS = {name: TypeAdapter(kind) for name, (kind, _) in TYPES.items()}


def problem(name: str, value: object) -> dict[str, str | None]:
    with pytest.raises(ValidationError) as caught:
        ADAPTERS[name].validate_python(value)
    (error,) = caught.value.errors()
    assert error["type"] == "config"
    return error["ctx"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("duration", "10 s", 10.0),
        ("duration", "2 min", 120.0),
        ("duration", "500 ms", 0.5),
        ("duration", "250us", 250e-6),
        ("duration", "1.5h", 5400.0),
        ("duration", 3, 3.0),
        ("duration", "3", 3.0),
        ("duration", 0.25, 0.25),
        ("frequency", "5 kHz", 5000.0),
        ("frequency", "1 MHz", 1e6),
        ("size", "32 KiB", 32768),
        ("size", "868 KiB", 888832),
        ("size", "1 kB", 1000),
        ("size", "1.5 KiB", 1536),
        ("size", 64, 64),
        ("current", "2 A", 2.0),
        ("current", "100 uA", 100e-6),
        ("current", "100 µA", 100e-6),
        ("current", "100 μA", 100e-6),
        ("voltage", "1.5 mV", 1.5e-3),
        ("power", "20 mW", 0.02),
        ("temperature", "45 °C", 45.0),
        ("temperature", "62.5", 62.5),
        ("ratio", "0.2 %", 0.002),
        ("ratio", "50 ppm", 50e-6),
        ("ratio", 0.002, 0.002),
        ("ratio", "1e-3", 1e-3),
    ],
)
def test_what_it_becomes(name: str, text: object, value: float) -> None:
    found = ADAPTERS[name].validate_python(text)
    assert found == value
    assert isinstance(found, int if name == "size" else float)


@given(st.data())
def test_value_is_the_float_nearest_to_number_times_unit(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(sorted(TYPES)))
    dimension = TYPES[name][1]
    unit = data.draw(st.sampled_from(sorted(dimension.units)))
    digits = data.draw(st.integers(0, 10**9))
    decimals = 0 if name == "size" else data.draw(st.integers(0, 6))
    number = f"{Fraction(digits, 10**decimals).__float__():.{decimals}f}" if decimals else str(digits)
    space = data.draw(st.sampled_from(["", " ", "  ", "\t"]))
    exact = Fraction(number) * Fraction(dimension.units[unit])
    assert ADAPTERS[name].validate_python(f"{number}{space}{unit}") == exact.__float__()


@given(st.sampled_from(sorted(TYPES)), st.floats(allow_nan=True, allow_infinity=True) | st.integers() | st.text())
def test_anything_is_a_finite_non_negative_value_or_one_clear_error(name: str, value: object) -> None:
    try:
        found = ADAPTERS[name].validate_python(value)
    except ValidationError as error:
        (only,) = error.errors()
        assert only["type"] == "config"
        assert only["ctx"]["expected"].startswith("a ")
    else:
        assert 0 <= found < float("inf")


@given(st.sampled_from(sorted(TYPES)), st.integers(0, 10**12))
def test_a_resolved_value_reads_as_itself(name: str, value: int) -> None:
    adapter = ADAPTERS[name]
    once = adapter.validate_python(value)
    assert adapter.validate_python(adapter.dump_python(once, mode="json")) == once


@pytest.mark.parametrize(
    ("name", "text", "message", "suggestion"),
    [
        ("duration", "10 sec", "unknown unit 'sec'", "10 s"),
        ("duration", "10 S", "unknown unit 'S'", "10 s"),
        ("frequency", "5 khz", "unknown unit 'khz'", "5 kHz"),
        ("size", "32 kib", "unknown unit 'kib'", "32 KiB"),
        ("size", "32 K", "unknown unit 'K'", "32 KiB"),
        ("current", "2 V", "unknown unit 'V'", None),
        ("duration", "soon", "not a quantity", None),
        ("duration", "", "not a quantity", None),
        ("duration", True, "not a quantity", None),
        ("duration", None, "not a quantity", None),
        ("duration", [1], "not a quantity", None),
        ("duration", "-1 s", "must not be negative", None),
        ("duration", float("nan"), "not a finite number", None),
        ("duration", "9e999 s", "not a finite number", None),
        ("bandwidth", "1 Gb/s", "unknown unit 'Gb/s'", "1 Gbit/s"),
        ("bandwidth", "100 Mbps", "unknown unit 'Mbps'", "100 Mbit/s"),
        ("bandwidth", "3 mb/s", "unknown unit 'mb/s'", "3 Mbit/s"),
        ("size", "1.5 B", "must be a whole number of bytes", None),
    ],
)
def test_what_a_person_is_told(name: str, text: object, message: str, suggestion: str | None) -> None:
    context = problem(name, text)
    assert context["message"] == message
    assert context["suggestion"] == suggestion
    assert context["expected"] == TYPES[name][1].expected


def test_no_unit_of_another_letter_case_is_guessed_when_two_would_fit() -> None:
    assert problem("frequency", "5 mhz")["suggestion"] is None


def test_probability_is_at_most_one() -> None:
    adapter = TypeAdapter(Probability)
    assert adapter.validate_python("5 %") == 0.05
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        adapter.validate_python("120 %")
