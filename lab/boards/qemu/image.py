"""A machine's image: Debian's kernel for it and a small system of our own choosing that is all in memory.

Images are kept in the cache, each in a folder named by a hash of all that goes into it: packages, the machine's
definition and the source of this very package. One is made beside its place and moved there when it is complete.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.boards.qemu import cpio, elf, keys
from lab.boards.qemu.init_script import INIT
from lab.boards.qemu.kernel_modules import in_load_order, modules_in
from lab.boards.qemu.locks import held
from lab.boards.qemu.machines import LIBRARIES, PROGRAMS, USERLAND, Machine
from lab.boards.qemu.packages import NotToBeHadError, Package, PackageStore, Wanted, versions
from lab.boards.qemu.progress import Progress, Silent
from lab.boards.qemu.unpack import resolved, unpack
from lab.errors import HardwareError

_KEPT = 3
"""Images of a machine that stay in the cache; older ones are removed when a new one is made."""

_LIBRARY_FOLDERS = ("lib", "usr/lib")
_TOOLS = ("ssh", "ssh-keygen", "fdtput")


@dataclass(frozen=True, slots=True)
class Image:
    """A complete image in the cache."""

    folder: Path

    @property
    def kernel(self) -> Path:
        """What QEMU boots."""
        return self.folder / "kernel"

    @property
    def initrd(self) -> Path:
        """The system, as an initial RAM file system."""
        return self.folder / "initrd"

    @property
    def dtb(self) -> Path | None:
        """The device tree, where the machine does not bring its own."""
        path = self.folder / "board.dtb"
        return path if path.exists() else None

    @property
    def identity(self) -> Path:
        """The private key that opens it."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The one host key that it has, under the name :attr:`host_alias`."""
        return self.folder / "known_hosts"

    @property
    def facts(self) -> dict[str, Any]:
        """What it consists of: ``hash``, ``packages`` with versions, ``modules``, sizes."""
        facts: dict[str, Any] = json.loads((self.folder / "image.json").read_text())
        return facts


def host_alias(machine: Machine) -> str:
    """The name under which a machine's host key is known, wherever it listens."""
    return f"embedded-lab-{machine.name}"


def missing_tools() -> list[str]:
    """Programs without which no image can be made or reached, and that are not here."""
    return [tool for tool in _TOOLS if shutil.which(tool) is None]


def images_folder(cache: Path, machine: Machine) -> Path:
    """Where a machine's images lie."""
    return cache / "images" / machine.name


def ready_image(machine: Machine, cache: Path) -> Image | None:
    """The machine's image, if it could be booted without anything being made or fetched."""
    packages = PackageStore(cache / "packages", wanted_packages(machine), Silent()).fetched()
    if packages is None:
        return None
    image = Image(images_folder(cache, machine) / _content_hash(machine, packages)[:16])
    return image if image.folder.is_dir() else None


def ensure_image(machine: Machine, cache: Path, progress: Progress, *, refresh: bool = False) -> Image:
    """The machine's image, made if it is not in the cache; ``refresh`` asks Debian for newer packages first.

    Raises :class:`NotToBeHadError`, with what to do, if a tool is missing or packages cannot be had.
    """
    if missing := missing_tools():
        raise NotToBeHadError(
            f"{', '.join(missing)} not found: emulated boards need them",
            advice="install openssh-client and device-tree-compiler (`make emulators`)",
        )
    store = PackageStore(cache / "packages", wanted_packages(machine), progress)
    packages = store.fetch(refresh=refresh)
    content = _content_hash(machine, packages)
    folder = images_folder(cache, machine)
    image = Image(folder / content[:16])
    if image.folder.is_dir():
        return image
    with held(folder / "lock", progress, f"making the image of {machine.name}"):
        if not image.folder.is_dir():
            if store.discard_damaged(packages):
                packages = store.fetch()
                content = _content_hash(machine, packages)
                image = Image(folder / content[:16])
            progress.step(f"making the image of {machine.name}")
            with _beside(image.folder) as new:
                _make(machine, packages, content, new, progress)
            _remove_older(folder, image.folder)
    return image


def wanted_packages(machine: Machine) -> Wanted:
    """The Debian packages that an image is made of."""
    return Wanted(machine.debian, USERLAND, (machine.kernel,))


def _content_hash(machine: Machine, packages: list[Package]) -> str:
    """Over everything that goes in but the keys, which are each image's own and do not change what it does."""
    chosen = [machine.name, machine.architecture, machine.debian, machine.kernel, machine.dtb, machine.modules]
    content = hashlib.sha256(json.dumps([chosen, USERLAND, PROGRAMS, LIBRARIES]).encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        if source.name in _MAKERS:
            content.update(source.read_bytes())
    for package in packages:
        content.update(f"{package.path.name} {package.sha256}\n".encode())
    return content.hexdigest()


_MAKERS = ("image.py", "init_script.py", "cpio.py", "elf.py", "kernel_modules.py", "unpack.py", "keys.py")
"""The modules that decide what an image looks like."""


@contextlib.contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A folder that becomes ``place`` when all went well and vanishes otherwise."""
    new = Path(tempfile.mkdtemp(dir=place.parent, prefix="new-"))
    try:
        yield new
        new.replace(place)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def _remove_older(folder: Path, newest: Path) -> None:
    """Keep a few images; what a killed lab left half made goes too (the lock is ours)."""
    for left in folder.glob("new-*"):
        shutil.rmtree(left, ignore_errors=True)
    others = sorted(
        (path for path in folder.iterdir() if path.is_dir() and path != newest),
        key=lambda path: path.stat().st_mtime,
        reverse=True,
    )
    for path in others[_KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _make(machine: Machine, packages: list[Package], content: str, new: Path, progress: Progress) -> None:
    kernels = [package for package in packages if package.name.startswith("linux-image-")]
    if not kernels:
        raise HardwareError(f"no kernel came with {machine.kernel}")
    with tempfile.TemporaryDirectory(dir=new.parent, prefix="new-") as scratch:
        system, kernel = Path(scratch) / "system", Path(scratch) / "kernel"
        for number, package in enumerate(packages, start=1):
            progress.waiting(f"opening packages: {number} of {len(packages)}")
            if package in kernels:
                unpack(package.path, kernel, _of_kernel)
            else:
                unpack(package.path, system, _of_system)
        modules = _modules(machine, kernel)
        host_key = keys.generate(new / "host_key")
        login_key = keys.generate(new / "id_ed25519")
        entries = {
            **_system_entries(system),
            **{f"lib/modules/{name}.ko": cpio.file(data) for name, data in modules.items()},
            "lib/modules/order": cpio.file("".join(f"{name}\n" for name in modules).encode()),
            "etc/hostname": cpio.file(f"{machine.name}\n".encode()),
            "etc/dropbear/host_key": cpio.file(keys.for_dropbear((new / "host_key").read_text()), 0o600),
            "root/.ssh/authorized_keys": cpio.file(f"{login_key}\n".encode(), 0o600),
        }
        with (new / "initrd").open("wb") as out:
            cpio.write(entries, out)
        shutil.copyfile(_only(kernel, "boot/vmlinuz-*"), new / "kernel")
        if machine.dtb is not None:
            shutil.copyfile(_only(kernel, f"usr/lib/linux-image-*/{machine.dtb}"), new / "board.dtb")
    (new / "known_hosts").write_text(f"{host_alias(machine)} {host_key}\n")
    facts = {
        "machine": machine.name,
        "hash": content,
        "packages": dict(versions(packages)),
        "modules": list(modules),
        "bytes": {name: (new / name).stat().st_size for name in ("kernel", "initrd")},
    }
    (new / "image.json").write_text(json.dumps(facts, indent=1) + "\n")


def _of_system(name: str) -> bool:
    """Programs and libraries; not the interpreters' own libraries, which are never loaded."""
    if name.startswith(("bin/", "sbin/", "usr/bin/", "usr/sbin/", "usr/lib/openssh/")):
        return True
    return name.startswith(("lib/", "lib64/", "usr/lib/")) and ".so" in name and "/python3" not in name


def _of_kernel(name: str) -> bool:
    return name.startswith(("boot/vmlinuz-", "lib/modules/", "usr/lib/modules/")) or name.endswith(".dtb")


def _only(tree: Path, pattern: str) -> Path:
    found = sorted(tree.glob(pattern))
    if len(found) != 1:
        raise HardwareError(f"the kernel's package has {len(found)} files {pattern}, expected one")
    return found[0]


def _modules(machine: Machine, kernel: Path) -> dict[str, bytes]:
    lists = sorted(kernel.rglob("modules.builtin"))
    built_in = [Path(line).name for path in lists for line in path.read_text().splitlines()]
    return in_load_order(machine.modules, modules_in(kernel), built_in)


def _system_entries(system: Path) -> dict[str, cpio.Entry]:
    """Programs, the libraries that they need, and what else a system must have to come up."""
    entries: dict[str, cpio.Entry] = {
        **{name: cpio.folder() for name in ("proc", "sys", "dev", "mnt", "var/log", "run", "sbin")},
        "tmp": cpio.folder(0o1777),
        "root": cpio.folder(0o700),
        "root/.ssh": cpio.folder(0o700),
        "etc/passwd": cpio.file(b"root::0:0:root:/root:/bin/sh\n"),
        "etc/group": cpio.file(b"root:x:0:\n"),
        "etc/shells": cpio.file(b"/bin/sh\n"),
        "bin/sh": cpio.link("busybox"),
        "init": cpio.file(INIT.encode(), 0o755),
        "bin/busybox": cpio.file(_read(system, "bin/busybox"), 0o755),
    }
    programs = {path: _read(system, path) for path in PROGRAMS}
    entries |= {path: cpio.file(data, 0o755) for path, data in programs.items()}
    # scp and sftp ask Dropbear for it, which looks here.
    entries["usr/lib/sftp-server"] = cpio.link("openssh/sftp-server")
    names = _library_paths(system)
    todo = list(LIBRARIES)
    for path, data in programs.items():
        todo += _needed_by(path, data, system, entries)
    while todo:
        name = todo.pop()
        target = f"lib/{name}"
        if target in entries:
            continue
        if name not in names:
            raise HardwareError(f"no package of the image has the library {name}")
        data = _read(system, names[name])
        entries[target] = cpio.file(data, 0o755)
        todo += _needed_by(target, data, system, entries)
    return entries


def _needed_by(path: str, data: bytes, system: Path, entries: dict[str, cpio.Entry]) -> list[str]:
    """The libraries that a file needs; its loader is put where it names it."""
    try:
        needed = elf.needs(data)
    except elf.NotElfError as error:
        raise HardwareError(f"{path}: {error}") from None
    if needed.interpreter is not None:
        entries[needed.interpreter.lstrip("/")] = cpio.file(_read(system, needed.interpreter), 0o755)
    return list(needed.libraries)


def _library_paths(system: Path) -> dict[str, str]:
    """Name of a library → its path in the tree of packages."""
    found: dict[str, str] = {}
    for folder in _LIBRARY_FOLDERS:
        for path in sorted((system / folder).rglob("*.so*"), key=lambda path: len(path.parts)):
            found.setdefault(path.name, os.fspath(path.relative_to(system)))
    return found


def _read(system: Path, path: str) -> bytes:
    found = resolved(system, path)
    if found is None:
        raise HardwareError(f"no package of the image has /{path.lstrip('/')}")
    return found.read_bytes()
