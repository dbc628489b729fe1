"""A table of words and numbers: the same for a terminal and for the page."""

from __future__ import annotations

from dataclasses import dataclass

from lab.report.tables import aligned


@dataclass(frozen=True, slots=True)
class TextTable:
    """Its heading, a sentence on how to read it, columns and rows; ``numbers`` are the columns flush right."""

    title: str
    note: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[int, ...] = ()

    def text(self) -> str:
        """For a terminal."""
        lines = aligned([self.head, *self.rows], right=self.numbers)
        rule = "─" * max(map(len, lines))
        parts = [self.title, *([self.note] if self.note else []), lines[0], rule, *lines[1:]]
        return "\n".join(parts)
