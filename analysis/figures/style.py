"""The look of every figure: palette, type, the marks of verdict and origin, the stamp, and saving the same bytes again.

Figures are made with matplotlib's object interface on the Agg and SVG back ends; no pyplot, no global state outlives
:func:`drawing`. The same data gives the same bytes.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#1e2530"
MUTED = "#5c6673"
GRID = "#dfe3e8"
BAND = "#f4f6f8"
PAPER = "#fefefe"
IDLE = "#e3e7ec"
WARM_UP = "#f8e3c8"
WINDOW = "#d4e8f5"
"""Behind the stretches of a power trace."""
LANE = "#fbf1f1"
"""Behind the crosses of values that are not there."""

PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7b5ea7", "#8c6d46")
"""Okabe and Ito's colours, told apart with any colour vision, differing in lightness too; then two more."""

ORIGIN_COLOURS = {
    "measured": "#1b7f4d",
    "replayed": "#1f5fa8",
    "emulated": "#7444a8",
    "simulated": "#b3400a",
}
ORIGIN_MARKERS = {"measured": "o", "replayed": "^", "emulated": "s", "simulated": "D"}
"""One marker shape per origin, the same in every figure, so that two origins never look alike."""

ORIGIN_GLYPHS = {"measured": "●", "replayed": "▲", "emulated": "■", "simulated": "◆"}
ORIGIN_ORDER = ("measured", "replayed", "emulated", "simulated")

INVALID_COLOUR = "#b00020"

DPI = 130

_SVG_FONTS = re.compile(r"(font: [^;\"]*?px )'DejaVu Sans'[^;\"]*")


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib set to the house style, and set back afterwards."""
    import matplotlib

    settings: Any = {
        "svg.hashsalt": "lab",
        "svg.fonttype": "none",
        "path.simplify": True,
        "font.family": "DejaVu Sans",
        "font.size": 8.5,
        "text.parse_math": False,
        "text.color": INK,
        "figure.facecolor": PAPER,
        "axes.facecolor": PAPER,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.7,
        "axes.labelcolor": INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.unicode_minus": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.major.width": 0.7,
        "ytick.major.width": 0.7,
        "xtick.minor.size": 2,
        "ytick.minor.size": 2,
        "lines.solid_capstyle": "round",
    }
    with matplotlib.rc_context(settings):
        yield


def colours_for(values: Sequence[str]) -> dict[str, str]:
    """A colour for each value, in order. Past the palette's end the hues are spaced evenly instead of repeated."""
    if len(values) <= len(PALETTE):
        return dict(zip(values, PALETTE, strict=False))
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    ramp = colormaps["viridis"]
    last = max(1, len(values) - 1)
    return {value: to_hex(ramp(0.92 * index / last)) for index, value in enumerate(values)}


def sorted_origins(origins: Iterable[str]) -> list[str]:
    """The distinct origins, nearest to a measurement first; unknown words last."""
    distinct = set(origins)
    known = [origin for origin in ORIGIN_ORDER if origin in distinct]
    return known + sorted(distinct - set(known))


def marker_style(colour: str, origin: str, verdict: str, size: float = 5.2) -> dict[str, Any]:
    """Line2D settings of a point: shape from the origin, filled if valid, open if degraded."""
    return {
        "linestyle": "none",
        "marker": ORIGIN_MARKERS.get(origin, "P"),
        "markersize": size * (0.86 if origin == "simulated" else 1.0),
        "markerfacecolor": colour if verdict == "valid" else PAPER,
        "markeredgecolor": colour,
        "markeredgewidth": 0.5 if verdict == "valid" else 1.3,
    }


def cross_style(size: float = 5.0) -> dict[str, Any]:
    """Line2D settings of the cross that stands for a value that is not there."""
    return {
        "linestyle": "none",
        "marker": "x",
        "markersize": size,
        "markeredgecolor": INVALID_COLOUR,
        "markeredgewidth": 1.4,
    }


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure on the Agg canvas."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as MatplotlibFigure

    figure = MatplotlibFigure(figsize=(width_in, height_in), dpi=DPI)
    FigureCanvasAgg(figure)
    return figure


def place_axes(figure: Figure, left: float, bottom: float, right: float, top: float, **options: Any) -> Axes:
    """Axes with margins given in inches from the figure's own edges."""
    width, height = figure.get_size_inches()
    box = (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    return figure.add_axes(box, **options)


def heading(figure: Figure, title: str, subtitle: str, origins: Sequence[str], footer: str) -> None:
    """Title and subtitle at the top left, the origin stamps at the top right, the footer at the bottom."""
    width, height = figure.get_size_inches()
    margin = 0.18 / width
    figure.text(margin, 1 - 0.17 / height, title, size=12, weight="bold", va="top", ha="left")
    if subtitle:
        figure.text(margin, 1 - 0.42 / height, subtitle, size=8.5, color=MUTED, va="top", ha="left")
    if footer:
        figure.text(margin, 0.1 / height, footer, size=7, color=MUTED, va="bottom", ha="left")
    _stamp(figure, origins)


def _stamp(figure: Figure, origins: Sequence[str]) -> None:
    width, height = figure.get_size_inches()
    right = 1 - 0.18 / width
    for origin in reversed(sorted_origins(origins)):
        word = origin.upper()
        figure.text(
            right,
            1 - 0.2 / height,
            word,
            size=9,
            weight="bold",
            color="#ffffff",
            va="top",
            ha="right",
            bbox={
                "boxstyle": "round,pad=0.35",
                "facecolor": ORIGIN_COLOURS.get(origin, INK),
                "edgecolor": "none",
            },
        )
        right -= (0.36 + 0.103 * len(word)) / width


def watermark(axes: Axes, origins: Sequence[str]) -> None:
    """The origin once more, faintly behind the data: it survives a picture cut down to its axes.

    Left out where every value is measured.
    """
    words = [origin.upper() for origin in sorted_origins(origins) if origin != "measured"]
    if not words:
        return
    extent = axes.get_window_extent()
    height_in, width_in = extent.height / axes.figure.dpi, extent.width / axes.figure.dpi
    largest = 34.0 if len(words) == 1 else 24.0
    text = " + ".join(words)
    axes.text(
        0.5,
        0.5,
        text,
        transform=axes.transAxes,
        size=min(largest, 22.0 * height_in, 92.0 * width_in / len(text)),
        weight="bold",
        color=INK,
        alpha=0.045,
        ha="center",
        va="center",
        rotation=20,
        zorder=0.4,
        clip_on=True,
    )


def png_bytes(figure: Figure, compression: int = 6) -> bytes:
    """The figure as PNG, without date or program version; ``compression`` is zlib's level, 0 to 9."""
    buffer = io.BytesIO()
    options = {"compress_level": compression}
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs=options)
    return buffer.getvalue()


def svg_text(figure: Figure, title: str, tooltips: Mapping[str, Sequence[str]]) -> str:
    """The figure as SVG, text kept as text, without date.

    ``tooltips`` gives for the ``gid`` of a marker series one text per point: browsers show it when the pointer rests
    on the point.
    """
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Title": title})
    text = _SVG_FONTS.sub(r"\1'DejaVu Sans', Verdana, sans-serif", buffer.getvalue())
    for gid, texts in tooltips.items():
        text = _with_tooltips(text, gid, texts)
    return text


def _with_tooltips(svg: str, gid: str, texts: Sequence[str]) -> str:
    start = svg.find(f'<g id="{gid}">')
    if start < 0:
        return svg
    pieces = [svg[:start]]
    position = start
    for text in texts:
        begin = svg.find("<use ", position)
        end = svg.find("/>", begin)
        if begin < 0 or end < 0:
            break
        pieces.append(f"{svg[position:end]}><title>{escape(text, quote=False)}</title></use>")
        position = end + 2
    return "".join(pieces) + svg[position:]


def text_width_in(text: str, size: float) -> float:
    """About how wide a text is in DejaVu Sans, in inches: good enough for margins."""
    narrow = sum(character in " ilj.,:;|!'()[]tfrI" for character in text)
    return ((len(text) - narrow) * 0.635 + narrow * 0.36) * size / 72


def shortened(text: str, width_in: float, size: float) -> str:
    """The text, its middle cut out where it is wider than ``width_in``."""
    if text_width_in(text, size) <= width_in:
        return text
    keep = max(4, int(width_in / (0.6 * size / 72)))
    head = (keep - 1) * 2 // 3
    return f"{text[:head]}…{text[len(text) - (keep - 1 - head) :]}"
