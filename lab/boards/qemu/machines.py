"""The machines that the lab can emulate, as data: what QEMU is started with and what goes into the image."""

from __future__ import annotations

from dataclasses import dataclass

from lab.errors import UsageError

USERLAND = ("busybox-static", "dropbear-bin", "linux-perf", "openssh-sftp-server", "libgomp1", "libstdc++6")
"""Debian packages that each image takes its programs and libraries from (what they depend on is fetched with them)."""

PROGRAMS = ("usr/sbin/dropbear", "usr/bin/perf", "usr/lib/openssh/sftp-server")
"""Programs of those packages that go into an image, with the libraries that they need."""

LIBRARIES = (
    *("libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1"),
    *("libgcc_s.so.1", "libgomp.so.1", "libstdc++.so.6"),
)
"""Libraries for programs that are put on the board later: those of a dynamically linked C or C++ program."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One kind of emulated board.

    ``architecture`` is as ``uname -m`` says it, ``debian`` as Debian does; ``cpu`` is the core, as QEMU calls it.
    ``kernel`` names the metapackage of the kernel. ``options`` are for QEMU, ``{console_log}`` standing for the file
    that its console goes to and ``{port}`` for where its SSH server is reached. ``dtb`` is the device tree's path below
    those of the kernel's package; the board's own if none. ``modules`` are loaded, each after what it depends on.
    ``oldest_qemu`` is the first version that has the machine; ``boot_limit_s`` the longest time until SSH answers.
    """

    name: str
    title: str
    architecture: str
    cpu: str
    debian: str
    kernel: str
    emulator: str
    options: tuple[str, ...]
    console: str
    modules: tuple[str, ...]
    oldest_qemu: tuple[int, int]
    boot_limit_s: float
    dtb: str | None = None


_INSTRUCTIONS_AS_CLOCK = ("-icount", "shift=0,sleep=on")
"""One instruction takes one virtual nanosecond: only so does QEMU's PMU count instructions at all. While the board is
idle its clock goes as ours does; with ``sleep=off`` it would leap over every wait, also those for the network, and each
time limit on the board would be over at once."""

_FORWARD = "user,{net}restrict=on,hostfwd=tcp:127.0.0.1:{port}-:22"

MACHINES = {
    machine.name: machine
    for machine in (
        Machine(
            name="qemu-a53",
            title="generic 64-bit Arm board with one Cortex-A53",
            architecture="aarch64",
            cpu="cortex-a53",
            debian="arm64",
            kernel="linux-image-cloud-arm64",
            emulator="qemu-system-aarch64",
            options=(
                *("-M", "virt", "-cpu", "cortex-a53", "-smp", "1", "-m", "256", *_INSTRUCTIONS_AS_CLOCK),
                *("-serial", "file:{console_log}"),
                *("-netdev", _FORWARD.replace("{net}", "id=n0,"), "-device", "virtio-net-pci,netdev=n0,romfile="),
            ),
            console="ttyAMA0",
            modules=("virtio_pci", "virtio_net"),
            oldest_qemu=(5, 0),
            boot_limit_s=120,
        ),
        Machine(
            name="qemu-imx8mp",
            title="NXP i.MX 8M Plus EVK (Cortex-A53; no NPU is modelled)",
            architecture="aarch64",
            cpu="cortex-a53",
            debian="arm64",
            kernel="linux-image-arm64",
            emulator="qemu-system-aarch64",
            options=(
                *("-M", "imx8mp-evk", "-smp", "1", "-m", "1G", *_INSTRUCTIONS_AS_CLOCK),
                *("-serial", "null", "-serial", "file:{console_log}"),
                *("-nic", _FORWARD.replace("{net}", "")),
            ),
            console="ttymxc1",
            modules=("nvmem-imx-ocotp", "fixed", "reset-imx7", "realtek", "fec", "gpio-mxc"),
            oldest_qemu=(10, 0),
            boot_limit_s=240,
            dtb="freescale/imx8mp-evk.dtb",
        ),
        Machine(
            name="qemu-imx6",
            title="Boundary Devices SABRE Lite (i.MX 6Quad, Cortex-A9); its PMU counts nothing",
            architecture="armv7l",
            cpu="cortex-a9",
            debian="armhf",
            kernel="linux-image-armmp",
            emulator="qemu-system-arm",
            options=(
                *("-M", "sabrelite", "-smp", "1", "-m", "512", *_INSTRUCTIONS_AS_CLOCK),
                *("-serial", "null", "-serial", "file:{console_log}"),
                *("-nic", _FORWARD.replace("{net}", "")),
            ),
            console="ttymxc1",
            modules=("nvmem-imx-ocotp", "gpio-mxc", "micrel", "fec"),
            oldest_qemu=(5, 0),
            boot_limit_s=300,
            dtb="imx6q-sabrelite.dtb",
        ),
    )
}
"""Name → machine, in the order in which they are listed."""


def machine_named(name: str) -> Machine:
    """The machine of that name. Raises :class:`UsageError` for one that there is not."""
    found = MACHINES.get(name)
    if found is None:
        raise UsageError(f"there is no emulated board {name!r}", advice=f"there are: {', '.join(MACHINES)}")
    return found
