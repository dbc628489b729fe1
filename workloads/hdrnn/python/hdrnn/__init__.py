# SPDX-License-Identifier: Apache-2.0
"""HDR-NN in Python: what its programs share (files, data, order, command line), whatever computes the training."""
