/* SPDX-License-Identifier: Apache-2.0 */
#include "pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "processes.h"

enum { POLITE_ROUNDS = 500, KILL_ROUNDS = 200, PAUSE_NS = 10000000 };
/* qemu-user tells a program a start of its own that is off by a little. */
enum { SAME_START_TICKS = 100 };

static char path[PATH_MAX];
static char mark[64];
static int held = -1;
static bool took_over;

typedef struct {
    long pid;
    unsigned long long start;
    char mark[64];
} Owner;

static void pause_shortly(void)
{
    struct timespec time = {0, PAUSE_NS};
    nanosleep(&time, NULL);
}

/* What the file says. False if that is nothing. */
static bool read_owner(int fd, Owner *owner)
{
    char content[128];
    ssize_t length = pread(fd, content, sizeof content - 1, 0);
    content[length < 0 ? 0 : length] = '\0';
    *owner = (Owner){0};
    return sscanf(content, "%ld %llu %63[A-Z0-9a-z_=]", &owner->pid, &owner->start, owner->mark) == 3 &&
           owner->pid > 1 && strncmp(owner->mark, "LAB_AGENT=", 10) == 0;
}

/* A number alone may be another process's by now. */
static bool still_lives(const Owner *owner)
{
    unsigned long long start = processes_start((pid_t)owner->pid);
    unsigned long long apart = start > owner->start ? start - owner->start : owner->start - start;
    return start != 0 && apart <= SAME_START_TICKS;
}

static bool lock(int fd)
{
    return flock(fd, LOCK_EX | LOCK_NB) == 0;
}

/* Ends the agent that holds the lock. True if the lock is ours. */
static bool lock_against(int fd)
{
    Owner owner;
    bool asked = false;
    for (int round = 0; round < POLITE_ROUNDS + KILL_ROUNDS; round++) {
        if (lock(fd))
            return true;
        took_over = true;
        /* The file is empty while its owner has just begun. */
        if (read_owner(fd, &owner) && still_lives(&owner)) {
            if (!asked)
                kill((pid_t)owner.pid, SIGTERM);
            else if (round >= POLITE_ROUNDS)
                kill((pid_t)owner.pid, SIGKILL);
            asked = true;
        }
        pause_shortly();
    }
    return false;
}

/* The lock is on a file that has its name still: the last owner removes it. */
static bool is_in_place(int fd)
{
    struct stat ours, named;
    return fstat(fd, &ours) == 0 && stat(path, &named) == 0 && ours.st_dev == named.st_dev &&
           ours.st_ino == named.st_ino;
}

static void end_what_is_left(const char *entry)
{
    for (int round = 0; round < KILL_ROUNDS && processes_signal_marked(entry, SIGKILL); round++) {
        took_over = true;
        pause_shortly();
    }
}

static bool write_owner(int fd)
{
    char content[128];
    uint64_t random = (uint64_t)clock_now_ns();
    int source = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (source >= 0) {
        uint64_t more = 0;
        if (read(source, &more, sizeof more) == (ssize_t)sizeof more)
            random ^= more;
        close(source);
    }
    snprintf(mark, sizeof mark, "LAB_AGENT=%ld_%016" PRIx64, (long)getpid(), random);
    int length = snprintf(content, sizeof content, "%ld %llu %s\n", (long)getpid(), processes_start(getpid()), mark);
    return ftruncate(fd, 0) == 0 && pwrite(fd, content, (size_t)length, 0) == length;
}

bool pidfile_take(const char *folder, char *problem, int size)
{
    if (snprintf(path, sizeof path, "%s/agent.pid", folder) >= (int)sizeof path) {
        snprintf(problem, (size_t)size, "the folder's name is too long");
        return false;
    }
    for (;;) {
        int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0) {
            snprintf(problem, (size_t)size, "%s: %s", path, strerror(errno));
            return false;
        }
        if (!lock_against(fd)) {
            snprintf(problem, (size_t)size, "%s: another agent holds it and does not end", path);
            close(fd);
            return false;
        }
        if (!is_in_place(fd)) {
            close(fd);
            continue;
        }
        Owner before;
        if (read_owner(fd, &before))
            end_what_is_left(before.mark);
        if (!write_owner(fd)) {
            snprintf(problem, (size_t)size, "%s: %s", path, strerror(errno));
            close(fd);
            return false;
        }
        held = fd;
        return true;
    }
}

bool pidfile_took_over(void)
{
    return took_over;
}

const char *pidfile_mark(void)
{
    return mark;
}

void pidfile_release(void)
{
    if (held < 0)
        return;
    unlink(path);
    close(held);
    held = -1;
}
