/* SPDX-License-Identifier: Apache-2.0 */
#include "study_frames.h"

enum { WAITING, KIND_NEXT, IMAGE_NEXT };

void study_begin(StudyFrames *frames, uint8_t *image, uint16_t bytes)
{
    frames->image = image;
    frames->bytes = bytes;
    frames->taken = 0;
    frames->kind = STUDY_DENSE;
    frames->state = WAITING;
}

bool study_take(StudyFrames *frames, uint8_t byte)
{
    if (byte == STUDY_BEGIN) {
        frames->state = KIND_NEXT;
        frames->taken = 0;
        return false;
    }
    if (frames->state == KIND_NEXT) {
        frames->kind = byte;
        frames->state = byte <= STUDY_CONVOLUTION ? IMAGE_NEXT : WAITING;
        return false;
    }
    if (frames->state == WAITING)
        return false;
    if (byte == STUDY_END) {
        frames->state = WAITING;
        return frames->taken == frames->bytes;
    }
    if (frames->taken == frames->bytes || byte > (frames->kind == STUDY_DENSE ? 31 : 63))
        frames->state = WAITING;
    else
        frames->image[frames->taken++] = byte;
    return false;
}

void study_answer(uint8_t answer[STUDY_ANSWER_BYTES], uint8_t prediction, uint16_t ticks)
{
    answer[0] = STUDY_BEGIN;
    answer[1] = prediction;
    answer[2] = (uint8_t)(ticks >> 8);
    answer[3] = (uint8_t)ticks;
    answer[4] = STUDY_END;
}
