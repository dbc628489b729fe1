/* SPDX-License-Identifier: Apache-2.0
 *
 * The other end of the pipes by which a program says that its window opens and closes (LAB_WINDOW=CONTROL,ACKNOWLEDGE,
 * the convention of perf's --control fifo:). The program waits for the answer, so nothing of its window is missed.
 */
#ifndef LAB_WINDOW_PIPES_H
#define LAB_WINDOW_PIPES_H

#include <stdbool.h>

/* Make the two pipes where they are not there, and answer in a thread until the process ends. *open is 1 while the
 * window is open; *openings says how often it was opened. False, with errno, if the pipes cannot be had. */
bool window_pipes_listen(const char *pipes, int *open, int *openings);

#endif
