"""Value ± U: rounded after the GUM, prefixed for people, and never a number where there is none."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures.units import Scale, prefix_exponent, scale_for, tick_text
from lab.report.format import MISSING, THIN_SPACE, grouped, percent, plural, ratio, round_pair, show

PREFIXES = {"f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15}
FROM_SUPERSCRIPT = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")

values = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False).filter(lambda value: abs(value) > 1e-9)
uncertainties = st.floats(min_value=1e-12, max_value=1e9, exclude_min=True)


def parsed(numeral: str) -> Decimal:
    """A shown numeral read back."""
    return Decimal(numeral.replace(THIN_SPACE, "").replace("−", "-"))


@pytest.mark.parametrize(
    ("value", "expanded_u", "unit", "text"),
    [
        (0.02410, 0.00023, "J", "(24.10 ± 0.23) mJ"),
        (1234.4, 120.0, "J", "(1.23 ± 0.12) kJ"),
        (0.9996, 0.0012, "s", "(999.6 ± 1.2) ms"),
        (0.99996, 0.02, "s", "(1.000 ± 0.020) s"),
        (12.0, 0.0996, "J", "(12.00 ± 0.10) J"),
        (0.0, 0.003, "J", "(0.0 ± 3.0) mJ"),
        (-0.0241, 0.0001, "J", "(−24.10 ± 0.10) mJ"),
        (5e9, 3e6, "1", "(5.0000 ± 0.0030) ×10⁹"),
        (7.8e-5, 1e-5, "1", "(7.8 ± 1.0) ×10⁻⁵"),
        (8_500_000.0, 0.0, "1", f"8{THIN_SPACE}500{THIN_SPACE}000"),
        (22_353_028.0, None, "1", f"22{THIN_SPACE}353{THIN_SPACE}028"),
        (217.03, None, "%", "217.0 %"),
        (4_194_304.0, None, "B", "4.194 MB"),
        (0.99999999, None, "s", "1.000 s"),
        (2.4e-6, 1e-7, "Js", "(2.40 ± 0.10) µJ·s"),
    ],
)
def test_shown_as_a_person_would_write_it(value: float, expanded_u: float | None, unit: str, text: str) -> None:
    assert show(value, expanded_u, unit).text == text


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_no_number_is_a_dash(value: float | None) -> None:
    assert show(value, 1.0, "J").text == MISSING
    assert show(value, None, "J").text == MISSING


def test_an_uncertainty_that_is_no_number_is_none_claimed() -> None:
    assert show(1.5, math.nan, "J") == show(1.5, None, "J")


@given(values, uncertainties)
def test_u_has_two_digits_and_the_value_ends_at_the_same_place(value: float, expanded_u: float) -> None:
    number, uncertainty = round_pair(value, expanded_u)
    assert "e" not in (number + uncertainty).lower()
    assert len(number.partition(".")[2]) == len(uncertainty.partition(".")[2])
    digits = uncertainty.replace(".", "").lstrip("0")
    assert len(digits) == 2 or (len(digits) > 2 and "." not in uncertainty and not digits[2:].strip("0"))


@given(values, uncertainties)
def test_rounding_moves_neither_by_more_than_half_a_last_place(value: float, expanded_u: float) -> None:
    number, uncertainty = map(Decimal, round_pair(value, expanded_u))
    place = Decimal(10) ** (uncertainty.adjusted() - 1)
    assert abs(number - Decimal(repr(value))) <= place / 2
    assert abs(uncertainty - Decimal(repr(expanded_u))) <= place / 2


@given(values, uncertainties, st.sampled_from(["s", "J", "W", "J·s", "%", "1"]))
def test_what_is_shown_reads_back_as_the_value(value: float, expanded_u: float, unit: str) -> None:
    shown = show(value, expanded_u, unit)
    bare = "" if unit == "1" else unit
    if shown.unit.startswith("×10"):
        exponent = int(shown.unit.removesuffix(f" {bare}").removeprefix("×10").translate(FROM_SUPERSCRIPT))
    else:
        exponent = PREFIXES[shown.unit.removesuffix(bare)]
    back = float(parsed(shown.value)) * 10.0**exponent
    place = 10.0 ** (math.floor(math.log10(expanded_u * 1.0000001)) - 1)
    assert abs(back - value) <= max(5.01 * place, 0.00051 * abs(value) * ("e" in shown.value)) + 1e-12 * abs(value)


@given(st.floats(min_value=1e-14, max_value=9e17), st.sampled_from(["s", "J", "W", "J·s"]))
def test_a_prefix_leaves_one_to_three_digits_before_the_point(value: float, unit: str) -> None:
    exponent = prefix_exponent(value, unit)
    shown = value / 10.0**exponent
    assert 1 - 1e-12 <= shown < 1000


@given(st.floats(allow_nan=False, allow_infinity=False), st.one_of(st.none(), st.floats(min_value=0)), st.text())
def test_anything_can_be_shown(value: float, expanded_u: float | None, unit: str) -> None:
    shown = show(value, expanded_u, unit)
    assert shown.value
    assert "nan" not in (shown.value + shown.uncertainty).lower()
    assert "inf" not in (shown.value + shown.uncertainty).lower()


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_grouping_keeps_the_number(value: int) -> None:
    assert parsed(grouped(str(value))) == value


def test_ticks_and_scales_in_words() -> None:
    assert [tick_text(value, "s") for value in (1e-6, 0.01, 1.0, 300.0)] == ["1 µs", "10 ms", "1 s", "300 s"]
    assert tick_text(2e6, "1") == "2 M"
    assert tick_text(300.0, "%") == "300 %"
    assert scale_for([0.002, 0.004, 0.1], "J").unit == "mJ"
    assert scale_for([], "J").unit == "J"
    assert scale_for([2016.0, 2212.0], "1").unit == ""
    assert scale_for([2e7], "1").unit == "×10⁶"
    assert scale_for([3e-9], "1") == Scale(10.0**9, "×10⁻⁹")


def test_small_words() -> None:
    assert ratio(188.2) == f"188{THIN_SPACE}×"
    assert ratio(math.nan) == MISSING
    assert [percent(share) for share in (None, 0.0, 1e-6, 0.123, 1.0)] == [MISSING, "0 %", "< 0.01 %", "12 %", "100 %"]
    assert [plural(1, "trial"), plural(2, "pass", "passes")] == ["1 trial", "2 passes"]
