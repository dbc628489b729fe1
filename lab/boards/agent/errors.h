/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AGENT_ERRORS_H
#define AGENT_ERRORS_H

/* The name of an errno (`ENOENT`), or `E` and its number where it has none here. */
const char *error_name(int number);

#endif
