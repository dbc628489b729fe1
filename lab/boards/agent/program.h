/* SPDX-License-Identifier: Apache-2.0 */
/* The one program that the agent runs at a time, and all that descend from it. */
#ifndef AGENT_PROGRAM_H
#define AGENT_PROGRAM_H

#include <stdbool.h>

#include "wire.h"

/* Takes a `run` message: starts the program, or answers with an error. */
void program_run(const Message *message);

bool program_is_running(void);

/* Asks it and all its descendants to end; they are made to, two seconds later. `cause` goes into the answer. */
void program_stop(const char *cause);

/* SIGCHLD came: takes in whoever ended, and tells the host if that was the program. */
void program_reap(void);

/* Does what is due at this time: the deadline, the end of patience, a look at the lengths of the outputs. Returns for
   how many nanoseconds nothing will be, -1 for ever. */
long long program_due(void);

#endif
