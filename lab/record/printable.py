r"""Making a foreign string harmless to look at: the one place where text from a board becomes text for people.

What a program, a kernel or a tool on a board says is kept in the record byte for byte. On its way to a terminal, a
page or a figure it passes through here, because it may hold anything: escape sequences that rewrite the screen or the
window's title, characters that turn the direction of writing or take no room, NUL, halves of surrogate pairs, a line
of a hundred megabytes. None of these is dropped: each stands there as its escape (``\x1b``, ``\u202e``), so that a
person sees that it was there. Escaping for HTML is the page's own matter (:mod:`lab.report`), and comes after this.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

LONGEST_LINE = 1000
"""Characters of a line that are shown to people."""

_HARMFUL = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's general categories of what has no shape of its own: controls, formats (bidi, zero width), surrogates,
private and unassigned code points, line and paragraph separators."""
_PLAIN = re.compile(r"[ -~\n\t]*")


def printable(text: str) -> str:
    r"""The text with everything escaped that is not a character to be seen; line feeds and tabs stay.

    Idempotent; backslashes that were in the text stay single, so this is for looking at, not for reading back.
    """
    if _PLAIN.fullmatch(text):
        return text
    return "".join(item if item in "\n\t" or not _is_harmful(item) else _escaped(item) for item in text)


def printable_lines(text: str, longest: int = LONGEST_LINE) -> str:
    """:func:`printable`, with each line cut to a length that people can look at, and the cut said."""
    return "\n".join(_cut(line, longest) for line in text.split("\n"))


def printable_line(text: str, longest: int = LONGEST_LINE) -> str:
    """The text as a single line, for a place that has room for one only."""
    return _cut(text.strip().replace("\n", "\\n").replace("\t", " "), longest)


def json_text(data: Any, indent: int | None = 1) -> str:
    """JSON that a terminal can show: what could do harm there is escaped as JSON does it, and reads back the same.

    Raises ``ValueError`` for NaN and infinities, which are no JSON.
    """
    text = json.dumps(data, indent=indent, allow_nan=False, ensure_ascii=False)
    if _PLAIN.fullmatch(text):
        return text
    # Outside strings JSON is plain ASCII, so whatever is found here is inside one.
    return "".join(item if item == "\n" or not _is_harmful(item) else json.dumps(item)[1:-1] for item in text)


def _cut(line: str, longest: int) -> str:
    if len(line) <= longest:
        return printable(line)
    return f"{printable(line[:longest])} … ({len(line) - longest} more characters)"


def _is_harmful(character: str) -> bool:
    return unicodedata.category(character) in _HARMFUL


def _escaped(character: str) -> str:
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
