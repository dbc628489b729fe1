"""What the gesture study prints, for setting values beside it.

R. M S, S. Parameshwara, *Optimizing Neural Networks for Embedded Systems*.
"""

from __future__ import annotations

LAYERS = (("Dense_1", 50, 9050), ("Dense_2", 15, 765), ("Output", 2, 32))
"""Table 1: (name, outputs, parameters)."""
PARAMETERS = 9847
ACCURACY = {"training": 1.0, "validation": 0.9167}
LOSS = {"training": 0.0, "validation": 0.3393}
"""Table 2."""
MODEL_BYTES = 113_000
SMALL_BYTES = 14_008
"""Figure 6."""
LOSS_BEFORE, LOSS_AFTER = 0.23845186, 0.23622063
"""Figure 7: mean loss over training and validation set of the model and of the quantised one."""
LOSS_SATURATES, ACCURACY_SATURATES = 200, 100
"""Epochs by which figures 4 and 5 are said to saturate."""
