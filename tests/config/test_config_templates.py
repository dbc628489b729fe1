"""Texts with names in braces, and paths with environment variables."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.config.environment import expand, resolve
from lab.config.templates import fill, fill_value, names_in
from lab.errors import UsageError


def test_names_are_replaced_and_doubled_braces_are_braces() -> None:
    values = {"network": "MobileNet", "input": 32, "fast": True}
    assert fill("{network}/{{x}}-{input}-{fast}", values) == "MobileNet/{x}-32-true"
    assert names_in("{a} {{b}} {c} {a}") == ["a", "c"]


def test_a_template_that_is_one_name_keeps_the_type() -> None:
    values: dict[str, bool | int | float | str] = {"threads": 4, "on": False}
    assert fill_value("{threads}", values) == 4
    assert fill_value("{on}", values) is False
    assert fill_value("t{threads}", values) == "t4"
    assert fill_value(7, values) == 7
    assert fill_value("{{threads}}", values) == "{threads}"


@pytest.mark.parametrize("text", ["{", "a}", "{a b}", "{0}", "{a.b}", "{a:3}", "{}", "{{a}"])
def test_stray_braces_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="single"):
        names_in(text)


def test_a_name_without_a_value() -> None:
    with pytest.raises(KeyError, match="missing"):
        fill("{missing}", {})


@given(st.text())
def test_any_text_survives_when_its_braces_are_doubled(text: str) -> None:
    escaped = text.replace("{", "{{").replace("}", "}}")
    assert names_in(escaped) == []
    assert fill(escaped, {}) == text


@pytest.mark.parametrize(
    ("text", "environ", "path"),
    [
        ("benches/x.yaml", {}, "/here/benches/x.yaml"),
        ("${DATA}/mnist", {"DATA": "/data"}, "/data/mnist"),
        ("${DATA}/mnist", {"DATA": "rel"}, "/here/rel/mnist"),
        ("${DATA:-../fallback}/mnist", {}, "/here/../fallback/mnist"),
        ("${DATA:-../fallback}", {"DATA": ""}, "/here/../fallback"),
        ("${A}${B:-}", {"A": "/a"}, "/a"),
        ("/absolute", {}, "/absolute"),
    ],
)
def test_paths_are_relative_to_their_file(text: str, environ: dict[str, str], path: str) -> None:
    assert resolve(text, Path("/here"), environ) == Path(path)


def test_an_unset_variable_says_what_to_do() -> None:
    with pytest.raises(UsageError) as caught:
        expand("${LAB_DATA}/x", {})
    assert caught.value.message == "the environment variable LAB_DATA is not set, and '${LAB_DATA}/x' needs it"
    assert caught.value.advice == "set it to the folder: export LAB_DATA=/path/to/the/folder"


def test_home_is_expanded() -> None:
    assert resolve("~/x", Path("/here")) == Path.home() / "x"
