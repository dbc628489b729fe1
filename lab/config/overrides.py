"""Changing single values of a configuration from the command line: ``--set passes.energy.duration=20s``."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from lab.config.document import Document, Finding, Place, parse_document
from lab.config.location import Location, parse, render
from lab.config.problems import ConfigErrors, closest, one_of
from lab.errors import UsageError


def apply_overrides(
    document: Document, overrides: Sequence[str], *, shown_as: str = "--set ", named: Collection[str] = ()
) -> Document:
    """The document with each ``key=value`` applied, in order; values are YAML.

    A key may be new only where the typed model decides about it later: the entries of the top-level mappings in
    ``named`` (factors, instruments) are named by the file, so a new one there is a mistake, and ``name=null`` takes
    one out. What is wrong with an override is found along with everything else, its place being ``--set key=value``.
    """
    if not overrides:
        return document
    data = copy.deepcopy(document.data)
    keys, values = dict(document.keys), dict(document.values)
    findings = list(document.findings)
    for override in overrides:
        place = Place(f"{shown_as}{override}")
        location, value, problem = _split(override, place.file)
        location = _with_indices(data, location)
        finding = problem or _put(data, location, value, place, named)
        if finding is not None:
            findings.append(finding)
            continue
        for places in (keys, values):
            for stale in [known for known in places if known[: len(location)] == location]:
                del places[stale]
            places[location] = place
    return replace(document, data=data, keys=keys, values=values, findings=tuple(findings))


def _split(override: str, file: str) -> tuple[Location, Any, Finding | None]:
    """Location and value of ``key=value``, or what is wrong with it."""
    key, equals, text = override.partition("=")
    if not equals:
        raise UsageError(f"{file}: no '='", advice="write --set key=value, such as --set repeats=3")
    try:
        location = parse(key.strip())
    except ValueError as error:
        raise UsageError(f"{file}: {error}", advice="write --set key=value, such as --set repeats=3") from None
    try:
        value = parse_document(text, file)
    except ConfigErrors as errors:
        wrong = errors.problems[0]
        return location, None, Finding(location=location, message=wrong.message, at_key=True, place=Place(file))
    if value.findings:
        wrong_value = value.findings[0]
        return location, None, Finding(location=location, message=wrong_value.message, at_key=True, place=Place(file))
    return location, value.data, None


def _with_indices(data: Any, location: Location) -> Location:
    """``figures.0.x`` → ``figures[0].x`` where there is a list."""
    parts: list[str | int] = []
    for part in location:
        index = int(part) if isinstance(data, list) and isinstance(part, str) and part.isdecimal() else part
        parts.append(index)
        try:
            data = data[index]
        except (LookupError, TypeError):
            data = None
    return tuple(parts)


def _put(data: Any, location: Location, value: Any, place: Place, named: Collection[str]) -> Finding | None:
    """Set the value in place, or say why that cannot be."""
    target = data
    for depth, part in enumerate(location):
        here, last = location[:depth], depth == len(location) - 1
        step, finding = _step(target, part, here, place, must_exist=len(here) == 1 and here[0] in named)
        if finding is not None:
            return finding
        if last and value is None and depth == 1 and here[0] in named:
            del target[step]
        elif last:
            target[step] = value
        else:
            if isinstance(target, dict) and target.get(step) is None:
                target[step] = {}
            target = target[step]
    return None


def _step(
    target: Any, part: str | int, here: Location, place: Place, *, must_exist: bool
) -> tuple[Any, Finding | None]:
    """The key or index that ``part`` means in ``target``, or what is wrong with it."""
    there = (*here, part)
    if isinstance(target, list):
        if isinstance(part, int) and 0 <= part < len(target):
            return part, None
        expected = f"an index from 0 to {len(target) - 1}" if target else None
        message = f"{render(here)} is a list of {len(target)}"
        return None, Finding(location=there, message=message, expected=expected, at_key=True, place=place)
    if isinstance(target, dict):
        key = str(part)
        if key in target or not must_exist:
            return key, None
        return None, Finding(
            location=there,
            message=f"no such key in {render(here)}",
            expected=one_of(list(target)),
            suggestion=closest(key, target),
            at_key=True,
            place=place,
        )
    message = f"{render(here) or 'the file'} is a single value, it has no keys"
    return None, Finding(location=there, message=message, at_key=True, place=place)
