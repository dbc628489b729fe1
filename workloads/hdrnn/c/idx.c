/* SPDX-License-Identifier: Apache-2.0 */
#include "idx.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inflate.h"

enum { UNSIGNED_BYTE = 0x08, MOST_DIMENSIONS = 3, CHUNK = 32768 };

typedef struct {
    IdxArray *array;
    const char *path;
    const size_t *shape; /* of one item */
    unsigned dimensions; /* of one item */
    size_t most;
    unsigned char header[4 + 4 * MOST_DIMENSIONS];
    size_t header_size;
    size_t seen;     /* bytes of the file so far */
    size_t expected; /* bytes of the whole file; known once the header was read */
    size_t kept;     /* bytes of values in array->bytes */
} Reader;

static size_t big_endian(const unsigned char *bytes)
{
    return (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
}

static bool read_header(Reader *reader, Error *error)
{
    const unsigned char *h = reader->header;
    IdxArray *array = reader->array;

    if (h[0] != 0 || h[1] != 0)
        return fail(error, "%s: not an IDX file", reader->path);
    if (h[2] != UNSIGNED_BYTE || h[3] != reader->dimensions + 1)
        return fail(error, "%s: IDX type 0x%02x with %d dimensions (expected unsigned bytes, 0x08, with %u)",
                    reader->path, (unsigned)h[2], h[3], reader->dimensions + 1);
    size_t count = big_endian(h + 4);
    if (count == 0 || count > IDX_MOST_ITEMS)
        return fail(error, "%s: says it holds %zu items (expected 1 to %d)", reader->path, count, (int)IDX_MOST_ITEMS);
    array->item_size = 1;
    for (unsigned i = 0; i < reader->dimensions; i++) {
        size_t size = big_endian(h + 8 + 4 * i);
        if (size != reader->shape[i])
            return fail(error, "%s: dimension %u of an item is %zu (expected %zu)", reader->path, i + 1, size,
                        reader->shape[i]);
        array->item_size *= size;
    }
    reader->expected = reader->header_size + count * array->item_size;
    array->whole_count = count;
    array->count = count < reader->most ? count : reader->most;
    array->bytes = malloc(array->count * array->item_size);
    return array->bytes != NULL || fail_memory(error, "%s: not enough memory for %zu items", reader->path, array->count);
}

static bool take_bytes(void *context, const unsigned char *bytes, size_t count, Error *error)
{
    Reader *reader = context;

    while (count > 0 && reader->seen < reader->header_size) {
        reader->header[reader->seen++] = *bytes++;
        count--;
        if (reader->seen == reader->header_size && !read_header(reader, error))
            return false;
    }
    if (count == 0)
        return true;
    if (count > reader->expected - reader->seen)
        return fail(error, "%s: longer than the %zu bytes its header promises", reader->path, reader->expected);
    reader->seen += count;

    size_t room = reader->array->count * reader->array->item_size - reader->kept;
    size_t keep = count < room ? count : room;
    memcpy(reader->array->bytes + reader->kept, bytes, keep);
    reader->kept += keep;
    return true;
}

static bool read_plain(FILE *file, Reader *reader, Error *error)
{
    static unsigned char chunk[CHUNK];
    size_t count;
    while ((count = fread(chunk, 1, sizeof chunk, file)) > 0)
        if (!take_bytes(reader, chunk, count, error))
            return false;
    return !ferror(file) || fail(error, "%s: cannot be read: %s", reader->path, strerror(errno));
}

static bool is_gzip(FILE *file)
{
    int first = getc(file), second = getc(file);
    rewind(file);
    return first == 0x1F && second == 0x8B;
}

bool idx_read(IdxArray *array, const char *path, const size_t *shape, unsigned dimensions, size_t most, Error *error)
{
    Reader reader = {.array = array,
                     .path = path,
                     .shape = shape,
                     .dimensions = dimensions,
                     .most = most,
                     .header_size = 8 + 4 * (size_t)dimensions};
    memset(array, 0, sizeof *array);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fail(error, "%s: %s", path, strerror(errno));
    bool good = is_gzip(file) ? gunzip(file, path, take_bytes, &reader, error) : read_plain(file, &reader, error);
    fclose(file);
    if (good && (reader.expected == 0 || reader.seen < reader.expected))
        good = fail(error, "%s: ends after %zu of %zu bytes", path, reader.seen,
                    reader.expected ? reader.expected : reader.header_size);
    if (!good)
        idx_free(array);
    return good;
}

bool idx_recognised(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return false;
    unsigned char start[3] = {0};
    bool known = is_gzip(file) || (fread(start, 1, 3, file) == 3 && start[0] == 0 && start[1] == 0 &&
                                   start[2] == UNSIGNED_BYTE);
    fclose(file);
    return known;
}

void idx_free(IdxArray *array)
{
    free(array->bytes);
    memset(array, 0, sizeof *array);
}
