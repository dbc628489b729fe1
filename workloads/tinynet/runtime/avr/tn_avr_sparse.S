/* SPDX-License-Identifier: Apache-2.0 */
/*
 * const uint8_t *tn_avr_sparse(const int8_t *x, const uint8_t *rows, uint8_t *sums, uint8_t outputs)
 * Sums over the weights that are not zero. `rows` (flash), for each output: its bias with the rounding of the shift,
 * three bytes; how many groups of four follow; four times how many inputs further the next weight's is, and the weight.
 * Idle places have weight 0. 16 cycles a weight and 3 a group, modulo 2^24. Returns where the next row begins.
 */
    .section .text.tn_avr_sparse, "ax", @progbits
    .global tn_avr_sparse
    .type tn_avr_sparse, @function
tn_avr_sparse:
    push r2
    push r3
    push r16
    push r17
    push r28
    push r29
    movw r16, r24       /* x */
    movw r30, r22       /* rows */
    movw r28, r20       /* sums */
    mov r3, r18
    clr r2
1:  movw r26, r16
    lpm r18, Z+         /* sum: r20 r19 r18 */
    lpm r19, Z+
    lpm r20, Z+
    lpm r24, Z+
    tst r24
    breq 3f
2:
.rept 4
    lpm r21, Z+
    add r26, r21
    adc r27, r2
    ld r23, X
    lpm r22, Z+
    muls r22, r23
    sbc r25, r25        /* the sign: muls leaves it in the carry */
    add r18, r0
    adc r19, r1
    adc r20, r25
.endr
    dec r24
    brne 2b
3:  st Y+, r18
    st Y+, r19
    st Y+, r20
    dec r3
    brne 1b
    movw r24, r30
    clr r1
    pop r29
    pop r28
    pop r17
    pop r16
    pop r3
    pop r2
    ret
    .size tn_avr_sparse, . - tn_avr_sparse
