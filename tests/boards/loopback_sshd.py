"""A real OpenSSH server on this machine for tests: own configuration, keys and port, all in one folder."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SSHD = shutil.which("sshd") or shutil.which("/usr/sbin/sshd")
MISSING = "needs OpenSSH's client and server (Debian: apt install openssh-client openssh-server)"
ABSENT = SSHD is None or shutil.which("ssh") is None or shutil.which("ssh-keygen") is None

HOST = "loopback-board"
"""What the server is called in :attr:`LoopbackSshd.ssh_config`."""

_START_S = 10.0

NEEDS_NAMESPACES = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="needs root and iproute2 to make a network namespace"
)


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """A fresh key pair without a passphrase."""
    path.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)], check=True, stdin=subprocess.DEVNULL
    )
    return path


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LoopbackSshd:
    """An SSH server for the user who runs the tests. ``options`` are further lines of sshd_config.

    ``address`` and ``prefix`` put it elsewhere: into a network namespace, for one.
    """

    def __init__(
        self, folder: Path, *, options: tuple[str, ...] = (), address: str = "127.0.0.1", prefix: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder
        self.address = address
        self.port = free_port()
        self.host_key = make_key(folder / "host_key")
        self.user_key = make_key(folder / "user_key")
        self.known_hosts = folder / "known_hosts"
        self.ssh_config = folder / "ssh_config"
        self._options = options
        self._prefix = prefix
        self._process: subprocess.Popen[bytes] | None = None
        shutil.copy(f"{self.user_key}.pub", folder / "authorized_keys")
        self.know_host_key()
        self.write_config()

    def know_host_key(self) -> None:
        """Let the client know the server's key as it is now."""
        key = Path(f"{self.host_key}.pub").read_text()
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {key}")

    def write_config(self, *lines: str, more: str = "") -> None:
        """The client's configuration; ``lines`` come first in the server's entry, ``more`` behind it."""
        entry = [
            *lines,
            f"HostName {self.address}",
            f"Port {self.port}",
            f"IdentityFile {self.user_key}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {self.known_hosts}",
            "GlobalKnownHostsFile none",
        ]
        self.ssh_config.write_text(f"Host {HOST}\n" + "".join(f"  {line}\n" for line in entry) + more)

    def change_host_key(self) -> None:
        """As if the board had been installed anew. The server must be started again."""
        make_key(self.host_key)

    def start(self) -> None:
        """Serve, until :meth:`stop`."""
        assert SSHD is not None
        config = self.folder / "sshd_config"
        lines = [
            *self._options,
            f"Port {self.port}",
            f"ListenAddress {self.address}",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "PermitRootLogin yes",
            "MaxStartups 100",
            # A bash that sshd starts reads ~/.bashrc, unless it is told that it is not the first one.
            "SetEnv SHLVL=1",
        ]
        config.write_text("\n".join(lines) + "\n")
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with (self.folder / "sshd.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, SSHD, "-D", "-e", "-f", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        end_s = time.monotonic() + _START_S
        while f"Server listening on {self.address} port {self.port}" not in self.log():
            if self._process.poll() is not None or time.monotonic() > end_s:
                raise RuntimeError(f"sshd does not start: {self.log()}")
            time.sleep(0.01)

    def log(self) -> str:
        """What the server wrote since it was first started."""
        return (self.folder / "sshd.log").read_text(errors="replace")

    def stop(self) -> None:
        """End the server and every connection. Idempotent."""
        self.cut()
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.wait()
        (self.folder / "sshd.log").write_text("")

    def cut(self) -> int:
        """Kill the processes of all connections (not the server); how many there were."""
        killed = 0
        for pid in list(self._descendants()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        return killed

    def _descendants(self) -> Iterator[int]:
        """The ``sshd`` processes below the server."""
        if self._process is None:
            return
        family = {self._process.pid}
        found = True
        while found:
            found = False
            for stat in Path("/proc").glob("[0-9]*/stat"):
                try:
                    name, _, rest = stat.read_text(errors="replace").partition("(")[2].rpartition(")")
                except OSError:
                    continue
                pid, parent = int(stat.parent.name), int(rest.split()[1])
                if parent in family and pid not in family and name.startswith("sshd"):
                    family.add(pid)
                    found = True
                    yield pid
