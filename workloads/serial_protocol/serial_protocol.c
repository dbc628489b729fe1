/* SPDX-License-Identifier: Apache-2.0 */
#include "serial_protocol.h"

#if SERIAL_FRAME_LIMIT < 64 || SERIAL_FRAME_LIMIT > 254
#error "SERIAL_FRAME_LIMIT must be 64 to 254: one block of the stuffing holds a frame"
#endif
#if SERIAL_TICK_SLOTS < 1 || SERIAL_TICK_SLOTS > 16383
#error "SERIAL_TICK_SLOTS must be 1 to 16383"
#endif

enum { HELLO = 0x01, TEXT, PING, WRITE, RUN, READ, MEMORY, STOP };
enum { ANSWER = 0x80, WORKING = 0x90, ERROR = 0xff };
enum { READ_OUTPUT, READ_TICKS };
enum { RUN_WINDOW = 0x01 };
enum { VERSION_AT, KIND_AT, SESSION_AT, SEQUENCE_AT, BODY_AT, CHECKSUM = 2 };

enum {
    ERROR_UNKNOWN_REQUEST = 1, ERROR_BAD_ARGUMENTS, ERROR_NO_SESSION, ERROR_BUSY, ERROR_INPUT_DIFFERS,
    ERROR_INPUT_CHANGED, ERROR_INFERENCE, ERROR_VERSION
};

/* Taking frames apart, byte by byte. */
static struct {
    uint8_t frame[SERIAL_FRAME_LIMIT];
    uint8_t length;
    uint8_t left;      /* bytes of this block that are still to come */
    bool zero_due;     /* a zero belongs before the next block */
    bool broken;       /* too long: wait for the next delimiter */
    bool complete;     /* a sound frame lies here, until the next byte is taken */
} in;

/* The answer that was made last: it is kept, and sent again where its request is repeated. */
static struct {
    uint8_t frame[SERIAL_FRAME_LIMIT];
    uint8_t length;
    uint8_t limit;
} out;

static struct {
    bool open;
    uint8_t id, sequence;
    uint16_t checksum; /* of the request that was answered last */
    bool answered;     /* `out` is its answer */
} session;

/* The run that was made last. */
static struct {
    uint32_t each[SERIAL_TICK_SLOTS];
    uint32_t done, least, most, begin, end;
    uint64_t total;
    uint16_t kept;
    bool going, stopped, frame_waits;
} run;

uint16_t serial_crc16(uint16_t crc, uint8_t byte)
{
    crc = (uint16_t)((crc >> 8) | (crc << 8));
    crc = (uint16_t)(crc ^ byte);
    crc = (uint16_t)(crc ^ ((crc & 0xff) >> 4));
    crc = (uint16_t)(crc ^ (uint16_t)(crc << 12));
    return (uint16_t)(crc ^ ((crc & 0xff) << 5));
}

uint32_t serial_crc32(const uint8_t *bytes, uint32_t count)
{
    uint32_t crc = 0xffffffffu;
    while (count-- > 0) {
        crc ^= *bytes++;
        for (uint8_t bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

/* ------------------------------------------------------------------------------------------------ making answers */

static void put8(uint8_t value)
{
    if (out.length < SERIAL_FRAME_LIMIT - CHECKSUM)
        out.frame[out.length++] = value;
}

static void put16(uint16_t value)
{
    put8((uint8_t)value);
    put8((uint8_t)(value >> 8));
}

static void put32(uint32_t value)
{
    put16((uint16_t)value);
    put16((uint16_t)(value >> 16));
}

static void put64(uint64_t value)
{
    put32((uint32_t)value);
    put32((uint32_t)(value >> 32));
}

static void begin_answer(uint8_t kind)
{
    out.length = 0;
    put8(SERIAL_PROTOCOL_VERSION);
    put8(kind);
    put8(in.frame[SESSION_AT]);
    put8(in.frame[SEQUENCE_AT]);
}

/* Between two delimiters, stuffed (COBS): no zero inside. A frame is never longer than one block. */
static void send_frame(void)
{
    uint8_t begin = 0;
    firmware_send(0);
    for (;;) {
        uint8_t end = begin;
        while (end < out.length && out.frame[end] != 0)
            end++;
        firmware_send((uint8_t)(end - begin + 1));
        while (begin < end)
            firmware_send(out.frame[begin++]);
        if (end == out.length)
            break;
        begin++;
    }
    firmware_send(0);
}

static void send_answer(void)
{
    uint16_t crc = 0xffff;
    for (uint8_t i = 0; i < out.length; i++)
        crc = serial_crc16(crc, out.frame[i]);
    out.frame[out.length++] = (uint8_t)crc;
    out.frame[out.length++] = (uint8_t)(crc >> 8);
    send_frame();
}

static uint8_t room(void)
{
    return (uint8_t)(out.limit - CHECKSUM - out.length);
}

static void add_text(uint8_t item)
{
    uint8_t length = firmware_text(item, (char *)&out.frame[out.length], room());
    out.length = (uint8_t)(out.length + (length <= room() ? length : 0));
}

static void make_error(uint8_t code)
{
    uint8_t kind = in.frame[KIND_AT];
    begin_answer(ERROR);
    put8(kind);
    put8(code);
}

/* ---------------------------------------------------------------------------------------------- taking requests */

static uint8_t body_length(void)
{
    return (uint8_t)(in.length - BODY_AT - CHECKSUM);
}

static uint8_t get8(uint8_t at)
{
    return in.frame[BODY_AT + at];
}

static uint32_t get32(uint8_t at)
{
    return (uint32_t)get8(at) | (uint32_t)get8((uint8_t)(at + 1)) << 8 | (uint32_t)get8((uint8_t)(at + 2)) << 16 |
           (uint32_t)get8((uint8_t)(at + 3)) << 24;
}

static uint64_t get64(uint8_t at)
{
    return (uint64_t)get32(at) | (uint64_t)get32((uint8_t)(at + 4)) << 32;
}

static uint16_t frame_checksum(void)
{
    return (uint16_t)(in.frame[in.length - 2] | (uint16_t)in.frame[in.length - 1] << 8);
}

static bool checksum_fits(void)
{
    uint16_t crc = 0xffff;
    for (uint8_t i = 0; i + CHECKSUM < in.length; i++)
        crc = serial_crc16(crc, in.frame[i]);
    return crc == frame_checksum();
}

/* Takes one byte; true when a sound frame is complete. */
static bool take(uint8_t byte)
{
    if (in.complete) {
        in.complete = false;
        in.length = 0;
    }
    if (byte == 0) {
        in.complete = !in.broken && in.left == 0 && in.length >= BODY_AT + CHECKSUM && checksum_fits();
        if (!in.complete)
            in.length = 0;
        in.left = 0;
        in.zero_due = in.broken = false;
        return in.complete;
    }
    if (in.left == 0) {
        bool zero = in.zero_due;
        in.left = (uint8_t)(byte - 1);
        in.zero_due = byte != 0xff;
        if (!zero)
            return false;
        byte = 0;
    } else {
        in.left--;
    }
    if (in.length < SERIAL_FRAME_LIMIT)
        in.frame[in.length++] = byte;
    else
        in.broken = true;
    return false;
}

static bool is_repeated(void)
{
    return session.open && in.frame[SESSION_AT] == session.id && in.frame[SEQUENCE_AT] == session.sequence &&
           frame_checksum() == session.checksum;
}

/* ------------------------------------------------------------------------------------------------------ requests */

static void hello(void)
{
    uint8_t asked = get8(4);
    session.open = true;
    session.id = in.frame[SESSION_AT];
    out.limit = asked < SERIAL_FRAME_LIMIT ? asked : SERIAL_FRAME_LIMIT;
    begin_answer(ANSWER | HELLO);
    put32(get32(0));
    put8(out.limit);
    put32(firmware.clock_hz);
    put32(firmware.tick_hz);
    put8(firmware.tick_bits);
    put8(firmware.input_type);
    put8(firmware.output_type);
    put32(firmware.input_bytes);
    put32(firmware.output_bytes);
    put16(SERIAL_TICK_SLOTS);
    for (uint8_t i = 0; i < sizeof firmware.model_hash; i++)
        put8(firmware.model_hash[i]);
}

static void write_input(void)
{
    uint32_t offset = get32(0);
    uint8_t count = (uint8_t)(body_length() - 4);
    if (offset > firmware.input_bytes || count > firmware.input_bytes - offset) {
        make_error(ERROR_BAD_ARGUMENTS);
        return;
    }
    for (uint8_t i = 0; i < count; i++)
        firmware.input[offset + i] = get8((uint8_t)(4 + i));
    begin_answer(ANSWER | WRITE);
    put32(offset + count);
}

static void read_back(void)
{
    uint8_t what = get8(0), count = get8(5);
    uint32_t offset = get32(1);
    uint32_t size = what == READ_OUTPUT ? firmware.output_bytes : (uint32_t)run.kept * 4;
    begin_answer(ANSWER | READ);
    if (what > READ_TICKS || offset > size || count > size - offset || count + 4 > room()) {
        make_error(ERROR_BAD_ARGUMENTS);
        return;
    }
    put32(offset);
    for (uint8_t i = 0; i < count; i++, offset++) {
        if (what == READ_OUTPUT)
            put8(firmware.output[offset]);
        else
            put8((uint8_t)(run.each[offset >> 2] >> (8 * (uint8_t)(offset & 3))));
    }
}

static void say_memory(void)
{
    SerialMemory memory = {SERIAL_UNKNOWN, SERIAL_UNKNOWN, SERIAL_UNKNOWN, SERIAL_UNKNOWN};
    firmware_memory(&memory);
    begin_answer(ANSWER | MEMORY);
    put32(memory.flash);
    put32(memory.data);
    put32(memory.stack_peak);
    put32(memory.unused);
}

static void say_working(void)
{
    begin_answer(WORKING);
    put32(run.done);
    send_answer();
}

/* Between two inferences: a repeated request is told how far it is, `stop` and `hello` end the run and are dealt with
 * after it, anything else must wait. */
static void listen_while_running(const uint8_t *request)
{
    uint8_t byte;
    while (!run.frame_waits && firmware_receive(&byte)) {
        if (!take(byte))
            continue;
        if (is_repeated()) {
            say_working();
        } else if (in.frame[KIND_AT] == HELLO || (in.frame[KIND_AT] == STOP && in.frame[SESSION_AT] == request[0])) {
            run.stopped = run.frame_waits = true;
            return;
        } else {
            make_error(ERROR_BUSY);
            send_answer();
        }
    }
}

static uint8_t infer_once(uint32_t mask)
{
    uint32_t begin = firmware_ticks();
    uint8_t failure = firmware_infer();
    run.end = firmware_ticks();
    uint32_t ticks = (run.end - begin) & mask;
    if (run.done == 0)
        run.begin = begin;
    if (run.kept < SERIAL_TICK_SLOTS)
        run.each[run.kept++] = ticks;
    if (ticks < run.least)
        run.least = ticks;
    if (ticks > run.most)
        run.most = ticks;
    run.total += ticks;
    run.done++;
    return failure;
}

static void say_result(const uint8_t *request, uint8_t failure, uint8_t error)
{
    /* The request's own frame may be gone: another came meanwhile. */
    out.length = 0;
    put8(SERIAL_PROTOCOL_VERSION);
    put8(error != 0 ? ERROR : ANSWER | RUN);
    put8(request[0]);
    put8(request[1]);
    if (error != 0) {
        put8(RUN);
        put8(error);
        if (error == ERROR_INFERENCE)
            add_text(SERIAL_TEXT_FAILURE | failure);
        return;
    }
    put32(run.done);
    put64(run.total);
    put32(run.least);
    put32(run.most);
    put32(run.begin);
    put32(run.end);
    put16(run.kept);
    put32(serial_crc32(firmware.output, firmware.output_bytes));
    put8(run.stopped);
}

static void run_inferences(void)
{
    const uint8_t request[2] = {in.frame[SESSION_AT], in.frame[SEQUENCE_AT]};
    const bool window = (get8(0) & RUN_WINDOW) != 0;
    const uint32_t runs = get32(1), input_crc = get32(13);
    const uint64_t least_ticks = get64(5);
    const uint32_t mask = 0xffffffffu >> (32 - firmware.tick_bits);
    uint8_t failure = 0, error = 0;

    if (serial_crc32(firmware.input, firmware.input_bytes) != input_crc) {
        make_error(ERROR_INPUT_DIFFERS);
        return;
    }
    run.done = run.most = 0;
    run.least = 0xffffffffu;
    run.total = 0;
    run.kept = 0;
    run.stopped = run.frame_waits = false;
    say_working();
    if (window)
        firmware_window(true);
    do {
        failure = infer_once(mask);
        listen_while_running(request);
    } while (failure == 0 && !run.stopped && (run.done < runs || run.total < least_ticks));
    if (window)
        firmware_window(false);
    if (failure != 0)
        error = ERROR_INFERENCE;
    else if (serial_crc32(firmware.input, firmware.input_bytes) != input_crc)
        error = ERROR_INPUT_CHANGED;
    say_result(request, failure, error);
}

/* Shortest body of each request. */
static const uint8_t LEAST_BODY[] = {0, 5, 1, 0, 4, 17, 6, 0, 0};

static void answer(void)
{
    uint8_t kind = in.frame[KIND_AT];
    if (in.frame[VERSION_AT] != SERIAL_PROTOCOL_VERSION) {
        make_error(ERROR_VERSION);
    } else if (kind == 0 || kind >= sizeof LEAST_BODY) {
        make_error(ERROR_UNKNOWN_REQUEST);
    } else if (body_length() < LEAST_BODY[kind] || (kind == HELLO && get8(4) < 64)) {
        make_error(ERROR_BAD_ARGUMENTS);
    } else if (kind == HELLO) {
        hello();
    } else if (kind == TEXT) {
        uint8_t item = get8(0);
        begin_answer(ANSWER | TEXT);
        add_text(item);
    } else if (kind == PING) {
        uint32_t ticks = firmware_ticks();
        begin_answer(ANSWER | PING);
        put32(ticks);
    } else if (kind == WRITE) {
        write_input();
    } else if (kind == RUN) {
        run_inferences();
    } else if (kind == READ) {
        read_back();
    } else if (kind == MEMORY) {
        say_memory();
    } else {
        begin_answer(ANSWER | STOP);
    }
}

/* A sound frame lies in `in`. */
static void take_request(void)
{
    bool greets = in.frame[KIND_AT] == HELLO;
    uint8_t ahead = (uint8_t)(in.frame[SEQUENCE_AT] - session.sequence);
    if (is_repeated() && session.answered && !greets) {
        send_frame();
        return;
    }
    if (!greets && in.frame[VERSION_AT] == SERIAL_PROTOCOL_VERSION) {
        if (!session.open || in.frame[SESSION_AT] != session.id) {
            make_error(ERROR_NO_SESSION);
            session.answered = false; /* `out` is no longer the answer to the last request */
            send_answer();
            return;
        }
        if (ahead == 0 || ahead > 127)
            return; /* an old one: nobody waits for its answer any more */
    }
    session.sequence = in.frame[SEQUENCE_AT];
    session.checksum = frame_checksum();
    session.answered = false;
    answer();
    send_answer();
    session.answered = true;
}

void serial_protocol_poll(void)
{
    uint8_t byte;
    while (firmware_receive(&byte)) {
        if (!take(byte))
            continue;
        do {
            run.frame_waits = false;
            take_request();
        } while (run.frame_waits);
    }
}

void serial_protocol_reset(void)
{
    in.length = in.left = 0;
    in.zero_due = in.broken = in.complete = false;
    session.open = session.answered = false;
    run.kept = 0;
    run.frame_waits = false;
    out.limit = SERIAL_FRAME_LIMIT;
}
