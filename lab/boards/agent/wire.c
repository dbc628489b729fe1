/* SPDX-License-Identifier: Apache-2.0 */
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum {
    LONGEST_LINE = 1 << 20,
    MOST_FIELDS = 1 << 15,
    LONGEST_ANSWER = 16384,
    ROOM = 1 << 17,
    PATIENCE_MS = 200,
};

/* Only the pages that are used count as memory. */
static struct {
    char bytes[LONGEST_LINE];
    size_t used;
    size_t taken;   /* of these, bytes of lines already given */
    size_t scanned; /* behind them, bytes known to hold no end of a line */
    bool skipping;  /* the rest of a line that was too long */
} in;

static struct {
    char bytes[ROOM];
    size_t used;
    bool lost;
} out;

static struct {
    char bytes[LONGEST_ANSWER];
    size_t used;
} answer;

static Field fields[MOST_FIELDS];
static struct termios terminal;
static bool was_terminal;
static int flags_before[2] = {-1, -1};

void wire_open(void)
{
    /* Both are looked at first: they may be one and the same. */
    for (int fd = 0; fd < 2; fd++)
        flags_before[fd] = fcntl(fd, F_GETFL);
    for (int fd = 0; fd < 2; fd++)
        if (flags_before[fd] >= 0)
            fcntl(fd, F_SETFL, flags_before[fd] | O_NONBLOCK);
    was_terminal = tcgetattr(STDIN_FILENO, &terminal) == 0;
    if (was_terminal) {
        struct termios raw = terminal;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
}

void wire_close(void)
{
    struct pollfd writable = {.fd = STDOUT_FILENO, .events = POLLOUT};
    while (wire_is_waiting() && poll(&writable, 1, PATIENCE_MS) > 0 && wire_flush())
        ;
    if (was_terminal)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal);
    for (int fd = 0; fd < 2; fd++)
        if (flags_before[fd] >= 0)
            fcntl(fd, F_SETFL, flags_before[fd]);
}

static uint32_t crc32(const char *bytes, size_t length)
{
    static uint32_t table[256];
    if (table[1] == 0)
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++)
                value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320u : 0u);
            table[i] = value;
        }
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < length; i++)
        crc = (crc >> 8) ^ table[(crc ^ (unsigned char)bytes[i]) & 0xffu];
    return crc ^ 0xffffffffu;
}

/* ------------------------------------------------------------------------------------------------------- reading */

bool wire_read(void)
{
    if (in.taken > 0) {
        memmove(in.bytes, in.bytes + in.taken, in.used - in.taken);
        in.used -= in.taken;
        in.taken = 0;
    }
    if (in.used == sizeof in.bytes)
        return true;
    ssize_t got = read(STDIN_FILENO, in.bytes + in.used, sizeof in.bytes - in.used);
    if (got > 0) {
        in.used += (size_t)got;
        return true;
    }
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

bool wire_has_lines(void)
{
    return in.used > in.taken + in.scanned;
}

static int hexadecimal(char letter)
{
    if (letter >= '0' && letter <= '9')
        return letter - '0';
    if (letter >= 'a' && letter <= 'f')
        return letter - 'a' + 10;
    if (letter >= 'A' && letter <= 'F')
        return letter - 'A' + 10;
    return -1;
}

/* In place. False for anything that is not as said above, and for a zero byte. */
static bool decode(char *text)
{
    char *to = text;
    for (const char *from = text; *from != '\0'; from++) {
        if (*from < '!' || *from > '~')
            return false;
        if (*from != '%') {
            *to++ = *from;
            continue;
        }
        int high = hexadecimal(from[1]);
        int low = high < 0 ? -1 : hexadecimal(from[2]);
        if (low < 0 || high * 16 + low == 0)
            return false;
        *to++ = (char)(high * 16 + low);
        from += 2;
    }
    *to = '\0';
    return true;
}

static bool whole_number(const char *text, uint64_t *number)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 19 || text[digits] != '\0')
        return false;
    *number = strtoull(text, NULL, 10);
    return true;
}

/* Takes off a checksum: 1 if it is right, 0 if there is none, -1 if it is wrong. */
static int take_checksum(char *line, size_t *length)
{
    enum { TAIL = 10 };
    if (*length < TAIL + 1 || line[*length - TAIL] != ' ' || line[*length - TAIL + 1] != '*')
        return 0;
    char wanted[TAIL];
    snprintf(wanted, sizeof wanted, "%08" PRIx32, crc32(line, *length - TAIL));
    if (memcmp(line + *length - 8, wanted, 8) != 0)
        return -1;
    *length -= TAIL;
    line[*length] = '\0';
    return 1;
}

static char *next_word(char **rest)
{
    char *word = *rest;
    char *space = strchr(word, ' ');
    if (space == NULL) {
        *rest = word + strlen(word);
    } else {
        *space = '\0';
        *rest = space + 1;
    }
    return word;
}

static const char *parse(char *line, size_t length, Message *message)
{
    *message = (Message){.verb = "", .fields = fields};
    if (memchr(line, '\0', length) != NULL)
        return "it holds a zero byte";
    int checksum = take_checksum(line, &length);
    char *rest = line;
    message->verb = next_word(&rest);
    uint64_t sequence = 0;
    bool numbered = whole_number(next_word(&rest), &sequence);
    if (checksum < 0)
        return "its checksum is wrong"; /* and so may be its number */
    if (!numbered)
        return "it has no number";
    message->sequence = sequence;
    message->checked = checksum > 0;
    while (*rest != '\0') {
        char *word = next_word(&rest);
        char *equals = strchr(word, '=');
        if (equals == NULL || equals == word)
            return "there is a word without a key";
        *equals = '\0';
        if (!decode(equals + 1))
            return "a value is not encoded as it should be";
        if (message->count == MOST_FIELDS)
            return "it has too many words";
        fields[message->count++] = (Field){word, equals + 1};
    }
    return NULL;
}

bool wire_next(Message *message)
{
    while (wire_has_room()) {
        char *line = in.bytes + in.taken;
        size_t there = in.used - in.taken;
        char *end = there > in.scanned ? memchr(line + in.scanned, '\n', there - in.scanned) : NULL;
        if (end == NULL) {
            in.scanned = there;
            if (there == sizeof in.bytes) {
                if (!in.skipping)
                    say_error(0, "malformed", "a line is longer than %d bytes", LONGEST_LINE);
                in.skipping = true;
                in.used = in.taken = in.scanned = 0;
            }
            return false;
        }
        in.scanned = 0;
        in.taken += (size_t)(end - line) + 1;
        if (in.skipping) {
            in.skipping = false;
            continue;
        }
        if (end > line && end[-1] == '\r')
            end--;
        if (end == line)
            continue;
        *end = '\0';
        const char *wrong = parse(line, (size_t)(end - line), message);
        if (wrong == NULL)
            return true;
        say_error(message->sequence, "malformed", "a line was not understood: %s", wrong);
    }
    return false;
}

const char *wire_each(const Message *message, const char *key, size_t *index)
{
    while (*index < message->count) {
        const Field *field = &message->fields[(*index)++];
        if (strcmp(field->key, key) == 0)
            return field->value;
    }
    return NULL;
}

const char *wire_value(const Message *message, const char *key)
{
    size_t index = 0;
    return wire_each(message, key, &index);
}

bool wire_number(const Message *message, const char *key, int64_t least, int64_t most, int64_t missing,
                 int64_t *number)
{
    const char *value = wire_value(message, key);
    *number = missing;
    if (value == NULL)
        return true;
    bool negative = value[0] == '-';
    uint64_t size;
    if (!whole_number(value + (negative ? 1 : 0), &size) || size > INT64_MAX)
        return false;
    *number = negative ? -(int64_t)size : (int64_t)size;
    return *number >= least && *number <= most;
}

/* ------------------------------------------------------------------------------------------------------- writing */

static void put(const char *bytes, size_t length)
{
    size_t room = sizeof answer.bytes - answer.used;
    memcpy(answer.bytes + answer.used, bytes, length < room ? length : room);
    answer.used += length < room ? length : room;
}

static void put_string(const char *text)
{
    put(text, strlen(text));
}

void say_begin(const char *verb, uint64_t sequence)
{
    char number[32];
    answer.used = 0;
    put_string(verb);
    snprintf(number, sizeof number, " %" PRIu64, sequence);
    put_string(number);
}

void say_text(const char *key, const char *value)
{
    put_string(" ");
    put_string(key);
    put_string("=");
    for (const char *letter = value; *letter != '\0'; letter++) {
        if (*letter > ' ' && *letter <= '~' && *letter != '%') {
            put(letter, 1);
        } else {
            char encoded[4];
            snprintf(encoded, sizeof encoded, "%%%02x", (unsigned char)*letter);
            put(encoded, 3);
        }
    }
}

void say_number(const char *key, int64_t value)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRId64, value);
    say_text(key, number);
}

void say_unsigned(const char *key, uint64_t value)
{
    char number[32];
    snprintf(number, sizeof number, "%" PRIu64, value);
    say_text(key, number);
}

void say_end(void)
{
    char tail[16];
    int length = snprintf(tail, sizeof tail, " *%08" PRIx32 "\n", crc32(answer.bytes, answer.used));
    size_t whole = answer.used + (size_t)length;
    if (whole > sizeof out.bytes - out.used) {
        out.lost = true; /* nobody has read for very long */
        return;
    }
    memcpy(out.bytes + out.used, answer.bytes, answer.used);
    memcpy(out.bytes + out.used + answer.used, tail, (size_t)length);
    out.used += whole;
    wire_flush();
}

void say_error(uint64_t sequence, const char *code, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    say_begin("error", sequence);
    say_text("code", code);
    say_text("text", text);
    say_end();
}

bool wire_is_waiting(void)
{
    return out.used > 0 && !out.lost;
}

bool wire_has_room(void)
{
    return out.used < ROOM / 2;
}

bool wire_flush(void)
{
    while (out.used > 0 && !out.lost) {
        ssize_t written = write(STDOUT_FILENO, out.bytes, out.used);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && errno == EAGAIN)
            break;
        if (written < 0) {
            out.lost = true;
            break;
        }
        memmove(out.bytes, out.bytes + written, out.used - (size_t)written);
        out.used -= (size_t)written;
    }
    return !out.lost;
}
