"""What is wrong with a configuration, as data: where, what was found, what was expected, what was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong.

    ``file`` is the path as the user gave it, or ``--set key=value`` for an override; ``line`` and ``col`` count from 1
    and are ``None`` where there is no position (an override, a file that cannot be read). ``path`` is the place in the
    data, such as ``passes.energy.duration`` or ``factors.platform[0].value``; empty for the file as a whole.
    """

    file: str
    line: int | None = None
    col: int | None = None
    path: str = ""
    message: str
    found: str | None = None
    expected: str | None = None
    suggestion: str | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.col) if part is not None)
        return ": ".join(part for part in (place, self.path, self.message) if part) + self._details()

    def _details(self) -> str:
        facts = [
            f"found {self.found}" if self.found is not None else "",
            f"expected {self.expected}" if self.expected is not None else "",
        ]
        question = f"did you mean {self.suggestion!r}?" if self.suggestion is not None else ""
        inside = "; ".join(part for part in (", ".join(fact for fact in facts if fact), question) if part)
        return f" ({inside})" if inside else ""


class ConfigErrors(UsageError):  # noqa: N818 — it is several of them
    """Everything that is wrong with the configuration, in the order of the files."""

    located = True
    """Each line of the message begins with its own place."""

    def __init__(self, problems: Iterable[Problem], *, advice: str | None = None) -> None:
        self.problems: tuple[Problem, ...] = tuple(sorted(set(problems), key=_reading_order))
        super().__init__("\n".join(str(problem) for problem in self.problems), advice=advice)

    def to_json(self) -> list[dict[str, Any]]:
        """The problems as JSON objects, every key present."""
        return [asdict(problem) for problem in self.problems]


def _reading_order(problem: Problem) -> tuple[bool, str, int, int, str, str]:
    """Files before overrides, then as a person reads."""
    is_override = problem.file.startswith("--set")
    return (is_override, problem.file, problem.line or 0, problem.col or 0, problem.path, problem.message)


def closest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant, or ``None``. Letters in another case count as the same."""
    by_lower = {candidate.lower(): candidate for candidate in sorted(known, reverse=True)}
    found = difflib.get_close_matches(word.lower(), list(by_lower), n=1, cutoff=cutoff)
    return by_lower[found[0]] if found else None


def one_of(words: Sequence[str]) -> str:
    """``'a'``, ``'a' or 'b'``, ``'a', 'b' or 'c'``."""
    quoted = [repr(word) for word in words]
    if len(quoted) < 2:
        return "".join(quoted)
    return f"{', '.join(quoted[:-1])} or {quoted[-1]}"
