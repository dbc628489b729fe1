/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an ATmega4809 begins: 40 vectors of a jump each, the stack at the memory's end, main. Copying what is
 * initialised and clearing what is not comes from libgcc (.init4). For -mmcu=avrxmega3 -nostartfiles.
 */
    .macro vector number
    .weak __vector_\number
    .set __vector_\number, unexpected
    jmp __vector_\number
    .endm

    .section .vectors, "ax", @progbits
    .global __vectors
    .func __vectors
__vectors:
    jmp __init
    .irp number, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
    vector \number
    .endr
    .irp number, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39
    vector \number
    .endr
    .endfunc

    .text
    .global unexpected
    .type unexpected, @function
unexpected:             /* an interrupt that nobody asked for: begin anew */
    jmp __vectors
    .size unexpected, . - unexpected

    .section .init0, "ax", @progbits
    .weak __init
__init:

    .section .init2, "ax", @progbits
    clr r1
    out 0x3f, r1
    ldi r28, lo8(__stack)
    ldi r29, hi8(__stack)
    out 0x3d, r28
    out 0x3e, r29

    .section .init9, "ax", @progbits
    call main
1:  rjmp 1b

    .global __stack
    .set __stack, 0x3fff    /* 6 kB at 0x2800 */
