/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernels for Arm with NEON: 32 registers of 4 floats or 2 doubles on AArch64, 16 of 4 floats on ARMv7, whose NEON
 * has no doubles.
 */
#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

#include "kernel.h"

#define KERNEL_NAME "neon"

static inline float sum_f32(float32x4_t v)
{
    float32x2_t two = vadd_f32(vget_low_f32(v), vget_high_f32(v));
    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

#define REAL float
#define BITS uint32_t
#define IS_DOUBLE 0
#define KERNEL kernel_neon_float32
#define V float32x4_t
#define V_WIDTH 4
#define V_LOAD vld1q_f32
#define V_STORE vst1q_f32
#define V_ADD vaddq_f32
#define V_MUL vmulq_f32
#define V_SET1 vdupq_n_f32
#define V_SUM sum_f32
#ifdef __aarch64__
#define DOT_NEURONS 2
#define DOT_IMAGES 3
#define STEP_NEURONS 4
#define STEP_VECTORS 4
#else
#define DOT_NEURONS 1
#define DOT_IMAGES 3
#define STEP_NEURONS 2
#define STEP_VECTORS 4
#endif
#include "kernel_template.h"

#ifdef __aarch64__
static inline double sum_f64(float64x2_t v)
{
    return vgetq_lane_f64(v, 0) + vgetq_lane_f64(v, 1);
}

#define REAL double
#define BITS uint64_t
#define IS_DOUBLE 1
#define KERNEL kernel_neon_float64
#define V float64x2_t
#define V_WIDTH 2
#define V_LOAD vld1q_f64
#define V_STORE vst1q_f64
#define V_ADD vaddq_f64
#define V_MUL vmulq_f64
#define V_SET1 vdupq_n_f64
#define V_SUM sum_f64
#define DOT_NEURONS 2
#define DOT_IMAGES 3
#define STEP_NEURONS 4
#define STEP_VECTORS 4
#include "kernel_template.h"
#endif
