"""What holds for the whole suite."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from lab.boards.qemu.guests import Guest


def pytest_configure() -> None:
    """Let SIGINT interrupt, whoever started the tests.

    A shell without job control has its background processes ignore it, and their children inherit that; the tests that
    interrupt programs could then only wait.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def qemu_a53() -> Iterator[Guest]:
    """The emulated board qemu-a53, up; the test is skipped where it cannot be had."""
    yield from _emulated("qemu-a53")


@pytest.fixture(scope="session")
def qemu_imx8mp() -> Iterator[Guest]:
    """The emulated board qemu-imx8mp."""
    yield from _emulated("qemu-imx8mp")


@pytest.fixture(scope="session")
def qemu_imx6() -> Iterator[Guest]:
    """The emulated board qemu-imx6; for slow tests."""
    yield from _emulated("qemu-imx6")


def _emulated(name: str) -> Iterator[Guest]:
    from emulated_boards import emulated_board

    yield from emulated_board(name)
