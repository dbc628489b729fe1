"""Names of events as instruments know them that see nothing but user space (cachegrind, the plugin for QEMU)."""

from __future__ import annotations


def user_space_event(event: str) -> str:
    """``instructions:u`` → ``instructions``: to who counts user space alone, the two are the same.

    Any other modifier stays: ``instructions:k`` is none of theirs.
    """
    name, _, modifiers = event.partition(":")
    return name if modifiers == "u" else event
