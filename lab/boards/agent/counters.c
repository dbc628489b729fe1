/* SPDX-License-Identifier: Apache-2.0 */
#include "counters.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <linux/perf_event.h> by hand: old toolchains lack parts of it. The attributes as first published (64 bytes), which
   every kernel takes. The bits of `flags` are those of little-endian machines. */
typedef struct {
    uint32_t type;
    uint32_t size;
    uint64_t config;
    uint64_t sample_period;
    uint64_t sample_type;
    uint64_t read_format;
    uint64_t flags;
    uint32_t wakeup_events;
    uint32_t bp_type;
    uint64_t config1;
} Attributes;

_Static_assert(sizeof(Attributes) == 64, "PERF_ATTR_SIZE_VER0");
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the kernel's bit fields are laid out the other way round");

#define FLAG_DISABLED (1u << 0)
#define FLAG_INHERIT (1u << 1)
#define FLAG_EXCLUDE_USER (1u << 4)
#define FLAG_EXCLUDE_KERNEL (1u << 5)
#define FLAG_EXCLUDE_HV (1u << 6)
#define FLAG_ENABLE_ON_EXEC (1u << 12)
#define READ_TIME_ENABLED 1u
#define READ_TIME_RUNNING 2u
#define OPEN_CLOEXEC 8ul
#define IOC_ENABLE _IO('$', 0)
#define IOC_DISABLE _IO('$', 1)

static int type_of(const char *pmu)
{
    static const struct {
        const char *name;
        int type;
    } fixed[] = {{"hardware", 0}, {"software", 1}, {"hw_cache", 3}, {"raw", 4}};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (strcmp(fixed[i].name, pmu) == 0)
            return fixed[i].type;
    char path[128];
    char content[16] = "";
    if (pmu[0] == '\0' || pmu[0] == '.' || strchr(pmu, '/') != NULL)
        return -1;
    snprintf(path, sizeof path, "/sys/bus/event_source/devices/%s/type", pmu);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t length = read(fd, content, sizeof content - 1);
    close(fd);
    char *end = content;
    long type = strtol(content, &end, 10);
    return length > 0 && end != content && type >= 0 && type < 1 << 20 ? (int)type : -1;
}

static int open_event(const Attributes *attributes, pid_t pid, int leader)
{
#ifdef SYS_perf_event_open
    return (int)syscall(SYS_perf_event_open, attributes, pid, -1, leader, OPEN_CLOEXEC);
#else
    (void)attributes, (void)pid, (void)leader;
    errno = ENOSYS;
    return -1;
#endif
}

static bool is_forbidden(int error)
{
    return error == EACCES || error == EPERM;
}

static void open_one(Event *event, pid_t pid, int leader, bool gated)
{
    int type = type_of(event->pmu);
    if (type < 0) {
        event->error = ENODEV;
        return;
    }
    Attributes attributes = {
        .type = (uint32_t)type,
        .size = sizeof attributes,
        .config = event->config,
        .read_format = READ_TIME_ENABLED | READ_TIME_RUNNING,
        .flags = FLAG_INHERIT,
    };
    /* Members of a group follow their leader. */
    if (leader < 0)
        attributes.flags |= FLAG_DISABLED | (gated ? 0 : FLAG_ENABLE_ON_EXEC);
    if (!event->user)
        attributes.flags |= FLAG_EXCLUDE_USER;
    if (!event->kernel)
        attributes.flags |= FLAG_EXCLUDE_KERNEL;
    if (!event->user || !event->kernel)
        attributes.flags |= FLAG_EXCLUDE_HV;
    event->fd = open_event(&attributes, pid, leader);
    if (event->fd < 0 && is_forbidden(errno) && event->user && event->kernel) {
        attributes.flags |= FLAG_EXCLUDE_KERNEL | FLAG_EXCLUDE_HV;
        event->fd = open_event(&attributes, pid, leader);
        event->user_only = event->fd >= 0;
    }
    event->error = event->fd < 0 ? errno : 0;
}

bool counters_parse(const char *text, Event *event)
{
    char scope[4];
    long long group;
    unsigned long long config;
    int used = -1;
    if (sscanf(text, "%lld,%63[^,/],%llu,%3[uk]%n", &group, event->pmu, &config, scope, &used) != 4 || used < 0 ||
        text[used] != '\0' || strspn(text, "0123456789") == 0)
        return false;
    event->group = group;
    event->config = config;
    event->user = strchr(scope, 'u') != NULL;
    event->kernel = strchr(scope, 'k') != NULL;
    return true;
}

static int leader_of(const Event *events, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (events[i].leads && events[i].group == events[index].group)
            return events[i].fd;
    return -1;
}

void counters_open(Event *events, size_t count, pid_t pid, bool gated)
{
    for (size_t i = 0; i < count; i++) {
        int leader = leader_of(events, i);
        events[i].fd = -1;
        open_one(&events[i], pid, leader, gated);
        events[i].leads = leader < 0 && events[i].fd >= 0;
    }
}

static void tell(const Event *events, size_t count, unsigned long request)
{
    for (size_t i = 0; i < count; i++)
        if (events[i].leads)
            ioctl(events[i].fd, request, 0);
}

void counters_enable(const Event *events, size_t count)
{
    tell(events, count, IOC_ENABLE);
}

void counters_disable(const Event *events, size_t count)
{
    tell(events, count, IOC_DISABLE);
}

void counters_take(Event *events, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t content[3];
        if (events[i].fd < 0)
            continue;
        ssize_t length = read(events[i].fd, content, sizeof content);
        if (length == (ssize_t)sizeof content) {
            events[i].value = content[0];
            events[i].enabled_ns = content[1];
            events[i].running_ns = content[2];
        } else {
            events[i].error = length < 0 ? errno : EIO;
        }
    }
    /* Closing a leader changes what its members count: all are read before. */
    for (size_t i = 0; i < count; i++)
        if (events[i].fd >= 0) {
            close(events[i].fd);
            events[i].fd = -1;
        }
}

int counters_try(const char *pmu, uint64_t config, bool kernel)
{
    Event event = {.config = config, .user = true, .kernel = kernel, .fd = -1};
    snprintf(event.pmu, sizeof event.pmu, "%s", pmu);
    open_one(&event, 0, -1, true);
    if (event.fd >= 0)
        close(event.fd);
    return event.user_only ? EACCES : event.error;
}
