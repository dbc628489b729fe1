/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels without vectors: for any processor, and what the others are held against. */
#include <stdint.h>
#include <string.h>

#include "kernel.h"

#define KERNEL_NAME "scalar"

#define REAL float
#define BITS uint32_t
#define IS_DOUBLE 0
#define KERNEL kernel_scalar_float32
#define V float
#define V_WIDTH 1
#define V_LOAD(p) (*(p))
#define V_STORE(p, v) (*(p) = (v))
#define V_ADD(a, b) ((a) + (b))
#define V_MUL(a, b) ((a) * (b))
#define V_SET1(x) (x)
#define V_SUM(v) (v)
#define DOT_NEURONS 1
#define DOT_IMAGES 1
#define STEP_NEURONS 2
#define STEP_VECTORS 16
#include "kernel_template.h"

#define REAL double
#define BITS uint64_t
#define IS_DOUBLE 1
#define KERNEL kernel_scalar_float64
#define V double
#define V_WIDTH 1
#define V_LOAD(p) (*(p))
#define V_STORE(p, v) (*(p) = (v))
#define V_ADD(a, b) ((a) + (b))
#define V_MUL(a, b) ((a) * (b))
#define V_SET1(x) (x)
#define V_SUM(v) (v)
#define DOT_NEURONS 1
#define DOT_IMAGES 1
#define STEP_NEURONS 2
#define STEP_VECTORS 8
#include "kernel_template.h"
