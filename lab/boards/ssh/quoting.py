"""Command lines for a shell that is far away: what arrives there is what was meant here, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lab.errors import UsageError

LONGEST_COMMAND = 120_000
"""Bytes of one command line: Linux takes 131072 in one argument (``MAX_ARG_STRLEN``), and the far shell's is one."""


def quoted(text: str) -> str:
    """One word, for any shell that knows single quotes. Raises :class:`UsageError` for a NUL: no argument holds one."""
    if "\0" in text:
        raise UsageError("a command line for a board holds a NUL character, which no program can be given")
    return "'" + text.replace("'", "'\\''") + "'"


def words(argv: Sequence[str]) -> str:
    """A command line for the far login shell that runs ``argv`` in its place.

    Raises :class:`UsageError` if it is empty, or longer than a board takes.
    """
    if not argv:
        raise UsageError("there is no program to run on the board")
    line = "exec " + " ".join(quoted(word) for word in argv)
    if len(os.fsencode(line)) > LONGEST_COMMAND:
        raise UsageError(
            f"the command line {argv[0]} … is longer than {LONGEST_COMMAND} bytes",
            advice="put what is long into a file of the program's folder",
        )
    return line


def script_words(script: str, arguments: Sequence[str] = ()) -> list[str]:
    """The command line that runs a script of POSIX sh with ``$1``, ``$2`` … set to ``arguments``."""
    return ["sh", "-c", script, "sh", *arguments]


def on_board(path: str) -> str:
    """A path that an engineer wrote, for commands that begin in the user's home on the board."""
    if path in ("", "~"):
        return "."
    path = path.removeprefix("~/")
    return path if path.startswith("/") else f"./{path}"
