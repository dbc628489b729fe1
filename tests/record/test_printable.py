"""Foreign text made harmless to look at: nothing of it acts, nothing of it is dropped."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.record.printable import json_text, printable, printable_line, printable_lines

ANY_TEXT = st.text(
    st.characters(exclude_categories=()) | st.sampled_from("\x1b\x00\x07\r\n\t\x9b\u202e\u2066\u200b\ufeff")
)
HARMFUL = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def shapeless(text: str) -> set[str]:
    return {item for item in text if unicodedata.category(item) in HARMFUL}


@given(ANY_TEXT)
def test_what_is_printable_holds_nothing_that_acts(text: str) -> None:
    shown = printable(text)
    assert shapeless(shown) <= {"\n", "\t"}
    assert printable(shown) == shown
    shown.encode("utf-8")


@given(ANY_TEXT)
def test_a_line_is_one_line(text: str) -> None:
    assert not shapeless(printable_line(text))


@given(st.recursive(st.none() | st.booleans() | st.integers() | ANY_TEXT, lambda item: st.lists(item, max_size=4)))
def test_json_for_a_terminal_reads_back_the_same(data: object) -> None:
    for indent in (None, 1):
        text = json_text(data, indent)
        assert shapeless(text) <= {"\n"}
        assert json.loads(text) == data


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, äöü, 漢字, ±", "plain, äöü, 漢字, ±"),
        ("\x1b]0;owned\x07\x1b[2J", "\\x1b]0;owned\\x07\\x1b[2J"),
        ("a\rb\x00c\x7f\x9bd", "a\\x0db\\x00c\\x7f\\x9bd"),
        ("evil\u202etxt.exe\u2069", "evil\\u202etxt.exe\\u2069"),
        (b"\xff\xfe".decode("utf-8", "surrogateescape"), "\\udcff\\udcfe"),
        ("\U000e0041", "\\U000e0041"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
    ],
)
def test_escapes_are_seen(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_an_enormous_line_is_cut_and_the_cut_is_said() -> None:
    shown = printable_lines("short\n" + "x" * 5_000_000)
    assert shown == "short\n" + "x" * 1000 + " … (4999000 more characters)"
    assert printable_line("a\nb\tc ", 3) == "a\\n … (3 more characters)"


def test_json_refuses_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="JSON"):
        json_text(float("nan"))
