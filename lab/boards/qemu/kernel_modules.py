"""Which kernel modules an image needs: those asked for, each after all that it depends on."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from lab.boards.qemu import elf
from lab.errors import HardwareError


def module_name(file_name: str) -> str:
    """A module's name as the kernel knows it, from that of its file: ``gpio-mxc.ko.xz`` is ``gpio_mxc``."""
    return file_name.partition(".ko")[0].replace("-", "_")


def modules_in(tree: Path) -> dict[str, Path]:
    """Name → file of each module of a kernel's tree."""
    return {module_name(path.name): path for path in sorted(tree.rglob("*.ko*"))}


def read_module(path: Path) -> bytes:
    """A module's ELF file, uncompressed. Raises :class:`HardwareError` for a compression that is not known here."""
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix != ".ko":
        raise HardwareError(f"{path.name}: modules compressed like this cannot be read")
    return data


def in_load_order(
    asked: Iterable[str],
    available: Mapping[str, Path],
    built_in: Iterable[str],
    read: Callable[[Path], bytes] = read_module,
) -> dict[str, bytes]:
    """Name → ELF file of each module to load, in the order in which they can be loaded one by one.

    Modules of ``built_in`` are in the kernel already. Raises :class:`HardwareError` for one that the kernel has not.
    """
    there = {module_name(name) for name in built_in}
    ordered: dict[str, bytes] = {}

    def add(name: str, above: tuple[str, ...]) -> None:
        if name in ordered or name in there or name in above:
            return
        path = available.get(name)
        if path is None:
            needed = f" (needed by {above[-1]})" if above else ""
            raise HardwareError(f"the kernel has no module {name}{needed}")
        data = read(path)
        for dependency in elf.module_words(data).get("depends", "").split(","):
            if dependency:
                add(dependency.replace("-", "_"), (*above, name))
        ordered[name] = data

    for name in asked:
        add(module_name(name), ())
    return ordered
