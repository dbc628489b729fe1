/* SPDX-License-Identifier: Apache-2.0
 *
 * A plugin for QEMU that counts what the emulated program does: instructions, loads, stores, and the misses of modelled
 * level 1 caches. It writes one JSON file when the program ends.
 *
 *   qemu-aarch64 -plugin file=plugin.so,out=counts.json,l1d=32768/4/64/lru/allocate PROGRAM
 *
 * out=FILE      where the counts go
 * l1d=, l1i=    SIZE/WAYS/LINE/lru|fifo|random/allocate|around ("around": stores that miss bring no line in); a cache
 *               that is not given is not modelled
 * seed=N        for random replacement
 * zero=BYTES    what "dc zva" of A64 sets to zero. QEMU does not tell where: taken to be the block behind the last one
 *               that this thread stored to, which is so in memset() of glibc and musl. Not given: not modelled
 * window=on     also count what happens inside the program's window (LAB_WINDOW, see window_pipes.h) by itself
 *
 * Every thread runs on a core of its own with caches of its own. Counters of a core are written by its thread alone; they
 * are atomic without order, so that the thread that ends the program can read the others'.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cache_model.h"
#include "qemu_plugin.h"
#include "window_pipes.h"

#define MOST_CORES 1024

struct counts {
    uint64_t instructions;
    uint64_t loads, stores;                 /* instructions that load, that store; one may do both */
    uint64_t load_accesses, store_accesses; /* what QEMU makes of them: a pair of registers is two */
    uint64_t load_misses, store_misses;     /* lines */
    uint64_t fetch_misses;                  /* lines */
    uint64_t zeroing;                       /* "dc zva" of A64, among the stores where it is modelled */
};

/* What one vCPU has done, and its caches. */
struct core {
    struct cache *l1d, *l1i;
    const void *instruction; /* which one of the running block made the last access */
    bool loaded, stored;     /* what it did so far */
    uint64_t last_stored;    /* address of the last byte that was stored */
    struct counts counts[2]; /* outside the window, inside */
} __attribute__((aligned(128)));

/* A translated block of instructions that follow each other. */
struct block {
    uint64_t instructions, address, size;
};

static struct {
    const char *out;
    struct cache_geometry l1d, l1i;
    uint64_t seed, zero;
    bool window, a64;
    pid_t process;
} settings;

static struct core *cores[MOST_CORES];
static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static int window_open, window_openings, threads;
static bool out_of_cores;

EXPORT int qemu_plugin_version = PLUGIN_INTERFACE;

#define ADD(counter, amount) \
    __atomic_store_n(&(counter), __atomic_load_n(&(counter), __ATOMIC_RELAXED) + (amount), __ATOMIC_RELAXED)

static struct core *new_core(unsigned cpu)
{
    struct core *core = aligned_alloc(128, sizeof *core);
    if (!core)
        return NULL;
    memset(core, 0, sizeof *core);
    /* The two caches of a core, and those of different cores, draw different numbers. */
    if (settings.l1d.size)
        core->l1d = cache_new(&settings.l1d, settings.seed + 2 * (uint64_t)cpu);
    if (settings.l1i.size)
        core->l1i = cache_new(&settings.l1i, settings.seed + 2 * (uint64_t)cpu + 1);
    if ((settings.l1d.size && !core->l1d) || (settings.l1i.size && !core->l1i))
        return NULL;
    return core;
}

static void no_core(void)
{
    __atomic_store_n(&out_of_cores, true, __ATOMIC_RELAXED);
}

/* NULL if there are more threads than places, or no memory; the counts are then marked as incomplete. */
static struct core *core_of(unsigned cpu)
{
    if (cpu >= MOST_CORES) {
        no_core();
        return NULL;
    }
    struct core *core = __atomic_load_n(&cores[cpu], __ATOMIC_ACQUIRE);
    if (core)
        return core;
    pthread_mutex_lock(&making);
    core = cores[cpu];
    if (!core) {
        core = new_core(cpu);
        __atomic_store_n(&cores[cpu], core, __ATOMIC_RELEASE);
    }
    pthread_mutex_unlock(&making);
    if (!core)
        no_core();
    return core;
}

static struct counts *counts_of(struct core *core)
{
    return &core->counts[__atomic_load_n(&window_open, __ATOMIC_RELAXED)];
}

/* --------------------------------------------------------------------------------------------- while the program runs */

/* A thread whose predecessor on this vCPU has ended takes over its core, caches included. */
static void thread_starts(plugin_id id, unsigned cpu)
{
    (void)id;
    __atomic_add_fetch(&threads, 1, __ATOMIC_RELAXED);
    core_of(cpu);
}

static void block_runs(unsigned cpu, void *data)
{
    const struct block *block = data;
    struct core *core = core_of(cpu);
    if (!core)
        return;
    struct counts *counts = counts_of(core);
    core->instruction = NULL;
    ADD(counts->instructions, block->instructions);
    /* Nothing else uses this cache meanwhile: that all but the first fetch of a line hit need not be tried. */
    if (core->l1i)
        ADD(counts->fetch_misses, cache_access_bytes(core->l1i, block->address, block->size, false));
}

static void memory_is_accessed(unsigned cpu, access_info info, uint64_t address, void *instruction)
{
    struct core *core = core_of(cpu);
    if (!core)
        return;
    struct counts *counts = counts_of(core);
    bool store = qemu_plugin_mem_is_store(info);
    if (core->instruction != instruction) {
        core->instruction = instruction;
        core->loaded = core->stored = false;
    }
    unsigned misses = 0;
    uint64_t size = (uint64_t)1 << qemu_plugin_mem_size_shift(info);
    if (core->l1d)
        misses = cache_access_bytes(core->l1d, address, size, store);
    if (store) {
        ADD(counts->store_accesses, 1);
        ADD(counts->stores, !core->stored);
        ADD(counts->store_misses, misses);
        core->stored = true;
        core->last_stored = address + size - 1;
    } else {
        ADD(counts->load_accesses, 1);
        ADD(counts->loads, !core->loaded);
        ADD(counts->load_misses, misses);
        core->loaded = true;
    }
}

static void block_is_zeroed(unsigned cpu, void *unused)
{
    struct core *core = core_of(cpu);
    (void)unused;
    if (!core)
        return;
    struct counts *counts = counts_of(core);
    ADD(counts->zeroing, 1);
    if (!settings.zero)
        return;
    uint64_t begin = (core->last_stored & ~(settings.zero - 1)) + settings.zero;
    core->last_stored = begin + settings.zero - 1;
    ADD(counts->stores, 1);
    if (core->l1d)
        ADD(counts->store_misses, cache_access_bytes(core->l1d, begin, settings.zero, true));
}

static bool zeroes_a_block(const struct qemu_plugin_insn *instruction)
{
    uint32_t code;
    if (!settings.a64)
        return false;
#if PLUGIN_INTERFACE < 3
    memcpy(&code, qemu_plugin_insn_data(instruction), sizeof code);
#else
    if (qemu_plugin_insn_data(instruction, &code, sizeof code) != sizeof code)
        return false;
#endif
    return (code & 0xFFFFFFE0u) == 0xD50B7420u;
}

/* Blocks are kept for good: nothing says when QEMU drops one, and there are not many. */
static void block_is_translated(plugin_id id, struct qemu_plugin_tb *translated)
{
    (void)id;
    size_t count = qemu_plugin_tb_n_insns(translated);
    struct block *block = malloc(sizeof *block);
    if (!block || !count) {
        if (count)
            no_core();
        free(block);
        return;
    }
    struct qemu_plugin_insn *last = qemu_plugin_tb_get_insn(translated, count - 1);
    block->instructions = count;
    block->address = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(translated, 0));
    block->size = qemu_plugin_insn_vaddr(last) + qemu_plugin_insn_size(last) - block->address;
    qemu_plugin_register_vcpu_tb_exec_cb(translated, block_runs, CALLBACK_WITHOUT_REGISTERS, block);
    for (size_t index = 0; index < count; index++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(translated, index);
        void *place = (void *)(uintptr_t)(index + 1);
        if (zeroes_a_block(instruction))
            qemu_plugin_register_vcpu_insn_exec_cb(instruction, block_is_zeroed, CALLBACK_WITHOUT_REGISTERS, NULL);
        qemu_plugin_register_vcpu_mem_cb(instruction, memory_is_accessed, CALLBACK_WITHOUT_REGISTERS, LOADS_AND_STORES,
                                         place);
    }
}

/* ------------------------------------------------------------------------------------------------------- when it ends */

static void add_up(struct counts *sum, const struct counts *part)
{
    const uint64_t *from = (const uint64_t *)part;
    uint64_t *to = (uint64_t *)sum;
    for (size_t i = 0; i < sizeof *sum / sizeof *to; i++)
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
}

static void write_counts(FILE *file, const char *name, const struct counts *counts)
{
    fprintf(file, ",\n \"%s\": {\"instructions\": %" PRIu64 ", \"loads\": %" PRIu64 ", \"stores\": %" PRIu64, name,
            counts->instructions, counts->loads, counts->stores);
    fprintf(file, ", \"load_accesses\": %" PRIu64 ", \"store_accesses\": %" PRIu64, counts->load_accesses,
            counts->store_accesses);
    if (settings.l1d.size)
        fprintf(file, ", \"l1d_load_misses\": %" PRIu64 ", \"l1d_store_misses\": %" PRIu64, counts->load_misses,
                counts->store_misses);
    if (settings.l1i.size)
        fprintf(file, ", \"l1i_misses\": %" PRIu64, counts->fetch_misses);
    fprintf(file, ", \"zeroing\": %" PRIu64 "}", counts->zeroing);
}

static void program_ends(plugin_id id, void *unused)
{
    (void)id, (void)unused;
    /* A child that the program made by fork() runs the same code and has counted on its own copy. */
    if (getpid() != settings.process)
        return;
    struct counts outside = {0}, inside = {0}, whole = {0};
    for (unsigned cpu = 0; cpu < MOST_CORES; cpu++) {
        const struct core *core = __atomic_load_n(&cores[cpu], __ATOMIC_ACQUIRE);
        if (core) {
            add_up(&outside, &core->counts[0]);
            add_up(&inside, &core->counts[1]);
        }
    }
    add_up(&whole, &outside);
    add_up(&whole, &inside);
    /* Beside its place and moved there when whole: who finds the file finds all of it. */
    char unfinished[4096];
    if ((size_t)snprintf(unfinished, sizeof unfinished, "%s.part", settings.out) >= sizeof unfinished)
        return;
    FILE *file = fopen(unfinished, "w");
    if (!file)
        return;
    fprintf(file, "{\"format\": \"lab.tcg/1\", \"complete\": %s, \"threads\": %d",
            __atomic_load_n(&out_of_cores, __ATOMIC_RELAXED) ? "false" : "true",
            __atomic_load_n(&threads, __ATOMIC_RELAXED));
    if (settings.window)
        fprintf(file, ", \"windows\": %d", __atomic_load_n(&window_openings, __ATOMIC_RELAXED));
    write_counts(file, "whole", &whole);
    if (settings.window)
        write_counts(file, "window", &inside);
    fputs("}\n", file);
    bool written = !ferror(file);
    written = !fclose(file) && written;
    if (!written || rename(unfinished, settings.out))
        remove(unfinished);
}

/* ---------------------------------------------------------------------------------------------------- when it is loaded */

static bool read_geometry(const char *text, struct cache_geometry *geometry)
{
    char replacement[8], store[9], more;
    int fields = sscanf(text, "%" SCNu64 "/%" SCNu32 "/%" SCNu32 "/%7[a-z]/%8[a-z]%c", &geometry->size, &geometry->ways,
                        &geometry->line, replacement, store, &more);
    if (fields != 5)
        return false;
    if (!strcmp(replacement, "lru"))
        geometry->replacement = REPLACE_LRU;
    else if (!strcmp(replacement, "fifo"))
        geometry->replacement = REPLACE_FIFO;
    else if (!strcmp(replacement, "random"))
        geometry->replacement = REPLACE_RANDOM;
    else
        return false;
    geometry->write_allocate = !strcmp(store, "allocate");
    if (!geometry->write_allocate && strcmp(store, "around"))
        return false;
    struct cache *tried = cache_new(geometry, 0);
    cache_free(tried);
    return tried != NULL;
}

static bool read_number(const char *text, uint64_t *number)
{
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno;
}

static bool read_argument(const char *name, const char *value)
{
    if (!strcmp(name, "out"))
        return *(settings.out = value) != '\0';
    if (!strcmp(name, "l1d"))
        return read_geometry(value, &settings.l1d);
    if (!strcmp(name, "l1i"))
        return read_geometry(value, &settings.l1i);
    if (!strcmp(name, "seed"))
        return read_number(value, &settings.seed);
    if (!strcmp(name, "zero"))
        return read_number(value, &settings.zero) && settings.zero && !(settings.zero & (settings.zero - 1));
    if (!strcmp(name, "window")) {
        settings.window = !strcmp(value, "on");
        return settings.window || !strcmp(value, "off");
    }
    return false;
}

static int refuse(const char *what, const char *why)
{
    fprintf(stderr, "counting plugin: %s: %s\n", what, why);
    return -1;
}

int qemu_plugin_install(plugin_id id, const struct qemu_info *info, int count, char **arguments)
{
    for (int i = 0; i < count; i++) {
        char *value = strchr(arguments[i], '=');
        if (value)
            *value++ = '\0';
        if (!value || !read_argument(arguments[i], value))
            return refuse(arguments[i], value ? value : "not understood");
    }
    if (!settings.out)
        return refuse("out", "missing");
    settings.process = getpid();
    settings.a64 = !strcmp(info->target_name, "aarch64");
    if (settings.window) {
        const char *pipes = getenv("LAB_WINDOW");
        if (!pipes || !window_pipes_listen(pipes, &window_open, &window_openings))
            return refuse("LAB_WINDOW", pipes ? strerror(errno) : "not set");
    }
    qemu_plugin_register_vcpu_init_cb(id, thread_starts);
    qemu_plugin_register_vcpu_tb_trans_cb(id, block_is_translated);
    qemu_plugin_register_atexit_cb(id, program_ends, NULL);
    return 0;
}
