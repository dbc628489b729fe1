/* SPDX-License-Identifier: Apache-2.0 */
#include "netfile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "digits.h"

enum { MAGIC_SIZE = 8, PUBLISHED_MAGIC = 7 };

static const unsigned char MAGIC[MAGIC_SIZE] = {'H', 'D', 'R', 'N', 'N', 0x0D, 0x0A, 0x1A};

/* ---- writing ---- */

static uint64_t count_parameters(const size_t *sizes, unsigned layers)
{
    uint64_t count = 0;
    for (unsigned l = 0; l < layers; l++)
        count += (uint64_t)(sizes[l] + 1) * sizes[l + 1];
    return count;
}

static uint64_t length_of(const size_t *sizes, unsigned layers, Precision precision)
{
    return MAGIC_SIZE + 4 * (2 + (layers + 1)) + precision_size(precision) * count_parameters(sizes, layers) + 4;
}

uint64_t netfile_length(const Network *network)
{
    return length_of(network->sizes, network->layers, network->precision);
}

void netfile_put(Stream *stream, const Network *network)
{
    uint32_t before = stream->crc;
    stream->crc = 0;
    put_bytes(stream, MAGIC, MAGIC_SIZE);
    put_u32(stream, network->precision == FLOAT32 ? 1 : 2);
    put_u32(stream, network->layers);
    for (unsigned l = 0; l <= network->layers; l++)
        put_u32(stream, (uint32_t)network->sizes[l]);
    for (size_t i = 0; i < network->parameter_count; i++)
        if (network->precision == FLOAT32)
            put_f32(stream, ((const float *)network->parameters)[i]);
        else
            put_f64(stream, ((const double *)network->parameters)[i]);
    put_u32(stream, stream->crc);
    stream->crc = before;
}

bool netfile_write(const char *path, const Network *network, Error *error)
{
    Stream stream;
    if (!stream_create(&stream, path, error))
        return false;
    netfile_put(&stream, network);
    return stream_finish(&stream, false, error);
}

/* ---- reading ---- */

static bool read_sizes(Stream *stream, size_t *sizes, unsigned *layers, Precision *precision, Error *error)
{
    unsigned char magic[MAGIC_SIZE];
    const char *path = stream->path;
    get_bytes(stream, magic, MAGIC_SIZE);
    if (memcmp(magic, MAGIC, MAGIC_SIZE) != 0)
        return fail(error, "%s: not a network file", path);
    uint32_t version = get_u32(stream);
    if (stream->good && version != 1 && version != 2)
        return fail(error, "%s: network file of version %lu (this program reads versions 1 and 2)", path,
                    (unsigned long)version);
    *precision = version == 2 ? FLOAT64 : FLOAT32;
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

/* One parameter from the file, of `kept` precision. False if it is no finite number in the network's precision. */
static bool read_parameter(Stream *stream, Precision kept, Network *network, size_t parameter)
{
    double value = kept == FLOAT32 ? (double)get_f32(stream) : get_f64(stream);
    network_set(network, parameter, value);
    return isfinite(network_get(network, parameter));
}

static bool not_finite(const char *path, Precision kept, Precision asked, Error *error)
{
    return fail(error, "%s: a parameter is not a finite number%s", path,
                kept == FLOAT64 && asked == FLOAT32 ? " in float32" : "");
}

bool netfile_get(Stream *stream, uint64_t length, Precision precision, Network *network, Error *error)
{
    size_t sizes[MOST_LAYERS + 1] = {0};
    unsigned layers = 0;
    Precision kept = FLOAT32;
    uint32_t before = stream->crc;

    memset(network, 0, sizeof *network);
    stream->crc = 0;
    if (!read_sizes(stream, sizes, &layers, &kept, error))
        return false;
    /* The file must be as long as its header says before memory is asked for. */
    uint64_t expected = length_of(sizes, layers, kept);
    if (length != expected)
        return fail(error, "%s: damaged network file (%llu bytes long, expected %llu)", stream->path,
                    (unsigned long long)length, (unsigned long long)expected);
    if (!network_make(network, sizes, layers, precision, error))
        return false;
    bool finite = true;
    for (size_t i = 0; i < network->parameter_count; i++)
        finite = read_parameter(stream, kept, network, i) && finite;
    uint32_t crc = stream->crc;
    uint32_t stated = get_u32(stream);
    bool good = stream->good && crc == stated;
    if (!good)
        fail(error, "%s: damaged network file (its checksum is wrong)", stream->path);
    else if (!finite)
        good = not_finite(stream->path, kept, precision, error);
    if (!good)
        network_free(network);
    stream->crc = before;
    return good;
}

/* The published form of a layer's weights: row by row, or column by column as its Eigen program leaves them. */
static bool read_published_weights(Stream *stream, Network *network, unsigned l, bool by_columns)
{
    size_t first = network_weights(network, l), inputs = network->sizes[l], neurons = network->sizes[l + 1];
    bool finite = true;
    for (size_t i = 0; i < inputs * neurons; i++) {
        size_t at = by_columns ? i % neurons * inputs + i / neurons : i;
        finite = read_parameter(stream, FLOAT32, network, first + at) && finite;
    }
    return finite;
}

static bool read_published(Stream *stream, uint64_t length, Precision precision, Network *network, Error *error)
{
    size_t sizes[MOST_LAYERS + 1] = {PIXELS};
    unsigned char head[2], hidden[MOST_LAYERS + 1];
    bool finite = true;

    get_bytes(stream, head, 2);
    if (!stream->good || head[1] >= MOST_LAYERS)
        return fail(error, "%s: not a network file", stream->path);
    unsigned layers = head[1] + 1u;
    get_bytes(stream, hidden, layers - 1);
    for (unsigned l = 1; l < layers; l++)
        sizes[l] = hidden[l - 1];
    sizes[layers] = DIGITS;
    uint64_t expected = 2 + (layers - 1) + 4 * count_parameters(sizes, layers);
    bool eigen = stream->good && length == expected + 1;
    if (eigen) {
        get_bytes(stream, hidden, 1);
        stream->good = stream->good && hidden[0] == DIGITS;
    }
    if (!stream->good || (length != expected && !eigen))
        return fail(error, "%s: damaged network file (of the published form; %llu bytes long, expected %llu)",
                    stream->path, (unsigned long long)length, (unsigned long long)expected);
    if (!network_make(network, sizes, layers, precision, error))
        return false;
    for (unsigned l = 0; l < layers; l++)
        for (size_t i = 0; i < sizes[l + 1]; i++)
            finite = read_parameter(stream, FLOAT32, network, network_biases(network, l) + i) && finite;
    for (unsigned l = 0; l < layers; l++)
        finite = read_published_weights(stream, network, l, eigen) && finite;
    bool good = stream->good || fail(error, "%s: cannot be read", stream->path);
    good = good && (finite || not_finite(stream->path, FLOAT32, precision, error));
    if (!good)
        network_free(network);
    return good;
}

bool netfile_read(const char *path, Precision precision, Network *network, Error *error)
{
    Stream stream;
    uint64_t length = 0;

    memset(network, 0, sizeof *network);
    if (!stream_open(&stream, path, error))
        return false;
    int first = getc(stream.file);
    rewind(stream.file);
    bool good = stream_left(&stream, &length, error) &&
                (first == PUBLISHED_MAGIC ? read_published(&stream, length, precision, network, error)
                                          : netfile_get(&stream, length, precision, network, error));
    stream_close(&stream);
    return good;
}
