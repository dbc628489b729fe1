"""Places in configuration data, written and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.config.location import parse, render

PARTS = st.lists(st.text() | st.integers(0, 99), min_size=1, max_size=5)


@given(PARTS)
def test_what_is_rendered_is_read_back(parts: list[str | int]) -> None:
    assert parse(render(parts)) == tuple(parts)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("repeats", ("repeats",)),
        ("passes.energy.duration", ("passes", "energy", "duration")),
        ("analysis.figures[0].x", ("analysis", "figures", 0, "x")),
        ("analysis.figures.0.x", ("analysis", "figures", "0", "x")),
        ("ranges.2 A.gain_i", ("ranges", "2 A", "gain_i")),
        ('ranges["2 A"].gain_i', ("ranges", "2 A", "gain_i")),
        ("ranges['10.5 A'].gain_i", ("ranges", "10.5 A", "gain_i")),
    ],
)
def test_how_people_write_places(text: str, parts: tuple[str | int, ...]) -> None:
    assert parse(text) == parts


@pytest.mark.parametrize("text", ["", ".", ".a", "a.", "a..b", "a[", "a[x]", "a]", "a[0", 'a["b]'])
def test_what_is_no_place(text: str) -> None:
    with pytest.raises(ValueError, match="not a key"):
        parse(text)
