/* SPDX-License-Identifier: Apache-2.0 */
#include "digits.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_SIZE = 4096 };

static const size_t IMAGE_SHAPE[2] = {IMAGE_SIDE, IMAGE_SIDE};

static bool is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Finds NAME-idx3-ubyte or NAME.idx3-ubyte, plain or with .gz, in that order. */
static bool find(char path[PATH_SIZE], const char *folder, const char *name, const char *kind, Error *error)
{
    static const char separators[] = "-.";
    static const char *const suffixes[] = {"", ".gz"};
    struct stat status;

    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++) {
            int length =
                snprintf(path, PATH_SIZE, "%s/%s%c%s-ubyte%s", folder, name, separators[i], kind, suffixes[j]);
            if (length < 0 || length >= PATH_SIZE)
                return fail(error, "%.64s...: the path is too long", folder);
            if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
                return true;
        }
    return fail(error, "%s: no %s-%s-ubyte or %s-%s-ubyte.gz there", folder, name, kind, name, kind);
}

static bool read_pair(IdxArray *images, IdxArray *labels, const char *folder, const char *name, size_t most,
                      Error *error)
{
    char name_images[32], name_labels[32], image_path[PATH_SIZE], label_path[PATH_SIZE];
    snprintf(name_images, sizeof name_images, "%s-images", name);
    snprintf(name_labels, sizeof name_labels, "%s-labels", name);
    if (!find(image_path, folder, name_images, "idx3", error) || !find(label_path, folder, name_labels, "idx1", error))
        return false;
    if (!idx_read(images, image_path, IMAGE_SHAPE, 2, most, error) ||
        !idx_read(labels, label_path, NULL, 0, most, error))
        return false;
    if (images->count != labels->count || images->whole_count != labels->whole_count)
        return fail(error, "%s: %zu images but %zu labels for %s", folder, images->whole_count, labels->whole_count,
                    name);
    for (size_t i = 0; i < labels->count; i++)
        if (labels->bytes[i] >= DIGITS)
            return fail(error, "%s: label %zu is %u (expected 0 to 9)", label_path, i, (unsigned)labels->bytes[i]);
    return true;
}

static DigitSet view(const IdxArray *images, const IdxArray *labels, size_t first, size_t count, size_t limit)
{
    return (DigitSet){.count = limit != 0 && limit < count ? limit : count,
                      .pixels = images->bytes + first * PIXELS,
                      .labels = labels->bytes + first};
}

static bool read_split(DigitFolder *folder, const DigitRequest *request, Error *error)
{
    size_t train = request->split_train, test = request->split_test;
    IdxArray *images = &folder->test_images, *labels = &folder->test_labels;
    if (!read_pair(images, labels, request->folder, "t10k", train + test, error))
        return false;
    if (images->count < train + test)
        return fail(error, "%s: %zu images in t10k are too few for the split %zu/%zu", request->folder, images->count,
                    train, test);
    folder->train = view(images, labels, 0, train, request->train_limit);
    folder->test = view(images, labels, train, test, request->test_limit);
    return true;
}

static bool read_both(DigitFolder *folder, const DigitRequest *request, Error *error)
{
    size_t train = request->train_limit ? request->train_limit : IDX_MOST_ITEMS;
    size_t test = request->test_limit ? request->test_limit : IDX_MOST_ITEMS;
    char path[PATH_SIZE];
    Error ignored;
    if (!find(path, request->folder, "train-images", "idx3", error)) {
        if (!find(path, request->folder, "t10k-images", "idx3", &ignored))
            return false;
        return fail(error,
                    "%s: no train-images-idx3-ubyte or train-images-idx3-ubyte.gz there (with --split 8000/2000 the "
                    "t10k files alone are enough)",
                    request->folder);
    }
    if (!read_pair(&folder->train_images, &folder->train_labels, request->folder, "train", train, error) ||
        !read_pair(&folder->test_images, &folder->test_labels, request->folder, "t10k", test, error))
        return false;
    folder->train = view(&folder->train_images, &folder->train_labels, 0, folder->train_images.count, 0);
    folder->test = view(&folder->test_images, &folder->test_labels, 0, folder->test_images.count, 0);
    return true;
}

bool digits_read(DigitFolder *folder, const DigitRequest *request, Error *error)
{
    memset(folder, 0, sizeof *folder);
    if (!is_folder(request->folder))
        return fail(error, "%s: no such folder", request->folder);
    bool good = request->split_train ? read_split(folder, request, error) : read_both(folder, request, error);
    if (!good)
        digits_free(folder);
    return good;
}

void digits_free(DigitFolder *folder)
{
    idx_free(&folder->train_images);
    idx_free(&folder->train_labels);
    idx_free(&folder->test_images);
    idx_free(&folder->test_labels);
    memset(folder, 0, sizeof *folder);
}
