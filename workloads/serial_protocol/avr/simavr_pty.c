/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a firmware for an AVR in simavr, its USART behind a pseudo terminal whose name is the first line printed.
 *
 *   simavr_pty [--mcu atmega1284p] [--clock 20000000] [--usart 0] [--pin B0] [--marks GPIOR] [--edges FILE] FIRMWARE.elf
 *
 * Every change of the pin is a line `window 0|1 CYCLES`. With --marks, an address in the data space such as 0x3e (GPIOR0
 * of an ATmega1284P), every byte that the firmware writes there is a line `mark VALUE CYCLES`: two cycles for it where a
 * pin would be one of a few. The lines go to standard output, or to the file that --edges names; they are there before
 * any byte that the firmware sends after them.
 *
 * The emulated core runs as fast as this machine lets it. Where it only waits for bytes it runs slowly, so that it does
 * not keep the machine from sending some: that is where it was between 20 and 35 ms after its reset, before any byte is
 * taken from the terminal. Bytes take as long as the firmware's own baud rate says, in its time. Links libsimavr, which is GPL 3: what is built from this file may be passed on under that licence only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>

enum { LOOK_CYCLES = 2000, SILENT_CYCLES = 4000, LEARN_FROM = 400000, LEARN_TO = 700000, LEARN_STEP = 101, ROOM = 4096 };

/* Between two looks of a core that waits. */
static const struct timespec PAUSE = {.tv_nsec = 200000};

static avr_t *avr;
static FILE *said;
static int terminal = -1;
static avr_irq_t *uart_input;
static bool uart_takes = true;
static uint8_t arrived[ROOM], leaving[ROOM];
static avr_cycle_count_t last_byte;
static bool waits_at[1 << 17];
static bool window_open;
static size_t arrived_from, arrived_to, leaving_count;

static void pin_changed(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)parameter;
    window_open = value != 0;
    fprintf(said, "window %u %llu\n", (unsigned)value, (unsigned long long)avr->cycle);
}

static void mark_written(struct avr_t *of, avr_io_addr_t address, uint8_t value, void *parameter)
{
    (void)parameter;
    of->data[address] = value;
    fprintf(said, "mark %u %llu\n", (unsigned)value, (unsigned long long)of->cycle);
}

/* What the firmware sent goes to the terminal; what nobody reads there is lost, as on a wire. */
static void send(void)
{
    if (leaving_count == 0)
        return;
    fflush(said);
    size_t from = 0;
    while (from < leaving_count) {
        ssize_t count = write(terminal, leaving + from, leaving_count - from);
        if (count < 0 && errno == EINTR)
            continue;
        if (count <= 0)
            break;
        from += (size_t)count;
    }
    leaving_count = 0;
}

static void byte_sent(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)parameter;
    last_byte = avr->cycle;
    if (leaving_count == sizeof leaving)
        send();
    leaving[leaving_count++] = (uint8_t)value;
}

static void uart_ready(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)value;
    uart_takes = parameter != NULL;
}

static avr_cycle_count_t look(struct avr_t *of, avr_cycle_count_t when, void *parameter)
{
    (void)parameter;
    send();
    if (arrived_from == arrived_to) {
        struct pollfd there = {.fd = terminal, .events = POLLIN};
        if (!window_open && when > last_byte + SILENT_CYCLES && waits_at[(of->pc >> 1) % (1 << 17)])
            ppoll(&there, 1, &PAUSE, NULL);
        ssize_t count = read(terminal, arrived, sizeof arrived);
        arrived_from = 0;
        arrived_to = count > 0 ? (size_t)count : 0;
    }
    while (arrived_from < arrived_to && uart_takes) {
        last_byte = when;
        avr_raise_irq(uart_input, arrived[arrived_from++]);
    }
    return when + LOOK_CYCLES;
}

static avr_cycle_count_t learn(struct avr_t *of, avr_cycle_count_t when, void *parameter)
{
    (void)parameter;
    waits_at[(of->pc >> 1) % (1 << 17)] = true;
    return when < LEARN_TO ? when + LEARN_STEP : 0;
}

static bool open_terminal(void)
{
    struct termios raw;
    terminal = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0)
        return false;
    /* Held open here too, so that the terminal stays while the lab lets it go and takes it again. */
    int other = open(ptsname(terminal), O_RDWR | O_NOCTTY);
    if (other < 0 || tcgetattr(other, &raw) != 0)
        return false;
    cfmakeraw(&raw);
    return tcsetattr(other, TCSANOW, &raw) == 0;
}

static int usage(void)
{
    fprintf(stderr, "usage: simavr_pty [--mcu NAME] [--clock HZ] [--usart 0] [--pin B0] [--marks ADDRESS] "
                    "[--edges FILE] FIRMWARE.elf\n");
    return 2;
}

int main(int argc, char **argv)
{
    static elf_firmware_t image;
    const char *mcu = "atmega1284p", *pin = "B0", *edges = NULL;
    unsigned long clock = 20000000, marks = 0;
    char usart = '0';
    int at = 1;
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0; at += 2) {
        const char *value = argv[at + 1];
        if (strcmp(argv[at], "--mcu") == 0)
            mcu = value;
        else if (strcmp(argv[at], "--clock") == 0)
            clock = strtoul(value, NULL, 10);
        else if (strcmp(argv[at], "--usart") == 0)
            usart = value[0];
        else if (strcmp(argv[at], "--pin") == 0)
            pin = value;
        else if (strcmp(argv[at], "--marks") == 0)
            marks = strtoul(value, NULL, 0);
        else if (strcmp(argv[at], "--edges") == 0)
            edges = value;
        else
            return usage();
    }
    if (at + 1 != argc || strlen(pin) != 2 || strlen(mcu) >= sizeof image.mmcu || clock == 0)
        return usage();
    /* simavr talks on standard output, too: to nobody. */
    FILE *name = fdopen(dup(STDOUT_FILENO), "w");
    said = edges != NULL ? fopen(edges, "w") : name;
    if (name == NULL || said == NULL || freopen("/dev/null", "w", stdout) == NULL) {
        fprintf(stderr, "simavr_pty: %s: %s\n", edges != NULL ? edges : "standard output", strerror(errno));
        return 1;
    }
    if (elf_read_firmware(argv[at], &image) != 0) {
        fprintf(stderr, "simavr_pty: %s is no AVR program in an ELF file\n", argv[at]);
        return 2;
    }
    strcpy(image.mmcu, mcu);
    image.frequency = (uint32_t)clock;
    avr = avr_make_mcu_by_name(image.mmcu);
    if (avr == NULL || avr_init(avr) != 0) {
        fprintf(stderr, "simavr_pty: this simavr knows no %s\n", image.mmcu);
        return 1;
    }
    avr->log = LOG_ERROR;
    if (image.flashbase + image.flashsize > avr->flashend + 1) {
        fprintf(stderr, "simavr_pty: %u bytes do not fit the %u of an %s\n", (unsigned)image.flashsize,
                (unsigned)avr->flashend + 1, image.mmcu);
        return 1;
    }
    avr_load_firmware(avr, &image);
    avr_irq_t *pin_irq = avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(pin[0]), pin[1] - '0');
    avr_irq_t *output = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ(usart), UART_IRQ_OUTPUT);
    uart_input = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ(usart), UART_IRQ_INPUT);
    if (pin_irq == NULL || output == NULL || !open_terminal()) {
        fprintf(stderr, "simavr_pty: no pin %s, no USART %c, or no pseudo terminal\n", pin, usart);
        return 1;
    }
    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS(usart), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POLL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS(usart), &flags);
    avr_irq_register_notify(pin_irq, pin_changed, NULL);
    avr_irq_register_notify(output, byte_sent, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ(usart), UART_IRQ_OUT_XON), uart_ready, avr);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ(usart), UART_IRQ_OUT_XOFF), uart_ready, NULL);
    if (marks != 0)
        avr_register_io_write(avr, (avr_io_addr_t)marks, mark_written, NULL);
    fprintf(name, "%s\n", ptsname(terminal));
    fflush(name);
    avr_cycle_timer_register(avr, LEARN_FROM, learn, NULL);
    int state;
    do
        state = avr_run(avr);
    while (state != cpu_Done && state != cpu_Crashed && avr->cycle < LEARN_TO);
    avr_cycle_timer_register(avr, LOOK_CYCLES, look, NULL);
    while (state != cpu_Done && state != cpu_Crashed)
        state = avr_run(avr);
    fflush(said);
    return state == cpu_Crashed;
}
