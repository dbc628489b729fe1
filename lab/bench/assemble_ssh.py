"""From a bench file's entry to a board that is reached over SSH."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lab.bench.assemble_state import state_settings
from lab.bench.ssh_board import OverSsh, SshBoard
from lab.cache import cache_folder
from lab.config.environment import resolve

if TYPE_CHECKING:
    from lab.boards.ssh import board as boards
    from lab.boards.ssh.settings import SshSettings

_DEVICES = "/dev/"


def make_ssh_board(name: str, board: SshBoard, path: Path) -> boards.SshBoard:
    """The board of an entry of kind ``ssh``; ``path`` is the bench file's own."""
    from dataclasses import replace

    from lab.boards.ssh.board import SshBoard as Driven
    from lab.boards.ssh.target import SshTarget

    settings = replace(
        ssh_settings(board),
        silence_s=board.silence,
        config=_file(board.ssh_config, path),
        identity=_file(board.identity, path),
    )
    return Driven(name, SshTarget(board.host, board.user, board.port), settings)


def ssh_settings(board: OverSsh) -> SshSettings:
    """What holds for every board that programs reach over SSH."""
    from lab.boards.ssh.settings import SshSettings

    pin = board.pin
    return SshSettings(
        cache=cache_folder(),
        workdir=board.workdir,
        agent=board.agent,
        keep_agent=board.keep_agent,
        affinity=board.affinity,
        nice=board.nice,
        output_limit=board.output_limit,
        pin=None if pin is None else (pin.chip if pin.chip.startswith("/") else _DEVICES + pin.chip, pin.line),
        caches={name: size for name, size in board.caches.model_dump().items() if size is not None},
        connect_timeout_s=board.connect_timeout,
        reconnect_for_s=board.reconnect_for,
        state=state_settings(board, board.state, workdir=board.workdir),
    )


def _file(text: str | None, path: Path) -> Path | None:
    return None if text is None else resolve(text, path.parent)
