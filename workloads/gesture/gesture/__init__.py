# SPDX-License-Identifier: Apache-2.0
"""Gestures from a hand to a microcontroller: a simulated sensor, capture over a serial line, training, small forms."""
