/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_MARKS = 16 };

static struct {
    const char *name;
    int64_t ns;
} marks[MOST_MARKS];
static size_t count;

void mark(const char *name)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    if (count < MOST_MARKS) {
        marks[count].name = name;
        marks[count].ns = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
        count++;
    }
}

bool marks_save(Error *error)
{
    const char *path = getenv("LAB_MARKS");
    if (path == NULL || path[0] == '\0')
        return true;
    FILE *file = fopen(path, "a");
    if (file == NULL)
        return fail(error, "%.200s: %s", path, strerror(errno));
    for (size_t i = 0; i < count; i++)
        fprintf(file, "%s %" PRId64 "\n", marks[i].name, marks[i].ns);
    bool written = ferror(file) == 0;
    if (fclose(file) != 0 || !written)
        return fail(error, "%.200s: the marks cannot be written", path);
    return true;
}
