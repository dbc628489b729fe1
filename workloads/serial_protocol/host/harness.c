/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The firmware's side of the protocol as a program of this machine, on a pseudo terminal (whose name it prints first) or
 * on standard input and output: what the tests talk to. Its network is one dense layer of made-up weights; its pin is a
 * line `window 0|1 TICKS` on standard error. With --codec it only works out checksums: `crc16 HEX`, `crc32 HEX` a line.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "../made_up_network.h"
#include "../serial_protocol.h"

static uint8_t input[MADE_UP_INPUTS];
static int16_t output[MADE_UP_OUTPUTS];

SerialFirmware firmware = {
    .clock_hz = 20000000, .tick_hz = 1000000, .tick_bits = 32, .input_type = SERIAL_I8, .output_type = SERIAL_I16,
    .input_bytes = sizeof input, .output_bytes = sizeof output, .input = input, .output = (const uint8_t *)output,
    .model_hash = MADE_UP_HASH,
};

static int from = STDIN_FILENO, to = STDOUT_FILENO;
static unsigned infer_us, fails_at, hangs_at, spoils_at, exits_at, inferences;
static bool says_window;

static uint64_t now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC_RAW, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

/* Waits for a byte for a moment between two calls of serial_protocol_poll(), but never while inferences run. */
static void wait_for_line(void)
{
    struct pollfd line = {.fd = from, .events = POLLIN};
    poll(&line, 1, 100);
    if (line.revents & (POLLHUP | POLLERR) && !(line.revents & POLLIN))
        usleep(2000); /* nobody has the other end open */
}

bool firmware_receive(uint8_t *byte)
{
    struct pollfd line = {.fd = from, .events = POLLIN};
    if (poll(&line, 1, 0) <= 0 || !(line.revents & POLLIN))
        return false;
    ssize_t got = read(from, byte, 1);
    if (got == 0)
        exit(0);
    return got == 1;
}

void firmware_send(uint8_t byte)
{
    static uint8_t waiting[512];
    static size_t count;
    waiting[count++] = byte;
    /* A frame ends with its second zero; write it as a whole. */
    if (count > 1 && (byte == 0 || count == sizeof waiting)) {
        for (size_t done = 0; done < count;) {
            ssize_t put = write(to, waiting + done, count - done);
            if (put < 0 && errno != EINTR && errno != EAGAIN)
                break;
            done += put > 0 ? (size_t)put : 0;
        }
        count = 0;
    }
}

uint32_t firmware_ticks(void)
{
    unsigned __int128 ticks = (unsigned __int128)now_ns() * firmware.tick_hz / 1000000000u;
    return (uint32_t)ticks & (0xffffffffu >> (32 - firmware.tick_bits));
}

void firmware_window(bool open)
{
    if (says_window)
        fprintf(stderr, "window %d %" PRIu32 "\n", open, firmware_ticks());
}

uint8_t firmware_infer(void)
{
    uint64_t begin = now_ns();
    inferences++;
    if (inferences == fails_at)
        return 3;
    if (inferences == spoils_at)
        input[0] ^= 0x55;
    if (inferences == exits_at)
        _exit(9);
    while (inferences == hangs_at)
        pause();
    made_up_network(input, output);
    while (now_ns() - begin < 1000ull * infer_us)
        ;
    return 0;
}

uint8_t firmware_text(uint8_t item, char *text, uint8_t room)
{
    static const char *const TEXTS[] = {"harness", "1.0", "this machine", "dense 20-4, made up", __VERSION__};
    const char *said = item < sizeof TEXTS / sizeof *TEXTS ? TEXTS[item]
                       : item == (SERIAL_TEXT_FAILURE | 3) ? "told to fail"
                                                           : "";
    size_t length = strlen(said);
    if (length > room)
        length = room;
    memcpy(text, said, length);
    return (uint8_t)length;
}

void firmware_memory(SerialMemory *memory)
{
    memory->data = sizeof input + sizeof output;
    memory->stack_peak = 321;
}

static int codec(void)
{
    static char text[8192];
    static uint8_t bytes[sizeof text / 2];
    while (fgets(text, sizeof text, stdin) != NULL) {
        size_t count = 0;
        unsigned value;
        for (const char *at = text + 6; sscanf(at, "%2x", &value) == 1; at += 2)
            bytes[count++] = (uint8_t)value;
        uint16_t crc = 0xffff;
        for (size_t i = 0; i < count; i++)
            crc = serial_crc16(crc, bytes[i]);
        if (strncmp(text, "crc16", 5) == 0)
            printf("%04x\n", crc);
        else
            printf("%08" PRIx32 "\n", serial_crc32(bytes, (uint32_t)count));
        fflush(stdout);
    }
    return 0;
}

static int open_pty(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    struct termios modes;
    if (master < 0 || grantpt(master) != 0 || unlockpt(master) != 0)
        return -1;
    const char *name = ptsname(master);
    int end = open(name, O_RDWR | O_NOCTTY); /* set to raw before anybody opens it */
    if (end < 0 || tcgetattr(end, &modes) != 0)
        return -1;
    cfmakeraw(&modes);
    tcsetattr(end, TCSANOW, &modes);
    close(end);
    printf("%s\n", name);
    fflush(stdout);
    return master;
}

int main(int argc, char **argv)
{
    enum { PTY = 1, CODEC, TICK_HZ, TICK_BITS, INFER_US, FAIL, HANG, SPOIL, EXIT, WINDOW };
    static const struct option OPTIONS[] = {
        {"pty", no_argument, NULL, PTY}, {"codec", no_argument, NULL, CODEC},
        {"tick-hz", required_argument, NULL, TICK_HZ}, {"tick-bits", required_argument, NULL, TICK_BITS},
        {"infer-us", required_argument, NULL, INFER_US}, {"fail-at", required_argument, NULL, FAIL},
        {"hang-at", required_argument, NULL, HANG}, {"spoil-at", required_argument, NULL, SPOIL},
        {"exit-at", required_argument, NULL, EXIT}, {"say-window", no_argument, NULL, WINDOW}, {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        unsigned number = optarg != NULL ? (unsigned)strtoul(optarg, NULL, 10) : 0;
        switch (option) {
        case PTY: from = to = open_pty(); break;
        case CODEC: return codec();
        case TICK_HZ: firmware.tick_hz = number; break;
        case TICK_BITS: firmware.tick_bits = (uint8_t)number; break;
        case INFER_US: infer_us = number; break;
        case FAIL: fails_at = number; break;
        case HANG: hangs_at = number; break;
        case SPOIL: spoils_at = number; break;
        case EXIT: exits_at = number; break;
        case WINDOW: says_window = true; break;
        default: return 2;
        }
    }
    if (from < 0 || firmware.tick_bits < 8 || firmware.tick_bits > 32) {
        fprintf(stderr, "harness: no pseudo terminal, or no such counter\n");
        return 2;
    }
    serial_protocol_reset();
    for (;;) {
        serial_protocol_poll();
        wait_for_line();
    }
}
