/* SPDX-License-Identifier: Apache-2.0 */
/* A decoder of gzip files (RFC 1952, RFC 1951): boards do not always have zlib. */
#ifndef HDRNN_INFLATE_H
#define HDRNN_INFLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Takes the next bytes of a stream. Returns false, with the message in `error`, to end the reading. */
typedef bool (*ByteSink)(void *context, const unsigned char *bytes, size_t count, Error *error);

/*
 * Reads a gzip file (all its members, to the end of the file) and hands what it holds to `sink`, at most 32 KiB at a
 * time. Checksums and lengths are checked. `name` stands in the messages.
 */
bool gunzip(FILE *file, const char *name, ByteSink sink, void *context, Error *error);

#ifdef __cplusplus
}
#endif

#endif
