/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stretch of time that is measured: its pin, its marks, its counters. It opens and closes at the word of the
 * program, which writes `enable\n` and `disable\n` to a named pipe and waits for a line from another (the convention
 * of `perf stat --control fifo:CONTROL,ACKNOWLEDGE`), or spans the whole program.
 *
 * The counters are innermost and the pin outermost: pin up, mark, counters on; counters off, mark, pin down.
 */
#ifndef AGENT_WINDOW_H
#define AGENT_WINDOW_H

#include <stdbool.h>
#include <stddef.h>

#include "counters.h"

typedef struct {
    Event *events; /* those that the window starts and stops; none where they span the whole program */
    size_t count;
    int pin;       /* or -1 */
    bool keep_marks;
} WindowParts;

/* Forgets the last one. */
void window_prepare(const WindowParts *parts);

/* Makes the two pipes in the folder `workdir` (its descriptor) for a program that opens its window itself. 0, or
   errno. */
int window_make_pipes(int workdir);

/* The descriptor to wait for the program's words on; -1 where it has none to say. */
int window_control(void);

/* Takes the words that are there. */
void window_serve(void);

void window_open(void);
void window_close(void);
bool window_is_open(void);

/* How often it was opened. */
long window_count(void);

/* Words of the program that meant nothing. */
long window_strange_words(void);

/* errno of a pin that did not obey, or 0. */
int window_pin_error(void);

/* Marks that there was no room for. */
long window_lost_marks(void);

/* Appends the marks to a file, relative to `workdir`, if that is no longer than `size_before`: marks that the program
   wrote there itself are nearer to what it times. 0, or errno. */
int window_save_marks(int workdir, const char *path, long long size_before);

/* Closes the pipes and the pin. */
void window_end(void);

#endif
