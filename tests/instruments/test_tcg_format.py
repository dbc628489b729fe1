"""The counting plugin's file: read whole or refused with what is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.record.formats import tcg as tcg_format

WHOLE: dict[str, Any] = {
    "format": "lab.tcg/1",
    "complete": True,
    "threads": 2,
    "whole": {"instructions": 7, "loads": 3},
}


def test_a_file_without_and_with_a_window() -> None:
    read = tcg_format.parse(json.dumps(WHOLE))
    assert (read.whole, read.window, read.windows, read.threads) == ({"instructions": 7, "loads": 3}, None, 0, 2)
    read = tcg_format.parse(json.dumps({**WHOLE, "windows": 2, "window": {"loads": 1}}))
    assert (read.window, read.windows) == ({"loads": 1}, 2)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": "lab.tcg/2"}, "not a file of format"),
        ({"complete": False}, "counts are missing"),
        ({"whole": None}, "no counts under 'whole'"),
        ({"whole": {"loads": -1}}, "loads is -1"),
        ({"whole": {"loads": 1.5}}, "loads is 1.5"),
        ({"threads": True}, "threads is True"),
        ({"window": {"loads": 1}}, "windows is None"),
    ],
)
def test_what_is_wrong_is_said(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        tcg_format.parse(json.dumps({**WHOLE, **changes}))


@given(
    st.text()
    | st.recursive(st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)).map(json.dumps)
)
def test_anything_else_is_refused_with_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not"):
        tcg_format.parse(text)


def test_a_file_cut_short_is_refused() -> None:
    text = json.dumps(WHOLE)
    for length in range(len(text)):
        with pytest.raises(ValueError, match="not JSON"):
            tcg_format.parse(text[:length])
