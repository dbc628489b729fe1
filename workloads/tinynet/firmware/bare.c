/* SPDX-License-Identifier: Apache-2.0 */
/* For tests and benchmarks: takes the bytes of an input, gives the bytes of an output; the pin is up while it computes. */
#include "board.h"
#include "network.h"

static int8_t input[TN_INPUT_BYTES], output[TN_OUTPUT_BYTES];

int main(void)
{
    board_start();
    for (;;) {
        uint8_t byte;
        for (uint16_t at = 0; at < TN_INPUT_BYTES; at++) {
            while (!board_receive(&byte))
                ;
            input[at] = (int8_t)byte;
        }
        board_window(true);
        tn_infer(input, output);
        board_window(false);
        for (uint16_t at = 0; at < TN_OUTPUT_BYTES; at++)
            board_send((uint8_t)output[at]);
    }
}
