/* SPDX-License-Identifier: Apache-2.0 */
/* The CRC-32 of gzip (RFC 1952, section 8) and of the network file. */
#ifndef HDRNN_CRC32_H
#define HDRNN_CRC32_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The checksum of `count` bytes that follow others whose checksum is `crc`; begin with 0. */
uint32_t crc32_update(uint32_t crc, const unsigned char *bytes, size_t count);

#ifdef __cplusplus
}
#endif

#endif
