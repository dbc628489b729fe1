/* SPDX-License-Identifier: Apache-2.0 */
#include "checkpoint.h"

#include <math.h>
#include <string.h>

#include "netfile.h"
#include "stream.h"

enum { VERSION = 1 };

static const char MAGIC[4] = {'H', 'D', 'R', 'C'};

bool checkpoint_write(const char *path, const Progress *progress, const Network *network, Error *error)
{
    Stream stream;
    if (!stream_create(&stream, path, error))
        return false;
    put_bytes(&stream, MAGIC, sizeof MAGIC);
    put_u32(&stream, VERSION);
    put_u32(&stream, (uint32_t)progress->epochs);
    put_u32(&stream, (uint32_t)progress->images);
    put_u32(&stream, (uint32_t)progress->batch_size);
    put_u32(&stream, progress->order_crc);
    put_u32(&stream, progress->images_crc);
    put_u32(&stream, (uint32_t)progress->epochs_since_best);
    put_f64(&stream, progress->rate);
    put_f64(&stream, progress->loss);
    put_f64(&stream, progress->best_accuracy);
    put_u64(&stream, netfile_length(network));
    netfile_put(&stream, network);
    put_u32(&stream, stream.crc);
    return stream_finish(&stream, true, error);
}

static bool damaged(const char *path, Error *error)
{
    return fail(error, "%s: damaged checkpoint", path);
}

static bool read_progress(Stream *stream, Progress *progress, uint64_t *length, Error *error)
{
    char magic[sizeof MAGIC];
    get_bytes(stream, magic, sizeof magic);
    if (memcmp(magic, MAGIC, sizeof magic) != 0)
        return fail(error, "%s: not a checkpoint", stream->path);
    uint32_t version = get_u32(stream);
    if (stream->good && version != VERSION)
        return fail(error, "%s: a checkpoint of version %lu (this program reads version %d)", stream->path,
                    (unsigned long)version, (int)VERSION);
    progress->epochs = get_u32(stream);
    progress->images = get_u32(stream);
    progress->batch_size = get_u32(stream);
    progress->order_crc = get_u32(stream);
    progress->images_crc = get_u32(stream);
    progress->epochs_since_best = get_u32(stream);
    progress->rate = get_f64(stream);
    progress->loss = get_f64(stream);
    progress->best_accuracy = get_f64(stream);
    *length = get_u64(stream);
    return stream->good || damaged(stream->path, error);
}

bool checkpoint_read(const char *path, Precision precision, Progress *progress, Network *network, Error *error)
{
    Stream stream;
    uint64_t length = 0, left = 0;

    memset(network, 0, sizeof *network);
    if (!stream_open(&stream, path, error))
        return false;
    bool good = read_progress(&stream, progress, &length, error) && stream_left(&stream, &left, error) &&
                (left == length + 4 || damaged(path, error)) &&
                netfile_get(&stream, length, precision, network, error);
    if (good) {
        uint32_t crc = stream.crc;
        good = get_u32(&stream) == crc && stream.good && isfinite(progress->rate) && isfinite(progress->loss) &&
               isfinite(progress->best_accuracy);
        if (!good)
            damaged(path, error);
        else if (netfile_length(network) != length)
            good = fail(error, "%s: is not in %s (see --precision)", path, precision_name(precision));
    }
    stream_close(&stream);
    if (!good)
        network_free(network);
    return good;
}
