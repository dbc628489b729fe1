"""A file that one process holds at a time: several labs share the cache, and each image is made once."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from pathlib import Path

from lab.boards.qemu.progress import Progress

_LOOK_AGAIN_S = 0.1


@contextlib.contextmanager
def held(path: Path, progress: Progress, what: str) -> Iterator[None]:
    """Hold the lock ``path``; another process that holds it is waited for, saying that it is busy with ``what``.

    The kernel lets go of it when a process ends, however it ends.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as lock:
        began = time.monotonic()
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress.waiting(f"another lab is busy with {what} ({time.monotonic() - began:.0f} s)")
                time.sleep(_LOOK_AGAIN_S)
        yield
