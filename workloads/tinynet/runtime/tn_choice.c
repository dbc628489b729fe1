/* SPDX-License-Identifier: Apache-2.0 */
/* What the last layer's bytes say. */
#include "tn_kernels.h"
#include "tn_port.h"

uint16_t tn_argmax(const int8_t *outputs, uint16_t count)
{
    uint16_t best = 0;
    for (uint16_t i = 1; i < count; i++)
        if (outputs[i] > outputs[best])
            best = i;
    return best;
}

void tn_softmax(const int8_t *outputs, uint8_t *shares, uint16_t count, const uint16_t *powers)
{
    int8_t largest = outputs[tn_argmax(outputs, count)];
    uint32_t whole = 0;
    for (uint16_t i = 0; i < count; i++)
        whole += TN_READ_U16(powers + (largest - outputs[i]));
    for (uint16_t i = 0; i < count; i++)
        shares[i] = (uint8_t)((TN_READ_U16(powers + (largest - outputs[i])) * (uint32_t)255 + whole / 2) / whole);
}
