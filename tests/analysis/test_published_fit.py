"""Table 5.1 of the study from the shipped layer tables: 33 cells, 32 as printed."""

from __future__ import annotations

import pytest

from analysis.published_fit import MEMORIES, PRINTED, fit_cells, verdict
from lab.networks.tables import INPUT_SIZES, load_network

NETWORKS = [load_network(name, size) for name, sizes in INPUT_SIZES.items() for size in sizes]
COUNTED = [(network.title, network.parameters, len(network.layers)) for network in NETWORKS]


def test_33_cells_of_which_32_come_out() -> None:
    cells = fit_cells(COUNTED, MEMORIES)
    assert len(cells) == 33
    assert {cell.network for cell in cells} == set(PRINTED)
    (wrong,) = [cell for cell in cells if not cell.holds]
    assert (wrong.network, wrong.memory, wrong.printed) == ("MobileNet 32", "l1d", 120)
    assert wrong.computed == pytest.approx(120.6, abs=0.05)
    assert all(abs(cell.residual) <= 0.5 for cell in cells if cell.holds)
    assert verdict(cells) == "32 of 33 printed cells come out; not MobileNet 32 in L1 (120.6, printed 120)."


def test_a_board_with_other_memories_has_no_cell() -> None:
    cells = fit_cells(COUNTED, {"l1d": 32 * 1024, "l2": 1024 * 1024, "ram": None})
    assert {cell.memory for cell in cells} == {"l1d"}
    assert len(cells) == 11
    assert fit_cells([("HDR-NN", 25450, 3)], MEMORIES) == []
    assert "No cell" in verdict([])
