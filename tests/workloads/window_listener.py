"""The other ends of the two pipes that ``LAB_WINDOW`` names."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from lab.record.host_clock import host_ns


class Listener:
    """Gives ``answers`` to one word after the other, ``late_s`` later; ``heard`` are (word, ns of the answer)."""

    def __init__(self, folder: Path, answers: tuple[bytes, ...], late_s: float = 0.0) -> None:
        self.paths = (folder / "control", folder / "acknowledge")
        for path in self.paths:
            os.mkfifo(path)
        self.ends = [os.open(path, os.O_RDWR) for path in self.paths]
        self.heard: list[tuple[bytes, int]] = []
        self._answers = answers
        self._late_s = late_s
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        for answer in self._answers:
            word = os.read(self.ends[0], 100)
            time.sleep(self._late_s)
            self.heard.append((word, host_ns()))
            os.write(self.ends[1], answer)

    def close(self) -> None:
        self._thread.join(5)
        for end in self.ends:
            os.close(end)
