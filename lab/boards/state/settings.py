"""What is asked of a board's state, as plain values: the bench file's keys ``state``, ``affinity`` and ``tflite``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TemperatureGate:
    """No trial begins while ``zone`` is at ``below_c`` (°C) or warmer, for at most ``timeout_s`` seconds.

    ``zone`` is a thermal zone's type (``cpu-thermal``) or folder (``thermal_zone0``); the hottest of all if ``None``.
    """

    below_c: float
    zone: str | None = None
    timeout_s: float = 600.0


@dataclass(frozen=True, slots=True)
class StateSettings:
    """What the board shall be like while it is measured, and what else the checks shall look for.

    ``cpus`` are those that programs may use (the bench's ``affinity``), all if ``None``: the governor is set for them,
    and throttling is watched on them. ``frequency_hz`` pins the clock (least = most). ``sudo``: write through
    ``sudo -n`` on the board. ``workdir`` is the folder on the board that programs lie in. ``files`` are programs and
    libraries the bench names, name → path or command; ``npu``: the bench says how work is put on an NPU.
    """

    governor: str | None = None
    frequency_hz: float | None = None
    temperature: TemperatureGate | None = None
    sudo: bool = False
    cpus: tuple[int, ...] | None = None
    workdir: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)
    npu: bool = False
