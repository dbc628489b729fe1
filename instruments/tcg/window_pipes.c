/* SPDX-License-Identifier: Apache-2.0 */
#include "window_pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static FILE *control;
static int acknowledge;
static int *window_open, *window_openings;

static void *answer(void *unused)
{
    char line[64];
    (void)unused;
    while (fgets(line, sizeof line, control)) {
        if (!strcmp(line, "enable\n")) {
            __atomic_add_fetch(window_openings, 1, __ATOMIC_RELAXED);
            __atomic_store_n(window_open, 1, __ATOMIC_SEQ_CST);
        } else if (!strcmp(line, "disable\n")) {
            __atomic_store_n(window_open, 0, __ATOMIC_SEQ_CST);
        } else {
            continue;
        }
        if (write(acknowledge, "ack\n", 4) != 4)
            break;
    }
    return NULL;
}

/* For reading and writing: so neither end waits for the other, and a pipe whose other end was closed stays usable. */
static int open_pipe(const char *path)
{
    if (mkfifo(path, 0600) && errno != EEXIST)
        return -1;
    return open(path, O_RDWR | O_CLOEXEC);
}

bool window_pipes_listen(const char *pipes, int *open, int *openings)
{
    char first[PATH_MAX];
    const char *comma = strchr(pipes, ',');
    if (!comma || (size_t)(comma - pipes) >= sizeof first) {
        errno = EINVAL;
        return false;
    }
    memcpy(first, pipes, (size_t)(comma - pipes));
    first[comma - pipes] = '\0';
    int descriptor = open_pipe(first);
    acknowledge = descriptor < 0 ? -1 : open_pipe(comma + 1);
    control = acknowledge < 0 ? NULL : fdopen(descriptor, "r");
    if (!control)
        return false;
    window_open = open;
    window_openings = openings;
    /* QEMU's handlers of signals are for its own threads: none may be run in this one. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_t thread;
    errno = pthread_create(&thread, NULL, answer, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return !errno;
}
