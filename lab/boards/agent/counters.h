/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counting a program's events by perf_event_open(2): those of one group are on the PMU together or not at all. The
 * program's threads and children are counted with it; the kernel then reads no whole groups, so each event is read by
 * itself.
 */
#ifndef AGENT_COUNTERS_H
#define AGENT_COUNTERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MOST_EVENTS = 64 };

typedef struct {
    /* what is asked */
    char pmu[64]; /* a folder of /sys/bus/event_source/devices, or hardware, software, hw_cache, raw */
    uint64_t config;
    int64_t group;
    bool user;
    bool kernel;
    /* what became of it */
    int fd;
    bool leads;
    int error; /* errno, 0 if it counts */
    bool user_only;
    uint64_t value;
    uint64_t enabled_ns;
    uint64_t running_ns;
} Event;

/* Reads `GROUP,PMU,CONFIG,u|k|uk`. */
bool counters_parse(const char *text, Event *event);

/* Opens them on a process that waits to execute its program: to count from there on, or from counters_enable on.
   What cannot be counted has its error. */
void counters_open(Event *events, size_t count, pid_t pid, bool gated);

/* All of them together, as near to each other as system calls are. */
void counters_enable(const Event *events, size_t count);
void counters_disable(const Event *events, size_t count);

/* Reads and closes them. */
void counters_take(Event *events, size_t count);

/* Tries an event on the agent itself: 0, or errno. */
int counters_try(const char *pmu, uint64_t config, bool kernel);

#endif
