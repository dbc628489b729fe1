"""One question to a board for many small facts: a script for a plain sh, and what it answers, taken apart.

The script prints every line of every file that is asked for behind the file's own path, and whatever else it finds
out behind a name that is no path of /proc, /sys, /dev or /etc. No content can therefore be taken for another file's:
a line of it never stands at the beginning of a line. All that is not printable ASCII becomes ``?`` before it leaves
the board, so neither the way here nor a terminal is confused by it. The last line says that nothing is cut off.

Needed on the board: ``sh`` and what every busybox has (``grep``, ``tr``, ``sed``; ``df`` and ``sleep`` for some).
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from instruments.commands import RunCommand
from lab.errors import HardwareError

_END = "##"
MOST_ANSWERED = 4 * 1024 * 1024
"""Characters; the files of /proc and /sys of a machine with 128 CPUs are a tenth of that."""

_TRIES_IT_IN_VAIN = re.compile(r"unrecognized option|invalid option|unknown option|illegal option|: not found$")
"""What programs without ``--version`` say first; the next line of many still names them."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What to ask for.

    ``files`` and ``binary`` are patterns of paths without the leading ``/``; of a binary file (the device tree's) bytes
    of zero become tabs and it is one line. ``exists`` are patterns of which only the matching paths are wanted.
    ``named`` are files (name → path) whose own path has a colon in it. ``tools`` are commands (name → words) asked for
    the first thing they say; ``found`` files or commands (name → path) to find on the board; ``folder`` one whose file
    system is wanted.
    """

    files: Sequence[str] = ()
    binary: Sequence[str] = ()
    exists: Sequence[str] = ()
    named: Mapping[str, str] = field(default_factory=dict)
    tools: Mapping[str, Sequence[str]] = field(default_factory=dict)
    found: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None

    def script(self, root: str = "/") -> str:
        """The script for ``sh -c``."""
        lines = [
            # The script's own tools are found under any PATH; the board's programs under that of its user alone.
            "p=$PATH; PATH=${PATH:+$PATH:}/usr/bin:/bin",
            f"cd {shlex.quote(root)} && LC_ALL=C && export LC_ALL && exec </dev/null 2>/dev/null && {{",
        ]
        if self.files:
            # /dev/null beside the files: with one file alone grep would not say which.
            lines.append(f"grep '' /dev/null {' '.join(self.files)}")
        if self.binary:
            lines.append(
                f'for f in {" ".join(self.binary)}; do if [ -r "$f" ]; then'
                ' printf "%s:" "$f"; tr "\\000\\012" "\\011\\040" <"$f"; echo; fi; done'
            )
        if self.exists:
            lines.append(f'for f in {" ".join(self.exists)}; do if [ -e "$f" ]; then echo "exists:$f"; fi; done')
        for name, path in self.named.items():
            lines.append(f"sed 's|^|named/{name}:|' {shlex.quote(path)}")
        for name, command in self.tools.items():
            words = shlex.join(command)
            lines.append(
                f"if (PATH=$p; command -v {shlex.quote(command[0])}) >/dev/null; then echo tool/{name}:;"
                f" (PATH=$p; {words}) 2>&1 | sed -n '1,4s|^|tool/{name}:|p'; fi"
            )
        for name, path in self.found.items():
            lines.append(
                f'f=$(PATH=$p; command -v {shlex.quote(path)}) || f={shlex.quote(path)}; if [ -e "$f" ]; then'
                f' echo "found/{name}:path $f";'
                f" if command -v sha256sum >/dev/null; then sha256sum <\"$f\" | sed 's|^|found/{name}:sha256 |';"
                f" else cksum <\"$f\" | sed 's|^|found/{name}:cksum |'; fi;"
                f" wc -c <\"$f\" | sed 's|^|found/{name}:bytes |';"
                f' if [ -x "$f" ]; then echo "found/{name}:executable yes"; fi; fi'
            )
        if self.folder is not None:
            lines.append(
                f'd={shlex.quote(self.folder)}; while [ ! -d "$d" ] && [ "${{d%/*}}" != "$d" ]; do d=${{d%/*}}; done;'
                " df -P -k \"${d:-/}\" | sed -n '2s|^|folder:|p';"
                ' if [ -w "${d:-/}" ]; then echo "writable:${d:-/}"; fi'
            )
        # \011 tab, \012 newline, \040-\176 what is printable: all else could mean something on the way.
        lines.append(f"echo '{_END}'; }} | tr -c '\\011\\012\\040-\\176' '?'")
        return "\n".join(lines)

    def ask(self, run: RunCommand, root: str = "/") -> Answer:
        """Put the question. Raises :class:`HardwareError` if the board gives no whole answer."""
        return parse(run_script(run, self.script(root)))


def run_script(run: RunCommand, script: str) -> str:
    """What a script prints. Raises :class:`HardwareError` if it cannot be run."""
    try:
        status, out, err = run(["sh", "-c", script])
    except (OSError, subprocess.SubprocessError) as error:
        raise HardwareError(f"the board cannot be asked: {error}", advice="is there a /bin/sh on it?") from error
    if status in (126, 127):
        said = _printable(err.strip().splitlines()[-1:])
        raise HardwareError(f"the board cannot be asked: {said or 'sh does not start'}")
    return out


@dataclass(frozen=True, slots=True)
class Answer:
    """What a board said: the lines of each file, by its path without the leading ``/``."""

    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def text(self, path: str) -> str | None:
        """A file's whole text on one line, ``None`` if it is not there, not readable or blank."""
        return " ".join(self.lines.get(path, ())).strip() or None

    def integer(self, path: str) -> int | None:
        """A file's one whole number."""
        return integer(self.text(path))

    def words(self, path: str) -> list[str]:
        """A file's words; none if there is no such file."""
        return (self.text(path) or "").split()

    def fields(self, path: str) -> list[str]:
        """A binary file's texts, which bytes of zero separated."""
        return [part for part in (self.text(path) or "").split("\t") if part]

    def below(self, pattern: str) -> list[str]:
        """What a regular expression's first group matched in the paths that begin with it, each once, in the order of
        the numbers in them."""
        found = {match[1] for path in self.lines if (match := re.match(pattern, path))}
        return sorted(
            found, key=lambda name: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
        )

    def exists(self, pattern: str = "") -> list[str]:
        """The paths found to exist whose beginning matches."""
        return [path for path in self.lines.get("exists", ()) if re.match(pattern, path)]

    def tool(self, name: str) -> str | None:
        """The first line that a tool said of itself, ``present`` if nothing; ``None`` if it is not there."""
        if f"tool/{name}" not in self.lines:
            return None
        said = (line.strip() for line in self.lines[f"tool/{name}"])
        return next((line for line in said if line and not _TRIES_IT_IN_VAIN.search(line)), "present")

    def found(self, name: str) -> dict[str, str] | None:
        """``path``, ``bytes``, ``executable`` and ``sha256`` (or ``cksum``) of a file that was looked for."""
        lines = self.lines.get(f"found/{name}")
        if lines is None:
            return None
        pairs = (line.partition(" ") for line in lines)
        return {key: value.strip().removesuffix("-").strip() for key, _, value in pairs}


def parse(text: str) -> Answer:
    """Take an answer apart. Raises :class:`HardwareError` if its end is missing."""
    if len(text) > MOST_ANSWERED:
        raise HardwareError("the board's answer is too long to be one about its state")
    if text != f"{_END}\n" and not text.endswith(f"\n{_END}\n"):
        raise HardwareError(
            "the board's answer about its state is cut off", advice="are grep, sed and tr in its /usr/bin or /bin?"
        )
    lines: dict[str, list[str]] = {}
    for path, content in _split(text.split("\n")[:-2]):
        lines.setdefault(path, []).append(content)
    return Answer({path: tuple(content) for path, content in lines.items()})


def _split(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        path, colon, content = line.partition(":")
        if colon:
            yield path, content


def integer(text: str | None) -> int | None:
    """The whole number that a text is, if it is one that an integer of 64 bits holds."""
    return int(text) if text is not None and re.fullmatch(r"-?[0-9]{1,19}", text) else None


def cpu_list(text: str | None) -> list[int]:
    """The CPUs of a list of the kernel's: ``0-3,8``. Empty for an empty or an unreadable one."""
    cpus: set[int] = set()
    for part in (text or "").split(","):
        span = re.fullmatch(r"\s*(\d{1,5})(?:-(\d{1,5}))?(?::\d+/\d+)?\s*", part)
        if span:
            cpus.update(range(int(span[1]), int(span[2] or span[1]) + 1))
    return sorted(cpus)


def cpu_text(cpus: Iterable[int]) -> str:
    """A list of CPUs as the kernel writes it."""
    spans: list[list[int]] = []
    for cpu in sorted(set(cpus)):
        if spans and cpu == spans[-1][1] + 1:
            spans[-1][1] = cpu
        else:
            spans.append([cpu, cpu])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in spans)


def _printable(lines: Iterable[str]) -> str:
    return " ".join(re.sub(r"[^ -~]", "?", line) for line in lines)
