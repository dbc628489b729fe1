"""What the study prints: table 4.5, and statements in words."""

from __future__ import annotations

STUDY = "H. O. Lofstad, A Study of Artificial Neural Networks on 8-bit Microcontrollers, NTNU 2021"
SHORT = "Lofstad 2021"
CORE = "ATmega4809 at 20 MHz, NNoM"
CLOCK_HZ = 20e6

OPTIONS = ("O1", "O2", "O3", "Os")
TABLE_4_5: dict[tuple[int, str], tuple[float, int] | None] = {
    (8, "O1"): (9.06e-3, 23120),
    (8, "O2"): (8.04e-3, 22976),
    (8, "O3"): (8.09e-3, 25152),
    (8, "Os"): (7.01e-3, 21984),
    (32, "O1"): (31.44e-3, 42192),
    (32, "O2"): (27.39e-3, 42064),
    (32, "O3"): (27.44e-3, 44240),
    (32, "Os"): (23.14e-3, 41072),
    (40, "O1"): (38.91e-3, 48560),
    (40, "O2"): (33.89e-3, 48416),
    (40, "O3"): None,
    (40, "Os"): (28.51e-3, 47424),
}
"""(width, option) → inference time in s, program memory in bytes; ``None``: printed as a dash."""

FLASH_BYTES = 48 * 1024
RAM_BYTES = 6 * 1024
"""Of the study's ATmega4809."""

IMAGES_ON_BOARD, IMAGES_ON_HOST = 300, 1000
"""What figure 4.3 compares."""

CNN_S = 0.300
CNN_ACCURACY = 0.99
"""Section 6.3: "a rough estimate of a typical inference time", "accuracy levels upwards of 99%"."""
