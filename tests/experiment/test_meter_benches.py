"""What a bench file may say of polled meters, and the instruments that become of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from instruments.polling.meter import PolledMeter
from instruments.protocol import PowerAccuracy
from lab.bench.assemble import assemble_bench
from lab.errors import UsageError
from lab.experiment.load import load_bench

ACCURACY = "{source: datasheet, timebase_ppm: 100, power: {gain: 5 %, offset: 1 W}}"


def bench(folder: Path, entry: str) -> Path:
    path = folder / "bench.yaml"
    path.write_text(f"bench: here\nboard: {{kind: local}}\ninstruments:\n  meter: {{{entry}}}\n")
    return path


@pytest.mark.parametrize(
    ("entry", "scope", "rate_hz"),
    [
        ("kind: nvml", "gpu", 100),
        ("kind: nvml, device: 1, scope: server, period: 50 ms", "server", 20),
        ("kind: nvml, device: GPU-11111111-2222-3333-4444-555555555555", "gpu", 100),
        ("kind: nvml, device: '00000000:65:00.0'", "gpu", 100),
        ("kind: rapl", "package-0", 100),
        ("kind: rapl, domain: dram, package: 1, source: powercap", "dram-1", 100),
        ("kind: rapl, domain: psys", "psys", 100),
        ("kind: rapl, scope: host", "host", 100),
        ("kind: hwmon, chip: ina226", "ina226", 100),
        ("kind: hwmon, chip: ina3221, label: VDD_IN, scope: board, period: 5 ms", "board", 200),
        ("kind: hwmon, address: 1-0040, channel: 2", "1-0040 2", 100),
    ],
)
def test_an_entry_becomes_a_meter(entry: str, scope: str, rate_hz: float, tmp_path: Path) -> None:
    path = bench(tmp_path, f"{entry}, accuracy: {ACCURACY}")
    loaded = load_bench(path)
    assert loaded.instruments["meter"].measures_power
    meter = assemble_bench(loaded, path, campaign_seed=0).instruments["meter"]
    assert isinstance(meter, PolledMeter)
    capabilities = meter.capabilities()
    assert (capabilities.scope, capabilities.rate_hz) == (scope, pytest.approx(rate_hz))
    assert capabilities.accuracy is not None
    assert capabilities.accuracy.power == PowerAccuracy(0.05, 1.0)


RANGES = "{source: datasheet, timebase_ppm: 1, ranges: {1 A: {full_scale: 1, gain_i: 0, offset_i: 0, gain_v: 0, offset_v: 0}}}"  # noqa: E501


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        (f"kind: nvml, device: -1, accuracy: {ACCURACY}", "device"),
        (f"kind: nvml, period: 10 us, accuracy: {ACCURACY}", "1 ms to 10 s"),
        (f"kind: nvml, accuracy: {RANGES}", "no current ranges"),
        ("kind: nvml", "accuracy"),
        (f"kind: rapl, domain: gpu, accuracy: {ACCURACY}", "package"),
        (f"kind: rapl, domain: psys, package: 1, accuracy: {ACCURACY}", "whole platform"),
        (f"kind: rapl, period: 1 h, accuracy: {ACCURACY}", "1 ms to 10 s"),
        (f"kind: hwmon, accuracy: {ACCURACY}", "which sensor"),
        (f"kind: hwmon, channel: 1, accuracy: {ACCURACY}", "which sensor"),
        (f"kind: hwmon, chip: ina226, channel: one, accuracy: {ACCURACY}", "channel"),
    ],
)
def test_a_mistake_is_told_where_it_is(entry: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        load_bench(bench(tmp_path, entry))
    assert told in str(raised.value)
