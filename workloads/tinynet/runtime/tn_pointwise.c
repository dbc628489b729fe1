/* SPDX-License-Identifier: Apache-2.0 */
/* Layers that treat each byte by itself. */
#include "tn_kernels.h"
#include "tn_port.h"

void tn_relu(const int8_t *x, int8_t *y, uint16_t count)
{
    for (; count > 0; count--, x++)
        *y++ = *x > 0 ? *x : 0;
}

/* tanh, sigmoid: one byte of `table` for each of -128…127. */
void tn_table(const int8_t *x, int8_t *y, uint16_t count, const int8_t *table)
{
    for (; count > 0; count--, x++)
        *y++ = TN_READ_I8(table + (*x + 128));
}
