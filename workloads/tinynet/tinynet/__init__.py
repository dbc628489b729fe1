# SPDX-License-Identifier: Apache-2.0
"""Small networks: trained in NumPy, pruned, quantised to 8-bit integers, exported as C for microcontrollers."""
