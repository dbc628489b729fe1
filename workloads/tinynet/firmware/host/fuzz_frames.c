/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds both frame parsers of the firmware at random: garbage, whole frames with any contents, frames cut, damaged and
 * run into each other. After every round a sound frame must be understood. Memory checks are the compiler's
 * (make SANITIZE=1). The same seed gives the same bytes.
 *
 *   fuzz_frames SEED ROUNDS
 *
 * Exit code 0; 1 where a parser did not come back, which is said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serial_protocol.h"
#include "study_frames.h"

enum { IMAGE = 49, INPUT = 37, OUTPUT = 5, MOST_RUNS = 20, LONGEST = 2048 };

static uint64_t state;

static uint32_t chance(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 11) % below);
}

/* --------------------------------------------------------------------------------------- the firmware around the core */

static uint8_t *input, output[OUTPUT];
static uint8_t line[LONGEST];
static uint32_t line_in, line_out, sent, runs;
static uint8_t answers[LONGEST];
static uint8_t session, sequence; /* of the last hello; the last request's */

SerialFirmware firmware = {.clock_hz = 1000000, .tick_hz = 1000000, .tick_bits = 16, .input_type = SERIAL_I8,
                           .output_type = SERIAL_I8, .input_bytes = INPUT, .output_bytes = OUTPUT, .output = output};

static uint32_t put_frame(uint8_t *to, const uint8_t *frame, uint32_t count);

static uint32_t put_hello(uint8_t *to, uint8_t mark)
{
    session = sequence = mark;
    uint8_t hello[] = {SERIAL_PROTOCOL_VERSION, 1, mark, mark, mark, 2, 3, 4, 254};
    return put_frame(to, hello, sizeof hello);
}

bool firmware_receive(uint8_t *byte)
{
    /* A run that would never end is ended as a host would: by a hello. */
    if (runs > MOST_RUNS && line_out == line_in) {
        line_out = 0;
        line_in = put_hello(line, 77);
        runs = 0;
    }
    if (line_out == line_in)
        return false;
    *byte = line[line_out++];
    return true;
}

void firmware_send(uint8_t byte)
{
    answers[sent++ % LONGEST] = byte;
}

uint32_t firmware_ticks(void)
{
    return chance(65536);
}

void firmware_window(bool open)
{
    (void)open;
}

uint8_t firmware_infer(void)
{
    runs++;
    output[chance(OUTPUT)] ^= (uint8_t)chance(256);
    if (chance(50) == 0)
        input[chance(INPUT)] ^= 1;
    return chance(50) == 0 ? (uint8_t)(1 + chance(127)) : 0;
}

uint8_t firmware_text(uint8_t item, char *text, uint8_t room)
{
    uint8_t length = (uint8_t)chance((uint32_t)room + 1);
    memset(text, item, length);
    return length;
}

void firmware_memory(SerialMemory *memory)
{
    memory->data = chance(1000);
}

/* ------------------------------------------------------------------------------------------------------------- frames */

static uint32_t put_frame(uint8_t *to, const uint8_t *frame, uint32_t count)
{
    uint8_t whole[256 + 2];
    uint16_t crc = 0xffff;
    uint32_t at = 0, begin = 0;
    for (uint32_t i = 0; i < count; i++)
        crc = serial_crc16(crc, frame[i]);
    memcpy(whole, frame, count);
    whole[count++] = (uint8_t)crc;
    whole[count++] = (uint8_t)(crc >> 8);
    to[at++] = 0;
    for (;;) {
        uint32_t end = begin;
        while (end < count && whole[end] != 0)
            end++;
        to[at++] = (uint8_t)(end - begin + 1);
        while (begin < end)
            to[at++] = whole[begin++];
        if (end == count)
            break;
        begin++;
    }
    to[at++] = 0;
    return at;
}

/* A request with any contents, its checksum right: it gets behind the checks. */
static uint32_t put_request(uint8_t *to)
{
    uint8_t frame[252];
    uint32_t count = 4 + chance(chance(4) ? 24 : sizeof frame - 4 + 1);
    for (uint32_t i = 0; i < count; i++)
        frame[i] = (uint8_t)(chance(3) ? chance(256) : chance(8));
    frame[0] = chance(20) ? SERIAL_PROTOCOL_VERSION : (uint8_t)chance(256);
    frame[1] = (uint8_t)(chance(20) ? 1 + chance(8) : chance(256));
    frame[2] = chance(8) ? session : frame[2];
    frame[3] = chance(8) ? ++sequence : frame[3];
    if (frame[1] == 5 && count >= 21 && chance(2)) {
        uint32_t crc = serial_crc32(input, INPUT);
        for (uint32_t i = 0; i < 4; i++)
            frame[17 + i] = (uint8_t)(crc >> (8 * i));
    }
    /* Small numbers where offsets and counts lie: at the limits, not far beyond them. */
    if ((frame[1] == 4 || frame[1] == 6) && count >= 10 && chance(4)) {
        uint32_t at = frame[1] == 4 ? 4 : 5;
        memset(frame + at, 0, 4);
        frame[at] = (uint8_t)chance(INPUT + 3);
        frame[9] = (uint8_t)chance(256);
    }
    return put_frame(to, frame, count);
}

static uint32_t damage(uint8_t *bytes, uint32_t count)
{
    for (uint32_t times = chance(3); times > 0 && count > 0; times--)
        bytes[chance(count)] = (uint8_t)chance(256);
    return chance(4) ? count : chance(count + 1);
}

static bool answered(uint8_t mark)
{
    uint8_t wanted[] = {SERIAL_PROTOCOL_VERSION, 0x81, mark, mark, mark, 2, 3, 4};
    for (uint32_t i = 0; i + sizeof wanted <= sent && i + sizeof wanted <= LONGEST; i++)
        if (memcmp(answers + i, wanted, sizeof wanted) == 0)
            return true;
    return false;
}

static bool round_of_core(uint32_t number)
{
    uint8_t mark = (uint8_t)(1 + number % 200);
    line_in = line_out = sent = runs = 0;
    for (uint32_t pieces = 1 + chance(3); pieces > 0; pieces--) {
        uint32_t count = 0, begin = line_in;
        if (chance(5) == 0)
            while (count < 300 && chance(100))
                line[begin + count++] = (uint8_t)chance(256);
        else
            count = put_request(line + begin);
        line_in += chance(3) ? count : damage(line + begin, count);
    }
    serial_protocol_poll();
    line_out = sent = runs = 0;
    line_in = put_hello(line, mark);
    serial_protocol_poll();
    return answered(mark);
}

static bool round_of_study(StudyFrames *frames)
{
    uint8_t bytes[3 * (IMAGE + 8)], sound[IMAGE];
    uint32_t count = 0;
    for (uint32_t pieces = 1 + chance(3); pieces > 0; pieces--) {
        uint32_t begin = count;
        bytes[count++] = STUDY_BEGIN;
        uint8_t kind = (uint8_t)(chance(10) ? chance(2) : chance(256));
        bytes[count++] = kind;
        for (uint32_t i = IMAGE + chance(3); i > 1; i--)
            bytes[count++] = (uint8_t)(chance(400) ? chance(kind == STUDY_DENSE ? 32 : 64) : chance(70));
        bytes[count++] = STUDY_END;
        count = begin + damage(bytes + begin, count - begin);
    }
    for (uint32_t i = 0; i < count; i++)
        if (study_take(frames, bytes[i]))
            for (uint32_t at = 0; at < IMAGE; at++)
                if (frames->image[at] > (frames->kind == STUDY_DENSE ? 31 : 63))
                    return false;
    uint8_t kind = (uint8_t)chance(2);
    if (study_take(frames, STUDY_BEGIN) || study_take(frames, kind))
        return false;
    for (uint32_t at = 0; at < IMAGE; at++) {
        sound[at] = (uint8_t)chance(32);
        if (study_take(frames, sound[at]))
            return false;
    }
    return study_take(frames, STUDY_END) && frames->kind == kind && memcmp(frames->image, sound, IMAGE) == 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: fuzz_frames SEED ROUNDS\n");
        return 2;
    }
    state = strtoull(argv[1], NULL, 10) * 2654435761u + 88172645463325252u;
    /* Of their exact sizes on the heap: one byte beyond is seen. */
    StudyFrames frames;
    uint8_t *image = malloc(IMAGE);
    input = calloc(INPUT, 1);
    if (image == NULL || input == NULL)
        return 2;
    firmware.input = input;
    study_begin(&frames, image, IMAGE);
    serial_protocol_reset();
    for (uint32_t number = 0; number < (uint32_t)strtoul(argv[2], NULL, 10); number++) {
        if (!round_of_core(number) || !round_of_study(&frames)) {
            printf("round %u: a sound frame was not understood\n", number);
            return 1;
        }
    }
    free(image);
    free(input);
    return 0;
}
