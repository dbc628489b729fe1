/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For whoever measures the program from outside: instants of this machine's CLOCK_MONOTONIC_RAW (LAB_MARKS names a file
 * for them), and a word before and after what is to be measured (LAB_WINDOW names two pipes for it). Without these in
 * the environment nothing is written anywhere.
 */
#ifndef HDRNN_MARKS_H
#define HDRNN_MARKS_H

#include <stdbool.h>

#include "error.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Keeps the instant. `name` must outlive marks_save. */
void mark(const char *name);

/*
 * Opens and closes the window: says so on the pipe, waits until whoever reads it is ready, and marks window_begin right
 * after that, window_end right before. LAB_WINDOW is `CONTROL,ACKNOWLEDGE`; `enable\n` or `disable\n` is written to the
 * first, a line that begins with `ack` comes from the second: what `perf stat --control fifo:CONTROL,ACKNOWLEDGE`
 * understands.
 *
 * Waiting is bounded (10 s), and no answer is an error: whoever was to answer may be gone, then nobody would ever end
 * the program; and going on unwatched would leave counts of nothing that look like counts.
 */
bool window_open(Error *error);
bool window_close(Error *error);

/* Appends lines `NAME NANOSECONDS` to the file that LAB_MARKS names, if it names one. */
bool marks_save(Error *error);

#ifdef __cplusplus
}
#endif

#endif
