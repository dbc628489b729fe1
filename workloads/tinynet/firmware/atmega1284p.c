/* SPDX-License-Identifier: Apache-2.0 */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/pgmspace.h>

#include "board.h"
#include "ring.h"

const char BOARD_MCU[] PROGMEM = "ATmega1284P";

ISR(USART0_RX_vect)
{
    ring_put(UDR0);
}

#if BOARD_PRESCALER == 8
static volatile uint16_t overflows;

ISR(TIMER1_OVF_vect)
{
    overflows++;
}

uint32_t board_ticks(void)
{
    uint8_t status = SREG;
    cli();
    uint16_t low = TCNT1, high = overflows;
    if (TIFR1 & _BV(TOV1) && low < 0x8000)
        high++;
    SREG = status;
    return (uint32_t)high << 16 | low;
}
#else
uint32_t board_ticks(void)
{
    return TCNT1;
}
#endif

bool board_receive(uint8_t *byte)
{
    return ring_take(byte);
}

void board_send(uint8_t byte)
{
    while (!(UCSR0A & _BV(UDRE0)))
        ;
    UDR0 = byte;
}

void board_window(bool open)
{
    if (open)
        PORTB |= _BV(PB0);
    else
        PORTB &= (uint8_t)~_BV(PB0);
}

void board_inference(bool begins)
{
    if (begins)
        PORTB |= _BV(PB1);
    else
        PORTB &= (uint8_t)~_BV(PB1);
}

void board_layer_done(uint8_t layers)
{
    GPIOR2 = layers;
}

void board_start(void)
{
    DDRB = _BV(PB0) | _BV(PB1);
    UCSR0A = _BV(U2X0);
    UBRR0 = (F_CPU + 4 * BOARD_BAUD) / (8 * BOARD_BAUD) - 1;
    UCSR0B = _BV(RXCIE0) | _BV(RXEN0) | _BV(TXEN0);
#if BOARD_PRESCALER == 8
    TIMSK1 = _BV(TOIE1);
    TCCR1B = _BV(CS11);
#else
    TCCR1B = _BV(CS12) | _BV(CS10);
#endif
    sei();
}
