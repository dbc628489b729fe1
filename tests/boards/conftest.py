"""What the tests of boards share."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback_sshd import ABSENT, MISSING, LoopbackSshd


def _served(folder: Path) -> Iterator[LoopbackSshd]:
    if ABSENT:
        pytest.skip(MISSING)
    folder.mkdir()
    server = LoopbackSshd(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def agent_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the agent is built, once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[LoopbackSshd]:
    """A running SSH server on this machine, of the test's own."""
    yield from _served(tmp_path / "sshd")


@pytest.fixture(scope="module")
def shared_sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoopbackSshd]:
    """A running SSH server on this machine that the module's tests leave as it is."""
    yield from _served(tmp_path_factory.mktemp("ssh") / "sshd")


@pytest.fixture
def far_sshd(tmp_path: Path) -> Iterator[tuple[LoopbackSshd, Callable[[str], None]]]:
    """A server in a network namespace of its own, and a switch for the cable to it (``up``, ``down``)."""
    number = os.getpid() % 250
    name, ours, theirs = (f"lab{kind}{os.getpid()}" for kind in ("n", "a", "b"))
    address = f"10.213.{number}"

    def ip(*argv: str) -> None:
        subprocess.run(["ip", *argv], check=True, capture_output=True)

    try:
        ip("netns", "add", name)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
    folder = tmp_path / "far"
    folder.mkdir()
    server = None
    try:
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", name)
        ip("addr", "add", f"{address}.1/30", "dev", ours)
        ip("link", "set", ours, "up")
        ip("-n", name, "addr", "add", f"{address}.2/30", "dev", theirs)
        ip("-n", name, "link", "set", theirs, "up")
        server = LoopbackSshd(folder, address=f"{address}.2", prefix=("ip", "netns", "exec", name))
        server.start()
        yield server, lambda state: ip("-n", name, "link", "set", theirs, state)
    finally:
        if server is not None:
            server.stop()
        subprocess.run(["ip", "link", "del", ours], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
