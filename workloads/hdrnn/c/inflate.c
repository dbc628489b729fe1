/* SPDX-License-Identifier: Apache-2.0 */
#include "inflate.h"

#include <stdint.h>
#include <string.h>

#include "crc32.h"

enum {
    INPUT_SIZE = 16384,
    WINDOW_SIZE = 32768,       /* the furthest a match can look back */
    MAX_CODE_LENGTH = 15,
    FAST_BITS = 10,            /* codes up to this length are decoded by one table look-up */
    LITERAL_CODES = 286,       /* that may occur; the fixed code defines two more that may not */
    DISTANCE_CODES = 30,
    END_OF_BLOCK = 256
};

/* A canonical Huffman code. `fast` is indexed by the next FAST_BITS bits: symbol * 16 + length, 0 for a longer code. */
typedef struct {
    uint16_t fast[1u << FAST_BITS];
    uint16_t count[MAX_CODE_LENGTH + 1];
    uint16_t symbol[LITERAL_CODES + 2];
} Huffman;

typedef struct {
    FILE *file;
    const char *name;
    ByteSink sink;
    void *context;
    Error *error;

    unsigned char input[INPUT_SIZE];
    size_t input_position, input_count;
    uint64_t bits;             /* read ahead, the next one lowest */
    unsigned bit_count;
    unsigned padding;          /* how many of them, at the top, were made up after the end of the file */

    unsigned char window[WINDOW_SIZE];
    size_t window_position;    /* where the next byte goes */
    size_t window_unsent;      /* from where the sink has not seen it yet */
    uint64_t member_size;      /* bytes this member has given so far */
    uint32_t crc;

    Huffman literal, distance;
} Inflate;

static bool corrupt(Inflate *z, const char *what)
{
    return fail(z->error, "%s: damaged gzip file (%s)", z->name, what);
}

/* ---- bits ---- */

/* The next byte of the file, or -1 at its end. */
static int next_byte(Inflate *z)
{
    if (z->input_position == z->input_count) {
        z->input_count = fread(z->input, 1, INPUT_SIZE, z->file);
        z->input_position = 0;
        if (z->input_count == 0)
            return -1;
    }
    return z->input[z->input_position++];
}

/* Makes sure that `count` (at most 32) bits can be looked at; past the end of the file they are zero. */
static void fill(Inflate *z, unsigned count)
{
    while (z->bit_count < count) {
        int byte = next_byte(z);
        if (byte < 0)
            z->padding += 8;
        else
            z->bits |= (uint64_t)byte << z->bit_count;
        z->bit_count += 8;
    }
}

/* Uses up bits that were looked at; false if they lie past the end of the file. */
static bool drop(Inflate *z, unsigned count)
{
    z->bits >>= count;
    z->bit_count -= count;
    if (z->bit_count < z->padding)
        return corrupt(z, "it ends too early");
    return true;
}

static bool take(Inflate *z, unsigned count, uint32_t *value)
{
    fill(z, count);
    *value = (uint32_t)(z->bits & ((UINT64_C(1) << count) - 1));
    return drop(z, count);
}

static bool align_to_byte(Inflate *z)
{
    return drop(z, z->bit_count % 8);
}

static bool at_end(Inflate *z)
{
    fill(z, 8);
    return z->bit_count == z->padding;
}

/* ---- output ---- */

static bool flush(Inflate *z)
{
    size_t count = z->window_position - z->window_unsent;
    const unsigned char *bytes = z->window + z->window_unsent;
    z->crc = crc32_update(z->crc, bytes, count);
    z->window_unsent = z->window_position;
    return count == 0 || z->sink(z->context, bytes, count, z->error);
}

static bool put(Inflate *z, unsigned char byte)
{
    z->window[z->window_position++] = byte;
    z->member_size++;
    if (z->window_position < WINDOW_SIZE)
        return true;
    if (!flush(z))
        return false;
    z->window_position = 0;
    z->window_unsent = 0;
    return true;
}

static bool copy_match(Inflate *z, uint32_t distance, uint32_t length)
{
    if (distance > z->member_size)
        return corrupt(z, "a match looks back past the beginning");
    size_t from = (z->window_position + WINDOW_SIZE - distance) % WINDOW_SIZE;
    for (; length > 0; length--) {
        if (!put(z, z->window[from]))
            return false;
        from = (from + 1) % WINDOW_SIZE;
    }
    return true;
}

/* ---- Huffman codes ---- */

static uint32_t reversed(uint32_t code, unsigned length)
{
    uint32_t result = 0;
    for (; length > 0; length--, code >>= 1)
        result = result << 1 | (code & 1u);
    return result;
}

/*
 * Makes the code with the given lengths (0: the symbol does not occur). A code must be complete, except that one lone
 * symbol of length 1 (or none at all) is allowed where `lone` says so: RFC 1951, section 3.2.7.
 */
static bool make_code(Huffman *h, const unsigned char *lengths, unsigned symbols, bool lone)
{
    unsigned offset[MAX_CODE_LENGTH + 2] = {0};
    uint32_t next[MAX_CODE_LENGTH + 2] = {0};

    memset(h, 0, sizeof *h);
    for (unsigned s = 0; s < symbols; s++)
        h->count[lengths[s]]++;
    unsigned used = symbols - h->count[0];
    h->count[0] = 0;

    int left = 1;
    for (unsigned length = 1; length <= MAX_CODE_LENGTH; length++) {
        left = 2 * left - (int)h->count[length];
        if (left < 0)
            return false;
        offset[length + 1] = offset[length] + h->count[length];
        next[length + 1] = (next[length] + h->count[length]) << 1;
    }
    if (left > 0 && !(lone && used == h->count[1]))
        return false;

    for (unsigned s = 0; s < symbols; s++) {
        unsigned length = lengths[s];
        if (length == 0)
            continue;
        h->symbol[offset[length]++] = (uint16_t)s;
        uint32_t code = reversed(next[length]++, length);
        if (length <= FAST_BITS)
            for (uint32_t i = code; i < 1u << FAST_BITS; i += 1u << length)
                h->fast[i] = (uint16_t)(s << 4 | length);
    }
    return true;
}

static bool decode(Inflate *z, const Huffman *h, unsigned *symbol)
{
    fill(z, MAX_CODE_LENGTH);
    unsigned entry = h->fast[z->bits & ((1u << FAST_BITS) - 1)];
    if (entry != 0) {
        *symbol = entry >> 4;
        return drop(z, entry & 15u);
    }
    /* Longer codes: walk down the lengths; codes of one length are consecutive numbers. */
    uint64_t bits = z->bits;
    unsigned code = 0, first = 0, index = 0;
    for (unsigned length = 1; length <= MAX_CODE_LENGTH; length++) {
        code |= bits & 1u;
        bits >>= 1;
        unsigned count = h->count[length];
        if (code < first + count) {
            *symbol = h->symbol[index + code - first];
            return drop(z, length);
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return corrupt(z, "a code that nothing stands for");
}

/* ---- blocks ---- */

static bool stored_block(Inflate *z)
{
    uint32_t length, complement, byte;
    if (!align_to_byte(z) || !take(z, 16, &length) || !take(z, 16, &complement))
        return false;
    if (length != (complement ^ 0xFFFFu))
        return corrupt(z, "a stored block's length");
    for (; length > 0; length--)
        if (!take(z, 8, &byte) || !put(z, (unsigned char)byte))
            return false;
    return true;
}

static bool coded_block(Inflate *z)
{
    static const uint16_t length_base[29] = {3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
                                             31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    static const unsigned char length_extra[29] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
                                                   2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    static const uint16_t distance_base[DISTANCE_CODES] = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    static const unsigned char distance_extra[DISTANCE_CODES] = {
        0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13};

    for (;;) {
        unsigned symbol;
        uint32_t extra;
        if (!decode(z, &z->literal, &symbol))
            return false;
        if (symbol == END_OF_BLOCK)
            return true;
        if (symbol < END_OF_BLOCK) {
            if (!put(z, (unsigned char)symbol))
                return false;
            continue;
        }
        if (symbol >= LITERAL_CODES)
            return corrupt(z, "a length that does not exist");
        symbol -= END_OF_BLOCK + 1;
        if (!take(z, length_extra[symbol], &extra))
            return false;
        uint32_t length = length_base[symbol] + extra;
        if (!decode(z, &z->distance, &symbol))
            return false;
        if (symbol >= DISTANCE_CODES)
            return corrupt(z, "a distance that does not exist");
        if (!take(z, distance_extra[symbol], &extra) || !copy_match(z, distance_base[symbol] + extra, length))
            return false;
    }
}

static bool fixed_codes(Inflate *z)
{
    unsigned char lengths[288];
    memset(lengths, 8, 144);
    memset(lengths + 144, 9, 112);
    memset(lengths + 256, 7, 24);
    memset(lengths + 280, 8, 8);
    bool made = make_code(&z->literal, lengths, 288, false);
    memset(lengths, 5, 32);
    return (made && make_code(&z->distance, lengths, 32, false)) || corrupt(z, "the fixed code");
}

static bool dynamic_codes(Inflate *z)
{
    static const unsigned char order[19] = {16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15};
    uint32_t literals, distances, codes, value;
    if (!take(z, 5, &literals) || !take(z, 5, &distances) || !take(z, 4, &codes))
        return false;
    literals += 257;
    distances += 1;
    codes += 4;
    if (literals > LITERAL_CODES || distances > DISTANCE_CODES)
        return corrupt(z, "too many symbols");

    unsigned char lengths[LITERAL_CODES + DISTANCE_CODES] = {0};
    for (unsigned i = 0; i < codes; i++) {
        if (!take(z, 3, &value))
            return false;
        lengths[order[i]] = (unsigned char)value;
    }
    if (!make_code(&z->literal, lengths, 19, false))
        return corrupt(z, "the code of the code lengths");

    memset(lengths, 0, sizeof lengths);
    for (unsigned i = 0; i < literals + distances;) {
        unsigned symbol;
        if (!decode(z, &z->literal, &symbol))
            return false;
        if (symbol < 16) {
            lengths[i++] = (unsigned char)symbol;
            continue;
        }
        unsigned char repeated = 0;
        uint32_t least = 3, extra_bits = 2;
        if (symbol == 16) {
            if (i == 0)
                return corrupt(z, "a repeat of nothing");
            repeated = lengths[i - 1];
        } else if (symbol == 17) {
            extra_bits = 3;
        } else {
            least = 11;
            extra_bits = 7;
        }
        if (!take(z, extra_bits, &value))
            return false;
        value += least;
        if (value > literals + distances - i)
            return corrupt(z, "too many code lengths");
        memset(lengths + i, repeated, value);
        i += value;
    }
    if (lengths[END_OF_BLOCK] == 0)
        return corrupt(z, "no end of block");
    if (!make_code(&z->literal, lengths, literals, true) ||
        !make_code(&z->distance, lengths + literals, distances, true))
        return corrupt(z, "a code that cannot be");
    return true;
}

static bool inflate(Inflate *z)
{
    uint32_t last, kind;
    do {
        bool good;
        if (!take(z, 1, &last) || !take(z, 2, &kind))
            return false;
        if (kind == 0)
            good = stored_block(z);
        else if (kind == 1)
            good = fixed_codes(z) && coded_block(z);
        else if (kind == 2)
            good = dynamic_codes(z) && coded_block(z);
        else
            good = corrupt(z, "a kind of block that does not exist");
        if (!good)
            return false;
    } while (!last);
    return true;
}

/* ---- members ---- */

static bool skip_text(Inflate *z)
{
    uint32_t byte;
    do {
        if (!take(z, 8, &byte))
            return false;
    } while (byte != 0);
    return true;
}

static bool member_header(Inflate *z)
{
    enum { HEADER_CRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16, RESERVED = 0xE0 };
    uint32_t magic, method, flags, ignored, length;
    if (!take(z, 16, &magic) || !take(z, 8, &method) || !take(z, 8, &flags))
        return false;
    if (magic != 0x8B1Fu || method != 8 || (flags & RESERVED))
        return corrupt(z, "its header");
    if (!take(z, 32, &ignored) || !take(z, 16, &ignored)) /* time, speed, system */
        return false;
    if (flags & EXTRA) {
        if (!take(z, 16, &length))
            return false;
        for (; length > 0; length--)
            if (!take(z, 8, &ignored))
                return false;
    }
    if (((flags & NAME) && !skip_text(z)) || ((flags & COMMENT) && !skip_text(z)))
        return false;
    return !(flags & HEADER_CRC) || take(z, 16, &ignored);
}

static bool member(Inflate *z)
{
    uint32_t crc, size;
    z->crc = 0;
    z->member_size = 0;
    if (!member_header(z) || !inflate(z) || !flush(z) || !align_to_byte(z) || !take(z, 32, &crc) ||
        !take(z, 32, &size))
        return false;
    if (crc != z->crc || size != (uint32_t)z->member_size)
        return corrupt(z, "its checksum is wrong");
    return true;
}

bool gunzip(FILE *file, const char *name, ByteSink sink, void *context, Error *error)
{
    static Inflate z; /* too large for a small stack; the program reads one file at a time */
    memset(&z, 0, sizeof z);
    z.file = file;
    z.name = name;
    z.sink = sink;
    z.context = context;
    z.error = error;
    do {
        if (!member(&z))
            return false;
    } while (!at_end(&z));
    if (ferror(file))
        return fail(error, "%s: cannot be read", name);
    return true;
}
