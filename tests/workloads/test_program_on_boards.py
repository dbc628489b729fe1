"""One program on several boards: built for each one's architecture, and only what it needs put there."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from instruments.tcg.emulator import Emulator
from lab.boards.local import LocalBoard
from lab.boards.protocol import Command
from lab.boards.qemu_user import QemuUserBoard
from lab.errors import UsageError
from lab.workloads.program import ProgramSettings, ProgramWorkload
from lab.workloads.protocol import PassRequest

MAKEFILE = """
BUILD ?= build
CFLAGS ?= -O2
$(BUILD)/where: $(BUILD)/where.o
\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<
$(BUILD)/where.o: where.c
\t$(CC) $(CFLAGS) -c -o $@ $<
"""
WHERE = r"""
#include <stdio.h>
int main(int argc, char **argv)
{
    printf("%zu %s\n", sizeof(void *), __VERSION__);
    FILE *data = fopen(argv[1], "r");
    char line[64];
    return data && fgets(line, sizeof line, data) && fputs(line, stdout) >= 0 ? 0 : 1;
}
"""
REQUEST = PassRequest("latency")


class FarBoard(LocalBoard):
    """A board with files of its own, and this machine's architecture."""

    shares_files = False
    architecture = platform.machine()

    def __init__(self, name: str, root: Path) -> None:
        super().__init__(name, root=root)
        self.puts: list[str] = []

    def put(self, local: Path, remote: str) -> str:
        self.puts.append(remote)
        return super().put(local, remote)


@pytest.fixture(autouse=True)
def _compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    if shutil.which("cc") is None:
        pytest.skip("no C compiler on this machine (apt install gcc libc6-dev)")
    for name in ("CC", "CXX", "CFLAGS", "CXXFLAGS", "LDFLAGS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    (folder / "data").mkdir(parents=True)
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "where.c").write_text(WHERE)
    return folder


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "in.txt").write_text("of the user\n")
    (folder / "huge.bin").write_bytes(bytes(100))
    monkeypatch.setenv("LAB_TEST_DATA", str(folder))
    return folder


@pytest.fixture
def far(tmp_path: Path) -> Iterator[FarBoard]:
    board = FarBoard("far", tmp_path)
    board.open()
    yield board
    board.close()


def workload(source: Path, **changes: object) -> ProgramWorkload:
    settings: dict[str, object] = {
        "source": source,
        "build": ("make", "-C", "{source}", "BUILD={build}"),
        "command": ("{build}/where", "{data}/in.txt"),
        "reader": "none",
        "data_env": "LAB_TEST_DATA",
        "data_needs": ("in.txt",),
    }
    return ProgramWorkload(ProgramSettings(**{**settings, **changes}))  # type: ignore[arg-type]


def said(board: LocalBoard | QemuUserBoard, program: ProgramWorkload, tmp_path: Path) -> list[str]:
    argv = program.prepare(board, {}, REQUEST).argv
    result = board.run(Command(argv), tmp_path / "out", tmp_path / "err")
    assert result.exit_status == 0, (tmp_path / "err").read_text()
    return (tmp_path / "out").read_text().splitlines()


@pytest.mark.usefixtures("data")
def test_a_board_with_files_of_its_own_gets_what_the_program_needs(far: FarBoard, source: Path, tmp_path: Path) -> None:
    program = workload(source)
    program.prepare_campaign(far, tmp_path / "cache")
    assert said(far, program, tmp_path)[1] == "of the user"
    binary, text = (Path(part) for part in program.prepare(far, {}, REQUEST).argv)
    assert [path.name for path in binary.parent.iterdir()] == ["where"], "no object files"
    assert [path.name for path in text.parent.iterdir()] == ["in.txt"], "and nothing else of the user's folder"
    assert sorted(far.puts) == ["build", "data"], "each once; the source is not asked for"
    assert program.versions()["flags"] == "LDFLAGS=-static"


@pytest.mark.usefixtures("data")
def test_each_board_has_a_program_of_its_own(far: FarBoard, source: Path, tmp_path: Path) -> None:
    for name in ("qemu-arm", "arm-linux-gnueabihf-gcc"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name} on this machine (make emulators)")
    arm = QemuUserBoard("tcg", Emulator("armv7l", "cortex-a9"), root=tmp_path)
    arm.open()
    try:
        program = workload(source)
        for board in (far, arm):
            program.prepare_campaign(board, tmp_path / "cache")
        assert said(arm, program, tmp_path)[0].startswith("4 ")
        assert said(far, program, tmp_path)[0].startswith(f"{8 if platform.machine().endswith('64') else 4} ")
    finally:
        arm.close()
    versions = program.versions()
    assert versions["architecture"] == platform.machine()
    assert versions["architecture_tcg"] == "armv7l"
    assert "arm-linux-gnueabihf-gcc" in versions["compiler_tcg"]
    assert "source_sha256_tcg" not in versions, "the source is one"
    assert len(list((tmp_path / "cache" / "build").iterdir())) == 2


@pytest.mark.usefixtures("data")
def test_flags_that_the_user_sets_are_part_of_what_is_built(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = LocalBoard("host", root=tmp_path)
    board.open()
    try:
        for flags in (None, "-O1", "-O3"):
            if flags is not None:
                monkeypatch.setenv("CFLAGS", flags)
            program = workload(source)
            program.prepare_campaign(board, tmp_path / "cache")
            assert program.versions().get("flags") == (None if flags is None else f"CFLAGS={flags}")
    finally:
        board.close()
    assert len(list((tmp_path / "cache" / "build").iterdir())) == 3


def test_without_a_list_of_needed_files_all_of_the_folder_is_what_is_read(
    far: FarBoard, source: Path, data: Path, tmp_path: Path
) -> None:
    seen = set()
    for content in (b"1", b"2"):
        (data / "huge.bin").write_bytes(content)
        program = workload(source, data_needs=())
        program.prepare_campaign(far, tmp_path / "cache")
        seen.add(program.versions()["data_sha256"])
    folder = Path(program.prepare(far, {}, REQUEST).argv[1]).parent
    assert sorted(path.name for path in folder.iterdir()) == ["huge.bin", "in.txt"]
    assert len(seen) == 2


@pytest.mark.usefixtures("data")
def test_without_a_cross_compiler_it_says_what_to_install(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Strange(FarBoard):
        architecture = "aarch64" if platform.machine() != "aarch64" else "armv7l"

    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("make", "cc", "sh"):
        (tools / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(tools))
    board = Strange("strange", tmp_path)
    with pytest.raises(UsageError, match="no compiler for") as caught:
        workload(source).prepare_campaign(board, tmp_path / "cache")
    assert "apt install gcc-" in str(caught.value.advice)
