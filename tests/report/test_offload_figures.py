"""The figures and tables of the offload model: drawn from little data, the same bytes each time, harmless text."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "analysis"))

from offload_campaign import ENERGIES, LATENCIES, MEDIUM, UNPRICED, Values, manifest, scenario, summary

from analysis.figures.build import FigureFile
from analysis.figures.offload.build import write_offload_figures
from analysis.offload.scenario import IdleState
from analysis.offload.server import Latencies, RecordServer
from analysis.offload.tables import Offload, offload_of
from lab.report.offload import network_tables, offload_section, offload_text


def made(**quantities: Values) -> Offload:
    found = offload_of(manifest(), summary("measured", **quantities), scenario(MEDIUM, UNPRICED))
    assert found is not None
    return found


def read(file: FigureFile) -> tuple[bytes, bytes]:
    assert file.png is not None, file.missing
    assert file.svg is not None
    return file.png.read_bytes(), file.svg.read_bytes()


def test_the_same_tables_give_the_same_figures(tmp_path: Path) -> None:
    found = made(latency_s=LATENCIES, energy_gross_j=ENERGIES)
    first = write_offload_figures(tmp_path / "a", found, "r", everything=False)
    again = write_offload_figures(tmp_path / "b", found, "r", everything=False)
    assert [file.name for file in first] == [file.name for file in again]
    for one, other in zip(first, again, strict=True):
        assert read(one) == read(other)
        assert one.caption.endswith(".")
        assert one.origins == ("measured", "assumed")


def test_a_record_with_latencies_alone_has_no_figure_of_energy(tmp_path: Path) -> None:
    names = {file.name for file in write_offload_figures(tmp_path, made(latency_s=LATENCIES), "")}
    assert names == {
        "offload_latency",
        "offload_decisions_latency",
        "offload_map_latency",
        "offload_contributions_server",
    }


def test_without_any_server_the_reason_stands_for_the_figures(tmp_path: Path) -> None:
    server = RecordServer(name="server", record="gone", latencies=Latencies(missing="no record 'gone'"))
    own = IdleState(name="own", power_w=None)
    frame = summary(latency_s=LATENCIES, energy_gross_j=ENERGIES)
    found = offload_of(manifest(), frame, scenario(server=server, idle=own))
    assert found is not None
    (file,) = write_offload_figures(tmp_path, found, "r")
    assert (file.svg, file.missing) == (None, "no record 'gone'")
    assert "no record 'gone'" in offload_text(found)


def test_fewer_figures_for_a_page_that_has_others(tmp_path: Path) -> None:
    found = made(latency_s=LATENCIES, energy_gross_j=ENERGIES, edp_gross_js=ENERGIES)
    every = {file.name for file in write_offload_figures(tmp_path / "a", found, "r")}
    some = {file.name for file in write_offload_figures(tmp_path / "b", found, "r", everything=False)}
    assert every - some == {"offload_decisions_edp_idle", "offload_map_energy_idle"}


def test_letters_of_every_decision() -> None:
    latency = network_tables(made(latency_s=LATENCIES))[0]
    assert latency.rows == (("small", "O L", "O L"), ("large", "? ×", "? ×"))


def test_text_from_files_cannot_harm_a_terminal() -> None:
    evil = UNPRICED.__class__(name="air", latency_s=0.01, up_bytes_s=1e6, down_bytes_s=1e6, source="\x1b[2Jsource")
    found = offload_of(manifest(), summary(latency_s=LATENCIES), scenario(evil))
    assert found is not None
    assert "\x1b" not in offload_text(found)


@pytest.mark.parametrize("board", ["measured", "emulated"])
def test_no_section_where_none_is_named(board: str) -> None:
    class Tables:
        summary = summary(latency_s=LATENCIES)

    assert offload_section(manifest(board=board), Tables()) is None  # type: ignore[arg-type]
