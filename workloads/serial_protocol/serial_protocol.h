/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware's side of the lab's serial protocol: requests come in frames, each is answered, nothing is sent unasked.
 * C99, no heap, no floating point; two frame buffers and one number per kept inference are all the memory it takes.
 * README.md describes the bytes.
 *
 * The core (serial_protocol.c) asks the firmware for what it needs through the functions firmware_*, which the firmware
 * defines. The firmware's main loop calls serial_protocol_poll() for ever.
 */
#ifndef SERIAL_PROTOCOL_H
#define SERIAL_PROTOCOL_H

#include <stdbool.h>
#include <stdint.h>

#define SERIAL_PROTOCOL_VERSION 1

/* Longest frame, header and checksum included, before stuffing: 64 to 254. */
#ifndef SERIAL_FRAME_LIMIT
#define SERIAL_FRAME_LIMIT 128
#endif

/* Of so many inferences of a run the single durations are kept, four bytes each: 1 to 16383. */
#ifndef SERIAL_TICK_SLOTS
#define SERIAL_TICK_SLOTS 32
#endif

enum { SERIAL_U8, SERIAL_I8, SERIAL_U16, SERIAL_I16, SERIAL_I32, SERIAL_F32 }; /* types of the network's numbers */
enum { SERIAL_TEXT_FIRMWARE, SERIAL_TEXT_VERSION, SERIAL_TEXT_MCU, SERIAL_TEXT_MODEL, SERIAL_TEXT_BUILD };

#define SERIAL_TEXT_FAILURE 0x80 /* + what firmware_infer() returned: the text of that failure */
#define SERIAL_UNKNOWN 0xffffffffu

/* What the firmware is. */
typedef struct {
    uint32_t clock_hz;      /* the core's */
    uint32_t tick_hz;       /* what firmware_ticks() counts in a second */
    uint8_t tick_bits;      /* 8 to 32: so many of its bits count; then it begins again at 0 */
    uint8_t input_type, output_type;
    uint32_t input_bytes, output_bytes;
    uint8_t *input;         /* filled by the host */
    const uint8_t *output;  /* filled by firmware_infer() */
    uint8_t model_hash[8];  /* of the network, so that a record can say which one ran */
} SerialFirmware;

/* Bytes; SERIAL_UNKNOWN where nobody knows. */
typedef struct {
    uint32_t flash, data, stack_peak, unused;
} SerialMemory;

extern SerialFirmware firmware;

/* A byte that came, if one did. Never waits. */
bool firmware_receive(uint8_t *byte);

/* Send a byte; waits until it can. */
void firmware_send(uint8_t byte);

/* The counter of time. An inference must take less than its whole range, or its duration is wrong. */
uint32_t firmware_ticks(void);

/* Raise or lower the pin that says that inferences are measured. */
void firmware_window(bool open);

/* One inference from `input` to `output`; leaves `input` as it is. 0, or what went wrong: 1 to 127. */
uint8_t firmware_infer(void);

/* Write a text (SERIAL_TEXT_...) without a final zero; returns its length, at most `room`. 0: none. */
uint8_t firmware_text(uint8_t item, char *text, uint8_t room);

/* Say how much memory is used. */
void firmware_memory(SerialMemory *memory);

/* Deal with every byte that has come. */
void serial_protocol_poll(void);

/* Forget everything: as after a reset. */
void serial_protocol_reset(void);

/* Parts of the protocol that are of use elsewhere. CRC-16/CCITT-FALSE begins with 0xffff; CRC-32 as in zlib, whole. */
uint16_t serial_crc16(uint16_t crc, uint8_t byte);
uint32_t serial_crc32(const uint8_t *bytes, uint32_t count);

#endif
