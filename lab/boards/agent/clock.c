/* SPDX-License-Identifier: Apache-2.0 */
#include "clock.h"

#include <stdbool.h>
#include <time.h>

static struct {
    bool on;
    int64_t from_ns;
    int64_t offset_ns;
    double rate;
} skew;

static int64_t read_ns(clockid_t id)
{
    struct timespec time;
    if (clock_gettime(id, &time) != 0)
        return 0;
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

int64_t clock_raw_ns(void)
{
    int64_t raw = read_ns(CLOCK_MONOTONIC_RAW);
    if (skew.on)
        raw += skew.offset_ns + (int64_t)((double)(raw - skew.from_ns) * skew.rate);
    return raw;
}

int64_t clock_now_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_resolution_ns(void)
{
    struct timespec step;
    if (clock_getres(CLOCK_MONOTONIC_RAW, &step) != 0)
        return 0;
    return (int64_t)step.tv_sec * 1000000000 + step.tv_nsec;
}

int64_t clock_skew(int64_t offset_ns, double ppm)
{
    skew.from_ns = read_ns(CLOCK_MONOTONIC_RAW);
    skew.offset_ns = offset_ns;
    skew.rate = ppm * 1e-6;
    skew.on = true;
    return skew.from_ns;
}
