/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Demonstration firmware for an ATmega1284P at 20 MHz: USART0 at 115200 baud, timer 1 counting every 8 cycles (its
 * overflows counted up to 32 bits), the window on pin PB0. Bytes that come are taken by an interrupt, so that none is
 * lost while an inference runs; apart from that and the timer's overflow nothing interrupts it.
 */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>
#include <string.h>

#include "../made_up_network.h"
#include "../serial_protocol.h"

#ifndef BUILD_TEXT
#define BUILD_TEXT ""
#endif

enum { PRESCALER = 8, RING = 64, PAINT = 0xc5 };

static uint8_t input[MADE_UP_INPUTS];
static int16_t output[MADE_UP_OUTPUTS];

SerialFirmware firmware = {
    .clock_hz = F_CPU, .tick_hz = F_CPU / PRESCALER, .tick_bits = 32, .input_type = SERIAL_I8,
    .output_type = SERIAL_I16, .input_bytes = sizeof input, .output_bytes = sizeof output, .input = input,
    .output = (const uint8_t *)output, .model_hash = MADE_UP_HASH,
};

static volatile uint8_t ring[RING], ring_in, ring_out;
static volatile uint16_t overflows;

ISR(USART0_RX_vect)
{
    uint8_t byte = UDR0, next = (uint8_t)((ring_in + 1) % RING);
    if (next != ring_out) {
        ring[ring_in] = byte;
        ring_in = next;
    }
}

ISR(TIMER1_OVF_vect)
{
    overflows++;
}

bool firmware_receive(uint8_t *byte)
{
    if (ring_out == ring_in)
        return false;
    *byte = ring[ring_out];
    ring_out = (uint8_t)((ring_out + 1) % RING);
    return true;
}

void firmware_send(uint8_t byte)
{
    while (!(UCSR0A & _BV(UDRE0)))
        ;
    UDR0 = byte;
}

uint32_t firmware_ticks(void)
{
    uint8_t status = SREG;
    cli();
    uint16_t low = TCNT1, high = overflows;
    if (TIFR1 & _BV(TOV1) && low < 0x8000)
        high++;
    SREG = status;
    return (uint32_t)high << 16 | low;
}

void firmware_window(bool open)
{
    if (open)
        PORTB |= _BV(PB0);
    else
        PORTB &= (uint8_t)~_BV(PB0);
}

uint8_t firmware_infer(void)
{
    made_up_network(input, output);
    return 0;
}

uint8_t firmware_text(uint8_t item, char *text, uint8_t room)
{
    static const char NAME[] PROGMEM = "demo", VERSION[] PROGMEM = "1.0", MCU[] PROGMEM = "ATmega1284P",
                      MODEL[] PROGMEM = "dense 20-4, made up", BUILD[] PROGMEM = "avr-gcc " __VERSION__ " " BUILD_TEXT;
    static const char *const TEXTS[] PROGMEM = {NAME, VERSION, MCU, MODEL, BUILD};
    if (item >= sizeof TEXTS / sizeof *TEXTS)
        return 0;
    const char *said = (const char *)pgm_read_word(&TEXTS[item]);
    size_t length = strlen_P(said);
    if (length > room)
        length = room;
    memcpy_P(text, said, length);
    return (uint8_t)length;
}

/* Places that the linker knows. */
extern uint8_t __data_start, __bss_end, __data_load_end, __stack;

/* Before anything runs, the memory that the stack may grow into is painted; what it has washed off was used. */
void paint_stack(void) __attribute__((naked, used, section(".init1")));
void paint_stack(void)
{
    __asm__ volatile("ldi r30, lo8(__bss_end)\n\tldi r31, hi8(__bss_end)\n\tldi r24, %0\n\tldi r25, hi8(__stack)\n"
                     "1:\tst Z+, r24\n\tcpi r30, lo8(__stack)\n\tcpc r31, r25\n\tbrlo 1b\n\tbreq 1b" ::"M"(PAINT));
}

void firmware_memory(SerialMemory *memory)
{
    const uint8_t *at = &__bss_end;
    while (at < &__stack && *at == PAINT)
        at++;
    memory->flash = (uint16_t)&__data_load_end;
    memory->data = (uint16_t)(&__bss_end - &__data_start);
    memory->stack_peak = (uint16_t)(&__stack - at + 1);
    memory->unused = (uint16_t)(at - &__bss_end);
}

int main(void)
{
    DDRB = _BV(PB0);
    UCSR0A = _BV(U2X0);
    UBRR0 = (F_CPU + 4 * 115200UL) / (8 * 115200UL) - 1;
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
    TIMSK1 = _BV(TOIE1);
    TCCR1B = _BV(CS11);
    serial_protocol_reset();
    sei();
    for (;;)
        serial_protocol_poll();
}
