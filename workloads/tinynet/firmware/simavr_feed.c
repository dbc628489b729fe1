/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a firmware for the ATmega1284P in simavr as fast as this machine can, without a terminal: of what comes on
 * standard input one request is fed to its USART0, what it sends goes to standard output, and after the bytes of an
 * answer the next request follows, so that nothing comes while it computes. Ends with the last answer. On standard error, a line each: `window 0|1 CYCLES` for pin PB0, `layer N CYCLES` for a byte written to GPIOR2.
 * Links libsimavr, which is GPL 3: what is built from this file may be passed on under that licence only.
 *
 *   simavr_feed FIRMWARE.elf CLOCK_HZ REQUEST_BYTES ANSWER_BYTES SECONDS_AT_MOST
 *
 * Exit code 0, or 1 where the core crashed, 3 where its time (of its own clock) was up first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/sim_io.h>

enum { GPIOR2_ADDRESS = 0x4b };

static avr_t *avr;
static avr_irq_t *receiver;
static long request, answer, to_feed, to_come;
static int full, ended;
static FILE *answers;

static void feed(void)
{
    while (!full && to_feed > 0) {
        int byte = getchar();
        if (byte == EOF) {
            ended = 1;
            return;
        }
        to_feed--;
        avr_raise_irq(receiver, (uint32_t)byte);
    }
}

static void begin(void)
{
    to_feed = request;
    to_come = answer;
    feed();
}

static void on_sent(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)parameter;
    fputc((int)(value & 0xff), answers);
    if (--to_come == 0)
        begin();
}

static void on_room(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)value, (void)parameter;
    full = 0;
    feed();
}

static void on_full(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)value, (void)parameter;
    full = 1;
}

static void on_window(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)parameter;
    fprintf(stderr, "window %u %llu\n", (unsigned)value, (unsigned long long)avr->cycle);
}

static void on_layer(struct avr_t *core, avr_io_addr_t address, uint8_t value, void *parameter)
{
    (void)parameter;
    core->data[address] = value;
    fprintf(stderr, "layer %u %llu\n", (unsigned)value, (unsigned long long)core->cycle);
}

int main(int argc, char **argv)
{
    static elf_firmware_t image;
    /* simavr talks on standard output, too: to nobody. */
    answers = fdopen(dup(STDOUT_FILENO), "w");
    if (answers == NULL || freopen("/dev/null", "w", stdout) == NULL)
        return 2;
    if (argc != 6 || elf_read_firmware(argv[1], &image) != 0) {
        fprintf(stderr, "usage: simavr_feed FIRMWARE.elf CLOCK_HZ REQUEST_BYTES ANSWER_BYTES SECONDS_AT_MOST\n");
        return 2;
    }
    avr = avr_make_mcu_by_name("atmega1284p");
    if (avr == NULL || avr_init(avr) != 0) {
        fprintf(stderr, "simavr_feed: this simavr knows no ATmega1284P\n");
        return 2;
    }
    avr->log = LOG_NONE;
    avr->frequency = (uint32_t)strtoul(argv[2], NULL, 10);
    request = strtol(argv[3], NULL, 10);
    answer = strtol(argv[4], NULL, 10);
    avr_cycle_count_t last = (avr_cycle_count_t)(strtod(argv[5], NULL) * avr->frequency);
    strcpy(image.mmcu, "atmega1284p");
    image.frequency = avr->frequency;
    avr_load_firmware(avr, &image);
    uint32_t flags = 0;
    avr_ioctl(avr, AVR_IOCTL_UART_GET_FLAGS('0'), &flags);
    flags &= ~(uint32_t)(AVR_UART_FLAG_STDIO | AVR_UART_FLAG_POOL_SLEEP);
    avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &flags);
    receiver = avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_INPUT);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUTPUT), on_sent, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XON), on_room, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_UART_GETIRQ('0'), UART_IRQ_OUT_XOFF), on_full, NULL);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), 0), on_window, NULL);
    avr_register_io_write(avr, GPIOR2_ADDRESS, on_layer, NULL);
    int state = cpu_Running;
    to_feed = request;
    to_come = answer;
    while (!ended && avr->cycle < last && state != cpu_Done && state != cpu_Crashed)
        state = avr_run(avr);
    return state == cpu_Crashed ? 1 : !ended ? 3 : 0;
}
