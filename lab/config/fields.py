"""Building blocks of the typed models: their common base, and field types with messages a person understands."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError


def config_error(
    message: str, *, expected: str | None = None, suggestion: str | None = None, at: tuple[str | int, ...] = ()
) -> PydanticCustomError:
    """An error for a validator to raise; :mod:`lab.config.validation` adds where it is and what was found.

    ``at`` leads from what the validator looks at to the part that is wrong.
    """
    context = {"message": message, "expected": expected, "suggestion": suggestion, "at": at}
    return PydanticCustomError("config", "{message}", context)


class Model(BaseModel):
    """Base of all configuration models: unknown keys are errors, instances do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)


Scalar = Annotated[
    bool | int | float | str,
    BeforeValidator(lambda value: _checked_scalar(value)),
    WithJsonSchema({"type": ["boolean", "number", "string"]}),
]
"""A single value: text, number, true or false."""


def _checked_scalar(value: Any) -> Any:
    if not isinstance(value, (bool, int, float, str)) or (isinstance(value, float) and not math.isfinite(value)):
        raise config_error("must be a single value", expected="a text, a number, true or false")
    return value


_IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_]*"


def _checked_identifier(value: str) -> str:
    if re.fullmatch(_IDENTIFIER, value) is None:
        proposal = re.sub(r"\W+", "_", value, flags=re.ASCII).strip("_")
        raise config_error(
            "not a name",
            expected="letters, digits and underscores, not beginning with a digit",
            suggestion=proposal if re.fullmatch(_IDENTIFIER, proposal) else None,
        )
    return value


Identifier = Annotated[
    str,
    AfterValidator(_checked_identifier),
    WithJsonSchema({"type": "string", "pattern": f"^{_IDENTIFIER}$"}),
]
"""A name that can stand in a template, a file name and a column heading."""

Text = Annotated[str, Field(min_length=1)]
"""A text that says something."""

Whole = Annotated[int, Strict(), Field(ge=0)]
"""0, 1, 2, …"""
Count = Annotated[int, Strict(), Field(ge=1)]
"""1, 2, 3, …"""
Number = Annotated[float, Strict(), Field(ge=0)]
"""A number that is not negative."""
Switch = Annotated[bool, Strict()]
"""true or false."""
