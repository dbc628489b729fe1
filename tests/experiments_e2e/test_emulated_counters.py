"""A campaign on this machine whose counter passes run the program, built for other cores, under the plugin."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
from lab_command import ROOT, lab, only_record, settings

BENCH = """
bench: here_and_emulated
board: {kind: local}
instruments:
  resources: {kind: process_resources}
  lru:
    kind: tcg_plugin
    architecture: aarch64
    cpu: cortex-a53
    l1d: {size: 32 KiB, ways: 4, line: 64}
  small:
    kind: tcg_plugin
    architecture: armv7l
    cpu: cortex-a9
    l1d: {size: 4 KiB, ways: 4, line: 32, replacement: random}
"""
SMALL = ('factors.hidden=["2"]', "factors.images=[200]", "factors.epochs=[1]", "repeats=1", "analysis.figures=[]")


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for tool in ("qemu-aarch64", "qemu-arm", "aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc"):
        if shutil.which(tool) is None:
            pytest.skip(f"no {tool} on this machine (make emulators)")
    folder = tmp_path_factory.mktemp("emulated")
    (folder / "bench.yaml").write_text(BENCH)
    experiment = ROOT / "experiments" / "host_hdrnn.yaml"
    arguments = ("run", experiment, "--bench", folder / "bench.yaml", "--records", folder / "records")
    done = lab(*arguments, *settings(SMALL), env={"LAB_DATA": None, "LAB_CACHE": str(folder / "cache")})
    assert done.code == 0, done.err
    return only_record(folder / "records")


def test_time_is_this_machines_and_counts_are_each_plugins_own(record: Path) -> None:
    points = pd.read_csv(record / "summary.csv", keep_default_na=False, na_values={"value": [""]})
    rows = points.set_index(["quantity", "source"])
    assert rows.loc[("elapsed_s", "resources"), "origin"] == "measured"
    for source, architecture in (("lru", "aarch64"), ("small", "armv7l")):
        for event in ("instructions", "L1-dcache-loads", "L1-dcache-load-misses"):
            row = rows.loc[(event, source)]
            assert row["value"] > 1000
            assert row["origin"] == "emulated"
            assert row["scope"] == f"process:user, {architecture}, emulated caches, per process"
    misses = [rows.loc[("L1-dcache-load-misses", source), "value"] for source in ("lru", "small")]
    assert misses[1] > 2 * misses[0], "lines of half the length, an eighth of the cache"


def test_the_record_says_what_was_built_for_which_board(record: Path) -> None:
    provenance = lab("show", record, "--provenance").json()
    versions = provenance["workload"]["versions"]
    assert (versions["architecture_lru"], versions["architecture_small"]) == ("aarch64", "armv7l")
    assert "aarch64-linux-gnu-gcc" in versions["compiler_lru"]
    assert [versions.get(f"flags{name}") for name in ("", "_lru", "_small")] == [
        None,
        "LDFLAGS=-static",
        "LDFLAGS=-static",
    ]
    assert "data_sha256_lru" not in versions, "all read the same digits"
