"""From a bench file's entry to its board, for every kind but the simulated one (which comes with its meters)."""

from __future__ import annotations

from pathlib import Path

from lab.bench import boards, qemu_board, qemu_user_board, serial_board, simavr_board, ssh_board
from lab.boards.protocol import Board
from lab.config.environment import resolve
from lab.errors import HardwareError

BOARD_NAME = "board"
"""A bench has one board; this is what documents call it."""


def make_board(board: boards.Board, path: Path) -> Board:
    """The board that an entry names; nothing is opened. ``path`` is the bench file's own.

    Raises :class:`HardwareError` for a kind that goes with instruments only, and one that cannot be driven.
    """
    match board:
        case boards.LocalBoard():
            from lab.bench.assemble_state import state_settings
            from lab.boards.local import LocalBoard

            caches = {name: size for name, size in board.caches.model_dump().items() if size is not None}
            return LocalBoard(
                BOARD_NAME, affinity=board.affinity, caches=caches, state=state_settings(board, board.state)
            )
        case boards.ReplayBoard():
            from lab.boards.replay import ReplayBoard

            return ReplayBoard(BOARD_NAME)
        case serial_board.SerialBoard():
            from lab.boards.serial.board import SerialBoard, SerialSettings

            settings = SerialSettings(
                port=str(resolve(board.port, path.parent)),
                baud=board.baud,
                dtr=board.dtr,
                boot_wait_s=board.boot_wait,
                timeout_s=board.timeout,
                longest_inference_s=board.longest_inference,
                reconnect_s=board.reconnect,
                clock_tolerance=board.clock_tolerance,
                emulator=board.emulator,
                flash=board.flash,
                flash_timeout_s=board.flash_timeout,
            )
            return SerialBoard(BOARD_NAME, settings)
        case simavr_board.SimavrBoard():
            return _simavr_board(board, path)
        case ssh_board.SshBoard():
            from lab.bench.assemble_ssh import make_ssh_board

            return make_ssh_board(BOARD_NAME, board, path)
        case qemu_board.QemuBoard():
            from lab.bench.assemble_ssh import ssh_settings
            from lab.boards.qemu.board import QemuBoard
            from lab.boards.qemu.guests import guests_cache
            from lab.boards.qemu.machines import machine_named
            from lab.cache import cache_folder

            machine = machine_named(board.machine)
            return QemuBoard(BOARD_NAME, machine, ssh_settings(board), guests_cache(cache_folder()))
        case boards.NoBoard():
            from lab.boards.unreached import UnreachedBoard

            return UnreachedBoard(BOARD_NAME)
        case qemu_user_board.QemuUserBoard():
            from lab.bench.assemble_tcg import make_qemu_user_board

            return make_qemu_user_board(BOARD_NAME, board)
    raise HardwareError(
        f"{path}: this version cannot drive a board of kind {board.kind!r} yet",
        advice="put the experiment on a simulated bench, or on this host (board: {kind: local})",
    )


def _simavr_board(board: simavr_board.SimavrBoard, path: Path) -> Board:
    from lab.boards.serial.board import SerialSettings
    from lab.boards.simavr.board import SimavrBoard, SimavrSettings
    from lab.boards.simavr.runner import Core
    from lab.cache import cache_folder

    serial = SerialSettings(
        port="",
        baud=board.baud,
        timeout_s=board.timeout,
        longest_inference_s=board.longest_inference,
        reconnect_s=board.timeout,
        emulator="simavr",
    )
    image = None if board.image is None else resolve(board.image, path.parent)
    core = Core(board.mcu, round(board.clock), board.usart, board.pin, board.marks)
    return SimavrBoard(BOARD_NAME, SimavrSettings(core, serial, image), cache_folder)
