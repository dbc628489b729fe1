"""A stand-in for the kernel's two trees with RAPL's counters in them."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from fake_polled import FakeTime

from instruments.polling.meter import PolledMeter
from instruments.rapl.counters import Domain
from instruments.rapl.source import rapl_meter

PACKAGE = Domain("package", 0)
JOULES = 2.0**-32
POWER_W = 45.0


class Machine:
    """A /sys with RAPL in it; its counters are fed by the fake time, renewed every millisecond."""

    def __init__(self, root: Path, time: FakeTime) -> None:
        self.root = root
        self.time = time
        self.opened: dict[int, tuple[int, int, int]] = {}
        self.refuses: OSError | None = None
        self.gone = False
        self.standing = False
        self.range_uj = 262_143_328_850
        self.offset_uj = 0

    # perf

    def with_perf(self, *events: str, cpumask: str = "0") -> Machine:
        pmu = self.root / "bus/event_source/devices/power"
        (pmu / "events").mkdir(parents=True)
        (pmu / "type").write_text("23\n")
        (pmu / "cpumask").write_text(f"{cpumask}\n")
        for event, code in (("energy-pkg", 2), ("energy-cores", 1), ("energy-ram", 3), ("energy-psys", 5)):
            if event in events:
                (pmu / "events" / event).write_text(f"event=0x0{code}\n")
                (pmu / "events" / f"{event}.scale").write_text("2.3283064365386962890625e-10\n")
                (pmu / "events" / f"{event}.unit").write_text("Joules\n")
        return self

    def with_sockets(self, packages: dict[int, int]) -> Machine:
        for cpu, package in packages.items():
            folder = self.root / f"devices/system/cpu/cpu{cpu}/topology"
            folder.mkdir(parents=True)
            (folder / "physical_package_id").write_text(f"{package}\n")
        return self

    def open_event(self, kind: int, config: int, cpu: int) -> int:
        if self.refuses is not None:
            raise self.refuses
        descriptor = os.open(os.devnull, os.O_RDONLY)
        self.opened[descriptor] = (kind, config, cpu)
        return descriptor

    def read_event(self, descriptor: int) -> int:
        self.time.spend(2e-6)
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        assert descriptor in self.opened
        return round(self.joules() / JOULES)

    # powercap

    def with_powercap(self) -> Machine:
        for zone, name in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "core"),
            ("intel-rapl:0:1", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:1:0", "dram"),
            ("intel-rapl:2", "psys"),
            ("intel-rapl-mmio:0", "package-0"),
        ):
            folder = self.root / "class/powercap" / zone
            folder.mkdir(parents=True)
            (folder / "name").write_text(f"{name}\n")
            (folder / "max_energy_range_uj").write_text(f"{self.range_uj}\n")
            (folder / "energy_uj").write_text("0\n")
        return self

    def pread(self, descriptor: int, size: int, offset: int) -> bytes:
        self.time.spend(2e-6)
        assert (size > 20, offset) == (True, 0)
        if self.gone:
            raise OSError(errno.ENODEV, os.strerror(errno.ENODEV))
        return b"%d\n" % (round(1e6 * self.joules() + self.offset_uj) % (self.range_uj + 1))

    def joules(self) -> float:
        return 0.0 if self.standing else POWER_W * (self.time.now_s // 1e-3 * 1e-3)

    def meter(self, domain: Domain = PACKAGE, **more: object) -> PolledMeter:
        return rapl_meter("cpu", domain, root=self.root, open_event=self.open_event, time=self.time, **more)  # type: ignore[arg-type]
