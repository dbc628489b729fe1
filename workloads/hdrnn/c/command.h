/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line of the compiled programs of this workload, whatever computes: `train`, `infer`, their options, files,
 * messages, JSON and exit codes. Exit codes: 0 done, 2 wrong arguments or files, 1 anything else (no memory, a full
 * disk, a loss that is no number).
 */
#ifndef HDRNN_COMMAND_H
#define HDRNN_COMMAND_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What main() is to return. */
int command_run(int count, char **arguments, const Engine *engine);

#ifdef __cplusplus
}
#endif

#endif
