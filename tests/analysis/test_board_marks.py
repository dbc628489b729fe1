"""The file of marks that programs write: read to the letter, or refused with the place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.board_marks import parse_board_marks, read_board_marks
from lab.errors import DataError
from lab.record.marks_file import mark_lines

NAMES = st.from_regex(r"\A[a-z][a-z0-9_]{0,63}\Z")
MARKS = st.lists(st.tuples(NAMES, st.integers(0, 2**63 - 1)), max_size=30).map(
    lambda marks: sorted(marks, key=lambda mark: mark[1])
)


@given(MARKS)
def test_what_is_written_is_read(marks: list[tuple[str, int]]) -> None:
    found = parse_board_marks(mark_lines(marks).encode(), "marks.txt")
    assert [(mark.name, mark.ns) for mark in found.marks] == marks
    assert not found.torn
    for name in {name for name, _ in marks}:
        assert [mark.index for mark in found.named(name)] == list(range(sum(name == other for other, _ in marks)))


@given(MARKS, st.data())
def test_a_file_cut_anywhere_gives_the_whole_lines(marks: list[tuple[str, int]], data: st.DataObject) -> None:
    content = mark_lines(marks).encode()
    cut = data.draw(st.integers(0, len(content)))
    found = parse_board_marks(content[:cut], "marks.txt")
    assert [(mark.name, mark.ns) for mark in found.marks] == marks[: content[:cut].count(b"\n")]
    assert found.torn == (cut > 0 and content[cut - 1 : cut] != b"\n")


@settings(max_examples=500)
@given(st.one_of(st.binary(max_size=200), st.text("ab_ 019\n\t-\0é", max_size=200).map(str.encode)))
def test_no_bytes_crash_it(content: bytes) -> None:
    try:
        found = parse_board_marks(content, "marks.txt")
    except DataError as error:
        line, column = str(error).removeprefix("marks.txt:").split(":")[:2]
        assert 1 <= int(line) <= content.count(b"\n")
        assert int(column) >= 1
        return
    whole, _, _ = content.rpartition(b"\n")
    written = "".join(f"{mark.name} {mark.ns}\n" for mark in found.marks).encode()
    # Whatever is accepted means exactly what it says; leading zeros are the only freedom.
    assert [line.split(b" ")[0] for line in written.splitlines()] == [
        line.split(b" ")[0] for line in whole.split(b"\n") if whole
    ]
    assert [int(line.split(b" ")[1]) for line in written.splitlines()] == [
        int(line.split(b" ")[1]) for line in whole.split(b"\n") if whole
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("window_begin 1\n\nwindow_end 2\n", "marks.txt:2:1: found the end of the line"),
        ("Window_begin 1\n", "marks.txt:1:1: found 'Window_begin 1'"),
        ("window_begin\n", "marks.txt:1:13: found the end of the line, expected one space"),
        ("window_begin  1\n", "marks.txt:1:14: found ' 1', expected nanoseconds"),
        ("window_begin 1.5\n", "marks.txt:1:15: found '.5', expected the end of the line"),
        ("window_begin -1\n", "marks.txt:1:14: found '-1', expected nanoseconds"),
        ("window_begin 99999999999999999999\n", "marks.txt:1:33: found '9', expected the end of the line"),
        ("window_begin 9999999999999999999\n", "marks.txt:1:14: found 9999999999999999999, expected less than 2^63"),
        ("a 5\nb 4\n", "marks.txt:2:3: found the instant 4, which lies before 5"),
        ("a 5\r\n", "marks.txt:1:4: found '\\r', expected the end of the line"),
    ],
)
def test_a_message_says_where_and_what(content: str, message: str) -> None:
    with pytest.raises(DataError) as refused:
        parse_board_marks(content.encode(), "marks.txt")
    assert str(refused.value).startswith(message)


def test_an_absent_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_board_marks(tmp_path / "marks.txt")
