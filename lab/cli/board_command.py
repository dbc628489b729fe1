"""``lab board``: emulated boards that anyone can start, and end again."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from lab.cache import cache_folder
from lab.cli.arguments import add_json_argument, duration
from lab.errors import ExitCode, HardwareError, UsageError

if TYPE_CHECKING:
    from lab.boards.qemu.guests import Guests
    from lab.boards.qemu.machines import Machine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``lab board``."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    up = actions.add_parser("up", help="build the board's image if need be, boot it, wait until SSH answers")
    up.add_argument("machine", metavar="BOARD", help="qemu-a53, qemu-imx8mp or qemu-imx6")
    up.add_argument(
        "--timeout", type=duration, metavar="TIME", help="wait so long for SSH (default: as the board needs)"
    )
    up.add_argument("--refresh", action="store_true", help="ask Debian for newer packages before building")
    up.add_argument("-q", "--quiet", action="store_true", help="no progress")
    down = actions.add_parser("down", help="end a board")
    down.add_argument("machine", metavar="BOARD", nargs="?", help="the board (without: use --all)")
    down.add_argument("--all", action="store_true", help="end every board that is up")
    down.add_argument("--force", action="store_true", help="even if a campaign uses it")
    listing = actions.add_parser("list", help="show the boards there are: which are up, since when, at which port")
    add_json_argument(listing)
    ssh = actions.add_parser("ssh", help="log in to a board that is up, or run a command on it")
    ssh.add_argument("machine", metavar="BOARD")
    ssh.add_argument("words", metavar="-- COMMAND", nargs="*", help="what to run there (default: a shell)")


def run(args: argparse.Namespace) -> int:
    """Do what ``ACTION`` says."""
    from lab.boards.qemu.guests import Guests, guests_cache
    from lab.cli.run_command import stop_on_terminate

    stop_on_terminate()
    with BringUpLine(quiet=getattr(args, "quiet", False)) as progress:
        guests = Guests(guests_cache(cache_folder()), progress)
        match args.action:
            case "up":
                return _up(guests, args, progress)
            case "down":
                return _down(guests, args)
            case "list":
                return _list(guests, args.json)
            case _:
                return _ssh(guests, args)


class BringUpLine:
    """Progress on stderr: steps as lines; on a terminal, how long it has taken behind the last one."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._open = False

    def __enter__(self) -> BringUpLine:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def step(self, text: str) -> None:
        """A line of its own."""
        if not self._quiet:
            self.finish()
            print(f"{text} …", file=sys.stderr, flush=True)

    def waiting(self, text: str) -> None:
        """A line that the next one replaces."""
        if not self._quiet and self._terminal:
            print(f"\r\x1b[K  {text}", end="", file=sys.stderr, flush=True)
            self._open = True

    def finish(self) -> None:
        """Take away a line that was to be replaced."""
        if self._open:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._open = False


def _up(guests: Guests, args: argparse.Namespace, progress: BringUpLine) -> int:
    from lab.boards.qemu.machines import machine_named

    machine = machine_named(args.machine)
    before = guests.find(machine)
    began = time.monotonic()
    guest = guests.up(machine, limit_s=args.timeout, refresh=args.refresh)
    progress.finish()
    was_up = before is not None and before.process == guest.process
    took = "was up" if was_up else f"up after {time.monotonic() - began:.1f} s ({guest.boot_s:.1f} s of them booting)"
    if was_up and args.refresh:
        print(f"newer packages are for its next start: `lab board down {machine.name}` first", file=sys.stderr)
    print(f"{machine.name} {took}: port {guest.port}, process {guest.process.pid}, QEMU {guest.emulator_version}")
    return int(ExitCode.OK)


def _down(guests: Guests, args: argparse.Namespace) -> int:
    from lab.boards.qemu.machines import MACHINES, machine_named

    if args.all == (args.machine is not None):
        raise UsageError("name a board, or give --all", advice=f"there are: {', '.join(MACHINES)}")
    for machine in list(MACHINES.values()) if args.all else [machine_named(args.machine)]:
        ended = guests.down(machine, force=args.force)
        if ended or not args.all:
            print(f"{machine.name} {'is down' if ended else 'was not up'}")
    return int(ExitCode.OK)


def _list(guests: Guests, as_json: bool) -> int:
    from lab.boards.qemu.machines import MACHINES

    rows = [_row(guests, machine) for machine in MACHINES.values()]
    if as_json:
        print(json.dumps(rows, indent=1))
        return int(ExitCode.OK)
    for row in rows:
        if row["pid"] is None:
            state = f"{row['state']:<8} {'image ready' if row['image_ready'] else 'image not built yet':<20}"
        else:
            use = f", used by process {', '.join(map(str, row['holders']))}" if row["holders"] else ""
            left = "" if row["kept"] or row["holders"] else ", left by a lab that ended"
            where = f"port {row['port']}, process {row['pid']}, for {row['uptime_s']:.0f} s"
            state = f"{row['state']:<8} {where}{use}{left}"
        print(f"{row['name']:<12} {state}  {row['title']}")
    return int(ExitCode.OK)


def _row(guests: Guests, machine: Machine) -> dict[str, Any]:
    guest = guests.find(machine)
    row: dict[str, Any] = {
        "name": machine.name,
        "title": machine.title,
        "state": "down" if guest is None else guest.state,
        "image_ready": guests.image(machine) is not None,
    }
    for key in ("port", "pid", "uptime_s", "boot_s", "qemu", "kept"):
        row[key] = None
    row["holders"] = []
    if guest is not None:
        row |= {"port": guest.port, "pid": guest.process.pid, "uptime_s": round(time.time() - guest.since_s, 1)}
        row |= {"boot_s": guest.boot_s, "qemu": guest.emulator_version, "kept": guest.kept}
        row["holders"] = sorted({process.pid for process in guest.holding().values()})
    return row


def _ssh(guests: Guests, args: argparse.Namespace) -> int:
    from lab.boards.qemu.guests import ssh_command
    from lab.boards.qemu.machines import machine_named

    machine = machine_named(args.machine)
    guest = guests.find(machine)
    if guest is None or guest.state != "up":
        raise HardwareError(f"{machine.name} is not up", advice=f"`lab board up {machine.name}` starts it")
    return subprocess.run(ssh_command(guest.target(), *args.words), check=False).returncode
