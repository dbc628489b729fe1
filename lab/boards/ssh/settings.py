"""What is asked of a board behind SSH, as plain values: the bench file's keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lab.boards.state.settings import StateSettings


@dataclass(frozen=True, slots=True)
class SshSettings:
    """``workdir`` is the folder on the board below which each campaign makes one of its own; relative to the user's
    home unless it begins with ``/``. ``keep_agent`` is the path there at which the agent stays afterwards; without it
    the agent goes with the campaign's folder. ``affinity`` are CPU numbers, ``output_limit`` bytes of each of stdout
    and stderr, ``pin`` the device and line that follows the program's window. ``cache`` is where agents lie that were
    built here. For ``connect_timeout_s``, ``silence_s``, ``config`` and ``identity`` see
    :class:`lab.boards.ssh.link.SshLink`; ``reconnect_for_s`` is how long a lost board is tried again.
    """

    cache: Path
    workdir: str = "/tmp/lab"
    agent: Literal["auto", "required", "none"] = "auto"
    keep_agent: str | None = None
    affinity: tuple[int, ...] | None = None
    nice: int | None = None
    output_limit: int | None = 64 * 1024 * 1024
    pin: tuple[str, int] | None = None
    caches: Mapping[str, int] = field(default_factory=dict)
    connect_timeout_s: float = 20.0
    silence_s: float = 15.0
    reconnect_for_s: float = 120.0
    config: Path | None = None
    identity: Path | None = None
    state: StateSettings = field(default_factory=StateSettings)
