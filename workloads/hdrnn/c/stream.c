/* SPDX-License-Identifier: Apache-2.0 */
#include "stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "crc32.h"

bool stream_open(Stream *stream, const char *path, Error *error)
{
    *stream = (Stream){.file = fopen(path, "rb"), .path = path, .good = true};
    return stream->file != NULL || fail(error, "%s: %s", path, strerror(errno));
}

bool stream_create(Stream *stream, const char *path, Error *error)
{
    static const char suffix[] = ".part";
    size_t length = strlen(path);
    *stream = (Stream){.path = path, .part = malloc(length + sizeof suffix), .good = true};
    if (stream->part == NULL)
        return fail_memory(error, "not enough memory");
    memcpy(stream->part, path, length);
    memcpy(stream->part + length, suffix, sizeof suffix);
    stream->file = fopen(stream->part, "wb");
    if (stream->file != NULL)
        return true;
    fail(error, "%s: cannot be written: %s", path, strerror(errno));
    free(stream->part);
    return false;
}

void put_bytes(Stream *stream, const void *bytes, size_t count)
{
    stream->crc = crc32_update(stream->crc, bytes, count);
    stream->good = stream->good && fwrite(bytes, 1, count, stream->file) == count;
}

void put_u32(Stream *stream, uint32_t value)
{
    unsigned char bytes[4];
    for (int i = 0; i < 4; i++)
        bytes[i] = value >> 8 * i & 0xFFu;
    put_bytes(stream, bytes, sizeof bytes);
}

void put_u64(Stream *stream, uint64_t value)
{
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++)
        bytes[i] = value >> 8 * i & 0xFFu;
    put_bytes(stream, bytes, sizeof bytes);
}

void put_f32(Stream *stream, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u32(stream, bits);
}

void put_f64(Stream *stream, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(stream, bits);
}

void get_bytes(Stream *stream, void *bytes, size_t count)
{
    stream->good = stream->good && fread(bytes, 1, count, stream->file) == count;
    if (stream->good)
        stream->crc = crc32_update(stream->crc, bytes, count);
    else
        memset(bytes, 0, count);
}

uint32_t get_u32(Stream *stream)
{
    unsigned char bytes[4];
    uint32_t value = 0;
    get_bytes(stream, bytes, sizeof bytes);
    for (int i = 0; i < 4; i++)
        value |= (uint32_t)bytes[i] << 8 * i;
    return value;
}

uint64_t get_u64(Stream *stream)
{
    uint64_t low = get_u32(stream);
    return low | (uint64_t)get_u32(stream) << 32;
}

float get_f32(Stream *stream)
{
    uint32_t bits = get_u32(stream);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

double get_f64(Stream *stream)
{
    uint64_t bits = get_u64(stream);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

bool stream_left(Stream *stream, uint64_t *bytes, Error *error)
{
    long here = ftell(stream->file);
    long end = here >= 0 && fseek(stream->file, 0, SEEK_END) == 0 ? ftell(stream->file) : -1;
    if (end < 0 || fseek(stream->file, here, SEEK_SET) != 0)
        return fail(error, "%s: cannot be read: %s", stream->path, strerror(errno));
    *bytes = (uint64_t)(end - here);
    return true;
}

void stream_close(Stream *stream)
{
    fclose(stream->file);
}

bool stream_finish(Stream *stream, bool durable, Error *error)
{
    bool written = stream->good && fflush(stream->file) == 0 && (!durable || fsync(fileno(stream->file)) == 0);
    bool closed = fclose(stream->file) == 0;
    bool good = written && closed && rename(stream->part, stream->path) == 0;
    if (!good) {
        fail(error, "%s: cannot be written: %s", stream->path, strerror(errno));
        remove(stream->part);
    }
    free(stream->part);
    return good;
}
