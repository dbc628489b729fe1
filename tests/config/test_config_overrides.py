"""``--set key=value``: what it changes, and what it says when it cannot."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from lab.config.document import Document, parse_document
from lab.config.overrides import apply_overrides
from lab.errors import UsageError

TEXT = """\
repeats: 5
factors:
  input: [32, 75]
passes:
  energy: {duration: 10 s}
  latency:
figures:
  - {x: 1}
  - {x: 2, only: {a: [1]}}
ranges:
  2 A: {gain: 1}
"""


def changed(*overrides: str) -> Document:
    return apply_overrides(parse_document(TEXT, "f.yaml"), overrides, named=("factors",))


def lines(*overrides: str) -> list[str]:
    document = changed(*overrides)
    return [str(document.problem(finding)) for finding in document.findings]


@pytest.mark.parametrize(
    ("override", "location", "value"),
    [
        ("repeats=3", ("repeats",), 3),
        ("passes.energy.duration=20s", ("passes", "energy", "duration"), "20s"),
        ("factors.input=[32]", ("factors", "input"), [32]),
        ("factors.input[1]=128", ("factors", "input", 1), 128),
        ("figures.1.x=7", ("figures", 1, "x"), 7),
        ("figures[1].only.a=[2, 3]", ("figures", 1, "only", "a"), [2, 3]),
        ('ranges["2 A"].gain=4', ("ranges", "2 A", "gain"), 4),
        ("ranges.2 A.gain=4", ("ranges", "2 A", "gain"), 4),
        ("passes.energy={duration: 1 s, runs: 2}", ("passes", "energy"), {"duration": "1 s", "runs": 2}),
        ("passes.latency.runs=2", ("passes", "latency", "runs"), 2),
        ("passes.energy=null", ("passes", "energy"), None),
        ("passes.energy=", ("passes", "energy"), None),
        ("title=a=b", ("title",), "a=b"),
    ],
)
def test_it_changes_that_value_and_no_other(override: str, location: tuple[Any, ...], value: Any) -> None:
    before = parse_document(TEXT, "f.yaml")
    original = copy.deepcopy(before.data)
    document = apply_overrides(before, [override], named=("factors",))
    assert not document.findings
    assert document.at(location) == value
    assert document.place_of(location).file == f"--set {override}"
    assert document.is_overridden(location)
    assert before.data == original
    untouched = [where for where in before.values if where and where[0] != location[0]]
    assert untouched
    assert all(document.at(where) == before.at(where) for where in untouched)
    assert all(document.values[where] == before.values[where] for where in untouched)


def test_the_last_one_wins_and_they_build_on_each_other() -> None:
    document = changed("repeats=3", "repeats=4", "new={a: 1}", "new.b=2")
    assert document.data["repeats"] == 4
    assert document.data["new"] == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("override", "line"),
    [
        (
            "factors.inptu=[1]",
            "--set factors.inptu=[1]: factors.inptu: no such key in factors (expected 'input'; did you mean 'input'?)",
        ),
        (
            "figures[2].x=1",
            "--set figures[2].x=1: figures[2]: figures is a list of 2 (expected an index from 0 to 1)",
        ),
        (
            "figures.x=1",
            "--set figures.x=1: figures.x: figures is a list of 2 (expected an index from 0 to 1)",
        ),
        (
            "repeats.x=1",
            "--set repeats.x=1: repeats.x: repeats is a single value, it has no keys",
        ),
        (
            "repeats=[1",
            "--set repeats=[1: repeats: not valid YAML: expected ',' or ']', but got '<stream end>' "
            "while parsing a flow sequence",
        ),
        ("repeats={a: 1, a: 2}", "--set repeats={a: 1, a: 2}: repeats: duplicate key, first in line 1"),
    ],
)
def test_what_cannot_be_is_found_with_the_rest(override: str, line: str) -> None:
    (found,) = lines(override)
    assert found == line
    assert changed(override).data == parse_document(TEXT, "f").data


@pytest.mark.parametrize("override", ["repeats", "", "=3", "a..b=1", "a[x]=1"])
def test_what_is_no_override_says_how_to_write_one(override: str) -> None:
    with pytest.raises(UsageError) as caught:
        changed(override)
    assert caught.value.advice == "write --set key=value, such as --set repeats=3"
