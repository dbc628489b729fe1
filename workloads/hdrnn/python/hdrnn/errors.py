# SPDX-License-Identifier: Apache-2.0
"""What ends the program with one line: :class:`WrongInputError` with exit code 2, :class:`FailureError` with 1."""

from __future__ import annotations

from pathlib import Path


class HdrnnError(Exception):
    """One clear line about what went wrong."""

    exit_code = 1


class WrongInputError(HdrnnError):
    """Wrong arguments, data or files."""

    exit_code = 2


class FailureError(HdrnnError):
    """Anything else: a full disk, a loss that is no number."""


def cannot_read(path: Path | str, error: OSError) -> WrongInputError:
    """A file that the system will not open or read."""
    return WrongInputError(f"{path}: {error.strerror or error}")


def cannot_write(path: Path | str, error: OSError) -> FailureError:
    """A file that the system will not let be written."""
    return FailureError(f"{path}: cannot be written: {error.strerror or error}")
