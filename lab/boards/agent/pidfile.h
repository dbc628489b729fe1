/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One agent to a folder. `agent.pid` there is locked (flock) by the agent that lives, and says PID, START and MARK, the
 * last being what all its programs have in their environment. A new agent ends the one that it finds, with all its
 * programs, also if that one was killed and only the programs are left.
 */
#ifndef AGENT_PIDFILE_H
#define AGENT_PIDFILE_H

#include <stdbool.h>

/* Takes the folder over. False, with what went wrong in `problem`, if it cannot. */
bool pidfile_take(const char *folder, char *problem, int size);

/* Another agent was ended for it, or what one had left behind. */
bool pidfile_took_over(void);

/* The entry `LAB_AGENT=...` for the environment of this agent's programs. */
const char *pidfile_mark(void);

/* Removes the file and gives the folder up. */
void pidfile_release(void);

#endif
