/* SPDX-License-Identifier: Apache-2.0 */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "counters.h"
#include "errors.h"
#include "pidfile.h"
#include "pin.h"
#include "processes.h"
#include "window.h"

#define SECOND 1000000000LL
#define NEVER INT64_MAX

/* From the polite signal to the final one, and from that one to giving up. */
#define GRACE (2 * SECOND)
#define PATIENCE (5 * SECOND)

/* Outputs are looked at as often as it takes to write what is left at a byte per nanosecond, within these. */
#define LOOK_SOONEST (5 * SECOND / 1000)
#define LOOK_LATEST (200 * SECOND / 1000)

enum { KILL_ROUNDS = 200, KILL_PAUSE_NS = 10000000, MOST_CPUS = CPU_SETSIZE, LONGEST_WHY = 512 };

/* What a `run` message asks for. Strings are the message's and end with it. */
typedef struct {
    const char **arguments; /* ends with NULL, as does the next */
    const char **environment;
    const char *workdir, *output[2], *marks, *pin_device;
    cpu_set_t cpus;
    bool has_cpus, has_nice, opens_window, window_only;
    int64_t nice, deadline_ns, output_limit, pin_line;
} Request;

/* What the child tells before it waits: that it is ready, or where it failed, and errno. */
typedef struct {
    char stage; /* w(orkdir), c(pus), n(ice), r(eady) */
    int error;
} Report;

typedef enum { NONE, RUNNING, ASKED, KILLED } State;

static struct {
    State state;
    pid_t pid;
    uint64_t sequence;
    const char *cause;
    int output[2];
    int workdir;
    int64_t begin_ns;
    int64_t deadline_at, grace_at, look_at;
    int64_t output_limit;
    bool output_too_long;
    bool window_only;
    Event events[MOST_EVENTS];
    size_t event_count;
    char marks[PATH_MAX];
    long long marks_before;
} program = {.output = {-1, -1}, .workdir = -1};

/* ------------------------------------------------------------------------------------------------- understanding */

static bool refuse(const Message *message, const char *what)
{
    say_error(message->sequence, "bad_request", "%s", what);
    return false;
}

/* All values of a key, with NULL behind them; NULL if there is no memory. */
static const char **all_values(const Message *message, const char *key, const char *first, const char *second)
{
    const char **values = calloc(message->count + 3, sizeof *values);
    size_t count = 0, index = 0;
    if (values == NULL)
        return NULL;
    if (first != NULL)
        values[count++] = first;
    if (second != NULL)
        values[count++] = second;
    while ((values[count] = wire_each(message, key, &index)) != NULL)
        count++;
    return values;
}

static bool parse_cpus(const char *text, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    for (;;) {
        char *end;
        unsigned long cpu = strtoul(text, &end, 10);
        if (end == text || text[0] < '0' || text[0] > '9' || cpu >= MOST_CPUS)
            return false;
        CPU_SET((size_t)cpu, cpus);
        if (*end == '\0')
            return true;
        if (*end != ',')
            return false;
        text = end + 1;
    }
}

static bool parse_events(const Message *message)
{
    size_t index = 0;
    const char *text;
    program.event_count = 0;
    while ((text = wire_each(message, "event", &index)) != NULL) {
        if (program.event_count == MOST_EVENTS)
            return refuse(message, "there are too many events");
        Event *event = &program.events[program.event_count++];
        *event = (Event){.fd = -1};
        if (!counters_parse(text, event))
            return refuse(message, "event= is not GROUP,PMU,CONFIG,u|k|uk");
    }
    return true;
}

static bool understand(const Message *message, Request *request)
{
    *request = (Request){
        .workdir = wire_value(message, "workdir"),
        .output = {wire_value(message, "stdout"), wire_value(message, "stderr")},
        .marks = wire_value(message, "marks"),
        .pin_device = wire_value(message, "pin_device"),
        .has_nice = wire_value(message, "nice") != NULL,
    };
    const char *cpus = wire_value(message, "cpus");
    int64_t opens_window, window_only;
    if (request->workdir == NULL || request->output[0] == NULL || request->output[1] == NULL)
        return refuse(message, "workdir=, stdout= or stderr= is missing");
    if (wire_value(message, "arg") == NULL)
        return refuse(message, "arg= is missing");
    if (request->marks != NULL && strlen(request->marks) >= sizeof program.marks)
        return refuse(message, "marks= is too long");
    request->has_cpus = cpus != NULL;
    if (cpus != NULL && !parse_cpus(cpus, &request->cpus))
        return refuse(message, "cpus= is no list of CPUs");
    if (!wire_number(message, "nice", -20, 19, 0, &request->nice) ||
        !wire_number(message, "deadline_ns", 0, NEVER / 2, -1, &request->deadline_ns) ||
        !wire_number(message, "output_limit", 0, NEVER / 2, -1, &request->output_limit) ||
        !wire_number(message, "pin_line", 0, UINT16_MAX, -1, &request->pin_line) ||
        !wire_number(message, "opens_window", 0, 1, 0, &opens_window) ||
        !wire_number(message, "window_only", 0, 1, 0, &window_only))
        return refuse(message, "a number is none, or beyond its limits");
    request->opens_window = opens_window == 1;
    request->window_only = window_only == 1;
    if (request->window_only && !request->opens_window)
        return refuse(message, "window_only= makes no sense without opens_window=");
    if ((request->pin_device == NULL) != (request->pin_line < 0))
        return refuse(message, "a pin needs both pin_device= and pin_line=");
    size_t index = 0;
    const char *entry;
    while ((entry = wire_each(message, "env", &index)) != NULL)
        if (entry[0] == '=' || strchr(entry, '=') == NULL)
            return refuse(message, "env= is not NAME=VALUE");
    return parse_events(message);
}

/* ------------------------------------------------------------------------------------------------------ starting */

static void close_if_open(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int open_output(int workdir, const char *path)
{
    /* A pipe in its place must not make us wait. */
    int fd = openat(workdir, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0644);
    if (fd >= 0)
        fcntl(fd, F_SETFL, O_APPEND);
    return fd;
}

/* Opens the files. False, with an answer, if one cannot be. */
static bool open_files(const Message *message, const Request *request)
{
    program.workdir = open(request->workdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (program.workdir < 0) {
        say_error(message->sequence, "workdir", "%.400s: %s", request->workdir, strerror(errno));
        return false;
    }
    for (int i = 0; i < 2; i++) {
        program.output[i] = i == 1 && strcmp(request->output[0], request->output[1]) == 0
                                ? fcntl(program.output[0], F_DUPFD_CLOEXEC, 0)
                                : open_output(program.workdir, request->output[i]);
        if (program.output[i] < 0) {
            say_error(message->sequence, "output", "%.400s: %s", request->output[i], strerror(errno));
            return false;
        }
    }
    struct stat marks;
    program.marks[0] = '\0';
    program.marks_before = 0;
    if (request->marks != NULL) {
        snprintf(program.marks, sizeof program.marks, "%s", request->marks);
        if (fstatat(program.workdir, request->marks, &marks, 0) == 0)
            program.marks_before = (long long)marks.st_size;
    }
    return true;
}

static bool prepare_window(const Message *message, const Request *request)
{
    char why[LONGEST_WHY];
    WindowParts parts = {.pin = -1, .keep_marks = request->marks != NULL};
    if (request->window_only) {
        parts.events = program.events;
        parts.count = program.event_count;
    }
    if (request->pin_device != NULL) {
        parts.pin = pin_open(request->pin_device, (unsigned)request->pin_line, why, sizeof why);
        if (parts.pin < 0) {
            say_error(message->sequence, "pin", "%s", why);
            return false;
        }
    }
    window_prepare(&parts);
    int error = request->opens_window ? window_make_pipes(program.workdir) : 0;
    if (error != 0) {
        say_error(message->sequence, "window", "the named pipes cannot be made in %.400s: %s", request->workdir,
                  strerror(error));
        return false;
    }
    return true;
}

static void set_entry(const char *entry)
{
    char *copy = strdup(entry);
    if (copy != NULL)
        putenv(copy);
}

/* In the child: the environment in which the program begins. */
static void set_environment(const Request *request)
{
    static char window[2 * PATH_MAX + 64];
    set_entry("LC_ALL=C");
    set_entry(pidfile_mark());
    if (request->opens_window) {
        /* A comma separates the two. */
        const char *folder = strchr(request->workdir, ',') == NULL ? request->workdir : ".";
        snprintf(window, sizeof window, "LAB_WINDOW=%s/window.control,%s/window.acknowledge", folder, folder);
        set_entry(window);
    }
    for (const char **entry = request->environment; *entry != NULL; entry++)
        set_entry(*entry);
}

static bool tell(int report, char stage)
{
    Report content = {stage, errno};
    return write(report, &content, sizeof content) == (ssize_t)sizeof content;
}

/* The child: everything that can fail before the program begins, a word that all is well, and the word to begin. */
static _Noreturn void be_program(const Request *request, pid_t agent, int report, int go)
{
    /* `go` is the only end that the child holds: reading it ends with the agent. */
    sigset_t all;
    char word;
    setsid();
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigfillset(&all);
    sigprocmask(SIG_UNBLOCK, &all, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    char stage = 'r';
    if (getppid() != agent || nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || fchdir(program.workdir) != 0)
        stage = 'w';
    else if (request->has_cpus && sched_setaffinity(0, sizeof request->cpus, &request->cpus) != 0)
        stage = 'c';
    else if (request->has_nice && setpriority(PRIO_PROCESS, 0, (int)request->nice) != 0)
        stage = 'n';
    set_environment(request);
    if (!tell(report, stage) || stage != 'r' || read(go, &word, 1) != 1)
        _exit(126);
    dup2(program.output[0], STDOUT_FILENO);
    dup2(program.output[1], STDERR_FILENO);
    execvp(request->arguments[0], (char *const *)(uintptr_t)request->arguments);
    int error = errno;
    dprintf(STDERR_FILENO, "%s: %s\n", request->arguments[0], strerror(error));
    _exit(error == ENOENT ? 127 : 126); /* as in a shell */
}

/* Waits for the child to be ready. False, with an answer, if it cannot be. */
static bool hear_child(const Message *message, int from)
{
    Report report = {0};
    ssize_t got;
    do
        got = read(from, &report, sizeof report);
    while (got < 0 && errno == EINTR);
    if (got == (ssize_t)sizeof report && report.stage == 'r')
        return true;
    const char *code = "start", *what = "the program cannot be started";
    if (got != (ssize_t)sizeof report)
        report.error = EIO;
    else if (report.stage == 'c')
        code = "cpus", what = "it cannot be held to these CPUs";
    else if (report.stage == 'n')
        code = "nice", what = "it cannot be given this priority";
    say_error(message->sequence, code, "%s: %s", what, strerror(report.error));
    return false;
}

static void release(void)
{
    for (int i = 0; i < 2; i++)
        close_if_open(&program.output[i]);
    close_if_open(&program.workdir);
    window_end();
    program.state = NONE;
}

static void begin(const Message *message, const Request *request)
{
    program.state = RUNNING;
    program.sequence = message->sequence;
    program.cause = "exit";
    program.output_limit = request->output_limit;
    program.output_too_long = false;
    program.window_only = request->window_only;
    counters_open(program.events, program.event_count, program.pid, request->window_only);
    say_begin("started", message->sequence);
    say_number("pid", program.pid);
    say_end();
    if (!request->opens_window)
        window_open();
    program.begin_ns = clock_now_ns();
    program.deadline_at = request->deadline_ns < 0 ? NEVER : program.begin_ns + request->deadline_ns;
    program.look_at = request->output_limit < 0 ? NEVER : program.begin_ns + LOOK_SOONEST;
}

static bool start(const Message *message, const Request *request)
{
    int report[2] = {-1, -1}, go[2] = {-1, -1};
    bool begun = false;
    pid_t agent = getpid();
    program.pid = -1;
    if (pipe2(report, O_CLOEXEC) == 0 && pipe2(go, O_CLOEXEC) == 0)
        program.pid = fork();
    if (program.pid < 0)
        say_error(message->sequence, "start", "no process can be made: %s", strerror(errno));
    if (program.pid == 0) {
        close(report[0]);
        close(go[1]);
        be_program(request, agent, report[1], go[0]);
    }
    close_if_open(&report[1]);
    close_if_open(&go[0]);
    if (program.pid > 0 && hear_child(message, report[0])) {
        begin(message, request);
        begun = write(go[1], "", 1) == 1; /* else the child is gone: reaped as any program */
    }
    close_if_open(&report[0]);
    close_if_open(&go[1]);
    if (program.pid > 0 && !begun && program.state == NONE)
        waitpid(program.pid, NULL, 0);
    return program.state != NONE;
}

void program_run(const Message *message)
{
    Request request;
    if (program.state != NONE) {
        say_error(message->sequence, "busy", "a program is running");
        return;
    }
    if (!message->checked) {
        say_error(message->sequence, "unchecked", "a run message must bear a checksum");
        return;
    }
    if (!understand(message, &request))
        return;
    request.arguments = all_values(message, "arg", NULL, NULL);
    request.environment = all_values(message, "env", NULL, NULL);
    if (request.arguments == NULL || request.environment == NULL)
        say_error(message->sequence, "start", "no memory is left");
    else if (!open_files(message, &request) || !prepare_window(message, &request) || !start(message, &request))
        release();
    free(request.arguments);
    free(request.environment);
}

bool program_is_running(void)
{
    return program.state != NONE;
}

/* ------------------------------------------------------------------------------------------------------ stopping */

static void signal_all(int number)
{
    kill(-program.pid, number);
    processes_signal_descendants(pidfile_mark(), number);
}

void program_stop(const char *cause)
{
    if (program.state != RUNNING)
        return;
    program.state = ASKED;
    program.cause = cause;
    program.grace_at = clock_now_ns() + GRACE;
    signal_all(SIGTERM);
    /* One that is stopped sees the polite signal only when it goes on. */
    signal_all(SIGCONT);
}

/* Kills until nobody is left. False if some do not go. */
static bool end_what_is_left(void)
{
    for (int round = 0; round < KILL_ROUNDS; round++) {
        if (!processes_are_left(pidfile_mark()))
            return true;
        /* Those that make new ones all the time are stopped first: who is stopped makes none. */
        processes_signal_descendants(pidfile_mark(), SIGSTOP);
        processes_signal_descendants(pidfile_mark(), SIGKILL);
        struct timespec pause = {0, round < 10 ? KILL_PAUSE_NS / 20 : KILL_PAUSE_NS};
        nanosleep(&pause, NULL);
    }
    return false;
}

/* -------------------------------------------------------------------------------------------------------- ending */

static void say_fault(const char *code, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void say_fault(const char *code, const char *format, ...)
{
    char text[LONGEST_WHY];
    va_list arguments;
    int length = snprintf(text, sizeof text, "%s,", code);
    va_start(arguments, format);
    vsnprintf(text + length, sizeof text - (size_t)length, format, arguments);
    va_end(arguments);
    say_text("fault", text);
}

static void say_counts(void)
{
    for (size_t i = 0; i < program.event_count; i++) {
        const Event *event = &program.events[i];
        say_begin("count", program.sequence);
        say_number("index", (int64_t)i);
        if (event->error == 0) {
            say_unsigned("value", event->value);
            say_unsigned("enabled_ns", event->enabled_ns);
            say_unsigned("running_ns", event->running_ns);
            say_number("user_only", event->user_only ? 1 : 0);
        } else {
            say_text("error", error_name(event->error));
        }
        say_end();
    }
}

static void say_usage(const struct rusage *usage)
{
    say_number("user_us", (int64_t)usage->ru_utime.tv_sec * 1000000 + usage->ru_utime.tv_usec);
    say_number("system_us", (int64_t)usage->ru_stime.tv_sec * 1000000 + usage->ru_stime.tv_usec);
    say_number("peak_rss_kib", usage->ru_maxrss);
    say_number("minor_faults", usage->ru_minflt);
    say_number("major_faults", usage->ru_majflt);
    say_number("voluntary_switches", usage->ru_nvcsw);
    say_number("involuntary_switches", usage->ru_nivcsw);
}

/* What comes to the host is no longer than it takes, also where the program was quicker than our looks. */
static void cut_outputs(void)
{
    for (int i = 0; i < 2; i++) {
        struct stat now;
        if (program.output_limit < 0 || fstat(program.output[i], &now) != 0 || now.st_size <= program.output_limit)
            continue;
        program.output_too_long = true;
        if (ftruncate(program.output[i], program.output_limit) != 0)
            program.cause = "output";
    }
}

/* The program has ended with this status, or (`usage` is NULL) does not end at all. */
static void finish(int status, const struct rusage *usage)
{
    int64_t end_ns = clock_now_ns();
    bool was_open = window_is_open();
    window_close();
    counters_take(program.events, program.event_count);
    bool all_gone = end_what_is_left();
    int marks_error = program.marks[0] == '\0'
                          ? 0
                          : window_save_marks(program.workdir, program.marks, program.marks_before);
    cut_outputs();
    /* The pin is down and the files are closed before anybody hears of the end. */
    release();
    say_counts();
    say_begin("ended", program.sequence);
    say_number("status", WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status));
    say_text("cause", program.cause);
    say_number("elapsed_ns", end_ns - program.begin_ns);
    if (usage != NULL)
        say_usage(usage);
    say_number("windows", window_count());
    say_number("open_at_end", was_open ? 1 : 0);
    say_number("strange_words", window_strange_words());
    if (program.output_too_long)
        say_fault("output_too_long", "the program wrote more than %" PRId64 " bytes", program.output_limit);
    if (!all_gone || usage == NULL)
        say_fault("left_running", "processes of the program do not end");
    if (window_pin_error() != 0)
        say_fault("pin", "the pin did not obey: %s", strerror(window_pin_error()));
    if (marks_error != 0)
        say_fault("marks", "the marks cannot be written: %s", strerror(marks_error));
    if (window_lost_marks() > 0)
        say_fault("marks", "there was no room for %ld marks", window_lost_marks());
    say_end();
}

void program_reap(void)
{
    int status;
    struct rusage usage;
    pid_t pid;
    while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0)
        if (program.state != NONE && pid == program.pid) {
            finish(status, &usage);
            return; /* it reaped all others too */
        }
}

/* --------------------------------------------------------------------------------------------------------- in time */

static void look_at_outputs(int64_t now)
{
    int64_t room = program.output_limit;
    for (int i = 0; i < 2; i++) {
        struct stat output;
        if (fstat(program.output[i], &output) == 0 && program.output_limit - output.st_size < room)
            room = program.output_limit - output.st_size;
    }
    program.look_at = now + (room < LOOK_SOONEST ? LOOK_SOONEST : room > LOOK_LATEST ? LOOK_LATEST : room);
    if (room < 0) {
        program.output_too_long = true;
        program.look_at = NEVER;
        program_stop("output");
        signal_all(SIGKILL); /* it may fill the board meanwhile */
    }
}

long long program_due(void)
{
    int64_t now = clock_now_ns();
    if (program.state == RUNNING && now >= program.deadline_at)
        program_stop("deadline");
    if (program.state != NONE && now >= program.look_at)
        look_at_outputs(now);
    if (program.state == ASKED && now >= program.grace_at) {
        program.state = KILLED;
        program.grace_at = now + PATIENCE;
        signal_all(SIGKILL);
    } else if (program.state == KILLED && now >= program.grace_at) {
        finish(SIGKILL, NULL);
    }
    if (program.state == NONE)
        return -1;
    int64_t next = program.state == RUNNING ? program.deadline_at : program.grace_at;
    next = program.look_at < next ? program.look_at : next;
    return next == NEVER ? -1 : next > now ? next - now : 0;
}
