"""Boards made of files: what /proc and /sys of several machines say, asked by the real script in a real sh.

Writing goes through a ``tee`` of theirs that refuses what the kernel refuses.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

CPU = "sys/devices/system/cpu"
THERMAL = "sys/class/thermal"

_TEE = r"""#!/bin/sh
value=$(cat)
for file in "$@"; do
    folder=${file%/*}
    echo "$file=$value" >>"$FAKE_ROOT/written"
    if [ -e "$FAKE_ROOT/refuse" ] && [ -z "$FAKE_SUPERUSER" ]; then
        echo "tee: $file: Permission denied" >&2; exit 1
    fi
    case $file in
        *scaling_governor) grep -qw -- "$value" "$folder/scaling_available_governors" ;;
        *scaling_max_freq) [ "$value" -ge "$(cat "$folder/scaling_min_freq")" ] ;;
        *scaling_min_freq) [ "$value" -le "$(cat "$folder/scaling_max_freq")" ] ;;
    esac || { echo "tee: $file: Invalid argument" >&2; exit 1; }
    printf '%s\n' "$value" >"$file"
done
"""
_SUDO = """#!/bin/sh
[ "$1" = -n ] && shift
FAKE_SUPERUSER=1 exec "$@"
"""
_TOOLS = ("cat", "cksum", "df", "getconf", "grep", "sed", "sha256sum", "sleep", "tr", "wc")

SHELLS = [["sh"], *([["busybox", "sh"]] if shutil.which("busybox") else [])]
"""The shells to be found here, each with its own tools."""


@dataclass
class FakeBoard:
    """A tree of files below ``root``; :meth:`run` is a :data:`instruments.commands.RunCommand` on it."""

    root: Path
    shell: list[str] = field(default_factory=lambda: ["sh"])
    tools: Mapping[str, str] = field(default_factory=dict)
    """Programs that the board has beside the usual ones: name → script."""
    calls: int = 0
    breaks_at: int | None = None
    error: BaseException = field(default_factory=lambda: OSError("no route to it"))

    def __post_init__(self) -> None:
        self.bin = self.root / "bin-of-the-board"
        self.bin.mkdir(parents=True)
        scripts = {"uname": "#!/bin/sh\necho aarch64\n", "tee": _TEE, "sudo": _SUDO, **self.tools}
        for name, text in scripts.items():
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        for name in _TOOLS:
            if name not in scripts:
                applet = f'#!/bin/sh\nexec {shutil.which("busybox")} {name} "$@"\n'
                if self.has_applets and name != "getconf":
                    (self.bin / name).write_text(applet)
                    (self.bin / name).chmod(0o755)
                else:
                    (self.bin / name).symlink_to(str(shutil.which(name)))

    @property
    def has_applets(self) -> bool:
        """Its shell has programs built in, which go before the fakes (tee, uname, taskset)."""
        return self.shell[0] == "busybox"

    def run(self, argv: list[str]) -> tuple[int, str, str]:
        """Run a script as the board would; the ``breaks_at``-th call (from 1) raises ``error`` instead."""
        self.calls += 1
        if self.breaks_at is not None and self.calls == self.breaks_at:
            raise self.error
        assert argv[0] == "sh"
        program = [str(shutil.which(self.shell[0])), *self.shell[1:], *argv[1:]]
        env = {"PATH": str(self.bin), "FAKE_ROOT": str(self.root)}
        done = subprocess.run(program, capture_output=True, text=True, env=env, timeout=20, check=False)
        return done.returncode, done.stdout, done.stderr

    def write(self, files: Mapping[str, str | bytes | int]) -> FakeBoard:
        """Make files; text gets the newline that the kernel ends it with."""
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else f"{content}\n".encode())
        return self

    def remove(self, name: str) -> None:
        """A file or folder goes away."""
        path = self.root / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    def text(self, name: str) -> str:
        """What a file holds now."""
        return (self.root / name).read_text().strip()

    def written(self) -> list[str]:
        """The writes that reached the board, in their order: ``path=value``."""
        path = self.root / "written"
        return path.read_text().splitlines() if path.exists() else []

    def refuse(self, yes: bool = True) -> None:
        """Let writing need permission (or no longer)."""
        (self.root / "refuse").touch() if yes else (self.root / "refuse").unlink()


def frequency(
    cpus: range,
    governor: str,
    steps: tuple[int, ...],
    *,
    governors: str = "ondemand userspace performance schedutil",
    driver: str = "cpufreq-dt",
    current: int | None = None,
) -> dict[str, str | bytes | int]:
    """The cpufreq folders of CPUs that share a clock; ``steps`` in kHz, in rising order."""
    files: dict[str, str | bytes | int] = {}
    for cpu in cpus:
        folder = f"{CPU}/cpu{cpu}/cpufreq"
        files |= {
            f"{folder}/affected_cpus": " ".join(map(str, cpus)),
            f"{folder}/scaling_driver": driver,
            f"{folder}/scaling_governor": governor,
            f"{folder}/scaling_available_governors": governors,
            f"{folder}/scaling_available_frequencies": " ".join(map(str, steps)) + " ",
            f"{folder}/scaling_min_freq": steps[0],
            f"{folder}/scaling_max_freq": steps[-1],
            f"{folder}/scaling_cur_freq": steps[0] if current is None else current,
            f"{folder}/cpuinfo_min_freq": steps[0],
            f"{folder}/cpuinfo_max_freq": steps[-1],
            f"{folder}/stats/time_in_state": "\n".join(f"{step} {1000}" for step in steps),
        }
    return files


def zone(
    number: int, kind: str, milli_c: int | str, trips: Mapping[str, int] | None = None
) -> dict[str, str | bytes | int]:
    """A thermal zone with its trip points in thousandths of a degree."""
    folder = f"{THERMAL}/thermal_zone{number}"
    files: dict[str, str | bytes | int] = {f"{folder}/type": kind, f"{folder}/temp": milli_c}
    for index, (name, at) in enumerate((trips or {}).items()):
        files |= {f"{folder}/trip_point_{index}_type": name, f"{folder}/trip_point_{index}_temp": at}
    return files


def kernel(release: str, command_line: str, cpus: int) -> dict[str, str | bytes | int]:
    """What every Linux says."""
    online = f"0-{cpus - 1}" if cpus > 1 else "0"
    return {
        "proc/sys/kernel/ostype": "Linux",
        "proc/sys/kernel/osrelease": release,
        "proc/sys/kernel/version": "#1 SMP PREEMPT",
        "proc/sys/kernel/perf_event_paranoid": 2,
        "proc/sys/kernel/randomize_va_space": 2,
        "proc/cmdline": command_line,
        "proc/uptime": "5123.45 20000.10",
        "proc/loadavg": "0.08 0.03 0.01 1/120 4711",
        "proc/stat": "cpu  100 0 50 9000 10 0 0 0 0 0\n" + "".join(f"cpu{n} 25 0 12 2250 2 0 0\n" for n in range(cpus)),
        "proc/self/status": f"Name:\tgrep\nUid:\t1000\t1000\t1000\t1000\nCpus_allowed_list:\t{online}",
        "proc/mounts": "/dev/root / ext4 rw,relatime 0 0\ntmpfs /tmp tmpfs rw,nosuid 0 0",
        "proc/swaps": "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority",
        "proc/meminfo": "MemTotal:        2013896 kB\nMemFree: 1500000 kB\nMemAvailable:   1700000 kB\nSwapTotal: 0 kB",
        f"{CPU}/online": online,
        f"{CPU}/present": online,
        f"{CPU}/isolated": "",
        "sys/devices/system/clocksource/clocksource0/current_clocksource": "arch_sys_counter",
        "sys/devices/system/clocksource/clocksource0/available_clocksource": "arch_sys_counter",
    }


def arm_cpuinfo(parts: list[int], variant: int = 0, revision: int = 4) -> str:
    """/proc/cpuinfo of Arm cores with these part numbers."""
    return "\n\n".join(
        f"processor\t: {cpu}\nBogoMIPS\t: 16.00\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
        f"CPU variant\t: {variant:#x}\nCPU part\t: {part:#x}\nCPU revision\t: {revision}"
        for cpu, part in enumerate(parts)
    )


def imx8mp(root: Path, shell: list[str] | None = None) -> FakeBoard:
    """An i.MX 8M Plus EVK with the vendor's kernel."""
    board = FakeBoard(
        root,
        shell or ["sh"],
        {"perf": "#!/bin/sh\necho perf version 6.6.36\n", "benchmark_model": "#!/bin/sh\nexit 1\n"},
    )
    return board.write(
        kernel("6.6.36-lts-next-g1234", "console=ttymxc1,115200 root=/dev/mmcblk2p2 isolcpus=3", 4)
        | frequency(range(4), "schedutil", (1200000, 1600000, 1800000))
        | zone(0, "cpu-thermal", 45000, {"passive": 85000, "critical": 95000})
        | zone(1, "soc-thermal", 43500, {"passive": 85000, "critical": 95000})
        | {
            "proc/device-tree/model": b"NXP i.MX8MPlus EVK board\0",
            "proc/device-tree/compatible": b"fsl,imx8mp-evk\0fsl,imx8mp\0",
            "proc/cpuinfo": arm_cpuinfo([0xD03] * 4),
            "etc/os-release": 'ID=fsl-imx-xwayland\nPRETTY_NAME="NXP i.MX Release Distro 6.6"',
            "sys/devices/soc0/machine": "NXP i.MX8MPlus EVK board",
            "sys/devices/soc0/family": "Freescale i.MX",
            "sys/devices/soc0/soc_id": "i.MX8MP",
            "sys/devices/soc0/revision": "1.1",
            f"{CPU}/isolated": "3",
            **{f"{CPU}/cpu{n}/regs/identification/midr_el1": "0x00000000410fd034" for n in range(4)},
            **cache(0, 1, "Data", "32K", 4),
            **cache(1, 1, "Instruction", "32K", 2),
            **cache(2, 2, "Unified", "512K", 16),
            f"{CPU}/cpu0/cpuidle/state0/name": "WFI",
            f"{CPU}/cpu0/cpuidle/state0/latency": 1,
            f"{CPU}/cpu0/cpuidle/state1/name": "cpu-pd-wait",
            f"{CPU}/cpu0/cpuidle/state1/latency": 1500,
            f"{CPU}/cpu0/cpuidle/state1/disable": 0,
            f"{THERMAL}/cooling_device0/type": "cpufreq-cpu0",
            f"{THERMAL}/cooling_device0/cur_state": 0,
            f"{THERMAL}/cooling_device0/max_state": 2,
            f"{THERMAL}/cooling_device1/type": "device_cooling",
            f"{THERMAL}/cooling_device1/cur_state": 0,
            f"{THERMAL}/cooling_device1/max_state": 1,
            "sys/module/galcore/version": "6.4.11.p2",
            "dev/galcore": "",
            "dev/gpiochip0": "",
            "dev/gpiochip1": "",
        }
    )


def cache(index: int, level: int, kind: str, size: str, ways: int) -> dict[str, str | bytes | int]:
    """A cache of CPU 0."""
    folder = f"{CPU}/cpu0/cache/index{index}"
    return {
        f"{folder}/level": level,
        f"{folder}/type": kind,
        f"{folder}/size": size,
        f"{folder}/coherency_line_size": 64,
        f"{folder}/ways_of_associativity": ways,
        f"{folder}/shared_cpu_list": "0" if level == 1 else "0-3",
    }


def imx6(root: Path, shell: list[str] | None = None) -> FakeBoard:
    """An i.MX6Q with an old kernel: one description of the CPU for all of them, no MIDR, no caches."""
    board = FakeBoard(root, shell or ["sh"], {"uname": "#!/bin/sh\necho armv7l\n"})
    cpuinfo = "".join(f"processor\t: {n}\nmodel name\t: ARMv7 Processor rev 10 (v7l)\n\n" for n in range(4))
    return board.write(
        kernel("4.1.15-2.0.0", "console=ttymxc0,115200 quiet", 4)
        | frequency(range(4), "interactive", (396000, 792000, 996000), driver="imx6q-cpufreq", governors="interactive")
        | zone(0, "imx_thermal_zone", 61000, {"passive": 65000, "critical": 90000})
        | {
            "proc/device-tree/model": b"Freescale i.MX6 Quad SABRE Lite Board\0",
            "proc/device-tree/compatible": b"boundary,imx6q-sabrelite\0fsl,imx6q\0",
            "proc/cpuinfo": cpuinfo
            + "Features\t: half thumb\nCPU implementer\t: 0x41\nCPU architecture: 7\nCPU variant\t: 0x2\n"
            "CPU part\t: 0xc09\nCPU revision\t: 10\n\nHardware\t: Freescale i.MX6",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "mxc_timer1",
        }
    )


def raspberry_pi(root: Path, shell: list[str] | None = None) -> FakeBoard:
    """A Raspberry Pi 4, whose firmware says whether it throttles."""
    return FakeBoard(root, shell or ["sh"], {"taskset": "#!/bin/sh\necho taskset from util-linux 2.38.1\n"}).write(
        kernel("6.6.31+rpt-rpi-v8", "console=serial0,115200 root=PARTUUID=1", 4)
        | frequency(range(4), "ondemand", (600000, 1200000, 1800000))
        | zone(0, "cpu-thermal", 52000, {"critical": 110000})
        | {
            "proc/device-tree/model": b"Raspberry Pi 4 Model B Rev 1.4\0",
            "proc/device-tree/compatible": b"raspberrypi,4-model-b\0brcm,bcm2711\0",
            "proc/cpuinfo": arm_cpuinfo([0xD08] * 4, 0, 3) + "\n\nRevision\t: c03114\nModel\t\t: Raspberry Pi 4",
            "sys/devices/platform/soc/soc:firmware/get_throttled": 0,
        }
    )


def pc(root: Path, shell: list[str] | None = None) -> FakeBoard:
    """A PC with turbo, two kinds of core, SMT and a hot package."""
    board = FakeBoard(root, shell or ["sh"], {"uname": "#!/bin/sh\necho x86_64\n"})
    blocks = [
        f"processor\t: {n}\nmodel name\t: Some CPU @ 3 GHz\ncpu family\t: 6\nmodel\t: 9\nstepping\t: 2\nflags\t\t: fpu"
        for n in range(4)
    ]
    files: dict[str, str | bytes | int] = {}
    for n in range(4):
        files |= frequency(
            range(n, n + 1), "powersave", (800000, 4500000), driver="intel_pstate", governors="performance powersave"
        )
        files |= {
            f"{CPU}/cpu{n}/thermal_throttle/core_throttle_count": 5,
            f"{CPU}/cpu{n}/thermal_throttle/package_throttle_count": 9,
            f"{CPU}/cpu{n}/topology/thread_siblings_list": f"{n // 2 * 2}-{n // 2 * 2 + 1}",
        }
    return board.write(
        kernel("6.1.0-31-amd64", "BOOT_IMAGE=/vmlinuz quiet", 4)
        | files
        | zone(0, "x86_pkg_temp", 55000)
        | zone(1, "iwlwifi_1", "-274000")
        | {
            "sys/class/dmi/id/sys_vendor": "Some Maker",
            "sys/class/dmi/id/product_name": "Desk 9",
            "proc/cpuinfo": "\n\n".join(blocks),
            "proc/sys/kernel/nmi_watchdog": 1,
            "proc/sys/kernel/perf_event_paranoid": 3,
            "proc/swaps": "Filename Type Size Used Priority\n/dev/sda2 partition 1000000 20480 -2",
            f"{CPU}/intel_pstate/no_turbo": 0,
            f"{CPU}/smt/control": "on",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "hpet",
            "sys/devices/system/clocksource/clocksource0/available_clocksource": "tsc hpet acpi_pm",
            f"{THERMAL}/cooling_device0/type": "Processor",
            f"{THERMAL}/cooling_device0/cur_state": 0,
            f"{THERMAL}/cooling_device1/type": "Fan",
            f"{THERMAL}/cooling_device1/cur_state": 3,
        }
    )


def vm(root: Path, shell: list[str] | None = None) -> FakeBoard:
    """A virtual machine: no cpufreq, no thermal zone."""
    board = FakeBoard(root, shell or ["sh"], {"systemd-detect-virt": "#!/bin/sh\necho kvm\n"})
    return board.write(
        kernel("6.12.0", "quiet", 2)
        | {"proc/cpuinfo": "processor\t: 0\nmodel name\t: QEMU Virtual CPU\nflags\t\t: fpu hypervisor\n"}
    )


ALL = {"imx8mp": imx8mp, "imx6": imx6, "raspberry_pi": raspberry_pi, "pc": pc, "vm": vm}
