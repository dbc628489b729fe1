"""The agent's line protocol: any bytes travel, and nothing that stands on the line makes either side fall over."""

from __future__ import annotations

import os
import random
import select
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from agent_sessions import Agent, agent
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.boards.agent.session import AgentSession
from lab.boards.agent.wire import Message, compose, parse
from lab.errors import HardwareError, LinkLostError

KEYS = st.text(st.characters(codec="ascii", categories=["Ll"]), min_size=1, max_size=8)
VALUES = st.binary(max_size=60).map(lambda value: value.replace(b"\0", b""))


@given(st.sampled_from(["run", "ended"]), st.integers(0, 2**60), st.lists(st.tuples(KEYS, VALUES), max_size=8))
def test_what_is_composed_is_read_again(verb: str, sequence: int, fields: list[tuple[str, bytes]]) -> None:
    line = compose(verb, sequence, fields)
    assert line.endswith(b"\n")
    assert line[:-1].isascii()
    assert not set(line[:-1]) & {0x0A, 0x0D, 0x00}
    expected = tuple((key, value.decode("utf-8", "replace")) for key, value in fields)
    assert parse(line[:-1]) == Message(verb, sequence, expected)
    assert parse(line[:-1] + b"\r") == Message(verb, sequence, expected)


@given(st.binary(max_size=80), st.integers(0, 200), st.integers(1, 255))
def test_nothing_else_is_taken_for_a_message(noise: bytes, where: int, flip: int) -> None:
    assert parse(noise) is None
    line = compose("pong", 5, [("ns", "81234567890123")])[:-1]
    at = where % len(line)
    assert parse(line[:at] + bytes([line[at] ^ flip]) + line[at + 1 :]) is None
    assert parse(line[:at]) is None
    for strange in (b"x", b"pong x", b"pong 1 a=%4", b"pong 1 a=%zz", b"p 1 a=\xff"):
        assert parse(strange + b" *%08x" % zlib.crc32(strange)) is None


def test_too_much_is_refused_here() -> None:
    with pytest.raises(ValueError, match="more than the agent takes"):
        compose("run", 1, [("arg", "x" * (1 << 20))])
    with pytest.raises(ValueError, match="more than the agent takes"):
        compose("run", 1, [("arg", "x")] * (1 << 15))


# ------------------------------------------------------------------------------------------------ the agent's side


@pytest.fixture
def checked(tmp_path: Path) -> Iterator[Agent]:
    with agent("checked", tmp_path) as one:
        yield one


def answers(one: Agent, sent: bytes, until: bytes = b"pong 77 ") -> list[bytes]:
    """What the agent says to some bytes and a last ping."""
    sent += b"\nping 77\n"
    got = b""
    assert one.process.stdout is not None
    source, sink = one.process.stdout.fileno(), one.input.fileno()
    while until not in got or not got.endswith(b"\n"):
        readable, writable, _ = select.select([source], [sink] if sent else [], [], 10.0)
        assert readable or writable, f"the agent is silent: {got[-300:]!r}"
        if readable:
            chunk = os.read(source, 65536)
            assert chunk, f"the agent fell over: {one.stderr.read().decode()}"
            got += chunk
        elif writable:
            sent = sent[os.write(sink, sent[:4096]) :]
    return got.splitlines()


def fields_of(line: bytes) -> Message:
    message = parse(line)
    assert message is not None, line
    return message


@pytest.mark.parametrize(
    ("line", "sequence", "said"),
    [
        (b"dance 5", 5, "dance: there is no such message"),
        (b"dance\x1b[31m 5", 5, "there is no such message"),
        (b"ping", 0, "it has no number"),
        (b"ping -4", 0, "it has no number"),
        (b"ping 99999999999999999999", 0, "it has no number"),
        (b"ping 5 *00000000", 0, "its checksum is wrong"),
        (b"ping 5 word", 5, "a word without a key"),
        (b"ping 5 =x", 5, "a word without a key"),
        (b"ping 5 a=%4", 5, "not encoded"),
        (b"ping 5 a=%00", 5, "not encoded"),
        (b"ping 5 a=\xff", 5, "not encoded"),
        (b"ping\0 5", 0, "zero byte"),
        (b"p" * (1 << 20), 0, "longer than"),
        (b"ping 5 " + b"a=1 " * 40000 + b"a=1", 5, "too many words"),
        (b"run 5 arg=rm", 5, "must bear a checksum"),
        (compose("run", 5)[:-1], 5, "is missing"),
        (compose("run", 5, [("workdir", "/"), ("stdout", "a"), ("stderr", "b")])[:-1], 5, "arg= is missing"),
    ],
)
def test_a_wrong_line_has_an_answer(checked: Agent, line: bytes, sequence: int, said: str) -> None:
    first, *rest = answers(checked, line + b"\n")
    error = fields_of(first)
    assert (error.verb, error.sequence) == ("error", sequence)
    assert said in error.get("text")
    assert [fields_of(line).verb for line in rest] == ["pong"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nice", "20"),
        ("nice", "x"),
        ("deadline_ns", "-1"),
        ("deadline_ns", "9" * 19),
        ("output_limit", "1e6"),
        ("pin_line", "70000"),
        ("pin_line", "3"),
        ("pin_device", "/dev/gpiochip0"),
        ("opens_window", "yes"),
        ("cpus", ""),
        ("cpus", "1,"),
        ("cpus", "-1"),
        ("cpus", "0-3"),
        ("cpus", "99999999999999999999"),
        ("env", "NAME"),
        ("env", "=x"),
        ("event", ""),
        ("event", "0,software,2"),
        ("event", "0,software,2,x"),
        ("event", "0,software,2,u,"),
        ("event", "0,../x,2,u"),
        ("event", f"0,{'p' * 64},2,u"),
        ("marks", "m" * 5000),
    ],
)
def test_a_wrong_value_has_an_answer(checked: Agent, key: str, value: str, tmp_path: Path) -> None:
    fields = [("workdir", str(tmp_path)), ("stdout", "o"), ("stderr", "e"), ("arg", "true"), (key, value)]
    first = fields_of(answers(checked, compose("run", 5, fields))[0])
    assert (first.verb, first.sequence, first.get("code")) == ("error", 5, "bad_request")


def test_nothing_on_the_line_makes_it_fall_over(checked: Agent) -> None:
    """Garbage, lines cut, doubled, with bytes changed, at random: each line has an answer, and the agent lives."""
    draw = random.Random(20)
    good = [
        b"ping 3\n",
        compose("ping", 3),
        b"stop 4\n",
        compose("run", 5, [("workdir", "/nonesuch"), ("arg", "true"), ("stdout", "o"), ("stderr", "e"), ("cpus", "0")]),
        compose("run", 6, [("event", "0,software,2,uk")] * 70),
    ]
    for _ in range(60):
        lines = bytearray(b"".join(draw.choices(good, k=20)))
        for _ in range(draw.randrange(40)):
            at = draw.randrange(len(lines))
            what = draw.randrange(4)
            if what == 0:
                lines[at] = draw.randrange(256)
            elif what == 1:
                del lines[at : at + draw.randrange(9)]
            elif what == 2:
                lines[at:at] = draw.randbytes(draw.randrange(9))
            else:
                lines[at:at] = lines[: draw.randrange(100)]
        for line in answers(checked, bytes(lines).replace(b"bye", b"")):
            assert fields_of(line).verb in ("error", "pong", "ok", "agent")
    assert checked.end() == 0


def test_a_flood_is_answered_in_full_by_an_agent_that_nobody_reads(checked: Agent) -> None:
    """It reads no more than it has room to answer."""
    assert len(answers(checked, b"ping 5\n" * 20_000)) == 20_001


# -------------------------------------------------------------------------------------------------------- this side


class Line:
    """A session whose other end is the test's."""

    def __init__(self) -> None:
        mine, theirs = os.pipe(), os.pipe()
        self.to_session, self.from_session = os.fdopen(mine[1], "wb", 0), os.fdopen(theirs[0], "rb", 0)
        self.ends = (os.fdopen(mine[0], "rb", 0), os.fdopen(theirs[1], "wb", 0))
        self.session = AgentSession(*self.ends, name="board")

    def close(self) -> None:
        for one in (self.to_session, self.from_session, *self.ends):
            one.close()


@pytest.fixture
def line() -> Iterator[Line]:
    one = Line()
    yield one
    one.close()


def test_banners_and_halves_of_lines_before_the_answer(line: Line) -> None:
    banner = b"\x1b[2JWelcome to Debian!\r\n\r\n# exec agent\r\nhello 1\r\n\xff\xfe\0 *deadbeef\r\n"
    line.to_session.write(banner + compose("hello", 1) + compose("agent", 1, [("protocol", "1"), ("pid", "5")]))
    assert line.session.hello() == {"protocol": "1", "pid": "5"}
    line.to_session.write(b"[ 12.3] usb 1-1: new device\n" + compose("pong", 1, [("ns", "1")]))
    line.to_session.write(compose("pong", 2, [("ns", "5")]))
    sent, there, received = line.session.ping()
    assert (sent <= received, there) == (True, 5), "an answer to another question is left aside"


def test_what_was_said_instead_is_told(line: Line) -> None:
    line.to_session.write(b"sh: 1: \x1b]0;x\x07agent: Exec format error\n")
    line.to_session.close()
    with pytest.raises(LinkLostError, match="the agent went away") as caught:
        line.session.hello()
    assert caught.value.advice == r"on the line stood: sh: 1: \x1b]0;x\x07agent: Exec format error"


def test_another_protocol_is_refused(line: Line) -> None:
    line.to_session.write(compose("agent", 1, [("protocol", "2")]))
    with pytest.raises(HardwareError, match="protocol '2', expected '1'"):
        line.session.hello()


@pytest.mark.parametrize("said", [b"pong 1\n", b"pong 1 ns=\n", b"pong 1 ns=x\n", b"ok 1\n"])
def test_nonsense_is_told_from_silence(line: Line, said: bytes) -> None:
    body = said.strip()
    line.to_session.write(b"%s *%08x\n" % (body, zlib.crc32(body)))
    with pytest.raises(HardwareError) as caught:
        line.session.ping()
    assert not isinstance(caught.value, LinkLostError)


def test_endless_garbage_ends(line: Line) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            while True:
                line.to_session.write(b"y" * 5000)
        finally:
            os._exit(0)
    try:
        with pytest.raises(HardwareError, match="holds nothing that an agent says"):
            line.session.hello()
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_silence_ends(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.boards.agent.session._ANSWER_S", 0.2)
    with pytest.raises(LinkLostError, match="does not answer within"):
        line.session.ping()


def test_nobody_reads(line: Line) -> None:
    line.from_session.close()
    with pytest.raises(LinkLostError, match="closed"):
        line.session.ping()


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.integers(1, 30), max_size=5), st.integers(1, 2**40))
def test_an_answer_in_pieces(line: Line, cuts: list[int], ns: int) -> None:
    def answer() -> None:
        verb, sequence, *_ = line.from_session.read(100).split()
        assert verb == b"ping"
        rest = compose("pong", int(sequence), [("ns", str(ns))])
        for cut in cuts:
            piece, rest = rest[:cut], rest[cut:]
            line.to_session.write(piece)
            time.sleep(0.0005)
        line.to_session.write(rest)

    with ThreadPoolExecutor(1) as other_end:
        answering = other_end.submit(answer)
        assert line.session.ping()[1] == ns
        answering.result()
