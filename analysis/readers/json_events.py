"""Output of one JSON object a line, each an event with a name: fields are checked as they are taken."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from lab.errors import DataError

_MOST = 1 << 53
"""From here on a float no longer tells whole numbers apart."""
_SHOWN = 40


class JsonEvent:
    """One line. Readers whose programs print more than numbers and texts add what they need."""

    def __init__(self, line: str, number: int) -> None:
        """Raises :class:`lab.errors.DataError`, with the line's number, for what is no JSON object."""
        self.line = number
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            raise DataError(f"line {number}: not JSON") from None
        if not isinstance(data, dict):
            raise DataError(f"line {number}: not a JSON object")
        self.data: dict[str, Any] = data
        self.name = data.get("event")

    def has(self, key: str) -> bool:
        """Is the field there?"""
        return key in self.data

    def is_null(self, key: str) -> bool:
        """True if the field is there and holds null."""
        return self.has(key) and self.data[key] is None

    def number(self, key: str) -> float:
        """A finite number from 0."""
        value: Any = self.data.get(key)
        if not is_finite(value) or value < 0:
            raise self.wrong(key, "a number from 0")
        return float(value)

    def share(self, key: str) -> float:
        """A number from 0 to 1."""
        value: Any = self.data.get(key)
        if not is_finite(value) or not 0 <= value <= 1:
            raise self.wrong(key, "a share from 0 to 1")
        return float(value)

    def whole(self, key: str, least: int = 0) -> int:
        """A whole number."""
        value: Any = self.data.get(key)
        if not is_whole(value) or value < least:
            raise self.wrong(key, f"a whole number from {least}")
        return int(value)

    def wrong(self, key: str, expected: str) -> DataError:
        """The error to raise for a field."""
        text = json.dumps(self.data.get(key))
        shown = text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
        return DataError(f"line {self.line}: {key} is {shown}, expected {expected}")


def json_lines(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not empty, with their numbers from 1."""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line


def is_finite(value: Any) -> bool:
    """A number that a float can hold; true and false are none."""
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number too large for a float
        return False


def is_whole(value: Any) -> bool:
    """A whole number that a float can hold exactly."""
    return isinstance(value, int) and not isinstance(value, bool) and -_MOST < value < _MOST
