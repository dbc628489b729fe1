/* SPDX-License-Identifier: Apache-2.0 */
#include "crc32.h"

#include <stdbool.h>

static uint32_t table[256];
static bool table_ready;

static void make_table(void)
{
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t value = byte;
        for (int bit = 0; bit < 8; bit++)
            value = (value & 1u) ? 0xEDB88320u ^ (value >> 1) : value >> 1;
        table[byte] = value;
    }
    table_ready = true;
}

uint32_t crc32_update(uint32_t crc, const unsigned char *bytes, size_t count)
{
    if (!table_ready)
        make_table();
    crc = ~crc;
    for (size_t i = 0; i < count; i++)
        crc = table[(crc ^ bytes[i]) & 0xFFu] ^ (crc >> 8);
    return ~crc;
}
