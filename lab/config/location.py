"""Places in configuration data: ``passes.energy.duration``, ``figures[0].x``, ``ranges["2 A"].gain_i``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import TypeAlias

Location: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the file down."""

_PLAIN_KEY = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)
_STEP = re.compile(
    r"""
    \.? (?: \[ (?P<index> [0-9]+ ) \]
          | \[ (?P<quoted> "(?:[^"\\]|\\.)*" | '[^']*' ) \] )
    | \.? (?P<key> [^.\[\]]+ )
    """,
    re.VERBOSE,
)


def render(location: Sequence[str | int]) -> str:
    """The place as people write it; :func:`parse` reads it back."""
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _PLAIN_KEY.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{json.dumps(part, ensure_ascii=False)}]"
    return text


def parse(text: str) -> Location:
    """The place that a person wrote. List indices may also be written as ``figures.0.x``: those stay text here.

    Raises ``ValueError`` if it is not a place.
    """
    parts: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or (position == 0 and text.startswith(".")):
            raise ValueError(f"not a key: {text!r}")
        if match["index"] is not None:
            parts.append(int(match["index"]))
        elif match["quoted"] is not None:
            quoted = match["quoted"]
            parts.append(json.loads(quoted) if quoted.startswith('"') else quoted[1:-1])
        elif match["key"].strip():
            parts.append(match["key"].strip())
        else:
            raise ValueError(f"not a key: {text!r}")
        position = match.end()
    if not parts:
        raise ValueError(f"not a key: {text!r}")
    return tuple(parts)
