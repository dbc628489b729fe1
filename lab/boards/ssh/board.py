"""A board with Linux that is reached with OpenSSH."""

from __future__ import annotations

import contextlib
import posixpath
import secrets
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from instruments.protocol import Probe
from lab.boards.agent.session import AgentRun
from lab.boards.protocol import Command, CommandResult
from lab.boards.ssh import files
from lab.boards.ssh.agent_start import Agent, counting
from lab.boards.ssh.complaints import AuthenticationError, HostKeyError
from lab.boards.ssh.link import Answer, SshLink, StuckError
from lab.boards.ssh.processes import MARK, PROCESSES
from lab.boards.ssh.quoting import on_board
from lab.boards.ssh.settings import SshSettings
from lab.boards.ssh.shell_programs import ShellPrograms
from lab.boards.ssh.target import SshTarget
from lab.boards.state.board_state import BoardState
from lab.errors import HardwareError, LinkLostError, UsageError
from lab.record.marks_file import LAB_MARKS
from lab.record.quantity import Origin

_OWN = ".lab"
"""Folder in the campaign's folder on the board for what is the lab's and not the workload's."""
_ASK_S = 60.0
_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 10.0
_FOREIGN_SHELL = "'\\\"$`!*?~ #&;|<>(){}[]\t%s"
"""A word with everything in it that a shell could take for something else."""

_OPEN = """
printf '%s\\n' "$1"
uname -m || exit 1
umask 077
mkdir -p "$2" && cd "$2" && mkdir "$3" && mkdir "$3/.lab" && cat >"$3/.lab/processes.sh" || exit 1
cd "$3" && pwd && exec sh "$PWD/.lab/processes.sh" begin
"""

_CLOSE = """
sh "$1/.lab/processes.sh" stop "$2"
cd / && rm -rf "$1" && rmdir "$3" 2>/dev/null
[ ! -e "$1" ]
"""

_FIND = """
cd "$1/.lab" && [ -f processes.sh ] || exit 1
sh "$1/.lab/processes.sh" stop "$2"
exec sh "$1/.lab/processes.sh" begin
"""


class SshBoard:
    """Runs programs on a board behind SSH: through the lab's agent, or through plain ``sh`` where that cannot be.

    ``kind`` is what the bench file calls it; an emulated board is one of these with ``origin`` ``EMULATED``.
    """

    def __init__(
        self,
        name: str,
        target: SshTarget,
        settings: SshSettings,
        *,
        origin: Origin = Origin.MEASURED,
        kind: str = "ssh",
    ) -> None:
        self.name = name
        self.origin = origin
        self._kind = kind
        self._settings = settings
        self._token = secrets.token_hex(16)
        self._folder: str | None = None
        self._architecture: str | None = None
        self._started: Agent | ShellPrograms | None = None
        self._uncollected: dict[str, Path] = {}
        self._link = SshLink(
            target,
            connect_timeout_s=settings.connect_timeout_s,
            silence_s=settings.silence_s,
            config=settings.config,
            identity=settings.identity,
        )
        self._state = BoardState(self.ask, settings.state, name=name)

    # --------------------------------------------------------------------------------------------- there and away

    def probe(self) -> Probe:
        """Present if it lets us in. Never raises."""
        reached_before = self._link.alive
        try:
            if not reached_before:
                self._link.connect()
            answer = self._link.script("uname -srm; tr -d '\\0' </proc/device-tree/model 2>/dev/null; true")
        except HardwareError as error:
            return Probe(False, error.message, error.advice or "")
        finally:
            if not reached_before:
                self._link.disconnect()
        system, *model = [line.strip() for line in answer.text.splitlines() if line.strip()] or ["it says nothing"]
        detail = ", ".join([*model, system, f"host key {self._link.host_key}"])
        return Probe(True, detail, facts={"system": system, "host_key": self._link.host_key})

    def open(self) -> None:
        """Connect, make the campaign's folder, start the agent, and bring the board into the state that is asked for.

        Raises :class:`HardwareError` if one of these cannot be.
        """
        if self._folder is not None:
            return
        with self._named():
            self._link.connect()
            try:
                self._make_folder()
                self._start()
                self._state.prepare()
            except BaseException:
                with contextlib.suppress(HardwareError):
                    self.close()
                self._link.disconnect()
                raise

    def close(self) -> None:
        """Stop what runs, restore what was changed, remove the campaign's folder, end the connection. Idempotent.

        Raises :class:`HardwareError` if the board's state could not be restored, or something had to be left there.
        """
        folder = self._folder
        try:
            if folder is not None:
                with self._named():
                    self._leave(folder)
        finally:
            self._end()
            self._folder = None
            self._link.disconnect()

    def _leave(self, folder: str) -> None:
        """Restore and remove; once more from the beginning if the link turns out to be lost."""
        for last in (False, True):
            trouble: HardwareError | None = None
            try:
                if not self._link.alive:
                    self._link.connect()
                try:
                    self._state.restore()
                except LinkLostError:
                    raise
                except HardwareError as error:
                    trouble = error
                self._end()
                removed = self._link.script(_CLOSE, folder, self._marks(), posixpath.dirname(folder))
                if removed.status != 0 and trouble is None:
                    trouble = HardwareError(
                        f"{folder} could not be removed from {self._link.address}: {removed.complaint}",
                        advice="remove it by hand",
                    )
            except LinkLostError:
                if last:
                    raise
            else:
                if trouble is not None:
                    raise trouble
                return

    def reconnect(self) -> None:
        """Try to reach the board again for the time that the bench file gives, with growing pauses; end what was left
        running there, and go on in the folder as it is.

        Raises :class:`HardwareError` if it does not come back, at once if it shows another host key.
        """
        folder = self._working_folder()
        self._end()
        self._uncollected = {}
        with self._named():
            self._connect_patiently()
            answer = self._link.script(_FIND, folder, self._marks())
            if answer.status != 0:
                raise HardwareError(
                    f"{self._link.address} is back, but the working folder {folder} is gone: it was started anew",
                    advice="check the board's power; set board.workdir to a folder that survives a restart; "
                    "`lab resume RECORD` does the passes that are missing",
                )
            self._start()
            self._state.prepare()

    def _connect_patiently(self) -> None:
        end_s = time.monotonic() + self._settings.reconnect_for_s
        pause_s = _PAUSE_S
        while True:
            try:
                self._link.connect()
            except (HostKeyError, AuthenticationError):
                raise
            except HardwareError as error:
                if time.monotonic() + pause_s > end_s:
                    tried = f"tried for {self._settings.reconnect_for_s:g} s"
                    raise HardwareError(f"{error.message} ({tried})", advice=error.advice) from error
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                return

    def _make_folder(self) -> None:
        parent = on_board(self._settings.workdir)
        name = f"campaign-{secrets.token_hex(4)}"
        answer = self._link.script(_OPEN, _FOREIGN_SHELL, parent, name, stdin=PROCESSES.encode("ascii"))
        first, *rest = answer.text.split("\n")
        if first != _FOREIGN_SHELL:
            raise HardwareError(
                f"the login shell on {self._link.address} does not leave commands as they are: it says {first[:80]!r}",
                advice="it must know single quotes as sh does, and print nothing by itself when a command is run "
                "through it (look into ~/.bashrc and /etc/profile.d); or log in as another user",
            )
        if answer.status != 0 or len(rest) < 2:
            raise HardwareError(
                f"no folder can be made below {parent} on {self._link.address}: {answer.complaint}",
                advice="name one that this user may write to: board.workdir",
            )
        self._architecture, self._folder = rest[0].strip(), rest[1]

    def _start(self) -> None:
        """Begin with the agent, or, if the bench file leaves that open or wants it so, with the board's shell."""
        own, wanted = self._own(), self._settings.agent
        why = "the bench file wants none"
        if wanted != "none":
            try:
                self._started = Agent(
                    self._link,
                    self.architecture,
                    self._settings.cache,
                    own=own,
                    kept_at=self._settings.keep_agent,
                    mark=self._mark(),
                )
            except LinkLostError:
                raise
            except (HardwareError, UsageError) as error:
                if wanted == "required":
                    raise
                why = error.message
            else:
                return
        needs = {"taskset": "board.affinity"} if self._settings.affinity is not None else {}
        if self._settings.nice is not None:
            needs["nice"] = "board.nice"
        self._started = ShellPrograms(self._link, f"{own}/processes.sh", self._token, why, needs)

    def _end(self) -> None:
        started, self._started = self._started, None
        if started is not None:
            with contextlib.suppress(HardwareError):
                started.close()

    # ------------------------------------------------------------------------------------------------ what it is

    @property
    def architecture(self) -> str:
        """As ``uname -m`` says it. The board must be open."""
        if self._architecture is None:
            raise HardwareError(f"board {self.name!r} is not open")
        return self._architecture

    @property
    def caches(self) -> dict[str, int]:
        """Sizes in bytes of ``l1d``, ``l2`` and ``ram``, as far as they are known."""
        known = self._state.cache_sizes() if self._link.alive else {}
        return {**known, **self._settings.caches}

    def fingerprint(self) -> dict[str, Any]:
        """What the board is, how it is reached, and what programs are started by."""
        affinity = self._settings.affinity
        return {
            "kind": self._kind,
            **self._state.fingerprint(),
            "architecture": self.architecture,
            "address": self._link.address,
            "host_key": self._link.host_key,
            "agent": self._programs().hello,
            "affinity": None if affinity is None else sorted(affinity),
        }

    def settle(self) -> tuple[tuple[str, str], ...]:
        """Wait until it is as cool as the bench file asks."""
        with self._named():
            return self._state.settle()

    def checks(self) -> list[tuple[str, Probe]]:
        """What was looked at and what to change on the board."""
        started = self._programs()
        if isinstance(started, Agent):
            agent = Probe(True, "runs on the board", facts=dict(started.hello))
        else:
            advice = "times are then known to 10 ms only; let the lab copy it (board.agent: auto)"
            agent = Probe(True, f"not used: {started.why}", advice)
        return [("agent", agent), *self._state.checks()]

    def can_count(self) -> Probe:
        """The agent counts, if the board's kernel lets it."""
        started = self._programs()
        if isinstance(started, Agent):
            return counting(started.hello)
        return Probe(False, f"no agent on the board: {started.why}", "let the lab copy it (board.agent: auto)")

    # ------------------------------------------------------------------------------------------------------ files

    def begin_pass(self, pass_id: str, seed: int) -> None:
        """Look at clocks and temperatures before anything is recorded."""
        with self._named():
            self._state.begin_run()

    def put(self, local: Path, remote: str) -> str:
        """Copy a file or folder into the campaign's folder; ``remote`` is relative to it. What was there goes."""
        target = self._inside(remote)
        with self._named():
            if local.is_dir():
                files.put_folder(self._link, local, target)
            else:
                files.put_file(self._link, local, target)
        return target

    def fetch(self, remote: str, local: Path) -> None:
        """Copy a file of the campaign's folder (relative to it, or in full). Raises ``FileNotFoundError``."""
        with self._named():
            files.fetch(self._link, {self._inside(remote): local})

    def fetch_folder(self, remote: str, local: Path) -> None:
        """Copy a folder's files here. Raises ``FileNotFoundError`` if it is not there."""
        with self._named():
            files.fetch_folder(self._link, self._inside(remote), local)

    def make_workdir(self, name: str) -> str:
        """A fresh, empty folder; one of that name from before is removed."""
        folder = self._inside(name)
        with self._named():
            _done(self._link.script('rm -rf "$1" && mkdir -p "$1"', folder), f"the folder {folder}")
        return folder

    # --------------------------------------------------------------------------------------------------- programs

    def run(self, command: Command, stdout: Path, stderr: Path) -> CommandResult:
        """Run a program to its end; its output is written to files on the board and fetched then.

        All its descendants end with it, at the latest at the deadline or an interrupt. Raises :class:`LinkLostError` if
        the link breaks meanwhile; a program that is not there gives exit status 127, as in a shell.
        """
        settings, own = self._settings, self._own()
        program = AgentRun(
            argv=command.argv,
            workdir=command.workdir or self._working_folder(),
            stdout=f"{own}/stdout",
            stderr=f"{own}/stderr",
            env={"LC_ALL": "C", **command.env},
            deadline_s=command.deadline_s,
            cpus=settings.affinity,
            nice=settings.nice,
            events=command.events,
            opens_window=command.opens_window,
            window_only=command.window_only,
            pin=settings.pin,
            marks=command.env.get(LAB_MARKS),
            output_limit=settings.output_limit,
        )
        with self._named():
            self._bring_output()
            ended = self._programs().session.run(program)
            self._uncollected = {program.stdout: stdout, program.stderr: stderr}
            seen = () if command.collect_later else self.collect()
        return CommandResult(
            ended.exit_status,
            ended.elapsed_s,
            ended.usage,
            ended.timed_out,
            faults=(*ended.faults, *seen),
            counts=ended.counts,
        )

    def collect(self) -> tuple[tuple[str, str], ...]:
        """Bring the last program's output here, and say what befell the board since the pass began."""
        with self._named():
            seen = self._state.end_run()
            self._bring_output()
        return seen

    def _bring_output(self) -> None:
        wanted, self._uncollected = self._uncollected, {}
        if wanted:
            files.fetch(self._link, wanted)

    def idle(self, seconds: float) -> None:
        """Sleep, here; the link rests but for its sign of life."""
        time.sleep(max(0.0, seconds))

    def ping(self) -> tuple[int, int, int]:
        """Ask the agent for the board's ``CLOCK_MONOTONIC_RAW``; without it see
        :meth:`lab.boards.ssh.shell_programs.ShellSession.ping`."""
        with self._named():
            return self._programs().session.ping()

    def ask(self, argv: list[str]) -> tuple[int, str, str]:
        """A short question, as an :data:`instruments.commands.RunCommand`."""
        try:
            answer = self._link.run(["env", self._ask_mark(), "LC_ALL=C", *argv], timeout_s=None, deadline_s=_ASK_S)
        except StuckError:
            self._link.script('[ ! -d "$1" ] || exec sh "$1/processes.sh" stop "$2"', self._own(), self._ask_mark())
            raise subprocess.TimeoutExpired(argv, _ASK_S) from None
        return answer.status, answer.text, answer.stderr.decode(errors="replace")

    # ------------------------------------------------------------------------------------------------------ parts

    def _programs(self) -> Agent | ShellPrograms:
        if self._started is None:
            raise HardwareError(f"board {self.name!r} is not open")
        return self._started

    def _working_folder(self) -> str:
        if self._folder is None:
            raise HardwareError(f"board {self.name!r} is not open")
        return self._folder

    def _own(self) -> str:
        return f"{self._working_folder()}/{_OWN}"

    def _mark(self) -> str:
        return f"{MARK}={self._token}"

    def _ask_mark(self) -> str:
        return f"{MARK}=ask-{self._token}"

    def _marks(self) -> str:
        return f"{self._mark()}\n{self._ask_mark()}"

    def _inside(self, remote: str) -> str:
        """The path of ``remote`` in the campaign's folder. Raises ``ValueError`` if it points outside."""
        root = self._working_folder()
        path = posixpath.normpath(posixpath.join(root, remote))
        if not path.startswith(f"{root}/"):
            raise ValueError(f"{remote!r} is not below the board's working folder")
        return path

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Within it, errors say which board they are about, and a lost link what ssh said of it."""
        try:
            yield
        except LinkLostError as error:
            # Whoever spoke over the link knows only that nobody answers; ssh knows why, a moment later.
            known = self._link.lost() if self._link.gone_soon() else error
            raise LinkLostError(self._with_name(known.message), advice=known.advice) from error
        except HardwareError as error:
            raise type(error)(self._with_name(error.message), advice=error.advice) from error

    def _with_name(self, message: str) -> str:
        prefix = f"board {self.name!r}: "
        return message if message.startswith(("board ", prefix)) else prefix + message


def _done(answer: Answer, what: str) -> None:
    if answer.status != 0:
        raise HardwareError(f"{what} cannot be made on the board: {answer.complaint}", advice="is there room?")
