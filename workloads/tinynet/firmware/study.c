/* SPDX-License-Identifier: Apache-2.0 */
/* The network behind the frames of the microcontroller study, its time in ticks of 1024 cycles counted in 16 bits. */
#include <avr/pgmspace.h>

#include "board.h"
#include "network.h"
#include "study_frames.h"
#include "study_inputs.h" /* written by tn.py firmware: what the network takes for each byte of a frame */

static int8_t input[TN_INPUT_BYTES], output[TN_OUTPUT_BYTES];

static uint8_t largest(void)
{
    uint8_t best = 0;
    for (uint8_t at = 1; at < TN_OUTPUT_BYTES; at++)
        if (output[at] > output[best])
            best = at;
    return best;
}

static void infer(uint8_t kind)
{
    uint8_t answer[STUDY_ANSWER_BYTES];
    for (uint16_t at = 0; at < TN_INPUT_BYTES; at++) {
        uint8_t byte = (uint8_t)input[at];
        input[at] = (int8_t)pgm_read_byte(kind == STUDY_DENSE ? &STUDY_DENSE_INPUTS[byte] : &STUDY_CONVOLUTION_INPUTS[byte]);
    }
    board_window(true);
    uint16_t begin = (uint16_t)board_ticks();
    tn_infer(input, output);
    uint16_t end = (uint16_t)board_ticks();
    board_window(false);
    study_answer(answer, largest(), (uint16_t)(end - begin));
    for (uint8_t at = 0; at < STUDY_ANSWER_BYTES; at++)
        board_send(answer[at]);
}

int main(void)
{
    StudyFrames frames;
    uint8_t byte;
    board_start();
    study_begin(&frames, (uint8_t *)input, TN_INPUT_BYTES);
    for (;;)
        if (board_receive(&byte) && study_take(&frames, byte))
            infer(frames.kind);
}
