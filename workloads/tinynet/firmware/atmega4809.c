/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An ATmega4809 at 20 MHz (fuse OSCCFG at its default) for a compiler without its device files: registers by their
 * addresses in the data sheet (DS40002015), vectors by their numbers there.
 */
#include <avr/pgmspace.h>

#include "board.h"
#include "ring.h"

#define REGISTER8(address) (*(volatile uint8_t *)(address))
#define REGISTER16(address) (*(volatile uint16_t *)(address))

#define STATUS_REGISTER REGISTER8(0x3f)
#define GPIOR2_REGISTER REGISTER8(0x1e)
#define PORTA_DIRSET REGISTER8(0x0401)
#define PORTA_OUTSET REGISTER8(0x0405)
#define PORTA_OUTCLR REGISTER8(0x0406)
#define PORTB_DIRSET REGISTER8(0x0421)
#define USART3_RXDATAL REGISTER8(0x0860)
#define USART3_TXDATAL REGISTER8(0x0862)
#define USART3_STATUS REGISTER8(0x0864)
#define USART3_CTRLA REGISTER8(0x0865)
#define USART3_CTRLB REGISTER8(0x0866)
#define USART3_BAUD REGISTER16(0x0868)
#define TCA0_CTRLA REGISTER8(0x0a00)
#define TCA0_INTCTRL REGISTER8(0x0a0a)
#define TCA0_INTFLAGS REGISTER8(0x0a0b)
#define TCA0_CNT REGISTER16(0x0a20)

enum { DATA_EMPTY = 0x20, RECEIVE_INTERRUPT = 0x80, RECEIVE_AND_SEND = 0xc0, OVERFLOW = 0x01, ENABLE = 0x01 };
enum { DIVIDE_BY_8 = 0x03 << 1, DIVIDE_BY_1024 = 0x07 << 1 };

#define INTERRUPT(number)                                                                                              \
    void __vector_##number(void) __attribute__((signal, used, externally_visible));                                    \
    void __vector_##number(void)

const char BOARD_MCU[] PROGMEM = "ATmega4809";

INTERRUPT(37) /* USART3, a byte came */
{
    ring_put(USART3_RXDATAL);
}

#if BOARD_PRESCALER == 8
static volatile uint16_t overflows;

INTERRUPT(7) /* TCA0 */
{
    TCA0_INTFLAGS = OVERFLOW;
    overflows++;
}

uint32_t board_ticks(void)
{
    uint8_t status = STATUS_REGISTER;
    __asm__ volatile("cli" ::: "memory");
    uint16_t low = TCA0_CNT, high = overflows;
    if (TCA0_INTFLAGS & OVERFLOW && low < 0x8000)
        high++;
    STATUS_REGISTER = status;
    return (uint32_t)high << 16 | low;
}
#else
uint32_t board_ticks(void)
{
    return TCA0_CNT;
}
#endif

bool board_receive(uint8_t *byte)
{
    return ring_take(byte);
}

void board_send(uint8_t byte)
{
    while (!(USART3_STATUS & DATA_EMPTY))
        ;
    USART3_TXDATAL = byte;
}

void board_window(bool open)
{
    if (open)
        PORTA_OUTSET = 1;
    else
        PORTA_OUTCLR = 1;
}

void board_inference(bool begins)
{
    if (begins)
        PORTA_OUTSET = 2;
    else
        PORTA_OUTCLR = 2;
}

void board_layer_done(uint8_t layers)
{
    GPIOR2_REGISTER = layers;
}

void board_start(void)
{
    /* The main clock undivided; the write is let through for four cycles after the key. */
    __asm__ volatile("out 0x34, %0\n\tsts 0x0061, __zero_reg__" ::"r"((uint8_t)0xd8));
    PORTA_DIRSET = 3;
    PORTB_DIRSET = 1;
    USART3_BAUD = (uint16_t)((4 * F_CPU + BOARD_BAUD / 2) / BOARD_BAUD);
    USART3_CTRLB = RECEIVE_AND_SEND;
    USART3_CTRLA = RECEIVE_INTERRUPT;
#if BOARD_PRESCALER == 8
    TCA0_INTCTRL = OVERFLOW;
    TCA0_CTRLA = DIVIDE_BY_8 | ENABLE;
#else
    TCA0_CTRLA = DIVIDE_BY_1024 | ENABLE;
#endif
    __asm__ volatile("sei" ::: "memory");
}
