"""Reading YAML: data, positions, and one clear line for every file that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.config.document import Document, parse_document, read_document
from lab.config.location import Location
from lab.config.problems import ConfigErrors

WORDS = st.text(st.characters(codec="utf-8", categories=["L", "N"], exclude_characters="\u2028\u2029\x85"), min_size=1)
SCALARS = st.integers() | st.booleans() | st.none() | WORDS | st.floats(allow_nan=False, allow_infinity=False)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=20,
)


def lines_of(path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    with pytest.raises(ConfigErrors) as caught:
        read_document(path)
    return [line.removeprefix(str(path)) for line in caught.value.message.splitlines()]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", ":1:1: the file is empty"),
        (b"# only a comment\n", ":1:1: the file is empty"),
        (b"a:\n\tb: 1\n", ":2:1: not valid YAML: a tab where YAML wants spaces (expected indentation with spaces)"),
        (b"a: caf\xe9\n", ":1:7: not UTF-8 text (found the byte 0xe9)"),
        (b"\xff\xfe", ":1:1: not UTF-8 text (found the byte 0xff)"),
        (b"a: 1\nb: \x07\n", ":2:4: a character that YAML does not allow"),
        (b"- 1\n", ":1:1: not a mapping (found a list, expected lines of the form 'key: value')"),
        (b"text\n", ":1:1: not a mapping (found 'text', expected lines of the form 'key: value')"),
        (b"a: b: c\n", ":1:5: not valid YAML: mapping values are not allowed here"),
        (b"a: *b\n", ":1:4: not valid YAML: found undefined alias 'b'"),
        (b"a: [1,\n", ":2:1: not valid YAML: "),
        (b"a: 1\n--- b\n", ":2:1: not valid YAML: "),
        (b"[" * 1000, ": nested too deeply"),
    ],
)
def test_one_clear_line_for_what_cannot_be_read(tmp_path: Path, content: bytes, line: str) -> None:
    (found,) = lines_of(tmp_path / "x.yaml", content)
    assert found.startswith(line) if line.endswith(": ") else found == line


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path, line in ((tmp_path / "no.yaml", "no such file"), (tmp_path, "a folder (expected a YAML file)")):
        with pytest.raises(ConfigErrors) as caught:
            read_document(path)
        assert caught.value.message == f"{path}: {line}"


def test_a_byte_order_mark_and_windows_line_ends_do_not_shift_positions(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nbb: 2\r\n")
    document = read_document(path)
    assert document.data == {"a": 1, "bb": 2}
    assert (document.keys[("a",)].line, document.keys[("a",)].col) == (1, 1)
    assert (document.values[("bb",)].line, document.values[("bb",)].col) == (2, 5)


def findings(text: str) -> list[str]:
    document = parse_document(text, "f")
    return [str(document.problem(finding)) for finding in document.findings]


def test_all_duplicate_keys_are_found_and_the_first_counts() -> None:
    text = "a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n"
    assert findings(text) == [
        "f:2:11: b.c: duplicate key, first in line 2",
        "f:3:1: a: duplicate key, first in line 1",
        "f:4:1: a: duplicate key, first in line 1",
    ]
    assert parse_document(text, "f").data == {"a": 1, "b": {"c": 1}}


def test_anchors_and_merge_keys() -> None:
    text = "base: &base\n  x: 1\n  y: 2\none: {<<: *base, y: 3}\ntwo:\n  <<: [*base, {z: 9, x: 8}]\nthree: *base\n"
    document = parse_document(text, "f")
    assert document.data["one"] == {"x": 1, "y": 3}
    assert document.data["two"] == {"x": 1, "y": 2, "z": 9}
    assert document.data["three"] == {"x": 1, "y": 2}
    assert not document.findings
    assert document.place_of(("one", "x")).line == 2
    assert document.place_of(("one", "y")).line == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: !secret x\n", "f:1:4: a: unknown tag '!secret'"),
        ("? [1]\n: 2\n", "f:1:3: a key that is no text"),
        ("a: &a [*a]\n", "f:1:4: a[0]: an alias inside of what it stands for"),
        ("<<: 5\n", 'f:1:5: ["<<"]: a merge key needs a mapping'),
    ],
)
def test_odd_yaml_is_a_finding(text: str, line: str) -> None:
    assert findings(text) == [line]


def test_aliases_of_aliases_do_not_fill_the_memory() -> None:
    text = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    for name, inner in zip("bcdefghi", "abcdefgh", strict=True):
        text += f"{name}: &{name} [{', '.join([f'*{inner}'] * 9)}]\n"
    with pytest.raises(ConfigErrors, match="too many aliases"):
        parse_document(text, "f")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("true", True),
        ("010", 10),
        ("0x1f", 31),
        ("0o17", 15),
        ("1_000", 1000),
        ("1e3", 1000.0),
        ("~", None),
        ("2024-05-17", "2024-05-17"),
        ("12:30:45", "12:30:45"),
        ("'1'", "1"),
        (".inf", float("inf")),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, value: object) -> None:
    found = parse_document(f"a: {text}", "f").data["a"]
    assert found == value
    assert type(found) is type(value)


@given(st.dictionaries(WORDS, TREES, min_size=1, max_size=5))
def test_json_is_read_as_json_and_every_value_stands_where_it_says(tree: dict[str, Any]) -> None:
    text = json.dumps(tree, ensure_ascii=False, indent=1)
    document = parse_document(text, "f")
    assert document.data == tree
    lines = text.split("\n")
    for location, value in leaves(tree, ()):
        place = document.values[location]
        assert place.line is not None
        assert place.col is not None
        rest = lines[place.line - 1][place.col - 1 :]
        assert rest.rstrip(",") == json.dumps(value, ensure_ascii=False)
        if isinstance(location[-1], str):
            key = document.keys[location]
            assert key.line == place.line
            assert lines[place.line - 1][key.col - 1 :].startswith(json.dumps(location[-1], ensure_ascii=False))


def leaves(tree: Any, location: Location) -> list[tuple[Location, Any]]:
    if isinstance(tree, dict):
        return [leaf for key, value in tree.items() for leaf in leaves(value, (*location, key))]
    if isinstance(tree, list):
        return [leaf for index, value in enumerate(tree) for leaf in leaves(value, (*location, index))]
    return [(location, tree)]


def refusal(read: Callable[[], Document]) -> ConfigErrors | None:
    """Why something is not read, or ``None`` if it is."""
    try:
        read()
    except ConfigErrors as errors:
        return errors
    return None


@given(st.text() | st.text("ab:-[]{}&*!|>'\"%@`#,? \n\t0123<"))
def test_any_text_is_read_or_refused_in_one_line(text: str) -> None:
    errors = refusal(lambda: parse_document(text, "f"))
    assert errors is None or (len(errors.problems) == 1 and "\n" not in errors.message)


@given(st.binary(max_size=200))
def test_any_file_is_a_mapping_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "x.yaml"
    path.write_bytes(content)
    errors = refusal(lambda: read_document(path))
    if errors is None:
        assert isinstance(read_document(path).data, dict)
    else:
        assert errors.message.startswith(str(path))
