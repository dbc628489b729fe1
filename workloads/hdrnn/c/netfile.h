/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Network files (.nn), versions 1 and 2. Every number is little-endian; nothing is padded.
 *
 *   bytes  what
 *   8      "HDRNN", 0x0D, 0x0A, 0x1A
 *   4      version: 1 for single precision, 2 for double
 *   4      number of layers L, 1 to 16
 *   4      number of inputs
 *   4 × L  neurons of each layer, 1 to 65536
 *   4 × P  parameters, IEEE 754 binary32 (version 1) or binary64 (version 2: 8 × P), finite: for each layer its
 *          weights, row by row, one row per neuron with one weight per input, then its biases
 *   4      CRC-32 (as in gzip) of all bytes before
 *
 * Read as well: the files of the study's published programs, which hold no checksum and no sizes above 255:
 *
 *   1      7
 *   1      number of hidden layers H
 *   H      neurons of each hidden layer; inputs are 784, outputs 10
 *   4 × P  binary32: the biases of all layers, then the weights of all layers, row by row (C and NumPy)
 *
 * The published Eigen program writes the outputs' size, 10, after the hidden ones, and its weights column by column:
 * its files are one byte longer and known by that.
 */
#ifndef HDRNN_NETFILE_H
#define HDRNN_NETFILE_H

#include <stdbool.h>

#include "error.h"
#include "network.h"
#include "stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes version 1 or 2, by the network's precision. The file is written beside its place first, so that a file of that
 * name is either the old one or whole.
 */
bool netfile_write(const char *path, const Network *network, Error *error);

/*
 * Reads and checks a file of any version, with its parameters converted (rounded) to `precision`. Free the network with
 * network_free.
 */
bool netfile_read(const char *path, Precision precision, Network *network, Error *error);

/* The same within another file: of `length` bytes, beginning here, checksums of its own. Versions 1 and 2 only. */
void netfile_put(Stream *stream, const Network *network);
bool netfile_get(Stream *stream, uint64_t length, Precision precision, Network *network, Error *error);

/* How many bytes netfile_put writes. */
uint64_t netfile_length(const Network *network);

#ifdef __cplusplus
}
#endif

#endif
