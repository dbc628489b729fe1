/* SPDX-License-Identifier: Apache-2.0 */
/* The network behind the lab's framed protocol (../../serial_protocol): runs on request, durations, hash, memory. */
#include <avr/pgmspace.h>
#include <stddef.h>

#include "board.h"
#include "network.h"
#include "serial_protocol.h"

#ifndef BUILD_TEXT
#define BUILD_TEXT ""
#endif

static int8_t input[TN_INPUT_BYTES], output[TN_OUTPUT_BYTES];

SerialFirmware firmware = {
    .clock_hz = F_CPU, .tick_hz = F_CPU / BOARD_PRESCALER, .tick_bits = BOARD_TICK_BITS, .input_type = SERIAL_I8,
    .output_type = SERIAL_I8, .input_bytes = TN_INPUT_BYTES, .output_bytes = TN_OUTPUT_BYTES,
    .input = (uint8_t *)input, .output = (const uint8_t *)output, .model_hash = TN_MODEL_HASH,
};

bool firmware_receive(uint8_t *byte)
{
    return board_receive(byte);
}

void firmware_send(uint8_t byte)
{
    board_send(byte);
}

uint32_t firmware_ticks(void)
{
    return board_ticks();
}

void firmware_window(bool open)
{
    board_window(open);
}

uint8_t firmware_infer(void)
{
    board_inference(true);
    tn_infer(input, output);
    board_inference(false);
    return 0;
}

uint8_t firmware_text(uint8_t item, char *text, uint8_t room)
{
    static const char NAME[] PROGMEM = "tinynet", VERSION[] PROGMEM = "1.0", MODEL[] PROGMEM = TN_MODEL_NAME,
                      BUILD[] PROGMEM = "avr-gcc " __VERSION__ " " BUILD_TEXT;
    const char *said = item == SERIAL_TEXT_FIRMWARE  ? NAME
                       : item == SERIAL_TEXT_VERSION ? VERSION
                       : item == SERIAL_TEXT_MCU     ? BOARD_MCU
                       : item == SERIAL_TEXT_MODEL   ? MODEL
                       : item == SERIAL_TEXT_BUILD   ? BUILD
                                                     : NULL;
    uint8_t length = 0;
    if (said == NULL)
        return 0;
    while (length < room && (text[length] = (char)pgm_read_byte(said + length)) != 0)
        length++;
    return length;
}

void firmware_memory(SerialMemory *memory)
{
    board_memory(&memory->flash, &memory->data, &memory->stack_peak, &memory->unused);
}

int main(void)
{
    board_start();
    serial_protocol_reset();
    for (;;)
        serial_protocol_poll();
}
