"""Programs built from source: built once for one content, with the input files the user names or made ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.boards.local import LocalBoard
from lab.boards.protocol import Command
from lab.errors import DataError, UsageError
from lab.workloads.program import ProgramSettings, ProgramWorkload
from lab.workloads.protocol import PassRequest

MAKEFILE = """
$(BUILD)/hello: hello.sh
\tcp $< $@
\techo built >>$(LOG)
"""
REQUEST = PassRequest("latency")


@pytest.fixture
def board(tmp_path: Path) -> Iterator[LocalBoard]:
    board = LocalBoard("host", root=tmp_path)
    board.open()
    yield board
    board.close()


class Workplace:
    """A source folder, a cache, and a log of what was built or made."""

    def __init__(self, root: Path) -> None:
        self.source, self.cache, self.log = root / "source", root / "cache", root / "log"
        self.source.mkdir()
        (self.source / "Makefile").write_text(MAKEFILE)
        (self.source / "hello.sh").write_text("#!/bin/sh\ncat $1/in.txt\n")
        (self.source / "hello.sh").chmod(0o755)
        self.maker = root / "maker.py"
        self.maker.write_text(
            "import pathlib, sys\n"
            "pathlib.Path(sys.argv[1], 'in.txt').write_text('made')\n"
            f"pathlib.Path({str(self.log)!r}).open('a').write('made\\n')\n"
        )

    def workload(self, **changes: object) -> ProgramWorkload:
        settings: dict[str, object] = {
            "source": self.source,
            "build": ("make", "-C", "{source}", "BUILD={build}", f"LOG={self.log}", "{build}/hello"),
            "prepare": ("python3", "{source}/../maker.py", "{data}"),
            "command": ("{build}/hello", "{data}", "--n", "{n}", "a{{b}}"),
            "reader": "hdrnn",
            "data_env": "LAB_TEST_DATA",
            "data_needs": ("in.txt|in-put.txt",),
        }
        return ProgramWorkload(ProgramSettings(**{**settings, **changes}))  # type: ignore[arg-type]

    def happened(self) -> list[str]:
        return sorted(self.log.read_text().split()) if self.log.exists() else []


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workplace:
    monkeypatch.delenv("LAB_TEST_DATA", raising=False)
    return Workplace(tmp_path)


def test_builds_makes_and_runs(board: LocalBoard, place: Workplace, tmp_path: Path) -> None:
    workload = place.workload()
    workload.prepare_campaign(board, place.cache)
    argv = workload.prepare(board, {"n": 3}, REQUEST).argv
    assert argv[2:] == ("--n", "3", "a{b}")
    assert Path(argv[0]).is_relative_to(place.cache)
    result = board.run(Command(argv), tmp_path / "out", tmp_path / "err")
    assert (result.exit_status, (tmp_path / "out").read_text()) == (0, "made")
    assert workload.versions()["data"] == "made by maker.py"


def test_nothing_is_built_or_made_twice(board: LocalBoard, place: Workplace) -> None:
    for _ in range(2):
        place.workload().prepare_campaign(board, place.cache)
    (place.source / "build").mkdir()  # what lies in a build folder of the source is no source
    (place.source / "build" / "hello").write_text("old")
    place.workload().prepare_campaign(board, place.cache)
    assert place.happened() == ["built", "made"]


def test_changed_source_is_built_anew(board: LocalBoard, place: Workplace) -> None:
    first, second = place.workload(), place.workload()
    first.prepare_campaign(board, place.cache)
    with (place.source / "hello.sh").open("a") as file:
        file.write("# changed\n")
    second.prepare_campaign(board, place.cache)
    assert place.happened().count("built") == 2
    assert first.versions()["source_sha256"] != second.versions()["source_sha256"]
    programs = {workload.prepare(board, {"n": 1}, REQUEST).argv[0] for workload in (first, second)}
    assert len(programs) == 2


def test_changed_maker_makes_anew(board: LocalBoard, place: Workplace) -> None:
    place.workload().prepare_campaign(board, place.cache)
    place.maker.write_text(place.maker.read_text().replace("'made'", "'made otherwise'"))
    workload = place.workload()
    workload.prepare_campaign(board, place.cache)
    folder = Path(workload.prepare(board, {"n": 1}, REQUEST).argv[1])
    assert (folder / "in.txt").read_text() == "made otherwise"
    assert place.happened() == ["built", "made", "made"]


@pytest.mark.parametrize("name", ["in.txt", "in.txt.gz", "in-put.txt", "in-put.txt.gz"])
def test_folder_that_the_user_names(
    board: LocalBoard, place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / name).write_text("mine")
    monkeypatch.setenv("LAB_TEST_DATA", str(folder))
    workload = place.workload()
    workload.prepare_campaign(board, place.cache)
    assert workload.prepare(board, {"n": 1}, REQUEST).argv[1] == str(folder)
    assert workload.versions()["data"] == f"LAB_TEST_DATA={folder}"
    assert place.happened() == ["built"]
    before = workload.versions()["data_sha256"]
    (folder / name).write_text("mine too")
    workload.prepare_campaign(board, place.cache)
    assert workload.versions()["data_sha256"] != before


def test_what_is_wrong_with_the_data_is_said(
    board: LocalBoard, place: Workplace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="LAB_TEST_DATA does not name"):
        place.workload(prepare=()).prepare_campaign(board, place.cache)
    monkeypatch.setenv("LAB_TEST_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="no such folder"):
        place.workload().prepare_campaign(board, place.cache)
    monkeypatch.setenv("LAB_TEST_DATA", str(tmp_path))
    with pytest.raises(UsageError, match=r"no in\.txt there") as caught:
        place.workload().prepare_campaign(board, place.cache)
    assert "unset it" in str(caught.value.advice)


def test_failed_build_says_why_and_leaves_nothing(board: LocalBoard, place: Workplace) -> None:
    with pytest.raises(DataError, match=r"workload\.build: make .* exit status 2") as caught:
        place.workload(build=("make", "-C", "{source}", "nonsense")).prepare_campaign(board, place.cache)
    assert "nonsense" in str(caught.value.advice)
    assert list((place.cache / "build").iterdir()) == []


def test_missing_tool_and_source(board: LocalBoard, place: Workplace) -> None:
    with pytest.raises(UsageError, match="no-such-make is not installed"):
        place.workload(build=("no-such-make",)).prepare_campaign(board, place.cache)
    with pytest.raises(UsageError, match="is not a folder"):
        place.workload(source=place.source / "nothing").prepare_campaign(board, place.cache)


def test_board_that_is_elsewhere_gets_copies(place: Workplace) -> None:
    class Elsewhere(LocalBoard):
        shares_files = False

    far = Elsewhere("far", root=place.cache.parent)
    far.open()
    try:
        workload = place.workload()
        workload.prepare_campaign(far, place.cache)
        argv = workload.prepare(far, {"n": 1}, REQUEST).argv
        assert not Path(argv[0]).is_relative_to(place.cache)
        assert Path(argv[0]).read_bytes() == (place.source / "hello.sh").read_bytes()
        assert (Path(argv[1]) / "in.txt").read_text() == "made"
    finally:
        far.close()
