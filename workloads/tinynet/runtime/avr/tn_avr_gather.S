/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uint32_t tn_avr_gather(const int8_t *x, uint8_t *shifted, uint8_t rows, uint8_t row_bytes, uint16_t skip)
 * The rows of a window, one after the other, as bytes offset by 128; `skip` bytes lie between two rows. Returns 128 times
 * their sum.
 */
    .section .text.tn_avr_gather, "ax", @progbits
    .global tn_avr_gather
    .type tn_avr_gather, @function
tn_avr_gather:
    movw r26, r24
    movw r30, r22
    clr r22             /* sum: r24 r23 r22 */
    clr r23
    clr r24
1:  mov r19, r18
2:  ld r21, X+
    subi r21, 0x80
    st Z+, r21
    add r22, r21
    adc r23, r1
    adc r24, r1
    dec r19
    brne 2b
    add r26, r16
    adc r27, r17
    dec r20
    brne 1b
    mov r25, r24        /* times 128: up a byte, down a bit */
    mov r24, r23
    mov r23, r22
    clr r22
    lsr r25
    ror r24
    ror r23
    ror r22
    ret
    .size tn_avr_gather, . - tn_avr_gather
