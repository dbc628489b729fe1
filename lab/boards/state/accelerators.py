"""Which NPU and GPU drivers a board's kernel has, and under which nodes of /dev they are reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.boards.state.inquiry import Answer


@dataclass(frozen=True, slots=True)
class Driver:
    """A kernel module (or built-in driver), what it drives, and the beginning of its nodes' names in /dev."""

    module: str
    drives: str
    nodes: tuple[str, ...]
    npu: bool = False


DRIVERS = (
    Driver("galcore", "Vivante GPU and NPU (i.MX, vendor's driver)", ("galcore",), npu=True),
    Driver("ethosu", "Arm Ethos-U NPU (i.MX 93)", ("ethosu",), npu=True),
    Driver("neutron", "NXP eIQ Neutron NPU (i.MX 95)", ("neutron",), npu=True),
    Driver("rknpu", "Rockchip NPU (vendor's driver)", ("rknpu",), npu=True),
    Driver("rocket", "Rockchip NPU", ("accel/accel",), npu=True),
    Driver("apex", "Coral Edge TPU", ("apex_",), npu=True),
    Driver("hailo_pci", "Hailo NPU", ("hailo",), npu=True),
    Driver("nvgpu", "NVIDIA Tegra GPU", ("nvhost-gpu",), npu=True),
    Driver("etnaviv", "Vivante GPU and NPU (mainline)", ("dri/renderD",)),
    Driver("mali", "Arm Mali GPU (vendor's driver)", ("mali",)),
    Driver("mali_kbase", "Arm Mali GPU (vendor's driver)", ("mali",)),
    Driver("panfrost", "Arm Mali GPU", ("dri/renderD",)),
    Driver("panthor", "Arm Mali GPU", ("dri/renderD",)),
    Driver("lima", "Arm Mali GPU", ("dri/renderD",)),
    Driver("v3d", "Broadcom VideoCore GPU", ("dri/renderD",)),
    Driver("nvidia", "NVIDIA GPU", ("nvidia0", "nvidiactl")),
    Driver("amdgpu", "AMD GPU", ("dri/renderD",)),
    Driver("i915", "Intel GPU", ("dri/renderD",)),
)

FILES = (
    *(f"sys/module/{driver.module}/version" for driver in DRIVERS),
    "sys/kernel/debug/gc/version",
    "sys/class/drm/renderD*/device/uevent",
    "sys/class/accel/accel*/device/uevent",
)
EXISTS = (
    *(f"sys/module/{driver.module}" for driver in DRIVERS),
    *sorted({f"dev/{node}*" for driver in DRIVERS for node in driver.nodes}),
)


def accelerators(answer: Answer) -> list[dict[str, Any]]:
    """``driver``, ``drives``, ``npu``, ``version`` (``None`` if it says none) and ``nodes`` of each that is loaded or
    has its node."""
    modules, nodes = set(answer.exists("sys/module/")), answer.exists("dev/")
    uevents = [path for path in answer.lines if path.endswith("/device/uevent")]
    bound = {line.removeprefix("DRIVER=") for path in uevents for line in answer.lines[path] if "DRIVER=" in line}
    found = []
    for driver in DRIVERS:
        own = [f"/{path}" for path in nodes if path.startswith(tuple(f"dev/{node}" for node in driver.nodes))]
        loaded = f"sys/module/{driver.module}" in modules or driver.module in bound
        # A render node says nothing of whose it is; a node of the vendor's own name does.
        if loaded or (own and not any(node.startswith(("dri/", "accel/")) for node in driver.nodes)):
            version = answer.text(f"sys/module/{driver.module}/version")
            if driver.module == "galcore":
                version = version or answer.text("sys/kernel/debug/gc/version")
            found.append(
                {"driver": driver.module, "drives": driver.drives, "npu": driver.npu, "version": version, "nodes": own}
            )
    return found


def npu_advice(compatible: list[str]) -> str:
    """The line that loads the NPU's driver on a board with these names in its device tree."""
    if any("imx93" in name for name in compatible):
        return "modprobe ethosu  (on the board; its node is /dev/ethosu0)"
    if any("imx95" in name for name in compatible):
        return "modprobe neutron  (on the board; its node is /dev/neutron0)"
    if any("imx8" in name for name in compatible):
        return "modprobe galcore  (on the board; its node is /dev/galcore, and the vendor's image has it)"
    return "load the NPU's driver on the board, or leave board.tflite.npu and delegate out of the bench file"
