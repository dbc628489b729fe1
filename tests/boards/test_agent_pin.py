"""The agent's pin: against the kernel's own header, and against simulated lines where the kernel has them."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from agent_sessions import Agent, agent, open_folder

from analysis.board_marks import read_board_marks
from instruments.protocol import EventRequest
from lab.errors import HardwareError

SPEAKER = """
exec 3>"${LAB_WINDOW%%,*}" 4<"${LAB_WINDOW#*,}"
for i in 1 2; do
    echo enable >&3; read -r answer <&4; cat level >>levels
    echo disable >&3; read -r answer <&4; cat level >>levels
done
"""

CHIP = r"""
/* Stands in for a GPIO chip: takes requests as <linux/gpio.h> lays them out, and tells what it was asked. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/gpio.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int line = -1;

static void tell(const char *format, ...)
{
    char text[200];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int fd = open(getenv("CHIP_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (write(fd, text, (size_t)length) != length)
        abort();
    close(fd);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;
    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    if (request == GPIO_V2_GET_LINE_IOCTL) {
        struct gpio_v2_line_request *asked = argument;
        if (asked->num_lines != 1 || asked->config.flags != GPIO_V2_LINE_FLAG_OUTPUT)
            return errno = EINVAL, -1;
        if (asked->config.num_attrs != 1 || asked->config.attrs[0].attr.id != GPIO_V2_LINE_ATTR_ID_OUTPUT_VALUES)
            return errno = EINVAL, -1;
        if (asked->offsets[0] == 9)
            return errno = EBUSY, -1;
        tell("line %u %s %llu %llu\n", asked->offsets[0], asked->consumer, asked->config.attrs[0].attr.values,
             asked->config.attrs[0].mask);
        asked->fd = line = open(getenv("CHIP_LEVEL"), O_RDWR);
        return 0;
    }
    if (request == GPIO_V2_LINE_SET_VALUES_IOCTL && fd == line) {
        struct gpio_v2_line_values *set = argument;
        tell("set %llu %llu\n", set->bits, set->mask);
        return pwrite(fd, set->bits ? "1\n" : "0\n", 2, 0) == 2 ? 0 : -1;
    }
    return (int)syscall(SYS_ioctl, fd, request, argument);
}

int close(int fd)
{
    if (fd == line && line >= 0) {
        line = -1;
        tell("close\n");
    }
    return (int)syscall(SYS_close, fd);
}
"""


@pytest.fixture
def board(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    """An agent for which the file ``chip`` is a GPIO chip, ``level`` the level of its line."""
    source = open_folder() / "chip.c"
    source.write_text(CHIP)
    compiled = subprocess.run(
        ["cc", "-shared", "-fPIC", "-o", source.with_suffix(".so"), source], capture_output=True, text=True, check=False
    )
    if "gpio" in compiled.stderr:
        pytest.skip("<linux/gpio.h> is not there, or older than Linux 5.10: apt install linux-libc-dev")
    assert compiled.returncode == 0, compiled.stderr
    (tmp_path / "chip").write_text("")
    (tmp_path / "level").write_text("0\n")
    monkeypatch.setenv("LD_PRELOAD", str(source.with_suffix(".so")))
    monkeypatch.setenv("CHIP_LOG", str(tmp_path / "log"))
    monkeypatch.setenv("CHIP_LEVEL", str(tmp_path / "level"))
    with agent("dynamic", tmp_path) as one:
        monkeypatch.delenv("LD_PRELOAD")
        yield one


def test_the_pin_follows_the_programs_word(board: Agent) -> None:
    ended = board.shell(SPEAKER, opens_window=True, pin=(str(board.folder / "chip"), 5), marks="marks.txt")
    assert (ended.exit_status, ended.windows, ended.faults) == (0, 2, ())
    assert board.text("levels").split() == ["1", "0", "1", "0"]
    first, *sets, last = board.text("log").splitlines()
    assert first == "line 5 lab-agent 0 1", "an output, low to begin with"
    assert sets == ["set 1 1", "set 0 1"] * 2 + ["set 0 1"], "low when it is given back"
    assert last == "close"


def test_without_a_word_the_pin_is_up_as_long_as_the_program_runs(board: Agent) -> None:
    board.shell("cat level; sleep 0.05", pin=(str(board.folder / "chip"), 7))
    assert board.text() == "1\n"
    assert board.text("level") == "0\n"


@pytest.mark.parametrize("way", ["deadline", "link"])
def test_the_pin_is_low_after_all(board: Agent, way: str) -> None:
    script = 'echo enable >"${LAB_WINDOW%%,*}"; read -r x <"${LAB_WINDOW#*,}"; cat level >up; sleep 10'
    pin = (str(board.folder / "chip"), 5)
    if way == "deadline":
        ended = board.shell(script, opens_window=True, pin=pin, deadline_s=0.3)
        assert (ended.timed_out, ended.windows) == (True, 1)
    else:
        board.begin(["sh", "-c", script], opens_window=True, pin=pin)
        while not (board.folder / "up").exists() or not board.text("up"):
            time.sleep(0.01)
        assert board.hang_up() == 0
    assert board.text("up") == "1\n"
    assert board.text("level") == "0\n"
    assert board.text("log").endswith("set 0 1\nset 0 1\nclose\n")


def test_a_line_that_somebody_uses_is_told(board: Agent) -> None:
    with pytest.raises(HardwareError, match="line 9: somebody else uses it") as caught:
        board.shell(":", pin=(str(board.folder / "chip"), 9))
    assert caught.value.advice
    assert "gpioinfo" in caught.value.advice
    assert board.run(["true"]).exit_status == 0


def test_the_counters_are_innermost(board: Agent) -> None:
    """Pin up, mark, counters on; counters off, mark, pin down: told by what strace sees of the agent."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed: apt install strace")
    trace = board.folder / "trace"
    tracer = subprocess.Popen(
        [strace, "-e", "trace=ioctl,pwrite64", "-o", trace, "-p", str(board.process.pid)], stderr=subprocess.PIPE
    )
    assert tracer.stderr is not None
    assert b"attached" in tracer.stderr.readline()
    pin = (str(board.folder / "chip"), 5)
    events = [EventRequest("page-faults", "software", 2)]
    board.shell(SPEAKER, opens_window=True, window_only=True, pin=pin, events=events)
    board.end()
    tracer.wait(10)
    tracer.stderr.close()
    words = {"pwrite64": "pin", "PERF_EVENT_IOC_ENABLE": "on", "PERF_EVENT_IOC_DISABLE": "off"}
    calls = [word for line in trace.read_text().splitlines() for key, word in words.items() if key in line]
    assert calls[:8] == ["pin", "on", "off", "pin"] * 2


# -------------------------------------------------------------------------------------- lines that the kernel simulates

CONFIG = Path("/sys/kernel/config/gpio-sim")


@pytest.fixture
def simulated() -> Iterator[tuple[str, Path]]:
    """A chip of the kernel's module gpio-sim: its device, and the folder with its line 2."""
    if shutil.which("modprobe"):
        subprocess.run(["modprobe", "gpio-sim"], capture_output=True, check=False)
    if not CONFIG.is_dir() or not os.access(CONFIG, os.W_OK):
        pytest.skip("needs root, and a kernel with the module gpio-sim and configfs mounted")
    device = CONFIG / f"lab-{os.getpid()}"
    bank = device / "bank0"
    bank.mkdir(parents=True)
    try:
        (bank / "num_lines").write_text("4")
        (device / "live").write_text("1")
        chip = (bank / "chip_name").read_text().strip()
        name = (device / "dev_name").read_text().strip()
        yield f"/dev/{chip}", Path("/sys/devices/platform") / name / chip / "sim_gpio2"
        (device / "live").write_text("0")
    finally:
        bank.rmdir()
        device.rmdir()


def test_a_line_of_the_kernels(simulated: tuple[str, Path], tmp_path: Path) -> None:
    device, line = simulated
    (tmp_path / "level").symlink_to(line / "value")
    with agent("native", tmp_path) as one:
        ended = one.shell(SPEAKER, opens_window=True, pin=(device, 2), marks="marks.txt")
        assert (ended.windows, ended.faults) == (2, ())
        assert one.text("levels").split() == ["1", "0", "1", "0"]
        assert len(read_board_marks(tmp_path / "marks.txt").marks) == 4
        with pytest.raises(HardwareError, match="no such line"):
            one.shell(":", pin=(device, 60))
