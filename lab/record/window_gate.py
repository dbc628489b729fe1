"""How a program tells whoever watches it that its window opens and closes, and waits until they are ready.

The environment variable :data:`LAB_WINDOW` holds the paths of two named pipes, ``CONTROL,ACKNOWLEDGE``. The program
writes ``enable\n`` to the first and reads a line from the second before its first inference; ``disable\n`` likewise
after its last. That is the convention of ``perf stat --control fifo:CONTROL,ACKNOWLEDGE``, so perf and the lab's agent
understand the same programs. Without the variable a program says nothing. perf's answer is ``ack\n`` and a zero byte.
"""

from __future__ import annotations

LAB_WINDOW = "LAB_WINDOW"
"""The environment variable with the two paths on the board."""

CONTROL_FIFO, ACKNOWLEDGE_FIFO = "window.control", "window.acknowledge"
"""Names of the pipes in the pass's working folder."""
