"""From a bench file's keys about a Linux board's state to the settings that the board goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab.bench.board_base import LinuxBoardModel, Tflite
from lab.bench.board_state import BoardState

if TYPE_CHECKING:
    from lab.boards.state.settings import StateSettings


def state_settings(board: LinuxBoardModel, state: BoardState, workdir: str | None = None) -> StateSettings:
    """What the board shall be like. ``workdir`` is the folder on it that programs lie in.

    What the bench file says itself of TensorFlow Lite must be on the board; defaults need not.
    """
    from lab.boards.state.settings import StateSettings, TemperatureGate

    gate = state.temperature
    said = board.tflite.model_fields_set if "tflite" in board.model_fields_set else set()
    return StateSettings(
        governor=state.governor,
        frequency_hz=state.frequency,
        temperature=None if gate is None else TemperatureGate(gate.below, gate.zone, gate.timeout),
        sudo=state.sudo,
        cpus=board.affinity,
        workdir=workdir,
        files={name: str(path) for name, path in _files(board.tflite).items() if name in said},
        npu=bool(said & {"npu", "delegate"}),
    )


def _files(tflite: Tflite) -> dict[str, str | None]:
    return {"benchmark_model": tflite.benchmark_model, "delegate": tflite.delegate}
