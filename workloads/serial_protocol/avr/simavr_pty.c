/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a firmware for the ATmega1284P at 20 MHz in simavr, its USART0 behind a pseudo terminal whose name is the first
 * line printed. Every change of pin PB0 is a line `window 0|1 CYCLES` after it. Links libsimavr, which is GPL 3: what is
 * built from this file may be passed on under that licence only.
 */
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <simavr/avr_ioport.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_elf.h>
#include <simavr/parts/uart_pty.h>

static avr_t *avr;
static FILE *said;

static void window_changed(struct avr_irq_t *irq, uint32_t value, void *parameter)
{
    (void)irq, (void)parameter;
    fprintf(said, "window %u %llu\n", (unsigned)value, (unsigned long long)avr->cycle);
    fflush(said);
}

int main(int argc, char **argv)
{
    static uart_pty_t terminal;
    static elf_firmware_t image;
    /* simavr talks on standard output, too: to nobody. */
    said = fdopen(dup(STDOUT_FILENO), "w");
    if (said == NULL || freopen("/dev/null", "w", stdout) == NULL)
        return 1;
    if (argc != 2 || elf_read_firmware(argv[1], &image) != 0) {
        fprintf(stderr, "usage: simavr_pty FIRMWARE.elf\n");
        return 2;
    }
    strcpy(image.mmcu, "atmega1284p");
    image.frequency = 20000000;
    avr = avr_make_mcu_by_name(image.mmcu);
    if (avr == NULL || avr_init(avr) != 0) {
        fprintf(stderr, "simavr_pty: this simavr knows no %s\n", image.mmcu);
        return 1;
    }
    avr->log = LOG_ERROR;
    avr_load_firmware(avr, &image);
    avr_irq_register_notify(avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ('B'), 0), window_changed, NULL);
    uart_pty_init(avr, &terminal);
    uart_pty_connect(&terminal, '0');
    fprintf(said, "%s\n", terminal.pty.slavename);
    fflush(said);
    int state;
    do
        state = avr_run(avr);
    while (state != cpu_Done && state != cpu_Crashed);
    uart_pty_stop(&terminal);
    return state == cpu_Crashed;
}
