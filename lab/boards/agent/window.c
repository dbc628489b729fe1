/* SPDX-License-Identifier: Apache-2.0 */
#include "window.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "pin.h"

enum { MOST_MARKS = 1 << 16, LONGEST_WORD = 16 };

static const char CONTROL[] = "window.control", ACKNOWLEDGE[] = "window.acknowledge";

static WindowParts parts = {.pin = -1};
static int control = -1, acknowledge = -1;
static bool is_open;
static long count, strange_words, lost_marks;
static int pin_error;
static char word[LONGEST_WORD + 1];
static size_t word_length;
static int64_t marks[MOST_MARKS]; /* begin and end in turn */
static size_t mark_count;

void window_prepare(const WindowParts *new_parts)
{
    parts = *new_parts;
    is_open = false;
    count = strange_words = lost_marks = 0;
    pin_error = 0;
    word_length = 0;
    mark_count = 0;
}

static int make_pipe(int workdir, const char *name, int *end)
{
    if ((unlinkat(workdir, name, 0) != 0 && errno != ENOENT) || mkfifoat(workdir, name, 0600) != 0)
        return errno;
    /* Both ends are ours too, so that neither opening nor writing waits for the program. */
    *end = openat(workdir, name, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    return *end < 0 ? errno : 0;
}

int window_make_pipes(int workdir)
{
    int error = make_pipe(workdir, CONTROL, &control);
    return error != 0 ? error : make_pipe(workdir, ACKNOWLEDGE, &acknowledge);
}

int window_control(void)
{
    return control;
}

static void set_pin(bool high)
{
    if (parts.pin >= 0 && !pin_set(parts.pin, high))
        pin_error = errno;
}

static void mark(void)
{
    int64_t now = clock_raw_ns();
    if (!parts.keep_marks)
        return;
    if (mark_count < MOST_MARKS)
        marks[mark_count++] = now;
    else
        lost_marks++;
}

void window_open(void)
{
    if (is_open)
        return;
    is_open = true;
    count++;
    set_pin(true);
    mark();
    counters_enable(parts.events, parts.count);
}

void window_close(void)
{
    if (!is_open)
        return;
    is_open = false;
    counters_disable(parts.events, parts.count);
    mark();
    set_pin(false);
}

static void obey(void)
{
    if (strcmp(word, "enable") == 0) {
        window_open();
    } else if (strcmp(word, "disable") == 0) {
        window_close();
    } else {
        strange_words++;
        return;
    }
    /* Nobody need read it: a full pipe takes no more. */
    if (write(acknowledge, "ack\n", 4) != 4)
        strange_words++;
}

void window_serve(void)
{
    char bytes[512];
    ssize_t got = read(control, bytes, sizeof bytes);
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] == '\n') {
            word[word_length < LONGEST_WORD ? word_length : LONGEST_WORD] = '\0';
            obey();
            word_length = 0;
        } else if (bytes[i] != '\0') { /* perf's own clients end a word so */
            if (word_length < LONGEST_WORD)
                word[word_length] = bytes[i];
            word_length += word_length <= LONGEST_WORD ? 1 : 0;
        }
    }
}

bool window_is_open(void)
{
    return is_open;
}

long window_count(void)
{
    return count;
}

long window_strange_words(void)
{
    return strange_words;
}

int window_pin_error(void)
{
    return pin_error;
}

long window_lost_marks(void)
{
    return lost_marks;
}

int window_save_marks(int workdir, const char *path, long long size_before)
{
    /* A program may have put anything in its place: a pipe must not make us wait. */
    int fd = openat(workdir, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd < 0)
        return errno;
    struct stat now;
    int error = 0;
    if (fstat(fd, &now) != 0 || !S_ISREG(now.st_mode))
        error = EINVAL;
    for (size_t i = 0; error == 0 && (long long)now.st_size <= size_before && i < mark_count; i++)
        if (dprintf(fd, "%s %" PRId64 "\n", i % 2 == 0 ? "window_begin" : "window_end", marks[i]) < 0)
            error = errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    return error;
}

void window_end(void)
{
    if (control >= 0)
        close(control);
    if (acknowledge >= 0)
        close(acknowledge);
    control = acknowledge = -1;
    if (parts.pin >= 0)
        pin_close(parts.pin);
    parts = (WindowParts){.pin = -1};
}
