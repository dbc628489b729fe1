/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lab's agent on a board: answers the clock's time, starts a program and ends it with all its descendants, counts
 * its events, opens its window by a pin and by marks. It speaks the protocol of wire.h on standard input and output;
 * docs/agent.md tells its messages. It ends at the end of its input, and nothing that it started outlives it.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "errors.h"
#include "pidfile.h"
#include "processes.h"
#include "program.h"
#include "window.h"
#include "wire.h"

enum { PROTOCOL = 1, EXIT_WRONG_ARGUMENTS = 2, EXIT_FOLDER = 3 };

/* Codes of PERF_TYPE_SOFTWARE and PERF_TYPE_HARDWARE. */
enum { SOFTWARE_PAGE_FAULTS = 2, HARDWARE_INSTRUCTIONS = 1 };

static const char USAGE[] =
    "usage: agent [--folder DIR] [--skew-clock OFFSET_NS,PPM]\n"
    "\n"
    "Speaks the lab's line protocol on standard input and output, until the input ends.\n"
    "\n"
    "  --folder DIR                where agent.pid is kept; the agent's own folder if not given\n"
    "  --skew-clock OFFSET_NS,PPM  give a clock that is off by that much, and drifts: for checks\n";

#define LONGEST_WAIT_NS (3600 * 1000000000LL)

static bool is_ending;
static int exit_code = EXIT_SUCCESS;
static int64_t skewed_from_ns;
static bool adopts_orphans;

/* -------------------------------------------------------------------------------------------------------- messages */

static void say_hello(const Message *message)
{
    struct utsname system;
    int all = counters_try("software", SOFTWARE_PAGE_FAULTS, true);
    int user = all == 0 ? 0 : counters_try("software", SOFTWARE_PAGE_FAULTS, false);
    /* With the kernel's part first: there are PMUs (Cortex-A9) that cannot tell it from the rest. */
    int hardware = counters_try("hardware", HARDWARE_INSTRUCTIONS, true);
    if (hardware == EACCES || hardware == EPERM)
        hardware = counters_try("hardware", HARDWARE_INSTRUCTIONS, false);
    if (uname(&system) != 0)
        memset(&system, 0, sizeof system);
    say_begin("agent", message->sequence); /* never a word of the host's: a console may echo */
    say_number("protocol", PROTOCOL);
    say_number("pid", getpid());
    say_text("architecture", system.machine);
    say_text("kernel", system.release);
    say_text("counts", all == 0 ? "all" : user == 0 ? "user" : "nothing");
    if (all != 0)
        say_text("counts_error", error_name(user == 0 ? all : user));
    say_text("hardware", hardware == 0 ? "yes" : error_name(hardware));
    say_number("clock_step_ns", clock_resolution_ns());
    say_number("adopts_orphans", adopts_orphans ? 1 : 0);
    say_number("took_over", pidfile_took_over() ? 1 : 0);
    if (skewed_from_ns != 0)
        say_number("skewed_from_ns", skewed_from_ns);
    say_end();
}

static void obey(const Message *message)
{
    if (strcmp(message->verb, "hello") == 0) {
        say_hello(message);
    } else if (strcmp(message->verb, "run") == 0) {
        program_run(message);
    } else if (strcmp(message->verb, "stop") == 0) {
        program_stop("stop");
        say_begin("ok", message->sequence);
        say_end();
    } else if (strcmp(message->verb, "bye") == 0) {
        say_begin("ok", message->sequence);
        say_end();
        is_ending = true;
    } else {
        say_error(message->sequence, "unknown", "%.100s: there is no such message", message->verb);
    }
}

static void take_messages(void)
{
    Message message;
    while (!is_ending && wire_next(&message)) {
        if (strcmp(message.verb, "ping") == 0) {
            /* Nothing stands between the question and the clock but the line's parsing. */
            int64_t now = clock_raw_ns();
            say_begin("pong", message.sequence);
            say_number("ns", now);
            say_end();
        } else {
            obey(&message);
        }
    }
}

/* ------------------------------------------------------------------------------------------------------- the loop */

static int watch_signals(void)
{
    sigset_t watched;
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGTERM);
    sigaddset(&watched, SIGHUP);
    sigaddset(&watched, SIGINT);
    sigprocmask(SIG_BLOCK, &watched, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void take_signals(int signals)
{
    struct signalfd_siginfo info;
    bool child = false;
    while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            child = true;
        else
            is_ending = true;
    }
    if (child)
        program_reap();
}

static void wait_for_something(int signals, long long due_ns)
{
    enum { SIGNALS, CONTROL, INPUT, OUTPUT, SOURCES };
    struct pollfd from[SOURCES] = {
        [SIGNALS] = {.fd = signals, .events = POLLIN},
        [CONTROL] = {.fd = window_control(), .events = POLLIN},
        [INPUT] = {.fd = is_ending || !wire_has_room() ? -1 : STDIN_FILENO, .events = POLLIN},
        [OUTPUT] = {.fd = wire_is_waiting() ? STDOUT_FILENO : -1, .events = POLLOUT},
    };
    if (due_ns > LONGEST_WAIT_NS)
        due_ns = LONGEST_WAIT_NS; /* seconds are 32 bits on some boards */
    struct timespec time = {(time_t)(due_ns / 1000000000), (long)(due_ns % 1000000000)};
    if (ppoll(from, SOURCES, due_ns < 0 ? NULL : &time, NULL) <= 0)
        return;
    if (from[CONTROL].revents != 0)
        window_serve();
    if (from[INPUT].revents != 0 && !wire_read())
        is_ending = true;
    if (from[OUTPUT].revents != 0 && !wire_flush())
        is_ending = true;
    take_messages();
    if (from[SIGNALS].revents != 0)
        take_signals(signals);
}

static void serve(int signals)
{
    for (;;) {
        take_messages();
        if (!wire_flush())
            is_ending = true; /* nobody reads any more */
        if (is_ending)
            program_stop("lost");
        long long due_ns = program_due();
        if (is_ending && !program_is_running())
            return;
        if (!is_ending && wire_has_lines() && wire_has_room())
            due_ns = 0;
        wait_for_something(signals, due_ns);
    }
}

/* --------------------------------------------------------------------------------------------------------- starting */

static bool skew_clock(const char *text)
{
    char *end;
    errno = 0;
    long long offset_ns = strtoll(text, &end, 10);
    if (end == text || *end != ',' || errno != 0)
        return false;
    const char *ppm_text = end + 1;
    double ppm = strtod(ppm_text, &end);
    if (end == ppm_text || *end != '\0' || !(ppm >= -1e5 && ppm <= 1e5) || llabs(offset_ns) > 1000000000000000000LL)
        return false;
    skewed_from_ns = clock_skew(offset_ns, ppm);
    return true;
}

static const char *own_folder(const char *name)
{
    static char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        length = snprintf(path, sizeof path, "%s", name);
    path[length < (ssize_t)sizeof path ? length : (ssize_t)sizeof path - 1] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return ".";
    slash[slash == path ? 1 : 0] = '\0';
    return path;
}

int main(int count, char **arguments)
{
    const char *folder = own_folder(arguments[0]);
    char problem[PATH_MAX + 200];
    for (int i = 1; i < count; i++) {
        bool has_value = i + 1 < count;
        if (strcmp(arguments[i], "--folder") == 0 && has_value) {
            folder = arguments[++i];
        } else if (strcmp(arguments[i], "--skew-clock") == 0 && has_value && skew_clock(arguments[i + 1])) {
            i++;
        } else {
            bool asked = strcmp(arguments[i], "--help") == 0;
            fputs(USAGE, asked ? stdout : stderr);
            return asked ? EXIT_SUCCESS : EXIT_WRONG_ARGUMENTS;
        }
    }
    int signals = watch_signals();
    adopts_orphans = processes_adopt_orphans();
    wire_open();
    if (signals < 0) {
        say_error(0, "start", "signals cannot be watched: %s", strerror(errno));
        exit_code = EXIT_FAILURE;
    } else if (!pidfile_take(folder, problem, (int)sizeof problem)) {
        say_error(0, "folder", "%s", problem);
        exit_code = EXIT_FOLDER;
    } else {
        serve(signals);
        pidfile_release();
    }
    wire_close();
    return exit_code;
}
