"""Texts with ``{name}`` in them, filled in with a trial's values. ``{{`` and ``}}`` stand for the braces themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from lab.config.fields import Scalar, config_error

Value: TypeAlias = bool | int | float | str

_PARTS = re.compile(r"\{\{|\}\}|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<stray>[{}])")


def names_in(template: str) -> list[str]:
    """The names that a template refers to, in order, each once. Raises ``ValueError`` on a stray brace."""
    found: dict[str, None] = {}
    for match in _PARTS.finditer(template):
        if match["stray"]:
            raise ValueError(f"a single {match['stray']!r}: write {{name}}, or {match['stray'] * 2} for the character")
        if match["name"]:
            found[match["name"]] = None
    return list(found)


def fill(template: str, values: Mapping[str, Value]) -> str:
    """The template with each ``{name}`` replaced by its value. Raises ``KeyError`` on a name without a value."""

    def replacement(match: re.Match[str]) -> str:
        name = match["name"]
        return as_text(values[name]) if name else match[0][0]

    return _PARTS.sub(replacement, template)


def fill_value(template: Value, values: Mapping[str, Value]) -> Value:
    """As :func:`fill`, but what is one ``{name}`` and nothing else keeps its type, and so does what is no text."""
    if not isinstance(template, str):
        return template
    whole = _PARTS.fullmatch(template)
    if whole is not None and whole["name"]:
        return values[whole["name"]]
    return fill(template, values)


def as_text(value: Value) -> str:
    """A value as it is written in YAML and on a command line."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked_template(text: Value) -> Value:
    if isinstance(text, str):
        try:
            names_in(text)
        except ValueError as error:
            raise config_error(str(error)) from None
    return text


Template = Annotated[str, Field(min_length=1), AfterValidator(_checked_template)]
"""A text that may contain ``{name}``."""
ScalarTemplate = Annotated[Scalar, AfterValidator(_checked_template)]
"""A single value, or a text that may contain ``{name}``."""


def strings_in(data: object, location: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text inside plain data, with its place."""
    if isinstance(data, str):
        yield location, data
    elif isinstance(data, Mapping):
        for key, value in data.items():
            yield from strings_in(value, (*location, key))
    elif isinstance(data, (list, tuple)):
        for index, value in enumerate(data):
            yield from strings_in(value, (*location, index))
