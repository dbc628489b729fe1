/* SPDX-License-Identifier: Apache-2.0 */
/* hdrnn in plain C: trains a fully connected network to read handwritten digits, and names the digit on one image. */
#include "command.h"
#include "kernel.h"
#include "train.h"

int main(int count, char **arguments)
{
    Engine engine = C_ENGINE;
    engine.kernels = kernel_names();
    return command_run(count, arguments, &engine);
}
