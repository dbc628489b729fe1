"""Cachegrind's totals are read whole or not at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.record.formats.cachegrind import LAB_EVENTS, CacheLevel, parse

TEXT = """\
desc: I1 cache:         32768 B, 64 B, 2-way associative
desc: D1 cache:         32768 B, 64 B, 4-way associative
desc: LL cache:         524288 B, 64 B, direct-mapped
cmd: ./program --data events: summary: x
events: Ir I1mr ILmr Dr D1mr DLmr Dw D1mw DLmw
fl=./csu/../csu/libc-start.c
fn=operator()(int)::summary: 1 2
128 2 1 1 2 0 0 0 0 0
summary: 127755 1144 1072 29401 1250 1016 10266 352 312
"""


def test_totals_caches_and_command() -> None:
    read = parse(TEXT)
    assert {name: read.totals[own] for name, own in LAB_EVENTS.items()} == {
        "instructions": 127755,
        "L1-icache-loads": 127755,
        "L1-icache-load-misses": 1144,
        "L1-dcache-loads": 29401,
        "L1-dcache-load-misses": 1250,
        "L1-dcache-stores": 10266,
        "L1-dcache-store-misses": 352,
        "LLC-load-misses": 1016,
        "LLC-store-misses": 312,
    }
    assert read.caches["D1"] == CacheLevel(size_bytes=32768, line_bytes=64, ways=4)
    assert read.caches["LL"].ways == 1
    assert read.command == "./program --data events: summary: x"


@given(st.integers(0, TEXT.index("summary: 127755") + len("summary:")))
def test_a_file_that_was_cut_short_is_refused(at: int) -> None:
    with pytest.raises(ValueError, match=r"events|summary|cut short"):
        parse(TEXT[:at])


@pytest.mark.parametrize("summary", ["1 2 3", "1 2 3 4 5 6 7 8 -9", "1 2 3 4 5 6 7 8 9 10", "1 2 3 4 5 6 7 8 x"])
def test_totals_that_do_not_fit_the_events_are_refused(summary: str) -> None:
    with pytest.raises(ValueError, match="9 events"):
        parse(TEXT[: TEXT.index("summary: 127755")] + f"summary: {summary}\n")


@given(st.text())
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(ValueError, match="cachegrind"):
        parse(text.replace("events", ""))
