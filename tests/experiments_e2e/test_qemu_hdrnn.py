"""The HDR-NN study on emulated boards, cut down: cross-built, put there over SSH, counted by perf and by the plugin."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from lab_command import ROOT, lab, only_record, settings

from lab.networks.dense import dense_network
from lab.record.timed import depends_on_time

EXPERIMENTS = ROOT / "experiments"
TOOLS = {
    "qemu-a53": ("qemu-aarch64", "aarch64-linux-gnu-gcc"),
    "qemu-imx8mp": ("qemu-aarch64", "aarch64-linux-gnu-gcc"),
    "qemu-imx6": ("qemu-arm", "arm-linux-gnueabihf-gcc"),
}
SHAPES = {"qemu-a53": ("4", "32"), "qemu-imx8mp": ("4",), "qemu-imx6": ("4",)}
PMU_LIES = {"qemu-imx6"}


@dataclass(frozen=True)
class Finished:
    """A campaign on one machine, and its tables."""

    machine: str
    record: Path
    said: str
    results: pd.DataFrame
    summary: pd.DataFrame

    def of(self, quantity: str, source: str | None = None) -> pd.DataFrame:
        rows = self.summary[self.summary["quantity"] == quantity]
        return rows if source is None else rows[rows["source"] == source]


@pytest.fixture(scope="module", params=["qemu-a53", "qemu-imx8mp", pytest.param("qemu-imx6", marks=pytest.mark.slow)])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """The shipped experiment of a machine with few shapes, one repeat."""
    machine = str(request.param)
    missing = [tool for tool in TOOLS[machine] if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not here: make emulators")
    request.getfixturevalue(machine.replace("-", "_"))
    records = tmp_path_factory.mktemp(machine) / "records"
    shapes = ", ".join(f'"{shape}"' for shape in SHAPES[machine])
    few = settings([f"factors.hidden=[{shapes}]", "repeats=1"])
    experiment = EXPERIMENTS / f"{machine.replace('-', '_')}_hdrnn.yaml"
    done = lab("run", experiment, "--records", records, *few, timeout_s=300)
    assert done.code == 0, done.err
    record = only_record(records)
    tables = [pd.read_parquet(record / f"{name}.parquet") for name in ("results", "summary")]
    return Finished(machine, record, done.out, *tables)


def test_everything_is_emulated(finished: Finished) -> None:
    assert set(finished.results["origin"]) == {"emulated"}
    assert json.loads((finished.record / "manifest.json").read_text())["origin"] == "emulated"


def test_perf_and_the_plugin_count_the_same_instructions(finished: Finished) -> None:
    """Of user space both, of the very same binary: perf inside the guest, the plugin on this machine."""
    differences = finished.of("instructions_difference_pct")
    if finished.machine in PMU_LIES:
        assert differences.empty, "a Cortex-A9 cannot count user space alone"
        return
    assert len(differences) == len(SHAPES[finished.machine])
    assert (differences["value"].abs() <= 0.1).all(), differences["value"].tolist()
    assert not differences["reasons"].str.contains("counts_differ").any()
    perf, plugin = finished.of("instructions:u", "perf"), finished.of("instructions:u", "plugin")
    assert perf["scope"].str.contains("user space only").all()
    assert (perf["value"] > 1e6).all()
    expected = 100 * (plugin["value"].to_numpy() / perf["value"].to_numpy() - 1)
    assert differences["value"].to_numpy() == pytest.approx(expected)
    page = (finished.record / "report.html").read_text()
    assert "Instructions: plugin against perf" in page
    assert "within 0.1 %" in page


def test_a_pmu_that_lies_is_found_out(finished: Finished) -> None:
    if finished.machine not in PMU_LIES:
        assert not finished.results["reasons"].str.contains("pmu_dead|zero_count").any()
        return
    for event in ("instructions", "L1-dcache-loads", "L1-dcache-load-misses"):
        perf, plugin = finished.of(event, "perf"), finished.of(event, "plugin")
        assert set(perf["verdict"]) == {"invalid"}
        assert set(perf["reasons"]) <= {"pmu_dead", "zero_count"}
        assert perf["value"].isna().all(), "never a zero"
        assert (plugin["value"] > 0).all()
    assert "the PMU says that it counts and gives zero" in (finished.record / "report.html").read_text()


def test_caches_are_the_plugins(finished: Finished) -> None:
    loads, misses = finished.of("L1-dcache-loads", "plugin"), finished.of("L1-dcache-load-misses", "plugin")
    assert (loads["value"].to_numpy() > misses["value"].to_numpy()).all()
    assert (misses["value"] > 0).all()
    if finished.machine not in PMU_LIES:
        assert set(finished.of("L1-dcache-loads")["source"]) == {"plugin"}, "this PMU has none, so it is not asked"


def test_page_faults_and_memory_are_the_guests_own(finished: Finished) -> None:
    assert finished.of("page-faults")["value"].between(30, 5000).all()
    assert finished.of("peak_rss_bytes")["value"].between(2e5, 5e7).all()


def test_the_network_is_held_against_the_caches(finished: Finished) -> None:
    for shape in SHAPES[finished.machine]:
        network = dense_network(f"784,{shape},10")
        rows = finished.summary[finished.summary["label"] == shape].set_index("quantity")
        assert rows.loc["parameters", "value"] == network.parameters
        assert rows.loc["macs", "value"] == network.macs
        assert rows.loc["layer_fit_l1_pct", "value"] == pytest.approx(100 * network.parameters / 3 / 32768)


def test_no_time_is_stated_and_none_is_shown(finished: Finished) -> None:
    timed = finished.results[
        finished.results["unit"].isin(["s", "J", "W"]) | finished.results["quantity"].isin(["cycles"])
    ]
    assert {"elapsed_s", "training_s"} <= set(timed["quantity"])
    assert timed["value"].isna().all()
    assert set(timed["reasons"]) == {"emulated_time"}
    stated = finished.results[finished.results["value"].notna()]
    assert not [name for name in set(stated["quantity"]) if depends_on_time(name)]
    page = (finished.record / "report.html").read_text()
    assert "times, cycles and energies of an emulated board are not those of the machine it stands for" in page
    heads = re.findall(r'<th class="n" title="([^"]*)"', page)
    assert "page-faults" in heads
    assert not [name for name in heads if depends_on_time(name)]
    assert "emulated_time" not in finished.said


def test_the_figures_are_those_of_the_main_experiment_without_its_times(finished: Finished) -> None:
    drawn = {path.stem for path in (finished.record / "figures").glob("*.svg")}
    assert {"l1d_misses", "page_faults", "fit_l1_misses", "fit_l2_misses", "instructions_loads"} <= drawn
    correlations = pd.read_csv(finished.record / "correlations.csv")
    assert set(correlations["origin"]) == {"emulated"}
    if len(SHAPES[finished.machine]) > 1:
        assert {"layer_fit_l1_pct", "instructions:u", "macs"} <= set(correlations["x"])


def test_the_record_is_rebuilt_the_same_without_any_board(finished: Finished) -> None:
    before = [(finished.record / f"{name}.csv").read_bytes() for name in ("results", "summary", "correlations")]
    assert lab("process", "--no-report", finished.record).code == 0
    assert before == [(finished.record / f"{name}.csv").read_bytes() for name in ("results", "summary", "correlations")]
