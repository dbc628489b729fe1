"""The figures of the thesis as a reader sees them: nothing overlaps, nothing is cut, all is told apart in grey too."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import thesis_tables

from analysis.figures.style import PAPER, drawing
from analysis.figures.thesis.build import ThesisPage, chosen, context_of, draw, write_thesis_figures
from analysis.figures.thesis.catalogue import FIGURES
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.draw_rows import draw_rows
from analysis.figures.thesis.gallery import write_gallery
from analysis.figures.thesis.look import compression_style, network_shapes, where_style
from analysis.figures.thesis.offloading import WAYS
from analysis.figures.thesis.shapes import Rows
from analysis.figures.thesis.study import Role
from lab.networks.tables import Variation, variations


@pytest.fixture(scope="module")
def study() -> Context:
    return thesis_tables.context()


@pytest.fixture(scope="module")
def pages(study: Context) -> Iterator[dict[str, ThesisPage]]:
    """All 51 figures, drawn once."""
    with drawing():
        yield {figure.number: draw(study, figure) for figure in FIGURES}


def texts(page: ThesisPage) -> list[tuple[str, Any]]:
    """Every visible text of a figure with its box in pixels, the faint origin behind the data left out."""
    from matplotlib.text import Text

    assert page.drawn is not None, page.missing
    figure = page.drawn.figure
    figure.draw_without_rendering()
    renderer = figure.canvas.get_renderer()  # type: ignore[attr-defined]
    beyond = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        beyond |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    found = []
    for item in figure.findobj(Text):
        words = item.get_text().strip()
        if (
            words
            and item not in beyond
            and item.get_visible()
            and (item.get_alpha() or 1.0) > 0.1
            and item.get_fontsize() < 20
        ):
            found.append((words, item.get_window_extent(renderer)))
    return found


@pytest.mark.parametrize("number", [figure.number for figure in FIGURES])
def test_every_text_lies_on_the_page_and_upon_no_other(pages: dict[str, ThesisPage], number: str) -> None:
    page = pages[number]
    found = texts(page)
    assert page.drawn is not None
    frame = page.drawn.figure.bbox
    for words, box in found:
        assert box.x0 >= frame.x0 - 1, words
        assert box.y0 >= frame.y0 - 1, words
        assert box.x1 <= frame.x1 + 1, words
        assert box.y1 <= frame.y1 + 1, words
    for (one, first), (two, second) in itertools.combinations(found, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        along = min(first.y1, second.y1) - max(first.y0, second.y0)
        # Boxes have the room of ascenders and descenders: a little of that may be shared.
        assert across <= 1 or along <= 3.5, f"{one!r} upon {two!r}"


@pytest.mark.parametrize("number", ["4.1", "4.8", "5.1", "5.3", "A.14"])
def test_the_origin_and_the_units_stand_on_the_figure(pages: dict[str, ThesisPage], number: str) -> None:
    words = " ".join(text for text, _ in texts(pages[number]))
    assert "SIMULATED" in words
    assert number in words
    assert re.search(r"\d (ms|s|mJ|J|M)\b", words)
    assert "record 20220613T101112Z-abc123" in words


def test_what_is_offloaded_is_stamped_assumed(pages: dict[str, ThesisPage]) -> None:
    for number in ("4.1", "4.4", "4.6", "4.2", "5.11", "A.7"):
        assert pages[number].origins[-1] == "assumed"
        assert "ASSUMED" in {text for text, _ in texts(pages[number])}
    assert pages["4.8"].origins == ("simulated",)


def test_captions_say_what_where_and_whether(pages: dict[str, ThesisPage]) -> None:
    for page in pages.values():
        text = page.caption.text(page.figure)
        assert text.startswith(f"Figure {page.figure.number} of the thesis: ")
        assert "The thesis: " in text
        assert re.search(r"(Holds here|Holds here in part|Fails here|Cannot be decided here|Nothing claimed): ", text)
        assert re.search(r"\d", page.caption.shows)
        assert "Origin: " in text
        assert "nan" not in text.lower()
        assert ".." not in text
    assert "print" in pages["4.1"].caption.verdict
    assert re.search(r"CPU 1-core \d+ \(Ethernet\) and \d+ \(Radio\) of 33", pages["4.1"].caption.verdict)


def grey(colour: str) -> float:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_marks_differ_without_colour() -> None:
    places = [where_style(place) for place in (*Role, *WAYS)]
    looks = {(style["marker"], style["markerfacecolor"] == PAPER) for style in places}
    assert len(looks) == len(places)
    shapes = network_shapes([f"network {number}" for number in range(8)])
    assert len(set(shapes.values())) == 8
    fillings = [compression_style("#0072b2", "o", rank) for rank in range(4)]
    kinds = {(style["markerfacecolor"], style["markersize"], style["markeredgewidth"]) for style in fillings}
    assert len(kinds) == 4
    for style in places:
        strong = style["markeredgecolor"] if style["markerfacecolor"] == PAPER else style["markerfacecolor"]
        assert grey(strong) < 0.72, "too pale on paper"


def test_all_33_variations_are_on_the_figure_by_name(pages: dict[str, ThesisPage]) -> None:
    page = pages["4.1"]
    assert page.drawn is not None
    tips = [tip for series in page.drawn.tooltips.values() for tip in series]
    assert len(tips) == 33 * 7
    assert any(tip.startswith("MobileNet PQ 32 · CPU 1-core: ") and "±" in tip for tip in tips)
    rows = [text for text, _ in texts(page)]
    assert rows.count("PQ 32") == 3  # no InceptionV3 at 32 pixels
    assert sum(text in ("InceptionV3", "ResNet50", "MobileNet", "VGG16") for text in rows) == 4


def test_invalid_and_degraded_values_are_seen_as_such() -> None:
    def bend(item: Variation, platform: str, quantity: str, value: float) -> float | None:
        lost = item.name == "VGG16 128" and platform == "NPU" and quantity == "latency_s"
        return None if lost else value

    summary, manifest = thesis_tables.tables(bend=bend)
    chosen_row = (summary["label"] == "VGG16 32") & (summary["quantity"] == "latency_s")
    summary.loc[chosen_row, ["verdict", "reasons"]] = ["degraded", "throttled"]
    seen = context_of(summary, manifest)
    (figure,) = chosen(["4.1"])
    with drawing():
        page = draw(seen, figure)
    words = [text for text, _ in texts(page)]
    assert "no valid value" in words
    assert "degraded" in words
    assert "3 of the " in page.caption.shows
    assert "throttled" in page.caption.shows
    assert page.drawn is not None
    assert sum(len(series) for series in page.drawn.tooltips.values()) == 33 * 7 - 1


def test_an_interval_wider_than_its_mark_is_a_bar(study: Context) -> None:
    summary, manifest = thesis_tables.tables()
    summary["U"] = summary["U"] * 20
    with drawing():
        wide = draw_rows(context_of(summary, manifest), Rows("latency_s", WAYS), "wide", "")
        narrow = draw_rows(study, Rows("latency_s", WAYS), "narrow", "")
    assert any("U (95 %)" in text.get_text() and "within" not in text.get_text() for text in wide.figure.texts)
    assert any("within the marks" in text.get_text() for text in narrow.figure.texts)


def test_the_same_record_gives_the_same_bytes(study: Context, tmp_path: Path) -> None:
    for name in ("one", "two"):
        files = write_thesis_figures(study, chosen(["5.1"]), tmp_path / name)
        assert files[0].files == {"png": "5.1.png", "svg": "5.1.svg"}
    for kind in ("png", "svg"):
        assert (tmp_path / "one" / f"5.1.{kind}").read_bytes() == (tmp_path / "two" / f"5.1.{kind}").read_bytes()
    svg = (tmp_path / "one" / "5.1.svg").read_text(encoding="utf-8")
    assert "<title>VGG16 PQ 128: " in svg


def test_a_format_that_is_not_asked_for_is_not_left_behind(study: Context, tmp_path: Path) -> None:
    write_thesis_figures(study, chosen(["5.3"]), tmp_path)
    write_thesis_figures(study, chosen(["5.3"]), tmp_path, ("png",))
    assert [path.name for path in tmp_path.iterdir()] == ["5.3.png"]


def test_a_small_record_draws_what_it_can_and_names_the_rest(tmp_path: Path) -> None:
    small = [item for item in variations() if item.title == "MobileNet 32" and item.compression != "none"]
    seen = thesis_tables.context(small)
    files = {file.figure.number: file for file in write_thesis_figures(seen, FIGURES, tmp_path, ("svg",))}
    assert files["5.1"].missing == "no network of this record has two input sizes"
    assert "no uncompressed variations" in files["A.16"].missing
    assert files["4.8"].files == {"svg": "4.8.svg"}
    assert files["4.8"].outcome == "cannot be decided"
    assert not (tmp_path / "5.1.svg").exists()
    written = write_gallery(seen, list(files.values()), tmp_path)
    markdown, page, data = (path.read_text(encoding="utf-8") for path in written)
    assert "Not drawn: no network of this record has two input sizes." in markdown
    assert "![Figure 4.8](4.8.svg)" in markdown
    assert "src='4.8.svg'" in page
    described = json.loads(data)
    assert described["drawn"] + described["missing"] == 51
    assert {item["number"] for item in described["figures"]} == {figure.number for figure in FIGURES}


def test_names_from_a_record_cannot_break_the_pages(tmp_path: Path) -> None:
    summary, manifest = thesis_tables.tables([item for item in variations() if item.network == "VGG16"])
    evil = "<script>$x^2$|*"
    for trial in manifest["plan"]["trials"]:
        trial["values"]["network"] = trial["settings"]["network"] = evil
    seen = context_of(summary, manifest)
    files = write_thesis_figures(seen, chosen(["4.1", "4.8", "5.1", "5.4"]), tmp_path)
    assert [file.missing for file in files] == [""] * 4
    write_gallery(seen, files, tmp_path)
    assert "<script>" not in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "<script>" not in (tmp_path / "figures.md").read_text(encoding="utf-8").replace("\\<script\\>", "")
    assert "<script>" not in (tmp_path / "4.8.svg").read_text(encoding="utf-8")


@pytest.mark.slow
def test_several_processes_draw_the_same_bytes(study: Context, tmp_path: Path) -> None:
    one = write_thesis_figures(study, FIGURES, tmp_path / "one", ("svg",))
    two = write_thesis_figures(study, FIGURES, tmp_path / "two", ("svg",), jobs=2)
    assert one == two
    for figure in FIGURES:
        name = f"{figure.number}.svg"
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
