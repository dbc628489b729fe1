"""From plain data to a typed model, with every mistake at once, in words and with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from typing import Any, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from lab.config.document import Document, Finding
from lab.config.introspection import keys_at, kinds_at
from lab.config.location import Location
from lab.config.problems import ConfigErrors, Problem, closest, one_of

M = TypeVar("M", bound=BaseModel)
Check: TypeAlias = Callable[[Any], Iterable[Finding]]
"""Looks at the plain data, which may be wrong in any way, for what no single field can know."""


def validate(document: Document, model: type[M], check: Check | None = None) -> M:
    """The typed model of a document.

    Raises :class:`~lab.config.problems.ConfigErrors` with everything that is wrong.
    """
    result, problems = examine(document, model, check)
    if result is None or problems:
        raise ConfigErrors(problems)
    return result


def examine(document: Document, model: type[M], check: Check | None = None) -> tuple[M | None, list[Problem]]:
    """The typed model if there is one, and everything that is wrong."""
    findings = list(document.findings)
    result = None
    try:
        result = model.model_validate(document.data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        findings += [_finding(document, model, item) for item in details]
    if check is not None:
        known = {finding.location for finding in findings}
        findings += [
            finding
            for finding in check(document.data)
            if not any(finding.location[:depth] in known for depth in range(1, len(finding.location) + 1))
        ]
    return result, [document.problem(finding) for finding in findings]


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "lines of the form 'key: value'",
    "finite_number": "a finite number",
}
_COMPARED = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def _finding(document: Document, model: type[BaseModel], error: ErrorDetails) -> Finding:
    """One of pydantic's errors in our words."""
    kind, context = error["type"], error.get("ctx", {})
    location, at_key = _location(document.data, error["loc"], missing=kind == "missing")
    if kind == "config":
        return Finding(
            location=(*location, *(context.get("at") or ())),
            message=context["message"],
            expected=context["expected"],
            suggestion=context["suggestion"],
            found=repr(location[-1]) if at_key else None,
            at_key=at_key,
        )
    if kind == "missing":
        return Finding(location=location, message="missing key", at_key=True)
    if kind == "extra_forbidden":
        # An override that misspells a key means one that may well be in the file already.
        taken = () if document.is_overridden(location) else document.at(location[:-1])
        return _unknown_key(location, keys_at(model, error["loc"][:-1]), taken)
    if kind == "union_tag_not_found":
        kinds = one_of(kinds_at(model, error["loc"]))
        return Finding(location=(*location, "kind"), message="missing key", expected=kinds, at_key=True)
    if kind in ("union_tag_invalid", "literal_error"):
        choices = _quoted(context.get("expected_tags") or context.get("expected", ""))
        where = (*location, "kind") if kind == "union_tag_invalid" else location
        found = error["input"] if kind == "literal_error" else context.get("tag")
        suggestion = closest(found, choices) if isinstance(found, str) else None
        return Finding(
            location=where, message="not one of the choices", expected=one_of(choices), suggestion=suggestion
        )
    return Finding(location=location, at_key=at_key, **_value_message(model, error))


def _value_message(model: type[BaseModel], error: ErrorDetails) -> dict[str, Any]:
    """Message and expectation for a value of the wrong type or size."""
    kind, context = error["type"], error.get("ctx", {})
    if kind in ("model_type", "model_attributes_type"):
        keys = keys_at(model, error["loc"])
        return _wrong_type(error["input"], f"a mapping with keys such as {one_of(keys[:4])}")
    if kind in _EXPECTED:
        return _wrong_type(error["input"], _EXPECTED[kind])
    if kind in _COMPARED:
        name, words = _COMPARED[kind]
        return {"message": "out of bounds", "expected": f"{words} {context[name]:g}"}
    if kind in ("too_short", "string_too_short"):
        least = context["min_length"]
        return {"message": "must not be empty", "found": "nothing", "expected": f"at least {least}"}
    return {"message": error["msg"][0].lower() + error["msg"][1:]}


def _wrong_type(found: Any, expected: str) -> dict[str, Any]:
    return {"message": "has no value" if found is None else "wrong type", "expected": expected}


def _unknown_key(location: Location, known: list[str], taken: Collection[str]) -> Finding:
    """A key that nobody knows; one that is ``taken`` is not proposed in its place."""
    key = str(location[-1])
    unused = [name for name in known if name not in taken]
    return Finding(
        location=location,
        message="unknown key",
        found=repr(key),
        expected=one_of(known) if len(known) <= 12 else one_of([*unused[:11], "…"]),
        suggestion=closest(key, unused),
        at_key=True,
    )


def _quoted(text: str) -> list[str]:
    """The words in single quotes of one of pydantic's lists."""
    return re.findall(r"'([^']*)'", text)


def _location(data: Any, loc: tuple[int | str, ...], *, missing: bool) -> tuple[Location, bool]:
    """Where an error lies in the data, and whether it is about the key.

    pydantic's ``loc`` also holds the tags of unions and names of fields that a scalar stands for: what is not in the
    data is left out, except for the name of a missing key.
    """
    if loc and loc[-1] == "[key]":
        return _location(data, loc[:-1], missing=False)[0], True
    parts, last = (loc[:-1], loc[-1:]) if missing else (loc, ())
    location: list[int | str] = []
    value = data
    for part in parts:
        inside = isinstance(value, dict) and part in value and value.get("kind") != part
        if inside or (isinstance(value, list) and isinstance(part, int) and part < len(value)):
            value = value[part]
            location.append(part)
    return (*location, *last), False
