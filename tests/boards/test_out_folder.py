"""``{out}`` in a program's command: a fresh folder for each pass, whose files are in the record afterwards."""

from __future__ import annotations

import io
import os
import platform
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_sshd import HOST, LoopbackSshd

from instruments.tcg.emulator import Emulator
from lab.boards.local import LocalBoard
from lab.boards.protocol import FetchesFolders
from lab.boards.qemu_user import QemuUserBoard
from lab.boards.replay import ReplayBoard
from lab.boards.ssh import files
from lab.boards.ssh.link import SshLink
from lab.boards.ssh.target import SshTarget
from lab.errors import HardwareError, UsageError
from lab.experiment.load import load_experiment
from lab.record.reader import Record
from lab.runner.progress import Silent
from lab.runner.session import start
from lab.workloads.program import ProgramSettings, ProgramWorkload
from lab.workloads.protocol import OUT_FOLDER, PassRequest

EXPERIMENT = """\
experiment: writes_files
bench: bench.yaml
workload:
  kind: program
  source: program
  command: [sh, "{source}/writes.sh", "--to={out}", "{n}"]
  reader: none
  per: process
factors: {n: [1, 2]}
repeats: 2
passes: {latency: {}}
"""
WRITES = """\
out=${1#--to=}
[ -d "$out" ] && [ -z "$(ls -A "$out")" ] || exit 9
mkdir "$out/deep er" && printf "number $2" >"$out/deep er/n.txt" && : >"$out/empty"
ln -s /etc/passwd "$out/link" && ln "$out/deep er/n.txt" "$out/again.txt" && mkfifo "$out/pipe"
cd / && [ "$2" != 2 ] || exit 3
"""


def campaign(tmp_path: Path, bench: str) -> Record:
    (tmp_path / "program").mkdir()
    (tmp_path / "program" / "writes.sh").write_text(WRITES)
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    (tmp_path / "bench.yaml").write_text(bench)
    loaded = load_experiment(tmp_path / "experiment.yaml")
    return Record.open(start(loaded, tmp_path / "records", tmp_path / "cache", Silent()).root)


def check_kept(record: Record) -> None:
    """Each pass has its own files, those of a failed program too, and they are sealed."""
    passes = record.passes()
    assert len(passes) == 4
    for data in passes.values():
        number = data.trial["values"]["n"]
        assert data.end.exit_status == (3 if number == 2 else 0)
        out = record.path(data.end.output) / "out"
        found = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
        assert sorted(found) == ["again.txt", "deep er/n.txt", "empty"], "a link and a pipe stay behind"
        assert found["deep er/n.txt"].read_text() == found["again.txt"].read_text() == f"number {number}"
        assert f"{data.end.output}/out/deep er/n.txt" in record.manifest["files"]
    assert record.verify() == []


def test_files_of_a_program_on_this_host_are_in_the_record(tmp_path: Path) -> None:
    check_kept(campaign(tmp_path, "bench: here\nboard: {kind: local}\ninstruments: {res: {kind: process_resources}}\n"))


def test_files_of_a_program_behind_ssh_are_in_the_record(tmp_path: Path, shared_sshd: LoopbackSshd) -> None:
    board = f"{{kind: ssh, host: {HOST}, ssh_config: {shared_sshd.ssh_config}, workdir: {tmp_path / 'b'}, agent: none}}"
    record = campaign(tmp_path, f"bench: far\nboard: {board}\ninstruments: {{res: {{kind: process_resources}}}}\n")
    check_kept(record)
    assert not list((tmp_path / "b").glob("*")), "nothing stays on the board"


def test_an_emulated_board_hands_files_over(tmp_path: Path) -> None:
    architecture = "aarch64" if platform.machine() != "aarch64" else "arm"
    board = QemuUserBoard("emulated", Emulator(architecture), root=tmp_path / "board")
    if shutil.which(f"qemu-{architecture}") is None:
        pytest.skip(f"no qemu-{architecture} on this machine (make emulators)")
    (tmp_path / "board").mkdir()
    board.open()
    try:
        Path(board.make_workdir("pass/out"), "file").write_bytes(b"\0")
        board.fetch_folder("pass/out", tmp_path / "here")
        assert (tmp_path / "here" / "file").read_bytes() == b"\0"
    finally:
        board.close()


def program(tmp_path: Path, *command: str) -> ProgramWorkload:
    return ProgramWorkload(ProgramSettings(tmp_path, command, "none"))


def test_a_board_without_files_is_refused_before_anything_runs(tmp_path: Path) -> None:
    board = ReplayBoard("recordings")
    with pytest.raises(UsageError, match=r"board 'recordings' hands none over"):
        program(tmp_path, "sh", "{out}/x").prepare_campaign(board, tmp_path)
    program(tmp_path, "sh", "{{out}}").prepare_campaign(board, tmp_path)


def test_braces_of_the_commands_own_are_left_alone(tmp_path: Path) -> None:
    board = LocalBoard("host", root=tmp_path)
    workload = program(tmp_path, "sh", "{{out}}", "{out}")
    workload.prepare_campaign(board, tmp_path)
    assert workload.prepare(board, {}, PassRequest("latency")).argv == ("sh", "{out}", OUT_FOLDER)


@pytest.fixture
def fetched(shared_sshd: LoopbackSshd, tmp_path: Path) -> Callable[[str, str], Path]:
    """Fetches a folder over SSH from a board whose ``tar`` is a script of the test's."""

    def fetch(folder: str, tar: str) -> Path:
        link = shared_link(shared_sshd)
        programs = tmp_path / "bin"
        programs.mkdir()
        (programs / "tar").write_text(f"#!/bin/sh\n{tar}\n")
        (programs / "tar").chmod(0o755)
        original = files._FETCH_FOLDER
        try:
            files._FETCH_FOLDER = f"PATH={programs}:$PATH\n{original}"
            files.fetch_folder(link, folder, tmp_path / "here")
        finally:
            files._FETCH_FOLDER = original
            link.disconnect()
        return tmp_path / "here"

    return fetch


def shared_link(server: LoopbackSshd) -> SshLink:
    link = SshLink(SshTarget(HOST), config=server.ssh_config)
    link.connect()
    return link


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 2
            tar.addfile(member, io.BytesIO(b"ab"))
    return stream.getvalue()


@pytest.mark.parametrize("name", ["../escaped", "/escaped", "./a/../../escaped"])
def test_a_board_cannot_write_elsewhere(fetched: Callable[[str, str], Path], tmp_path: Path, name: str) -> None:
    (tmp_path / "bad.tar").write_bytes(archive("./fine", name))
    with pytest.raises(HardwareError, match="not in the folder"):
        fetched(str(tmp_path), f"cat '{tmp_path}/bad.tar'")
    assert not (tmp_path / "escaped").exists()


def test_what_is_no_archive_is_said(fetched: Callable[[str, str], Path], tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="did not arrive as the board's tar packs it"):
        fetched(str(tmp_path), "echo welcome to the board")


def test_a_cut_archive_is_said(fetched: Callable[[str, str], Path], tmp_path: Path) -> None:
    (tmp_path / "cut.tar").write_bytes(archive("one")[:513])
    with pytest.raises(HardwareError, match="did not arrive"):
        fetched(str(tmp_path), f"cat '{tmp_path}/cut.tar'")


def test_a_tar_that_fails_is_said(fetched: Callable[[str, str], Path], tmp_path: Path) -> None:
    with pytest.raises(HardwareError, match="cannot be read on the board: no memory"):
        fetched(str(tmp_path), "echo no memory >&2; exit 2")


def test_an_absent_folder_is_not_found(fetched: Callable[[str, str], Path], tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        fetched(str(tmp_path / "nowhere"), "exit 0")
    board = LocalBoard("host", root=tmp_path)
    board.open()
    try:
        assert isinstance(board, FetchesFolders)
        with pytest.raises(FileNotFoundError):
            board.fetch_folder("nowhere", tmp_path / "x")
        with pytest.raises(ValueError, match="not below"):
            board.fetch_folder("../..", tmp_path / "x")
    finally:
        board.close()


@settings(max_examples=5, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1, max_size=20).filter(
            lambda name: name not in (".", "..")
        ),
        st.binary(max_size=1500),
        max_size=4,
    )
)
def test_files_of_any_name_and_bytes_come_back(
    shared_sshd: LoopbackSshd, tmp_path_factory: pytest.TempPathFactory, contents: dict[str, bytes]
) -> None:
    here = tmp_path_factory.mktemp("any")
    (here / "there").mkdir()
    for name, content in contents.items():
        (here / "there" / name).write_bytes(content)
    link = shared_link(shared_sshd)
    try:
        files.fetch_folder(link, str(here / "there"), here / "back")
    finally:
        link.disconnect()
    assert {os.fsdecode(path.name): path.read_bytes() for path in (here / "back").iterdir()} == contents
