/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for x86-64 with AVX2: 16 registers of 8 floats or 4 doubles. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernel.h"

#define KERNEL_NAME "avx2"

static inline float sum_ps(__m256 v)
{
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static inline double sum_pd(__m256d v)
{
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

#define REAL float
#define BITS uint32_t
#define IS_DOUBLE 0
#define KERNEL kernel_avx2_float32
#define V __m256
#define V_WIDTH 8
#define V_LOAD _mm256_loadu_ps
#define V_STORE _mm256_storeu_ps
#define V_ADD _mm256_add_ps
#define V_MUL _mm256_mul_ps
#define V_SET1 _mm256_set1_ps
#define V_SUM sum_ps
#define DOT_NEURONS 2
#define DOT_IMAGES 3
#define STEP_NEURONS 2
#define STEP_VECTORS 4
#include "kernel_template.h"

#define REAL double
#define BITS uint64_t
#define IS_DOUBLE 1
#define KERNEL kernel_avx2_float64
#define V __m256d
#define V_WIDTH 4
#define V_LOAD _mm256_loadu_pd
#define V_STORE _mm256_storeu_pd
#define V_ADD _mm256_add_pd
#define V_MUL _mm256_mul_pd
#define V_SET1 _mm256_set1_pd
#define V_SUM sum_pd
#define DOT_NEURONS 2
#define DOT_IMAGES 3
#define STEP_NEURONS 2
#define STEP_VECTORS 4
#include "kernel_template.h"
