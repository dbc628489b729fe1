"""What emulated boards cost: making an image, booting it, a command over SSH, a file; memory and disk.

    python benchmarks/emulated_boards.py [MACHINE ...]

Packages are fetched first and not counted. Each machine is booted three times, apart from those that are up; the median
is shown. Needs what `make emulators` installs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab.boards.qemu.guests import Guest, Guests, guests_cache, ssh_command
from lab.boards.qemu.machines import MACHINES, Machine, machine_named
from lab.cache import cache_folder

BOOTS = 3
COMMANDS = 10
FILE_BYTES = 10_000_000


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def resident_mib(pid: int) -> float:
    """Memory of a process, as the kernel accounts it."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} is gone")


def asked(guest: Guest, command: str, stdin: bytes = b"") -> None:
    """Run a command on the board."""
    subprocess.run(ssh_command(guest.target(), command), input=stdin, check=True, capture_output=True)


def measured(machine: Machine, scratch: Path) -> str:
    """A row of the table."""
    shared = guests_cache(cache_folder())
    Guests(shared).prepared(machine)
    for name in ("packages", "tools"):
        (scratch / name).symlink_to(shared / name)
    guests = Guests(scratch)
    image_s = seconds(lambda: guests.prepared(machine))
    _, image = guests.prepared(machine)
    sizes = image.facts["bytes"]
    boots, commands = [], []
    for _ in range(BOOTS):
        with guests.holding(machine) as guest:
            boots.append(guest.boot_s or 0.0)
            commands += [seconds(lambda guest=guest: asked(guest, "true")) for _ in range(COMMANDS)]
            file_s = seconds(lambda guest=guest: asked(guest, "cat > /tmp/file", bytes(FILE_BYTES)))
            memory = resident_mib(guest.process.pid)
    return (
        f"| {machine.name} | {image_s:.1f} s | {statistics.median(boots):.1f} s | {statistics.median(commands):.2f} s "
        f"| {file_s:.1f} s | {memory:.0f} MiB | {sizes['kernel'] / 1e6:.0f} MB | {sizes['initrd'] / 1e6:.0f} MB |"
    )


def main() -> None:
    """Measure the machines that are named, or all."""
    print("| board | image made in | SSH after | a command | 10 MB to it | QEMU's memory | kernel | system |")
    print("|---|---|---|---|---|---|---|---|")
    for machine in [machine_named(name) for name in sys.argv[1:]] or list(MACHINES.values()):
        with tempfile.TemporaryDirectory() as scratch:
            print(measured(machine, Path(scratch)), flush=True)


if __name__ == "__main__":
    main()
