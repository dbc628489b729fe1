"""The shared connection to a board: commands arrive as they are, and every way of failing has its own clear words."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loopback_sshd import HOST, LoopbackSshd, free_port, make_key

from lab.boards.ssh.complaints import AuthenticationError, HostKeyError, complaint
from lab.boards.ssh.link import SshLink, StuckError, ended
from lab.boards.ssh.quoting import words
from lab.boards.ssh.target import SshTarget
from lab.errors import HardwareError, LinkLostError, UsageError

BOARD = SshTarget(HOST)


@pytest.fixture(scope="module")
def link(shared_sshd: LoopbackSshd) -> Iterator[SshLink]:
    """A connection that the module's tests share."""
    made = SshLink(BOARD, config=shared_sshd.ssh_config)
    made.connect()
    yield made
    made.disconnect()


def refused(server: LoopbackSshd, target: SshTarget = BOARD, timeout_s: float = 20.0) -> HardwareError:
    """The error that connecting ends with."""
    link = SshLink(target, config=server.ssh_config, connect_timeout_s=timeout_s)
    with pytest.raises(HardwareError) as raised:
        link.connect()
    assert not link.alive
    assert "\n" not in raised.value.message
    assert raised.value.advice
    return raised.value


# ------------------------------------------------------------------------------------------------- what arrives

ARGUMENT = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40
) | st.sampled_from(
    ["", "-n", "--", "'", "\\", "$(reboot)", "`reboot`", "~", "*", "a=b", "#", "!!", "\n", "%s\\n", "\x1b[2J", "'\\''"]
)


@settings(max_examples=12, deadline=None)
@given(st.lists(ARGUMENT, max_size=30))
def test_arguments_arrive_as_they_are(link: SshLink, arguments: list[str]) -> None:
    answer = link.run(["sh", "-c", 'for word; do printf "%s\\0" "$word"; done', "sh", *arguments])
    assert answer.stdout.decode().split("\0")[:-1] == arguments


@given(st.lists(ARGUMENT, min_size=1, max_size=5))
def test_a_command_line_is_one_simple_command_for_any_posix_shell(arguments: list[str]) -> None:
    done = subprocess.run(["sh", "-c", words(["printf", "%s\\0", *arguments])], capture_output=True, check=True)
    assert done.stdout.decode().split("\0")[:-1] == arguments


def test_bytes_that_are_no_text_arrive_as_they_are(link: SshLink) -> None:
    name = os.fsdecode(b"\xff\xfe caf\xe9")
    assert link.run(["printf", "%s", name]).stdout == b"\xff\xfe caf\xe9"


def test_what_no_board_can_be_told_is_refused_here() -> None:
    for argv in ([], ["a\0b"], ["x" * 130_000]):
        with pytest.raises(UsageError):
            words(argv)


def test_input_output_and_status_come_through(link: SshLink) -> None:
    sent = bytes(range(256)) * 2000
    answer = link.run(["sh", "-c", "cat; echo trouble >&2; exit 42"], stdin=sent)
    assert (answer.status, answer.stdout, answer.stderr) == (42, sent, b"trouble\n")


def test_a_command_that_wants_no_input_need_not_read_it(link: SshLink) -> None:
    assert link.run(["true"], stdin=iter([b"x" * 100_000] * 20)).status == 0


def test_a_program_that_itself_ends_with_255_breaks_no_link(link: SshLink) -> None:
    assert link.run(["sh", "-c", "exit 255"]).status == 255
    link.check()


def test_a_command_that_does_not_end_is_given_up(link: SshLink) -> None:
    with pytest.raises(StuckError):
        link.run(["sleep", "1"], timeout_s=0.2)
    with pytest.raises(StuckError):
        link.run(["sh", "-c", "for i in 1 2 3 4; do echo; sleep 0.2; done"], deadline_s=0.4)
    link.check()


def test_an_endless_answer_is_not_taken_in_whole(link: SshLink, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.boards.ssh.link.MOST_HEARD", 100_000)
    with pytest.raises(StuckError):
        link.run(["cat", "/dev/zero"])


def test_the_engineers_configuration_applies_but_for_what_would_disturb(sshd: LoopbackSshd) -> None:
    port = free_port()
    sshd.write_config(f"LocalForward {port} 127.0.0.1:1", "RemoteCommand exit 7", "RequestTTY force", "LogLevel QUIET")
    link = SshLink(BOARD, config=sshd.ssh_config)
    link.connect()
    try:
        assert link.run(["echo", "hello"]).stdout == b"hello\n"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    finally:
        link.disconnect()


def test_over_a_jump_host(sshd: LoopbackSshd) -> None:
    behind = (
        f"Host behind\n  HostName 127.0.0.1\n  Port {sshd.port}\n  ProxyJump {HOST}\n  IdentityFile {sshd.user_key}\n"
        f"  IdentitiesOnly yes\n  UserKnownHostsFile {sshd.known_hosts}\n"
    )
    sshd.write_config(more=behind)
    link = SshLink(SshTarget("behind"), config=sshd.ssh_config)
    link.connect()
    try:
        # The connection that the board sees comes from the jump host: two are accepted in all.
        assert link.run(["echo", "hello"]).stdout == b"hello\n"
        assert sshd.log().count("Accepted publickey") == 2
    finally:
        link.disconnect()


def test_a_key_and_a_port_may_be_named_instead(sshd: LoopbackSshd, tmp_path: Path) -> None:
    config = tmp_path / "empty"
    config.write_text(f"UserKnownHostsFile {sshd.known_hosts}\n")
    link = SshLink(SshTarget("127.0.0.1", port=sshd.port), config=config, identity=sshd.user_key)
    link.connect()
    assert link.alive
    link.disconnect()


# --------------------------------------------------------------------------------------------- what goes wrong


def test_a_changed_host_key_stops_at_once(sshd: LoopbackSshd) -> None:
    sshd.stop()
    sshd.change_host_key()
    sshd.start()
    # Whatever the engineer's configuration says of it.
    for line in ("StrictHostKeyChecking ask", "StrictHostKeyChecking accept-new", "StrictHostKeyChecking no"):
        sshd.write_config(line)
        error = refused(sshd)
        assert isinstance(error, HostKeyError)
        assert "another host key" in error.message
        assert str(sshd.known_hosts) in error.message
        assert "ssh-keygen" in (error.advice or "")


def test_a_host_key_that_is_not_kept_must_still_be_the_same_when_the_board_comes_back(sshd: LoopbackSshd) -> None:
    sshd.write_config("StrictHostKeyChecking no", "UserKnownHostsFile /dev/null")
    link = SshLink(BOARD, config=sshd.ssh_config)
    link.connect()
    first = link.host_key
    assert first.startswith("ssh-ed25519 SHA256:")
    sshd.stop()
    sshd.change_host_key()
    sshd.start()
    with pytest.raises(HostKeyError, match="another host key"):
        link.connect()
    assert not link.alive


def test_an_unknown_host_key(sshd: LoopbackSshd) -> None:
    sshd.known_hosts.write_text("")
    error = refused(sshd)
    assert isinstance(error, HostKeyError)
    assert "not known" in error.message


def test_not_let_in(sshd: LoopbackSshd) -> None:
    make_key(sshd.user_key)
    error = refused(sshd)
    assert isinstance(error, AuthenticationError)
    assert "publickey" in error.message


def test_nobody_of_that_name(sshd: LoopbackSshd) -> None:
    error = refused(sshd, SshTarget("nobody.invalid"))
    assert "nobody.invalid" in error.message
    assert "no machine called" in error.message


def test_nobody_listens(sshd: LoopbackSshd) -> None:
    sshd.stop()
    assert "refuses connections" in refused(sshd).message


def test_somebody_listens_and_says_nothing(sshd: LoopbackSshd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        began_s = time.monotonic()
        error = refused(sshd, replace(BOARD, port=server.getsockname()[1]), timeout_s=1.0)
        assert time.monotonic() - began_s < 10
    assert any(word in error.message for word in ("does not answer", "within 1 s"))


def test_a_board_that_hangs_up(sshd: LoopbackSshd) -> None:
    sshd.stop()
    with socket.create_server(("127.0.0.1", sshd.port)) as server:
        server.settimeout(10)
        link = SshLink(BOARD, config=sshd.ssh_config)
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        with pytest.raises(HardwareError, match="ended the connection"):
            link.connect()


def test_a_configuration_that_ssh_does_not_take(sshd: LoopbackSshd) -> None:
    sshd.ssh_config.write_text("Nonsense yes\n")
    assert "configuration" in refused(sshd).message


def test_a_link_that_breaks(sshd: LoopbackSshd) -> None:
    link = SshLink(BOARD, config=sshd.ssh_config)
    link.connect()
    client = link.start(["sleep", "60"])
    assert sshd.cut()
    with pytest.raises(LinkLostError, match="broke"):
        link.finished(client)
    ended(client)
    with pytest.raises(LinkLostError):
        link.run(["true"])
    link.connect()
    assert link.run(["true"]).status == 0
    link.disconnect()


def test_commands_never_make_a_connection_of_their_own(sshd: LoopbackSshd) -> None:
    link = SshLink(BOARD, config=sshd.ssh_config)
    link.connect()
    assert link._folder is not None
    (link._folder / "socket").unlink()
    with pytest.raises(HardwareError):
        link.run(["true"])
    link.disconnect()
    assert sshd.log().count("Accepted publickey") == 1


def test_nothing_is_left_here(sshd: LoopbackSshd) -> None:
    link = SshLink(BOARD, config=sshd.ssh_config)
    folders, masters = [], []
    for _ in range(2):
        link.connect()
        folders.append(link._folder)
        masters.append(link._master)
    link.disconnect()
    link.disconnect()
    for folder, master in zip(folders, masters, strict=True):
        assert folder is not None
        assert not folder.exists()
        assert master is not None
        assert master.poll() is not None


def test_a_long_temporary_folder_is_no_obstacle(
    sshd: LoopbackSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    link = SshLink(BOARD, config=sshd.ssh_config)
    link.connect()
    assert link._folder is not None
    assert link._folder.parent == Path("/tmp")
    link.disconnect()
    assert not list(deep.iterdir())


def test_the_connection_ends_when_the_lab_dies(sshd: LoopbackSshd) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from lab.boards.ssh.link import SshLink\nfrom lab.boards.ssh.target import SshTarget\n"
        "link = SshLink(SshTarget(sys.argv[1]), config=Path(sys.argv[2]))\nlink.connect()\n"
        "print(link._master.pid, link._folder, flush=True)\nos.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, HOST, str(sshd.ssh_config)], capture_output=True, check=False)
    master, folder = int(done.stdout.split()[0]), Path(done.stdout.split()[1].decode())
    end_s = time.monotonic() + 10
    while Path(f"/proc/{master}").exists() and "Z" not in Path(f"/proc/{master}/stat").read_text().rpartition(")")[2]:
        assert time.monotonic() < end_s
        time.sleep(0.02)
    shutil.rmtree(folder)  # who is killed cannot


# --------------------------------------------------------------------------------------------------- ssh's words

WORDS = [
    ("ssh: Could not resolve hostname imx: Name or service not known", "no machine called imx"),
    ("ssh: connect to host 10.0.0.2 port 22: Connection refused", "refuses connections"),
    ("ssh: connect to host 10.0.0.2 port 22: Connection timed out", "does not answer"),
    ("ssh: connect to host 10.0.0.2 port 22: No route to host", "no way to"),
    ("Connection timed out during banner exchange\nConnection to 127.0.0.1 port 1 timed out", "does not answer"),
    ("root@imx: Permission denied (publickey,password).", "root@imx does not let this user in (it takes: publickey,"),
    ("lab@jump: Permission denied (publickey).\nConnection closed by UNKNOWN port 65535", "lab@jump does not let"),
    (
        "Unable to negotiate with 10.0.0.2 port 22: no matching host key type found. Their offer: ssh-rsa",
        "it offers ssh-rsa",
    ),
    ("kex_exchange_identification: read: Connection reset by peer", "ended the connection"),
    ("Host key verification failed.", "is not known here"),
    ("/home/me/.ssh/config: line 3: Bad configuration option: foo", "line 3"),
    ("Bad owner or permissions on /home/me/.ssh/config", "Bad owner"),
    ("something that no ssh ever said", "something that no ssh ever said"),
    ("", "ssh says nothing"),
]


@pytest.mark.parametrize(("text", "expected"), WORDS, ids=[expected for _, expected in WORDS])
def test_what_ssh_says_becomes_one_line_and_an_advice(text: str, expected: str) -> None:
    error = complaint(f"debug1: noise\n{text}\n", "imx")
    assert expected in error.message
    assert "\n" not in error.message
    assert error.advice
    assert not isinstance(error, LinkLostError)


@pytest.mark.parametrize(
    "text",
    [
        "client_loop: send disconnect: Broken pipe",
        "Timeout, server 10.0.0.2 not responding.",
        "Connection to 10.0.0.2 closed by remote host.",
        "",
    ],
)
def test_the_end_of_a_connection_that_stood_is_a_lost_link(text: str) -> None:
    error = complaint(text, "imx", connected=True)
    assert isinstance(error, LinkLostError)
    assert text.strip() in error.message


@given(st.text())
def test_no_words_are_too_strange(text: str) -> None:
    for connected in (False, True):
        assert "\n" not in complaint(text, "imx", connected=connected).message
