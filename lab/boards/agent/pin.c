/* SPDX-License-Identifier: Apache-2.0 */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* <linux/gpio.h> by hand: old toolchains lack version 2. */
typedef struct {
    uint32_t id;
    uint32_t padding;
    uint64_t value;
    uint64_t mask;
} LineAttribute;

typedef struct {
    uint64_t flags;
    uint32_t count;
    uint32_t padding[5];
    LineAttribute attributes[10];
} LineConfig;

typedef struct {
    uint32_t offsets[64];
    char consumer[32];
    LineConfig config;
    uint32_t lines;
    uint32_t event_buffer_size;
    uint32_t padding[5];
    int32_t fd;
} LineRequest;

typedef struct {
    uint64_t bits;
    uint64_t mask;
} LineValues;

_Static_assert(sizeof(LineConfig) == 272, "struct gpio_v2_line_config");
_Static_assert(sizeof(LineRequest) == 592, "struct gpio_v2_line_request");

#define FLAG_OUTPUT (1u << 3)
#define ATTRIBUTE_OUTPUT_VALUES 2u
#define IOC_GET_LINE _IOWR(0xB4, 0x07, LineRequest)
#define IOC_SET_VALUES _IOWR(0xB4, 0x0F, LineValues)

int pin_open(const char *device, unsigned line, char *problem, int size)
{
    int chip = open(device, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (chip < 0) {
        snprintf(problem, (size_t)size, "%s: %s", device, strerror(errno));
        return -1;
    }
    LineRequest request = {
        .offsets = {line},
        .consumer = "lab-agent",
        .lines = 1,
        .config = {.flags = FLAG_OUTPUT, .count = 1, .attributes = {{.id = ATTRIBUTE_OUTPUT_VALUES, .mask = 1}}},
    };
    int result = ioctl(chip, IOC_GET_LINE, &request);
    int error = errno;
    close(chip);
    if (result == 0) {
        fcntl(request.fd, F_SETFD, FD_CLOEXEC);
        return request.fd;
    }
    const char *why = strerror(error);
    if (error == EBUSY)
        why = "somebody else uses it (see gpioinfo)";
    else if (error == ENOTTY)
        why = "this is no GPIO chip, or the kernel is older than 5.10";
    else if (error == EINVAL)
        why = "the chip has no such line, or the line cannot be an output";
    snprintf(problem, (size_t)size, "%s: line %u: %s", device, line, why);
    return -1;
}

bool pin_set(int pin, bool high)
{
    LineValues values = {.bits = high ? 1 : 0, .mask = 1};
    return ioctl(pin, IOC_SET_VALUES, &values) == 0;
}

void pin_close(int pin)
{
    pin_set(pin, false);
    close(pin);
}
