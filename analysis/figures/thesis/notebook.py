"""The figures of the thesis in a notebook: one call opens a record's gallery, one shows a figure with its caption."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.figures.style import drawing, svg_text
from analysis.figures.thesis.build import ThesisPage, chosen, context_of, draw
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.requirements import require
from lab.record.reader import Record

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 110


@dataclass(frozen=True, slots=True)
class Shown:
    """A figure for a notebook's cell; empty where it could not be drawn."""

    svg: str

    def _repr_svg_(self) -> str | None:
        return self.svg or None

    def __repr__(self) -> str:
        return ""


class Gallery:
    """The thesis's figures of one record."""

    def __init__(self, context: Context, origin: str) -> None:
        self._context = context
        self.origin = origin

    @classmethod
    def of(cls, record_root: Path) -> Gallery:
        """Open a record. Its results are taken as they lie in it, else computed from the raw files."""
        record = Record.open(record_root)
        return cls(context_of(_summary(record), record.manifest), str(record.manifest.get("origin") or "unknown"))

    def about(self) -> None:
        """Print whose figures these are."""
        study = self._context.study
        platforms = ", ".join(platform.name for platform in study.platforms.values()) or "none"
        print(f"{study.experiment}, record {study.record_id}: {self.origin}")
        print(f"{len(study.variations)} variations of {', '.join(study.networks) or 'no network'} on {platforms}")

    def show(self, number: str) -> Shown:
        """Draw one figure, print its caption, and return it for the notebook to show."""
        (figure,) = chosen([number])
        with drawing():
            page = draw(self._context, figure)
            svg = _svg(page)
        text = f"Figure {number}: not drawn: {page.missing}." if page.missing else page.caption.text(figure)
        print(textwrap.fill(text, _WIDTH))
        return Shown(svg)

    def claims(self, chapter: str) -> pd.DataFrame:
        """What becomes of the claims of a chapter (``4``, ``5`` or ``A``): a row for each figure."""
        import pandas as pd

        from analysis.figures.build import NothingToDrawError

        rows = []
        for figure in chosen([chapter]):
            try:
                require(self._context, figure.shape)
            except NothingToDrawError as reason:
                rows.append((figure.number, figure.title, figure.says, f"not drawn: {reason}"))
            else:
                judgement = figure.claim.judge(self._context, figure.shape)
                rows.append((figure.number, figure.title, figure.says, judgement.outcome.value))
        return pd.DataFrame(rows, columns=["figure", "title", "the thesis", "here"]).set_index("figure")


def _summary(record: Record) -> pd.DataFrame:
    import pandas as pd

    table = record.root / "summary.parquet"
    if table.is_file():
        return pd.read_parquet(table)
    from analysis.process import process

    return process(record).summary


def _svg(page: ThesisPage) -> str:
    if page.drawn is None:
        return ""
    return svg_text(page.drawn.figure, f"Figure {page.figure.number}: {page.figure.title}", page.drawn.tooltips)
