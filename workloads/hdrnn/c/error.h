/* SPDX-License-Identifier: Apache-2.0 */
/* One clear line about what went wrong, handed up to the caller. */
#ifndef HDRNN_ERROR_H
#define HDRNN_ERROR_H

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
    char text[512];
    bool memory; /* true if memory was lacking: nothing is wrong with what the user gave */
} Error;

/* Writes the message and returns false, so that a failing function can end with `return fail(error, ...)`. */
bool fail(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same where memory is lacking; `format` says for what: "not enough memory for %zu parameters". */
bool fail_memory(Error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
