/* SPDX-License-Identifier: Apache-2.0 */
#include "netfile.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"

enum { VERSION = 1, MAGIC_SIZE = 8 };

static const unsigned char MAGIC[MAGIC_SIZE] = {'H', 'D', 'R', 'N', 'N', 0x0D, 0x0A, 0x1A};

/* A file being written or read, with the checksum of what has passed. `good` turns false at the first trouble. */
typedef struct {
    FILE *file;
    uint32_t crc;
    bool good;
} Stream;

static void put_bytes(Stream *stream, const unsigned char *bytes, size_t count)
{
    stream->crc = crc32_update(stream->crc, bytes, count);
    stream->good = stream->good && fwrite(bytes, 1, count, stream->file) == count;
}

static void put_u32(Stream *stream, uint32_t value)
{
    unsigned char bytes[4] = {value & 0xFFu, value >> 8 & 0xFFu, value >> 16 & 0xFFu, value >> 24 & 0xFFu};
    put_bytes(stream, bytes, 4);
}

static void get_bytes(Stream *stream, unsigned char *bytes, size_t count)
{
    stream->good = stream->good && fread(bytes, 1, count, stream->file) == count;
    if (stream->good)
        stream->crc = crc32_update(stream->crc, bytes, count);
    else
        memset(bytes, 0, count);
}

static uint32_t get_u32(Stream *stream)
{
    unsigned char b[4];
    get_bytes(stream, b, 4);
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

bool netfile_write(const char *path, const Network *network, Error *error)
{
    static const char suffix[] = ".part";
    size_t length = strlen(path);
    char *part = malloc(length + sizeof suffix);
    if (part == NULL)
        return fail(error, "not enough memory");
    memcpy(part, path, length);
    memcpy(part + length, suffix, sizeof suffix);

    Stream stream = {.file = fopen(part, "wb"), .good = true};
    if (stream.file == NULL) {
        free(part);
        return fail(error, "%s: cannot be written: %s", path, strerror(errno));
    }
    put_bytes(&stream, MAGIC, MAGIC_SIZE);
    put_u32(&stream, VERSION);
    put_u32(&stream, network->layers);
    for (unsigned l = 0; l <= network->layers; l++)
        put_u32(&stream, (uint32_t)network->sizes[l]);
    for (size_t i = 0; i < network->parameter_count; i++) {
        uint32_t bits;
        memcpy(&bits, &network->parameters[i], 4);
        put_u32(&stream, bits);
    }
    put_u32(&stream, stream.crc);
    bool closed = fclose(stream.file) == 0;
    bool good = stream.good && closed && rename(part, path) == 0;
    if (!good) {
        fail(error, "%s: cannot be written: %s", path, strerror(errno));
        remove(part);
    }
    free(part);
    return good;
}

static bool read_sizes(Stream *stream, const char *path, size_t *sizes, unsigned *layers, Error *error)
{
    unsigned char magic[MAGIC_SIZE];
    get_bytes(stream, magic, MAGIC_SIZE);
    if (memcmp(magic, MAGIC, MAGIC_SIZE) != 0)
        return fail(error, "%s: not a network file", path);
    uint32_t version = get_u32(stream);
    if (stream->good && version != VERSION)
        return fail(error, "%s: network file of version %lu (this program reads version %d)", path,
                    (unsigned long)version, (int)VERSION);
    uint32_t count = get_u32(stream);
    if (stream->good && (count < 1 || count > MOST_LAYERS))
        return fail(error, "%s: damaged network file (%lu layers)", path, (unsigned long)count);
    for (uint32_t l = 0; stream->good && l <= count; l++) {
        sizes[l] = get_u32(stream);
        if (stream->good && (sizes[l] < 1 || sizes[l] > MOST_NEURONS))
            return fail(error, "%s: damaged network file (a layer of %zu neurons)", path, sizes[l]);
    }
    *layers = count;
    return stream->good || fail(error, "%s: damaged network file (it ends too early)", path);
}

/* The file must be as long as its header says before memory is asked for. */
static bool check_length(FILE *file, const char *path, const size_t *sizes, unsigned layers, Error *error)
{
    uint64_t parameters = 0;
    for (unsigned l = 0; l < layers; l++)
        parameters += (uint64_t)(sizes[l] + 1) * sizes[l + 1];
    uint64_t expected = MAGIC_SIZE + 4 * (2 + (layers + 1) + parameters + 1);
    long here = ftell(file);
    if (here < 0 || fseek(file, 0, SEEK_END) != 0)
        return fail(error, "%s: cannot be read: %s", path, strerror(errno));
    long length = ftell(file);
    if (length < 0 || fseek(file, here, SEEK_SET) != 0)
        return fail(error, "%s: cannot be read: %s", path, strerror(errno));
    if ((uint64_t)length != expected)
        return fail(error, "%s: damaged network file (%ld bytes long, expected %llu)", path, length,
                    (unsigned long long)expected);
    return true;
}

static bool read_parameters(Stream *stream, const char *path, Network *network, Error *error)
{
    bool finite = true;
    for (size_t i = 0; i < network->parameter_count; i++) {
        uint32_t bits = get_u32(stream);
        memcpy(&network->parameters[i], &bits, 4);
        finite = finite && isfinite(network->parameters[i]);
    }
    uint32_t crc = stream->crc;
    uint32_t stated = get_u32(stream);
    if (!stream->good || crc != stated)
        return fail(error, "%s: damaged network file (its checksum is wrong)", path);
    return finite || fail(error, "%s: a parameter is not a finite number", path);
}

bool netfile_read(const char *path, Network *network, Error *error)
{
    size_t sizes[MOST_LAYERS + 1] = {0};
    unsigned layers = 0;

    memset(network, 0, sizeof *network);
    Stream stream = {.file = fopen(path, "rb"), .good = true};
    if (stream.file == NULL)
        return fail(error, "%s: %s", path, strerror(errno));
    bool good = read_sizes(&stream, path, sizes, &layers, error) &&
                check_length(stream.file, path, sizes, layers, error) && network_make(network, sizes, layers, error) &&
                read_parameters(&stream, path, network, error);
    fclose(stream.file);
    if (!good)
        network_free(network);
    return good;
}
