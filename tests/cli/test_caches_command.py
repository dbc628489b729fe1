"""``lab caches``: the study's table, layers, correlations, roofline, as a person or a script asks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaigns import SHORT
from lab_command import STUDY, Here, lab, only_record, settings

FOUR = ("factors.input=[75]", "factors.compression=[none, PQ]", "factors.platform=[CPU 1-core, NPU]", "repeats=1")


@pytest.fixture(scope="module")
def four_families(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record of four networks; not to be changed."""
    records = tmp_path_factory.mktemp("records")
    # What speaks of values that are not run here is left out.
    free = ("exclude=[]", "analysis.figures=[]", "analysis.cache_fit={}")
    done = lab("run", STUDY, "--records", records, "--no-report", *settings((*SHORT, *FOUR, *free)))
    assert done.code == 0, done.err
    return only_record(records)


def test_the_studys_table_needs_no_record(here: Here) -> None:
    done = here("caches")
    assert done.code == 0
    assert "32 of 33 printed cells come out; not MobileNet 32 in L1 (120.6, printed 120)." in done.out
    assert here("caches", "--published").out == done.out
    cells = here("caches", "--json").json()
    assert len(cells) == 33
    assert sum(cell["holds"] for cell in cells) == 32
    assert {"network", "memory", "printed_pct", "computed_pct", "residual_pct", "holds"} == set(cells[0])


def test_a_record_as_a_whole(here: Here, four_families: Path) -> None:
    done = here("caches", four_families)
    assert done.code == 0, done.err
    for words in ("Average layer fit in per cent", "Which memory holds the layers", "Which explains more"):
        assert words in done.out
    found = here("caches", four_families, "--json").json()
    assert set(found["memories"]) == {"l1d", "l2", "ram"}
    assert all(cell["holds"] or cell["network"] == "MobileNet 32" for cell in found["published"])
    assert found["networks"]


def test_one_network_layer_by_layer(here: Here, sealed: Path, tmp_path: Path) -> None:
    first = here("caches", sealed, "--json").json()["networks"][0]["network"]
    picture = tmp_path / "layers.png"
    done = here("caches", sealed, "--layers", first.lower(), "--png", picture)
    assert done.code == 0, done.err
    assert done.out.startswith(f"{first}, layer by layer")
    assert picture.read_bytes().startswith(b"\x89PNG")
    layers = here("caches", sealed, "--layers", first, "--json").json()
    assert layers["network"] == first
    for layer in layers["layers"]:
        assert layer["working_set_bytes"] == layer["weight_bytes"] + layer["input_bytes"] + layer["output_bytes"]


def test_roofline_of_a_simulated_board_names_the_model(here: Here, sealed: Path) -> None:
    done = here("caches", sealed, "--roofline")
    assert done.code == 0, done.err
    assert "(source: model)" in done.out
    points = here("caches", sealed, "--roofline", "--json").json()
    assert all(point["ceiling_source"] == "model" and point["origin"] == "simulated" for point in points)
    # What scatters from pass to pass may lift a mean a little over the model's own roof.
    assert all(0.0 < point["share_of_roof"] < 1.05 for point in points)


def test_correlations(here: Here, four_families: Path) -> None:
    rows = here("caches", four_families, "--correlations", "--json").json()
    assert {"latency_s", "energy_gross_j"} <= {row["y"] for row in rows}
    assert {row["n_clusters"] for row in rows} == {4}
    done = here("caches", four_families, "--correlations")
    assert done.code == 0, done.err
    assert "What measures of cache fit explain: latency per inference" in done.out


def test_too_few_networks_to_correlate(here: Here, sealed: Path) -> None:
    done = here("caches", sealed, "--correlations")
    assert done.code == 2
    assert "fewer than 4 points" in done.complaint()[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--roofline"], "which record?"),
        (["--layers", "VGG16 32"], "which record?"),
        (["--png", "x.png"], "--png draws one network"),
    ],
)
def test_what_is_missing_is_said(here: Here, arguments: list[str], words: str) -> None:
    done = here("caches", *arguments)
    assert done.code == 2
    assert words in done.complaint()[0]


def test_a_network_that_did_not_run(here: Here, sealed: Path) -> None:
    done = here("caches", sealed, "--layers", "AlexNet")
    assert done.code == 2
    assert "no network of this record is called 'AlexNet'" in done.complaint()[0]
