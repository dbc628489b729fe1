/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between machines: where constants lie, how they are read, and the widths of sums. */
#ifndef TN_PORT_H
#define TN_PORT_H

#include <stdint.h>

#if defined(__AVR__)

#include <avr/pgmspace.h>

#define TN_FLASH PROGMEM
#define TN_READ_I8(place) ((int8_t)pgm_read_byte(place))
#define TN_READ_U8(place) ((uint8_t)pgm_read_byte(place))
#define TN_READ_I16(place) ((int16_t)pgm_read_word(place))
#define TN_READ_U16(place) ((uint16_t)pgm_read_word(place))
#define TN_READ_I32(place) ((int32_t)pgm_read_dword(place))
#define TN_COPY_FROM_FLASH(target, place, bytes) memcpy_P((target), (place), (bytes))
typedef __int24 tn_sum24_t;

#else

#include <string.h>

#define TN_FLASH
#define TN_READ_I8(place) (*(place))
#define TN_READ_U8(place) (*(place))
#define TN_READ_I16(place) (*(place))
#define TN_READ_U16(place) (*(place))
#define TN_READ_I32(place) (*(place))
#define TN_COPY_FROM_FLASH(target, place, bytes) memcpy((target), (place), (bytes))
typedef int32_t tn_sum24_t;

#endif

typedef int16_t tn_sum16_t;
typedef int32_t tn_sum32_t;

#endif
