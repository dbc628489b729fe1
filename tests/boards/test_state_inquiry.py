"""The script that asks a board: run by a real shell over trees of files, and taken apart whatever they hold."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from fake_linux_board import SHELLS, FakeBoard
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.boards.state.inquiry import MOST_ANSWERED, Answer, Inquiry, cpu_list, cpu_text, integer, parse
from lab.errors import HardwareError, LinkLostError


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def board(request: pytest.FixtureRequest, tmp_path: Path) -> FakeBoard:
    return FakeBoard(tmp_path / "root", request.param, {"perf": "#!/bin/sh\necho perf version 6.6\n"})


def ask(board: FakeBoard, inquiry: Inquiry) -> Answer:
    return inquiry.ask(board.run, str(board.root))


def test_text_numbers_absent_and_empty_files(board: FakeBoard) -> None:
    board.write({"sys/a": "performance", "sys/b": 42, "sys/c": "", "sys/d": "one\ntwo"})
    answer = ask(board, Inquiry(files=("sys/a", "sys/b", "sys/c", "sys/d", "sys/none")))
    assert (answer.text("sys/a"), answer.integer("sys/b"), answer.text("sys/d")) == ("performance", 42, "one two")
    assert (answer.text("sys/c"), answer.text("sys/none"), answer.integer("sys/a")) == (None, None, None)


def test_one_file_alone_and_one_without_an_end_of_line(board: FakeBoard) -> None:
    board.write({"sys/alone": b"no newline"})
    assert ask(board, Inquiry(files=("sys/alone",))).text("sys/alone") == "no newline"


def test_device_tree_texts_are_kept_apart(board: FakeBoard) -> None:
    board.write({"proc/device-tree/compatible": b"fsl,imx8mp-evk\0fsl,imx8mp\0"})
    answer = ask(board, Inquiry(binary=("proc/device-tree/compatible", "proc/device-tree/none")))
    assert answer.fields("proc/device-tree/compatible") == ["fsl,imx8mp-evk", "fsl,imx8mp"]
    assert answer.fields("proc/device-tree/none") == []


HOSTILE = [
    b"x\nsys/victim:evil\n##\n",
    b"\r\nsys/victim:evil\r##\r\n",
    b"##\n##\n",
    b"\x1b[2J\x1b]0;title\x07sys/victim:evil\n",
    b"$(touch /tmp/x) `id` '; exit 1; ' \\n %s %n\n",
    "Börd ✓\n".encode(),
    b"\xff\xfe\x80\n",
    b"exists:dev/galcore\ntool/perf:evil\nfound/x:path /evil\n",
    b"\n\n\n",
    b"-e\n-n\n--help\n",
]


@pytest.mark.parametrize("content", HOSTILE)
def test_no_content_is_taken_for_another_files(board: FakeBoard, content: bytes) -> None:
    board.write({"sys/hostile": content, "proc/device-tree/model": content + b"\0tail", "sys/victim": "good"})
    inquiry = Inquiry(
        files=("sys/hostile", "sys/victim"), binary=("proc/device-tree/model",), exists=("dev/galcore",), tools={}
    )
    status, out, _ = board.run(["sh", "-c", inquiry.script(str(board.root))])
    assert status == 0
    assert all(char in "\t\n" or " " <= char <= "~" for char in out)
    answer = parse(out)
    assert answer.text("sys/victim") == "good"
    assert answer.exists() == []
    assert set(answer.lines) <= {"sys/hostile", "sys/victim", "proc/device-tree/model"}
    kept = content.decode("latin-1").replace("\n", "")
    assert "".join(answer.lines["sys/hostile"]) == "".join(c if c == "\t" or " " <= c <= "~" else "?" for c in kept)


@settings(max_examples=25, deadline=None)
@given(contents=st.lists(st.binary(max_size=60).filter(lambda data: b"\0" not in data), min_size=1, max_size=12))
def test_every_file_comes_back_whole_from_a_real_shell(contents: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for number, content in enumerate(contents):
            (root / f"file{number}").write_bytes(content)
        done = subprocess.run(
            ["sh", "-c", Inquiry(files=("file[0-9]*",)).script(folder)], capture_output=True, check=False
        )
        answer = parse(done.stdout.decode("ascii"))
    for number, content in enumerate(contents):
        lines = content.removesuffix(b"\n").split(b"\n") if content else []
        expected = tuple("".join(chr(c) if c == 9 or 32 <= c < 127 else "?" for c in line) for line in lines)
        assert answer.lines.get(f"file{number}", ()) == expected


@given(st.text(max_size=200))
def test_whatever_comes_is_an_answer_or_a_clear_error(text: str) -> None:
    answer = parse(f"{text}\n##\n")
    assert all("\n" not in line for lines in answer.lines.values() for line in lines)
    with suppress(HardwareError):
        parse(text)


@given(st.text(max_size=60), st.integers(0, 60))
def test_an_answer_that_is_cut_off_is_never_taken_for_a_whole_one(content: str, length: int) -> None:
    whole = "".join(f"sys/a:{line}\n" for line in content.split("\n")) + "##\n"
    cut = whole[: min(length, len(whole) - 1)]
    with pytest.raises(HardwareError, match="cut off"):
        parse(cut)


def test_an_endless_answer_is_refused() -> None:
    with pytest.raises(HardwareError, match="too long"):
        parse("a:b\n" * (MOST_ANSWERED // 4) + "##\n")


def test_paths_found_tools_and_folders(board: FakeBoard, tmp_path: Path) -> None:
    (tmp_path / "lib.so").write_bytes(b"abc")
    answer = ask(
        board,
        Inquiry(
            exists=("bin-of-the-board/per?", "dev/none*"),
            tools={"perf": ("perf", "--version"), "none": ("no-such-tool", "--version")},
            found={"delegate": str(tmp_path / "lib.so"), "perf": "perf", "none": "/no/such/file", "odd": "a'b \"$(id)"},
            folder=str(tmp_path / "not" / "yet" / "there"),
        ),
    )
    assert answer.exists() == ["bin-of-the-board/perf"]
    assert (answer.tool("perf"), answer.tool("none")) == ("perf version 6.6", None)
    found = answer.found("delegate")
    assert found is not None
    assert (found["path"], found["bytes"], "executable" in found) == (str(tmp_path / "lib.so"), "3", False)
    assert found["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (answer.found("perf") or {})["executable"] == "yes"
    assert (answer.found("none"), answer.found("odd")) == (None, None)
    assert len(answer.lines["folder"][0].split()) >= 6
    assert answer.lines["writable"] == (str(tmp_path),)


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("echo 'make 4.3'; echo more", "make 4.3"),
        ("echo \"x: unrecognized option '--version'\" >&2; echo BusyBox v1.36 >&2; exit 1", "BusyBox v1.36"),
        ("exit 0", "present"),
        ("printf '\\n\\nlate 1.0\\n'", "late 1.0"),
        ("echo 'x: invalid option -- -' >&2", "present"),
    ],
)
def test_what_a_tool_says_of_itself(tmp_path: Path, says: str, version: str) -> None:
    board = FakeBoard(tmp_path / "root", tools={"thing": f"#!/bin/sh\n{says}\n"})
    assert ask(board, Inquiry(tools={"thing": ("thing", "--version")})).tool("thing") == version


def test_the_scripts_own_tools_are_found_under_any_path_and_the_boards_only_under_its_users(board: FakeBoard) -> None:
    inquiry = Inquiry(files=("sys/a",), tools={"grep": ("grep", "--version")}, found={"sed": "sed"})
    script = inquiry.script(str(board.write({"sys/a": "there"}).root))
    for path in ("/no/such/folder", ""):
        done = subprocess.run(
            ["/bin/sh", "-c", script], capture_output=True, text=True, env={"PATH": path}, check=False
        )
        answer = parse(done.stdout)
        assert (answer.text("sys/a"), answer.tool("grep"), answer.found("sed")) == ("there", None, None)


def test_a_board_that_cannot_be_asked_is_a_hardware_error(board: FakeBoard) -> None:
    inquiry = Inquiry(files=("proc/stat",))
    with pytest.raises(HardwareError, match="cut off"):
        inquiry.ask(board.run, str(board.root / "no such root"))
    with pytest.raises(HardwareError, match="sh: not found"):
        inquiry.ask(lambda _: (127, "", "\x1b[31msh: not found"))
    board.breaks_at = board.calls + 1
    with pytest.raises(HardwareError, match="no route"):
        ask(board, inquiry)


def test_a_lost_link_passes_through(board: FakeBoard) -> None:
    board.breaks_at, board.error = 1, LinkLostError("gone")
    with pytest.raises(LinkLostError, match="gone"):
        ask(board, Inquiry(files=("proc/stat",)))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("0,2-3,7", [0, 2, 3, 7]),
        ("", []),
        (None, []),
        ("3-1", []),
        ("x,-,1", [1]),
        ("0-99999999", []),
        ("0-6:1/2", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_cpu_list(text: str | None, cpus: list[int]) -> None:
    assert cpu_list(text) == cpus


@given(st.sets(st.integers(0, 300)))
def test_cpu_lists_are_read_as_they_are_written(cpus: set[int]) -> None:
    assert cpu_list(cpu_text(cpus)) == sorted(cpus)


@pytest.mark.parametrize(
    ("text", "value"), [("12", 12), ("-3", -3), ("1e3", None), ("9" * 40, None), ("", None), (None, None), ("٣", None)]
)
def test_integer(text: str | None, value: int | None) -> None:
    assert integer(text) == value
