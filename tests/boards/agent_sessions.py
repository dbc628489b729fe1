"""Agents on this machine for tests: built once, each in a folder of its own, talked to through the real session."""

from __future__ import annotations

import contextlib
import functools
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from lab.boards.agent.binary import SOURCE, agent_binary
from lab.boards.agent.session import AgentEnded, AgentRun, AgentSession, run_fields
from lab.boards.agent.wire import compose
from lab.errors import UsageError
from lab.toolchains import toolchain

HERE = platform.machine()
EMULATED = {"aarch64": "qemu-aarch64", "armv7l": "qemu-arm"}
"""Architectures whose agent can be tried here all the same, and by what."""

TOUCHER = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static void touch(size_t pages)
{
    size_t length = pages * 4096;
    if (pages == 0)
        return;
    char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        exit(3);
    madvise(memory, length, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < length; i += 4096)
        ((volatile char *)memory)[i] = 1;
    munmap(memory, length);
}

int main(int count, char **arguments)
{
    /* toucher PAGES_OUTSIDE PAGES_INSIDE WINDOWS FAMILY */
    size_t outside = strtoul(arguments[1], NULL, 10), inside = strtoul(arguments[2], NULL, 10);
    int windows = atoi(arguments[3]), family = atoi(arguments[4]);
    char *paths = getenv("LAB_WINDOW"), answer[16];
    FILE *control = NULL, *acknowledge = NULL;
    if (count != 5)
        return 4;
    if (paths != NULL) {
        char *comma = strchr(paths, ',');
        *comma = '\0';
        control = fopen(paths, "w");
        acknowledge = fopen(comma + 1, "r");
        setbuf(control, NULL);
        setbuf(acknowledge, NULL);
    }
    touch(outside);
    for (int i = 0; i < windows; i++) {
        if (control != NULL) {
            write(fileno(control), "enable\n", 7);
            if (read(fileno(acknowledge), answer, sizeof answer) != 4)
                return 5;
        }
        touch(inside);
        if (control != NULL) {
            write(fileno(control), "disable\n", 8);
            if (read(fileno(acknowledge), answer, sizeof answer) != 4)
                return 5;
        }
        touch(outside);
    }
    for (int i = 0; i < family; i++)
        if (fork() == 0) {
            setsid();
            touch(inside);
            _exit(0);
        }
    while (wait(NULL) > 0)
        ;
    return 0;
}
"""
"""Touches pages outside its window, inside, outside again; then children of its own do, which leave the family."""

_built = tempfile.TemporaryDirectory(prefix="agent-")
Path(_built.name).chmod(0o755)


@functools.cache
def binary(kind: str) -> tuple[str, ...]:
    """The command of an agent: ``native``, ``checked`` (watches its own memory), ``dynamic`` or an architecture."""
    if kind == "native":
        return (str(_or_skip(HERE)),)
    if kind in ("checked", "dynamic"):
        return (str(_made(kind)),)
    emulator = shutil.which(EMULATED[kind])
    if emulator is None:
        pytest.skip(f"{EMULATED[kind]} is not installed: apt install qemu-user")
    return (emulator, str(_or_skip(kind)))


def _or_skip(architecture: str) -> Path:
    try:
        return agent_binary(architecture, Path(_built.name))
    except UsageError as error:
        pytest.skip(f"{error.message}: {error.advice}")


def _made(kind: str) -> Path:
    folder = Path(_built.name) / kind
    option = {"checked": "SANITIZE=1", "dynamic": "DYNAMIC=1"}[kind]
    done = subprocess.run(
        ["make", "-s", "-j4", "-C", SOURCE, f"BUILD={folder}", option], capture_output=True, text=True, check=False
    )
    if done.returncode != 0 and "asan" in done.stderr:
        pytest.skip("the compiler has no address sanitizer")
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "the compiler warns"
    return folder / "agent"


@functools.cache
def compiled(source: str, architecture: str = HERE) -> Path:
    """A small C program, which brings its libraries where it is not for this machine."""
    try:
        tools = toolchain(architecture)
    except UsageError as error:
        pytest.skip(f"{error.message}: {error.advice}")
    folder = open_folder()
    (folder / "program.c").write_text(source)
    subprocess.run([tools.cc, "-O1", "-o", folder / "program", folder / "program.c", *tools.ldflags], check=True)
    return folder / "program"


def open_folder() -> Path:
    """A folder that other users get to, too."""
    folder = Path(tempfile.mkdtemp(dir=_built.name))
    folder.chmod(0o755)
    return folder


class Agent:
    """An agent and the conversation with it."""

    def __init__(self, kind: str, folder: Path, *options: str, user: int | None = None) -> None:
        self.kind = kind
        self.folder = folder
        self.process = subprocess.Popen(
            [*binary(kind), "--folder", str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            user=user,
        )
        assert self.process.stdout is not None
        assert self.process.stdin is not None
        assert self.process.stderr is not None
        self.stderr = self.process.stderr
        self.input = self.process.stdin
        self.session = AgentSession(self.process.stdout, self.process.stdin, name="board")

    def asked(self, argv: Sequence[str], **more: object) -> AgentRun:
        return AgentRun(list(argv), str(self.folder), "stdout", "stderr", **more)  # type: ignore[arg-type]

    def run(self, argv: Sequence[str], **more: object) -> AgentEnded:
        return self.session.run(self.asked(argv, **more))

    def shell(self, script: str, **more: object) -> AgentEnded:
        return self.run(["sh", "-c", script], **more)

    def begin(self, argv: Sequence[str], **more: object) -> None:
        """Have a program started, without waiting for anything."""
        self.input.write(compose("run", 900, run_fields(self.asked(argv, **more))))

    def text(self, name: str = "stdout") -> str:
        return (self.folder / name).read_text()

    def end(self) -> int:
        """End the conversation; the agent's exit status."""
        self.session.close()
        return self.hang_up()

    def hang_up(self) -> int:
        """Let the link break."""
        with contextlib.suppress(OSError):
            self.input.close()
        status = self.process.wait(10)
        said = self.stderr.read()
        assert not said, said.decode()
        return status


@contextlib.contextmanager
def agent(kind: str, folder: Path, *options: str, user: int | None = None) -> Iterator[Agent]:
    folder.mkdir(exist_ok=True)
    one = Agent(kind, folder, *options, user=user)
    try:
        yield one
    finally:
        # It ends what it started; one that is stopped or gone cannot.
        with contextlib.suppress(OSError):
            one.input.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            one.process.wait(5)
        one.process.kill()
        one.process.wait()
        for pipe in (one.process.stdin, one.process.stdout, one.process.stderr):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()


def soon(holds: Callable[[], bool], seconds: float = 10.0) -> bool:
    """True as soon as it holds, false if it does not within that time."""
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(0.01)
    return True


def alive(marker: str) -> list[int]:
    """Processes with this word in their command line that are more than zombies."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[0]
            if marker.encode() in words and state not in "ZX":
                found.append(int(folder.name))
    return found
