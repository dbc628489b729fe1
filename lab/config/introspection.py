"""What the typed models know: which keys, and which kinds, belong at a place. For messages only."""

from __future__ import annotations

import types
from collections.abc import Iterable
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel


def keys_at(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    """The keys that may stand at one of pydantic's error locations (which hold tags of unions, too)."""
    return list(dict.fromkeys(name for found in _models_at(model, loc) for name in found.model_fields))


def kinds_at(model: type[BaseModel], loc: Iterable[int | str]) -> list[str]:
    """The values that the key ``kind`` may have there."""
    return [kind for found in _models_at(model, loc) for kind in _kinds(found)]


def _models_at(model: type[BaseModel], loc: Iterable[int | str]) -> list[type[BaseModel]]:
    here: list[Any] = [model]
    for part in loc:
        # A part that leads nowhere is a tag of ours ("listed"): it narrows nothing.
        here = [inner for outer in here for inner in _inside(outer, part)] or here
    return [found for found in here if _is_model(found)]


def _inside(outer: Any, part: int | str) -> list[Any]:
    if _is_model(outer):
        if part in outer.model_fields:
            return _alternatives(outer.model_fields[str(part)].annotation)
        return [outer] if part in _kinds(outer) else []
    arguments = get_args(outer)
    if get_origin(outer) is dict:
        return _alternatives(arguments[1])
    if get_origin(outer) is tuple and isinstance(part, int):
        return _alternatives(arguments[0])
    return []


def _alternatives(annotation: Any) -> list[Any]:
    """What a union may be, with annotations taken off."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [inner for member in get_args(annotation) for inner in _alternatives(member)]
    return [annotation]


def _kinds(model: type[BaseModel]) -> tuple[str, ...]:
    field = model.model_fields.get("kind")
    return get_args(field.annotation) if field is not None and get_origin(field.annotation) is Literal else ()


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
