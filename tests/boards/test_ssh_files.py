"""Files to and from a board: whole or not at all, whatever is in them and whatever they are called."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_sshd import HOST, LoopbackSshd

from lab.boards.ssh import files
from lab.boards.ssh.link import SshLink
from lab.boards.ssh.target import SshTarget
from lab.errors import HardwareError

NAMES = st.text(st.characters(blacklist_characters="\0/", blacklist_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda name: name not in (".", "..")
)


@pytest.fixture(scope="module")
def link(shared_sshd: LoopbackSshd) -> Iterator[SshLink]:
    made = SshLink(SshTarget(HOST), config=shared_sshd.ssh_config)
    made.connect()
    yield made
    made.disconnect()


@pytest.fixture
def there(tmp_path: Path) -> Path:
    """A folder on the board, which is this machine."""
    folder = tmp_path / "on the board"
    folder.mkdir()
    return folder


@settings(max_examples=8, deadline=None)
@given(name=NAMES, content=st.binary(max_size=2000), mode=st.sampled_from([0o644, 0o755, 0o600]))
def test_a_file_goes_there_and_back(
    link: SshLink, tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes, mode: int
) -> None:
    here = tmp_path_factory.mktemp("file")
    local, remote, back = here / "local", here / "made on the way" / name, here / "back"
    local.write_bytes(content)
    local.chmod(mode)
    files.put_file(link, local, str(remote))
    assert remote.read_bytes() == content
    assert stat.S_IMODE(remote.stat().st_mode) == mode
    assert [path.name for path in remote.parent.iterdir()] == [name]
    files.fetch(link, {str(remote): back})
    assert back.read_bytes() == content
    assert files.same_file(link, local, str(remote))


def test_a_large_file_of_any_bytes(link: SshLink, there: Path, tmp_path: Path) -> None:
    content = os.urandom(1 << 16) * 200
    local = tmp_path / "large"
    local.write_bytes(content)
    files.put_file(link, local, str(there / "large"))
    files.fetch(link, {str(there / "large"): tmp_path / "back"})
    assert (tmp_path / "back").read_bytes() == content


def test_several_files_come_in_one_go(link: SshLink, there: Path, tmp_path: Path) -> None:
    contents = {"a": b"", "b": b"1\n2\n", "c": bytes(range(256)) * 1000}
    for name, content in contents.items():
        (there / name).write_bytes(content)
    files.fetch(link, {str(there / name): tmp_path / name for name in contents})
    assert {name: (tmp_path / name).read_bytes() for name in contents} == contents


def test_a_folder_goes_there_with_all_that_is_in_it(link: SshLink, there: Path, tmp_path: Path) -> None:
    local = tmp_path / "folder"
    (local / "deep" / "er").mkdir(parents=True)
    (local / "empty").mkdir()
    (local / ".hidden").write_text("x")
    (local / "a 'name'\nwith $everything").write_text("y")
    program = local / "deep" / "er" / "program"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    (local / "link").symlink_to(program)
    target = there / "copy"
    files.put_folder(link, local, str(target))
    found = {str(path.relative_to(target)) for path in target.rglob("*")}
    assert found == {str(path.relative_to(local)) for path in local.rglob("*")}
    assert os.access(target / "deep" / "er" / "program", os.X_OK)
    assert not (target / "link").is_symlink()
    assert (target / "link").read_bytes() == b"\x7fELF"


def test_a_folder_replaces_what_was_there(link: SshLink, there: Path, tmp_path: Path) -> None:
    local = tmp_path / "folder"
    local.mkdir()
    for name in ("old", "new"):
        (local / name).write_text(name)
        files.put_folder(link, local, str(there / "copy"))
        (local / name).unlink()
    assert [path.name for path in (there / "copy").iterdir()] == ["new"]
    assert [path.name for path in there.iterdir()] == ["copy"]


def test_a_file_that_is_not_there(link: SshLink, there: Path, tmp_path: Path) -> None:
    back = tmp_path / "back"
    back.write_text("from before")
    (there / "one").write_text("x")
    for remote in (there / "none", there):
        with pytest.raises(FileNotFoundError):
            files.fetch(link, {str(there / "one"): tmp_path / "one", str(remote): back})
    assert back.read_text() == "from before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "on the board"]


def test_what_cannot_be_written_is_said_in_the_boards_words(link: SshLink, there: Path, tmp_path: Path) -> None:
    local = tmp_path / "file"
    local.write_text("x")
    (there / "file").write_text("in the way")
    with pytest.raises(HardwareError, match=r"(Not a directory|File exists|cannot create)"):
        files.put_file(link, local, str(there / "file" / "below"))
    with pytest.raises(HardwareError, match="cannot be put on the board"):
        files.put_folder(link, tmp_path, "/proc/nowhere")


def test_a_full_board_keeps_what_it_had(link: SshLink, there: Path, tmp_path: Path) -> None:
    if not os.access("/dev/full", os.W_OK):
        pytest.skip("needs /dev/full")
    local = tmp_path / "file"
    local.write_bytes(b"x" * 100_000)
    (there / "file").write_text("as it was")
    script = files._PUT_FILE.replace('cat >"$part"', "cat >/dev/full")
    answer = link.script(script, str(there / "file"), "644", *files._checks(local), stdin=local.read_bytes())
    assert answer.status != 0
    assert "No space left" in answer.complaint
    assert (there / "file").read_text() == "as it was"
    assert [path.name for path in there.iterdir()] == ["file"]


def test_what_arrives_damaged_is_noticed(
    link: SshLink, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "file"
    local.write_text("content")
    spoiled = files._PUT_FILE.replace('cat >"$part"', '{ cat; echo; } >"$part"')
    monkeypatch.setattr(files, "_PUT_FILE", spoiled)
    with pytest.raises(HardwareError, match="arrived damaged"):
        files.put_file(link, local, str(there / "file"))
    assert not list(there.iterdir())


def test_a_folder_that_arrives_damaged_is_noticed(
    link: SshLink, there: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = tmp_path / "folder"
    local.mkdir()
    (local / "file").write_text("content")
    monkeypatch.setattr(
        files, "_PUT_FOLDER", files._PUT_FOLDER.replace("cat >/dev/null", 'cat >/dev/null; echo >"$1/file"')
    )
    with pytest.raises(HardwareError, match="arrived damaged"):
        files.put_folder(link, local, str(there / "folder"))
    assert not list(there.iterdir())


def test_a_board_that_has_no_sums_compares_sizes(link: SshLink, there: Path, tmp_path: Path) -> None:
    without = "sha256sum() { return 1; }; command() { return 1; }\n"
    local = tmp_path / "file"
    local.write_text("content")
    script = without + files._PUT_FILE
    checks = files._checks(local)
    answer = link.script(script, str(there / "file"), "644", *checks, stdin=b"content")
    assert (answer.status, answer.text.strip()) == (0, checks[1])
    assert link.script(script, str(there / "file"), "644", *checks, stdin=b"content!").status == 67


@given(st.lists(st.binary(max_size=50) | st.none(), min_size=1, max_size=4), st.integers(1, 7))
def test_what_comes_is_taken_apart_wherever_it_is_cut(contents: list[bytes | None], step: int) -> None:
    import io

    heads = b"".join(b"absent\n" if item is None else f"  {len(item)}\n".encode() for item in contents)
    stream = heads + b"".join(item or b"" for item in contents)
    sinks = [io.BytesIO() for _ in contents]
    arriving = files._Arriving(sinks)
    for start in range(0, len(stream), step):
        arriving.write(stream[start : start + step])
    assert arriving.sizes == [None if item is None else len(item) for item in contents]
    assert [sink.getvalue() for sink in sinks] == [item or b"" for item in contents]
    assert arriving.surplus == 0
