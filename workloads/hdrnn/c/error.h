/* SPDX-License-Identifier: Apache-2.0 */
/* One clear line about what went wrong, handed up to the caller. */
#ifndef HDRNN_ERROR_H
#define HDRNN_ERROR_H

#include <stdbool.h>

typedef struct {
    char text[512];
} Error;

/* Writes the message and returns false, so that a failing function can end with `return fail(error, ...)`. */
bool fail(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
