"""The exceptions that the lab raises on purpose, and the exit code each one ends a command with.

Anything that derives from :class:`LabError` is shown to the user as one clear line (``message``) and, where there
is something to do about it, a second one (``advice``). Everything else is a defect of the lab.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the ``lab`` command."""

    OK = 0
    REGRESSION = 1
    USAGE = 2
    HARDWARE = 3
    DATA = 4
    PARTIAL = 5
    INTERRUPTED = 130


class LabError(Exception):
    """Base of every error the lab raises on purpose."""

    exit_code: ExitCode = ExitCode.USAGE

    def __init__(self, message: str, *, advice: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice


class UsageError(LabError):
    """The command or a configuration file asks for something that cannot be."""


class HardwareError(LabError):
    """A board, an instrument or a tool that the bench names is not there or does not answer."""

    exit_code = ExitCode.HARDWARE


class LinkLostError(HardwareError):
    """The way to a board broke off in the middle of something; it may come back. What was running there is stopped by
    whoever reconnects."""


class DataError(LabError):
    """A record, a trace or an input file is missing, damaged or not what it claims to be."""

    exit_code = ExitCode.DATA
