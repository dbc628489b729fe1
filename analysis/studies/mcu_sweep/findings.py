"""Tables of the sweep: the front, what fits which AVR, and the study's claims beside what came out."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from analysis.studies import StudyTable
from analysis.studies.mcu_sweep.avrs import AVRS, CODE_BYTES, OTHER_DATA_BYTES, Avr, best_that_fits, largest_that_fits
from analysis.studies.mcu_sweep.points import Swept, front, standard_error

_GUESSING = 0.15
"""The commonest digit is about an eighth of MNIST: who names fewer rightly has learnt nothing."""


def front_table(networks: Sequence[Swept], images: int) -> StudyTable:
    """The networks that nothing smaller is as accurate as."""
    rows = [
        {
            "hidden layers": network.name,
            "parameters": int(network.parameters),
            "8-bit network (B)": int(network.int8_bytes),
            "accuracy (%)": round(100 * network.accuracy, 2),
            "± standard error (%)": round(100 * standard_error(network.accuracy, images), 2),
        }
        for network in front(networks)
    ]
    return StudyTable(
        "front",
        "Networks that nothing smaller is as accurate as",
        pd.DataFrame(rows),
        "The standard error is that of a share of the test images. Neighbours within it may change places with another "
        "seed. The study has no such table.",
    )


def fits_table(networks: Sequence[Swept]) -> StudyTable:
    """The most accurate and the largest network that fits each AVR."""
    return StudyTable(
        "fits",
        "What fits which AVR",
        pd.DataFrame([_fit(avr, networks) for avr in AVRS]),
        f"Flash: 8-bit weights and 32-bit biases, and {CODE_BYTES:,} B for code. Data memory: the image, the "
        f"two buffers of the layers, and {OTHER_DATA_BYTES} B for protocol and stack. Memories from the data sheets.",
    )


def _fit(avr: Avr, networks: Sequence[Swept]) -> dict[str, object]:
    best, largest = best_that_fits(avr, networks), largest_that_fits(avr, networks)
    return {
        "AVR": f"{avr.name} ({avr.note})",
        "flash (B)": avr.flash_bytes,
        "data memory (B)": avr.data_bytes,
        "networks that fit": sum(avr.fits(network) for network in networks),
        "most accurate": best.name if best else "",
        "its accuracy (%)": round(100 * best.accuracy, 2) if best else None,
        "its size (B)": int(best.int8_bytes) if best else None,
        "largest": largest.name if largest else "",
        "its size (B) ": int(largest.int8_bytes) if largest else None,
    }


def claims_table(networks: Sequence[Swept]) -> StudyTable | None:
    """What the study says of these figures, beside what came out; ``None`` where too little was trained."""
    two: dict[tuple[int, ...], Swept] = {network.widths: network for network in networks if len(network.widths) == 2}
    claims = (_width_claim(two), _order_claim(two), _depth_claim(networks), _stuck_claim(networks))
    rows = [row for row in claims if row]
    if not rows:
        return None
    note = "Section 5.3 and figures 4.1, 4.2 of the study, which prints no numbers of single networks."
    return StudyTable("claims", "The study's claims about size and accuracy", pd.DataFrame(rows), note)


def _width_claim(two: dict[tuple[int, ...], Swept]) -> dict[str, str] | None:
    wide = max((widths[0] for widths in two), default=0)
    half = wide // 2
    if not {(half, half), (wide, half), (half, wide)} <= set(two):
        return None
    base, first, second = (two[key].int8_bytes for key in ((half, half), (wide, half), (half, wide)))
    return {
        "claim": "size grows significantly more with the first hidden layer's width than with later ones'",
        "here": f"{half}-{half} is {base:,.0f} B; twice the first layer {first:,.0f} B ({first / base:.2f} ×), "
        f"twice the second {second:,.0f} B ({second / base:.2f} ×)",
    }


def _order_claim(two: dict[tuple[int, ...], Swept]) -> dict[str, str] | None:
    pairs = [(two[a, b], two[b, a]) for a, b in two if a > b and (b, a) in two]
    if not pairs:
        return None
    better = sum(wide_first.accuracy > wide_last.accuracy for wide_first, wide_last in pairs)
    gain = sum(wide_first.accuracy - wide_last.accuracy for wide_first, wide_last in pairs) / len(pairs)
    return {
        "claim": "accuracy follows the widths (figure 4.1)",
        "here": f"of {len(pairs)} pairs of widths, the wider layer first is the more accurate in {better}, by "
        f"{100 * gain:+.1f} points in the mean",
    }


def _depth_claim(networks: Sequence[Swept]) -> dict[str, str] | None:
    best = {
        depth: max((n for n in networks if len(n.widths) == depth), key=lambda n: n.accuracy, default=None)
        for depth in (1, 2, 3)
    }
    found = [(depth, network) for depth, network in best.items() if network is not None]
    if len(found) < 2:
        return None
    words = ", ".join(f"{network.name} {100 * network.accuracy:.1f} %" for _, network in found)
    return {"claim": "a further hidden layer (figure 4.2 beside 4.1)", "here": f"the best of each depth: {words}"}


def _stuck_claim(networks: Sequence[Swept]) -> dict[str, str] | None:
    if not networks:
        return None
    stuck = [network for network in networks if network.accuracy < _GUESSING]
    widest = max(stuck, key=lambda network: network.parameters, default=None)
    largest = f", the largest {widest.name}" if widest else ""
    return {
        "claim": "none: the study does not speak of networks that learn nothing",
        "here": f"{len(stuck)} of {len(networks)} networks name fewer than {_GUESSING:.0%} of the digits{largest}: "
        "a layer of ReLUs that gives 0 for every image lets no gradient back through (docs/tinynet.md)",
    }
