/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From bytes to offset bytes before the sums, and from sums to bytes after them.
 */

/*
 * uint32_t tn_avr_offset(const int8_t *x, uint8_t *shifted, uint16_t count)
 * Writes x + 128 for each and returns 128 times their sum. Counted in 16 bits for 256 bytes at a time.
 */
.macro take
    ld r18, X+
    subi r18, 0x80
    st Z+, r18
    add r16, r18
    adc r17, r1
.endm

    .section .text.tn_avr_offset, "ax", @progbits
    .global tn_avr_offset
    .type tn_avr_offset, @function
tn_avr_offset:
    push r16
    push r17
    movw r26, r24
    movw r30, r22
    clr r22             /* sum: r24 r23 r22 */
    clr r23
    clr r24
    mov r19, r20        /* the first: count % 8 */
    andi r19, 7
    lsr r21             /* then r21 r20 times 8, 32 times in a row at most */
    ror r20
    lsr r21
    ror r20
    lsr r21
    ror r20
    clr r16
    clr r17
    tst r19
    breq 5f
2:  take
    dec r19
    brne 2b
    rjmp 5f
4:  clr r16
    clr r17
    mov r19, r20
    andi r19, 31
    brne 3f
    ldi r19, 32
3:  sub r20, r19
    sbc r21, r1
6:
.rept 8
    take
.endr
    dec r19
    brne 6b
5:  add r22, r16
    adc r23, r17
    adc r24, r1
    mov r19, r20
    or r19, r21
    brne 4b
    /* times 128: up a byte, down a bit */
    mov r25, r24
    mov r24, r23
    mov r23, r22
    clr r22
    lsr r25
    ror r24
    ror r23
    ror r22
    pop r17
    pop r16
    ret
    .size tn_avr_offset, . - tn_avr_offset

/* The 16-bit number r25:r24 (r25 its high byte) into `low`...127 in r24; `low` in r16, r0 is lost. */
.macro clamp
    mov r0, r24
    lsl r0
    sbc r0, r0
    cp r25, r0
    breq .Lfits\@
    ldi r24, 0x7f
    sbrc r25, 7
    ldi r24, 0x80
.Lfits\@:
    cp r24, r16
    brge .Ldone\@
    mov r24, r16
.Ldone\@:
.endm

/*
 * void tn_avr_shift_high(const uint8_t *sums, int8_t *y, uint8_t count, uint8_t factor, int8_t low)
 * y = clamp(sum >> shift) for shifts of 9 to 16; the rounding term is in the sums already. `factor` is 2^(16 - shift):
 * the upper two bytes times that, less the lowest byte of the product, are the shifted sum.
 */
    .section .text.tn_avr_shift_high, "ax", @progbits
    .global tn_avr_shift_high
    .type tn_avr_shift_high, @function
tn_avr_shift_high:
    movw r26, r24
    movw r30, r22
    mov r19, r18
    clr r21
1:  adiw r26, 1
    ld r18, X+
    ld r22, X+
    mul r18, r19
    mov r18, r1
    mulsu r22, r19
    movw r24, r0
    add r24, r18
    adc r25, r21
    clamp
    st Z+, r24
    dec r20
    brne 1b
    clr r1
    ret
    .size tn_avr_shift_high, . - tn_avr_shift_high

/*
 * void tn_avr_shift_low(const uint8_t *sums, int8_t *y, uint8_t count, uint8_t factor, int8_t low)
 * The same for shifts of 1 to 8: `factor` is 2^(8 - shift), and all three bytes are multiplied.
 */
    .section .text.tn_avr_shift_low, "ax", @progbits
    .global tn_avr_shift_low
    .type tn_avr_shift_low, @function
tn_avr_shift_low:
    movw r26, r24
    movw r30, r22
    mov r19, r18
    clr r21
1:  ld r18, X+
    ld r22, X+
    mul r18, r19
    mov r24, r1
    mul r22, r19
    clr r25
    add r24, r0
    adc r25, r1
    ld r22, X+
    mulsu r22, r19
    add r25, r0
    adc r1, r21
    mov r0, r25         /* what does not fit 16 bits does not fit 8 either */
    lsl r0
    sbc r0, r0
    cp r1, r0
    breq 2f
    mov r25, r1
    ori r25, 1          /* not the sign's own bytes: neither 0x00 nor 0xff over a small byte */
    andi r25, 0x81
2:  clamp
    st Z+, r24
    dec r20
    brne 1b
    clr r1
    ret
    .size tn_avr_shift_low, . - tn_avr_shift_low

/*
 * void tn_avr_shift(const uint8_t *sums, int8_t *y, uint8_t count, uint8_t shift, int8_t low)
 * The same for any shift, bit by bit.
 */
    .section .text.tn_avr_shift, "ax", @progbits
    .global tn_avr_shift
    .type tn_avr_shift, @function
tn_avr_shift:
    movw r26, r24
    movw r30, r22
1:  ld r24, X+
    ld r25, X+
    ld r21, X+
    mov r19, r18
    rjmp 3f
2:  asr r21
    ror r25
    ror r24
3:  dec r19
    brpl 2b
    mov r0, r25
    lsl r0
    sbc r0, r0
    cp r21, r0
    breq 4f
    mov r25, r21
    ori r25, 1
    andi r25, 0x81
4:  clamp
    st Z+, r24
    dec r20
    brne 1b
    ret
    .size tn_avr_shift, . - tn_avr_shift

/*
 * const uint8_t *tn_avr_scale(const uint8_t *sums, int8_t *y, uint8_t count, const uint8_t *scales, int8_t low)
 * y = clamp((sum * m + (1 << (t - 1))) >> t). `scales` (flash), four bytes an output: m, low byte first; whole bytes of
 * t - 1 (1 to 3); the bits left. The last bit is shifted out after the rounding. Returns where the next scales are.
 */
    .section .text.tn_avr_scale, "ax", @progbits
    .global tn_avr_scale
    .type tn_avr_scale, @function
tn_avr_scale:
    push r4
    push r5
    push r6
    push r7
    push r8
    push r9
    push r10
    push r17
    push r28
    push r29
    mov r17, r20
    movw r26, r24
    movw r28, r22
    movw r30, r18
    clr r9
1:  ld r18, X+
    ld r19, X+
    ld r20, X+
    lpm r22, Z+
    lpm r23, Z+
    /* product: r8 r7 r6 r5 r4 */
    mul r18, r22
    movw r4, r0
    mul r19, r23
    movw r6, r0
    mulsu r20, r23
    mov r8, r1
    add r7, r0
    adc r8, r9
    mulsu r20, r22
    sbc r10, r10
    add r6, r0
    adc r7, r1
    adc r8, r10
    mul r18, r23
    add r5, r0
    adc r6, r1
    adc r7, r9
    adc r8, r9
    mul r19, r22
    add r5, r0
    adc r6, r1
    adc r7, r9
    adc r8, r9
    /* r21 r20 r25 r24: the product without its low bytes */
    lpm r18, Z+
    lpm r19, Z+
    mov r10, r8
    lsl r10
    sbc r10, r10
    cpi r18, 2
    breq 3f
    brlo 2f
    mov r24, r7
    mov r25, r8
    mov r20, r10
    mov r21, r10
    rjmp 4f
2:  mov r24, r5
    mov r25, r6
    mov r20, r7
    mov r21, r8
    rjmp 4f
3:  mov r24, r6
    mov r25, r7
    mov r20, r8
    mov r21, r10
    rjmp 4f
5:  asr r21
    ror r20
    ror r25
    ror r24
4:  dec r19
    brpl 5b
    /* half up */
    ldi r18, 1
    add r24, r18
    adc r25, r9
    adc r20, r9
    adc r21, r9
    asr r21
    ror r20
    ror r25
    ror r24
    mov r0, r25
    lsl r0
    sbc r0, r0
    cp r20, r0
    cpc r21, r0
    breq 6f
    mov r25, r21
    ori r25, 1
    andi r25, 0x81
6:  clamp
    st Y+, r24
    dec r17
    breq 7f
    rjmp 1b
7:
    movw r24, r30
    clr r1
    pop r29
    pop r28
    pop r17
    pop r10
    pop r9
    pop r8
    pop r7
    pop r6
    pop r5
    pop r4
    ret
    .size tn_avr_scale, . - tn_avr_scale
