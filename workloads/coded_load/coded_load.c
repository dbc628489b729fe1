/* SPDX-License-Identifier: Apache-2.0 */
/*
 * coded_load: keeps the processor busy or lets it idle, chip by chip, after a maximum-length sequence, so that the
 * pattern can be found in a power trace. With LAB_MARKS in the environment it appends the instant of every chip, on
 * CLOCK_MONOTONIC_RAW, to the file of that name. Exit codes: 0 done, 2 wrong arguments, 1 anything else.
 */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LEAST_ORDER = 4, MOST_ORDER = 10, MOST_CHIPS = (1 << MOST_ORDER) - 1, MOST_THREADS = 1024, GUARD_CHIPS = 2 };

/* Stages of the shift register that are fed back, as bits (stage k is bit k - 1), by order. */
static const unsigned TAPS[MOST_ORDER + 1] = {
    [4] = 1u << 3 | 1u << 2, [5] = 1u << 4 | 1u << 2, [6] = 1u << 5 | 1u << 4,
    [7] = 1u << 6 | 1u << 5, [8] = 1u << 7 | 1u << 5 | 1u << 4 | 1u << 3,
    [9] = 1u << 8 | 1u << 4, [10] = 1u << 9 | 1u << 6,
};

typedef struct {
    unsigned order, threads;
    double chip_ms;
} Options;

/* What all threads share: they follow the same times. `stamps` is written by the first thread alone. */
typedef struct {
    bool busy[MOST_CHIPS];
    size_t chips;
    int64_t begin_ns, chip_ns;
    int64_t stamps[MOST_CHIPS + 1];
} Code;

static const char USAGE[] =
    "usage: coded_load [--order N] [--chip-ms MS] [--threads N]\n"
    "  --order N     4 to 10: the pattern has 2^N - 1 chips (default 6)\n"
    "  --chip-ms MS  1 to 10000: length of a chip (default 20)\n"
    "  --threads N   1 to 1024: threads that are busy (default 1)\n"
    "Appends the chips' instants to the file that LAB_MARKS names, if it names one.\n";

static int64_t now_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void sleep_until(int64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR)
        ;
}

static void make_code(Code *code, unsigned order)
{
    unsigned state = (1u << order) - 1;
    code->chips = (1u << order) - 1;
    for (size_t i = 0; i < code->chips; i++) {
        code->busy[i] = state & 1;
        /* The register shifts right: its stage k is the bit order - k. */
        unsigned fed = 0;
        for (unsigned stage = 1; stage <= order; stage++)
            if (TAPS[order] >> (stage - 1) & 1)
                fed ^= state >> (order - stage) & 1;
        state = state >> 1 | fed << (order - 1);
    }
}

/* Plays the pattern; stamps, if given, get the instants at which the chips really began, and the last one ended. */
static void play(const Code *code, int64_t *stamps)
{
    for (size_t i = 0; i <= code->chips; i++) {
        int64_t begin_ns = code->begin_ns + (int64_t)i * code->chip_ns;
        if (i == 0 || !code->busy[i - 1])
            sleep_until(begin_ns);
        else
            while (now_ns(CLOCK_MONOTONIC) < begin_ns)
                ;
        if (stamps != NULL)
            stamps[i] = now_ns(CLOCK_MONOTONIC_RAW);
    }
}

static void *play_along(void *code)
{
    play(code, NULL);
    return NULL;
}

static bool save_marks(const Code *code, const char *path)
{
    FILE *file = fopen(path, "a");
    if (file == NULL)
        return false;
    fprintf(file, "code_begin %" PRId64 "\n", code->stamps[0]);
    for (size_t i = 0; i < code->chips; i++)
        fprintf(file, "%s %" PRId64 "\n", code->busy[i] ? "code_busy" : "code_idle", code->stamps[i]);
    fprintf(file, "code_end %" PRId64 "\n", code->stamps[code->chips]);
    bool written = ferror(file) == 0;
    return fclose(file) == 0 && written;
}

static bool whole(const char *text, long least, long most, unsigned *value)
{
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < least || number > most)
        return false;
    *value = (unsigned)number;
    return true;
}

static bool parse(Options *options, int count, char **arguments)
{
    for (int i = 1; i < count; i += 2) {
        const char *name = arguments[i], *value = i + 1 < count ? arguments[i + 1] : "";
        char *end;
        bool good = false;
        if (strcmp(name, "--order") == 0) {
            good = whole(value, LEAST_ORDER, MOST_ORDER, &options->order);
        } else if (strcmp(name, "--threads") == 0) {
            good = whole(value, 1, MOST_THREADS, &options->threads);
        } else if (strcmp(name, "--chip-ms") == 0) {
            options->chip_ms = strtod(value, &end);
            good = end != value && *end == '\0' && options->chip_ms >= 1.0 && options->chip_ms <= 10000.0;
        }
        if (!good) {
            fprintf(stderr, "coded_load: %.80s %.80s is not understood\n%s", name, value, USAGE);
            return false;
        }
    }
    return true;
}

static bool run(Code *code, unsigned threads)
{
    pthread_t helpers[MOST_THREADS];
    unsigned started = 0;
    bool good = true;
    /* Idle before the first chip, and time enough to start the threads. */
    code->begin_ns = now_ns(CLOCK_MONOTONIC) + GUARD_CHIPS * code->chip_ns;
    while (good && started + 1 < threads) {
        good = pthread_create(&helpers[started], NULL, play_along, code) == 0;
        started += good;
    }
    if (good)
        play(code, code->stamps);
    else
        fputs("coded_load: a thread cannot be started\n", stderr);
    for (unsigned i = 0; i < started; i++)
        pthread_join(helpers[i], NULL);
    /* Idle after the last chip: what the program does to end is no part of the pattern. */
    sleep_until(code->begin_ns + ((int64_t)code->chips + GUARD_CHIPS) * code->chip_ns);
    return good;
}

int main(int count, char **arguments)
{
    static Code code;
    Options options = {.order = 6, .threads = 1, .chip_ms = 20.0};
    if (count == 2 && (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0)) {
        fputs(USAGE, stdout);
        return 0;
    }
    if (!parse(&options, count, arguments))
        return 2;
    code.chip_ns = (int64_t)llround(options.chip_ms * 1e6);
    make_code(&code, options.order);
    if (!run(&code, options.threads))
        return 1;
    const char *path = getenv("LAB_MARKS");
    if (path != NULL && path[0] != '\0' && !save_marks(&code, path)) {
        fprintf(stderr, "coded_load: %.200s: %s\n", path, strerror(errno));
        return 1;
    }
    size_t busy = 0;
    for (size_t i = 0; i < code.chips; i++)
        busy += code.busy[i];
    printf("%zu chips of %g ms, %zu of them busy, %u threads\n", code.chips, options.chip_ms, busy, options.threads);
    return fflush(stdout) == 0 ? 0 : 1;
}
