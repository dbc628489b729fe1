/* SPDX-License-Identifier: Apache-2.0 */
#include "image.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool read_from_idx(const char *path, size_t index, unsigned char pixels[PIXELS], Error *error)
{
    static const size_t shape[2] = {IMAGE_SIDE, IMAGE_SIDE};
    IdxArray images;
    if (!idx_read(&images, path, shape, 2, IDX_MOST_ITEMS, error))
        return false;
    bool good = index < images.count ||
                fail(error, "%s: holds %zu images, so there is no number %zu", path, images.count, index);
    if (good)
        memcpy(pixels, images.bytes + index * PIXELS, PIXELS);
    idx_free(&images);
    return good;
}

/* A number of a PGM header, after white space and comments; -1 if there is none. One character after it is eaten. */
static long header_number(FILE *file)
{
    long value = -1;
    int c = getc(file);
    while (isspace(c) || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF)
                c = getc(file);
        c = getc(file);
    }
    for (; isdigit(c) && value < 100000; c = getc(file))
        value = (value < 0 ? 0 : value) * 10 + (c - '0');
    return isspace(c) ? value : -1;
}

static bool read_pgm(FILE *file, const char *path, unsigned char pixels[PIXELS], Error *error)
{
    long width = header_number(file), height = header_number(file), white = header_number(file);
    if (width != IMAGE_SIDE || height != IMAGE_SIDE || white < 1 || white > 255)
        return fail(error, "%s: a PGM image of another kind (expected 28 x 28 with at most 255 grey levels)", path);
    if (fread(pixels, 1, PIXELS, file) != PIXELS)
        return fail(error, "%s: the image ends too early", path);
    for (size_t i = 0; i < PIXELS; i++) {
        if (pixels[i] > white)
            return fail(error, "%s: pixel %zu is brighter than the header's %ld", path, i, white);
        pixels[i] = (unsigned char)((pixels[i] * 255L + white / 2) / white);
    }
    return true;
}

static bool read_raw(FILE *file, const char *path, unsigned char pixels[PIXELS], Error *error)
{
    rewind(file);
    if (fread(pixels, 1, PIXELS, file) != PIXELS || getc(file) != EOF)
        return fail(error, "%s: not an image (expected a 28 x 28 PGM, 784 raw bytes or an IDX file)", path);
    return true;
}

bool image_read(const char *path, size_t index, unsigned char pixels[PIXELS], Error *error)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return fail(error, "%s: %s", path, strerror(errno));
    /* An image of exactly 784 bytes is raw, even where its first three are those of an IDX file. */
    unsigned char probe[PIXELS + 1];
    size_t length = fread(probe, 1, sizeof probe, file);
    bool raw = length == PIXELS;
    rewind(file);
    bool good;
    if (!raw && length > 2 && probe[0] == 'P' && probe[1] == '5')
        good = fseek(file, 2, SEEK_SET) == 0 && read_pgm(file, path, pixels, error);
    else if (!raw && idx_recognised(path))
        good = read_from_idx(path, index, pixels, error);
    else
        good = read_raw(file, path, pixels, error);
    fclose(file);
    return good;
}
