"""What the study prints beside what the model gives: ``python -m lab.boards.simulated.calibration``.

The study is E. Frennborn, A. Oliv, *Neural Networks, Edge Computing or Offloading*, Chalmers 2022. Every figure of the
model is computed here from the layer tables and the constants; a claim says between which bounds it must lie.
Offloading is taken from the study's own equations 2.1–2.5, with the remote times that its tables imply.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lab.boards.simulated.constants import IMX8MP, BoardConstants
from lab.boards.simulated.program import ProgramModel, program_model
from lab.boards.simulated.roofline import Target
from lab.networks.tables import INPUT_SIZES, Variation, variations

PLATFORMS: dict[str, Target] = {"1 core": Target(1), "4 cores": Target(4), "NPU": Target(npu=True)}

REMOTE_S = {"CPU": 6.0e-3, "GPU": 2.0e-3}
"""Mean inference time of the study's server; what its tables 4.2–4.4 imply (its text does not give it)."""


@dataclass(frozen=True, slots=True)
class Medium:
    """A way to the server: one-way latency in s, upload rate in byte/s, energy per uploaded byte in J."""

    latency_s: float
    upload_bytes_per_s: float
    upload_j_per_byte: float = 0.0

    def latency_total_s(self, input_size: int, remote_s: float) -> float:
        """Equations 2.1–2.3, with a payload of one byte a pixel and a negligible reply, as the tables imply."""
        return 2 * self.latency_s + input_size**2 / self.upload_bytes_per_s + remote_s

    def energy_total_j(self, input_size: int, remote_s: float, idle_w: float) -> float:
        """Equations 2.4–2.5; the energy per byte multiplies (eq. 2.4 in print divides by it)."""
        sending_j = input_size**2 * self.upload_j_per_byte
        return self.latency_total_s(input_size, remote_s) * idle_w + sending_j


ETHERNET = Medium(10e-3, 3.04e6, 128e-9)
RADIO = Medium(29e-3, 1.0e6, 139e-9)
FIVE_G = Medium(1e-3, 202e6 / 8)
"""Study, sections 3.4 and 5.3."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One statement of the study: what it prints, what the model gives, and the bounds the latter must keep to."""

    statement: str
    printed: str
    value: float
    low: float
    high: float
    unit: str = ""

    @property
    def holds(self) -> bool:
        """True if the model's value lies within the bounds."""
        return self.low <= self.value <= self.high


class Calibration:
    """The model evaluated for all variations and platforms of the study."""

    def __init__(self, board: BoardConstants = IMX8MP) -> None:
        self._board = board

    def model(self, variation: Variation, platform: str) -> ProgramModel:
        """The model of one variation on one of :data:`PLATFORMS`."""
        return program_model(variation, PLATFORMS[platform], self._board)

    def latency_s(self, network: str, input_size: int, compression: str, platform: str) -> float:
        """Latency of one inference."""
        return self.model(Variation(network, input_size, compression), platform).latency_s

    def speedups(self, platform: str) -> list[float]:
        """Uncompressed over PQ latency of each network and input size."""
        return [self.latency_s(*pair, "none", platform) / self.latency_s(*pair, "PQ", platform) for pair in self._pairs]

    @cached_property
    def _pairs(self) -> list[tuple[str, int]]:
        return [(network, size) for network, sizes in INPUT_SIZES.items() for size in sizes]

    def correlation(self, platform: str) -> float:
        """Pearson's correlation of energy and latency over all variations."""
        models = [self.model(item, platform) for item in variations()]
        return _pearson([item.latency_s for item in models], [item.energy_gross_j for item in models])

    def instruction_correlation(self, platform: str) -> float:
        """Pearson's correlation of the logarithms of instructions per inference and latency, over all variations."""
        models = [self.model(item, platform) for item in variations()]
        return _pearson(
            [math.log(item.counts.instructions) for item in models], [math.log(item.latency_s) for item in models]
        )

    def claims(self) -> list[Claim]:
        """All claims, in the order of the study's text."""
        return [
            *self._compression_claims(),
            *self._offload_claims(),
            *self._ranking_claims(),
            *self._correlation_claims(),
        ]

    def _compression_claims(self) -> list[Claim]:
        npu = self.speedups("NPU")
        penalty = min(
            self.latency_s(*pair, "none", "NPU") / self.latency_s(*pair, "none", "1 core") for pair in self._pairs
        )
        advantage = min(
            self.latency_s(*pair, compression, "4 cores") / self.latency_s(*pair, compression, "NPU")
            for pair in self._pairs
            for compression in ("PQ", "PWQ")
        )
        clustered = max(
            abs(self.latency_s(*pair, "PWQ", platform) / self.latency_s(*pair, "PQ", platform) - 1)
            for pair in self._pairs
            for platform in PLATFORMS
        )
        return [
            Claim("compression speeds the NPU up, mean of 11", "188", _mean(npu), 179, 197, "×"),
            Claim("… at most", "716", max(npu), 680, 752, "×"),
            Claim("compression speeds 1 core up, mean", "6–8", 100 * (_mean(self.speedups("1 core")) - 1), 6, 8, "%"),
            Claim("compression speeds 4 cores up, mean", "6–8", 100 * (_mean(self.speedups("4 cores")) - 1), 6, 8, "%"),
            Claim(
                "uncompressed networks are penalised on the NPU: least latency over that on 1 core",
                "slower",
                penalty,
                3,
                math.inf,
                "×",
            ),
            Claim(
                "NPU fastest for every compressed network: least latency on 4 cores over that on the NPU",
                "faster",
                advantage,
                1.05,
                math.inf,
                "×",
            ),
            Claim("PWQ against PQ: greatest difference in latency", "none", 100 * clustered, 0, 0.1, "%"),
        ]

    def _offload_claims(self) -> list[Claim]:
        idle_w = self._board.power.idle_w
        slowest_npu = max(
            self.latency_s(*pair, "PQ", "NPU") / ETHERNET.latency_total_s(pair[1], REMOTE_S["GPU"])
            for pair in self._pairs
        )
        five_g = {pair: FIVE_G.latency_total_s(pair[1], REMOTE_S["GPU"]) for pair in self._pairs}
        small = ("MobileNet", 32)
        others = min(
            self.latency_s(*pair, compression, "4 cores") / limit_s
            for pair, limit_s in five_g.items()
            if pair != small
            for compression in ("none", "PQ", "PWQ")
        )
        smallest = max(self.latency_s(*small, item, "4 cores") / five_g[small] for item in ("none", "PQ", "PWQ"))
        beaten = sum(self.latency_s(*pair, "PQ", "NPU") > limit_s for pair, limit_s in five_g.items())
        mobile = [pair for pair in self._pairs if pair[0] == "MobileNet"]
        mobile_latency = max(
            self.latency_s(*pair, "PQ", platform) / ETHERNET.latency_total_s(pair[1], REMOTE_S["GPU"])
            for pair in mobile
            for platform in ("4 cores", "NPU")
        )
        mobile_energy = max(
            self.model(Variation(*pair, "PQ"), platform).energy_gross_j
            / ETHERNET.energy_total_j(pair[1], REMOTE_S["GPU"], idle_w)
            for pair in mobile
            for platform in ("4 cores", "NPU")
        )
        exception = min(
            self.latency_s(*pair, "none", "NPU") / ETHERNET.latency_total_s(pair[1], REMOTE_S["GPU"]) for pair in mobile
        )
        ethernet = [ETHERNET.latency_total_s(size, REMOTE_S["GPU"]) for _, size in self._pairs]
        ethernet_j = [ETHERNET.energy_total_j(size, REMOTE_S["GPU"], idle_w) for _, size in self._pairs]
        return [
            Claim(
                "Ethernet and server GPU, mean latency (the study's model)", "25", 1e3 * _mean(ethernet), 23, 27, "ms"
            ),
            Claim("… mean energy at high idle", "76", 1e3 * _mean(ethernet_j), 70, 82, "mJ"),
            Claim(
                "slowest compressed network on the NPU over offloading by Ethernet", "faster", slowest_npu, 0, 0.9, "×"
            ),
            Claim(
                "5G beats 4 cores but for MobileNet 32: least ratio of the others", "> 1", others, 1.0, math.inf, "×"
            ),
            Claim("… greatest ratio of MobileNet 32", "< 1", smallest, 0, 1.0, "×"),
            Claim("5G beats the NPU for some compressed networks, of 11", "some", beaten, 1, 10),
            Claim(
                "MobileNet, compressed, 4 cores and NPU: greatest latency over Ethernet",
                "< 1",
                mobile_latency,
                0,
                1,
                "×",
            ),
            Claim("… greatest energy over Ethernet", "< 1", mobile_energy, 0, 1, "×"),
            Claim(
                "MobileNet, uncompressed, is the exception: least latency on the NPU over Ethernet",
                "> 1",
                exception,
                1,
                math.inf,
                "×",
            ),
        ]

    def _ranking_claims(self) -> list[Claim]:
        """Networks at the same input size and on the same platform; compressed on the NPU, VGG16 is not the slowest."""
        fastest = slowest = math.inf
        for size in (32, 75, 128):
            for platform in PLATFORMS:
                names = [name for name, sizes in INPUT_SIZES.items() if size in sizes]
                times = {name: self.latency_s(name, size, "PQ", platform) for name in names}
                rest = [time for name, time in times.items() if name != "MobileNet"]
                fastest = min(fastest, min(rest) / times["MobileNet"])
                if platform != "NPU":
                    rest = [time for name, time in times.items() if name != "VGG16"]
                    slowest = min(slowest, times["VGG16"] / max(rest))
        return [
            Claim("MobileNet fastest: least latency of the others over its own", "fastest", fastest, 1, math.inf, "×"),
            Claim(
                "VGG16 slowest on the CPU: its least latency over that of the others",
                "slowest",
                slowest,
                1,
                math.inf,
                "×",
            ),
        ]

    def _correlation_claims(self) -> list[Claim]:
        printed = {"1 core": "0.99", "4 cores": "0.98", "NPU": "0.99"}
        energy = [
            Claim(f"correlation of energy and latency, {platform}", printed[platform], value, 0.97, 1.0)
            for platform in PLATFORMS
            for value in [self.correlation(platform)]
        ]
        return [
            *energy,
            Claim(
                "correlation of instructions and latency, 1 core (logarithms)",
                "well",
                self.instruction_correlation("1 core"),
                0.95,
                1.0,
            ),
            Claim(
                "… NPU: the CPU's instructions say nothing", "none", abs(self.instruction_correlation("NPU")), 0.0, 0.4
            ),
        ]


def markdown_table(claims: Sequence[Claim]) -> str:
    """The claims as a table for people."""
    rows = ["| claim | study prints | model gives | must be | |", "|---|---|---|---|---|"]
    for claim in claims:
        unit = f" {claim.unit}" if claim.unit else ""
        bounds = f"≥ {claim.low:g}" if claim.high == math.inf else f"{claim.low:g} … {claim.high:g}"
        printed = claim.printed + (unit if claim.printed[0].isdigit() else "")
        verdict = "yes" if claim.holds else "**no**"
        rows.append(f"| {claim.statement} | {printed} | {claim.value:.4g}{unit} | {bounds}{unit} | {verdict} |")
    return "\n".join(rows) + "\n"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _pearson(x: Sequence[float], y: Sequence[float]) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def main() -> int:
    """Print the table; status 1 if a claim does not hold."""
    claims = Calibration().claims()
    print(markdown_table(claims), end="")
    return 0 if all(claim.holds for claim in claims) else 1


if __name__ == "__main__":
    raise SystemExit(main())
