"""One connection to a board, made by OpenSSH and shared by everything that is done there.

``ssh`` is started once as a *master* (``ControlMaster``, ssh_config(5)) with a control socket of its own in a private
folder; each command is an ``ssh`` that asks that master for one more session and takes milliseconds. The master reads
the engineer's configuration, keys, agent and known hosts, and goes over the jump hosts they name. The others read no
configuration at all, and cannot make a connection of their own where the master is gone.

The master runs ``cat`` on the board: an echo says that the link stands, and when the lab dies, however it does, the
pipe to ``cat`` closes and the connection ends.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from lab.boards.ssh.complaints import HostKeyError, complaint, said
from lab.boards.ssh.quoting import script_words, words
from lab.boards.ssh.target import SshTarget
from lab.errors import HardwareError, LinkLostError

SSH = "ssh"
SSH_FAILED = 255
"""Exit status of ssh when it failed itself; also of a program that ended so, or by a signal on some servers."""
SHORT_S = 30.0
"""Within this time a short question is answered, or the link is taken for lost."""
MOST_HEARD = 16 << 20
"""Bytes of an answer that does not go into a file."""

_ECHO = b"lab: are you there?\n"
_NOTICE_S = 1.0
"""A master notices so long after its clients, at most, that the connection is gone."""
_CLOSE_S = 2.0
_CHUNK = 1 << 16
_SIGNS = 3
"""The link is lost when so many signs of life in a row did not come."""
_LONGEST_SOCKET_PATH = 60
"""Of 108 bytes (unix(7)); ssh appends 17 while it makes the socket."""
_HOST_KEY = re.compile(r"^debug1: Server host key: (\S+ \S+)", re.MULTILINE)


class Sink(Protocol):
    """What output is written to: a file, for one."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command on the board ended; ``stdout`` is empty where it went to a file."""

    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """What it printed, as text."""
        return self.stdout.decode(errors="replace")

    @property
    def complaint(self) -> str:
        """The last line of its standard error."""
        return said(self.stderr.decode(errors="replace"))


class StuckError(HardwareError):
    """A command on the board does not end, or does not end talking, though the link stands."""


class SshLink:
    """The shared connection to one board.

    ``connect_timeout_s`` is how long the way there may take, ``silence_s`` after how long without a sign of life the
    link counts as broken. ``config`` and ``identity`` are files for ``ssh -F`` and ``-i``.

    Every method raises :class:`LinkLostError` if the connection is gone.
    """

    def __init__(
        self,
        target: SshTarget,
        *,
        connect_timeout_s: float = 20.0,
        silence_s: float = 15.0,
        config: Path | None = None,
        identity: Path | None = None,
    ) -> None:
        self.target = target
        self._connect_timeout_s = connect_timeout_s
        self._silence_s = silence_s
        self._config = config
        self._identity = identity
        self._folder: Path | None = None
        self._master: subprocess.Popen[bytes] | None = None
        self._first_key = ""
        self.host_key = ""
        """Type and fingerprint of the key that the board showed."""

    @property
    def address(self) -> str:
        """What one would type after ``ssh``."""
        host = self.target.host if self.target.user is None else f"{self.target.user}@{self.target.host}"
        return host if self.target.port is None else f"-p {self.target.port} {host}"

    # ------------------------------------------------------------------------------------------ making and ending it

    def connect(self) -> None:
        """Make the connection. Raises :class:`HardwareError` with ssh's reason and what to do about it.

        A board that was reached before must show the same host key again, whatever the engineer's configuration says.
        """
        self.disconnect()
        if shutil.which(SSH) is None:
            raise HardwareError("ssh is not installed here", advice="install openssh-client")
        self._folder = _private_folder()
        log = self._folder / "log"
        with log.open("wb") as stderr:
            self._master = subprocess.Popen(
                self._master_command(self._folder / "socket"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,  # an interrupt at the terminal is for the lab, which still needs the link
            )
        try:
            self._await_echo(self._connect_timeout_s)
            self._check_host_key(log.read_text(errors="replace"))
        except BaseException:
            self.disconnect()
            raise

    def disconnect(self) -> None:
        """End the connection. Idempotent."""
        master, self._master = self._master, None
        folder, self._folder = self._folder, None
        if master is not None:
            ended(master)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def alive(self) -> bool:
        """Does the master still hold the connection?"""
        return self._master is not None and self._master.poll() is None

    def check(self, timeout_s: float = SHORT_S) -> None:
        """Ask the board for an echo."""
        self._await_echo(timeout_s)

    def lost(self, what: str = "") -> LinkLostError:
        """The error that says that the link is gone, with ssh's own words where it left some."""
        words_of_ssh = self._log()
        found = complaint(words_of_ssh, self.address, connected=True)
        message = found.message if isinstance(found, LinkLostError) else f"the link to {self.address} broke: {found}"
        return LinkLostError(f"{message} ({what})" if what else message, advice=found.advice)

    def _master_command(self, socket: Path) -> list[str]:
        beat = max(1, round(self._silence_s / _SIGNS))
        enforced = {
            "BatchMode": "yes",
            "ControlMaster": "yes",
            "ControlPath": str(socket).replace("%", "%%"),
            "ControlPersist": "no",
            "ConnectTimeout": str(max(1, round(self._connect_timeout_s))),
            "ServerAliveInterval": str(beat),
            "ServerAliveCountMax": str(_SIGNS),
            # What a configuration may ask for besides a connection: not wanted here.
            "RemoteCommand": "none",
            "RequestTTY": "no",
            "PermitLocalCommand": "no",
            "ClearAllForwardings": "yes",
            "ForwardX11": "no",
            # Says which key the board showed. It goes into a file that is read when something is wrong.
            "LogLevel": "DEBUG1",
        }
        if self._accepts_any_key():
            enforced["StrictHostKeyChecking"] = "accept-new"
        # First, for ssh goes by the first word on each.
        first = [item for name, value in enforced.items() for item in ("-o", f"{name}={value}")]
        program, *chosen = self._ssh()
        return [program, *first, *chosen, "--", self.target.host, "exec cat"]

    def _ssh(self) -> list[str]:
        command = [SSH]
        if self._config is not None:
            command += ["-F", str(self._config)]
        if self._identity is not None:
            command += ["-i", str(self._identity)]
        if self.target.user is not None:
            command += ["-l", self.target.user]
        if self.target.port is not None:
            command += ["-p", str(self.target.port)]
        return command + [item for option in self.target.options for item in ("-o", option)]

    def _accepts_any_key(self) -> bool:
        """Would ssh, as it is configured, go on where a host key has changed?"""
        asked = subprocess.run(
            [*self._ssh(), "-G", "--", self.target.host],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        return re.search(r"^stricthostkeychecking (?:no|off|false)$", asked.stdout, re.MULTILINE) is not None

    def _check_host_key(self, log: str) -> None:
        found = _HOST_KEY.search(log)
        self.host_key = found[1] if found else ""
        self._first_key = self._first_key or self.host_key
        if self.host_key != self._first_key:
            raise HostKeyError(
                f"{self.address} shows another host key ({self.host_key}) than at the beginning ({self._first_key})",
                advice="find out which machine answers at this address before anything else",
            )

    def _await_echo(self, timeout_s: float) -> None:
        """Send a line to the board's ``cat`` and wait for it."""
        master = self._master
        if master is None:
            raise HardwareError(f"there is no connection to {self.address}")
        assert master.stdin is not None
        assert master.stdout is not None
        connected = bool(self.host_key) and self.alive
        end_s = time.monotonic() + timeout_s
        heard = b""
        with contextlib.suppress(BrokenPipeError):
            master.stdin.write(_ECHO)
            master.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(master.stdout, selectors.EVENT_READ)
            while _ECHO not in heard:
                if not selector.select(max(0.0, end_s - time.monotonic())):
                    raise self._too_late(connected, timeout_s)
                chunk = os.read(master.stdout.fileno(), _CHUNK)
                if not chunk:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        master.wait(_NOTICE_S)
                    raise complaint(self._log(), self.address, connected=connected)
                heard += chunk

    def _too_late(self, connected: bool, timeout_s: float) -> HardwareError:
        if connected:
            return self.lost(f"no answer for {timeout_s:g} s")
        reason = said(self._log())
        return HardwareError(
            f"no connection to {self.address} within {timeout_s:g} s" + (f": {reason}" if reason else ""),
            advice="is the board on and its address right? A slow one: raise board.connect_timeout",
        )

    def _log(self) -> str:
        if self._folder is None:
            return ""
        try:
            return (self._folder / "log").read_text(errors="replace")
        except OSError:
            return ""

    # ------------------------------------------------------------------------------------------------- using it

    def start(
        self, argv: Sequence[str], *, stderr: IO[bytes] | int | None = subprocess.PIPE
    ) -> subprocess.Popen[bytes]:
        """Start a command on the board, its standard streams (unbuffered) in our hands; see :meth:`finished`."""
        if self._folder is None or not self.alive:
            raise self.lost() if self._master is not None else HardwareError(f"no connection to {self.address}")
        socket = self._folder / "socket"
        # With the engineer's configuration left out, forwardings and commands it names are not asked for again. Where
        # the master is gone, ssh would quietly make a connection of its own: the proxy that ends at once forbids it.
        command = [SSH, "-F", "none", "-T", "-S", str(socket).replace("%", "%%")]
        for option in ("ControlMaster=no", "BatchMode=yes", "ProxyCommand=false"):
            command += ["-o", option]
        return subprocess.Popen(
            [*command, "--", "board", words(argv)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            start_new_session=True,
        )

    def finished(self, client: subprocess.Popen[bytes], stderr: bytes = b"") -> int:
        """The exit status of a started command that has ended."""
        status = client.wait()
        if status == SSH_FAILED:
            text = stderr.decode(errors="replace")
            if self.gone_soon():
                raise self.lost()
            if re.search(r"mux_client|Session open refused|[Cc]ontrol socket|UNKNOWN port 65535", text):
                raise complaint(text, self.address, connected=True)
        elif status < 0:  # our own ssh was killed
            raise LinkLostError(f"the ssh to {self.address} was ended by signal {-status} here")
        return status

    def gone_soon(self) -> bool:
        """Is the connection gone, or found to be gone within a moment?"""
        if self._master is None:
            return True
        try:
            self._master.wait(_NOTICE_S / 2)
        except subprocess.TimeoutExpired:
            return False
        return True

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | Iterator[bytes] = b"",
        stdout: Sink | None = None,
        timeout_s: float | None = SHORT_S,
        deadline_s: float | None = None,
    ) -> Answer:
        """Run a command to its end, giving it ``stdin``, its output going to the file ``stdout`` or into the answer.

        ``timeout_s`` is how long nothing may come or go, and ``None`` waits for as long as the link stands;
        ``deadline_s`` is the limit for all of it. Raises :class:`StuckError` past them, and for an answer of more than
        :data:`MOST_HEARD` bytes; the command may then still run on the board.
        """
        client = self.start(argv)
        talk = _Talk(client, iter([stdin]) if isinstance(stdin, bytes) else stdin, stdout)
        try:
            talk.converse(timeout_s, None if deadline_s is None else time.monotonic() + deadline_s)
        except TimeoutError:
            if not self.gone_soon():
                self.check()
                raise StuckError(f"a command does not end on {self.address}: {' '.join(argv)[:80]}") from None
            raise self.lost(f"during {argv[0]}") from None
        finally:
            ended(client, at_once=True)
        status = self.finished(client, bytes(talk.complaints))
        return Answer(status, bytes(talk.heard), bytes(talk.complaints))

    def script(
        self,
        script: str,
        *arguments: str,
        stdin: bytes | Iterator[bytes] = b"",
        stdout: Sink | None = None,
        timeout_s: float | None = SHORT_S,
    ) -> Answer:
        """Run a script of POSIX sh with ``$1``, ``$2`` … set to ``arguments``; else as :meth:`run`."""
        return self.run(script_words(script, arguments), stdin=stdin, stdout=stdout, timeout_s=timeout_s)


class _Talk:
    """Feeding a process and draining both of its outputs, until all of them are closed."""

    def __init__(self, client: subprocess.Popen[bytes], stdin: Iterator[bytes], stdout: Sink | None) -> None:
        self.heard, self.complaints = bytearray(), bytearray()
        self._client = client
        self._stdin = stdin
        self._pending = b""
        self._stdout = stdout

    def converse(self, timeout_s: float | None, end_s: float | None) -> None:
        """Raises ``TimeoutError`` when nothing comes or goes for so long, and at ``end_s`` (``time.monotonic``)."""
        client = self._client
        assert client.stdin is not None
        assert client.stdout is not None
        assert client.stderr is not None
        os.set_blocking(client.stdin.fileno(), False)
        with selectors.DefaultSelector() as selector:
            selector.register(client.stdin, selectors.EVENT_WRITE)
            selector.register(client.stdout, selectors.EVENT_READ)
            selector.register(client.stderr, selectors.EVENT_READ)
            while selector.get_map():
                left_s = timeout_s
                if end_s is not None:
                    left_s = min(end_s - time.monotonic(), timeout_s if timeout_s is not None else math.inf)
                ready = selector.select(None if left_s is None else max(0.0, left_s))
                if not ready or len(self.heard) > MOST_HEARD or (end_s is not None and time.monotonic() > end_s):
                    raise TimeoutError
                for key, _ in ready:
                    if key.fileobj is client.stdin:
                        open_still = self._feed(key.fd)
                    else:
                        open_still = self._drain(key.fd, complaints=key.fileobj is client.stderr)
                    if not open_still:
                        selector.unregister(key.fileobj)
                        if key.fileobj is client.stdin:
                            client.stdin.close()
        client.wait()

    def _feed(self, descriptor: int) -> bool:
        self._pending = self._pending or next(self._stdin, b"")
        if not self._pending:
            return False
        try:
            self._pending = self._pending[os.write(descriptor, self._pending[:_CHUNK]) :]
        except BrokenPipeError:  # it ended, or does not want to hear more; its status says which
            return False
        return True

    def _drain(self, descriptor: int, *, complaints: bool) -> bool:
        chunk = os.read(descriptor, _CHUNK)
        if complaints:
            self.complaints += chunk[: max(0, _CHUNK - len(self.complaints))]
        elif self._stdout is None:
            self.heard += chunk
        else:
            self._stdout.write(chunk)
        return bool(chunk)


def ended(process: subprocess.Popen[bytes], *, at_once: bool = False) -> None:
    """Make sure that a process has ended, and close our ends of its pipes; first its input, whose end may be enough."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    if process.poll() is None and not at_once:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_CLOSE_S / 4)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_CLOSE_S)
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


def _private_folder() -> Path:
    """A fresh folder for the control socket, with a path short enough for one."""
    folder = Path(tempfile.mkdtemp(prefix="lab-ssh-"))
    if len(os.fsencode(folder / "socket")) > _LONGEST_SOCKET_PATH:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="lab-ssh-", dir="/tmp"))
    return folder
