"""Debian packages are fetched once, kept, found again without a network, and replaced when newer ones are asked for.

``apt-get`` and its kin are stand-ins here that obey their configuration as far as the lab relies on it; the real ones
fetch what the emulated boards of the other tests are made of.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from lab.boards.qemu import packages
from lab.boards.qemu.emulator import find_emulator, installed
from lab.boards.qemu.image import ensure_image
from lab.boards.qemu.machines import MACHINES, Machine
from lab.boards.qemu.packages import NotToBeHadError, PackageStore, Wanted
from lab.boards.qemu.progress import Silent

APT = r"""#!{python}
import os, re, sys, pathlib
calls = pathlib.Path(os.environ["FAKE_APT"])
command = pathlib.Path(sys.argv[0]).name
if command == "apt-config":
    print('Acquire::http::Proxy "http://proxy.example:3128";\nDir::State "/var/lib/apt";')
    sys.exit()
config = pathlib.Path(os.environ["APT_CONFIG"]).read_text()
setting = lambda key: re.search(rf'^{re.escape(key)} "(.*)";$', config, re.M)[1]
assert 'Acquire::http::Proxy "http://proxy.example:3128";' in config and '"/var/lib/apt"' not in config
with calls.open("a") as log:
    print(command, *sys.argv[1:], file=log)
version = os.environ.get("FAKE_VERSION", "1")
how = os.environ.get("FAKE_APT_HOW", "")
if command == "apt-cache":
    print(f"{sys.argv[2]}\n  Depends: linux-image-{version}-arm64" if how != "no kernel" else "")
    sys.exit()
words = [word for word in sys.argv[1:] if not word.startswith("-")]
verb, names = next((w, words[i + 1 :]) for i, w in enumerate(words) if w in ("update", "install", "download"))
archives = pathlib.Path(setting("Dir::Cache::archives"))
for option in sys.argv:
    if option.startswith("Dir::Cache::archives="):
        archives = pathlib.Path(option.partition("=")[2])
if verb == "download":
    archives = pathlib.Path.cwd()
if verb == "update":
    sources = pathlib.Path(setting("Dir::Etc::sourcelist")).read_text()
    if how == "no network" or how == "no updates" and "security" in sources:
        sys.exit("W: something\nE: Failed to fetch http://deb.example/Packages  Could not connect")
    sys.exit()
for name in names + (["libneeded"] if verb == "install" else []):
    file = f"{name}_1%3a{version}_all.deb"
    if (archives / file).exists():
        continue
    if "--print-uris" in sys.argv:
        print(f"'http://deb.example/{file}' {file} 12 SHA256:0")
    else:
        print("dlstatus:1:50.0:Retrieving", flush=True)
        if how == "breaks off":
            sys.exit("E: Failed to fetch: Connection reset")
        (archives / file).write_text(f"{name} {version}")
"""

WANTED = Wanted("arm64", ("thing", "other"), ("linux-image-arm64",))


@pytest.fixture
def apt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the calls of the stand-ins are written."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("apt-get", "apt-cache", "apt-config", "dpkg-deb"):
        (tools / name).write_text(APT.replace("{python}", sys.executable))
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_APT", str(tmp_path / "calls"))
    monkeypatch.setattr(packages, "KEYRING", tmp_path)
    (tmp_path / "calls").touch()
    return tmp_path / "calls"


def store(tmp_path: Path, wanted: Wanted = WANTED) -> PackageStore:
    return PackageStore(tmp_path / "store", wanted, Silent())


@pytest.mark.usefixtures("apt")
def test_packages_are_fetched_with_all_that_they_need_and_the_kernel(tmp_path: Path) -> None:
    found = store(tmp_path).fetch()
    assert [package.name for package in found] == ["thing", "other", "libneeded", "linux-image-1-arm64"]
    assert {package.version for package in found} == {"1:1"}
    for package in found:
        assert package.sha256 == hashlib.sha256(package.path.read_bytes()).hexdigest()


def test_what_was_fetched_needs_no_network_again(apt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store(tmp_path).fetch()
    apt.write_text("")
    monkeypatch.setenv("FAKE_APT_HOW", "no network")
    assert store(tmp_path).fetch() == first
    assert store(tmp_path).fetched() == first
    assert apt.read_text() == ""


@pytest.mark.usefixtures("apt")
def test_another_set_finds_files_that_are_here_already(tmp_path: Path) -> None:
    store(tmp_path).fetch()
    found = store(tmp_path, Wanted("arm64", ("thing", "more"))).fetch()
    assert [package.name for package in found] == ["thing", "more", "libneeded"]
    assert store(tmp_path).fetched() is not None


@pytest.mark.usefixtures("apt")
def test_newer_ones_are_taken_when_asked_for_and_older_ones_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = store(tmp_path).fetch()
    monkeypatch.setenv("FAKE_VERSION", "2")
    assert store(tmp_path).fetch() == first
    second = store(tmp_path).fetch(refresh=True)
    assert {package.version for package in second} == {"1:2"}
    assert not any(package.path.exists() for package in first)


@pytest.mark.usefixtures("apt")
def test_one_that_is_gone_or_damaged_is_fetched_again(tmp_path: Path) -> None:
    first = store(tmp_path).fetch()
    first[0].path.unlink()
    assert store(tmp_path).fetched() is None
    assert store(tmp_path).fetch() == first
    first[1].path.write_text("something else")
    assert store(tmp_path).discard_damaged(first)
    assert store(tmp_path).fetch() == first
    assert not store(tmp_path).discard_damaged(first)


@pytest.mark.usefixtures("apt")
def test_without_updates_a_board_of_an_older_date_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_APT_HOW", "no updates")
    assert len(store(tmp_path).fetch()) == 4


@pytest.mark.usefixtures("apt")
@pytest.mark.parametrize("how", ["no network", "breaks off", "no kernel"])
def test_what_cannot_be_fetched_is_said_and_can_be_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("FAKE_APT_HOW", how)
    with pytest.raises(NotToBeHadError) as raised:
        store(tmp_path).fetch()
    assert {"no network": "Could not connect", "breaks off": "Connection reset", "no kernel": "no linux-image-arm64"}[
        how
    ] in raised.value.message
    assert packages.MIRROR_VARIABLE in str(raised.value.advice)
    assert store(tmp_path).fetched() is None
    monkeypatch.setenv("FAKE_APT_HOW", "")
    assert len(store(tmp_path).fetch()) == 4


@pytest.mark.usefixtures("apt")
@pytest.mark.parametrize("left", ["", "[", "{}", "[1]", '[{"name": "thing"}]'])
def test_a_damaged_list_is_made_anew(tmp_path: Path, left: str) -> None:
    found = store(tmp_path).fetch()
    (tmp_path / "store" / "arm64" / f"{WANTED.key}.json").write_text(left)
    assert store(tmp_path).fetch() == found


# --------------------------------------------------------------------------------------------------- missing tools


@pytest.fixture
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(packages, "KEYRING", tmp_path / "no keyring")


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
def test_a_machine_without_the_tools_says_which(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(NotToBeHadError) as no_qemu:
        find_emulator(machine, tmp_path, Silent())
    assert f"no {machine.emulator} is installed" in no_qemu.value.message
    assert "apt-get" in no_qemu.value.message
    with pytest.raises(NotToBeHadError, match=r"ssh, ssh-keygen, fdtput not found") as no_ssh:
        ensure_image(machine, tmp_path, Silent())
    assert "make emulators" in str(no_ssh.value.advice)
    with pytest.raises(NotToBeHadError, match=r"apt-get, the command dpkg-deb, the package debian-archive-keyring"):
        store(tmp_path).fetch()


@pytest.mark.parametrize(("version", "there"), [("9.2.1", False), ("10.0.2 (Debian 1:10.0.2)", True), ("11.1", True)])
def test_an_installed_qemu_is_taken_if_it_is_new_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, there: bool
) -> None:
    program = tmp_path / "qemu-system-aarch64"
    program.write_text(f"#!/bin/sh\necho 'QEMU emulator version {version}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    found = installed(MACHINES["qemu-imx8mp"])
    assert (found is not None) is there
    if found is not None:
        assert found.version == version
    assert installed(MACHINES["qemu-a53"]) is not None


def test_an_installed_qemu_that_does_not_start_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "qemu-system-arm"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    assert installed(MACHINES["qemu-imx6"]) is None
