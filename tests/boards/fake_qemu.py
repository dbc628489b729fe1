"""A stand-in for QEMU and for ssh, as programs: they do what ``FAKE_QEMU`` and ``FAKE_SSH`` say, in no time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from lab.boards.qemu.emulator import Emulator
from lab.boards.qemu.image import Image
from lab.boards.qemu.machines import Machine

QEMU = r"""
import os, re, signal, socket, sys, time
how = os.environ.get("FAKE_QEMU", "good")
line = " ".join(sys.argv)
port = int(re.search(r"hostfwd=tcp:127\.0\.0\.1:(\d+)-:22", line)[1])
console = open(re.search(r"file:(\S+)", line)[1], "w", buffering=1)
console.write("first words\n\x1b[31mred\x07 words\n")
if how == "refuses":
    sys.exit("qemu: no such machine")
if how == "port taken once" and not os.path.exists(os.environ["FAKE_ONCE"]):
    open(os.environ["FAKE_ONCE"], "w").close()
    sys.exit(f"qemu: -nic: Could not set up host forwarding rule 'tcp:127.0.0.1:{port}-:22'")
if how == "panics":
    time.sleep(0.3)
    console.write("".join(f"line {number}\n" for number in range(50)) + "Kernel panic - not syncing\n")
    sys.exit(0)
if how == "silent":
    time.sleep(60)
if how == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
server = socket.create_server(("127.0.0.1", port))
while True:
    connection, _ = server.accept()
    if how != "mute":
        connection.sendall(b"SSH-2.0-fake\r\n")
    connection.close()
"""

SSH = """#!/bin/sh
echo "$*" >> "$FAKE_SSH_LOG"
[ -z "$FAKE_SSH" ] || { echo "$FAKE_SSH" >&2; exit 255; }
"""


class FakeBoard:
    """Emulator and image of a machine, as :class:`lab.boards.qemu.guests.Guests` asks for them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self._program = folder / "qemu.py"
        self._program.write_text(QEMU)
        self.ssh_log = folder / "ssh.log"
        (folder / "bin").mkdir()
        (folder / "bin" / "ssh").write_text(SSH)
        (folder / "bin" / "ssh").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("FAKE_SSH_LOG", str(self.ssh_log))
        monkeypatch.setenv("FAKE_ONCE", str(folder / "once"))
        monkeypatch.delenv("FAKE_SSH", raising=False)
        self._image = Image(folder / "image")
        self._image.folder.mkdir()
        (self._image.folder / "image.json").write_text(json.dumps({"hash": "cafe", "packages": {}, "modules": []}))
        self.behaves("good")

    def behaves(self, how: str, *, ssh: str = "") -> None:
        """How the next one that is started behaves, and what its SSH complains of."""
        self._monkeypatch.setenv("FAKE_QEMU", how)
        self._monkeypatch.setenv("FAKE_SSH", ssh)

    def prepare(self, machine: Machine, refresh: bool) -> tuple[Emulator, Image]:
        """For ``Guests(prepare=…)``."""
        return Emulator((sys.executable, "-S", "-E", str(self._program)), "99.0", "fake"), self._image
