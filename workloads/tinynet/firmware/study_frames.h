/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frames of the microcontroller study (H. O. Lofstad, A Study of Artificial Neural Networks on 8-bit
 * Microcontrollers, NTNU 2021), byte for byte:
 *
 *   host   0xAA, kind (0 dense, 1 convolution), an image's bytes, 0xAB
 *   board  0xAA, prediction, ticks (high byte, low byte), 0xAB
 *
 * An image's bytes are its pixels divided by 8 (kind 0: 0 to 31) or by 4 (kind 1: 0 to 63), so neither token is among
 * them. The published firmware writes whatever comes into its buffer until 0xAB does. This one takes 0xAA as the begin
 * of a frame wherever it stands, and drops a frame that is too short, too long, of another kind or holds a larger byte:
 * after garbage or half a frame the next whole one is understood.
 */
#ifndef STUDY_FRAMES_H
#define STUDY_FRAMES_H

#include <stdbool.h>
#include <stdint.h>

enum { STUDY_BEGIN = 0xaa, STUDY_END = 0xab, STUDY_DENSE = 0, STUDY_CONVOLUTION = 1, STUDY_ANSWER_BYTES = 5 };

typedef struct {
    uint8_t *image;  /* room for `bytes` */
    uint16_t bytes;
    uint16_t taken;
    uint8_t kind, state;
} StudyFrames;

void study_begin(StudyFrames *frames, uint8_t *image, uint16_t bytes);

/* Takes one byte; true where an image is complete in `image` and its kind in `kind`, until the next byte is taken. */
bool study_take(StudyFrames *frames, uint8_t byte);

void study_answer(uint8_t answer[STUDY_ANSWER_BYTES], uint8_t prediction, uint16_t ticks);

#endif
