"""Environment variables in paths: ``${LAB_DATA}``, or ``${LAB_DATA:-fallback}`` where it may be unset."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from lab.config.fields import config_error
from lab.errors import UsageError

_VARIABLE = re.compile(r"\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<fallback>[^${}]*))?\}")


def expand(text: str, environ: Mapping[str, str] | None = None) -> str:
    """The text with its variables replaced; an empty variable counts as one that is not set.

    Raises :class:`lab.errors.UsageError` if a variable without a fallback is not set.
    """
    variables = os.environ if environ is None else environ

    def replacement(match: re.Match[str]) -> str:
        value = variables.get(match["name"]) or match["fallback"]
        if value is None:
            name = match["name"]
            raise UsageError(
                f"the environment variable {name} is not set, and {text!r} needs it",
                advice=f"set it to the folder: export {name}=/path/to/the/folder",
            )
        return value

    return _VARIABLE.sub(replacement, text)


def resolve(text: str, folder: Path, environ: Mapping[str, str] | None = None) -> Path:
    """The path that a configuration file in ``folder`` means: variables and ``~`` expanded, relative to ``folder``.

    Raises :class:`lab.errors.UsageError` as :func:`expand` does.
    """
    return folder / Path(expand(text, environ)).expanduser()


def _checked_path(text: str) -> str:
    if "$" in _VARIABLE.sub("", text):
        raise config_error("a '$' that is no variable", expected="${NAME} or ${NAME:-fallback}")
    return text


PathText = Annotated[str, Field(min_length=1), AfterValidator(_checked_path)]
"""A path, relative to the file it stands in; may contain environment variables, which :func:`resolve` expands."""
