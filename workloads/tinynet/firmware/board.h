/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the firmware needs of a microcontroller. atmega1284p.c and atmega4809.c give it.
 *
 *                     ATmega1284P     ATmega4809
 *   serial line       USART0 PD0 PD1  USART3 PB1 PB0 (receive, send)
 *   window pin        PB0             PA0
 *   inference pin     PB1             PA1
 *   timer             timer 1         TCA0
 *   layers done       GPIOR2          GPIOR2
 *
 * Bytes that come are taken by an interrupt into a ring, so that none is lost while an inference runs; apart from that
 * and, where it is asked for, the timer's overflow nothing interrupts one.
 */
#ifndef BOARD_H
#define BOARD_H

#include <stdbool.h>
#include <stdint.h>

/* How many cycles a tick of the timer has: 8 (ticks counted in 32 bits) or 1024 (in 16, as the study's firmware). */
#ifndef BOARD_PRESCALER
#define BOARD_PRESCALER 8
#endif

#ifndef BOARD_BAUD
#define BOARD_BAUD 115200UL
#endif

#if BOARD_PRESCALER != 8 && BOARD_PRESCALER != 1024
#error "BOARD_PRESCALER is 8 or 1024"
#endif

enum { BOARD_TICK_BITS = BOARD_PRESCALER == 8 ? 32 : 16 };

extern const char BOARD_MCU[]; /* in flash, as PROGMEM */

void board_start(void);
bool board_receive(uint8_t *byte);
void board_send(uint8_t byte);
uint32_t board_ticks(void);
void board_window(bool open);
void board_inference(bool begins);
void board_layer_done(uint8_t layers);

/* Before main() the memory that the stack may grow into is painted; what it has washed off was used. */
void board_memory(uint32_t *flash, uint32_t *data, uint32_t *stack_peak, uint32_t *unused);

#endif
