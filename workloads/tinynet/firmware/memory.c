/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory is used, counted on the board itself. */
#include "board.h"

enum { PAINT = 0xc5 };

/* Places that the linker knows. */
extern uint8_t __data_start, __bss_end, __data_load_end, __stack;

void paint_stack(void) __attribute__((naked, used, section(".init3")));
void paint_stack(void)
{
    __asm__ volatile("ldi r30, lo8(__bss_end)\n\tldi r31, hi8(__bss_end)\n\tldi r24, %0\n\tldi r25, hi8(__stack)\n"
                     "1:\tst Z+, r24\n\tcpi r30, lo8(__stack)\n\tcpc r31, r25\n\tbrlo 1b\n\tbreq 1b" ::"M"(PAINT));
}

void board_memory(uint32_t *flash, uint32_t *data, uint32_t *stack_peak, uint32_t *unused)
{
    const uint8_t *at = &__bss_end;
    while (at < &__stack && *at == PAINT)
        at++;
    *flash = (uint16_t)&__data_load_end;
    *data = (uint16_t)(&__bss_end - &__data_start);
    *stack_peak = (uint16_t)(&__stack - at + 1);
    *unused = (uint16_t)(at - &__bss_end);
}
