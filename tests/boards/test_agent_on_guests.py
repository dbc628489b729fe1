"""The agent on emulated boards: their own kernels, their own drivers of pins and counters."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
from agent_sessions import HERE, TOUCHER, compiled

from instruments.protocol import EventRequest
from lab.boards.agent.binary import agent_binary
from lab.boards.agent.session import AgentRun, AgentSession
from lab.boards.qemu.guests import Guest, ssh_command
from lab.errors import HardwareError, UsageError

ARCHITECTURES = {"qemu-a53": "aarch64", "qemu-imx8mp": "aarch64", "qemu-imx6": "armv7l"}
FOLDER = f"/run/agent-test-{os.getpid()}"
PIN = ("/dev/gpiochip0", 5)
FAULTS = EventRequest("page-faults", "software", 2, 0)
INSTRUCTIONS = EventRequest("instructions", "hardware", 1, 1)
CYCLES = EventRequest("cycles", "hardware", 0, 1)

SPEAKER = f"""
exec 3>"${{LAB_WINDOW%%,*}}" 4<"${{LAB_WINDOW#*,}}"
for i in 1 2; do
    echo enable >&3; read -r answer <&4; grep lab-agent {FOLDER}/debug/gpio
    echo disable >&3; read -r answer <&4; grep lab-agent {FOLDER}/debug/gpio
done
"""


@dataclass
class Reached:
    """An agent on a guest."""

    guest: Guest
    session: AgentSession

    def ask(self, command: str, content: bytes = b"") -> str:
        done = subprocess.run(
            ssh_command(self.guest.target(), command), input=content, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def asked(self, *argv: str, **more: object) -> AgentRun:
        return AgentRun(argv, FOLDER, "out", "err", deadline_s=30.0, **more)  # type: ignore[arg-type]


@pytest.fixture(params=["qemu-a53", *(pytest.param(name, marks=pytest.mark.slow) for name in list(ARCHITECTURES)[1:])])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Reached]:
    guest = request.getfixturevalue(request.param.replace("-", "_"))
    architecture = ARCHITECTURES[request.param]
    if architecture == HERE:
        pytest.skip("this machine is of that kind itself")
    try:
        binary = agent_binary(architecture, tmp_path)
    except UsageError as error:
        pytest.skip(f"{error.message}: {error.advice}")
    process = subprocess.Popen(
        ssh_command(
            guest.target(),
            f"mkdir -p {FOLDER}/debug && mount -t debugfs none {FOLDER}/debug && while [ ! -f {FOLDER}/ready ]; "
            f"do sleep 0.05; done && exec {FOLDER}/agent",
        ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    reached = Reached(guest, AgentSession(process.stdout, process.stdin, name=request.param))
    try:
        put = f"mkdir -p {FOLDER} && cat >{FOLDER}/%s && chmod +x {FOLDER}/%s"
        reached.ask(put % ("agent", "agent"), binary.read_bytes())
        toucher = compiled(TOUCHER, architecture).read_bytes()
        reached.ask(f"{put % ('toucher', 'toucher')} && touch {FOLDER}/ready", toucher)
        yield reached
        reached.session.close()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        reached.ask(f"umount {FOLDER}/debug; rm -r {FOLDER}")


def test_pins_counters_and_clock_of_a_real_kernel(board: Reached) -> None:
    """One after the other: reaching a guest takes longer than asking it."""
    hello = board.session.hello()
    assert hello["architecture"] == ARCHITECTURES[board.guest.machine]
    assert (hello["counts"], hello["hardware"], hello["adopts_orphans"]) == ("all", "yes", "1")

    # Its clock counts what was emulated, and not the host's nanoseconds; but it counts.
    pings = [board.session.ping() for _ in range(20)]
    assert all(before[1] < after[1] for before, after in pairwise(pings))

    # The pin, as the kernel's driver sees it.
    ended = board.session.run(board.asked("sh", "-c", SPEAKER, opens_window=True, pin=PIN))
    assert (ended.exit_status, ended.windows, ended.faults) == (0, 2, ())
    levels = [line.split()[-1] for line in board.ask(f"cat {FOLDER}/out").splitlines()]
    assert levels == ["hi", "lo", "hi", "lo"]
    assert "lab-agent" not in board.ask(f"cat {FOLDER}/debug/gpio"), "it is given back"
    with pytest.raises(HardwareError, match="line 200: the chip has no such line"):
        board.session.run(board.asked("true", pin=(PIN[0], 200)))

    # Exactly the window's page faults; instructions and cycles in a group, where the PMU counts at all.
    toucher = (f"{FOLDER}/toucher", "4096", "1024", "1", "0")
    events = (FAULTS, INSTRUCTIONS, CYCLES)
    ended = board.session.run(board.asked(*toucher, opens_window=True, window_only=True, events=events))
    faults, instructions, cycles = ended.counts
    assert (ended.exit_status, faults.value) == (0, 1024)
    assert instructions.enabled_ns == instructions.running_ns == cycles.enabled_ns > 0
    whole = board.session.run(board.asked(*toucher, events=events)).counts[1]
    assert instructions.value is not None
    assert whole.value is not None
    if board.guest.machine == "qemu-imx6":
        assert instructions.value == cycles.value == whole.value == 0, "its PMU lies"
    else:
        assert 1024 * 100 < instructions.value < whole.value / 4
