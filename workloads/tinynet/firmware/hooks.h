/* SPDX-License-Identifier: Apache-2.0 */
/* Included by network.c: tells the board how many layers are done, so that a simulator can split the time. */
#include "board.h"

#define TN_LAYER_DONE(layer) board_layer_done((layer) + 1)
