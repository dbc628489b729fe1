"""From the limits of error in a bench file to those that instruments know."""

from __future__ import annotations

from instruments import protocol
from lab.bench.accuracy import Accuracy


def make_accuracy(accuracy: Accuracy) -> protocol.Accuracy:
    """The same figures, without the file's positions and defaults."""
    return protocol.Accuracy(
        ranges={
            name: protocol.RangeAccuracy(
                full_scale_a=limits.full_scale,
                gain_i=limits.gain_i,
                offset_i_a=limits.offset_i,
                gain_v=limits.gain_v,
                offset_v_v=limits.offset_v,
            )
            for name, limits in accuracy.ranges.items()
        },
        timebase_ppm=accuracy.timebase_ppm,
        source=accuracy.source,
        date=accuracy.date or "",
        note=accuracy.note or "",
        power=None
        if accuracy.power is None
        else protocol.PowerAccuracy(gain_p=accuracy.power.gain, offset_p_w=accuracy.power.offset),
    )
