/* How fast this machine computes and moves data at best, as compiled C attains it: `ceilings [THREADS...]`.
 *
 * Prints `board.ceilings` of a bench file, ready to be pasted. Multiply-accumulates: float32 in registers (independent
 * chains), int8 with 32-bit sums over arrays that stay in L1. Bytes: every thread reads an array of its own that is far
 * larger than any cache. Each is the best of several goes. A kernel written by hand may do better than a compiler: these
 * are what was attained, and so a lower bound of what is possible. */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CHAINS = 64, ELEMENTS = 4096, GOES = 5, MOST_THREADS = 256 };
static const size_t ARRAY_BYTES = (size_t)128 << 20;
static const double GO_S = 0.1;

typedef double (*Work)(void *own); /* does a little; returns how many operations or bytes that was */

typedef struct {
    Work work;
    void *own;
    pthread_barrier_t *start;
    double rate;
} Thread;

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static volatile float float_sink;
static volatile int32_t int_sink;
static volatile uint64_t word_sink;

static double float_macs(void *own) {
    float sums[CHAINS], factor = *(volatile float *)own, term = 1e-3f;
    for (int i = 0; i < CHAINS; i++) sums[i] = (float)i;
    const int rounds = 100000;
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < CHAINS; i++) sums[i] = sums[i] * factor + term;
    float total = 0;
    for (int i = 0; i < CHAINS; i++) total += sums[i];
    float_sink = total;
    return (double)rounds * CHAINS;
}

static double int8_macs(void *own) {
    const int8_t *a = own, *b = a + ELEMENTS;
    const int rounds = 1000;
    for (int round = 0; round < rounds; round++) {
        int32_t sum = 0;
        for (int i = 0; i < ELEMENTS; i++) sum += (int32_t)a[i] * b[i];
        int_sink = sum;
    }
    return (double)rounds * ELEMENTS;
}

static double read_bytes(void *own) {
    const uint64_t *words = own;
    uint64_t sum = 0;
    for (size_t i = 0; i < ARRAY_BYTES / sizeof *words; i++) sum += words[i];
    word_sink = sum;
    return (double)ARRAY_BYTES;
}

static void *run(void *argument) {
    Thread *thread = argument;
    thread->work(thread->own);
    pthread_barrier_wait(thread->start);
    double begin = now_s(), done = 0, passed = 0;
    do {
        done += thread->work(thread->own);
        passed = now_s() - begin;
    } while (passed < GO_S);
    thread->rate = done / passed;
    return NULL;
}

/* The best sum of all threads' rates. */
static double best_rate(Work work, int threads, void **own) {
    double best = 0;
    for (int go = 0; go < GOES; go++) {
        pthread_barrier_t start;
        pthread_t ids[MOST_THREADS];
        Thread each[MOST_THREADS];
        double sum = 0;
        if (pthread_barrier_init(&start, NULL, (unsigned)threads) != 0) exit(1);
        for (int i = 0; i < threads; i++) {
            each[i] = (Thread){work, own[i], &start, 0};
            if (pthread_create(&ids[i], NULL, run, &each[i]) != 0) {
                fprintf(stderr, "ceilings: cannot start thread %d\n", i + 1);
                exit(1);
            }
        }
        for (int i = 0; i < threads; i++) {
            pthread_join(ids[i], NULL);
            sum += each[i].rate;
        }
        pthread_barrier_destroy(&start);
        if (sum > best) best = sum;
    }
    return best;
}

static void entry(int threads, const char *element, double mac_per_s, double bytes_per_s) {
    printf("    - {accelerator: cpu, threads: %d, element: %s, mac_per_s: %.3e, bytes_per_s: %.3e, source: measured}\n",
           threads, element, mac_per_s, bytes_per_s);
}

int main(int argc, char **argv) {
    int counts[MOST_THREADS] = {1}, given = argc > 1 ? argc - 1 : 1, most = 1;
    if (given > MOST_THREADS) given = MOST_THREADS;
    for (int i = 0; i < argc - 1 && i < MOST_THREADS; i++) {
        char *end;
        long count = strtol(argv[i + 1], &end, 10);
        if (*end != '\0' || count < 1 || count > MOST_THREADS) {
            fprintf(stderr, "usage: ceilings [THREADS...], each from 1 to %d\n", MOST_THREADS);
            return 2;
        }
        counts[i] = (int)count;
        if (counts[i] > most) most = counts[i];
    }
    void *arrays[MOST_THREADS], *bytes[MOST_THREADS], *factors[MOST_THREADS];
    static float factor = 0.999f;
    for (int i = 0; i < most; i++) {
        arrays[i] = malloc(ARRAY_BYTES);
        bytes[i] = malloc(2 * ELEMENTS);
        factors[i] = &factor;
        if (arrays[i] == NULL || bytes[i] == NULL) {
            fprintf(stderr, "ceilings: not enough memory for %d threads\n", most);
            return 1;
        }
        memset(arrays[i], i + 1, ARRAY_BYTES);
        for (int j = 0; j < 2 * ELEMENTS; j++) ((int8_t *)bytes[i])[j] = (int8_t)(j * 37 + i);
    }
    printf("  ceilings:\n");
    for (int i = 0; i < given; i++) {
        double moved = best_rate(read_bytes, counts[i], arrays);
        entry(counts[i], "float32", best_rate(float_macs, counts[i], factors), moved);
        entry(counts[i], "int8", best_rate(int8_macs, counts[i], bytes), moved);
    }
    for (int i = 0; i < most; i++) {
        free(arrays[i]);
        free(bytes[i]);
    }
    return 0;
}
