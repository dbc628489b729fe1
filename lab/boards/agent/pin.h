/* SPDX-License-Identifier: Apache-2.0 */
/* One line of a GPIO chip as an output, through the kernel's character device (version 2, from Linux 5.10 on). */
#ifndef AGENT_PIN_H
#define AGENT_PIN_H

#include <stdbool.h>

/* Requests it as an output, low. The descriptor, or -1 with what went wrong in `problem`. */
int pin_open(const char *device, unsigned line, char *problem, int size);

/* False, with errno, if it does not obey. */
bool pin_set(int pin, bool high);

/* Low, and given back. */
void pin_close(int pin);

#endif
