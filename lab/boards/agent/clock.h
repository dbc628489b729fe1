/* SPDX-License-Identifier: Apache-2.0 */
/* The board's clocks, in nanoseconds. */
#ifndef AGENT_CLOCK_H
#define AGENT_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC_RAW, or what clock_skew made of it: for pings and marks. */
int64_t clock_raw_ns(void);

/* CLOCK_MONOTONIC, for lengths of time: deadlines and how long a program took. */
int64_t clock_now_ns(void);

/* The step of CLOCK_MONOTONIC_RAW. */
int64_t clock_resolution_ns(void);

/*
 * For checks of whoever compares clocks: from now on clock_raw_ns gives raw + offset + (raw - now)·ppm·1e-6, so that
 * offset and drift are known. Returns `now`.
 */
int64_t clock_skew(int64_t offset_ns, double ppm);

#endif
