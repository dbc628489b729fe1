"""As much of JSON Schema 2020-12 as the published schemas use, so that the tests need no further library.

A keyword that is not known here is an error: nothing is passed over in silence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]
_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
}
_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: not _TYPES["number"](value) or value >= bound,
    "maximum": lambda value, bound: not _TYPES["number"](value) or value <= bound,
    "exclusiveMinimum": lambda value, bound: not _TYPES["number"](value) or value > bound,
    "minLength": lambda value, bound: not isinstance(value, str) or len(value) >= bound,
    "minProperties": lambda value, bound: not isinstance(value, dict) or len(value) >= bound,
    "minItems": lambda value, bound: not isinstance(value, list) or len(value) >= bound,
    "pattern": lambda value, bound: not isinstance(value, str) or re.search(bound, value) is not None,
    "enum": lambda value, bound: value in bound,
    "const": lambda value, bound: value == bound,
    "required": lambda value, bound: not isinstance(value, dict) or set(bound) <= value.keys(),
}
_SILENT = {"$schema", "$defs", "title", "description", "default"}
_STRUCTURE = {
    "$ref",
    "type",
    "anyOf",
    "oneOf",
    "items",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
}


def failures(value: Any, schema: Schema, root: Schema, place: str = "$") -> Iterator[str]:
    """What of the schema the value does not satisfy."""
    if unknown := schema.keys() - _SILENT - _STRUCTURE - _BOUNDS.keys():
        raise AssertionError(f"a keyword that this validator does not know: {sorted(unknown)}")
    if "$ref" in schema:
        yield from failures(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, place)
    names = schema.get("type", [])
    if names and not any(_TYPES[name](value) for name in ([names] if isinstance(names, str) else names)):
        yield f"{place}: {value!r} is not of type {names}"
    for keyword, holds in _BOUNDS.items():
        if keyword in schema and not holds(value, schema[keyword]):
            yield f"{place}: {value!r} violates {keyword} {schema[keyword]!r}"
    for keyword, allowed in (("anyOf", range(1, 100)), ("oneOf", range(1, 2))):
        if keyword in schema:
            fitting = sum(not any(failures(value, option, root, place)) for option in schema[keyword])
            if fitting not in allowed:
                yield f"{place}: {value!r} fits {fitting} of {keyword}"
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from failures(item, schema["items"], root, f"{place}[{index}]")
    if isinstance(value, dict):
        for key, item in value.items():
            yield from failures(key, schema.get("propertyNames", {}), root, place)
            yield from _property_failures(key, item, schema, root, f"{place}.{key}")


def _property_failures(key: str, item: Any, schema: Schema, root: Schema, place: str) -> Iterator[str]:
    fitting = [schema["properties"][key]] if key in schema.get("properties", {}) else []
    fitting += [inner for pattern, inner in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
    others = schema.get("additionalProperties", True)
    if not fitting and others is False:
        yield f"{place}: unknown key"
    elif not fitting and isinstance(others, dict):
        fitting = [others]
    for inner in fitting:
        yield from failures(item, inner, root, place)
