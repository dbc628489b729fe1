/* SPDX-License-Identifier: Apache-2.0 */
/* hdrnn in C++ with Eigen: the common command line (../c/command.h) with the engine of this folder. */
#include "../c/command.h"
#include "engine.h"

int main(int count, char **arguments)
{
    return command_run(count, arguments, &eigen_engine);
}
