"""Where a board is reached with OpenSSH."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SshTarget:
    """A host (or a Host of ~/.ssh/config), and options of ``ssh -o`` beside those of the engineer's own configuration
    (an emulated board brings its own key and known-hosts file)."""

    host: str
    user: str | None = None
    port: int | None = None
    options: tuple[str, ...] = ()
