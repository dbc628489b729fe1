"""What speaks against a pass, each reason with what was seen of it, where, and on which meter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from analysis.measured import Measured
from analysis.readers.program_output import ProgramOutput
from analysis.trial import pass_codes
from analysis.view.model import Finding, MeterView, Note
from analysis.view.passes import gravest_first
from analysis.view.places import OnTrace, explanation, known, notes_for
from lab.record.printable import printable_line
from lab.record.quantity import Verdict
from lab.record.reader import PassData


def find(
    data: PassData, items: Sequence[Measured], meters: Sequence[MeterView], own_time: str
) -> tuple[list[Finding], list[MeterView]]:
    """Every reason code of the pass with its places, and the meters with these drawn on them.

    ``own_time`` is what the program says of how long it took.
    """
    hits: dict[str, list[str]] = {}
    sources: dict[str, set[str]] = {}
    for item in items:
        for code in item.quantity.reasons:
            hits.setdefault(code, []).append(item.quantity.name)
            sources.setdefault(code, set()).add(item.quantity.source)
    codes = gravest_first([*hits, *pass_codes(data)])
    notes: dict[str, list[Note]] = {meter.name: [] for meter in meters}
    names = {meter.name for meter in meters}
    findings: list[Finding] = []
    said: set[tuple[str, str]] = set()
    for code in sorted(codes, key=lambda code: code not in hits):
        verdict, text, advice = known(code)
        verdict = verdict if code in hits else Verdict.VALID
        own = [fault for fault in data.faults if fault.code == code]
        details = [(fault.source, printable_line(fault.detail)) for fault in own if fault.detail]
        if code == "window_disagrees" and own_time:
            details.append(("program", own_time))
        places: list[tuple[str, float, float]] = []
        # A code befell the meters that reported it, or whose numbers suffer from it; else all of them.
        struck = ({fault.source for fault in own} | sources.get(code, set())) & names or names
        for meter in meters:
            if meter.problem or meter.name not in struck:
                continue
            on = _on_trace(meter)
            faults = [fault for fault in own if fault.source not in names - {meter.name}]
            found = notes_for(code, verdict, faults, on)
            notes[meter.name] += found
            places += [(meter.name, item.begin, item.end) for item in found]
            if (told := (meter.name, explanation(code, on)))[1] and told not in said:
                details.append(told)
                said.add(told)
        findings.append(
            Finding(
                code=code,
                verdict=verdict,
                text=text,
                advice=advice,
                hits=tuple(dict.fromkeys(hits.get(code, ()))),
                details=tuple(dict.fromkeys(details)),
                places=tuple(places),
            )
        )
    return findings, [replace(meter, notes=tuple(notes[meter.name])) for meter in meters]


def _on_trace(meter: MeterView) -> OnTrace:
    return OnTrace(
        length=meter.length,
        rate_hz=meter.rate_hz,
        spans=meter.spans,
        marks=meter.marks,
        missing=meter.missing,
        lines=meter.lines,
        wiring=meter.wiring,
        overview=meter.tiles[0] if meter.tiles else None,
        limits=meter.limits,
        expected_end=meter.expected_end,
    )


def own_time_of(output: ProgramOutput) -> str:
    """What a program says of how long its inferences took; nothing if it does not."""
    if output.inference_time_s is None or not output.inferences:
        return ""
    return f"{output.inferences} inferences took {output.inference_time_s:.6g} s by its own clock"
