/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The line protocol: a message is one line,
 *
 *     VERB SEQUENCE KEY=VALUE KEY=VALUE ... *CHECKSUM
 *
 * words with single spaces between them. SEQUENCE is a whole number of the host's choice that the answer bears too.
 * Bytes of a VALUE other than printable ASCII, and `%`, are written as `%` and two hexadecimal digits. CHECKSUM is the
 * CRC-32 (that of zlib) of all before the space in front of `*`, in eight lower-case hexadecimal digits. The agent
 * always writes it; the host may leave it out but with `run`.
 */
#ifndef AGENT_WIRE_H
#define AGENT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    const char *key;
    const char *value; /* decoded; holds no zero byte */
} Field;

typedef struct {
    const char *verb;
    uint64_t sequence; /* 0 where it could not be read */
    bool checked;      /* it bore a checksum, and that was right */
    const Field *fields;
    size_t count;
} Message;

/* Takes over standard input and output: not blocking, and raw where they are a terminal. */
void wire_open(void);

/* Writes what is left for a moment, and gives both back as they were. */
void wire_close(void);

/* Reads what there is. False at the end of the input. */
bool wire_read(void);

/* The next whole line, parsed; false if there is none, or no room for an answer. Wrong ones are answered here. */
bool wire_next(Message *message);

/* The first value of that key, or NULL. */
const char *wire_value(const Message *message, const char *key);

/* The next value of that key at or behind *index, which is moved behind it; NULL if there is none. */
const char *wire_each(const Message *message, const char *key, size_t *index);

/* A value as a whole number within limits; `missing` without the key. False if it is anything else. */
bool wire_number(const Message *message, const char *key, int64_t least, int64_t most, int64_t missing,
                 int64_t *number);

/* Composing an answer: begin, any number of values, end (which sends it). */
void say_begin(const char *verb, uint64_t sequence);
void say_text(const char *key, const char *value);
void say_number(const char *key, int64_t value);
void say_unsigned(const char *key, uint64_t value);
void say_end(void);

/* `error SEQUENCE code=... text=...`. */
void say_error(uint64_t sequence, const char *code, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Something waits to be written, and writing it on. False if nobody reads any more. */
bool wire_is_waiting(void);
bool wire_flush(void);

/* There is room for the answer to another message. */
bool wire_has_room(void);

/* Lines have been read that wire_next has not given yet. */
bool wire_has_lines(void);

#endif
