"""From a bench file's entry to the counting plugin for QEMU, and to the board on which its passes run programs."""

from __future__ import annotations

import platform
from pathlib import Path

from instruments.protocol import Instrument
from instruments.tcg.emulator import EMULATORS, Emulator
from instruments.tcg.instrument import ModelledCache, Replacement, TcgPlugin
from lab.bench import boards, qemu_user_board, tcg
from lab.bench.board_base import BoardModel, LinuxBoardModel
from lab.bench.instrument import InstrumentModel
from lab.bench.qemu_board import QemuBoard
from lab.boards.protocol import Board
from lab.boards.qemu.machines import machine_named
from lab.boards.qemu_user import QemuUserBoard
from lab.cache import cache_folder
from lab.errors import HardwareError


def make_qemu_user_board(name: str, board: qemu_user_board.QemuUserBoard) -> QemuUserBoard:
    """The board that an entry names; nothing is opened."""
    return QemuUserBoard(name, Emulator(board.architecture, board.cpu), affinity=board.affinity, caches=_caches(board))


def make_tcg(name: str, item: tcg.TcgPlugin, board: BoardModel, path: Path) -> tuple[Instrument, Board | None]:
    """The plugin that an entry names, and the board for its passes: ``None`` if the bench's own does.

    Raises :class:`HardwareError` where nothing says for which architecture programs shall be built.
    """
    architecture, cpu = _core(item, board)
    if architecture is None or architecture not in EMULATORS:
        lacking = f"no emulator for {architecture}" if architecture else "nothing says which architecture the board is"
        raise HardwareError(
            f"{path}: instruments.{name}: {lacking}",
            advice=f"add architecture: {' | '.join(EMULATORS)} to instruments.{name}",
        )
    emulator = Emulator(architecture, cpu)
    plugin = TcgPlugin(
        name,
        emulator=emulator,
        l1d=_cache(item.l1d),
        l1i=None if item.l1i is None else _cache(item.l1i),
        cache=cache_folder(),
    )
    if isinstance(board, qemu_user_board.QemuUserBoard) and board.architecture == architecture:
        return plugin, None
    return plugin, QemuUserBoard(name, emulator, affinity=_host_affinity(board), caches=_caches(board))


def refuse_to_count_the_emulator(name: str, item: InstrumentModel, board: BoardModel, path: Path) -> None:
    """Raise :class:`HardwareError` for an instrument that would count what QEMU does for what the program does."""
    if item.counts_events and isinstance(board, qemu_user_board.QemuUserBoard):
        raise HardwareError(
            f"{path}: instruments.{name}: on this board it would count the emulator's own work",
            advice="count with an instrument of kind tcg_plugin there",
        )


def _core(item: tcg.TcgPlugin, board: BoardModel) -> tuple[str | None, str | None]:
    """Architecture and CPU: the entry's own, else those of the board as far as the bench file tells."""
    architecture: str | None = None
    cpu: str | None = None
    if isinstance(board, qemu_user_board.QemuUserBoard):
        architecture, cpu = board.architecture, board.cpu
    elif isinstance(board, QemuBoard):
        machine = machine_named(board.machine)
        architecture, cpu = machine.architecture, machine.cpu
    elif isinstance(board, boards.LocalBoard):
        architecture = platform.machine()
    if item.architecture is not None and item.architecture != architecture:
        # Another architecture's core is not the board's.
        architecture, cpu = item.architecture, None
    return architecture, item.cpu or cpu


def _cache(cache: tcg.ModelledCache) -> ModelledCache:
    return ModelledCache(cache.size, cache.ways, cache.line, Replacement(cache.replacement), cache.write_allocate)


def _caches(board: BoardModel) -> dict[str, int]:
    return {name: size for name, size in board.caches.model_dump().items() if size is not None}


def _host_affinity(board: BoardModel) -> tuple[int, ...] | None:
    """CPUs are those of the board: they mean this machine's only where the board is this machine."""
    here = isinstance(board, boards.LocalBoard | qemu_user_board.QemuUserBoard)
    return board.affinity if here and isinstance(board, LinuxBoardModel) else None
