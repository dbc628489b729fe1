"""What lies beside the drawn figures: ``figures.md``, ``index.html`` and ``figures.json``, an entry for each figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from analysis.figures.style import BAND, GRID, INK, MUTED, ORIGIN_COLOURS, PAPER
from analysis.figures.thesis.build import ThesisFile
from analysis.figures.thesis.context import Context
from analysis.figures.thesis.judgement import Outcome

MARKDOWN, PAGE, DATA = "figures.md", "index.html", "figures.json"

CHAPTERS = {"4": "Chapter 4: results", "5": "Chapter 5: discussion", "A": "Appendix A"}
_COLOURS = {
    Outcome.HOLDS: "#1b7f4d",
    Outcome.PARTLY: "#a86400",
    Outcome.FAILS: "#b00020",
    Outcome.UNDECIDED: "#5c6673",
    Outcome.NO_CLAIM: "#5c6673",
}
_INTRODUCTION = (
    'The figures of E. Frennborn, A. Oliv, "Neural Networks, Edge Computing or Offloading", Chalmers 2022, drawn from '
    "this record. Under each: what it shows here, the thesis's claim, and whether it holds in this record by the test "
    "named. A claim about another machine is not refuted by this record, nor proved."
)


def write_gallery(context: Context, files: Sequence[ThesisFile], folder: Path) -> list[Path]:
    """Write the three files and return their paths."""
    written = []
    for name, text in (
        (MARKDOWN, _markdown(context, files)),
        (PAGE, _page(context, files)),
        (DATA, json.dumps(described(context, files), indent=2, ensure_ascii=False) + "\n"),
    ):
        path = folder / name
        path.write_text(text, encoding="utf-8")
        written.append(path)
    return written


def described(context: Context, files: Sequence[ThesisFile]) -> dict[str, Any]:
    """Everything that is known of the figures, as plain data."""
    return {
        "record": context.study.record_id,
        "experiment": context.study.experiment,
        "scenario": context.offloading.scenario.name,
        "drawn": sum(not file.missing for file in files),
        "missing": sum(bool(file.missing) for file in files),
        "figures": [_described(file) for file in files],
    }


def _described(file: ThesisFile) -> dict[str, Any]:
    judgement = file.judgement
    return {
        "number": file.figure.number,
        "title": file.figure.title,
        "claim": file.figure.says,
        "outcome": file.outcome or None,
        "findings": [
            {"text": item.text, "outcome": item.outcome.value} for item in (judgement.findings if judgement else ())
        ],
        "caption": file.caption.text(file.figure) if not file.missing else None,
        "origins": list(file.origins),
        "files": file.files,
        "missing": file.missing or None,
    }


def _counts(files: Sequence[ThesisFile]) -> list[tuple[str, list[str]]]:
    """Outcome → the numbers of the figures whose claim came out so."""
    found = {outcome.value: [file.figure.number for file in files if file.outcome == outcome] for outcome in Outcome}
    found["not drawn"] = [file.figure.number for file in files if file.missing]
    return [(outcome, numbers) for outcome, numbers in found.items() if numbers]


def _heading(context: Context) -> str:
    study = context.study
    return " · ".join(
        part for part in (study.experiment, f"record {study.record_id}" if study.record_id else "") if part
    )


def _markdown(context: Context, files: Sequence[ThesisFile]) -> str:
    lines = ["# Figures of the thesis", "", _heading(context), "", _INTRODUCTION, ""]
    lines += ["| claim | figures |", "|---|---|"]
    lines += [f"| {outcome} | {', '.join(numbers)} |" for outcome, numbers in _counts(files)]
    for key, chapter in CHAPTERS.items():
        members = [file for file in files if file.figure.chapter == key]
        if members:
            lines += ["", f"## {chapter}"]
        for file in members:
            lines += ["", f"### {file.figure.number} {file.figure.title}", ""]
            if file.missing:
                lines.append(f"Not drawn: {_plain(file.missing)}.")
                continue
            shown = file.files.get("png") or file.files.get("svg")
            if shown:
                lines += [f"![Figure {file.figure.number}]({shown})", ""]
            caption = file.caption
            lines += [_plain(caption.shows), "", f"{_plain(caption.claim)} **{_plain(caption.verdict)}**"]
            rest = " ".join(part for part in (caption.note, caption.origin_words) if part)
            lines += ["", f"*{_plain(rest)}*"] if rest else []
    return "\n".join(lines) + "\n"


def _plain(text: str) -> str:
    """A sentence safe in Markdown: names come from a record."""
    for character in "\\`*_<>|[]":
        text = text.replace(character, f"\\{character}")
    return text


_STYLE = f"""
body {{ font: 15px/1.5 Verdana, "DejaVu Sans", sans-serif; color: {INK}; background: {PAPER}; max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }}
h1 {{ font-size: 1.5rem }} h2 {{ border-bottom: 1px solid {GRID}; margin-top: 3rem }}
nav a, .chip {{ display: inline-block; padding: 0 .4rem; margin: .1rem; border-radius: .3rem; background: {BAND};
  color: {INK}; text-decoration: none }}
.chip {{ color: #fff; font-size: .85rem; font-weight: bold }}
figure {{ margin: 2.5rem 0; break-inside: avoid }} img {{ max-width: 100%; border: 1px solid {GRID} }}
figcaption p {{ margin: .3rem 0 }} .note, .missing {{ color: {MUTED}; font-size: .9rem }}
"""


def _page(context: Context, files: Sequence[ThesisFile]) -> str:
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Figures of the thesis</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style>",
        f"<h1>Figures of the thesis</h1><p>{escape(_heading(context))}</p><p>{escape(_INTRODUCTION)}</p><nav>",
    ]
    for outcome, numbers in _counts(files):
        links = " ".join(f"<a href='#f{escape(number)}'>{escape(number)}</a>" for number in numbers)
        parts.append(f"<p>{_chip(outcome)} {links}</p>")
    parts.append("</nav>")
    for key, chapter in CHAPTERS.items():
        members = [file for file in files if file.figure.chapter == key]
        parts += [f"<h2>{escape(chapter)}</h2>"] if members else []
        parts += [_figure(file) for file in members]
    return "\n".join(parts) + "\n"


def _figure(file: ThesisFile) -> str:
    number, title = escape(file.figure.number), escape(file.figure.title)
    if file.missing:
        return f"<p class='missing' id='f{number}'><b>{number} {title}</b>: not drawn: {escape(file.missing)}.</p>"
    shown = file.files.get("svg") or file.files.get("png") or ""
    image = f"<img src='{quote(shown)}' alt='Figure {number}: {title}' loading='lazy'>" if shown else ""
    caption = file.caption
    origins = " ".join(_chip(origin, ORIGIN_COLOURS.get(origin, INK)) for origin in file.origins)
    return (
        f"<figure id='f{number}'>{image}<figcaption><p><b>Figure {number} of the thesis: {title}.</b> "
        f"{escape(caption.shows)}</p><p>{escape(caption.claim)}</p><p>{_chip(file.outcome)} "
        f"{escape(caption.verdict)}</p><p class='note'>{escape(caption.note)} {origins}</p></figcaption></figure>"
    )


def _chip(text: str, colour: str | None = None) -> str:
    known = {outcome.value: shade for outcome, shade in _COLOURS.items()}
    return f"<span class='chip' style='background:{colour or known.get(text, MUTED)}'>{escape(text)}</span>"
