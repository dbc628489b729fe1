/* SPDX-License-Identifier: Apache-2.0 */
#include "order.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "crc32.h"

enum { VERSION = 1 };

static bool read_u32(FILE *file, uint32_t *value)
{
    unsigned char b[4];
    if (fread(b, 1, 4, file) != 4)
        return false;
    *value = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    return true;
}

static bool open_file(Order *order, size_t images, size_t epochs, Error *error)
{
    char magic[4];
    uint32_t version, file_epochs, file_images;

    order->file = fopen(order->path, "rb");
    if (order->file == NULL)
        return fail(error, "%s: %s", order->path, strerror(errno));
    if (fread(magic, 1, 4, order->file) != 4 || memcmp(magic, "HDRO", 4) != 0)
        return fail(error, "%s: not an order file", order->path);
    if (!read_u32(order->file, &version) || version != VERSION)
        return fail(error, "%s: an order file of another version (this program reads version %d)", order->path,
                    (int)VERSION);
    if (!read_u32(order->file, &file_epochs) || !read_u32(order->file, &file_images))
        return fail(error, "%s: the order file ends too early", order->path);
    if (file_images != images)
        return fail(error, "%s: orders %lu images, but %zu are trained on", order->path, (unsigned long)file_images,
                    images);
    if (file_epochs < epochs)
        return fail(error, "%s: holds %lu epochs, but %zu are asked for", order->path, (unsigned long)file_epochs,
                    epochs);
    return true;
}

bool order_open(Order *order, OrderKind kind, const char *path, uint64_t seed, size_t images, size_t epochs,
                Error *error)
{
    memset(order, 0, sizeof *order);
    order->kind = kind;
    order->path = path;
    order->count = images;
    order->images = calloc(images, sizeof *order->images);
    if (kind == ORDER_FILE)
        order->met = calloc(images, sizeof *order->met);
    bool good = order->images != NULL && (kind != ORDER_FILE || order->met != NULL);
    if (!good)
        fail_memory(error, "not enough memory for the order of %zu images", images);
    else if (kind == ORDER_FILE)
        good = open_file(order, images, epochs, error);
    if (!good) {
        order_close(order);
        return false;
    }
    for (size_t i = 0; i < images; i++)
        order->images[i] = (uint32_t)i;
    random_seed(&order->random, seed, STREAM_ORDER);
    return true;
}

static bool next_from_file(Order *order, Error *error)
{
    memset(order->met, 0, order->count * sizeof *order->met);
    for (size_t i = 0; i < order->count; i++) {
        uint32_t image;
        if (!read_u32(order->file, &image))
            return fail(error, "%s: the order file ends too early", order->path);
        if (image >= order->count || order->met[image])
            return fail(error, "%s: image %lu is %s", order->path, (unsigned long)image,
                        image >= order->count ? "not among those trained on" : "there twice in one epoch");
        order->met[image] = true;
        order->images[i] = image;
    }
    return true;
}

bool order_next(Order *order, Error *error)
{
    if (order->kind == ORDER_SEED)
        random_shuffle(&order->random, order->images, order->count);
    else if (order->kind == ORDER_FILE && !next_from_file(order, error))
        return false;
    for (size_t i = 0; i < order->count; i++) {
        uint32_t image = order->images[i];
        unsigned char bytes[4] = {image & 0xFFu, image >> 8 & 0xFFu, image >> 16 & 0xFFu, image >> 24 & 0xFFu};
        order->crc = crc32_update(order->crc, bytes, sizeof bytes);
    }
    return true;
}

void order_close(Order *order)
{
    if (order->file != NULL)
        fclose(order->file);
    free(order->images);
    free(order->met);
    memset(order, 0, sizeof *order);
}
