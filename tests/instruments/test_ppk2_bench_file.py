"""From a bench file to a PPK2 or a Joulescope: what is assembled, and what a mistake in the file is answered with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from instruments.joulescope.instrument import Joulescope
from instruments.ppk2.instrument import Ppk2
from instruments.protocol import ShowsLive
from lab.bench.assemble import assemble_bench
from lab.config.problems import ConfigErrors
from lab.experiment.load import load_bench

PPK2 = """\
bench: coin_cell
board: {kind: none}
instruments:
  meter:
    kind: ppk2
    mode: source
    voltage: 3 V
    port: /dev/ttyACM0
    window_line: d0
    lines: {d1: inference, d2: program}
    scope: radio
    accuracy: {source: placeholder, timebase_ppm: 100}
"""
JOULESCOPE = """\
bench: js
board: {kind: none}
instruments:
  meter:
    kind: joulescope
    model: JS220
    rate: 100 kHz
    range: 180 mA
    voltage_range: 2 V
    lines: {gpi1: inference, gpi3: warmup}
    power: true
    scope: soc
    accuracy: {source: placeholder, timebase_ppm: 100}
"""


def assembled(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "bench.yaml"
    path.write_text(text)
    return assemble_bench(load_bench(path), path, campaign_seed=1).instruments["meter"]


def test_a_ppk2_of_a_bench_file(tmp_path: Path) -> None:
    meter = assembled(tmp_path, PPK2)
    assert isinstance(meter, Ppk2)
    assert isinstance(meter, ShowsLive)
    assert meter.capabilities().scope == "radio"
    assert meter.capabilities().assumes == ("voltage",)
    settings = meter._settings
    assert settings.lines == {"gpi0": "window", "gpi1": "inference", "gpi2": "program"}
    assert (settings.millivolts, settings.port, settings.leave_on) == (3000, "/dev/ttyACM0", False)


def test_a_joulescope_of_a_bench_file(tmp_path: Path) -> None:
    meter = assembled(tmp_path, JOULESCOPE)
    assert isinstance(meter, Joulescope)
    assert isinstance(meter, ShowsLive)
    assert meter.capabilities().scope == "soc"
    assert "power" in meter.capabilities().measures
    settings = meter._settings
    assert settings.lines == {"gpi0": "window", "gpi1": "inference", "gpi3": "warmup"}
    assert settings.voltage_range.full_scale_v == 2.0


@pytest.mark.parametrize(
    ("text", "old", "new", "at", "said"),
    [
        (PPK2, "voltage: 3 V", "voltage: 12 V", 7, "0.8 V to 5.0 V"),
        (PPK2, "d2: program", "d0: program", 10, "the window's input"),
        (PPK2, "d2: program", "d2: inference", 10, "both wired to 'inference'"),
        (PPK2, "window_line: d0", "window_line: gpi0", 9, "'d0'"),
        (PPK2, "mode: source", "mode: sorce", 6, "source"),
        (JOULESCOPE, "voltage_range: 2 V", "voltage_range: 5 V", 9, "15 V"),
        (JOULESCOPE, "range: 180 mA", "range: 2 A", 8, "10 A"),
        (JOULESCOPE, "rate: 100 kHz", "rate: 30 kHz", 7, "20000 Hz"),
        (JOULESCOPE, "model: JS220", "model: JS110", 10, "gpi1"),
    ],
)
def test_a_mistake_is_shown_where_it_stands(text: str, old: str, new: str, at: int, said: str, tmp_path: Path) -> None:
    path = tmp_path / "bench.yaml"
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigErrors) as raised:
        load_bench(path)
    told = str(raised.value)
    assert f"bench.yaml:{at}:" in told
    assert said in told
