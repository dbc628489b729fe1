/* SPDX-License-Identifier: Apache-2.0 */
#include "processes.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    pid_t pid;
    pid_t parent;
    bool alive;
    bool descends;
} Process;

typedef struct {
    Process *of;
    size_t count;
    size_t room;
} Table;

/* The whole of a small file of /proc, with a zero behind it; its length, or -1. */
static ssize_t read_file(pid_t pid, const char *name, char *content, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = 0;
    for (;;) {
        ssize_t got = read(fd, content + length, size - 1 - (size_t)length);
        if (got <= 0)
            break;
        length += got;
    }
    close(fd);
    content[length] = '\0';
    return length;
}

/* What stands behind the command's name in /proc/PID/stat; the name itself may hold anything. */
static const char *stat_fields(pid_t pid, char *content, size_t size)
{
    if (read_file(pid, "stat", content, size) <= 0)
        return NULL;
    const char *name_end = strrchr(content, ')');
    return name_end == NULL ? NULL : name_end + 1;
}

static bool add(Table *table, pid_t pid)
{
    char content[1024];
    char state = 'X';
    long parent = 0;
    const char *fields = stat_fields(pid, content, sizeof content);
    if (fields == NULL || sscanf(fields, " %c %ld", &state, &parent) != 2)
        return true; /* it ended meanwhile */
    if (table->count == table->room) {
        size_t room = table->room == 0 ? 256 : 2 * table->room;
        Process *more = realloc(table->of, room * sizeof *more);
        if (more == NULL)
            return false;
        table->of = more;
        table->room = room;
    }
    table->of[table->count++] = (Process){pid, (pid_t)parent, state != 'Z' && state != 'X', false};
    return true;
}

static void list(Table *table)
{
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(proc)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10);
        if (pid > 0 && !add(table, (pid_t)pid))
            break;
    }
    closedir(proc);
}

static bool adopts;

bool processes_adopt_orphans(void)
{
    adopts = prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0;
    return adopts;
}

static bool descends_from(const Table *table, pid_t parent, pid_t ancestor)
{
    if (parent == ancestor)
        return true;
    for (size_t i = 0; i < table->count; i++)
        if (table->of[i].pid == parent)
            return table->of[i].descends;
    return false;
}

void processes_signal_descendants(const char *entry, int number)
{
    Table table = {0};
    pid_t ancestor = getpid();
    list(&table);
    /* A child may come before its parent where process numbers have wrapped round. */
    bool more = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < table.count; i++)
            if (!table.of[i].descends && descends_from(&table, table.of[i].parent, ancestor))
                more = table.of[i].descends = true;
    }
    for (size_t i = 0; i < table.count; i++)
        if (table.of[i].descends && table.of[i].alive)
            kill(table.of[i].pid, number);
    free(table.of);
    if (!adopts)
        processes_signal_marked(entry, number);
}

static bool is_marked(pid_t pid, const char *entry)
{
    static char content[1 << 18];
    ssize_t length = read_file(pid, "environ", content, sizeof content);
    size_t wanted = strlen(entry) + 1;
    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(content + at) + 1)
        if ((size_t)(length - at) + 1 >= wanted && memcmp(content + at, entry, wanted) == 0)
            return true;
    return false;
}

bool processes_signal_marked(const char *entry, int number)
{
    Table table = {0};
    bool met = false;
    list(&table);
    for (size_t i = 0; i < table.count; i++)
        if (table.of[i].pid != getpid() && table.of[i].alive && is_marked(table.of[i].pid, entry) &&
            kill(table.of[i].pid, number) == 0)
            met = true;
    free(table.of);
    return met;
}

bool processes_are_left(const char *entry)
{
    pid_t reaped;
    do
        reaped = waitpid(-1, NULL, WNOHANG);
    while (reaped > 0);
    return reaped == 0 || (!adopts && processes_signal_marked(entry, 0));
}

unsigned long long processes_start(pid_t pid)
{
    enum { STATE = 3, START = 22 }; /* numbered as in proc(5) */
    char content[1024];
    const char *field = stat_fields(pid, content, sizeof content);
    if (field == NULL || *field == '\0')
        return 0;
    for (int number = STATE; number < START; number++) {
        field = strchr(field + 1, ' ');
        if (field == NULL)
            return 0;
    }
    return strtoull(field + 1, NULL, 10);
}
