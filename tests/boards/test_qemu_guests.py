"""Emulated boards come up, are found, shared and ended, whatever becomes of QEMU or of the lab that started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_qemu import FakeBoard

from lab.boards.qemu import guests as guests_module
from lab.boards.qemu.guests import Guest, Guests
from lab.boards.qemu.machines import MACHINES
from lab.boards.qemu.processes import Process
from lab.errors import HardwareError

A53 = MACHINES["qemu-a53"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="emulated boards are started on Linux only")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeBoard:
    return FakeBoard(tmp_path, monkeypatch)


@pytest.fixture
def guests(fake: FakeBoard, tmp_path: Path) -> Iterator[Guests]:
    made = Guests(tmp_path / "cache", prepare=fake.prepare)
    yield made
    made.down(A53, force=True)


def another_lab(fake: FakeBoard, tmp_path: Path) -> Guests:
    return Guests(tmp_path / "cache", prepare=fake.prepare)


def state_file(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "guests" / A53.name / "state.json"


def complaint(guests: Guests, limit_s: float = 20.0) -> HardwareError:
    with pytest.raises(HardwareError) as raised:
        guests.up(A53, limit_s=limit_s)
    assert guests.find(A53) is None
    return raised.value


# ------------------------------------------------------------------------------------------------- coming and going


def test_a_board_comes_up_once_and_every_lab_finds_it(guests: Guests, fake: FakeBoard, tmp_path: Path) -> None:
    guest = guests.up(A53)
    assert guest.state == "up"
    assert guest.kept
    assert guest.process.alive()
    assert guest.image_hash == "cafe"
    other = another_lab(fake, tmp_path)
    assert other.find(A53) == guest
    assert other.up(A53).process == guest.process
    assert other.find(MACHINES["qemu-imx6"]) is None


def test_down_ends_it_and_says_whether_there_was_one(guests: Guests) -> None:
    guest = guests.up(A53)
    assert guests.down(A53) is True
    assert not guest.process.alive()
    assert guests.find(A53) is None
    assert guests.down(A53) is False


def test_one_that_does_not_listen_is_killed(guests: Guests, fake: FakeBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guests_module, "_GENTLY_S", 0.3)
    fake.behaves("stubborn")
    guest = guests.up(A53)
    guests.down(A53)
    assert not guest.process.alive()


def test_it_outlives_the_lab_that_started_it_and_its_signals(guests: Guests) -> None:
    guest = guests.up(A53)
    fields = Path(f"/proc/{guest.process.pid}/stat").read_text().rpartition(")")[2].split()
    parent, group, session = (int(field) for field in fields[1:4])
    assert parent != os.getpid()
    assert group != os.getpgrp()
    assert session != os.getsid(0)


def test_ssh_is_asked_with_the_images_key_and_the_one_host_key(guests: Guests, fake: FakeBoard) -> None:
    guest = guests.up(A53)
    asked = fake.ssh_log.read_text()
    assert f"-p {guest.port} root@127.0.0.1 true" in asked
    assert "StrictHostKeyChecking=yes" in asked
    assert f'IdentityFile="{guest.image}/id_ed25519"' in asked
    assert f'UserKnownHostsFile="{guest.image}/known_hosts"' in asked


# --------------------------------------------------------------------------------------------------------- failures


def test_an_emulator_that_refuses_is_quoted(guests: Guests, fake: FakeBoard) -> None:
    fake.behaves("refuses")
    error = complaint(guests)
    assert "qemu-a53 did not come up" in error.message
    assert "qemu: no such machine" in error.message


def test_the_last_words_of_a_guest_that_dies_are_in_the_error_and_harmless(guests: Guests, fake: FakeBoard) -> None:
    fake.behaves("panics")
    error = complaint(guests)
    assert "it ended after" in error.message
    assert error.message.splitlines()[-1] == "  console: Kernel panic - not syncing"
    assert len(error.message.splitlines()) < 20
    fake.behaves("refuses")
    quoted = complaint(guests).message
    assert "console: red words" in quoted
    assert "\x1b" not in quoted
    assert "\x07" not in quoted


@pytest.mark.parametrize("how", ["silent", "mute"])
def test_a_guest_that_never_answers_is_ended_in_time(guests: Guests, fake: FakeBoard, how: str, tmp_path: Path) -> None:
    fake.behaves(how)
    seen: list[Guest] = []
    watcher = threading.Thread(target=lambda: seen.append(booting(another_lab(fake, tmp_path))))
    watcher.start()
    began = time.monotonic()
    error = complaint(guests, limit_s=0.8)
    watcher.join()
    assert "no SSH server answered within 1 s" in error.message
    assert time.monotonic() - began < 10
    assert not seen[0].process.alive()


def booting(guests: Guests) -> Guest:
    deadline = time.monotonic() + 10
    while (guest := guests.find(A53)) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert guest is not None
    return guest


def test_a_guest_that_does_not_let_the_lab_in_is_ended(guests: Guests, fake: FakeBoard) -> None:
    fake.behaves("good", ssh="Host key verification failed.")
    error = complaint(guests)
    assert "did not let the lab in: Host key verification failed." in error.message


def test_a_port_that_somebody_took_meanwhile_is_no_failure(guests: Guests, fake: FakeBoard) -> None:
    fake.behaves("port taken once")
    assert guests.up(A53).state == "up"


def test_an_interrupt_while_it_boots_ends_it(fake: FakeBoard, tmp_path: Path) -> None:
    class Impatient:
        def __init__(self) -> None:
            self.seen: list[Guest | None] = []

        def step(self, text: str) -> None:
            pass

        def waiting(self, text: str) -> None:
            self.seen.append(another_lab(fake, tmp_path).find(A53))
            raise KeyboardInterrupt

    fake.behaves("silent")
    impatient = Impatient()
    with pytest.raises(KeyboardInterrupt):
        Guests(tmp_path / "cache", impatient, prepare=fake.prepare).up(A53)
    guest = impatient.seen[0]
    assert guest is not None
    assert guest.state == "booting"
    assert not guest.process.alive()
    assert not state_file(tmp_path).exists()


def test_taking_down_one_that_boots_ends_the_wait_for_it(guests: Guests, fake: FakeBoard, tmp_path: Path) -> None:
    fake.behaves("silent")
    other = another_lab(fake, tmp_path)
    ender = threading.Thread(target=lambda: (booting(other), other.down(A53)))
    ender.start()
    assert "it ended after" in complaint(guests).message
    ender.join()


# --------------------------------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize("left", ["", "{", "[]", "null", '{"machine": "qemu-a53"}', '{"process": 3, "holders": 4}'])
def test_a_damaged_state_is_no_guest(guests: Guests, tmp_path: Path, left: str) -> None:
    state_file(tmp_path).parent.mkdir(parents=True)
    state_file(tmp_path).write_text(left)
    assert guests.find(A53) is None
    assert guests.down(A53) is False
    assert guests.up(A53).state == "up"


def test_a_guest_that_crashed_is_known_to_be_gone(guests: Guests) -> None:
    first = guests.up(A53)
    os.kill(first.process.pid, signal.SIGKILL)
    assert first.process.ended_within(5)
    assert guests.find(A53) is None
    assert guests.down(A53) is False
    assert guests.up(A53).process != first.process


def test_a_stranger_with_the_same_number_is_never_touched(guests: Guests, tmp_path: Path) -> None:
    guests.up(A53)
    guests.down(A53)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as stranger:
        try:
            ours = Process.of(stranger.pid)
            assert ours is not None
            old = Process(stranger.pid, ours.started + "0")
            left = Guest("qemu-a53", old, 1, "", "", "", "", 0.0, "up")
            state_file(tmp_path).write_text(json.dumps(left.to_json()))
            assert guests.find(A53) is None
            assert guests.down(A53, force=True) is False
            assert old.end(gently_s=0.1)
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_a_boot_that_was_abandoned_is_begun_anew(guests: Guests, tmp_path: Path) -> None:
    first = guests.up(A53)
    state = {**first.to_json(), "state": "booting"}
    state_file(tmp_path).write_text(json.dumps(state))
    second = guests.up(A53)
    assert second.process != first.process
    assert not first.process.alive()


# --------------------------------------------------------------------------------------------------------- sharing


def test_one_that_campaigns_booted_ends_with_the_last_that_uses_it(
    guests: Guests, fake: FakeBoard, tmp_path: Path
) -> None:
    first, token = guests.hold(A53)
    other = another_lab(fake, tmp_path)
    with other.holding(A53) as second:
        assert second.process == first.process
        guests.release(A53, token)
        guests.release(A53, token)
        assert first.process.alive()
    assert not first.process.alive()
    assert guests.find(A53) is None


def test_one_that_a_person_asked_for_stays(guests: Guests) -> None:
    guest = guests.up(A53)
    with guests.holding(A53):
        pass
    assert guest.process.alive()
    with guests.holding(A53) as held:
        assert held.kept


def test_asking_for_one_that_a_campaign_booted_keeps_it(guests: Guests) -> None:
    with guests.holding(A53):
        guest = guests.up(A53)
    assert guest.process.alive()


def test_one_in_use_is_taken_down_only_by_force(guests: Guests) -> None:
    with guests.holding(A53) as guest:
        with pytest.raises(HardwareError, match=f"in use by process {os.getpid()}") as raised:
            guests.down(A53)
        assert "--force" in str(raised.value.advice)
        assert guest.process.alive()
        assert guests.down(A53, force=True)
    assert not guest.process.alive()


def test_a_lab_that_was_killed_holds_nothing(guests: Guests, tmp_path: Path) -> None:
    first, token = guests.hold(A53)
    dead = Process(first.process.pid, "long ago")
    state = json.loads(state_file(tmp_path).read_text())
    state["holders"]["killed"] = {"pid": dead.pid, "started": dead.started}
    state_file(tmp_path).write_text(json.dumps(state))
    guests.release(A53, token)
    assert not first.process.alive()


@pytest.mark.usefixtures("guests")
def test_two_labs_that_ask_at_once_get_the_same(fake: FakeBoard, tmp_path: Path) -> None:
    found: list[Guest] = []
    threads = [threading.Thread(target=lambda: found.append(another_lab(fake, tmp_path).up(A53))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({guest.process for guest in found}) == 1
    assert len(found) == 4


def test_boards_that_are_up_together_have_ports_of_their_own(guests: Guests) -> None:
    imx6 = MACHINES["qemu-imx6"]
    # Its device tree is the image's; the fake has none, as the machine's own would be.
    a, b = guests.up(A53), guests.up(imx6)
    try:
        assert a.port != b.port
        assert a.process != b.process
        assert guests.down(A53)
        assert b.process.alive()
    finally:
        guests.down(imx6)
