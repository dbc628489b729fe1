/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for x86-64 with AVX-512: 32 registers of 16 floats or 8 doubles. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

#include "kernel.h"

#define KERNEL_NAME "avx512"

static inline float sum_ps(__m512 v)
{
    __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

static inline double sum_pd(__m512d v)
{
    __m256d four = _mm256_add_pd(_mm512_castpd512_pd256(v), _mm512_extractf64x4_pd(v, 1));
    __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
}

#define REAL float
#define BITS uint32_t
#define IS_DOUBLE 0
#define KERNEL kernel_avx512_float32
#define V __m512
#define V_WIDTH 16
#define V_LOAD _mm512_loadu_ps
#define V_STORE _mm512_storeu_ps
#define V_ADD _mm512_add_ps
#define V_MUL _mm512_mul_ps
#define V_SET1 _mm512_set1_ps
#define V_SUM sum_ps
#define DOT_NEURONS 4
#define DOT_IMAGES 5
#define STEP_NEURONS 4
#define STEP_VECTORS 4
#include "kernel_template.h"

#define REAL double
#define BITS uint64_t
#define IS_DOUBLE 1
#define KERNEL kernel_avx512_float64
#define V __m512d
#define V_WIDTH 8
#define V_LOAD _mm512_loadu_pd
#define V_STORE _mm512_storeu_pd
#define V_ADD _mm512_add_pd
#define V_MUL _mm512_mul_pd
#define V_SET1 _mm512_set1_pd
#define V_SUM sum_pd
#define DOT_NEURONS 4
#define DOT_IMAGES 5
#define STEP_NEURONS 4
#define STEP_VECTORS 4
#include "kernel_template.h"
