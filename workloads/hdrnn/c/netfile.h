/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network files (.nn), version 1. Every number is little-endian; nothing is padded.
 *
 *   bytes  what
 *   8      "HDRNN", 0x0D, 0x0A, 0x1A
 *   4      version, 1
 *   4      number of layers L, 1 to 16
 *   4      number of inputs
 *   4 × L  neurons of each layer, 1 to 65536
 *   4 × P  parameters, IEEE 754 binary32, finite: for each layer its weights, row by row, one row per neuron with one
 *          weight per input, then its biases
 *   4      CRC-32 (as in gzip) of all bytes before
 */
#ifndef HDRNN_NETFILE_H
#define HDRNN_NETFILE_H

#include <stdbool.h>

#include "error.h"
#include "network.h"

/* Writes the file beside its place first, so that a file of that name is either the old one or whole. */
bool netfile_write(const char *path, const Network *network, Error *error);

/* Reads and checks a file. Free the network with network_free. */
bool netfile_read(const char *path, Network *network, Error *error);

#endif
