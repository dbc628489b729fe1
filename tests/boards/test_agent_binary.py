"""Compilers for a board's architecture, and the agent built with them."""

from __future__ import annotations

import platform
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from lab.boards.agent.binary import SOURCE, agent_binary
from lab.errors import DataError, UsageError
from lab.toolchains import architecture_name, toolchain

HERE = architecture_name(platform.machine())


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CC", "CXX", "CFLAGS", "LDFLAGS", "MAKEFLAGS"):
        monkeypatch.delenv(name, raising=False)
    for kind in ("CC", "CXX", "CFLAGS", "LDFLAGS"):
        for architecture in ("AARCH64", "ARMV7L", "X86_64", "RISCV64"):
            monkeypatch.delenv(f"LAB_{kind}_{architecture}", raising=False)


def tool(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


# ------------------------------------------------------------------------------------------------------- toolchains


def test_the_hosts_own_compiler_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    found = toolchain(HERE)
    assert (found.architecture, found.cc, found.cxx, found.static) == (HERE, "cc", "c++", False)
    assert found.statically().ldflags == ("-static",)
    assert found.statically().statically() == found.statically()
    monkeypatch.setenv("CC", "gcc")
    assert toolchain(HERE).cc == "gcc"


@pytest.mark.parametrize(
    ("names", "cc"),
    [(("aarch64", "arm64"), "aarch64-linux-gnu-gcc"), (("armv7l", "armhf", "armv8l"), "arm-linux-gnueabihf-gcc")],
)
def test_cross_compilers_by_any_of_the_names(
    names: tuple[str, ...], cc: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path, cc, "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for name in names:
        found = toolchain(name)
        assert (found.architecture, found.cc, found.static) == (names[0], cc, True)


@pytest.mark.parametrize(
    ("architecture", "machine", "package"),
    [
        ("aarch64", "x86_64", "gcc-aarch64-linux-gnu g++-aarch64-linux-gnu"),
        ("armv7l", "x86_64", "gcc-arm-linux-gnueabihf g++-arm-linux-gnueabihf"),
        ("x86_64", "aarch64", "gcc-x86-64-linux-gnu g++-x86-64-linux-gnu"),
        ("x86_64", "x86_64", "gcc g++"),
    ],
)
def test_a_compiler_that_is_not_there_is_named_with_its_package(
    architecture: str, machine: str, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(platform, "machine", lambda: machine)
    with pytest.raises(UsageError, match=f"no compiler for {architecture} is installed") as caught:
        toolchain(architecture)
    assert caught.value.advice
    assert f"apt install {package};" in caught.value.advice
    assert f"LAB_CC_{architecture.upper()}" in caught.value.advice


def test_an_architecture_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="'riscv64' is known") as caught:
        toolchain("riscv64")
    assert caught.value.advice
    assert "LAB_CC_RISCV64" in caught.value.advice
    monkeypatch.setenv("LAB_CC_RISCV64", "cc -O1")
    assert toolchain("riscv64").cc == "cc -O1"
    with pytest.raises(UsageError, match="no compiler for the architecture"):
        toolchain("../x y")


def test_the_environment_names_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setenv("LAB_CC_AARCH64", "cc --target=aarch64")
    monkeypatch.setenv("LAB_CXX_AARCH64", "c++ --target=aarch64")
    monkeypatch.setenv("LAB_CFLAGS_AARCH64", "-mcpu=cortex-a53 '-DNAME=a b'")
    monkeypatch.setenv("LAB_LDFLAGS_AARCH64", "-fuse-ld=lld")
    found = toolchain("aarch64")
    assert (found.cc, found.cxx) == ("cc --target=aarch64", "c++ --target=aarch64")
    assert found.cflags == ("-mcpu=cortex-a53", "-DNAME=a b")
    assert found.ldflags == ("-static", "-fuse-ld=lld")
    monkeypatch.setenv("LAB_CC_AARCH64", "no-such-cc")
    with pytest.raises(UsageError, match=r"'no-such-cc' \(LAB_CC_AARCH64\) is not found"):
        toolchain("aarch64")


# -------------------------------------------------------------------------------------------------------- the binary


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64", "armv7l"])
def test_small_static_and_made_once(architecture: str, tmp_path: Path) -> None:
    try:
        binary = agent_binary(architecture, tmp_path)
    except UsageError as error:
        pytest.skip(f"{error.message}: {error.advice}")
    made = binary.stat()
    assert made.st_size < 1 << 20
    assert made.st_mode & stat.S_IXUSR
    content = binary.read_bytes()
    machine = {"x86_64": 62, "aarch64": 183, "armv7l": 40}[architecture]
    assert content[:4] == b"\x7fELF"
    assert int.from_bytes(content[18:20], "little") == machine
    assert b"/ld-linux" not in content, "it brings its libraries"
    assert b".symtab" not in content, "stripped"
    again = agent_binary(architecture, tmp_path)
    assert (again, again.stat().st_mtime_ns) == (binary, made.st_mtime_ns)
    assert sorted(path.name for path in (tmp_path / "agent").iterdir()) == [binary.name]


def test_another_compiler_or_other_flags_make_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = 'case "$1" in --version) echo {};; *) while [ "$1" != -o ]; do shift; done; echo made >"$2";; esac'
    made = set()
    for name, version in (("one-cc", "1.0"), ("other-cc", "1.0"), ("other-cc", "2.0")):
        tool(tmp_path / "bin", name, script.format(version))
        monkeypatch.setenv(f"LAB_CC_{HERE.upper()}", str(tmp_path / "bin" / name))
        made |= {agent_binary(HERE, tmp_path), agent_binary(HERE, tmp_path)}
    monkeypatch.setenv(f"LAB_CFLAGS_{HERE.upper()}", "-O1 '-DNAME=\"a b\"'")
    made.add(agent_binary(HERE, tmp_path))
    monkeypatch.setenv(f"LAB_LDFLAGS_{HERE.upper()}", "-lm")
    made.add(agent_binary(HERE, tmp_path))
    assert len(made) == 5
    assert {path.read_text() for path in made} == {"made\n"}


def test_a_compiler_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path / "bin", "bad-cc", "echo this is no C >&2; exit 1")
    monkeypatch.setenv(f"LAB_CC_{HERE.upper()}", str(tmp_path / "bin" / "bad-cc"))
    with pytest.raises(DataError, match="could not be built with") as caught:
        agent_binary(HERE, tmp_path)
    assert caught.value.advice
    assert "this is no C" in caught.value.advice
    assert not list((tmp_path / "agent").iterdir())


def test_the_headers_of_the_kernel_are_not_needed() -> None:
    """Old toolchains lack parts of them; what is used is declared in the source."""
    included = {name for path in SOURCE.glob("*.[ch]") for name in re.findall(r"#include <([^>]+)>", path.read_text())}
    assert not [name for name in included if name.startswith(("linux/", "asm/"))]


@pytest.mark.slow
def test_another_compiler_finds_nothing_to_say_either(tmp_path: Path) -> None:
    if shutil.which("clang") is None:
        pytest.skip("clang is not installed")
    command = ["make", "-s", "-C", SOURCE, f"BUILD={tmp_path}", "CC=clang", "DYNAMIC=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
