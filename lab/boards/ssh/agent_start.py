"""Bringing the lab's agent to a board and beginning to speak with it."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from instruments.protocol import Probe
from lab.boards.agent.binary import agent_binary
from lab.boards.agent.session import AgentSession
from lab.boards.ssh.files import put_file, same_file
from lab.boards.ssh.link import SshLink, ended
from lab.boards.ssh.quoting import on_board
from lab.errors import HardwareError, LinkLostError

_SHOWN = 300


class Agent:
    """The agent on a board behind a link: copied there, started, and spoken with by ``session``.

    ``own`` is the lab's folder on the board; ``kept_at`` the path at which the engineer wants the agent to stay;
    ``mark`` the entry in the environment by which it is found when the link broke.

    Raises :class:`lab.errors.UsageError` if it cannot be built here, :class:`HardwareError` if it cannot be brought
    there or does not run there.
    """

    def __init__(
        self, link: SshLink, architecture: str, cache: Path, *, own: str, kept_at: str | None, mark: str
    ) -> None:
        binary = agent_binary(architecture, cache)
        path = f"{own}/agent" if kept_at is None else on_board(kept_at)
        if not same_file(link, binary, path):
            put_file(link, binary, path)
        self._link = link
        self._client = link.start(["env", mark, path, "--folder", own])
        try:
            assert self._client.stdout is not None
            assert self._client.stdin is not None
            self.session = AgentSession(self._client.stdout, self._client.stdin, name=link.address)
            self.hello = self.session.hello()
        except HardwareError as error:
            raise self._explained(error, path) from error
        except BaseException:
            ended(self._client)
            raise

    def _explained(self, error: HardwareError, path: str) -> HardwareError:
        """Why it does not answer: the link, or the agent itself."""
        complaint = b""
        with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
            _, complaint = self._client.communicate(timeout=1.0)
        ended(self._client)
        if isinstance(error, LinkLostError) and not self._link.alive:
            return self._link.lost()
        said = complaint.decode(errors="replace").strip()[-_SHOWN:]
        return HardwareError(
            f"the agent does not run on the board ({path}): {said or error.message}",
            advice="may programs be started there (no `noexec`)? board.workdir names another folder; "
            "board.agent: none does without it",
        )

    def close(self) -> None:
        """End it, and all that it started. Idempotent."""
        try:
            self.session.close()
        finally:
            ended(self._client)


def counting(hello: Mapping[str, str]) -> Probe:
    """Can the agent that said this count events?"""
    error = hello.get("counts_error", "")
    match hello.get("counts"):
        case "all":
            return Probe(True, "the agent counts by perf_event_open(2), in user space and in the kernel")
        case "user":
            return Probe(
                True,
                f"the agent counts by perf_event_open(2), in user space only ({error})",
                "for the kernel's part: sysctl kernel.perf_event_paranoid=1 on the board, or log in as root",
            )
    return Probe(
        False,
        f"the board's kernel lets the agent count nothing ({error})",
        "it needs CONFIG_PERF_EVENTS and kernel.perf_event_paranoid of at most 2",
    )
