/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MOST_MARKS = 16, LONGEST_PATH = 4096, PATIENCE_S = 10 };

static struct {
    const char *name;
    int64_t ns;
} marks[MOST_MARKS];
static size_t count;

static struct {
    bool asked_for;
    int control;
    int acknowledge;
} window = {false, -1, -1};

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

/* Opens the two pipes, if there are any. Nobody at their other ends is told at once, not waited for. */
static bool find_pipes(Error *error)
{
    const char *paths = getenv("LAB_WINDOW");
    char control[LONGEST_PATH];
    if (paths == NULL || paths[0] == '\0' || window.asked_for)
        return true;
    const char *comma = strchr(paths, ',');
    if (comma == NULL || (size_t)(comma - paths) >= sizeof control)
        return fail(error, "LAB_WINDOW=%.200s: expected the paths of two pipes with a comma between them", paths);
    memcpy(control, paths, (size_t)(comma - paths));
    control[comma - paths] = '\0';
    window.acknowledge = open(comma + 1, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (window.acknowledge < 0)
        return fail(error, "%.200s: %s", comma + 1, strerror(errno));
    window.control = open(control, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (window.control < 0)
        return fail(error, "%.200s: %s", control, errno == ENXIO ? "nobody listens" : strerror(errno));
    /* Whoever listens may go away meanwhile: that is an error of write's, not the program's end. */
    signal(SIGPIPE, SIG_IGN);
    window.asked_for = true;
    return true;
}

static int64_t milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Reads a line, byte by byte: what follows it belongs to the next answer. perf ends its answers with a zero byte. */
static bool hear_answer(Error *error)
{
    char line[16];
    size_t length = 0;
    int64_t until = milliseconds() + PATIENCE_S * 1000;
    for (;;) {
        char byte;
        ssize_t got = read(window.acknowledge, &byte, 1);
        if (got == 1 && byte == '\n')
            break;
        if (got == 1 && byte != '\0' && length < sizeof line - 1)
            line[length++] = byte;
        if (got == 1)
            continue;
        if (got < 0 && errno != EAGAIN && errno != EINTR)
            return fail(error, "LAB_WINDOW: %s", strerror(errno));
        /* Before anybody has opened the pipe for writing it seems to be at its end, and polling may return at once. */
        struct timespec moment = {0, 1000000};
        if (got == 0)
            nanosleep(&moment, NULL);
        int64_t rest = until - milliseconds();
        struct pollfd answer = {.fd = window.acknowledge, .events = POLLIN};
        if (rest <= 0 || poll(&answer, 1, (int)rest) == 0)
            return fail(error, "LAB_WINDOW: no answer within %d s", PATIENCE_S);
    }
    line[length] = '\0';
    if (strcmp(line, "ack") != 0)
        return fail(error, "LAB_WINDOW: the answer was not understood");
    return true;
}

static bool say(const char *word, Error *error)
{
    if (!window.asked_for)
        return true;
    size_t length = strlen(word);
    if (write(window.control, word, length) != (ssize_t)length)
        return fail(error, "LAB_WINDOW: nobody takes the word that the window begins or ends");
    return hear_answer(error);
}

bool window_open(Error *error)
{
    if (!find_pipes(error) || !say("enable\n", error))
        return false;
    mark("window_begin");
    return true;
}

bool window_close(Error *error)
{
    mark("window_end");
    return say("disable\n", error);
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
