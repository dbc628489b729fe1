/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instants of this machine's CLOCK_MONOTONIC_RAW, for whoever measures the program's power meanwhile. Without LAB_MARKS
 * in the environment nothing is written.
 */
#ifndef HDRNN_MARKS_H
#define HDRNN_MARKS_H

#include <stdbool.h>

#include "error.h"

/* Keeps the instant. `name` must outlive marks_save. */
void mark(const char *name);

/* Appends lines `NAME NANOSECONDS` to the file that LAB_MARKS names, if it names one. */
bool marks_save(Error *error);

#endif
