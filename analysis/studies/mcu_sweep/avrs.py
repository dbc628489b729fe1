"""The AVR microcontrollers that networks are held against, and what of them is left for a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.studies.mcu_sweep.points import Swept

CODE_BYTES = 7680
"""Of flash, for what is not weights and biases: kernels, protocol, drivers, vectors. Firmware of this repository takes
this much (docs/tinynet.md has how it was seen)."""
OTHER_DATA_BYTES = 968
"""Of data memory, for what is not the input or activations: the protocol's buffers and the deepest stack."""


@dataclass(frozen=True, slots=True)
class Avr:
    """Flash and data memory (bytes) as the data sheet has them; ``note`` says where it comes up."""

    name: str
    flash_bytes: int
    data_bytes: int
    note: str

    def fits(self, network: Swept) -> bool:
        """Weights and code in flash; image, activations, protocol and stack in data memory."""
        flash, data = network.int8_bytes + CODE_BYTES, network.activation_bytes + OTHER_DATA_BYTES
        return flash <= self.flash_bytes and data <= self.data_bytes


AVRS: tuple[Avr, ...] = (
    Avr("ATtiny1614", 16 * 1024, 2 * 1024, "tinyAVR 1"),
    Avr("ATmega328P", 32 * 1024, 2 * 1024, "of the Arduino Uno"),
    Avr("ATmega4809", 48 * 1024, 6 * 1024, "the study's"),
    Avr("ATmega1284P", 128 * 1024, 16 * 1024, "its stand-in under simavr"),
    Avr("AVR128DB64", 128 * 1024, 16 * 1024, "which the study recommends"),
)


def best_that_fits(avr: Avr, networks: Sequence[Swept]) -> Swept | None:
    """The most accurate, of equal ones the smallest."""
    fitting = [network for network in networks if avr.fits(network)]
    return min(fitting, key=lambda item: (-item.accuracy, item.int8_bytes), default=None)


def largest_that_fits(avr: Avr, networks: Sequence[Swept]) -> Swept | None:
    """The one with the most parameters."""
    return max((network for network in networks if avr.fits(network)), key=lambda item: item.parameters, default=None)
