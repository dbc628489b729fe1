"""Emulated boards, really booted: a Linux that one logs in to, with the board's own way of everything."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.boards.protocol import ChecksItself, Command, ComparesClock, CountsEvents, Reconnects, RunsBinaries, Settles
from lab.boards.qemu.board import QemuBoard
from lab.boards.qemu.guests import Guest, Guests, guests_cache, ssh_command
from lab.boards.qemu.machines import MACHINES
from lab.boards.ssh.settings import SshSettings
from lab.cache import cache_folder
from lab.errors import HardwareError
from lab.record.quantity import Origin


def asked(guest: Guest, command: str) -> str:
    done = subprocess.run(
        ssh_command(guest.target(), command), capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(
    params=["qemu-a53", "qemu-imx8mp", pytest.param("qemu-imx6", marks=pytest.mark.slow)],
)
def guest(request: pytest.FixtureRequest) -> Guest:
    found = request.getfixturevalue(str(request.param).replace("-", "_"))
    assert isinstance(found, Guest)
    return found


MODELS = {"qemu-a53": "linux,dummy-virt", "qemu-imx8mp": "NXP i.MX8MPlus EVK board", "qemu-imx6": "SABRE Lite"}


def test_it_is_the_machine_and_the_architecture_that_it_should_be(guest: Guest) -> None:
    machine = MACHINES[guest.machine]
    system, model, modules = asked(
        guest, "uname -m; tr -d '\\0' < /proc/device-tree/model; echo; cut -d ' ' -f 1 /proc/modules | tr '\\n' ' '"
    ).splitlines()
    assert system == machine.architecture
    assert MODELS[guest.machine] in model
    order = asked(guest, "cat /lib/modules/order").split()
    assert set(order) == set(modules.split()), "every module was loaded"


def test_its_console_was_drained_into_a_file(guest: Guest) -> None:
    console = Guests(guests_cache(cache_folder())).console_log(MACHINES[guest.machine]).read_text(errors="replace")
    assert "embedded-lab: ready after" in console
    assert "could not be loaded" not in console
    assert "panic" not in console


def test_it_has_what_a_dynamically_linked_program_and_a_copy_over_sftp_need(guest: Guest, tmp_path: Path) -> None:
    asked(guest, "ls /lib/libc.so.6 /lib/libm.so.6 /lib/libstdc++.so.6 /lib/libgomp.so.1 /lib/libgcc_s.so.1")
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    target = guest.target()
    options = [word for option in target.options for word in ("-o", option)]
    remote = f"{target.user}@{target.host}:/tmp/copied"
    subprocess.run(["scp", "-q", *options, "-P", str(target.port), tmp_path / "file", remote], check=True)
    subprocess.run(["scp", "-q", *options, "-P", str(target.port), remote, tmp_path / "back"], check=True)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "file").read_bytes()
    asked(guest, "rm /tmp/copied")


def test_it_has_a_pin_that_can_be_driven_and_counts_by_its_own_kernel(guest: Guest) -> None:
    assert asked(guest, "ls /dev/gpiochip0").strip() == "/dev/gpiochip0"
    assert asked(guest, "cat /proc/sys/kernel/perf_event_paranoid").strip() == "0"
    said = asked(guest, "perf stat -x, -e page-faults,instructions true 2>&1")
    counts = {line.split(",")[2]: line.split(",")[0] for line in said.splitlines() if line.count(",") > 4}
    assert int(counts["page-faults"]) > 10
    # The Cortex-A9's PMU is there, and counts nothing.
    assert (int(counts["instructions"]) == 0) is (guest.machine == "qemu-imx6")


def test_its_clock_does_not_leap_over_a_wait(guest: Guest) -> None:
    began = time.monotonic()
    asked(guest, "sleep 2")
    assert time.monotonic() - began > 1.5


def test_it_cannot_reach_out(guest: Guest) -> None:
    assert asked(guest, "nc -w 2 10.0.2.2 22 < /dev/null > /dev/null 2>&1 && echo reached || echo no").strip() == "no"


def test_another_host_key_is_not_trusted(guest: Guest, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", stranger], check=True)
    key = (tmp_path / "stranger.pub").read_text().split()
    (tmp_path / "known").write_text(f"embedded-lab-{guest.machine} {key[0]} {key[1]}\n")
    words = [
        f'UserKnownHostsFile="{tmp_path}/known"' if word.startswith("UserKnownHostsFile") else word
        for word in ssh_command(guest.target(), "true")
    ]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


# ------------------------------------------------------------------------------------------------- as a bench's board


@pytest.fixture
def board(request: pytest.FixtureRequest) -> Iterator[QemuBoard]:
    request.getfixturevalue("qemu_a53")
    settings = SshSettings(cache=cache_folder(), caches={"l1d": 32768})
    made = QemuBoard("board", MACHINES["qemu-a53"], settings, guests_cache(cache_folder()))
    yield made
    made.close()


def test_a_campaign_s_board_says_what_it_is_and_runs_programs(board: QemuBoard, tmp_path: Path) -> None:
    assert board.probe().present
    board.open()
    assert board.origin is Origin.EMULATED
    for protocol in (Reconnects, RunsBinaries, CountsEvents, Settles, ChecksItself, ComparesClock):
        assert isinstance(board, protocol)
    fingerprint = board.fingerprint()
    assert fingerprint["kind"] == "qemu"
    emulated = fingerprint["emulated"]
    assert emulated["machine"] == "qemu-a53"
    assert emulated["qemu"][0].isdigit()
    assert len(emulated["image"]) == 64
    (kernel,) = [name for name in emulated["packages"] if name.startswith("linux-image-")]
    assert kernel.removeprefix("linux-image-") in fingerprint["kernel"]
    assert board.caches["l1d"] == 32768
    out, err = tmp_path / "out", tmp_path / "err"
    result = board.run(Command(["sh", "-c", "echo $LC_ALL; exit 3"]), out, err)
    assert result.exit_status == 3
    assert out.read_text() == "C\n"
    (tmp_path / "data").write_bytes(b"\0\1\2")
    board.put(tmp_path / "data", "data")
    board.fetch("data", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"\0\1\2"
    before, _, after = board.ping()
    assert before < after


def test_a_board_that_is_not_open_says_so(board: QemuBoard) -> None:
    assert board.architecture == "aarch64"
    with pytest.raises(HardwareError, match="is not open"):
        board.ask(["true"])
    board.close()


def test_a_campaign_boots_its_board_ends_it_and_tells_when_it_died(qemu_a53: Guest, tmp_path: Path) -> None:
    """In a place of its own: everybody else's guest stays."""
    cache = tmp_path / "qemu"
    cache.mkdir()
    for name in ("packages", "images", "tools"):
        (cache / name).symlink_to(guests_cache(cache_folder()) / name)
    machine = MACHINES["qemu-a53"]
    board = QemuBoard("board", machine, SshSettings(cache=cache_folder(), agent="none"), cache)
    assert "is not up; it is booted when needed" in board.probe().detail
    board.open()
    try:
        own = Guests(cache).find(machine)
        assert own is not None
        assert own.process != qemu_a53.process
        assert not own.kept
        own.process.end(gently_s=5)
        with pytest.raises(HardwareError, match="qemu-a53 has ended by itself") as raised:
            board.reconnect()
        assert "embedded-lab: ready" in raised.value.message
    finally:
        board.close()
    board.open()
    own = Guests(cache).find(machine)
    assert own is not None
    board.close()
    assert not own.process.alive()
    assert qemu_a53.process.alive()
