/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sums of products for 8, 4 or 2 outputs at once.
 *
 * Bytes are taken with an offset of 128, x' = x + 128 and w' = w + 128, so that every product is unsigned and the third
 * byte of a sum takes nothing but the carry: lpm 3, mul 2, add, adc, adc - eight cycles a product, none for signs. Sums
 * wrap modulo 2^24; what the offsets add is taken away again:
 *
 *     sum x w  =  sum x' w'  -  128 sum x'  -  128 sum w'  +  16384 n      (n inputs)
 *
 * The last two terms, the bias and the rounding of the shift are numbers of the network: three bytes an output, before
 * the weights. 128 sum x' is the caller's. Eight sums of three bytes, the product, the input, a zero and two pointers
 * are all 32 registers; where the input ends is therefore kept in two I/O registers, which interrupts must leave alone.
 *
 *     const uint8_t *tn_avr_block8(const uint8_t *x, const uint8_t *block, uint16_t inputs, uint8_t *sums,
 *                                  uint32_t offset)
 *
 * `block` (flash): 3 bytes an output, then for each input one byte an output. `sums`: 3 bytes an output, least first.
 * Returns where the next block begins.
 */

#if __AVR_ARCH__ == 103 /* ATmega4809: GPIOR0, GPIOR1 */
#define END_LOW 0x1c
#define END_HIGH 0x1d
#else /* ATmega1284P: GPIOR0, GPIOR1 */
#define END_LOW 0x1e
#define END_HIGH 0x2a
#endif

.macro mac low, middle, high
    lpm r0, Z+
    mul r0, r28
    add \low, r0
    adc \middle, r1
    adc \high, r29
.endm

.macro step outputs
    ld r28, X+
    mac r2, r3, r4
    mac r5, r6, r7
.if \outputs > 2
    mac r8, r9, r10
    mac r11, r12, r13
.endif
.if \outputs > 4
    mac r14, r15, r16
    mac r17, r18, r19
    mac r20, r21, r22
    mac r23, r24, r25
.endif
.endm

/* A term of the block, less 128 sum x'. */
.macro begin low, middle, high
    lpm \low, Z+
    lpm \middle, Z+
    lpm \high, Z+
    sub \low, r0
    sbc \middle, r1
    sbc \high, r28
.endm

.macro keep registers:vararg
.irp register, \registers
    push \register
.endr
.endm

.macro restore registers:vararg
.irp register, \registers
    pop \register
.endr
.endm

.macro store registers:vararg
.irp register, \registers
    st X+, \register
.endr
.endm

/* First the inputs that do not fill a round, then rounds of `unroll` (a power of two). */
.macro block outputs, unroll
    keep r2, r3, r4, r5, r6, r7
.if \outputs > 2
    keep r8, r9, r10, r11, r12, r13
.endif
.if \outputs > 4
    keep r14, r15, r16, r17
.endif
    keep r28, r29, r18, r19
    movw r26, r24
    movw r30, r22
    mov r24, r20
    andi r24, \unroll - 1
    add r24, r26
    out END_LOW, r24    /* of the single ones: less than 256, so the low byte says when */
    add r20, r26
    adc r21, r27
    push r20
    push r21
    movw r0, r14
    mov r28, r16
    begin r2, r3, r4
    begin r5, r6, r7
.if \outputs > 2
    begin r8, r9, r10
    begin r11, r12, r13
.endif
.if \outputs > 4
    begin r14, r15, r16
    begin r17, r18, r19
    begin r20, r21, r22
    begin r23, r24, r25
.endif
    clr r29
    rjmp 2f
1:  step \outputs
2:  in r0, END_LOW
    cpse r0, r26
    rjmp 1b
    pop r0
    out END_HIGH, r0
    pop r0
    out END_LOW, r0
    rjmp 4f
3:
.rept \unroll
    step \outputs
.endr
4:  in r0, END_LOW
    cpse r0, r26
    rjmp 3b
    in r0, END_HIGH
    cpse r0, r27
    rjmp 3b
    pop r27
    pop r26
    store r2, r3, r4, r5, r6, r7
.if \outputs > 2
    store r8, r9, r10, r11, r12, r13
.endif
.if \outputs > 4
    store r14, r15, r16, r17, r18, r19, r20, r21, r22, r23, r24, r25
.endif
    movw r24, r30
    clr r1
    restore r29, r28
.if \outputs > 4
    restore r17, r16, r15, r14
.endif
.if \outputs > 2
    restore r13, r12, r11, r10, r9, r8
.endif
    restore r7, r6, r5, r4, r3, r2
    ret
.endm

    .section .text.tn_avr_block8, "ax", @progbits
    .global tn_avr_block8
    .type tn_avr_block8, @function
tn_avr_block8:
    block 8, 16
    .size tn_avr_block8, . - tn_avr_block8

    .section .text.tn_avr_block4, "ax", @progbits
    .global tn_avr_block4
    .type tn_avr_block4, @function
tn_avr_block4:
    block 4, 4
    .size tn_avr_block4, . - tn_avr_block4

    .section .text.tn_avr_block2, "ax", @progbits
    .global tn_avr_block2
    .type tn_avr_block2, @function
tn_avr_block2:
    block 2, 4
    .size tn_avr_block2, . - tn_avr_block2
