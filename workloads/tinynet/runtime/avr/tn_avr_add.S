/* SPDX-License-Identifier: Apache-2.0 */
/*
 * void tn_avr_add(uint8_t *sums, const uint8_t *more, uint8_t count)
 * Adds sums of three bytes to sums of three bytes; what does not fit becomes the largest or the smallest that does.
 */
    .section .text.tn_avr_add, "ax", @progbits
    .global tn_avr_add
    .type tn_avr_add, @function
tn_avr_add:
    movw r26, r24
    movw r30, r22
1:  ld r18, X+
    ld r19, X+
    ld r21, X
    ld r0, Z+
    add r18, r0
    ld r0, Z+
    adc r19, r0
    ld r0, Z+
    adc r21, r0
    brvc 3f
    ldi r18, 0xff       /* too large: the sign came out wrong */
    ldi r19, 0xff
    sbrc r21, 7
    rjmp 2f
    ldi r21, 0x80
    clr r18
    clr r19
    rjmp 3f
2:  ldi r21, 0x7f
3:  st X, r21
    st -X, r19
    st -X, r18
    adiw r26, 3
    dec r20
    brne 1b
    ret
    .size tn_avr_add, . - tn_avr_add
