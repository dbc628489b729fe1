"""What holds for the whole suite."""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Let SIGINT interrupt, whoever started the tests.

    A shell without job control has its background processes ignore it, and their children inherit that; the tests that
    interrupt programs could then only wait.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
