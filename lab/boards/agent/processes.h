/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who descends from the agent, found in /proc. The agent is a "child subreaper" (prctl(2)): whoever loses its parent
 * becomes the agent's child, so leaving the session does not lead away from it, and no child left means nobody left.
 * Where the kernel knows no such thing (before Linux 3.4, and under qemu-user) those who lost their parents are found
 * by an entry of the environment that they were started with.
 */
#ifndef AGENT_PROCESSES_H
#define AGENT_PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>

/* Makes the agent the one whom orphans fall to. False if the kernel cannot. */
bool processes_adopt_orphans(void);

/* Sends a signal to every living descendant of the agent; `entry` is what is in their environment. */
void processes_signal_descendants(const char *entry, int number);

/* Reaps who has ended. True if there are descendants left. */
bool processes_are_left(const char *entry);

/* Sends a signal to every process that was started with this entry (`NAME=VALUE`) in its environment, but for the
   agent; 0 tries only. True if there was one. */
bool processes_signal_marked(const char *entry, int number);

/* When a process was started, in the kernel's ticks since the machine's start; 0 if it is not there. */
unsigned long long processes_start(pid_t pid);

#endif
