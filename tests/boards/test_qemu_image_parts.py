"""What an image is made of: archive, libraries, kernel modules, keys, files of packages."""

from __future__ import annotations

import contextlib
import io
import lzma
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.boards.qemu import cpio, elf, keys
from lab.boards.qemu.kernel_modules import in_load_order, module_name, modules_in, read_module
from lab.boards.qemu.unpack import resolved, unpack
from lab.errors import HardwareError

NAMES = st.text("abcdefgh.-_", min_size=1, max_size=12).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map("/".join)


def tool(name: str) -> str:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed (make emulators)")
    return name


# ------------------------------------------------------------------------------------------------------------ cpio


def archive(entries: dict[str, cpio.Entry]) -> bytes:
    out = io.BytesIO()
    cpio.write(entries, out)
    return out.getvalue()


def listed(data: bytes) -> list[tuple[str, int, bytes]]:
    """Name, mode and data of each entry, as the format's description has it."""
    found, at = [], 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * number : at + 14 + 8 * number], 16) for number in range(13)]
        name_at = at + 110
        name = data[name_at : name_at + fields[11] - 1].decode()
        data_at = (name_at + fields[11] + 3) // 4 * 4
        at = (data_at + fields[6] + 3) // 4 * 4
        if name == "TRAILER!!!":
            assert at == len(data)
            return found
        assert fields[2:4] == [0, 0]
        found.append((name, fields[1], data[data_at : data_at + fields[6]]))


@given(st.dictionaries(PATHS, st.binary(max_size=40), max_size=8))
def test_an_archive_has_every_file_after_the_folders_it_is_in(contents: dict[str, bytes]) -> None:
    files = {
        path: data for path, data in contents.items() if not any(other.startswith(f"{path}/") for other in contents)
    }
    found = listed(archive({path: cpio.file(data) for path, data in files.items()}))
    seen: set[str] = set()
    for name, mode, data in found:
        parent = name.rpartition("/")[0]
        assert not parent or parent in seen
        if stat.S_ISREG(mode):
            assert data == files[name]
        seen.add(name)
    assert {name for name, mode, _ in found if stat.S_ISREG(mode)} == set(files)
    assert len(seen) == len(found)


def test_cpio_unpacks_what_was_written(tmp_path: Path) -> None:
    tool("cpio")
    entries = {
        "bin/tool": cpio.file(b"#!/bin/sh\n", 0o755),
        "bin/sh": cpio.link("tool"),
        "tmp": cpio.folder(0o1777),
        "root/.ssh/authorized_keys": cpio.file(b"key", 0o600),
    }
    subprocess.run(["cpio", "-idm", "--quiet"], input=archive(entries), cwd=tmp_path, check=True)
    assert (tmp_path / "bin/tool").read_bytes() == b"#!/bin/sh\n"
    assert (tmp_path / "bin/sh").readlink() == Path("tool")
    assert stat.S_IMODE((tmp_path / "tmp").stat().st_mode) == 0o1777
    assert stat.S_IMODE((tmp_path / "root/.ssh/authorized_keys").stat().st_mode) == 0o600


def test_the_same_files_give_the_same_bytes_in_any_order() -> None:
    entries = {"b": cpio.file(b"2"), "a/c": cpio.file(b"1")}
    assert archive(entries) == archive(dict(reversed(entries.items())))


@pytest.mark.parametrize("path", ["/etc", "../x", "a/../b", "", "a//b", "./a"])
def test_a_path_that_leads_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path of an archive"):
        archive({path: cpio.file(b"")})


# ------------------------------------------------------------------------------------------------------------- ELF


COMPILERS = ("cc", "aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc")


@pytest.fixture(params=COMPILERS)
def compiler(request: pytest.FixtureRequest) -> str:
    return tool(str(request.param))


def compiled(compiler: str, source: str, out: Path, *options: str) -> bytes:
    subprocess.run([compiler, "-x", "c", "-", "-o", str(out), *options], input=source, text=True, check=True)
    return out.read_bytes()


def test_what_a_program_needs_is_what_its_linker_put_there(compiler: str, tmp_path: Path) -> None:
    source = "#include <math.h>\nint main(int n, char **v) { return (int)sin(n); }\n"
    needed = elf.needs(compiled(compiler, source, tmp_path / "program", "-lm", "-fno-builtin"))
    assert needed.interpreter is not None
    assert needed.interpreter.startswith("/lib")
    assert {"libm.so.6", "libc.so.6"} <= set(needed.libraries)


def test_a_static_program_needs_nothing(compiler: str, tmp_path: Path) -> None:
    data = compiled(compiler, "int main(void) { return 0; }\n", tmp_path / "program", "-static")
    assert elf.needs(data) == elf.Needs((), None)


MODULE = (
    'const char words[] __attribute__((section(".modinfo"))) = "depends=b_b,c\\0license=GPL\\0odd\\0depends=late";\n'
)


def test_a_module_says_what_it_depends_on(compiler: str, tmp_path: Path) -> None:
    data = compiled(compiler, MODULE, tmp_path / "module.o", "-c")
    assert elf.module_words(data) == {"depends": "b_b,c", "license": "GPL"}
    assert elf.section(data, ".no") is None


@given(st.binary(max_size=200))
def test_anything_that_is_no_elf_file_is_refused(data: bytes) -> None:
    for prefix in (b"", b"\x7fELF\x02\x01", b"\x7fELF\x01\x01"):
        readable(prefix + data)


@given(st.data())
def test_a_damaged_elf_file_is_refused_or_read_but_never_a_surprise(data: st.DataObject) -> None:
    whole = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, 1023))] = data.draw(st.integers(0, 255))
    readable(bytes(whole))


def readable(data: bytes) -> None:
    for read in (elf.needs, elf.module_words):
        with contextlib.suppress(elf.NotElfError):
            read(data)


# --------------------------------------------------------------------------------------------------------- modules


def fake_module(folder: Path, file_name: str, depends: str, compress: bool = False) -> None:
    source = f'const char words[] __attribute__((section(".modinfo"))) = "depends={depends}";\n'
    data = compiled("cc", source, folder / "module.o", "-c")
    (folder / "module.o").unlink()
    (folder / file_name).write_bytes(lzma.compress(data) if compress else data)


def test_modules_are_loaded_after_what_they_depend_on(tmp_path: Path) -> None:
    tool("cc")
    fake_module(tmp_path, "net-card.ko", "phy_lib,mii")
    fake_module(tmp_path, "phy-lib.ko.xz", "mdio", compress=True)
    fake_module(tmp_path, "mii.ko", "")
    fake_module(tmp_path, "mdio.ko", "built_in_one")
    fake_module(tmp_path, "unused.ko", "")
    order = list(in_load_order(["net-card", "mii", "built-in-one"], modules_in(tmp_path), ["built-in-one.ko"]))
    assert order == ["mdio", "phy_lib", "mii", "net_card"]


def test_a_module_that_the_kernel_has_not_is_named(tmp_path: Path) -> None:
    tool("cc")
    fake_module(tmp_path, "net.ko", "gone")
    with pytest.raises(HardwareError, match=r"no module gone \(needed by net\)"):
        in_load_order(["net"], modules_in(tmp_path), [])
    with pytest.raises(HardwareError, match=r"no module other$"):
        in_load_order(["other"], modules_in(tmp_path), [])


def test_modules_that_depend_on_each_other_end(tmp_path: Path) -> None:
    tool("cc")
    fake_module(tmp_path, "a.ko", "b")
    fake_module(tmp_path, "b.ko", "a")
    assert sorted(in_load_order(["a"], modules_in(tmp_path), [])) == ["a", "b"]


def test_names_of_modules_are_those_of_the_kernel() -> None:
    assert module_name("gpio-mxc.ko.xz") == module_name("gpio_mxc.ko") == module_name("gpio-mxc") == "gpio_mxc"


def test_a_compression_that_is_not_known_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.ko.lz4").write_bytes(b"")
    with pytest.raises(HardwareError, match=r"a\.ko\.lz4"):
        read_module(tmp_path / "a.ko.lz4")


# ------------------------------------------------------------------------------------------------------------ keys


def test_a_host_key_for_dropbear_has_both_halves_of_openssh_s(tmp_path: Path) -> None:
    import base64

    tool("ssh-keygen")
    public = keys.generate(tmp_path / "key")
    kind, encoded = public.split()
    assert kind == "ssh-ed25519"
    half = base64.b64decode(encoded)[-32:]
    data = keys.for_dropbear((tmp_path / "key").read_text())
    assert data[:19] == b"\0\0\0\x0bssh-ed25519\0\0\0\x40"
    assert len(data) == 19 + 64
    assert data[-32:] == half


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(["-t", "ed25519", "-N", "secret"], "encrypted"), (["-t", "ecdsa", "-N", ""], "no Ed25519 key")],
)
def test_other_keys_are_refused(tmp_path: Path, arguments: list[str], why: str) -> None:
    tool("ssh-keygen")
    subprocess.run(["ssh-keygen", "-q", *arguments, "-f", str(tmp_path / "key")], check=True)
    with pytest.raises(ValueError, match=why):
        keys.for_dropbear((tmp_path / "key").read_text())


@given(st.binary(max_size=80))
def test_damaged_keys_are_refused(data: bytes) -> None:
    import base64

    text = base64.b64encode(b"openssh-key-v1\0" + data).decode()
    with pytest.raises(ValueError, match="key"):
        keys.for_dropbear(text)


# -------------------------------------------------------------------------------------------------------- packages


@pytest.fixture
def package(tmp_path: Path) -> Path:
    tool("dpkg-deb")
    root = tmp_path / "package"
    (root / "DEBIAN").mkdir(parents=True)
    (root / "DEBIAN" / "control").write_text(
        "Package: thing\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: thing\n"
    )
    (root / "usr/lib").mkdir(parents=True)
    (root / "usr/bin").mkdir()
    (root / "usr/lib/libx.so.1.2").write_bytes(b"library")
    (root / "usr/lib/libx.so.1").symlink_to("libx.so.1.2")
    (root / "usr/lib/absolute").symlink_to("/usr/bin/tool")
    (root / "usr/lib/out").symlink_to("../../../../../../etc/passwd")
    (root / "usr/lib/round").symlink_to("round")
    (root / "usr/bin/tool").write_bytes(b"tool")
    (root / "usr/bin/tool").chmod(0o755)
    os.link(root / "usr/bin/tool", root / "usr/bin/twin")
    built = tmp_path / "thing_1_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", str(root), str(built)], check=True, capture_output=True)
    return built


def test_files_of_a_package_come_out_and_links_stay_inside(package: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    unpack(package, out, lambda name: name.startswith("usr/"))
    for path, content in {
        "usr/lib/libx.so.1": b"library",
        "/usr/lib/absolute": b"tool",
        "usr/bin/twin": b"tool",
        "usr/bin/../lib/libx.so.1.2": b"library",
    }.items():
        found = resolved(out, path)
        assert found is not None
        assert found.read_bytes() == content
    assert resolved(out, "usr/lib/out") is None
    assert resolved(out, "usr/lib/round") is None
    assert resolved(out, "usr/lib") is None
    assert (out / "usr/bin/tool").stat().st_mode & 0o111


def test_only_what_is_wanted_comes_out(package: Path, tmp_path: Path) -> None:
    unpack(package, tmp_path / "out", lambda name: name == "usr/bin/tool")
    assert [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()] == ["tool"]


@pytest.mark.parametrize("keep", [0, 60, 400])
def test_a_damaged_package_is_named(package: Path, tmp_path: Path, keep: int) -> None:
    package.write_bytes(package.read_bytes()[:keep])
    with pytest.raises(HardwareError, match=r"thing_1_all\.deb: this package is damaged") as raised:
        unpack(package, tmp_path / "out", lambda _: True)
    assert "fetched again" in str(raised.value.advice)
