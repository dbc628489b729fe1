"""What a PPK2 is told: bytes without frames and without answers, but for the question for its metadata.

As the vendor's own application (NordicSemiconductor/pc-nrfconnect-ppk) sends them.
"""

from __future__ import annotations

START = b"\x06"
STOP = b"\x07"
ASK_METADATA = b"\x19"

POWER_OFF = b"\x0c\x00"
POWER_ON = b"\x0c\x01"

AMPERE_MODE = b"\x11\x01"
SOURCE_MODE = b"\x11\x02"

LEAST_MV, MOST_MV = 800, 5000
"""What the regulator can be set to."""


def set_voltage(millivolts: int) -> bytes:
    """Set the regulator. Raises ``ValueError`` for a voltage that it does not have."""
    if not LEAST_MV <= millivolts <= MOST_MV:
        raise ValueError(f"a PPK2 has {LEAST_MV} to {MOST_MV} mV, not {millivolts}")
    return b"\x0d" + millivolts.to_bytes(2, "big")
