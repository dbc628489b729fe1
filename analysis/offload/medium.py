"""What lies between the device and a server: how long a byte takes, what it costs, and how many bytes there are."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LatencyMeaning(StrEnum):
    """What a medium's latency is: of one way, or there and back."""

    ONE_WAY = "one_way"
    ROUND_TRIP = "round_trip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """How many bytes go to the server and come back for one inference.

    Of an image: ``bytes_per_pixel`` counts all channels: 1 for one byte a pixel, 3 for 8-bit colours, 12 for float32
    colours. ``side`` is its edge in pixels, or ``{name}`` for the factor or setting that gives it. What is no image has
    no pixels: all of its bytes are ``header_bytes``.
    """

    bytes_per_pixel: float = 0.0
    side: str | float = "{input}"
    header_bytes: float = 0.0
    result_bytes: float = 0.0

    def sent_bytes(self, side: float = 0.0) -> float:
        """Bytes of one square image of ``side`` pixels."""
        return self.bytes_per_pixel * side * side + self.header_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Medium:
    """A way to a server.

    ``latency_s`` is what a message takes beside its bytes, ``up_bytes_s`` and ``down_bytes_s`` are bandwidths in B/s,
    ``up_j_byte`` and ``down_j_byte`` what the device spends on a byte beside its idle power, in J/B; ``None`` where
    nobody knows: then energies are lower bounds. ``keep_alive_w`` is what the link draws between requests. ``payload``
    is what is sent over it, where that is not what the scenario says for all media.
    """

    name: str
    latency_s: float
    up_bytes_s: float
    down_bytes_s: float
    up_j_byte: float | None = None
    down_j_byte: float | None = None
    latency_is: LatencyMeaning = LatencyMeaning.ONE_WAY
    keep_alive_w: float = 0.0
    payload: Payload | None = None
    source: str = ""

    @property
    def round_trip_s(self) -> float:
        """There and back (Frennborn and Oliv 2022, eq. 2.1: twice the latency, if that is of one way)."""
        return self.latency_s * (2.0 if self.latency_is is LatencyMeaning.ONE_WAY else 1.0)

    @property
    def energy_known(self) -> bool:
        """Is it known what a byte costs?"""
        return self.up_j_byte is not None and self.down_j_byte is not None
