"""Cache fit: the study's table cell by cell, and the working set counted by hand."""

from __future__ import annotations

import pytest

from analysis.cache_fit import ElementBytes, LayerSize, average_layer_fit_pct, over_share, printed_pct

MEMORIES = (32 * 1024, 512 * 1024, 868 * 1024)
PRINTED = [
    # network, parameters, Keras layers, percent of L1, L2, RAM as printed (Frennborn, Oliv 2022, table 5.1)
    ("InceptionV3 75", 22_353_028, 314, (217, 14, 8)),
    ("InceptionV3 128", 23_925_892, 314, (233, 15, 9)),
    ("ResNet50 32", 24_137_956, 178, (414, 26, 15)),
    ("ResNet50 75", 28_332_260, 178, (486, 30, 18)),
    ("ResNet50 128", 32_002_276, 178, (549, 34, 20)),
    ("MobileNet 32", 3_516_964, 89, (120, 8, 4)),
    ("MobileNet 75", 4_303_396, 89, (148, 9, 5)),
    ("MobileNet 128", 7_449_124, 89, (255, 16, 9)),
    ("VGG16 32", 14_871_716, 22, (2063, 129, 76)),
    ("VGG16 75", 15_264_932, 22, (2117, 132, 78)),
    ("VGG16 128", 16_837_796, 22, (2336, 146, 86)),
]
INT8 = ElementBytes(1, 1)
MISPRINT = ("MobileNet 32", MEMORIES[0])


@pytest.mark.parametrize(("network", "parameters", "layers", "printed"), PRINTED)
def test_the_printed_table_but_for_one_cell(
    network: str, parameters: int, layers: int, printed: tuple[int, int, int]
) -> None:
    for memory, cell in zip(MEMORIES, printed, strict=True):
        computed = average_layer_fit_pct(parameters, layers, memory)
        if (network, memory) == MISPRINT:
            assert computed == pytest.approx(120.6, abs=0.05)
            assert cell == 120
        else:
            assert printed_pct(computed) == cell


def test_the_working_set_by_hand() -> None:
    layers = [LayerSize(100, 1000, 50, 50), LayerSize(10, 3000, 20, 70), LayerSize(0, 0, 300, 0)]
    assert layers[0].working_set_bytes(ElementBytes(4, 2)) == 600
    shares = over_share(layers, INT8, 150)
    assert shares.bytes_pct == pytest.approx(100 * 500 / 600)
    assert shares.macs_pct == pytest.approx(25.0)
    # A layer that just fits, fits.
    assert over_share(layers, INT8, 300).bytes_pct == 0.0


def test_a_network_without_work() -> None:
    assert over_share([LayerSize(0, 0, 5, 5)], INT8, 4).macs_pct is None
    with pytest.raises(ValueError, match="working set"):
        over_share([], INT8, 4)
    with pytest.raises(ValueError, match="not defined"):
        average_layer_fit_pct(10, 0, 100)
