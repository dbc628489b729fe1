"""What a simulated meter shows of the line while nobody records."""

from __future__ import annotations

import numpy as np

from instruments.protocol import LiveReading
from instruments.simulated.converter import RangeErrors
from instruments.simulated.rail import Rail


def live_reading(rail: Rail, errors: RangeErrors, since_s: float) -> LiveReading:
    """Means and extremes from ``since_s`` to now, with the meter's gain and offset; the noise of its samples is
    averaged away."""
    times_s, voltage_v, current_a = rail.segments()
    begin_s, end_s = np.maximum(times_s[:-1], since_s), times_s[1:]
    lasting = end_s > begin_s
    if not lasting.any():
        return LiveReading(0.0)
    lengths_s = (end_s - begin_s)[lasting]
    voltage = (1 + errors.gain_v) * voltage_v[lasting] + errors.offset_v_v
    current = (1 + errors.gain_i) * current_a[lasting] + errors.offset_i_a
    power = voltage * current
    duration_s = float(lengths_s.sum())
    energy_j = float(power @ lengths_s)
    return LiveReading(
        duration_s=duration_s,
        power_w=energy_j / duration_s,
        power_min_w=float(power.min()),
        power_max_w=float(power.max()),
        voltage_v=float(voltage @ lengths_s) / duration_s,
        current_a=float(current @ lengths_s) / duration_s,
        energy_j=energy_j,
    )
