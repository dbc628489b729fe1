"""JSON Schemas of configuration files, for editors that complete keys and underline mistakes as one types."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def editor_schema(model: type[BaseModel], title: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a file of this model.

    It allows the shorthand that the models allow: quantities as text or number, single values where a list may stand.
    """
    cleaned = _for_editors(model.model_json_schema(mode="validation"))
    return {"$schema": DIALECT, "title": title, **cleaned}


def _for_editors(part: Any) -> Any:
    """Closed where the models are closed, and without what only confuses.

    Titles made of field names would hide the descriptions; ``discriminator`` is OpenAPI's; defaults that are computed
    from other models say nothing.
    """
    if isinstance(part, list):
        return [_for_editors(item) for item in part]
    if not isinstance(part, dict):
        return part
    cleaned = {}
    for key, value in part.items():
        if key == "title" and isinstance(value, str):
            continue
        if key == "discriminator" or (key == "default" and isinstance(value, (dict, list))):
            continue
        cleaned[key] = _for_editors(value)
    if "patternProperties" in cleaned:
        cleaned["additionalProperties"] = False
    return cleaned
